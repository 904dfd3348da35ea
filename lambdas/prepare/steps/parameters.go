package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"golang.org/x/time/rate"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
	"waitingroom/shared/settings"
)

const (
	// readsPerSecond leaves the most of Parameter Store's 40 reads a second to tick and to other systems.
	readsPerSecond = 5
	// writesPerSecond writes the parameters of 50 shows within one run. Parameter Store's documentation
	// has no figure for PutParameter; people who asked AWS were told of 3 a second, and of 10 with higher
	// throughput, on top of bursts. So the pace is halved whenever it proves too fast, down to
	// fewestWrites.
	writesPerSecond, fewestWrites = 8, 2

	// settles is how long after a sale was read to be closed tick has certainly seen it too: a change is in
	// force within 10 s.
	settles = 20 * time.Second
	// postponed is how far in the future an on-sale is set that has passed while the event could not be put
	// on sale: a closed event only opens again at a time to come.
	postponed = 2 * time.Minute
	// blindFor is for how long it holds up a show that the status cannot be read of what its event was.
	blindFor = 2 * time.Minute
	// heard is how long after an attempt begins its last change may be announced to tick, at the latest: the
	// attempt writes for 20 s. The on-sale of a closed event has to be to come then.
	heard = 45 * time.Second
)

// The parameter that opens and closes an event by hand, the one that says what is left, and values of theirs.
const (
	stateParameter = "state"
	stockParameter = "stock"
	automatic      = "auto"
	plenty         = "plenty"
	soldOut        = "soldout"
	closed         = "closed"
)

// What the step remembers.
const (
	heldFound   = "found"   // the on-sale that was there before anything was written, or none
	heldClosed  = "closed"  // when the event's earlier sale was first read to be closed, in RFC 3339
	heldLate    = "onsale"  // the on-sale in place of the request's, at which the event would not open
	heldSetting = "setting" // the on-sale that may have been written
	heldWritten = "written" // when all was, in RFC 3339
	heldBlind   = "blind"   // since when nobody can tell what visitors are told of the event, in RFC 3339
	none        = "none"
)

// ParameterStore is what Parameters needs of *ssm.Client.
type ParameterStore interface {
	settings.ParameterStore
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

// Shows lists the shows that are open, as schedule.Schedule does.
type Shows interface {
	Open(ctx context.Context) ([]schedule.Entry, error)
}

// Statuses tells what visitors are told of an event, as Room does.
type Statuses interface {
	Status(ctx context.Context, event string) (status room.Status, found bool, err error)
}

// Parameters writes the event's parameters, and sees to it that tick takes them. It deletes nothing. Once
// all is written, or the sale is on, what a promoter sets stands. What a promoter sets between the last write
// and the storing of that, which a crash may make minutes, does not. It is safe for concurrent use, and all
// shows share its pace.
type Parameters struct {
	store    ParameterStore
	path     string
	shows    Shows
	statuses Statuses
	reader   *settings.Reader
	pace     *rate.Limiter
	turn     chan struct{} // holds one while a show's parameters are written: all of one's rather than some of all
}

// NewParameters writes below path, which has a slash at both ends, as names.ParameterPath has.
func NewParameters(store ParameterStore, path string, shows Shows, statuses Statuses) (*Parameters, error) {
	reader, err := settings.NewReader(store, path, rate.NewLimiter(readsPerSecond, 1))
	if err != nil {
		return nil, err
	}
	return &Parameters{store, path, shows, statuses, reader, rate.NewLimiter(writesPerSecond, 2), make(chan struct{}, 1)}, nil
}

// Up is done when visitors are told of the on-sale that was written.
func (p *Parameters) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if t.Held[heldWritten] == "" {
		if progress, err := p.set(ctx, t); progress != hotshow.Up || err != nil {
			return progress, err
		}
	}
	return p.confirm(ctx, t)
}

// set writes what differs. A crash leaves some of the texts written, and the next attempt writes the rest.
func (p *Parameters) set(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	event := t.Show.Request.Event
	there, err := p.reader.Event(ctx, event)
	if err != nil {
		return "", err
	}
	wanted := t.Show.Request.Texts(t.Show.Needs)
	if err := p.readable(event, wanted, there); err != nil {
		return "", err
	}
	if _, held := t.Held[heldFound]; !held {
		if err := t.Hold(ctx, heldFound, orNone(there[settings.OnSale])); err != nil {
			return "", err
		}
	}
	ran, err := p.latestOrNone(ctx, t)
	if err != nil {
		return "", err
	}
	if err := chooseOnSale(ctx, t, ran, wanted, there); err != nil {
		return "", err
	}
	if progress, err := p.closeEarlier(ctx, t, ran, wanted, there); progress != hotshow.Up || err != nil {
		return progress, err
	}
	if there[stateParameter] != "" && t.Now.Before(moment(wanted[settings.OnSale])) {
		wanted[stateParameter] = automatic
	}
	if there[stateParameter] == closed && there[stockParameter] != "" {
		wanted[stockParameter] = plenty // what was left is of the sale that is over
	}
	if onSale := wanted[settings.OnSale]; same(there[settings.OnSale], onSale) && !t.Now.Before(moment(onSale)) {
		// The sale is on by what an earlier attempt has written, which died: what differs is its promoter's by now.
		maps.DeleteFunc(wanted, func(name, _ string) bool { return name != settings.OnSale && there[name] != "" })
	}
	if err := p.write(ctx, t, inOrder(ran, wanted, there), wanted); err != nil {
		return goOn(err)
	}
	return hotshow.Up, t.Hold(ctx, heldWritten, t.Now.Format(time.RFC3339))
}

