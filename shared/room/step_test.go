package room

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// sale is a run under settings that a test changes and steps.
type sale struct {
	State
	pacing   Pacing
	settings Settings
	now      time.Time
}

func saleSettings(rate int) Settings {
	return Settings{
		OnSale: noon, PreQueue: noon.Add(-30 * time.Minute), Closes: noon.Add(24 * time.Hour), Rate: rate,
		Target: "https://shop.example/checkout", Control: Auto, Stock: Plenty,
		ClaimWindow: 10 * time.Minute, PassLifetime: 30 * time.Minute, Shards: 16, PassAlg: "RS256",
	}
}

// openSale is a sale at noon whose pool of places has just been sealed.
func openSale(rate int, places int64) *sale {
	s := &sale{settings: saleSettings(rate), now: noon}
	s.State = shown(NewState(Run{"demo", runID}, "commit", s.settings, Fence{}))
	s.State = s.BeginClosing(noon).FinishClosing(places)
	s.step(0)
	return s
}

// step lets d pass and moves the run on.
func (s *sale) step(d time.Duration, tallies ...Tally) {
	s.now = s.now.Add(d)
	s.State, s.pacing = Step(s.State, s.pacing, s.settings, tallies, s.now)
}

// admits makes a step of d and returns how many places the pointer passed.
func (s *sale) admits(d time.Duration) int64 {
	before := s.Admitted
	s.step(d)
	return s.Admitted - before
}

// quiet is what is known when as many come as are let through: the pointer moves at the rate.
func quiet(rate int) Show {
	perSecond := float64(rate) / 60
	s := Show{Turns: 1e6, Claims: 1e6}
	s.Waiting = (margin + 1e-3) * perSecond * drain.Seconds()
	return s
}

func TestNewState(t *testing.T) {
	held := Fence{"somebody", 41}
	got := NewState(Run{"demo", runID}, "commit", saleSettings(60), held)
	want := State{Run: Run{"demo", runID}, Fence: held, Shards: 16, Closing: NoCohort, Phase: Scheduled, Commit: "commit", Hidden: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	t.Run("its first step admits nobody, however long ago nothing was", func(t *testing.T) {
		s := sale{State: got, settings: saleSettings(60_000), now: noon}
		if s.Base = 1000; s.admits(0) != 0 || s.Phase != Open || !s.Last.Equal(noon) {
			t.Errorf("got %+v", s.State)
		}
	})
}

func TestFractionsAreCarried(t *testing.T) {
	for _, rate := range []int{1, 7, 13, 61, 599, 1001, 59_999} {
		s := openSale(rate, 1<<40)
		for range 3600 {
			s.pacing.Show = quiet(rate)
			s.step(time.Second)
		}
		if want := int64(rate) * 60; s.Admitted < want-1 || s.Admitted > want+1 {
			t.Errorf("at %d a minute the pointer stands at %d after an hour, want %d", rate, s.Admitted, want)
		}
	}
}

func TestStepsOfAnyLengthAddUp(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 10))
		s := openSale(1+rng.IntN(MaxRate), 1<<40)
		var credit float64
		for range 500 {
			d := time.Duration(rng.Int64N(int64(MaxElapsed) + 1))
			s.step(d)
			credit += s.Speed / 60 * d.Seconds()
			if off := credit - float64(s.Admitted); off < -1e-3 || off > 1+1e-3 {
				t.Fatalf("seed %d: the pointer stands at %d for a credit of %f", seed, s.Admitted, credit)
			}
		}
	}
}

