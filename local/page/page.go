// Package page is what the visitor's page does, in Go: the rules of static/assets/room.js and
// visit.js, for crowds that are too large for browsers. A test holds both against each other.
//
// The rules are pure. Times are values, and random is a number in [0, 1) that the caller draws.
package page

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// Forever stands for a wait without an end that anybody knows.
const Forever time.Duration = math.MaxInt64

const (
	// Timeout is how long the page waits for an answer.
	Timeout = 15 * time.Second
	// Farewell is the time between having the pass and asking the shop.
	Farewell = 1200 * time.Millisecond
	// longest is for how long any Retry-After sends a visitor away.
	longest = 10 * time.Minute
	// paceWindow is how far back the pointer's speed is measured.
	paceWindow = 2 * time.Minute
	// paceLeast is how long it has to be measured before it is believed.
	paceLeast = 5 * time.Second
)

// PollDelay is the time to the next poll of someone whose next change is wait away.
func PollDelay(wait time.Duration, random float64) time.Duration {
	delay := min(time.Minute, 2500*time.Millisecond+min(time.Minute, scale(max(0, wait), 0.8)))
	return scale(delay, 0.95+0.05*random)
}

// JoinSpread is for how long a join is held back before the on-sale.
func JoinSpread(untilOnSale time.Duration, random float64) time.Duration {
	return scale(min(10*time.Second, max(0, untilOnSale-2*time.Second)), random)
}

// Backoff is the wait after a failure that had failures before it.
func Backoff(failures int, random float64, retryAfter time.Duration) time.Duration {
	return retryAfter + scale(min(16*time.Second, 2*time.Second<<min(failures, 3)), random)
}

// ClaimRetry is the wait after a claim that was answered with 202 or 429: the turn is kept.
func ClaimRetry(retryAfter time.Duration, random float64) time.Duration {
	if retryAfter == 0 {
		retryAfter = time.Second
	}
	return retryAfter + scale(time.Second, random)
}

// UnknownDelay is the time to the next poll of an event that nobody knows, after missing others.
func UnknownDelay(missing int, random float64) time.Duration {
	return PollDelay(2*time.Second<<min(missing, 5), random)
}

// RetryAfter reads when the server wants to be asked again: from the header, or from the answer's
// retry_after in seconds if there is no header. Zero means that it did not say.
func RetryAfter(header string, body float64) time.Duration {
	seconds := body
	if header != "" {
		var err error
		if seconds, err = strconv.ParseFloat(strings.TrimSpace(header), 64); err != nil {
			return 0
		}
	}
	if !(seconds > 0) {
		return 0
	}
	return scale(time.Second, min(seconds, longest.Seconds()))
}

// PeopleAhead is how many have to be let in before this position.
func PeopleAhead(position, admitted int64) int64 { return max(0, position-admitted-1) }

// MayJoin says whether the doors are open to newcomers, as far as a status tells.
func MayJoin(phase room.Phase, preQueue, now time.Time) bool {
	return phase == room.PreQueue || phase == room.Open || phase == room.Paused && !now.Before(preQueue)
}

// IsTurn says whether a position may be claimed. Zero is one that is not drawn yet.
func IsTurn(position, admitted int64, phase room.Phase) bool {
	return position > 0 && position <= admitted && (phase == room.Open || phase == room.Paused)
}

// Status is a status document as the page reads it.
type Status struct {
	room.Status
	At, PreQueueAt, OnSaleAt time.Time
}

