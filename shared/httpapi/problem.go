// Package httpapi is what the functions behind the API share: requests in, answers and problem
// documents out, and the one table that says which error a visitor's page gets to see.
package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// Problem is an error that a client gets to see, as RFC 9457 has it. Code is stable: clients may
// branch on it. Detail says what to do.
type Problem struct {
	Code       string
	Status     int
	Title      string
	Detail     string
	RetryAfter time.Duration // zero: do not ask again by yourself; otherwise whole seconds, rounded up
	Challenge  string        // of a 401, which always has one (RFC 9110, 15.5.2): what proves who asks
}

// busyRetry is how long a visitor waits who came when a store was busy. The page adds its jitter.
const busyRetry = 2 * time.Second

// bearer is how visitors show their tickets.
const bearer = "Bearer"

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// The problems, by code.
var (
	UnknownEvent = &Problem{Code: "unknown-event", Status: http.StatusNotFound, Title: "No such event",
		Detail: "Nothing by this name is on sale. Check the address."}
	NotFound = &Problem{Code: "not-found", Status: http.StatusNotFound, Title: "Not found",
		Detail: "The API has no such address. Its description is docs/openapi.json."}
	MethodNotAllowed = &Problem{Code: "method-not-allowed", Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
		Detail: "This address does not answer that method."}
	NotOpenYet = &Problem{Code: "not-open-yet", Status: http.StatusForbidden, Title: "Not open yet",
		Detail: "The pre-queue is not open yet. The status document says when it opens."}
	SoldOut = &Problem{Code: "sold-out", Status: http.StatusGone, Title: "Sold out",
		Detail: "Everything is sold. Places are kept in case more becomes available."}
	Over = &Problem{Code: "over", Status: http.StatusGone, Title: "The sale is over",
		Detail: "The sale is closed. Nobody is let in any more."}
	TurnExpired = &Problem{Code: "turn-expired", Status: http.StatusGone, Title: "Your turn has expired",
		Detail: "The turn was not claimed in time. Join again with a new secret."}
	PassExpired = &Problem{Code: "pass-expired", Status: http.StatusGone, Title: "Your pass has expired",
		Detail: "The pass was issued and its time is over. Join again with a new secret."}
	BadTicket = &Problem{Code: "bad-ticket", Status: http.StatusUnauthorized, Title: "Bad ticket",
		Detail: "The ticket is not one of this event. Join again.", Challenge: bearer}
	OtherRun = &Problem{Code: "other-run", Status: http.StatusUnauthorized, Title: "Ticket of another sale",
		Detail: "The ticket belongs to an earlier sale of this event. Join again with a new secret.", Challenge: bearer}
	CrossSite = &Problem{Code: "cross-site", Status: http.StatusForbidden, Title: "Sent from another site",
		Detail: "A form of the room has to be sent from the room's own page. Open the page and send it there."}
	Busy = &Problem{Code: "busy", Status: http.StatusTooManyRequests, Title: "Very busy",
		Detail: "Too many visitors at this moment. Nothing is lost: ask again.", RetryAfter: busyRetry}
	TooLarge = &Problem{Code: "too-large", Status: http.StatusRequestEntityTooLarge, Title: "Body too large",
		Detail: "The body is larger than this address takes."}
	Internal = &Problem{Code: "internal", Status: http.StatusServiceUnavailable, Title: "Something went wrong",
		Detail: "The room could not answer. Nothing is lost: ask again.", RetryAfter: busyRetry}
)

// BadRequest is a request whose form is wrong; detail says how to mend it.
func BadRequest(format string, args ...any) *Problem {
	return &Problem{Code: "bad-request", Status: http.StatusBadRequest, Title: "Bad request", Detail: fmt.Sprintf(format, args...)}
}

// OverCap is the answer to a visitor whose turn it is, but who found the window full.
func OverCap(retry time.Duration) *Problem {
	return &Problem{Code: "over-cap", Status: http.StatusTooManyRequests, Title: "One moment",
		Detail: "The shop has all the visitors that it can bear. Your turn is kept: ask again.", RetryAfter: max(retry, time.Second)}
}

// Shown is an error that has its answer already, such as a page for somebody without JavaScript. It
// is logged and counted as Err.
type Shown struct {
	Err    error
	Answer Response
}

func (s *Shown) Error() string { return s.Err.Error() }

func (s *Shown) Unwrap() error { return s.Err }

// ProblemOf is the table from errors to what a client gets to see. What is not in it is ours to
// mend, and the client may simply ask again.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, row := range []struct {
		err     error
		problem *Problem
	}{
		{room.ErrNotOpenYet, NotOpenYet},
		{room.ErrSoldOut, SoldOut},
		{room.ErrOver, Over},
		{room.ErrNoPlace, BadTicket},
		{ticket.ErrBad, BadTicket},
		{store.ErrThrottled, Busy},
		{pass.ErrThrottled, Busy},
	} {
		if errors.Is(err, row.err) {
			return row.problem
		}
	}
	return Internal
}
