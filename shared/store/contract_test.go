package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// crowd is how many do the same at once in the tests of races.
const crowd = 64

var noon = time.Date(2026, 11, 21, 12, 0, 0, 123_000_000, time.UTC)

func TestContract(t *testing.T) {
	t.Run("memory", func(t *testing.T) { contract(t, store.NewMemory(time.Now)) })
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		contract(t, store.New(client, table, time.Now))
	})
}

// contract is what every store promises. Each part uses a run of its own.
func contract(t *testing.T, s keeper) {
	parts := []struct {
		name string
		test func(*testing.T, keeper, room.Run)
	}{
		{"state", testState},
		{"state round trip", testStateRoundTrip},
		{"fence", testFence},
		{"fence race", testFenceRace},
		{"pacing", testPacing},
		{"pacing round trip", testPacingRoundTrip},
		{"count", testCount},
		{"count race", testCountRace},
		{"seal shard", testSealShard},
		{"seal shard race", testSealShardRace},
		{"seal", testSeal},
		{"visitor", testVisitor},
		{"visitor race", testVisitorRace},
		{"announce", testAnnounce},
		{"watch", testWatch},
		{"mark", testMark},
		{"mark race", testMarkRace},
		{"admit", testAdmit},
		{"admit race", testAdmitRace},
		{"slots", testSlots},
		{"slots race", testSlotsRace},
		{"cancelled", testCancelled},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { part.test(t, s, newRun(t)) })
	}
}

