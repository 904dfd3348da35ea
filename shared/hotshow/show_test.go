package hotshow

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/plan"
)

const (
	asker    Person = "arn:aws:iam::000000000000:user/asker"
	approver Person = "arn:aws:iam::000000000000:user/approver"
)

var asked = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

func request() Request {
	onsale := time.Date(2026, 11, 28, 10, 0, 0, 0, time.FixedZone("", 3600))
	return Request{
		Event: "winter-tour", Names: map[string]string{"en": "Winter tour"}, OnSale: onsale, PreQueue: onsale.Add(-30 * time.Minute),
		Closes: onsale.Add(24 * time.Hour), Visitors: 300_000, Over: Duration(time.Minute), Rate: 5_000,
		Target: "https://shop.example/checkout", ReadyBefore: Duration(time.Hour), KeepAfter: Duration(4 * time.Hour),
	}
}

func newShow() Show {
	show, _ := New("a", request(), plan.Plan{Shards: 16}, asker, asked)
	return show
}

// in is a show in a state at a time, with all steps as far as given.
func in(state State, since time.Time, progress Progress) Show {
	show := newShow()
	show.State, show.Since = state, since
	for _, step := range Steps() {
		show.Came(step, progress)
	}
	return show
}

func TestTimes(t *testing.T) {
	tests := []struct {
		name                         string
		change                       func(*Request)
		readyBy, begins, ends, until time.Duration // after the on-sale
	}{
		{"usual", func(*Request) {}, -time.Hour, -2 * time.Hour, 4 * time.Hour, 24 * time.Hour},
		{"an early pre-queue", func(r *Request) { r.PreQueue = r.OnSale.Add(-3 * time.Hour) }, -3 * time.Hour, -4 * time.Hour, 4 * time.Hour, 24 * time.Hour},
		{"ready at the on-sale", func(r *Request) { r.ReadyBefore, r.PreQueue = 0, r.OnSale }, 0, -time.Hour, 4 * time.Hour, 24 * time.Hour},
		{"kept longer than open", func(r *Request) { r.Closes = r.OnSale.Add(time.Hour) }, -time.Hour, -2 * time.Hour, 4 * time.Hour, 4 * time.Hour},
	}
	for _, test := range tests {
		r := request()
		test.change(&r)
		from, until := r.Span()
		for what, times := range map[string][2]time.Time{
			"ready by": {r.ReadyBy(), r.OnSale.Add(test.readyBy)}, "begins": {r.Begins(), r.OnSale.Add(test.begins)},
			"ends": {r.Ends(), r.OnSale.Add(test.ends)}, "from": {from, r.Begins()}, "until": {until, r.OnSale.Add(test.until)},
		} {
			if !times[0].Equal(times[1]) {
				t.Errorf("%s: %s %v, want %v", test.name, what, times[0], times[1])
			}
		}
	}
}

