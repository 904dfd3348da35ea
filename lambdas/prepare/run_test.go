package prepare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	engine "waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

var errStep = errors.New("the service says no")

func TestALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a", inJira)
		w.sale = hotshow.Sale{Known: true, Waiting: true}
		w.runs(89)
		if got := w.stored("a"); got.State != hotshow.Ready || got.Lease != (hotshow.Lease{}) {
			t.Fatalf("before its on-sale the show is %+v", got)
		}
		writes := w.writes
		if w.run(); w.writes != writes {
			t.Error("a show that waits for its on-sale is written")
		}
		w.runs(62)
		if got := w.stored("a"); got.State != hotshow.Live {
			t.Fatalf("while people wait the show is %s", got.State)
		}
		w.sale.Waiting = false
		w.runs(2)
		want := []hotshow.State{hotshow.Requested, hotshow.Approved, hotshow.Preparing, hotshow.Ready, hotshow.Live, hotshow.Finishing, hotshow.Done}
		if got := w.states("a"); !slices.Equal(got, want) {
			t.Errorf("the show was %v", got)
		}
		for name, step := range w.steps {
			if step.ups != 1 || step.downs != 1 {
				t.Errorf("%s was called %d times, and %d to take it down", name, step.ups, step.downs)
			}
		}
		// What was asked for and approved is told by others, and steps are not worth a comment.
		if len(w.comments) != 5 || !strings.HasPrefix(w.comments[0], "SHOW-a 3 ") || w.untold("a") {
			t.Errorf("the issue was told %q", w.comments)
		}
		if !w.logged("step is up", "event=event-a", "show=a", "step=parameters") || !w.logged("show is live", "show=a") {
			t.Errorf("the log is\n%s", w.log.String())
		}
		writes = w.writes
		if w.runs(3); w.writes != writes {
			t.Error("a show that is done is written")
		}
	})
}

// What one show does is nothing to the others.
func TestTroubleOfOneShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 3 * sideBySide {
			w.add(fmt.Sprint(i))
		}
		w.unread["3"] = true
		w.refuse = func(s hotshow.Show) error {
			switch {
			case s.ID == "4":
				return errTable
			case s.ID == "5" && s.Steps[hotshow.Throughput].Progress == hotshow.Up:
				panic("a rule is broken")
			}
			return nil
		}
		w.steps[hotshow.Parameters].up = func(_ context.Context, t *Task) (hotshow.Progress, error) {
			switch t.Show.ID {
			case "6":
				panic("a nil map")
			case "7":
				return hotshow.Down, nil
			case "8":
				return "", errStep
			}
			return hotshow.Up, nil
		}
		err := w.run()
		for _, id := range []string{"3", "4", "5"} {
			if err == nil || !strings.Contains(err.Error(), "show "+id) {
				t.Errorf("the error does not name show %s: %v", id, err)
			}
		}
		for i := range 3 * sideBySide {
			want := hotshow.Ready
			switch {
			case i == 3 || i == 4:
				want = hotshow.Approved
			case 5 <= i && i <= 8:
				want = hotshow.Preparing
			}
			if got := w.stored(fmt.Sprint(i)); got.State != want {
				t.Errorf("show %d is %s", i, got.State)
			}
		}
		for _, id := range []string{"6", "7", "8"} {
			if got := w.stored(id).Steps[hotshow.Parameters]; got.Failures != 1 || got.Trouble == "" || got.Next.IsZero() {
				t.Errorf("the step of show %s that fails is %+v", id, got)
			}
			if got := w.stored(id).Steps[hotshow.Product].Progress; got != hotshow.Up {
				t.Errorf("another step of show %s is %s", id, got)
			}
		}
	})
}

