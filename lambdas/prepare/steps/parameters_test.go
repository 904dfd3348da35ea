package steps

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
	"waitingroom/shared/settings"
)

const parameterPath = "/waiting-room/"

// promoters is Parameter Store with one event, and what tick makes of it: every change is seen at once.
type promoters struct {
	*account
	texts   map[string]string
	secure  map[string]bool
	run     room.State // the event's latest; no ID means that there is none
	good    map[string]string
	runs    []room.Settings // as each run began
	refused []settings.Rejection
	puts    []string
	entries []schedule.Entry
	crowded int // how many of the next writes are throttled

	old      map[string]string // what the step reads until then
	oldUntil time.Time
	told     room.State // what visitors are told of until then
	toldFrom time.Time
}

func newPromoters(a *account, texts map[string]string) *promoters {
	p := &promoters{account: a, texts: texts, secure: map[string]bool{}, run: room.State{Closing: room.NoCohort}}
	p.tick()
	p.runs = nil
	return p
}

// tick begins and ends runs as the leader does.
func (p *promoters) tick() {
	r := settings.Check(p.texts, p.good, p.run, 0, time.Now())
	p.good = r.Good
	p.refused = append(p.refused, r.Rejected...)
	if !r.Complete() {
		return
	}
	if p.run.ID == "" || p.run.Renews(r.Settings, time.Now()) {
		if r.Settings.Control != room.ForceClosed { // else it is over before anybody sees it
			p.runs = append(p.runs, r.Settings)
		}
		p.run = room.State{Run: room.Run{Event: "tour", ID: time.Now().String()}, Shards: r.Settings.Shards, Closing: room.NoCohort, Phase: room.PreQueue, OnSale: r.Settings.OnSale}
	}
	if !p.run.Over() && !p.run.Frozen() && r.Settings.Control != room.ForceClosed {
		p.run.OnSale = r.Settings.OnSale
	}
	if !p.run.Over() {
		p.run.Closes = r.Settings.Closes
	}
	now := time.Now()
	if !now.Before(p.run.OnSale) {
		p.run.Cohort, p.run.Phase = max(p.run.Cohort, 1), room.Open
	}
	if r.Settings.Control == room.ForceClosed || !now.Before(r.Settings.Closes) && r.Settings.OnSale.Equal(p.run.OnSale) || p.run.Final {
		p.run.Phase, p.run.Final = room.Closed, true
	}
}

func (p *promoters) GetParametersByPath(_ context.Context, in *ssm.GetParametersByPathInput, _ ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	out := &ssm.GetParametersByPathOutput{}
	err := p.call(func() error {
		p.tick()
		texts := p.texts
		if time.Now().Before(p.oldUntil) {
			texts = p.old
		}
		for name, text := range texts {
			kind := types.ParameterTypeString
			if p.secure[name] {
				kind = types.ParameterTypeSecureString
			}
			out.Parameters = append(out.Parameters, types.Parameter{Name: aws.String(*in.Path + "/" + name), Value: aws.String(text), Type: kind})
		}
		return nil
	})
	return out, err
}

func (p *promoters) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	if p.crowded > 0 {
		p.crowded--
		return nil, &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	}
	err := p.call(func() error {
		name := strings.TrimPrefix(*in.Name, parameterPath+"tour/")
		if in.Type != types.ParameterTypeString || !aws.ToBool(in.Overwrite) {
			p.t.Errorf("%s is put as %s", name, in.Type)
		}
		p.tick()
		p.texts[name] = *in.Value
		p.puts = append(p.puts, name)
		p.tick()
		return nil
	})
	return &ssm.PutParameterOutput{}, err
}

func (p *promoters) Open(context.Context) ([]schedule.Entry, error) {
	var entries []schedule.Entry
	err := p.call(func() error { entries = p.entries; return nil })
	return entries, err
}