func TestMove(t *testing.T) {
	r := request()
	onsale, waiting := r.OnSale, Sale{Known: true, Waiting: true}
	without := func(s Show, step Step, progress Progress) Show {
		s.Came(step, progress)
		return s
	}
	outcome := func(s Show, outcome State) Show {
		s.Outcome = outcome
		return s
	}
	tests := []struct {
		name string
		show Show
		at   time.Time
		sale Sale
		want State
	}{
		{"requested", newShow(), onsale.Add(-time.Second), Sale{}, Requested},
		{"nobody approved it", newShow(), onsale, Sale{}, Rejected},
		{"approved", in(Approved, asked, Waiting), r.Begins().Add(-time.Second), Sale{}, Approved},
		{"its time has come", in(Approved, asked, Waiting), r.Begins(), Sale{}, Preparing},
		{"its time came long ago", in(Approved, asked, Waiting), onsale.Add(time.Hour), Sale{}, Preparing},
		{"one step is left", without(in(Preparing, asked, Up), Product, Begun), r.ReadyBy().Add(-time.Second), Sale{}, Preparing},
		{"all is up", in(Preparing, asked, Up), r.Begins(), Sale{}, Ready},
		{"nothing to bring up", in(Preparing, asked, LeftOut), r.Begins(), Sale{}, Ready},
		{"ready", in(Ready, asked, Up), onsale.Add(-time.Second), Sale{}, Ready},
		{"on sale", in(Ready, asked, Up), onsale, Sale{}, Live},
		{"on sale with nothing to bring up", in(Ready, asked, LeftOut), onsale, Sale{}, Live},
		{"on sale unready", without(in(Preparing, asked, Waiting), Parameters, Up), onsale, Sale{}, Live},
		{"no parameters", without(in(Preparing, asked, Up), Parameters, Begun), onsale, Sale{}, Preparing},
		{"never any parameters", without(in(Preparing, asked, Up), Parameters, Begun), r.Closes, Sale{}, Finishing},
		{"parameters at last", without(in(Preparing, asked, Begun), Parameters, Up), r.Closes, Sale{}, Live},
		{"kept up", in(Live, onsale, Up), r.Ends().Add(-time.Second), Sale{Known: true}, Live},
		{"people wait", in(Live, onsale, Up), r.Ends(), waiting, Live},
		{"people wait for days", in(Live, onsale, Up), r.Closes.Add(48 * time.Hour), waiting, Live},
		{"the line is longer than a minute", in(Live, onsale, Up), r.Ends(), Sale{Known: true, Line: int64(r.Rate) + 1}, Live},
		{"somebody always comes", in(Live, onsale, Up), r.Ends(), Sale{Known: true, Line: int64(r.Rate), Turns: 5 * int64(r.Rate), Window: 10 * time.Minute}, Finishing},
		{"the shop is busy", in(Live, onsale, Up), r.Ends(), Sale{Known: true, Turns: 5*int64(r.Rate) + 1, Window: 10 * time.Minute}, Live},
		{"nobody waits", in(Live, onsale, Up), r.Ends(), Sale{Known: true}, Finishing},
		{"nobody knows", in(Live, onsale, Up), r.Closes.Add(blind - time.Second), Sale{}, Live},
		{"nobody ever knows", in(Live, onsale, Up), r.Closes.Add(blind), Sale{}, Finishing},
		{"something is up", outcome(without(in(Finishing, onsale, Down), Product, Begun), Done), onsale, Sale{}, Finishing},
		{"nothing was ever up", outcome(in(Finishing, onsale, Waiting), Cancelled), onsale, Sale{}, Cancelled},
		{"all is down", outcome(in(Finishing, onsale, Down), Failed), onsale, Sale{}, Failed},
	}
	for _, test := range tests {
		before := test.show.State
		changes := test.show.Move(test.at, test.sale)
		// A show that is late says so without changing its state.
		changes = slices.DeleteFunc(changes, func(c Change) bool { return c.From == c.To })
		if test.show.State != test.want || (len(changes) == 1) != (before != test.want) {
			t.Errorf("%s: %s, want %s; %v", test.name, test.show.State, test.want, changes)
		}
		for _, c := range changes {
			if c.From != before || c.To != test.want || c.By != Schedule || c.Number != test.show.Changes || c.Why == "" || !c.At.Equal(test.at) {
				t.Errorf("%s: %+v", test.name, c)
			}
		}
	}
}

// A show that is late names what is missing.
func TestLateness(t *testing.T) {
	r := request()
	tests := []struct {
		name string
		show Show
		at   time.Time
		want string
	}{
		{"not ready", in(Preparing, asked, Up), r.ReadyBy(), "it should be ready by now; missing: throughput, product"},
		{"not down", in(Finishing, asked, Down), asked.Add(slow), "it should be taken down by now; still there: throughput, product"},
		{"asked for late", in(Preparing, r.ReadyBy(), Up), r.ReadyBy().Add(patience - time.Second), ""},
		{"late all the same", in(Preparing, r.ReadyBy(), Up), r.ReadyBy().Add(patience), "it should be ready by now; missing: throughput, product"},
		{"kept up", in(Live, r.OnSale, Up), r.Closes.Add(slow), "it is kept up for longer than was asked, since people wait or nobody knows whether they do"},
	}
	for _, test := range tests {
		for _, step := range []Step{Throughput, Product} {
			test.show.Came(step, Begun)
			test.show.Fail(step, ugly, asked)
		}
		changes := test.show.Move(test.at, Sale{Known: true, Waiting: true})
		var told string
		for _, c := range changes {
			told += c.Why
			if c.From != c.To {
				t.Errorf("%s: %+v", test.name, c)
			}
		}
		if told != test.want || !test.show.Unready(test.at) && !test.show.LeftUp(test.at) {
			t.Errorf("%s: told %q, want %q", test.name, told, test.want)
		}
	}
}

