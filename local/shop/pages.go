package shop

import (
	"html/template"
	"io"
	"net/http"
	"time"

	"waitingroom/shared/gate"
)

// page is what the pages show of a visitor; it never holds the pass itself.
type page struct {
	Event     string
	Visitor   string
	Pass      *gate.Visitor // nil without a gate
	Minutes   int64         // left, rounded up
	Until     string        // RFC 3339
	Room      string        // the event's address there
	Order     int64         // its number; 0 before it is placed
	Checkout  string
	OrderPath string
}

func (s *Shop) show(w http.ResponseWriter, r *http.Request, name string, g guest, order int64) {
	p := page{Event: s.event, Visitor: g.name, Pass: g.pass, Room: s.room + "/" + s.event, Order: order, Checkout: Path, OrderPath: OrderPath}
	if g.pass != nil {
		// A pass may be looked at within the gate's leeway after it has expired.
		left := max(0, g.pass.Expires.Sub(s.now()))
		p.Minutes = int64((left + time.Minute - 1) / time.Minute)
		p.Until = g.pass.Expires.UTC().Format(time.RFC3339)
	}
	setHeaders(w.Header())
	if err := pages.ExecuteTemplate(w, name, p); err != nil {
		s.log.InfoContext(r.Context(), "shop: page not delivered", "event", s.event, "visitor", g.name, "error", err)
	}
}

func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer, under which browsers send a form's origin as null.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
}

// largestBody is that of an order's form in bytes: it has no fields.
const largestBody = 1 << 10

// empty reads the body to its end. If it returns false, the visitor was answered.
func empty(w http.ResponseWriter, r *http.Request) bool {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, largestBody)); err != nil {
		http.Error(w, "An order is a form without fields.", http.StatusRequestEntityTooLarge)
		return false
	}
	return true
}

// apologise answers for a shop that cannot bear its load.
func (s *Shop) apologise(w http.ResponseWriter) {
	setHeaders(w.Header())
	w.Header().Set("Retry-After", retryAfter)
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, overloaded) // whoever has gone misses nothing
}

const overloaded = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The shop is overloaded</title>
</head>
<body>
<main>
<h1>The shop is overloaded</h1>
<p>Too many people are here at once. Please try again in some seconds.</p>
</main>
</body>
</html>
`

var pages = template.Must(template.New("pages").Parse(`{{define "head"}}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{{end}}

{{define "checkout"}}{{template "head"}}<title>Checkout: {{.Event}}</title>
</head>
<body>
<main>
<h1>You are in the shop</h1>
{{if .Pass}}<p id="pass-checked">Your pass was checked: it is valid for the event <strong id="event">{{.Event}}</strong>.</p>
<dl>
<dt>Visitor</dt>
<dd id="visitor">{{.Visitor}}</dd>
<dt>Time left</dt>
<dd id="time-left">{{if eq .Minutes 1}}1 minute{{else}}{{.Minutes}} minutes{{end}}, until <time datetime="{{.Until}}">{{.Until}}</time></dd>
</dl>
{{end}}{{if .Order}}<p>You have ordered already: <a id="ordered" href="{{.OrderPath}}">order {{.Order}}</a>.</p>
{{else}}<form method="post" action="{{.OrderPath}}">
<button id="order" type="submit">Place the order (demonstration)</button>
</form>
{{end}}<p>This is a demonstration: nothing is for sale here. <a href="{{.Room}}">Back to the waiting room</a></p>
</main>
</body>
</html>
{{end}}

{{define "receipt"}}{{template "head"}}<title>Order placed: {{.Event}}</title>
</head>
<body>
<main>
<h1>Your order is placed</h1>
<p>It is order <strong id="order-number">{{.Order}}</strong> for the event <strong id="event">{{.Event}}</strong>.</p>
<p>This is a demonstration: nothing was sold, and nothing has to be paid. <a href="{{.Checkout}}">Back to the checkout</a></p>
</main>
</body>
</html>
{{end}}
`))