func TestElapsedTime(t *testing.T) {
	for _, c := range []struct {
		passed  time.Duration
		elapsed float64 // seconds that are made up for
	}{
		{0, 0}, {time.Second, 1}, {1500 * time.Millisecond, 1.5}, {2 * time.Second, 2}, {2001 * time.Millisecond, 2}, {time.Minute, 2},
		{10 * time.Minute, 2}, {5 * time.Hour, 2}, {-time.Nanosecond, 0}, {-time.Second, 0}, {-10 * time.Minute, 0},
	} {
		t.Run(c.passed.String(), func(t *testing.T) {
			s := openSale(6000, 1<<40)
			for range 20 {
				s.step(time.Second)
			}
			carry, clock := s.Carry, s.Clock
			got := s.admits(c.passed)
			if want := int64(carry + s.Speed/60*c.elapsed); got != want {
				t.Errorf("%d admitted, want %d: %v seconds at %.0f a minute", got, want, c.elapsed, s.Speed)
			}
			if most := int64(2*6000/60*c.elapsed) + 1; got > most {
				t.Errorf("%d admitted, more than twice the rate", got)
			}
			if got := (s.Clock - clock).Seconds(); got != c.elapsed {
				t.Errorf("the state's clock moved by %v s, want %v", got, c.elapsed)
			}
			if !s.Last.Equal(s.now) {
				t.Errorf("the latest step is noted at %v, was at %v", s.Last, s.now)
			}
			// The time before a jump is not made up for later either.
			carry = s.Carry
			if got, want := s.admits(time.Second), int64(carry+s.Speed/60); got != want {
				t.Errorf("the step after it admitted %d, want %d", got, want)
			}
		})
	}
}

func TestPointerWaitsForTheLine(t *testing.T) {
	s := openSale(6000, 50)
	for range 600 {
		if s.step(time.Second); s.Admitted > s.Base {
			t.Fatalf("%d admitted of %d", s.Admitted, s.Base)
		}
	}
	if s.Admitted != 50 || s.Carry != 0 {
		t.Fatalf("%d of 50 admitted, %f carried", s.Admitted, s.Carry)
	}
	s.State = s.BeginClosing(noon).FinishClosing(1_000_000)
	if got, most := s.admits(time.Second), int64(s.Speed/60)+1; got > most {
		t.Errorf("%d admitted in the second after ten minutes of an empty line, want at most %d", got, most)
	}
}

func TestStandingStill(t *testing.T) {
	for _, control := range []Control{ForcePaused, ForceSoldOut, ForceClosed} {
		t.Run(string(control), func(t *testing.T) {
			s := openSale(1000, 1<<40)
			for range 90 {
				s.step(time.Second)
			}
			before, points := s.State, slices.Clone(s.pacing.Checkpoints)
			s.settings.Control = control
			for range 1000 {
				s.step(time.Second)
			}
			if s.Admitted != before.Admitted || s.Expired != before.Expired || s.Clock != before.Clock || s.Base != before.Base || s.Cohort != before.Cohort {
				t.Errorf("it went from %+v to %+v", before, s.State)
			}
			if !slices.Equal(s.pacing.Checkpoints, points) {
				t.Errorf("checkpoints went from %v to %v", points, s.pacing.Checkpoints)
			}
			if _, moves := s.Wait(s.Admitted + 1); moves || s.Carry != 0 {
				t.Errorf("the pointer is said to move at %f with %f carried", s.Speed, s.Carry)
			}
			s.settings.Control = Auto
			got := s.admits(time.Second)
			if moves := got > 0; moves != (control != ForceClosed) {
				t.Errorf("back on auto %d were admitted in phase %s", got, s.Phase)
			}
			if most := int64(s.Speed/60) + 1; got > most {
				t.Errorf("back on auto %d were admitted in a second, want at most %d", got, most)
			}
		})
	}
}

func TestStepTakesSettingsOver(t *testing.T) {
	s := openSale(60, 100)
	s.settings = Settings{
		OnSale: noon, PreQueue: noon.Add(-time.Hour), Closes: noon.Add(time.Hour), Rate: 90, Target: "https://other.example/",
		Control: Auto, ClaimWindow: time.Minute, PassLifetime: time.Hour, Shards: 99, PassAlg: "HS256",
	}
	want := s.State
	s.step(0)
	want.PreQueue, want.Closes = noon.Add(-time.Hour), noon.Add(time.Hour)
	want.Target, want.PassLifetime, want.PassAlg, want.ClaimWindow = "https://other.example/", time.Hour, "HS256", time.Minute
	want.Cap, want.Speed = Cap{Rate: 90}, s.Speed // 16 shards stay 16
	if s.State != want {
		t.Errorf("got  %+v\nwant %+v", s.State, want)
	}

	t.Run("a closed run keeps its dates and its rate", func(t *testing.T) {
		s.settings.Control = ForceClosed
		s.step(time.Second)
		want := s.State
		s.settings.OnSale, s.settings.PreQueue, s.settings.Closes = noon.Add(48*time.Hour), noon.Add(47*time.Hour), noon.Add(72*time.Hour)
		s.settings.Rate, s.settings.Control, s.settings.Target = 1000, Auto, "https://third.example/"
		s.step(time.Second)
		if want.Last = s.now; s.State != want {
			t.Errorf("got  %+v\nwant %+v", s.State, want)
		}
	})
}

