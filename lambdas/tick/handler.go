// Package tick is the function that keeps the line moving: it opens sales, seals cohorts, advances
// the pointer at the shop's rate and publishes what visitors' pages poll.
package tick

import (
	"context"
	"encoding/json"
)

// NewHandler answers EventBridge Scheduler, whose event says nothing that matters here.
func NewHandler(t *Ticker) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error { return t.Run(ctx) }
}
