package steps

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// provisioner is Lambda: an alias has its environments 90 s after they were asked for.
type provisioner struct {
	*account
	units   map[string]int
	ready   map[string]time.Time
	most    int    // of all functions
	fails   string // why what is asked for cannot be provisioned
	patient bool   // refuses a number while an earlier one is being reached
	gone    bool   // the functions are deleted

	behind time.Duration  // how long after a change what was there before is still told
	before map[string]int // the change
	since  map[string]time.Time
}

func newProvisioner(a *account) *provisioner {
	return &provisioner{account: a, units: map[string]int{}, ready: map[string]time.Time{}, most: 900,
		before: map[string]int{}, since: map[string]time.Time{}}
}

// changes has what is there told for some time more.
func (p *provisioner) changes(function string) {
	p.before[function], p.since[function] = p.units[function], time.Now()
}

func (p *provisioner) check(function, qualifier string) error {
	if p.gone || qualifier != "live" || function != "join" && function != "admit" {
		return &types.ResourceNotFoundException{Message: aws.String("no function " + function + ":" + qualifier)}
	}
	return nil
}

func (p *provisioner) GetProvisionedConcurrencyConfig(_ context.Context, in *lambda.GetProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
	out := &lambda.GetProvisionedConcurrencyConfigOutput{Status: types.ProvisionedConcurrencyStatusEnumReady}
	err := p.call(func() error {
		if err := p.check(*in.FunctionName, *in.Qualifier); err != nil {
			return err
		}
		units, ok := p.units[*in.FunctionName]
		if time.Since(p.since[*in.FunctionName]) < p.behind {
			units = p.before[*in.FunctionName]
			ok = units > 0
		}
		if !ok {
			return &types.ProvisionedConcurrencyConfigNotFoundException{Message: aws.String("none")}
		}
		out.RequestedProvisionedConcurrentExecutions = aws.Int32(int32(units))
		if time.Now().Before(p.ready[*in.FunctionName]) {
			out.Status = types.ProvisionedConcurrencyStatusEnumInProgress
		} else if p.fails != "" {
			out.Status, out.StatusReason = types.ProvisionedConcurrencyStatusEnumFailed, aws.String(p.fails)
		}
		return nil
	})
	return out, err
}

func (p *provisioner) PutProvisionedConcurrencyConfig(_ context.Context, in *lambda.PutProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.PutProvisionedConcurrencyConfigOutput, error) {
	err := p.call(func() error {
		if err := p.check(*in.FunctionName, *in.Qualifier); err != nil {
			return err
		}
		all := int(*in.ProvisionedConcurrentExecutions)
		for function, units := range p.units {
			if function != *in.FunctionName {
				all += units
			}
		}
		if all > p.most {
			return &types.InvalidParameterValueException{Message: aws.String("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")}
		}
		if p.patient && time.Now().Before(p.ready[*in.FunctionName]) {
			return &types.ResourceConflictException{Message: aws.String("in progress")}
		}
		p.changes(*in.FunctionName)
		p.units[*in.FunctionName] = int(*in.ProvisionedConcurrentExecutions)
		p.ready[*in.FunctionName] = time.Now().Add(90 * time.Second)
		return nil
	})
	return &lambda.PutProvisionedConcurrencyConfigOutput{}, err
}

func (p *provisioner) DeleteProvisionedConcurrencyConfig(_ context.Context, in *lambda.DeleteProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.DeleteProvisionedConcurrencyConfigOutput, error) {
	err := p.call(func() error {
		if err := p.check(*in.FunctionName, *in.Qualifier); err != nil {
			return err
		}
		if _, ok := p.units[*in.FunctionName]; !ok {
			return &types.ProvisionedConcurrencyConfigNotFoundException{Message: aws.String("none")}
		}
		p.changes(*in.FunctionName)
		delete(p.units, *in.FunctionName)
		delete(p.ready, *in.FunctionName)
		return nil
	})
	return &lambda.DeleteProvisionedConcurrencyConfigOutput{}, err
}

