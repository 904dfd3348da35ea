package room

import (
	"math/rand/v2"
	"testing"
	"time"
)

// chapter is what the promoter and the clock did before a step.
type chapter struct {
	at     time.Duration // from noon, the first on-sale
	set    func(*Settings)
	want   Phase
	joins  error
	claims error
}

func control(c Control) func(*Settings) { return func(s *Settings) { s.Control = c } }

func onSaleAt(d time.Duration) func(*Settings) {
	return func(s *Settings) {
		s.OnSale, s.PreQueue, s.Closes = noon.Add(d), noon.Add(d-30*time.Minute), noon.Add(d+24*time.Hour)
	}
}

func TestPhases(t *testing.T) {
	const min, hour = time.Minute, time.Hour
	for name, story := range map[string][]chapter{
		"as planned": {
			{-2 * hour, nil, Scheduled, ErrNotOpenYet, nil},
			{-30*min - 1, nil, Scheduled, ErrNotOpenYet, nil},
			{-30 * min, nil, PreQueue, nil, nil},
			{-1, nil, PreQueue, nil, nil},
			{0, nil, Open, nil, nil},
			{24*hour - 1, nil, Open, nil, nil},
			{24 * hour, nil, Closed, ErrOver, ErrOver},
			{25 * hour, nil, Closed, ErrOver, ErrOver},
		},
		"paused and back": {
			{0, nil, Open, nil, nil},
			{min, control(ForcePaused), Paused, nil, nil},
			{2 * min, control(Auto), Open, nil, nil},
		},
		"sold out and back": {
			{0, nil, Open, nil, nil},
			{min, control(ForceSoldOut), SoldOut, ErrSoldOut, ErrSoldOut},
			{2 * min, control(Auto), Open, nil, nil},
		},
		"sold out before the on-sale and back": {
			{-hour, control(ForceSoldOut), SoldOut, ErrSoldOut, ErrSoldOut},
			{-50 * min, control(Auto), Scheduled, ErrNotOpenYet, nil},
		},
		"sold out in the pre-queue, back after the on-sale": {
			{-min, nil, PreQueue, nil, nil},
			{-1, control(ForceSoldOut), SoldOut, ErrSoldOut, ErrSoldOut},
			{min, control(Auto), Open, nil, nil},
		},
		"closed is final": {
			{0, nil, Open, nil, nil},
			{min, control(ForceClosed), Closed, ErrOver, ErrOver},
			{2 * min, control(Auto), Closed, ErrOver, ErrOver},
			{3 * min, onSaleAt(time.Hour), Closed, ErrOver, ErrOver},
		},
		"closed before it was on sale": {
			{-2 * hour, control(ForceClosed), Closed, ErrOver, ErrOver},
			{0, control(Auto), Closed, ErrOver, ErrOver},
		},
		"closing time has the last word": {
			{24 * hour, control(ForceSoldOut), Closed, ErrOver, ErrOver},
		},
		"a pause before the on-sale keeps nobody from joining": {
			{-hour, control(ForcePaused), Scheduled, ErrNotOpenYet, nil},
			{-30 * min, nil, PreQueue, nil, nil},
			{0, nil, Paused, nil, nil},
			{min, control(Auto), Open, nil, nil},
		},
		"the on-sale moved later: the pre-queue stays open": {
			{-20 * min, nil, PreQueue, nil, nil},
			{-10 * min, onSaleAt(5 * hour), PreQueue, nil, nil},
			{0, nil, PreQueue, nil, nil},
			{5 * hour, nil, Open, nil, nil},
		},
		"the on-sale moved later before the pre-queue opened": {
			{-hour, nil, Scheduled, ErrNotOpenYet, nil},
			{-50 * min, onSaleAt(5 * hour), Scheduled, ErrNotOpenYet, nil},
			{0, nil, Scheduled, ErrNotOpenYet, nil},
			{5*hour - 30*min, nil, PreQueue, nil, nil},
		},
		"the on-sale moved earlier, into the past": {
			{-hour, nil, Scheduled, ErrNotOpenYet, nil},
			{-50 * min, onSaleAt(-55 * min), Open, nil, nil},
		},
		"a clock that goes back does not end the sale": {
			{0, nil, Open, nil, nil},
			{-10 * min, nil, Open, nil, nil},
			{-hour, control(ForcePaused), Paused, nil, nil},
		},
		"a clock that goes back does not close the pre-queue": {
			{-25 * min, nil, PreQueue, nil, nil},
			{-35 * min, nil, PreQueue, nil, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sale{settings: saleSettings(60), now: noon}
			s.State = shown(NewState(Run{"demo", runID}, "", s.settings, Fence{}))
			for i, c := range story {
				if c.set != nil {
					c.set(&s.settings)
				}
				s.now = noon.Add(c.at)
				if s.MustClose(s.settings.OnSale, s.now) {
					s.State = s.BeginClosing(s.settings.OnSale).FinishClosing(5)
				}
				if s.step(0); s.Phase != c.want {
					t.Fatalf("chapter %d, at %v: the phase is %s, want %s", i, c.at, s.Phase, c.want)
				}
				if err := s.Joinable(s.now); err != c.joins {
					t.Errorf("chapter %d, at %v: joining gives %v, want %v", i, c.at, err, c.joins)
				}
				if err := s.Claimable(); err != c.claims {
					t.Errorf("chapter %d, at %v: claiming gives %v, want %v", i, c.at, err, c.claims)
				}
			}
		})
	}
}

