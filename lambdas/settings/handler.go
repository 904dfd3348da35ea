// Package settings is the function that is told when a promoter has changed a parameter. It tells
// the event's leader, which reads and checks the parameters at its next step. What it is told is
// best effort: a change that it never hears of is in force a few seconds later.
package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"waitingroom/shared/names"
)

// Store is where the leader finds out.
type Store interface {
	Announce(ctx context.Context, event string, at time.Time) error
}

// Change is the detail of EventBridge's `Parameter Store Change`. It carries no value.
type Change struct {
	Name      string `json:"name"`
	Operation string `json:"operation"`
}

// NewHandler answers EventBridge's `Parameter Store Change` for parameters below path, which has a
// slash at both ends. Other parameters are none of the room's.
func NewHandler(store Store, path string, now func() time.Time, log *slog.Logger) func(context.Context, events.CloudWatchEvent) error {
	return func(ctx context.Context, e events.CloudWatchEvent) error {
		var change Change
		if err := json.Unmarshal(e.Detail, &change); err != nil {
			return fmt.Errorf("read the change: %w", err)
		}
		below, ours := strings.CutPrefix(change.Name, path)
		event, _, _ := strings.Cut(below, "/")
		if !ours || !names.ValidEvent(event) {
			return nil
		}
		log.InfoContext(ctx, "parameter changed", "event", event, "name", change.Name, "operation", change.Operation)
		if err := store.Announce(ctx, event, now()); err != nil {
			return fmt.Errorf("announce the change of %s: %w", change.Name, err)
		}
		return nil
	}
}
