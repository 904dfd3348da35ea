package place_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// look is the recorded request of a browser without JavaScript, in English and with another cookie.
func (s *sale) look(t *testing.T, cookie string, change func(*httpapi.Request)) httpapi.Response {
	t.Helper()
	r := recordedAs(t, "page.json")
	r.Headers["Accept-Language"], r.Headers["Cookie"] = "en", "a=b; waitingroom_place="+cookie
	change(&r)
	return s.ask(t, r)
}

func asRecorded(*httpapi.Request) {}

func wantPage(t *testing.T, r httpapi.Response, status int, state string, holds ...string) {
	t.Helper()
	if r.StatusCode != status || r.Headers["Content-Type"] != "text/html; charset=utf-8" ||
		!strings.Contains(r.Body, `<main data-state="`+state+`">`) {
		t.Errorf("%d %v, want %d in the state %s: %s", r.StatusCode, r.Headers, status, state, r.Body)
	}
	for _, want := range holds {
		if !strings.Contains(r.Body, want) {
			t.Errorf("%q is not there: %s", want, r.Body)
		}
	}
}

func TestPage(t *testing.T) {
	s := newSale(t, unchanged)
	wantPage(t, s.look(t, s.tickets[3], asRecorded), 200, "turn", `id="enter"`)
	wantPage(t, s.look(t, s.tickets[4], asRecorded), 200, "nearly", `<data id="place" value="4">`)
	wantPage(t, s.look(t, "in."+s.tickets[3], asRecorded), 200, "admitted", `id="enter"`)
	wantPage(t, s.look(t, s.ticket(func(t *ticket.Ticket) { t.Cohort = 1 }), asRecorded), 200, "placing")
	s = newSale(t, func(st *room.State) { st.Expired = 2 })
	wantPage(t, s.look(t, s.tickets[2], asRecorded), 200, "expired", `name="secret"`)
	wantPage(t, s.look(t, s.tickets[3], func(r *httpapi.Request) { r.Headers["Accept-Language"] = "de" }), 200, "turn", `<html lang="de" dir="ltr">`)
	if s.log.Len() > 0 || s.counts.Len() > 0 {
		t.Errorf("%s %s", s.log.String(), s.counts.String())
	}
}

// Who has not joined gets a secret, and the same one when looking again.
func TestPageBeforeJoining(t *testing.T) {
	s := newSale(t, unchanged)
	secret := regexp.MustCompile(`name="secret" value="([A-Za-z0-9_-]{22})"`)
	cookie := regexp.MustCompile(`^waitingroom_place=(new\.[A-Za-z0-9_-]{22}); Path=/v1/events/demo/place; Max-Age=172800; HttpOnly; Secure; SameSite=Lax$`)
	seen := map[string]bool{}
	for _, none := range []string{"", "new.short", "nothing=1"} {
		r := s.look(t, none, asRecorded)
		if none == "nothing=1" {
			r = s.look(t, "", func(r *httpapi.Request) { delete(r.Headers, "Cookie") })
		}
		wantPage(t, r, 200, "loading")
		shown, kept := secret.FindStringSubmatch(r.Body), cookie.FindStringSubmatch(r.Headers["Set-Cookie"])
		if shown == nil || kept == nil || kept[1] != "new."+shown[1] || seen[shown[1]] {
			t.Fatalf("%q is shown and %q kept", shown, r.Headers["Set-Cookie"])
		}
		seen[shown[1]] = true
		again := s.look(t, kept[1], asRecorded)
		if found := secret.FindStringSubmatch(again.Body); found == nil || found[1] != shown[1] || again.Headers["Set-Cookie"] != "" {
			t.Errorf("another secret: %q, %v", found, again.Headers)
		}
	}
	lost := s.look(t, "", func(r *httpapi.Request) { r.QueryStringParameters = map[string]string{"joined": "1"} })
	wantPage(t, lost, 200, "loading", "Your place could not be found", "cookie of this browser")
	kept := s.look(t, s.tickets[4], func(r *httpapi.Request) { r.QueryStringParameters = map[string]string{"joined": "1"} })
	wantPage(t, kept, 200, "nearly")
}

func TestPagesThatAreRefused(t *testing.T) {
	s := newSale(t, unchanged)
	event := func(name string) func(*httpapi.Request) {
		return func(r *httpapi.Request) { r.PathParameters = map[string]string{names.EventParameter: name} }
	}
	for _, test := range []struct {
		name, cookie string
		change       func(*httpapi.Request)
		fail         error
		status       int
		state, code  string
		logged       bool
	}{
		{"unknown event", "", event("nowhere"), nil, 404, "unknown", "unknown-event", false},
		{"no event's name", "", event("v1"), nil, 404, "unknown", "unknown-event", false},
		{"no ticket of ours", "v1.a.b", asRecorded, nil, 401, "expired", "bad-ticket", false},
		{"a huge cookie", strings.Repeat("A", 1<<16), asRecorded, nil, 401, "expired", "bad-ticket", false},
		{"another run's", s.ticket(func(t *ticket.Ticket) { t.Run = strings.Repeat("b2", 16) }), asRecorded, nil, 401, "expired", "other-run", false},
		{"throttled", s.tickets[1], asRecorded, store.ErrThrottled, 429, "busy", "busy", true},
		{"lost", s.tickets[1], asRecorded, errLost, 503, "busy", "internal", true},
		{"lost before joining", "", asRecorded, errLost, 503, "busy", "internal", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSale(t, unchanged)
			s.fail = test.fail
			wantPage(t, s.look(t, test.cookie, test.change), test.status, test.state)
			metricstest.WantCounts(t, &s.counts, onSale.Add(time.Minute), metricstest.Refusal(test.code))
			log := s.log.String()
			if (log != "") != test.logged || strings.Contains(log, "v1.A") {
				t.Errorf("logged: %s", log)
			}
		})
	}
}

