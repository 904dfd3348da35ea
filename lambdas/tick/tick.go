package tick

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

const (
	// RunFor is how long an invocation works if there is anything to watch. Invocations start a
	// minute apart, at most two, so that two are always alive.
	RunFor = 180 * time.Second
	// stepEvery is the distance of steps.
	stepEvery = time.Second
	// stepLimit ends a step that hangs. A standby has taken over long before.
	stepLimit = 10 * time.Second
	// handOverLimit is what the end of an invocation may take.
	handOverLimit = 5 * time.Second
)

// Store is where the state is kept.
type Store interface {
	State(ctx context.Context, event string) (room.State, error)
	Pacing(ctx context.Context, event string) (room.Pacing, error)
	Save(ctx context.Context, next room.State, held room.Fence) error
	SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error
	Arrivals(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	PutSeal(ctx context.Context, seal room.Seal) error
	Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error)
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

// Ticker is what the invocations of one environment share. All fields but WellKnown are required.
type Ticker struct {
	Store      Store
	Parameters Parameters
	Publisher  Publisher
	Secret     []byte    // the deployment's secret, which draw keys are derived from
	Random     io.Reader // of run ids and lease owners
	Now        func() time.Time
	Monotonic  func() time.Duration // never goes back, whatever the wall clock does
	Parallel   int                  // how many shards are read or sealed at a time
	WellKnown  map[string][]byte    // documents by path, published before any status
	Log        *slog.Logger

	mu       sync.Mutex
	known    map[string]map[string]string             // the events last listed
	reported map[string]map[string]settings.Rejection // by event and parameter: what has been logged
}

// Run is one invocation: it looks at every event once, and goes on for RunFor, or as long as ctx
// allows, with those that have to be watched.
func (t *Ticker) Run(ctx context.Context) error {
	end := t.Monotonic() + RunFor
	if deadline, ok := ctx.Deadline(); ok {
		end = min(end, t.Monotonic()+deadline.Sub(t.Now())-handOverLimit)
	}
	var id [8]byte
	if _, err := io.ReadFull(t.Random, id[:]); err != nil {
		return fmt.Errorf("draw an owner: %w", err)
	}
	events, err := t.events(ctx)
	if err != nil {
		return err
	}
	for path, document := range t.WellKnown {
		if err := t.Publisher.Put(ctx, path, document); err != nil {
			// The one of a minute ago is still there; without the first no pass can be checked.
			t.Log.ErrorContext(ctx, "document not published", "path", path, "error", err)
		}
	}
	// Events do not wait for each other, so a slow one holds up nobody.
	var group sync.WaitGroup
	for event, raw := range events {
		l := t.leader(event, hex.EncodeToString(id[:]), raw)
		group.Go(func() { l.run(ctx, end) })
	}
	group.Wait()
	return nil
}

// events reads which events there are. When Parameter Store is out of reach, those that this
// environment saw a minute ago go on; an environment that has seen none leaves the invocation to
// fail, and the next one tries again.
func (t *Ticker) events(ctx context.Context) (map[string]map[string]string, error) {
	events, rejections, err := t.Parameters.All(ctx)
	t.mu.Lock()
	known := t.known
	if err == nil {
		// An event whose parameters were all deleted goes on with its last good ones.
		for event := range known {
			if _, listed := events[event]; !listed {
				events[event] = nil
			}
		}
		t.known = events
	}
	t.mu.Unlock()
	if err == nil {
		t.report(ctx, "", rejections)
		return events, nil
	}
	if known == nil {
		return nil, fmt.Errorf("list the events: %w", err)
	}
	t.Log.WarnContext(ctx, "events not listed, those known before go on", "error", err)
	return known, nil
}

func (t *Ticker) leader(event, owner string, raw map[string]string) *leader {
	return &leader{Ticker: t, event: event, owner: owner, raw: raw, readAt: t.Monotonic()}
}

// run makes a step a second until the event needs no watching or end has come.
func (l *leader) run(ctx context.Context, end time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := l.Monotonic(); next < end; {
		timer.Reset(next - l.Monotonic())
		select {
		case <-ctx.Done():
			next = end
			continue
		case <-timer.C:
		}
		if l.stepOnce(ctx) == rest {
			return
		}
		// A step that took longer than a second is not made up for: time is measured, not counted.
		next = max(next+stepEvery, l.Monotonic())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOverLimit)
	defer cancel()
	if err := l.handOver(ctx); err != nil {
		l.Log.WarnContext(ctx, "lease not handed over", "event", l.event, "error", err)
	}
}

func (l *leader) stepOnce(ctx context.Context) outcome {
	limited, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	again, err := l.step(limited)
	// A step that the end of the invocation broke off is no failure: whoever leads next repeats it.
	if err != nil && ctx.Err() == nil {
		l.Log.ErrorContext(ctx, "step failed", "event", l.event, "error", err)
	}
	return again
}

// report logs each rejected parameter once, until it is mended or rejected for another reason.
func (t *Ticker) report(ctx context.Context, event string, rejections []settings.Rejection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, now := t.reported[event], map[string]settings.Rejection{}
	for _, r := range rejections {
		now[r.Parameter] = r
		if before[r.Parameter] != r {
			t.Log.WarnContext(ctx, "parameter rejected", "event", event, "parameter", r.Parameter, "value", r.Value, "reason", r.Reason)
		}
	}
	if t.reported == nil {
		t.reported = map[string]map[string]settings.Rejection{}
	}
	t.reported[event] = now
}
