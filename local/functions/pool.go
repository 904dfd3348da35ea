package functions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"waitingroom/local/limits"
	"waitingroom/shared/httpapi"
)

// Limits of Lambda (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
// https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html).
const (
	// Concurrency is an account's default, for all functions together.
	Concurrency = 1_000
	// growth is how many environments a function may gain at once and in ten seconds. What is not
	// used is refilled continuously and never more than this.
	growth       = 1_000
	growthPeriod = 10 * time.Second
	// turnaround is the time from one request to the next of an environment: it answers ten a second.
	turnaround = 100 * time.Millisecond
)

// PoolOptions are what differs between accounts.
type PoolOptions struct {
	Limit int              // concurrent executions of all functions; 0 for Concurrency
	Now   func() time.Time // nil: the machine's clock
}

// Pool answers requests as Lambda does: by environments that do one thing at a time and keep a memory
// of their own, so that each reads the state once a second. The one that was used last is used first,
// and where none is free another is made. It is safe for concurrent use.
//
// Environments start in no time and are kept for good, where Lambda takes some hundred milliseconds
// for the one and some idle minutes for the other.
type Pool struct {
	limit     int
	now       func() time.Time
	functions map[string]*environments

	mu       sync.Mutex
	occupied occupancy // of all functions
}

// environments are those of one function. The pool's mutex guards them.
type environments struct {
	build   func() Function
	growth  *rate.Limiter
	free    []*environment // the last one was used last
	resting []*environment // has answered, but may not be asked before its time; the first comes first
	busy    occupancy
	made    int
	calls   int64
	full    int64 // refused: the account's limit
	slow    int64 // refused: growth
}

type environment struct {
	answer Function
	ready  time.Time // may be asked again
}

type occupancy struct{ now, peak int }

func (o *occupancy) enter() { o.now++; o.peak = max(o.peak, o.now) }

// NewPool returns a pool without environments. The error says what is wrong with the deployment.
func NewPool(d Deployment, o PoolOptions) (*Pool, error) {
	if o.Limit < 0 {
		return nil, fmt.Errorf("functions: a limit of %d concurrent executions: give at least 1, or 0 for %d", o.Limit, Concurrency)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b, err := newBuilder(d, o.Now)
	if err != nil {
		return nil, err
	}
	return newPool(b.functions(), o), nil
}

func newPool(builds map[string]func() Function, o PoolOptions) *Pool {
	p := &Pool{limit: cmp.Or(o.Limit, Concurrency), now: o.Now, functions: map[string]*environments{}}
	for name, build := range builds {
		p.functions[name] = &environments{
			build: build, growth: rate.NewLimiter(rate.Every(growthPeriod/growth), growth),
		}
	}
	return p
}

// Functions returns the functions by their names in package names.
func (p *Pool) Functions() map[string]Function {
	functions := map[string]Function{}
	for name, e := range p.functions {
		functions[name] = func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
			return p.call(ctx, e, r)
		}
	}
	return functions
}

// call has an environment answer. Where Lambda throttles, API Gateway knows an internal error only,
// for which the deployed API has the answer DEFAULT_5XX
// (https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html).
func (p *Pool) call(ctx context.Context, e *environments, r httpapi.Request) (httpapi.Response, error) {
	chosen := p.choose(e)
	if chosen == nil {
		return limits.Refusal(httpapi.Internal), nil
	}
	defer p.release(e, chosen)
	return chosen.answer(ctx, r)
}

// choose returns an environment that nobody else has, or nil where Lambda throttles.
func (p *Pool) choose(e *environments) *environment {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	e.calls++
	p.rested(now)
	if p.occupied.now >= p.limit {
		e.full++
		return nil
	}
	var chosen *environment
	if last := len(e.free) - 1; last >= 0 {
		chosen, e.free = e.free[last], e.free[:last]
	} else if e.growth.AllowN(now, 1) {
		chosen = &environment{answer: e.build()}
		e.made++
	} else {
		e.slow++
		return nil
	}
	chosen.ready = now.Add(turnaround)
	p.occupied.enter()
	e.busy.enter()
	return chosen
}

// release takes an environment back when it has answered. Until its turnaround is over it counts as
// if it were busy, so that the account's limit is ten times as many requests a second.
func (p *Pool) release(e *environments, used *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.After(used.ready) {
		used.ready = now
	}
	i := sort.Search(len(e.resting), func(i int) bool { return e.resting[i].ready.After(used.ready) })
	e.resting = slices.Insert(e.resting, i, used)
}

// rested frees the environments of all functions that may be asked again.
func (p *Pool) rested(now time.Time) {
	for _, e := range p.functions {
		ready := 0
		for ready < len(e.resting) && !e.resting[ready].ready.After(now) {
			ready++
		}
		e.free = append(e.free, e.resting[:ready]...)
		e.resting = slices.Delete(e.resting, 0, ready)
		e.busy.now -= ready
		p.occupied.now -= ready
	}
}

// PoolStats is what happened since the pool was made.
type PoolStats struct {
	Limit     int
	Peak      int // environments that were occupied at the same time, of all functions
	Functions map[string]FunctionStats
}

// FunctionStats is one function's part. An environment is occupied while it answers, and for 100 ms
// from the beginning of each request at least.
type FunctionStats struct {
	Calls        int64
	Environments int   // made
	Peak         int   // occupied at the same time
	Full         int64 // refused by the account's limit
	Slow         int64 // refused because environments are made too slowly
}

// Stats may be called at any time.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PoolStats{Limit: p.limit, Peak: p.occupied.peak, Functions: map[string]FunctionStats{}}
	for name, e := range p.functions {
		s.Functions[name] = FunctionStats{e.calls, e.made, e.busy.peak, e.full, e.slow}
	}
	return s
}
