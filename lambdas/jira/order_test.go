package jira_test

import (
	"reflect"
	"slices"
	"testing"

	engine "waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
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

// outcome is what a show comes to, without how it came there.
type outcome struct {
	State    hotshow.State
	Request  hotshow.Request
	Approver hotshow.Person
	Seen     int64
}

// deliver sends the webhooks in an order, and again those that Jira has to send again.
func deliver(t *testing.T, w *world, payloads []payload, order []int) outcome {
	t.Helper()
	waiting := slices.Clone(order)
	for rounds := 0; len(waiting) > 0; rounds++ {
		if rounds > len(payloads) {
			t.Fatalf("order %v: %v are never taken", order, waiting)
		}
		waiting = slices.DeleteFunc(waiting, func(i int) bool {
			status, _ := w.send(payloads[i])
			if status != 200 && status != 425 {
				t.Fatalf("order %v: %d answers %d", order, i, status)
			}
			return status == 200
		})
	}
	show := w.show()
	come := outcome{State: show.State, Request: show.Request, Seen: show.Jira.Seen}
	if show.State != hotshow.Cancelled { // who approved before that may have been passed over
		come.Approver = show.Approver
	}
	return come
}

// Whatever the order in which Jira's webhooks come, the show becomes what it does in the right order.
func TestEveryOrderComesToTheSame(t *testing.T) {
	edit := func(file string, at float64, rate float64) payload {
		return recorded(t, file).edited(minute(at), alma, map[string]any{"customfield_10105": rate})
	}
	with := func(p payload, rate float64) payload {
		p.fields()["customfield_10105"] = rate
		return p
	}
	for name, test := range map[string]struct {
		payloads []payload
		want     hotshow.State
		rate     int
	}{
		"approved": {[]payload{recorded(t, "created"), recorded(t, "approved"), recorded(t, "approved").touched(minute(70))}, hotshow.Approved, 5000},
		"declined": {[]payload{recorded(t, "created"), recorded(t, "declined"), recorded(t, "declined").touched(minute(70))}, hotshow.Rejected, 5000},
		"cancelled": {[]payload{recorded(t, "created"), recorded(t, "approved"), recorded(t, "canceled"), recorded(t, "deleted")},
			hotshow.Cancelled, 5000},
		"changed, then approved": {[]payload{recorded(t, "created"), edit("created", 1, 6000), edit("created", 2, 7000),
			with(recorded(t, "approved"), 7000)}, hotshow.Approved, 7000},
		"wrong, then mended and approved": {[]payload{recorded(t, "missing"), edit("created", 1, 6000), with(recorded(t, "approved"), 6000)},
			hotshow.Approved, 6000},
		"changed after it was approved": {[]payload{recorded(t, "created"), recorded(t, "approved"), edit("approved", 61, 60_000)},
			hotshow.Approved, 5000},
	} {
		var right outcome // of the first order
		permutations(len(test.payloads), func(order []int) {
			w := newWorld(t)
			w.now = minute(71)
			got := deliver(t, w, test.payloads, order)
			if slices.IsSorted(order) {
				right = got
			}
			if got.State != test.want || got.Request.Rate != test.rate {
				t.Errorf("%s, order %v: %+v", name, order, got)
			}
			if !reflect.DeepEqual(got, right) {
				t.Errorf("%s, order %v: %+v, in the right order %+v", name, order, got, right)
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
