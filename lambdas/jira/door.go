package jira

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/jira"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

const (
	// attempts is how often a webhook is tried when somebody else changes the show at the same time.
	// After that, Jira sends it again.
	attempts = 5
	// onItsWay is how late Jira delivers a webhook at the most, as it announced its retries:
	// https://community.developer.atlassian.com/t/new-jira-cloud-webhook-retry-policy/30554
	onItsWay = 30 * time.Minute
	// oldest is how old a webhook is that Jira has surely not sent: what led to no show is kept nowhere,
	// so that somebody who has recorded it could otherwise have it judged anew whenever it suits them.
	oldest = 3 * time.Hour
)

// ShowID is the id of the show that an issue asks for. There is one of it for ever, so nothing that Jira
// sends again can make another.
func ShowID(i jira.Issue) string { return "jira-" + i.ID }

// misread makes what Jira did not mean well a problem, after which it does not send the same again.
func (d *Door) misread(ctx context.Context, r httpapi.Request, err error) error {
	if !errors.Is(err, jira.ErrWebhook) {
		return err
	}
	d.Log.WarnContext(ctx, "webhook not understood", "request", r.RequestContext.RequestID, "error", err)
	return httpapi.BadRequest("This is not a webhook as Jira documents it. The function's log says what is wrong.")
}

// take does for the show what the webhook says. It may be repeated: all it does is conditional on the
// show not having heard of this webhook or a later one.
func (d *Door) take(ctx context.Context, w jira.Webhook) (Answer, error) {
	if w.Kind == jira.Other || !d.Fields.Ours(w.Issue) {
		return Answer{Outcome: ignored, Why: "it is not about a request for a hot show"}, nil
	}
	if d.Now().Sub(time.UnixMilli(w.At)) > oldest {
		return Answer{Outcome: ignored, Why: "it is older than any that Jira sends"}, nil
	}
	id, err := d.subject(ctx, w.Issue)
	if err != nil {
		return Answer{}, fmt.Errorf("webhook of %s: %w", w.Issue.Key, err)
	}
	if !hotshow.ValidID(id) {
		return d.refuse(ctx, w, w.Issue.Key, unknown(id))
	}
	var other *schedule.Taken // the show that has the event at the time asked for, once that is known
	for range attempts {
		show, err := d.Shows.Show(ctx, id)
		var done bool
		var answer Answer
		switch {
		case errors.Is(err, schedule.ErrNotFound) && id != ShowID(w.Issue):
			return d.refuse(ctx, w, w.Issue.Key, unknown(id))
		case errors.Is(err, schedule.ErrNotFound):
			answer, done, err = d.ask(ctx, w)
		case err == nil:
			answer, err = d.update(ctx, w, &show, other)
			done = true
		}
		switch {
		case errors.Is(err, schedule.ErrStale), errors.As(err, &other): // look again
		case err != nil:
			return Answer{}, fmt.Errorf("webhook of %s: %w", w.Issue.Key, err)
		case done:
			return answer, nil
		}
	}
	return Answer{}, fmt.Errorf("webhook of %s: the show changes all the time", w.Issue.Key)
}

// subject is the id of the show that an issue is about: the one that it names, unless it has asked for one
// itself. That one it speaks for, whatever is written into it later.
func (d *Door) subject(ctx context.Context, i jira.Issue) (string, error) {
	own, named := ShowID(i), d.Fields.Show(i)
	if named == "" || named == own {
		return own, nil
	}
	_, err := d.Shows.Show(ctx, own)
	if errors.Is(err, schedule.ErrNotFound) {
		return named, nil
	}
	return own, err
}

