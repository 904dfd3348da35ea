package shop

import (
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"waitingroom/shared/names"
)

// mostShops bounds how many events a mall sells: anybody can make up their names.
const mostShops = 100

// Mall is the demo shop of a room whose events are not known beforehand: a shop for each event of which
// somebody brings a pass. Each shop checks the passes itself.
type Mall struct {
	options Options

	mu    sync.Mutex
	shops map[string]*Shop
}

// NewMall returns a mall. Visitors without a pass see the shop of the options' event. Errors are New's.
func NewMall(o Options) (*Mall, error) {
	first, err := New(o)
	if err != nil {
		return nil, err
	}
	return &Mall{options: o, shops: map[string]*Shop{o.Event: first}}, nil
}

// ServeHTTP answers as the shop of the request's event does.
func (m *Mall) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.of(eventOf(r)).ServeHTTP(w, r) }

// of is an event's shop. What is no event has the first one, which refuses its passes.
func (m *Mall) of(event string) *Shop {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.shops[event]; ok {
		return known
	}
	own := m.options
	own.Event = event
	opened, err := New(own)
	if err != nil || len(m.shops) >= mostShops {
		return m.shops[m.options.Event]
	}
	m.shops[event] = opened
	return opened
}

// eventOf is what the request's pass or cookie says that it is for. It only chooses who checks the pass.
func eventOf(r *http.Request) string {
	if parsed, err := jwt.ParseSigned(r.URL.Query().Get(names.PassParameter), []jose.SignatureAlgorithm{jose.RS256}); err == nil {
		var claims struct {
			Event string `json:"event"`
		}
		if parsed.UnsafeClaimsWithoutVerification(&claims) == nil {
			return claims.Event
		}
	}
	for _, cookie := range r.Cookies() {
		if event, ok := strings.CutPrefix(cookie.Name, names.PassParameter+"_"); ok {
			return event
		}
	}
	return ""
}
