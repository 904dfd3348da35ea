package store

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"waitingroom/shared/room"
)

// How much a View keeps, and for how long.
const (
	maxAge     = time.Second     // of a state, counted from when its reading began
	maxUnknown = 1_000           // names without a state: anybody can make one up
	maxSeals   = 20_000          // about 20 MB at 128 shards; a sale of five hours at one a second
	maxRead    = 5 * time.Second // half of what a join or an admission may take
)

// Source is where a View reads; DynamoDB and Memory are sources.
type Source interface {
	State(ctx context.Context, event string) (room.State, error)
	Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error)
}

// View spares the table the reads of the functions that visitors call. Callers who want the same
// at the same time share one read, which goes on when one of them leaves. It is safe for
// concurrent use.
type View struct {
	source Source
	now    func() time.Time
	reads  singleflight.Group

	mu      sync.Mutex
	states  map[string]known[room.State] // one for each real event, so there are few
	unknown map[string]time.Time         // when the reading began that found nothing
	seals   map[cohortKey]room.Seal
}

type known[V any] struct {
	value V
	read  time.Time // when the reading began
}

// NewView returns an empty view of source.
func NewView(source Source, now func() time.Time) *View {
	return &View{
		source:  source,
		now:     now,
		states:  map[string]known[room.State]{},
		unknown: map[string]time.Time{},
		seals:   map[cohortKey]room.Seal{},
	}
}

// State returns event's state, at most a second old when the call begins, or ErrNotFound, which
// is remembered as long. Within a run the version never goes back. If the table cannot be read,
// an older state is not served: admissions are judged on it.
func (v *View) State(ctx context.Context, event string) (room.State, error) {
	if s, err, ok := v.cached(event); ok {
		return s, err
	}
	s, err := shared(ctx, &v.reads, "state#"+event, func(ctx context.Context) (room.State, error) {
		return v.Fresh(ctx, event)
	})
	if err != nil {
		return s, err
	}
	// The read that was joined may have begun long ago, where the table is slow.
	if s, err, ok := v.cached(event); ok {
		return s, err
	}
	return v.Fresh(ctx, event)
}

// Fresh reads event's state now, whatever is remembered, and remembers it.
func (v *View) Fresh(ctx context.Context, event string) (room.State, error) {
	began := v.now()
	s, err := v.source.State(ctx, event)
	if errors.Is(err, ErrNotFound) {
		v.forget(event, began)
		return room.State{}, err
	}
	if err != nil {
		return room.State{}, err
	}
	return v.remember(s, began), nil
}

// Seal returns the seal of a cohort, or ErrNotFound, which is not remembered: ask for cohorts
// only that the state says are sealed. The counts are shared; do not change them.
func (v *View) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	k := cohortKey{run, cohort}
	v.mu.Lock()
	seal, ok := v.seals[k]
	v.mu.Unlock()
	if ok {
		return seal, nil
	}
	name := "seal#" + runKey(run) + "#" + strconv.FormatInt(cohort, 10)
	return shared(ctx, &v.reads, name, func(ctx context.Context) (room.Seal, error) {
		seal, err := v.source.Seal(ctx, run, cohort)
		if err == nil {
			v.keep(k, seal)
		}
		return seal, err
	})
}

func (v *View) cached(event string) (s room.State, err error, ok bool) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	// A hidden run is shown within moments, and those who are told of it come at once.
	if s, ok := v.states[event]; ok && current(s.read, now) && !s.value.Hidden {
		return s.value, nil, true
	}
	if read, ok := v.unknown[event]; ok && current(read, now) {
		return room.State{}, ErrNotFound, true
	}
	return room.State{}, nil, false
}

// current reports whether what was read then is good at now, by the wall clock and by the monotonic
// one where there is one: the latter may stand still while an environment is frozen, and the former
// may go back.
func current(read, now time.Time) bool {
	for _, age := range []time.Duration{now.Sub(read), now.Round(0).Sub(read.Round(0))} {
		if age < 0 || age > maxAge {
			return false
		}
	}
	return true
}

// remember keeps s, or a later version of the same run that another read has brought meanwhile,
// and returns the one that it keeps.
func (v *View) remember(s room.State, began time.Time) room.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.unknown, s.Event)
	if old, ok := v.states[s.Event]; ok && old.value.Run == s.Run && old.value.Version > s.Version {
		return old.value
	}
	v.states[s.Event] = known[room.State]{s, began}
	return s
}

func (v *View) forget(event string, began time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if old, ok := v.states[event]; ok && old.read.After(began) {
		return // a slow read from before the run began
	}
	delete(v.states, event)
	if len(v.unknown) >= maxUnknown {
		// Somebody makes names up, and each of them costs a read in any case.
		clear(v.unknown)
	}
	v.unknown[event] = began
}

func (v *View) keep(k cohortKey, seal room.Seal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seals) >= maxSeals {
		// Any one of them: which seals are asked for next is as random as the visitors.
		for one := range v.seals {
			delete(v.seals, one)
			break
		}
	}
	v.seals[k] = seal
}

// shared makes one read for all who ask for name while it is under way. The read has its own time
// limit and does not end with the caller who happened to be first.
func shared[V any](ctx context.Context, reads *singleflight.Group, name string, read func(context.Context) (V, error)) (V, error) {
	done := reads.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxRead)
		defer cancel()
		return read(ctx)
	})
	select {
	case result := <-done:
		value, _ := result.Val.(V)
		return value, result.Err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}
