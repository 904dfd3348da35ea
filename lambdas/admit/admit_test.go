package admit_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

var errLost = errors.New("no answer came")

// claims checks a pass with the key of its algorithm and returns what it says.
func claims(t testing.TB, token string, alg jose.SignatureAlgorithm) map[string]any {
	t.Helper()
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	var key any = pass.HMACKey([]byte("a deployment's secret"))
	if alg == jose.RS256 {
		private, err := rsaKey()
		if err != nil {
			t.Fatal(err)
		}
		key = private.Public()
	}
	payload, err := parsed.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(payload, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestRecordedRequest(t *testing.T) {
	s := newSale(t, 8)
	s.wait(1500 * time.Millisecond)
	got := admitted(t, s.ask(t, s.event))
	said := claims(t, got.Pass, jose.HS256)
	issued := onSale.Add(time.Minute + time.Second).Unix()
	for name, want := range map[string]any{
		"iss": "https://room.example", "aud": "https://shop.example", "event": "demo",
		"sub": "00000000000000000000000000000004", "iat": float64(issued), "exp": float64(issued + 1800),
	} {
		if said[name] != want {
			t.Errorf("%s is %v, want %v", name, said[name], want)
		}
	}
	if id, _ := said["jti"].(string); len(id) != 32 {
		t.Errorf("jti %v", said["jti"])
	}
	if want := (admit.Admitted{Pass: got.Pass, Redirect: "https://shop.example/checkout?" + names.PassParameter + "=" + got.Pass}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}

	inBase64 := changed(s.event, func(r *httpapi.Request) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(r.Body)), true
	})
	wantSame(t, again(t, s.ask(t, inBase64)), got)
	wantSame(t, s.taken(t, 600), 1)
	wantSame(t, s.log.String(), "")
}

func TestBadRequestsChangeNothing(t *testing.T) {
	s := newSale(t, 8)
	good, v := s.tickets[1], s.visitor(t, 1)
	another, err := ticket.NewKey([]byte("another deployment's secret"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := s.key.Open(good)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*ticket.Ticket)) httpapi.Request { return s.request(body(s.ticket(v, change))) }
	inBase64 := func(r *httpapi.Request) { r.IsBase64Encoded = true }
	tests := []struct {
		name    string
		request httpapi.Request
		status  int
		code    string
	}{
		{"unknown event", forEvent(s.request(body(good)), "other"), 404, "unknown-event"},
		{"a reserved name", forEvent(s.request(body(good)), "v1"), 404, "unknown-event"},
		{"two names", forEvent(s.request(body(good)), "a/b"), 404, "unknown-event"},
		{"no path parameters", changed(s.request(body(good)), func(r *httpapi.Request) { r.PathParameters = nil }), 404, "unknown-event"},
		{"no body", s.request(""), 400, "bad-request"},
		{"not JSON", s.request("ticket=" + good), 400, "bad-request"},
		{"an array", s.request("[" + body(good) + "]"), 400, "bad-request"},
		{"a number", s.request(`{"ticket":1}`), 400, "bad-request"},
		{"an object", s.request(`{"ticket":{"v":1}}`), 400, "bad-request"},
		{"trailing data", s.request(body(good) + body(good)), 400, "bad-request"},
		{"base64 that is none", changed(s.request(body(good)), inBase64), 400, "bad-request"},
		{"huge", s.request(body(strings.Repeat("A", 6<<20))), 413, "too-large"},
		{"huge in base64", changed(s.request(strings.Repeat("e3t7", 1<<20)), inBase64), 413, "too-large"},
		{"no ticket", s.request(`{}`), 401, "bad-ticket"},
		{"null", s.request(`{"ticket":null}`), 401, "bad-ticket"},
		{"an empty ticket", s.request(body("")), 401, "bad-ticket"},
		{"a long ticket", s.request(body(strings.Repeat("A", 900))), 401, "bad-ticket"},
		{"another room's ticket", s.request(body(another.Seal(opened))), 401, "bad-ticket"},
		{"a ticket of another event", with(func(t *ticket.Ticket) { t.Event = "other" }), 401, "bad-ticket"},
		{"a ticket of another run", with(func(t *ticket.Ticket) { t.Run = strings.Repeat("b2", 16) }), 401, "other-run"},
		{"a ticket of nobody", with(func(t *ticket.Ticket) { t.Visitor = strings.Repeat("c3", 16) }), 401, "bad-ticket"},
		{"a place that the visitor has not", with(func(t *ticket.Ticket) { t.Seq = 3 - t.Seq }), 401, "bad-ticket"},
		{"a number that was never given out", with(func(t *ticket.Ticket) { t.Seq = 3 }), 401, "bad-ticket"},
		{"a shard that is not there", with(func(t *ticket.Ticket) { t.Shard = shards }), 401, "bad-ticket"},
		{"number zero", with(func(t *ticket.Ticket) { t.Seq = 0 }), 401, "bad-ticket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := s.ask(t, test.request)
			wantProblem(t, response, test.status, test.code)
			if challenge := response.Headers["WWW-Authenticate"]; (challenge == "Bearer") != (test.status == 401) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
		})
	}
	for i := range good {
		flipped := []byte(good)
		flipped[i] ^= 1
		r := s.claim(t, string(flipped))
		if flipped[i] == '"' || flipped[i] == '\\' {
			wantSame(t, r.StatusCode/100, 4)
			continue
		}
		wantProblem(t, r, 401, "bad-ticket")
	}
	wantSame(t, s.faults.writes(), 0)
	wantSame(t, s.log.String(), "")
}