// What failed while a step was brought up is no reason why it is not taken down.
func TestOldTrouble(t *testing.T) {
	show := in(Preparing, asked, Begun)
	show.Fail(Product, ugly, asked)
	if _, err := show.Cancel(asker, "", asked); err != nil {
		t.Fatal(err)
	}
	if w := show.Steps[Product]; w.Trouble != "" || w.Failures != 0 || !w.Next.IsZero() || w.Progress != Begun {
		t.Errorf("%+v", w)
	}
}

func TestSetsEvent(t *testing.T) {
	for _, state := range States() {
		for _, outcome := range []State{"", Done, Cancelled, Failed} {
			if (outcome == "") == (state == Finishing) {
				continue
			}
			for _, progress := range []Progress{Waiting, Begun, Up, LeftOut, Down} {
				show := in(state, asked, progress)
				show.Outcome = outcome
				want := (state == Approved || state == Preparing) && (progress == Waiting || progress == Begun) ||
					state == Finishing && outcome != Done && (progress == Begun || progress == Up)
				// One that is over has nothing begun or up.
				if got := show.SetsEvent(); got != want && !state.Final() {
					t.Errorf("%s to become %q with parameters %s: %v", state, outcome, progress, got)
				}
			}
		}
	}
}

func TestPeopleDecide(t *testing.T) {
	onsale := request().OnSale
	for _, state := range States() {
		can := func(what string, err error, allowed bool) {
			t.Helper()
			if allowed != (err == nil) || !allowed && !errors.Is(err, ErrState) {
				t.Errorf("%s when %s: %v", what, state, err)
			}
		}
		show := in(state, asked, Begun)
		_, err := show.Approve(approver, "", false, asked)
		can("approve", err, state == Requested)
		show = in(state, asked, Begun)
		_, err = show.Reject(approver, "", asked)
		can("reject", err, state == Requested)
		show = in(state, asked, Begun)
		_, err = show.Amend(request(), plan.Plan{}, asker, "", asked)
		can("amend", err, state == Requested)
		show = in(state, asked, Begun)
		_, err = show.Cancel(approver, "", asked)
		can("cancel", err, slices.Contains([]State{Requested, Approved, Preparing, Ready}, state))
	}

	// What opens without waiting for the scheduled function is on sale, whatever the record says.
	show := in(Ready, asked, Up)
	if _, err := show.Cancel(approver, "", onsale); !errors.Is(err, ErrState) || show.State != Ready {
		t.Errorf("cancelled on sale: %v", err)
	}
	show = in(Preparing, asked, Begun)
	if _, err := show.Cancel(approver, "", onsale); err != nil || show.State != Finishing || show.Outcome != Cancelled {
		t.Errorf("not cancelled, though it does not open: %v", err)
	}
}

func TestApprove(t *testing.T) {
	onsale := request().OnSale
	tests := []struct {
		name string
		by   Person
		self bool
		at   time.Time
		want error
	}{
		{"somebody else", approver, false, asked, nil},
		{"seconds before the on-sale", approver, false, onsale.Add(-time.Second), nil},
		{"at the on-sale", approver, false, onsale, ErrTooLate},
		{"who asked", asker, false, asked, ErrOwnRequest},
		{"who asked, where that is allowed", asker, true, asked, nil},
	}
	for _, test := range tests {
		show := newShow()
		c, err := show.Approve(test.by, " agreed ", test.self, test.at)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil {
			if !reflect.DeepEqual(show, newShow()) {
				t.Errorf("%s: refused, and changed to %+v", test.name, show)
			}
			continue
		}
		if show.State != Approved || show.Approver != test.by || c.Why != "agreed" || c.By != test.by || c.Number != 2 {
			t.Errorf("%s: %+v, %+v", test.name, show, c)
		}
	}
}

