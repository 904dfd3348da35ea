package show

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
)

// day writes a time with its weekday and its offset.
func day(t time.Time) string { return t.Format("Mon 2 Jan 2006 15:04:05 -07:00") }

// title is a show's name and its event.
func title(s hotshow.Show) string {
	return fmt.Sprintf("%s (%s)", printable(s.Request.Name()), printable(s.Request.Event))
}

// writeAsked says what was asked for and what happens next.
func writeAsked(w io.Writer, s api.Detailed, now time.Time) {
	fmt.Fprintf(w, "%s has the id %s and is %s.\n", title(s.Show), s.ID, s.State)
	fmt.Fprintf(w, "%s\n", next(s.Show, now))
	fmt.Fprintf(w, "It needs %s.\n", needs(s.Needs))
	writeWarnings(w, s.Warnings)
}

func writeDecided(w io.Writer, s api.Detailed, now time.Time) {
	fmt.Fprintf(w, "%s, %s, is %s.\n", title(s.Show), s.ID, s.State)
	if text := next(s.Show, now); text != "" {
		fmt.Fprintf(w, "%s\n", text)
	}
}

// next says what happens to the show next, or nothing if nothing will.
func next(s hotshow.Show, now time.Time) string {
	r := s.Request
	switch s.State {
	case hotshow.Requested:
		return fmt.Sprintf("Somebody else approves it before %s:\n  go run ./local show approve %s", day(r.OnSale), s.ID)
	case hotshow.Approved:
		from := "from " + day(r.Begins())
		if !r.Begins().After(now) {
			from = "at once"
		}
		return fmt.Sprintf("It is made ready %s, goes on sale on %s, and is kept up until %s.", from, day(r.OnSale), day(r.Ends()))
	case hotshow.Preparing:
		is := "is"
		if r.ReadyBy().Before(now) {
			is = "was"
		}
		return fmt.Sprintf("It %s to be ready by %s, and goes on sale on %s.", is, day(r.ReadyBy()), day(r.OnSale))
	case hotshow.Ready:
		return fmt.Sprintf("It goes on sale on %s, and is kept up until %s.", day(r.OnSale), day(r.Ends()))
	case hotshow.Live:
		if !now.Before(r.Ends()) {
			return "It is kept up until the line is served."
		}
		return fmt.Sprintf("It is kept up until %s, and longer if people wait.", day(r.Ends()))
	case hotshow.Finishing:
		return "What was brought up for it is being taken down, which takes some minutes." + mayOpen(s, now)
	}
	return ""
}

// soon is how long before its pre-queue a show is that prepare may not close in time: its runs begin each minute,
// and the lease of one that died lasts longer.
const soon = 10 * time.Minute

// mayOpen is what somebody who cancels a show has to know if people may come before the event is closed.
func mayOpen(s hotshow.Show, now time.Time) string {
	p := s.Steps[hotshow.Parameters].Progress
	if s.Outcome != hotshow.Cancelled || p != hotshow.Begun && p != hotshow.Up || now.Before(s.Request.PreQueue.Add(-soon)) {
		return ""
	}
	return fmt.Sprintf(" Until then people may come: set the parameter state of %s to closed as well.", printable(s.Request.Event))
}

func needs(n hotshow.Needs) string {
	return fmt.Sprintf("%d shards, warm throughput of %s writes and %s reads a second, and provisioned concurrency of %s for join and %s for admit",
		n.Shards, grouped(n.WarmWrites), grouped(n.WarmReads), grouped(n.Join), grouped(n.Admit))
}

func grouped(n int) string { return plan.Grouped(int64(n)) }

func writeWarnings(w io.Writer, warnings []string) {
	if len(warnings) == 0 {
		return
	}
	fmt.Fprintln(w, "Mind")
	for _, warning := range warnings {
		fmt.Fprintf(w, "  %s.\n", strings.TrimSuffix(oneLine(warning), "."))
	}
}

func writeList(w io.Writer, answer []byte) error {
	var list api.List
	if err := json.Unmarshal(answer, &list); err != nil || list.Shows == nil {
		return errUnreadable
	}
	if len(list.Shows) == 0 {
		_, err := fmt.Fprintln(w, "There are no such shows.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tON-SALE\tEVENT\tNAME")
	for _, e := range list.Shows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(e.ID), printable(string(e.State)), day(e.OnSale), printable(e.Event), printable(e.Name))
	}
	if err := t.Flush(); err != nil || list.Next == "" {
		return err
	}
	_, err := fmt.Fprintln(w, "There may be more: leave out -limit to see all.")
	return err
}

// writeShow writes everything about a show.
func writeShow(w io.Writer, s api.Detailed, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush() // an error of the terminal's has nowhere to go
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	r := s.Request
	line("%s has been %s since %s", title(s.Show), s.State, day(s.Since))
	if text := next(s.Show, now); text != "" {
		line("%s", text)
	}
	line("")
	line("  id\t%s", s.ID)
	for _, language := range slices.Sorted(maps.Keys(r.Names)) {
		line("  name, %s\t%s", printable(language), printable(r.Names[language]))
	}
	line("  pre-queue\t%s", day(r.PreQueue))
	line("  on-sale\t%s", day(r.OnSale))
	line("  closes\t%s", day(r.Closes))
	line("  made ready\tfrom %s, to be ready by %s", day(begins(s)), day(r.ReadyBy()))
	line("  kept up until\t%s", day(r.Ends()))
	line("  expected\t%s visitors in %s", grouped(r.Visitors), r.Over)
	line("  rate\t%s a minute", grouped(r.Rate))
	line("  target\t%s", printable(r.Target))
	line("  asked for by\t%s", printable(s.AskedBy.Name()))
	if s.Approver != "" {
		line("  approved by\t%s", printable(s.Approver.Name()))
	}
	if s.Jira != nil {
		line("  issue\t%s", printable(s.Jira.Issue))
	}
	line("  changes\t%d", s.Changes)
	line("  needs\t%s", needs(s.Needs))
	t.Flush()
	writeWarnings(w, s.Warnings)
	line("")
	line("Steps")
	for _, step := range hotshow.Steps() {
		line("  %s\t%s", step, printable(stepText(s.Steps[step], now)))
	}
	t.Flush()
	fmt.Fprintln(w, "\nHistory")
	for _, change := range s.History {
		fmt.Fprintf(w, "  %s  %s\n", day(change.At), oneLine(change.Sentence()))
	}
}

// begins is from when a show is made ready: not before it is approved, nor, as long as nobody has, asked for.
func begins(s api.Detailed) time.Time {
	at := s.Request.Begins()
	for _, change := range s.History {
		if (change.From == "" || change.To == hotshow.Approved && change.From != change.To) && change.At.After(at) {
			at = change.At
		}
	}
	return at
}

// stepText says how far a step is, and what keeps it.
func stepText(work hotshow.Work, now time.Time) string {
	text := string(work.Progress)
	if work.Progress == "" {
		text = string(hotshow.Waiting)
	}
	if work.Failures == 0 {
		return text
	}
	text += fmt.Sprintf(", failed %d times: %s", work.Failures, oneLine(work.Trouble))
	if work.Failures == 1 {
		text = strings.Replace(text, "1 times", "once", 1)
	}
	if left := work.Next.Sub(now); left > 0 {
		text += fmt.Sprintf(" (again in %s)", span(left))
	}
	return text
}
