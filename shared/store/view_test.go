package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// source is Memory that counts its reads, fails on demand and, if slow, takes time to answer with
// what it held when it was asked.
type source struct {
	*store.Memory
	slow time.Duration

	mu    sync.Mutex
	fail  error
	reads int
}

func (s *source) read() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.fail
}

func (s *source) wait(ctx context.Context) error {
	if s.slow == 0 {
		return nil
	}
	select {
	case <-time.After(s.slow):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *source) State(ctx context.Context, event string) (room.State, error) {
	if err := s.read(); err != nil {
		return room.State{}, err
	}
	found, err := s.Memory.State(ctx, event)
	return found, errors.Join(s.wait(ctx), err)
}

func (s *source) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	if err := s.read(); err != nil {
		return room.Seal{}, err
	}
	found, err := s.Memory.Seal(ctx, run, cohort)
	return found, errors.Join(s.wait(ctx), err)
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func (s *source) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *source) wantReads(t *testing.T, want int) {
	t.Helper()
	if n := s.count(); n != want {
		t.Errorf("%d reads, want %d", n, want)
	}
}

// save writes the version-th state of a run, over the one before it.
func (s *source) save(t *testing.T, run room.Run, version int64) {
	t.Helper()
	var held room.Fence
	if version > 1 {
		held = room.Fence{Owner: "a", Version: version - 1}
	}
	if err := s.Save(t.Context(), state(run, "a", version), held); err != nil {
		t.Fatal(err)
	}
}

func newSource() *source { return &source{Memory: store.NewMemory(time.Now)} }

func TestViewKeepsAStateForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		v := store.NewView(s, time.Now)
		s.save(t, run, 1)
		wantVersion := func(want int64) {
			t.Helper()
			wantSame(t, must(v.State(t.Context(), run.Event))(t).Version, want)
		}
		wantVersion(1)
		s.save(t, run, 2)
		time.Sleep(time.Second)
		wantVersion(1)
		s.wantReads(t, 1)
		time.Sleep(1)
		wantVersion(2)
		s.wantReads(t, 2)

		// Whoever asks for a fresh one gets it, and all others with him.
		s.save(t, run, 3)
		wantSame(t, must(v.Fresh(t.Context(), run.Event))(t).Version, 3)
		wantVersion(3)
		s.wantReads(t, 3)
	})
}

func TestViewAgeCountsFromTheBeginningOfTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		s.slow = 600 * time.Millisecond
		v := store.NewView(s, time.Now)
		s.save(t, run, 1)
		must(v.State(t.Context(), run.Event))(t)
		time.Sleep(400 * time.Millisecond)
		must(v.State(t.Context(), run.Event))(t)
		s.wantReads(t, 1)
		time.Sleep(1)
		must(v.State(t.Context(), run.Event))(t)
		s.wantReads(t, 2)
	})
}

func TestViewDoesNotServeAnOldStateInsteadOfAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		v := store.NewView(s, time.Now)
		s.save(t, run, 1)
		must(v.State(t.Context(), run.Event))(t)
		s.setFail(store.ErrThrottled)
		time.Sleep(time.Second + 1)
		_, err := v.State(t.Context(), run.Event)
		wantError(t, err, store.ErrThrottled)
		// The error is not remembered.
		s.setFail(nil)
		must(v.State(t.Context(), run.Event))(t)
	})
}

func TestViewReadsAgainWhenTheClockGoesBack(t *testing.T) {
	now := noon
	s, run := newSource(), newRun(t)
	v := store.NewView(s, func() time.Time { return now })
	s.save(t, run, 1)
	must(v.State(t.Context(), run.Event))(t)
	_, err := v.State(t.Context(), "unknown")
	wantError(t, err, store.ErrNotFound)
	s.save(t, run, 2)
	s.wantReads(t, 2)

	now = noon.Add(-10 * time.Minute)
	wantSame(t, must(v.State(t.Context(), run.Event))(t).Version, 2)
	_, err = v.State(t.Context(), "unknown")
	wantError(t, err, store.ErrNotFound)
	s.wantReads(t, 4)

	// From then on it keeps for a second again.
	must(v.State(t.Context(), run.Event))(t)
	_, err = v.State(t.Context(), "unknown")
	wantError(t, err, store.ErrNotFound)
	s.wantReads(t, 4)
}

// noState is a source whose states have been deleted.
type noState struct{ store.Source }

func (noState) State(context.Context, string) (room.State, error) {
	return room.State{}, store.ErrNotFound
}

func TestViewTellsTheLatestOfTwoAnswers(t *testing.T) {
	now := noon
	s, run := newSource(), newRun(t)
	changing := &struct{ store.Source }{s}
	v := store.NewView(changing, func() time.Time { return now })
	_, err := v.State(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)

	// The run begins while the clock is wrong, and is not forgotten when it is right again.
	s.save(t, run, 1)
	now = noon.Add(-time.Minute)
	must(v.State(t.Context(), run.Event))(t)
	now = noon
	must(v.State(t.Context(), run.Event))(t)

	// A state that has been deleted is gone for everybody.
	changing.Source = noState{s}
	_, err = v.Fresh(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)
	_, err = v.State(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)
}

func TestViewOfUnknownEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		v := store.NewView(s, time.Now)
		for range 3 {
			_, err := v.State(t.Context(), run.Event)
			wantError(t, err, store.ErrNotFound)
		}
		s.wantReads(t, 1)
		s.save(t, run, 1)
		time.Sleep(time.Second + 1)
		must(v.State(t.Context(), run.Event))(t)
		s.wantReads(t, 2)

		// Made-up names push each other out, and no real event.
		for i := range 1_001 {
			_, err := v.State(t.Context(), fmt.Sprint("made-up-", i))
			wantError(t, err, store.ErrNotFound)
		}
		s.wantReads(t, 2+1_001)
		_, err := v.State(t.Context(), "made-up-0")
		wantError(t, err, store.ErrNotFound)
		must(v.State(t.Context(), run.Event))(t)
		s.wantReads(t, 2+1_002)
	})
}

// TestViewNeverGoesBack has a slow read answer after a faster one that began later.
func TestViewNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		s.slow = 500 * time.Millisecond
		v := store.NewView(s, time.Now)
		var slow room.State
		var slowErr, firstErr error
		var wg sync.WaitGroup
		wg.Go(func() { _, firstErr = v.Fresh(t.Context(), run.Event) })
		synctest.Wait()
		s.save(t, run, 1)
		wg.Go(func() { slow, slowErr = v.Fresh(t.Context(), run.Event) })
		synctest.Wait()
		time.Sleep(1)
		s.slow = 0
		s.save(t, run, 2)
		wantSame(t, must(v.Fresh(t.Context(), run.Event))(t).Version, 2)
		wg.Wait()
		wantError(t, firstErr, store.ErrNotFound)
		if slowErr != nil {
			t.Fatal(slowErr)
		}
		wantSame(t, slow.Version, 2)
		// What answered late has neither replaced nor removed what is remembered.
		wantSame(t, must(v.State(t.Context(), run.Event))(t).Version, 2)
		s.wantReads(t, 3)
	})
}

func TestViewSharesReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		s.slow = time.Second
		v := store.NewView(s, time.Now)
		s.save(t, run, 1)
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := v.State(first, run.Event)
			wantError(t, err, context.Canceled)
		})
		synctest.Wait()
		for range crowd {
			wg.Go(func() {
				if got, err := v.State(t.Context(), run.Event); err != nil || got.Version != 1 {
					t.Errorf("version %d, %v", got.Version, err)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		s.wantReads(t, 1)
	})
}

// TestViewGivesUp holds that a read which hangs ends, also when nobody waits for it any more.
func TestViewGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		s.slow = time.Hour
		v := store.NewView(s, time.Now)
		began := time.Now()
		_, err := v.State(t.Context(), run.Event)
		wantError(t, err, context.DeadlineExceeded)
		wantSame(t, time.Since(began), 5*time.Second)
	})
}

func TestViewOfSeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		v := store.NewView(s, time.Now)
		for range 2 {
			_, err := v.Seal(t.Context(), run, 0)
			wantError(t, err, store.ErrNotFound)
		}
		s.wantReads(t, 2)
		seal := room.Seal{Run: run, Cohort: 0, Base: 7, Counts: []int64{1, 2}, Seed: [32]byte{9}}
		if err := s.PutSeal(t.Context(), seal); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			wantSame(t, must(v.Seal(t.Context(), run, 0))(t), seal)
			time.Sleep(time.Hour)
		}
		s.wantReads(t, 3)

		// Those who ask at once share one read.
		other := newRun(t)
		seal.Run = other
		if err := s.PutSeal(t.Context(), seal); err != nil {
			t.Fatal(err)
		}
		s.slow = time.Second
		together(func(int) {
			if got, err := v.Seal(t.Context(), other, 0); err != nil || !got.Equal(seal) {
				t.Errorf("%+v, %v", got, err)
			}
		})
		s.wantReads(t, 4)
	})
}

// anySeal is a source that has every seal.
type anySeal struct {
	*source
}

func (s anySeal) Seal(_ context.Context, run room.Run, cohort int64) (room.Seal, error) {
	return room.Seal{Run: run, Cohort: cohort}, s.read()
}

func TestViewKeepsABoundedNumberOfSeals(t *testing.T) {
	const most = 20_000
	s, run := anySeal{newSource()}, newRun(t)
	v := store.NewView(s, time.Now)
	// One more than fit pushes one out, and only one.
	for cohort := range int64(most + 1) {
		must(v.Seal(t.Context(), run, cohort))(t)
	}
	s.wantReads(t, most+1)
	wantSame(t, must(v.Seal(t.Context(), run, most))(t).Cohort, most)
	s.wantReads(t, most+1)
	for cohort := range int64(most + 1) {
		if s.count() > most+1 {
			break
		}
		must(v.Seal(t.Context(), run, cohort))(t)
	}
	s.wantReads(t, most+2)
}

// A hidden run is not kept: those who are told that it is shown come within the same second.
func TestViewDoesNotKeepAHiddenRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, run := newSource(), newRun(t)
		v := store.NewView(s, time.Now)
		hidden := state(run, "a", 1)
		hidden.Hidden = true
		if err := s.Save(t.Context(), hidden, room.Fence{}); err != nil {
			t.Fatal(err)
		}
		wantSame(t, must(v.State(t.Context(), run.Event))(t).Hidden, true)
		if err := s.Save(t.Context(), state(run, "a", 2), hidden.Fence); err != nil {
			t.Fatal(err)
		}
		wantSame(t, must(v.State(t.Context(), run.Event))(t).Hidden, false)
	})
}
