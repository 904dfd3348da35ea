// Package jira is the way to and from Jira Service Management in the cloud: webhooks that it sends,
// checked and understood, and the comments that it is sent.
//
// The shapes are Atlassian's: https://developer.atlassian.com/cloud/jira/platform/webhooks/ for webhooks,
// https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/ for comments.
package jira

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxWebhook is the largest webhook in bytes that is read. An issue of a hundred fields has some 50 KB;
// API Gateway takes 10 MB.
const MaxWebhook = 1 << 20

// Kind says what happened to an issue.
type Kind string

// The kinds. Other is what hot shows do not depend on, such as a comment's own webhook.
const (
	Created Kind = "jira:issue_created"
	Updated Kind = "jira:issue_updated"
	Deleted Kind = "jira:issue_deleted"
	Other   Kind = ""
)

// Webhook is what Jira says: what happened, and the whole issue as it was by then.
type Webhook struct {
	Kind  Kind
	At    int64  // Unix milliseconds by Jira's clock; the signature covers it
	By    string // account id of who did it; empty if nobody is named
	Issue Issue

	changed []string // ids of the fields that an update changed
}

// Issue is what a webhook says of an issue.
type Issue struct {
	ID, Key           string // as in 10042 and SHOW-12
	Project           string // its key
	Type, Status      string // their names
	Reporter, Creator string // account ids; empty if nobody is named

	fields map[string]json.RawMessage
}

// ErrWebhook means that a webhook is not what Atlassian documents: nothing of it may be used, and Jira
// sending it again changes nothing. The error says what is wrong and repeats no value.
var ErrWebhook = errors.New("not a webhook as Jira documents it")

var (
	issueID  = regexp.MustCompile(`^[0-9]{1,20}$`)
	issueKey = regexp.MustCompile(`^([A-Z][A-Z0-9_]{1,99})-[0-9]{1,12}$`)
)

// account is how Jira names people.
type account struct {
	ID string `json:"accountId"`
}

type named struct {
	Name string `json:"name"`
}

// ParseWebhook reads a webhook whose signature has been verified. Members that are not used may be
// anything. Errors wrap ErrWebhook.
func ParseWebhook(body []byte) (Webhook, error) {
	var envelope struct {
		Event string `json:"webhookEvent"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Event == "" {
		return Webhook{}, fmt.Errorf("%w: it is no JSON object with a webhookEvent", ErrWebhook)
	}
	if !slices.Contains([]Kind{Created, Updated, Deleted}, Kind(envelope.Event)) {
		return Webhook{Kind: Other}, nil
	}
	var payload struct {
		Timestamp int64   `json:"timestamp"`
		User      account `json:"user"`
		Issue     struct {
			ID     string                     `json:"id"`
			Key    string                     `json:"key"`
			Fields map[string]json.RawMessage `json:"fields"`
		} `json:"issue"`
		Changelog struct {
			Items []struct {
				Field string `json:"fieldId"`
			} `json:"items"`
		} `json:"changelog"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return Webhook{}, fmt.Errorf("%w: %w", ErrWebhook, about(err))
	}
	w := Webhook{Kind: Kind(envelope.Event), At: payload.Timestamp, By: payload.User.ID,
		Issue: Issue{ID: payload.Issue.ID, Key: payload.Issue.Key, fields: payload.Issue.Fields}}
	for _, item := range payload.Changelog.Items {
		w.changed = append(w.changed, item.Field)
	}
	if w.At <= 0 {
		return Webhook{}, fmt.Errorf("%w: it has no timestamp", ErrWebhook)
	}
	return w, w.Issue.read()
}

// read fills in what of the fields is used whatever the mapping says.
func (i *Issue) read() error {
	key := issueKey.FindStringSubmatch(i.Key)
	if !issueID.MatchString(i.ID) || key == nil {
		return fmt.Errorf("%w: its issue has no id, or no key", ErrWebhook)
	}
	var project struct {
		Key string `json:"key"`
	}
	var kind, status named
	var reporter, creator account
	for field, into := range map[string]any{
		"project": &project, "issuetype": &kind, "status": &status, "reporter": &reporter, "creator": &creator,
	} {
		raw, ok := i.fields[field]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("%w: its issue's field %s: %w", ErrWebhook, field, about(err))
		}
	}
	// A key of another project than the issue's would let one issue speak for another.
	if project.Key != key[1] {
		return fmt.Errorf("%w: its issue's key is not of its project", ErrWebhook)
	}
	i.Project, i.Type, i.Status = project.Key, kind.Name, status.Name
	i.Reporter, i.Creator = reporter.ID, creator.ID
	return nil
}

// about is an error of package json without the values that it may quote.
func about(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		kind, _, _ := strings.Cut(wrong.Value, " ") // "number 1.5" quotes a value
		return fmt.Errorf("%s where there should be a %s", kind, wrong.Type.Kind())
	}
	return errors.New("no valid JSON")
}
