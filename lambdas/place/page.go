package place

import (
	"context"
	"errors"
	"fmt"

	"waitingroom/lambdas/place/page"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/plain"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/turn"
)

// page answers a browser that runs no JavaScript. Its visitor's ticket is in a cookie, if there is one.
func (g *Guide) page(ctx context.Context, event string, r httpapi.Request) (httpapi.Response, error) {
	sight := page.Sight{Event: event, Held: plain.ReadHeld(r), Now: g.Now()}
	_, sight.Joined = r.QueryStringParameters[plain.JoinedQuery]
	state, err := g.state(ctx, event)
	if err != nil {
		return httpapi.Response{}, sight.Refuse(r, err)
	}
	sight.State, sight.Secret = state, sight.Held.Secret
	if sight.Secret == "" {
		if sight.Secret, err = plain.NewSecret(g.Random); err != nil {
			return httpapi.Response{}, err
		}
	}
	if sight.Held.Ticket != "" {
		t, err := turn.Find(ctx, g.Line, g.Tickets, event, sight.Held.Ticket)
		if err != nil {
			return httpapi.Response{}, sight.Refuse(r, err)
		}
		sight.State, sight.Turn = t.State, &t
	}
	if p := plain.Refusal(r); p != nil {
		sight.Held.Entered = false // a pass that has expired leads nowhere
		return sight.Refused(r, p)
	}
	return sight.Page(r)
}

func (g *Guide) state(ctx context.Context, event string) (room.State, error) {
	state, err := g.Line.State(ctx, event)
	if errors.Is(err, store.ErrNotFound) {
		return room.State{}, httpapi.UnknownEvent
	}
	if err != nil {
		return room.State{}, fmt.Errorf("read the state: %w", err)
	}
	return state, nil
}
