// Package gate is net/http middleware that lets visitors into a shop who hold a pass of the
// waiting room, and sends everybody else there.
//
//	g, err := gate.New(gate.Options{Room: "https://room.example", Audience: "https://shop.example", Event: "demo"})
//	http.Handle("/checkout/", g.Wrap(checkout))
//
// A visitor arrives with the pass in the address. The gate checks it with the room's published
// keys, moves it into a cookie and redirects to the same address without it, so that it stays in no
// history, log or Referer. It calls the room only for its keys, and keeps working with those that
// it has while the room is out of reach.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

// DefaultLeeway is how far the shop's clock may be off the room's, in either direction.
const DefaultLeeway = 10 * time.Second

// Options of a gate. Room, Audience and Event are required.
type Options struct {
	// Room is the address of the waiting room, the iss of its passes. It has to be https, or http
	// on loopback: whoever could change its keys on the way could let anybody in.
	Room string
	// Audience is the address of the shop as visitors see it; its origin is the aud of their passes.
	// On https the cookie is Secure, also behind a load balancer that speaks http to the shop.
	Audience string
	// Event is the event whose passes open this gate.
	Event string
	// Protect tells which requests need a pass; nil means all. Spare what must always answer, such
	// as health checks, and what has a session of its own and may outlive the pass.
	Protect func(*http.Request) bool
	// CookieName is the name of the cookie; empty means one that differs by event, so that the
	// gates of several events can stand in one shop.
	CookieName string
	// Leeway is allowed on iat and exp; 0 means DefaultLeeway.
	Leeway time.Duration
	// HTTPClient fetches the room's keys; nil means one without a proxy of its own. Redirects are
	// never followed.
	HTTPClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger receives refusals (debug) and keys that cannot be fetched (warning); nil means
	// slog.Default. It never receives a pass.
	Logger *slog.Logger
}

// Gate checks passes. It is safe for use by many goroutines.
type Gate struct {
	room     string // without a trailing slash
	audience string // an origin
	event    string
	protect  func(*http.Request) bool
	cookie   string
	secure   bool
	leeway   time.Duration
	now      func() time.Time
	log      *slog.Logger
	keys     *keySet
	arrivals arrivals
}

// New returns a gate. It does not call the room: a shop can start before it. The error names every
// option that is wrong.
func New(o Options) (*Gate, error) {
	room := strings.TrimRight(o.Room, "/")
	audience, err := pass.Origin(o.Audience)
	var wrong []error
	if err != nil {
		wrong = append(wrong, fmt.Errorf("gate: Audience: %w", err))
	} else if !trustworthy(o.Audience) {
		wrong = append(wrong, fmt.Errorf("gate: Audience %q has to be https, or http on loopback", o.Audience))
	}
	if !trustworthy(room) || strings.ContainsAny(room, "?#") {
		wrong = append(wrong, fmt.Errorf("gate: Room %q has to be an https address, or http on loopback", o.Room))
	}
	if !names.ValidEvent(o.Event) {
		wrong = append(wrong, fmt.Errorf("gate: Event %q has to be 1 to 64 of a-z, 0-9 and -, and none of %v", o.Event, names.Reserved()))
	}
	if o.Leeway < 0 {
		wrong = append(wrong, fmt.Errorf("gate: Leeway %v is negative", o.Leeway))
	}
	if wrong != nil {
		return nil, errors.Join(wrong...)
	}
	g := &Gate{
		room: room, audience: audience, event: o.Event,
		protect: o.Protect, leeway: o.Leeway, now: o.Now, log: o.Logger,
		secure: strings.HasPrefix(audience, "https:"), cookie: o.CookieName,
	}
	if g.protect == nil {
		g.protect = func(*http.Request) bool { return true }
	}
	if g.leeway == 0 {
		g.leeway = DefaultLeeway
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.cookie == "" {
		g.cookie = cookieName(g.event, g.secure)
	}
	g.keys = newKeySet(room+names.JWKSPath, o.HTTPClient, g.now, g.log)
	return g, nil
}

// cookieName has the prefix that keeps the shop's sibling hosts from setting the cookie, which
// browsers accept on https only.
func cookieName(event string, secure bool) string {
	name := names.PassParameter + "_" + event
	if secure {
		return "__Host-" + name
	}
	return name
}

// trustworthy tells whether an address cannot be tampered with on the way.
func trustworthy(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// Visitor is who holds the pass.
type Visitor struct {
	ID      string    // the same for a visitor as long as their place is
	Event   string    // the event of the pass
	PassID  string    // jti, the same however often the room hands the pass out
	Issued  time.Time // whole seconds
	Expires time.Time // whole seconds; the gate refuses the pass a little later, by the leeway
}

type contextKey struct{}

// FromContext returns the visitor of a request that came through the gate.
func FromContext(ctx context.Context) (Visitor, bool) {
	v, ok := ctx.Value(contextKey{}).(Visitor)
	return v, ok
}

// Wrap returns a handler that calls next for visitors with a good pass. Their answers are marked
// private, unless next says otherwise, so that no shared cache hands them to those without one.
//
// Without a good pass, GET and HEAD of a browser are sent to the room's page, everything else is
// answered with a 403 problem document; 503 while passes cannot be checked for want of keys.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.protect(r) {
			next.ServeHTTP(w, r)
			return
		}
		asked := requested(r)
		if token, rest, found := cutPass(asked.query); found {
			asked.query = rest
			g.arrive(w, r, next, token, asked)
			return
		}
		visitor, err := g.held(r)
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		g.enter(w, r, next, visitor)
	})
}

