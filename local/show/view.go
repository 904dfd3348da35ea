package show

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/room"
)

// model is what the terminal shows. It changes by messages only: a sight when the API has answered or
// failed, due when it is to be asked again, second when the clock has moved on.
type model struct {
	look          tea.Cmd // gives a sight
	width, height int
	now           time.Time

	seen     sight // the latest that told something
	heard    bool  // there was one
	failures int   // in a row
	trouble  error // of the latest failure
	next     time.Time
	asking   bool
	rates    []sample // one for each status of the sale

	bold, faint, good, warn ansi.Style
}

// sample is the rate that the sale had.
type sample struct {
	at   time.Time
	rate int64
}

type (
	due    struct{}
	second time.Time
)

// remembered is for how long rates are kept.
const remembered = 5 * time.Minute

// newModel shows plain text unless it is styled. A style that the terminal does not have is left out
// when the text is drawn.
func newModel(styled bool, now time.Time, look tea.Cmd) model {
	m := model{look: look, width: 80, height: 24, now: now}
	if styled {
		m.bold, m.faint = ansi.NewStyle().Bold(), ansi.NewStyle().Faint()
		m.good, m.warn = ansi.NewStyle().ForegroundColor(ansi.Green), ansi.NewStyle().ForegroundColor(ansi.Red).Bold()
	}
	return m
}

func (m model) Init() tea.Cmd { return tea.Batch(m.again(), clock()) }

func clock() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return second(t) }) }

// again asks when it is time for it.
func (m model) again() tea.Cmd {
	return tea.Tick(pause(m.failures), func(time.Time) tea.Msg { return due{} })
}

// Update takes a message. There is always either a question under way or one that is due.
func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.KeyPressMsg:
		if key := message.String(); key == "q" || key == "ctrl+c" || key == "esc" {
			return m, tea.Quit
		}
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case second:
		m.now = time.Time(message)
		return m, clock()
	case due:
		m.asking = true
		return m, m.look
	case sight:
		m = m.see(message)
		return m, m.again()
	}
	return m, nil
}

// see takes in what was seen.
func (m model) see(seen sight) model {
	m.asking, m.now = false, seen.at
	if seen.failed() {
		m.failures++
		m.trouble = seen.err
	} else {
		m.failures, m.trouble = 0, nil
		m.seen, m.heard = seen, true
		m.rates = remember(m.rates, seen)
	}
	m.next = seen.at.Add(pause(m.failures))
	return m
}

// remember adds the sale's rate unless it is of a status that is known already.
func remember(rates []sample, seen sight) []sample {
	if seen.saleAt.IsZero() || len(rates) > 0 && !seen.saleAt.After(rates[len(rates)-1].at) {
		return rates
	}
	rates = append(slices.Clone(rates), sample{seen.saleAt, seen.sale.Rate})
	return slices.DeleteFunc(rates, func(s sample) bool { return seen.saleAt.Sub(s.at) > remembered })
}

// View takes the whole window, and gives back what it has shown before.
func (m model) View() tea.View {
	view := tea.NewView(m.text())
	view.AltScreen = true
	return view
}

// text fits the window: what does not is left out from below, but for the last line.
func (m model) text() string {
	var lines []string
	if m.heard {
		lines = m.lines()
	}
	last := m.footer()
	if len(lines) > m.height-1 {
		lines = append(lines[:max(0, m.height-2)], m.faint.Styled("…"))[:max(0, m.height-1)]
	}
	lines = append(lines, last)
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return strings.Join(lines, "\n")
}

func (m model) lines() []string {
	s := m.seen.show
	lines := []string{
		m.bold.Styled(title(s.Show)),
		m.state(s.State) + "  " + m.countdown(),
		"",
	}
	switch sale := m.seen.sale; {
	case sale == nil:
		lines = append(lines, "Of the sale nothing is known: "+m.seen.saleText, "")
	case sale.Phase == "":
		lines = append(append(lines, m.alarms()...), "Nothing is known of a sale.", "")
	default:
		lines = append(append(lines, m.alarms()...), m.sale()...)
	}
	return append(lines, m.steps()...)
}

