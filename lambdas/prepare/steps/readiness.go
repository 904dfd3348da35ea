package steps

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/time/rate"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/gate"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
)

const (
	// probes is how many events there are for probing. Each is one of the table's for good and has its
	// own metrics, so shows take turns; and tick can watch so many without reading sales more rarely.
	probes = 10
	// probeRate lets a visitor in at once, and is below what alarms on rates look at.
	probeRate = "60"
	// ahead is how long after its parameters are set a probe goes on sale. tick looks at new parameters
	// once a minute, and takes an on-sale for one to come that was so when they were announced.
	ahead = 90 * time.Second
	// writable is how long before it an on-sale is still set: later it might be past when it is read.
	writable = 30 * time.Second
	// patience is how long after the on-sale a status that does not say so is nothing to tell of.
	patience = time.Minute
	// attemptFor is how long after the on-sale a visitor is tried, before another probe begins.
	attemptFor = 4 * time.Minute
	// closesAfter ends a probe that nobody closed. The lease outlives that, so that who takes the event
	// over finds it closed.
	closesAfter = 10 * time.Minute
	probeLease  = 20 * time.Minute
	// neverBegan is how long after the promise to close it an event without a run of the probe counts as
	// one that has none: tick looks every minute, its starts are up to two minutes apart.
	neverBegan = 3 * time.Minute
	// soon is how long before the on-sale a run waits for it rather than leave it to the next.
	soon = 8 * time.Second
	// again is how long after a call that was not answered as it should be the next one is made.
	again = 2 * time.Second
	// runFor is how long one call of the step goes on; the last answer may come answerWithin later.
	runFor = 14 * time.Second
)

// Stages of a probe, in their order. Each is held before what it is about is done.
const (
	stageNone    = ""        // nothing is set: what an earlier probe left is cleared away
	stageWriting = "writing" // some of the parameters may be set
	stageOpen    = "open"    // all of them are; a visitor is sent
	stageClosing = "closing" // it is being closed, and its parameters removed
	stageGone    = "gone"    // nothing is left of it
)

// What is held of a probe. Never a secret, a ticket or a pass.
const (
	heldProbe   = "probe"   // its event
	heldStage   = "stage"   // see above
	heldOnSale  = "onsale"  // RFC 3339: tells its run from others of the event
	heldClosing = "closing" // when its closing began, RFC 3339
	heldPassed  = "passed"  // "yes" once a visitor got a good pass
)

// The parameters of a probe. `state` is removed last: without it, a changed on-sale counts.
const (
	paramTarget = "target"
	paramRate   = "rate"
	paramCloses = "closes"
	paramOnSale = "onsale"
	paramState  = "state"
)

// ProbeParameters is what is needed of *ssm.Client.
type ProbeParameters interface {
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameters(context.Context, *ssm.DeleteParametersInput, ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error)
}

// ProbeHoldings is what is needed of *schedule.Schedule.
type ProbeHoldings interface {
	UpdateHolding(ctx context.Context, resource string, change func(*schedule.Holding) error) (schedule.Holding, error)
}

// Readiness sends a visitor through the room as it stands: an event of its own is put on sale with the
// show's target, and somebody joins it, is admitted and gets a pass that the shop's gate would take.
// The event is closed and its parameters are removed before the step is up.
type Readiness struct {
	parameters ProbeParameters
	pace       *rate.Limiter
	path       string
	holdings   ProbeHoldings
	room       *Room
	now        func() time.Time
	log        *slog.Logger
}

// NewReadiness returns the step. pace limits calls of Parameter Store, together with whoever else has it;
// path is where promoters set events, with both slashes.
func NewReadiness(parameters ProbeParameters, pace *rate.Limiter, path string, holdings ProbeHoldings, room *Room,
	now func() time.Time, log *slog.Logger) *Readiness {
	return &Readiness{parameters, pace, path, holdings, room, now, log}
}

// Up is done when a visitor has got a pass and the probe is gone. While all events for probing are other
// shows', it waits.
func (r *Readiness) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	p := r.probe(t)
	if p.held(heldStage) == stageGone && p.passed() {
		return p.leave(ctx, hotshow.Up)
	}
	leased, err := p.lease(ctx)
	if err != nil || !leased {
		return hotshow.Begun, err
	}
	for {
		var on bool
		switch p.held(heldStage) {
		case stageNone:
			on, err = p.begin(ctx)
		case stageWriting:
			on, err = p.write(ctx)
		case stageOpen:
			on, err = p.visit(ctx)
		case stageClosing:
			on, err = p.close(ctx)
		case stageGone:
			if p.passed() {
				return p.leave(ctx, hotshow.Up)
			}
			on, err = true, p.hold(ctx, heldStage, stageNone)
		default:
			return "", fmt.Errorf("the probe is at an unknown stage, %.40q", p.held(heldStage))
		}
		if err != nil || !on {
			return hotshow.Begun, unlessBusy(err)
		}
	}
}

