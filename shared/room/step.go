package room

import (
	"errors"
	"math"
	"time"
)

// CheckpointEvery is the distance between two checkpoints of the pointer on the state's clock.
const CheckpointEvery = 5 * time.Second

// MaxElapsed is the most time that a single step makes up for, so that after an outage of any
// length no more than this is let through at once.
const MaxElapsed = 2 * time.Second

// liveAhead is how long before its pre-queue an event is watched every second.
const liveAhead = 10 * time.Minute

// NewState is the state of a run that is hidden at first: nobody can join until its commitment is
// published. held is the fence of the state that it replaces, or zero.
func NewState(run Run, commit string, s Settings, held Fence) State {
	return State{
		Run: run, Fence: held,
		Shards: s.Shards, Closing: NoCohort, Phase: Scheduled, Commit: commit, Hidden: true,
	}
}

// Over reports whether the run is closed and every place in it is decided.
func (st State) Over() bool { return st.Final && st.Closing == NoCohort }

// Frozen reports whether the pool's closing has been decided: `onsale` cannot be moved any more.
func (st State) Frozen() bool { return st.Cohort > 0 || st.Closing != NoCohort }

// Live reports whether the run has to be watched every second at now.
func (st State) Live(now time.Time) bool {
	switch st.Phase {
	case Closed:
		return !st.Over()
	case Scheduled:
		return now.Add(liveAhead).After(st.PreQueue)
	}
	return true
}

// announcedLately is how long after its announcement a change may be read at the latest: a closed
// run is looked at once a minute, and two looks may be almost twice that apart.
const announcedLately = 2 * time.Minute

// Renews reports whether settings s put the closed run on sale again at now: at a time that was to
// come when the change was announced, or that still is.
func (st State) Renews(s Settings, now time.Time) bool {
	if age := now.Sub(st.Announced); age > 0 && age <= announcedLately {
		now = st.Announced
	}
	return st.Over() && s.Control != ForceClosed && !s.OnSale.Equal(st.OnSale) && s.OnSale.After(now)
}

// MustClose reports whether the open cohort has to be closed although nobody may be in it: the
// pool at the on-sale, and whatever is open when the run ends. onSale is the one in force.
func (st State) MustClose(onSale, now time.Time) bool {
	switch {
	case st.Closing != NoCohort:
		return false
	case st.Phase == Closed:
		return !st.Final
	}
	return st.Cohort == 0 && !now.Before(onSale)
}

// MayClose reports whether the open cohort is closed as soon as it has anybody in it.
func (st State) MayClose() bool {
	return st.Closing == NoCohort && st.Cohort > 0 && st.Phase != Closed
}

// BeginClosing decides that the open cohort is sealed. Once that is stored, every leader finishes
// it, and the on-sale that it was decided by holds for the run. A closing that is decided when
// nobody can join any more is the last.
func (st State) BeginClosing(onSale time.Time) State {
	st.Closing = st.Cohort
	st.Final = st.Phase == Closed
	if !st.Final {
		st.OnSale = onSale
	}
	return st
}

// FinishClosing puts the places of the sealed cohort into the line.
func (st State) FinishClosing(size int64) State {
	st.Base += size
	st.Cohort++
	st.Closing = NoCohort
	return st
}

// Step moves the run on to now under settings s: settings taken over, phase, the state's clock,
// the pointer and the expired turns. Tallies are those of the windows that were due. The fence is
// left to the caller.
func Step(st State, p Pacing, s Settings, tallies []Tally, now time.Time) (State, Pacing) {
	elapsed := min(max(now.Sub(st.Last), 0), MaxElapsed)
	if st.Last.IsZero() {
		elapsed = 0
	}
	st.Last = now
	st = st.adopt(s, now)
	p.Show = p.Show.tally(st.Cap, tallies)
	if st.Phase != Open {
		st.Carry, st.Speed = 0, 0
		return st, p
	}
	if st.Admitted > 0 {
		st.Clock += time.Duration(float64(elapsed) * (1 - p.Show.Refused))
	}
	st, p.Show = st.advance(p.Show, elapsed)
	return st.expire(p, s.ClaimWindow)
}