func TestBeforeTheTurn(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Admitted = 3 })
	for position := 4; position <= 8; position++ {
		w := waiting(t, s.claim(t, s.tickets[position]))
		if w.Position != int64(position) || w.Admitted != 3 || w.RetryAfter < 1 {
			t.Errorf("position %d: %+v", position, w)
		}
	}
	for position := 1; position <= 3; position++ {
		admitted(t, s.claim(t, s.tickets[position]))
	}

	// The state decides what is sealed, and says nothing about a position until then.
	s.set(t, func(st *room.State) { st.Cohort, st.Base, st.Admitted = 0, 0, 0 })
	r := s.claim(t, s.tickets[4])
	if w := waiting(t, r); w.Position != 0 || strings.Contains(r.Body, "position") || w.RetryAfter < 1 {
		t.Errorf("in a cohort that is not sealed: %s", r.Body)
	}
	s.faults.writes()
	for _, phase := range []room.Phase{room.PreQueue, room.Open, room.Paused} {
		s.set(t, func(st *room.State) { st.Phase = phase })
		waiting(t, s.claim(t, s.tickets[4]))
	}
	wantSame(t, s.faults.writes(), 0)
}

// Whoever waits is asked to look again after half of the estimate, between 2 s and a minute.
func TestRetryAfterBeforeTheTurn(t *testing.T) {
	s := newSale(t, 4000)
	s.set(t, func(st *room.State) { st.Admitted = 1 }) // ten a second
	for position, want := range map[int]int64{2: 2, 41: 2, 51: 3, 1001: 50, 1201: 60, 4000: 60} {
		if w := waiting(t, s.claim(t, s.tickets[position])); w.RetryAfter != want {
			t.Errorf("position %d: %+v, want %d", position, w, want)
		}
	}
	s.set(t, func(st *room.State) { st.Phase, st.Speed = room.Paused, 0 })
	wantSame(t, waiting(t, s.claim(t, s.tickets[2])).RetryAfter, 30)
}

