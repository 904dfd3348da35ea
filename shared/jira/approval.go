package jira

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what people decided about a request.
type Outcome string

// The outcomes.
const (
	Undecided Outcome = ""
	Approved  Outcome = "approved"
	Declined  Outcome = "declined"
)

// Decision is what an issue's approvals come to.
type Decision struct {
	Outcome  Outcome
	Approval string    // id of the approval that decided
	At       time.Time // when it was completed; zero if Jira does not say
	First    time.Time // when the earliest of the approvals was that it takes, one for each step; At where there is one step
	By       []string  // account ids of those who decided so
}

// approval is one of the field Approvals of Service Management, as its REST API writes approvals:
// https://developer.atlassian.com/cloud/jira/service-desk/rest/api-group-request/
type approval struct {
	ID            string `json:"id"`
	Name          string `json:"name"` // of its step
	FinalDecision string `json:"finalDecision"`
	Approvers     []struct {
		Approver account `json:"approver"`
		Decision string  `json:"approverDecision"`
	} `json:"approvers"`
	Created   date `json:"createdDate"`
	Completed date `json:"completedDate"`
}

// date is a time as Service Management writes it: an object of several forms, or one of them.
type date struct{ time.Time }

func (d *date) UnmarshalJSON(text []byte) error {
	var forms struct {
		Milliseconds int64  `json:"epochMillis"`
		Jira         string `json:"jira"`
	}
	if text[0] == '"' {
		if err := json.Unmarshal(text, &forms.Jira); err != nil {
			return err
		}
	} else if err := json.Unmarshal(text, &forms); err != nil {
		return err
	}
	if forms.Milliseconds > 0 {
		d.Time = time.UnixMilli(forms.Milliseconds)
		return nil
	}
	if t, err := time.Parse(timeLayout, forms.Jira); err == nil {
		d.Time = t
	}
	return nil
}

// Decision reads the issue's approvals. Where a workflow asks for several, one after the other, each has
// to be approved, and the latest decides. What is neither approved nor declined is undecided.
func (f Fields) Decision(i Issue) (Decision, error) {
	raw, ok := i.fields[f.approvals]
	if !ok || string(raw) == "null" {
		return Decision{}, nil
	}
	var approvals []approval
	if err := json.Unmarshal(raw, &approvals); err != nil {
		return Decision{}, fmt.Errorf("%w: %s, which is configured as the field of approvals, holds none: %w",
			ErrWebhook, f.approvals, about(err))
	}
	var latest approval
	last := map[string]time.Time{} // approval of each step
	for _, a := range approvals {
		if a.outcome() == Undecided {
			return Decision{}, nil
		}
		if !a.Created.Before(latest.Created.Time) {
			latest = a
		}
		if a.Completed.After(last[a.Name]) {
			last[a.Name] = a.Completed.Time
		}
	}
	decision := Decision{Outcome: latest.outcome(), Approval: latest.ID, At: latest.Completed.Time, First: latest.Completed.Time}
	for _, completed := range last {
		if completed.Before(decision.First) {
			decision.First = completed
		}
	}
	if decision.Outcome == Approved && f.approvedStatuses != nil && !slices.Contains(f.approvedStatuses, i.Status) {
		return Decision{}, nil // a further approval may be asked for in the next status
	}
	for _, a := range latest.Approvers {
		if outcome(a.Decision) == decision.Outcome && a.Approver.ID != "" {
			decision.By = append(decision.By, a.Approver.ID)
		}
	}
	return decision, nil
}

// Decides says whether an update may be the one that a decision makes: it moves the issue on, as approval steps
// do in the same breath, or changes its approvals. People's other updates are not, whoever makes them.
func (f Fields) Decides(w Webhook) bool {
	return w.Kind == Updated && (slices.Contains(w.changed, "status") || slices.Contains(w.changed, f.approvals))
}

func (a approval) outcome() Outcome { return outcome(a.FinalDecision) }

func outcome(decision string) Outcome {
	switch o := Outcome(strings.ToLower(decision)); o {
	case Approved, Declined:
		return o
	}
	return Undecided
}