// A person who cancels while a step is being brought up has it taken down, and not before the call that
// brings it up is certainly over.
func TestCancelledDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		began := time.Now()
		concurrency := w.steps[hotshow.Concurrency]
		concurrency.up = func(context.Context, *Task) (hotshow.Progress, error) {
			w.person("a", cancelled)
			return hotshow.Up, nil
		}
		concurrency.down = func(context.Context, *Task) (hotshow.Progress, error) {
			if since := time.Since(began); since < leaseFor {
				t.Errorf("taken down after %v", since)
			}
			return hotshow.Down, nil
		}
		w.runs(4)
		if got := w.stored("a"); got.State != hotshow.Cancelled || concurrency.downs != 1 || w.steps[hotshow.Product].ups != 0 {
			t.Errorf("the show is %+v, taken down %d times, and %d steps were begun afterwards", got, concurrency.downs, w.steps[hotshow.Product].ups)
		}
	})
}

func TestAnotherRunsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		until := time.Now().Add(leaseFor)
		w.add("a", func(s *hotshow.Show) { s.Lease = hotshow.Lease{Run: "another", Until: until} })
		w.runs(2)
		if w.writes != 0 {
			t.Error("a show is written that is another run's")
		}
		if w.runs(1); w.stored("a").State != hotshow.Ready {
			t.Error("a lease that is over still counts")
		}
	})
}

// Two runs read one show before either takes it.
func TestTwoRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		second := false
		w.refuse = func(hotshow.Show) error {
			if !second {
				second = true
				if err := w.preparer().Run(t.Context()); err != nil {
					t.Error(err)
				}
			}
			return nil
		}
		if err := w.run(); err != nil || w.steps[hotshow.Parameters].ups != 1 || w.stored("a").State != hotshow.Ready {
			t.Errorf("%v; brought up %d times; %s", err, w.steps[hotshow.Parameters].ups, w.stored("a").State)
		}
	})
}

// What a step holds is stored when Hold returns, and if it cannot be, nothing else is done.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		err   error // of storing
		fails bool  // whether the run does
	}{{nil, false}, {errTable, true}, {schedule.ErrStale, false}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.add("a")
			w.steps[hotshow.Parameters].up = func(ctx context.Context, task *Task) (hotshow.Progress, error) {
				w.refuse = func(hotshow.Show) error { return test.err }
				err := task.Hold(ctx, "token", "x")
				if held := w.stored("a").Steps[hotshow.Parameters].Held["token"]; (err == nil) != (held == "x") || held != task.Held["token"] || !errors.Is(err, test.err) {
					t.Errorf("held %q, stored %q: %v", task.Held["token"], held, err)
				}
				w.refuse = nil
				return hotshow.Up, nil // a step that does not care about the error
			}
			if err := w.run(); (err != nil) != test.fails {
				t.Errorf("the run ends with %v", err)
			}
			if went := w.steps[hotshow.Throughput].ups == 1; went != (test.err == nil) {
				t.Errorf("went on: %v", went)
			}
		})
	}
}

// Whatever hangs, a run ends in time, and the next one goes on.
func TestServicesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		hang := func(ctx context.Context, _ *Task) (hotshow.Progress, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		for _, step := range []hotshow.Step{hotshow.Parameters, hotshow.Throughput, hotshow.Concurrency} {
			w.steps[step].up = hang
		}
		w.run()
		got := w.stored("a")
		for step, failures := range map[hotshow.Step]int{hotshow.Parameters: 1, hotshow.Throughput: 1, hotshow.Concurrency: 0, hotshow.Cache: 0} {
			if got.Steps[step].Failures != failures {
				t.Errorf("%s: %+v", step, got.Steps[step])
			}
		}
		if got.Lease != (hotshow.Lease{}) || w.steps[hotshow.Cache].ups != 0 {
			t.Errorf("after its time the run has %+v, and began %d calls", got.Lease, w.steps[hotshow.Cache].ups)
		}
		if w.run(); w.steps[hotshow.Cache].ups != 1 || w.steps[hotshow.Parameters].ups != 1 {
			t.Error("the next run does not go on with what is left")
		}
	})
}

