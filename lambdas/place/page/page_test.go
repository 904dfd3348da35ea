package page

import (
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
	"waitingroom/shared/turn"
	"waitingroom/shared/words"
	"waitingroom/static"
)

var onSale = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

const secret = "AAECAwQFBgcICQoLDA0ODw"

func state(change func(*room.State)) room.State {
	st := room.State{
		Run:    room.Run{Event: "demo", ID: strings.Repeat("a1", 16)},
		Shards: 4, Closing: room.NoCohort, Phase: room.Open, PoolOpen: true, Cohort: 1, Base: 5000, Admitted: 1000, Expired: 200, Speed: 300,
		OnSale: onSale, PreQueue: onSale.Add(-30 * time.Minute), Closes: onSale.Add(24 * time.Hour), ClaimWindow: 10 * time.Minute,
	}
	change(&st)
	return st
}

func phase(p room.Phase) func(*room.State) {
	return func(st *room.State) {
		st.Phase = p
		if p != room.Open {
			st.Speed = 0
		}
		if p == room.Scheduled || p == room.PreQueue {
			st.PoolOpen, st.Cohort, st.Base, st.Admitted, st.Expired = p == room.PreQueue, 0, 0, 0, 0
		}
	}
}

func unchanged(*room.State) {}

// standing is a visitor with a ticket, at a position of a state; 0 while the cohort is not sealed.
func standing(position int64, change func(*room.State)) Sight {
	st := state(change)
	return Sight{
		Event: "demo", State: st, Turn: &turn.Turn{State: st, Position: position}, Held: plain.Held{Ticket: "v1.a.b"},
		Secret: secret, Now: onSale.Add(time.Hour),
	}
}

// outside is a visitor who has not joined.
func outside(change func(*room.State), now time.Time) Sight {
	return Sight{Event: "demo", State: state(change), Secret: secret, Now: now}
}

// browser is a request of one that prefers a language.
func browser(language string) httpapi.Request {
	return httpapi.Request{Headers: map[string]string{"Accept-Language": language, "X-Forwarded-Proto": "https"}}
}

// drawn is a page as the visitor gets it: the page of the sight, or of the error.
func drawn(t *testing.T, s Sight, err error, language string) httpapi.Response {
	t.Helper()
	if err == nil {
		response, failure := s.Page(browser(language))
		if failure != nil {
			t.Fatal(failure)
		}
		return response
	}
	var shown *httpapi.Shown
	refused := s.Refuse(browser(language), err)
	if !errors.As(refused, &shown) || !errors.Is(refused, err) {
		t.Fatalf("%v is refused as %v", err, refused)
	}
	return shown.Answer
}

const (
	enters  = `action="/v1/events/demo/place/enter"><button id="enter">Go to the shop</button>`
	joins   = `<input type="hidden" name="secret" value="` + secret + `">`
	reloads = `This page reloads by itself.`
)

// refreshIn is the meta element of a page that loads the place after some seconds.
func refreshIn(seconds string) string {
	return `<meta http-equiv="refresh" content="` + seconds + `; url=/v1/events/demo/place">`
}

