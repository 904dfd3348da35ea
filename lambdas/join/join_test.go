package join_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/join"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

var errLost = errors.New("no answer came")

func TestRecordedRequest(t *testing.T) {
	s := newSale(t)
	first := s.joined(t, s.ask(t, s.event), 201)
	if first.Visitor != "be45cb2605bf36bebde684841a28f0fd" || first.Cohort != 0 || first.Seq != 1 {
		t.Errorf("%+v", first)
	}
	inBase64 := s.event
	inBase64.Body, inBase64.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(s.event.Body)), true
	if again := s.joined(t, s.ask(t, inBase64), 200); again != first {
		t.Errorf("asked again: %+v, before: %+v", again, first)
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	good := body(secret(1, 16))
	withSecret := func(text string) string { return `{"secret":"` + text + `"}` }
	s := newSale(t)
	tests := []struct {
		name    string
		request httpapi.Request
		status  int
		code    string
	}{
		{"unknown event", forEvent(s.request(good), "other"), 404, "unknown-event"},
		{"a reserved name", forEvent(s.request(good), "v1"), 404, "unknown-event"},
		{"two names", forEvent(s.request(good), "demo/b"), 404, "unknown-event"},
		{"another item's key", forEvent(s.request(good), "demo#"+s.run.ID), 404, "unknown-event"},
		{"an empty name", forEvent(s.request(good), ""), 404, "unknown-event"},
		{"no path parameters", without(s.request(good), func(r *httpapi.Request) { r.PathParameters = nil }), 404, "unknown-event"},
		{"no body", s.request(""), 400, "bad-request"},
		{"not JSON", s.request("secret=AAECAwQFBgcICQoLDA0ODw"), 400, "bad-request"},
		{"an array", s.request("[" + good + "]"), 400, "bad-request"},
		{"trailing data", s.request(good + "x"), 400, "bad-request"},
		{"two objects", s.request(good + good), 400, "bad-request"},
		{"a number", s.request(`{"secret":12345678901234567890}`), 400, "bad-request"},
		{"a list", s.request(`{"secret":["AAECAwQFBgcICQoLDA0ODw"]}`), 400, "bad-request"},
		{"null", s.request(`{"secret":null}`), 400, "bad-request"},
		{"no secret", s.request(`{}`), 400, "bad-request"},
		{"base64 that is none", without(s.request(good), func(r *httpapi.Request) { r.IsBase64Encoded = true }), 400, "bad-request"},
		{"huge", s.request(withSecret(strings.Repeat("A", 6<<20))), 413, "too-large"},
		{"huge in base64", without(s.request(encode([]byte(withSecret(strings.Repeat("A", 6<<20))))), func(r *httpapi.Request) { r.IsBase64Encoded = true }), 413, "too-large"},
		{"a secret of 15 bytes", s.request(body(secret(1, 15))), 400, "bad-request"},
		{"a secret of 33 bytes", s.request(body(secret(1, 33))), 400, "bad-request"},
		{"an empty secret", s.request(withSecret("")), 400, "bad-request"},
		{"padding", s.request(withSecret("AAECAwQFBgcICQoLDA0ODw==")), 400, "bad-request"},
		{"the other alphabet", s.request(withSecret("+/ECAwQFBgcICQoLDA0ODw")), 400, "bad-request"},
		{"a second way to write the bytes", s.request(withSecret("AAECAwQFBgcICQoLDA0ODx")), 400, "bad-request"},
		{"a line break", s.request(withSecret(`AAECAwQFBgcICQoLDA0O\nDw`)), 400, "bad-request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantProblem(t, s.ask(t, test.request), test.status, test.code)
		})
	}
	if written := s.faults.made("Count", "AddVisitor"); written != nil {
		t.Errorf("refused requests wrote: %+v", written)
	}
	if s.log.Len() > 0 {
		t.Errorf("bad requests are not ours to mend: %s", s.log.String())
	}
}

func TestSecretsOfEveryLength(t *testing.T) {
	s := newSale(t)
	for n := 16; n <= 32; n++ {
		a := s.joined(t, s.ask(t, s.request(body(secret(1, n)))), 201)
		if want := room.VisitorID(secret(1, n)); a.Visitor != want {
			t.Errorf("%d bytes: visitor %s, want %s", n, a.Visitor, want)
		}
	}
}

