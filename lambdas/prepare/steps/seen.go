package steps

import (
	"context"
	"time"

	"waitingroom/lambdas/prepare"
)

// seen is how long after a call whatever it has changed is certainly told of. No service says how long that
// takes: what is read before may be what was there before the call.
const seen = 2 * time.Minute

// heldMissed is when a step first did not find what may still be seen, in RFC 3339.
const heldMissed = "missed"

// longSince says whether the step has come to the same finding at least so long ago. When it first did is
// held under the key.
func longSince(ctx context.Context, t *prepare.Task, key string, ago time.Duration) (bool, error) {
	first := moment(t.Held[key])
	if first.IsZero() {
		return false, t.Hold(ctx, key, t.Now.Format(time.RFC3339))
	}
	return t.Now.Sub(first) >= ago, nil
}
