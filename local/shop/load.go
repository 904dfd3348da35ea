package shop

import (
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"
)

// Load is what the shop has had to do since it was opened, at all of its doors.
type Load struct {
	Began      time.Time
	InProgress int   // steps worked on now, including those that nobody waits for any more
	Checkouts  int64 // shown
	Completed  int64 // orders, one for each visitor
	Refused    int64 // steps answered 503 at once
	TimedOut   int64 // steps answered 503 after some seconds, their work wasted
	Abandoned  int64 // steps whose visitor has gone, their work wasted
	// Seconds since Began, without a gap, up to the last in which something happened. They end after
	// MostSeconds; the totals go on.
	Seconds []Second
}

// MostSeconds is the length of Load.Seconds: a day.
const MostSeconds = 24 * 60 * 60

// Second is what happened in one second.
type Second struct {
	Checkouts  int64 // shown
	Completed  int64 // orders
	Failed     int64 // steps refused, timed out and abandoned
	InProgress int   // the most steps in progress that were seen when one ended
}

// Load returns the figures so far. It copies the seconds.
func (s *Shop) Load() Load {
	load := s.ledger.snapshot()
	if s.workers != nil {
		load.InProgress = s.workers.busy()
	}
	return load
}

// ledger keeps the orders and counts what happens.
type ledger struct {
	mu     sync.Mutex
	load   Load
	orders map[[16]byte]int64 // numbers, by visitor
}

func newLedger() *ledger {
	return &ledger{load: Load{Began: time.Now()}, orders: map[[16]byte]int64{}}
}

// key makes a name that a visitor chose as small as any other.
func key(visitor string) [16]byte {
	sum := sha256.Sum256([]byte(visitor))
	return [16]byte(sum[:16])
}

// order places the visitor's order, unless it is placed already.
func (l *ledger) order(visitor string) {
	k := key(visitor)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.orders[k] != 0 {
		return
	}
	l.load.Completed++
	l.orders[k] = l.load.Completed
	l.second().Completed++
}

// number of the visitor's order, from 1; 0 if there is none.
func (l *ledger) number(visitor string) int64 {
	k := key(visitor)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.orders[k]
}

func (l *ledger) showed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.load.Checkouts++
	l.second().Checkouts++
}

// worked counts how a step's work ended.
func (l *ledger) worked(err error, inProgress int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	second := l.second()
	second.InProgress = max(second.InProgress, inProgress)
	switch {
	case errors.Is(err, errBusy):
		l.load.Refused++
	case errors.Is(err, errTooSlow):
		l.load.TimedOut++
	case errors.Is(err, errAbandoned):
		l.load.Abandoned++
	default:
		return
	}
	second.Failed++
}

// second is the one that is now; after MostSeconds, one that nobody sees.
func (l *ledger) second() *Second {
	n := int(time.Since(l.load.Began) / time.Second)
	if n >= MostSeconds {
		return &Second{}
	}
	for len(l.load.Seconds) <= n {
		l.load.Seconds = append(l.load.Seconds, Second{})
	}
	return &l.load.Seconds[n]
}

func (l *ledger) snapshot() Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	load := l.load
	load.Seconds = slices.Clone(load.Seconds)
	return load
}
