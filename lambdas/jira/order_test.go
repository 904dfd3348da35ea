package jira_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	engine "waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/jira"
	"waitingroom/shared/jira/jiratest"
	"waitingroom/shared/schedule"
)

var errStale = schedule.ErrStale

// permutations calls visit with every order of n things.
func permutations(n int, visit func(order []int)) {
	var extend func(order []int)
	extend = func(order []int) {
		if len(order) == n {
			visit(order)
			return
		}
		for i := range n {
			if !slices.Contains(order, i) {
				extend(append(order[:len(order):len(order)], i))
			}
		}
	}
	extend(nil)
}

// signed are the requests that payloads come in, without what nobody reads: they are sent thousands of times.
func signed(t *testing.T, payloads []payload) []httpapi.Request {
	t.Helper()
	var all []httpapi.Request
	for _, p := range payloads {
		strip(map[string]any(p))
		body := p.body(t)
		all = append(all, request(body, jira.Sign([]byte(secret), body)))
	}
	return all
}

func strip(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			strip(element)
		}
	case map[string]any:
		maps.DeleteFunc(v, func(member string, value any) bool {
			return value == nil || slices.Contains([]string{"self", "avatarUrls", "displayName", "timeZone", "accountType", "iconUrl",
				"statusCategory", "friendly", "iso8601", "_links", "priority", "labels", "customfield_10010"}, member)
		})
		for _, member := range v {
			strip(member)
		}
	}
}

// outcome is what a show comes to, without how it came there.
type outcome struct {
	State    hotshow.State
	Request  hotshow.Request
	Approver hotshow.Person
	Seen     int64
}

// deliver sends the webhooks in an order, and again those that Jira has to send again.
func deliver(t *testing.T, w *world, webhooks []httpapi.Request, order []int) outcome {
	t.Helper()
	sendAll(t, w, webhooks, order, nil)
	show := w.show()
	come := outcome{State: show.State, Request: show.Request, Seen: show.Jira.Seen}
	if show.State != hotshow.Cancelled { // who approved before that may have been passed over
		come.Approver = show.Approver
	}
	return come
}

// sendAll is deliver without a look at what comes of it. between is called before each delivery, if it is not nil.
func sendAll(t *testing.T, w *world, webhooks []httpapi.Request, order []int, between func()) {
	t.Helper()
	waiting := slices.Clone(order)
	for rounds := 0; len(waiting) > 0; rounds++ {
		if rounds > len(webhooks)+1 {
			t.Fatalf("order %v: %v are never taken", order, waiting)
		}
		waiting = slices.DeleteFunc(waiting, func(i int) bool {
			if between != nil {
				between()
			}
			status, _, _ := w.call(webhooks[i])
			if status != 200 && status != 425 && (status != 503 || w.mem.fault == nil) {
				t.Fatalf("order %v: %d answers %d", order, i, status)
			}
			return status == 200
		})
	}
	w.mem.fault = nil
}

// takenFor is what happens before deliveries: for so many of them another show has the event.
func (w *world) takenFor(deliveries int) func() {
	return func() {
		w.mem.taken = ""
		if deliveries > 0 {
			w.mem.taken = "other-show"
		}
		deliveries--
	}
}

// crash breaks off what the door does at its n-th call of the table or of Jira, counted from 0, before or after
// that is done. It says whether there were so many.
func (w *world) crash(n int, done bool) (happened *bool) {
	happened = new(bool)
	calls := 0
	w.mem.fault = func(call string) (bool, error) {
		if done && (call == "read" || call == "heard") {
			return false, nil // done or not, nobody is the wiser
		}
		calls++
		if *happened || calls <= n {
			return false, nil
		}
		*happened = true
		return done, errors.New("the function died")
	}
	return happened
}

// crashes calls visit with a world that has no crash, and with one for every place where one can be. Each has
// a show that was asked for over the API.
func crashes(t *testing.T, now float64, visit func(w *world, name string)) {
	fresh := func() *world {
		w := newWorld(t)
		w.now = minute(now)
		w.askedByAPI("asked-by-curl")
		return w
	}
	visit(fresh(), "without a crash")
	for _, done := range []bool{false, true} {
		for n, happened := 0, true; happened; n++ {
			w := fresh()
			crashed := w.crash(n, done)
			visit(w, fmt.Sprintf("a crash at call %d, which was done: %t", n, done))
			happened = *crashed
		}
	}
}

