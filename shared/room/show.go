package room

import (
	"math"
	"time"
)

// The compensation of no-shows. The figures were chosen by simulation: see TestShopGetsItsRate.
const (
	maxBoost = 2.0 // the pointer never moves faster than this multiple of the rate
	minBoost = 0.5 // nor, with visitors waiting at the cap, slower than this one

	// smoothing is the time constant of the show rate. Below smoothingTurns turns in that time it
	// grows until it holds as many, or chance would speak louder than the visitors.
	smoothing      = 16 * time.Second
	smoothingTurns = 30

	// margin is how much more than the rate is invited, so that windows are full although visitors
	// do not come evenly; drain is the time in which visitors waiting at the cap are worked off.
	margin = 0.02
	drain  = 12 * time.Second

	// settle is how long after its end a window is tallied, so that writes under way have landed.
	settle = 2 * time.Second
	// recent is the span over which the published rate is measured.
	recent = time.Minute
	// tallyBack bounds the windows that are tallied at once after an outage.
	tallyBack = 20 * time.Second
)

// Show is what tick knows about who comes when the turn has come.
type Show struct {
	Turns   float64   // places that the pointer passed lately, smoothed
	Claims  float64   // visitors who came for their turn lately, smoothed
	Waiting float64   // visitors whom the cap sent away in the latest window: they come back
	Served  float64   // part of those who came in the latest window that was admitted, 0 to 1
	Counted time.Time // windows that end by then have been tallied; zero before the first
	Recent  []Taken   // what the windows of the last minute took, oldest first
}

// Taken is the number of admissions in a window that ended at End.
type Taken struct {
	End time.Time
	N   int64
}

// Tally is what the cap items of a past window say.
type Tally struct {
	Window Window
	N      int64     // admissions
	Last   time.Time // the latest of them; zero if there was none
}

// Due returns the windows to tally at now, oldest first: those that ended since the last tally
// and have settled. A long outage is not made up for.
func (s Show) Due(c Cap, now time.Time) []Window {
	until := now.Add(-settle)
	from := until.Add(-tallyBack)
	if s.Counted.After(from) && !s.Counted.After(until) {
		from = s.Counted
	}
	var due []Window
	for at := from; ; {
		_, shape := c.At(at)
		w := shape.WindowAt(at)
		if w.End().After(until) {
			return due
		}
		if !w.Start().Before(from) {
			due = append(due, w)
		}
		at = w.End()
	}
}

// Share is the part of the turns that is claimed, 0 to 1.
func (s Show) Share() float64 {
	if s.Turns < 1 || s.Claims >= s.Turns {
		return 1
	}
	return s.Claims / s.Turns
}

// Rate is the number of admissions per minute, measured over the last minute or, at the start,
// over as much of it as there was.
func (s Show) Rate() int64 {
	if len(s.Recent) < 2 {
		return 0
	}
	var n int64
	for _, t := range s.Recent[1:] {
		n += t.N
	}
	span := s.Recent[len(s.Recent)-1].End.Sub(s.Recent[0].End)
	return int64(math.Round(float64(n) * float64(time.Minute) / float64(max(span, 10*time.Second))))
}

// boost is the factor by which the pointer moves faster than the rate in places per second.
func (s Show) boost(perSecond float64) float64 {
	waiting := s.Waiting / perSecond / drain.Seconds()
	return min(maxBoost, max(minBoost, (1+margin-waiting)/s.Share()))
}

// tally takes in what the cap items say. What a full window would have taken is told from how
// early its last place went; visitors whom it sent away come again and are not counted twice.
func (s Show) tally(c Cap, tallies []Tally) Show {
	s.Recent = append([]Taken(nil), s.Recent...)
	for _, t := range tallies {
		rate, _ := c.At(t.Window.Start())
		if limit := t.Window.Limit(rate); limit > 0 {
			came := float64(t.N)
			if t.N >= limit {
				spent := max(t.Last.Sub(t.Window.Start()).Seconds()/t.Window.Length.Seconds(), 0.01)
				came = min(max(came, (came-1)/spent), 3*came)
			}
			s.Claims += max(0, came-s.Waiting)
			s.Waiting = came - float64(t.N)
			s.Served = 1
			if came > 0 {
				s.Served = float64(t.N) / came
			}
		}
		s.Counted = t.Window.End()
		s.Recent = append(s.Recent, Taken{End: s.Counted, N: t.N})
	}
	keep := 0
	for keep < len(s.Recent) && s.Counted.Sub(s.Recent[keep].End) > recent {
		keep++
	}
	s.Recent = s.Recent[keep:]
	return s
}

// fade lets the past count less as the sale goes on.
func (s Show) fade(elapsed time.Duration, perSecond float64) Show {
	span := max(smoothing.Seconds(), smoothingTurns/perSecond)
	factor := math.Exp(-elapsed.Seconds() / span)
	s.Turns *= factor
	s.Claims *= factor
	return s
}

// expectAll starts the smoothing with everybody coming, until there is something to measure.
func (s Show) expectAll(perSecond float64) Show {
	seed := max(smoothing.Seconds()*perSecond, smoothingTurns) / 2
	s.Turns, s.Claims, s.Served = seed, seed, 1
	return s
}
