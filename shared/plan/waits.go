package plan

import (
	"math"
	"time"
)

// Waits are how long people wait from the on-sale until they are let in, if all of them are there when it
// opens; who comes later does not wait longer than they. Whole seconds.
type Waits struct {
	NoShows float64 // share of those in line who do not claim their turn
	Median  time.Duration
	Ninety  time.Duration // nine of ten wait no longer
	Last    time.Duration // of the line
	// Latecomer comes when everybody else has come, if the first came with the on-sale, and waits for that
	// long from then on.
	Latecomer time.Duration
}

// mostCompensated is the share of no-shows that the pointer makes up for: it runs at twice the rate at
// most. Where more stay away, the shop gets less than its rate.
const mostCompensated = 0.5

// Waits are those of the sale if that share of its visitors, 0 to 1, does not claim the turn.
func (p Plan) Waits(noShows float64) Waits {
	last := p.drain() * (1 - min(noShows, mostCompensated))
	return Waits{
		NoShows: noShows, Median: rounded(last * 0.5), Ninety: rounded(last * 0.9), Last: rounded(last),
		Latecomer: rounded(max(0, last-p.expected.Over.Seconds())),
	}
}

// drain is the time in which everybody is let in at the rate, in seconds.
func (p Plan) drain() float64 {
	return 60 * float64(p.expected.Visitors) / float64(max(p.expected.Rate, 1))
}

// rounded makes whole seconds, and holds them within the range of durations.
func rounded(seconds float64) time.Duration {
	return time.Duration(min(math.Round(seconds), math.Floor(math.MaxInt64/1e9))) * time.Second
}

// The page's delays between two polls, of static/assets/room.js; a test of package virtual holds what
// follows from them. Someone whose next change is w seconds away asks again after nearest + share × w,
// farthest at most, less up to a twentieth. While the line has been open for t seconds, w is no more
// than opening × t.
const (
	nearest  = 2.5 // seconds
	share    = 0.8
	farthest = 60.0 // seconds
	opening  = 1.25
	jitter   = 0.95
	// besides are the polls that every visit takes: one before the join, and one more before the page
	// knows its place.
	besides = 2

	// FastestPoll is how many seconds lie between two polls on average, at the fastest.
	FastestPoll = nearest * (1 + jitter) / 2
	slowestPoll = farthest * (1 + jitter) / 2
)

// Polls is how often a visitor asks for the status on average, if visitors come evenly over that time
// before the on-sale, and are then let in evenly over the drain.
//
// Polls per second are one divided by the mean delay, and a visitor's polls are the integral of that over
// the visit (Wald's equation). A delay that shrinks or grows with the time is a geometric series: its
// polls are a logarithm.
func Polls(over, drain time.Duration) float64 {
	shrinks, grows := meanLog(-share), meanLog(share*opening)
	// In the pool, the wait for the on-sale shrinks.
	pool := meanPolls(over.Seconds(), nearest/share, 1/shrinks)
	// In the line the delay grows until half of the wait is over, more or less, and then shrinks.
	line := meanPolls(drain.Seconds(), nearest/share+nearest/(share*opening), 1/shrinks+1/grows)
	return besides + pool + line
}

// meanPolls is the mean over waits from 0 to longest of times × ln(1 + wait/near), which ends where the
// delay is the farthest; from there on, polls come at that one.
func meanPolls(longest, near, times float64) float64 {
	if longest <= 0 {
		return 0
	}
	turning := near * (farthest/nearest - 1)
	x := min(longest, turning)
	beyond := longest - x
	sum := times*((x+near)*math.Log1p(x/near)-x) +
		beyond*times*math.Log(farthest/nearest) + beyond*beyond/2/slowestPoll
	return sum / longest
}

// meanLog is the mean of |ln(1 + s·u)|, u even from jitter to 1: by how much the delay shrinks or grows from one
// poll to the next, as a logarithm.
func meanLog(s float64) float64 {
	integral := func(v float64) float64 { return v*math.Log(v) - v } // of ln v
	return math.Abs((integral(1+s) - integral(1+s*jitter)) / s / (1 - jitter))
}