// Status is of the event's latest run, unless visitors are told of an earlier one still.
func (p *promoters) Status(_ context.Context, event string) (status room.Status, found bool, err error) {
	err = p.call(func() error {
		p.tick()
		run := p.run
		if time.Now().Before(p.toldFrom) {
			run = p.told
		}
		found = run.ID != ""
		status = room.Status{Event: event, Phase: run.Phase, OnSale: run.OnSale.Format(time.RFC3339), Closes: run.Closes.Format(time.RFC3339)}
		return nil
	})
	return status, found, err
}

func (p *promoters) step() *Parameters {
	step, err := NewParameters(p, parameterPath, p, p)
	if err != nil {
		p.t.Fatal(err)
	}
	return step
}

// opened checks that the event is on sale as the show's request has it, or with another on-sale, and
// that no run has begun with anything else.
func (p *promoters) opened(s *subject, onSale time.Time) {
	p.t.Helper()
	p.tick()
	r := s.show.Request
	for _, began := range p.runs {
		if !began.OnSale.Equal(onSale) || !began.PreQueue.Equal(r.PreQueue) || !began.Closes.Equal(r.Closes) ||
			began.Rate != r.Rate || began.Target != r.Target || began.Shards != s.show.Needs.Shards {
			p.t.Errorf("a run has begun with %+v; written: %q", began, p.puts)
		}
	}
	if p.run.Over() || !p.run.OnSale.Equal(onSale) || len(p.refused) > 0 {
		p.t.Errorf("run %+v, refused %v; written: %q", p.run, p.refused, p.puts)
	}
}

func texts(pairs ...string) map[string]string {
	m := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		m[pair[0]] = pair[1]
	}
	return m
}

func in(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }

// Whatever an earlier sale left, a run begins with everything as it was asked for, and nothing that was
// written in between opened anything.
func TestParametersPutTheEventOnSale(t *testing.T) {
	const day = 24 * time.Hour
	earlier := func(state string, onSale time.Duration, more ...string) func() map[string]string {
		return func() map[string]string {
			m := texts(append([]string{"onsale", in(onSale), "rate", "100", "target", "https://other.example"}, more...)...)
			if state != "" {
				m["state"] = state
			}
			return m
		}
	}
	for name, c := range map[string]struct {
		there func() map[string]string
		runs  int           // that begin
		later time.Duration // than asked for
	}{
		"nothing":                      {func() map[string]string { return texts() }, 1, 0},
		"a message":                    {func() map[string]string { return texts("message", "soon", "state", "closed") }, 1, 0},
		"no on-sale, paused":           {func() map[string]string { return texts("rate", "1", "target", "https://a.example", "state", "paused") }, 1, 0},
		"a sale that closed by itself": {earlier("", -3*day), 1, 0},
		"one with its own times":       {func() map[string]string { return earlier("", -3*day, "closes", in(-2*day), "prequeue", in(-4*day))() }, 1, 0},
		"one that was closed": {func() map[string]string {
			return earlier("closed", -3*time.Hour, "prequeue", in(-4*time.Hour), "shards", "16")()
		}, 1, 0},
		"one that is sold out":        {func() map[string]string { return earlier("soldout", -3*time.Hour, "closes", in(day))() }, 1, 0},
		"one that is paused for good": {earlier("paused", -3*day), 1, 0},
		"one that was cancelled": {func() map[string]string {
			return earlier("closed", 5*day, "prequeue", in(4*day), "closes", in(6*day))()
		}, 1, 0},
		"one that was cancelled, earlier": {func() map[string]string {
			return earlier("closed", time.Hour, "prequeue", in(0), "closes", in(100*time.Minute))()
		}, 1, 0},
		"its own": {func() map[string]string { return earlier("", 2*time.Hour, "shards", "64")() }, 0, 0},
		"one to come that is moved back": {func() map[string]string {
			return earlier("", 90*time.Minute, "closes", in(100*time.Minute), "shards", "64")()
		}, 0, 0},
		"one to come that is moved ahead": {func() map[string]string { return earlier("soldout", 3*day, "prequeue", in(2*day), "shards", "64")() }, 0, 0},
		"one at the same time, cancelled": {earlier("closed", 2*time.Hour), 1, time.Second},
		"half of one to come":             {func() map[string]string { return texts("onsale", in(3*day), "prequeue", in(-day)) }, 1, 0},
		"half of one that was closed":     {func() map[string]string { return texts("onsale", in(3*day), "state", "closed") }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			everyFault(t, func(t *testing.T, a *account) {
				p := newPromoters(a, c.there())
				p.refused = nil
				s := a.subject("show")
				s.until(hotshow.Up, p.step().Up)
				if len(p.runs) != c.runs {
					t.Errorf("%d runs have begun; written: %q", len(p.runs), p.puts)
				}
				p.opened(s, s.show.Request.OnSale.Add(c.later))
				if _, there := c.there()["state"]; !there && p.texts["state"] == "closed" {
					t.Errorf("left closed: %q", p.puts)
				}
				before := len(p.puts)
				if s.until(hotshow.Up, p.step().Up); len(p.puts) != before {
					t.Errorf("what is there already was written again: %q", p.puts[before:])
				}
			})
		})
	}
}

