package jira

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

// Fields says which fields of an issue hold what. It is names.EnvJiraFields as an object.
type Fields struct {
	members          map[string]string // field's id by the request's member; names by "name" or "name/<language>"
	approvals        string
	show             string // the field that names a show which was asked for over the API; empty: none
	project          string // only issues of this project's key; empty: of all that the webhook is for
	issueType        string // only issues of this type's name; empty: all
	approvedStatuses []string
	cancelled        []string
}

// Members of names.EnvJiraFields that are not simply the request's: its name, and what is about the issue.
// Which there are, names has in lists, by which the props of hot shows are checked too.
const (
	memberName       = "name" // in English; "name/de" and the like for other languages
	memberApprovals  = "approvals"
	memberShow       = "show"
	memberProject    = "project"
	memberIssueType  = "issue_type"
	memberApprovedIn = "approved_statuses"
	memberCancelled  = "cancelled_statuses"
)

// defaultCancelled are the statuses that end a request where the deployment names none: Service
// Management's own workflows have the first.
func defaultCancelled() []string { return []string{"Canceled", "Cancelled"} }

// ParseFields reads names.EnvJiraFields. Its error names everything that is wrong at once.
func ParseFields(text string) (Fields, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &given); err != nil || given == nil {
		return Fields{}, errors.New(`fields of Jira: give a JSON object, as in {"event":"customfield_10101"}`)
	}
	f := Fields{members: map[string]string{}, cancelled: defaultCancelled()}
	var problems []error
	for _, member := range slices.Sorted(maps.Keys(given)) {
		if err := f.set(member, given[member]); err != nil {
			problems = append(problems, fmt.Errorf("field of Jira %q: %w", member, err))
		}
	}
	for _, member := range names.JiraMembers() {
		if _, ok := given[member]; !ok {
			problems = append(problems, fmt.Errorf("field of Jira %q: it is missing", member))
		}
	}
	return f, errors.Join(problems...)
}

func (f *Fields) set(member string, value json.RawMessage) error {
	switch member {
	case memberApprovedIn:
		return readStatuses(&f.approvedStatuses, value)
	case memberCancelled:
		return readStatuses(&f.cancelled, value)
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil || text == "" {
		return errors.New(`give text, as in "customfield_10101"`)
	}
	switch {
	case member == memberApprovals:
		f.approvals = text
	case member == memberShow:
		f.show = text
	case member == memberProject:
		f.project = text
	case member == memberIssueType:
		f.issueType = text
	case slices.Contains(names.JiraMembers(), member), slices.Contains(names.JiraOptionalMembers(), member),
		strings.HasPrefix(member, names.JiraNamePrefix):
		f.members[member] = text
	default:
		return errors.New("there is no such member")
	}
	return nil
}

func readStatuses(into *[]string, value json.RawMessage) error {
	*into = nil
	if err := json.Unmarshal(value, into); err != nil || len(*into) == 0 {
		return errors.New(`give a list of names, as in ["Canceled"]`)
	}
	return nil
}

// Ours says whether an issue asks for a hot show: it is of the project and type that were configured.
func (f Fields) Ours(i Issue) bool {
	return (f.project == "" || i.Project == f.project) && (f.issueType == "" || i.Type == f.issueType)
}

// Show is the id of a show that was asked for over the API and that the issue is to decide about, or
// nothing where the issue itself asks for one.
func (f Fields) Show(i Issue) string {
	if f.show == "" {
		return ""
	}
	value, _ := valueOf(i.fields[f.show])
	id, _ := value.(string)
	return id
}

// Cancelled says whether the issue's status ends what it asks for.
func (f Fields) Cancelled(i Issue) bool { return slices.Contains(f.cancelled, i.Status) }

// Edited says whether an update changed what is asked for.
func (f Fields) Edited(w Webhook) bool {
	ids := slices.Collect(maps.Values(f.members))
	return w.Kind == Updated && slices.ContainsFunc(w.changed, func(id string) bool { return slices.Contains(ids, id) })
}

// Switched says whether an update changed which show the issue names.
func (f Fields) Switched(w Webhook) bool {
	return w.Kind == Updated && f.show != "" && slices.Contains(w.changed, f.show)
}

// Body is the request that the issue's fields make, as the hot shows' API takes it. What is not filled in
// is left out; what cannot be is for hotshow.ParseRequest to complain about.
func (f Fields) Body(i Issue) ([]byte, error) {
	body, named := map[string]any{}, map[string]any{}
	for member, id := range f.members {
		value, filled := valueOf(i.fields[id])
		language, other := strings.CutPrefix(member, names.JiraNamePrefix)
		switch {
		case !filled:
		case member == memberName:
			named["en"] = value
		case other:
			named[language] = value
		default:
			body[member] = convert(member, value)
		}
	}
	if len(named) > 0 {
		body["names"] = named
	}
	return json.Marshal(body)
}

// Request is what the issue asks for. Errors are *hotshow.Invalid.
func (f Fields) Request(i Issue, now time.Time) (hotshow.Request, error) {
	body, err := f.Body(i)
	if err != nil {
		return hotshow.Request{}, err
	}
	return hotshow.ParseRequest(body, now)
}

// valueOf is what a field holds, and whether somebody filled it in. A choice from a list is an object
// with its text as value.
func valueOf(raw json.RawMessage) (value any, filled bool) {
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, false
	}
	if choice, ok := value.(map[string]any); ok && choice["value"] != nil {
		value = choice["value"]
	}
	if text, ok := value.(string); ok {
		value = strings.TrimSpace(text)
		return value, value != ""
	}
	return value, value != nil
}

// timeLayout is how Jira writes a date with a time, as in 2026-11-28T10:00:00.000+0100.
const timeLayout = "2006-01-02T15:04:05.000-0700"

// convert writes a value as the API has it. Jira's numbers are floating point, and people without the
// right to make fields of type number put them into text.
func convert(member string, value any) any {
	switch v := value.(type) {
	case string:
		if slices.Contains([]string{"onsale", "prequeue", "closes"}, member) {
			if t, err := time.Parse(timeLayout, v); err == nil {
				return t.Truncate(time.Second).Format(time.RFC3339)
			}
		}
		if member == "visitors" || member == "rate" {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				return n
			}
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	}
	return value
}
