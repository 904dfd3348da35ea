package admit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

var onSale = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

const shards = 4

// rsaKey is made once: it takes longer than most tests.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// sale is an event in Memory whose pool is sealed, with the admit function in front of it.
type sale struct {
	*store.Memory
	now      time.Time
	run      room.Run
	view     *store.View
	key      ticket.Key
	faults   *faults
	admitter *admit.Admitter
	answer   func(context.Context, httpapi.Request) (httpapi.Response, error)
	log      bytes.Buffer
	counts   bytes.Buffer    // metrics
	event    httpapi.Request // as recorded
	tickets  []string        // by position; there is no position 0
}

// newSale opens "demo" a minute after the on-sale, at 600 visitors a minute, with so many visitors
// in line, a number that the shards divide. Everybody's turn has come.
func newSale(t testing.TB, visitors int) *sale {
	t.Helper()
	s := &sale{now: onSale.Add(time.Minute), run: room.Run{Event: "demo", ID: strings.Repeat("a1", 16)}}
	s.reset(t)
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	rs256, err := pass.NewRS256(key)
	if err != nil {
		t.Fatal(err)
	}
	hs256, err := pass.NewHS256(pass.HMACKey([]byte("a deployment's secret")))
	if err != nil {
		t.Fatal(err)
	}
	if s.key, err = ticket.NewKey([]byte("a deployment's secret")); err != nil {
		t.Fatal(err)
	}
	counts := &metrics.Log{Out: &s.counts, Room: "test", Now: func() time.Time { return s.now }}
	s.admitter = &admit.Admitter{
		Store: s.faults, Line: s.view, Tickets: s.key, Issuer: "https://room.example",
		Signers: map[string]admit.Signer{pass.RS256: rs256, pass.HS256: hs256},
		Pick:    mathrand.IntN, Random: rand.Reader, Now: func() time.Time { return s.now }, Metrics: counts,
	}
	s.answer = admit.NewHandler(s.admitter).Answer(slog.New(slog.NewJSONHandler(&s.log, nil)), counts)
	s.fill(t, visitors)
	s.set(t, func(st *room.State) {
		*st = room.State{Run: s.run, Shards: shards, Closing: room.NoCohort, Phase: room.Open, PoolOpen: true,
			Cohort: 1, Base: int64(visitors), Admitted: int64(visitors), Speed: 600,
			OnSale: onSale, PreQueue: onSale.Add(-30 * time.Minute), Closes: onSale.Add(24 * time.Hour),
			Target: "https://shop.example/checkout", PassLifetime: 30 * time.Minute, PassAlg: pass.HS256,
			Cap: room.Cap{Rate: 600}}
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

// reset empties the store.
func (s *sale) reset(t testing.TB) {
	t.Helper()
	now := func() time.Time { return s.now }
	s.Memory = store.NewMemory(now)
	s.faults = &faults{Memory: s.Memory, calls: map[string]int{}}
	s.view = store.NewView(s.faults, now)
}

// fill lets visitors join the pool and seals it.
func (s *sale) fill(t testing.TB, visitors int) {
	t.Helper()
	seal := room.Seal{Run: s.run, Counts: make([]int64, shards), Seed: [32]byte{1}}
	for shard := range shards {
		seal.Counts[shard] = int64(visitors / shards)
	}
	if err := s.PutSeal(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	s.tickets = make([]string, visitors+1)
	for i := range visitors {
		v := room.Visitor{ID: fmt.Sprintf("%032x", i), Shard: i % shards, Seq: int64(i/shards + 1), Joined: onSale}
		position, err := seal.Position(v.Shard, v.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddVisitor(t.Context(), s.run, v); err != nil {
			t.Fatal(err)
		}
		s.tickets[position] = s.ticket(v, func(*ticket.Ticket) {})
	}
}

// ticket is a visitor's, with a change.
func (s *sale) ticket(v room.Visitor, change func(*ticket.Ticket)) string {
	t := ticket.Ticket{Event: "demo", Run: s.run.ID, Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq}
	change(&t)
	return s.key.Seal(t)
}

// visitor is whoever holds a position.
func (s *sale) visitor(t testing.TB, position int) room.Visitor {
	t.Helper()
	opened, err := s.key.Open(s.tickets[position])
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Visitor(t.Context(), s.run, opened.Visitor)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// set changes the state, and the function knows.
func (s *sale) set(t testing.TB, change func(*room.State)) {
	t.Helper()
	st, _ := s.State(t.Context(), "demo") // none yet is the zero state
	held := st.Fence
	change(&st)
	st.Owner, st.Version = "leader", held.Version+1
	if err := s.Save(t.Context(), st, held); err != nil {
		t.Fatal(err)
	}
	if _, err := s.view.Fresh(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
}

// wait moves time on; the state stays as it was stored.
func (s *sale) wait(d time.Duration) { s.now = s.now.Add(d) }

// taken is what all windows of the seconds around now have counted.
func (s *sale) taken(t testing.TB, rate int) (sum int64) {
	t.Helper()
	shape := room.ShapeOf(rate)
	w := shape.WindowAt(s.now.Add(-time.Minute))
	for !w.Start().After(s.now.Add(time.Minute)) {
		sum += s.slots(t, w)
		w = w.Next()
	}
	return sum
}

func (s *sale) slots(t testing.TB, w room.Window) (sum int64) {
	t.Helper()
	for part := range w.Parts {
		n, _, err := s.Taken(t.Context(), s.run, w, part)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// request is the recorded event with another body.
func (s *sale) request(body string) httpapi.Request {
	r := s.event
	r.Body = body
	return r
}

func body(ticket string) string { return `{"ticket":"` + ticket + `"}` }

func (s *sale) claim(t testing.TB, ticket string) httpapi.Response {
	t.Helper()
	return s.ask(t, s.request(body(ticket)))
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

func admitted(t testing.TB, r httpapi.Response) (a admit.Admitted) {
	t.Helper()
	return read[admit.Admitted](t, r, 200)
}

// again is what a visitor is given who had the pass before, but for the member that says so.
func again(t testing.TB, r httpapi.Response) admit.Admitted {
	t.Helper()
	a := admitted(t, r)
	if !a.Again {
		t.Errorf("it is not said that the pass was issued before: %s", r.Body)
	}
	a.Again = false
	return a
}

func waiting(t testing.TB, r httpapi.Response) admit.Waiting {
	t.Helper()
	return read[admit.Waiting](t, r, 202)
}

func read[A any](t testing.TB, r httpapi.Response, status int) (a A) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%d %s, want %d", r.StatusCode, r.Body, status)
	}
	if err := json.Unmarshal([]byte(r.Body), &a); err != nil {
		t.Fatal(err)
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

func wantRetry(t testing.TB, r httpapi.Response, seconds int) {
	t.Helper()
	if got := r.Headers["Retry-After"]; got != strconv.Itoa(seconds) {
		t.Errorf("Retry-After %q, want %d", got, seconds)
	}
}

func wantSame[V comparable](t testing.TB, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func forEvent(r httpapi.Request, event string) httpapi.Request {
	r.PathParameters = map[string]string{names.EventParameter: event}
	return r
}

func changed(r httpapi.Request, change func(*httpapi.Request)) httpapi.Request {
	change(&r)
	return r
}

// faults is Memory that counts its calls, and fails as it is told.
type faults struct {
	*store.Memory
	mu     sync.Mutex
	calls  map[string]int
	refuse map[string]error // by call, which does not happen
	lose   map[string]error // by call, which happens
}

func (f *faults) before(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[name]++
	return f.refuse[name]
}

// writes returns the number of writes so far and forgets them.
func (f *faults) writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := f.calls["Mark"] + f.calls["TakeSlot"] + f.calls["Admit"]
	clear(f.calls)
	return sum
}

func (f *faults) State(ctx context.Context, event string) (room.State, error) {
	if err := f.before("State"); err != nil {
		return room.State{}, err
	}
	return f.Memory.State(ctx, event)
}

func (f *faults) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	if err := f.before("Seal"); err != nil {
		return room.Seal{}, err
	}
	return f.Memory.Seal(ctx, run, cohort)
}

func (f *faults) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	if err := f.before("Visitor"); err != nil {
		return room.Visitor{}, err
	}
	return f.Memory.Visitor(ctx, run, id)
}

func (f *faults) Mark(ctx context.Context, run room.Run, id string, start time.Time) (room.Visitor, bool, error) {
	if err := f.before("Mark"); err != nil {
		return room.Visitor{}, false, err
	}
	old, marked, err := f.Memory.Mark(ctx, run, id, start)
	if lost := f.lose["Mark"]; lost != nil {
		return room.Visitor{}, false, lost
	}
	return old, marked, err
}

func (f *faults) TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error {
	if err := f.before("TakeSlot"); err != nil {
		return err
	}
	err := f.Memory.TakeSlot(ctx, run, w, part, limit, at)
	if lost := f.lose["TakeSlot"]; lost != nil {
		return lost
	}
	return err
}

func (f *faults) Admit(ctx context.Context, run room.Run, id string, p room.Pass) (room.Pass, error) {
	if err := f.before("Admit"); err != nil {
		return room.Pass{}, err
	}
	granted, err := f.Memory.Admit(ctx, run, id, p)
	if lost := f.lose["Admit"]; lost != nil {
		return room.Pass{}, lost
	}
	return granted, err
}
