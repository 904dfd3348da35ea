package tick_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const event = "demo"

var errDown = errors.New("out of reach")

// sale is the world around tick. It lives in a synctest bubble, so its time is virtual; what is
// looked at is looked at half a second away from the steps.
type sale struct {
	testing.TB
	began     time.Time
	secret    []byte
	table     *table
	promoter  *promoter
	documents *documents
}

func play(t *testing.T, test func(*testing.T, *sale)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newSale(t)) })
}

func newSale(t testing.TB) *sale {
	s := &sale{TB: t, began: time.Now(), secret: []byte("the deployment's secret of 32 B.")}
	s.table = &table{Memory: store.NewMemory(time.Now), began: s.began}
	s.promoter = &promoter{began: s.began, events: map[string]map[string]string{}}
	s.documents = &documents{began: s.began, table: s.table}
	return s
}

// at writes the moment d after the beginning as promoters do.
func (s *sale) at(d time.Duration) string { return s.began.Add(d).UTC().Format(time.RFC3339) }

// plan sets an event up that goes on sale after d, at 600 a minute.
func (s *sale) plan(event string, d time.Duration) {
	s.promoter.set(event, "onsale", s.at(d))
	s.promoter.set(event, "rate", "600")
	s.promoter.set(event, "target", "https://shop.example/checkout")
}

func (s *sale) elapsed() time.Duration { return time.Since(s.began) }

// until lets virtual time pass until d after the beginning.
func (s *sale) until(d time.Duration) {
	s.Helper()
	if d < s.elapsed() {
		s.Fatalf("it is %v already, not %v", s.elapsed(), d)
	}
	time.Sleep(d - s.elapsed())
	synctest.Wait()
}

func (s *sale) state(event string) room.State {
	s.Helper()
	st, err := s.table.Memory.State(context.Background(), event)
	if err != nil {
		s.Fatalf("state of %s at %v: %v", event, s.elapsed(), err)
	}
	return st
}

// join counts n arrivals in the open cohort, as join does.
func (s *sale) join(n int) {
	s.Helper()
	st := s.state(event)
	cohort := max(st.Cohort, st.Closing+1)
	for i := range n {
		if _, err := s.table.Memory.Count(context.Background(), st.Run, cohort, i%st.Shards); err != nil {
			s.Fatalf("join cohort %d: %v", cohort, err)
		}
	}
}

func (s *sale) status() room.Status {
	s.Helper()
	return decode[room.Status](s, s.documents.body("status/demo.json"))
}

func decode[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("document %q: %v", body, err)
	}
	return v
}

// environment is one environment of the function with its own memory, log and metrics.
type environment struct {
	*tick.Ticker
	log     *journal
	metrics *lines
}

func (s *sale) environment() environment {
	log, out := &journal{}, &lines{}
	return environment{&tick.Ticker{
		Store: s.table, Parameters: s.promoter, Publisher: s.documents, Secret: s.secret, Random: rand.Reader,
		Now: time.Now, Monotonic: s.elapsed, Parallel: 16, Log: slog.New(log),
		Metrics: &metrics.Log{Out: out, Room: "test", Now: time.Now},
	}, log, out}
}

// invocation is one Run under way or over.
type invocation struct {
	cancel context.CancelFunc
	done   chan struct{}
	ended  time.Duration
	err    error
}

// invoke starts an invocation; it lasts until it ends by itself, is cancelled or the test is over.
func (s *sale) invoke(e environment) *invocation {
	ctx, cancel := context.WithCancel(s.Context())
	i := &invocation{cancel: cancel, done: make(chan struct{})}
	s.Cleanup(func() { cancel(); <-i.done })
	go func() {
		defer close(i.done)
		i.err = e.Run(ctx)
		i.ended = s.elapsed()
	}()
	synctest.Wait()
	return i
}

func (i *invocation) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// call is one call of the store.
type call struct {
	name, event string
	at          time.Duration
}

// table is the store, with a fault for every call that fault finds one for.
type table struct {
	*store.Memory
	began time.Time

	mu    sync.Mutex
	calls []call
	fault func(ctx context.Context, c call) error // may wait; called without the lock
}

func (t *table) setFault(fault func(context.Context, call) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}

func (t *table) enter(ctx context.Context, name, event string) error {
	c := call{name, event, time.Since(t.began)}
	t.mu.Lock()
	t.calls = append(t.calls, c)
	fault := t.fault
	t.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx, c)
}

// made returns the moments of the calls of those names.
func (t *table) made(event string, names ...string) []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var moments []time.Duration
	for _, c := range t.calls {
		if c.event == event && slices.Contains(names, c.name) {
			moments = append(moments, c.at)
		}
	}
	return moments
}

func (t *table) writes(event string) []time.Duration {
	return t.made(event, "Save", "SaveWithPacing")
}

func (t *table) State(ctx context.Context, event string) (room.State, error) {
	if err := t.enter(ctx, "State", event); err != nil {
		return room.State{}, err
	}
	return t.Memory.State(ctx, event)
}

func (t *table) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	if err := t.enter(ctx, "Pacing", event); err != nil {
		return room.Pacing{}, err
	}
	return t.Memory.Pacing(ctx, event)
}

// naming tells the write that shows a run, once its commitment is published, from those of steps.
func (t *table) naming(ctx context.Context, name string, next room.State) string {
	if before, err := t.Memory.State(ctx, next.Event); err == nil && before.ID == next.ID && before.Hidden && !next.Hidden {
		return "show"
	}
	return name
}

func (t *table) Save(ctx context.Context, next room.State, held room.Fence) error {
	if err := t.enter(ctx, t.naming(ctx, "Save", next), next.Event); err != nil {
		return err
	}
	return t.Memory.Save(ctx, next, held)
}

