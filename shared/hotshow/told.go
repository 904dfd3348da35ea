package hotshow

import "time"

const (
	// longestSilence is the longest time between two attempts at a comment that fails.
	longestSilence = time.Hour
	// mostSilent is how many attempts there are, which is about a day: an issue that was deleted never
	// takes a comment.
	mostSilent = 30
)

// Untold says whether the show's issue in Jira lacks a comment about its latest changes.
func (s *Show) Untold() bool { return s.Jira != nil && s.Jira.Told < s.Changes }

// ToTell says whether the show's issue is to be told of its latest changes at now.
func (s *Show) ToTell(now time.Time) bool { return s.Untold() && !now.Before(s.Jira.Next) }

// Tell records that the show's issue knows of the changes up to a number, or need not.
func (s *Show) Tell(number int) { s.Jira.Told, s.Jira.Failures, s.Jira.Next = number, 0, time.Time{} }

// TellLater records that a comment could not be written, and when the next attempt is due. After a day of
// them the issue is told nothing of what has happened so far.
func (s *Show) TellLater(now time.Time) {
	s.Jira.Failures++
	if s.Jira.Failures >= mostSilent {
		s.Tell(s.Changes)
		return
	}
	s.Jira.Next = now.Add(min(firstPause<<min(s.Jira.Failures-1, 8), longestSilence))
}
