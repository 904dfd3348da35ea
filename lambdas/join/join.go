package join

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// Store is where arrivals are counted and places kept.
type Store interface {
	Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error)
	Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error)
}

// States is where the state is read: State at most a second old, Fresh now.
type States interface {
	State(ctx context.Context, event string) (room.State, error)
	Fresh(ctx context.Context, event string) (room.State, error)
}

// maxCohorts is how many cohorts a join tries. Cohorts are closed a second apart, so a join that
// meets this many sealed ones has been held up for seconds and is better started anew.
const maxCohorts = 5

// Joiner gives places. Its zero values are not usable.
type Joiner struct {
	Store   Store
	States  States
	Pick    func(n int) int // a random number from 0 to n-1
	Now     func() time.Time
	Metrics *metrics.Log

	mu    sync.Mutex
	later map[string]cohort // by event: the cohort behind one that was met sealed
}

type cohort struct {
	run    string
	number int64
}

// errNoneHeld is for a link that carries no place. Whoever made it up knows its secret, so it must not
// be joined with.
var errNoneHeld = httpapi.BadRequest("No place is held with this secret. Join with one that nobody else knows.")

// Held returns the place of a visitor who says that there is one. Joining would take a number for
// nothing and leave a hole in the line.
func (j *Joiner) Held(ctx context.Context, event, id string) (v room.Visitor, run room.Run, err error) {
	state, err := j.States.State(ctx, event)
	if errors.Is(err, store.ErrNotFound) {
		return v, run, httpapi.UnknownEvent
	}
	if err != nil {
		return v, run, fmt.Errorf("read the state: %w", err)
	}
	v, err = j.held(ctx, state.Run, id, errNoneHeld)
	return v, state.Run, err
}

// Join gives the visitor id a place in the event's line, or returns the one held already.
func (j *Joiner) Join(ctx context.Context, event, id string) (v room.Visitor, run room.Run, created bool, err error) {
	state, err := j.States.State(ctx, event)
	for range maxCohorts {
		if errors.Is(err, store.ErrNotFound) {
			return v, run, false, httpapi.UnknownEvent
		}
		if err != nil {
			return v, run, false, fmt.Errorf("read the state: %w", err)
		}
		run = state.Run
		if refusal := state.Joinable(j.Now()); refusal != nil {
			v, err = j.held(ctx, run, id, refusal)
			return v, run, false, err
		}
		number := j.open(state)
		shard, seq, err2 := j.count(ctx, run, number, state.Shards)
		if err2 == nil {
			v, created, err = j.keep(ctx, run, room.Visitor{ID: id, Cohort: number, Shard: shard, Seq: seq, Joined: j.Now()})
			return v, run, created, err
		}
		if !errors.Is(err2, store.ErrSealed) {
			return v, run, false, fmt.Errorf("count an arrival: %w", err2)
		}
		// The cohort was sealed under us. The state may not say so for a moment yet, and then its
		// successor is the one to count in. Or it says that nobody may join any more, and then there
		// is none: only a state that was read after the seal makes the successor safe to count in.
		state, err = j.States.Fresh(ctx, event)
		if err == nil && state.Run == run && state.Joinable(j.Now()) == nil {
			j.remember(run, number+1)
		}
	}
	return v, run, false, httpapi.Busy
}

// held returns the place that the visitor has, or refusal if there is none.
func (j *Joiner) held(ctx context.Context, run room.Run, id string, refusal error) (room.Visitor, error) {
	v, err := j.Store.Visitor(ctx, run, id)
	if errors.Is(err, store.ErrNotFound) {
		return v, refusal
	}
	if err != nil {
		return v, fmt.Errorf("read the visitor: %w", err)
	}
	return v, nil
}

// count takes a number at a random shard. A throttled write has not happened, so it tries one
// other shard, which is probably on another partition. Any other failure is not repeated: it may
// have happened, and every repetition may leave one more hole in the line.
func (j *Joiner) count(ctx context.Context, run room.Run, number int64, shards int) (shard int, seq int64, err error) {
	shard = j.Pick(shards)
	seq, err = j.Store.Count(ctx, run, number, shard)
	if errors.Is(err, store.ErrThrottled) && shards > 1 {
		shard = (shard + 1 + j.Pick(shards-1)) % shards
		seq, err = j.Store.Count(ctx, run, number, shard)
	}
	return shard, seq, err
}

// keep stores the visitor under the number taken. If there is one already, that place is the
// answer and the number stays a hole. A retry may meet its own earlier write: the same place means
// that it was this one which took it. Only that is counted: after a lost answer the visitor asks
// again and is given a place held already, so what is counted may be less than the line.
func (j *Joiner) keep(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, bool, error) {
	kept, err := j.Store.AddVisitor(ctx, run, v)
	if err != nil {
		return v, false, fmt.Errorf("keep the visitor: %w", err)
	}
	created := kept.Cohort == v.Cohort && kept.Shard == v.Shard && kept.Seq == v.Seq
	if created {
		j.Metrics.Event(run.Event, metrics.Values{names.MetricJoins: 1})
	}
	return kept, created, nil
}

// open is the cohort to count in: the later of the state's and the remembered one.
func (j *Joiner) open(state room.State) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if later := j.later[state.Event]; later.run == state.ID {
		return max(state.Cohort, later.number)
	}
	return state.Cohort
}

func (j *Joiner) remember(run room.Run, number int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.later == nil {
		j.later = map[string]cohort{}
	}
	if known := j.later[run.Event]; known.run != run.ID || known.number < number {
		j.later[run.Event] = cohort{run.ID, number}
	}
}