// Whatever the order in which Jira's webhooks come, and wherever the door is broken off, the show becomes what it
// does in the right order.
func TestEveryOrderComesToTheSame(t *testing.T) {
	edit := func(file string, at float64, rate float64) payload {
		return recorded(t, file).edited(minute(at), alma, map[string]any{"customfield_10105": rate})
	}
	for name, test := range map[string]struct {
		payloads []payload
		want     hotshow.State
		rate     int
	}{
		"approved":  {[]payload{recorded(t, "created"), recorded(t, "approved"), recorded(t, "approved").touched(minute(70))}, hotshow.Approved, 5000},
		"declined":  {[]payload{recorded(t, "created"), recorded(t, "declined")}, hotshow.Rejected, 5000},
		"cancelled": {[]payload{recorded(t, "created"), recorded(t, "approved"), recorded(t, "canceled")}, hotshow.Cancelled, 5000},
		"deleted":   {[]payload{recorded(t, "canceled"), recorded(t, "deleted")}, hotshow.Cancelled, 5000},
		"changed, then approved": {[]payload{edit("created", 1, 6000), edit("created", 2, 7000), rated(recorded(t, "approved"), 7000)},
			hotshow.Approved, 7000},
		"wrong, then mended and approved": {[]payload{recorded(t, "missing"), edit("created", 1, 6000), rated(recorded(t, "approved"), 6000)},
			hotshow.Approved, 6000},
		"changed after it was approved": {[]payload{recorded(t, "created"), recorded(t, "approved"), edit("approved", 61, 60_000)},
			hotshow.Approved, 5000},
		"made wrong after it was approved": {[]payload{recorded(t, "created"), recorded(t, "approved"),
			rated(recorded(t, "approved").touched(minute(62)), 0)}, hotshow.Approved, 5000},
	} {
		webhooks := signed(t, test.payloads)
		var right *outcome // of the first order
		permutations(len(test.payloads), func(order []int) {
			crashes(t, 71, func(w *world, crash string) {
				got := deliver(t, w, webhooks, order)
				if right == nil {
					right = &got
				}
				if got.State != test.want || got.Request.Rate != test.rate {
					t.Errorf("%s, order %v, %s: %+v", name, order, crash, got)
				}
				if !reflect.DeepEqual(got, *right) {
					t.Errorf("%s, order %v, %s: %+v, in the right order %+v", name, order, crash, got, *right)
				}
			})
		})
	}
}

// ending are the webhooks of issues that are approved, and have ended by the last of them. In show is what they are
// about; where the last one comes first, none is made, or the one that was named stays a request.
func ending(t *testing.T) map[string]struct {
	payloads []payload
	show     string
} {
	wrong := func(p payload) payload { return rated(p, 0) }
	named := func(file string) payload { return naming("asked-by-curl", recorded(t, file)) }
	return map[string]struct {
		payloads []payload
		show     string
	}{
		"cancelled":               {[]payload{recorded(t, "created"), recorded(t, "approved"), recorded(t, "canceled")}, id},
		"deleted while wrong":     {[]payload{recorded(t, "created"), recorded(t, "approved"), wrong(recorded(t, "deleted"))}, id},
		"names a show, deleted":   {[]payload{named("created"), named("approved"), named("deleted")}, "asked-by-curl"},
		"names a show at the end": {[]payload{recorded(t, "created"), recorded(t, "approved"), named("canceled")}, id},
	}
}

// over says that nothing comes of an issue that has ended, neither by itself nor by what is sent again.
func (w *world) over(name, show string, webhooks []httpapi.Request) {
	w.t.Helper()
	w.mem.taken = ""
	before := w.contents()
	for i := range webhooks {
		if status, answer, _ := w.call(webhooks[i]); status != 200 || answer.Outcome != "ignored" {
			w.t.Errorf("%s: %d sent again: %d %+v", name, i, status, answer)
		}
	}
	if w.contents() != before {
		w.t.Errorf("%s: what was sent again changed something", name)
	}
	for _, other := range []string{id, "asked-by-curl"} {
		state := w.state(other)
		if state == "" || state == hotshow.Cancelled || other == "asked-by-curl" && state == hotshow.Requested {
			continue
		}
		w.t.Errorf("%s: %s is %s", name, other, state)
	}
	if kept, ok := w.mem.kept[show]; ok && kept.State == hotshow.Requested && kept.Jira != nil {
		w.t.Errorf("%s: %s waits for an issue that has ended", name, show)
	}
}

// Nothing is approved by an issue that has ended: in whatever order its webhooks come, wherever the door is broken
// off, and however long another show has the event.
func TestEndedIssuesApproveNothing(t *testing.T) {
	for name, test := range ending(t) {
		webhooks := signed(t, test.payloads)
		permutations(len(test.payloads), func(order []int) {
			for takenFor := range len(order) + 1 {
				w := newWorld(t)
				w.askedByAPI("asked-by-curl")
				sendAll(t, w, webhooks, order, w.takenFor(takenFor))
				w.over(fmt.Sprintf("%s, order %v, taken for %d deliveries", name, order, takenFor), test.show, webhooks)
			}
			crashes(t, 125, func(w *world, crash string) {
				sendAll(t, w, webhooks, order, w.takenFor(len(order)-1))
				w.over(fmt.Sprintf("%s, order %v, %s", name, order, crash), test.show, webhooks)
			})
		})
	}
}

