package join_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/join"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

var onSale = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// sale is an event in Memory, with the join function in front of it.
type sale struct {
	*store.Memory
	now    time.Time
	run    room.Run
	view   *store.View
	key    ticket.Key
	faults *faults
	joiner *join.Joiner
	answer func(context.Context, httpapi.Request) (httpapi.Response, error)
	log    bytes.Buffer
	counts bytes.Buffer    // metrics
	event  httpapi.Request // as recorded
}

// newSale opens "demo", five seconds after the on-sale and with the pool still to be sealed.
func newSale(t testing.TB) *sale {
	t.Helper()
	s := &sale{now: onSale.Add(5 * time.Second), run: room.Run{Event: "demo", ID: strings.Repeat("a1", 16)}}
	now := func() time.Time { return s.now }
	s.Memory = store.NewMemory(now)
	s.faults = &faults{Memory: s.Memory}
	s.view = store.NewView(s.faults, now)
	counts := &metrics.Log{Out: &s.counts, Room: "test", Now: now}
	s.joiner = &join.Joiner{Store: s.faults, States: s.view, Pick: rand.IntN, Now: now, Metrics: counts}
	var err error
	if s.key, err = ticket.NewKey([]byte("a deployment's secret")); err != nil {
		t.Fatal(err)
	}
	s.answer = join.NewHandler(s.joiner, s.key).Answer(slog.New(slog.NewJSONHandler(&s.log, nil)), counts)
	s.set(t, func(st *room.State) {
		*st = room.State{Run: s.run, Shards: 4, Closing: room.NoCohort, Phase: room.Open, PoolOpen: true,
			OnSale: onSale, PreQueue: onSale.Add(-30 * time.Minute), Closes: onSale.Add(24 * time.Hour)}
	})
	recorded, err := os.ReadFile("testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(recorded, &s.event); err != nil {
		t.Fatal(err)
	}
	return s
}

// store changes the stored state and leaves what the function remembers of it alone.
func (s *sale) store(t testing.TB, change func(*room.State)) {
	t.Helper()
	st, _ := s.State(t.Context(), "demo") // none yet is the zero state
	held := st.Fence
	change(&st)
	st.Owner, st.Version = "leader", held.Version+1
	if err := s.Save(t.Context(), st, held); err != nil {
		t.Fatal(err)
	}
}

// set changes the state, and the function knows.
func (s *sale) set(t testing.TB, change func(*room.State)) {
	t.Helper()
	s.store(t, change)
	if _, err := s.view.Fresh(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
}

// seal closes a cohort's shards, which the state does not say yet.
func (s *sale) seal(t *testing.T, cohort int64) {
	t.Helper()
	for shard := range 4 {
		if _, err := s.SealShard(t.Context(), s.run, cohort, shard); err != nil {
			t.Fatal(err)
		}
	}
}

// secret is the i-th visitor's, of n bytes.
func secret(i, n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint64(b[n-8:], uint64(i))
	return b
}

func body(secret []byte) string {
	return `{"secret":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}`
}

// request is the recorded event with another body.
func (s *sale) request(body string) httpapi.Request {
	r := s.event
	r.Body = body
	return r
}

func (s *sale) join(t testing.TB, i int) httpapi.Response {
	t.Helper()
	return s.ask(t, s.request(body(secret(i, 16))))
}

// ask answers a request and checks what every answer has to be.
func (s *sale) ask(t testing.TB, r httpapi.Request) httpapi.Response {
	t.Helper()
	response, err := s.answer(t.Context(), r)
	if err != nil {
		t.Fatalf("an error reached the runtime: %v", err)
	}
	checkAnswer(t, response)
	return response
}

func checkAnswer(t testing.TB, r httpapi.Response) {
	t.Helper()
	want := "application/json"
	if r.StatusCode >= 400 {
		want = "application/problem+json"
	}
	if r.Headers["Content-Type"] != want || r.Headers["Cache-Control"] != "no-store" || r.IsBase64Encoded {
		t.Errorf("%d with the headers %v", r.StatusCode, r.Headers)
	}
	retry, _ := strconv.Atoi(r.Headers["Retry-After"])
	if again := r.StatusCode == 429 || r.StatusCode == 503; again != (retry > 0) {
		t.Errorf("%d with Retry-After %q", r.StatusCode, r.Headers["Retry-After"])
	}
}

// joined reads the answer to a visitor who has a place, and checks that the ticket says the same.
func (s *sale) joined(t testing.TB, r httpapi.Response, status int) join.Answer {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%d %s, want %d", r.StatusCode, r.Body, status)
	}
	var a join.Answer
	if err := json.Unmarshal([]byte(r.Body), &a); err != nil {
		t.Fatal(err)
	}
	got, err := s.key.Open(a.Ticket)
	want := ticket.Ticket{Event: "demo", Run: s.run.ID, Visitor: a.Visitor, Cohort: a.Cohort, Shard: a.Shard, Seq: a.Seq}
	if err != nil || got != want {
		t.Errorf("the ticket says %+v, %v, the answer %+v", got, err, want)
	}
	return a
}