// A turn is claimed on the state's clock: it lasts at least the claim window and, with a step a
// second, at most a checkpoint's distance and a step longer, through pauses, outages and jumps.
func TestHowLongATurnLasts(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 11))
		s := openSale(1+rng.IntN(3000), 1<<40)
		s.settings.ClaimWindow = time.Minute + time.Duration(rng.IntN(120))*time.Second
		longest := CheckpointEvery + time.Second
		jumps := seed%2 == 1
		if jumps {
			longest = CheckpointEvery + 2*MaxElapsed
		}
		type turn struct {
			upTo  int64
			clock time.Duration
		}
		var turns []turn
		for range 600 {
			d := time.Second
			if jumps {
				d = []time.Duration{time.Second, 700 * time.Millisecond, 1900 * time.Millisecond, 10 * time.Minute, -10 * time.Minute}[rng.IntN(5)]
				if s.now.Add(d).Before(noon) {
					d = time.Second
				}
			}
			if s.settings.Control = Auto; rng.IntN(3) == 0 {
				s.settings.Control = ForcePaused
			}
			before := s.Admitted
			if s.step(d); s.Admitted > before {
				turns = append(turns, turn{s.Admitted, s.Clock})
			}
			for len(turns) > 0 && s.Expired >= turns[0].upTo {
				if lasted := s.Clock - turns[0].clock; lasted < s.settings.ClaimWindow {
					t.Fatalf("seed %d: a turn lasted %v of %v", seed, lasted, s.settings.ClaimWindow)
				}
				turns = turns[1:]
			}
			if len(turns) > 0 {
				if lasts := s.Clock - turns[0].clock; lasts > s.settings.ClaimWindow+longest {
					t.Fatalf("seed %d: a turn of %v still lasts after %v", seed, s.settings.ClaimWindow, lasts)
				}
			}
		}
		if s.Expired == 0 {
			t.Fatalf("seed %d: no turn expired in a clock of %v", seed, s.Clock)
		}
	}
}

func TestPauseExtendsATurn(t *testing.T) {
	const first = 10
	s := openSale(600, first)
	lasted := func(pause int) (seconds int) {
		s := *s
		for s.Admitted < first {
			s.step(time.Second)
		}
		for ; s.Expired < first; seconds++ {
			s.settings.Control = Auto
			if seconds >= 100 && seconds < 100+pause {
				s.settings.Control = ForcePaused
			}
			s.step(time.Second)
		}
		return seconds
	}
	if without, with := lasted(0), lasted(3000); with != without+3000 {
		t.Errorf("a turn of %d s lasts %d s with a pause of 3000 s in it", without, with)
	}
}

func TestExpiryFollowsTheClaimWindow(t *testing.T) {
	s := openSale(600, 1<<40)
	for range 300 {
		s.step(time.Second)
	}
	if s.Expired != 0 {
		t.Fatalf("%d turns expired after five minutes", s.Expired)
	}
	s.settings.ClaimWindow = time.Minute
	s.step(time.Second)
	if left := s.Admitted - s.Expired; s.Expired == 0 || left < 60*10 || left > 2*66*10+1 {
		t.Errorf("with turns of a minute %d of %d are open", left, s.Admitted)
	}
	expired := s.Expired
	s.settings.ClaimWindow = time.Hour
	for range 60 {
		if s.step(time.Second); s.Expired != expired {
			t.Fatalf("the expired pointer went from %d to %d after turns were made longer", expired, s.Expired)
		}
	}
}

