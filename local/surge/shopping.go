package surge

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// How people are at a shop.
const (
	// hurry is for how long they look at a page that does not come.
	hurry = 10 * time.Second
	// leastReload and mostReload are the times after which they load it anew when it failed.
	leastReload, mostReload = 2 * time.Second, 6 * time.Second
	// endurance is for how long they try before they give up.
	endurance = 3 * time.Minute
	// mostHops is how often a browser lets itself be sent elsewhere.
	mostHops = 10
)

// shopped is what came of a step at the shop.
type shopped struct {
	ok     bool
	away   bool   // sent away or back to the room, in spite of the pass
	cookie string // as it is sent
}

// visitShop takes the visitor's next step at the shop: the checkout, and then the order.
func (c *crowd) visitShop(i int32) {
	v := &c.visits[i]
	if !v.browsed {
		address := v.token
		c.shop.run(func(w *wire) {
			s := browse(w, address, c.page)
			c.post(func() { c.shopped(i, s) })
		})
		return
	}
	cookie := v.token
	c.shop.run(func(w *wire) {
		a := w.ask(http.MethodPost, c.orders, http.Header{"Cookie": {cookie}}, "", hurry)
		c.post(func() {
			c.shopped(i, shopped{ok: a.status/100 == 2 || a.status == http.StatusSeeOther, cookie: cookie})
		})
	})
}

// browse follows an address as a browser does, and keeps the cookies that it is given on the way.
func browse(w *wire, address string, room *url.URL) shopped {
	at, err := url.Parse(address)
	if err != nil {
		return shopped{}
	}
	cookies := map[string]string{}
	deadline := time.Now().Add(hurry)
	for range mostHops {
		if at.Path == room.Path && sameServer(at, room) {
			return shopped{away: true}
		}
		a := w.ask(http.MethodGet, at, cookieHeader(cookies), "", time.Until(deadline))
		for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
			cookies[cookie.Name] = cookie.Value
		}
		if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
			return shopped{away: true}
		}
		if a.status/100 != 3 {
			return shopped{ok: a.status == http.StatusOK, cookie: cookieHeader(cookies).Get("Cookie")}
		}
		if at, err = at.Parse(a.header.Get("Location")); err != nil {
			return shopped{}
		}
	}
	return shopped{}
}

// sameServer knows a room on this machine by any of the machine's names.
func sameServer(a, b *url.URL) bool {
	return a.Host == b.Host || a.Port() == b.Port() && isLocal(a.Hostname()) && isLocal(b.Hostname())
}

func isLocal(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

func cookieHeader(cookies map[string]string) http.Header {
	var pairs []string
	for name, value := range cookies {
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) == 0 {
		return nil
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

// shopped goes on with what came of a step at the shop.
func (c *crowd) shopped(i int32, s shopped) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	now := c.turn
	switch {
	case s.away:
		c.broken("visitor %d was admitted, and the shop sent the visitor away", i)
		c.end(i, Rejected)
	case s.ok && !v.browsed && c.Orders:
		visitor.Outcome = InShop
		v.browsed, v.token = true, s.cookie
		v.actAt = milliseconds(now)
	case s.ok:
		visitor.Ordered = now
		if c.Orders {
			c.second(now).Orders++
		}
		c.end(i, InShop)
	case now-visitor.Admitted > endurance:
		c.second(now).ShopFails++
		c.end(i, Waiting)
	default:
		c.second(now).ShopFails++
		v.actAt = c.in(c.reload())
	}
	c.step(i)
}

// reload is the time until people load a page anew that failed.
func (c *crowd) reload() time.Duration {
	return leastReload + time.Duration(c.random.Float64()*float64(mostReload-leastReload))
}