// The line has ended: what was not claimed is refused, a pass that was issued is given again.
func TestEndOfTheLine(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*room.State)
		code   string
	}{
		{"sold out", func(st *room.State) { st.Phase = room.SoldOut }, "sold-out"},
		{"closed", func(st *room.State) { st.Phase = room.Closed }, "over"},
		{"expired", func(st *room.State) { st.Expired = 8 }, "turn-expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSale(t, 8)
			before := admitted(t, s.claim(t, s.tickets[1]))
			s.set(t, test.change)
			s.faults.writes()
			wantProblem(t, s.claim(t, s.tickets[2]), 410, test.code)
			wantSame(t, again(t, s.claim(t, s.tickets[1])), before)
			wantSame(t, s.faults.writes(), 0)
			wantSame(t, s.visitor(t, 2).Mark, time.Time{})
		})
	}
	t.Run("before the turn", func(t *testing.T) {
		s := newSale(t, 8)
		s.set(t, func(st *room.State) { st.Phase, st.Admitted = room.SoldOut, 0 })
		wantProblem(t, s.claim(t, s.tickets[1]), 410, "sold-out")
		s.set(t, func(st *room.State) { st.Phase = room.Closed })
		wantProblem(t, s.claim(t, s.tickets[1]), 410, "over")
		// Nor does anybody wait in the cohort that was open at the end.
		s.set(t, func(st *room.State) { st.Cohort = 0 })
		wantProblem(t, s.claim(t, s.tickets[1]), 410, "over")
	})
}

func TestExpiredIsExact(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Expired, st.Admitted = 3, 6 })
	wantProblem(t, s.claim(t, s.tickets[3]), 410, "turn-expired")
	admitted(t, s.claim(t, s.tickets[4]))
	admitted(t, s.claim(t, s.tickets[6]))
	waiting(t, s.claim(t, s.tickets[7]))
}

func TestTurnsLastThroughAPause(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Phase, st.Speed = room.Paused, 0 })
	admitted(t, s.claim(t, s.tickets[5]))
}

func TestSamePassAgain(t *testing.T) {
	for _, alg := range []string{pass.RS256, pass.HS256} {
		t.Run(alg, func(t *testing.T) {
			s := newSale(t, 8)
			s.set(t, func(st *room.State) { st.PassAlg = alg })
			r := s.claim(t, s.tickets[1])
			first := admitted(t, r)
			if strings.Contains(r.Body, "again") {
				t.Errorf("the first answer is %s", r.Body)
			}
			said := claims(t, first.Pass, jose.SignatureAlgorithm(alg))
			s.faults.writes()
			// Another environment, a moment before the pass expires.
			s.wait(30*time.Minute - time.Millisecond)
			s.set(t, func(*room.State) {})
			wantSame(t, again(t, s.claim(t, s.tickets[1])), first)
			wantSame(t, s.faults.writes(), 0)

			s.wait(time.Millisecond)
			s.set(t, func(*room.State) {})
			wantSame(t, said["exp"].(float64), float64(s.now.Unix()))
			wantProblem(t, s.claim(t, s.tickets[1]), 410, "pass-expired")
			wantSame(t, s.faults.writes(), 0)
		})
	}
}

func TestReplayedAtOnce(t *testing.T) {
	for range 20 {
		s := newSale(t, 8)
		answers := make([]httpapi.Response, 100)
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range answers {
			all.Go(func() {
				<-start
				answers[i], _ = s.answer(t.Context(), s.request(body(s.tickets[1])))
			})
		}
		close(start)
		all.Wait()
		passes, issued := map[string]bool{}, 0
		for _, r := range answers {
			checkAnswer(t, r)
			if r.StatusCode == 200 {
				a := admitted(t, r)
				passes[a.Pass] = true
				if !a.Again {
					issued++
				}
				continue
			}
			wantProblem(t, r, 429, "over-cap")
		}
		wantSame(t, len(passes), 1)
		wantSame(t, issued, 1)
		wantSame(t, s.taken(t, 600), 1)
		for pass := range passes {
			wantSame(t, again(t, s.claim(t, s.tickets[1])).Pass, pass)
		}
	}
}

// late is a store whose visitors were read a moment ago.
type late struct {
	*faults
	meanwhile func()
}

func (l late) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	v, err := l.faults.Visitor(ctx, run, id)
	l.meanwhile()
	return v, err
}

