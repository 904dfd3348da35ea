package tick

import (
	"context"
	"fmt"
	"maps"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

const (
	// settingsEvery is how often a live event's parameters are read, and what reading them may take.
	settingsEvery = 8 * time.Second
	// settingsWait is how long a step waits for them. What comes later counts from the step after it,
	// so that Parameter Store can be slow, or down, without slowing the line.
	settingsWait = 500 * time.Millisecond
)

// reading is one reading of an event's parameters.
type reading struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when raw and err are final
	raw    map[string]string
	err    error
}

// read begins to read the parameters. It goes on when the step is over.
func (l *leader) read(ctx context.Context) *reading {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settingsEvery)
	r := &reading{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		defer cancel()
		r.raw, r.err = l.Parameters.Event(ctx, l.event)
	}()
	return r
}

// stopReading gives up what is being read.
func (l *leader) stopReading() {
	if l.reading != nil {
		l.reading.cancel()
		l.reading = nil
	}
}

// refresh reads the parameters if that is due or a change of them has been announced. When they
// cannot be read, the ones before stay.
func (l *leader) refresh(ctx context.Context, announced time.Time) {
	if l.reading == nil {
		if l.Monotonic()-l.readAt < settingsEvery && announced.Equal(l.heard) {
			return
		}
		l.reading, l.readAt, l.heard = l.read(ctx), l.Monotonic(), announced
	}
	timer := time.NewTimer(settingsWait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-ctx.Done():
		return
	case <-l.reading.done:
	}
	if l.reading.err != nil {
		l.Log.WarnContext(ctx, "parameters not read, the last good values stay in force", "event", l.event, "error", l.reading.err)
	} else {
		// Counted from the answer, so that events that once waited for each other do not go on to.
		l.raw, l.readAt = l.reading.raw, l.Monotonic()
	}
	l.reading = nil
}

// readSettings reads the parameters if that is due and checks them.
func (l *leader) readSettings(ctx context.Context, st room.State) error {
	l.refresh(ctx, st.Announced)
	result := l.check(ctx, st)
	if !result.Complete() {
		return fmt.Errorf("parameters missing: %v", result.Missing)
	}
	l.settings = result.Settings
	return nil
}

// check judges the parameters, reports what is not used and keeps what is good.
func (l *leader) check(ctx context.Context, st room.State) settings.Result {
	result := settings.Check(l.raw, l.pacing.Good, st, l.Shards, l.Now())
	l.report(ctx, l.event, result.Rejected)
	if !maps.Equal(l.pacing.Good, result.Good) {
		l.pacing.Good, l.pacedAt = result.Good, 0
	}
	return result
}
