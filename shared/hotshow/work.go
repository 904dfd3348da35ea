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
	// patience is how long what is still missing of a show that was asked for late is no news: its first
	// attempts take so long, of which a visitor of the probe takes up to four minutes.
	patience = 5 * time.Minute
	// slow is how long taking down may last before somebody should look, and brief how long an event that
	// is not to open may stay open to people: for two minutes what was written may not be seen, and a run is
	// a minute away.
	slow, brief = 30 * time.Minute, 4 * time.Minute
	// blind is for how long after its end a show is kept up only because nobody can find out whether
	// people wait: somebody has been asked to look after slow.
	blind = 6 * time.Hour
	// longestTrouble is how much is kept of what went wrong, in characters.
	longestTrouble = 500
)

// Sale is what is known of a show's event while it is on sale.
type Sale struct {
	Known   bool          // whether the event's status could be read
	Waiting bool          // whether people wait for it to open or to go on
	Line    int64         // people whose turn has not come, while it is open
	Turns   int64         // turns that have come and have not run out, taken or not
	Window  time.Duration // for which a turn can be taken at least
	// Another says that the on-sale that the status tells is none that the show has set: its promoter's, or
	// the next show's of the event.
	Another bool
}

// served says whether what was brought up is needed no more. Nobody waits longer than a minute, and the
// shop, which those are in who have had their turns, was busy for less than half of the last window. In a
// sale that stays open somebody always comes, so this does not wait until there is nobody.
func (s Sale) served(rate int) bool {
	most := int64(float64(rate) * s.Window.Minutes() / 2)
	return s.Known && !s.Waiting && s.Line <= int64(rate) && s.Turns <= most
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
	case s.AsksForSale(now) && sale.served(r.Rate):
		s.Outcome = Done
		s.retryNow()
		move(Finishing, "it has been kept up for as long as was asked, and the line is served")
	case s.AsksForSale(now) && !sale.Known && now.Sub(s.ended()) >= blind:
		s.Outcome = Done
		s.retryNow()
		move(Finishing, "it is closed by its request, and nobody could find out whether people wait")
	case s.State == Finishing && s.all(Waiting, LeftOut, Down):
		move(s.Outcome, "everything that was brought up has been taken down")
	case !s.Late && (s.State == Preparing && s.Unready(now) && now.Sub(s.Since) >= patience || s.LeftUp(now)):
		// What is missing when it opens is told by opening.
		s.Late = true
		changes = append(changes, s.Note("", s.lateness(), now))
	}
	return changes
}

// onSale is true once the event opens by the parameters that were set, whatever else is not ready.
func (s *Show) onSale(now time.Time) bool {
	set := s.State == Ready || s.State == Preparing && s.Steps[Parameters].Progress == Up
	return set && !now.Before(s.Request.OnSale)
}

// ended is when a show that was on sale has nothing left to be kept up for, by its request.
func (s *Show) ended() time.Time { return later(s.Request.Ends(), s.Request.Closes) }

// opening says what is missing when a show opens.
func (s *Show) opening() string {
	missing := s.others(Up, LeftOut)
	if missing == "" {
		return "its on-sale has come"
	}
	return "its on-sale has come; not ready: " + missing
}

// lateness says what keeps a show in its state for too long.
func (s *Show) lateness() string {
	switch s.State {
	case Live:
		return "it is kept up for longer than was asked, since people wait or nobody knows whether they do"
	case Finishing:
		return "it should be taken down by now; still there: " + s.others(Waiting, LeftOut, Down)
	}
	return "it should be ready by now; missing: " + s.others(Up, LeftOut)
}

// others names the steps that have come to none of these. Their troubles stay in their records: whoever
// may read the show's issue in Jira reads why it changed, and services tell of accounts and roles.
func (s *Show) others(progress ...Progress) string {
	var steps []string
	for _, step := range Steps() {
		if !slices.Contains(progress, s.Steps[step].Progress) {
			steps = append(steps, string(step))
		}
	}
	return strings.Join(steps, ", ")
}

func (s *Show) all(progress ...Progress) bool { return s.others(progress...) == "" }

// ToBringUp lists the steps to bring up, or to go on with, at now. A step that fails holds up none but
// Readiness. A show on sale still gets what helps it, until its end.
func (s *Show) ToBringUp(now time.Time) []Step {
	if s.State == Finishing || s.State == Live && !now.Before(s.Request.Ends()) {
		return nil
	}
	return slices.DeleteFunc(s.toDo(), func(step Step) bool { return now.Before(s.Steps[step].Next) })
}