func wantProblem(t testing.TB, r httpapi.Response, status int, code string) {
	t.Helper()
	var document struct {
		Type   string
		Status int
		Detail string
	}
	if err := json.Unmarshal([]byte(r.Body), &document); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	if r.StatusCode != status || document.Status != status || document.Type != names.ProblemPrefix+code || document.Detail == "" {
		t.Errorf("%d %s, want %d %s", r.StatusCode, r.Body, status, code)
	}
}

// call is one use of the store.
type call struct {
	name   string
	cohort int64
	shard  int
}

// faults is Memory that keeps a list of calls, and fails as it is told.
type faults struct {
	*store.Memory
	mu     sync.Mutex
	calls  []call
	refuse func(call) error // instead of the call
	lose   func(call) error // after the call
}

func (f *faults) before(c call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	if f.refuse == nil {
		return nil
	}
	return f.refuse(c)
}

func (f *faults) after(c call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose == nil {
		return nil
	}
	return f.lose(c)
}

// made returns the calls of a name so far and forgets all of them.
func (f *faults) made(names ...string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []call
	for _, c := range f.calls {
		if slices.Contains(names, c.name) {
			found = append(found, c)
		}
	}
	f.calls = nil
	return found
}

func (f *faults) State(ctx context.Context, event string) (room.State, error) {
	if err := f.before(call{name: "State"}); err != nil {
		return room.State{}, err
	}
	return f.Memory.State(ctx, event)
}

func (f *faults) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	if err := f.before(call{name: "Visitor"}); err != nil {
		return room.Visitor{}, err
	}
	return f.Memory.Visitor(ctx, run, id)
}

func (f *faults) Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	c := call{"Count", cohort, shard}
	if err := f.before(c); err != nil {
		return 0, err
	}
	n, err := f.Memory.Count(ctx, run, cohort, shard)
	if lost := f.after(c); lost != nil {
		return 0, lost
	}
	return n, err
}

func (f *faults) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	c := call{"AddVisitor", v.Cohort, v.Shard}
	if err := f.before(c); err != nil {
		return room.Visitor{}, err
	}
	kept, err := f.Memory.AddVisitor(ctx, run, v)
	if lost := f.after(c); lost != nil {
		return room.Visitor{}, lost
	}
	return kept, err
}

// failing fails every call of a name.
func failing(name string, err error) func(call) error {
	return func(c call) error {
		if c.name == name {
			return err
		}
		return nil
	}
}

func without(r httpapi.Request, change func(*httpapi.Request)) httpapi.Request {
	change(&r)
	return r
}

func forEvent(r httpapi.Request, event string) httpapi.Request {
	r.PathParameters = map[string]string{names.EventParameter: event}
	return r
}
