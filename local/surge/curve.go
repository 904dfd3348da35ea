package surge

import (
	"math"
	"time"
)

// Curve is how a crowd arrives. Before the on-sale come those who wait for it, evenly, in the last
// part of a quarter of Over. After it comes the spike: the rate of arrivals rises in a straight line
// over two seconds (a tenth of the time that is left, if that is less) and then falls exponentially,
// to a seventh within the time that is left. At its peak it is about two and a half times its mean.
type Curve struct {
	Visitors int
	Over     time.Duration // from the first arrival to the last
	Before   float64       // the share that comes before the on-sale, 0 to 1
	Even     bool          // no spike: those who come later come evenly, too
}

const (
	poolShare = 0.25 // of Over, if anyone comes before the on-sale
	mostRise  = 2 * time.Second
	riseShare = 0.1 // of the spike, at most
	fallShare = 0.5 // the time constant of its end, as a share of it
)

// Lead is how long before the on-sale the first arrive.
func (c Curve) Lead() time.Duration {
	switch {
	case c.Before <= 0:
		return 0
	case c.Before >= 1:
		return c.Over
	}
	return time.Duration(poolShare * float64(c.Over))
}

// Early is how many come before the on-sale.
func (c Curve) Early() int {
	return min(c.Visitors, max(0, int(math.Round(c.Before*float64(c.Visitors)))))
}

// Peak is the most visitors that arrive within a second.
func (c Curve) Peak() float64 {
	early, lead, after := float64(c.Early()), c.Lead().Seconds(), (c.Over - c.Lead()).Seconds()
	before, behind := 0.0, 0.0
	if early > 0 {
		before = early / max(lead, 1)
	}
	if late := float64(c.Visitors) - early; late > 0 {
		behind = late / max(after, 1)
		if !c.Even {
			_, _, area := shape(after * float64(time.Second))
			behind = late / max(area/float64(time.Second), 1)
		}
	}
	return max(before, behind)
}

// Arrives is when visitor i of 0 … Visitors-1 arrives, counted from the on-sale. Visitors are in order
// of arrival; random, from 0 to 1, moves each one within its part of the curve.
func (c Curve) Arrives(i int, random float64) time.Duration {
	early, lead := c.Early(), c.Lead()
	if i < early {
		return time.Duration((float64(i)+random)/float64(early)*float64(lead)) - lead
	}
	part := (float64(i-early) + random) / float64(c.Visitors-early)
	after := c.Over - lead
	if c.Even {
		return time.Duration(part * float64(after))
	}
	return min(after, time.Duration(spike(part, float64(after))))
}

// spike is the time by which a part of those who come within length has come.
func spike(part, length float64) float64 {
	rise, fall, area := shape(length)
	come := part * area
	if come < rise/2 {
		return math.Sqrt(2 * rise * come)
	}
	return rise - fall*math.Log1p((rise/2-come)/fall)
}

// shape is how long the spike rises and with which time constant it falls, and how long all would take
// to come at its peak.
func shape(length float64) (rise, fall, area float64) {
	rise = min(float64(mostRise), riseShare*length)
	fall = fallShare * length
	return rise, fall, rise/2 + fall*(1-math.Exp((rise-length)/fall))
}
