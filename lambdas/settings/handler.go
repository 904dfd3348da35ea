// Package settings is the function that is told when a promoter has changed a parameter. It tells
// the event's leader, which reads and checks the parameters at its next step, and tells people which
// values the leader does not use. What it is told is best effort: a change that it never hears of is
// in force a few seconds later, or is rejected in tick's log alone.
package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

// Store is where the leader finds out, and what it judges parameters by.
type Store interface {
	Announce(ctx context.Context, event string, at time.Time) error
	State(ctx context.Context, event string) (room.State, error)
	Pacing(ctx context.Context, event string) (room.Pacing, error)
}

// Parameters is where promoters set events.
type Parameters interface {
	Event(ctx context.Context, event string) (map[string]string, error)
}

// Metrics is where bad settings are counted.
type Metrics interface {
	BadSettings(count int)
}

// Change is the detail of EventBridge's `Parameter Store Change`. It carries no value.
type Change struct {
	Name      string `json:"name"`
	Operation string `json:"operation"`
}

// deleted is the operation after which a parameter is there no more.
const deleted = "Delete"

// Listener is told of changes. All fields but Shards are required.
type Listener struct {
	Store      Store
	Parameters Parameters
	Alarm      Alarm
	Metrics    Metrics
	Path       string // parameters below it are the room's; a slash at both ends
	Shards     int    // of a run whose promoter sets none; 0 for the default of package settings
	Now        func() time.Time
	Log        *slog.Logger
}

// NewHandler answers EventBridge's `Parameter Store Change`. Parameters that are not below the
// listener's path are none of the room's. Lambda repeats what failed, and all of it may be repeated:
// the leader then reads once more, and people are told twice rather than never.
func NewHandler(l *Listener) func(context.Context, events.CloudWatchEvent) error {
	return func(ctx context.Context, e events.CloudWatchEvent) error {
		var change Change
		if err := json.Unmarshal(e.Detail, &change); err != nil {
			return fmt.Errorf("read the change: %w", err)
		}
		if !strings.HasPrefix(change.Name, l.Path) {
			return nil
		}
		event, _, stray := settings.Belongs(l.Path, change.Name)
		if stray != nil {
			return l.reportStray(ctx, change, *stray)
		}
		l.Log.InfoContext(ctx, "parameter changed", "event", event, "name", change.Name, "operation", change.Operation)
		// The leader comes first: it must not wait for what Parameter Store or a mail takes.
		if err := l.Store.Announce(ctx, event, l.Now()); err != nil {
			return fmt.Errorf("announce the change of %s: %w", change.Name, err)
		}
		if err := l.check(ctx, event, change); err != nil {
			return fmt.Errorf("check %s after the change of %s: %w", event, change.Name, err)
		}
		return nil
	}
}

// reportStray tells of a parameter that belongs to no event. One that has been deleted is mended.
func (l *Listener) reportStray(ctx context.Context, change Change, stray settings.Rejection) error {
	if change.Operation == deleted {
		return nil
	}
	stray.Parameter = change.Name // of all that is below a bad event name, this is what was set
	return l.report(ctx, notice{change: change, path: l.Path, rejected: []settings.Rejection{stray}})
}

// check judges all of the event's parameters, since one may make another wrong.
func (l *Listener) check(ctx context.Context, event string, change Change) error {
	raw, err := l.Parameters.Event(ctx, event)
	if err != nil {
		return err
	}
	// Read after the announcement, whose time decides whether a closed event goes on sale again.
	st, err := l.Store.State(ctx, event)
	if errors.Is(err, store.ErrNotFound) {
		st, err = room.State{Closing: room.NoCohort}, nil
	}
	if err != nil {
		return err
	}
	pacing, err := l.Store.Pacing(ctx, event)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	rejected := settings.Check(raw, pacing.Good, st, l.Shards, l.Now()).Rejected
	if len(rejected) == 0 {
		return nil
	}
	return l.report(ctx, notice{event: event, change: change, path: l.Path, set: raw, rejected: rejected})
}

// report logs, counts and publishes what is not used. Publishing comes last because it may fail.
func (l *Listener) report(ctx context.Context, n notice) error {
	for _, r := range n.rejected {
		l.Log.WarnContext(ctx, "parameter rejected", "event", n.event, "parameter", r.Parameter, "value", r.Value, "reason", r.Reason)
	}
	l.Metrics.BadSettings(len(n.rejected))
	if err := l.Alarm.publish(ctx, n); err != nil {
		return fmt.Errorf("raise the alarm: %w", err)
	}
	return nil
}
