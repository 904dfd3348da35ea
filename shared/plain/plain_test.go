package plain

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

const secret = "AAECAwQFBgcICQoLDA0ODw"

func TestCookies(t *testing.T) {
	for _, h := range []Held{{Ticket: "v1.a-b.c_d"}, {Ticket: "v1.a.b", Entered: true}, {Secret: secret}} {
		for proto, secure := range map[string]bool{"https": true, "http": false, "": true} {
			r := httpapi.Request{Headers: map[string]string{"X-Forwarded-Proto": proto}}
			written := h.Cookie(r, "demo")
			if strings.Contains(written, "; Secure") != secure || !strings.Contains(written, "; HttpOnly; ") {
				t.Errorf("over %q: %s", proto, written)
			}
			sent, _, _ := strings.Cut(written, ";")
			r.Headers["cookie"] = "theme=dark; " + sent + "; other=1"
			if got := ReadHeld(r); got != h {
				t.Errorf("%+v is read as %+v", h, got)
			}
		}
	}
	for _, value := range []string{"", "new.", "new.short", "new.<script>", "in.", strings.Repeat("x", 1<<16) + " ;;;=", "new." + strings.Repeat("A", 44)} {
		if got := ReadHeld(httpapi.Request{Headers: map[string]string{"Cookie": names.PlaceCookie + "=" + value}}); got.Secret != "" || got.Entered {
			t.Errorf("%.20q is read as %.40v", value, got)
		}
	}
}

func TestNewSecret(t *testing.T) {
	got, err := NewSecret(strings.NewReader(strings.Repeat("\xff", 16)))
	if _, bad := httpapi.Secret(got); err != nil || bad != nil || got != "_____________________w" {
		t.Errorf("%s, %v, %v", got, err, bad)
	}
	if got, err := NewSecret(strings.NewReader("too little")); err == nil {
		t.Errorf("%q without enough randomness", got)
	}
}

// followed is the request of a browser that goes where an answer leads.
func followed(t *testing.T, answer httpapi.Response) httpapi.Request {
	t.Helper()
	path, query, _ := strings.Cut(answer.Headers["Location"], "?")
	values, err := url.ParseQuery(query)
	if err != nil || answer.StatusCode != 303 || path != "/v1/events/demo/place" || answer.Body != "" || answer.Headers["Cache-Control"] != "no-store" {
		t.Fatalf("%+v, %v", answer, err)
	}
	r := httpapi.Request{QueryStringParameters: map[string]string{}, Headers: map[string]string{"Sec-Fetch-Site": "same-origin"}}
	for name := range values {
		r.QueryStringParameters[name] = values.Get(name)
	}
	return r
}

// The page knows every refusal again, and finds out by itself what an address cannot name.
func TestRefusalsAreFollowed(t *testing.T) {
	for _, test := range []struct {
		err   error
		code  string // none: the page finds out by itself
		retry time.Duration
	}{
		{room.ErrNotOpenYet, "not-open-yet", 0},
		{room.ErrSoldOut, "sold-out", 0},
		{room.ErrOver, "over", 0},
		{room.ErrNoPlace, "bad-ticket", 0},
		{ticket.ErrBad, "bad-ticket", 0},
		{httpapi.BadTicket, "bad-ticket", 0},
		{httpapi.OtherRun, "other-run", 0},
		{httpapi.TurnExpired, "turn-expired", 0},
		{httpapi.PassExpired, "pass-expired", 0},
		{store.ErrThrottled, "busy", 2 * time.Second},
		{pass.ErrThrottled, "busy", 2 * time.Second},
		{errors.New("anything"), "busy", 2 * time.Second},
		{httpapi.OverCap(0), "over-cap", time.Second},
		{httpapi.OverCap(7 * time.Second), "over-cap", 7 * time.Second},
		{httpapi.OverCap(time.Hour), "over-cap", time.Minute},
		{httpapi.UnknownEvent, "", 0},
	} {
		shown := Refuse("demo", fmt.Errorf("while at it: %w", test.err))
		if !errors.Is(shown, test.err) {
			t.Errorf("%v is logged and counted as %v", test.err, shown)
		}
		got := Refusal(followed(t, shown.Answer))
		if got == nil && test.code == "" {
			continue
		}
		if got == nil || got.Code != test.code || got.RetryAfter != test.retry {
			t.Errorf("%v comes to the page as %+v", test.err, got)
		}
		// What is shown is the problem's own, whatever the address says.
		if of := httpapi.ProblemOf(test.err); test.code == of.Code && (got.Status != of.Status || got.Detail != of.Detail) {
			t.Errorf("%+v, want %+v", got, of)
		}
	}
}

func TestAddressesThatNameNoRefusal(t *testing.T) {
	for _, query := range []map[string]string{
		nil, {}, {"refused": ""}, {"refused": "internal"}, {"refused": "unknown-event"}, {"refused": "BUSY"}, {"refused": "busy "},
		{"refused": "<script>"}, {"refused": strings.Repeat("busy", 1<<16)}, {"Refused": "busy"}, {"retry": "5"},
	} {
		if got := Refusal(httpapi.Request{QueryStringParameters: query}); got != nil {
			t.Errorf("%.40v is %+v", query, got)
		}
	}
	for retry, want := range map[string]time.Duration{
		"": 2, "0": 2, "-5": 2, "x": 2, "1e9": 2, "99999999999999999999": 2, "5": 5, "60": 60, "61": 60, "4000000000": 60, "5\n": 2, "5.5": 2,
	} {
		got := Refusal(httpapi.Request{QueryStringParameters: map[string]string{"refused": "busy", "retry": retry}})
		if got == nil || got.RetryAfter != want*time.Second {
			t.Errorf("%q: %+v, want %d s", retry, got, want)
		}
		// What does not ask for another try never comes to do so.
		if got := Refusal(httpapi.Request{QueryStringParameters: map[string]string{"refused": "over", "retry": retry}}); got == nil || got.RetryAfter != 0 {
			t.Errorf("%q: %+v", retry, got)
		}
	}
	if httpapi.Busy.RetryAfter != 2*time.Second {
		t.Errorf("everybody's problem now says %s", httpapi.Busy.RetryAfter)
	}
}

// A link in a mail or on another site must not tell somebody in line to join again.
func TestLinksOfOthersAreNotBelieved(t *testing.T) {
	for site, believed := range map[string]bool{"": true, "same-origin": true, "none": false, "same-site": false, "cross-site": false, "x": false} {
		r := httpapi.Request{
			QueryStringParameters: map[string]string{"refused": "bad-ticket"}, Headers: map[string]string{"sec-fetch-site": site},
		}
		if got := Refusal(r); (got != nil) != believed {
			t.Errorf("%q: %v", site, got)
		}
	}
}

func TestPage(t *testing.T) {
	r := Page(410, "<p>")
	want := names.PlainHeaders()
	want["Content-Type"], want["Cache-Control"], want["Vary"] = "text/html; charset=utf-8", "no-store", "Accept, Accept-Language"
	if r.StatusCode != 410 || r.Body != "<p>" || !maps.Equal(r.Headers, want) {
		t.Errorf("%+v", r)
	}
}
