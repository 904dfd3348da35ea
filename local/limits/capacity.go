package limits

import (
	"strings"
	"sync"
	"time"
)

// direction is what a unit is spent on. The two are limited apart.
type direction int

const (
	reads direction = iota
	writes
	directions
)

func (d direction) String() string { return [...]string{"read", "write"}[d] }

// maxKeys bounds how many refused keys of a kind are told apart.
const maxKeys = 1_000

// capacity is what a partition, or the table as a whole, takes in a second, and what it has taken.
type capacity struct {
	mu    sync.Mutex
	flows [directions]flow
	hot   map[hotKind]*hotKeys // made by the first refusal
}

// flow is a token bucket that holds a second's worth at most, and may be in debt: what a call costs
// is known only afterwards.
type flow struct {
	rate    float64 // units a second
	tokens  float64
	filled  time.Duration // when tokens were last added
	taken   tally
	refused int64 // calls
}

type hotKind struct {
	kind string
	d    direction
}

type hotKeys struct {
	refused int64
	hashes  map[uint64]struct{} // at most maxKeys
}

func (c *capacity) open(reading, writing float64) {
	for d, rate := range [directions]float64{reads: reading, writes: writing} {
		c.flows[d] = flow{rate: rate, tokens: rate}
	}
}

// take reports whether a call is let in at a time, and takes what it costs at least.
func (c *capacity) take(at time.Duration, d direction, units float64, k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &c.flows[d]
	if at > f.filled {
		f.tokens = min(f.rate, f.tokens+f.rate*(at-f.filled).Seconds())
		f.filled = at
	}
	if f.tokens <= 0 {
		f.refused++
		c.remember(d, k)
		return false
	}
	f.tokens -= units
	f.taken.add(int64(at/time.Second), units)
	return true
}

// settle takes what a call has cost beyond what was taken when it was let in, or gives back.
func (c *capacity) settle(d direction, units float64) {
	if units == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &c.flows[d]
	f.tokens = min(f.rate, f.tokens-units)
	f.taken.add(f.taken.at, units)
}

func (c *capacity) remember(d direction, k key) {
	if c.hot == nil {
		c.hot = map[hotKind]*hotKeys{}
	}
	kind, _, _ := strings.Cut(k.text, "#")
	known := c.hot[hotKind{kind, d}]
	if known == nil {
		known = &hotKeys{hashes: map[uint64]struct{}{}}
		c.hot[hotKind{strings.Clone(kind), d}] = known
	}
	known.refused++
	if len(known.hashes) < maxKeys {
		known.hashes[k.hash] = struct{}{}
	}
}
