package jira_test

import (
	"fmt"
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
		OnSale: minute(10_000).Truncate(time.Second), PreQueue: minute(9_000).Truncate(time.Second), Closes: minute(12_000).Truncate(time.Second),
		Over: hotshow.Duration(time.Minute), Target: "https://shop.example/", ReadyBefore: hotshow.Duration(time.Hour), KeepAfter: hotshow.Duration(time.Hour)}
	s, first := hotshow.New(show, request, plan.New(plan.Expected{Visitors: 1000, Over: time.Minute, Rate: 60}), curl, minute(-10))
	if err := w.shows.Add(w.t.Context(), s, first); err != nil {
		w.t.Fatal(err)
	}
}

// naming has an issue say nothing but which show it decides about.
func naming(show string, p payload) payload {
	for n := 10101; n <= 10110; n++ {
		p.fields()[fmt.Sprint("customfield_", n)] = nil
	}
	p.fields()[showField] = show
	return p
}

// A form that says something else than the show that it names would have people approve what they do not
// read.
func TestFormThatContradictsTheShow(t *testing.T) {
	form := func(file string, rate any) payload {
		p := naming("asked-by-curl", recorded(t, file))
		p.fields()["customfield_10101"], p.fields()["customfield_10105"] = "summer", rate
		return p
	}
	w := newWorld(t)
	w.askedByAPI("asked-by-curl")
	if text := w.refused(form("created", 5000.0)); !strings.Contains(text, "rate: the show that is named") || strings.Contains(text, "event") {
		t.Errorf("told %s", text)
	}
	if text := w.refused(form("approved", 5000.0)); !strings.Contains(text, "approved again") || w.state("asked-by-curl") != hotshow.Requested {
		t.Errorf("told %s", text)
	}
	w = newWorld(t)
	w.askedByAPI("asked-by-curl")
	w.taken(form("created", 60.0), form("approved", 60.0))
	if w.state("asked-by-curl") != hotshow.Approved {
		t.Error("a form that says what the show is")
	}
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
