// Package room holds the rules of the waiting room: runs, cohorts, shards, seals, positions, the
// admitted-up-to pointer, the compensation of no-shows, expired turns and the cap. The rules are
// pure: they take the time as a value and randomness as a reader, and they do no I/O.
package room

import "time"

// Phase is what a visitor is told about the sale.
type Phase string

// The phases, in the order in which a sale meets them.
const (
	Scheduled Phase = "scheduled" // before the pre-queue: nobody can join
	PreQueue  Phase = "prequeue"  // the pool fills
	Open      Phase = "open"      // the pointer moves
	Paused    Phase = "paused"    // the pointer stands still, turns already given may be claimed
	SoldOut   Phase = "soldout"   // nobody joins, turns not claimed are refused; may end
	Closed    Phase = "closed"    // final for the run
)

// Control is the promoter's `state` parameter.
type Control string

// The values of the promoter's `state` parameter.
const (
	Auto         Control = "auto"
	ForcePaused  Control = "paused"
	ForceSoldOut Control = "soldout"
	ForceClosed  Control = "closed"
)

// Stock is the promoter's word on how much is left.
type Stock string

// The values of the promoter's `stock` parameter.
const (
	Plenty Stock = "plenty"
	Few    Stock = "few"
	None   Stock = "none"
)

// Settings are the promoter's wishes for one event, already checked: see package settings.
type Settings struct {
	OnSale       time.Time
	PreQueue     time.Time // never after OnSale
	Closes       time.Time // always after OnSale
	Rate         int       // visitors per minute, 1 to 60,000
	Target       string    // address of the checkout, at most 1,000 characters
	Control      Control
	Messages     map[string]string // by language tag; "default" for the one without a language
	Stock        Stock
	Theme        string        // name of the page's theme; empty for the page's own look
	ClaimWindow  time.Duration // 1 min to 1 h
	PassLifetime time.Duration // 1 min to 24 h
	Shards       int           // 1 to 128
	PassAlg      string        // RS256 or HS256
}

// Run names one sale of an event. A closed event that is put on sale again is another run.
type Run struct {
	Event string
	ID    string // 16 random bytes, 32 lower-case hexadecimal digits
}

// NoCohort is the value of State.Closing while no sealing is under way.
const NoCohort int64 = -1

// State is what every function knows about a run. One DynamoDB item under 4 KB that each
// environment of each function reads every second.
type State struct {
	Run
	Fence

	Shards   int   // counters per cohort; never changes in a run
	Cohort   int64 // the open cohort, which is also the number of sealed ones
	Closing  int64 // the cohort whose sealing has been decided and not finished, or NoCohort
	Base     int64 // places given out by sealed cohorts: the last position in line
	Admitted int64 // positions up to this one may enter
	Expired  int64 // positions up to this one may not enter any more
	Phase    Phase
	PoolOpen bool   // the pre-queue has been open: it stays so
	Final    bool   // the latest closing was decided when the run was closed: no other follows
	Commit   string // hexadecimal SHA-256 of the draw key
	Hidden   bool   // the commitment is not published yet: nobody may join

	// Last is the wall clock of the latest step, Clock the sum of elapsed time that turns are
	// measured by, and Carry the fraction of a place that the pointer has not yet advanced.
	Last  time.Time
	Clock time.Duration
	Carry float64
	// Speed is how fast the pointer moved in the latest step, in places per minute.
	Speed float64

	// What join, admit and place need of the settings.
	OnSale       time.Time
	PreQueue     time.Time
	Closes       time.Time
	Target       string
	PassLifetime time.Duration
	PassAlg      string
	ClaimWindow  time.Duration // how long a turn lasts at least; zero if an older program wrote the state
	Cap          Cap

	// Announced is when it was last said that parameters have changed, which only Store.Announce
	// writes: tick reads them again when it moves. It is not part of what a leader saves.
	Announced time.Time
}

// Fence is the lease under which the state is written. A write succeeds only over the owner and
// version that its writer read; the version grows with every write and never restarts.
type Fence struct {
	Owner   string // empty when the lease has been handed over
	Version int64
}

// Pacing is what only tick reads. Losing up to CheckpointEvery of it is harmless: turns then last
// that much longer.
type Pacing struct {
	Checkpoints []Checkpoint // oldest first, one per CheckpointEvery of State.Clock
	Show        Show
	Good        map[string]string // last good text of every parameter that is set
}

// Checkpoint says how far the pointer had come at a moment of the state's clock.
type Checkpoint struct {
	Clock    time.Duration
	Admitted int64
}

// Visitor is a place held. Its cohort, shard and sequence number never change.
type Visitor struct {
	ID     string // 32 lower-case hexadecimal digits
	Cohort int64
	Shard  int
	Seq    int64 // from 1
	Joined time.Time
	Mark   time.Time // start of the latest cap window that the visitor was counted for, or zero
	Pass   *Pass     // set once admitted
}

// Pass is what has to be remembered of an issued pass so that the same one can be signed again.
type Pass struct {
	ID     string    // jti
	Issued time.Time // iat, whole seconds
	Expiry time.Time // exp, whole seconds
}

// Seal fixes the draw of a cohort.
type Seal struct {
	Run
	Cohort int64
	Base   int64   // places before this cohort's first
	Counts []int64 // arrivals by shard
	Seed   [32]byte
}
