package join

import (
	"context"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
	"waitingroom/shared/ticket"
)

// form answers a browser that runs no JavaScript. Who sends the form twice gets the same place twice,
// so what is not known to have failed may be sent again: a refusal's page holds the same secret.
func form(ctx context.Context, joiner *Joiner, key ticket.Key, event string, r httpapi.Request) (httpapi.Response, error) {
	if err := httpapi.SentByPage(r); err != nil {
		return httpapi.Response{}, err
	}
	fields, err := httpapi.Form(r, maxBody)
	if err != nil {
		return httpapi.Response{}, err
	}
	text := fields.Get(plain.SecretField)
	secret, err := httpapi.Secret(text)
	if err != nil {
		return httpapi.Response{}, err
	}
	answer, _, err := join(ctx, joiner, key, event, secret)
	if err != nil {
		// A ticket that the browser has is of no use any more, or it would not have been shown the form.
		sight := plain.Sight{Event: event, Secret: text, Held: plain.Held{Secret: plain.ReadHeld(r).Secret}, Now: joiner.Now()}
		// What cannot be read is left out of the page.
		sight.State, _ = joiner.States.State(ctx, event)
		return httpapi.Response{}, sight.Refuse(r, err)
	}
	response := httpapi.SeeOther(names.PathOf(names.PathPlace, event) + "?" + plain.JoinedQuery + "=1")
	response.Headers["Set-Cookie"] = plain.Held{Ticket: answer.Ticket}.Cookie(r, event)
	return response, nil
}
