package steps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

// heldEnvironments precedes a function's name in the name of what shows hold of it.
const heldEnvironments = "concurrency/"

// Provisioner is what Concurrency needs of *lambda.Client.
type Provisioner interface {
	GetProvisionedConcurrencyConfig(context.Context, *lambda.GetProvisionedConcurrencyConfigInput, ...func(*lambda.Options)) (*lambda.GetProvisionedConcurrencyConfigOutput, error)
	PutProvisionedConcurrencyConfig(context.Context, *lambda.PutProvisionedConcurrencyConfigInput, ...func(*lambda.Options)) (*lambda.PutProvisionedConcurrencyConfigOutput, error)
	DeleteProvisionedConcurrencyConfig(context.Context, *lambda.DeleteProvisionedConcurrencyConfigInput, ...func(*lambda.Options)) (*lambda.DeleteProvisionedConcurrencyConfigOutput, error)
}

// Concurrency provisions environments of join and admit. Shows share them: what is asked for is the sum
// of what all need, or what was there before the first of them if that is more.
//
// An old, lower number never wins over a newer one. Numbers are set one after another: whoever sets one
// has the holding's lease, works the number out after getting it from the shows that hold by then, and
// gives it back after the answer. A run that dies keeps the lease until its own is over, long after its
// last call can have arrived, and whoever gets it then sets the number anew. A show is up only if, with
// nobody having the lease, what is there is what was set last and covers all.
type Concurrency struct {
	lambda    Provisioner
	holdings  Holdings
	log       *slog.Logger
	functions []environments
}

// environments is one function's.
type environments struct {
	function string
	need     func(hotshow.Needs) int
	turn     chan struct{} // holds one while a show of this process sets the number
}

// NewConcurrency works on the alias names.LiveAlias of the functions join and admit, of these names.
func NewConcurrency(client Provisioner, holdings Holdings, log *slog.Logger, join, admit string) *Concurrency {
	return &Concurrency{client, holdings, log, []environments{
		{join, func(n hotshow.Needs) int { return n.Join }, make(chan struct{}, 1)},
		{admit, func(n hotshow.Needs) int { return n.Admit }, make(chan struct{}, 1)},
	}}
}

// Up returns Up when both functions have the environments that all shows need.
func (s *Concurrency) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	return s.both(func(e environments) (hotshow.Progress, error) { return s.up(ctx, t, e) }, hotshow.Up)
}

// Down returns Down when neither function has environments on the show's account any more.
func (s *Concurrency) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	return s.both(func(e environments) (hotshow.Progress, error) { return s.down(ctx, t, e) }, hotshow.Down)
}

// both works on one function also if the other has trouble.
func (s *Concurrency) both(work func(environments) (hotshow.Progress, error), done hotshow.Progress) (hotshow.Progress, error) {
	var errs []error
	progress := done
	for _, e := range s.functions {
		each, err := work(e)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.function, err))
		}
		if each != done {
			progress = hotshow.Begun
		}
	}
	return progress, errors.Join(errs...)
}

// provisioned is what Lambda says of an alias.
type provisioned struct {
	units  int // asked for, and there if ready
	status types.ProvisionedConcurrencyStatusEnum
	reason string
}

func (s *Concurrency) look(ctx context.Context, function string) (provisioned, error) {
	found, err := s.lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(function), Qualifier: aws.String(names.LiveAlias)})
	var nothing *types.ProvisionedConcurrencyConfigNotFoundException
	switch {
	case errors.As(err, &nothing):
		return provisioned{status: types.ProvisionedConcurrencyStatusEnumReady}, nil
	case err != nil:
		return provisioned{}, fmt.Errorf("look at provisioned concurrency: %w", err)
	}
	return provisioned{int(aws.ToInt32(found.RequestedProvisionedConcurrentExecutions)), found.Status, aws.ToString(found.StatusReason)}, nil
}

func (s *Concurrency) up(ctx context.Context, t *prepare.Task, e environments) (hotshow.Progress, error) {
	need := e.need(t.Show.Needs)
	if need == 0 {
		return hotshow.Up, nil
	}
	h, err := s.holdings.Holding(ctx, heldEnvironments+e.function)
	if err != nil {
		return "", err
	}
	there, err := s.look(ctx, e.function)
	if err != nil {
		return "", err
	}
	switch {
	case h.Lease.Run != "" || h.Set == underWay || h.Units[t.Show.ID] != need:
	case there.units >= wanted(h) && there.status == types.ProvisionedConcurrencyStatusEnumReady:
		return hotshow.Up, nil // also if somebody has set more by hand
	case there.units == h.Set && h.Set == wanted(h) && there.status == types.ProvisionedConcurrencyStatusEnumInProgress:
		return hotshow.Begun, nil
	}
	progress, err := s.set(ctx, t, e, need)
	if there.status == types.ProvisionedConcurrencyStatusEnumFailed && err == nil {
		// It has just been asked for again.
		return "", fmt.Errorf("%d environments could not be provisioned: %s", there.units, there.reason)
	}
	return progress, err
}

