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

// rig is a load at a table, and a second table where its calls are made again.
type rig struct {
	*load
	tapes []*tape // one for each worker of the load
	bare  store.API
	table keeper // past the SDK, and
	again keeper // that of bare

	prepared int // turns that everything is prepared for
	done     int
	owed     []turn // those done whose calls have not been made again
}

// turn is the calls of one turn by worker.
type turn [][]call

// newRig returns a rig whose sale is open. begin makes the load; each of its stores is for one
// worker, whose calls depend on each other and on no other worker's.
func newRig(t testing.TB, workers int, begin func(t testing.TB, stores []keeper) *load) *rig {
	t.Helper()
	r := &rig{}
	now := func() time.Time { return r.now() }
	engine, client := newTable(t)
	again, bare := newTable(t)
	r.table, r.again, r.bare = store.New(engine, tableName, now), store.New(again, tableName, now), bare
	var stores []keeper
	for range workers {
		one := &tape{API: client}
		r.tapes = append(r.tapes, one)
		stores = append(stores, store.New(one, tableName, now))
	}
	r.load = begin(t, stores)
	for range r.first {
		r.prepareFor(t, 1)
		r.turn(t)
		r.repeat(t)
	}
	return r
}

// prepareFor prepares the next n turns at both tables.
func (r *rig) prepareFor(t testing.TB, n int) {
	t.Helper()
	for range n {
		for _, s := range []keeper{r.table, r.again} {
			if err := r.prepare(s, r.prepared); err != nil {
				t.Fatal(err)
			}
		}
		r.prepared++
	}
}

// turn is the function's next turn.
func (r *rig) turn(t testing.TB) {
	if err := r.do(r.done); err != nil {
		t.Fatal(err)
	}
	var made turn
	for _, one := range r.tapes {
		made = append(made, one.cut())
	}
	r.owed = append(r.owed, made)
	r.done++
}

// repeat makes the calls that are owed and nothing else, and returns how long that took.
func (r *rig) repeat(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	for _, made := range r.owed {
		if err := made.play(t.Context(), r.bare); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	r.owed = r.owed[:0]
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
func compare(b *testing.B, workers int, begin func(t testing.TB, stores []keeper) *load) {
	b.Run("over=sdk", func(b *testing.B) { overSDK(b, newRig(b, workers, begin)) })
	b.Run("over=memory", func(b *testing.B) { overMemory(b, workers, begin) })
}

// overSDK measures the turns of a rig: ns/op is one, bare-ns/op its calls and nothing else, and
// %-of-bare how fast the function is in parts of that. Batches of both take turns, so that what else
// the machine does slows both. The tape's own 0.2 µs a call count for the function.
func overSDK(b *testing.B, r *rig) {
	var bare time.Duration
	b.ReportAllocs()
	for b.Loop() {
		if r.done == r.prepared {
			b.StopTimer()
			bare += r.repeat(b)
			r.prepareFor(b, r.batch)
			b.StartTimer()
		}
		r.turn(b)
	}
	bare += r.repeat(b)
	b.ReportMetric(float64(bare.Nanoseconds())/float64(r.done-r.first), "bare-ns/op")
	b.ReportMetric(100*float64(bare)/float64(b.Elapsed()), "%-of-bare")
}

// overMemory measures the same turns over a store that costs next to nothing.
func overMemory(b *testing.B, workers int, begin func(t testing.TB, stores []keeper) *load) {
	var l *load
	memory := store.NewMemory(func() time.Time { return l.now() })
	l = begin(b, slices.Repeat([]keeper{memory}, workers))
	i, prepared := 0, 0
	turn := func() {
		if err := l.do(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
	prepare := func(n int) {
		for range n {
			if err := l.prepare(memory, prepared); err != nil {
				b.Fatal(err)
			}
			prepared++
		}
	}
	for range l.first {
		prepare(1)
		turn()
	}
	b.ReportAllocs()
	for b.Loop() {
		if i == prepared {
			b.StopTimer()
			prepare(l.batch)
			b.StartTimer()
		}
		turn()
	}
}