// Down closes the probe and removes its parameters, if there is one.
func (r *Readiness) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	p := r.probe(t)
	stage := p.held(heldStage)
	if stage == stageNone || stage == stageGone {
		return p.leave(ctx, hotshow.Down)
	}
	// One whose lease ran out has closed by itself, and whoever has the event now clears up.
	switch mine, err := p.renew(ctx); {
	case err != nil:
		return hotshow.Begun, err
	case !mine:
		return hotshow.Down, nil
	}
	if stage != stageClosing {
		if err := p.closing(ctx); err != nil {
			return hotshow.Begun, err
		}
	}
	if gone, err := p.close(ctx); err != nil || !gone {
		return hotshow.Begun, unlessBusy(err)
	}
	return p.leave(ctx, hotshow.Down)
}

// errBusy means that Parameter Store has no room for another call in this run: the next one goes on.
var errBusy = errors.New("too many calls of Parameter Store wait")

func unlessBusy(err error) error {
	if errors.Is(err, errBusy) {
		return nil
	}
	return err
}

// probe is one call's work on a show's probe.
type probe struct {
	*Readiness
	task *prepare.Task
	end  time.Time // nothing is waited for beyond it
}

func (r *Readiness) probe(t *prepare.Task) *probe { return &probe{r, t, r.now().Add(runFor)} }

func (p *probe) held(key string) string { return p.task.Held[key] }

func (p *probe) hold(ctx context.Context, key, value string) error {
	if p.held(key) == value {
		return nil
	}
	return p.task.Hold(ctx, key, value)
}

// goOn goes on to a stage, before which a value is held that it needs.
func (p *probe) goOn(ctx context.Context, stage, key, value string) error {
	if err := p.hold(ctx, key, value); err != nil {
		return err
	}
	return p.hold(ctx, heldStage, stage)
}

func (p *probe) passed() bool { return p.held(heldPassed) == "yes" }

func (p *probe) event() string { return p.held(heldProbe) }

// heldTime is a time that is held, to the second; zero if there is none.
func (p *probe) heldTime(key string) time.Time {
	t, err := time.Parse(time.RFC3339, p.held(key))
	if err != nil {
		return time.Time{}
	}
	return t
}

