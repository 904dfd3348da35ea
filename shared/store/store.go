// Package store keeps what the waiting room must not forget: state, pacing, counters, seals,
// visitors and caps. DynamoDB holds it in one table; Memory is its twin for simulations; View
// keeps states and seals for the functions that visitors call.
//
// Every write is conditional, or harmless when repeated. The methods of DynamoDB and Memory mean
// the same and pass the same contract tests.
package store

import (
	"errors"
	"strconv"
	"time"

	"waitingroom/shared/room"
)

// Any error of a write that is none of these means that the outcome is unknown: the write may
// have happened, may happen yet, or may never happen.
var (
	// ErrNotFound means that the item does not exist: answer 404, or begin a run.
	ErrNotFound = errors.New("not found")

	// ErrFenced means that the state is no longer the one that was read: stop leading, and read it
	// again before doing anything else.
	ErrFenced = errors.New("somebody else wrote the state")

	// ErrSealed means that the shard takes no more arrivals: read the state again, and join a
	// later cohort.
	ErrSealed = errors.New("the shard is sealed")

	// ErrFull means that this part of the window holds no more admissions: the turn is kept; try
	// another part, or answer 429 with the next window in Retry-After.
	ErrFull = errors.New("the window is full")

	// ErrConflict means that the cohort was sealed with another draw. It cannot happen while the
	// rules hold: never overwrite the seal, stop publishing and raise an alarm.
	ErrConflict = errors.New("the cohort has another seal")

	// ErrThrottled means that the table had no room for the call. A state, an arrival, a mark and a
	// slot have not been written: try another shard or part at once, or answer 429. The other
	// writes are retried on the way, an earlier attempt may have got through, and repeating them
	// is always right.
	ErrThrottled = errors.New("throttled")
)

// How long the table keeps what nobody asks for any more, counted from the latest write that
// sets it. A state and its pacing stay for good: there is one of each per event.
const (
	keepRun = 90 * 24 * time.Hour // arrivals, visitors and seals
	keepCap = 2 * 24 * time.Hour  // admissions of a window, which end with the window
)

// MarkAhead is how far after the window that is being counted a visitor's mark may lie before it
// is taken for that of a wrong clock.
const MarkAhead = time.Minute

// The sort keys, one for each kind of item.
const (
	kindState   = "STATE"
	kindPacing  = "PACING"
	kindCount   = "COUNT"
	kindSeal    = "SEAL"
	kindVisitor = "PLACE"
	kindWatched = "EVENTS"
)

// key is the primary key of an item.
type key struct{ pk, sk string }

func stateKey(event string) key  { return key{"EVENT#" + event, kindState} }
func pacingKey(event string) key { return key{"EVENT#" + event, kindPacing} }

// watchedPrefix keeps events apart from other attributes of the item that names them.
const watchedPrefix = "event:"

// watchedKey is of the one item that says of each event that ever was whether it is being watched:
// some seventy bytes an event, of 400 KB.
func watchedKey() key { return key{"WATCHED", kindWatched} }

func counterKey(run room.Run, cohort int64, shard int) key {
	return key{"COHORT#" + runKey(run) + "#" + strconv.FormatInt(cohort, 10) + "#" + strconv.Itoa(shard), kindCount}
}

func sealKey(run room.Run, cohort int64) key {
	return key{"SEAL#" + runKey(run) + "#" + strconv.FormatInt(cohort, 10), kindSeal}
}

func visitorKey(run room.Run, id string) key {
	return key{"VISITOR#" + runKey(run) + "#" + id, kindVisitor}
}

func capKey(run room.Run, w room.Window, part int) key {
	return key{"ADMIT#" + runKey(run) + "#" + w.PartKey(part), kindCount}
}

// runKey cannot be taken for another run's: neither an event's name nor a run's id holds a #.
func runKey(run room.Run) string { return run.Event + "#" + run.ID }