func (m model) state(s hotshow.State) string {
	switch s {
	case hotshow.Ready, hotshow.Live, hotshow.Done:
		return m.good.Styled(string(s))
	case hotshow.Rejected, hotshow.Cancelled, hotshow.Failed:
		return m.warn.Styled(string(s))
	}
	return m.bold.Styled(string(s))
}

// countdown says what time has to do with it.
func (m model) countdown() string {
	r := m.seen.show.Request
	switch {
	case m.seen.show.State.Final():
		return "since " + day(m.seen.show.Since)
	case m.seen.show.State == hotshow.Finishing:
		return "what was brought up is taken down"
	case m.now.Before(r.OnSale):
		return fmt.Sprintf("on sale in %s, on %s", span(r.OnSale.Sub(m.now)), day(r.OnSale))
	case m.now.Before(r.Ends()):
		return fmt.Sprintf("on sale for %s, kept up for %s more", span(m.now.Sub(r.OnSale)), span(r.Ends().Sub(m.now)))
	}
	return fmt.Sprintf("on sale for %s, kept up for who waits or has a turn", span(m.now.Sub(r.OnSale)))
}

// alarms come first: they are what somebody has to look at.
func (m model) alarms() []string {
	if m.seen.sale.Alarms == nil {
		return []string{m.warn.Styled("The room's alarms are not known."), ""}
	}
	var lines []string
	for _, a := range m.seen.sale.Alarms {
		lines = append(lines, m.wrapped("ALARM %s since %s: %s", printable(a.Name), a.Since.In(m.now.Location()).Format("15:04:05"), oneLine(a.Why))...)
	}
	if lines != nil {
		lines = append(lines, "")
	}
	return lines
}

// wrapped is something that somebody has to read to its end.
func (m model) wrapped(format string, args ...any) []string {
	lines := strings.Split(ansi.Wrap(fmt.Sprintf(format, args...), max(1, m.width), ""), "\n")
	for i := range lines {
		lines[i] = m.warn.Styled(lines[i])
	}
	return lines
}

// bar is the widest that a bar or a curve gets, and edge what stands beside it.
const (
	widest = 60
	edge   = 26
)

func (m model) sale() []string {
	s := m.seen.sale
	width := max(8, min(widest, m.width-edge))
	let := 0.0
	if s.Line > 0 {
		let = float64(s.Admitted) / float64(s.Line)
	}
	return []string{
		fmt.Sprintf("Phase     %s", printable(string(s.Phase))),
		fmt.Sprintf("Places    %s", plan.Grouped(s.Line)),
		fmt.Sprintf("Admitted  %s", plan.Grouped(s.Admitted)),
		fmt.Sprintf("Waiting   %s", plan.Grouped(s.Waiting)),
		fmt.Sprintf("          %s %.0f %% admitted", m.good.Styled(bar(let, width)), 100*let),
		"",
		fmt.Sprintf("Rate      %s a minute of %s set", m.reached(), rateSet(s)),
		fmt.Sprintf("          %s %s", m.good.Styled(curve(m.rates, int64(s.RateSet), width)), m.faint.Styled(m.since())),
		fmt.Sprintf("Wait      %s for somebody who joins now", wait(s)),
		"",
	}
}

// rateSet and wait are words where the API does not know.
func rateSet(s *api.Sale) string {
	if s.RateSet == 0 {
		return "an unknown rate"
	}
	return plan.Grouped(int64(s.RateSet))
}

func wait(s *api.Sale) string {
	if s.Wait == nil {
		return "not known"
	}
	return span(time.Duration(*s.Wait) * time.Second)
}

// reached is the rate measured, which stands out while people wait and too few are let in.
func (m model) reached() string {
	s := m.seen.sale
	text := plan.Grouped(s.Rate)
	if s.Phase == room.Open && s.Waiting > int64(s.RateSet) && float64(s.Rate) < 0.8*float64(s.RateSet) {
		return m.warn.Styled(text)
	}
	return text
}

// since says how far back the curve goes.
func (m model) since() string {
	if len(m.rates) < 2 {
		return ""
	}
	return span(m.rates[len(m.rates)-1].at.Sub(m.rates[0].at))
}

