package tick

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

const (
	// takeoverAfter is how long a version stands still before a standby takes the lease. A leader that
	// waits for settings, a seal and a status as long as it may writes every two and a half seconds.
	// A standby sees a version up to a second late and looks every quarter of one when it is overdue,
	// so a dead leader is replaced 3 to 4.3 seconds after its last write.
	takeoverAfter = 3 * time.Second
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
	sight   sight

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
	noted    bool           // the event is among those that the store knows to be watched
	figures  metrics.Values // of the step under way, once it is stored
	pool     pool
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
	l.sight.see(st, l.Monotonic())
	if st.Owner != l.owner && st.Owner != "" && !l.stale(st.Fence) {
		l.sight.blind = false // what this one could not seal, the leader can
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
		if err != nil && !errors.Is(err, store.ErrNotFound) { // without it, turns last longer
			return fmt.Errorf("read the pacing: %w", err)
		}
		l.pacing, l.held = pacing, st.Fence
		if st.Owner != l.owner {
			l.heard = st.Announced // before this one reads
		}
		if st.Owner != l.owner && st.Live(l.Now()) {
			// The leader before may have put newer values in force than were listed or read here.
			l.stopReading()
			l.raw, l.readAt = pacing.Good, l.Monotonic()-settingsEvery
		}
	}
	return l.readSettings(ctx, st)
}

// create begins the event's first run, as soon as its parameters say enough.
func (l *leader) create(ctx context.Context) (outcome, error) {
	l.refresh(ctx, l.heard)
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
	l.pool = pool{}
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
	last := st
	st, sealErr := l.seal(ctx, st)
	l.sight.blind = sealErr != nil
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
	l.figures = l.figuresOf(last)
	err := l.publish(ctx, next)
	if err == nil && next.Hidden {
		// The commitment can be read: from now on people may join.
		next.Hidden = false
		err = l.save(ctx, &next, pacing)
	}
	err = errors.Join(sealErr, tallyErr, err, l.note(ctx, next.Owner != ""))
	return outcome(err != nil || next.Owner != ""), err
}

// note tells the store whether the event has to be watched, so that it is found again even while
// Parameter Store is out of reach or its parameters are gone.
func (l *leader) note(ctx context.Context, watched bool) error {
	if watched == l.noted {
		return nil
	}
	change := l.Store.Unwatch
	if watched {
		change = l.Store.Watch
	}
	if err := change(ctx, l.event); err != nil {
		return fmt.Errorf("note whether it is watched: %w", err)
	}
	l.noted = watched
	return nil
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
	l.sight.see(*next, l.Monotonic())
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