// Two calls at once, in two environments: the one that comes second finds the visitor admitted.
func TestAdmittedMeanwhile(t *testing.T) {
	s := newSale(t, 8)
	var first admit.Admitted
	s.admitter.Store = late{s.faults, func() {
		s.admitter.Store = s.faults
		first = admitted(t, s.claim(t, s.tickets[1]))
	}}
	wantSame(t, again(t, s.claim(t, s.tickets[1])), first)
	wantSame(t, first.Again, false)
	wantSame(t, s.taken(t, 600), 1)
}

// fillWindow lets visitors in until the window is full.
func (s *sale) fillWindow(t *testing.T, positions ...int) {
	t.Helper()
	for _, position := range positions {
		admitted(t, s.claim(t, s.tickets[position]))
	}
}

func TestOverTheCap(t *testing.T) {
	s := newSale(t, 12)
	s.wait(300 * time.Millisecond)
	s.fillWindow(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	r := s.claim(t, s.tickets[11])
	wantProblem(t, r, 429, "over-cap")
	wantRetry(t, r, 1)
	s.wait(700 * time.Millisecond)
	admitted(t, s.claim(t, s.tickets[11]))
	wantSame(t, s.taken(t, 600), 11)
}

// At three a minute every second window of ten seconds holds one visitor.
func TestRetryAfterNamesTheNextWindowWithRoom(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Cap = room.Cap{Rate: 3} })
	shape := room.ShapeOf(3)
	for shape.WindowAt(s.now).Limit(3) == 0 {
		s.wait(10 * time.Second)
	}
	s.set(t, func(*room.State) {})
	s.fillWindow(t, 1)
	r := s.claim(t, s.tickets[2])
	wantProblem(t, r, 429, "over-cap")
	wantRetry(t, r, 20)

	s.wait(12500 * time.Millisecond) // into the window that holds nobody
	s.set(t, func(*room.State) {})
	s.faults.writes()
	r = s.claim(t, s.tickets[2])
	wantProblem(t, r, 429, "over-cap")
	wantRetry(t, r, 8)
	wantSame(t, s.faults.writes(), 0)

	s.wait(7500 * time.Millisecond)
	s.set(t, func(*room.State) {})
	admitted(t, s.claim(t, s.tickets[2]))
}

