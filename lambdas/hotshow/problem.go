package hotshow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/schedule"
)

// Problems that only this API has.
var (
	NoSuchShow = &httpapi.Problem{Code: "no-such-show", Status: http.StatusNotFound, Title: "No such show",
		Detail: "There is no show of this id. GET /v1/hotshows lists them all."}
	// NotAllowed is what API Gateway answers to who has not signed, too.
	NotAllowed = &httpapi.Problem{Code: "not-allowed", Status: http.StatusForbidden, Title: "Not allowed",
		Detail: "Sign the request with AWS credentials (Signature Version 4, service execute-api) that the stack's policy for this call is attached to, and check the address: docs/hotshows-api.json."}
	OwnRequest = &httpapi.Problem{Code: "own-request", Status: http.StatusForbidden, Title: "Your own request",
		Detail: "Nobody approves what they have asked for. Ask somebody else."}
	// Unnamed is OwnRequest for who cannot be told from whoever asked.
	Unnamed = &httpapi.Problem{Code: OwnRequest.Code, Status: OwnRequest.Status, Title: OwnRequest.Title,
		Detail: "It may be: your session, or that of who asked, has a name that a program has made up. Call again under a person's name " +
			"(role_session_name in the AWS configuration); if it was the other one, reject the show and have it asked for anew."}
	TooLate = &httpapi.Problem{Code: "too-late", Status: http.StatusConflict, Title: "Too late",
		Detail: "The on-sale is past. Ask for the show anew with a time to come."}
	NotFound = &httpapi.Problem{Code: "not-found", Status: http.StatusNotFound, Title: "Not found",
		Detail: "The API has no such address. Its description is docs/hotshows-api.json."}
)

// Taken says which show has the event.
func Taken(show hotshow.Show) *httpapi.Problem {
	from, to := show.Request.Span()
	return &httpapi.Problem{Code: "taken", Status: http.StatusConflict, Title: "The event has another show",
		Detail: fmt.Sprintf("The show %s, which is %s, has the event from %s to %s. Cancel it, or choose another time.",
			show.ID, show.State, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))}
}

// WrongState says why the show's state does not allow what was asked for.
func WrongState(err error) *httpapi.Problem {
	return &httpapi.Problem{Code: "wrong-state", Status: http.StatusConflict, Title: "Not in this state", Detail: err.Error()}
}

// problemOf is the table from errors to what a caller gets to see. What is not in it is ours to mend.
func problemOf(err error) *httpapi.Problem {
	var invalid *hotshow.Invalid
	switch {
	case errors.As(err, &invalid):
		return httpapi.BadRequest("%v", invalid)
	case errors.Is(err, schedule.ErrNotFound):
		return NoSuchShow
	case errors.Is(err, hotshow.ErrOwnRequest):
		return OwnRequest
	case errors.Is(err, hotshow.ErrTooLate):
		return TooLate
	case errors.Is(err, hotshow.ErrState):
		return WrongState(err)
	}
	return httpapi.ProblemOf(err)
}

// Answer wraps h so that every error becomes a problem document. What is refused here is no sign of
// trouble with a sale, and a body's address may hold what nobody is to know.
func Answer(h httpapi.Handler, log *slog.Logger) func(context.Context, httpapi.Request) (httpapi.Response, error) {
	return h.Uncounted(log, problemOf)
}