func TestJoinableByTheClock(t *testing.T) {
	// Nobody is turned away because tick is late to notice that the pre-queue has opened.
	st := State{Phase: Scheduled, PreQueue: noon}
	if err := st.Joinable(noon.Add(-1)); err != ErrNotOpenYet {
		t.Errorf("before the pre-queue joining gives %v", err)
	}
	if err := st.Joinable(noon); err != nil {
		t.Errorf("when the pre-queue opens joining gives %v", err)
	}
}

func TestWhatToClose(t *testing.T) {
	for _, c := range []struct {
		name      string
		st        State
		at        time.Duration // from the on-sale
		must, may bool
	}{
		{"the pool before the on-sale", State{Closing: NoCohort, Phase: PreQueue}, -1, false, false},
		{"the pool at the on-sale", State{Closing: NoCohort, Phase: PreQueue}, 0, true, false},
		{"the pool at the on-sale, paused", State{Closing: NoCohort, Phase: Paused}, 0, true, false},
		{"the pool at the on-sale, sold out", State{Closing: NoCohort, Phase: SoldOut}, 0, true, false},
		{"a later cohort", State{Cohort: 1, Closing: NoCohort, Phase: Open}, 0, false, true},
		{"a later cohort, paused", State{Cohort: 7, Closing: NoCohort, Phase: Paused}, 0, false, true},
		{"a later cohort, sold out", State{Cohort: 7, Closing: NoCohort, Phase: SoldOut}, 0, false, true},
		{"a later cohort, the clock before the on-sale", State{Cohort: 1, Closing: NoCohort, Phase: Open}, -time.Minute, false, true},
		{"while one is being closed", State{Cohort: 1, Closing: 1, Phase: Open}, 0, false, false},
		{"while the pool is being closed", State{Closing: 0, Phase: PreQueue}, 0, false, false},
		{"closed before the on-sale", State{Closing: NoCohort, Phase: Closed}, -time.Hour, true, false},
		{"closed", State{Cohort: 3, Closing: NoCohort, Phase: Closed}, 0, true, false},
		{"closed while one is being closed", State{Cohort: 3, Closing: 3, Phase: Closed}, 0, false, false},
		{"over", State{Cohort: 4, Closing: NoCohort, Phase: Closed, Final: true}, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if must := c.st.MustClose(noon, noon.Add(c.at)); must != c.must {
				t.Errorf("must close: %v, want %v", must, c.must)
			}
			if may := c.st.MayClose(); may != c.may {
				t.Errorf("may close: %v, want %v", may, c.may)
			}
		})
	}
}

func TestClosing(t *testing.T) {
	st := shown(NewState(Run{"demo", runID}, "", saleSettings(60), Fence{}))
	if st.Frozen() {
		t.Error("a new run's on-sale cannot be moved")
	}
	st = st.BeginClosing(noon)
	if !st.Frozen() || st.Closing != 0 || st.Cohort != 0 || st.Final || !st.OnSale.Equal(noon) {
		t.Errorf("closing the pool: %+v", st)
	}
	st = st.FinishClosing(30)
	if !st.Frozen() || st.Closing != NoCohort || st.Cohort != 1 || st.Base != 30 {
		t.Errorf("the pool is closed: %+v", st)
	}
	st.Base, st.Phase = 40, Closed
	st = st.BeginClosing(noon.Add(time.Hour))
	if st.Closing != 1 || !st.Final || st.Over() || !st.OnSale.Equal(noon) {
		t.Errorf("closing the last cohort: %+v", st)
	}
	if st = st.FinishClosing(0); !st.Over() || st.Cohort != 2 || st.Base != 40 {
		t.Errorf("the run is over: %+v", st)
	}
}

