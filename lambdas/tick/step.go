package tick

import "context"

// Leader watches one event for somebody who keeps the time, as a simulation does: it is what an
// invocation does with the event, without the waiting. It is not safe for concurrent use.
type Leader struct{ leader *leader }

// NewLeader returns a leader of event that has looked at nothing yet. owner names it in the lease:
// two leaders of one event must not have the same.
func NewLeader(t *Ticker, event, owner string) *Leader {
	l := &leader{Ticker: t, event: event, owner: owner, readAt: t.Monotonic() - settingsEvery}
	l.sight.moved = t.Monotonic()
	return &Leader{l}
}

// Step looks at the event once, a second after the step before, and reports whether it has to be
// looked at again in a second. What fails is logged and tried again at the next step.
func (l *Leader) Step(ctx context.Context) (again bool) { return l.leader.look(ctx) == watch }

// look is one step, measured.
func (l *leader) look(ctx context.Context) outcome {
	again := l.stepOnce(ctx)
	l.measure(ctx, again)
	return again
}
