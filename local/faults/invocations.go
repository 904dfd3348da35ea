package faults

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
)

// errKilled is what an invocation's own code gets to see of its end. Nobody else sees anything.
var errKilled = errors.New("the invocation was killed")

// Invocations are those of tick for one event: one is started each time that the scheduler fires, and
// one right after another was killed. Each has an environment of its own.
type Invocations struct {
	event       string
	every       time.Duration
	environment func() *tick.Ticker
	log         *slog.Logger
	again       chan struct{} // another one is to be started
	over        chan struct{} // none is started any more

	mu     sync.Mutex
	alive  map[string]*life // by their owner in the lease; none that has never tried to lead
	latest room.Fence       // of the latest state that anybody has seen
	killed int
}

// NewInvocations returns those that the scheduler starts at once and then every so often. environment
// returns a new environment's ticker, which is changed so that it can be killed.
func NewInvocations(event string, every time.Duration, environment func() *tick.Ticker, log *slog.Logger) *Invocations {
	return &Invocations{
		event: event, every: every, environment: environment, log: log,
		again: make(chan struct{}), over: make(chan struct{}), alive: map[string]*life{},
	}
}

// Run starts invocations until ctx ends, and returns when all of them have ended. It is called once.
func (i *Invocations) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	defer close(i.over)
	scheduler := time.NewTicker(i.every)
	defer scheduler.Stop()
	for {
		running.Go(func() { i.invoke(ctx) })
		select {
		case <-ctx.Done():
			return
		case <-scheduler.C:
		case <-i.again:
		}
	}
}

func (i *Invocations) invoke(ctx context.Context) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	l := &life{invocations: i, kill: kill}
	defer i.bury(l)
	err := tick.NewHandler(l.mortal(i.environment()))(ctx, nil)
	if err != nil && ctx.Err() == nil {
		i.log.Error("tick failed", "error", err)
	}
}

// Kill kills the invocation that leads the event, at once: it hands nothing over, and of a call that
// is under way nobody knows whether it happens. Another invocation is started. Kill reports false
// if nobody leads, as far as any invocation knows.
func (i *Invocations) Kill() bool {
	if !i.killLeader() {
		return false
	}
	select {
	case i.again <- struct{}{}:
	case <-i.over:
	}
	return true
}

func (i *Invocations) killLeader() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	l := i.alive[i.latest.Owner]
	if l == nil {
		return false
	}
	l.die()
	delete(i.alive, i.latest.Owner)
	i.killed++
	return true
}

// KillEvery kills the leader every so often, if there is one then, until ctx ends.
func (i *Invocations) KillEvery(ctx context.Context, every time.Duration) {
	killer := time.NewTicker(every)
	defer killer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-killer.C:
			i.Kill()
		}
	}
}

// Killed is how many leaders were killed.
func (i *Invocations) Killed() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.killed
}

// tries notes by which owner an invocation is known in the lease.
func (i *Invocations) tries(l *life, next room.State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if next.Owner != "" && !l.isDead() {
		l.owner = next.Owner
		i.alive[l.owner] = l
	}
}

// sees takes in a state that is stored.
func (i *Invocations) sees(st room.State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if st.Event == i.event && st.Version > i.latest.Version {
		i.latest = st.Fence
	}
}

func (i *Invocations) bury(l *life) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.alive[l.owner] == l {
		delete(i.alive, l.owner)
	}
}