// arrive handles a request with a pass in its address; asked is that address without it.
func (g *Gate) arrive(w http.ResponseWriter, r *http.Request, next http.Handler, token string, asked address) {
	visitor, err := g.Check(r.Context(), token)
	fresh := err == nil
	held, heldErr := g.held(r)
	if heldErr == nil && (!fresh || held.Expires.After(visitor.Expires)) {
		// An old link, opened again by someone who is in the shop already, shortens no visit.
		visitor, err, fresh = held, nil, false
	}
	if fresh {
		g.setCookie(w, token, visitor)
	}
	switch {
	case errors.Is(err, errUnchecked):
		g.refuse(w, r, err)
	case heldErr != nil && navigates(r) && g.arrivals.loops(token, g.now()):
		g.explainLoop(w, fresh, asked)
	case err != nil:
		g.refuse(w, r, err)
	case reads(r):
		g.redirect(w, r, asked.below(g.audience))
	default:
		// A redirect would lose the body of a form.
		g.enter(w, asked.of(r), next, visitor)
	}
}

func (g *Gate) enter(w http.ResponseWriter, r *http.Request, next http.Handler, v Visitor) {
	w.Header().Set("Cache-Control", "private")
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, v)))
}

// maxCookies is how many cookies of the gate's name are looked at. A browser sends one of its own,
// and others only if a sibling host could set them.
const maxCookies = 4

// held returns the visitor of the first of the request's cookies that is a good pass.
func (g *Gate) held(r *http.Request) (Visitor, error) {
	cookies := r.CookiesNamed(g.cookie)
	refused := errNoPass
	for _, cookie := range cookies[:min(len(cookies), maxCookies)] {
		visitor, err := g.Check(r.Context(), cookie.Value)
		if err == nil {
			return visitor, nil
		}
		// One that may be good keeps the visitor here.
		if !errors.Is(refused, errUnchecked) {
			refused = err
		}
	}
	return Visitor{}, refused
}

func (g *Gate) setCookie(w http.ResponseWriter, token string, v Visitor) {
	left := v.Expires.Add(g.leeway).Sub(g.now())
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie, Value: token, Path: "/",
		// Rounded up: a Max-Age of 0 would delete the cookie of a pass that was just accepted.
		MaxAge:   int(math.Ceil(left.Seconds())),
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
	})
}

// reads tells whether repeating the request at another address is the same request.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// navigates tells whether a person waits for the answer in a browser.
func navigates(r *http.Request) bool {
	return reads(r) && strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), "text/html")
}
