package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/shared/hotshow"
)

// latencies are how long calls of a function take, as drawn from a seed: what DynamoDB answers within
// single-digit milliseconds, control calls within half a second, and the room through its CDN.
func latencies(random *rand.Rand) func(what string) time.Duration {
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(random.Int64N(int64(most-least)))
	}
	return func(what string) time.Duration {
		switch {
		case what == reads || what == writes:
			return between(5*time.Millisecond, 15*time.Millisecond)
		case strings.HasPrefix(what, "ssm: "):
			return between(20*time.Millisecond, 100*time.Millisecond)
		case strings.HasPrefix(what, "room: "):
			return between(20*time.Millisecond, 200*time.Millisecond)
		}
		return between(200*time.Millisecond, 500*time.Millisecond)
	}
}

// quota refuses what comes faster than so many a second, beyond a burst of a second's.
func quota(kind string, aSecond int) func(int, string) trouble {
	left, last := float64(aSecond), time.Now()
	return func(_ int, what string) trouble {
		if what != kind {
			return none
		}
		now := time.Now()
		left, last = min(left+now.Sub(last).Seconds()*float64(aSecond), float64(aSecond)), now
		if left < 1 {
			return isRefused
		}
		left--
		return none
	}
}

// crowded is a table of 500 shows, of which 50 begin to be prepared at this moment, with the quota of
// PutParameter. Systems Manager's quotas name 40 calls a second for reading parameters and none for
// setting them; AWS has told people of 10 and of 3
// (https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2944).
func crowded(t *testing.T, putsASecond int) *world {
	w := newWorld(t)
	w.alone = false
	var mu = rand.New(rand.NewPCG(1, 0))
	w.takes = locked(w, latencies(mu))
	for i := range 500 {
		onsale := 85 * time.Minute
		if i >= 50 {
			onsale = time.Duration(i) * 24 * time.Hour
		}
		w.ask(fmt.Sprintf("s%d", i), fmt.Sprintf("event-%d", i), onsale)
	}
	time.Sleep(30 * time.Minute) // so that comments about the asking are no part of it
	w.befalls = quota("ssm: put parameter", putsASecond)
	return w
}

// locked has calls that are made side by side draw one after the other.
func locked(w *world, draw func(string) time.Duration) func(string) time.Duration {
	return func(what string) time.Duration {
		w.mu.Lock()
		defer w.mu.Unlock()
		return draw(what)
	}
}

// progress counts the shows of which a step is up, and those that are begun at all.
func (w *world) progress(shows int, step hotshow.Step) (up, begun int) {
	for i := range shows {
		s := w.show(fmt.Sprintf("s%d", i))
		if s.Steps[step].Progress == hotshow.Up {
			up++
		}
		for _, work := range s.Steps {
			if work.Progress != hotshow.Waiting {
				begun++
				break
			}
		}
	}
	return up, begun
}

func TestFiftyShowsAtOnce(t *testing.T) {
	for _, puts := range []int{40, 10, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := crowded(t, puts)
			for run := range 6 {
				began, calls := time.Now(), len(w.calls)
				w.runOnce()
				count := map[string]int{}
				for _, what := range w.calls[calls:] {
					count[what]++
				}
				up, begun := w.progress(50, hotshow.Parameters)
				c, _ := w.progress(50, hotshow.Concurrency)
				p, _ := w.progress(50, hotshow.Product)
				r, _ := w.progress(50, hotshow.Readiness)
				t.Logf("%d a second, run %d: %v, %d parameters up, %d concurrency, %d product, %d readiness, %d begun; calls %v", puts, run, time.Since(began), up, c, p, r, begun, count)
				time.Sleep(time.Until(began.Add(time.Minute)))
			}
		})
	}
}