// toDo lists the steps that the state has something to do for, in the order in which they are brought
// up, whenever they are tried again.
func (s *Show) toDo() []Step {
	return slices.DeleteFunc(Steps(), func(step Step) bool {
		p := s.Steps[step].Progress
		if s.State == Finishing {
			return p != Begun && p != Up
		}
		return !s.wants(step) || p != Waiting && p != Begun
	})
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

// ToTakeDown lists the steps to take down, or to go on with, at now, in their order: the last first, but
// an event that is not to open is closed before all else.
func (s *Show) ToTakeDown(now time.Time) []Step {
	if s.State != Finishing {
		return nil
	}
	steps := slices.DeleteFunc(s.toDo(), func(step Step) bool { return now.Before(s.Steps[step].Next) })
	slices.Reverse(steps)
	if last := len(steps) - 1; s.closes() && last > 0 && steps[last] == Parameters {
		// An event that is not to open is closed before anything that takes its time.
		steps = append([]Step{Parameters}, steps[:last]...)
	}
	return steps
}

// closes says whether taking down has to close the event, which would open by its parameters.
func (s *Show) closes() bool {
	p := s.Steps[Parameters].Progress
	return (s.Outcome == Cancelled || s.Outcome == Failed) && (p == Begun || p == Up)
}

// SetsEvent says whether the show has its event's parameters to set, or the event to close that would
// open: what no other show's work may hold up.
func (s *Show) SetsEvent() bool {
	p := s.Steps[Parameters].Progress
	return s.closes() || (s.State == Approved || s.State == Preparing) && (p == Waiting || p == Begun)
}

// overdue is from when on somebody should look at a show that is still taken down.
func (s *Show) overdue() time.Time {
	if s.closes() {
		return earlier(s.Since.Add(slow), later(s.Since.Add(brief), s.Request.PreQueue))
	}
	return s.Since.Add(slow)
}

// Fail records that an attempt at a step failed, and when the next is due: ever later, but once more
// when all has to be ready and when the sale opens. Parameters are tried each minute, since without
// them nothing opens.
func (s *Show) Fail(step Step, trouble string, now time.Time) {
	work := s.Steps[step]
	work.Failures++
	work.Trouble = shorten(trouble)
	work.Next = now.Add(min(firstPause<<min(work.Failures-1, 8), longestPause))
	if step == Parameters {
		work.Next = now.Add(firstPause)
	}
	for _, t := range []time.Time{s.Request.ReadyBy(), s.Request.OnSale} {
		if now.Before(t) && work.Next.After(t) {
			work.Next = t
		}
	}
	s.Steps[step] = work
}

// shorten keeps a record small, and harmless to who reads it in a terminal, whatever a service answers.
func shorten(trouble string) string {
	trouble = strings.Map(func(c rune) rune {
		if breaks(c) && c != '\n' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(trouble, "\uFFFD"))
	if runes := []rune(trouble); len(runes) > longestTrouble {
		return string(runes[:longestTrouble-1]) + "…"
	}
	return trouble
}

// Came records how far a step has come without failing. What failed before is forgotten when the step is
// done: one that begins anew and fails each time is tried ever more rarely, and told once.
func (s *Show) Came(step Step, to Progress) {
	work := s.Steps[step]
	work.Progress, work.Next = to, time.Time{}
	if to != Begun {
		work.Failures, work.Trouble = 0, ""
	}
	s.Steps[step] = work
}

// retryNow has no step wait any longer, and forgets what failed: what failed while it was brought up says
// nothing about taking it down.
func (s *Show) retryNow() {
	for step, work := range s.Steps {
		work.Failures, work.Next, work.Trouble = 0, time.Time{}, ""
		s.Steps[step] = work
	}
}

// Due is when there is something to do for the show, and false if there never will be. A time in the
// past means now. A show that somebody should look at is due all the time, so that it is counted.
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
	case Preparing:
		return earlier(s.nextStep(), r.ReadyBy()), true
	case Finishing:
		return earlier(s.nextStep(), s.overdue()), true
	case Live:
		if len(s.toDo()) > 0 {
			return s.Since, true
		}
		return r.Ends(), true
	}
	return time.Time{}, false
}

// nextStep is when a step is to be worked on, or the state to be changed since none is left.
func (s *Show) nextStep() time.Time {
	steps := s.toDo()
	if len(steps) == 0 {
		return s.Since
	}
	next := s.Steps[steps[0]].Next
	for _, step := range steps {
		next = earlier(next, s.Steps[step].Next)
	}
	return later(next, s.Since) // one that was never tried has no time of its own
}

// Unready says whether somebody should look at now because the show is not ready when it should be.
func (s *Show) Unready(now time.Time) bool {
	return s.State == Preparing && !now.Before(s.Request.ReadyBy()) ||
		s.State == Live && now.Before(s.Request.Ends()) && len(s.toDo()) > 0
}

// LeftUp says whether somebody should look at now because something is up that should not be, or because
// people come to an event that was cancelled.
func (s *Show) LeftUp(now time.Time) bool {
	return s.State == Finishing && !now.Before(s.overdue()) ||
		s.State == Live && now.Sub(s.ended()) >= slow
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
