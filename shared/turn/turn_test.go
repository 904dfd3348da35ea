package turn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

const (
	runID   = "000102030405060708090a0b0c0d0e0f"
	visitor = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
)

var errDown = errors.New("the store is down")

// line is one run whose first two cohorts are sealed; the seal of the third exists already.
type line struct {
	state    room.State
	stateErr error
	seals    map[int64]room.Seal
	asked    []int64 // cohorts whose seals were read
}

func newLine() *line {
	run := room.Run{Event: "demo", ID: runID}
	return &line{
		state: room.State{Run: run, Cohort: 2, Closing: room.NoCohort, Base: 5, Admitted: 3},
		seals: map[int64]room.Seal{
			0: {Run: run, Cohort: 0, Base: 0, Counts: []int64{2, 2}, Seed: [32]byte{1}},
			1: {Run: run, Cohort: 1, Base: 4, Counts: []int64{0, 1}, Seed: [32]byte{2}},
			2: {Run: run, Cohort: 2, Base: 5, Counts: []int64{9, 9}, Seed: [32]byte{3}},
		},
	}
}

func (l *line) State(_ context.Context, event string) (room.State, error) {
	if event != l.state.Event {
		return room.State{}, fmt.Errorf("read %s: %w", event, store.ErrNotFound)
	}
	return l.state, l.stateErr
}

func (l *line) Seal(_ context.Context, run room.Run, cohort int64) (room.Seal, error) {
	l.asked = append(l.asked, cohort)
	seal, ok := l.seals[cohort]
	if !ok || run != seal.Run {
		return room.Seal{}, errDown
	}
	return seal, nil
}

func place(cohort int64, shard int, seq int64) ticket.Ticket {
	return ticket.Ticket{Event: "demo", Run: runID, Visitor: visitor, Cohort: cohort, Shard: shard, Seq: seq}
}

func TestFind(t *testing.T) {
	key := ticket.Key{1}
	otherRun := place(0, 0, 1)
	otherRun.Run = strings.Repeat("0", 32)
	otherEvent := place(0, 0, 1)
	otherEvent.Event = "other"
	flipped := []byte(key.Seal(place(0, 0, 1)))
	flipped[len(flipped)-10] ^= 1

	for _, c := range []struct {
		name     string
		event    string
		text     string
		err      error
		sealed   bool
		from, to int64 // positions that a sealed cohort may give
	}{
		{"first of the pool", "demo", key.Seal(place(0, 0, 1)), nil, true, 1, 4},
		{"last of the pool", "demo", key.Seal(place(0, 1, 2)), nil, true, 1, 4},
		{"alone in a later cohort", "demo", key.Seal(place(1, 1, 1)), nil, true, 5, 5},
		{"the open cohort, though its seal exists", "demo", key.Seal(place(2, 0, 1)), nil, false, 0, 0},
		{"a cohort that the state does not know yet", "demo", key.Seal(place(3, 0, 1)), nil, false, 0, 0},
		{"number outside the counts", "demo", key.Seal(place(0, 0, 3)), room.ErrNoPlace, false, 0, 0},
		{"number zero", "demo", key.Seal(place(0, 0, 0)), room.ErrNoPlace, false, 0, 0},
		{"shard that nobody joined", "demo", key.Seal(place(1, 0, 1)), room.ErrNoPlace, false, 0, 0},
		{"shard outside the run's", "demo", key.Seal(place(0, 2, 1)), room.ErrNoPlace, false, 0, 0},
		{"unknown event", "nothing", key.Seal(place(0, 0, 1)), httpapi.UnknownEvent, false, 0, 0},
		{"unknown event and bad ticket", "nothing", "x", httpapi.UnknownEvent, false, 0, 0},
		{"other event", "demo", key.Seal(otherEvent), httpapi.BadTicket, false, 0, 0},
		{"other run", "demo", key.Seal(otherRun), httpapi.OtherRun, false, 0, 0},
		{"another room's key", "demo", ticket.Key{2}.Seal(place(0, 0, 1)), ticket.ErrBad, false, 0, 0},
		{"one bit flipped", "demo", string(flipped), ticket.ErrBad, false, 0, 0},
		{"no ticket", "demo", "", ticket.ErrBad, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine()
			got, err := Find(t.Context(), l, key, c.event, c.text)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if err != nil {
				if got != (Turn{}) {
					t.Errorf("with an error comes %+v", got)
				}
				return
			}
			if got.State != l.state || got.Ticket.Visitor != visitor {
				t.Errorf("got %+v", got)
			}
			if got.Position < c.from || got.Position > c.to {
				t.Errorf("the position is %d, want %d to %d", got.Position, c.from, c.to)
			}
			if (len(l.asked) > 0) != c.sealed {
				t.Errorf("the seals of %v were read", l.asked)
			}
		})
	}
}

func TestFindGivesEveryPlaceOnce(t *testing.T) {
	key, l := ticket.Key{1}, newLine()
	seen := map[int64]bool{}
	for cohort := range l.state.Cohort {
		for shard, n := range l.seals[cohort].Counts {
			for seq := int64(1); seq <= n; seq++ {
				found, err := Find(t.Context(), l, key, "demo", key.Seal(place(cohort, shard, seq)))
				if err != nil || seen[found.Position] || found.Position < 1 || found.Position > l.state.Base {
					t.Fatalf("cohort %d, shard %d, number %d: %+v, %v", cohort, shard, seq, found, err)
				}
				seen[found.Position] = true
			}
		}
	}
	if int64(len(seen)) != l.state.Base {
		t.Errorf("%d positions of %d were given", len(seen), l.state.Base)
	}
}

func TestFindWhenTheStoreFails(t *testing.T) {
	key := ticket.Key{1}
	text := key.Seal(place(0, 0, 1))
	t.Run("state", func(t *testing.T) {
		l := newLine()
		l.stateErr = errDown
		if _, err := Find(t.Context(), l, key, "demo", text); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("seal", func(t *testing.T) {
		l := newLine()
		delete(l.seals, 0)
		if _, err := Find(t.Context(), l, key, "demo", text); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a seal that is missing is not an unknown event", func(t *testing.T) {
		l := newLine()
		missing := sealless{l}
		_, err := Find(t.Context(), missing, key, "demo", text)
		if !errors.Is(err, store.ErrNotFound) || errors.Is(err, httpapi.UnknownEvent) {
			t.Errorf("got %v", err)
		}
	})
}

// sealless is a line that has lost its seals.
type sealless struct{ *line }

func (sealless) Seal(context.Context, room.Run, int64) (room.Seal, error) {
	return room.Seal{}, store.ErrNotFound
}

func TestCome(t *testing.T) {
	for _, c := range []struct {
		position, admitted int64
		want               bool
	}{{0, 0, false}, {0, 10, false}, {10, 9, false}, {10, 10, true}, {1, 10, true}} {
		if got := (Turn{Position: c.position, State: room.State{Admitted: c.admitted}}).Come(); got != c.want {
			t.Errorf("position %d with %d admitted: come %v, want %v", c.position, c.admitted, got, c.want)
		}
	}
}
