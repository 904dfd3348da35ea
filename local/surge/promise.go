package surge

import "fmt"

// The names of the promises, as they stand in reports. They are stable.
const (
	Distinct    = "distinct"     // no two visitors share a number or a place
	Complete    = "complete"     // seals without a gap, and every number in them is somebody's
	NobodyLost  = "nobody-lost"  // whoever was told of a place has it, and whoever came in time got in
	CohortOrder = "cohort-order" // the pool first, then those who came later by when they came
	OwnPlace    = "own-place"    // visitors computed the same place as the judge
	Draw        = "draw"         // the seeds are those that were committed to
	InTurn      = "in-turn"      // nobody was let in before the turn
	CapHeld     = "cap"          // no window holds more admissions than the rate allows
	RateReached = "rate"         // the shop gets the rate that it asked for
	FewRefusals = "refusals"     // visitors are seldom sent away at the door
	NoGaps      = "gap"          // admissions go on while people wait
	Forward     = "statuses"     // what is published never goes back
	Consistent  = "consistent"   // no visitor saw what nobody must see
)

// Promise is one of the things that the room promises, and what a surge showed of it.
type Promise struct {
	Name string `json:"name"` // one of the constants above
	Says string `json:"says"` // what is promised, for people

	// Judged is false where the log cannot tell, and Why says what it would take. Held is then true.
	Judged bool   `json:"judged"`
	Held   bool   `json:"held"`
	Why    string `json:"why,omitempty"` // reasons and what a limit was widened by

	Measured float64 `json:"measured"` // in Unit
	Limit    float64 `json:"limit"`    // the promise is broken beyond it
	Unit     string  `json:"unit"`     // such as "visitors", "%" or "s"

	Broken   int64    `json:"broken"`             // how many times
	Examples []string `json:"examples,omitempty"` // of those, the first few
}

// exampleCount is how many examples a broken promise is reported with.
const exampleCount = 5

// Verdict is what a judge says of a surge: every promise, in the order of the constants.
type Verdict struct {
	Promises []Promise `json:"promises"`
}

// Kept reports whether no promise was broken. It says nothing of those that could not be judged.
func (v Verdict) Kept() bool {
	for _, p := range v.Promises {
		if !p.Held {
			return false
		}
	}
	return true
}

// Promise returns the one of that name. It panics if there is none: names are constants.
func (v Verdict) Promise(name string) Promise {
	for _, p := range v.Promises {
		if p.Name == name {
			return p
		}
	}
	panic("surge: there is no promise " + name)
}

// promise starts one that holds as long as nothing breaks it: its measure is the number of breaks,
// in unit, and its limit is 0.
func promise(name, says, unit string) *Promise {
	return &Promise{Name: name, Says: says, Unit: unit, Judged: true, Held: true}
}

// fail breaks the promise once more.
func (p *Promise) fail(format string, args ...any) {
	p.Held = false
	p.Broken++
	if len(p.Examples) < exampleCount {
		p.Examples = append(p.Examples, fmt.Sprintf(format, args...))
	}
}

// count makes the number of breaks the measure.
func (p *Promise) count() Promise {
	p.Measured = float64(p.Broken)
	return *p
}

// unjudged says why the log cannot tell.
func (p *Promise) unjudged(format string, args ...any) Promise {
	p.Judged, p.Why = false, fmt.Sprintf(format, args...)
	return *p
}
