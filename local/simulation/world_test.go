package simulation

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const (
	event = "demo"
	// grain is the distance of moments at which anything happens. Each call of each process has
	// nanoseconds of its own below it, so no two things ever happen at once and their order, which
	// the seed decides, does not depend on the Go scheduler.
	grain      = time.Millisecond
	callsApart = 1000 // nanoseconds of each process
)

// chances are per call, 0 to 1.
type chances struct {
	refused        float64 // throttled: nothing happened
	lost           float64 // an error, and nothing happened
	unacknowledged float64 // an error, and it happened
	slow           float64 // it takes up to slowest, and often happens after its caller gave up
	death          float64 // the process dies before or after it happened
}

const slowest = 20 * time.Second

// Errors of calls whose outcome the caller does not know, and of a process that is no more.
var (
	errLost = errors.New("no answer")
	errDead = errors.New("the process is dead")
)

// world is one sale with everything in it. It lives in a synctest bubble: time is virtual.
type world struct {
	t      testing.TB
	seed   uint64
	rng    *rand.Rand // of what happens in the sale; processes have their own
	began  time.Time
	secret []byte
	memory *store.Memory
	judge  *judge

	ctx    context.Context
	stop   context.CancelFunc
	flying sync.WaitGroup // calls under way, which may outlive their caller

	mu           sync.Mutex
	faults       chances
	parameters   map[string]string
	documents    map[string][]byte
	status       room.Status // the one among the documents
	processes    []*process
	environments []*environment
	broken       map[string]bool // methods of the store whose calls are lost
	warnings     []string        // what ticks logged, if watched
	watched      bool
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), began: time.Now(),
		secret:     []byte("the simulated deployment's secret"),
		parameters: map[string]string{}, documents: map[string][]byte{}, broken: map[string]bool{},
	}
	w.memory = store.NewMemory(time.Now)
	w.judge = newJudge(w)
	w.ctx, w.stop = context.WithCancel(t.Context())
	return w
}

// elapsed is the true time since the beginning, which no process knows.
func (w *world) elapsed() time.Duration { return time.Since(w.began) }

func (w *world) set(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parameters[name] = value
}

func (w *world) setFaults(c chances) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = c
}

// process is an environment of a function, or a visitor's browser: it has a clock, it makes calls
// one after the other, and it may die.
type process struct {
	w      *world
	id     int
	rng    *rand.Rand
	skew   time.Duration // of its wall clock
	jumpAt time.Duration // when the wall clock jumps
	jump   time.Duration
	mortal bool

	mu    sync.Mutex
	calls int
	dead  bool
	kill  context.CancelFunc // what ends with it, or nil

	mishap   mishap // what befalls it at its call number mishapAt
	mishapAt int
	lag      time.Duration // of a call that lags
}

// mishap is what befalls a process at one of its calls, by script.
type mishap string

const (
	diesBefore mishap = "dies before the call"
	diesAfter  mishap = "dies after the call"
	lands      mishap = "dies, and the call arrives when somebody else leads"
	wakes      mishap = "sleeps during the call and wakes up when somebody else leads"
	lags       mishap = "gives the call up, which arrives all the same"
)

// overdue is how long such a call takes, and such a sleep: longer than a takeover, and less than a
// step may take.
const overdue = 7 * time.Second

func (w *world) process() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := len(w.processes) + 1
	p := &process{w: w, id: id, rng: rand.New(rand.NewPCG(w.seed, uint64(id)))}
	w.processes = append(w.processes, p)
	return p
}

func (w *world) mendClocks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		p.mu.Lock()
		p.jump = 0
		p.mu.Unlock()
	}
}

// now is the process's wall clock, without a monotonic reading: nothing but the wall clock can be
// read off it.
func (p *process) now() time.Time {
	now := time.Now().Round(0).Add(p.skew)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jump != 0 && p.w.elapsed() >= p.jumpAt {
		now = now.Add(p.jump)
	}
	return now
}

// monotonic is a clock that no jump changes.
func (p *process) monotonic() time.Duration { return p.w.elapsed() }

// Read makes the process a source of randomness that its seed decides.
func (p *process) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b {
		b[i] = byte(p.rng.Uint32())
	}
	return len(b), nil
}

func (p *process) pick(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(n)
}

func (p *process) chance(probability float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Float64() < probability
}

func (p *process) between(a, b time.Duration) time.Duration {
	return a + time.Duration(p.pick(int((b-a)/grain)+1))*grain
}

// sleep waits for d and then for the process's own nanoseconds. It reports false if ctx ended.
func (p *process) sleep(ctx context.Context, d time.Duration) bool {
	return waitFor(ctx, p.until(d, p.id*callsApart))
}

func (p *process) until(d time.Duration, offset int) time.Duration {
	at := (p.w.elapsed() + d).Truncate(grain) + grain + time.Duration(offset)%grain
	return at - p.w.elapsed()
}

type processKey struct{}

func (p *process) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, processKey{}, p)
}

func caller(ctx context.Context) *process { return ctx.Value(processKey{}).(*process) }