// A sale that still goes on is left to people until the show has to be ready, and closed then.
func TestParametersWaitForAnOpenSale(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		p := newPromoters(a, texts("onsale", in(-time.Hour), "rate", "100", "target", "https://other.example"))
		s := a.subject("show")
		step := p.step()
		for time.Now().Before(s.show.Request.ReadyBy().Add(-time.Minute)) {
			if progress, err := s.run(step.Up); err == nil || len(p.puts) > 0 {
				t.Fatalf("%s; written: %q", progress, p.puts)
			}
			time.Sleep(time.Minute)
		}
		if _, err := s.run(step.Up); err == nil || !strings.Contains(err.Error(), "set its parameter state to closed") && !strings.Contains(err.Error(), "the call was") {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		s.until(hotshow.Up, step.Up)
		p.opened(s, s.show.Request.OnSale)
	})
}

// Nothing is written over a sale that was closed a moment ago: tick may not have seen it yet. Nor when it was
// opened again meanwhile.
func TestParametersLetAClosedSaleSettle(t *testing.T) {
	for name, told := range map[string]bool{"visitors are told": true, "there is no status yet": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPromoters(&account{t: t}, texts("onsale", in(-time.Hour), "rate", "100", "target", "https://other.example", "state", "soldout"))
				settles := settles
				if p.toldFrom = time.Now().Add(time.Hour); told {
					p.told, settles = p.run, seen
				}
				s, step := p.subject("show"), p.step()
				for range 3 {
					if progress, err := s.run(step.Up); progress != hotshow.Begun || err != nil || !slices.Equal(p.puts, []string{"state"}) {
						t.Fatalf("%s, %v; written: %q", progress, err, p.puts)
					}
					time.Sleep(5 * time.Second)
				}
				p.texts["state"] = "auto"
				if progress, err := s.run(step.Up); progress == hotshow.Up || err == nil {
					t.Fatalf("opened again: %s, %v; written: %q", progress, err, p.puts)
				}
				p.texts["state"], p.puts = "closed", nil
				for range 2 {
					if progress, err := s.run(step.Up); progress != hotshow.Begun || err != nil || len(p.puts) > 0 {
						t.Fatalf("closed again: %s, %v; written: %q", progress, err, p.puts)
					}
					time.Sleep(settles - time.Second)
				}
				time.Sleep(time.Second)
				if _, err := s.run(step.Up); told != (err != nil && strings.Contains(err.Error(), "see whether tick runs")) || told != (len(p.puts) == 0) {
					t.Errorf("%v; written: %q", err, p.puts)
				}
				p.toldFrom = time.Now()
				s.until(hotshow.Up, step.Up)
				p.opened(s, s.show.Request.OnSale)
			})
		})
	}
}

