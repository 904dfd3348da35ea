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
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	smithytime "github.com/aws/smithy-go/time"
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
	// probeAhead is how long after its parameters are set a probe goes on sale. tick looks at new parameters
	// once a minute, and takes an on-sale for one to come that was so when they were announced.
	probeAhead = 90 * time.Second
	// probeWritable is how long before it an on-sale is still set: later it might be past when it is read.
	probeWritable = 30 * time.Second
	// probePatience is how long after the on-sale a status that does not say so is nothing to tell of.
	probePatience = time.Minute
	// attemptFor is how long after the on-sale a visitor is tried, before another probe begins.
	attemptFor = 4 * time.Minute
	// closesAfter ends a probe that nobody closed. The lease outlives that, so that who takes the event
	// over finds it closed.
	closesAfter = 10 * time.Minute
	probeLease  = 20 * time.Minute
	// neverBegan is how long after the promise to close it an event without a run of the probe counts as
	// one that has none: tick looks every minute, its starts are up to two minutes apart.
	neverBegan = 3 * time.Minute
	// probeSoon is how long before the on-sale a run waits for it rather than leave it to the next.
	probeSoon = 8 * time.Second
	// probeAgain is how long after a call that was not answered as it should be the next one is made.
	probeAgain = 2 * time.Second
	// probeCalls is how often Parameter Store is called in a second: all probes together begin within a
	// minute, and Parameters leaves as much of the quota.
	probeCalls = 4
	// probeRunFor is how long one call of the step goes on; the last answer may come answerWithin later.
	probeRunFor = 14 * time.Second
)

// Stages of a probe, in their order. Each is held before what it is about is done.
const (
	stageNone    = ""        // nothing is set: what an earlier probe left is cleared away
	stageWriting = "writing" // some parameters are set, which put nothing on sale
	stageOpening = "opening" // the on-sale is decided, and may be set
	stageOpen    = "open"    // everything is; a visitor is sent
	stageClosing = "closing" // it is being closed, and its parameters removed
	stageGone    = "gone"    // nothing is left of it
)

// What is held of a probe. Never a secret, a ticket or a pass.
const (
	heldProbe        = "probe"   // its event
	heldProbeStage   = "stage"   // see above
	heldProbeOnSale  = "onsale"  // RFC 3339: tells its run from others of the event
	heldProbeClosing = "closing" // when its closing began, RFC 3339
	heldProbePassed  = "passed"  // "yes" once a visitor got a good pass
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

// Readiness sends a visitor through the room as it stands: an event of its own is put on sale with the
// show's target, and somebody joins it, is admitted and gets a pass that the shop's gate would take.
// The event is closed and its parameters are removed before the step is up.
type Readiness struct {
	parameters ProbeParameters
	pace       *rate.Limiter
	path       string
	holdings   Holdings
	room       *Room
	now        func() time.Time
	log        *slog.Logger
}

// NewReadiness returns the step, whose shows share a pace. path is where promoters set events, with a slash
// at both ends.
func NewReadiness(parameters ProbeParameters, path string, holdings Holdings, room *Room, now func() time.Time, log *slog.Logger) *Readiness {
	return &Readiness{parameters, rate.NewLimiter(probeCalls, 1), path, holdings, room, now, log}
}

// Up is done when a visitor has got a pass and the probe is gone. While all events for probing are other
// shows', it waits.
func (r *Readiness) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	p := r.probe(t)
	if p.held(heldProbeStage) == stageGone && p.passed() {
		return p.leave(ctx, hotshow.Up)
	}
	leased, err := p.lease(ctx)
	if err != nil || !leased {
		return hotshow.Begun, err
	}
	for {
		var on bool
		switch p.held(heldProbeStage) {
		case stageNone:
			on, err = p.begin(ctx)
		case stageWriting:
			on, err = p.write(ctx)
		case stageOpening:
			on, err = p.open(ctx)
		case stageOpen:
			on, err = p.visit(ctx)
		case stageClosing:
			on, err = p.close(ctx)
		case stageGone:
			if p.passed() {
				return p.leave(ctx, hotshow.Up)
			}
			on, err = true, p.hold(ctx, heldProbeStage, stageNone)
		default:
			return "", fmt.Errorf("the probe is at an unknown stage, %.40q", p.held(heldProbeStage))
		}
		if err != nil {
			return goOn(err)
		}
		if !on {
			return hotshow.Begun, nil
		}
	}
}

// Down closes the probe and removes its parameters, if there is one.
func (r *Readiness) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	p := r.probe(t)
	stage := p.held(heldProbeStage)
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
	switch gone, err := p.close(ctx); {
	case err != nil:
		return goOn(err)
	case !gone:
		return hotshow.Begun, nil
	}
	return p.leave(ctx, hotshow.Down)
}

// probe is one call's work on a show's probe.
type probe struct {
	*Readiness
	task *prepare.Task
	end  time.Time // nothing is waited for beyond it
}

func (r *Readiness) probe(t *prepare.Task) *probe { return &probe{r, t, r.now().Add(probeRunFor)} }

func (p *probe) held(key string) string { return p.task.Held[key] }

func (p *probe) hold(ctx context.Context, key, value string) error {
	if p.held(key) == value {
		return nil
	}
	return p.task.Hold(ctx, key, value)
}

// advance goes on to a stage, before which a value is held that it needs.
func (p *probe) advance(ctx context.Context, stage, key, value string) error {
	if err := p.hold(ctx, key, value); err != nil {
		return err
	}
	return p.hold(ctx, heldProbeStage, stage)
}

