package show

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/charmbracelet/x/ansi"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
)

var opening = time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)

// winterShow is a show in a state, all of whose steps have come as far.
func winterShow(state hotshow.State, progress hotshow.Progress) api.Detailed {
	s := api.Detailed{Show: hotshow.Show{
		ID: "abc", State: state, Since: opening,
		Request: hotshow.Request{
			Event: "winter-tour", Names: map[string]string{"en": "Winter tour"}, OnSale: opening,
			PreQueue: opening.Add(-30 * time.Minute), Closes: opening.Add(24 * time.Hour),
			Visitors: 300_000, Rate: 13_000, ReadyBefore: hotshow.Duration(time.Hour), KeepAfter: hotshow.Duration(4 * time.Hour),
		},
		Steps: map[hotshow.Step]hotshow.Work{},
	}}
	for _, step := range hotshow.Steps() {
		s.Steps[step] = hotshow.Work{Progress: progress}
	}
	return s
}

// open is a sight of the show while its sale is open.
func open(at time.Time, show api.Detailed, rate int64) sight {
	return sight{at: at, show: show, saleAt: at, sale: &api.Sale{
		Event: "winter-tour", Phase: room.Open, Line: 300_000, Admitted: 75_000, Waiting: 225_000, Rate: rate, RateSet: 13_000,
		Wait: aws.Int64(1038), Time: at.Format(time.RFC3339), Alarms: []api.Alarm{},
	}}
}

// plainModel has no colours, as with NO_COLOR.
func plainModel(now time.Time) model {
	return newModel(false, now, func() tea.Msg { return nil })
}

func update(t *testing.T, m model, message tea.Msg) (model, tea.Cmd) {
	t.Helper()
	next, command := m.Update(message)
	return next.(model), command
}

func TestViewOfASale(t *testing.T) {
	at := opening.Add(5*time.Minute + 12*time.Second)
	m := plainModel(at)
	contain(t, m.text(), "Asking", "q ends")
	seen := open(at, winterShow(hotshow.Live, hotshow.Up), 12_950)
	m, command := update(t, m, seen)
	if command == nil {
		t.Fatal("nothing is asked any more")
	}
	contain(t, m.text(), "Winter tour (winter-tour)", "live", "on sale for 5:12, kept up for 3:54:48 more", "Places    300,000", "Admitted  75,000",
		"Waiting   225,000", "25 % admitted", "12,950 a minute of 13,000 set", "17:18 for somebody who joins now", "As of 10:05:12")
	if strings.Contains(m.text(), "ALARM") || strings.Contains(m.text(), "Steps") || strings.Contains(m.text(), "\x1b") {
		t.Errorf("too much in\n%s", m.text())
	}
	seen.sale.Alarms = []api.Alarm{{Name: "settings", Since: at, Why: "rate is no number"}}
	seen.show.Steps[hotshow.Product] = hotshow.Work{Progress: hotshow.Begun, Failures: 2, Trouble: "no\x1b[2J such product", Next: at.Add(time.Minute)}
	m, _ = update(t, m, seen)
	contain(t, m.text(), "ALARM settings since 10:05:12: rate is no number", "product      begun, failed 2 times: no [2J such product (again in 1:00)")

	// What the API does not know is said to be unknown.
	unknown := open(at, winterShow(hotshow.Live, hotshow.Up), 0)
	unknown.sale, unknown.saleAt = &api.Sale{Event: "winter-tour"}, time.Time{}
	m, _ = update(t, m, unknown)
	contain(t, m.text(), "alarms are not known", "Nothing is known of a sale")
	unknown.sale.Phase = room.PreQueue
	m, _ = update(t, m, unknown)
	contain(t, m.text(), "Phase     prequeue", "0 a minute of an unknown rate", "Wait      not known")
}

func TestViewBeforeASale(t *testing.T) {
	at := opening.Add(-90 * time.Minute)
	show := winterShow(hotshow.Preparing, hotshow.Waiting)
	show.Steps[hotshow.Parameters] = hotshow.Work{Progress: hotshow.Up}
	m, _ := update(t, plainModel(at), sight{at: at, show: show, saleText: "No sale yet"})
	contain(t, m.text(), "preparing", "on sale in 1:30:00", "nothing is known: No sale yet", "parameters   up", "readiness    waiting")
	m, _ = update(t, m, second(at.Add(time.Second)))
	contain(t, m.text(), "on sale in 1:29:59")
}

// While the API does not answer, the last that it said stays, and how old it is; it is asked less and
// less often, and never stops.
func TestTrouble(t *testing.T) {
	at := opening.Add(time.Minute)
	m, _ := update(t, plainModel(at), open(at, winterShow(hotshow.Live, hotshow.Up), 13_000))
	var pauses []time.Duration
	for range 12 {
		m, _ = update(t, m, due{})
		var command tea.Cmd
		at = at.Add(time.Second)
		if m, command = update(t, m, sight{at: at, err: errors.New("connection refused")}); command == nil {
			t.Fatal("it gave up")
		}
		pauses = append(pauses, m.next.Sub(at))
	}
	if pauses[0] != 4*time.Second || pauses[1] != 8*time.Second || pauses[11] != longestPause {
		t.Errorf("pauses of %v", pauses)
	}
	contain(t, m.text(), "Places    300,000", "No answer for 0:12, again in 0:30: connection refused")
	m, _ = update(t, m, second(at.Add(10*time.Second)))
	contain(t, m.text(), "No answer for 0:22, again in 0:20")
	m, command := update(t, m, due{})
	if command == nil || !strings.Contains(m.text(), "Asking again") {
		t.Errorf("not asking:\n%s", m.text())
	}
	m, _ = update(t, m, open(at, winterShow(hotshow.Live, hotshow.Up), 13_000))
	if m.failures != 0 || m.next.Sub(at) != between || strings.Contains(m.text(), "No answer") {
		t.Errorf("after an answer:\n%s", m.text())
	}
}