// steps are listed until all are up, and while they are taken down.
func (m model) steps() []string {
	s := m.seen.show
	if !slices.Contains([]hotshow.State{hotshow.Preparing, hotshow.Live, hotshow.Finishing}, s.State) {
		return nil
	}
	var lines []string
	for _, step := range hotshow.Steps() {
		work := s.Steps[step]
		if s.State == hotshow.Live && (work.Progress == hotshow.Up || work.Progress == hotshow.LeftOut) {
			continue
		}
		text := fmt.Sprintf("  %-12s %s", step, printable(stepText(work, m.now)))
		if work.Failures > 0 {
			lines = append(lines, m.wrapped("%s", text)...)
			continue
		}
		lines = append(lines, text)
	}
	if lines == nil {
		return nil
	}
	return append([]string{m.bold.Styled("Steps")}, lines...)
}

// footer says how old all of this is, and that it goes on.
func (m model) footer() string {
	keys := "q ends"
	switch {
	case m.trouble != nil && m.asking:
		return m.warn.Styled(fmt.Sprintf("No answer: %s. Asking again. %s", oneLine(m.trouble.Error()), keys))
	case m.trouble != nil:
		return m.warn.Styled(fmt.Sprintf("No answer%s, again in %s: %s. %s", m.age(), span(max(0, m.next.Sub(m.now))), oneLine(m.trouble.Error()), keys))
	case !m.heard:
		return m.faint.Styled("Asking. " + keys)
	}
	return m.faint.Styled(fmt.Sprintf("As of %s. %s", m.seen.at.Format("15:04:05"), keys))
}

// age is for how long nothing has been heard.
func (m model) age() string {
	if !m.heard {
		return ""
	}
	return " for " + span(m.now.Sub(m.seen.at))
}

// bar is filled by a share of 0 to 1.
func bar(share float64, width int) string {
	filled := int(math.Round(max(0, min(1, share)) * float64(width)))
	return strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
}

var heights = []rune("▁▂▃▄▅▆▇█")

// curve draws rates from the oldest to the latest, as a part of the most that was set or reached. Where
// there are more than fit, each column is the mean of several.
func curve(rates []sample, set int64, width int) string {
	most := max(set, 1)
	for _, r := range rates {
		most = max(most, r.rate)
	}
	each := max(1, (len(rates)+width-1)/width)
	var columns []rune
	for chunk := range slices.Chunk(rates, each) {
		var sum float64
		for _, r := range chunk {
			sum += float64(max(0, r.rate))
		}
		height := sum / float64(len(chunk)) / float64(most) * float64(len(heights)-1)
		columns = append(columns, heights[min(len(heights)-1, int(math.Round(height)))])
	}
	return string(columns)
}

// span writes a time as minutes and seconds, from an hour on as hours, minutes and seconds, and from two
// days on in days.
func span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s >= 2*24*3600:
		return fmt.Sprintf("%s days", plan.Grouped(s/(24*3600)))
	case s >= 3600:
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// summary is all of it in one line.
func summary(seen sight) string {
	s := seen.show
	text := string(s.State)
	if a := seen.sale; a != nil {
		if a.Phase == "" {
			text += ", nothing is known of a sale"
		} else {
			text += saleSummary(a)
		}
		for _, alarm := range a.Alarms {
			text += fmt.Sprintf("; ALARM %s: %s", alarm.Name, alarm.Why)
		}
	}
	if s.State == hotshow.Preparing || s.State == hotshow.Finishing {
		for _, step := range hotshow.Steps() {
			work := s.Steps[step]
			text += fmt.Sprintf("; %s %s", step, work.Progress)
			if work.Failures > 0 {
				text += fmt.Sprintf(" (failed: %s)", work.Trouble)
			}
		}
	}
	return text
}

func saleSummary(s *api.Sale) string {
	return fmt.Sprintf(", %s: %s in line, %s admitted, %s waiting, %s a minute of %s set, wait %s", s.Phase, plan.Grouped(s.Line),
		plan.Grouped(s.Admitted), plan.Grouped(s.Waiting), plan.Grouped(s.Rate), rateSet(s), wait(s))
}