func TestPages(t *testing.T) {
	early, inPool, later := onSale.Add(-2*time.Hour), onSale.Add(-10*time.Minute), onSale.Add(time.Hour)
	in := func(s Sight, at time.Time) Sight { s.Now = at; return s }
	entered := func(s Sight) Sight { s.Held.Entered = true; return s }
	tests := []struct {
		name   string
		sight  Sight
		err    error
		status int
		state  string
		holds  []string // in this order
		lacks  []string
	}{
		{"unknown", Sight{Event: "demo"}, httpapi.UnknownEvent, 404, "unknown",
			[]string{refreshIn("60"), "This event is not known yet", reloads}, []string{joins, enters}},
		{"a name that no event has", Sight{}, httpapi.UnknownEvent, 404, "unknown",
			[]string{"<title>This event is not known yet</title>"}, []string{"http-equiv", "·", reloads}},
		{"too early", outside(phase(room.Scheduled), early), nil, 200, "scheduled",
			[]string{refreshIn("60"), "You are early", `opens on <time datetime="2026-11-21T09:30:00Z" dir="ltr">2026-11-21 09:30 UTC</time>.`,
				"The sale starts in", "2 hr", `<time datetime="2026-11-21T10:00:00Z" dir="ltr">`, reloads}, []string{joins, enters}},
		{"a moment too early", outside(phase(room.Scheduled), onSale.Add(-30*time.Minute-20*time.Second)), nil, 200, "scheduled",
			[]string{refreshIn("10"), "31 min"}, []string{joins}},
		{"too early to join", outside(phase(room.Scheduled), early), room.ErrNotOpenYet, 403, "scheduled",
			[]string{"You are early"}, []string{joins}},
		{"before the commitment can be read", outside(func(st *room.State) { st.Phase, st.Hidden = room.PreQueue, true }, inPool), nil, 200, "loading",
			[]string{refreshIn("5"), "One moment, please."}, []string{joins}},
		{"countdown", outside(phase(room.PreQueue), inPool), nil, 200, "arriving",
			[]string{"the same chance", "The sale starts in", "10 min", joins, "cookie of this browser", "Join the line"}, []string{"http-equiv", enters}},
		{"the pre-queue opens by the clock", outside(phase(room.Scheduled), inPool), nil, 200, "arriving", []string{joins}, nil},
		{"countdown, joined", in(standing(0, phase(room.PreQueue)), inPool), nil, 200, "pool",
			[]string{refreshIn("60"), "You are in the waiting room", "random place", "10 min", reloads, `<a href="/v1/events/demo/place">Reload now</a>`}, []string{joins, enters}},
		{"the last seconds before the sale", in(standing(0, phase(room.PreQueue)), onSale.Add(-20*time.Second)), nil, 200, "pool",
			[]string{refreshIn("10"), "less than a minute"}, nil},
		{"open, not joined", outside(unchanged, later), nil, 200, "loading",
			[]string{"Waiting room", joins, "Join the line"}, []string{"http-equiv", "until", enters}},
		{"the browser keeps no cookie", Sight{Event: "demo", State: state(unchanged), Secret: secret, Now: later, Joined: true}, nil, 200, "loading",
			[]string{"Your place could not be found", joins, "cookie of this browser"}, nil},
		{"drawing", standing(0, unchanged), nil, 200, "placing", []string{refreshIn("5"), "Drawing your place"}, []string{joins, enters, `id="line"`}},
		{"waiting", standing(3500, unchanged), nil, 200, "waiting",
			[]string{refreshIn("60"), "<title>2,499 people ahead · demo</title>", "You are in line", `<data id="place" value="3500">3,500</data>`,
				`<data id="ahead" value="2499">2,499</data>`, `<dd id="wait">5–10 min</dd>`, `<progress id="progress" value="1000" max="3500">`, reloads},
			[]string{joins, enters, "Keep this page open"}},
		{"waiting for hours", standing(100_000, unchanged), nil, 200, "waiting", []string{refreshIn("60"), `<dd id="wait">4–6 hr</dd>`}, nil},
		{"nearly", standing(1101, unchanged), nil, 200, "nearly", []string{refreshIn("11"), "100 people ahead", "Nearly there", "less than a minute"}, []string{enters}},
		{"next", standing(1001, unchanged), nil, 200, "nearly", []string{refreshIn("5"), "0 people ahead"}, nil},
		{"waiting, and the line stands still", standing(3500, func(st *room.State) { st.Speed = 0 }), nil, 200, "waiting", []string{refreshIn("60"), "not known yet"}, nil},
		{"turn", standing(1000, unchanged), nil, 200, "turn",
			[]string{refreshIn("60"), "It is your turn", "Your turn lasts 10 min.", enters, reloads}, []string{joins, "Taking you"}},
		{"turn in a pause", standing(1000, phase(room.Paused)), nil, 200, "turn", []string{enters}, nil},
		{"turn, written by an older program", standing(1000, func(st *room.State) { st.ClaimWindow = 0 }), nil, 200, "turn", []string{enters}, []string{"lasts"}},
		{"full", standing(1000, unchanged), httpapi.OverCap(7 * time.Second), 429, "turn",
			[]string{refreshIn("7"), "The shop is full for a moment", enters, reloads}, []string{joins}},
		{"let in", entered(standing(1000, unchanged)), nil, 200, "admitted", []string{"You have been let in", enters}, []string{"http-equiv", joins}},
		{"let in, and the turn is over", entered(standing(100, unchanged)), nil, 200, "admitted", []string{enters}, nil},
		{"let in, and everything is sold", entered(standing(100, phase(room.SoldOut))), nil, 200, "admitted", []string{enters}, nil},
		{"turn expired", standing(200, unchanged), nil, 200, "expired", []string{"Your turn has passed", "join again", joins, "Join again"}, []string{enters, "http-equiv"}},
		{"turn expired when pressed", standing(200, unchanged), httpapi.TurnExpired, 410, "expired", []string{"Your turn has passed", joins}, []string{enters}},
		{"pass expired", standing(200, unchanged), httpapi.PassExpired, 410, "expired", []string{"Your time in the shop is over", joins}, []string{enters}},
		{"refused", standing(200, unchanged), ticket.ErrBad, 401, "expired", []string{"Your place could not be found", joins}, []string{enters}},
		{"another sale's ticket", standing(200, unchanged), httpapi.OtherRun, 401, "expired", []string{"Your place could not be found", joins}, nil},
		{"another sale's ticket, before the next", in(standing(0, phase(room.Scheduled)), early), httpapi.OtherRun, 401, "expired", []string{"could not be found"}, []string{joins}},
		{"paused", standing(3500, phase(room.Paused)), nil, 200, "paused", []string{refreshIn("60"), "The line is paused", "You keep your place. It goes on by itself.", `value="3500"`}, []string{joins}},
		{"paused before the sale", in(standing(0, phase(room.Paused)), inPool), nil, 200, "paused", []string{"You keep your place.", "10 min"}, []string{`id="line"`}},
		{"paused, not joined", outside(phase(room.Paused), later), nil, 200, "paused", []string{"It goes on by itself.", joins}, []string{"You keep your place."}},
		{"sold out", standing(3500, phase(room.SoldOut)), nil, 200, "soldout", []string{refreshIn("60"), "You keep your place. If tickets come back", `value="3500"`}, []string{joins, enters}},
		{"sold out, not joined", outside(phase(room.SoldOut), later), nil, 200, "soldout", []string{"Sold out"}, []string{joins, "You keep"}},
		{"sold out when pressed", standing(3500, unchanged), room.ErrSoldOut, 410, "soldout", []string{"You keep your place."}, []string{joins}},
		{"closed", standing(3500, phase(room.Closed)), nil, 200, "closed", []string{"The sale is over", "Thank you for coming."}, []string{"http-equiv", joins, enters}},
		{"closed when pressed", outside(unchanged, later), room.ErrOver, 410, "closed", []string{"The sale is over"}, []string{joins}},
		{"busy", Sight{Event: "demo", Now: later}, store.ErrThrottled, 429, "busy", []string{refreshIn("5"), "very busy", reloads}, []string{joins, enters}},
		{"busy when joining", outside(unchanged, later), store.ErrThrottled, 429, "busy", []string{refreshIn("5"), "very busy", joins}, nil},
		{"broken when entering", standing(1000, unchanged), errors.New("anything"), 503, "busy", []string{refreshIn("5"), "You keep your place."}, []string{joins, enters}},
	}
	states := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := drawn(t, test.sight, test.err, "en")
			rest := r.Body
			for _, want := range test.holds {
				at := strings.Index(rest, want)
				if at < 0 {
					t.Fatalf("%q is not there, or not in its place: %s", want, r.Body)
				}
				rest = rest[at+len(want):]
			}
			for _, not := range test.lacks {
				if strings.Contains(r.Body, not) {
					t.Errorf("%q is there: %s", not, r.Body)
				}
			}
			if r.StatusCode != test.status || !strings.Contains(r.Body, `<main data-state="`+test.state+`">`) {
				t.Errorf("%d, want %d in the state %s: %s", r.StatusCode, test.status, test.state, r.Body)
			}
			checkPage(t, r)
			// A page that reloads by itself says so and can be reloaded at once.
			if strings.Contains(r.Body, "http-equiv") != strings.Contains(r.Body, "Reload now") {
				t.Errorf("reloads in secret or not at all: %s", r.Body)
			}
			retry := r.Headers["Retry-After"] != ""
			if retry != (test.status == 429 || test.status == 503) {
				t.Errorf("%d with Retry-After %q", r.StatusCode, r.Headers["Retry-After"])
			}
			if (r.Headers["WWW-Authenticate"] != "") != (test.status == 401) {
				t.Errorf("%d with %v", test.status, r.Headers)
			}
		})
		states[test.state] = true
	}
	// What is not here is of the page with JavaScript alone.
	for _, name := range []string{"unknown", "scheduled", "arriving", "pool", "placing", "waiting", "nearly", "turn", "admitted", "expired", "paused", "soldout", "closed", "busy"} {
		if !states[name] {
			t.Errorf("the state %s has no page", name)
		}
	}
}