// The same where one webhook comes while another is taken, at any point of that.
func TestEndedIssuesAtOnce(t *testing.T) {
	for name, test := range ending(t) {
		webhooks := signed(t, test.payloads)
		permutations(len(test.payloads), func(order []int) {
			for _, free := range []bool{true, false} {
				for n, happened := 0, true; happened; n++ {
					w := newWorld(t)
					w.askedByAPI("asked-by-curl")
					if !free {
						w.mem.taken = "other-show" // until the other webhook comes
					}
					calls, rest := 0, []int{order[0], order[2]}
					happened = false
					w.mem.before = func(string) {
						if calls++; calls <= n || happened {
							return
						}
						happened, w.mem.taken = true, ""
						if status, _, _ := w.call(webhooks[order[1]]); status != 200 {
							rest = append(rest, order[1])
						}
					}
					sendAll(t, w, webhooks, rest[:1], nil)
					if !happened {
						break
					}
					sendAll(t, w, webhooks, rest[1:], nil)
					w.over(fmt.Sprintf("%s, %d comes in call %d of %v", name, order[1], n, order), test.show, webhooks)
				}
			}
		})
	}
}

// A cancellation waits for nothing that may still be on its way: Jira may send it only once.
func TestCancellationThatComesFirst(t *testing.T) {
	for _, file := range []string{"canceled", "deleted"} {
		w := newWorld(t)
		w.now = minute(61)
		w.taken(recorded(t, file))
		if got := w.states(); got != "requested cancelled" {
			t.Errorf("%s: went through %s", file, got)
		}
		w = newWorld(t)
		w.mem.taken = "other-show"
		if status, answer := w.send(recorded(t, file)); status != 200 || answer.Outcome != "ignored" || len(w.site.Comments()) > 0 {
			t.Errorf("%s, while another show has the event: %d %+v", file, status, answer)
		}
	}
}

// An approval that people were told has no effect has none when the event is free again.
func TestApprovalThatWasTurnedDown(t *testing.T) {
	status := recorded(t, "approved").fields()["status"]
	for name, next := range map[string]payload{
		"touched later":              recorded(t, "approved").touched(minute(70)),
		"moved on as it is approved": recorded(t, "approved").edited(minute(60.5), boris, map[string]any{"status": status}),
	} {
		webhooks := signed(t, []payload{recorded(t, "created"), recorded(t, "approved"), next})
		permutations(len(webhooks), func(order []int) {
			for takenFor := range len(order) + 1 {
				w := newWorld(t)
				w.now = minute(71)
				sendAll(t, w, webhooks, order, w.takenFor(takenFor))
				w.mem.taken = ""
				sendAll(t, w, webhooks, order, nil)
				told := slices.ContainsFunc(w.site.Comments(), func(c jiratest.Comment) bool { return strings.Contains(c.Text, "approval has no effect") })
				if approved := w.state(id) == hotshow.Approved; approved == told {
					t.Errorf("%s, order %v, taken for %d deliveries: approved %t, told that it is not %t", name, order, takenFor, approved, told)
				}
			}
		})
	}
}

// A change after the approval whose own webhook never came leaves a request that nobody has approved.
func TestApprovalThatGotLost(t *testing.T) {
	w := newWorld(t)
	w.now = minute(62)
	late := recorded(t, "approved").edited(minute(61), alma, map[string]any{"customfield_10105": 60_000.0})
	if status, _ := w.send(late); status != 425 || len(w.mem.kept) > 0 {
		t.Errorf("answered %d", status)
	}
	w.now = minute(91)
	w.refused(late)
	after := recorded(t, "approved").touched(minute(62))
	after.fields()["customfield_10105"] = 60_000.0
	w.taken(after)
	w.send(recorded(t, "approved"))
	if got := w.states(); got != "requested" {
		t.Errorf("went through %s", got)
	}
}

// The same with the schedule in a table, over the AWS SDK.
func TestWithTheRealSchedule(t *testing.T) {
	client, err := engine.NewTable(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	kept := schedule.New(client, "room")
	w := newWorld(t)
	w.shows = kept
	w.taken(recorded(t, "created"))
	w.taken(recorded(t, "created").edited(minute(1), alma, map[string]any{"customfield_10102": "2026-11-29T10:00:00.000+0100"}))
	approved := recorded(t, "approved")
	approved.fields()["customfield_10102"] = "2026-11-29T10:00:00.000+0100"
	w.taken(approved)
	if show := w.show(); show.State != hotshow.Approved || show.Request.OnSale.Day() != 29 {
		t.Errorf("%+v", show)
	}
	history, err := kept.History(t.Context(), id)
	if err != nil || len(history) != 3 || history[1].Why != "changed in Jira" || history[2].By != hotshow.JiraPerson(boris) {
		t.Errorf("history %+v, %v", history, err)
	}
	if status, answer := w.send(approved); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("a replay: %d %+v", status, answer)
	}
}