// ask makes the show, as one that has heard of no webhook yet: a crash before the rest of this webhook
// is taken leaves a request that the next delivery finds, and takes the rest. It is done if there is no
// show to be made.
func (d *Door) ask(ctx context.Context, w jira.Webhook) (answer Answer, done bool, err error) {
	now := d.Now()
	v, err := d.read(w, now)
	if err != nil {
		return Answer{}, false, err
	}
	v.news = v.invalid == nil
	if v.ends() && v.invalid != nil {
		return Answer{Outcome: ignored, Why: "nothing was asked for that could end"}, true, nil
	}
	if v.early(0) {
		return Answer{}, false, tooEarly
	}
	if v.invalid != nil {
		answer, err := d.refuse(ctx, w, w.Issue.Key, v.wrong(v.invalid))
		return answer, true, err
	}
	show, first := hotshow.New(ShowID(w.Issue), v.request, planOf(v.request), v.reporter(), now)
	show.Jira = &hotshow.Jira{Issue: w.Issue.Key}
	if v.late() {
		show.Jira.Seen = v.decision.At.UnixMilli() // what was approved was something else
	}
	err = d.Shows.Add(ctx, show, first)
	var other *schedule.Taken
	switch {
	case errors.Is(err, schedule.ErrExists):
		return Answer{}, false, nil // another delivery was faster, or an answer got lost
	case errors.As(err, &other):
		answer, err := d.refuse(ctx, w, w.Issue.Key, v.wrong(other))
		return answer, true, err
	}
	return Answer{}, false, err
}

// update brings a show to what the issue says. Errors are of the store, or of Jira when it could not be
// told; the webhook then counts as not heard.
func (d *Door) update(ctx context.Context, w jira.Webhook, show *hotshow.Show, other *schedule.Taken) (Answer, error) {
	v, err := d.read(w, d.Now())
	if err != nil {
		return Answer{}, err
	}
	var changes []hotshow.Change
	named := show.ID != ShowID(w.Issue)
	if named && show.Jira == nil && show.State == hotshow.Requested && !v.ends() {
		// The first open issue that names a show decides about it; no other may from then on.
		changes = append(changes, show.DecideIn(w.Issue.Key, v.author(), v.now))
	}
	switch {
	case show.Jira == nil || show.Jira.Issue != w.Issue.Key:
		return Answer{Outcome: ignored, Why: "the show was asked for in another issue", Show: show.ID}, nil
	case w.At <= show.Jira.Seen:
		return Answer{Outcome: ignored, Why: "the show has heard of this webhook or of a later one", Show: show.ID, State: show.State}, nil
	case named:
		v.about(show.Request)
	case other != nil:
		v.invalid = other
	default:
		v.news = v.invalid == nil && (!v.request.Equal(show.Request) || show.Jira.Seen == v.decision.At.UnixMilli())
	}
	if show.State == hotshow.Requested && v.early(show.Jira.Seen) {
		return Answer{}, tooEarly
	}
	made, notices := v.apply(show)
	changes = append(changes, made...)
	if v.switched && !named && d.Fields.Show(w.Issue) != "" {
		notices = append(notices, tooLate(show.ID))
	}
	answer, err := d.refuse(ctx, w, show.Jira.Issue, notices...)
	if err != nil {
		return Answer{}, err
	}
	show.Jira.Seen = w.At
	if err := d.Shows.Save(ctx, show, changes...); err != nil {
		return Answer{}, err
	}
	answer.Show, answer.State = show.ID, show.State
	return answer, nil
}

// refuse tells people what is not done and why. Where Jira cannot be told now, it sends the webhook
// again; where it will not be told ever, the log has it and all else goes on.
func (d *Door) refuse(ctx context.Context, w jira.Webhook, issue string, notices ...notice) (Answer, error) {
	answer := Answer{Outcome: taken}
	for _, n := range notices {
		answer.Outcome, answer.Why = refused, n.why
		if w.Kind == jira.Deleted {
			continue
		}
		err := d.Comments.Tell(ctx, issue, n.mark, n.text)
		if errors.Is(err, jira.ErrGone) || errors.Is(err, jira.ErrRefused) {
			d.Log.ErrorContext(ctx, "nobody is told what was refused", "issue", issue, "why", n.why, "error", err)
			continue
		}
		if err != nil {
			return Answer{}, err
		}
	}
	return answer, nil
}

func planOf(r hotshow.Request) plan.Plan {
	return plan.New(r.Expected())
}
