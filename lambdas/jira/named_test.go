package jira_test

import (
	"strings"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
)

const (
	showField = "customfield_10113"
	curl      = hotshow.Person("arn:aws:iam::123456789012:user/curl")
)

// askedByAPI keeps a show that Jira has never heard of.
func (w *world) askedByAPI(show string) {
	w.t.Helper()
	request := hotshow.Request{Event: "summer", Names: map[string]string{"en": "Summer"}, Visitors: 1000, Rate: 60,
		OnSale: minute(10_000), PreQueue: minute(9_000), Closes: minute(12_000), Over: hotshow.Duration(time.Minute)}
	s, first := hotshow.New(show, request, plan.New(plan.Expected{Visitors: 1000, Over: time.Minute, Rate: 60}), curl, minute(-10))
	if err := w.shows.Add(w.t.Context(), s, first); err != nil {
		w.t.Fatal(err)
	}
}

func naming(show string, p payload) payload {
	p.fields()[showField] = show
	return p
}

// An issue may decide about a show that was asked for over the API. What its form says besides does not
// count, and no second issue has a say.
func TestIssueThatNamesAShow(t *testing.T) {
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	w.taken(naming("asked-by-curl", recorded(t, "created")))
	kept := func() hotshow.Show { return w.mem.kept["asked-by-curl"] }
	if s := kept(); s.State != hotshow.Requested || s.Jira == nil || s.Jira.Issue != key || s.Request.Event != "summer" {
		t.Errorf("named: %+v", s)
	}
	w.taken(naming("asked-by-curl", recorded(t, "approved")))
	if s := kept(); s.State != hotshow.Approved || s.Approver != hotshow.JiraPerson(boris) || s.AskedBy != curl || s.Request.Event != "summer" {
		t.Errorf("approved: %+v", s)
	}
	if _, asked := w.mem.kept[id]; asked {
		t.Error("the issue also asked for a show of its own")
	}
	before := w.contents()
	if status, answer := w.send(naming("asked-by-curl", recorded(t, "approved"))); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("a replay is answered %d, %+v", status, answer)
	}
	another := naming("asked-by-curl", recorded(t, "canceled").touched(minute(120)))
	another["issue"].(map[string]any)["key"] = "SHOW-13"
	if status, answer := w.send(another); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("another issue is answered %d, %+v", status, answer)
	}
	if w.contents() != before {
		t.Error("a replay or another issue changed something")
	}
}

// An issue that comes when the show is decided already has no say.
func TestIssueThatNamesADecidedShow(t *testing.T) {
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	s := w.mem.kept["asked-by-curl"]
	change, err := s.Cancel(curl, "", minute(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.shows.Save(t.Context(), &s, change); err != nil {
		t.Fatal(err)
	}
	before := w.contents()
	if status, answer := w.send(naming("asked-by-curl", recorded(t, "approved"))); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("answered %d, %+v", status, answer)
	}
	if w.contents() != before {
		t.Error("something changed")
	}
}

func TestIssueThatNamesNoShow(t *testing.T) {
	for _, show := range []string{"no-such-show", "Not An Id", strings.Repeat("a", 33)} {
		w := newWorld(t)
		if text := w.refused(naming(show, recorded(t, "created"))); !strings.Contains(text, "There is no show") {
			t.Errorf("%s: told %q", show, text)
		}
		if len(w.mem.kept) != 0 {
			t.Errorf("%s: a show was asked for", show)
		}
	}
}

// An issue that is cancelled or gone when the room hears of it ends nobody's show.
func TestEndedIssueThatNamesAShow(t *testing.T) {
	for _, file := range []string{"canceled", "deleted"} {
		w := newWorld(t)
		w.askedByAPI("asked-by-curl")
		before := w.contents()
		if status, answer := w.send(naming("asked-by-curl", recorded(t, file))); status != 200 || answer.Outcome != "ignored" {
			t.Errorf("%s: answered %d, %+v", file, status, answer)
		}
		if w.contents() != before {
			t.Errorf("%s: something changed", file)
		}
	}
}
