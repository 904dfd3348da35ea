package gate

import (
	"crypto/sha256"
	"sync"
	"time"
)

// A browser that refuses cookies goes round and round: the gate sends it to the room for a pass, and
// the room, where it has been admitted, straight back with the same one. So does a browser whose
// pass is refused because a clock or an address of the shop is set wrong. Neither can be told from a
// first visit by the request alone, so arrivals remembers the passes that came without a good
// cookie. It knows only this instance's; behind a load balancer the circle ends a few rounds later.
type arrivals struct {
	mu              sync.Mutex
	since           time.Time // start of the current minute
	current, former map[[sha256.Size]byte]int
}

const (
	loopPeriod = time.Minute
	// loopRounds is how often a pass may arrive within a period or two before the circle is broken:
	// twice, for the sake of people who open the same address in another browser or reload it.
	loopRounds = 2
	// loopMemory bounds the passes remembered per period, to some megabytes. Those beyond go round.
	loopMemory = 20_000
)

// loops notes an arrival and tells whether there were too many of the same pass.
func (a *arrivals) loops(token string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if since := now.Sub(a.since); since < 0 || since >= loopPeriod {
		a.former, a.current, a.since = a.current, map[[sha256.Size]byte]int{}, now
		if since >= 2*loopPeriod {
			a.former = nil
		}
	}
	key := sha256.Sum256([]byte(token))
	if _, known := a.current[key]; known || len(a.current) < loopMemory {
		a.current[key]++
	}
	return a.current[key]+a.former[key] > loopRounds
}