func TestSame(t *testing.T) {
	const (
		account = "arn:aws:sts::000000000000:assumed-role/"
		user    = "arn:aws:iam::000000000000:user/"
	)
	tests := []struct {
		a, b Person
		same bool
	}{
		{user + "alice", user + "alice", true},
		{user + "alice", user + "bob", false},
		{user + "alice", "arn:aws:iam::111111111111:user/alice", false},
		{account + "ask/alice", account + "approve/alice", true},
		{account + "ask/alice@shop.example", "arn:aws:sts::111111111111:assumed-role/approve/Alice@shop.example", true},
		{account + "ask/alice", account + "ask/bob", false},
		{user + "people/alice", account + "approve/alice", true},
		{user + "bob", account + "approve/alice", false},
		{account + "ask/alice", "arn:aws:sts::000000000000:federated-user/alice", true},
		{"arn:aws:iam::000000000000:root", "arn:aws:iam::000000000000:root", true},
		{"arn:aws:iam::000000000000:root", "arn:aws:iam::111111111111:root", false},
		{JiraPerson("557058:a"), JiraPerson("557058:a"), true},
		{JiraPerson("557058:a"), JiraPerson("557058:b"), false},
		{JiraPerson("alice"), account + "approve/alice", false},
		{"arn:aws:sts::000000000000:assumed-role/", "arn:aws:sts::111111111111:assumed-role/", false},
		{Schedule, "arn:aws:iam::000000000000:user/schedule", false},
	}
	for _, test := range tests {
		if test.a.Same(test.b) != test.same || test.b.Same(test.a) != test.same {
			t.Errorf("%s and %s are one person: %v", test.a, test.b, test.a.Same(test.b))
		}
	}
}

func TestStepsInOrder(t *testing.T) {
	now := request().Begins()
	show := in(Preparing, now, Waiting)
	if got := show.ToBringUp(now); !slices.Equal(got, []Step{Parameters, Throughput, Concurrency, Cache, Product}) {
		t.Errorf("first %v", got)
	}
	for _, step := range show.ToBringUp(now) {
		show.Came(step, Up)
	}
	show.Came(Throughput, Begun)
	if got := show.ToBringUp(now); !slices.Equal(got, []Step{Throughput}) {
		t.Errorf("then %v", got)
	}
	show.Came(Throughput, LeftOut)
	if got := show.ToBringUp(now); !slices.Equal(got, []Step{Readiness}) {
		t.Errorf("last %v", got)
	}
	show.State = Finishing
	show.Came(Cache, Waiting)
	if got := show.ToTakeDown(now); !slices.Equal(got, []Step{Product, Concurrency, Parameters}) {
		t.Errorf("down %v", got)
	}
	for _, outcome := range []State{Cancelled, Failed} {
		show.Outcome = outcome // its event must not open while the rest is taken down
		if got := show.ToTakeDown(now); !slices.Equal(got, []Step{Parameters, Product, Concurrency}) {
			t.Errorf("%s: down %v", outcome, got)
		}
	}
	if got := show.ToBringUp(now); len(got) > 0 {
		t.Errorf("up while it is taken down: %v", got)
	}
	live := in(Live, now, Begun)
	if got := live.ToBringUp(now); !slices.Equal(got, []Step{Parameters, Throughput, Concurrency, Product}) {
		t.Errorf("on sale %v", got)
	}
	if got := live.ToBringUp(live.Request.Ends()); len(got) > 0 {
		t.Errorf("brought up for nobody: %v", got)
	}
}

