package admit_test

import (
	"encoding/json"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// press is the recorded form, in English, from a browser with a cookie.
func (s *sale) press(t *testing.T, cookie string, change func(*httpapi.Request)) httpapi.Response {
	t.Helper()
	recorded, err := os.ReadFile("testdata/form.json")
	if err != nil {
		t.Fatal(err)
	}
	var r httpapi.Request
	if err := json.Unmarshal(recorded, &r); err != nil {
		t.Fatal(err)
	}
	r.Headers["Accept-Language"], r.Headers["Cookie"] = "en", "waitingroom_place="+cookie
	change(&r)
	response, err := s.answer(t.Context(), r)
	if err != nil {
		t.Fatalf("an error reached the runtime: %v", err)
	}
	page := response.Headers["Content-Type"] != "application/problem+json"
	if response.Headers["Cache-Control"] != "no-store" || page && response.Headers["Referrer-Policy"] != "no-referrer" {
		t.Errorf("%d with the headers %v", response.StatusCode, response.Headers)
	}
	return response
}

func asRecorded(*httpapi.Request) {}

var shopLink = regexp.MustCompile(`<a id="shop-link" href="([^"]*)"`)

// leaving is the address of the shop that a page goes to, by itself and by its link.
func leaving(t *testing.T, r httpapi.Response) string {
	t.Helper()
	found := shopLink.FindStringSubmatch(r.Body)
	if r.StatusCode != 200 || found == nil {
		t.Fatalf("%d %s", r.StatusCode, r.Body)
	}
	address := html.UnescapeString(found[1])
	if !strings.Contains(html.UnescapeString(r.Body), `<meta http-equiv="refresh" content="0; url=`+address+`">`) {
		t.Errorf("the page does not go to %s by itself: %s", address, r.Body)
	}
	return address
}

func TestForm(t *testing.T) {
	s := newSale(t, 8)
	r := s.press(t, s.tickets[1], asRecorded)
	address := leaving(t, r)
	if want := admitted(t, s.claim(t, s.tickets[1])); address != want.Redirect {
		t.Errorf("the page leads to %s, the API to %s", address, want.Redirect)
	}
	cookie, _, _ := strings.Cut(strings.TrimPrefix(r.Headers["Set-Cookie"], "waitingroom_place="), ";")
	if cookie != "in."+s.tickets[1] || !strings.Contains(r.Headers["Set-Cookie"], "; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie is %s", r.Headers["Set-Cookie"])
	}
	// Pressed twice, and once more when the turn has ended.
	if again := leaving(t, s.press(t, s.tickets[1], asRecorded)); again != address {
		t.Errorf("another pass: %s", again)
	}
	s.set(t, func(st *room.State) { st.Expired = 4 })
	if again := leaving(t, s.press(t, cookie, asRecorded)); again != address {
		t.Errorf("another pass: %s", again)
	}
	if got := s.taken(t, 600); got != 1 {
		t.Errorf("%d slots for one visitor", got)
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}

func TestFormBeforeTheTurn(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Admitted = 3 })
	for _, cookie := range []string{s.tickets[4], "in." + s.tickets[8], "", "new.AAECAwQFBgcICQoLDA0ODw"} {
		r := s.press(t, cookie, asRecorded)
		if r.StatusCode != 303 || r.Headers["Location"] != "/v1/events/demo/place" || r.Body != "" || r.Headers["Set-Cookie"] != "" {
			t.Errorf("%d %v %s", r.StatusCode, r.Headers, r.Body)
		}
	}
}

// wantSent checks where a refused form leads, which changes no cookie.
func wantSent(t *testing.T, r httpapi.Response, query string) {
	t.Helper()
	if r.StatusCode != 303 || r.Headers["Location"] != "/v1/events/demo/place?"+query || r.Body != "" || r.Headers["Set-Cookie"] != "" {
		t.Errorf("%d %v %s, want %s", r.StatusCode, r.Headers, r.Body, query)
	}
}

