// Package join is the function that gives a visitor a place in line.
package join

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// maxBody is the largest body in bytes: a secret of 32 bytes takes 43 characters.
const maxBody = 512

// A secret's length in bytes.
const (
	minSecret = 16
	maxSecret = 32
)

// Answer is what a visitor who joined gets.
type Answer struct {
	Ticket  string `json:"ticket"`
	Visitor string `json:"visitor"`
	Cohort  int64  `json:"cohort"`
	Shard   int    `json:"shard"`
	Seq     int64  `json:"seq"`
}

// NewHandler answers `POST /v1/events/{event}/join`.
func NewHandler(joiner *Joiner, key ticket.Key) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		event, err := httpapi.Event(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		secret, err := readSecret(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		id := room.VisitorID(secret)
		v, run, created, err := joiner.Join(ctx, event, id)
		if err != nil {
			return httpapi.Response{}, fmt.Errorf("visitor %s: %w", id, err)
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return httpapi.OK(status, Answer{
			Ticket: key.Seal(ticket.Ticket{
				Event: run.Event, Run: run.ID, Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq,
			}),
			Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq,
		})
	}
}

func readSecret(r httpapi.Request) ([]byte, error) {
	var body struct {
		Secret string `json:"secret"`
	}
	if err := httpapi.Decode(r, maxBody, &body); err != nil {
		return nil, err
	}
	// The decoder passes over line breaks, even when it is strict.
	secret, err := base64.RawURLEncoding.Strict().DecodeString(body.Secret)
	if err != nil || strings.ContainsAny(body.Secret, "\r\n") {
		return nil, httpapi.BadRequest("The secret has to be base64url without padding.")
	}
	if len(secret) < minSecret || len(secret) > maxSecret {
		return nil, httpapi.BadRequest("The secret has to be %d to %d bytes long, and has %d.", minSecret, maxSecret, len(secret))
	}
	return secret, nil
}