func TestPhases(t *testing.T) {
	tests := []struct {
		phase  room.Phase
		at     time.Time
		status int
		code   string
	}{
		{room.Scheduled, onSale.Add(-30*time.Minute - 1), 403, "not-open-yet"},
		{room.Scheduled, onSale.Add(-30 * time.Minute), 201, ""},
		{room.PreQueue, onSale.Add(-time.Minute), 201, ""},
		{room.Open, onSale, 201, ""},
		{room.Paused, onSale, 201, ""},
		{room.SoldOut, onSale, 410, "sold-out"},
		{room.Closed, onSale, 410, "over"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.phase, test.status), func(t *testing.T) {
			s := newSale(t)
			held := s.joined(t, s.join(t, 1), 201)
			s.now = test.at
			s.set(t, func(st *room.State) { st.Phase = test.phase })
			s.faults.made()
			if got := s.joined(t, s.join(t, 1), 200); got != held {
				t.Errorf("the place held is %+v, was %+v", got, held)
			}
			if test.status == 201 {
				s.joined(t, s.join(t, 2), 201)
				return
			}
			wantProblem(t, s.join(t, 2), test.status, test.code)
			if written := s.faults.made("Count", "AddVisitor"); written != nil {
				t.Errorf("nobody may join, yet something was written: %+v", written)
			}
		})
	}
}

// A join that meets a sealed shard goes to the next cohort, and those after it go there at once.
func TestSealedCohort(t *testing.T) {
	s := newSale(t)
	s.seal(t, 0)
	if a := s.joined(t, s.join(t, 1), 201); a.Cohort != 1 {
		t.Errorf("cohort %d, want 1", a.Cohort)
	}
	s.faults.made()
	if a := s.joined(t, s.join(t, 2), 201); a.Cohort != 1 {
		t.Errorf("cohort %d, want 1", a.Cohort)
	}
	if counted := s.faults.made("Count"); len(counted) != 1 {
		t.Errorf("the sealed cohort was not remembered: %+v", counted)
	}

	// The state's cohort holds when it is the later one.
	s.set(t, func(st *room.State) { st.Cohort = 3 })
	if a := s.joined(t, s.join(t, 3), 201); a.Cohort != 3 {
		t.Errorf("cohort %d, want 3", a.Cohort)
	}
	// And what was met in one run says nothing about another.
	s.run.ID = strings.Repeat("b2", 16)
	s.set(t, func(st *room.State) { st.Run, st.Cohort = s.run, 0 })
	if a := s.joined(t, s.join(t, 1), 201); a.Cohort != 0 {
		t.Errorf("cohort %d of the next run, want 0", a.Cohort)
	}
}

func TestSealedCohortAndLaterState(t *testing.T) {
	s := newSale(t)
	s.seal(t, 0)
	s.store(t, func(st *room.State) { st.Cohort = 7 })
	if a := s.joined(t, s.join(t, 1), 201); a.Cohort != 7 {
		t.Errorf("cohort %d, want 7", a.Cohort)
	}
}

// The last cohort of a run is sealed while the function still believes that the sale is on.
func TestSealedForGood(t *testing.T) {
	for _, test := range []struct {
		phase room.Phase
		code  string
	}{{room.SoldOut, "sold-out"}, {room.Closed, "over"}} {
		s := newSale(t)
		s.seal(t, 0)
		s.store(t, func(st *room.State) { st.Cohort, st.Phase = 1, test.phase })
		wantProblem(t, s.join(t, 1), 410, test.code)
		if counted := s.faults.made("Count"); len(counted) != 1 {
			t.Errorf("%s: counted %+v", test.phase, counted)
		}
	}
}

func TestAtMostFiveCohorts(t *testing.T) {
	s := newSale(t)
	for cohort := range int64(8) {
		s.seal(t, cohort)
	}
	wantProblem(t, s.join(t, 1), 429, "busy")
	var cohorts []int64
	for _, c := range s.faults.made("Count") {
		cohorts = append(cohorts, c.cohort)
	}
	if got := fmt.Sprint(cohorts); got != "[0 1 2 3 4]" {
		t.Errorf("counted in %s", got)
	}
	// The next try goes on where this one stopped.
	if a := s.joined(t, s.join(t, 1), 201); a.Cohort != 8 {
		t.Errorf("cohort %d, want 8", a.Cohort)
	}
}