// adopt takes over settings. The dates of a closed run stay as they were: they tell a later
// on-sale from its own.
func (st State) adopt(s Settings, now time.Time) State {
	if st.Phase == Closed {
		return st
	}
	// Visitors may have joined by the clock before any step noted that the pre-queue was open.
	st.PoolOpen = st.PoolOpen || !st.PreQueue.IsZero() && !now.Before(st.PreQueue)
	st.Phase = st.phase(s, now)
	st.PoolOpen = st.PoolOpen || st.Phase == PreQueue || st.Frozen()
	if st.Phase == Closed && !st.OnSale.IsZero() {
		return st // an on-sale that came along with the closing is that of the next run
	}
	st.OnSale, st.PreQueue, st.Closes = s.OnSale, s.PreQueue, s.Closes
	st.Target, st.PassLifetime, st.PassAlg, st.ClaimWindow = s.Target, s.PassLifetime, s.PassAlg, s.ClaimWindow
	st.Cap = st.Cap.Set(s.Rate, now)
	return st
}

func (st State) phase(s Settings, now time.Time) Phase {
	opened := st.Frozen() || !now.Before(s.OnSale)
	switch {
	case s.Control == ForceClosed || !now.Before(s.Closes):
		return Closed
	case s.Control == ForceSoldOut:
		return SoldOut
	case opened && s.Control == ForcePaused:
		return Paused
	case opened:
		return Open
	case st.PoolOpen || !now.Before(s.PreQueue):
		return PreQueue
	}
	return Scheduled
}

// advance moves the pointer by the time that has passed. Credit that nobody in line can use is
// not kept, or the next arrivals would come to the shop in one lump.
func (st State) advance(show Show, elapsed time.Duration) (State, Show) {
	rate, shape := st.Cap.At(st.Last)
	perSecond := float64(rate) / 60
	speed := perSecond * show.boost(perSecond)
	st.Speed = speed * 60

	credit := st.Carry + speed*elapsed.Seconds()
	whole := math.Floor(credit)
	st.Carry = credit - whole
	turns := int64(whole)
	if turns > st.Base-st.Admitted {
		turns, st.Carry = st.Base-st.Admitted, 0
	}
	if st.Admitted == 0 && turns > 0 {
		show = show.expect(perSecond, shape.WindowAt(st.Last))
	}
	st.Admitted += turns
	return st, show.turn(turns, st.Last)
}

// expire records where the pointer is and moves the expired one behind it. A position's turn
// begins at the latest at the first checkpoint that includes it, so none ends early.
func (st State) expire(p Pacing, window time.Duration) (State, Pacing) {
	points := append([]Checkpoint(nil), p.Checkpoints...)
	if n := len(points); st.Admitted > 0 && (n == 0 || st.Clock-points[n-1].Clock >= CheckpointEvery) {
		points = append(points, Checkpoint{Clock: st.Clock, Admitted: st.Admitted})
	}
	past := 0
	for past < len(points) && st.Clock-points[past].Clock >= window {
		st.Expired = max(st.Expired, points[past].Admitted)
		past++
	}
	p.Checkpoints = points[past:]
	return st, p
}

// ErrNotOpenYet, ErrSoldOut and ErrOver say why nobody can join. A visitor who holds a place
// already is told it all the same.
var (
	ErrNotOpenYet = errors.New("the pre-queue is not open yet")
	ErrSoldOut    = errors.New("sold out")
	ErrOver       = errors.New("the sale is over")
)

// Joinable returns nil if visitors may join at now, or one of the errors above. The pre-queue
// opens by the clock even if nothing has noted that yet.
func (st State) Joinable(now time.Time) error {
	if err := st.Claimable(); err != nil {
		return err
	}
	if st.Hidden || st.Phase == Scheduled && now.Before(st.PreQueue) {
		return ErrNotOpenYet
	}
	return nil
}

// Claimable returns nil if a turn may be claimed, or ErrSoldOut or ErrOver.
func (st State) Claimable() error {
	switch st.Phase {
	case SoldOut:
		return ErrSoldOut
	case Closed:
		return ErrOver
	}
	return nil
}

// Wait estimates how long it will be until the turn of a position that the pointer has not
// passed. It reports false while the pointer does not move.
func (st State) Wait(position int64) (time.Duration, bool) {
	if st.Speed <= 0 {
		return 0, false
	}
	minutes := float64(max(0, position-st.Admitted)) / st.Speed
	return time.Duration(minutes * float64(time.Minute)), true
}
