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

// A refusal is a page that counts like the problem that it stands for. Where the visitor can join
// again, it is with a secret that nobody has had.
func TestRefusalsOfAForm(t *testing.T) {
	s := newSale(t, 8)
	bad := s.ticket(room.Visitor{ID: strings.Repeat("0", 32), Seq: 99}, func(*ticket.Ticket) {})
	otherRun := s.ticket(s.visitor(t, 5), func(t *ticket.Ticket) { t.Run = strings.Repeat("b2", 16) })
	secrets := regexp.MustCompile(`name="secret" value="([A-Za-z0-9_-]{22})"`)
	seen := map[string]bool{}
	for _, test := range []struct {
		name   string
		cookie string
		change func(*room.State)
		status int
		code   string
		holds  string
		joins  bool
	}{
		{"no ticket of ours", "v1.a.b", nil, 401, "bad-ticket", "Your place could not be found", true},
		{"no such place", bad, nil, 401, "bad-ticket", "Your place could not be found", true},
		{"another sale's", otherRun, nil, 401, "other-run", "Your place could not be found", true},
		{"the turn has expired", s.tickets[2], func(st *room.State) { st.Expired = 4 }, 410, "turn-expired", "Your turn has passed", true},
		{"sold out", s.tickets[5], func(st *room.State) { st.Phase = room.SoldOut }, 410, "sold-out", "You keep your place.", false},
		{"closed", s.tickets[5], func(st *room.State) { st.Phase = room.Closed }, 410, "over", "The sale is over", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.change != nil {
				s.set(t, test.change)
			}
			s.counts.Reset()
			r := s.press(t, test.cookie, asRecorded)
			if r.StatusCode != test.status || !strings.Contains(r.Body, test.holds) || r.Headers["Set-Cookie"] != "" {
				t.Errorf("%d %v %s", r.StatusCode, r.Headers, r.Body)
			}
			metricstest.WantCounts(t, &s.counts, s.now, metricstest.Refusal(test.code))
			found := secrets.FindStringSubmatch(r.Body)
			if (found != nil) != test.joins || found != nil && seen[found[1]] {
				t.Errorf("the form to join: %q", found)
			}
			if found != nil {
				seen[found[1]] = true
			}
		})
	}
}

func TestPassThatHasExpired(t *testing.T) {
	s := newSale(t, 8)
	leaving(t, s.press(t, s.tickets[1], asRecorded))
	s.wait(30 * time.Minute)
	r := s.press(t, "in."+s.tickets[1], asRecorded)
	if r.StatusCode != 410 || !strings.Contains(r.Body, "Your time in the shop is over") || !strings.Contains(r.Body, `name="secret"`) {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
}

// Over the cap the page comes back by itself, and the button is there at once.
func TestFormOverTheCap(t *testing.T) {
	s := newSale(t, 16)
	s.fillWindow(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	r := s.press(t, s.tickets[11], asRecorded)
	if r.StatusCode != 429 || r.Headers["Retry-After"] != "1" {
		t.Fatalf("%d %v", r.StatusCode, r.Headers)
	}
	for _, want := range []string{
		`content="5; url=/v1/events/demo/place"`, "The shop is full for a moment", `action="/v1/events/demo/place/enter"`,
	} {
		if !strings.Contains(r.Body, want) {
			t.Errorf("%s is not there: %s", want, r.Body)
		}
	}
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
	r := s.press(t, s.tickets[1], asRecorded)
	if r.StatusCode != 503 || !strings.Contains(r.Body, "You keep your place.") || strings.Contains(s.log.String(), "v1.A") || s.log.Len() == 0 {
		t.Errorf("%d %s, logged: %s", r.StatusCode, r.Body, s.log.String())
	}
}
