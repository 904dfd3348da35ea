package show

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
)

// winter are the flags that ask for a show which opens tomorrow.
func winter(url string) []string {
	onsale := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	return []string{"ask", "-url", url, "-event", "winter-tour", "-name", "Winter tour", "-name", "de=Wintertour", "-onsale", onsale,
		"-visitors", "300000", "-over", "60s", "-rate", "13000", "-target", "https://shop.example/checkout"}
}

func TestJourney(t *testing.T) {
	desk, url := newDesk(t)
	as(t, "anna")
	asked := ok(t, winter(url)...)
	id := desk.all()[0].ID
	contain(t, asked, "Winter tour (winter-tour) has the id "+id, "requested", "show approve "+id, "64 shards", "500 for join", "Mind", "Lambda, concurrent executions: 1,100")
	if r := desk.show(id).Request; r.Names["de"] != "Wintertour" || time.Duration(r.Over) != time.Minute || r.PreQueue.IsZero() {
		t.Errorf("asked for %+v", r)
	}

	out, problems, status := did(t, "approve", id, "-url", url)
	if status != exit.Failed || out != "" || problems != "show: Your own request: Nobody approves what they have asked for. Ask somebody else.\n" {
		t.Errorf("one's own approval: status %d, %q, %q", status, out, problems)
	}
	as(t, "ben")
	out, problems, status = did(t, "approve", id, "-url", url, "-changes", "2")
	if status != exit.Failed || out != "" || !strings.Contains(problems, "look at it again") {
		t.Errorf("approved what has changed since: %d %s%s", status, out, problems)
	}
	contain(t, ok(t, "approve", "-url", url, id, "-changes", "1", "-why", "the shop is ready"), id+", is approved", "made ready from")
	if at := desk.show(id); !strings.Contains(next(at, at.Request.Begins()), "made ready at once") {
		t.Errorf("%q", next(at, at.Request.Begins()))
	}
	contain(t, ok(t, "list", "-url", url), "ID", id, "approved", "winter-tour", "Winter tour")
	contain(t, ok(t, "list", "-url", url, "-state", "live"), "There are no such shows")
	contain(t, ok(t, "list", "-url", url, "-limit", "1"), id, "leave out -limit")
	contain(t, ok(t, "show", id, "-url", url), "Winter tour (winter-tour) has been approved since", "300,000 visitors in 1m", "13,000 a minute", "asked for by", "anna", "approved by",
		"ben", "name, de", "Wintertour", "Steps", "readiness", "waiting", "History", "The show was asked for, by anna.", "The show is approved now, by ben: the shop is ready.")
	contain(t, ok(t, "cancel", id, "-url", url), "is cancelled")
	contain(t, ok(t, "watch", id, "-url", url), "cancelled")

	_, problems, status = did(t, "reject", id, "-url", url)
	if status != exit.Failed || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, "cancelled") {
		t.Errorf("a decision too late: status %d, %q", status, problems)
	}
}

// Who cancels a show while it is made ready is told that its event is not closed yet, if people may come.
func TestCancelledLate(t *testing.T) {
	for _, test := range []struct {
		progress hotshow.Progress
		outcome  hotshow.State
		before   time.Duration // the pre-queue
		warned   bool
	}{
		{hotshow.Up, hotshow.Cancelled, 2 * time.Minute, true},
		{hotshow.Begun, hotshow.Cancelled, -time.Minute, true},
		{hotshow.Up, hotshow.Cancelled, time.Hour, false},
		{hotshow.Down, hotshow.Cancelled, 2 * time.Minute, false},
		{hotshow.Up, hotshow.Done, -4 * time.Hour, false},
	} {
		s := winterShow(hotshow.Finishing, test.progress).Show
		s.Outcome = test.outcome
		text := next(s, s.Request.PreQueue.Add(-test.before))
		if !strings.Contains(text, "takes some minutes") || strings.Contains(text, "set the parameter state of winter-tour to closed") != test.warned {
			t.Errorf("%+v: %q", test, text)
		}
	}
}

// A show is not made ready before somebody has approved it.
func TestMadeReadyFrom(t *testing.T) {
	s := winterShow(hotshow.Preparing, hotshow.Begun)
	usual := s.Request.Begins()
	late := usual.Add(20 * time.Minute)
	for _, test := range []struct {
		asked, approved, want time.Time
	}{
		{usual.Add(-48 * time.Hour), usual.Add(-24 * time.Hour), usual},
		{usual.Add(-48 * time.Hour), late, late},
		{late, time.Time{}, late},
		{late, late.Add(time.Minute), late.Add(time.Minute)},
	} {
		s.History = []hotshow.Change{{At: test.asked, To: hotshow.Requested}}
		if !test.approved.IsZero() {
			s.History = append(s.History, hotshow.Change{At: test.approved, From: hotshow.Requested, To: hotshow.Approved},
				hotshow.Change{At: late.Add(time.Hour), From: hotshow.Approved, To: hotshow.Preparing})
		}
		if at := begins(s); !at.Equal(test.want) {
			t.Errorf("asked for at %v, approved at %v: made ready from %v, want %v", test.asked, test.approved, at, test.want)
		}
	}
}