func TestFullWindowIsRemembered(t *testing.T) {
	s := newSale(t, 16)
	s.fillWindow(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	wantProblem(t, s.claim(t, s.tickets[11]), 429, "over-cap") // finds out
	s.faults.writes()
	for position := 11; position <= 16; position++ {
		wantProblem(t, s.claim(t, s.tickets[position]), 429, "over-cap")
	}
	wantSame(t, s.faults.writes(), 0)
	s.wait(time.Second)
	admitted(t, s.claim(t, s.tickets[11]))
	wantSame(t, s.faults.writes(), 3)
}

// Every part of a window is filled, whichever of them visitors happen to try first.
func TestSplitWindows(t *testing.T) {
	const rate, limit, visitors = 60_000, 1000, 1200
	s := newSale(t, visitors)
	s.set(t, func(st *room.State) { st.Cap = room.Cap{Rate: rate} })
	answers := make([]httpapi.Response, visitors+1)
	claimAll := func() (in int) {
		var all sync.WaitGroup
		for first := 1; first <= 8; first++ {
			all.Go(func() {
				for position := first; position <= visitors; position += 8 {
					if answers[position].StatusCode != 200 {
						answers[position], _ = s.answer(t.Context(), s.request(body(s.tickets[position])))
					}
				}
			})
		}
		all.Wait()
		for _, r := range answers[1:] {
			if r.StatusCode == 200 {
				in++
			} else {
				wantProblem(t, r, 429, "over-cap")
				wantRetry(t, r, 1)
			}
		}
		return in
	}
	wantSame(t, claimAll(), limit)
	w := room.ShapeOf(rate).WindowAt(s.now)
	wantSame(t, w.Parts, 4)
	for part := range w.Parts {
		n, _, err := s.Taken(t.Context(), s.run, w, part)
		if err != nil || n != limit/4 {
			t.Errorf("part %d took %d, %v", part, n, err)
		}
	}
	s.faults.writes()
	wantSame(t, claimAll(), limit)
	wantSame(t, s.faults.writes(), 0)
	s.wait(time.Second)
	wantSame(t, claimAll(), visitors)
}

// A slot is taken and the admission is not stored: the slot stays taken, and the next window has
// room again.
func TestAdmissionThatWasNotStored(t *testing.T) {
	s := newSale(t, 8)
	s.faults.refuse = map[string]error{"Admit": errLost}
	wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
	s.faults.refuse = nil
	wantSame(t, s.taken(t, 600), 1)
	wantProblem(t, s.claim(t, s.tickets[1]), 429, "over-cap")
	wantSame(t, s.taken(t, 600), 1)
	s.wait(time.Second)
	admitted(t, s.claim(t, s.tickets[1]))
	wantSame(t, s.taken(t, 600), 2)
}

func TestAdmissionThatWasStoredUnheard(t *testing.T) {
	s := newSale(t, 8)
	s.faults.lose = map[string]error{"Admit": errLost}
	wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
	s.faults.lose = nil
	kept := s.visitor(t, 1).Pass
	said := claims(t, again(t, s.claim(t, s.tickets[1])).Pass, jose.HS256)
	if kept == nil || said["jti"] != kept.ID {
		t.Errorf("pass %v, stored was %+v", said["jti"], kept)
	}
	wantSame(t, s.taken(t, 600), 1)
}

// repeated is a store whose client repeats an admission that was stored and not answered, as the
// SDK does.
type repeated struct{ *faults }

func (r repeated) Admit(ctx context.Context, run room.Run, id string, p room.Pass) (room.Pass, error) {
	if _, err := r.faults.Admit(ctx, run, id, p); err != nil {
		return room.Pass{}, err
	}
	return r.faults.Admit(ctx, run, id, p)
}

// A write that meets its own earlier attempt is this call's admission, not another's.
func TestAdmissionThatWasRepeatedIsOwn(t *testing.T) {
	s := newSale(t, 8)
	s.admitter.Store = repeated{s.faults}
	first := admitted(t, s.claim(t, s.tickets[1]))
	wantSame(t, first.Again, false)
	s.wantCounts(t, admission()...)
	wantSame(t, again(t, s.claim(t, s.tickets[1])), first)
	s.wantCounts(t)
}

// Whatever became of the mark or of the slot, the visitor gets in later and no window takes more
// than one slot for it.
func TestLostAnswersKeepTheTurn(t *testing.T) {
	for name, slots := range map[string]int64{"Mark": 0, "TakeSlot": 1} {
		t.Run(name, func(t *testing.T) {
			s := newSale(t, 8)
			s.faults.lose = map[string]error{name: errLost}
			wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
			s.faults.lose = nil
			wantProblem(t, s.claim(t, s.tickets[1]), 429, "over-cap")
			wantSame(t, s.taken(t, 600), slots)
			s.wait(time.Second)
			admitted(t, s.claim(t, s.tickets[1]))
			wantSame(t, s.taken(t, 600), slots+1)
		})
	}
}

func TestFailuresOfTheStore(t *testing.T) {
	for _, name := range []string{"State", "Seal", "Visitor", "Mark", "TakeSlot", "Admit"} {
		for _, test := range []struct {
			err    error
			status int
			code   string
		}{{errLost, 503, "internal"}, {fmt.Errorf("somewhere: %w", store.ErrThrottled), 429, "busy"}} {
			t.Run(name+" "+test.code, func(t *testing.T) {
				s := newSale(t, 8)
				s.wait(2 * time.Second) // what is remembered of the state is too old
				s.faults.refuse = map[string]error{name: test.err}
				wantProblem(t, s.claim(t, s.tickets[1]), test.status, test.code)
				s.faults.refuse = nil
				s.wait(2 * time.Second)
				admitted(t, s.claim(t, s.tickets[1]))
			})
		}
	}
}

// busyKey is an RSA key whose holder refuses for a while.
type busyKey struct {
	crypto.Signer
	err error
}

func (k *busyKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.Signer.Sign(random, digest, o)
}

func TestThrottledSignatureKeepsTheTurn(t *testing.T) {
	s := newSale(t, 8)
	private, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	key := &busyKey{private, fmt.Errorf("sign: %w", pass.ErrThrottled)}
	if s.admitter.Signers[pass.RS256], err = pass.NewRS256(key); err != nil {
		t.Fatal(err)
	}
	s.set(t, func(st *room.State) { st.PassAlg = pass.RS256 })
	r := s.claim(t, s.tickets[1])
	wantProblem(t, r, 429, "busy")
	wantRetry(t, r, 2)
	if !strings.Contains(s.log.String(), `"WARN"`) {
		t.Errorf("a team cannot see that signatures are throttled: %q", s.log.String())
	}
	kept := s.visitor(t, 1).Pass

	key.err = nil
	s.faults.writes()
	got := again(t, s.claim(t, s.tickets[1]))
	if said := claims(t, got.Pass, jose.RS256); kept == nil || said["jti"] != kept.ID || said["exp"] != float64(kept.Expiry.Unix()) {
		t.Errorf("pass %v, stored was %+v", said, kept)
	}
	wantSame(t, again(t, s.claim(t, s.tickets[1])), got)
	wantSame(t, s.faults.writes(), 0)
	wantSame(t, s.taken(t, 600), 1)
}

func TestRedirect(t *testing.T) {
	for target, want := range map[string]struct{ address, audience string }{
		"https://shop.example/checkout":           {"https://shop.example/checkout?", "https://shop.example"},
		"https://shop.example":                    {"https://shop.example?", "https://shop.example"},
		"https://shop.example/?":                  {"https://shop.example/?", "https://shop.example"},
		"https://shop.example/c?show=7&lang=de":   {"https://shop.example/c?show=7&lang=de&", "https://shop.example"},
		"https://shop.example/c?z=1&a=%2F%20+&a=": {"https://shop.example/c?z=1&a=%2F%20+&a=&", "https://shop.example"},
		"https://shop.example/a%2Fb/c":            {"https://shop.example/a%2Fb/c?", "https://shop.example"},
		"https://Shop.Example:443/c":              {"https://Shop.Example:443/c?", "https://shop.example"},
		"https://shop.example:8443/c":             {"https://shop.example:8443/c?", "https://shop.example:8443"},
		"http://127.0.0.1:8080/shop":              {"http://127.0.0.1:8080/shop?", "http://127.0.0.1:8080"},
		"http://[::1]:8080/shop":                  {"http://[::1]:8080/shop?", "http://[::1]:8080"},
	} {
		t.Run(target, func(t *testing.T) {
			s := newSale(t, 8)
			s.set(t, func(st *room.State) { st.Target = target })
			got := admitted(t, s.claim(t, s.tickets[1]))
			wantSame(t, got.Redirect, want.address+names.PassParameter+"="+got.Pass)
			wantSame(t, claims(t, got.Pass, jose.HS256)["aud"], any(want.audience))
		})
	}
}

// What is wrong with the settings is ours to mend, and the visitor may ask again meanwhile.
func TestPassesThatCannotBeMade(t *testing.T) {
	for name, change := range map[string]func(*room.State){
		"an unknown algorithm":      func(st *room.State) { st.PassAlg = "none" },
		"no algorithm":              func(st *room.State) { st.PassAlg = "" },
		"a target that is none":     func(st *room.State) { st.Target = "://" },
		"a target without a scheme": func(st *room.State) { st.Target = "shop.example" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSale(t, 8)
			s.set(t, change)
			wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
			if !strings.Contains(s.log.String(), `"event":"demo"`) {
				t.Errorf("logged %q", s.log.String())
			}
			s.set(t, func(st *room.State) { st.PassAlg, st.Target = pass.HS256, "https://shop.example/checkout" })
			s.wait(time.Second)
			admitted(t, s.claim(t, s.tickets[1]))
		})
	}
}

