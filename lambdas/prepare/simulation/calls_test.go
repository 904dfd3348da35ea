package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/smithy-go"
)

// trouble is what befalls one call.
type trouble string

const (
	none        trouble = ""
	diesBefore  trouble = "the process dies before the call"
	diesAfter   trouble = "the process dies after the call"
	answerLost  trouble = "the call happens and its answer is lost"
	isRefused   trouble = "the call is refused"
	secondRun   trouble = "another run does a minute's work before the call happens"
	cancelsThen trouble = "a person cancels before the call happens"
	stalls      trouble = "the process stalls in the call until its lease is nearly over"
)

// troubles are all that can befall a call.
var troubles = []trouble{diesBefore, diesAfter, answerLost, isRefused, secondRun, cancelsThen, stalls}

const (
	// callTakes is how long a call takes by itself.
	callTakes = 20 * time.Millisecond
	// stallsFor is nearly as long as a lease, which a run takes in its first second.
	stallsFor = 98 * time.Second
	// Reads show what a call has changed at once, or after so long. No service says after how long at most.
	leastLate, mostLate = 20 * time.Second, 70 * time.Second
)

// Errors of a call whose outcome nobody knows, and of a process that is no more.
var (
	errLost = errors.New("no answer")
	errDead = errors.New("the process is dead")
)

// How services of AWS refuse a call.
var (
	throttled = &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	denied    = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User is not authorized"}
)

// process is one run of the function in an environment of its own.
type process struct {
	w     *world
	id    int
	began time.Time
	dead  bool
	kill  context.CancelFunc
	under int // calls under way that have to do with steps
}

type processKey struct{}

func caller(ctx context.Context) *process { return ctx.Value(processKey{}).(*process) }

// call is a call of a run to anything outside of it. What is under way happens even if the run has been
// given up by then. The schedule's calls are told from those of steps, of which a show has one run's only.
func call[T any](ctx context.Context, what string, effect func() (T, error)) (T, error) {
	var nothing T
	p := caller(ctx)
	w := p.w
	if err := w.leaves(ctx, p, what); err != nil {
		return nothing, err
	}
	defer w.returns(p, what)
	time.Sleep(w.takes(what))
	number, fate := w.fate(what)
	switch fate {
	case diesBefore:
		w.die(p)
	case isRefused:
		return nothing, fmt.Errorf("%s: %w", what, throttled)
	case secondRun:
		w.runOnce()
	case cancelsThen:
		w.cancel()
	case stalls:
		time.Sleep(time.Until(p.began.Add(stallsFor)))
	}
	if w.isDead(p) && fate == diesBefore {
		return nothing, errDead
	}
	value, err := nothing, error(denied)
	if what != w.denies {
		w.mu.Lock()
		w.number = number
		value, err = effect()
		w.mu.Unlock()
	}
	if fate == diesAfter {
		w.die(p)
	}
	switch {
	case w.isDead(p):
		return nothing, errDead
	case ctx.Err() != nil:
		return nothing, ctx.Err()
	case fate == answerLost:
		return nothing, fmt.Errorf("%s: %w", what, errLost)
	}
	return value, err
}

// Kinds of calls that are not a step's.
const (
	reads    = "schedule: read"
	writes   = "schedule: write"
	comments = "jira: comment"
	statuses = "room: GET /status/"
)

// ofStep says whether a call is one of a show's steps. How a sale stands is asked by any run.
func ofStep(what string) bool {
	return !slices.Contains([]string{reads, writes, comments, statuses}, what)
}

// leaves holds that no step of a show is worked on by two runs at once.
func (w *world) leaves(ctx context.Context, p *process, what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead {
		return errDead
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !ofStep(what) {
		return nil
	}
	for _, other := range w.processes {
		if w.alone && other != p && other.under > 0 {
			w.t.Errorf("%s: run %d and run %d are at it at once", what, other.id, p.id)
		}
	}
	p.under++
	return nil
}

func (w *world) returns(p *process, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ofStep(what) {
		p.under--
	}
}

func (w *world) die(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.dead = true
	p.kill()
}

func (w *world) isDead(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.dead
}

// fate counts the call and says what befalls it.
func (w *world) fate(what string) (int, trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := len(w.calls)
	w.calls = append(w.calls, what)
	return number, w.befalls(number, what)
}

// shownFrom is when reads show what the call that has its effect changes.
func (w *world) shownFrom() time.Time {
	w.changing = append(w.changing, w.number)
	return time.Now().Add(w.late(w.number))
}

// atOnce is what services do at best.
func atOnce(int) time.Duration { return 0 }

// lateOnce has reads show what one call has changed as late as can be.
func lateOnce(at int) func(int) time.Duration {
	return func(call int) time.Duration {
		if call == at {
			return mostLate
		}
		return 0
	}
}

// oftenLate draws from a seed after how long each change is shown, every other one at once.
func oftenLate(seed uint64) func(int) time.Duration {
	random := rand.New(rand.NewPCG(seed, 1))
	return func(int) time.Duration {
		if random.IntN(2) == 0 {
			return 0
		}
		return leastLate + time.Duration(random.Int64N(int64(mostLate-leastLate)))
	}
}

// once is a trouble at one call and no other.
func once(at int, t trouble) func(int, string) trouble {
	return func(call int, _ string) trouble {
		if call == at {
			return t
		}
		return none
	}
}

// sometimes draws troubles from a seed until a time, some to a hundred calls.
func sometimes(seed uint64, until time.Time, inAHundred int) func(int, string) trouble {
	random := rand.New(rand.NewPCG(seed, 0))
	return func(int, string) trouble {
		if random.IntN(100) >= inAHundred || time.Now().After(until) {
			return none
		}
		t := troubles[random.IntN(len(troubles))]
		if t == cancelsThen && random.IntN(4) > 0 {
			return none // otherwise few shows would come on sale
		}
		return t
	}
}