// What the event's latest run is, its parameters may not say any more.
func TestParametersThatAreNotTheRuns(t *testing.T) {
	set := func(onSale time.Duration, state string) func() map[string]string {
		return func() map[string]string {
			return texts("onsale", in(onSale), "rate", "100", "target", "https://other.example", "state", state)
		}
	}
	cleared := func(p *promoters) { clear(p.texts) }
	for name, c := range map[string]struct {
		there  func() map[string]string
		change func(p *promoters)
		later  time.Duration // than asked for
	}{
		"one at the same time that was cancelled and cleared away": {set(2*time.Hour, "closed"), cleared, time.Second},
		"a later one that was cancelled and cleared away":          {set(5*24*time.Hour, "closed"), cleared, 0},
		"an old one that was closed and cleared away":              {set(-72*time.Hour, "closed"), cleared, 0},
		"one that closed by itself and was cleared away":           {set(-72*time.Hour, "auto"), cleared, 0},
		"one at the same time that was cancelled, and planned anew": {set(2*time.Hour, "closed"),
			func(p *promoters) { p.texts["onsale"] = in(9 * 24 * time.Hour) }, time.Second},
		"one at the same time, which visitors are not told yet to be cancelled": {set(2*time.Hour, "auto"), func(p *promoters) {
			p.told, p.toldFrom = p.run, time.Now().Add(10*time.Second)
			p.texts["state"], p.texts["onsale"] = "closed", in(9*24*time.Hour)
		}, time.Second},
		"one that is sold out and cleared away": {set(-time.Hour, "soldout"), func(p *promoters) { p.texts = texts("state", "soldout") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			everyFault(t, func(t *testing.T, a *account) {
				p := newPromoters(a, c.there())
				c.change(p)
				p.tick()
				p.runs, p.refused = nil, nil
				s := a.subject("show")
				s.until(hotshow.Up, p.step().Up)
				// Whoever clears away a sale that goes on is told so by tick.
				p.refused = slices.DeleteFunc(p.refused, func(r settings.Rejection) bool { return strings.HasPrefix(r.Reason, "was removed") })
				p.opened(s, s.show.Request.OnSale.Add(c.later))
				if len(p.runs) != 1 {
					t.Errorf("%d runs have begun; written: %q", len(p.runs), p.puts)
				}
			})
		})
	}
}

// A show's on-sale that is set while another sale is on is not the one that the event has.
func TestParametersOfALateShowWhileASaleIsOn(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		p := newPromoters(a, texts("onsale", in(-time.Hour), "rate", "100", "target", "https://other.example"))
		s := a.subject("show")
		p.texts["onsale"] = s.show.Request.OnSale.Format(time.RFC3339)
		time.Sleep(3 * time.Hour)
		s.until(hotshow.Up, p.step().Up)
		p.refused = nil // of the first sale
		p.opened(s, moment(s.held[heldLate]))
	})
}

// What is said to be left of a sale that is over is not said of the next one. What else is, stays.
func TestParametersOfAnEventThatWasSoldOut(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		p := newPromoters(a, texts("onsale", in(-time.Hour), "rate", "100", "target", "https://other.example", "state", "soldout", "stock", "none", "message", "see you in May"))
		s := a.subject("show")
		s.until(hotshow.Up, p.step().Up)
		p.opened(s, s.show.Request.OnSale)
		if p.texts["state"] != "auto" || p.runs[0].Stock != room.Plenty || p.texts["message"] != "see you in May" {
			t.Errorf("%+v; %q", p.runs, p.texts)
		}
	})
}