func newRun(t *testing.T) room.Run {
	run, err := room.NewRun("show-"+strings.ToLower(rand.Text()), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// must is used as must(call())(t), so that the call's two results go in as they are.
func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func wantSame[V any](t *testing.T, got, want V) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// together runs f for 0 to crowd-1 at once.
func together(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range crowd {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func state(run room.Run, owner string, version int64) room.State {
	return room.State{
		Run: run, Fence: room.Fence{Owner: owner, Version: version},
		Shards: 16, Closing: room.NoCohort, Phase: room.PreQueue, OnSale: noon, Target: "https://shop.example/checkout",
		Cap: room.Cap{Rate: 500},
	}
}

func testState(t *testing.T, s keeper, run room.Run) {
	_, err := s.State(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)

	first := state(run, "a", 1)
	if err := s.Save(t.Context(), first, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), first)

	// A lease is handed over, the phase moves on and what was set becomes zero again.
	second := state(run, "", 2)
	second.OnSale, second.Target, second.Cap = time.Time{}, "", room.Cap{}
	if err := s.Save(t.Context(), second, first.Fence); err != nil {
		t.Fatal(err)
	}
	got := must(s.State(t.Context(), run.Event))(t)
	wantSame(t, got, second)
	if !got.OnSale.IsZero() || !got.Last.IsZero() {
		t.Errorf("zero times came back as %v and %v", got.OnSale, got.Last)
	}

	// Another run follows under the same fence.
	next := state(newRun(t), "b", 3)
	next.Event = run.Event
	if err := s.Save(t.Context(), next, second.Fence); err != nil {
		t.Fatal(err)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), next)
}

func testStateRoundTrip(t *testing.T, s keeper, run room.Run) {
	var full room.State
	fill(reflect.ValueOf(&full).Elem(), 1)
	full.Event = run.Event
	full.Carry, full.Speed = 0.1+0.2, 1e-300
	full.Announced = time.Time{} // no part of what is saved: see testAnnounce
	if err := s.Save(t.Context(), full, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), full)

	// Finer times than the table's, in another zone, come back to the millisecond in UTC.
	odd := full
	odd.Version++
	odd.Last = noon.Add(999_999).In(time.FixedZone("", 3600))
	if err := s.Save(t.Context(), odd, full.Fence); err != nil {
		t.Fatal(err)
	}
	odd.Last = noon
	wantSame(t, must(s.State(t.Context(), run.Event))(t), odd)
}

func testFence(t *testing.T, s keeper, run room.Run) {
	// Nobody can write over a state that does not exist.
	wantError(t, s.Save(t.Context(), state(run, "a", 8), room.Fence{Owner: "a", Version: 7}), store.ErrFenced)
	_, err := s.State(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)

	stored := state(run, "a", 7)
	if err := s.Save(t.Context(), stored, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	for _, held := range []room.Fence{
		{},
		{Owner: "a", Version: 6},
		{Owner: "a", Version: 8},
		{Owner: "b", Version: 7},
		{Version: 7},
	} {
		wantError(t, s.Save(t.Context(), state(run, "x", 9), held), store.ErrFenced)
		wantError(t, s.SaveWithPacing(t.Context(), state(run, "x", 9), room.Pacing{}, held), store.ErrFenced)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), stored)
	_, err = s.Pacing(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)
}

func testFenceRace(t *testing.T, s keeper, run room.Run) {
	held := room.Fence{}
	for version := int64(1); version <= 3; version++ {
		results := make([]error, crowd)
		together(func(i int) {
			next := state(run, fmt.Sprint("owner-", i), version)
			if i%2 == 0 {
				results[i] = s.Save(t.Context(), next, held)
			} else {
				pacing := room.Pacing{Good: map[string]string{"owner": next.Owner}}
				results[i] = s.SaveWithPacing(t.Context(), next, pacing, held)
			}
		})
		winner := -1
		for i, err := range results {
			// Engines may turn away what meets a transaction; then the write has not happened.
			if err != nil && !errors.Is(err, store.ErrFenced) && !errors.Is(err, store.ErrThrottled) {
				t.Errorf("owner %d: %v", i, err)
			}
			if err == nil && winner >= 0 {
				t.Errorf("owners %d and %d both wrote version %d", winner, i, version)
			}
			if err == nil {
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("nobody wrote version %d", version)
		}
		stored := must(s.State(t.Context(), run.Event))(t)
		wantSame(t, stored, state(run, fmt.Sprint("owner-", winner), version))
		if winner%2 == 1 {
			wantSame(t, must(s.Pacing(t.Context(), run.Event))(t).Good["owner"], stored.Owner)
		}
		held = stored.Fence
	}
}

func testPacing(t *testing.T, s keeper, run room.Run) {
	_, err := s.Pacing(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)

	first := room.Pacing{Good: map[string]string{"rate": "500", "message": "früh 🎟 <b>&\u2028"}}
	one := state(run, "a", 1)
	if err := s.SaveWithPacing(t.Context(), one, first, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), one)
	wantSame(t, must(s.Pacing(t.Context(), run.Event))(t), first)

	// A fenced leader changes neither, a save without pacing leaves it as it was.
	wantError(t, s.SaveWithPacing(t.Context(), state(run, "b", 2), room.Pacing{}, room.Fence{Owner: "b", Version: 1}), store.ErrFenced)
	two := state(run, "a", 2)
	if err := s.Save(t.Context(), two, one.Fence); err != nil {
		t.Fatal(err)
	}
	wantSame(t, must(s.State(t.Context(), run.Event))(t), two)
	wantSame(t, must(s.Pacing(t.Context(), run.Event))(t), first)
}

func testPacingRoundTrip(t *testing.T, s keeper, run room.Run) {
	var full room.Pacing
	fill(reflect.ValueOf(&full).Elem(), 1)
	if err := s.SaveWithPacing(t.Context(), state(run, "a", 1), full, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	got := must(s.Pacing(t.Context(), run.Event))(t)
	wantSame(t, got, full)

	// What was handed in and out is not shared.
	var want room.Pacing
	fill(reflect.ValueOf(&want).Elem(), 1)
	for _, p := range []room.Pacing{full, got} {
		p.Checkpoints[0].Admitted++
		p.Show.Recent[0].N++
		p.Good["x"] = "changed"
		wantSame(t, must(s.Pacing(t.Context(), run.Event))(t), want)
	}
}

// fill sets every field to a value of its own that a table must give back as it is, so that a
// field which is not stored is found out.
func fill(v reflect.Value, n int64) int64 {
	n++
	switch value := v.Addr().Interface().(type) {
	case *time.Time:
		*value = noon.Add(time.Duration(n) * time.Millisecond)
		return n
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			n = fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			n = fill(v.Index(i), n)
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		n = fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", n, " ü\x00\n\"#:"))
	case reflect.Float64:
		v.SetFloat(float64(n) / 7)
	case reflect.Int, reflect.Int64:
		v.SetInt(n + 1<<40)
	default:
		panic("fill: " + v.Type().String())
	}
	return n
}