func TestThrottledCount(t *testing.T) {
	throttled := fmt.Errorf("count arrival: %w", store.ErrThrottled)
	t.Run("every shard", func(t *testing.T) {
		for range 50 {
			s := newSale(t)
			s.faults.refuse = failing("Count", throttled)
			wantProblem(t, s.join(t, 1), 429, "busy")
			if c := s.faults.made("Count"); len(c) != 2 || c[0].shard == c[1].shard || c[0].cohort != c[1].cohort {
				t.Fatalf("tried %+v, want two shards of one cohort", c)
			}
		}
	})
	t.Run("the first shard", func(t *testing.T) {
		s := newSale(t)
		once := true
		s.faults.refuse = func(c call) error {
			if c.name == "Count" && once {
				once = false
				return throttled
			}
			return nil
		}
		a := s.joined(t, s.join(t, 1), 201)
		if c := s.faults.made("Count"); len(c) != 2 || c[1].shard != a.Shard {
			t.Errorf("tried %+v, got %+v", c, a)
		}
	})
	t.Run("the only shard", func(t *testing.T) {
		s := newSale(t)
		s.set(t, func(st *room.State) { st.Shards = 1 })
		s.faults.refuse = failing("Count", throttled)
		wantProblem(t, s.join(t, 1), 429, "busy")
		if c := s.faults.made("Count"); len(c) != 1 {
			t.Errorf("tried %+v", c)
		}
	})
	t.Run("then sealed", func(t *testing.T) {
		s := newSale(t)
		s.seal(t, 0)
		once := true
		s.faults.refuse = func(c call) error {
			if c.name == "Count" && once {
				once = false
				return throttled
			}
			return nil
		}
		if a := s.joined(t, s.join(t, 1), 201); a.Cohort != 1 {
			t.Errorf("%+v", a)
		}
	})
}

// A count that failed in any other way may have happened: repeating it would leave another hole.
func TestUnknownCountIsNotRepeated(t *testing.T) {
	s := newSale(t)
	s.faults.lose = failing("Count", errLost)
	wantProblem(t, s.join(t, 1), 503, "internal")
	if c := s.faults.made("Count", "AddVisitor"); len(c) != 1 {
		t.Errorf("calls %+v, want one count", c)
	}
	s.faults.lose = nil
	s.joined(t, s.join(t, 1), 201)
}

func TestOtherFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"State", errLost, 503, "internal"},
		{"State", store.ErrThrottled, 429, "busy"},
		{"AddVisitor", errLost, 503, "internal"},
		{"AddVisitor", store.ErrThrottled, 429, "busy"},
		{"Visitor", errLost, 503, "internal"},
		{"Visitor", store.ErrThrottled, 429, "busy"},
	} {
		t.Run(test.name+" "+test.err.Error(), func(t *testing.T) {
			s := newSale(t)
			if test.name == "Visitor" {
				s.set(t, func(st *room.State) { st.Phase = room.SoldOut })
			}
			s.now = s.now.Add(2 * time.Second)
			s.faults.refuse = failing(test.name, test.err)
			wantProblem(t, s.join(t, 1), test.status, test.code)
		})
	}
}

// The place was stored and the visitor never heard of it.
func TestLostAnswerOfAddVisitor(t *testing.T) {
	s := newSale(t)
	s.faults.lose = failing("AddVisitor", errLost)
	wantProblem(t, s.join(t, 1), 503, "internal")
	s.faults.lose = nil
	kept, err := s.Visitor(t.Context(), s.run, room.VisitorID(secret(1, 16)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a := s.joined(t, s.join(t, 1), 200)
		if a.Cohort != kept.Cohort || a.Shard != kept.Shard || a.Seq != kept.Seq {
			t.Errorf("%+v, stored was %+v", a, kept)
		}
	}
}

func TestOneSecretOnePlace(t *testing.T) {
	s := newSale(t)
	answers := make([]httpapi.Response, 60)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i], _ = s.answer(t.Context(), s.request(body(secret(1, 16))))
		})
	}
	close(start)
	all.Wait()
	created := 0
	places := map[join.Answer]bool{}
	for _, r := range answers {
		if r.StatusCode == 201 {
			created++
		}
		places[s.joined(t, r, r.StatusCode)] = true
	}
	if created != 1 || len(places) != 1 {
		t.Errorf("%d places were created, the answers hold %d", created, len(places))
	}
}

