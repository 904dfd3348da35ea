package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// fault is what becomes of one call.
type fault string

const (
	refused        fault = "refused"
	lost           fault = "lost"
	unacknowledged fault = "stored but unacknowledged"
)

var faults = []fault{refused, lost, unacknowledged}

// account counts the calls of a step to everything that is not the step, and has one of them go wrong.
// Its time is a bubble's.
type account struct {
	t      *testing.T
	calls  int
	at     int // number of the call that goes wrong, from 1
	fault  fault
	runs   int
	shared map[string]schedule.Holding
}

func (a *account) call(effect func() error) error {
	a.calls++
	if a.calls != a.at {
		return effect()
	}
	if a.fault == unacknowledged {
		if err := effect(); err != nil {
			return err
		}
	}
	if a.fault == refused {
		return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "the call was refused"}
	}
	return fmt.Errorf("the call was %s", a.fault)
}

func (a *account) Holding(_ context.Context, resource string) (schedule.Holding, error) {
	var h schedule.Holding
	err := a.call(func() error { h = a.copyOf(resource); return nil })
	return h, err
}

func (a *account) UpdateHolding(_ context.Context, resource string, change func(*schedule.Holding) error) (schedule.Holding, error) {
	h := a.copyOf(resource)
	err := a.call(func() error {
		if err := change(&h); err != nil {
			return err
		}
		a.shared[resource] = h
		return nil
	})
	if err != nil {
		return schedule.Holding{}, err
	}
	return a.copyOf(resource), nil
}

func (a *account) copyOf(resource string) schedule.Holding {
	h := a.shared[resource]
	h.Units = maps.Clone(h.Units)
	if h.Units == nil {
		h.Units = map[string]int{}
	}
	return h
}

// subject is a show with what one step remembers of it.
type subject struct {
	*account
	show hotshow.Show
	held map[string]string
}

func (a *account) subject(id string) *subject {
	on := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	return &subject{a, hotshow.Show{ID: id, State: hotshow.Preparing, Request: hotshow.Request{
		Event: "tour", Names: map[string]string{"en": "Winter tour"}, OnSale: on, PreQueue: on.Add(-30 * time.Minute), Closes: on.Add(24 * time.Hour),
		Visitors: 300_000, Over: hotshow.Duration(time.Minute), Rate: 5_000, Target: "https://shop.example/checkout",
		ReadyBefore: hotshow.Duration(time.Hour), KeepAfter: hotshow.Duration(4 * time.Hour),
	}, Needs: hotshow.Needs{Shards: 64, WarmWrites: 20_000, WarmReads: 15_000, Join: 100, Admit: 20}}, map[string]string{}}
}

// run is one attempt, by a run of its own.
func (s *subject) run(do func(context.Context, *prepare.Task) (hotshow.Progress, error)) (hotshow.Progress, error) {
	s.runs++
	t := &prepare.Task{Show: s.show, Run: fmt.Sprint("run ", s.runs), Now: time.Now(), Held: maps.Clone(s.held)}
	t.Show.Lease = hotshow.Lease{Run: t.Run, Until: t.Now.Add(100 * time.Second)}
	var dead error
	t.Hold = func(_ context.Context, key, value string) error {
		if dead != nil {
			s.t.Error("something is held after holding has failed")
		}
		dead = s.call(func() error { s.held[key] = value; t.Held[key] = value; return nil })
		return dead
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	progress, err := do(ctx, t)
	if dead != nil && !errors.Is(err, dead) {
		s.t.Errorf("holding has failed, and the step says %q, %v", progress, err)
	}
	return progress, err
}

// until repeats attempts, a minute apart, and returns what went wrong on the way.
func (s *subject) until(wanted hotshow.Progress, do func(context.Context, *prepare.Task) (hotshow.Progress, error)) string {
	var troubles []string
	for range 25 {
		progress, err := s.run(do)
		if err != nil {
			troubles = append(troubles, err.Error())
		} else if progress == wanted {
			return strings.Join(troubles, "\n")
		}
		time.Sleep(time.Minute)
	}
	s.t.Errorf("not %s after 25 attempts; %s", wanted, strings.Join(troubles, "\n"))
	return strings.Join(troubles, "\n")
}

// everyFault plays a scene without a fault, and then with each fault at each of its calls. The scene
// checks what comes of it.
func everyFault(t *testing.T, scene func(t *testing.T, a *account)) {
	calls := 0
	play := func(name string, at int, f fault) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{t: t, at: at, fault: f, shared: map[string]schedule.Holding{}}
				scene(t, a)
				calls = max(calls, a.calls)
				if a.calls < at {
					t.Errorf("there are only %d calls", a.calls)
				}
			})
		})
	}
	play("no fault", 0, "")
	without := calls
	for at := 1; at <= without; at++ {
		for _, f := range faults {
			play(fmt.Sprintf("call %d is %s", at, f), at, f)
		}
	}
}
