// Package turn finds out where a ticket stands in line. It is what admit and place have in common.
package turn

import (
	"context"
	"errors"
	"fmt"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// Line is where a run's state and seals are read. The state is at most a second old.
type Line interface {
	State(ctx context.Context, event string) (room.State, error)
	Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error)
}

// Turn is a ticket's place as of State.
type Turn struct {
	Ticket   ticket.Ticket
	State    room.State
	Position int64 // from 1; 0 while the cohort is not sealed
}

// Come reports whether the pointer has passed the place.
func (t Turn) Come() bool { return t.Position > 0 && t.Position <= t.State.Admitted }

// Find checks the ticket's text against the event it was sent to and finds its place. Its errors
// are problems that the client gets to see, or faults of the store.
func Find(ctx context.Context, line Line, key ticket.Key, event, text string) (Turn, error) {
	state, err := line.State(ctx, event)
	if errors.Is(err, store.ErrNotFound) {
		return Turn{}, httpapi.UnknownEvent
	}
	if err != nil {
		return Turn{}, fmt.Errorf("read the state: %w", err)
	}
	t, err := key.Open(text)
	if err != nil {
		return Turn{}, err
	}
	if t.Event != event {
		return Turn{}, httpapi.BadTicket
	}
	if t.Run != state.ID {
		return Turn{}, httpapi.OtherRun
	}
	// Whether a cohort is sealed is decided from the state: its seal may exist a moment earlier.
	if t.Cohort >= state.Cohort {
		return Turn{Ticket: t, State: state}, nil
	}
	seal, err := line.Seal(ctx, state.Run, t.Cohort)
	if errors.Is(err, store.ErrNotFound) && state.Phase == room.Closed {
		return Turn{}, room.ErrOver // seals of a closed run are forgotten one day, its state is not
	}
	if err != nil {
		return Turn{}, fmt.Errorf("read the seal of cohort %d: %w", t.Cohort, err)
	}
	position, err := seal.Position(t.Shard, t.Seq)
	if err != nil {
		return Turn{}, err
	}
	return Turn{Ticket: t, State: state, Position: position}, nil
}
