package jira_test

import (
	"strings"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
)

// rated is a webhook of an issue that asks for another rate.
func rated(p payload, rate float64) payload {
	p.fields()["customfield_10105"] = rate
	return p
}

// keep keeps another show that Jira has never heard of.
func (w *world) keep(show, event string) {
	w.t.Helper()
	request := hotshow.Request{Event: event, Names: map[string]string{"en": event}, Visitors: 1000, Rate: 60,
		OnSale: minute(10_000), PreQueue: minute(9_000), Closes: minute(12_000), Over: hotshow.Duration(time.Minute)}
	s, first := hotshow.New(show, request, plan.New(plan.Expected{Visitors: 1000, Over: time.Minute, Rate: 60}), curl, minute(-10))
	if err := w.shows.Add(w.t.Context(), s, first); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(show string) hotshow.State { return w.mem.kept[show].State }

// An approval counts for the show that the issue named when it was given, and for none that it names
// afterwards, in whatever order the webhooks come.
func TestApprovalOfAnotherShow(t *testing.T) {
	named := func(p payload, show string) payload { return naming(show, p) }
	switched := func(at float64, show any) payload {
		return recorded(t, "approved").edited(minute(at), alma, map[string]any{showField: show})
	}
	for name, test := range map[string]struct {
		before []payload
		after  []payload
		others []string
	}{
		"another one is named": {
			[]payload{named(recorded(t, "created"), "good"), named(recorded(t, "approved"), "good")},
			[]payload{switched(60.1, "evil"), named(recorded(t, "approved").touched(minute(60.2)), "evil")}, []string{"evil"},
		},
		"another one is named, which nobody hears of": {
			[]payload{named(recorded(t, "created"), "good"), named(recorded(t, "approved"), "good")},
			[]payload{named(recorded(t, "approved").edited(minute(60.2), alma, map[string]any{"assignee": nil}), "evil")}, []string{"evil"},
		},
		"the one that was named at first": {
			[]payload{named(recorded(t, "created"), "evil"), named(recorded(t, "created").touched(minute(1)), "good"), named(recorded(t, "approved"), "good")},
			[]payload{switched(60.1, "evil"), named(recorded(t, "approved").edited(minute(60.2), alma, map[string]any{"assignee": nil}), "evil"),
				named(recorded(t, "approved").touched(minute(70)), "evil")}, []string{"evil"},
		},
		"one is named after the issue's own was approved": {
			[]payload{recorded(t, "created"), recorded(t, "approved")},
			[]payload{switched(60.1, "evil"), named(recorded(t, "approved").touched(minute(60.2)), "evil")}, []string{"evil"},
		},
		"none is named any more": {
			[]payload{named(recorded(t, "created"), "good"), named(recorded(t, "approved"), "good")},
			[]payload{switched(60.1, nil), recorded(t, "approved").edited(minute(60.2), alma, map[string]any{"assignee": nil})}, []string{id},
		},
		"a long time after": {
			[]payload{named(recorded(t, "created"), "good"), named(recorded(t, "approved"), "good")},
			[]payload{named(recorded(t, "approved").touched(minute(75)), "evil")}, []string{"evil"},
		},
	} {
		for _, now := range []float64{61, 92} {
			w := newWorld(t)
			w.askedByAPI("good")
			w.keep("evil", "autumn")
			w.taken(test.before...)
			w.now = minute(now)
			for _, p := range test.after {
				w.send(p)
			}
			w.now = minute(93) // what was to be sent again
			for _, p := range test.after {
				w.send(p)
			}
			for _, other := range test.others {
				if state := w.state(other); state != hotshow.Requested && state != "" {
					t.Errorf("%s, at %g: %s is %s", name, now, other, state)
				}
			}
		}
	}
}

// An issue that names its own show is one that names none: its fields say what is asked for.
func TestIssueThatNamesItsOwnShow(t *testing.T) {
	w := newWorld(t)
	w.taken(rated(recorded(t, "created"), 60_000))
	naming := func(p payload) payload {
		p.fields()[showField] = id
		return p
	}
	w.taken(naming(recorded(t, "created")).edited(minute(1), alma, map[string]any{"customfield_10105": 5000.0}))
	if got := w.show().Request.Rate; got != 5000 {
		t.Errorf("the form says 5000, the show %d", got)
	}
	w.taken(naming(recorded(t, "approved")))
	if show := w.show(); show.State != hotshow.Approved || show.Request.Rate != 5000 {
		t.Errorf("%+v", show)
	}
}

// An issue that has asked for a show speaks for that one for ever, whatever is written into it.
func TestIssueThatNamesAShowTooLate(t *testing.T) {
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	w.taken(recorded(t, "created"))
	text := w.refused(recorded(t, "created").edited(minute(1), alma, map[string]any{showField: "asked-by-curl"}))
	if !strings.Contains(text, "asks for a show of its own") || w.mem.kept["asked-by-curl"].Jira != nil {
		t.Errorf("told %s", text)
	}
	w.taken(naming("asked-by-curl", recorded(t, "canceled")))
	if w.state(id) != hotshow.Cancelled || w.state("asked-by-curl") != hotshow.Requested {
		t.Errorf("cancelled: %s, %s", w.state(id), w.state("asked-by-curl"))
	}
}

// Whoever names a show in an issue does not approve it there.
func TestShowNamedByItsApprover(t *testing.T) {
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	w.taken(naming("asked-by-curl", recorded(t, "created").edited(minute(1), boris, map[string]any{showField: "asked-by-curl"})))
	if text := w.refused(naming("asked-by-curl", recorded(t, "approved"))); !strings.Contains(text, "nobody approves") || w.state("asked-by-curl") != hotshow.Requested {
		t.Errorf("told %s", text)
	}
}

// The history, which the issue is told, says what the show is that it decides about.
func TestNamedShowIsDescribed(t *testing.T) {
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	w.taken(naming("asked-by-curl", recorded(t, "created")), naming("asked-by-curl", recorded(t, "created").touched(minute(1))))
	history := w.mem.history["asked-by-curl"]
	if len(history) != 2 || history[1].Number != 2 || history[1].By != hotshow.JiraPerson(alma) {
		t.Fatalf("history %+v", history)
	}
	for _, part := range []string{key, "event: summer", "rate: 60", "visitors: 1000", "onsale: 2026-11-12T06:40:00Z"} {
		if !strings.Contains(history[1].Why, part) {
			t.Errorf("it lacks %q: %s", part, history[1].Why)
		}
	}
}

// A later webhook shows an approval, too, and what was changed in between: that was not approved, though
// neither the approval's own webhook nor that of the change has come yet.
func TestApprovalOfSomethingElse(t *testing.T) {
	payloads := []payload{recorded(t, "created"), recorded(t, "approved"),
		rated(recorded(t, "approved").edited(minute(61), alma, nil), 60_000).edited(minute(61), alma, map[string]any{"customfield_10105": 60_000.0}),
		rated(recorded(t, "approved").touched(minute(62)), 60_000)}
	permutations(len(payloads), func(order []int) {
		w := newWorld(t)
		w.now = minute(63)
		if got := deliver(t, w, signed(t, payloads), order); got.State != hotshow.Approved || got.Request.Rate != 5000 {
			t.Errorf("order %v: %s with a rate of %d", order, got.State, got.Request.Rate)
		}
	})
	// The approval's own webhook gets lost.
	w := newWorld(t)
	w.taken(payloads[0])
	for _, now := range []float64{63, 92} {
		w.now = minute(now)
		w.send(payloads[3])
		w.send(payloads[2])
	}
	if show := w.show(); show.State != hotshow.Requested || show.Request.Rate != 60_000 {
		t.Errorf("%s with a rate of %d", show.State, show.Request.Rate)
	}
}

// What the approver does next is not the approval, though it comes within a minute: it shows what somebody has
// changed in between.
func TestApproversNextWebhook(t *testing.T) {
	edit := rated(recorded(t, "approved"), 60_000).edited(minute(60.3), alma, map[string]any{"customfield_10105": 60_000.0})
	next := rated(recorded(t, "approved"), 60_000).touched(minute(60.5))
	permutations(3, func(order []int) {
		for _, known := range []bool{true, false} {
			w := newWorld(t)
			w.now = minute(61)
			if known {
				w.taken(recorded(t, "created"))
			}
			got := deliver(t, w, signed(t, []payload{recorded(t, "approved"), edit, next}), order)
			if got.State != hotshow.Approved || got.Request.Rate != 5000 {
				t.Errorf("order %v, heard of before: %t: %s with a rate of %d", order, known, got.State, got.Request.Rate)
			}
		}
	})
}

// Of two approvals, one after the other, the first one was for what the request said then.
func TestChangeBetweenTwoApprovals(t *testing.T) {
	steps := func(p payload, first, second float64) payload {
		one, two := approval("17", minute(first), "carla"), approval("18", minute(second), boris)
		one["name"], two["name"] = "Finance", "Operations"
		p.fields()["customfield_10111"] = []any{one, two}
		return p
	}
	edit := func() payload {
		return recorded(t, "created").edited(minute(30), alma, map[string]any{"customfield_10105": 60_000.0})
	}
	w := newWorld(t)
	w.taken(recorded(t, "created"), edit())
	if text := w.refused(steps(rated(recorded(t, "approved"), 60_000), 20, 60)); !strings.Contains(text, "approved again") {
		t.Errorf("told %s", text)
	}
	w = newWorld(t)
	w.taken(recorded(t, "created"))
	w.refused(steps(rated(recorded(t, "approved"), 60_000), 20, 60)) // nobody knows when it was changed
	w.send(edit())
	if got := w.states(); got != "requested requested" {
		t.Errorf("went through %s", got)
	}
	w = newWorld(t)
	w.taken(recorded(t, "created"), edit(), steps(rated(recorded(t, "approved"), 60_000), 40, 60))
	if got := w.states(); got != "requested requested approved" {
		t.Errorf("approved twice after the change, went through %s", got)
	}
}

// An approver who has changed the request has it approved by somebody else.
func TestApproverWhoChangedTheRequest(t *testing.T) {
	w := newWorld(t)
	w.taken(recorded(t, "created"), recorded(t, "created").edited(minute(1), boris, map[string]any{"customfield_10105": 60_000.0}))
	if text := w.refused(rated(recorded(t, "approved"), 60_000)); !strings.Contains(text, "nobody approves") || w.states() != "requested requested" {
		t.Errorf("told %s; went through %s", text, w.states())
	}
}

// An issue that was heard of while nothing could come of it is not heard of again in what somebody has recorded,
// when something could.
func TestRecordsOfIssuesWithoutAShow(t *testing.T) {
	for name, test := range map[string]struct {
		payloads []payload
		then     func(*world)
	}{
		"the event is free": {[]payload{recorded(t, "created"), recorded(t, "approved")}, func(w *world) { w.mem.taken = "" }},
		"the show that is named was asked for": {[]payload{naming("asked-by-curl", recorded(t, "created")), naming("asked-by-curl", recorded(t, "approved"))},
			func(w *world) { w.mem.taken = ""; w.askedByAPI("asked-by-curl") }},
	} {
		w := newWorld(t)
		w.mem.taken = "other-show"
		for _, p := range test.payloads {
			if status, answer := w.send(p); status != 200 || answer.Outcome != "refused" {
				t.Errorf("%s: %d %+v", name, status, answer)
			}
		}
		test.then(w)
		before := w.contents()
		for _, p := range test.payloads {
			if status, answer := w.send(p); status != 200 || answer.Outcome != "ignored" {
				t.Errorf("%s: %d %+v", name, status, answer)
			}
		}
		if w.contents() != before {
			t.Errorf("%s: a record of a webhook changed something", name)
		}
	}
}

// A request that was turned down is looked at again when anything of it changes, and asks for another approval.
// It waits for no webhook of the approval that was turned down.
func TestIssuesThatWereTurnedDown(t *testing.T) {
	w := newWorld(t)
	w.now = minute(71)
	named := func(p payload) payload { return naming("asked-by-curl", p) }
	w.refused(named(recorded(t, "approved")))
	w.askedByAPI("asked-by-curl")
	if text := w.refused(named(recorded(t, "approved").touched(minute(70)))); !strings.Contains(text, "approved again") || w.state("asked-by-curl") != hotshow.Requested {
		t.Errorf("told %s; the show is %s", text, w.state("asked-by-curl"))
	}

	w = newWorld(t)
	w.now = minute(71)
	w.mem.taken = "other-show"
	w.refused(recorded(t, "created"))
	w.refused(recorded(t, "approved"))
	w.mem.taken = ""
	if text := w.refused(recorded(t, "approved").touched(minute(70))); !strings.Contains(text, "approved again") || w.states() != "requested" {
		t.Errorf("told %s; went through %s", text, w.states())
	}
	again := recorded(t, "approved").touched(minute(80))
	again.fields()["customfield_10111"] = append(again.fields()["customfield_10111"].([]any), approval("18", minute(80), boris))
	w.taken(again)
	if w.states() != "requested approved" {
		t.Errorf("went through %s", w.states())
	}
}

// A webhook that is older than any that Jira sends again is somebody's record of it.
func TestOldWebhooksChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.mem.taken = "other-show"
	w.refused(recorded(t, "created"))
	w.refused(recorded(t, "approved"))
	w.mem.taken = ""
	w.now = w.now.Add(6 * time.Hour)
	for _, file := range []string{"created", "approved"} {
		if status, answer := w.send(recorded(t, file)); status != 200 || answer.Outcome != "ignored" {
			t.Errorf("%s: %d %+v", file, status, answer)
		}
	}
	if len(w.mem.kept) > 0 {
		t.Error("a show was asked for by a record")
	}
}
