// Package hotshow holds the rules of hot shows: what is asked for, who may approve it, which states a
// show goes through, and what has to be brought up and taken down when. The rules are pure: they take
// the time as a value. Who keeps shows is package schedule, who does the work lambdas/prepare.
package hotshow

import (
	"slices"
	"time"

	"waitingroom/shared/plan"
)

// State is where a show stands: requested, approved, preparing, ready, live, finishing, done; or
// rejected, cancelled, failed.
type State string

// The states. A show that is cancelled or that fails while something is up goes through Finishing, and
// its Outcome says what it ends in.
const (
	Requested State = "requested"
	Approved  State = "approved"
	Preparing State = "preparing"
	Ready     State = "ready"
	Live      State = "live"
	Finishing State = "finishing"
	Done      State = "done"
	Rejected  State = "rejected"
	Cancelled State = "cancelled"
	Failed    State = "failed" // the event was never set on sale by the time at which it closes
)

// States lists the states in their order.
func States() []State {
	return []State{Requested, Approved, Preparing, Ready, Live, Finishing, Done, Rejected, Cancelled, Failed}
}

// Final says whether a show in this state never changes again.
func (s State) Final() bool { return slices.Contains([]State{Done, Rejected, Cancelled, Failed}, s) }

// Step is one thing that is brought up for a show.
type Step string

// The steps.
const (
	Parameters  Step = "parameters"  // the event's parameters
	Throughput  Step = "throughput"  // the table's warm throughput: never lowered, never taken down
	Concurrency Step = "concurrency" // provisioned concurrency of join and admit
	Cache       Step = "cache"       // page, assets and status in the CDN's cache
	Product     Step = "product"     // the shop's own Service Catalog product
	Readiness   Step = "readiness"   // a visitor of a probe event gets a pass
)

// Steps lists the steps in the order in which they are brought up; they are taken down in reverse.
func Steps() []Step { return []Step{Parameters, Throughput, Concurrency, Cache, Product, Readiness} }

// Progress is how far a step has come.
type Progress string

// How far a step can have come. Begun is stored before the first call that has an effect, so a step
// that is Waiting has certainly brought nothing up.
const (
	Waiting Progress = "waiting"
	Begun   Progress = "begun" // something may be up
	Up      Progress = "up"
	LeftOut Progress = "left out" // there is nothing to bring up here
	Down    Progress = "down"     // what was brought up is gone, or is somebody else's by now
)

// Work is the record of one step.
type Work struct {
	Progress Progress          `json:"progress"`
	Failures int               `json:"failures,omitempty"` // of attempts, since it was last done
	Next     time.Time         `json:"next,omitzero"`      // when it is tried again, after a failure
	Trouble  string            `json:"trouble,omitempty"`  // why it failed the last time, for people
	Held     map[string]string `json:"held,omitempty"`     // what the step remembers; never a secret
}

// Needs is what the plan says that a show needs, as it was when it was asked for.
type Needs struct {
	Shards     int `json:"shards"`
	WarmWrites int `json:"warm_writes"`       // units a second
	WarmReads  int `json:"warm_reads"`        // units a second
	Join       int `json:"join_environments"` // of provisioned concurrency
	Admit      int `json:"admit_environments"`
}

// Lease keeps two runs of prepare from working on one show. A run calls nothing for the show after
// Until, so another may begin then.
type Lease struct {
	Run   string    `json:"run"`
	Until time.Time `json:"until"`
}

// Jira is the issue that a show was asked for in.
type Jira struct {
	Issue   string `json:"issue"`             // its key, as in SHOW-12
	Seen    int64  `json:"seen"`              // timestamp of the latest webhook that counted, in Unix milliseconds
	Changed int64  `json:"changed,omitempty"` // timestamp of the latest webhook that changed the request, or 0
	Told    int    `json:"told"`              // number of the latest change that the issue has a comment about

	Failures int       `json:"failures,omitempty"` // of comments, in a row
	Next     time.Time `json:"next,omitzero"`      // when the next comment is tried, after a failure
}

// Show is a hot show. Its Changes are kept beside it and never changed.
type Show struct {
	ID        string        `json:"id"` // 1 to 32 of a-z, 0-9 and hyphens
	Version   int64         `json:"version"`
	State     State         `json:"state"`
	Since     time.Time     `json:"since"`             // when it came into this state
	Outcome   State         `json:"outcome,omitempty"` // what Finishing ends in
	Request   Request       `json:"request"`
	Needs     Needs         `json:"needs"`
	Warnings  []string      `json:"warnings,omitempty"` // of the plan, for people
	AskedBy   Person        `json:"asked_by"`
	ChangedBy []Person      `json:"changed_by,omitempty"` // what is asked for, or named it in an issue; each once, and not AskedBy
	Approver  Person        `json:"approved_by,omitempty"`
	Steps     map[Step]Work `json:"steps"`
	Lease     Lease         `json:"lease,omitzero"`
	Late      bool          `json:"late,omitempty"` // the history says that the state lasts too long
	Jira      *Jira         `json:"jira,omitempty"`
	Changes   int           `json:"changes"` // how many there have been
}

// Change is one entry of a show's history.
type Change struct {
	Number int       `json:"number"` // from 1
	At     time.Time `json:"at"`
	By     Person    `json:"by"`
	From   State     `json:"from,omitempty"` // none of the first
	To     State     `json:"to"`             // the same as From when something else changed than the state
	Step   Step      `json:"step,omitempty"`
	Issue  string    `json:"issue,omitempty"` // of Jira, that decides about the show from then on
	Why    string    `json:"why"`
}

// NeedsOf is what a show needs by its plan.
func NeedsOf(p plan.Plan) Needs {
	return Needs{Shards: p.Shards, WarmWrites: p.WarmWrites, WarmReads: p.WarmReads, Join: p.Join, Admit: p.Admit}
}

// New is a request as it is kept: it has been checked (see Request.Check), its plan made.
func New(id string, r Request, p plan.Plan, by Person, at time.Time) (Show, Change) {
	s := Show{ID: id, Request: r, Needs: NeedsOf(p), Warnings: p.Warnings(), AskedBy: by, Steps: map[Step]Work{}}
	for _, step := range Steps() {
		s.Steps[step] = Work{Progress: Waiting}
	}
	return s, s.change(Requested, by, "asked for", at)
}

// change moves the show to a state and returns the entry about it.
func (s *Show) change(to State, by Person, why string, at time.Time) Change {
	s.Changes++
	c := Change{Number: s.Changes, At: at, By: by, From: s.State, To: to, Why: why}
	s.State, s.Since, s.Late = to, at, false
	return c
}

// Note is an entry about a step, in which the state stays as it is.
func (s *Show) Note(step Step, why string, at time.Time) Change {
	s.Changes++
	return Change{Number: s.Changes, At: at, By: Schedule, From: s.State, To: s.State, Step: step, Why: why}
}