// plan is the fate of one call, drawn before it is made.
type plan struct {
	arrives, answers time.Duration
	fault            error // store.ErrThrottled, errLost or nil
	happens          bool
	mishap           mishap
	offset           int
}

func (p *process) plan() plan {
	p.w.mu.Lock()
	c := p.w.faults
	p.w.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	ms := func(n int) time.Duration { return time.Duration(1+p.rng.IntN(n)) * grain }
	made := plan{arrives: ms(8), answers: ms(8), happens: true, offset: p.id*callsApart + 1 + p.calls%(callsApart-1)}
	if p.rng.Float64() < c.slow {
		made.arrives += time.Duration(p.rng.Int64N(int64(slowest)))
	}
	switch r := p.rng.Float64(); {
	case r < c.refused:
		made.happens, made.fault = false, store.ErrThrottled
	case r < c.refused+c.lost:
		made.happens, made.fault = false, errLost
	case r < c.refused+c.lost+c.unacknowledged:
		made.fault = errLost
	}
	switch r := p.rng.Float64(); {
	case !p.mortal:
	case r < c.death/2:
		made.mishap = diesBefore
	case r < c.death:
		made.mishap = diesAfter
	}
	if p.calls == p.mishapAt {
		made.mishap = p.mishap
	}
	switch made.mishap {
	case lands:
		made.arrives += overdue
	case wakes:
		made.answers += overdue
	case lags:
		made.arrives = p.lag
	}
	return made
}

func (p *process) perish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	if p.kill != nil {
		p.kill()
	}
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// call makes a call over the network: it arrives after a while, happens or not, and is answered or
// not. What is under way happens even if the caller has died or given up.
func call[T any](ctx context.Context, effect func() (T, error)) (T, error) {
	var none T
	p := caller(ctx)
	if p.isDead() {
		return none, errDead
	}
	fate := p.plan()
	if fate.mishap == diesBefore {
		p.perish()
		return none, errDead
	}
	happen := func() (value T, err error) {
		if fate.happens {
			p.w.mu.Lock()
			defer p.w.mu.Unlock()
			value, err = effect()
		}
		return value, err
	}
	arrival := p.w.elapsed() + p.until(fate.arrives, fate.offset)
	if fate.mishap == lands {
		p.perish()
	}
	if !waitFor(ctx, arrival-p.w.elapsed()) {
		p.w.flying.Go(func() {
			time.Sleep(arrival - p.w.elapsed())
			happen()
		})
		return none, ctx.Err()
	}
	value, err := happen()
	if !waitFor(ctx, p.until(fate.answers, fate.offset)) {
		return none, ctx.Err()
	}
	if fate.mishap == diesAfter {
		p.perish()
	}
	if p.isDead() {
		return none, errDead
	}
	if fate.fault != nil {
		return none, fate.fault
	}
	return value, err
}

// waitFor waits for d. It reports false if ctx ended before.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// All, Event and Put make the world Parameter Store and the folder of documents.
func (w *world) All(ctx context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	// The leader of an event that is watched already begins at this very moment. With one of its own
	// for this call, the seed and not the Go scheduler decides which of them draws its fate first.
	if !caller(ctx).sleep(ctx, 0) {
		return nil, nil, ctx.Err()
	}
	raw, err := w.Event(ctx, event)
	return map[string]map[string]string{event: raw}, nil, err
}

func (w *world) Event(ctx context.Context, _ string) (map[string]string, error) {
	return call(ctx, func() (map[string]string, error) { return maps.Clone(w.parameters), nil })
}

func (w *world) Put(ctx context.Context, path string, body []byte) error {
	_, err := call(ctx, func() (struct{}, error) {
		if status, ok := w.judge.published(path, body); ok {
			w.status = status
		}
		w.documents[path] = body
		return struct{}{}, nil
	})
	return err
}

func (w *world) lastStatus() room.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// startTick starts one invocation of tick in an environment of its own.
func (w *world) startTick(p *process, after time.Duration) {
	ctx, kill := context.WithCancel(p.context(w.ctx))
	p.kill = kill
	ticker := &tick.Ticker{
		Store: faulty{w}, Parameters: w, Publisher: w, Secret: w.secret, Random: p,
		Now: p.now, Monotonic: p.monotonic, Parallel: 1, Log: slog.New(w.log()),
		Metrics: &metrics.Log{Out: io.Discard, Room: "simulation", Now: p.now},
	}
	w.flying.Go(func() {
		defer kill()
		if p.sleep(ctx, after) {
			ticker.Run(ctx) // an invocation that fails is followed by the next one
		}
	})
}

func (w *world) log() slog.Handler {
	switch {
	case w.watched:
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})
	case testing.Verbose() && *oneSeed >= 0:
		return slog.NewTextHandler(w.t.Output(), nil)
	}
	return slog.DiscardHandler
}

// Write makes the world the place where warnings go.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warnings = append(w.warnings, string(line))
	return len(line), nil
}

// end stops everything and waits for what is under way.
func (w *world) end() {
	w.stop()
	w.flying.Wait()
}