func testCount(t *testing.T, s keeper, run room.Run) {
	wantSame(t, must(s.Arrivals(t.Context(), run, 0, 2))(t), 0)
	for want := int64(1); want <= 3; want++ {
		wantSame(t, must(s.Count(t.Context(), run, 0, 0))(t), want)
	}
	// Other shards, cohorts and runs are counted apart.
	wantSame(t, must(s.Count(t.Context(), run, 0, 1))(t), 1)
	wantSame(t, must(s.Count(t.Context(), run, 1, 0))(t), 1)
	wantSame(t, must(s.Count(t.Context(), newRun(t), 0, 0))(t), 1)
	// More shards than one call of the table reads.
	for _, shard := range []int{99, 100, 127} {
		wantSame(t, must(s.Count(t.Context(), run, 0, shard))(t), 1)
	}
	for shards, want := range map[int]int64{0: 0, 1: 3, 2: 4, 99: 4, 100: 5, 101: 6, 127: 6, 128: 7} {
		wantSame(t, must(s.Arrivals(t.Context(), run, 0, shards))(t), want)
	}
	wantSame(t, must(s.Arrivals(t.Context(), run, 1, 128))(t), 1)
}

func testCountRace(t *testing.T, s keeper, run room.Run) {
	numbers := make([]int64, crowd)
	together(func(i int) {
		n, err := s.Count(t.Context(), run, 0, 0)
		if err != nil {
			t.Error(err)
		}
		numbers[i] = n
	})
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Fatalf("numbers are not 1 to %d: %v", crowd, numbers)
		}
	}
}

func testSealShard(t *testing.T, s keeper, run room.Run) {
	for range 2 {
		must(s.Count(t.Context(), run, 0, 0))(t)
	}
	for shard, want := range []int64{2, 0} {
		for range 3 {
			wantSame(t, must(s.SealShard(t.Context(), run, 0, shard))(t), want)
		}
		_, err := s.Count(t.Context(), run, 0, shard)
		wantError(t, err, store.ErrSealed)
		wantSame(t, must(s.Arrivals(t.Context(), run, 0, shard+1))(t), 2)
	}
	wantSame(t, must(s.Count(t.Context(), run, 1, 0))(t), 1)
}

func testSealShardRace(t *testing.T, s keeper, run room.Run) {
	for cohort := range int64(5) {
		var mu sync.Mutex
		var highest int64
		var finals []int64
		together(func(i int) {
			if i%16 == 0 {
				n, err := s.SealShard(t.Context(), run, cohort, 0)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				finals = append(finals, n)
				return
			}
			n, err := s.Count(t.Context(), run, cohort, 0)
			if err != nil && !errors.Is(err, store.ErrSealed) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			highest = max(highest, n)
		})
		for _, final := range finals {
			if final != highest {
				t.Errorf("sealed at %d, but the last number given out is %d", final, highest)
			}
		}
		_, err := s.Count(t.Context(), run, cohort, 0)
		wantError(t, err, store.ErrSealed)
	}
}

func testSeal(t *testing.T, s keeper, run room.Run) {
	_, err := s.Seal(t.Context(), run, 3)
	wantError(t, err, store.ErrNotFound)

	seal := room.Seal{Run: run, Cohort: 3, Base: 1_000, Counts: make([]int64, 128), Seed: [32]byte{0, 1, 255}}
	seal.Counts[0], seal.Counts[127] = 2_345, 1
	for range 2 {
		if err := s.PutSeal(t.Context(), seal); err != nil {
			t.Fatal(err)
		}
	}
	wantSame(t, must(s.Seal(t.Context(), run, 3))(t), seal)

	for _, change := range []func(*room.Seal){
		func(s *room.Seal) { s.Base++ },
		func(s *room.Seal) { s.Counts[5]++ },
		func(s *room.Seal) { s.Counts = s.Counts[:127] },
		func(s *room.Seal) { s.Seed[31] = 1 },
	} {
		other := seal
		other.Counts = slices.Clone(seal.Counts)
		change(&other)
		wantError(t, s.PutSeal(t.Context(), other), store.ErrConflict)
	}
	got := must(s.Seal(t.Context(), run, 3))(t)
	wantSame(t, got, seal)
	// What was handed in and out is not shared.
	for _, counts := range [][]int64{seal.Counts, got.Counts} {
		counts[0]++
		wantSame(t, must(s.Seal(t.Context(), run, 3))(t).Counts[0], 2_345)
	}

	_, err = s.Seal(t.Context(), run, 4)
	wantError(t, err, store.ErrNotFound)
	_, err = s.Seal(t.Context(), newRun(t), 3)
	wantError(t, err, store.ErrNotFound)
}

