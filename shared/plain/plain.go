// Package plain is what the functions behind the page without JavaScript share: place draws it, join and
// admit answer its forms. It needs no templates, which would take join and admit longer to start, and
// they are started by the thousand when a crowd comes.
package plain

import (
	"net/url"
	"strconv"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
)

// SecretField is the field of the form that joins.
const SecretField = "secret"

// JoinedQuery marks the address behind a join: a browser that comes there without the cookie keeps none.
const JoinedQuery = "joined"

// What the address of the page has behind a form that was refused: the problem's code, and whole seconds
// to wait if the problem has them.
const (
	refusedQuery = "refused"
	retryQuery   = "retry"
)

// LongestRetry bounds how long a page may be told to wait before it loads itself again.
const LongestRetry = time.Minute

// refusals are the problems that an address may name. An unknown event is left out, since the page finds
// that out by itself, and so is a fault: a made-up address must not look like one to who watches the room.
var refusals = []*httpapi.Problem{
	httpapi.NotOpenYet, httpapi.SoldOut, httpapi.Over, httpapi.TurnExpired, httpapi.PassExpired, httpapi.BadTicket,
	httpapi.OtherRun, httpapi.Busy, httpapi.OverCap(0),
}

// Refuse answers the form of somebody to whom the API says err by leading to the page that says so. It is
// an error itself, which package httpapi logs and counts as err.
func Refuse(event string, err error) *httpapi.Shown {
	p := httpapi.ProblemOf(err)
	if p == httpapi.Internal { // the same to a visitor
		p = httpapi.Busy
	}
	query := url.Values{refusedQuery: {p.Code}}
	if p.RetryAfter > 0 {
		query.Set(retryQuery, httpapi.RetryAfter(p.RetryAfter))
	}
	return &httpapi.Shown{Err: err, Answer: httpapi.SeeOther(names.PathOf(names.PathPlace, event) + "?" + query.Encode())}
}

// Refusal is the problem that a form was refused with before its sender came here, or nil. Links of
// others are not believed, where the browser tells: who follows one is not to give up a good place.
func Refusal(r httpapi.Request) *httpapi.Problem {
	if site := httpapi.Header(r, "Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return nil
	}
	for _, known := range refusals {
		if known.Code != r.QueryStringParameters[refusedQuery] {
			continue
		}
		p := *known
		if seconds, err := strconv.Atoi(r.QueryStringParameters[retryQuery]); err == nil && seconds > 0 && p.RetryAfter > 0 {
			p.RetryAfter = time.Duration(min(seconds, int(LongestRetry/time.Second))) * time.Second
		}
		return &p
	}
	return nil
}

// Page is a page of HTML as an answer.
func Page(status int, body string) httpapi.Response {
	headers := names.PlainHeaders()
	headers["Content-Type"] = "text/html; charset=utf-8"
	headers["Cache-Control"] = "no-store"
	headers["Vary"] = "Accept, Accept-Language"
	return httpapi.Response{StatusCode: status, Headers: headers, Body: body}
}
