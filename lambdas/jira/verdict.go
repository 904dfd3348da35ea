package jira

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/schedule"
)

// verdict is what a webhook comes to by itself, before the show is looked at.
type verdict struct {
	webhook   jira.Webhook
	now       time.Time
	allowSelf bool

	request  hotshow.Request
	invalid  error  // why there is no request: *hotshow.Invalid or *schedule.Taken
	body     []byte // what the fields hold, as the API takes it
	hash     string // of that
	decision jira.Decision
	ends     bool  // the issue asks for nothing any more
	edited   bool  // the webhook is about a change of what is asked for
	switched bool  // the webhook is about a change of which show the issue names
	named    bool  // the show was asked for over the API, and the issue names it
	news     bool  // what the issue says is more than the show had heard of when it heard of this
	decides  bool  // the webhook may be the one that a decision made
	seen     int64 // time of the latest webhook of the issue before this one that was heard, or 0
}

// atOnce is how long after a decision its own webhook is made at the latest.
const atOnce = time.Minute

// notice is what people are told in a comment. Its mark stands for what it is about, so that neither a
// webhook that comes twice nor the webhook that the comment itself causes makes a second one.
type notice struct{ mark, why, text string }

// unknown tells whoever named a show that there is none of that id.
func unknown(id string) notice {
	sum := sha256.Sum256([]byte(id))
	return notice{"unknown-" + hex.EncodeToString(sum[:8]), "there is no show of that id",
		fmt.Sprintf("There is no show %.40q. Name one that was asked for over the API, or leave the field empty to ask for one here.", id)}
}

// tooLate tells whoever wrote a show's id into an issue that asks for one.
func tooLate(own string) notice {
	return notice{"own-show", "the issue asks for a show of its own", "The field that names a show has no effect: this request asks for a show of its own, " +
		own + ". To decide about another one, make a new request that names it from the beginning."}
}

// read judges a webhook. Errors are jira.ErrWebhook.
func (d *Door) read(w jira.Webhook, now time.Time) (verdict, error) {
	v := verdict{webhook: w, now: now, allowSelf: d.AllowSelf, ends: d.ends(w),
		edited: d.Fields.Edited(w), switched: d.Fields.Switched(w), decides: d.Fields.Decides(w)}
	// An approval from when it named another show was not for what the form says.
	v.edited = v.edited || v.switched && d.Fields.Show(w.Issue) == ""
	body, err := d.Fields.Body(w.Issue)
	if err != nil {
		return verdict{}, err
	}
	sum := sha256.Sum256(body)
	v.body, v.hash = body, hex.EncodeToString(sum[:8])
	v.request, v.invalid = hotshow.ParseRequest(body, now)
	if w.Issue.Reporter == "" && v.invalid == nil {
		v.invalid = &hotshow.Invalid{Problems: []string{"reporter: the issue has none: say who asks"}}
	}
	v.decision, err = d.Fields.Decision(w.Issue)
	return v, err
}

func (v verdict) reporter() hotshow.Person { return hotshow.JiraPerson(v.webhook.Issue.Reporter) }

// by is who did what the webhook is about.
func (v verdict) by() hotshow.Person {
	if v.webhook.By == "" {
		return v.reporter()
	}
	return hotshow.JiraPerson(v.webhook.By)
}

// author is who has changed what the issue is about. A change whose own webhook has not come is put down to
// who asks: whoever did what this webhook is about need not have made it.
func (v verdict) author() hotshow.Person {
	if v.edited || v.switched || v.webhook.Issue.Reporter == "" {
		return v.by()
	}
	return v.reporter()
}

// about has the verdict be of a show that the issue names. Its form may be empty, and otherwise has to say
// what the show is: people approve what they read. That the show was named when a decision was made is
// known from the decision's own webhook alone.
func (v *verdict) about(r hotshow.Request) {
	v.named, v.news, v.edited = true, true, v.switched
	v.request, v.invalid = r, nil
	if members := v.contradicts(r); members != "" {
		v.invalid = &hotshow.Invalid{Problems: []string{members + ": the show that is named has something else there; say the same or nothing"}}
	}
}

