package prepare

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/metrics"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

// world is a schedule in memory, steps by script, and everything else that runs need. Time is that of
// the synctest bubble.
type world struct {
	t testing.TB

	mu       sync.Mutex
	shows    map[string][]byte // as JSON, so that nothing is shared with who saved it
	history  map[string][]hotshow.Change
	writes   int
	refuse   func(show hotshow.Show) error // before a save, or nil
	unread   map[string]bool               // ids of shows that cannot be read
	sale     hotshow.Sale
	saleErr  error
	comments []string
	jira     error
	steps    map[hotshow.Step]*scripted
	log      bytes.Buffer
	metrics  bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, shows: map[string][]byte{}, history: map[string][]hotshow.Change{}, unread: map[string]bool{}, steps: map[hotshow.Step]*scripted{}}
	for _, step := range hotshow.Steps() {
		w.steps[step] = &scripted{w: w, name: step}
	}
	return w
}

// preparer is an environment of the function.
func (w *world) preparer() *Preparer {
	steps := map[hotshow.Step]Step{}
	for name, step := range w.steps {
		steps[name] = step
	}
	return &Preparer{
		Shows: w, Steps: steps, Sales: w, Comments: w, Random: rand.Reader, Now: time.Now,
		Metrics: &metrics.Log{Out: &w.metrics, Room: "test", Now: time.Now},
		Log:     slog.New(slog.NewTextHandler(&locked{w: w}, nil)),
	}
}

// locked is the world's log, which shows that are worked on side by side share.
type locked struct{ w *world }

func (l *locked) Write(line []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(line)
}

// add puts a show into the schedule that is approved and due at once, on sale in an hour and a half.
func (w *world) add(id string, change ...func(*hotshow.Show)) {
	now := time.Now()
	onsale := now.Add(90 * time.Minute)
	show, first := hotshow.New(id, hotshow.Request{
		Event: "event-" + id, Names: map[string]string{"en": id}, OnSale: onsale, PreQueue: onsale.Add(-30 * time.Minute), Closes: onsale.Add(24 * time.Hour),
		Visitors: 1000, Over: hotshow.Duration(time.Minute), Rate: 600, Target: "https://shop.example/", KeepAfter: hotshow.Duration(time.Hour),
	}, plan.New(plan.Expected{Visitors: 1000, Over: time.Minute, Rate: 600}), "arn:aws:iam::000000000000:user/ann", now)
	approved, err := show.Approve("arn:aws:iam::000000000000:user/bob", "", false, now)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range change {
		f(&show)
	}
	w.put(show)
	w.history[id] = []hotshow.Change{first, approved}
}

func inJira(s *hotshow.Show) { s.Jira = &hotshow.Jira{Issue: "SHOW-" + s.ID, Told: s.Changes} }

func (w *world) put(show hotshow.Show) {
	text, err := json.Marshal(show)
	if err != nil {
		w.t.Fatal(err)
	}
	w.shows[show.ID] = text
}

// stored is a show as it is stored.
func (w *world) stored(id string) (show hotshow.Show) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := json.Unmarshal(w.shows[id], &show); err != nil {
		w.t.Fatal(err)
	}
	return show
}

func (w *world) untold(id string) bool {
	show := w.stored(id)
	return show.Untold()
}

func (w *world) Open(context.Context) ([]schedule.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var entries []schedule.Entry
	for id, text := range w.shows {
		var s hotshow.Show
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		due, _ := s.Due()
		entries = append(entries, schedule.Entry{ID: id, Event: s.Request.Event, State: s.State, OnSale: s.Request.OnSale, Due: due})
	}
	slices.SortFunc(entries, func(a, b schedule.Entry) int {
		return cmp.Or(a.OnSale.Compare(b.OnSale), cmp.Compare(a.ID, b.ID))
	})
	return entries, nil
}

var errTable = errors.New("the table does not answer")

