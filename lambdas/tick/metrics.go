package tick

import (
	"context"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

const (
	// shareAfter is how long people must have been waiting, at one rate and without a break, before
	// the admissions of the last minute are held against that rate: the minute, and the time until
	// its last window is tallied. If it were longer, a leader that stood by for a minute and leads
	// for one or two could hardly ever tell.
	shareAfter = 75 * time.Second
	// shareRate is the lowest rate, in visitors per minute, at which a minute says enough. Simulated
	// with half of the visitors missing: at 60, three of twenty half hours had three minutes in five
	// with less than 70 %, by chance alone; at 100 none.
	shareRate = 100
	// poolEvery is how often the pool is counted until it is sealed. It takes a read of each shard.
	poolEvery = 10 * time.Second
	// poolLimit is what counting may take between two steps, so that it delays none.
	poolLimit = 300 * time.Millisecond
)

// sight is what an invocation has seen of an event, whether it leads it or not: leaders change
// every minute or two, and what has lasted longer than that is to be known to the next one too.
// Moments are of the monotonic clock.
type sight struct {
	state  room.State    // as it was last read or written
	rate   int           // visitors per minute that the cap held to at its step
	moved  time.Duration // when its version was seen to move, or watching began
	still  time.Duration // since when the pointer stands still while people wait at one rate
	steady time.Duration // since when people have been waiting at one rate
	blind  bool          // the latest sealing failed, so that it is not known who waits
}

// see takes in a state that is stored.
func (s *sight) see(st room.State, now time.Duration) {
	rate, _ := st.Cap.At(st.Last)
	same := st.Run == s.state.Run && rate == s.rate
	open := st.Phase == room.Open
	waiting := open && st.Admitted < st.Base
	if st.Version != s.state.Version {
		s.moved = now
	}
	if !same || st.Admitted != s.state.Admitted || !(waiting || open && s.blind) {
		s.still = now
	}
	if !same || !waiting {
		s.steady = now
	}
	s.state, s.rate = st, rate
}

// stall is how long the pointer has been standing still beyond the time that one place takes at the
// rate. While visitors are waiting at the cap the pointer may be half as fast as the rate, so up to
// another 60/rate seconds are nothing to worry about.
func (s *sight) stall(now time.Duration) time.Duration {
	if s.rate == 0 {
		return 0
	}
	return max(0, now-s.still-time.Minute/time.Duration(s.rate))
}

// share is which part of the rate in percent was admitted in the last minute. It reports false
// unless people have been waiting for shareAfter and the rate is high enough to tell.
func (s *sight) share(show room.Show, now time.Duration) (float64, bool) {
	return 100 * float64(show.Rate()) / float64(s.rate), s.rate >= shareRate && now-s.steady >= shareAfter
}

// figuresOf are what the leader knows after the step from st to what it stored. They are written
// when the step is over.
func (l *leader) figuresOf(st room.State) metrics.Values {
	next, show, now := l.sight.state, l.pacing.Show, l.Monotonic()
	values := metrics.Values{
		names.MetricPointer:      float64(next.Admitted),
		names.MetricRate:         float64(l.settings.Rate),
		names.MetricPointerStall: l.sight.stall(now).Seconds(),
	}
	if next.Phase != room.Closed { // then nobody measures any more
		values[names.MetricMeasuredRate] = float64(show.Rate())
	}
	if show.Turns >= 1 { // of fewer there is no share
		values[names.MetricShowRate] = 100 * show.Share()
	}
	if share, known := l.sight.share(show, now); known {
		values[names.MetricAdmissionShare] = share
	}
	// A run that begins has had no step before, and one that rested was looked at once a minute.
	if !st.Last.IsZero() && st.Live(st.Last) {
		values[names.MetricTickLag] = next.Last.Sub(st.Last).Abs().Seconds()
	}
	return values
}

// pool is how many people wait in cohort 0, which no step needs to know.
type pool struct {
	n     int64
	known bool
	next  time.Duration // when it is counted again
}

// line is the number of places given out. Once the pool is sealed it lacks only what has come since
// the latest step, until then what has come since the pool was counted. It reports false before
// the pool was counted.
func (l *leader) line(ctx context.Context) (int64, bool) {
	st := l.sight.state
	if st.Cohort > 0 {
		return st.Base, true
	}
	if st.Phase == room.PreQueue && l.Monotonic() >= l.pool.next {
		l.pool.next = l.Monotonic() + poolEvery
		ctx, cancel := context.WithTimeout(ctx, poolLimit)
		defer cancel()
		n, err := l.Store.Arrivals(ctx, st.Run, 0, st.Shards)
		if err == nil { // else the count before is the best there is
			l.pool.n, l.pool.known = n, true
		}
	}
	return l.pool.n, l.pool.known
}

// measure writes the figures of a step that is over, if it was the leader's, and how long nobody
// has been seen to lead. Nothing is written of an event that needs no watching.
func (l *leader) measure(ctx context.Context, again outcome) {
	values := l.figures
	l.figures = nil
	if again == rest {
		return
	}
	if values == nil {
		values = metrics.Values{}
	} else if line, known := l.line(ctx); known {
		values[names.MetricLine] = float64(line)
		values[names.MetricWaiting] = float64(line - l.sight.state.Admitted)
	}
	values[names.MetricLeaderGap] = (l.Monotonic() - l.sight.moved).Seconds()
	l.Metrics.Event(l.event, values)
}
