package tick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

var errForeignSecret = errors.New("the deployment's secret is not the one that this run was begun with: put it back")

// seal closes the open cohort if that is due, and finishes whatever closing is decided. The order
// is: decision, shards, seal item, seal document; the caller stores the state and publishes the
// status. A crash in between leaves a decision that the next leader carries out with the same
// result, since sealed counts do not change. On an error st is returned as far as it is stored.
func (l *leader) seal(ctx context.Context, st room.State) (room.State, error) {
	due, err := l.closingDue(ctx, st)
	if err != nil {
		return st, err
	}
	if due {
		decided, pacing := l.decide(st)
		if err := l.save(ctx, &decided, pacing); err != nil {
			return st, err
		}
		st = decided
	}
	if st.Closing == room.NoCohort {
		return st, nil
	}
	seal, err := l.sealCohort(ctx, st)
	if err != nil {
		return st, fmt.Errorf("seal cohort %d: %w", st.Closing, err)
	}
	return st.FinishClosing(seal.Size()), nil
}

// decide is the state in which the open cohort is to be sealed. It moves the pointer too: if the
// leader dies before it has sealed the cohort, a standby counts from this write on, and people would
// wait for two takeovers. Unless it lets everybody in: the credit that is left over is for those who
// are being sealed.
func (l *leader) decide(st room.State) (room.State, room.Pacing) {
	decided, pacing := st.BeginClosing(l.settings.OnSale), l.pacing
	moved, paced := room.Step(decided, pacing, l.settings, nil, l.Now())
	if st.Phase == room.Open && moved.Phase == room.Open && moved.Admitted < moved.Base {
		decided, pacing = moved, paced
	}
	decided.Owner = l.owner
	return decided, pacing
}

func (l *leader) closingDue(ctx context.Context, st room.State) (bool, error) {
	if st.MustClose(l.settings.OnSale, l.Now()) {
		return true, nil
	}
	if !st.MayClose() {
		return false, nil
	}
	n, err := l.Store.Arrivals(ctx, st.Run, st.Cohort, st.Shards)
	if n > 0 {
		return true, nil // what could not be read changes nothing about that
	}
	if err != nil {
		return false, fmt.Errorf("look for arrivals: %w", err)
	}
	return false, nil
}

func (l *leader) sealCohort(ctx context.Context, st room.State) (room.Seal, error) {
	drawKey := st.DrawKey(l.Secret)
	if room.Commit(drawKey) != st.Commit {
		return room.Seal{}, errForeignSecret
	}
	counts := make([]int64, st.Shards)
	err := l.each(ctx, len(counts), func(ctx context.Context, shard int) (err error) {
		counts[shard], err = l.Store.SealShard(ctx, st.Run, st.Closing, shard)
		return err
	})
	if err != nil {
		return room.Seal{}, fmt.Errorf("seal the shards: %w", err)
	}
	seal := room.Seal{Run: st.Run, Cohort: st.Closing, Base: st.Base, Counts: counts,
		Seed: room.Seed(drawKey, st.Run, st.Closing, counts)}
	if err := l.Store.PutSeal(ctx, seal); err != nil {
		return room.Seal{}, fmt.Errorf("store the seal: %w", err)
	}
	document, err := json.Marshal(seal.Document())
	if err != nil {
		return room.Seal{}, err
	}
	if err := l.put(ctx, SealPath(st.Run, st.Closing), document); err != nil {
		return room.Seal{}, fmt.Errorf("publish the seal: %w", err)
	}
	return seal, nil
}

// SealPath is where the seal of a cohort is published, without the leading slash.
func SealPath(run room.Run, cohort int64) string {
	return runFolder(run) + strconv.FormatInt(cohort, 10) + ".json"
}

// runFolder is where what belongs to a run for good is published.
func runFolder(run room.Run) string {
	return strings.TrimPrefix(names.SealsPrefix, "/") + run.Event + "/" + run.ID + "/"
}

// each calls do for 0 … n-1, as many at a time as the ticker allows, until one fails. A goroutine makes
// one call after the other: the SDK goes deep, and each new stack has to grow to that.
func (t *Ticker) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, max(1, t.Parallel)) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(ctx, int(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// tally reads what the windows took that have ended since the last step.
func (l *leader) tally(ctx context.Context, st room.State) ([]room.Tally, error) {
	if st.Admitted == 0 || st.Phase == room.Closed {
		return nil, nil
	}
	var tallies []room.Tally
	for _, w := range l.pacing.Show.Due(st.Cap, l.Now()) {
		tally := room.Tally{Window: w}
		for part := range w.Parts {
			n, last, err := l.Store.Taken(ctx, st.Run, w, part)
			if err != nil {
				return tallies, fmt.Errorf("read window %s: %w", w, err)
			}
			tally.N += n
			if last.After(tally.Last) {
				tally.Last = last
			}
		}
		tallies = append(tallies, tally)
	}
	return tallies, nil
}