// pause waits, or says that this call has no time left for that.
func (p *probe) pause(ctx context.Context, d time.Duration) bool {
	if p.now().Add(d).After(p.end) {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errInUse means that another show has the event.
var errInUse = errors.New("the event is another show's")

// renew makes the probe's event the show's for some time more, and says whether it could.
func (p *probe) renew(ctx context.Context) (mine bool, err error) { return p.take(ctx, p.event()) }

func (p *probe) take(ctx context.Context, event string) (mine bool, err error) {
	now := p.now()
	_, err = p.holdings.UpdateHolding(ctx, event, func(h *schedule.Holding) error {
		if h.Lease.Run != p.task.Show.ID && h.Lease.Until.After(now) {
			return errInUse
		}
		// The lease is the show's, through all the runs that work on it.
		h.Lease = hotshow.Lease{Run: p.task.Show.ID, Until: now.Add(probeLease)}
		return nil
	})
	if errors.Is(err, errInUse) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take the event %s for the probe: %w", event, err)
	}
	return true, nil
}

// lease sees to it that the probe has an event. One that was lost to another show is given up: it has
// closed by itself.
func (p *probe) lease(ctx context.Context) (bool, error) {
	if p.event() != "" {
		if mine, err := p.renew(ctx); mine || err != nil {
			return mine, err
		}
		if p.passed() {
			return true, p.hold(ctx, heldStage, stageGone)
		}
		if err := p.hold(ctx, heldStage, stageNone); err != nil {
			return false, err
		}
	}
	first := fnv.New32a()
	io.WriteString(first, p.task.Show.ID)
	for i := range uint32(probes) {
		event := hotshow.ProbePrefix + strconv.Itoa(int((first.Sum32()%probes+i)%probes))
		mine, err := p.take(ctx, event)
		if err != nil {
			return false, err
		}
		if mine {
			return true, p.hold(ctx, heldProbe, event)
		}
	}
	p.log.InfoContext(ctx, "probe waits, other shows have all the events for probing", "show", p.task.Show.ID)
	return false, nil
}

// leave gives the event back. A lease that is not given back runs out.
func (p *probe) leave(ctx context.Context, progress hotshow.Progress) (hotshow.Progress, error) {
	if p.event() == "" {
		return progress, nil
	}
	_, err := p.holdings.UpdateHolding(ctx, p.event(), func(h *schedule.Holding) error {
		if h.Lease.Run != p.task.Show.ID {
			return errInUse
		}
		h.Lease = hotshow.Lease{}
		return nil
	})
	if err != nil && !errors.Is(err, errInUse) {
		return hotshow.Begun, fmt.Errorf("give the event %s back: %w", p.event(), err)
	}
	return progress, nil
}

// begin clears away what an earlier probe may have left, and decides when this one goes on sale.
func (p *probe) begin(ctx context.Context) (bool, error) {
	status, found, err := p.room.status(ctx, p.event())
	if err != nil {
		return false, err
	}
	if found && !over(status) {
		if err := p.hold(ctx, heldOnSale, status.OnSale); err != nil {
			return false, err
		}
		return true, p.closing(ctx)
	}
	if err := p.remove(ctx); err != nil {
		return false, err
	}
	onSale := p.now().Add(ahead).UTC().Truncate(time.Second).Format(time.RFC3339)
	return true, p.goOn(ctx, stageWriting, heldOnSale, onSale)
}

// closing begins to close the probe.
func (p *probe) closing(ctx context.Context) error {
	return p.goOn(ctx, stageClosing, heldClosing, p.now().UTC().Format(time.RFC3339))
}

// write sets the parameters, the on-sale last: with it the run begins. Setting them again is harmless.
func (p *probe) write(ctx context.Context) (bool, error) {
	onSale := p.heldTime(heldOnSale)
	if p.now().After(onSale.Add(-writable)) {
		return true, p.closing(ctx)
	}
	for _, parameter := range []struct{ name, value string }{
		{paramTarget, p.task.Show.Request.Target},
		{paramRate, probeRate},
		{paramCloses, onSale.Add(closesAfter).Format(time.RFC3339)},
		{paramOnSale, p.held(heldOnSale)},
	} {
		if err := p.put(ctx, parameter.name, parameter.value); err != nil {
			return false, err
		}
	}
	return true, p.hold(ctx, heldStage, stageOpen)
}

func (p *probe) put(ctx context.Context, name, value string) error {
	name = p.path + p.event() + "/" + name
	if p.pace.Wait(ctx) != nil {
		return errBusy
	}
	_, err := p.parameters.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// remove deletes the probe's parameters. Those that are not there are no error.
func (p *probe) remove(ctx context.Context) error {
	for _, list := range [][]string{{paramTarget, paramRate, paramCloses, paramOnSale}, {paramState}} {
		var whole []string
		for _, name := range list {
			whole = append(whole, p.path+p.event()+"/"+name)
		}
		if p.pace.Wait(ctx) != nil {
			return errBusy
		}
		if _, err := p.parameters.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: whole}); err != nil {
			return fmt.Errorf("remove the parameters of %s: %w", p.event(), err)
		}
	}
	return nil
}

// visit waits for the opening and sends a visitor. The probe of one who did not get through in time is
// closed, and another begins.
func (p *probe) visit(ctx context.Context) (bool, error) {
	onSale := p.heldTime(heldOnSale)
	if p.now().Before(onSale.Add(-soon)) {
		return false, nil
	}
	trouble := p.tryVisit(ctx)
	switch {
	case trouble == nil:
		if err := p.hold(ctx, heldPassed, "yes"); err != nil {
			return false, err
		}
		return true, p.closing(ctx)
	case ctx.Err() != nil:
		return false, trouble
	case errors.Is(trouble, errEnded) || p.now().After(onSale.Add(attemptFor)):
		if err := p.closing(ctx); err != nil {
			return false, err
		}
		return false, fmt.Errorf("no visitor got through, another probe begins: %w", trouble)
	case errors.Is(trouble, errNotOpen) && p.now().Before(onSale.Add(patience)):
		return false, nil
	}
	return false, trouble
}

var (
	// errNotOpen means that the room does not say that the probe is on sale.
	errNotOpen = errors.New("the probe is not open")
	// errEnded means that the probe is closed, and stays so.
	errEnded = errors.New("the probe is closed")
)

// tryVisit returns nil when a visitor has got a good pass.
func (p *probe) tryVisit(ctx context.Context) error {
	for {
		err := p.opened(ctx)
		if err == nil {
			return p.enter(ctx)
		}
		if errors.Is(err, errEnded) || !p.pause(ctx, again) {
			return err
		}
	}
}

