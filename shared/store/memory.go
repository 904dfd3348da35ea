package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"waitingroom/shared/room"
)

// Memory is the store in the memory of one process, for simulations: the same methods, errors and
// precision as DynamoDB, without marshalling. What has a ttl there is forgotten here as soon as it
// has passed, the earliest moment at which the table may forget it. It is safe for concurrent use.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	states   map[string]room.State
	pacings  map[string]room.Pacing
	counters map[memoryCounter]counter
	seals    map[cohortKey]lasting[room.Seal]
	visitors map[memoryVisitor]lasting[room.Visitor]
	caps     map[memoryCap]slots
	watched  map[string]bool
}

type memoryCounter struct {
	run    room.Run
	cohort int64
	shard  int
}

type cohortKey struct {
	run    room.Run
	cohort int64
}

type memoryVisitor struct {
	run room.Run
	id  string
}

// memoryCap leaves out the number of parts, as the table's key does.
type memoryCap struct {
	run     room.Run
	seconds int
	index   int64
	part    int
}

type counter struct {
	n      int64
	sealed bool
	until  time.Time
}

type slots struct {
	n     int64
	last  time.Time
	until time.Time
}

type lasting[V any] struct {
	value V
	until time.Time
}

// NewMemory returns an empty store.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		now:      now,
		states:   map[string]room.State{},
		pacings:  map[string]room.Pacing{},
		counters: map[memoryCounter]counter{},
		seals:    map[cohortKey]lasting[room.Seal]{},
		visitors: map[memoryVisitor]lasting[room.Visitor]{},
		caps:     map[memoryCap]slots{},
		watched:  map[string]bool{},
	}
}

// enter takes the lock and returns the time. Nothing is read or written for a caller who has left.
func (m *Memory) enter(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	return m.now(), nil
}

// State is DynamoDB.State.
func (m *Memory) State(ctx context.Context, event string) (room.State, error) {
	if _, err := m.enter(ctx); err != nil {
		return room.State{}, err
	}
	defer m.mu.Unlock()
	s, ok := m.states[event]
	if !ok {
		return room.State{}, fmt.Errorf("read state: %w", ErrNotFound)
	}
	return s, nil
}

// Pacing is DynamoDB.Pacing.
func (m *Memory) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	if _, err := m.enter(ctx); err != nil {
		return room.Pacing{}, err
	}
	defer m.mu.Unlock()
	p, ok := m.pacings[event]
	if !ok {
		return room.Pacing{}, fmt.Errorf("read pacing: %w", ErrNotFound)
	}
	return copyPacing(p), nil
}

// Save is DynamoDB.Save.
func (m *Memory) Save(ctx context.Context, next room.State, held room.Fence) error {
	if _, err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	return m.save(next, held)
}

// SaveWithPacing is DynamoDB.SaveWithPacing.
func (m *Memory) SaveWithPacing(ctx context.Context, next room.State, pacing room.Pacing, held room.Fence) error {
	if _, err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if err := m.save(next, held); err != nil {
		return err
	}
	m.pacings[next.Event] = copyPacing(pacing)
	return nil
}

func (m *Memory) save(next room.State, held room.Fence) error {
	stored, exists := m.states[next.Event]
	if exists != (held != room.Fence{}) || stored.Fence != held {
		return fmt.Errorf("save state: %w", ErrFenced)
	}
	next.Announced = stored.Announced
	m.states[next.Event] = copyState(next)
	return nil
}

// Announce is DynamoDB.Announce.
func (m *Memory) Announce(ctx context.Context, event string, at time.Time) error {
	if _, err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if st, exists := m.states[event]; exists {
		st.Announced = toMilli(at)
		m.states[event] = st
	}
	return nil
}

// Watch is DynamoDB.Watch.
func (m *Memory) Watch(ctx context.Context, event string) error {
	if _, err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.watched[event] = true
	return nil
}

// Unwatch is DynamoDB.Unwatch.
func (m *Memory) Unwatch(ctx context.Context, event string) error {
	if _, err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.watched, event)
	return nil
}

// Watched is DynamoDB.Watched.
func (m *Memory) Watched(ctx context.Context) ([]string, error) {
	if _, err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.watched)), nil
}

// counter returns the counter as it stands at now; a forgotten one begins anew.
func (m *Memory) counter(k memoryCounter, now time.Time) counter {
	if c := m.counters[k]; now.Before(c.until) {
		return c
	}
	return counter{}
}

// Count is DynamoDB.Count.
func (m *Memory) Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	k := memoryCounter{run, cohort, shard}
	c := m.counter(k, now)
	if c.sealed {
		return 0, fmt.Errorf("count arrival: %w", ErrSealed)
	}
	c.n, c.until = c.n+1, now.Add(keepRun)
	m.counters[k] = c
	return c.n, nil
}