func TestLogsHoldNoTicketsOrPasses(t *testing.T) {
	s := newSale(t, 8)
	granted := admitted(t, s.claim(t, s.tickets[1]))
	s.set(t, func(st *room.State) { st.PassAlg = "none" })
	wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
	s.set(t, func(st *room.State) { st.PassAlg = pass.HS256 })
	s.faults.refuse = map[string]error{"Mark": errLost}
	wantProblem(t, s.claim(t, s.tickets[2]), 503, "internal")
	if text := s.counts.String(); !strings.Contains(text, names.MetricAdmissions) || strings.Contains(text, "eyJ") ||
		strings.Contains(text, "v1.") || strings.Contains(text, s.visitor(t, 1).ID) {
		t.Errorf("the metrics hold %s", text)
	}
	log := s.log.String()
	for _, want := range []string{"visitor ", errLost.Error(), `"event":"demo"`, s.event.RequestContext.RequestID, s.event.Resource} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	for _, not := range []string{granted.Pass, "eyJ", "v1.", names.PassParameter, "not-a-key"} {
		if strings.Contains(log, not) {
			t.Errorf("the log holds %q: %s", not, log)
		}
	}
}

// slowAdmit runs something else before each admission is stored.
type slowAdmit struct {
	*faults
	between []func()
}

