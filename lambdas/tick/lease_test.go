package tick_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// crash cuts an environment off from the store, which is what its death looks like to the others.
type crash struct {
	*table
	dead chan struct{}
}

func (c crash) alive(ctx context.Context) error {
	select {
	case <-c.dead:
		return hangs(ctx)
	default:
		return nil
	}
}

func (c crash) State(ctx context.Context, event string) (room.State, error) {
	if err := c.alive(ctx); err != nil {
		return room.State{}, err
	}
	return c.table.State(ctx, event)
}

func TestStandbyTakesOverFromADeadLeader(t *testing.T) {
	// The standby starts at different moments of the leader's second, and the leader dies at any.
	for _, lag := range []time.Duration{0, 250 * time.Millisecond, 999 * time.Millisecond} {
		for _, dies := range []time.Duration{20*time.Second + 1, 20*time.Second + half, 20*time.Second + 999*time.Millisecond} {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 20*time.Minute)
				dead := make(chan struct{})
				mortal := s.environment()
				mortal.Store = crash{s.table, dead}
				s.invoke(mortal)
				s.until(10*time.Second + lag)
				s.invoke(s.environment())
				s.until(dies)
				leader := s.state(event)
				close(dead)
				last := s.table.writes(event)[len(s.table.writes(event))-1]
				for s.state(event).Owner == leader.Owner && s.elapsed() < time.Minute {
					time.Sleep(10 * time.Millisecond)
				}
				took := s.elapsed() - last
				if took < 3*time.Second || took > 4250*time.Millisecond+10*time.Millisecond {
					t.Errorf("lag %v, death at %v: taken over %v after the last write", lag, dies, took)
				}
				s.until(s.elapsed() + 5*time.Second)
				if st := s.state(event); st.Version < leader.Version+4 || st.ID != leader.ID {
					t.Errorf("version %d after %d", st.Version, leader.Version)
				}
			})
		}
	}
}

func TestOneLeadsAtATime(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		for range 4 {
			s.invoke(s.environment())
			time.Sleep(130 * time.Millisecond)
		}
		owner := s.state(event).Owner
		s.until(60*time.Second + half)
		if st := s.state(event); st.Owner != owner {
			t.Errorf("the lease went from %q to %q", owner, st.Owner)
		}
		// One a second and one more for the decision to close the pool.
		if n := len(s.table.writes(event)); n != 62 {
			t.Errorf("%d state writes in a minute", n)
		}
	})
}

func TestHandOverTakesOneStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		leader := s.invoke(s.environment())
		s.until(10*time.Second + 200*time.Millisecond)
		s.invoke(s.environment())
		s.until(20*time.Second + 100*time.Millisecond)
		before := s.state(event)
		leader.cancel()
		s.until(20*time.Second + 300*time.Millisecond)
		if st := s.state(event); st.Owner == "" || st.Owner == before.Owner || st.ID != before.ID {
			t.Errorf("owner %q after %q", st.Owner, before.Owner)
		}
	})
}

// Invocations that start a minute apart keep the line going without a gap.
func TestMinuteByMinute(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.invoke(env)
		s.until(5*time.Second + half)
		s.join(20_000)
		for minute := 1; minute <= 10; minute++ {
			s.until(time.Duration(minute) * time.Minute)
			s.invoke(env)
		}
		s.until(11 * time.Minute)
		writes := s.table.writes(event)
		for i := 1; i < len(writes); i++ {
			if gap := writes[i] - writes[i-1]; gap > 1100*time.Millisecond {
				t.Errorf("no step for %v until %v", gap, writes[i])
			}
		}
		checkStatuses(t, s.documents.under("status/"))
		if errs := env.log.errors(); len(errs) != 0 {
			t.Errorf("errors: %q", errs)
		}
	})
}

