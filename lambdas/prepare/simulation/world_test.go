package simulation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/lambdas/prepare"
	"waitingroom/lambdas/prepare/steps"
	"waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

const (
	tableName  = "room"
	join       = "room-join"
	admit      = "room-admit"
	joinBefore = 3 // environments that somebody has provisioned of join; of admit there are none

	ann hotshow.Person = "arn:aws:iam::000000000000:user/ann"
	bob hotshow.Person = "arn:aws:iam::000000000000:user/bob"
)

// world is an account with everything that a show has to do with. It lives in a synctest bubble: time is
// virtual.
type world struct {
	t       testing.TB
	engine  *dynamodb.Engine
	people  *schedule.Schedule // as people's changes reach it: nothing befalls them
	alone   bool               // there is one show
	takes   func(what string) time.Duration
	befalls func(call int, what string) trouble // under mu
	late    func(call int) time.Duration        // after which what a call changes is shown; under mu
	denies  string                              // calls that are always denied, or none
	log     *slog.Logger
	flying  sync.WaitGroup // runs under way

	mu        sync.Mutex
	processes []*process
	calls     []string // of runs, in their order
	number    int      // of the call that has its effect
	changing  []int    // calls that have changed something
	effects   []string // what calls have changed

	warm         shown[warmth]
	parameters   map[string]*shown[string] // "" is none
	environments map[string]*shown[environments]
	launching    time.Duration // what products take
	recordsFirst bool          // records are shown at once, also where their products are not
	products     []*product
	records      map[string]*record
	told         map[string]string
	room         *theRoom
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, engine: dynamodb.NewEngine(), alone: true, log: slog.New(slog.DiscardHandler),
		takes:   func(string) time.Duration { return callTakes },
		befalls: func(int, string) trouble { return none }, late: atOnce,

		warm:         shown[warmth]{is: warmth{reads: 12_000, writes: 4_000}},
		parameters:   map[string]*shown[string]{names.ParameterPath + "another/rate": {is: "60"}},
		environments: map[string]*shown[environments]{join: {is: environments{units: joinBefore}}, admit: {}},
		launching:    launching, products: []*product{{name: "another", id: "pp-another", provisioned: &record{id: "rec-another"}}},
		records: map[string]*record{}, told: map[string]string{},
	}
	if testing.Verbose() && *oneSeed >= 0 {
		w.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	w.room = &theRoom{w, map[string]*sale{}}
	w.people = schedule.New(w.engine, tableName)
	if err := createTable(w.engine); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) effect(format string, args ...any) {
	w.effects = append(w.effects, fmt.Sprintf(format, args...))
}

// order is what the shop wants from Service Catalog.
var order = &steps.Order{Product: "prod-1", Artifact: "pa-1", Parameters: map[string]string{"Visitors": "{visitors}"}}

// preparer is a new environment of the function.
func (w *world) preparer(p *process) *prepare.Preparer {
	shows, room := schedule.New(table{w}, tableName), steps.NewRoom(address, visitor{w.room, p})
	parameters, err := steps.NewParameters(parameterStore{w}, names.ParameterPath, shows, room)
	if err != nil {
		w.t.Fatal(err)
	}
	return &prepare.Preparer{
		Shows: shows, Sales: steps.NewSales(room, time.Now), Comments: issues{w}, Random: rand.Reader, Now: time.Now, Log: w.log,
		Metrics: &metrics.Log{Out: io.Discard, Room: "simulation", Now: time.Now},
		Steps: map[hotshow.Step]prepare.Step{
			hotshow.Parameters:  parameters,
			hotshow.Throughput:  steps.NewThroughput(table{w}, tableName, shows),
			hotshow.Concurrency: steps.NewConcurrency(functions{w}, shows, w.log, join, admit),
			hotshow.Cache:       steps.NewCache(room),
			hotshow.Product:     steps.NewProduct(catalog{w}, order),
			hotshow.Readiness:   steps.NewReadiness(parameterStore{w}, names.ParameterPath, shows, room, time.Now, w.log),
		},
	}
}

