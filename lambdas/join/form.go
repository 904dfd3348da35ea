package join

import (
	"context"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
	"waitingroom/shared/ticket"
)

// form answers a browser that runs no JavaScript. Who sends the form twice gets the same place twice,
// so what is not known to have failed may be sent again.
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
	if held := plain.ReadHeld(r); held.Ticket == "" && held.Secret != text {
		return unknownForm(event, held), nil
	}
	answer, _, err := join(ctx, joiner, key, event, secret, false)
	if err != nil {
		return httpapi.Response{}, refuse(event, text, r, err)
	}
	response := httpapi.SeeOther(names.PathOf(names.PathPlace, event) + "?" + plain.JoinedQuery + "=1")
	response.Headers["Set-Cookie"] = plain.Held{Ticket: answer.Ticket}.Cookie(r, event)
	return response, nil
}

// unknownForm leads to the page, which shows the form that the browser remembers. The one that it has sent
// is not that: another site made it, with which no cookie comes even where no Sec-Fetch-Site does, or
// another tab was first. To join with it would put the sender in a place that others know, or in a second
// one. A browser that remembers nothing keeps no cookies, and is told so.
func unknownForm(event string, held plain.Held) httpapi.Response {
	address := names.PathOf(names.PathPlace, event)
	if held.Secret == "" {
		address += "?" + plain.JoinedQuery + "=1"
	}
	return httpapi.SeeOther(address)
}

// refuse leads to the page that says why. Where the visitor may ask again, and may have joined already,
// the page has to show the same secret: the browser remembers it, in the place of a ticket that is of no
// use any more, or it would not have been shown the form.
func refuse(event, secret string, r httpapi.Request, err error) error {
	shown := plain.Refuse(event, err)
	if httpapi.ProblemOf(err).RetryAfter > 0 && plain.ReadHeld(r).Secret != secret {
		shown.Answer.Headers["Set-Cookie"] = plain.Held{Secret: secret}.Cookie(r, event)
	}
	return shown
}
