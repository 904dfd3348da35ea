package tick

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

const (
	// RunFor is how long an invocation works if there is anything to watch. Invocations start a
	// minute apart, at most two, so that two are always alive.
	RunFor = 180 * time.Second
	// stepEvery is the distance of steps.
	stepEvery = time.Second
	// hurryEvery is the distance of steps that see no new version, for as long as hurryFor: a leader's
	// that failed, and a standby's when the leader is overdue. Only trouble makes them, so an event
	// that goes its way is read once a second by each environment.
	hurryEvery = 250 * time.Millisecond
	hurryFor   = 10 * time.Second
	// stepLimit ends a step that hangs. A standby has taken over long before.
	stepLimit = 10 * time.Second
	// handOverLimit is what the end of an invocation may take.
	handOverLimit = 5 * time.Second
	// wellKnownLimit is what the well-known documents may keep the events waiting.
	wellKnownLimit = 5 * time.Second
)

// Store is where the state is kept.
type Store interface {
	State(ctx context.Context, event string) (room.State, error)
	Pacing(ctx context.Context, event string) (room.Pacing, error)
	Save(ctx context.Context, next room.State, held room.Fence) error
	SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error
	Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error)
	SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	PutSeal(ctx context.Context, seal room.Seal) error
	Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error)
	Watch(ctx context.Context, event string) error
	Unwatch(ctx context.Context, event string) error
	Watched(ctx context.Context) ([]string, error)
}

// Parameters is where promoters set events.
type Parameters interface {
	All(ctx context.Context) (map[string]map[string]string, []settings.Rejection, error)
	Event(ctx context.Context, event string) (map[string]string, error)
}

// Publisher puts a document where visitors' browsers find it. The path has no leading slash.
// Putting the same document again is harmless.
type Publisher interface {
	Put(ctx context.Context, path string, body []byte) error
}

// Ticker is what the invocations of one environment share. All fields but WellKnown and Shards are
// required.
type Ticker struct {
	Store      Store
	Parameters Parameters
	Publisher  Publisher
	Secret     []byte    // the deployment's secret, which draw keys are derived from
	Random     io.Reader // of run ids and lease owners
	Now        func() time.Time
	Monotonic  func() time.Duration // never goes back, whatever the wall clock does
	Parallel   int                  // how many shards are sealed at a time
	WellKnown  map[string][]byte    // documents by path, published before any status
	Shards     int                  // of a run whose promoter sets none; 0 for names.DefaultShards
	Log        *slog.Logger
	Metrics    *metrics.Log

	mu       sync.Mutex
	reported map[string]map[settings.Rejection]bool // by event: what has been logged
}

// Run is one invocation: it looks at every event once, and goes on for RunFor, or as long as ctx
// allows, with those that have to be watched. Events that are watched already do not wait for
// Parameter Store to say which events there are; if it does not, that is the error in the end.
func (t *Ticker) Run(ctx context.Context) error {
	runFor := RunFor
	if deadline, ok := ctx.Deadline(); ok {
		runFor = min(runFor, deadline.Sub(t.Now())-handOverLimit)
	}
	end := t.Monotonic() + runFor
	var id [8]byte
	if _, err := io.ReadFull(t.Random, id[:]); err != nil {
		return fmt.Errorf("draw an owner: %w", err)
	}
	watched, err := t.watched(ctx)
	if err != nil {
		t.Log.ErrorContext(ctx, "watched events not read, they wait until all are listed", "error", err)
	}
	t.publishWellKnown(ctx)
	// Events do not wait for each other, so a slow one holds up nobody.
	var group sync.WaitGroup
	started := map[string]bool{}
	start := func(l *leader) {
		l.Ticker, l.owner, started[l.event] = t, hex.EncodeToString(id[:]), true
		group.Go(func() { l.run(ctx, end) })
	}
	for _, event := range watched {
		start(&leader{event: event, noted: true, readAt: t.Monotonic() - settingsEvery})
	}
	listCtx, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	began := t.Monotonic()
	events, rejections, err := t.Parameters.All(listCtx)
	if err == nil {
		t.report(ctx, "", rejections)
	}
	for event, raw := range events {
		if !started[event] {
			start(&leader{event: event, raw: raw, readAt: began})
		}
	}
	group.Wait()
	if err != nil {
		return fmt.Errorf("list the events: %w", err)
	}
	return nil
}

func (t *Ticker) watched(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return t.Store.Watched(ctx)
}

func (t *Ticker) publishWellKnown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, wellKnownLimit)
	defer cancel()
	for path, document := range t.WellKnown {
		if err := t.Publisher.Put(ctx, path, document); err != nil {
			// The one of a minute ago is still there; without the first no pass can be checked.
			t.Log.ErrorContext(ctx, "document not published", "path", path, "error", err)
		}
	}
}

// run makes a step a second until the event needs no watching or end has come.
func (l *leader) run(ctx context.Context, end time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer l.stopReading()
	l.sight.moved = l.Monotonic()
	for next := l.Monotonic(); next < end; {
		timer.Reset(next - l.Monotonic())
		select {
		case <-ctx.Done():
			next = end
			continue
		case <-timer.C:
		}
		if l.look(ctx) == rest {
			return
		}
		// A step that took longer than a second is not made up for: time is measured, not counted.
		next = max(next+l.pause(next), l.Monotonic())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOverLimit)
	defer cancel()
	if err := l.handOver(ctx); err != nil {
		l.Log.WarnContext(ctx, "lease not handed over", "event", l.event, "error", err)
	}
}

// pause is how long after the beginning of a step, at a moment of the monotonic clock, the next one
// begins.
func (l *leader) pause(began time.Duration) time.Duration {
	if still := began - l.sight.moved; still > 0 && still < hurryFor {
		return hurryEvery
	}
	return stepEvery
}

func (l *leader) stepOnce(ctx context.Context) outcome {
	limited, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	again, err := l.step(limited)
	// A step that the end of the invocation broke off is no failure: whoever leads next repeats it.
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, errLost):
		// Two standbys that try at once are nothing to be woken up for.
		l.Log.WarnContext(ctx, "step lost", "event", l.event, "error", err)
	default:
		l.Log.ErrorContext(ctx, "step failed", "event", l.event, "error", err)
	}
	return again
}

// report logs and counts each rejected parameter once, until it is mended or rejected for another
// reason. Another environment that leads the event later does so again.
func (t *Ticker) report(ctx context.Context, event string, rejections []settings.Rejection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, now, found := t.reported[event], map[settings.Rejection]bool{}, 0
	for _, r := range rejections {
		if !before[r] && !now[r] {
			found++
			t.Log.WarnContext(ctx, "parameter rejected", "event", event, "parameter", r.Parameter, "value", r.Value, "reason", r.Reason)
		}
		now[r] = true
	}
	if found > 0 {
		t.Metrics.BadSettings(found)
	}
	if t.reported == nil {
		t.reported = map[string]map[settings.Rejection]bool{}
	}
	t.reported[event] = now
}