// A sale that opens although it was cancelled is one to look at, however short a time that is.
func TestLeftUp(t *testing.T) {
	r := request()
	tests := []struct {
		name       string
		outcome    State
		parameters Progress
		since, at  time.Time
		want       bool
	}{
		{"just cancelled, long before", Cancelled, Up, r.PreQueue.Add(-2 * slow), r.PreQueue.Add(-slow - time.Second), false},
		{"cancelled for long", Cancelled, Up, r.PreQueue.Add(-2 * slow), r.PreQueue.Add(-slow), true},
		{"before people come", Cancelled, Up, r.PreQueue.Add(-time.Minute), r.PreQueue.Add(-time.Second), false},
		{"people come to what is cancelled", Cancelled, Up, r.PreQueue.Add(-brief), r.PreQueue, true},
		{"half of it was set", Failed, Begun, r.PreQueue.Add(-brief), r.PreQueue, true},
		{"cancelled when people have come", Cancelled, Up, r.PreQueue, r.PreQueue.Add(brief - time.Second), false},
		{"a moment ago", Cancelled, Up, r.PreQueue, r.PreQueue.Add(brief), true},
		{"closed", Cancelled, Down, r.PreQueue.Add(-time.Minute), r.PreQueue, false},
		{"never set", Cancelled, Waiting, r.PreQueue.Add(-time.Minute), r.PreQueue, false},
		{"a sale that took place", Done, Up, r.Ends(), r.Ends().Add(time.Minute), false},
	}
	for _, test := range tests {
		show := in(Finishing, test.since, Up)
		show.Outcome = test.outcome
		show.Came(Parameters, test.parameters)
		if got := show.LeftUp(test.at); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestFail(t *testing.T) {
	r := request()
	show := in(Preparing, r.Begins(), Begun)
	now := r.Begins()
	for _, want := range []time.Duration{1, 2, 4, 8, 8, 8} {
		show.Fail(Product, "no", now)
		show.Fail(Parameters, "no", now)
		if got := show.Steps[Product].Next.Sub(now); got != want*time.Minute {
			t.Errorf("after %d failures again in %v", show.Steps[Product].Failures, got)
		}
		if got := show.Steps[Parameters].Next.Sub(now); got != time.Minute {
			t.Errorf("parameters again in %v", got)
		}
	}
	for _, moment := range []time.Time{r.ReadyBy(), r.OnSale} {
		if show.Fail(Product, "no", moment.Add(-time.Minute)); !show.Steps[Product].Next.Equal(moment) {
			t.Errorf("again at %v, and not at %v", show.Steps[Product].Next, moment)
		}
	}
	for range 100 {
		show.Fail(Product, string(make([]rune, 10_000)), now)
	}
	if w := show.Steps[Product]; len(w.Trouble) > 4*longestTrouble || w.Next.Sub(now) != longestPause {
		t.Errorf("%d bytes of trouble, again in %v", len(w.Trouble), w.Next.Sub(now))
	}
	before := show.Steps[Product]
	show.Came(Product, Begun) // it is tried, and nobody knows yet whether it works
	if w := show.Steps[Product]; w.Failures != before.Failures || w.Trouble != before.Trouble || !w.Next.IsZero() {
		t.Errorf("begun: %+v", w)
	}
	show.Came(Product, Up)
	if w := show.Steps[Product]; w.Failures != 0 || w.Trouble != "" || !w.Next.IsZero() || w.Progress != Up {
		t.Errorf("%+v", w)
	}
}

// ugly is what a service answers, of which nothing may come to people who only read a show's issue.
const ugly = "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/prepare/prepare is not authorized"

// journey is a show on its way through random days.
type journey struct {
	*testing.T
	*rand.Rand
	show  Show
	now   time.Time
	below []Change // the history
	begun map[Step]bool
}

// check holds what is true of a show at any moment.
func (j *journey) check() {
	j.Helper()
	s, r := &j.show, j.show.Request
	due, some := s.Due()
	copied := s.copied()
	work := len(s.ToBringUp(j.now)) > 0 || len(s.ToTakeDown(j.now)) > 0 || s.AsksForSale(j.now) ||
		len(copied.Move(j.now, Sale{})) > 0
	watched := s.Unready(j.now) || s.LeftUp(j.now)
	if isDue := some && !due.After(j.now); isDue != (work || watched) {
		j.Fatalf("at %v due is %v (%v), and there is work: %v, somebody should look: %v\n%+v", j.now, due, some, work, watched, s)
	}
	if some == s.State.Final() {
		j.Fatalf("%s is due: %v", s.State, some)
	}
	if s.State == Live && j.now.Before(r.OnSale) {
		j.Fatalf("on sale at %v, before %v", j.now, r.OnSale)
	}
	for _, step := range Steps() {
		p := s.Steps[step].Progress
		if s.State.Final() && (p == Begun || p == Up) {
			j.Fatalf("%s with the step %s %s", s.State, step, p)
		}
		if s.State.Final() && j.begun[step] && p != Down && p != LeftOut {
			j.Fatalf("%s, and %s, which was begun, is %s", s.State, step, p)
		}
		if s.State == Ready && p != Up && p != LeftOut {
			j.Fatalf("ready without %s, which is %s", step, p)
		}
	}
	for i, c := range j.below {
		if c.Number != i+1 || i > 0 && c.From != j.below[i-1].To || strings.Contains(c.Why, "AccessDenied") {
			j.Fatalf("history %+v", j.below)
		}
	}
	if s.Changes != len(j.below) || s.State != j.below[len(j.below)-1].To {
		j.Fatalf("%s after %d changes of %+v", s.State, s.Changes, j.below)
	}
}

// copied shares nothing with the original.
func (s *Show) copied() Show {
	c := *s
	c.Steps = map[Step]Work{}
	for step, work := range s.Steps {
		c.Steps[step] = work
	}
	return c
}

// run does what a run of prepare does, with steps that fail or take their time.
func (j *journey) run(well bool) {
	sale := Sale{Known: well || j.IntN(3) > 0, Waiting: !well && j.IntN(2) > 0}
	move := func() {
		for {
			changes := j.show.Move(j.now, sale)
			if len(changes) == 0 {
				return
			}
			j.below = append(j.below, changes...)
			j.check()
		}
	}
	move()
	for _, step := range append(j.show.ToBringUp(j.now), j.show.ToTakeDown(j.now)...) {
		down := j.show.State == Finishing
		if j.show.Steps[step].Progress == Waiting {
			j.show.Came(step, Begun)
			j.begun[step] = true
		}
		switch n := j.IntN(4); {
		case !well && n == 0:
			j.show.Fail(step, ugly, j.now)
		case !well && n == 1: // it takes its time, or the run dies
		case down:
			j.show.Came(step, Down)
		case n == 2 && step != Parameters:
			j.show.Came(step, LeftOut)
		default:
			j.show.Came(step, Up)
		}
		j.check()
	}
	move()
}

func (j *journey) people() {
	var c Change
	var err error
	before := j.show.copied()
	switch j.IntN(12) {
	case 0, 1, 2:
		c, err = j.show.Approve(approver, "", false, j.now)
	case 3:
		c, err = j.show.Reject(approver, "", j.now)
	case 4:
		c, err = j.show.Cancel(approver, "", j.now)
	default:
		return
	}
	if err != nil {
		if !reflect.DeepEqual(before, j.show) {
			j.Fatalf("refused with %v, and changed:\n%+v\n%+v", err, before, j.show)
		}
		return
	}
	j.below = append(j.below, c)
	j.check()
}

// A show goes through whatever time, failures and people bring, and always comes to an end, with
// nothing left up.
func TestJourneys(t *testing.T) {
	ends := map[State]int{}
	for seed := range uint64(2_000) {
		random := rand.New(rand.NewPCG(seed, 0))
		r := request()
		r.OnSale = asked.Add(time.Duration(1+random.IntN(48*60)) * time.Minute)
		r.PreQueue = r.OnSale.Add(-time.Duration(random.IntN(300)) * time.Minute)
		r.Closes = r.OnSale.Add(time.Duration(1+random.IntN(48*60)) * time.Minute)
		r.ReadyBefore = Duration(random.IntN(300)) * Duration(time.Minute)
		r.KeepAfter = Duration(10+random.IntN(600)) * Duration(time.Minute)
		show, first := New("a", r, plan.Plan{}, asker, asked)
		j := &journey{T: t, Rand: random, show: show, now: asked, below: []Change{first}, begun: map[Step]bool{}}
		for range 1 + random.IntN(150) {
			pause := []time.Duration{0, time.Second, time.Minute, 7 * time.Minute, time.Hour}[random.IntN(5)]
			j.now = j.now.Add(pause)
			j.check()
			j.people()
			j.run(false)
			if j.show.State.Final() {
				break
			}
		}
		for range 8 { // each state once, and all steps down
			j.now = later(j.now, j.show.ended()).Add(24 * time.Hour)
			j.run(true)
		}
		if !j.show.State.Final() {
			t.Fatalf("seed %d: %s for good: %+v", seed, j.show.State, j.show)
		}
		ends[j.show.State]++

		// A final show never changes.
		last := j.show.copied()
		for range 5 {
			j.now = j.now.Add(time.Duration(random.IntN(1_000)) * time.Hour)
			j.people()
			j.run(false)
		}
		if !reflect.DeepEqual(last, j.show) {
			t.Fatalf("seed %d: changed after its end: %+v", seed, j.show)
		}
	}
	for _, end := range []State{Done, Rejected, Cancelled, Failed} {
		if ends[end] == 0 {
			t.Errorf("no journey ended in %s: %v", end, ends)
		}
	}
}