// expect checks what is asked for and how much of it is there.
func (p *provisioner) expect(when string, join, admit int) {
	p.t.Helper()
	if p.units["join"] != join || p.units["admit"] != admit {
		p.t.Errorf("%s: %v, want join %d and admit %d; held: %+v", when, p.units, join, admit, p.shared)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Two shows share what is provisioned: it is there for both while both need it, for one when the other
// has gone, and as it was before them in the end.
func TestConcurrencyIsShared(t *testing.T) {
	for name, begin := range map[string]struct{ join, admit int }{"nothing there before": {}, "some there before": {5, 50}, "more there before": {5, 500}} {
		for _, patient := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				everyFault(t, func(t *testing.T, a *account) {
					aws := newProvisioner(a)
					aws.patient = patient
					if begin.join > 0 {
						aws.units["join"], aws.units["admit"] = begin.join, begin.admit
					}
					// Each run may be another environment's, with a turn of its own.
					step := func() *Concurrency { return NewConcurrency(aws, a, quiet(), "join", "admit") }
					first, second := a.subject("first"), a.subject("second")
					first.run(step().Up)
					second.run(step().Up)
					first.until(hotshow.Up, step().Up)
					if aws.units["join"] < 100 || time.Now().Before(aws.ready["join"]) {
						t.Errorf("the first is up with %v", aws.units)
					}
					second.until(hotshow.Up, step().Up)
					aws.expect("both up", 200, max(40, begin.admit))
					first.until(hotshow.Down, step().Down)
					aws.expect("one left", 100, max(20, begin.admit))
					second.until(hotshow.Down, step().Down)
					aws.expect("none left", begin.join, begin.admit)
					third := a.subject("third")
					third.until(hotshow.Up, step().Up)
					third.until(hotshow.Down, step().Down)
					aws.expect("another has come and gone", begin.join, begin.admit)
					if _, there := aws.units["join"]; there != (begin.join > 0) {
						t.Errorf("a configuration of none is left")
					}
					for resource, h := range a.shared {
						if len(h.Units) != 0 {
							t.Errorf("%s: left %+v", resource, h)
						}
					}
				})
			})
		}
	}
}

// A run that died with the lease, before or after it set a lower number, has the last word for nobody.
func TestConcurrencyOfARunThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		first, second := a.subject("first"), a.subject("second")
		first.until(hotshow.Up, step.Up)
		// It worked out 100 for the first alone, and its call arrives late: as it dies, its lease stays.
		a.shared["concurrency/join"] = schedule.Holding{Units: map[string]int{"first": 100}, Set: underWay,
			Lease: hotshow.Lease{Run: "dead", Until: time.Now().Add(100 * time.Second)}}
		if progress, err := first.run(step.Up); progress != hotshow.Begun || err != nil {
			t.Errorf("%s, %v with what may be lowered yet", progress, err)
		}
		if progress, err := second.run(step.Up); progress != hotshow.Begun || err != nil || aws.units["join"] != 100 {
			t.Fatalf("%s, %v while another run has the lease; %v", progress, err, aws.units)
		}
		time.Sleep(99 * time.Second)
		aws.units["join"] = 7 // the last that can still arrive
		second.until(hotshow.Up, step.Up)
		aws.expect("both up", 200, 40)
	})
}

// What a run that died has set is set anew, also where reads still show what was there before its call and
// nothing seems to be missing, or left over.
func TestConcurrencyOfADeadRunThatIsNotSeenYet(t *testing.T) {
	for name, c := range map[string]struct {
		shown, is int
		attempt   func(*Concurrency) func(context.Context, *prepare.Task) (hotshow.Progress, error)
		progress  hotshow.Progress
		want      int
	}{
		"it lowered the number": {100, 3, func(s *Concurrency) func(context.Context, *prepare.Task) (hotshow.Progress, error) { return s.Up }, hotshow.Up, 100},
		"it raised the number":  {3, 100, func(s *Concurrency) func(context.Context, *prepare.Task) (hotshow.Progress, error) { return s.Down }, hotshow.Down, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{t: t, shared: map[string]schedule.Holding{"concurrency/join": {Units: map[string]int{"show": 100}, Base: 3, Set: underWay}}}
				aws := newProvisioner(a)
				aws.behind = 70 * time.Second
				aws.units["join"] = c.shown
				aws.changes("join")
				aws.units["join"] = c.is
				a.subject("show").until(c.progress, c.attempt(NewConcurrency(aws, a, quiet(), "join", "admit")))
				if aws.units["join"] != c.want {
					t.Errorf("%v, want join %d", aws.units, c.want)
				}
			})
		})
	}
}

// A show that leaves raises nothing: what others lack, and may be refused, is for their own attempts.
func TestConcurrencyIsNotRaisedByWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		aws.patient = true
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		first, second := a.subject("first"), a.subject("second")
		second.show.Needs.Join = 200
		first.run(step.Up)
		second.run(step.Up) // held, and refused while the first's number is being reached
		time.Sleep(2 * time.Minute)
		if progress, err := first.run(step.Down); progress != hotshow.Down || err != nil || aws.units["join"] != 100 {
			t.Errorf("%s, %v; %v", progress, err, aws.units)
		}
		second.until(hotshow.Up, step.Up)
		aws.expect("the second is up", 200, 20)
	})
}