// A step that fails is tried ever more rarely, and tells people so when it begins to and when it matters.
func TestAStepThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		w.steps[hotshow.Product].up = func(context.Context, *Task) (hotshow.Progress, error) {
			return "", errStep
		}
		w.runs(59)
		if unready, _ := w.troubled(); unready != 0 || w.logged("level=ERROR") {
			t.Error("somebody is woken up while there is time")
		}
		w.runs(2)
		if unready, leftUp := w.troubled(); unready != 1 || leftUp != 0 || !w.logged("show is late") {
			t.Errorf("%v shows are unready, %v are left up", unready, leftUp)
		}
		w.runs(30)
		got := w.stored("a")
		if got.State != hotshow.Live {
			t.Errorf("at its on-sale the show is %+v", got)
		}
		var told []string
		for _, c := range w.history["a"] {
			if c.Step == hotshow.Product || c.From == c.To && c.Step == "" {
				told = append(told, c.Sentence())
			}
		}
		if ups := w.steps[hotshow.Product].ups; len(told) != 2 || ups < 10 || ups > 16 || !w.logged("level=ERROR", "step failed", "step=product") {
			t.Errorf("tried %d times, told %q", ups, told)
		}
	})
}

// A comment is public, and what services answer names accounts and roles: it stays in the show's record,
// its history and the log, whatever becomes of the show.
func TestCommentsTellNoTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ugly := errors.New("AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/prepare/prepare is not authorized")
		began := time.Now()
		closes := func(s *hotshow.Show) { s.Request.Closes = s.Request.OnSale.Add(70 * time.Minute) }
		for _, id := range []string{"done", "failed", "cancelled"} {
			w.add(id, inJira, closes)
		}
		w.saleErr = ugly
		for name, step := range w.steps {
			step.up = func(_ context.Context, task *Task) (hotshow.Progress, error) {
				switch {
				case name == hotshow.Throughput:
					panic(ugly)
				case name == hotshow.Product, name == hotshow.Parameters && task.Show.ID == "failed":
					return "", ugly
				case name == hotshow.Cache:
					return hotshow.Progress(ugly.Error()), nil
				case time.Since(began) < time.Hour:
					return "", ugly
				}
				return hotshow.Up, nil
			}
			step.down = func(_ context.Context, task *Task) (hotshow.Progress, error) {
				if time.Since(task.Show.Since) < time.Hour {
					return "", ugly
				}
				return hotshow.Down, nil
			}
		}
		w.runs(80)
		w.person("cancelled", cancelled)
		w.runs(130)
		w.saleErr, w.sale = nil, hotshow.Sale{Known: true}
		w.runs(80)
		for _, state := range []hotshow.State{hotshow.Done, hotshow.Failed, hotshow.Cancelled} {
			id, told := string(state), ""
			for _, c := range w.comments {
				if strings.HasPrefix(c, "SHOW-"+id+" ") {
					told += c + "\n"
				}
			}
			wanted := []string{"should be ready by now; missing: ", "should be taken down by now; still there: ", "The show is " + id + " now"}
			if state == hotshow.Done {
				wanted = append(wanted, "not ready: throughput, cache, product, readiness", "kept up for longer")
			}
			for _, want := range wanted {
				if !strings.Contains(told, want) {
					t.Errorf("the issue is not told %q:\n%s", want, told)
				}
			}
			if got := w.stored(id); got.State != state || strings.Contains(told, "111122223333") || strings.Contains(told, "AccessDenied") {
				t.Errorf("the show is %s, and its issue is told\n%s", got.State, told)
			}
			if !slices.ContainsFunc(w.history[id], func(c hotshow.Change) bool { return c.Step != "" && strings.Contains(c.Why, ugly.Error()) }) {
				t.Errorf("nobody finds out what went wrong: %+v", w.history[id])
			}
		}
	})
}

