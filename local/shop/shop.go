// Package shop is the demo shop behind the waiting room on one machine. It uses the gate as any
// shop written in Go would, and its checkout shows what the gate found in the visitor's pass.
package shop

import (
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"waitingroom/shared/gate"
)

// Options of the shop. Room, Address and Event are required.
type Options struct {
	Room    string // address of the waiting room
	Address string // address of the checkout, such as http://127.0.0.1:8080/shop; passes are for its origin
	Event   string // the event on sale

	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil means slog.Default
}

// Path is where the checkout is. The handler expects it in the request's path.
const Path = "/shop"

// Shop serves the checkout at Path to visitors with a pass; other paths are 404.
type Shop struct {
	mux  *http.ServeMux
	room string
	now  func() time.Time
	log  *slog.Logger
}

// New returns the shop. It needs the room only when the first visitor comes.
func New(o Options) (*Shop, error) {
	g, err := gate.New(gate.Options{Room: o.Room, Audience: o.Address, Event: o.Event, Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	s := &Shop{mux: http.NewServeMux(), room: strings.TrimRight(o.Room, "/"), now: o.Now, log: o.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	checkout := g.Wrap(http.HandlerFunc(s.checkout))
	s.mux.Handle("GET "+Path, checkout)
	s.mux.Handle("GET "+Path+"/{$}", checkout)
	return s, nil
}

// ServeHTTP answers requests for Path and what is below it.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// page is what the checkout shows of a pass; it never shows the pass itself.
type page struct {
	gate.Visitor
	Minutes int64  // left, rounded up
	Until   string // RFC 3339
	Room    string
}

func (s *Shop) checkout(w http.ResponseWriter, r *http.Request) {
	visitor, ok := gate.FromContext(r.Context())
	if !ok {
		// Only if the routes above lose their gate: nobody may shop then.
		http.Error(w, "the gate is missing", http.StatusInternalServerError)
		return
	}
	// A pass may be looked at within the gate's leeway after it has expired.
	left := max(0, visitor.Expires.Sub(s.now()))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store")
	err := checkout.Execute(w, page{
		Visitor: visitor,
		Minutes: int64((left + time.Minute - 1) / time.Minute),
		Until:   visitor.Expires.UTC().Format(time.RFC3339),
		Room:    s.room + "/" + visitor.Event,
	})
	if err != nil {
		s.log.InfoContext(r.Context(), "shop: page not delivered", "event", visitor.Event, "visitor", visitor.ID, "error", err)
	}
}

var checkout = template.Must(template.New("checkout").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Checkout: {{.Event}}</title>
</head>
<body>
<main>
<h1>You are in the shop</h1>
<p id="pass-checked">Your pass was checked: it is valid for the event <strong id="event">{{.Event}}</strong>.</p>
<dl>
<dt>Visitor</dt>
<dd id="visitor">{{.ID}}</dd>
<dt>Time left</dt>
<dd id="time-left">{{if eq .Minutes 1}}1 minute{{else}}{{.Minutes}} minutes{{end}}, until <time datetime="{{.Until}}">{{.Until}}</time></dd>
</dl>
<p>This is a demonstration: nothing is for sale here. <a href="{{.Room}}">Back to the waiting room</a></p>
</main>
</body>
</html>
`))