// opened returns nil if the status says that the probe is open.
func (p *probe) opened(ctx context.Context) error {
	status, found, err := p.room.status(ctx, p.event())
	address := p.room.address + statusPath(p.event())
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w: %s is not there, see whether tick runs", errNotOpen, address)
	case !p.is(status):
		return fmt.Errorf("%w: %s is of an earlier sale, see whether tick runs", errNotOpen, address)
	case status.Phase == room.Closed:
		return fmt.Errorf("%w before a visitor got through", errEnded)
	case status.Phase != room.Open:
		return fmt.Errorf("%w: %s says %.40q, see whether tick runs", errNotOpen, address, status.Phase)
	}
	return nil
}

// is says whether a status is of this probe and not of an earlier one of the event.
func (p *probe) is(status room.Status) bool {
	onSale, err := time.Parse(time.RFC3339, status.OnSale)
	return err == nil && onSale.Equal(p.heldTime(heldOnSale))
}

// enter joins with a new secret, waits for the turn, and checks the pass.
func (p *probe) enter(ctx context.Context) error {
	secret := make([]byte, 16)
	rand.Read(secret) // it never fails
	var joined struct{ Ticket string }
	body := fmt.Sprintf(`{"secret":%q}`, base64.RawURLEncoding.EncodeToString(secret))
	if err := p.insist(ctx, names.PathJoin, body, &joined); err != nil {
		return err
	}
	ticket, err := json.Marshal(map[string]string{"ticket": joined.Ticket})
	if err != nil {
		return err
	}
	var admitted struct{ Pass, Redirect string }
	if err := p.insist(ctx, names.PathAdmit, string(ticket), &admitted); err != nil {
		return err
	}
	return p.check(ctx, admitted.Pass, admitted.Redirect)
}

// insist sends a request until it is answered with 200 or 201, as the page does. The error is of the
// last answer.
func (p *probe) insist(ctx context.Context, path, body string, answer any) error {
	path = names.PathOf(path, p.event())
	for {
		wait := again
		a, err := p.room.ask(ctx, http.MethodPost, path, body, nil)
		switch {
		case err != nil:
		case a.status == http.StatusOK || a.status == http.StatusCreated:
			if json.Unmarshal(a.body, answer) != nil { // whose error could quote it
				return fmt.Errorf("POST %s%s: the answer is not what it should be", p.room.address, path)
			}
			return nil
		default:
			err, wait = p.room.unexpected(http.MethodPost, path, a), a.retryAfter(again)
		}
		if !p.pause(ctx, wait) {
			return err
		}
	}
}

// check judges the pass as the middleware of shops does, by the keys that the room publishes. The
// address that a visitor would go on to is looked at and not asked for.
func (p *probe) check(ctx context.Context, token, redirect string) error {
	target := p.task.Show.Request.Target
	door, err := gate.New(gate.Options{
		Room: p.room.address, Audience: target, Event: p.event(), HTTPClient: p.room.client, Now: p.now, Logger: p.log,
	})
	if err != nil {
		return fmt.Errorf("check the pass: %w", err)
	}
	if _, err := door.Check(ctx, token); err != nil {
		return fmt.Errorf("the shop would not take the pass: %w", err)
	}
	wanted, err := pass.Origin(target)
	if err != nil {
		return fmt.Errorf("check where the pass leads: %w", err)
	}
	to, err := url.Parse(redirect)
	if err != nil || to.Query().Get(names.PassParameter) != token {
		return errors.New("the address that the visitor is sent to does not carry the pass")
	}
	to.RawQuery, to.Fragment = "", ""
	if origin, err := pass.Origin(to.String()); err != nil || origin != wanted {
		return fmt.Errorf("the visitor is sent to %.80q and not to %q", to.Host, wanted)
	}
	return nil
}

// close closes the probe and removes its parameters, and says whether nothing is left of it. They go
// only when its run is over, or when it certainly has none: who removes them from a sale that goes on
// sets off an alarm.
func (p *probe) close(ctx context.Context) (gone bool, err error) {
	if p.held(heldClosing) == "" {
		if err := p.closing(ctx); err != nil {
			return false, err
		}
	}
	since := p.heldTime(heldClosing)
	for told := false; ; {
		status, found, err := p.room.status(ctx, p.event())
		if err != nil {
			return false, err
		}
		ended := found && over(status)
		if ended && p.is(status) || (ended || !found) && p.now().Sub(since) >= neverBegan {
			break
		}
		if !told {
			if err := p.put(ctx, paramState, string(room.ForceClosed)); err != nil {
				return false, err
			}
			told = true
		}
		if !p.pause(ctx, again) {
			if p.now().Sub(since) > neverBegan+patience {
				return false, fmt.Errorf("the probe %s does not close: its status says %.40q, see whether tick runs", p.event(), status.Phase)
			}
			return false, nil
		}
	}
	if err := p.remove(ctx); err != nil {
		return false, err
	}
	return true, p.goOn(ctx, stageGone, heldClosing, "")
}
