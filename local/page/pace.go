package page

import (
	"slices"
	"time"

	"waitingroom/shared/room"
)

// sample is where the pointer was.
type sample struct {
	at       time.Time
	admitted int64
}

// Pace measures how fast the pointer moved in the last two minutes, from the statuses that one page saw.
type Pace struct{ seen []sample }

// Add takes the next status.
func (p *Pace) Add(phase room.Phase, at time.Time, admitted int64) {
	p.add(phase, at, admitted)
}

// add returns how many of the samples that it had are dropped.
func (p *Pace) add(phase room.Phase, at time.Time, admitted int64) (dropped int) {
	before := len(p.seen)
	if phase != room.Open || p.retreats(at, admitted) {
		p.seen = p.seen[:0]
	}
	if phase != room.Open {
		return before
	}
	dropped = before - len(p.seen)
	p.seen = append(p.seen, sample{at, admitted})
	kept := slices.IndexFunc(p.seen, func(s sample) bool { return !s.at.Before(at.Add(-paceWindow)) })
	p.seen = slices.Delete(p.seen, 0, kept)
	return dropped + kept
}

func (p *Pace) retreats(at time.Time, admitted int64) bool {
	if len(p.seen) == 0 {
		return false
	}
	last := p.seen[len(p.seen)-1]
	return at.Before(last.at) || admitted < last.admitted
}

// PerMinute is the pointer's speed in places a minute, 0 while nothing moves. Below five seconds of
// measuring, rate stands in: what the room has measured itself.
func (p *Pace) PerMinute(rate int64) float64 { return perMinute(p.seen, rate) }

func perMinute(seen []sample, rate int64) float64 {
	if len(seen) == 0 {
		return max(0, float64(rate))
	}
	first, last := seen[0], seen[len(seen)-1]
	elapsed := last.at.Sub(first.at)
	if elapsed < paceLeast {
		return max(0, float64(rate))
	}
	return float64(last.admitted-first.admitted) / elapsed.Minutes()
}

// History is the Pace of many pages that look at the same line: it keeps each status once, and a
// page only remembers with which one it began. A page that polls rarely would have begun its last
// two minutes a little later than History has it. The zero value is ready.
type History struct {
	pace    Pace
	dropped int // samples that are not kept any more
}

// Add takes the next status and returns its number, for pages that begin with it.
func (h *History) Add(phase room.Phase, at time.Time, admitted int64) int {
	h.dropped += h.pace.add(phase, at, admitted)
	return h.dropped + max(0, len(h.pace.seen)-1)
}

// PerMinute is what Pace measures for a page that began with the status of this number.
func (h *History) PerMinute(began int, rate int64) float64 {
	from := min(max(0, began-h.dropped), len(h.pace.seen))
	return perMinute(h.pace.seen[from:], rate)
}

// clocks is how many of the latest differences a ServerClock keeps.
const clocks = 8

// ServerClock follows the server's clock. Every time that it learns has passed already, so the
// greatest of the latest differences is the nearest to the truth.
type ServerClock struct{ offsets []time.Duration }

// Learn takes a time of the server, and the local time at which it came.
func (c *ServerClock) Learn(server, local time.Time) {
	c.offsets = append(c.offsets, server.Sub(local))
	c.offsets = c.offsets[max(0, len(c.offsets)-clocks):]
}

// Offset is by how much the server's clock is ahead of the local one; 0 before anything was learnt.
func (c *ServerClock) Offset() time.Duration {
	if len(c.offsets) == 0 {
		return 0
	}
	return slices.Max(c.offsets)
}
