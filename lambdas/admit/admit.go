package admit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
	"waitingroom/shared/turn"
)

// slotLag is how long after its window a slot may still be taken.
const slotLag = time.Second

// Store is where visitors and windows are kept.
type Store interface {
	Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error)
	Mark(ctx context.Context, run room.Run, id string, start time.Time) (room.Visitor, bool, error)
	TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error
	Admit(ctx context.Context, run room.Run, id string, p room.Pass) (room.Pass, error)
}

// Signer signs passes of one algorithm.
type Signer interface {
	Sign(ctx context.Context, c pass.Claims) (string, error)
}

// Admitter lets visitors in whose turn it is. All fields are required.
type Admitter struct {
	Store   Store
	Line    turn.Line
	Tickets ticket.Key
	Signers map[string]Signer // by the algorithm as room.Settings names it
	Issuer  string            // the room's own address, without a trailing slash
	Pick    func(n int) int   // a random number from 0 to n-1
	Random  io.Reader         // of passes' ids
	Now     func() time.Time
	Metrics *metrics.Log

	full fullParts
}

// Admission is a signed pass and the address that takes it to the shop.
type Admission struct {
	Pass     string
	Redirect string
	Again    bool // an earlier call, which may have been of another device, issued the pass
}

// Admit lets the holder of a ticket in. Waiting is not nil, and nothing else, when the turn has
// not come; every other refusal is an error.
func (a *Admitter) Admit(ctx context.Context, event, text string) (admission Admission, waiting *turn.Turn, err error) {
	t, err := turn.Find(ctx, a.Line, a.Tickets, event, text)
	if err != nil {
		return Admission{}, nil, err
	}
	// The pointer never goes back, so nobody behind it can have been admitted.
	if !t.Come() {
		if err := t.State.Claimable(); err != nil {
			return Admission{}, nil, err
		}
		return Admission{}, &t, nil
	}
	// What could keep the pass from being made is found out before anything is taken for it.
	door, err := a.door(t.State)
	if err != nil {
		return Admission{}, nil, err
	}
	granted, again, err := a.grant(ctx, t)
	if err != nil {
		return Admission{}, nil, fmt.Errorf("visitor %s: %w", t.Ticket.Visitor, err)
	}
	admission, err = a.sign(ctx, door, t, granted)
	admission.Again = again
	return admission, nil, err
}

// grant returns the visitor's pass, which is issued and counted only once, and whether it was an
// earlier call that issued it.
func (a *Admitter) grant(ctx context.Context, t turn.Turn) (granted room.Pass, again bool, err error) {
	run, id, now := t.State.Run, t.Ticket.Visitor, a.Now()
	v, err := a.Store.Visitor(ctx, run, id)
	if errors.Is(err, store.ErrNotFound) {
		return room.Pass{}, false, httpapi.BadTicket
	}
	if err != nil {
		return room.Pass{}, false, fmt.Errorf("read the visitor: %w", err)
	}
	if v.Pass != nil {
		granted, err = inForce(*v.Pass, now)
		return granted, true, err
	}
	// A ticket names one place for good. One that names another than its visitor has was never
	// handed out by a join that ended well.
	if v.Cohort != t.Ticket.Cohort || v.Shard != t.Ticket.Shard || v.Seq != t.Ticket.Seq {
		return room.Pass{}, false, httpapi.BadTicket
	}
	if err := t.State.Claimable(); err != nil {
		return room.Pass{}, false, err
	}
	if t.Position <= t.State.Expired {
		return room.Pass{}, false, httpapi.TurnExpired
	}
	already, err := a.enter(ctx, t.State, id, now)
	if err != nil {
		return room.Pass{}, false, err
	}
	if already != nil {
		granted, err = inForce(*already, now)
		return granted, true, err
	}
	jti, err := pass.NewID(a.Random)
	if err != nil {
		return room.Pass{}, false, err
	}
	issued := now.UTC().Truncate(time.Second)
	// If this write is lost, the slot stays taken and the visitor is counted again another time: a
	// slot is never given back, so the shop never gets more than its rate.
	granted, err = a.Store.Admit(ctx, run, id, room.Pass{ID: jti, Issued: issued, Expiry: issued.Add(t.State.PassLifetime)})
	if err != nil {
		return room.Pass{}, false, fmt.Errorf("store the admission: %w", err)
	}
	// Counted with the pass that is this call's own, also when a retry of the write met it: not when
	// another call was first, and not when the answer was lost, since whoever asks again is given a
	// pass that was issued already.
	again = granted.ID != jti
	if !again {
		a.Metrics.Event(run.Event, metrics.Values{names.MetricAdmissions: 1})
	}
	granted, err = inForce(granted, now)
	return granted, again, err
}

