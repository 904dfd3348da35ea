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
	visitors map[room.Run]map[string]place // by the visitor's id
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

// place is a visitor as it is kept. A sale may have ten million of them, and a time.Time takes three
// times as much as what is left of it at the table's precision: numbers are Unix milliseconds, those
// of the pass seconds.
type place struct {
	cohort, seq            int64
	joined, mark           int64
	until                  int64 // Unix nanoseconds
	pass                   string
	passIssued, passExpiry int64
	shard                  int32
	admitted               bool
}

func placeOf(v room.Visitor, until time.Time) place {
	p := place{
		cohort: v.Cohort, shard: int32(v.Shard), seq: v.Seq,
		joined: v.Joined.UnixMilli(), mark: v.Mark.UnixMilli(), until: until.UnixNano(),
	}
	if v.Pass != nil {
		p.admit(*v.Pass)
	}
	return p
}

func (p *place) admit(pass room.Pass) {
	p.admitted, p.pass = true, pass.ID
	p.passIssued, p.passExpiry = pass.Issued.Unix(), pass.Expiry.Unix()
}

// visitor is the place as the store's callers know it.
func (p *place) visitor(id string) room.Visitor {
	v := room.Visitor{
		ID: id, Cohort: p.cohort, Shard: int(p.shard), Seq: p.seq,
		Joined: time.UnixMilli(p.joined).UTC(), Mark: time.UnixMilli(p.mark).UTC(),
	}
	if p.admitted {
		v.Pass = &room.Pass{ID: p.pass, Issued: time.Unix(p.passIssued, 0).UTC(), Expiry: time.Unix(p.passExpiry, 0).UTC()}
	}
	return v
}

// NewMemory returns an empty store.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		now:      now,
		states:   map[string]room.State{},
		pacings:  map[string]room.Pacing{},
		counters: map[memoryCounter]counter{},
		seals:    map[cohortKey]lasting[room.Seal]{},
		visitors: map[room.Run]map[string]place{},
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
func (m *Memory) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	var sum int64
	for shard := range shards {
		sum += m.counter(memoryCounter{run, cohort, shard}, now).n
	}
	return sum, nil
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

// place returns the visitor's place as it stands at now.
func (m *Memory) place(run room.Run, id string, now time.Time) (place, error) {
	p, ok := m.visitors[run][id]
	if !ok || now.UnixNano() >= p.until {
		return place{}, fmt.Errorf("visitor: %w", ErrNotFound)
	}
	return p, nil
}

// AddVisitor is DynamoDB.AddVisitor.
func (m *Memory) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, err
	}
	defer m.mu.Unlock()
	stored, ok := m.visitors[run][v.ID]
	if !ok || now.UnixNano() >= stored.until {
		stored = placeOf(v, now.Add(keepRun))
		if m.visitors[run] == nil {
			m.visitors[run] = map[string]place{}
		}
		m.visitors[run][v.ID] = stored
	}
	return stored.visitor(v.ID), nil
}

// Visitor is DynamoDB.Visitor.
func (m *Memory) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, err
	}
	defer m.mu.Unlock()
	stored, err := m.place(run, id, now)
	if err != nil {
		return room.Visitor{}, err
	}
	return stored.visitor(id), nil
}

// Mark is DynamoDB.Mark.
func (m *Memory) Mark(ctx context.Context, run room.Run, id string, start time.Time) (old room.Visitor, marked bool, err error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Visitor{}, false, err
	}
	defer m.mu.Unlock()
	stored, err := m.place(run, id, now)
	if err != nil {
		return room.Visitor{}, false, err
	}
	old = stored.visitor(id)
	if old.Pass != nil || !old.Mark.Before(start) && !old.Mark.After(start.Add(MarkAhead)) {
		return old, false, nil
	}
	stored.mark = start.UnixMilli()
	m.visitors[run][id] = stored
	return old, true, nil
}

// Admit is DynamoDB.Admit.
func (m *Memory) Admit(ctx context.Context, run room.Run, id string, pass room.Pass) (room.Pass, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return room.Pass{}, err
	}
	defer m.mu.Unlock()
	stored, err := m.place(run, id, now)
	if err != nil {
		return room.Pass{}, err
	}
	if !stored.admitted {
		stored.admit(pass)
		m.visitors[run][id] = stored
	}
	return *stored.visitor(id).Pass, nil
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