// write sets parameters of the event in their order, when its turn has come. Taking down has to know of an
// on-sale that may be in place by this show, so it is held before it is.
func (p *Parameters) write(ctx context.Context, t *prepare.Task, order []string, texts map[string]string) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return errNotNow
	}
	if !slices.Contains(order, settings.OnSale) { // it is in place
		if err := holdSetting(ctx, t, texts[settings.OnSale]); err != nil {
			return err
		}
	}
	for _, name := range order {
		if name == settings.OnSale {
			if err := holdSetting(ctx, t, texts[name]); err != nil {
				return err
			}
		}
		if err := p.put(ctx, t.Show.Request.Event, name, texts[name]); err != nil {
			return err
		}
	}
	return nil
}

func holdSetting(ctx context.Context, t *prepare.Task, onSale string) error {
	if t.Held[heldSetting] == onSale {
		return nil
	}
	return t.Hold(ctx, heldSetting, onSale)
}

// readable refuses what tick could not read: Parameter Store does not make a String of a SecureString.
func (p *Parameters) readable(event string, wanted, there map[string]string) error {
	for name, text := range there {
		_, written := wanted[name]
		// The reader gives a text with a NUL, which no String holds, for a SecureString.
		if (written || name == stateParameter || name == stockParameter) && strings.HasPrefix(text, "\x00") {
			return fmt.Errorf("%s%s/%s is a SecureString, which the room does not read: delete it, and the next attempt sets it as a String", p.path, event, name)
		}
	}
	return nil
}

// inOrder lists what differs in an order in which no state in between opens a sale too early, or has a
// value refused. A closed event opens with `state`, the last of all. One that is not begins when the last
// of its required parameters is there, and would be over at once if `state` still said so. Where an
// on-sale is moved, `prequeue` never lies behind it nor `closes` before it.
func inOrder(ran latest, wanted, there map[string]string) []string {
	old, others := moment(there[settings.OnSale]), []string{settings.Rate, settings.Target}
	if old.IsZero() && ran.closed() {
		old = ran.onSale // tick judges by the last good one where it was removed
	}
	times := []string{"prequeue", settings.OnSale, "closes"}
	if moment(wanted[settings.OnSale]).After(old) {
		times = []string{"closes", settings.OnSale, "prequeue"}
	}
	var order []string
	switch {
	case old.IsZero():
		order = []string{stateParameter, stockParameter, "shards", settings.Rate, settings.Target, "prequeue", "closes", settings.OnSale}
	case there[stateParameter] == closed:
		order = slices.Concat([]string{"shards", stockParameter}, others, times, []string{stateParameter})
	default:
		order = slices.Concat([]string{"shards"}, times, others, []string{stateParameter})
	}
	return slices.DeleteFunc(order, func(name string) bool {
		text, written := wanted[name]
		return !written || text == there[name] || same(text, there[name])
	})
}

// same says whether two texts are the same moment: a promoter may have written it with another offset.
func same(a, b string) bool { return !moment(a).IsZero() && moment(a).Equal(moment(b)) }

// moment is a time in RFC 3339, or zero.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// Down closes the event of a show that was cancelled or failed, so that it does not open. After a sale
// that took place the parameters are the promoter's, and so are those of an event whose on-sale the show
// never wrote, or which another show has by now.
func (p *Parameters) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if t.Show.Outcome == hotshow.Done || t.Held[heldSetting] == "" {
		return hotshow.Down, nil
	}
	entries, err := p.shows.Open(ctx)
	if err != nil {
		return "", fmt.Errorf("look for another show of the event: %w", err)
	}
	// One that begins at this very moment could still be closed: but this show has had its event for itself,
	// until long after it was cancelled or failed.
	if schedule.AnotherHas(entries, t.Show) {
		return hotshow.Down, nil
	}
	event := t.Show.Request.Event
	there, err := p.reader.Event(ctx, event)
	if err != nil {
		return "", err
	}
	isSet := orNone(there[settings.OnSale])
	if isSet == none || isSet == t.Held[heldFound] && !same(isSet, t.Held[heldSetting]) {
		// The write was lost, or is not seen yet.
		if missed, err := longSince(ctx, t, heldMissed, seen); !missed || err != nil {
			return hotshow.Begun, err
		}
		return hotshow.Down, nil
	}
	if err := p.put(ctx, event, stateParameter, closed); err != nil {
		return goOn(err)
	}
	return hotshow.Down, nil
}

// errNotNow means that the time is not enough: the next run goes on.
var errNotNow = errors.New("not in this run")

func goOn(err error) (hotshow.Progress, error) {
	if errors.Is(err, errNotNow) {
		return hotshow.Begun, nil
	}
	return "", err
}

// put sets a parameter when its turn has come. Repeated, it sets the same text: what was lost, and what
// was stored although the answer was lost, is put again or found in place by the next attempt.
func (p *Parameters) put(ctx context.Context, event, name, text string) error {
	for {
		if err := p.pace.Wait(ctx); err != nil {
			return errNotNow
		}
		_, err := p.store.PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String(p.path + event + "/" + name), Value: aws.String(text),
			Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
		}, once)
		var refused smithy.APIError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &refused) || !slices.Contains([]string{"ThrottlingException", "TooManyUpdates"}, refused.ErrorCode()):
			return fmt.Errorf("set parameter %s%s/%s: %w", p.path, event, name, err)
		}
		// Nothing was written. The slower pace stays until the environment ends, which is some hours.
		p.pace.SetLimit(max(p.pace.Limit()/2, fewestWrites))
	}
}

// once keeps the SDK from trying again by itself, which the limiter would not see.
func once(o *ssm.Options) { o.RetryMaxAttempts = 1 }