// A refusal leads to the page that says why, and counts like the problem that it stands for.
func TestRefusalsOfAForm(t *testing.T) {
	s := newSale(t, 8)
	bad := s.ticket(room.Visitor{ID: strings.Repeat("0", 32), Seq: 99}, func(*ticket.Ticket) {})
	otherRun := s.ticket(s.visitor(t, 5), func(t *ticket.Ticket) { t.Run = strings.Repeat("b2", 16) })
	for _, test := range []struct {
		name   string
		cookie string
		change func(*room.State)
		code   string
	}{
		{"no ticket of ours", "v1.a.b", nil, "bad-ticket"},
		{"no such place", bad, nil, "bad-ticket"},
		{"another sale's", otherRun, nil, "other-run"},
		{"the turn has expired", s.tickets[2], func(st *room.State) { st.Expired = 4 }, "turn-expired"},
		{"sold out", s.tickets[5], func(st *room.State) { st.Phase = room.SoldOut }, "sold-out"},
		{"closed", s.tickets[5], func(st *room.State) { st.Phase = room.Closed }, "over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.change != nil {
				s.set(t, test.change)
			}
			s.counts.Reset()
			wantSent(t, s.press(t, test.cookie, asRecorded), "refused="+test.code)
			metricstest.WantCounts(t, &s.counts, s.now, metricstest.Refusal(test.code))
		})
	}
}

func TestPassThatHasExpired(t *testing.T) {
	s := newSale(t, 8)
	leaving(t, s.press(t, s.tickets[1], asRecorded))
	s.wait(30 * time.Minute)
	wantSent(t, s.press(t, "in."+s.tickets[1], asRecorded), "refused=pass-expired")
}

// Over the cap the page says when there is room.
func TestFormOverTheCap(t *testing.T) {
	s := newSale(t, 16)
	s.fillWindow(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	wantSent(t, s.press(t, s.tickets[11], asRecorded), "refused=over-cap&retry=1")
	s.wait(time.Second)
	leaving(t, s.press(t, s.tickets[11], asRecorded))
}

func TestFormOfAnotherSite(t *testing.T) {
	s := newSale(t, 8)
	for _, from := range []string{"cross-site", "same-site", "anything"} {
		r := s.press(t, s.tickets[1], func(r *httpapi.Request) { r.Headers["Sec-Fetch-Site"] = from })
		wantProblem(t, r, 403, "cross-site")
	}
	if s.faults.writes() != 0 {
		t.Error("something was written")
	}
	leaving(t, s.press(t, s.tickets[1], func(r *httpapi.Request) { delete(r.Headers, "Sec-Fetch-Site") }))
}

func TestFormsLogNothingSecret(t *testing.T) {
	s := newSale(t, 8)
	s.faults.refuse = map[string]error{"Visitor": errLost}
	wantSent(t, s.press(t, s.tickets[1], asRecorded), "refused=busy&retry=2")
	if strings.Contains(s.log.String(), "v1.A") || s.log.Len() == 0 {
		t.Errorf("logged: %s", s.log.String())
	}
}

func TestLeavingInOtherLanguages(t *testing.T) {
	s := newSale(t, 8)
	for language, wants := range map[string][]string{
		"en":           {`<html lang="en" dir="ltr">`, "<title>It is your turn · demo</title>", "Taking you to the shop.", ">If nothing happens, follow"},
		"de-AT, en":    {`<html lang="de" dir="ltr">`},
		"ar":           {`<html lang="ar" dir="rtl">`},
		"tlh, \"><br>": {`<html lang="en" dir="ltr">`},
	} {
		r := s.press(t, s.tickets[1], func(r *httpapi.Request) { r.Headers["Accept-Language"] = language })
		leaving(t, r)
		for _, want := range wants {
			if !strings.Contains(r.Body, want) {
				t.Errorf("%s is not there: %s", want, r.Body)
			}
		}
		for name, want := range names.PlainHeaders() {
			if r.Headers[name] != want {
				t.Errorf("%s is %q, want %q", name, r.Headers[name], want)
			}
		}
	}
}

// The shop's own address, which a promoter writes, may hold what ends an attribute or an element.
func TestLeavingForHostileTargets(t *testing.T) {
	s := newSale(t, 8)
	for i, target := range []string{
		`https://shop.example/?a="><script>alert(1)</script>`, `https://shop.example/?a='onload='x`, `https://shop.example/?a=1&quot;&lt;b`,
		`https://"><svg.example/`, `https://shop.example/#"><svg onload=alert(1)>`, `https://shop.example/{lang}?{event}&{address}`, `http://localhost/?a=;url=javascript:x`,
	} {
		s.set(t, func(st *room.State) { st.Target = target })
		address := leaving(t, s.press(t, s.tickets[i+1], asRecorded))
		if want := admitted(t, s.claim(t, s.tickets[i+1])); address != want.Redirect {
			t.Errorf("the page leads to %s, the API to %s", address, want.Redirect)
		}
	}
}