func (p *probe) passed() bool { return p.held(heldProbePassed) == "yes" }

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
	return smithytime.SleepWithContext(ctx, d) == nil
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
			return true, p.hold(ctx, heldProbeStage, stageGone)
		}
		if err := p.hold(ctx, heldProbeStage, stageNone); err != nil {
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
	status, found, err := p.room.Status(ctx, p.event())
	if err != nil {
		return false, err
	}
	if found && !over(status) {
		if err := p.hold(ctx, heldProbeOnSale, status.OnSale); err != nil {
			return false, err
		}
		return true, p.closing(ctx)
	}
	if err := p.remove(ctx); err != nil {
		return false, err
	}
	return true, p.hold(ctx, heldProbeStage, stageWriting)
}

// closing begins to close the probe.
func (p *probe) closing(ctx context.Context) error {
	return p.advance(ctx, stageClosing, heldProbeClosing, p.now().UTC().Format(time.RFC3339))
}

// write sets what puts nothing on sale, and decides when the probe goes on sale. Setting it again is
// harmless.
func (p *probe) write(ctx context.Context) (bool, error) {
	if err := p.put(ctx, paramTarget, p.task.Show.Request.Target); err != nil {
		return false, err
	}
	if err := p.put(ctx, paramRate, probeRate); err != nil {
		return false, err
	}
	onSale := p.now().Add(probeAhead).UTC().Truncate(time.Second).Format(time.RFC3339)
	return true, p.advance(ctx, stageOpening, heldProbeOnSale, onSale)
}

// open sets the on-sale, with which the run begins, and before it when the probe ends whatever happens.
// Setting them again is harmless.
func (p *probe) open(ctx context.Context) (bool, error) {
	onSale := p.heldTime(heldProbeOnSale)
	if p.now().After(onSale.Add(-probeWritable)) {
		return true, p.closing(ctx)
	}
	if err := p.put(ctx, paramCloses, onSale.Add(closesAfter).Format(time.RFC3339)); err != nil {
		return false, err
	}
	if err := p.put(ctx, paramOnSale, p.held(heldProbeOnSale)); err != nil {
		return false, err
	}
	return true, p.hold(ctx, heldProbeStage, stageOpen)
}

func (p *probe) put(ctx context.Context, name, value string) error {
	name = p.path + p.event() + "/" + name
	err := p.call(ctx, func() error {
		_, err := p.parameters.PutParameter(ctx, &ssm.PutParameterInput{
			Name: &name, Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
		})
		return err
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
		err := p.call(ctx, func() error {
			_, err := p.parameters.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: whole})
			return err
		})
		if err != nil {
			return fmt.Errorf("remove the parameters of %s: %w", p.event(), err)
		}
	}
	return nil
}

// call waits for its turn to call Parameter Store.
func (p *probe) call(ctx context.Context, do func() error) error {
	if p.pace.Wait(ctx) != nil {
		return errNotNow
	}
	err := do()
	var refused smithy.APIError
	if errors.As(err, &refused) && slices.Contains([]string{"ThrottlingException", "TooManyUpdates"}, refused.ErrorCode()) {
		return errNotNow
	}
	return err
}

// visit waits for the opening and sends a visitor. The probe of one who did not get through in time is
// closed, and another begins.
func (p *probe) visit(ctx context.Context) (bool, error) {
	onSale := p.heldTime(heldProbeOnSale)
	if p.now().Before(onSale.Add(-probeSoon)) {
		return false, nil
	}
	trouble := p.tryVisit(ctx)
	switch {
	case trouble == nil:
		if err := p.hold(ctx, heldProbePassed, "yes"); err != nil {
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
	case errors.Is(trouble, errNotOpen) && p.now().Before(onSale.Add(probePatience)):
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
		if errors.Is(err, errEnded) || !p.pause(ctx, probeAgain) {
			return err
		}
	}
}

// opened returns nil if the status says that the probe is open.
func (p *probe) opened(ctx context.Context) error {
	status, found, err := p.room.Status(ctx, p.event())
	address := p.room.address + names.StatusPrefix + p.event() + ".json"
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
	return err == nil && onSale.Equal(p.heldTime(heldProbeOnSale))
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
		wait := probeAgain
		a, err := p.room.ask(ctx, http.MethodPost, path, body, nil)
		switch {
		case err != nil:
		case a.status == http.StatusOK || a.status == http.StatusCreated:
			if json.Unmarshal(a.body, answer) != nil { // whose error could quote it
				return fmt.Errorf("POST %s%s: the answer is not what it should be", p.room.address, path)
			}
			return nil
		default:
			err, wait = p.room.unexpected(http.MethodPost, path, a), a.retryAfter(probeAgain)
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
	if p.held(heldProbeClosing) == "" {
		if err := p.closing(ctx); err != nil {
			return false, err
		}
	}
	since := p.heldTime(heldProbeClosing)
	for told := false; ; {
		status, found, err := p.room.Status(ctx, p.event())
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
		if !p.pause(ctx, probeAgain) {
			if p.now().Sub(since) > neverBegan+probePatience {
				return false, fmt.Errorf("the probe %s does not close: its status says %.40q, see whether tick runs", p.event(), status.Phase)
			}
			return false, nil
		}
	}
	if err := p.remove(ctx); err != nil {
		return false, err
	}
	return true, p.advance(ctx, stageGone, heldProbeClosing, "")
}