// A call of a run that nobody knows the outcome of may arrive after those of the run's other shows.
func TestConcurrencyThatArrivesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}, at: 6, fault: lost} // held, looked at, leased, looked at, changed, put
		aws := newProvisioner(a)
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		first, second := a.subject("first"), a.subject("second")
		if _, err := first.run(step.Up); err == nil {
			t.Fatal("nothing was lost")
		}
		a.runs-- // the second show is the same run's
		if progress, err := second.run(step.Up); progress != hotshow.Begun || err != nil {
			t.Errorf("%s, %v", progress, err)
		}
		aws.units["join"] = 100 // by the call that was lost
		first.until(hotshow.Up, step.Up)
		second.until(hotshow.Up, step.Up)
		aws.expect("both up", 200, 40)
	})
}

// What has been set a moment ago, and is not seen yet, is not somebody else's, nor what was there before.
func TestConcurrencyThatIsNotSeenYet(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		aws := newProvisioner(a)
		aws.behind = 70 * time.Second
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		first, second, third := a.subject("first"), a.subject("second"), a.subject("third")
		first.run(step.Up)
		second.run(step.Up)
		first.until(hotshow.Up, step.Up)
		second.until(hotshow.Up, step.Up)
		aws.expect("both up", 200, 40)
		first.run(step.Down)
		second.run(step.Down)
		first.until(hotshow.Down, step.Down)
		second.until(hotshow.Down, step.Down)
		third.until(hotshow.Up, step.Up) // another comes at once
		aws.expect("the third is up", 100, 20)
		third.until(hotshow.Down, step.Down)
		aws.expect("all down", 0, 0)
	})
}

func TestConcurrencySetByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		var logged bytes.Buffer
		step := NewConcurrency(aws, a, slog.New(slog.NewTextHandler(&logged, nil)), "join", "admit")
		first, second := a.subject("first"), a.subject("second")
		first.until(hotshow.Up, step.Up)

		aws.units["join"] = 10
		_, err := second.run(step.Up)
		if err == nil || !strings.Contains(err.Error(), "join: somebody has set 10 environments of alias live by hand where the room had set 100: set at least 200, or 100") {
			t.Errorf("too few by hand: %v", err)
		}
		aws.units["join"] = 400
		second.until(hotshow.Up, step.Up)
		aws.expect("more than enough by hand", 400, 40)

		second.until(hotshow.Down, step.Down)
		first.until(hotshow.Down, step.Down)
		aws.expect("taken down", 400, 0)
		if !strings.Contains(logged.String(), "somebody has set it by hand") {
			t.Errorf("logged: %s", logged.String())
		}
		third := a.subject("third")
		third.until(hotshow.Up, step.Up)
		third.until(hotshow.Down, step.Down)
		aws.expect("theirs is what was there before", 400, 0)
	})
}

// What somebody has set by hand, however little, is what was there before the next show.
func TestConcurrencyLeftByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		first, second := a.subject("first"), a.subject("second")
		first.until(hotshow.Up, step.Up)
		time.Sleep(seen)
		aws.units["join"] = 50
		first.until(hotshow.Down, step.Down)
		aws.expect("left", 50, 0)
		second.until(hotshow.Up, step.Up)
		aws.expect("the next is up", 100, 20)
		second.until(hotshow.Down, step.Down)
		aws.expect("all down", 50, 0)
	})
}

// overtaken is a provisioner that answers after another run has got the lease.
type overtaken struct{ *provisioner }

func (p overtaken) GetProvisionedConcurrencyConfig(ctx context.Context, in *lambda.GetProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
	out, err := p.provisioner.GetProvisionedConcurrencyConfig(ctx, in)
	h := p.copyOf("concurrency/" + *in.FunctionName)
	h.Lease = hotshow.Lease{Run: "another", Until: time.Now().Add(time.Minute)}
	p.shared["concurrency/"+*in.FunctionName] = h
	return out, err
}

// A run that has lost the lease while it waited sets nothing, and leaves the lease to whoever has it.
func TestConcurrencyOfARunThatIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		s := a.subject("show")
		s.until(hotshow.Up, NewConcurrency(aws, a, quiet(), "join", "admit").Up)
		if progress, err := s.run(NewConcurrency(overtaken{aws}, a, quiet(), "join", "admit").Down); !errors.Is(err, errBusy) {
			t.Errorf("%s, %v", progress, err)
		}
		aws.expect("the other run is at it", 100, 20)
		if h := a.shared["concurrency/join"]; h.Lease.Run != "another" || h.Units["show"] != 100 {
			t.Errorf("held: %+v", h)
		}
	})
}