// The step is up when visitors are told of its on-sale, whatever becomes of the event until then.
func TestParametersThatTickHasNotTakenYet(t *testing.T) {
	for name, c := range map[string]struct {
		becomes func(p *promoters)
		tells   string
		later   time.Duration // than asked for
	}{
		"it takes its time":          {func(*promoters) {}, "", 0},
		"tick does not run":          {func(p *promoters) { p.toldFrom = time.Now().Add(5 * time.Minute) }, "see whether tick runs", 0},
		"it was over already":        {func(p *promoters) { p.run.Phase, p.run.Final, p.runs = room.Closed, true, nil }, "", time.Second},
		"its promoter changes it":    {func(p *promoters) { p.texts["rate"] = "7" }, "", 0},
		"its promoter moves it":      {func(p *promoters) { p.texts["onsale"] = in(3 * time.Hour) }, "", 0},
		"its promoter takes it back": {func(p *promoters) { p.texts["state"] = "closed" }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPromoters(&account{t: t}, texts())
				s, step := p.subject("show"), p.step()
				p.toldFrom = time.Now().Add(90 * time.Second)
				if progress, err := s.run(step.Up); progress != hotshow.Begun || err != nil || p.texts["onsale"] == "" {
					t.Fatalf("%s, %v; written: %q", progress, err, p.puts)
				}
				c.becomes(p)
				after := maps.Clone(p.texts)
				time.Sleep(time.Minute)
				if troubles := s.until(hotshow.Up, step.Up); !strings.Contains(troubles, c.tells) || c.tells == "" && troubles != "" {
					t.Errorf("told: %s", troubles)
				}
				if c.later == 0 {
					if !maps.Equal(p.texts, after) {
						t.Errorf("written over what is its promoter's: %q", p.puts)
					}
					return
				}
				p.opened(s, s.show.Request.OnSale.Add(c.later))
			})
		})
	}
}

// A status that cannot be read does not keep an event from coming on sale.
func TestParametersOfARoomThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPromoters(&account{t: t}, texts())
		s := p.subject("show")
		step, err := NewParameters(p, parameterPath, p, NewRoom(probeRoom, &answering{status: 503}))
		if err != nil {
			t.Fatal(err)
		}
		s.run(step.Up) // which is long ago when the status is dark again
		p.crowded = 1000
		s.run(p.step().Up)
		p.crowded = 0
		time.Sleep(blindFor)
		if s.run(step.Up); len(p.puts) > 0 {
			t.Errorf("written at once: %q", p.puts)
		}
		for p.texts["onsale"] == "" && time.Now().Before(s.show.Request.OnSale) {
			if _, err := s.run(step.Up); err == nil || !strings.Contains(err.Error(), "answered with 503") {
				t.Errorf("%v", err)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(taken)
		if _, err := s.run(step.Up); err == nil || !strings.Contains(err.Error(), "the parameters are written") {
			t.Errorf("%v", err)
		}
		p.opened(s, s.show.Request.OnSale)
		time.Sleep(time.Until(s.show.Request.OnSale))
		if progress, err := s.run(step.Up); err != nil || progress != hotshow.Up {
			t.Errorf("%s, %v, so that whoever cancels the show would close a sale that is on", progress, err)
		}
	})
}

// A show that could only open when it is to be closed writes nothing, and says so.
func TestParametersThatWouldOpenTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPromoters(&account{t: t}, texts())
		s := p.subject("show")
		s.show.Request.Closes = s.show.Request.OnSale.Add(10 * time.Minute)
		time.Sleep(time.Until(s.show.Request.Closes) - postponed)
		_, err := s.run(p.step().Up)
		if err == nil || !strings.Contains(err.Error(), "ask for another show") || len(p.puts) > 0 {
			t.Errorf("%v; written: %q", err, p.puts)
		}
	})
}

// What could not be written before the on-sale opens shortly after it.
func TestParametersOfALateShow(t *testing.T) {
	for name, there := range map[string]func() map[string]string{
		"nothing": func() map[string]string { return texts() },
		"a closed sale": func() map[string]string {
			return texts("onsale", in(-72*time.Hour), "rate", "1", "target", "https://a.example", "state", "closed")
		},
		"half of a closed sale": func() map[string]string { return texts("onsale", in(-72*time.Hour), "state", "closed") },
		"closed before it": func() map[string]string {
			return texts("onsale", in(2*time.Hour), "rate", "1", "target", "https://a.example", "state", "closed")
		},
		"an open, old sale": func() map[string]string {
			return texts("onsale", in(-time.Hour), "rate", "1", "target", "https://a.example")
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyFault(t, func(t *testing.T, a *account) {
				p := newPromoters(a, there())
				p.refused = nil
				s := a.subject("show")
				time.Sleep(3 * time.Hour)
				s.until(hotshow.Up, p.step().Up)
				late := moment(s.held[heldLate])
				if wait := time.Until(late); wait > postponed {
					t.Errorf("opens in %s", wait)
				}
				p.opened(s, late)
			})
		})
	}
}