// A step that fails after it has begun anew is one that fails.
func TestAStepThatFailsEveryOtherTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		tries := 0
		w.steps[hotshow.Product].up = func(context.Context, *Task) (hotshow.Progress, error) {
			if tries++; tries%2 == 1 {
				return "", errStep
			}
			return hotshow.Begun, nil
		}
		w.runs(60)
		told := 0
		for _, c := range w.history["a"] {
			if c.Step == hotshow.Product {
				told++
			}
		}
		if got := w.stored("a").Steps[hotshow.Product]; told != 1 || got.Trouble == "" || tries > 24 {
			t.Errorf("tried %d times, told %d times: %+v", tries, told, got)
		}
	})
}

func TestLeftUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		w.runs(1)
		w.steps[hotshow.Product].down = func(context.Context, *Task) (hotshow.Progress, error) { return "", errStep }
		w.person("a", cancelled)
		w.runs(30)
		if _, leftUp := w.troubled(); leftUp != 0 {
			t.Error("somebody is woken up at once")
		}
		w.runs(2)
		if _, leftUp := w.troubled(); leftUp != 1 {
			t.Error("nobody hears of what is left up")
		}
		w.steps[hotshow.Product].down = nil
		w.runs(9)
		if _, leftUp := w.troubled(); leftUp != 0 || w.stored("a").State != hotshow.Cancelled {
			t.Errorf("the show is %s", w.stored("a").State)
		}
	})
}

// Jira that does not answer holds nothing up, and is asked ever more rarely.
func TestCommentsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a", inJira)
		w.jira = errStep
		w.runs(1)
		if got := w.stored("a"); got.State != hotshow.Ready || !got.Untold() {
			t.Fatalf("the show is %+v", got)
		}
		writes := w.writes
		if w.runs(60); w.writes-writes > 2*10 {
			t.Errorf("%d writes in an hour about a comment that fails", w.writes-writes)
		}
		w.jira = nil
		if w.runs(60); len(w.comments) != 3 || w.untold("a") { // preparing, ready, live
			t.Errorf("the issue was told %q", w.comments)
		}
	})
}

func TestIssueThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a", inJira)
		w.person("a", cancelled)
		w.jira = errStep
		for range 40 {
			w.runs(1)
			time.Sleep(time.Hour)
		}
		if w.untold("a") {
			t.Error("an issue that was deleted is told for ever")
		}
	})
}

func TestJiraIsConnectedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a", inJira)
		p := w.preparer()
		p.Comments = nil
		if err := p.Run(t.Context()); err != nil || w.untold("a") {
			t.Errorf("%v; untold: %v", err, w.untold("a"))
		}
	})
}

func TestUnknownSaleIsKeptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("a")
		w.saleErr = errStep
		w.runs(160)
		writes := w.writes
		if w.runs(5); w.stored("a").State != hotshow.Live || w.writes != writes || !w.logged("kept up") {
			t.Errorf("the show is %s", w.stored("a").State)
		}
	})
}

// Events are set by their on-sale, since time may end before all have had their turn, and one that is to be
// closed is among them.
func TestEventsByTheirOnSale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("cancelled")
		w.runs(1)
		w.person("cancelled", cancelled)
		for i := range 2 * sideBySide {
			w.add(fmt.Sprint(i), func(s *hotshow.Show) { s.Request.OnSale = s.Request.OnSale.Add(time.Duration(i) * time.Second) })
		}
		var mu sync.Mutex
		var got, want []string
		works := func(_ context.Context, task *Task) (hotshow.Progress, error) {
			mu.Lock()
			got = append(got, task.Show.ID)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			return hotshow.Begun, nil
		}
		w.steps[hotshow.Parameters].up, w.steps[hotshow.Parameters].down = works, works
		w.runs(1)
		want = append(want, "cancelled")
		for i := range sideBySide - 1 {
			want = append(want, fmt.Sprint(i))
		}
		slices.Sort(want)
		if first := slices.Sorted(slices.Values(got[:sideBySide])); len(got) != 2*sideBySide+1 || !slices.Equal(first, want) {
			t.Errorf("%d events are set, first %q", len(got), first)
		}
	})
}

