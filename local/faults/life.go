package faults

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

// life is that of one invocation.
type life struct {
	invocations *Invocations
	kill        context.CancelFunc
	dead        atomic.Bool
	owner       string // in the lease, under the invocations' lock
}

// die cuts the invocation off before its context ends: what it still does about its end reaches
// nobody.
func (l *life) die() {
	l.dead.Store(true)
	l.kill()
}

func (l *life) isDead() bool { return l.dead.Load() }

// mortal cuts everything that a ticker reaches off with the invocation's life.
func (l *life) mortal(t *tick.Ticker) *tick.Ticker {
	t.Store = mortalStore{l, t.Store}
	t.Parameters = mortalParameters{l, t.Parameters}
	t.Publisher = mortalPublisher{l, t.Publisher}
	t.Log = slog.New(mortalLog{l, t.Log.Handler()})
	return t
}

// during makes a call unless the invocation is dead. The answer to a call that was under way when it
// died is lost.
func during[T any](l *life, call func() (T, error)) (T, error) {
	var nothing T
	if l.isDead() {
		return nothing, errKilled
	}
	value, err := call()
	if l.isDead() {
		return nothing, errKilled
	}
	return value, err
}

func (l *life) during(call func() error) error {
	_, err := during(l, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

type mortalStore struct {
	life  *life
	store tick.Store
}

func (s mortalStore) State(ctx context.Context, event string) (room.State, error) {
	st, err := during(s.life, func() (room.State, error) { return s.store.State(ctx, event) })
	if err == nil {
		s.life.invocations.sees(st)
	}
	return st, err
}

func (s mortalStore) Save(ctx context.Context, next room.State, held room.Fence) error {
	return s.save(next, func() error { return s.store.Save(ctx, next, held) })
}

func (s mortalStore) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	return s.save(next, func() error { return s.store.SaveWithPacing(ctx, next, p, held) })
}

func (s mortalStore) save(next room.State, save func() error) error {
	s.life.invocations.tries(s.life, next)
	err := s.life.during(save)
	if err == nil {
		s.life.invocations.sees(next)
	}
	return err
}

func (s mortalStore) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	return during(s.life, func() (room.Pacing, error) { return s.store.Pacing(ctx, event) })
}

func (s mortalStore) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	return during(s.life, func() (int64, error) { return s.store.Arrivals(ctx, run, cohort, shards) })
}

func (s mortalStore) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	return during(s.life, func() (int64, error) { return s.store.SealShard(ctx, run, cohort, shard) })
}

func (s mortalStore) PutSeal(ctx context.Context, seal room.Seal) error {
	return s.life.during(func() error { return s.store.PutSeal(ctx, seal) })
}

func (s mortalStore) Taken(ctx context.Context, run room.Run, w room.Window, part int) (n int64, last time.Time, err error) {
	err = s.life.during(func() error {
		var err error
		n, last, err = s.store.Taken(ctx, run, w, part)
		return err
	})
	return n, last, err
}

func (s mortalStore) Watch(ctx context.Context, event string) error {
	return s.life.during(func() error { return s.store.Watch(ctx, event) })
}

func (s mortalStore) Unwatch(ctx context.Context, event string) error {
	return s.life.during(func() error { return s.store.Unwatch(ctx, event) })
}

func (s mortalStore) Watched(ctx context.Context) ([]string, error) {
	return during(s.life, func() ([]string, error) { return s.store.Watched(ctx) })
}

type mortalParameters struct {
	life       *life
	parameters tick.Parameters
}

func (p mortalParameters) All(ctx context.Context) (all map[string]map[string]string, rejections []settings.Rejection, err error) {
	err = p.life.during(func() error {
		var err error
		all, rejections, err = p.parameters.All(ctx)
		return err
	})
	return all, rejections, err
}

func (p mortalParameters) Event(ctx context.Context, event string) (map[string]string, error) {
	return during(p.life, func() (map[string]string, error) { return p.parameters.Event(ctx, event) })
}

type mortalPublisher struct {
	life      *life
	publisher tick.Publisher
}

func (p mortalPublisher) Put(ctx context.Context, path string, body []byte) error {
	return p.life.during(func() error { return p.publisher.Put(ctx, path, body) })
}

// mortalLog keeps a dead invocation quiet.
type mortalLog struct {
	life *life
	slog.Handler
}

func (m mortalLog) Enabled(ctx context.Context, level slog.Level) bool {
	return !m.life.isDead() && m.Handler.Enabled(ctx, level)
}

func (m mortalLog) WithAttrs(attributes []slog.Attr) slog.Handler {
	return mortalLog{m.life, m.Handler.WithAttrs(attributes)}
}

func (m mortalLog) WithGroup(name string) slog.Handler {
	return mortalLog{m.life, m.Handler.WithGroup(name)}
}
