package place_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/lambdas/place"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

var onSale = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

var errLost = errors.New("no answer came")

// source is Memory that can fail. A View of it knows no visitors, so the function cannot read any.
type source struct {
	*store.Memory
	fail error
}

func (s source) State(ctx context.Context, event string) (room.State, error) {
	if s.fail != nil {
		return room.State{}, s.fail
	}
	return s.Memory.State(ctx, event)
}

// counter is a source of bytes that gives other ones each time, or fails.
type counter struct {
	reads byte
	fail  error
}

func (c *counter) Read(b []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	clear(b)
	c.reads++
	b[0] = c.reads
	return len(b), nil
}

// sale is an event in Memory whose pool of eight is sealed, with the place function in front of it.
type sale struct {
	source
	state   room.State
	key     ticket.Key
	answer  func(context.Context, httpapi.Request) (httpapi.Response, error)
	random  counter
	log     bytes.Buffer
	counts  bytes.Buffer    // metrics
	event   httpapi.Request // as recorded
	tickets []string        // by position; there is no position 0
}

// newSale opens "demo" with the pointer at 3 and moving by 60 a minute, in a state with a change.
func newSale(t *testing.T, change func(*room.State)) *sale {
	t.Helper()
	now := func() time.Time { return onSale.Add(time.Minute) }
	s := &sale{source: source{Memory: store.NewMemory(now)}}
	s.state = room.State{Run: room.Run{Event: "demo", ID: strings.Repeat("a1", 16)},
		Fence:  room.Fence{Owner: "leader", Version: 1},
		Shards: 4, Closing: room.NoCohort, Phase: room.Open, PoolOpen: true, Cohort: 1, Base: 8, Admitted: 3, Speed: 60,
		OnSale: onSale.In(time.FixedZone("", 3600)), PreQueue: onSale.Add(-30 * time.Minute), Closes: onSale.Add(24 * time.Hour)}
	change(&s.state)
	if err := s.Save(t.Context(), s.state, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	seal := room.Seal{Run: s.state.Run, Counts: []int64{2, 2, 2, 2}, Seed: [32]byte{1}}
	if err := s.PutSeal(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.key, err = ticket.NewKey([]byte("a deployment's secret")); err != nil {
		t.Fatal(err)
	}
	s.tickets = make([]string, 9)
	for i := range 8 {
		shard, seq := i%4, int64(i/4+1)
		position, err := seal.Position(shard, seq)
		if err != nil {
			t.Fatal(err)
		}
		s.tickets[position] = s.ticket(func(t *ticket.Ticket) { t.Visitor, t.Shard, t.Seq = fmt.Sprintf("%032x", i), shard, seq })
	}
	guide := &place.Guide{
		Line: store.NewView(&s.source, now), Tickets: s.key, Issuer: "https://room.example.com", Random: &s.random, Now: now,
	}
	s.answer = place.NewHandler(guide).Answer(
		slog.New(slog.NewJSONHandler(&s.log, nil)), &metrics.Log{Out: &s.counts, Room: "test", Now: now})
	recorded, err := os.ReadFile("testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(recorded, &s.event); err != nil {
		t.Fatal(err)
	}
	return s
}

func unchanged(*room.State) {}

// ticket is the first visitor's of the sale, with a change.
func (s *sale) ticket(change func(*ticket.Ticket)) string {
	t := ticket.Ticket{Event: "demo", Run: s.state.ID, Visitor: strings.Repeat("0", 32), Seq: 1}
	change(&t)
	return s.key.Seal(t)
}

// request is the recorded event with another Authorization header.
func (s *sale) request(name, value string) httpapi.Request {
	r := s.event
	r.Headers = maps.Clone(r.Headers)
	delete(r.Headers, "authorization")
	r.Headers[name] = value
	return r
}

func (s *sale) ask(t *testing.T, r httpapi.Request) httpapi.Response {
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

func (s *sale) where(t *testing.T, ticket string) string {
	t.Helper()
	r := s.ask(t, s.request("Authorization", "Bearer "+ticket))
	if r.StatusCode != 200 || r.Headers["Content-Type"] != "application/json" {
		t.Fatalf("%d %v %s", r.StatusCode, r.Headers, r.Body)
	}
	return r.Body
}

func wantProblem(t *testing.T, r httpapi.Response, status int, code string) {
	t.Helper()
	var document struct {
		Type   string
		Status int
	}
	if err := json.Unmarshal([]byte(r.Body), &document); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	if r.StatusCode != status || document.Status != status || document.Type != names.ProblemPrefix+code ||
		r.Headers["Content-Type"] != "application/problem+json" {
		t.Errorf("%d %v %s, want %d %s", r.StatusCode, r.Headers, r.Body, status, code)
	}
	retry, _ := strconv.Atoi(r.Headers["Retry-After"])
	if again := status == 429 || status == 503; again != (retry > 0) {
		t.Errorf("%d with Retry-After %q", status, r.Headers["Retry-After"])
	}
}

func TestRecordedRequest(t *testing.T) {
	s := newSale(t, unchanged)
	r := s.ask(t, s.event)
	want := `{"event":"demo","phase":"open","onsale":"2026-11-21T10:00:00Z","position":1,"ahead":0,"admitted":3,"wait":0,"turn":"come"}`
	if r.StatusCode != 200 || r.Body != want {
		t.Errorf("%d %s, want %s", r.StatusCode, r.Body, want)
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}

func TestHeaders(t *testing.T) {
	s := newSale(t, unchanged)
	for _, name := range []string{"Authorization", "authorization", "AUTHORIZATION"} {
		for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
			if r := s.ask(t, s.request(name, scheme+" "+s.tickets[1])); r.StatusCode != 200 {
				t.Errorf("%s: %s: %d %s", name, scheme, r.StatusCode, r.Body)
			}
		}
	}
}

func TestTurns(t *testing.T) {
	const head = `{"event":"demo","phase":"%s","onsale":"2026-11-21T10:00:00Z",%s}`
	tests := []struct {
		name     string
		change   func(*room.State)
		position int
		phase    room.Phase
		want     string
	}{
		{"the last who may enter", unchanged, 3, room.Open, `"position":3,"ahead":0,"admitted":3,"wait":0,"turn":"come"`},
		{"the next", unchanged, 4, room.Open, `"position":4,"ahead":0,"admitted":3,"wait":1,"turn":"waiting"`},
		{"the last", unchanged, 8, room.Open, `"position":8,"ahead":4,"admitted":3,"wait":5,"turn":"waiting"`},
		{"a wait is rounded up", func(st *room.State) { st.Speed = 50 }, 8, room.Open, `"position":8,"ahead":4,"admitted":3,"wait":6,"turn":"waiting"`},
		{"nobody yet", func(st *room.State) { st.Admitted = 0 }, 1, room.Open, `"position":1,"ahead":0,"admitted":0,"wait":1,"turn":"waiting"`},
		{"expired", func(st *room.State) { st.Expired = 2 }, 2, room.Open, `"position":2,"ahead":0,"admitted":3,"wait":0,"turn":"expired"`},
		{"not expired yet", func(st *room.State) { st.Expired = 2 }, 3, room.Open, `"position":3,"ahead":0,"admitted":3,"wait":0,"turn":"come"`},
		{"paused", func(st *room.State) { st.Phase, st.Speed = room.Paused, 0 }, 8, room.Paused, `"position":8,"ahead":4,"admitted":3,"turn":"waiting"`},
		{"a turn during a pause", func(st *room.State) { st.Phase, st.Speed = room.Paused, 0 }, 2, room.Paused, `"position":2,"ahead":0,"admitted":3,"turn":"come"`},
		{"sold out", func(st *room.State) { st.Phase, st.Speed = room.SoldOut, 0 }, 8, room.SoldOut, `"position":8,"ahead":4,"admitted":3,"turn":"waiting"`},
		{"closed", func(st *room.State) { st.Phase, st.Speed = room.Closed, 0 }, 8, room.Closed, `"position":8,"ahead":4,"admitted":3,"turn":"waiting"`},
		{"in the pool", func(st *room.State) { st.Phase, st.Cohort, st.Base, st.Admitted, st.Speed = room.PreQueue, 0, 0, 0, 0 }, 1, room.PreQueue, `"admitted":0,"turn":"waiting"`},
		// The seal exists a moment before the state counts it.
		{"in a cohort that is being sealed", func(st *room.State) { st.Cohort, st.Closing, st.Admitted = 0, 0, 8 }, 1, room.Open, `"admitted":8,"turn":"waiting"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSale(t, test.change)
			got := s.where(t, s.tickets[test.position])
			if want := fmt.Sprintf(head, test.phase, test.want); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	s := newSale(t, unchanged)
	good := s.tickets[1]
	forEvent := func(parameters map[string]string) httpapi.Request {
		r := s.request("Authorization", "Bearer "+good)
		r.PathParameters = parameters
		return r
	}
	with := func(change func(*ticket.Ticket)) httpapi.Request {
		return s.request("Authorization", "Bearer "+s.ticket(change))
	}
	withoutHeaders := s.event
	withoutHeaders.Headers = nil
	tests := []struct {
		name    string
		request httpapi.Request
		status  int
		code    string
	}{
		{"unknown event", forEvent(map[string]string{names.EventParameter: "other"}), 404, "unknown-event"},
		{"no path parameters", forEvent(nil), 404, "unknown-event"},
		{"no headers", withoutHeaders, 401, "bad-ticket"},
		{"another scheme", s.request("Authorization", "Basic "+good), 401, "bad-ticket"},
		{"the ticket alone", s.request("Authorization", good), 401, "bad-ticket"},
		{"no ticket", s.request("Authorization", "Bearer "), 401, "bad-ticket"},
		{"another header", s.request("X-Ticket", "Bearer "+good), 401, "bad-ticket"},
		{"a huge ticket", s.request("Authorization", "Bearer "+strings.Repeat("A", 1<<20)), 401, "bad-ticket"},
		{"another event's", with(func(t *ticket.Ticket) { t.Event = "other" }), 401, "bad-ticket"},
		{"another run's", with(func(t *ticket.Ticket) { t.Run = strings.Repeat("b2", 16) }), 401, "other-run"},
		{"a number that was never given out", with(func(t *ticket.Ticket) { t.Seq = 3 }), 401, "bad-ticket"},
		{"a shard that is not there", with(func(t *ticket.Ticket) { t.Shard = 4 }), 401, "bad-ticket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := s.ask(t, test.request)
			wantProblem(t, r, test.status, test.code)
			if (r.Headers["WWW-Authenticate"] == "Bearer") != (test.status == 401) {
				t.Errorf("headers %v", r.Headers)
			}
		})
	}
	for i := range good {
		flipped := []byte(good)
		flipped[i] ^= 1
		wantProblem(t, s.ask(t, s.request("Authorization", "Bearer "+string(flipped))), 401, "bad-ticket")
	}
	if s.log.Len() > 0 {
		t.Errorf("bad requests are not ours to mend: %s", s.log.String())
	}
}

func TestFailuresOfTheStore(t *testing.T) {
	s := newSale(t, unchanged)
	s.fail = store.ErrThrottled
	wantProblem(t, s.ask(t, s.event), 429, "busy")
	s.fail = errLost
	wantProblem(t, s.ask(t, s.event), 503, "internal")
	log := s.log.String()
	if !strings.Contains(log, errLost.Error()) || !strings.Contains(log, s.event.RequestContext.RequestID) ||
		strings.Contains(log, "v1.") || strings.Contains(log, "Bearer") {
		t.Error(log)
	}
	s.fail = nil
	s.where(t, s.tickets[1])
}

// A name that no event can have is unknown before the table is asked.
func TestImpossibleEventsAreNotLookedUp(t *testing.T) {
	s := newSale(t, unchanged)
	s.fail = errLost
	for _, name := range []string{"", "Demo", "a/b", "v1", "shop", strings.Repeat("a", 65), strings.Repeat("a", 5000)} {
		r := s.request("Authorization", "Bearer "+s.tickets[1])
		r.PathParameters = map[string]string{names.EventParameter: name}
		wantProblem(t, s.ask(t, r), 404, "unknown-event")
	}
}
