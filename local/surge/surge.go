// Package surge sends a crowd to a waiting room and judges what the room did with it. It knows the
// room only as visitors and the shop do: by its pages, its API and its published documents. So the
// same judge holds for a room in this process, for one at an address, and for one in virtual time.
package surge

import (
	"time"
)

// Visitor is one visit, as far as the visitor knows of it. Times count from the beginning of the
// surge; a time that never came is Never. Millions of them are kept: fields are as small as they can be.
type Visitor struct {
	Arrives  time.Duration // opens the page
	Asked    time.Duration // begins the join that was answered
	Joined   time.Duration // has the answer
	Called   time.Duration // learns that the turn has come
	Admitted time.Duration // has the pass
	Ordered  time.Duration // the order is placed; without orders, the shop has answered with a checkout

	Cohort   int64 // NoCohort until joined
	Seq      int64
	Position int64 // as the visitor computes it; 0 until the cohort is sealed
	// Behind is the number of sealed cohorts in the newest status that anybody had when this join began,
	// or an earlier one that may have taken the place.
	Behind int64
	Issued int64 // of the pass: Unix seconds
	Shard  int32

	Polls   uint32
	Joins   uint16 // requests, at least one of which was answered if Joined is set
	Unsure  uint16 // joins without an answer or with 5xx, and repeated ones: each may have left a hole
	Claims  uint16 // requests to admit
	Refused uint16 // of those in their turn, told to come again: 202, 429 and 5xx
	Outcome Outcome
	NoShow  bool // never claims the turn
}

// Never is a time that has not come.
const Never time.Duration = -1

// NoCohort is that of a visitor without a place.
const NoCohort = -1

// Outcome is how a visit ended. Details are in the visitor's times.
type Outcome uint8

// The outcomes. Everything but Waiting is final.
const (
	Waiting  Outcome = iota // not ended when the surge did, or a no-show
	InShop                  // admitted, and seen by the shop if there is one
	Expired                 // came too late for the turn
	SoldOut                 // the line ended first, or the run was closed
	Rejected                // got an answer that a visitor must never get: the judge says which
)
