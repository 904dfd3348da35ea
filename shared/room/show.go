package room

import (
	"math"
	"slices"
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

	// claimLag is how long a visitor takes who comes: pages near their turn look every two or three
	// seconds at a document that is up to a second old. maxFresh bounds the turns that wait for that: a
	// minute's, since tick moves the pointer up to twice a second.
	claimLag = 3 * time.Second
	maxFresh = 120

	// firstShare is the part of the turns that is expected to be claimed before any could be.
	firstShare = 0.75

	// slowRate is the rate in visitors per minute below which windows hold too few to tell how many
	// came: the pointer then just keeps to the rate.
	slowRate = 12

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
	Fresh   []Turned  // places that it passed so lately that it is too early to miss anybody
	Claims  float64   // visitors who came for their turn lately, smoothed
	Waiting float64   // visitors whom the cap sent away in the latest window: they come back
	Refused float64   // part of those who came in the latest window that was sent away, 0 to 1
	Counted time.Time // windows that end by then have been tallied; zero before the first
	Recent  []Taken   // what the windows of the last minute took, oldest first
}

// Turned is the number of places that the pointer passed at a moment.
type Turned struct {
	At time.Time
	N  int64
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
	from := s.Counted
	if back := until.Add(-tallyBack); from.Before(back) || from.After(now) { // or the clock went back
		from = back
	}
	var due []Window
	for at := from; ; {
		_, shape := c.At(at)
		w := shape.WindowAt(at)
		end := c.end(w)
		if end.After(until) {
			return due
		}
		if !w.Start().Before(from) {
			due = append(due, w)
		}
		at = end
	}
}

// end is when nobody was admitted to the window any more: at its end, or where a change of shape
// cut it short.
func (c Cap) end(w Window) time.Time {
	if c.Before != 0 && w.Start().Before(c.Switch) && c.Switch.Before(w.End()) {
		return c.Switch
	}
	return w.End()
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
	return int64(math.Round(float64(n) * float64(time.Minute) / float64(max(span, 5*time.Second))))
}

// boost is the factor by which the pointer moves faster than the rate in places per second. The
// fewer turns the share is measured by, the more are invited on top: too many only wait a moment
// at the cap, too few leave the shop empty. Where half of the visitors are missing, maxBoost leaves
// no room to catch up later, so more of them are kept waiting.
func (s Show) boost(perSecond float64) float64 {
	if perSecond*60 < slowRate {
		return 1
	}
	waiting := s.Waiting / perSecond / drain.Seconds()
	share := s.Share()
	chance := 1 / (share * share * math.Sqrt(max(s.Turns, 1)))
	return min(maxBoost, max(minBoost, (1+margin+chance-waiting)/share))
}

// tally takes in what the cap items say. What a full window would have taken is told from how
// early its last place went; visitors whom it sent away come again and are not counted twice.
func (s Show) tally(c Cap, tallies []Tally) Show {
	s.Recent = slices.Clone(s.Recent)
	for _, t := range tallies {
		rate, _ := c.At(t.Window.Start())
		end := c.end(t.Window)
		s = s.weigh(end.Sub(t.Window.Start()), end, float64(rate)/60)
		if limit := t.Window.Limit(rate); limit > 0 {
			came := t.came(limit)
			s.Claims += max(0, came-s.Waiting)
			s.Waiting, s.Refused = came-float64(t.N), 0
			switch {
			case t.N == limit && rate < slowRate:
				s.Refused = 1
			case came > 0:
				s.Refused = s.Waiting / came
			}
		}
		s.Counted = end
		// After a clock went back, what it had counted in times to come is counted again.
		s.Recent = slices.DeleteFunc(s.Recent, func(t Taken) bool { return !t.End.Before(s.Counted) })
		s.Recent = append(s.Recent, Taken{End: s.Counted, N: t.N})
	}
	keep := 0
	for keep < len(s.Recent) && s.Counted.Sub(s.Recent[keep].End) > recent {
		keep++
	}
	s.Recent = s.Recent[keep:]
	return s
}

// came estimates how many came to the window, those sent away included. One that holds more than
// its limit was counted at a higher rate, and says nothing of this one.
func (t Tally) came(limit int64) float64 {
	n := float64(t.N)
	if t.N != limit {
		return n
	}
	spent := max(t.Last.Sub(t.Window.Start()).Seconds()/t.Window.Length.Seconds(), 0.01)
	return min(max(n, (n-1)/spent), 10*n)
}

// weigh lets the past count less by the time that a window took, and takes in the turns that the
// visitors of this window answered. Both sides of the share move together, or it would swing with
// the length of windows.
func (s Show) weigh(length time.Duration, end time.Time, perSecond float64) Show {
	span := max(smoothing.Seconds(), smoothingTurns/perSecond)
	factor := math.Exp(-length.Seconds() / span)
	s.Turns *= factor
	s.Claims *= factor
	until := end.Add(-claimLag)
	for len(s.Fresh) > 0 && s.Fresh[0].At.Before(until) {
		s.Turns += float64(s.Fresh[0].N)
		s.Fresh = s.Fresh[1:]
	}
	return s
}

// turn notes the places that the pointer passed at now.
func (s Show) turn(n int64, now time.Time) Show {
	if n > 0 {
		s.Fresh = append(slices.Clone(s.Fresh), Turned{now, n})
	}
	if len(s.Fresh) > maxFresh { // nothing has been tallied for a minute
		s.Turns += float64(s.Fresh[0].N)
		s.Fresh = s.Fresh[1:]
	}
	return s
}

// expect starts the smoothing with a guess that weighs little: the first claims are tallied some
// five seconds after the first turns. Windows before that of now say nothing.
func (s Show) expect(perSecond float64, now Window) Show {
	s.Counted = now.Start()
	s.Turns = max(2*perSecond, smoothingTurns/5)
	s.Claims = s.Turns * firstShare
	return s
}