// Arrivals is DynamoDB.Arrivals, and never behind.
func (m *Memory) Arrivals(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.counter(memoryCounter{run, cohort, shard}, now).n, nil
}

// SealShard is DynamoDB.SealShard.
func (m *Memory) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	k := memoryCounter{run, cohort, shard}
	c := m.counter(k, now)
	c.sealed, c.until = true, now.Add(keepRun)
	m.counters[k] = c
	return c.n, nil
}

// PutSeal is DynamoDB.PutSeal.
func (m *Memory) PutSeal(ctx context.Context, seal room.Seal) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	k := cohortKey{seal.Run, seal.Cohort}
	stored, ok := m.seals[k]
	if !ok || !now.Before(stored.until) {
		m.seals[k] = lasting[room.Seal]{copySeal(seal), now.Add(keepRun)}
		return nil
	}
	if !stored.value.Equal(seal) {
		return fmt.Errorf("put seal of cohort %d: %w", seal.Cohort, ErrConflict)
	}
	return nil
}

// Seal is DynamoDB.Seal.
func (m *Memory) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Seal{}, err
	}
	defer m.mu.Unlock()
	stored, ok := m.seals[cohortKey{run, cohort}]
	if !ok || !now.Before(stored.until) {
		return room.Seal{}, fmt.Errorf("read seal of cohort %d: %w", cohort, ErrNotFound)
	}
	return copySeal(stored.value), nil
}

// visitor returns the visitor as it stands at now, with its end of life.
func (m *Memory) visitor(k memoryVisitor, now time.Time) (lasting[room.Visitor], error) {
	stored, ok := m.visitors[k]
	if !ok || !now.Before(stored.until) {
		return lasting[room.Visitor]{}, fmt.Errorf("visitor: %w", ErrNotFound)
	}
	return stored, nil
}

// AddVisitor is DynamoDB.AddVisitor.
func (m *Memory) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, err
	}
	defer m.mu.Unlock()
	k := memoryVisitor{run, v.ID}
	if stored, err := m.visitor(k, now); err == nil {
		return copyVisitor(stored.value), nil
	}
	m.visitors[k] = lasting[room.Visitor]{copyVisitor(v), now.Add(keepRun)}
	return copyVisitor(v), nil
}

// Visitor is DynamoDB.Visitor.
func (m *Memory) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, err
	}
	defer m.mu.Unlock()
	stored, err := m.visitor(memoryVisitor{run, id}, now)
	return copyVisitor(stored.value), err
}

// Mark is DynamoDB.Mark.
func (m *Memory) Mark(ctx context.Context, run room.Run, id string, start time.Time) (old room.Visitor, marked bool, err error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, false, err
	}
	defer m.mu.Unlock()
	k := memoryVisitor{run, id}
	stored, err := m.visitor(k, now)
	if err != nil {
		return room.Visitor{}, false, err
	}
	old = copyVisitor(stored.value)
	if old.Pass != nil || !old.Mark.Before(start) && !old.Mark.After(start.Add(MarkAhead)) {
		return old, false, nil
	}
	stored.value.Mark = toMilli(start)
	m.visitors[k] = stored
	return old, true, nil
}

// Admit is DynamoDB.Admit.
func (m *Memory) Admit(ctx context.Context, run room.Run, id string, pass room.Pass) (room.Pass, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Pass{}, err
	}
	defer m.mu.Unlock()
	k := memoryVisitor{run, id}
	stored, err := m.visitor(k, now)
	if err != nil {
		return room.Pass{}, err
	}
	if stored.value.Pass != nil {
		return *stored.value.Pass, nil
	}
	pass = copyPass(pass)
	stored.value.Pass = &pass
	m.visitors[k] = stored
	return pass, nil
}

// TakeSlot is DynamoDB.TakeSlot.
func (m *Memory) TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	k := memoryCap{run, w.Seconds(), w.Index, part}
	s := m.slots(k, now)
	if s.n >= limit {
		return fmt.Errorf("take slot: %w", ErrFull)
	}
	m.caps[k] = slots{n: s.n + 1, last: toMilli(at), until: now.Add(keepCap)}
	return nil
}

// Taken is DynamoDB.Taken.
func (m *Memory) Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer m.mu.Unlock()
	s := m.slots(memoryCap{run, w.Seconds(), w.Index, part}, now)
	return s.n, s.last, nil
}

// slots returns what the item counts at now; a forgotten one begins anew.
func (m *Memory) slots(k memoryCap, now time.Time) slots {
	if s := m.caps[k]; now.Before(s.until) {
		return s
	}
	return slots{}
}
