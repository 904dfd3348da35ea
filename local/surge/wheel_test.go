package surge

import (
	"math/rand/v2"
	"testing"
)

// TestWheel holds every timer against when it was set for.
func TestWheel(t *testing.T) {
	const visitors = 500
	random := rand.New(rand.NewPCG(1, 1))
	w := newWheel(visitors)
	due := make([]int64, visitors)
	fired := 0
	set := func(i int32) {
		due[i] = w.now + []int64{-3, 0, 1, random.Int64N(100), random.Int64N(3 * horizon)}[random.IntN(5)]
		w.set(i, due[i])
	}
	for i := range due {
		set(int32(i))
	}
	last := w.now
	for range 2000 {
		w.advance(w.now+random.Int64N(300), func(i int32) {
			fired++
			if w.now < last {
				t.Fatalf("millisecond %d after %d", w.now, last)
			}
			last = w.now
			// One that is due in the past fires at once, one beyond the horizon may fire early.
			if late := w.now - max(due[i], 1); late > 4 || late < 0 && due[i]-w.now > 2*horizon {
				t.Fatalf("visitor %d fired at %d and was due at %d", i, w.now, due[i])
			}
			if w.now < due[i] {
				w.set(i, due[i])
				return
			}
			set(i)
		})
	}
	if fired < visitors {
		t.Errorf("%d timers fired", fired)
	}
	for i, at := range due {
		if at < w.now-4 {
			t.Errorf("visitor %d was due at %d, and it is %d", i, at, w.now)
		}
	}
}

func BenchmarkWheel(b *testing.B) {
	const visitors = 300_000
	random := rand.New(rand.NewPCG(1, 1))
	w := newWheel(visitors)
	for i := range int32(visitors) {
		w.set(i, random.Int64N(2500))
	}
	events := 0
	for b.Loop() {
		w.advance(w.now+2, func(i int32) {
			events++
			w.set(i, w.now+2000+int64(i)%500)
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(events, 1)), "ns/event")
}

// BenchmarkPolls is the loop's work for each poll of a crowd of 300,000 that waits, without a network:
// the answer is what the stand-in for the CDN keeps.
func BenchmarkPolls(b *testing.B) {
	const visitors = 300_000
	c, _ := waitingCrowd(b, visitors)
	i := int32(0)
	for b.Loop() {
		if i == 0 {
			c.wheel = newWheel(visitors) // a visitor has one timer at most
		}
		c.edge.poll(i)
		i = (i + 1) % visitors
	}
}
