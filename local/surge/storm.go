package surge

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"waitingroom/local/shop"
)

// stormWires is the most requests under way at once. Those beyond wait as they would in the queues
// before a server that is full, and give up as early.
const stormWires = 2048

// storm is a crowd without a room: everybody asks the shop, and asks again when it fails.
type storm struct {
	*crowd
	checkout, order *url.URL
}

// Storm sends the same crowd, on the same curve, to o.Shop: the checkout of a demo shop that has no
// room in front of it. Those who come before the on-sale ask within the two seconds after it. When
// the shop fails or takes longer than ten seconds, people load the page anew some seconds later, and
// after three minutes of that they give up. It ends when nobody is left, For after the on-sale, or
// when ctx ends. Of the log, only arrivals, orders and what failed at the shop have a meaning.
func Storm(ctx context.Context, o Options) (*Log, error) {
	if err := errors.Join(o.Check(), o.checkTargets(o.Shop)); err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	checkout, err := url.Parse(o.Shop)
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	running, stop := context.WithCancel(ctx)
	s := &storm{checkout: checkout, order: checkout.JoinPath(strings.TrimPrefix(shop.OrderPath, shop.Path))}
	s.crowd = &crowd{
		Options: o, ctx: running, random: rand.New(rand.NewPCG(o.Seed, 1)), log: newLog(o),
		wheel: newWheel(o.Visitors), visits: make([]visit, o.Visitors), shop: newWires(running, stormWires, o.dialer()),
	}
	s.fire = s.step
	defer s.shop.wait()
	defer stop()
	s.begin(s.Lead())
	s.log.OnSale = s.Lead()
	for i := range s.visits {
		ask := s.log.Visitors[i].Arrives
		if ask < s.log.OnSale {
			ask = s.log.OnSale + time.Duration(s.random.Float64()*float64(leastReload))
		}
		s.visits[i].actAt = milliseconds(ask)
	}
	s.loop()
	return s.log, nil
}

func (s *storm) step(i int32) {
	v := &s.visits[i]
	switch {
	case v.over || s.ended:
	case v.actAt <= milliseconds(s.turn):
		s.ask(i)
	default:
		s.wheel.set(i, int64(v.actAt))
	}
}

// ask takes the visitor's next step at the shop.
func (s *storm) ask(i int32) {
	v, visitor := &s.visits[i], &s.log.Visitors[i]
	if visitor.Asked == Never {
		visitor.Asked = s.turn
	}
	draw := s.draw(int(i))
	header := http.Header{shop.VisitorHeader: {hex.EncodeToString(draw[16:])}}
	method, address := http.MethodGet, s.checkout
	if v.browsed {
		method, address = http.MethodPost, s.order
	}
	deadline := time.Now().Add(hurry)
	s.shop.run(func(w *wire) {
		var a reply
		if left := time.Until(deadline); left > 0 {
			a = w.ask(method, address, header, "", left)
		}
		s.post(func() { s.answered(i, a.status) })
	})
}

func (s *storm) answered(i int32, status int) {
	v, visitor := &s.visits[i], &s.log.Visitors[i]
	now := s.turn
	switch {
	case status == http.StatusOK && !v.browsed:
		v.browsed = true
		v.actAt = milliseconds(now)
	case v.browsed && status == http.StatusSeeOther:
		visitor.Ordered = now
		s.second(now).Orders++
		s.end(i, InShop)
	default:
		s.second(now).ShopFails++
		v.actAt = s.in(s.reload())
		if now-visitor.Asked > endurance {
			s.end(i, Waiting)
		}
	}
	s.step(i)
}