// A form that was refused leads here: the page says why, under the problem's status, and nothing is logged
// or counted a second time.
func TestPagesOfFormsThatWereRefused(t *testing.T) {
	const kept = `name="secret" value="AAECAwQFBgcICQoLDA0ODw"`
	refused := func(code, retry string) func(*httpapi.Request) {
		return func(r *httpapi.Request) {
			r.QueryStringParameters = map[string]string{"refused": code, "retry": retry}
			r.Headers["Sec-Fetch-Site"] = "same-origin"
		}
	}
	s := newSale(t, unchanged)
	for _, test := range []struct {
		cookie, code, retry string
		status              int
		state               string
		holds               string
		after               string // seconds until the page loads itself again
		header              string // Retry-After
	}{
		{"new.AAECAwQFBgcICQoLDA0ODw", "busy", "2", 429, "busy", kept, "5", "2"},
		{"new.AAECAwQFBgcICQoLDA0ODw", "busy", "20", 429, "busy", kept, "20", "20"},
		{"", "busy", "", 429, "busy", `name="secret"`, "5", "2"},
		{s.tickets[3], "busy", "2", 429, "busy", "You keep your place.", "5", "2"},
		{s.tickets[3], "over-cap", "7", 429, "turn", "The shop is full for a moment", "7", "7"},
		{s.tickets[3], "over-cap", "1", 429, "turn", `id="enter"`, "5", "1"},
		{s.tickets[2], "turn-expired", "", 410, "expired", "Your turn has passed", "", ""},
		{"in." + s.tickets[2], "pass-expired", "", 410, "expired", "Your time in the shop is over", "", ""},
		{s.tickets[2], "bad-ticket", "", 401, "expired", "Your place could not be found", "", ""},
		{"", "not-open-yet", "", 403, "loading", `name="secret"`, "", ""},
		{s.tickets[4], "sold-out", "", 410, "soldout", "You keep your place.", "60", ""},
		{"in." + s.tickets[4], "over", "", 410, "closed", "The sale is over", "", ""},
		{s.tickets[4], "internal", "", 200, "nearly", `value="4"`, "5", ""},
		{s.tickets[4], `"><script>`, "", 200, "nearly", `value="4"`, "5", ""},
	} {
		t.Run(test.code, func(t *testing.T) {
			r := s.look(t, test.cookie, refused(test.code, test.retry))
			wantPage(t, r, test.status, test.state, test.holds)
			reload := `content="` + test.after + `; url=/v1/events/demo/place"`
			if strings.Contains(r.Body, "http-equiv") != (test.after != "") || test.after != "" && !strings.Contains(r.Body, reload) {
				t.Errorf("it does not load itself again after %q s: %s", test.after, r.Body)
			}
			if got := r.Headers["Retry-After"]; got != test.header || strings.Contains(r.Body, "<script") {
				t.Errorf("Retry-After %q, want %q: %s", got, test.header, r.Body)
			}
			if s.log.Len() > 0 || s.counts.Len() > 0 {
				t.Errorf("%s %s", s.log.String(), s.counts.String())
			}
		})
	}
	// Who follows somebody's link sees the place that there is.
	r := s.look(t, s.tickets[4], func(r *httpapi.Request) {
		refused("bad-ticket", "")(r)
		r.Headers["Sec-Fetch-Site"] = "cross-site"
	})
	wantPage(t, r, 200, "nearly", `value="4"`)
	// What is wrong now counts more than what was.
	fresh := newSale(t, unchanged)
	fresh.fail = errLost
	wantPage(t, fresh.look(t, s.tickets[4], refused("sold-out", "")), 503, "busy")
}

// Apps go on to get JSON, and problems without a ticket.
func TestWhoGetsAPage(t *testing.T) {
	s := newSale(t, unchanged)
	for accept, page := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8":               true,
		"text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01": true,
		"text/html": true, "TEXT/HTML": true, "application/json;q=0.5, text/html": true, "text/html;q=0.9;level=1": true,
		"": false, "*/*": false, "application/json": false, "text/html, application/json": false, "text/html;q=0": false,
		"application/json, text/html;q=0.9": false, "text/html;q=x": false, "text/html;q=NaN": false, "text/plain": false,
		"text/html," + strings.Repeat("a/b,", 300): false,
	} {
		r := s.look(t, s.tickets[1], func(r *httpapi.Request) { r.Headers["Accept"] = accept })
		if got := r.Headers["Content-Type"] == "text/html; charset=utf-8"; got != page {
			t.Errorf("%.80q: a page: %v", accept, got)
		}
		if !page {
			wantProblem(t, r, 401, "bad-ticket")
		}
	}
	r := s.look(t, "", func(r *httpapi.Request) { r.Headers["authorization"] = "Bearer " + s.tickets[1] })
	if r.StatusCode != 200 || r.Headers["Content-Type"] != "application/json" {
		t.Errorf("%d %v", r.StatusCode, r.Headers)
	}
}

// A secret that cannot be drawn is no secret.
func TestNoRandomness(t *testing.T) {
	s := newSale(t, unchanged)
	s.random.fail = errors.New("no randomness")
	wantProblem(t, s.look(t, "", asRecorded), 503, "internal")
}