// A closed event opens at a time that is to come when tick hears of it, which is some seconds after it is
// written. One that never had a sale opens at any time.
func TestParametersShortlyBeforeTheOnSale(t *testing.T) {
	closedSale := func() map[string]string {
		return texts("onsale", in(-72*time.Hour), "rate", "1", "target", "https://a.example", "state", "closed")
	}
	for name, c := range map[string]struct {
		there     func() map[string]string
		cleared   bool
		ahead     time.Duration // at which it is written
		postponed bool
	}{
		"nothing":       {func() map[string]string { return texts() }, false, 20 * time.Second, false},
		"a closed sale": {closedSale, false, 20 * time.Second, true},
		"a closed sale that was cleared away, and a quota": {closedSale, true, 3 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPromoters(&account{t: t}, c.there())
				if p.refused = nil; c.cleared {
					clear(p.texts)
					p.crowded = 10
				}
				s := p.subject("show")
				onSale := s.show.Request.OnSale
				time.Sleep(time.Until(onSale) - c.ahead)
				s.until(hotshow.Up, p.step().Up)
				if c.postponed {
					onSale = moment(s.held[heldLate])
					if ahead := time.Until(onSale); ahead < heard {
						t.Errorf("opens in %s", ahead)
					}
				}
				p.opened(s, onSale)
			})
		})
	}
}

// A sale that is on by the parameters of the show itself is not touched by a late attempt, whatever its
// promoter has changed by then.
func TestParametersOfASaleThatIsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t}
		p := newPromoters(a, texts())
		s := a.subject("show")
		s.until(hotshow.Up, p.step().Up)
		time.Sleep(3 * time.Hour)
		p.texts["state"], p.texts["rate"], p.texts["closes"], p.puts = "soldout", "60", in(time.Hour), nil
		if s.until(hotshow.Up, p.step().Up); len(p.puts) > 0 {
			t.Errorf("written: %q", p.puts)
		}
	})
}

func TestParametersOfAnEventThatDoesNotTakePlace(t *testing.T) {
	other := []schedule.Entry{{ID: "other", Event: "tour", State: hotshow.Preparing}}
	for name, c := range map[string]struct {
		outcome hotshow.State
		there   map[string]string
		entries []schedule.Entry
		change  func(p *promoters)
		closed  bool
	}{
		"cancelled":                {hotshow.Cancelled, texts(), nil, nil, true},
		"failed":                   {hotshow.Failed, texts(), nil, nil, true},
		"done":                     {hotshow.Done, texts(), nil, nil, false},
		"moved by its promoter":    {hotshow.Cancelled, texts(), nil, func(p *promoters) { p.texts["onsale"] = in(3 * time.Hour) }, true},
		"cleared away":             {hotshow.Cancelled, texts(), nil, func(p *promoters) { delete(p.texts, "onsale") }, false},
		"another show's by now":    {hotshow.Cancelled, texts(), other, nil, false},
		"another show's, finished": {hotshow.Cancelled, texts(), []schedule.Entry{{ID: "other", Event: "tour", State: hotshow.Done}, {ID: "show", Event: "tour", State: hotshow.Preparing}, {ID: "third", Event: "play", State: hotshow.Live}}, nil, true},
		"planned by hand before":   {hotshow.Cancelled, texts("onsale", in(10*time.Hour)), nil, func(p *promoters) { p.texts["onsale"] = in(10 * time.Hour) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			everyFault(t, func(t *testing.T, a *account) {
				p := newPromoters(a, maps.Clone(c.there))
				s := a.subject("show")
				s.until(hotshow.Up, p.step().Up)
				if c.change != nil {
					c.change(p)
				}
				p.entries, s.show.Outcome = c.entries, c.outcome
				s.until(hotshow.Down, p.step().Down)
				if is := p.texts["state"] == "closed"; is != c.closed {
					t.Errorf("state %q; written: %q", p.texts["state"], p.puts)
				}
			})
		})
	}
}