// With -json the API's answer comes as it is.
func TestJSON(t *testing.T) {
	desk, url := newDesk(t)
	as(t, "anna")
	var show hotshow.Show
	if err := json.Unmarshal([]byte(ok(t, append(winter(url), "-json")...)), &show); err != nil || show.ID != desk.all()[0].ID {
		t.Errorf("%v: %+v", err, show)
	}
	var list api.List
	if err := json.Unmarshal([]byte(ok(t, "list", "-url", url, "-json")), &list); err != nil || len(list.Shows) != 1 {
		t.Errorf("%v: %+v", err, list)
	}
	ok(t, "reject", show.ID, "-url", url, "-json")
	var seen struct {
		Show hotshow.Show
		Sale *api.Sale
	}
	if err := json.Unmarshal([]byte(ok(t, "watch", show.ID, "-url", url, "-json")), &seen); err != nil || seen.Show.State != hotshow.Rejected || seen.Sale == nil || seen.Sale.RateSet != 13_000 {
		t.Errorf("%v: %+v", err, seen)
	}
}

// A request in a file goes to the API as it is, which says what is wrong with it in one line.
func TestAskByFile(t *testing.T) {
	desk, url := newDesk(t)
	as(t, "anna")
	file := filepath.Join(t.TempDir(), "request.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	onsale := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	write(fmt.Sprintf(`{"event":"tour","names":{"en":"Tour"},"onsale":%q,"visitors":10,"over":"60s","rate":60,"target":"https://shop.example/"}`, onsale))
	ok(t, "ask", "-url", url, "-file", file)
	if all := desk.all(); len(all) != 1 || all[0].Event != "tour" {
		t.Errorf("%+v", all)
	}
	write(`{"event":"tour","rate":0,"colour":"red"}`)
	_, problems, status := did(t, "ask", "-url", url, "-file", file)
	if status != exit.Failed || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, "Bad request: ") || !strings.Contains(problems, "colour") || !strings.Contains(problems, "onsale") {
		t.Errorf("status %d, %q", status, problems)
	}
}

// A mistake in the command line is one line, and nothing is sent.
func TestMistakes(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	as(t, "anna")
	t.Setenv(EnvAddress, server.URL)
	for _, test := range []struct {
		args []string
		says string
	}{
		{nil, "ask, approve, reject, cancel, list, show, watch"},
		{[]string{"delete"}, `"delete" is not one of`},
		{[]string{"ask"}, "missing: -event, -name, -onsale, -visitors, -over, -rate, -target"},
		{[]string{"ask", "-event", "x", "-name", "X"}, "missing: -onsale, -visitors"},
		{[]string{"ask", "-name", "X", "-name", "en=Y"}, "two names are given for the language en"},
		{[]string{"ask", "-rate", "many"}, "-rate"},
		{[]string{"ask", "-file", "none.json"}, "none.json"},
		{[]string{"ask", "-file", "none.json", "-event", "x"}, "-event: the request is in -file"},
		{[]string{"ask", "more"}, `"more"`},
		{[]string{"approve"}, "give the id of one show"},
		{[]string{"approve", "a", "-changes", "-1"}, "-changes: -1 is no number of changes"},
		{[]string{"approve", "a", "b"}, "give the id of one show"},
		{[]string{"approve", "../v1"}, "is not the id of a show"},
		{[]string{"show", "\x1b[2J"}, "is not the id of a show"},
		{[]string{"list", "-state", "asleep"}, "is none of requested"},
		{[]string{"list", "-limit", "-1"}, "-limit: -1 is no number of shows"},
		{[]string{"list", "-what"}, "-what"},
		{[]string{"list", "-url", "shop.example"}, "is not an address such as"},
		{[]string{"list", "-url", "http://shop.example"}, "use https"},
		{[]string{"list", "-url", "https://a:b@shop.example"}, "is not an address such as"},
	} {
		out, problems, status := did(t, test.args...)
		if status != exit.Usage || out != "" || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, test.says) || strings.Contains(problems, "\x1b") {
			t.Errorf("%q: status %d, %q", test.args, status, problems)
		}
	}
	if reached {
		t.Error("the API was called")
	}
	contain(t, ok(t, "-help"), "approve ID", EnvAddress)
	contain(t, ok(t, "ask", "-help"), "-onsale", "30 minutes before")
	contain(t, ok(t, "list", "-help"), "-limit", "then those that have ended")
}

func TestTitles(t *testing.T) {
	for text, want := range map[string][2]string{
		"Winter tour": {"en", "Winter tour"}, "de=Wintertour": {"de", "Wintertour"}, "pt-BR=Turnê": {"pt-BR", "Turnê"},
		"E=mc²": {"en", "E=mc²"}, "Love = War": {"en", "Love = War"}, "ja=冬=ツアー": {"ja", "冬=ツアー"},
	} {
		got := titles{}
		if err := got.Set(text); err != nil || len(got) != 1 || got[want[0]] != want[1] {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if titles.Set(titles{}, "de=") == nil {
		t.Error("an empty name was taken")
	}
}