// contradicts lists the members of the form that do not say what the show is. Its names are no matter,
// since an issue always has a summary.
func (v verdict) contradicts(r hotshow.Request) string {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(v.body, &said); err != nil {
		return "request"
	}
	var members []string
	for _, member := range slices.Sorted(maps.Keys(said)) {
		if member != "names" && !agrees(r, member, said[member], v.now) {
			members = append(members, member)
		}
	}
	return strings.Join(members, ", ")
}

// agrees says whether a request stays the same when a member of it is replaced.
func agrees(r hotshow.Request, member string, value json.RawMessage, now time.Time) bool {
	text, err := json.Marshal(r)
	if err != nil {
		return false
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return false
	}
	whole[member] = value
	if text, err = json.Marshal(whole); err != nil {
		return false
	}
	replaced, err := hotshow.ParseRequest(text, now)
	return err == nil && replaced.Equal(r)
}

// late says whether what was approved may not be what the issue says now. It was changed afterwards by
// somebody who did not approve it, or it says something new in a webhook that is not the approval's own, such as
// the approver's next one: the one about the change may still be on its way.
func (v verdict) late() bool {
	byApprover := slices.Contains(v.decision.By, v.webhook.By)
	own := byApprover && v.decides && v.webhook.At <= v.decision.At.Add(atOnce).UnixMilli()
	return v.decision.Outcome == jira.Approved && (v.edited && !byApprover || v.news && !own)
}

// judged says whether the decision had been heard of before, and so was taken or refused then. It stays in the
// issue, and must not come to count for what is asked for later.
func (v verdict) judged() bool {
	return !v.decision.At.IsZero() && v.seen >= v.decision.At.UnixMilli()
}

// early says whether a late approval's own webhook may still come, which has to come first: it alone says
// what was approved. One that is no more on its way was refused, or is lost. None is waited for when the
// show was named after the approval, which was another's, or by an issue that has ended.
func (v verdict) early() bool {
	return v.late() && !v.ends && !(v.named && v.switched) && !v.judged() && v.now.Before(v.decision.At.Add(onItsWay))
}

// apply brings the show to what the issue says, in the order in which people do it, and returns the
// changes and what people are to be told.
func (v verdict) apply(show *hotshow.Show) (changes []hotshow.Change, notices []notice) {
	for _, part := range []func(*hotshow.Show) (hotshow.Change, *notice){v.amend, v.decide, v.end} {
		change, told := part(show)
		if change.Number > 0 {
			changes = append(changes, change)
		}
		if told != nil {
			notices = append(notices, *told)
		}
	}
	return changes, notices
}

// amend takes over what the fields say now, until somebody has approved it.
func (v verdict) amend(show *hotshow.Show) (change hotshow.Change, told *notice) {
	switch {
	case show.State != hotshow.Requested:
		if v.edited && !show.State.Final() && !v.ends {
			told = &notice{"edit-" + v.hash, "it was changed after it was approved",
				"The change has no effect on the show, which stays as it was approved. " +
					"To have it otherwise, cancel this request and make a new one."}
		}
	case v.ends:
	case v.invalid != nil:
		wrong := v.wrong(v.invalid)
		told = &wrong
	case !v.request.Equal(show.Request):
		change, _ = show.Amend(v.request, planOf(v.request), v.author(), "changed in Jira", v.now) // it is requested
		show.Jira.Changed = v.webhook.At
	}
	return change, told
}

// decide approves or rejects. An approval counts once, and only for what the show says.
func (v verdict) decide(show *hotshow.Show) (change hotshow.Change, told *notice) {
	switch {
	case v.decision.Outcome == jira.Approved && show.Approver == "":
		return v.approve(show)
	case v.decision.Outcome != jira.Declined:
		return change, nil
	case show.State == hotshow.Requested:
		change, _ = show.Reject(v.decider(), "declined in Jira", v.now)
	case v.ended(show):
	case show.State == hotshow.Approved || show.State == hotshow.Preparing || show.State == hotshow.Ready:
		change, _ = show.Cancel(v.decider(), "declined in Jira", v.now)
	}
	return change, nil
}

