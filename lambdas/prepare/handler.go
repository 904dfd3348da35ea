package prepare

import (
	"context"
	"encoding/json"
)

// NewHandler answers EventBridge Scheduler, whose event says nothing that matters here.
func NewHandler(p *Preparer) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error { return p.Run(ctx) }
}