func TestKeys(t *testing.T) {
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: 'c', Mod: tea.ModCtrl}, {Code: tea.KeyEscape}} {
		_, command := update(t, plainModel(opening), key)
		if command == nil {
			t.Fatalf("%s does not end it", key)
		}
		if _, quits := command().(tea.QuitMsg); !quits {
			t.Errorf("%s does not end it", key)
		}
	}
	if _, command := update(t, plainModel(opening), tea.KeyPressMsg{Code: 'x', Text: "x"}); command != nil {
		t.Error("x does something")
	}
}

// Whatever its size, nothing is wider or higher than the window, and the last line stays.
func TestSizes(t *testing.T) {
	at := opening.Add(time.Minute)
	show := winterShow(hotshow.Finishing, hotshow.Begun)
	show.Request.Names["en"] = strings.Repeat("冬ツアー", 30)
	seen := open(at, show, 1_000)
	seen.sale.Alarms = []api.Alarm{{Name: "one", Since: at, Why: strings.Repeat("why ", 50)}, {Name: "two", Since: at, Why: "because"}}
	for _, size := range [][2]int{{80, 24}, {40, 24}, {20, 10}, {200, 60}, {5, 3}, {1, 2}, {80, 1}} {
		m, _ := update(t, plainModel(at), tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for i := range 400 {
			seen.at = at.Add(time.Duration(i) * time.Second)
			seen.saleAt = seen.at
			m, _ = update(t, m, seen)
		}
		view := m.text()
		lines := strings.Split(view, "\n")
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if w := ansi.StringWidth(line); w > size[0] {
				t.Errorf("%v: a line of %d: %q", size, w, line)
			}
		}
		if size[0] >= 20 && !strings.HasPrefix(lines[len(lines)-1], "As of") {
			t.Errorf("%v: the last line is %q", size, lines[len(lines)-1])
		}
	}
}

func TestCurve(t *testing.T) {
	var rates []sample
	for i := range int64(8) {
		rates = remember(rates, open(opening.Add(time.Duration(i)*time.Second), api.Detailed{}, i*1_000))
	}
	if got := curve(rates, 7_000, 60); got != "▁▂▃▄▅▆▇█" {
		t.Errorf("%s", got)
	}
	if got := curve(rates, 7_000, 4); got != "▂▄▆█" && len([]rune(got)) != 4 {
		t.Errorf("%s", got)
	}
	if got := curve(nil, 0, 10); got != "" {
		t.Errorf("%q", got)
	}
	// The same status again is no new sample, and old ones are forgotten.
	if again := remember(rates, open(rates[7].at, api.Detailed{}, 1)); len(again) != 8 {
		t.Errorf("%d samples", len(again))
	}
	if late := remember(rates, open(opening.Add(time.Hour), api.Detailed{}, 1)); len(late) != 1 {
		t.Errorf("%d samples", len(late))
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{-1: "░░░░", 0: "░░░░", 0.5: "██░░", 1: "████", 7: "████"} {
		if got := bar(share, 4); got != want {
			t.Errorf("%v: %s", share, got)
		}
	}
}

// Without a terminal there is a line for each change, through trouble too, until the show is over.
func TestLines(t *testing.T) {
	desk, url := newDesk(t)
	as(t, "anna")
	ok(t, winter(url)...)
	id := desk.all()[0].ID
	desk.becomes(id, hotshow.Live)
	desk.status = room.Status{Event: "winter-tour", Phase: room.Open, Line: 300_000, Admitted: 75_000, Rate: 13_000}
	client, err := NewClient(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	var out bytes.Buffer
	c := &command{client: client, stdout: &out, now: time.Now, after: func(d time.Duration) <-chan time.Time {
		if looks++; looks == 5 {
			desk.becomes(id, hotshow.Done)
			if d != 8*time.Second {
				t.Errorf("a pause of %v after two failures", d)
			}
		}
		desk.mu.Lock()
		defer desk.mu.Unlock()
		desk.broken = looks == 3 || looks == 4
		if looks == 2 {
			desk.status.Admitted += 1_000
		}
		passed := make(chan time.Time, 1)
		passed <- time.Now()
		return passed
	}}
	if err := c.tell(t.Context(), id, client.look(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []string{"live, open: 300,000 in line, 75,000 admitted", "76,000 admitted", "no answer: ", "done, open"} {
		contain(t, lines[i], want)
	}
}

func TestWatchOfNoShow(t *testing.T) {
	_, url := newDesk(t)
	as(t, "anna")
	_, problems, status := did(t, "watch", "nothing", "-url", url)
	if status != exit.Failed || problems != "show: No such show: There is no show of this id. GET /v1/hotshows lists them all.\n" {
		t.Errorf("status %d, %q", status, problems)
	}
}