// runOnce makes one run in an environment of its own. What befalls it is the next one's to mend.
func (w *world) runOnce() {
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	w.mu.Lock()
	p := &process{w: w, id: len(w.processes) + 1, began: time.Now(), kill: kill}
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	if err := w.preparer(p).Run(context.WithValue(ctx, processKey{}, p)); err != nil {
		w.log.Info("run fails", "error", err)
	}
}

// ask has a show of an event asked for and approved. It is on sale so long from now, and its preparation
// may begin at once.
func (w *world) ask(id, event string, onsale time.Duration) {
	at := time.Now().Add(onsale)
	r := hotshow.Request{
		Event: event, Names: map[string]string{"en": event}, OnSale: at, PreQueue: at.Add(-5 * time.Minute), Closes: at.Add(15 * time.Minute),
		Visitors: 60_000, Over: hotshow.Duration(time.Minute), Rate: 3000, Target: target, KeepAfter: hotshow.Duration(10 * time.Minute),
	}
	show, first := hotshow.New(id, r, plan.New(r.Expected()), ann, time.Now())
	show.Jira = &hotshow.Jira{Issue: "SHOW-" + id}
	if err := w.people.Add(context.Background(), show, first); err != nil {
		w.t.Fatal(err)
	}
	w.person(id, func(s *hotshow.Show) (hotshow.Change, error) { return s.Approve(bob, "", false, time.Now()) })
}

// person changes a show as the API does: again, if somebody else was first.
func (w *world) person(id string, change func(*hotshow.Show) (hotshow.Change, error)) {
	for {
		show := w.show(id)
		c, err := change(&show)
		if errors.Is(err, hotshow.ErrState) {
			return
		}
		if err == nil {
			err = w.people.Save(context.Background(), &show, c)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, schedule.ErrStale) {
			w.t.Errorf("a person cannot change the show %s: %v", id, err)
			return
		}
	}
}

// cancel has a person cancel the show that was asked for first.
func (w *world) cancel() {
	w.person("a", func(s *hotshow.Show) (hotshow.Change, error) { return s.Cancel(ann, "", time.Now()) })
}