// A leader that slept through its take-over finds the fence changed and stands by.
func TestLeaderThatWakesUpLateStopsLeading(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		sleepy := s.environment()
		woken := make(chan struct{})
		sleeping := false
		sleepy.Store = beforeSave{s.table, func() {
			if s.elapsed() >= 20*time.Second && !sleeping {
				sleeping = true
				<-woken
			}
		}}
		s.invoke(sleepy)
		first := s.state(event).Owner
		s.invoke(s.environment())
		s.until(28*time.Second + half)
		second := s.state(event).Owner
		if second == first {
			t.Fatal("nobody took over")
		}
		close(woken)
		s.until(60*time.Second + half)
		if st := s.state(event); st.Owner != second {
			t.Errorf("the lease went from %q to %q", second, st.Owner)
		}
		checkStatuses(t, s.documents.under("status/"))
	})
}

// beforeSave calls wait before every write of the state.
type beforeSave struct {
	*table
	wait func()
}

func (b beforeSave) Save(ctx context.Context, next room.State, held room.Fence) error {
	b.wait()
	return b.table.Save(ctx, next, held)
}

func (b beforeSave) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	b.wait()
	return b.table.SaveWithPacing(ctx, next, p, held)
}

// A write whose answer is lost has happened or not; either way the leader goes on leading.
func TestLostAnswersOfStateWrites(t *testing.T) {
	for name, save := range map[string]func(ctx context.Context, s *sale, next room.State, p room.Pacing, held room.Fence) error{
		"stored": func(ctx context.Context, s *sale, next room.State, p room.Pacing, held room.Fence) error {
			if err := s.table.Memory.SaveWithPacing(ctx, next, p, held); err != nil {
				return err
			}
			return errDown
		},
		"not stored": func(context.Context, *sale, room.State, room.Pacing, room.Fence) error { return errDown },
		"throttled":  func(context.Context, *sale, room.State, room.Pacing, room.Fence) error { return store.ErrThrottled },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				env := s.environment()
				env.Store = everyThird{table: s.table, calls: new(int), save: func(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
					return save(ctx, s, next, p, held)
				}}
				s.invoke(env)
				s.until(3*time.Second + half)
				owner := s.state(event).Owner
				s.join(5000)
				s.until(60*time.Second + half)
				st := s.state(event)
				if st.Owner != owner || st.Base != 5000 {
					t.Errorf("owner from %q to %q, %d places", owner, st.Owner, st.Base)
				}
				// Every third write is lost, but no time: elapsed covers two seconds.
				if st.Admitted < 480 {
					t.Errorf("admitted %d", st.Admitted)
				}
				// A write that is found to have happened costs no step.
				if lost := len(env.log.messages("step lost")); (lost == 0) != (name == "stored") {
					t.Errorf("%d steps lost", lost)
				}
				checkStatuses(t, s.documents.under("status/"))
				checkSeals(t, s)
			})
		})
	}
}

type everyThird struct {
	*table
	calls *int
	save  func(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error
}

func (e everyThird) Save(ctx context.Context, next room.State, held room.Fence) error {
	if *e.calls++; *e.calls%3 != 0 {
		return e.table.Save(ctx, next, held)
	}
	p, err := e.table.Memory.Pacing(ctx, next.Event)
	if err != nil {
		return err
	}
	return e.save(ctx, next, p, held)
}

func (e everyThird) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	if *e.calls++; *e.calls%3 != 0 {
		return e.table.SaveWithPacing(ctx, next, p, held)
	}
	return e.save(ctx, next, p, held)
}

// Two environments that meet an event for the first time make one run of it.
func TestTwoBeginOneRun(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		for range 2 {
			env := s.environment()
			env.Store = beforeSave{s.table, func() { time.Sleep(100 * time.Millisecond) }}
			s.invoke(env)
		}
		s.until(half)
		run := s.state(event).ID
		s.until(20*time.Second + half)
		if st := s.state(event); st.ID != run || st.Commit != room.Commit(st.DrawKey(s.secret)) {
			t.Errorf("run %s after %s", st.ID, run)
		}
		for _, p := range s.documents.under("status/") {
			if status := decode[room.Status](t, p.body); status.Run != run {
				t.Errorf("run %s was published at %v", status.Run, p.at)
			}
		}
		synctest.Wait()
	})
}