// A run that is closed at any moment closes what is open and then one more cohort, since visitors
// may still have joined while the one before was being closed, and then is over for good.
func TestEveryRunEnds(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 13))
		s := &sale{settings: saleSettings(60), now: noon.Add(-time.Minute)}
		s.State = shown(NewState(Run{"demo", runID}, "", s.settings, Fence{}))
		end, final := rng.IntN(200), 0
		for i := range 220 {
			if i == end {
				s.settings.Control = ForceClosed
			}
			// A closing may be decided in one step and finished in a later one.
			if s.Closing != NoCohort && rng.IntN(2) == 0 {
				s.State = s.FinishClosing(rng.Int64N(3))
			} else if s.MustClose(s.settings.OnSale, s.now) || s.MayClose() && rng.IntN(2) == 0 {
				wasClosed := s.Phase == Closed
				if s.State = s.BeginClosing(s.settings.OnSale); wasClosed {
					final++
				}
			}
			over := s.Over()
			s.step(time.Second)
			if over && !s.Over() || s.Over() && s.Phase != Closed {
				t.Fatalf("seed %d: over %v, then %+v", seed, over, s.State)
			}
		}
		if !s.Over() || final != 1 || s.Live(s.now) {
			t.Fatalf("seed %d: %d closings were decided after the run was closed: %+v", seed, final, s.State)
		}
	}
}

func TestRenews(t *testing.T) {
	over := State{Phase: Closed, Final: true, Closing: NoCohort, OnSale: noon}
	now := noon.Add(30 * time.Hour)
	for _, c := range []struct {
		name   string
		st     State
		onSale time.Time
		ctrl   Control
		want   bool
	}{
		{"an on-sale to come", over, now.Add(time.Hour), Auto, true},
		{"an on-sale to come, paused", over, now.Add(time.Hour), ForcePaused, true},
		{"still set to closed", over, now.Add(time.Hour), ForceClosed, false},
		{"another on-sale that has passed", over, now.Add(-time.Hour), Auto, false},
		{"this very moment", over, now, Auto, false},
		{"its own on-sale", over, noon, Auto, false},
		{"its own on-sale to come, written in another zone", State{Phase: Closed, Final: true, Closing: NoCohort, OnSale: now.Add(time.Hour)},
			now.Add(time.Hour).In(time.FixedZone("", 3600)), Auto, false},
		{"its last cohort is not sealed yet", State{Phase: Closed, Closing: NoCohort, OnSale: noon}, now.Add(time.Hour), Auto, false},
		{"its last cohort is being sealed", State{Phase: Closed, Final: true, Closing: 1, OnSale: noon}, now.Add(time.Hour), Auto, false},
		{"open", State{Phase: Open, Closing: NoCohort, OnSale: noon}, now.Add(time.Hour), Auto, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Settings{OnSale: c.onSale, Control: c.ctrl}
			if got := c.st.Renews(s, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestLive(t *testing.T) {
	for _, c := range []struct {
		name string
		st   State
		want bool
	}{
		{"long before the pre-queue", State{Phase: Scheduled, PreQueue: noon.Add(liveAhead)}, false},
		{"within ten minutes of it", State{Phase: Scheduled, PreQueue: noon.Add(liveAhead - 1)}, true},
		{"pre-queue", State{Phase: PreQueue}, true},
		{"open", State{Phase: Open}, true},
		{"paused", State{Phase: Paused}, true},
		{"sold out, which may end", State{Phase: SoldOut}, true},
		{"closed with places to be decided", State{Phase: Closed, Closing: NoCohort}, true},
		{"closed, the last cohort being sealed", State{Phase: Closed, Final: true, Closing: 2}, true},
		{"over", State{Phase: Closed, Final: true, Closing: NoCohort}, false},
	} {
		if got := c.st.Live(noon); got != c.want {
			t.Errorf("%s: live %v, want %v", c.name, got, c.want)
		}
	}
}

// Visitors joined by the clock while tick was away, and prequeue was moved later meanwhile.
func TestPreQueueOpenedByTheClockStaysOpen(t *testing.T) {
	s := &sale{settings: saleSettings(60), now: noon.Add(-31 * time.Minute)}
	s.State = shown(NewState(Run{"demo", runID}, "", s.settings, Fence{}))
	s.step(0)
	if err := s.Joinable(noon.Add(-30 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.settings.PreQueue = noon.Add(-10 * time.Minute)
	s.step(2 * time.Minute)
	if err := s.Joinable(s.now); err != nil {
		t.Errorf("after people could join: %v in phase %s", err, s.Phase)
	}
}

// shown is a state whose commitment has been published.
func shown(st State) State {
	st.Hidden = false
	return st
}

// Nobody joins before the commitment can be read, whatever the clock says.
func TestNobodyJoinsAHiddenRun(t *testing.T) {
	s := &sale{settings: saleSettings(60), now: noon}
	s.State = NewState(Run{"demo", runID}, "", s.settings, Fence{})
	for range 3 {
		s.step(time.Second)
		if err := s.Joinable(s.now); err != ErrNotOpenYet {
			t.Errorf("at %v: %v", s.now, err)
		}
	}
}
