package surge

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestCurve(t *testing.T) {
	for _, c := range []Curve{
		{Visitors: 1, Over: time.Second},
		{Visitors: 1, Over: time.Second, Before: 1},
		{Visitors: 1000, Over: time.Minute, Before: 0.3},
		{Visitors: 1000, Over: time.Minute, Before: 0.3, Even: true},
		{Visitors: 1000, Over: time.Minute, Before: 1},
		{Visitors: 1000, Over: time.Millisecond},
		{Visitors: 10_000, Over: time.Hour, Before: 0.999},
	} {
		random := rand.New(rand.NewPCG(5, 6))
		last, early := -c.Lead(), 0
		for i := range c.Visitors {
			at := c.Arrives(i, random.Float64())
			if at < last || at > c.Over-c.Lead() {
				t.Fatalf("%+v: visitor %d arrives at %s, the one before at %s", c, i, at, last)
			}
			if at < 0 {
				early++
			}
			last = at
		}
		if early != c.Early() {
			t.Errorf("%+v: %d come early, want %d", c, early, c.Early())
		}
	}
}

// TestSpike counts arrivals by the second.
func TestSpike(t *testing.T) {
	c := Curve{Visitors: 300_000, Over: time.Minute, Before: 0.3}
	seconds := map[int]int{}
	for i := c.Early(); i < c.Visitors; i++ {
		seconds[int(c.Arrives(i, 0.5)/time.Second)]++
	}
	mean := float64(c.Visitors-c.Early()) / 45
	for _, test := range []struct {
		second   int
		from, to float64 // times the mean
	}{{0, 0.4, 0.7}, {1, 1.4, 1.9}, {2, 2, 2.5}, {22, 0.8, 1.1}, {44, 0.2, 0.45}} {
		if n := float64(seconds[test.second]) / mean; n < test.from || n > test.to {
			t.Errorf("in second %d come %.2f times the mean, want %.2f to %.2f", test.second, n, test.from, test.to)
		}
	}
}