func arrival(i int) room.Visitor {
	return room.Visitor{ID: "0123456789abcdef0123456789abcdef", Cohort: 2, Shard: i % 16, Seq: int64(i + 1), Joined: noon}
}

func testVisitor(t *testing.T, s keeper, run room.Run) {
	v := arrival(16)
	_, err := s.Visitor(t.Context(), run, v.ID)
	wantError(t, err, store.ErrNotFound)

	wantSame(t, must(s.AddVisitor(t.Context(), run, v))(t), v)
	wantSame(t, must(s.Visitor(t.Context(), run, v.ID))(t), v)

	// The place is kept, whatever the visitor comes with later.
	wantSame(t, must(s.AddVisitor(t.Context(), run, arrival(3)))(t), v)
	wantSame(t, must(s.Visitor(t.Context(), run, v.ID))(t), v)
	_, err = s.Visitor(t.Context(), newRun(t), v.ID)
	wantError(t, err, store.ErrNotFound)
}

func testVisitorRace(t *testing.T, s keeper, run room.Run) {
	answers := make([]room.Visitor, crowd)
	together(func(i int) {
		v, err := s.AddVisitor(t.Context(), run, arrival(i))
		if err != nil {
			t.Error(err)
		}
		answers[i] = v
	})
	stored := must(s.Visitor(t.Context(), run, answers[0].ID))(t)
	for _, v := range answers {
		wantSame(t, v, stored)
	}
	wantSame(t, stored, arrival(int(stored.Seq-1)))
}