func (s *Concurrency) down(ctx context.Context, t *prepare.Task, e environments) (hotshow.Progress, error) {
	h, err := s.holdings.Holding(ctx, heldEnvironments+e.function)
	if err != nil {
		return "", err
	}
	if _, held := h.Units[t.Show.ID]; !held && h.Set != underWay && h.Set <= wanted(h) {
		return hotshow.Down, nil
	}
	return s.set(ctx, t, e, 0)
}

// wanted is what has to be there for all that hold.
func wanted(h schedule.Holding) int { return max(h.Base, total(h)) }

// errBusy means that another run sets the number at the moment: the next attempt sees the outcome.
var errBusy = errors.New("another run sets it")

// underWay is what is set from just before a call until its outcome is stored.
const underWay = -1

// set has the show hold some units, or none, and sets the number for all. A crash leaves the lease, which
// runs out, and a number that is marked as under way, which whoever comes next sets anew.
func (s *Concurrency) set(ctx context.Context, t *prepare.Task, e environments, need int) (hotshow.Progress, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return hotshow.Begun, nil
	}
	resource := heldEnvironments + e.function
	before, err := s.holdings.UpdateHolding(ctx, resource, func(h *schedule.Holding) error {
		// It may be this run's own: then another show's call went before, which may arrive yet.
		if h.Lease.Run != "" && t.Now.Before(h.Lease.Until) {
			return errBusy
		}
		h.Lease = hotshow.Lease{Run: t.Run, Until: t.Show.Lease.Until}
		return nil
	})
	if errors.Is(err, errBusy) {
		return hotshow.Begun, nil
	} else if err != nil {
		return "", err
	}
	there, err := s.look(ctx, e.function)
	var gone *types.ResourceNotFoundException
	if err != nil && (need > 0 || !errors.As(err, &gone)) {
		return "", errors.Join(err, s.giveBack(ctx, t, resource, keep))
	}
	idle := len(before.Units) == 0 && before.Set == before.Base
	if before.Set != underWay && there.units != before.Set {
		if t.Now.Sub(before.Changed) < seen { // what was there before is nobody's doing
			return hotshow.Begun, s.giveBack(ctx, t, resource, keep)
		}
		if !idle {
			return s.byHand(ctx, t, e, there, need)
		}
	}

	earlier := before.Set
	if idle {
		earlier = there.units
	}
	var call bool
	h, err := s.change(ctx, t, resource, func(h *schedule.Holding) {
		// Held before the call, with what was there before the first show.
		if idle {
			h.Base, h.Set = there.units, earlier
		}
		claim(h, t.Show.ID, need)
		enough := there.units == wanted(*h) && h.Set != underWay && there.status != types.ProvisionedConcurrencyStatusEnumFailed
		// Whoever lets go raises nothing: what others lack is for their own attempts.
		if call = !enough && (need > 0 || there.units > wanted(*h) || h.Set == underWay); call {
			h.Set = underWay
		}
	})
	switch {
	case err != nil:
		return "", err
	case call:
		return s.put(ctx, t, e, wanted(h), need, earlier)
	}
	progress := hotshow.Begun
	if need == 0 {
		progress = hotshow.Down
	} else if there.status == types.ProvisionedConcurrencyStatusEnumReady {
		progress = hotshow.Up
	}
	return progress, s.giveBack(ctx, t, resource, forgetIfNobody)
}

func claim(h *schedule.Holding, show string, need int) {
	if delete(h.Units, show); need > 0 {
		h.Units[show] = need
	}
}