// checkPage holds what every page has to be.
func checkPage(t *testing.T, r httpapi.Response) {
	t.Helper()
	for name, want := range names.PlainHeaders() {
		if r.Headers[name] != want {
			t.Errorf("%s is %q, want %q", name, r.Headers[name], want)
		}
	}
	if r.Headers["Content-Type"] != "text/html; charset=utf-8" || r.Headers["Cache-Control"] != "no-store" {
		t.Errorf("headers %v", r.Headers)
	}
	for _, never := range []string{"<script", "style=", " on", "ZgotmplZ", "{time}", "{n}"} {
		if never == " on" {
			if regexp.MustCompile(`<[^>]* on[a-z]+=`).MatchString(r.Body) {
				t.Errorf("a handler of events: %s", r.Body)
			}
			continue
		}
		if strings.Contains(r.Body, never) {
			t.Errorf("%s is in the page: %s", never, r.Body)
		}
	}
	if n := strings.Count(r.Body, "<h1"); n != 1 {
		t.Errorf("%d headings", n)
	}
}

// Whatever text comes from elsewhere is text.
func TestEverythingIsEscaped(t *testing.T) {
	hostile := `"><script>alert(1)</script>&'`
	s := standing(1000, unchanged)
	s.Event, s.Secret = hostile, hostile
	for _, err := range []error{nil, httpapi.PassExpired} {
		if body := drawn(t, s, err, "en").Body; strings.Contains(body, "<script") || strings.Contains(body, `""`) {
			t.Error(body)
		}
	}
}

