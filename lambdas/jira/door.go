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
	// oldest is how old a webhook is that Jira has surely not sent, but somebody who has recorded it: what was heard
	// of an issue without a show is forgotten after a day.
	oldest = 3 * time.Hour
)

// ends says whether the issue asks for nothing any more.
func (d *Door) ends(w jira.Webhook) bool {
	return w.Kind == jira.Deleted || d.Fields.Cancelled(w.Issue)
}

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

// errAgain means that what a webhook was judged by has changed since: look at it again.
var errAgain = errors.New("it changes all the time")

// take does for the show what the webhook says. It may be repeated: all it does is conditional on neither
// the show nor its issue having heard of this webhook or a later one.
func (d *Door) take(ctx context.Context, w jira.Webhook) (Answer, error) {
	if w.Kind == jira.Other || !d.Fields.Ours(w.Issue) {
		return Answer{Outcome: ignored, Why: "it is not about a request for a hot show"}, nil
	}
	if d.Now().Sub(time.UnixMilli(w.At)) > oldest {
		return Answer{Outcome: ignored, Why: "it is older than any that Jira sends"}, nil
	}
	var answer Answer
	var err error
	var other *schedule.Taken // the show that has the event at the time asked for, once that is known
	for range attempts {
		answer, err = d.try(ctx, w, other)
		if !errors.Is(err, errAgain) && !errors.Is(err, schedule.ErrStale) && !errors.As(err, &other) {
			break
		}
	}
	if err != nil {
		return Answer{}, fmt.Errorf("webhook of %s: %w", w.Issue.Key, err)
	}
	return answer, nil
}

// try takes a webhook by what is kept now. Errors besides those of the store and of Jira: errAgain,
// schedule.ErrStale, *schedule.Taken.
func (d *Door) try(ctx context.Context, w jira.Webhook, other *schedule.Taken) (Answer, error) {
	id, show, err := d.look(ctx, w.Issue)
	if err != nil {
		return Answer{}, err
	}
	heard, err := d.Shows.Heard(ctx, w.Issue.ID)
	if err != nil {
		return Answer{}, err
	}
	own, kept := id == ShowID(w.Issue), keeps(show, w.Issue)
	switch {
	case kept && w.At <= show.Jira.Seen:
		return Answer{Outcome: ignored, Why: "the show has heard of this webhook or of a later one", Show: show.ID, State: show.State}, nil
	// One that a show was made for, or that made way for a show, may have been broken off before it changed the show.
	case w.At < heard, w.At == heard && !kept:
		return Answer{Outcome: ignored, Why: "the issue was heard of in this webhook or in a later one"}, nil
	case show == nil && own:
		return d.ask(ctx, w, heard)
	case show == nil:
		return d.turnDown(ctx, w, unknown(id))
	case !kept && (own || show.Jira != nil || show.State != hotshow.Requested):
		return d.hear(ctx, w, Answer{Outcome: ignored, Why: "the show was asked for in another issue", Show: id})
	case !kept && d.ends(w):
		return d.hear(ctx, w, Answer{Outcome: ignored, Why: "it ended before it decided about the show", Show: id})
	}
	return d.update(ctx, w, show, heard, other)
}

// keeps says whether a show hears of an issue, and so keeps of which webhook it heard last.
func keeps(show *hotshow.Show, i jira.Issue) bool {
	return show != nil && show.Jira != nil && show.Jira.Issue == i.Key
}

// look finds the show that an issue is about, nil if there is none: the one that it names, unless it has asked
// for one itself. That one it speaks for, whatever is written into it later.
func (d *Door) look(ctx context.Context, i jira.Issue) (id string, show *hotshow.Show, err error) {
	own, named := ShowID(i), d.Fields.Show(i)
	show, err = d.find(ctx, own)
	switch {
	case err != nil || show != nil || named == "" || named == own:
		return own, show, err
	case !hotshow.ValidID(named):
		return named, nil, nil
	}
	show, err = d.find(ctx, named)
	return named, show, err
}