// What the account has no room for is refused, said, and keeps nothing from a show that fits.
func TestConcurrencyAboveTheQuota(t *testing.T) {
	for _, patient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t, shared: map[string]schedule.Holding{}}
			aws := newProvisioner(a)
			aws.patient = patient
			step := NewConcurrency(aws, a, quiet(), "join", "admit")
			huge, small := a.subject("huge"), a.subject("small")
			huge.show.Needs.Join = 2_000
			small.run(step.Up)
			_, err := huge.run(step.Up)
			for range 5 {
				if err != nil {
					break
				}
				time.Sleep(time.Minute)
				_, err = huge.run(step.Up)
			}
			if err == nil || !strings.Contains(err.Error(), `raise "Concurrent executions", lambda L-B99A9384, by`) {
				t.Errorf("refused: %v", err)
			}
			small.until(hotshow.Up, step.Up)
			if aws.units["join"] != 100 {
				t.Errorf("the small one is up with %v", aws.units)
			}
			small.until(hotshow.Down, step.Down)
			huge.until(hotshow.Down, step.Down)
			aws.expect("both down", 0, 0)
		})
	}
}

// What was refused was not set, so what somebody sets afterwards is theirs.
func TestConcurrencySetByHandAfterARefusal(t *testing.T) {
	for _, patient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t, shared: map[string]schedule.Holding{}}
			aws := newProvisioner(a)
			aws.patient = patient
			step := NewConcurrency(aws, a, quiet(), "join", "admit")
			first, second := a.subject("first"), a.subject("second")
			if patient { // the first number is still being reached
				first.run(step.Up)
			} else {
				second.show.Needs.Join = 2_000
			}
			second.run(step.Up)
			aws.units["join"] = 300
			second.until(hotshow.Down, step.Down)
			if aws.units["join"] != 300 {
				t.Errorf("join has %d", aws.units["join"])
			}
		})
	}
}

func TestConcurrencyInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		s := a.subject("show")
		aws.fails = "FUNCTION_ERROR_INIT_FAILURE"
		s.run(step.Up)
		time.Sleep(2 * time.Minute)
		if _, err := s.run(step.Up); err == nil || !strings.Contains(err.Error(), "join: 100 environments could not be provisioned: FUNCTION_ERROR_INIT_FAILURE") {
			t.Errorf("%v", err)
		}
		if !time.Now().Before(aws.ready["join"]) {
			t.Error("what failed has not been asked for again")
		}
		aws.fails = ""
		s.until(hotshow.Up, step.Up)

		aws.gone = true
		if _, err := a.subject("other").run(step.Up); err == nil || !strings.Contains(err.Error(), "no function join:live") {
			t.Errorf("functions that are gone: %v", err)
		}
		s.until(hotshow.Down, step.Down)
	})
}

// A function that needs no environments is left alone.
func TestConcurrencyOfNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		s := a.subject("show")
		s.show.Needs.Admit = 0
		s.until(hotshow.Up, step.Up)
		aws.expect("up", 100, 0)
		if _, held := a.shared["concurrency/admit"]; held {
			t.Errorf("held: %+v", a.shared)
		}
	})
}

// Fifty shows that are due at once, side by side in one environment, are up after a few runs.
func TestConcurrencyOfManyShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		aws := newProvisioner(a)
		aws.patient, aws.most = true, 10_000
		step := NewConcurrency(aws, a, quiet(), "join", "admit")
		const many = 50
		var up int
		for range 6 {
			up = 0
			a.runs++
			for i := range many { // the steps take turns, so the order of their calls is theirs
				s := a.subject("show-" + string(rune('A'+i)))
				progress, err := s.run(step.Up)
				if err != nil {
					t.Fatal(err)
				}
				if progress == hotshow.Up {
					up++
				}
			}
			time.Sleep(time.Minute)
		}
		aws.expect("all", 100*many, 20*many)
		if up != many {
			t.Errorf("%d shows are up", up)
		}
	})
}

// Whoever waits for their turn for too long goes on in the next run.
func TestConcurrencyOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		step := NewConcurrency(newProvisioner(a), a, quiet(), "join", "admit")
		var group sync.WaitGroup
		for _, e := range step.functions {
			e.turn <- struct{}{}
		}
		group.Go(func() {
			if progress, err := a.subject("show").run(step.Up); progress != hotshow.Begun || err != nil {
				t.Errorf("%s, %v", progress, err)
			}
		})
		group.Wait()
	})
}
