// Package shop is the demo shop behind the waiting room on one machine. It uses the gate as any
// shop written in Go would, and its checkout shows what the gate found in the visitor's pass.
//
// An order takes two steps, each of which is work for the shop:
//
//	GET  /shop         the checkout: 200, and a form with one button
//	POST /shop/order   the order, without a body: 303 to /shop/order once it is placed
//
// A visitor orders once; asking again is answered in the same way. GET /shop/order shows the order
// and is no work; without one it leads back to the checkout. A shop with a capacity answers 503 with
// Retry-After when it is overloaded.
//
// At the shop itself a visitor comes with a pass in the address, GET /shop?waitingroom_pass=…, is
// answered 303 with a cookie, and sends that with both steps. At Ungated there is no pass: the
// visitor sends a name of up to 64 characters in the header VisitorHeader with both steps, or sends
// back the cookie that the checkout sets.
package shop

import (
	"fmt"
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

	// Capacity is how many orders a minute the shop can bear; 0 means any number, at once. Below
	// LeastCapacity it is LeastCapacity. See law for what happens beyond it.
	Capacity int

	Now    func() time.Time // for passes, not for the work; nil means time.Now
	Logger *slog.Logger     // nil means slog.Default
}

// Where the steps are. The handlers expect them in the request's path.
const (
	Path      = "/shop"
	OrderPath = Path + "/order"
)

// Shop serves the steps to visitors with a pass; other paths are 404.
type Shop struct {
	mux     *http.ServeMux
	event   string
	room    string
	workers *workers // nil without a capacity
	ledger  *ledger
	now     func() time.Time
	log     *slog.Logger
}

// New returns the shop. It needs the room only when the first visitor comes.
func New(o Options) (*Shop, error) {
	g, err := gate.New(gate.Options{Room: o.Room, Audience: o.Address, Event: o.Event, Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	if o.Capacity < 0 {
		return nil, fmt.Errorf("shop: Capacity %d is negative: give orders per minute, or 0 for any number", o.Capacity)
	}
	s := &Shop{event: o.Event, room: strings.TrimRight(o.Room, "/"), ledger: newLedger(), now: o.Now, log: o.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if o.Capacity > 0 {
		s.workers = newWorkers(o.Capacity)
	}
	s.mux = s.routes(func(serve step) http.Handler {
		return g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			visitor, ok := gate.FromContext(r.Context())
			if !ok {
				// Only if the routes lose their gate: nobody may shop then.
				http.Error(w, "the gate is missing", http.StatusInternalServerError)
				return
			}
			serve(w, r, guest{name: visitor.ID, pass: &visitor})
		}))
	})
	return s, nil
}

// guest is whoever takes a step. Without a gate there is no pass.
type guest struct {
	name string
	pass *gate.Visitor
}

// step is a handler that knows its visitor.
type step func(http.ResponseWriter, *http.Request, guest)

// routes puts every step behind the door.
func (s *Shop) routes(door func(step) http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	checkout := door(s.checkout)
	mux.Handle("GET "+Path, checkout)
	mux.Handle("GET "+Path+"/{$}", checkout)
	mux.Handle("GET "+OrderPath, door(s.receipt))
	// The cookie alone would let another site's page order in a visitor's name, where the browser
	// does not heed SameSite.
	mux.Handle("POST "+OrderPath, http.NewCrossOriginProtection().Handler(door(s.order)))
	return mux
}

// ServeHTTP answers requests for Path and what is below it.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Shop) checkout(w http.ResponseWriter, r *http.Request, g guest) {
	if !s.work(w, r) {
		return
	}
	s.ledger.showed()
	s.show(w, r, "checkout", g, s.ledger.number(g.name))
}

// order places the visitor's one order. Asked again, it finds the order and answers the same.
func (s *Shop) order(w http.ResponseWriter, r *http.Request, g guest) {
	// The form has no fields. A body that has not been read would hide that its sender has gone.
	if !empty(w, r) {
		return
	}
	if !s.work(w, r) {
		return
	}
	s.ledger.order(g.name)
	setHeaders(w.Header())
	http.Redirect(w, r, OrderPath, http.StatusSeeOther)
}

// receipt is outside of the capacity: it only looks an order up.
func (s *Shop) receipt(w http.ResponseWriter, r *http.Request, g guest) {
	number := s.ledger.number(g.name)
	if number == 0 {
		setHeaders(w.Header())
		http.Redirect(w, r, Path, http.StatusSeeOther)
		return
	}
	s.show(w, r, "receipt", g, number)
}

// work takes a step's time, as much as the shop needs under its load. If it returns false, the
// visitor was answered or has gone.
func (s *Shop) work(w http.ResponseWriter, r *http.Request) bool {
	if s.workers == nil {
		return true
	}
	err := s.workers.do(r.Context())
	s.ledger.worked(err, s.workers.busy())
	if err == nil {
		return true
	}
	s.log.DebugContext(r.Context(), "shop: step failed", "error", err)
	s.apologise(w)
	return false
}
