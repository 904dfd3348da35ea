package hotshow

import (
	"slices"
	"strings"
	"time"
)

const (
	// lead is how long before a show has to be ready its preparation begins at the latest: raising the
	// table's throughput can take over ten minutes, and the shop's product longer.
	lead = time.Hour
	// longestPause is the longest time between two attempts at a step that fails, firstPause the shortest.
	firstPause, longestPause = time.Minute, 8 * time.Minute
	// slow is how long taking down may last before somebody should look.
	slow = 30 * time.Minute
)

// Sale is what is known of a show's event while it is on sale.
type Sale struct {
	Known   bool // whether the event's status could be read
	Waiting bool // whether people are in line, or are still let in
}

// AsksForSale says whether Move needs to know how the sale stands.
func (s *Show) AsksForSale(now time.Time) bool {
	return s.State == Live && !now.Before(s.Request.Ends())
}

// Move makes the changes of state that time and finished steps bring, and returns them. It is repeated
// until it returns none.
func (s *Show) Move(now time.Time, sale Sale) []Change {
	var changes []Change
	move := func(to State, why string) { changes = append(changes, s.change(to, Schedule, why, now)) }
	r := s.Request
	switch {
	case s.State == Requested && !now.Before(r.OnSale):
		move(Rejected, "nobody approved it before its on-sale")
	case s.State == Approved && !now.Before(r.Begins()):
		move(Preparing, "its time has come")
	case s.State == Preparing && s.all(Up, LeftOut):
		move(Ready, "everything is up and a visitor of the probe got a pass")
	case s.onSale(now):
		move(Live, s.opening())
	case s.State == Preparing && !now.Before(r.Closes):
		s.Outcome = Failed
		s.retryNow()
		move(Finishing, "its parameters could not be set until the time at which it closes")
	case s.AsksForSale(now) && sale.Known && !sale.Waiting:
		s.Outcome = Done
		s.retryNow()
		move(Finishing, "it has been kept up for as long as was asked, and nobody waits")
	case s.State == Finishing && s.all(Waiting, LeftOut, Down):
		move(s.Outcome, "everything that was brought up has been taken down")
	case !s.Late && (s.State == Preparing && s.Unready(now) || s.LeftUp(now)):
		// What is missing when it opens is told by opening.
		s.Late = true
		changes = append(changes, s.Note("", s.lateness(), now))
	}
	return changes
}

// onSale is true once the event opens by the parameters that were set, whatever else is not ready.
func (s *Show) onSale(now time.Time) bool {
	return (s.State == Preparing || s.State == Ready) && s.Steps[Parameters].Progress == Up && !now.Before(s.Request.OnSale)
}

// opening says what is missing when a show opens.
func (s *Show) opening() string {
	var missing []string
	for _, step := range Steps() {
		if p := s.Steps[step].Progress; p != Up && p != LeftOut {
			missing = append(missing, string(step))
		}
	}
	if missing == nil {
		return "its on-sale has come"
	}
	return "its on-sale has come; not ready: " + strings.Join(missing, ", ")
}

// lateness says what keeps a show in its state for too long.
func (s *Show) lateness() string {
	if s.State == Live {
		return "it is kept up for longer than was asked, since people wait or nobody knows whether they do"
	}
	missing, done := "it should be ready by now; missing", []Progress{Up, LeftOut}
	if s.State == Finishing {
		missing, done = "it should be taken down by now; still there", []Progress{Waiting, LeftOut, Down}
	}
	var steps []string
	for _, step := range Steps() {
		switch work := s.Steps[step]; {
		case slices.Contains(done, work.Progress):
		case work.Trouble != "":
			steps = append(steps, string(step)+" ("+work.Trouble+")")
		default:
			steps = append(steps, string(step))
		}
	}
	return missing + ": " + strings.Join(steps, ", ")
}

func (s *Show) all(progress ...Progress) bool {
	return !slices.ContainsFunc(Steps(), func(step Step) bool { return !slices.Contains(progress, s.Steps[step].Progress) })
}

// ToBringUp lists the steps to bring up, or to go on with, at now. A step that fails holds up none but
// Readiness. A show on sale still gets what helps it.
func (s *Show) ToBringUp(now time.Time) []Step {
	var steps []Step
	for _, step := range Steps() {
		if work := s.Steps[step]; s.wants(step) && (work.Progress == Waiting || work.Progress == Begun) && !now.Before(work.Next) {
			steps = append(steps, step)
		}
	}
	return steps
}

func (s *Show) wants(step Step) bool {
	switch {
	case s.State == Live:
		return step != Cache && step != Readiness
	case s.State != Preparing:
		return false
	case step != Readiness:
		return true
	}
	others := slices.DeleteFunc(Steps(), func(other Step) bool { return other == Readiness })
	return !slices.ContainsFunc(others, func(other Step) bool {
		p := s.Steps[other].Progress
		return p != Up && p != LeftOut
	})
}

// ToTakeDown lists the steps to take down, or to go on with, at now, in their order.
func (s *Show) ToTakeDown(now time.Time) []Step {
	var steps []Step
	for _, step := range Steps() {
		if work := s.Steps[step]; s.State == Finishing && (work.Progress == Begun || work.Progress == Up) && !now.Before(work.Next) {
			steps = append(steps, step)
		}
	}
	slices.Reverse(steps)
	return steps
}

// Fail records that an attempt at a step failed, and when the next is due.
func (s *Show) Fail(step Step, trouble string, now time.Time) {
	work := s.Steps[step]
	work.Failures++
	work.Trouble = trouble
	work.Next = now.Add(min(firstPause<<min(work.Failures-1, 8), longestPause))
	s.Steps[step] = work
}

// Came records how far a step has come without failing.
func (s *Show) Came(step Step, to Progress) {
	work := s.Steps[step]
	work.Progress, work.Failures, work.Trouble, work.Next = to, 0, "", time.Time{}
	s.Steps[step] = work
}

// retryNow has no step wait any longer: what failed while it was brought up says nothing about taking
// it down.
func (s *Show) retryNow() {
	for step, work := range s.Steps {
		work.Failures, work.Next = 0, time.Time{}
		s.Steps[step] = work
	}
}

// Due is when there is something to do for the show, and false if there never will be. A time in the
// past means now.
func (s *Show) Due() (time.Time, bool) {
	due, some := s.moves()
	if !s.Untold() {
		return due, some
	}
	if told := later(s.Since, s.Jira.Next); !some || told.Before(due) {
		return told, true
	}
	return due, true
}

// moves is when the show itself has to be looked at.
func (s *Show) moves() (time.Time, bool) {
	r := s.Request
	switch s.State {
	case Requested, Ready:
		return r.OnSale, true
	case Approved:
		return r.Begins(), true
	case Preparing, Finishing:
		return s.Since, true
	case Live:
		if len(s.ToBringUp(r.Ends())) > 0 {
			return s.Since, true
		}
		return r.Ends(), true
	}
	return time.Time{}, false
}

// Unready says whether somebody should look at now because the show is not ready when it should be.
func (s *Show) Unready(now time.Time) bool {
	return s.State == Preparing && !now.Before(s.Request.ReadyBy()) ||
		s.State == Live && now.Before(s.Request.Ends()) && len(s.ToBringUp(s.Request.Ends())) > 0
}

// LeftUp says whether somebody should look at now because something is up that should not be.
func (s *Show) LeftUp(now time.Time) bool {
	return s.State == Finishing && now.Sub(s.Since) > slow ||
		s.State == Live && now.Sub(later(s.Request.Ends(), s.Request.Closes)) > slow
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
