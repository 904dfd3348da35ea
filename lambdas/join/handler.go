// Package join is the function that gives a visitor a place in line.
package join

import (
	"context"
	"fmt"
	"net/http"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// maxBody is the largest body in bytes: a secret of 32 bytes takes 43 characters.
const maxBody = 512

// Answer is what a visitor who joined gets.
type Answer struct {
	Ticket  string `json:"ticket"`
	Visitor string `json:"visitor"`
	Cohort  int64  `json:"cohort"`
	Shard   int    `json:"shard"`
	Seq     int64  `json:"seq"`
}

// NewHandler answers `POST /v1/events/{event}/join`, and the form of the page without JavaScript.
func NewHandler(joiner *Joiner, key ticket.Key) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		event, err := httpapi.Event(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		if r.Resource == names.PathPlainJoin {
			return form(ctx, joiner, key, event, r)
		}
		secret, held, err := readBody(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		answer, created, err := join(ctx, joiner, key, event, secret, held)
		if err != nil {
			return httpapi.Response{}, err
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return httpapi.OK(status, answer)
	}
}

func join(ctx context.Context, joiner *Joiner, key ticket.Key, event string, secret []byte, held bool) (answer Answer, created bool, err error) {
	id := room.VisitorID(secret)
	var v room.Visitor
	var run room.Run
	if held {
		v, run, err = joiner.Held(ctx, event, id)
	} else {
		v, run, created, err = joiner.Join(ctx, event, id)
	}
	if err != nil {
		return Answer{}, false, fmt.Errorf("visitor %s: %w", id, err)
	}
	return Answer{
		Ticket: key.Seal(ticket.Ticket{
			Event: run.Event, Run: run.ID, Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq,
		}),
		Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq,
	}, created, nil
}

// readBody returns the secret, and whether the visitor says that a place is held with it.
func readBody(r httpapi.Request) (secret []byte, held bool, err error) {
	var body struct {
		Secret string `json:"secret"`
		Held   bool   `json:"held"`
	}
	if err := httpapi.Decode(r, maxBody, &body); err != nil {
		return nil, false, err
	}
	secret, err = httpapi.Secret(body.Secret)
	return secret, body.Held, err
}
