package virtual

import (
	"context"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// Units of DynamoDB, by the items' sizes: a write unit is a KB, doubled in a transaction; a read unit
// is 4 KB, half of one where the read need not be consistent
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html).
// Conditions that fail cost as much.
const (
	itemUnits   = 1  // whatever has less than a KB: all but the pacing
	pacingUnits = 10 // the state and up to 4 KB of pacing, in a transaction
)

// table counts what the calls of the store cost, as DynamoDB would.
type table struct {
	*store.Memory
	writes, reads float64
}

func (t *table) write() { t.writes += itemUnits }
func (t *table) read()  { t.reads++ }

func (t *table) State(ctx context.Context, event string) (room.State, error) {
	t.read()
	return t.Memory.State(ctx, event)
}

func (t *table) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	t.read()
	return t.Memory.Pacing(ctx, event)
}

func (t *table) Save(ctx context.Context, next room.State, held room.Fence) error {
	t.write()
	return t.Memory.Save(ctx, next, held)
}

func (t *table) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	t.writes += pacingUnits
	return t.Memory.SaveWithPacing(ctx, next, p, held)
}

func (t *table) Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	t.write()
	return t.Memory.Count(ctx, run, cohort, shard)
}

func (t *table) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	t.reads += 0.5 * float64(shards)
	return t.Memory.Arrivals(ctx, run, cohort, shards)
}

func (t *table) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	t.write()
	return t.Memory.SealShard(ctx, run, cohort, shard)
}

func (t *table) PutSeal(ctx context.Context, seal room.Seal) error {
	t.write()
	return t.Memory.PutSeal(ctx, seal)
}

func (t *table) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	t.write()
	return t.Memory.AddVisitor(ctx, run, v)
}

func (t *table) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	t.read()
	return t.Memory.Visitor(ctx, run, id)
}

func (t *table) Mark(ctx context.Context, run room.Run, id string, start time.Time) (room.Visitor, bool, error) {
	t.write()
	return t.Memory.Mark(ctx, run, id, start)
}

func (t *table) TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error {
	t.write()
	return t.Memory.TakeSlot(ctx, run, w, part, limit, at)
}

func (t *table) Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error) {
	t.read()
	return t.Memory.Taken(ctx, run, w, part)
}

func (t *table) Admit(ctx context.Context, run room.Run, id string, p room.Pass) (room.Pass, error) {
	t.write()
	return t.Memory.Admit(ctx, run, id, p)
}

// uncounted is what the views of the few environments here read. A deployment has many more, whose
// reads are computed: see seconds.
type uncounted struct{ *store.Memory }
