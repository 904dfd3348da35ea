package tick

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const (
	// takeoverAfter is how long a version stands still before a standby takes the lease. With a
	// step a second, a dead leader is replaced within five seconds.
	takeoverAfter = 3500 * time.Millisecond
	// settingsEvery is how often a live event's parameters are read, and what reading them may take.
	settingsEvery = 8 * time.Second
	// settingsWait is how long a step waits for them. What comes later counts from the step after it,
	// so that Parameter Store can be slow, or down, without slowing the line.
	settingsWait = 500 * time.Millisecond
	// shards is the parameter that is read only when a run begins.
	shards = "shards"
	// pacingEvery is how often what only tick knows is stored along with the state.
	pacingEvery = room.CheckpointEvery
)

// leader is what one invocation knows of one event. It may lead the event, or stand by.
type leader struct {
	*Ticker
	event string
	owner string // of the lease; unique to the invocation

	// watched is the fence last seen of another owner, and since when, on the monotonic clock.
	watched room.Fence
	since   time.Duration

	// What follows belongs to the one who leads. held is the fence of the state that pacing goes
	// with; if the state in the store has another, pacing is read again.
	held     room.Fence
	tried    int64 // the highest version that this owner has tried to write
	pacing   room.Pacing
	pacedAt  time.Duration // when pacing was last stored
	raw      map[string]string
	readAt   time.Duration // when raw was read, or when a reading that failed began
	reading  *reading      // the one under way, or nil
	heard    time.Time     // the announcement of a change that reading has followed
	settings room.Settings
	status   statusMemory
}

// outcome says whether the event has to be looked at again in a second.
type outcome bool

const (
	watch outcome = true
	rest  outcome = false
)

// step looks at the event once: it leads it if nobody else does. What fails is tried again at the
// next step; nothing that was stored is taken back.
func (l *leader) step(ctx context.Context) (outcome, error) {
	st, err := l.Store.State(ctx, l.event)
	if errors.Is(err, store.ErrNotFound) {
		return l.create(ctx)
	}
	if err != nil {
		return watch, fmt.Errorf("read the state: %w", err)
	}
	if st.Owner != l.owner && st.Owner != "" && !l.stale(st.Fence) {
		// An invocation that came for one step stays until it knows that the leader is alive.
		return l.watchOther(st), nil
	}
	if err := l.prepare(ctx, st); err != nil {
		return watch, err
	}
	return l.lead(ctx, st)
}

// stale reports whether the lease of fence is up for the taking, and begins to watch it if it has
// moved.
func (l *leader) stale(fence room.Fence) bool {
	if fence != l.watched {
		l.watched, l.since = fence, l.Monotonic()
		return false
	}
	return l.Monotonic()-l.since >= takeoverAfter
}

func (l *leader) watchOther(st room.State) outcome {
	if st.Live(l.Now()) || l.Monotonic()-l.since < takeoverAfter {
		return watch
	}
	return rest
}

// prepare makes sure that pacing and settings are those that go with st.
func (l *leader) prepare(ctx context.Context, st room.State) error {
	if st.Fence != l.held {
		pacing, err := l.Store.Pacing(ctx, l.event)
		if err != nil {
			return fmt.Errorf("read the pacing: %w", err)
		}
		l.pacing, l.held = pacing, st.Fence
		if st.Owner != l.owner && l.Monotonic()-l.readAt >= stepEvery {
			// The leader before may have put newer values in force than a standby has read.
			l.stopReading()
			l.raw, l.readAt = pacing.Good, l.Monotonic()-settingsEvery
		}
		if st.Owner != l.owner {
			l.heard = st.Announced // before this one began or reads
		}
	}
	return l.readSettings(ctx, st)
}

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

// check parses the parameters as far as the run still lets them change.
func (l *leader) check(ctx context.Context, st room.State) settings.Result {
	raw, good := map[string]string{}, map[string]string{}
	maps.Copy(raw, l.raw)
	maps.Copy(good, l.pacing.Good)
	var late []settings.Rejection
	if st.Frozen() && st.Phase != room.Closed {
		inForce := st.OnSale.Format(time.RFC3339Nano)
		good[settings.OnSale] = inForce
		// What is no time at all, or was removed, is rejected below.
		if wanted, err := time.Parse(time.RFC3339, raw[settings.OnSale]); err == nil {
			if !wanted.Equal(st.OnSale) {
				late = append(late, settings.Rejection{Parameter: settings.OnSale, Value: raw[settings.OnSale],
					Reason: "the pool is closed: the on-sale cannot be moved any more; " + inForce + " stays in force until the run is closed"})
			}
			raw[settings.OnSale] = inForce
		}
	}
	result := settings.Parse(raw, good)
	if result.Complete() && st.ID != "" && st.Phase != room.Closed && result.Settings.Shards != st.Shards {
		late = append(late, settings.Rejection{Parameter: shards, Value: raw[shards],
			Reason: fmt.Sprintf("it is read once, when a run begins; %d stays in force until the run is closed", st.Shards)})
	}
	l.report(ctx, l.event, append(result.Rejected, late...))
	if !maps.Equal(l.pacing.Good, result.Good) {
		l.pacing.Good, l.pacedAt = result.Good, 0
	}
	return result
}