// enter takes a slot of the window of now for the visitor, who is marked with the window first:
// one ticket shown a hundred times at once takes at most one slot of a window. If another call
// admitted the visitor in the meantime, it returns that pass and takes nothing.
func (a *Admitter) enter(ctx context.Context, state room.State, id string, now time.Time) (already *room.Pass, err error) {
	rate, shape := state.Cap.At(now)
	w := shape.WindowAt(now)
	later := func() (*room.Pass, error) {
		opening := state.Cap.NextOpening(now, func(w room.Window) bool { return a.full.window(state.Run, w, rate) })
		return nil, httpapi.OverCap(opening.Sub(now))
	}
	if w.Limit(rate) == 0 || a.full.window(state.Run, w, rate) {
		return later()
	}
	old, marked, err := a.Store.Mark(ctx, state.Run, id, w.Start())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, httpapi.BadTicket
	case err != nil:
		return nil, fmt.Errorf("mark the visitor: %w", err)
	case old.Pass != nil && !marked:
		return old.Pass, nil
	case !marked:
		return later()
	}
	// A slow table must not bring the slots of several windows to the shop at once.
	if a.Now().After(w.End().Add(slotLag)) {
		return later()
	}
	first := a.Pick(w.Parts)
	for i := range w.Parts {
		part := (first + i) % w.Parts
		limit := w.PartLimit(rate, part)
		if a.full.part(state.Run, w, part, limit) {
			continue
		}
		err := a.Store.TakeSlot(ctx, state.Run, w, part, limit, now)
		if errors.Is(err, store.ErrFull) {
			a.full.remember(state.Run, w, part, limit)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("take a slot: %w", err)
		}
		return nil, nil
	}
	return later()
}

func inForce(p room.Pass, now time.Time) (room.Pass, error) {
	if !now.Before(p.Expiry) {
		return room.Pass{}, httpapi.PassExpired
	}
	return p, nil
}

// door is where passes of a run lead to.
type door struct {
	target   *url.URL
	audience string
	signer   Signer
}

func (a *Admitter) door(state room.State) (door, error) {
	target, err := url.Parse(state.Target)
	if err != nil {
		return door{}, fmt.Errorf("target: %w", err)
	}
	audience, err := pass.Origin(state.Target)
	if err != nil {
		return door{}, err
	}
	signer := a.Signers[state.PassAlg]
	if signer == nil {
		return door{}, fmt.Errorf("no key for passes signed with %q", state.PassAlg)
	}
	return door{target, audience, signer}, nil
}

// sign writes the pass. What it says follows from what is stored, so asking again gives the same,
// as long as the promoter leaves `target` and `pass-alg` alone.
func (a *Admitter) sign(ctx context.Context, d door, t turn.Turn, p room.Pass) (Admission, error) {
	token, err := d.signer.Sign(ctx, pass.Claims{
		Issuer: a.Issuer, Audience: d.audience, Subject: t.Ticket.Visitor, Event: t.State.Event,
		Issued: p.Issued, Expiry: p.Expiry, ID: p.ID,
	})
	if err != nil {
		return Admission{}, fmt.Errorf("sign the pass: %w", err)
	}
	// The shop's own query keeps its order.
	if d.target.RawQuery != "" {
		d.target.RawQuery += "&"
	}
	d.target.RawQuery += names.PassParameter + "=" + url.QueryEscape(token)
	return Admission{Pass: token, Redirect: d.target.String()}, nil
}