// ReadStatus reads a status document. What the page could not read is an error: the poll has failed.
func ReadStatus(document []byte, event string) (*Status, error) {
	s := &Status{}
	if err := json.Unmarshal(document, &s.Status); err != nil {
		return nil, fmt.Errorf("status: not readable: %w", err)
	}
	// The page asks for these by name: it cannot read a document that leaves one out.
	var numbers struct{ Version, Sealed, Admitted *int64 }
	if err := json.Unmarshal(document, &numbers); err != nil {
		return nil, fmt.Errorf("status: not readable: %w", err)
	}
	complete := numbers.Version != nil && numbers.Sealed != nil && numbers.Admitted != nil
	var unreadable [3]error
	s.At, unreadable[0] = time.Parse(time.RFC3339, s.Time)
	s.PreQueueAt, unreadable[1] = time.Parse(time.RFC3339, s.PreQueue)
	s.OnSaleAt, unreadable[2] = time.Parse(time.RFC3339, s.OnSale)
	phases := []room.Phase{room.Scheduled, room.PreQueue, room.Open, room.Paused, room.SoldOut, room.Closed}
	if !complete || s.Event != event || s.Run == "" || !slices.Contains(phases, s.Phase) || unreadable != [3]error{} {
		return nil, fmt.Errorf("status: not one of %s that can be read", event)
	}
	return s, nil
}

// IsNewer says whether next may replace the status held, which may be nil.
func IsNewer(held, next *Status) bool {
	return held == nil || held.Run != next.Run || next.Version >= held.Version
}

// Situation is what decides when a page polls next.
type Situation struct {
	Phase         room.Phase
	UntilPreQueue time.Duration
	UntilOnSale   time.Duration
	Settled       bool          // the visit has an outcome
	Position      int64         // 0 until it is drawn
	Admitted      int64         // of the status
	PerMinute     float64       // of the pointer; 0 while it stands
	Open          time.Duration // see Opened; negative if the line is not open
}

// Opened is since when the line is open for a page that sees it open for the first time: since the
// on-sale for one that came later, whose first status this is.
func Opened(s *Status, first bool, now time.Time) time.Time {
	if first && s.OnSaleAt.Before(now) {
		return s.OnSaleAt
	}
	return now
}

// PollWait is how far away the visitor's next change is.
func PollWait(s Situation) time.Duration {
	switch {
	case s.Phase == room.Scheduled:
		return s.UntilPreQueue
	case s.Phase == room.PreQueue:
		return s.UntilOnSale
	case s.Phase == room.Closed || s.Settled:
		return Forever
	case s.Phase == room.SoldOut:
		return 5 * time.Minute
	case s.Position == 0 || IsTurn(s.Position, s.Admitted, s.Phase):
		return 0
	}
	minutes := 2.0
	if s.PerMinute > 0 {
		minutes = float64(PeopleAhead(s.Position, s.Admitted)+1) / s.PerMinute
	}
	wait := scale(time.Minute, minutes)
	if s.Open >= 0 {
		// Nobody stays away for longer than the line has been open.
		wait = min(wait, scale(s.Open, 1.25))
	}
	return wait
}

// Next is what a page does about an answer.
type Next uint8

// What a page does about an answer.
const (
	Done  Next = iota // it has what it asked for
	Again             // ask again after Backoff
	Held              // the turn is kept: ask again after ClaimRetry
	Anew              // the secret or the ticket is no good: the page would begin anew
	Late              // the turn or the pass has expired
)

// AfterJoin is for an answer to a join; readable means that it holds a ticket and a place.
func AfterJoin(status int, readable bool) Next {
	switch {
	case (status == http.StatusOK || status == http.StatusCreated) && readable:
		return Done
	case status == http.StatusBadRequest:
		return Anew
	}
	return Again
}

// AfterClaim is for an answer to a claim, with its problem's code and its redirect if it has them.
func AfterClaim(status int, problem, redirect string) Next {
	switch {
	case status == http.StatusOK && (strings.HasPrefix(redirect, "http://") || strings.HasPrefix(redirect, "https://")):
		return Done
	case status == http.StatusAccepted, status == http.StatusTooManyRequests:
		return Held
	case status == http.StatusGone && (problem == "turn-expired" || problem == "pass-expired"):
		return Late
	case status == http.StatusBadRequest, status == http.StatusUnauthorized:
		return Anew
	}
	return Again
}

// Problem is the code in a problem document's type.
func Problem(kind string) string { return strings.TrimPrefix(kind, names.ProblemPrefix) }

// scale multiplies without leaving the range of durations, for factors of 0 and more.
func scale(d time.Duration, by float64) time.Duration {
	scaled := float64(d) * by
	if scaled >= float64(Forever) {
		return Forever
	}
	return time.Duration(math.Round(scaled))
}
