package simulation

import (
	"context"
	"errors"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// faulty is the store as processes meet it: over a network, with faults, each effect told to the
// judge at the moment at which it happens.
type faulty struct{ w *world }

func (f faulty) State(ctx context.Context, event string) (room.State, error) {
	return call(ctx, func() (room.State, error) { return f.w.memory.State(context.Background(), event) })
}

func (f faulty) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	return call(ctx, func() (room.Pacing, error) { return f.w.memory.Pacing(context.Background(), event) })
}

func (f faulty) Save(ctx context.Context, next room.State, held room.Fence) error {
	return f.save(ctx, next, func() error { return f.w.memory.Save(context.Background(), next, held) })
}

func (f faulty) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	return f.save(ctx, next, func() error { return f.w.memory.SaveWithPacing(context.Background(), next, p, held) })
}

func (f faulty) save(ctx context.Context, next room.State, effect func() error) error {
	return f.write(ctx, func() error {
		before, _ := f.w.memory.State(context.Background(), next.Event)
		err := effect()
		if err == nil {
			f.w.judge.saved(caller(ctx), before, next)
		}
		return err
	})
}

func (f faulty) Watch(ctx context.Context, event string) error {
	return f.write(ctx, func() error { return f.w.memory.Watch(context.Background(), event) })
}

func (f faulty) Unwatch(ctx context.Context, event string) error {
	return f.write(ctx, func() error { return f.w.memory.Unwatch(context.Background(), event) })
}

func (f faulty) Watched(ctx context.Context) ([]string, error) {
	return call(ctx, func() ([]string, error) { return f.w.memory.Watched(context.Background()) })
}

func (f faulty) Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	return call(ctx, func() (int64, error) {
		seq, err := f.w.memory.Count(context.Background(), run, cohort, shard)
		if err == nil {
			f.w.judge.counted(number{run.ID, cohort, shard, seq})
		}
		if errors.Is(err, store.ErrSealed) {
			f.w.judge.tooLate++
		}
		return seq, err
	})
}

func (f faulty) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	return call(ctx, func() (int64, error) { return f.w.memory.Arrivals(context.Background(), run, cohort, shards) })
}

func (f faulty) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	return call(ctx, func() (int64, error) { return f.w.memory.SealShard(context.Background(), run, cohort, shard) })
}

func (f faulty) PutSeal(ctx context.Context, seal room.Seal) error {
	return f.write(ctx, func() error {
		err := f.w.memory.PutSeal(context.Background(), seal)
		f.w.judge.sealed(seal, err)
		return err
	})
}

func (f faulty) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	return call(ctx, func() (room.Seal, error) { return f.w.memory.Seal(context.Background(), run, cohort) })
}

func (f faulty) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	return call(ctx, func() (room.Visitor, error) { return f.w.memory.AddVisitor(context.Background(), run, v) })
}

func (f faulty) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	return call(ctx, func() (room.Visitor, error) { return f.w.memory.Visitor(context.Background(), run, id) })
}

func (f faulty) Mark(ctx context.Context, run room.Run, id string, start time.Time) (room.Visitor, bool, error) {
	type marking struct {
		old    room.Visitor
		marked bool
	}
	m, err := call(ctx, func() (marking, error) {
		old, marked, err := f.w.memory.Mark(context.Background(), run, id, start)
		return marking{old, marked}, err
	})
	return m.old, m.marked, err
}

func (f faulty) Admit(ctx context.Context, run room.Run, id string, pass room.Pass) (room.Pass, error) {
	return call(ctx, func() (room.Pass, error) {
		if f.w.broken["Admit"] {
			return room.Pass{}, errLost
		}
		granted, err := f.w.memory.Admit(context.Background(), run, id, pass)
		if err == nil {
			f.w.judge.granted(run, id, granted)
		}
		return granted, err
	})
}

func (f faulty) TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error {
	return f.write(ctx, func() error {
		err := f.w.memory.TakeSlot(context.Background(), run, w, part, limit, at)
		if err == nil {
			f.w.judge.took(w, at)
		}
		return err
	})
}

func (f faulty) Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error) {
	type slots struct {
		n    int64
		last time.Time
	}
	s, err := call(ctx, func() (slots, error) {
		n, last, err := f.w.memory.Taken(context.Background(), run, w, part)
		return slots{n, last}, err
	})
	return s.n, s.last, err
}

func (f faulty) write(ctx context.Context, effect func() error) error {
	_, err := call(ctx, func() (struct{}, error) { return struct{}{}, effect() })
	return err
}
