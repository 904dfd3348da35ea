package join_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// form is the recorded form with a change, in English.
func (s *sale) form(t *testing.T, change func(*httpapi.Request)) httpapi.Request {
	t.Helper()
	recorded, err := os.ReadFile("testdata/form.json")
	if err != nil {
		t.Fatal(err)
	}
	var r httpapi.Request
	if err := json.Unmarshal(recorded, &r); err != nil {
		t.Fatal(err)
	}
	r.Headers["Accept-Language"] = "en"
	change(&r)
	return r
}

func asRecorded(*httpapi.Request) {}

func (s *sale) post(t *testing.T, r httpapi.Request) httpapi.Response {
	t.Helper()
	response, err := s.answer(t.Context(), r)
	if err != nil {
		t.Fatalf("an error reached the runtime: %v", err)
	}
	if response.Headers["Cache-Control"] != "no-store" {
		t.Errorf("%d with the headers %v", response.StatusCode, response.Headers)
	}
	return response
}

// seated reads the cookie of a visitor who has a place.
func (s *sale) seated(t *testing.T, r httpapi.Response) ticket.Ticket {
	t.Helper()
	if r.StatusCode != 303 || r.Headers["Location"] != "/v1/events/demo/place?joined=1" || r.Body != "" {
		t.Fatalf("%d %v %s", r.StatusCode, r.Headers, r.Body)
	}
	value, attributes, _ := strings.Cut(strings.TrimPrefix(r.Headers["Set-Cookie"], "waitingroom_place="), "; ")
	if attributes != "Path=/v1/events/demo/place; Max-Age=172800; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("the cookie's attributes are %s", attributes)
	}
	seat, err := s.key.Open(value)
	if err != nil {
		t.Fatal(err)
	}
	return seat
}

func TestForm(t *testing.T) {
	s := newSale(t)
	first := s.seated(t, s.post(t, s.form(t, asRecorded)))
	raw, _ := base64.RawURLEncoding.DecodeString("AAECAwQFBgcICQoLDA0ODw")
	if first.Visitor != room.VisitorID(raw) || first.Seq != 1 {
		t.Errorf("%+v", first)
	}
	// Pressed twice, sent by API Gateway in base64, and joined by a script with the same secret.
	encoded := s.form(t, func(r *httpapi.Request) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(r.Body)), true
	})
	for _, r := range []httpapi.Request{s.form(t, asRecorded), encoded} {
		if again := s.seated(t, s.post(t, r)); again != first {
			t.Errorf("another place: %+v, want %+v", again, first)
		}
	}
	a := s.joined(t, s.ask(t, s.request(body(raw))), 200)
	if a.Visitor != first.Visitor || a.Shard != first.Shard || a.Seq != first.Seq {
		t.Errorf("a script gets %+v, want %+v", a, first)
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	s := newSale(t)
	with := func(text string) func(*httpapi.Request) { return func(r *httpapi.Request) { r.Body = text } }
	site := func(from string) func(*httpapi.Request) {
		return func(r *httpapi.Request) {
			r.Headers = maps.Clone(r.Headers)
			r.Headers["Sec-Fetch-Site"] = from
		}
	}
	for _, test := range []struct {
		name   string
		change func(*httpapi.Request)
		status int
		code   string
	}{
		{"nothing", with(""), 400, "bad-request"},
		{"no secret", with("place=1"), 400, "bad-request"},
		{"an empty secret", with("secret="), 400, "bad-request"},
		{"too short", with("secret=AAECAwQFBgcICQoLDA0O"), 400, "bad-request"},
		{"too long", with("secret=" + strings.Repeat("A", 44)), 400, "bad-request"},
		{"not base64url", with("secret=%2B%2BECAwQFBgcICQoLDA0ODw"), 400, "bad-request"},
		{"a line break", with("secret=AAECAwQFBgcICQoLDA0ODw%0A"), 400, "bad-request"},
		{"JSON", with(`{"secret":"AAECAwQFBgcICQoLDA0ODw"}`), 400, "bad-request"},
		{"a bad escape", with("secret=%zz"), 400, "bad-request"},
		{"too large", with("secret=" + strings.Repeat("A", 600)), 413, "too-large"},
		{"huge", with(strings.Repeat("a=b&", 1<<20)), 413, "too-large"},
		{"from another site", site("cross-site"), 403, "cross-site"},
		{"from another name of the site", site("same-site"), 403, "cross-site"},
		{"no such event", func(r *httpapi.Request) { r.PathParameters = map[string]string{names.EventParameter: "v1"} }, 404, "unknown-event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := s.post(t, s.form(t, test.change))
			wantProblem(t, r, test.status, test.code)
			if r.Headers["Set-Cookie"] != "" {
				t.Errorf("a cookie for %s", test.name)
			}
		})
	}
	if calls := s.faults.made("Count", "AddVisitor", "Visitor"); calls != nil {
		t.Errorf("something was written: %v", calls)
	}
	for _, from := range []string{"same-origin", "none"} {
		s.seated(t, s.post(t, s.form(t, site(from))))
	}
	s.seated(t, s.post(t, s.form(t, func(r *httpapi.Request) { delete(r.Headers, "Sec-Fetch-Site") })))
}

