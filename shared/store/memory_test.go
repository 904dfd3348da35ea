package store_test

import (
	"testing"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// TestMemoryForgets holds that Memory forgets what the table may have forgotten by then.
func TestMemoryForgets(t *testing.T) {
	const day = 24 * time.Hour
	now := noon
	s, run := store.NewMemory(func() time.Time { return now }), newRun(t)
	w := room.Window{Shape: room.ShapeOf(600), Index: 1}
	seal := room.Seal{Run: run, Counts: []int64{1}}

	if err := s.SaveWithPacing(t.Context(), state(run, "a", 1), room.Pacing{}, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	must(s.Count(t.Context(), run, 0, 0))(t)
	must(s.SealShard(t.Context(), run, 0, 1))(t)
	must(s.AddVisitor(t.Context(), run, arrival(0)))(t)
	if err := s.PutSeal(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeSlot(t.Context(), run, w, 0, 1, now); err != nil {
		t.Fatal(err)
	}

	now = noon.Add(2*day - 1)
	wantError(t, s.TakeSlot(t.Context(), run, w, 0, 1, now), store.ErrFull)
	now = noon.Add(2 * day)
	if n, _, err := s.Taken(t.Context(), run, w, 0); n != 0 || err != nil {
		t.Errorf("%d slots after two days, %v", n, err)
	}

	// Each arrival keeps its counter for another 90 days.
	now = noon.Add(90*day - 1)
	wantSame(t, must(s.Count(t.Context(), run, 0, 0))(t), 2)
	_, err := s.Count(t.Context(), run, 0, 1)
	wantError(t, err, store.ErrSealed)
	must(s.Visitor(t.Context(), run, arrival(0).ID))(t)
	wantSame(t, must(s.Seal(t.Context(), run, 0))(t), seal)

	now = noon.Add(90 * day)
	wantSame(t, must(s.Arrivals(t.Context(), run, 0, 1))(t), 2)
	wantSame(t, must(s.Count(t.Context(), run, 0, 1))(t), 1)
	_, err = s.Visitor(t.Context(), run, arrival(0).ID)
	wantError(t, err, store.ErrNotFound)
	_, err = s.Seal(t.Context(), run, 0)
	wantError(t, err, store.ErrNotFound)
	wantSame(t, must(s.AddVisitor(t.Context(), run, arrival(1)))(t), arrival(1))
	if err := s.PutSeal(t.Context(), room.Seal{Run: run, Counts: []int64{2}}); err != nil {
		t.Error(err)
	}

	// A state and its pacing stay.
	wantSame(t, must(s.State(t.Context(), run.Event))(t), state(run, "a", 1))
	must(s.Pacing(t.Context(), run.Event))(t)
}