// While the cap sends visitors away, turns run as much slower as visitors are admitted.
func TestRefusedVisitorsKeepTheirTime(t *testing.T) {
	s := openSale(600, 1<<40)
	s.step(time.Second)
	w := ShapeOf(600).WindowAt(s.now)
	limit := w.Limit(600)
	for _, c := range []struct {
		name   string
		tally  Tally
		served float64
	}{
		{"full after half of its time", Tally{w, limit, w.Start().Add(w.Length / 2)}, 10.0 / 18},
		{"full at its end", Tally{w, limit, w.End()}, 1},
		{"one left", Tally{w, limit - 1, w.Start()}, 1},
		{"empty", Tally{Window: w}, 1},
		{"full at once", Tally{w, limit, w.Start()}, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			clock := s.Clock
			s.step(time.Second, c.tally)
			if got := (s.Clock - clock).Seconds(); math.Abs(got-c.served) > 1e-6 {
				t.Errorf("the clock of turns moved by %f s in a second, want %f", got, c.served)
			}
		})
	}
}

// Whatever the clocks, the promoter, the line and the tallies do.
func TestStepKeepsItsPromises(t *testing.T) {
	controls := []Control{Auto, Auto, Auto, Auto, Auto, Auto, ForcePaused, ForceSoldOut}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 12))
		s := openSale(1+rng.IntN(MaxRate), rng.Int64N(5000))
		s.Fence = Fence{"owner", 7}
		for i := range 200 {
			if rng.IntN(10) == 0 {
				s.settings.Rate = 1 + rng.IntN(MaxRate)
				s.settings.Control = controls[rng.IntN(len(controls))]
				s.settings.ClaimWindow = time.Minute + time.Duration(rng.Int64N(int64(10*time.Minute)))
			}
			if rng.IntN(3) == 0 && s.Phase != Closed {
				s.State = s.BeginClosing(s.OnSale).FinishClosing(rng.Int64N(3000))
			}
			if i > 150 && rng.IntN(50) == 0 {
				s.settings.Control = ForceClosed
			}
			d := time.Second
			if rng.IntN(5) == 0 {
				d = time.Duration(rng.Int64N(int64(20*time.Minute))) - 10*time.Minute
			}
			var tallies []Tally
			for _, w := range s.pacing.Show.Due(s.Cap, s.now.Add(d)) {
				rate, _ := s.Cap.At(w.Start())
				tallies = append(tallies, Tally{w, rng.Int64N(w.Limit(rate) + 1), w.Start().Add(time.Duration(rng.Int64N(int64(w.Length))))})
			}
			before, known := s.State, copyPacing(s.pacing)
			given := s.pacing
			s.step(d, tallies...)
			if broken := brokenPromise(before, *s, d); broken != "" {
				t.Fatalf("seed %d, step %d of %v: %s\nbefore %+v\nafter  %+v", seed, i, d, broken, before, s.State)
			}
			// A step that could not be stored is made again from what was held.
			if !samePacing(given, known) {
				t.Fatalf("seed %d, step %d: the pacing that was given was changed", seed, i)
			}
		}
	}
}

func copyPacing(p Pacing) Pacing {
	p.Checkpoints = slices.Clone(p.Checkpoints)
	p.Show.Fresh, p.Show.Recent = slices.Clone(p.Show.Fresh), slices.Clone(p.Show.Recent)
	return p
}

func samePacing(a, b Pacing) bool {
	return slices.Equal(a.Checkpoints, b.Checkpoints) && slices.Equal(a.Show.Fresh, b.Show.Fresh) && slices.Equal(a.Show.Recent, b.Show.Recent)
}