// A visitor who only looks is remembered by the secret, so that a second tab and a reload are the same
// visitor. A ticket is never replaced by one.
func TestTheSecretIsRemembered(t *testing.T) {
	fresh := outside(unchanged, onSale.Add(time.Hour))
	r := drawn(t, fresh, nil, "en")
	if got := r.Headers["Set-Cookie"]; !strings.HasPrefix(got, "waitingroom_place=new."+secret+"; Path=/v1/events/demo/place; Max-Age=172800; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("Set-Cookie %q", got)
	}
	fresh.Held.Secret = secret
	closed := outside(phase(room.Closed), onSale.Add(time.Hour))
	for _, s := range []Sight{fresh, closed, standing(200, unchanged), standing(3500, unchanged)} {
		if got := drawn(t, s, nil, "en").Headers["Set-Cookie"]; got != "" {
			t.Errorf("Set-Cookie %q", got)
		}
	}
}

// A language whose files were read is drawn in every state that the plain page has.
func TestEveryLanguageHasItsWords(t *testing.T) {
	for _, name := range words.Languages() {
		w, err := textsFor(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := units[name]; !ok {
			t.Errorf("%s has no units of time", name)
		}
		waiting := drawn(t, standing(3500, unchanged), nil, name)
		if !strings.Contains(waiting.Body, `<html lang="`+name+`" dir="`+w.Dir+`">`) {
			t.Error(waiting.Body)
		}
		checkPage(t, waiting)
		checkPage(t, drawn(t, outside(phase(room.Scheduled), onSale.Add(-2*time.Hour)), nil, name))
		for _, n := range []int64{0, 1, 2, 3, 5, 11, 21, 100, 1_000_000, 1 << 40} {
			if got := w.people(n); strings.Contains(got, "{") || got == "" {
				t.Errorf("%s: %d people are %q", name, n, got)
			}
		}
	}
}

// The words that the template says have to be there; a language is checked against English elsewhere.
func TestTheWordsSaidAreThere(t *testing.T) {
	english := map[string]json.RawMessage{}
	for _, file := range []string{"assets/words/en.json", "assets/words/more/en.json"} {
		text, err := fs.ReadFile(static.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &english); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{
		"plain", "plain.opens", "plain.join", "plain.reload", "plain.enter", "plain.leaving", "plain.cookie", "kept", "starts",
		"place", "ahead", "wait", "progress", "again", "enter", "wait.short", "wait.long", "wait.unknown", "people", "turn.full",
	} {
		if english[key] == nil {
			t.Errorf("%s is not among the words", key)
		}
	}
}

func TestDurations(t *testing.T) {
	w, err := textsFor("en")
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[time.Duration]string{
		0: "less than a minute", time.Minute: "1 min", time.Minute + 1: "2 min", 10 * time.Minute: "10 min",
		119 * time.Minute: "119 min", 2 * time.Hour: "2 hr", 150 * time.Minute: "3 hr", 2000 * time.Hour: "2,000 hr",
	} {
		if got := w.duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1–2 min", 59 * time.Minute: "45–60 min",
		time.Hour: "1–2 hr", 479 * time.Minute: "6–8 hr", 8 * time.Hour: "more than 8 hr", 1 << 62: "more than 8 hr",
	} {
		if got := w.wait(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// The page and this one give the same ranges.
func TestRangesAreThePages(t *testing.T) {
	source, err := fs.ReadFile(static.Files, "assets/room.js")
	if err != nil {
		t.Fatal(err)
	}
	list := strings.ReplaceAll(strings.Trim(strings.ReplaceAll(jsonOf(t, edges), ",", ", "), "[]"), "  ", " ")
	if !strings.Contains(string(source), "EDGES = ["+list+", Infinity]") {
		t.Errorf("room.js has other edges than %s", list)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// One program draws many pages at once on one machine; in Lambda it draws one at a time.
func TestPagesAtOnce(t *testing.T) {
	const readers = 8
	var want [readers]string
	var pages sync.WaitGroup
	for i := range readers {
		pages.Go(func() {
			for _, language := range []string{"en", "ar", "pl", "ja"} {
				r, err := standing(3500, unchanged).Page(browser(language))
				if err != nil {
					t.Error(err)
				}
				want[i] += r.Body
			}
		})
	}
	pages.Wait()
	for i := range readers {
		if want[i] != want[0] {
			t.Errorf("reader %d got other pages", i)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s, r := standing(3500, unchanged), browser("de-AT,de;q=0.8,en;q=0.5")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Page(r); err != nil {
			b.Fatal(err)
		}
	}
}