// An event whose on-sale the show never came to write stays as it is.
func TestParametersThatWereNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t}
		p := newPromoters(a, texts("onsale", in(5*time.Hour), "rate", "100", "target", "https://other.example"))
		s := a.subject("show")
		s.show.Outcome = hotshow.Cancelled
		if s.until(hotshow.Down, p.step().Down); a.calls != 0 {
			t.Errorf("%d calls for what was never begun", a.calls)
		}
		a.at, a.fault = 5, lost // reads twice, holds, writes the shards and nothing else
		if _, err := s.run(p.step().Up); err == nil || len(p.puts) != 1 {
			t.Fatalf("written: %q, %v", p.puts, err)
		}
		p.texts["onsale"] = in(4 * time.Hour) // by hand, since the show is not ready
		if s.until(hotshow.Down, p.step().Down); len(p.puts) != 1 {
			t.Errorf("written: %q", p.puts)
		}
	})
}

// An event whose parameters are not seen yet when its show is cancelled is closed all the same.
func TestParametersThatAreNotSeenYet(t *testing.T) {
	for name, there := range map[string]func() map[string]string{
		"nothing":       func() map[string]string { return texts() },
		"a closed sale": func() map[string]string { return texts("onsale", in(-72*time.Hour), "state", "closed") },
	} {
		t.Run(name, func(t *testing.T) {
			everyFault(t, func(t *testing.T, a *account) {
				p := newPromoters(a, there())
				s := a.subject("show")
				s.run(p.step().Up)
				time.Sleep(time.Minute)
				p.old, p.oldUntil = there(), time.Now().Add(70*time.Second)
				s.run(p.step().Up)
				s.show.Outcome = hotshow.Cancelled
				s.until(hotshow.Down, p.step().Down)
				if moment(p.texts["onsale"]).After(time.Now()) && p.texts["state"] != "closed" {
					t.Errorf("the event opens; written: %q", p.puts)
				}
			})
		})
	}
}

func TestParametersInTheWay(t *testing.T) {
	for _, name := range []string{"rate", "onsale", "state"} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t}
			p := newPromoters(a, texts(name, "encrypted"))
			p.secure[name] = true
			_, err := a.subject("show").run(p.step().Up)
			if err == nil || !strings.Contains(err.Error(), parameterPath+"tour/"+name+" is a SecureString") || len(p.puts) > 0 {
				t.Errorf("%s: %v; written: %q", name, err, p.puts)
			}
		})
	}
	if _, err := NewParameters(nil, "waiting-room", nil, nil); err == nil {
		t.Error("a path without slashes is taken")
	}
}

// Fifty shows are written within a run, more slowly when Parameter Store says so, and without an error
// when the time is over.
func TestParametersOfManyShows(t *testing.T) {
	for name, c := range map[string]struct {
		crowded int
		within  time.Duration
	}{"as fast as it goes": {0, 45 * time.Second}, "throttled": {10, 200 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{t: t}
				p := newPromoters(a, texts())
				p.crowded = c.crowded
				step, begun := p.step(), time.Now()
				for range 50 {
					clear(p.texts)
					s := a.subject("show")
					var progress hotshow.Progress
					for progress != hotshow.Up {
						var err error
						if progress, err = s.run(step.Up); err != nil {
							t.Fatal(err)
						}
					}
				}
				if took := time.Since(begun); took > c.within {
					t.Errorf("it takes %s", took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t}
		p := newPromoters(a, texts())
		p.crowded = 1000
		if progress, err := a.subject("show").run(p.step().Up); progress != hotshow.Begun || err != nil {
			t.Errorf("%s, %v", progress, err)
		}
	})
}

// What goes wrong is told with the parameter's name.
func TestParametersThatCannotBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, at: 4, fault: lost}
		p := newPromoters(a, texts())
		var do func(context.Context, *prepare.Task) (hotshow.Progress, error) = p.step().Up
		if _, err := a.subject("show").run(do); err == nil || errors.Is(err, errNotNow) || !strings.Contains(err.Error(), "set parameter /waiting-room/tour/shards: ") {
			t.Errorf("%v", err)
		}
	})
}