// inTurn is a step whose service does not answer: who has the turn fails, and the others go on later.
func inTurn() func(context.Context, *Task) (hotshow.Progress, error) {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, _ *Task) (hotshow.Progress, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			<-ctx.Done()
			return "", ctx.Err()
		case <-ctx.Done():
			return hotshow.Begun, nil
		}
	}
}

// Services that hang keep no show from its parameters, and none for good from what does not hang.
func TestServicesThatHangForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const many = 2*sideBySide + 2
		for i := range many {
			w.add(fmt.Sprint(i))
		}
		w.steps[hotshow.Throughput].up, w.steps[hotshow.Concurrency].up = inTurn(), inTurn()
		up := func(step hotshow.Step) (n int) {
			for i := range many {
				if w.stored(fmt.Sprint(i)).Steps[step].Progress == hotshow.Up {
					n++
				}
			}
			return n
		}
		if w.runs(1); up(hotshow.Parameters) != many {
			t.Errorf("%d of %d shows have parameters after one run", up(hotshow.Parameters), many)
		}
		// A show is not among the first of so many runs once in 10^11 times.
		if w.runs(45); up(hotshow.Product) != many {
			t.Errorf("%d of %d shows have products after 45 runs", up(hotshow.Product), many)
		}
	})
}

// Shows whose steps take all of the time, and go on in each run, leave something to the others.
func TestSlowShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range sideBySide {
			w.add(fmt.Sprint("slow-", i))
		}
		for _, step := range []hotshow.Step{hotshow.Throughput, hotshow.Concurrency, hotshow.Product} {
			w.steps[step].up = func(ctx context.Context, task *Task) (hotshow.Progress, error) {
				if task.Show.ID == "quick" {
					return hotshow.Up, nil
				}
				select {
				case <-time.After(18 * time.Second):
				case <-ctx.Done():
				}
				return hotshow.Begun, nil
			}
		}
		w.runs(1)
		w.add("quick")
		if w.runs(1); w.stored("quick").Steps[hotshow.Parameters].Progress != hotshow.Up {
			t.Error("the parameters of a show wait for what others do")
		}
		if w.runs(20); w.stored("quick").State != hotshow.Ready {
			t.Errorf("after 20 runs the show is %s", w.stored("quick").State)
		}
	})
}

// An event that is not to open is closed by the next run, whatever others wait for.
func TestCancelledWhileServicesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("cancelled")
		w.runs(1)
		for i := range 2*sideBySide + 2 {
			w.add(fmt.Sprint(i))
		}
		w.steps[hotshow.Throughput].up, w.steps[hotshow.Concurrency].up = inTurn(), inTurn()
		w.runs(2)
		w.person("cancelled", cancelled)
		if w.run(); w.stored("cancelled").Steps[hotshow.Parameters].Progress != hotshow.Down {
			t.Errorf("the event is open: %+v", w.stored("cancelled").Steps)
		}
	})
}

// What the event's status tells is not the show's business once the next show has the event.
func TestNextShowOfTheEvent(t *testing.T) {
	for name, c := range map[string]struct {
		sale hotshow.Sale
		next func(*hotshow.Show)
		want hotshow.State
	}{
		"the next one's":      {hotshow.Sale{Known: true, Waiting: true, Another: true}, func(*hotshow.Show) {}, hotshow.Done},
		"its own, lengthened": {hotshow.Sale{Known: true, Waiting: true}, func(*hotshow.Show) {}, hotshow.Live},
		"its own, moved":      {hotshow.Sale{Known: true, Waiting: true, Another: true}, func(s *hotshow.Show) { s.Request.Event = "other" }, hotshow.Live},
		"its own, moved, with a next show that is not begun": {hotshow.Sale{Known: true, Waiting: true, Another: true}, func(s *hotshow.Show) {
			s.Request.OnSale = s.Request.OnSale.Add(100 * time.Hour)
			s.Request.PreQueue = s.Request.OnSale
		}, hotshow.Live},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.add("a")
			w.sale = c.sale
			w.runs(152)
			w.add("b", func(s *hotshow.Show) { s.Request.Event = "event-a" }, c.next)
			if w.runs(3); w.stored("a").State != c.want {
				t.Errorf("%s: the show is %s", name, w.stored("a").State)
			}
		})
	}
}