// What a browser does not remember is no form of its own: another site's, which comes without the cookie,
// or that of a tab which another has overtaken. It neither takes a place nor replaces what is remembered.
func TestFormsThatAreNotRemembered(t *testing.T) {
	for cookie, location := range map[string]string{
		"":                          "/v1/events/demo/place?joined=1",
		"waitingroom_place=":        "/v1/events/demo/place?joined=1",
		"waitingroom_place=new.bad": "/v1/events/demo/place?joined=1",
		"waitingroom_place=new.AAAAAAAAAAAAAAAAAAAAAA": "/v1/events/demo/place",
	} {
		s := newSale(t)
		r := s.post(t, s.form(t, func(r *httpapi.Request) {
			r.Headers["Cookie"] = cookie
			delete(r.Headers, "Sec-Fetch-Site")
		}))
		if r.StatusCode != 303 || r.Headers["Location"] != location || r.Headers["Set-Cookie"] != "" {
			t.Errorf("with %q: %d %v", cookie, r.StatusCode, r.Headers)
		}
		if calls := s.faults.made("Count", "AddVisitor"); calls != nil {
			t.Errorf("with %q something was written: %v", cookie, calls)
		}
	}
}

// A refusal leads to the page that says why, and counts like the problem that it stands for.
func TestRefusalsOfAForm(t *testing.T) {
	const secret = "AAECAwQFBgcICQoLDA0ODw"
	for _, test := range []struct {
		name   string
		change func(*room.State)
		fail   string // call of the store
		err    error
		code   string
		query  string
		again  bool // the visitor may ask again with the same secret
		logged bool
	}{
		{"too early", func(st *room.State) { st.Phase, st.PreQueue = room.Scheduled, st.OnSale.Add(1<<40) }, "", nil, "not-open-yet", "refused=not-open-yet", false, false},
		{"sold out", func(st *room.State) { st.Phase = room.SoldOut }, "", nil, "sold-out", "refused=sold-out", false, false},
		{"over", func(st *room.State) { st.Phase = room.Closed }, "", nil, "over", "refused=over", false, false},
		{"throttled", func(*room.State) {}, "Count", store.ErrThrottled, "busy", "refused=busy&retry=2", true, true},
		{"lost", func(*room.State) {}, "AddVisitor", errLost, "internal", "refused=busy&retry=2", true, true},
	} {
		for _, cookie := range []string{"new." + secret, "v1.a.b", "in.v1.a.b"} {
			t.Run(test.name+" with "+cookie, func(t *testing.T) {
				s := newSale(t)
				s.set(t, test.change)
				s.faults.refuse = failing(test.fail, test.err)
				r := s.post(t, s.form(t, func(r *httpapi.Request) { r.Headers["Cookie"] = names.PlaceCookie + "=" + cookie }))
				if r.StatusCode != 303 || r.Headers["Location"] != "/v1/events/demo/place?"+test.query || r.Body != "" {
					t.Errorf("%d %v %s", r.StatusCode, r.Headers, r.Body)
				}
				// Whether the place was taken is not known: only with the same secret is it the same.
				want := ""
				if test.again && cookie != "new."+secret {
					want = "waitingroom_place=new." + secret + "; Path=/v1/events/demo/place; Max-Age=172800; HttpOnly; Secure; SameSite=Lax"
				}
				if got := r.Headers["Set-Cookie"]; got != want {
					t.Errorf("the cookie is %q, want %q", got, want)
				}
				s.wantCounts(t, metricstest.Refusal(test.code))
				if (s.log.Len() > 0) != test.logged || strings.Contains(s.log.String(), "AAECAwQF") {
					t.Errorf("logged: %s", s.log.String())
				}
				if !test.again {
					return
				}
				s.faults.refuse = nil
				s.seated(t, s.post(t, s.form(t, asRecorded)))
			})
		}
	}
	s := newSale(t)
	r := s.post(t, s.form(t, func(r *httpapi.Request) { r.PathParameters = map[string]string{names.EventParameter: "nowhere"} }))
	if r.StatusCode != 303 || r.Headers["Location"] != "/v1/events/nowhere/place?refused=unknown-event" || r.Headers["Set-Cookie"] != "" {
		t.Errorf("%d %v", r.StatusCode, r.Headers)
	}
}
