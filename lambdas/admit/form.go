package admit

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"strings"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
	"waitingroom/shared/words"
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
		return httpapi.Response{}, plain.Refuse(event, err)
	case waiting != nil:
		return place, nil
	}
	response, err := leave(r, event, admission.Redirect)
	if err != nil {
		return httpapi.Response{}, plain.Refuse(event, err)
	}
	held.Entered = true
	response.Headers["Set-Cookie"] = held.Cookie(r, event)
	return response, nil
}

// leaving is the page that goes to the shop, with what place puts around its pages.
const leaving = `<!doctype html>
<html lang="{lang}" dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="0; url={address}">
<title>{heading} · {event}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/page.css">
</head>
<body>
<main data-state="turn">
  <p id="event">{event}</p>
  <h1 id="heading">{heading}</h1>
  <p id="lead">{lead}</p>
  <p><a id="shop-link" href="{address}" rel="noreferrer">{link}</a></p>
</main>
</body>
</html>
`

// leave is the page that goes to the shop by itself. A redirect would be the answer to a form, which may
// lead nowhere but to the room by the page's policy. Package html/template would be half of this program
// for one page, so everything is escaped here, and no value stands outside of quotes or of an element's text.
func leave(r httpapi.Request, event, address string) (httpapi.Response, error) {
	// Escaping does not make an address of scripts harmless. A browser reads what begins so to its end.
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return httpapi.Response{}, fmt.Errorf("event %s: the target is no address of a shop", event)
	}
	w, err := words.For(httpapi.Header(r, "Accept-Language"))
	if err != nil {
		return httpapi.Response{}, err
	}
	values := []string{
		"{lang}", w.Name, "{dir}", w.Dir, "{event}", event, "{address}", address,
		"{heading}", w.Say("turn"), "{lead}", w.Say("turn.lead"), "{link}", w.Say("plain.leaving"),
	}
	for i := 1; i < len(values); i += 2 {
		values[i] = html.EscapeString(values[i])
	}
	return plain.Page(http.StatusOK, strings.NewReplacer(values...).Replace(leaving)), nil
}