func (s *slowAdmit) Admit(ctx context.Context, run room.Run, id string, p room.Pass) (room.Pass, error) {
	if len(s.between) > 0 {
		next := s.between[0]
		s.between = s.between[1:]
		next()
	}
	return s.faults.Admit(ctx, run, id, p)
}

// Replays that straddle the end of a window arrive in any order: the one that looked at the clock
// first may come to its mark last. It takes no second slot of the window that it belongs to.
func TestReplaysAcrossAWindow(t *testing.T) {
	s := newSale(t, 8)
	before, after := s.now.Add(999*time.Millisecond), s.now.Add(time.Second)
	slow := &slowAdmit{faults: s.faults}
	s.admitter.Store = slow
	replay := func(at time.Time) func() {
		return func() {
			s.now = at
			if r := s.claim(t, s.tickets[1]); r.StatusCode != 200 && r.StatusCode != 429 {
				t.Errorf("%d %s", r.StatusCode, r.Body)
			}
		}
	}
	slow.between = []func(){replay(after), replay(before)}
	replay(before)()
	for _, at := range []time.Time{before, after} {
		if n := s.slots(t, room.ShapeOf(600).WindowAt(at)); n > 1 {
			t.Errorf("the window of %v took %d slots for one ticket", at, n)
		}
	}
}

// A pass that cannot be made for a reason known beforehand costs no slot, and the visitor's pass
// does not run out while the settings are mended.
func TestPassesThatCannotBeMadeTakeNothing(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.PassAlg = "none" })
	s.faults.writes()
	wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
	wantSame(t, s.faults.writes(), 0)
}

// The table keeps a state for good and seals for 90 days: a ticket that is older is over, no fault.
func TestSealsThatAreGone(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Phase, st.Final = room.Closed, true })
	s.wait(91 * 24 * time.Hour)
	wantProblem(t, s.claim(t, s.tickets[1]), 410, "over")
}

func TestImpossibleEventsAreNotLookedUp(t *testing.T) {
	s := newSale(t, 8)
	for _, name := range []string{"", "Demo", "a/b", "d\u00e9mo", "demo#1", "v1", "shop", strings.Repeat("a", 65), strings.Repeat("a", 5000)} {
		s.faults.writes()
		wantProblem(t, s.ask(t, forEvent(s.request(body(s.tickets[1])), name)), 404, "unknown-event")
		if s.faults.calls["State"] != 0 {
			t.Errorf("%.70q was looked up", name)
		}
	}
}

// A window that was full at one rate has room at a higher one, which is in force within seconds.
func TestRaisedRateInAFullWindow(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Cap = room.Cap{Rate: 6} })
	admitted(t, s.claim(t, s.tickets[1]))
	wantProblem(t, s.claim(t, s.tickets[2]), 429, "over-cap")
	s.set(t, func(st *room.State) { st.Cap = room.Cap{Rate: 60} })
	admitted(t, s.claim(t, s.tickets[3]))
}