func (w *world) show(id string) hotshow.Show {
	show, err := w.people.Show(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return show
}

func (w *world) list() []schedule.Entry {
	entries, err := w.people.Open(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// enough holds that shows which have the environments that they need keep them.
func (w *world) enough() {
	needs := map[string]int{}
	for _, entry := range w.list() {
		show := w.show(entry.ID)
		if show.Steps[hotshow.Concurrency].Progress == hotshow.Up && show.State != hotshow.Finishing {
			needs[join] += show.Needs.Join
			needs[admit] += show.Needs.Admit
		}
	}
	for function, need := range needs {
		if got := w.environments[function].is.units; got < need {
			w.t.Errorf("shows that are ready need %d environments of %s, and %d are left", need, function, got)
		}
	}
}

// until makes a run each minute until all shows are final, and waits for those that are under way.
func (w *world) until(end time.Time) {
	began := time.Now()
	for time.Now().Before(end) {
		due, all := w.nextDue()
		if all {
			break
		}
		// Minutes in which nothing is due are left out: a run would only list the shows.
		for next := time.Now().Add(time.Minute); due.After(next); next = next.Add(time.Minute) {
			time.Sleep(time.Minute)
		}
		w.flying.Go(w.runOnce)
		time.Sleep(time.Minute - time.Since(began)%time.Minute)
	}
	w.flying.Wait()
	synctest.Wait()
}

// nextDue is when something is to be done next, and whether nothing ever is.
func (w *world) nextDue() (due time.Time, never bool) {
	for _, entry := range w.list() {
		if !entry.Due.IsZero() && (due.IsZero() || entry.Due.Before(due)) {
			due = entry.Due
		}
	}
	return due, due.IsZero()
}

// down holds that nothing is left up once all shows are final, and that what was not theirs is as it was.
func (w *world) down() {
	w.t.Helper()
	if ofJoin, ofAdmit := w.environments[join].is.units, w.environments[admit].is.units; ofJoin != joinBefore || ofAdmit != 0 {
		w.t.Errorf("what is provisioned in the end is %d of join and %d of admit", ofJoin, ofAdmit)
	}
	for _, p := range w.products {
		if (p.terminated == nil) != (p.id == "pp-another") {
			w.t.Errorf("the product %s: terminated %v", p.name, p.terminated != nil)
		}
	}
	if w.parameters[names.ParameterPath+"another/rate"].is != "60" {
		w.t.Error("another event's parameter was changed")
	}
	for name, p := range w.parameters {
		if isProbe(name) && p.is != "" {
			w.t.Errorf("the parameter %s is left", name)
		}
	}
	for _, resource := range []string{"concurrency/" + join, "concurrency/" + admit, "throughput/reads", "throughput/writes"} {
		h, err := w.people.Holding(context.Background(), resource)
		if err != nil || len(h.Units) != 0 {
			w.t.Errorf("of %s is held %+v: %v", resource, h, err)
		}
	}
}

// livesWithin is how long after its on-sale a show is said to be live: a lease that a dead run has left, and
// the minute until the next.
const livesWithin = 3 * time.Minute

// ended holds that a show has come to one of some ends, by a history without a gap, and that its issue
// knows.
func (w *world) ended(id string, ends ...hotshow.State) {
	w.t.Helper()
	show := w.show(id)
	history, err := w.people.History(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if !slices.Contains(ends, show.State) || len(history) != show.Changes {
		w.t.Errorf("show %s is %s with %d changes, of which %d are kept: %+v", id, show.State, show.Changes, len(history), show.Steps)
	}
	within := livesWithin
	if !w.alone {
		within *= 2 // trouble may befall several runs in a row
	}
	var state hotshow.State
	been := map[hotshow.State]bool{}
	for i, c := range history {
		switch {
		case c.Number != i+1 || c.From != state || c.At.IsZero() || c.By == "" || c.Why == "":
			w.t.Errorf("change %d of show %s is %+v", i+1, id, c)
		case c.To != c.From && (been[c.To] || !follows(c.From, c.To)):
			w.t.Errorf("show %s goes from %s to %s", id, c.From, c.To)
		case c.To == hotshow.Live && c.From != c.To && (c.At.Before(show.Request.OnSale) || c.At.Sub(show.Request.OnSale) > within):
			w.t.Errorf("show %s, which comes on sale at %v, goes live at %v", id, show.Request.OnSale, c.At)
		}
		state = c.To
		been[state] = true
		_, told := w.told[fmt.Sprintf("SHOW-%s %d", id, c.Number)]
		if told != (c.Step == "") {
			w.t.Errorf("the issue knows of change %d, %q: %v", c.Number, c.Sentence(), told)
		}
	}
	if state != show.State || show.Jira.Told != show.Changes {
		w.t.Errorf("show %s is %s, its history ends in %s, and its issue was told up to %d", id, show.State, state, show.Jira.Told)
	}
}

// follows says whether a state may come after another.
func follows(from, to hotshow.State) bool {
	after := map[hotshow.State][]hotshow.State{
		"":                {hotshow.Requested},
		hotshow.Requested: {hotshow.Approved, hotshow.Rejected, hotshow.Cancelled},
		hotshow.Approved:  {hotshow.Preparing, hotshow.Cancelled},
		hotshow.Preparing: {hotshow.Ready, hotshow.Live, hotshow.Finishing},
		hotshow.Ready:     {hotshow.Live, hotshow.Finishing},
		hotshow.Live:      {hotshow.Finishing},
		hotshow.Finishing: {hotshow.Done, hotshow.Cancelled, hotshow.Failed},
		hotshow.Done:      nil,
		hotshow.Cancelled: nil,
		hotshow.Failed:    nil,
		hotshow.Rejected:  nil,
	}
	return slices.Contains(after[from], to)
}

// twice are effects that came about more than once. No two of a show's are alike, what is brought up and
// what is taken down.
func (w *world) twice() []string {
	var twice []string
	for i, e := range w.effects {
		if slices.Contains(w.effects[:i], e) {
			twice = append(twice, e)
		}
	}
	return twice
}
