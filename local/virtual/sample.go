package virtual

import (
	"time"

	"waitingroom/local/page"
	"waitingroom/local/surge"
	"waitingroom/shared/room"
)

// sampleSize is how many pages at most poll one by one.
const sampleSize = 2000

// Sample compares the polls of some pages that were made one by one, by the page's rules, with the
// estimate of them.
type Sample struct {
	Visitors  int
	Made      int64
	Estimated float64
}

// Error is by how much the estimate is off, as a share of what was made; negative if it is too low.
func (s Sample) Error() float64 {
	if s.Made == 0 {
		return 0
	}
	return s.Estimated/float64(s.Made) - 1
}

// watched is a page of the sample.
type watched struct {
	polls  int64
	pace   page.Pace
	opened time.Duration // since when the line is open, or surge.Never
}

// see is a poll.
func (w *watched) see(status *page.Status, elapsed time.Duration, now time.Time) {
	w.polls++
	w.pace.Add(status.Phase, status.At, status.Admitted)
	switch {
	case status.Phase != room.Open:
		w.opened = surge.Never
	case w.opened == surge.Never:
		w.opened = elapsed - now.Sub(page.Opened(status, w.polls == 1, now))
	}
}

func (w *watched) situation(s *sale, v *surge.Visitor) page.Situation {
	situation := page.Situation{
		Phase: s.shown.Phase, UntilPreQueue: s.shown.PreQueueAt.Sub(s.now()), UntilOnSale: s.shown.OnSaleAt.Sub(s.now()),
		Settled: v.Outcome != surge.Waiting, Position: v.Position, Admitted: s.shown.Admitted,
		PerMinute: w.pace.PerMinute(s.shown.Rate), Open: -1,
	}
	if w.opened != surge.Never {
		situation.Open = s.elapsed - w.opened
	}
	return situation
}

// newSample watches every n-th visitor, so that it holds some of every time of arrival.
func newSample(visitors int) map[uint32]*watched {
	every := (visitors + sampleSize - 1) / sampleSize
	sample := map[uint32]*watched{}
	for i := 0; i < visitors; i += every {
		sample[uint32(i)] = &watched{opened: surge.Never}
	}
	return sample
}
