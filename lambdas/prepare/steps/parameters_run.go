package steps

import (
	"context"
	"fmt"
	"time"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

// latest is the event's latest run as visitors are told of it. tick compares an on-sale with the run's,
// which the parameters may not have any more: they can be cleared away, or changed while it is closed.
type latest struct {
	known          bool // there is one, and what visitors are told of it could be read
	phase          room.Phase
	onSale, closes time.Time
}

func (l latest) closed() bool { return l.known && l.phase == room.Closed }

// opensAt says whether the run comes on sale at a time, or did.
func (l latest) opensAt(onSale time.Time) bool {
	return l.known && !l.closed() && l.onSale.Equal(onSale)
}

// keeps says whether the run is on sale, with an on-sale that cannot be moved any more to another one.
func (l latest) keeps(onSale, now time.Time) bool {
	return l.known && !l.closed() && !l.onSale.IsZero() && !l.onSale.After(now) && !l.onSale.Equal(onSale)
}

// refuses says whether tick does not take an on-sale: a closed event only opens again at another time, and
// at one to come.
func (l latest) refuses(onSale, now time.Time) bool {
	return l.closed() && (l.onSale.Equal(onSale) || !now.Before(onSale)) || l.keeps(onSale, now)
}

func (p *Parameters) latest(ctx context.Context, event string) (latest, error) {
	status, found, err := p.statuses.Status(ctx, event)
	if err != nil || !found {
		return latest{}, err
	}
	return latest{true, status.Phase, moment(status.OnSale), moment(status.Closes)}, nil
}

// latestOrNone is the latest run. When for some time nobody could tell, it is none, and the parameters
// decide alone: most events open by them, and without them none does.
func (p *Parameters) latestOrNone(ctx context.Context, t *prepare.Task) (latest, error) {
	ran, err := p.latest(ctx, t.Show.Request.Event)
	if err == nil && t.Held[heldBlind] != "" {
		return ran, t.Hold(ctx, heldBlind, "")
	}
	if err == nil {
		return ran, nil
	}
	blind, holding := longSince(ctx, t, heldBlind, blindFor)
	switch {
	case holding != nil:
		return latest{}, holding
	case !blind:
		return latest{}, err
	}
	return latest{}, nil
}

// onSale is the one that the show is to have.
func onSale(t *prepare.Task) time.Time {
	if late := moment(t.Held[heldLate]); !late.IsZero() {
		return late
	}
	return t.Show.Request.OnSale
}

// taken is how long after parameters began to be written visitors are told of them: writing may take 20 s, and a
// new event is looked for once a minute.
const taken = 3 * time.Minute

// confirm is Up when visitors are told of the on-sale that was written. What is found to be changed since
// is its promoter's, and is left. An on-sale that tick does not take is chosen anew in the next run.
func (p *Parameters) confirm(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	event, onSale := t.Show.Request.Event, onSale(t)
	ran, err := p.latest(ctx, event)
	late := t.Now.Sub(moment(t.Held[heldWritten])) >= taken
	switch {
	case err != nil && ctx.Err() != nil:
		return hotshow.Begun, nil // writing has taken all of the attempt
	case err != nil && late && !t.Now.Before(onSale):
		return hotshow.Up, nil // a sale that is on by all that is known is not to be closed as one that could not be set
	case err != nil:
		return "", fmt.Errorf("the parameters are written, and whether the event opens by them is not known: %w", err)
	case ran.opensAt(onSale):
		return hotshow.Up, nil
	case !late:
		return hotshow.Begun, nil
	}
	there, err := p.reader.Event(ctx, event)
	switch {
	case err != nil:
		return "", err
	case there[stateParameter] == closed || !moment(there[settings.OnSale]).Equal(onSale):
		return hotshow.Up, nil
	case ran.refuses(onSale, t.Now):
		return hotshow.Begun, t.Hold(ctx, heldWritten, "")
	}
	return "", fmt.Errorf("the parameters are written, and %s%s.json does not say that the event is on sale at %s: see whether tick runs",
		names.StatusPrefix, event, onSale.Format(time.RFC3339))
}

// chooseOnSale replaces an on-sale at which the event would not open: one that has passed before it was
// set, or the very one of a sale that has been closed. The show's times in its record stay as they were asked
// for. The error is also of a show that would open when it is to be closed again.
func chooseOnSale(ctx context.Context, t *prepare.Task, ran latest, wanted, there map[string]string) error {
	_, held := t.Held[heldLate]
	sale, closing := onSale(t), there[stateParameter] == closed
	if held {
		wanted[settings.OnSale] = t.Held[heldLate]
	}
	another, isClosed := sale, closing || ran.closed()
	asBefore := same(t.Held[heldFound], wanted[settings.OnSale]) || ran.onSale.Equal(sale)
	if ran.closed() && ran.onSale.Equal(sale) || closing && !held && asBefore {
		another = sale.Add(time.Second)
	}
	isSet := same(there[settings.OnSale], wanted[settings.OnSale]) && !isClosed
	passed := t.Now
	if isClosed {
		passed = passed.Add(heard)
	}
	if !passed.Before(another) && !isSet {
		another = t.Now.Add(postponed).Truncate(time.Second).In(sale.Location())
	}
	if another.Equal(sale) {
		return nil
	}
	if closes := t.Show.Request.Closes; !another.Before(closes) {
		return fmt.Errorf("the event would open at %s at the earliest, and is to be closed at %s: ask for another show that closes later",
			another.Format(time.RFC3339), closes.Format(time.RFC3339))
	}
	wanted[settings.OnSale] = another.Format(time.RFC3339)
	return t.Hold(ctx, heldLate, wanted[settings.OnSale])
}

// closeEarlier sees to it that an earlier sale of the event is over for good before any parameter of
// this one is written: otherwise a later `closes` would lengthen it, and `state` reopen it. It returns Up
// when there is none any more. People are asked first, until the show has to be ready.
func (p *Parameters) closeEarlier(ctx context.Context, t *prepare.Task, ran latest, wanted, there map[string]string) (hotshow.Progress, error) {
	if ran.closed() {
		return p.keepClosed(ctx, t, there)
	}
	r, begun, closes := t.Show.Request, moment(there[settings.OnSale]), moment(there["closes"])
	if ran.keeps(moment(wanted[settings.OnSale]), t.Now) {
		begun, closes = ran.onSale, ran.closes
	}
	if begun.IsZero() || begun.After(t.Now) || begun.Equal(moment(wanted[settings.OnSale])) {
		return hotshow.Up, nil
	}
	if there[stateParameter] == closed {
		return settled(ctx, t, ran)
	}
	if t.Held[heldClosed] != "" { // it was opened again
		if err := t.Hold(ctx, heldClosed, ""); err != nil {
			return "", err
		}
	}
	if closes.IsZero() {
		closes = begun.Add(plan.UsuallyOpen)
	}
	isSoldOut := there[stateParameter] == soldOut
	if t.Now.Before(closes) && !isSoldOut && t.Now.Before(r.ReadyBy()) {
		return "", fmt.Errorf("the event's earlier sale, of %s, is open until %s, and is closed for this show at %s: set its parameter state to closed to end it before that",
			begun.Format(time.RFC3339), closes.Format(time.RFC3339), r.ReadyBy().Format(time.RFC3339))
	}
	if err := p.put(ctx, r.Event, stateParameter, closed); err != nil {
		return goOn(err)
	}
	return hotshow.Begun, nil
}

// keepClosed has a closed event stay so until all of this show is written, so that no run begins with a part
// of it.
func (p *Parameters) keepClosed(ctx context.Context, t *prepare.Task, there map[string]string) (hotshow.Progress, error) {
	if there[stateParameter] != closed {
		if err := p.put(ctx, t.Show.Request.Event, stateParameter, closed); err != nil {
			return goOn(err)
		}
		there[stateParameter] = closed
	}
	return hotshow.Up, nil
}

// settled is Up when tick has certainly seen that the event is to be closed. Where visitors are told of
// its sale, they have to be told of that.
func settled(ctx context.Context, t *prepare.Task, ran latest) (hotshow.Progress, error) {
	wait := settles
	if ran.known {
		wait = seen
	}
	switch long, err := longSince(ctx, t, heldClosed, wait); {
	case err != nil:
		return "", err
	case !long:
		return hotshow.Begun, nil
	case ran.known:
		return "", fmt.Errorf("the event's earlier sale is set to be closed, and %s%s.json says %q: see whether tick runs",
			names.StatusPrefix, t.Show.Request.Event, ran.phase)
	}
	return hotshow.Up, nil
}