// A second device asks for the place that a link brought: no number is taken for it, and a link that
// carries no place gives nobody one.
func TestHeldPlaceTakesNoNumber(t *testing.T) {
	for _, phase := range []room.Phase{room.PreQueue, room.Open, room.Paused, room.SoldOut, room.Closed} {
		t.Run(string(phase), func(t *testing.T) {
			s := newSale(t)
			held := s.joined(t, s.join(t, 1), 201)
			s.set(t, func(st *room.State) { st.Phase = phase })
			s.faults.made()
			claim := func(i int) string { return strings.Replace(body(secret(i, 16)), "}", `,"held":true}`, 1) }
			if got := s.joined(t, s.ask(t, s.request(claim(1))), 200); got != held {
				t.Errorf("the place held is %+v, was %+v", got, held)
			}
			wantProblem(t, s.ask(t, s.request(claim(2))), 400, "bad-request")
			if written := s.faults.made("Count", "AddVisitor"); written != nil {
				t.Errorf("a place was asked for, yet something was written: %+v", written)
			}
		})
	}
}

func TestManyVisitorsAtOnce(t *testing.T) {
	s := newSale(t)
	const visitors = 400
	answers := make([]httpapi.Response, visitors)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i], _ = s.answer(t.Context(), s.request(body(secret(i, 16)))) })
	}
	all.Wait()
	type place struct {
		cohort int64
		shard  int
		seq    int64
	}
	places := map[place]bool{}
	for _, r := range answers {
		a := s.joined(t, r, 201)
		places[place{a.Cohort, a.Shard, a.Seq}] = true
	}
	if len(places) != visitors {
		t.Errorf("%d visitors have %d places", visitors, len(places))
	}
	var counted int64
	for shard := range 4 {
		n, err := s.SealShard(t.Context(), s.run, 0, shard)
		if err != nil || n == 0 {
			t.Errorf("shard %d counted %d, %v", shard, n, err)
		}
		counted += n
	}
	if counted != visitors {
		t.Errorf("the shards counted %d", counted)
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	s := newSale(t)
	s.faults.refuse = failing("AddVisitor", errLost)
	wantProblem(t, s.join(t, 1), 503, "internal")
	log := s.log.String()
	for _, want := range []string{errLost.Error(), `"event":"demo"`, s.event.RequestContext.RequestID} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	encoded := base64.RawURLEncoding.EncodeToString(secret(1, 16))
	for _, not := range []string{encoded, "v1.", "not-a-key"} {
		if strings.Contains(log, not) {
			t.Errorf("the log holds %q: %s", not, log)
		}
	}
	s.faults.refuse = nil
	v := s.joined(t, s.join(t, 1), 201)
	if text := s.counts.String(); strings.Contains(text, encoded) || strings.Contains(text, "v1.") || strings.Contains(text, v.Visitor) {
		t.Errorf("the metrics hold %s", text)
	}
}

// Space as JSON has it is not all space that Unicode knows.
func TestSpaceThatJSONDoesNotKnow(t *testing.T) {
	s := newSale(t)
	for _, space := range []string{"\v", "\f", "\u0085", "\u00a0", "\u2003"} {
		for _, text := range []string{space + body(secret(1, 16)), body(secret(1, 16)) + space} {
			wantProblem(t, s.ask(t, s.request(text)), 400, "bad-request")
		}
	}
}

// A name that no event can have is unknown before the table is asked, which refuses keys of more
// than 2,048 bytes: that would be a fault of ours and a line in the log for each made-up name.
func TestImpossibleEventsAreNotLookedUp(t *testing.T) {
	s := newSale(t)
	s.faults.made()
	for _, name := range []string{"", "Demo", "a/b", "d\u00e9mo", "demo#1", "v1", "shop", strings.Repeat("a", 65), strings.Repeat("a", 5000)} {
		wantProblem(t, s.ask(t, forEvent(s.request(body(secret(1, 16))), name)), 404, "unknown-event")
		if read := s.faults.made("State"); read != nil {
			t.Errorf("%.70q was looked up", name)
		}
	}
}

// The last cohort is sealed, and the state that says so cannot be read at once. Until it can, the
// function believes that the sale is on; a place behind the last cohort would never be drawn.
func TestNobodyJoinsBehindTheLastCohort(t *testing.T) {
	s := newSale(t)
	s.seal(t, 0)
	s.store(t, func(st *room.State) { st.Cohort, st.Phase, st.Final = 1, room.Closed, true })
	s.faults.refuse = failing("State", errLost)
	wantProblem(t, s.join(t, 1), 503, "internal")
	wantProblem(t, s.join(t, 1), 503, "internal")
	s.faults.refuse = nil
	s.now = s.now.Add(2 * time.Second)
	wantProblem(t, s.join(t, 1), 410, "over")
}