// create begins the event's first run, as soon as its parameters say enough.
func (l *leader) create(ctx context.Context) (outcome, error) {
	result := l.check(ctx, room.State{Closing: room.NoCohort})
	if !result.Complete() {
		return rest, nil
	}
	l.settings = result.Settings
	st, err := l.begin(room.Fence{})
	if err != nil {
		return watch, err
	}
	return l.lead(ctx, st)
}

// begin is the state of a new run that takes the place of what was stored under held.
func (l *leader) begin(held room.Fence) (room.State, error) {
	run, err := room.NewRun(l.event, l.Random)
	if err != nil {
		return room.State{}, err
	}
	l.held, l.pacing, l.pacedAt = held, room.Pacing{Good: l.pacing.Good}, 0
	return room.NewState(run, room.Commit(run.DrawKey(l.Secret)), l.settings, held), nil
}

// lead moves the run on by one step and publishes what came of it. Every write is made under the
// fence that was read; whoever finds it changed has lost the lease and stops.
func (l *leader) lead(ctx context.Context, st room.State) (outcome, error) {
	if st.Renews(l.settings, l.Now()) {
		next, err := l.begin(st.Fence)
		if err != nil {
			return watch, err
		}
		st = next
	}
	st, sealErr := l.seal(ctx, st)
	if errors.Is(sealErr, errLost) {
		return watch, sealErr
	}
	tallies, tallyErr := l.tally(ctx, st)
	next, pacing := room.Step(st, l.pacing, l.settings, tallies, l.Now())
	// The lease of an event that needs no watching is handed over at once.
	next.Owner = ""
	if next.Live(next.Last) {
		next.Owner = l.owner
	}
	if err := l.save(ctx, &next, pacing); err != nil {
		return watch, err
	}
	err := l.publish(ctx, next)
	if err == nil && next.Hidden {
		// The commitment can be read: from now on people may join.
		next.Hidden = false
		err = l.save(ctx, &next, pacing)
	}
	err = errors.Join(sealErr, tallyErr, err)
	return outcome(err != nil || next.Owner != ""), err
}

// errLost means that somebody else wrote the state, or that it is not known who did: the step
// ends, and the next one reads what is stored.
var errLost = errors.New("the lease is lost")

// save stores next over the state that is held, with the pacing when that is due, and gives next
// its new version. A lost answer is resolved by owner and version, which no other write has.
func (l *leader) save(ctx context.Context, next *room.State, pacing room.Pacing) error {
	// A version is tried once: an earlier write that was given up may still arrive, and must not pass
	// for this one.
	l.tried = max(l.held.Version, l.tried) + 1
	next.Version = l.tried
	due := l.pacedAt == 0 || next.Owner == "" || l.Monotonic()-l.pacedAt >= pacingEvery
	var err error
	if due {
		err = l.Store.SaveWithPacing(ctx, *next, pacing, l.held)
	} else {
		err = l.Store.Save(ctx, *next, l.held)
	}
	if err != nil && !l.stored(ctx, *next) {
		l.held = room.Fence{Version: -1} // no state has it: pacing is read again
		return fmt.Errorf("%w: %w", errLost, err)
	}
	l.held, l.pacing = next.Fence, pacing
	if due {
		l.pacedAt = l.Monotonic()
	}
	return nil
}

// stored reports whether next is what the store holds, after an answer that does not say so.
func (l *leader) stored(ctx context.Context, next room.State) bool {
	st, err := l.Store.State(ctx, l.event)
	return err == nil && next.Owner == l.owner && st.Fence == next.Fence
}

// handOver lets go of the lease so that a standby leads from its next step. If it fails, the
// standby finds out by itself.
func (l *leader) handOver(ctx context.Context) error {
	st, err := l.Store.State(ctx, l.event)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || st.Owner != l.owner || st.Fence != l.held {
		return err
	}
	st.Owner = ""
	return l.save(ctx, &st, l.pacing)
}