func (v verdict) approve(show *hotshow.Show) (hotshow.Change, *notice) {
	refuse := func(why, text string) (hotshow.Change, *notice) {
		return hotshow.Change{}, &notice{"approval-" + v.decision.Approval, why, text}
	}
	requested := show.State == hotshow.Requested
	again := func() (hotshow.Change, *notice) {
		return refuse("it may have been changed after it was approved",
			"The approval has no effect: the request may have been changed after it. Have it approved again.")
	}
	switch {
	case requested && (v.ends || v.invalid != nil): // whoever mends the fields is told
		return hotshow.Change{}, nil
	case requested && v.late():
		return again()
	case v.judged():
		return hotshow.Change{}, nil
	case !requested:
		return refuse("it is "+string(show.State),
			fmt.Sprintf("The approval has no effect: the show is %s. To have the show, make a new request.", show.State))
	case v.webhook.At > v.decision.At.Add(onItsWay).UnixMilli():
		return again()
	case v.decision.First.Before(v.decision.At) && show.Jira.Changed > v.decision.First.UnixMilli():
		return again() // an earlier step's approval was for what the request said then
	case len(v.decision.By) == 0:
		return refuse("nobody is named who approved it", "The approval has no effect: Jira does not say whose it is.")
	}
	by, ok := v.approver(show)
	if !ok {
		return refuse("nobody approves their own request",
			"The approval has no effect: nobody approves what they asked for themselves, or changed, or named here. Have somebody else approve it.")
	}
	change, err := show.Approve(by, "approved in Jira", v.allowSelf, v.now)
	if err != nil {
		return refuse(err.Error(), "The approval has no effect: "+err.Error()+".")
	}
	return change, nil
}

// approver is one who approved and may: not who asked for the show or changed it, not who reports the issue by now,
// nor who wrote it on somebody's behalf.
func (v verdict) approver(show *hotshow.Show) (hotshow.Person, bool) {
	for _, account := range v.decision.By {
		by := hotshow.JiraPerson(account)
		own := show.IsOf(by) || account == v.webhook.Issue.Reporter || account == v.webhook.Issue.Creator
		if !own || v.allowSelf {
			return by, true
		}
	}
	return "", false
}

// decider is who decided, as far as Jira says.
func (v verdict) decider() hotshow.Person {
	if len(v.decision.By) == 0 {
		return v.by()
	}
	return hotshow.JiraPerson(v.decision.By[0])
}

// end cancels a show whose issue is cancelled or gone.
func (v verdict) end(show *hotshow.Show) (hotshow.Change, *notice) {
	if !v.ends || v.ended(show) {
		return hotshow.Change{}, nil
	}
	why := "cancelled in Jira"
	if v.webhook.Kind == jira.Deleted {
		why = "its issue in Jira was deleted"
	}
	change, err := show.Cancel(v.by(), why, v.now)
	if err != nil {
		return hotshow.Change{}, &notice{"cancel", err.Error(), "The show is not cancelled: " + err.Error() + "."}
	}
	return change, nil
}

// ended says whether the show comes to its end already.
func (v verdict) ended(show *hotshow.Show) bool {
	return show.State.Final() || show.State == hotshow.Finishing
}

// wrong tells whoever asked what to mend, and whoever approved that it had no effect.
func (v verdict) wrong(err error) notice {
	var text strings.Builder
	text.WriteString("This cannot be made a show yet. Mend the fields of this request, and it is looked at again:\n")
	var other *schedule.Taken
	var invalid *hotshow.Invalid
	mark := "wrong-" + v.hash
	switch {
	case errors.As(err, &other):
		mark = "taken-" + v.hash
		text.WriteString("event: " + other.Error() + "; choose another time or have that one cancelled")
	case errors.As(err, &invalid):
		text.WriteString(strings.Join(invalid.Problems, "\n"))
	}
	if v.decision.Outcome == jira.Approved {
		mark += "-approved"
		text.WriteString("\nIts approval has no effect: once it is mended, have it approved again.")
	}
	return notice{mark, "what is asked for cannot be", text.String()}
}