func (w *world) Show(_ context.Context, id string) (hotshow.Show, error) {
	if w.unread[id] {
		return hotshow.Show{}, errTable
	}
	return w.stored(id), nil
}

func (w *world) History(_ context.Context, id string) ([]hotshow.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.history[id]), nil
}

func (w *world) Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.refuse != nil {
		if err := w.refuse(*show); err != nil {
			return err
		}
	}
	if w.stored(show.ID).Version != show.Version {
		return fmt.Errorf("save: %w", schedule.ErrStale)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	show.Version++
	w.put(*show)
	w.history[show.ID] = append(w.history[show.ID], changes...)
	w.writes++
	return nil
}

// person changes a show as the API does.
func (w *world) person(id string, change func(*hotshow.Show) (hotshow.Change, error)) {
	show := w.stored(id)
	c, err := change(&show)
	if err == nil {
		err = w.Save(context.Background(), &show, c)
	}
	if err != nil {
		w.t.Errorf("a person cannot change the show: %v", err)
	}
}

func cancelled(s *hotshow.Show) (hotshow.Change, error) { return s.Cancel("ann", "", time.Now()) }

func (w *world) Sale(context.Context, hotshow.Show) (hotshow.Sale, error) { return w.sale, w.saleErr }

func (w *world) Comment(_ context.Context, issue string, number int, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jira == nil {
		w.comments = append(w.comments, fmt.Sprintf("%s %d %s", issue, number, text))
	}
	return w.jira
}

// run makes one run, which has to end in time.
func (w *world) run() error {
	w.t.Helper()
	began := time.Now()
	err := w.preparer().Run(w.t.Context())
	if took := time.Since(began); took > saveFor {
		w.t.Errorf("the run took %v", took)
	}
	return err
}

// runs makes a run at the beginning of each of so many minutes, and lets the last one pass.
func (w *world) runs(n int) {
	w.t.Helper()
	for range n {
		next := time.Now().Add(time.Minute)
		if err := w.run(); err != nil {
			w.t.Errorf("the run fails: %v", err)
		}
		time.Sleep(time.Until(next))
	}
}

func (w *world) states(id string) []hotshow.State {
	var states []hotshow.State
	for i, c := range w.history[id] {
		if c.Number != i+1 {
			w.t.Errorf("change %d has the number %d", i+1, c.Number)
		}
		if c.From != c.To {
			states = append(states, c.To)
		}
	}
	return states
}

// troubled is the metrics of the last run.
func (w *world) troubled() (unready, leftUp float64) {
	w.t.Helper()
	for _, p := range metricstest.Points(w.t, w.metrics.String()) {
		switch p.Name {
		case names.MetricShowsUnready:
			unready = p.Value
		case names.MetricShowsLeftUp:
			leftUp = p.Value
		}
	}
	return unready, leftUp
}

func (w *world) logged(parts ...string) bool {
	for line := range strings.Lines(w.log.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// scripted is a step that does at once what it is asked, or what up and down say.
type scripted struct {
	w        *world
	name     hotshow.Step
	up, down func(context.Context, *Task) (hotshow.Progress, error)

	mu         sync.Mutex
	ups, downs int
}

func (s *scripted) Up(ctx context.Context, t *Task) (hotshow.Progress, error) {
	s.mu.Lock()
	s.ups++
	s.mu.Unlock()
	if stored := s.w.stored(t.Show.ID); stored.Steps[s.name].Progress != hotshow.Begun || stored.Lease.Run != t.Run {
		s.w.t.Errorf("%s is called, and what is stored is %+v", s.name, stored)
	}
	if s.up != nil {
		return s.up(ctx, t)
	}
	return hotshow.Up, nil
}

func (s *scripted) Down(ctx context.Context, t *Task) (hotshow.Progress, error) {
	s.mu.Lock()
	s.downs++
	s.mu.Unlock()
	if s.down != nil {
		return s.down(ctx, t)
	}
	return hotshow.Down, nil
}
