// Package place is the function that tells where a ticket stands in line, to apps as JSON and to
// browsers without JavaScript as a page. It also draws the code that carries a place to another device.
package place

import (
	"context"
	"io"
	"net/http"
	"time"

	"waitingroom/lambdas/place/page"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
	"waitingroom/shared/turn"
)

// Answer says where a ticket stands. What is not known yet is absent.
type Answer struct {
	Event    string     `json:"event"`
	Phase    room.Phase `json:"phase"`
	OnSale   string     `json:"onsale"`
	Position int64      `json:"position,omitempty"` // absent while the cohort is not sealed
	Ahead    *int64     `json:"ahead,omitempty"`    // people whose turn comes before; absent with the position
	Admitted int64      `json:"admitted"`
	Wait     *int64     `json:"wait,omitempty"` // estimate in seconds; absent while the line stands still
	Turn     string     `json:"turn"`           // "waiting", "come" or "expired"
}

// Guide tells visitors where they stand. All fields are required.
type Guide struct {
	Line    turn.Line
	Tickets ticket.Key
	Issuer  string    // the room's own address, without a trailing slash
	Random  io.Reader // of secrets of those who join without JavaScript
	Now     func() time.Time
}

// NewHandler answers `GET /v1/events/{event}/place`, with the ticket as a bearer token or, for a page,
// in a cookie, and `POST /v1/events/{event}/qr`. It reads the state and seals only, never the visitor,
// so that asking often costs next to nothing.
func NewHandler(g *Guide) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		event, err := httpapi.Event(r)
		switch {
		case r.Resource == names.PathQR:
			if err != nil {
				return httpapi.Response{}, err
			}
			return g.code(event, r)
		case httpapi.PrefersHTML(r):
			if err != nil {
				return httpapi.Response{}, page.Sight{}.Refuse(r, err)
			}
			return g.page(ctx, event, r)
		case err != nil:
			return httpapi.Response{}, err
		}
		text, err := httpapi.Bearer(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		t, err := turn.Find(ctx, g.Line, g.Tickets, event, text)
		if err != nil {
			return httpapi.Response{}, err
		}
		return httpapi.OK(http.StatusOK, describe(t))
	}
}

func describe(t turn.Turn) Answer {
	answer := Answer{
		Event: t.State.Event, Phase: t.State.Phase, OnSale: t.State.OnSale.UTC().Format(time.RFC3339),
		Position: t.Position, Admitted: t.State.Admitted, Turn: "waiting",
	}
	switch {
	case t.Position == 0:
		return answer
	case t.Position <= t.State.Expired:
		answer.Turn = "expired"
	case t.Come():
		answer.Turn = "come"
	}
	ahead := max(0, t.Position-t.State.Admitted-1)
	answer.Ahead = &ahead
	if wait, known := t.State.Wait(t.Position); known {
		seconds := httpapi.Seconds(wait)
		answer.Wait = &seconds
	}
	return answer
}