func (t *table) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	if err := t.enter(ctx, t.naming(ctx, "SaveWithPacing", next), next.Event); err != nil {
		return err
	}
	return t.Memory.SaveWithPacing(ctx, next, p, held)
}

// Arrivals knows the first half of the shards where the call is throttled, as a busy table may.
func (t *table) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	err := t.enter(ctx, "Arrivals", run.Event)
	if errors.Is(err, store.ErrThrottled) {
		n, _ := t.Memory.Arrivals(ctx, run, cohort, shards/2)
		return n, err
	}
	if err != nil {
		return 0, err
	}
	return t.Memory.Arrivals(ctx, run, cohort, shards)
}

func (t *table) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	if err := t.enter(ctx, "SealShard", run.Event); err != nil {
		return 0, err
	}
	return t.Memory.SealShard(ctx, run, cohort, shard)
}

func (t *table) PutSeal(ctx context.Context, seal room.Seal) error {
	if err := t.enter(ctx, "PutSeal", seal.Event); err != nil {
		return err
	}
	return t.Memory.PutSeal(ctx, seal)
}

func (t *table) Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error) {
	if err := t.enter(ctx, "Taken", run.Event); err != nil {
		return 0, time.Time{}, err
	}
	return t.Memory.Taken(ctx, run, w, part)
}

// promoter is Parameter Store.
type promoter struct {
	began time.Time

	mu     sync.Mutex
	events map[string]map[string]string
	fail   func(ctx context.Context) error // nil while it can be reached; may wait
	all    []time.Duration                 // when everything was asked for
	each   map[string][]time.Duration      // when an event was
}

func (p *promoter) set(event, name, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.events[event] == nil {
		p.events[event] = map[string]string{}
	}
	p.events[event][name] = value
}

func (p *promoter) remove(event, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.events[event], name)
}

func (p *promoter) removeAll(event string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.events, event)
}

func (p *promoter) setFail(fail func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// fails refuses, hangs never answers: Parameter Store, or whoever takes documents.
func fails(context.Context) error     { return errDown }
func hangs(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func (p *promoter) All(ctx context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	p.mu.Lock()
	p.all = append(p.all, time.Since(p.began))
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		return nil, nil, fail(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	events := map[string]map[string]string{}
	for event, raw := range p.events {
		events[event] = maps.Clone(raw)
	}
	return events, nil, nil
}

func (p *promoter) Event(ctx context.Context, event string) (map[string]string, error) {
	p.mu.Lock()
	if p.each == nil {
		p.each = map[string][]time.Duration{}
	}
	p.each[event] = append(p.each[event], time.Since(p.began))
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		return nil, fail(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	raw := map[string]string{}
	maps.Copy(raw, p.events[event])
	return raw, nil
}

func (p *promoter) reads(event string) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.each[event])
}

// put is one document that was published, and the version of its event's state in the store then.
type put struct {
	path    string
	body    []byte
	at      time.Duration
	version int64
}

// documents is where documents are published.
type documents struct {
	began time.Time
	table *table

	mu   sync.Mutex
	puts []put
	fail func(ctx context.Context, path string) error // may wait
}

func (d *documents) setFail(fail func(context.Context, string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// failBelow has fail answer for every document whose path begins with prefix.
func (d *documents) failBelow(prefix string, fail func(context.Context) error) {
	d.setFail(func(ctx context.Context, path string) error {
		if strings.HasPrefix(path, prefix) {
			return fail(ctx)
		}
		return nil
	})
}

func (d *documents) Put(ctx context.Context, path string, body []byte) error {
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, path); err != nil {
			return err
		}
	}
	st, _ := d.table.Memory.State(context.Background(), event) // there may be none yet
	d.mu.Lock()
	defer d.mu.Unlock()
	d.puts = append(d.puts, put{path, body, time.Since(d.began), st.Version})
	return nil
}

// under returns what was put below a prefix.
func (d *documents) under(prefix string) []put {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []put
	for _, p := range d.puts {
		if strings.HasPrefix(p.path, prefix) {
			found = append(found, p)
		}
	}
	return found
}

func (d *documents) body(path string) []byte {
	puts := d.under(path)
	if len(puts) == 0 {
		return nil
	}
	return puts[len(puts)-1].body
}

// journal is a log whose records can be asked for.
type journal struct {
	mu      sync.Mutex
	records []map[string]string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	fields := map[string]string{"level": r.Level.String(), "message": r.Message}
	r.Attrs(func(a slog.Attr) bool { fields[a.Key] = a.Value.String(); return true })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, fields)
	return nil
}

// rejections returns the reasons for which a parameter was reported.
func (j *journal) rejections(parameter string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var reasons []string
	for _, r := range j.records {
		if r["parameter"] == parameter {
			reasons = append(reasons, r["value"]+": "+r["reason"])
		}
	}
	return reasons
}

// messages returns the records with that message.
func (j *journal) messages(message string) []map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []map[string]string
	for _, r := range j.records {
		if r["message"] == message {
			found = append(found, r)
		}
	}
	return found
}

// errors returns what was logged as an error.
func (j *journal) errors() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []string
	for _, r := range j.records {
		if r["level"] == slog.LevelError.String() {
			errs = append(errs, r["message"]+": "+r["error"])
		}
	}
	return errs
}

// lines keeps what metrics were written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// steady checks that moments are apart from each other by d.
func steady(t testing.TB, moments []time.Duration, d time.Duration) {
	t.Helper()
	for i := 1; i < len(moments); i++ {
		if apart := moments[i] - moments[i-1]; apart != d {
			t.Fatalf("at %v, %v after the one before, not %v", moments[i], apart, d)
		}
	}
}

const half = 500 * time.Millisecond