func (d *Door) find(ctx context.Context, id string) (*hotshow.Show, error) {
	show, err := d.Shows.Show(ctx, id)
	switch {
	case errors.Is(err, schedule.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &show, nil
}

// turnDown tells people why no show comes of a webhook. After a crash before the webhook counts as heard they
// are told by its next delivery, and not twice.
func (d *Door) turnDown(ctx context.Context, w jira.Webhook, n notice) (Answer, error) {
	answer, err := d.refuse(ctx, w, w.Issue.Key, n)
	if err != nil {
		return Answer{}, err
	}
	return d.hear(ctx, w, answer)
}

// hear has a webhook that no show keeps count as heard, so that no earlier one makes a show or has one
// decided about. A show that came in between is there to be seen, and does what this webhook says.
func (d *Door) hear(ctx context.Context, w jira.Webhook, answer Answer) (Answer, error) {
	if err := d.Shows.Hear(ctx, heardIn(w)); err != nil {
		return Answer{}, err
	}
	_, show, err := d.look(ctx, w.Issue)
	if err != nil {
		return Answer{}, err
	}
	if keeps(show, w.Issue) {
		return Answer{}, errAgain
	}
	return answer, nil
}

func heardIn(w jira.Webhook) schedule.Webhook { return schedule.Webhook{Issue: w.Issue.ID, At: w.At} }

// ask makes the show, as one that has heard of what its issue was heard in before, and not of this webhook: a
// crash before the rest of it is taken leaves a request that the next delivery finds, and takes the rest.
func (d *Door) ask(ctx context.Context, w jira.Webhook, heard int64) (Answer, error) {
	now := d.Now()
	v, err := d.read(w, now)
	if err != nil {
		return Answer{}, err
	}
	v.news, v.seen = true, heard
	nothing := Answer{Outcome: ignored, Why: "nothing was asked for that could end"}
	switch {
	case v.ends && v.invalid != nil:
		return d.hear(ctx, w, nothing)
	case v.early():
		return Answer{}, tooEarly
	case v.invalid != nil:
		return d.turnDown(ctx, w, v.wrong(v.invalid))
	}
	show, first := hotshow.New(ShowID(w.Issue), v.request, planOf(v.request), v.reporter(), now)
	show.Jira = &hotshow.Jira{Issue: w.Issue.Key, Seen: heard}
	if v.late() {
		show.Jira.Seen = v.decision.At.UnixMilli() // what was approved was something else
	}
	err = d.Shows.AddHeard(ctx, show, first, heardIn(w))
	var other *schedule.Taken
	switch {
	case err == nil, errors.Is(err, schedule.ErrExists): // another delivery was faster, or an answer got lost
		return Answer{}, errAgain
	case errors.As(err, &other) && v.ends:
		return d.hear(ctx, w, nothing)
	case errors.As(err, &other):
		return d.turnDown(ctx, w, v.wrong(other))
	}
	return Answer{}, err
}

// update brings a show to what its issue says, which from now on may be this one. Errors are of the store, or of
// Jira when it could not be told; the webhook then counts as not heard.
func (d *Door) update(ctx context.Context, w jira.Webhook, show *hotshow.Show, heard int64, other *schedule.Taken) (Answer, error) {
	v, err := d.read(w, d.Now())
	if err != nil {
		return Answer{}, err
	}
	var changes []hotshow.Change
	named, save := show.ID != ShowID(w.Issue), d.Shows.Save
	if show.Jira == nil {
		v.seen = heard
		// The first open issue that names a show decides about it; no other may from then on.
		changes = append(changes, show.DecideIn(w.Issue.Key, v.author(), v.now))
		save = func(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error {
			return d.Shows.SaveHeard(ctx, show, heardIn(w), changes...)
		}
	} else {
		v.seen = show.Jira.Seen // the webhook that had the show made is heard of, and not taken if it was broken off
	}
	switch {
	case named:
		v.about(show.Request)
	case other != nil:
		v.invalid, v.news = other, true
	default:
		v.news = v.invalid != nil || !v.request.Equal(show.Request) || show.Jira.Seen == v.decision.At.UnixMilli()
	}
	if show.State == hotshow.Requested && v.early() {
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
	if err := save(ctx, show, changes...); err != nil {
		return Answer{}, err
	}
	answer.Show, answer.State = show.ID, show.State
	return answer, nil
}

// refuse tells people what is not done and why. Where Jira cannot be told now, it sends the webhook
// again; where it will not be told ever, the log has it and all else goes on.
func (d *Door) refuse(ctx context.Context, w jira.Webhook, issue string, notices ...notice) (Answer, error) {
	ctx, cancel := before(ctx, toStore)
	defer cancel()
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
