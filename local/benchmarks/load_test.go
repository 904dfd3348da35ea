package benchmarks

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/lambdas/tick"
	"waitingroom/shared/store"
)

// keeper is what the functions need of a store.
type keeper interface {
	join.Store
	admit.Store
	tick.Store
	store.Source
}

// load is a function with something to do, turn after turn. It has a clock of its own, which only
// turns move, so that how often states are read does not depend on the machine.
type load struct {
	now func() time.Time
	// prepare puts into a store what others than the function have put there before the i-th turn.
	prepare func(s keeper, i int) error
	// do is the i-th turn, from 0. The first ones open the sale and are not measured.
	do    func(i int) error
	first int
	batch int // turns for which everything can be prepared at once
}

// rig is a load at three tables: it is rehearsed at one, where its calls are kept, it works at another,
// and at the last its calls are made again. Keeping them would slow the work by some percent.
type rig struct {
	rehearsal, work stage
	tapes           []*tape // of the rehearsal, one for each worker of the load
	bare            store.API
	again           keeper // past the SDK, the table of bare

	prepared int    // turns that everything is prepared for
	calls    []turn // those of the turns that were rehearsed and not made again
}

// stage is a load at a table.
type stage struct {
	*load
	table keeper // past the SDK
	done  int    // turns
}

// turn is the calls of one turn by worker.
type turn [][]call

// begin makes a load. Each of its stores is for one worker, whose calls depend on each other and on no
// other worker's.
type begin func(t testing.TB, stores []keeper) *load

// newRig returns a rig whose sale is open.
func newRig(t testing.TB, workers int, begin begin) *rig {
	t.Helper()
	r := &rig{}
	r.rehearsal = newStage(t, workers, begin, func(client store.API) store.API {
		one := &tape{API: client}
		r.tapes = append(r.tapes, one)
		return one
	})
	r.work = newStage(t, workers, begin, func(client store.API) store.API { return client })
	engine, client := newTable(t)
	r.bare, r.again = client, newPast(engine, r.work.now)
	for range r.work.first {
		r.prepare(t, 1)
		r.work.turn(t)
		r.repeat(t, 1)
	}
	return r
}

func newStage(t testing.TB, workers int, begin begin, wrap func(store.API) store.API) stage {
	t.Helper()
	engine, client := newTable(t)
	var s stage
	now := func() time.Time { return s.load.now() }
	var stores []keeper
	for range workers {
		stores = append(stores, store.New(wrap(client), tableName, now))
	}
	s.load, s.table = begin(t, stores), newPast(engine, now)
	return s
}

// turn is the function's next turn.
func (s *stage) turn(t testing.TB) {
	if err := s.do(s.done); err != nil {
		t.Fatal(err)
	}
	s.done++
}

// prepare prepares the next n turns at every table, and rehearses them.
func (r *rig) prepare(t testing.TB, n int) {
	t.Helper()
	for range n {
		for _, at := range []stage{r.rehearsal, r.work, {load: r.rehearsal.load, table: r.again}} {
			if err := at.prepare(at.table, r.prepared); err != nil {
				t.Fatal(err)
			}
		}
		r.prepared++
	}
	for range n {
		r.rehearsal.turn(t)
		var made turn
		for _, one := range r.tapes {
			made = append(made, one.cut())
		}
		r.calls = append(r.calls, made)
	}
}

// repeat makes the calls of the next n turns and nothing else, and returns how long that took.
func (r *rig) repeat(t testing.TB, n int) time.Duration {
	t.Helper()
	began := time.Now()
	for _, made := range r.calls[:n] {
		if err := made.play(t.Context(), r.bare); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	r.calls = r.calls[n:]
	return took
}

// play makes the calls of each worker in their order, and workers' beside each other.
func (made turn) play(ctx context.Context, at store.API) error {
	if len(made) == 1 {
		return play(ctx, at, made[0])
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, calls := range made {
		group.Go(func() error { return play(ctx, at, calls) })
	}
	return group.Wait()
}

// compare is the benchmark of a load, over the SDK beside its calls and over a store in memory.
func compare(b *testing.B, workers int, begin begin) {
	b.Run("over=sdk", func(b *testing.B) { overSDK(b, newRig(b, workers, begin)) })
	b.Run("over=memory", func(b *testing.B) { overMemory(b, workers, begin) })
}

// overSDK measures the turns of a rig: ns/op is one, bare-ns/op its calls and nothing else, and
// %-of-bare how fast the function is in parts of that, the median of batches. The two take turns, so
// that what else the machine does slows both, and what slows a few batches of one does not count.
func overSDK(b *testing.B, r *rig) {
	var bare, counted time.Duration
	var shares []float64
	owed := 0
	settle := func() {
		if owed == 0 {
			return
		}
		took := r.repeat(b, owed)
		shares = append(shares, 100*float64(took)/float64(b.Elapsed()-counted))
		bare, counted, owed = bare+took, b.Elapsed(), 0
	}
	b.ReportAllocs()
	for b.Loop() {
		if r.work.done == r.prepared {
			b.StopTimer()
			settle()
			r.prepare(b, r.work.batch)
			b.StartTimer()
		}
		r.work.turn(b)
		owed++
	}
	settle()
	slices.Sort(shares)
	b.ReportMetric(float64(bare.Nanoseconds())/float64(r.work.done-r.work.first), "bare-ns/op")
	b.ReportMetric(shares[len(shares)/2], "%-of-bare")
}

// overMemory measures the same turns over a store that costs next to nothing.
func overMemory(b *testing.B, workers int, begin begin) {
	var s stage
	memory := store.NewMemory(func() time.Time { return s.load.now() })
	s.load = begin(b, slices.Repeat([]keeper{memory}, workers))
	prepared := 0
	prepare := func(n int) {
		for range n {
			if err := s.load.prepare(memory, prepared); err != nil {
				b.Fatal(err)
			}
			prepared++
		}
	}
	for range s.first {
		prepare(1)
		s.turn(b)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s.done == prepared {
			b.StopTimer()
			prepare(s.batch)
			b.StartTimer()
		}
		s.turn(b)
	}
}