// put sets the number, which is the same when it is repeated, and gives the lease back. earlier is what
// was set before.
func (s *Concurrency) put(ctx context.Context, t *prepare.Task, e environments, number, need, earlier int) (hotshow.Progress, error) {
	resource := heldEnvironments + e.function
	err := s.call(ctx, e.function, number)
	var refused *types.InvalidParameterValueException
	var conflict *types.ResourceConflictException
	switch {
	case errors.As(err, &conflict):
		// An earlier number is still being reached. The hold stays, so that the next call is for all.
		return hotshow.Begun, s.giveBack(ctx, t, resource, func(h *schedule.Holding) { h.Set = earlier })
	case errors.As(err, &refused):
		// What does not fit is held no longer: it would keep others from what does.
		return "", errors.Join(fmt.Errorf("provision %d environments%s: %w", number, quotaAdvice(refused, number), err),
			s.giveBack(ctx, t, resource, func(h *schedule.Holding) {
				h.Set = earlier
				claim(h, t.Show.ID, 0)
			}))
	case err != nil:
		// It may have happened, or may do so yet: the lease is left to run out before anybody sets another.
		return "", fmt.Errorf("provision %d environments: %w", number, err)
	}
	err = s.giveBack(ctx, t, resource, func(h *schedule.Holding) {
		h.Set, h.Changed = number, t.Now
		forgetIfNobody(h)
	})
	if need == 0 && err == nil {
		return hotshow.Down, nil
	}
	return hotshow.Begun, err // the next attempt sees whether they are there
}

// forgetIfNobody ends what the room has to say of the number once all shows have let go: what is there by
// the time at which the next one comes is what was there before it.
func forgetIfNobody(h *schedule.Holding) {
	if len(h.Units) == 0 {
		h.Base = h.Set
	}
}

func keep(*schedule.Holding) {}

// call sets the number of an alias's environments, or removes the configuration where it is none.
func (s *Concurrency) call(ctx context.Context, function string, number int) error {
	if number > 0 {
		_, err := s.lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{
			FunctionName: aws.String(function), Qualifier: aws.String(names.LiveAlias), ProvisionedConcurrentExecutions: aws.Int32(int32(number))})
		return err
	}
	_, err := s.lambda.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(function), Qualifier: aws.String(names.LiveAlias)})
	var nothing *types.ProvisionedConcurrencyConfigNotFoundException
	var gone *types.ResourceNotFoundException
	if errors.As(err, &nothing) || errors.As(err, &gone) {
		return nil // removed by a call whose answer was lost, or with the function
	}
	return err
}

// quotaAdvice says what to ask AWS for. It stands before the service's own words, which are long.
func quotaAdvice(refused *types.InvalidParameterValueException, number int) string {
	if !strings.Contains(refused.ErrorMessage(), "UnreservedConcurrentExecution") {
		return ""
	}
	return fmt.Sprintf(" (the account's functions share their concurrency, by default %s: have Service Quotas raise \"Concurrent executions\", %s, by %d)",
		plan.Grouped(int64(plan.LimitConcurrency.Default)), plan.LimitConcurrency.Code, number)
}

// byHand lets a number that somebody else has set be theirs. It is enough for a show or it is not; either
// way the show is counted, so that a number of the room's covers it later.
func (s *Concurrency) byHand(ctx context.Context, t *prepare.Task, e environments, there provisioned, need int) (hotshow.Progress, error) {
	var set int
	h, err := s.change(ctx, t, heldEnvironments+e.function, func(h *schedule.Holding) {
		set = h.Set
		claim(h, t.Show.ID, need)
		forgetIfNobody(h)
		h.Lease = hotshow.Lease{}
	})
	switch {
	case err != nil:
		return "", err
	case need == 0:
		s.log.WarnContext(ctx, "provisioned concurrency left as it is, since somebody has set it by hand",
			"function", e.function, "alias", names.LiveAlias, "environments", there.units, "set", set, "show", t.Show.ID)
		return hotshow.Down, nil
	case there.units < wanted(h):
		return "", fmt.Errorf("somebody has set %d environments of alias %s by hand where the room had set %d: set at least %d, or %d to have the room go on",
			there.units, names.LiveAlias, set, wanted(h), set)
	}
	return hotshow.Begun, nil
}

// change changes the holding as long as its lease is this run's.
func (s *Concurrency) change(ctx context.Context, t *prepare.Task, resource string, change func(*schedule.Holding)) (schedule.Holding, error) {
	return s.holdings.UpdateHolding(ctx, resource, func(h *schedule.Holding) error {
		if h.Lease.Run != t.Run {
			return fmt.Errorf("%w: its lease has passed to %s", errBusy, h.Lease.Run)
		}
		change(h)
		return nil
	})
}

func (s *Concurrency) giveBack(ctx context.Context, t *prepare.Task, resource string, with func(*schedule.Holding)) error {
	_, err := s.change(ctx, t, resource, func(h *schedule.Holding) {
		with(h)
		h.Lease = hotshow.Lease{}
	})
	return err
}
