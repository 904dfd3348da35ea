// Package jira is the function that Jira tells of requests for hot shows and of their approvals. An issue
// of Service Management is the form: the door takes each webhook as the issue's latest state, and does
// for the show what the hot shows' API would do for whoever changed the issue.
package jira

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/jira"
	"waitingroom/shared/schedule"
)

// Shows is where shows are kept, and what was heard of issues that no show keeps; see package schedule.
type Shows interface {
	Show(ctx context.Context, id string) (hotshow.Show, error)
	Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error

	Heard(ctx context.Context, issue string) (int64, error)
	Hear(ctx context.Context, w schedule.Webhook) error
	AddHeard(ctx context.Context, show hotshow.Show, first hotshow.Change, w schedule.Webhook) error
	SaveHeard(ctx context.Context, show *hotshow.Show, w schedule.Webhook, changes ...hotshow.Change) error
}

// Comments is where people are told what the door did not do. What changes a show, prepare tells them.
type Comments interface {
	Tell(ctx context.Context, issue, mark, text string) error
}

// Door takes webhooks. All fields are required.
type Door struct {
	Shows       Shows
	Comments    Comments
	Credentials jira.Source
	Fields      jira.Fields
	AllowSelf   bool // whether people may approve what they asked for
	Now         func() time.Time
	Log         *slog.Logger
}

// The door's own problems. Jira sends a webhook again after 408, 409, 425, 429, 5xx and no answer, and
// after nothing else: https://developer.atlassian.com/cloud/jira/platform/webhooks/#retry-policy
var (
	badSignature = &httpapi.Problem{Code: "bad-signature", Status: http.StatusUnauthorized, Title: "Bad signature",
		Detail:    "The webhook is not signed with this room's secret. Set the same secret in Jira and in Secrets Manager.",
		Challenge: `HMAC-SHA256 header="` + jira.SignatureHeader + `"`}
	tooEarly = &httpapi.Problem{Code: "too-early", Status: http.StatusTooEarly, Title: "Too early",
		Detail: "An earlier webhook of this issue may still be on its way. Send this one again in some minutes."}
)

// Outcomes of a webhook.
const (
	taken   = "taken"   // the show is as the issue says, as far as it may be
	refused = "refused" // something of what the issue says cannot be; a comment says what
	ignored = "ignored" // nothing was done
)

// Answer says what was done. Jira does not read it; who tests the door does.
type Answer struct {
	Outcome string        `json:"outcome"`
	Why     string        `json:"why,omitempty"`
	Show    string        `json:"show,omitempty"`
	State   hotshow.State `json:"state,omitempty"`
}

// NewHandler answers `POST /v1/jira`.
func NewHandler(d *Door) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		ctx, cancel := before(ctx, toAnswer)
		defer cancel()
		body, err := httpapi.Body(r, jira.MaxWebhook)
		if err != nil {
			return httpapi.Response{}, err
		}
		credentials, err := d.Credentials.Credentials(ctx)
		if err != nil {
			return httpapi.Response{}, err
		}
		if err := credentials.Verify(body, httpapi.Header(r, jira.SignatureHeader)); err != nil {
			d.Log.WarnContext(ctx, "webhook refused", "request", r.RequestContext.RequestID, "error", err)
			return httpapi.Response{}, badSignature
		}
		webhook, err := jira.ParseWebhook(body)
		if err != nil {
			return httpapi.Response{}, d.misread(ctx, r, err)
		}
		answer, err := d.take(ctx, webhook)
		if err != nil {
			return httpapi.Response{}, d.misread(ctx, r, err)
		}
		d.Log.InfoContext(ctx, "webhook", "kind", string(webhook.Kind), "issue", webhook.Issue.Key, "outcome", answer.Outcome,
			"why", answer.Why, "show", answer.Show, "state", string(answer.State))
		return httpapi.OK(http.StatusOK, answer)
	}
}

// What is left of the function's time at the least. Jira's own API may be as slow as it likes: whoever is told
// nothing now is told when Jira sends the webhook again, and is not told twice.
const (
	toAnswer = 500 * time.Millisecond // when the table or Secrets Manager does not answer
	toStore  = 3 * time.Second        // when comments take all the rest
)

// before bounds what is done by when the function is stopped, which would be no answer.
func before(ctx context.Context, left time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-left))
}

// Respond wraps h so that every error becomes a problem document. The door is open to everybody, and a
// metric of what it refuses would be paid for; its bodies are about people.
func Respond(h httpapi.Handler, log *slog.Logger) func(context.Context, httpapi.Request) (httpapi.Response, error) {
	return h.Uncounted(log, httpapi.ProblemOf)
}
