// Package admit is the function that lets visitors in whose turn it is, and never more of them
// than the shop can bear.
package admit

import (
	"context"
	"net/http"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/turn"
)

// maxBody is the largest body in bytes: a ticket has at most 256.
const maxBody = 1024

// How long a visitor is asked to wait who came before the turn.
const (
	minRetry = 2 * time.Second
	maxRetry = time.Minute
)

// Admitted is the answer to a visitor who may enter.
type Admitted struct {
	Pass     string `json:"pass"`
	Redirect string `json:"redirect"`
	Again    bool   `json:"again,omitempty"` // an earlier call issued the pass
}

// Waiting is the answer before the turn. Position is absent while the cohort is not sealed.
type Waiting struct {
	Position   int64 `json:"position,omitempty"`
	Admitted   int64 `json:"admitted"`
	RetryAfter int64 `json:"retry_after"` // seconds
}

// NewHandler answers `POST /v1/events/{event}/admit`, and the form of the page without JavaScript.
func NewHandler(a *Admitter) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		event, err := httpapi.Event(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		if r.Resource == names.PathPlainEnter {
			return a.form(ctx, event, r)
		}
		var body struct {
			Ticket string `json:"ticket"`
		}
		if err := httpapi.Decode(r, maxBody, &body); err != nil {
			return httpapi.Response{}, err
		}
		admission, waiting, err := a.Admit(ctx, event, body.Ticket)
		switch {
		case err != nil:
			return httpapi.Response{}, err
		case waiting != nil:
			return httpapi.OK(http.StatusAccepted, Waiting{
				Position: waiting.Position, Admitted: waiting.State.Admitted, RetryAfter: retryAfter(*waiting, a.Now()),
			})
		}
		return httpapi.OK(http.StatusOK, Admitted(admission))
	}
}

// retryAfter is half of the estimated wait, so that a visitor does not come much too late. In the
// pool it is the time until the on-sale.
func retryAfter(t turn.Turn, now time.Time) int64 {
	wait := t.State.OnSale.Sub(now)
	if t.Position > 0 {
		estimate, known := t.State.Wait(t.Position)
		if !known {
			estimate = maxRetry
		}
		wait = estimate / 2
	}
	return httpapi.Seconds(min(max(wait, minRetry), maxRetry))
}
