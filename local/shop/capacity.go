package shop

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"
)

// What the shop's team has set up. The figures are a demonstration's; their proportions make the shop
// behave as overloaded ones do.
const (
	// serviceTime is what a step takes in an idle shop.
	serviceTime = 500 * time.Millisecond
	// steps are the pieces of work in an order: the checkout and the order itself.
	steps = 2
	// headroom is how much more the shop completes at its best than it promises. Who plans for the
	// peak itself is beyond it as soon as visitors come a little unevenly.
	headroom = 1.5
	// patience is how long a step may take before the shop gives up on it and answers 503.
	patience = 10 * time.Second
	// overcommitted is how long a step takes with as many in progress as the shop lets in at all. It
	// is more than patience, as in every shop whose connections are limited by hope.
	overcommitted = 15 * time.Second
	// spare is how many steps at once, besides a second's worth, the shop bears before its throughput
	// falls. Below 600 orders a minute the room may let ten seconds' worth in together.
	spare = 100
)

// LeastCapacity is the number of orders a minute of a shop that takes one step after the other.
const LeastCapacity = 40

// retryAfter is what visitors are told in a 503, in seconds.
const retryAfter = "10"

// Why a step was not done.
var (
	errBusy      = errors.New("too many steps in progress")
	errTooSlow   = errors.New("the step took too long")
	errAbandoned = errors.New("the visitor has gone")
)

// law is Gunther's universal scalability law: with n requests in progress, the throughput relative
// to that of a single one is
//
//	C(n) = n / (1 + σ(n-1) + κn(n-1))
//
// σ is the part of the work that requests queue for (contention), κ what each pair of them costs in
// keeping out of each other's way (coherency). Throughput is highest at n = √((1-σ)/κ) and falls
// beyond. Source: N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, chapter 4.
type law struct{ sigma, kappa float64 }

// newLaw returns the law whose throughput is highest with knee requests in progress, and is then
// relative times that of a single one: 1 <= relative <= knee/2.
func newLaw(knee, relative float64) law {
	sigma := (knee/relative - 1 - (knee-1)/knee) * knee / ((knee - 1) * (knee - 1))
	return law{sigma: sigma, kappa: (1 - sigma) / (knee * knee)}
}

// slowdown tells how many times longer a request takes with n in progress than alone: n / C(n).
func (l law) slowdown(n int) float64 {
	others := float64(n - 1)
	return 1 + l.sigma*others + l.kappa*float64(n)*others
}

// workers do steps of equal size, all of those in progress at the same speed (processor sharing), at
// the throughput of the law. A step that its visitor has abandoned, or the shop has given up on, is
// worked on to its end for nothing: that is why an overloaded shop completes no orders at all and
// recovers only some time after the crowd has gone. Only the time is simulated: nothing is computed.
type workers struct {
	law   law
	limit int // steps in progress

	mu sync.Mutex
	// Steps are equal and share alike, so they end in the order in which they began.
	queue []task
	done  time.Duration // work that was done, by now, on a step that has been in progress all along
	at    time.Time     // when done was reckoned
	timer *time.Timer   // at the end of the first step in the queue; nil before the first step
}

// task is a step in progress.
type task struct {
	end      time.Duration // of work, on the scale of workers.done
	finished chan struct{}
}

// newWorkers returns workers for this many orders a minute.
func newWorkers(capacity int) *workers {
	peak := float64(max(capacity, LeastCapacity)) * steps * headroom / 60 // steps a second
	l := newLaw(peak+spare, peak*serviceTime.Seconds())
	limit := sort.Search(1<<20, func(n int) bool { return l.slowdown(n+1) > float64(overcommitted)/float64(serviceTime) })
	return &workers{law: l, limit: limit}
}

// do returns when a step's work is done, or an error: errBusy at once, errTooSlow after patience and
// errAbandoned when ctx ends.
func (w *workers) do(ctx context.Context) error {
	finished, ok := w.begin()
	if !ok {
		return errBusy
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-finished:
		return nil
	case <-timer.C:
		return errTooSlow
	case <-ctx.Done():
		return errAbandoned
	}
}

// busy is the number of steps in progress, including those that nobody waits for any more.
func (w *workers) busy() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	return len(w.queue)
}

func (w *workers) begin() (finished <-chan struct{}, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	if len(w.queue) >= w.limit {
		return nil, false
	}
	t := task{end: w.done + serviceTime, finished: make(chan struct{})}
	w.queue = append(w.queue, t)
	w.schedule()
	return t.finished, true
}

// advance reckons what was done since it was last called, and ends the steps that were finished in
// between, each at its own time: the fewer are left, the faster they go.
func (w *workers) advance(now time.Time) {
	passed := now.Sub(w.at)
	w.at = now
	for len(w.queue) > 0 {
		left := w.left()
		if left > passed {
			w.done += time.Duration(float64(passed) / w.law.slowdown(len(w.queue)))
			return
		}
		passed -= left
		w.done = w.queue[0].end
		close(w.queue[0].finished)
		w.queue = w.queue[1:]
	}
	w.queue, w.done = nil, 0
}

// left is the time until the first step in the queue ends, if none is added.
func (w *workers) left() time.Duration {
	work := w.queue[0].end - w.done
	return time.Duration(float64(work) * w.law.slowdown(len(w.queue)))
}

// schedule sets the timer anew, since every step that begins or ends changes the speed of all.
func (w *workers) schedule() {
	if len(w.queue) == 0 {
		return
	}
	// A nanosecond that rounding has taken must not make the timer fire before the step's end.
	left := w.left() + 1
	if w.timer == nil {
		w.timer = time.AfterFunc(left, w.tick)
		return
	}
	w.timer.Reset(left)
}

func (w *workers) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	w.schedule()
}