// What a leader may wait for in a step does not make a standby take it for dead.
func TestSlowLeaderKeepsTheLease(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.fill(env, "600", 5000)
		s.until(15*time.Second + 200*time.Millisecond)
		standby := s.environment()
		s.invoke(standby)
		owner := s.state(event).Owner
		s.promoter.setFail(hangs)
		s.documents.setFail(func(ctx context.Context, _ string) error { return hangs(ctx) })
		for s.elapsed() < 60*time.Second {
			s.until(s.elapsed() + half)
			s.join(1) // there is always somebody to be sealed
			if now := s.state(event).Owner; now != owner {
				t.Fatalf("at %v the lease went from %q to %q", s.elapsed(), owner, now)
			}
		}
		if tried := len(standby.log.messages("step lost")); tried > 0 {
			t.Errorf("the standby tried to take over %d times", tried)
		}
	})
}

// looks counts the states that one environment reads, and takes none.
type looks struct {
	rebuff
	n *atomic.Int32
}

func (l looks) State(ctx context.Context, event string) (room.State, error) {
	l.n.Add(1)
	return l.table.State(ctx, event)
}

// Only trouble is looked at more often than once a second, and not for long.
func TestStandbyHurriesOnlyInTrouble(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		mortal, dead := s.environment(), make(chan struct{})
		mortal.Store = crash{s.table, dead}
		s.invoke(mortal)
		s.until(5*time.Second + 300*time.Millisecond)
		standby, n := s.environment(), new(atomic.Int32)
		standby.Store = looks{rebuff{s.table, func() bool { return true }}, n}
		s.invoke(standby)
		reads := func(seconds time.Duration) int32 {
			n.Store(0)
			s.until(s.elapsed() + seconds*time.Second)
			return n.Load()
		}
		if got := reads(10); got != 10 {
			t.Errorf("%d reads in ten seconds while all is well", got)
		}
		close(dead)
		// Each state that it tries to write and that is refused costs another read.
		if got := reads(10); got < 50 || got > 80 {
			t.Errorf("%d reads in the first ten seconds without a leader", got)
		}
		reads(5)
		if got := reads(10); got != 20 {
			t.Errorf("%d reads in ten seconds when nobody has led for a while", got)
		}
	})
}

// A leader that seals has moved the pointer when it has decided to: its death costs one takeover.
func TestDecisionToSealMovesThePointer(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		decisions := 0
		env.Store = judged{s.table, func(before, next room.State) {
			if next.Closing == room.NoCohort || before.Closing != room.NoCohort || before.Base == 0 {
				return
			}
			decisions++
			if next.Admitted <= before.Admitted || !next.Last.After(before.Last) {
				t.Errorf("version %d decides and leaves the pointer at %d of %d", next.Version, next.Admitted, next.Base)
			}
		}}
		s.fill(env, "600", 5000)
		for s.elapsed() < 40*time.Second {
			s.until(s.elapsed() + half)
			s.join(1)
		}
		if decisions < 20 {
			t.Errorf("%d decisions", decisions)
		}
		checkSeals(t, s)
	})
}

// judged shows each state that is written and the one before it.
type judged struct {
	*table
	judge func(before, next room.State)
}

func (j judged) Save(ctx context.Context, next room.State, held room.Fence) error {
	before, _ := j.table.Memory.State(ctx, next.Event)
	j.judge(before, next)
	return j.table.Save(ctx, next, held)
}

func (j judged) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	before, _ := j.table.Memory.State(ctx, next.Event)
	j.judge(before, next)
	return j.table.SaveWithPacing(ctx, next, p, held)
}