// Shows that had no turn, and those that were cut off, are the next run's.
func TestMoreShowsThanTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 5 * sideBySide {
			w.add(fmt.Sprint(i))
		}
		w.steps[hotshow.Parameters].up = func(ctx context.Context, _ *Task) (hotshow.Progress, error) {
			select {
			case <-time.After(16 * time.Second):
				return hotshow.Up, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		if err := w.run(); err != nil || !w.logged("shows wait for the next run", fmt.Sprintf("shows=%d", sideBySide)) || w.logged("step failed") {
			t.Errorf("%v\n%s", err, w.log.String())
		}
		w.run()
		for id := range w.shows {
			if got := w.stored(id); got.State != hotshow.Ready {
				t.Errorf("show %s is %s", id, got.State)
			}
		}
	})
}

// counted is a table that counts what is read of it.
type counted struct {
	schedule.API
	mu           sync.Mutex
	calls, items int
}

func (c *counted) count(items int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.items += items
}

func (c *counted) GetItem(ctx context.Context, in *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	c.count(1)
	return c.API.GetItem(ctx, in, options...)
}

func (c *counted) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := c.API.Query(ctx, in, options...)
	if err == nil {
		c.count(int(out.ScannedCount))
	}
	return out, err
}

// What a run reads depends on the shows that are open, however many there have been.
func TestEndedShowsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tables := engine.NewEngine()
		client := dynamodbtest.Connect("http://engine", func(o *dynamodb.Options) { o.HTTPClient = engine.InProcess(engine.NewHandler(tables, tables)) })
		table := &counted{API: tables}
		p := w.preparer()
		shows := schedule.New(table, dynamodbtest.Table(t, client, "prepare-"))
		p.Shows = shows
		for _, step := range w.steps {
			p.Steps[step.name] = done{}
		}
		add := func(id string) hotshow.Show {
			w.add(id)
			show := w.stored(id)
			if err := shows.Add(t.Context(), show, w.history[id][0]); err != nil {
				t.Fatal(err)
			}
			show.Version = 1
			return show
		}
		reads := func() (calls, items int) {
			table.calls, table.items = 0, 0
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			return table.calls, table.items
		}
		add("one")
		reads() // it is ready by then
		quiet, entries := reads()
		for n := range 2_000 {
			show := add(fmt.Sprint("ended-", n))
			change, err := show.Cancel("ann", "", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := shows.Save(t.Context(), &show, change); err != nil {
				t.Fatal(err)
			}
		}
		if calls, items := reads(); quiet != 1 || entries != 1 || calls != quiet || items != entries {
			t.Errorf("%d calls read %d items, and without the shows that have ended %d read %d", calls, items, quiet, entries)
		}
	})
}

// done is a step that does at once what it is asked.
type done struct{}

func (done) Up(context.Context, *Task) (hotshow.Progress, error)   { return hotshow.Up, nil }
func (done) Down(context.Context, *Task) (hotshow.Progress, error) { return hotshow.Down, nil }

func TestListFails(t *testing.T) {
	w := newWorld(t)
	w.shows["a"] = []byte("{")
	if err := NewHandler(w.preparer())(t.Context(), nil); err == nil || w.metrics.Len() != 0 {
		t.Errorf("%v; metrics: %s", err, w.metrics.String())
	}
}
