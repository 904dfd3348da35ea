package admit

import (
	"context"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
)

// form answers a browser that runs no JavaScript, whose visitor asks to enter with the ticket in the
// cookie. Whoever presses twice gets the same pass twice.
func (a *Admitter) form(ctx context.Context, event string, r httpapi.Request) (httpapi.Response, error) {
	if err := httpapi.SentByPage(r); err != nil {
		return httpapi.Response{}, err
	}
	held := plain.ReadHeld(r)
	place := httpapi.SeeOther(names.PathOf(names.PathPlace, event))
	if held.Ticket == "" {
		return place, nil
	}
	admission, waiting, err := a.Admit(ctx, event, held.Ticket)
	switch {
	case err != nil:
		return httpapi.Response{}, a.refuse(ctx, event, held, r, err)
	case waiting != nil:
		return place, nil
	}
	response, err := plain.Leave(r, event, admission.Redirect)
	if err != nil {
		return httpapi.Response{}, err
	}
	held.Entered = true
	response.Headers["Set-Cookie"] = held.Cookie(r, event)
	return response, nil
}

// refuse shows why there is no way in, and where there is another: joining again with a new secret.
func (a *Admitter) refuse(ctx context.Context, event string, held plain.Held, r httpapi.Request, err error) error {
	secret, failure := plain.NewSecret(a.Random)
	if failure != nil {
		return failure
	}
	// A pass that has expired leads nowhere.
	held.Entered = false
	sight := plain.Sight{Event: event, Held: held, Secret: secret, Now: a.Now()}
	// What cannot be read is left out of the page.
	sight.State, _ = a.Line.State(ctx, event)
	return sight.Refuse(r, err)
}
