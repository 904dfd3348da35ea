// Package limits refuses what the real services refuse: a table's partitions and quotas, and API
// Gateway's account limit. Each limit stands in front of something that has none.
package limits

import (
	"math"
	"time"
)

// tally is a running sum and the largest part of it that fell into one second of the clock.
type tally struct {
	total float64
	peak  float64
	this  float64 // of the latest second
	at    int64   // which one that is
}

func (t *tally) add(second int64, n float64) {
	if second > t.at {
		t.peak, t.this, t.at = t.highest(), 0, second
	}
	t.this += n
	t.total += n
}

func (t *tally) highest() float64 { return math.Max(t.peak, t.this) }

// clock counts time from when something was made.
type clock struct {
	now   func() time.Time
	began time.Time
}

// newClock starts counting now. Without a function it follows the machine's clock.
func newClock(now func() time.Time) clock {
	if now == nil {
		now = time.Now
	}
	return clock{now, now()}
}

func (c clock) elapsed() time.Duration { return c.now().Sub(c.began) }