// brokenPromise says what a step of d must not have done to the state before, or nothing.
func brokenPromise(before State, after sale, d time.Duration) string {
	most := min(max(d, 0), MaxElapsed)
	turns, clock := after.Admitted-before.Admitted, after.Clock-before.Clock
	rate, _ := after.Cap.At(after.now)
	switch {
	case turns < 0 || after.Expired < before.Expired || clock < 0:
		return "something went back"
	case after.Admitted > after.Base || after.Expired > after.Admitted:
		return "a pointer overtook the next"
	case clock > most:
		return "the clock of turns ran faster than time"
	case after.Phase != Open && (turns > 0 || clock > 0 || after.Expired > before.Expired || after.Speed != 0):
		return "something moved although the sale is not open"
	case after.Phase == Open && (after.Speed < minBoost*float64(rate)*0.999 || after.Speed > maxBoost*float64(rate)*1.001):
		return fmt.Sprintf("the pointer moves at %f a minute", after.Speed)
	case float64(turns) > after.Speed/60*most.Seconds()+1:
		return fmt.Sprintf("%d turns were given at %f a minute", turns, after.Speed)
	case after.Carry < 0 || after.Carry >= 1:
		return "more than a fraction was carried"
	case before.Phase == Closed && after.Phase != Closed:
		return "a closed run was opened"
	case after.Base != before.Base || after.Cohort != before.Cohort || after.Closing != before.Closing || after.Fence != before.Fence || after.Shards != before.Shards:
		return "a step changed what is not its own"
	case after.pacing.Show.Share() < 0 || after.pacing.Show.Share() > 1 || after.pacing.Show.Refused < 0 || after.pacing.Show.Refused > 1:
		return fmt.Sprintf("of the turns %f are claimed, of the claims %f refused", after.pacing.Show.Share(), after.pacing.Show.Refused)
	case after.Phase == Open && len(after.pacing.Checkpoints) > int(after.settings.ClaimWindow/CheckpointEvery)+2:
		return fmt.Sprintf("%d checkpoints are kept", len(after.pacing.Checkpoints))
	}
	return ""
}

// A step that could not be stored is made again from what was held, and neither outcome may change
// the other.
func TestStepsFromOneBeginning(t *testing.T) {
	s := openSale(6000, 1<<40)
	step := func(n int64) sale {
		next := *s
		var tallies []Tally
		for _, w := range s.pacing.Show.Due(s.Cap, s.now.Add(time.Second)) {
			tallies = append(tallies, Tally{w, n, w.End()})
		}
		next.step(time.Second, tallies...)
		return next
	}
	for i := range 200 {
		first := step(1)
		known := copyPacing(first.pacing)
		second := step(90)
		if !samePacing(first.pacing, known) {
			t.Fatalf("step %d made again changed what came of it the first time", i)
		}
		*s = second
	}
}

// A leader that dies takes the last checkpoints with it. Turns then last a little longer, and none
// that has expired comes back.
func TestLosingTheLatestPacing(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 14))
		s := openSale(600, 1<<40)
		s.settings.ClaimWindow = time.Minute
		for range 10 {
			s.step(time.Second)
		}
		stored := s.pacing
		admitted := map[time.Duration]int64{} // by the state's clock
		for i := range 300 {
			if i%int(CheckpointEvery/time.Second) == 0 {
				stored = s.pacing
			}
			if rng.IntN(20) == 0 {
				s.pacing = stored
			}
			before := s.Expired
			s.step(time.Second)
			admitted[s.Clock] = s.Admitted
			if s.Expired < before || s.Expired > s.Admitted {
				t.Fatalf("seed %d: %d expired, then %d of %d", seed, before, s.Expired, s.Admitted)
			}
			latest := s.Clock - s.settings.ClaimWindow
			if young := admitted[latest+time.Second]; young > 0 && s.Expired >= young {
				t.Fatalf("seed %d: %d expired before their time", seed, s.Expired-young+1)
			}
			if old := admitted[latest-2*CheckpointEvery-time.Second]; s.Expired < old {
				t.Fatalf("seed %d: %d turns still last", seed, old-s.Expired)
			}
		}
	}
}

func TestWait(t *testing.T) {
	s := openSale(60, 1000)
	s.Admitted, s.Speed = 100, 60
	for _, c := range []struct {
		position int64
		want     time.Duration
	}{{160, time.Minute}, {101, time.Second}, {100, 0}, {1, 0}} {
		if got, ok := s.Wait(c.position); !ok || got != c.want {
			t.Errorf("position %d waits %v (%v), want %v", c.position, got, ok, c.want)
		}
	}
	s.Speed = 0
	if got, ok := s.Wait(160); ok {
		t.Errorf("a pointer that stands still comes in %v", got)
	}
}

// Pacing may be lost; the clock of turns goes on.
func TestClockGoesOnWithoutPacing(t *testing.T) {
	s := openSale(600, 1<<40)
	s.step(time.Second)
	s.pacing = Pacing{}
	before := s.Clock
	if s.step(time.Second); s.Clock == before {
		t.Error("the clock of turns stands still although nobody is refused")
	}
}