func testWatch(t *testing.T, s keeper, run room.Run) {
	other := run.Event + "-2"
	step := func(change func(context.Context, string) error, event string, want ...string) {
		t.Helper()
		for range 2 { // repeating it is harmless
			if err := change(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(must(s.Watched(t.Context()))(t), func(e string) bool { return !strings.HasPrefix(e, run.Event) })
			if !slices.Equal(got, want) {
				t.Errorf("watched are %q, want %q", got, want)
			}
		}
	}
	step(s.Unwatch, run.Event)
	step(s.Watch, other, other)
	step(s.Watch, run.Event, run.Event, other)
	step(s.Unwatch, other, run.Event)
	step(s.Unwatch, run.Event)
}

func testAnnounce(t *testing.T, s keeper, run room.Run) {
	if err := s.Announce(t.Context(), run.Event, noon); err != nil {
		t.Fatalf("with nobody to tell: %v", err)
	}
	_, err := s.State(t.Context(), run.Event)
	wantError(t, err, store.ErrNotFound)

	first := state(run, "a", 1)
	if err := s.Save(t.Context(), first, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{noon, noon.Add(time.Second)} {
		for range 2 {
			if err := s.Announce(t.Context(), run.Event, at); err != nil {
				t.Fatal(err)
			}
		}
		first.Announced = at
		wantSame(t, must(s.State(t.Context(), run.Event))(t), first)
	}

	// A leader that read the state before the announcement does not take it back.
	next := state(run, "a", 2)
	if err := s.SaveWithPacing(t.Context(), next, room.Pacing{}, first.Fence); err != nil {
		t.Fatal(err)
	}
	next.Announced = first.Announced
	wantSame(t, must(s.State(t.Context(), run.Event))(t), next)
}

func testMark(t *testing.T, s keeper, run room.Run) {
	v := arrival(0)
	_, _, err := s.Mark(t.Context(), run, v.ID, noon)
	wantError(t, err, store.ErrNotFound)
	_, err = s.Visitor(t.Context(), run, v.ID)
	wantError(t, err, store.ErrNotFound)

	must(s.AddVisitor(t.Context(), run, v))(t)
	steps := []struct {
		start  time.Duration
		marked bool
	}{
		{0, true}, {0, false}, {time.Second, true}, {0, false}, {10 * time.Second, true}, {9 * time.Second, false},
		// A clock that was minutes ahead does not keep the visitor out for as long.
		{10*time.Second + store.MarkAhead, true}, {10 * time.Second, false},
		{10*time.Second - time.Millisecond, true}, {20 * time.Second, true},
	}
	for _, step := range steps {
		old, marked, err := s.Mark(t.Context(), run, v.ID, noon.Add(step.start))
		if err != nil || marked != step.marked {
			t.Fatalf("mark %v: %t, %v; want %t", step.start, marked, err, step.marked)
		}
		wantSame(t, old, v)
		if marked {
			v.Mark = noon.Add(step.start)
		}
		wantSame(t, must(s.Visitor(t.Context(), run, v.ID))(t), v)
	}

	pass := room.Pass{ID: "p", Issued: noon.Truncate(time.Second), Expiry: noon.Truncate(time.Second).Add(time.Hour)}
	must(s.Admit(t.Context(), run, v.ID, pass))(t)
	v.Pass = &pass
	old, marked, err := s.Mark(t.Context(), run, v.ID, noon.Add(time.Minute))
	if err != nil || marked {
		t.Fatalf("an admitted visitor was marked: %t, %v", marked, err)
	}
	wantSame(t, old, v)
}

func testMarkRace(t *testing.T, s keeper, run room.Run) {
	v := must(s.AddVisitor(t.Context(), run, arrival(0)))(t)
	for window := range 3 {
		marks := make([]bool, crowd)
		together(func(i int) {
			_, marked, err := s.Mark(t.Context(), run, v.ID, noon.Add(time.Duration(window)*time.Second))
			if err != nil {
				t.Error(err)
			}
			marks[i] = marked
		})
		var n int
		for _, marked := range marks {
			if marked {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d marks in one window", n)
		}
	}
}

func testAdmit(t *testing.T, s keeper, run room.Run) {
	v := arrival(0)
	pass := room.Pass{ID: "first", Issued: noon.Add(999 * time.Millisecond), Expiry: noon.Add(time.Hour)}
	_, err := s.Admit(t.Context(), run, v.ID, pass)
	wantError(t, err, store.ErrNotFound)
	_, err = s.Visitor(t.Context(), run, v.ID)
	wantError(t, err, store.ErrNotFound)

	must(s.AddVisitor(t.Context(), run, v))(t)
	want := room.Pass{ID: "first", Issued: pass.Issued.Truncate(time.Second), Expiry: pass.Expiry.Truncate(time.Second)}
	wantSame(t, must(s.Admit(t.Context(), run, v.ID, pass))(t), want)
	wantSame(t, must(s.Admit(t.Context(), run, v.ID, room.Pass{ID: "second", Issued: noon, Expiry: noon}))(t), want)
	v.Pass = &want
	got := must(s.Visitor(t.Context(), run, v.ID))(t)
	wantSame(t, got, v)
	wantSame(t, must(s.AddVisitor(t.Context(), run, arrival(9)))(t), v)
	got.Pass.ID = "changed"
	wantSame(t, must(s.Visitor(t.Context(), run, v.ID))(t), v)
}

func testAdmitRace(t *testing.T, s keeper, run room.Run) {
	v := must(s.AddVisitor(t.Context(), run, arrival(0)))(t)
	passes := make([]room.Pass, crowd)
	together(func(i int) {
		pass, err := s.Admit(t.Context(), run, v.ID, room.Pass{ID: fmt.Sprint(i), Issued: noon, Expiry: noon})
		if err != nil {
			t.Error(err)
		}
		passes[i] = pass
	})
	for _, pass := range passes {
		wantSame(t, pass, passes[0])
	}
}

func testSlots(t *testing.T, s keeper, run room.Run) {
	w := room.Window{Shape: room.ShapeOf(60_000), Index: 1_795_262_400}
	wantTaken := func(w room.Window, part int, n int64, last time.Time) {
		t.Helper()
		gotN, gotLast, err := s.Taken(t.Context(), run, w, part)
		if err != nil || gotN != n || gotLast != last {
			t.Errorf("taken %d, last %v, %v; want %d, %v", gotN, gotLast, err, n, last)
		}
	}
	wantTaken(w, 0, 0, time.Time{})
	for _, limit := range []int64{0, -1} {
		wantError(t, s.TakeSlot(t.Context(), run, w, 0, limit, noon), store.ErrFull)
	}
	wantTaken(w, 0, 0, time.Time{})

	for i := range int64(3) {
		if err := s.TakeSlot(t.Context(), run, w, 0, 3, noon.Add(time.Duration(i)*time.Millisecond+999)); err != nil {
			t.Fatal(err)
		}
	}
	last := noon.Add(2 * time.Millisecond)
	wantError(t, s.TakeSlot(t.Context(), run, w, 0, 3, noon), store.ErrFull)
	wantError(t, s.TakeSlot(t.Context(), run, w, 0, 2, noon), store.ErrFull)
	wantTaken(w, 0, 3, last)
	if err := s.TakeSlot(t.Context(), run, w, 0, 4, last); err != nil {
		t.Errorf("a raised limit: %v", err)
	}

	// Parts, windows, lengths and runs are counted apart.
	long := room.Window{Shape: room.ShapeOf(60), Index: w.Index}
	wantTaken(w, 1, 0, time.Time{})
	wantTaken(w.Next(), 0, 0, time.Time{})
	wantTaken(long, 0, 0, time.Time{})
	run = newRun(t)
	wantTaken(w, 0, 0, time.Time{})
}

func testSlotsRace(t *testing.T, s keeper, run room.Run) {
	const limit = 40
	w := room.Window{Shape: room.ShapeOf(2_400), Index: 1}
	results := make([]error, crowd)
	together(func(i int) { results[i] = s.TakeSlot(t.Context(), run, w, 0, limit, noon) })
	var taken int64
	for _, err := range results {
		if err == nil {
			taken++
		} else {
			wantError(t, err, store.ErrFull)
		}
	}
	n, _, err := s.Taken(t.Context(), run, w, 0)
	if taken != limit || n != limit || err != nil {
		t.Errorf("%d slots given, %d counted (%v), want %d", taken, n, err, limit)
	}
}

// testCancelled holds that a caller who has left is told so, and not that the write was refused.
func testCancelled(t *testing.T, s keeper, run room.Run) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := room.Window{Shape: room.ShapeOf(600), Index: 1}
	for name, err := range calls(ctx, s, run, w) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrThrottled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
	wantSame(t, must(s.Count(t.Context(), run, 0, 0))(t), 1)
}

// calls makes every call once and returns the errors by method.
func calls(ctx context.Context, s keeper, run room.Run, w room.Window) map[string]error {
	errs := map[string]error{}
	_, errs["State"] = s.State(ctx, run.Event)
	_, errs["Pacing"] = s.Pacing(ctx, run.Event)
	errs["Save"] = s.Save(ctx, state(run, "a", 1), room.Fence{})
	errs["SaveWithPacing"] = s.SaveWithPacing(ctx, state(run, "a", 2), room.Pacing{}, room.Fence{Owner: "a", Version: 1})
	_, errs["Count"] = s.Count(ctx, run, 0, 0)
	_, errs["Arrivals"] = s.Arrivals(ctx, run, 0, 1)
	_, errs["SealShard"] = s.SealShard(ctx, run, 1, 0)
	errs["PutSeal"] = s.PutSeal(ctx, room.Seal{Run: run, Counts: []int64{1}})
	_, errs["Seal"] = s.Seal(ctx, run, 0)
	_, errs["AddVisitor"] = s.AddVisitor(ctx, run, arrival(0))
	_, errs["Visitor"] = s.Visitor(ctx, run, arrival(0).ID)
	_, _, errs["Mark"] = s.Mark(ctx, run, arrival(0).ID, w.Start())
	_, errs["Admit"] = s.Admit(ctx, run, arrival(0).ID, room.Pass{ID: "p", Issued: noon, Expiry: noon})
	errs["TakeSlot"] = s.TakeSlot(ctx, run, w, 0, 1, noon)
	_, _, errs["Taken"] = s.Taken(ctx, run, w, 0)
	return errs
}
