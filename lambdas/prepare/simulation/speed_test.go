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

// How many shows the table holds, and how many of them begin to be prepared at once.
const kept, together = 500, 50

// crowded is a table with many shows, some of which are due at this moment, with the quota of
// PutParameter. Systems Manager's quotas name 40 calls a second for reading parameters and none for
// setting them; AWS has told people of 10 and of 3
// (https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2944).
func crowded(t *testing.T, putsASecond int) *world {
	w := newWorld(t)
	w.alone = false
	w.takes = locked(w, latencies(rand.New(rand.NewPCG(1, 0))))
	for i := range kept {
		onsale := 85 * time.Minute
		if i >= together {
			onsale = time.Duration(i) * 24 * time.Hour
		}
		id := fmt.Sprintf("s%d", i)
		w.ask(id, fmt.Sprintf("event-%d", i), onsale)
		w.person(id, func(s *hotshow.Show) (hotshow.Change, error) {
			c := s.Note("", "has been told of all so far", time.Now())
			s.Tell(s.Changes)
			return c, nil
		})
	}
	time.Sleep(30 * time.Minute)
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

// each counts the shows that begin together of which something is so.
func (w *world) each(is func(hotshow.Show) bool) (n int) {
	for i := range together {
		if is(w.show(fmt.Sprintf("s%d", i))) {
			n++
		}
	}
	return n
}

// minute makes a run, lets the rest of its minute pass, and returns how long it took and what it called.
func (w *world) minute() (took time.Duration, called map[string]int) {
	began, before := time.Now(), len(w.calls)
	w.runOnce()
	took, called = time.Since(began), map[string]int{}
	for _, what := range w.calls[before:] {
		called[what]++
	}
	time.Sleep(time.Until(began.Add(time.Minute)))
	return took, called
}

// TestFiftyShowsAtOnce has one run handle all shows that begin at this moment, as far as quotas allow.
func TestFiftyShowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowded(t, 10)
		took, called := w.minute()
		up := w.each(func(s hotshow.Show) bool { return s.Steps[hotshow.Parameters].Progress == hotshow.Up })
		if took >= 50*time.Second || up != together || called[provisions] != together {
			t.Errorf("after %v %d shows have parameters, and %d products are asked for", took, up, called[provisions])
		}
		// Reads are of the list, of each show, of what shows share, and of the history for its comments.
		if called[reads] > 20*together || called[writes] > 30*together {
			t.Errorf("%d reads and %d writes of the table", called[reads], called[writes])
		}
		t.Logf("%v; %v", took, called)
		for range 45 {
			if took, _ := w.minute(); took >= 55*time.Second {
				t.Errorf("a run took %v", took)
			}
		}
		if ready := w.each(func(s hotshow.Show) bool { return s.State == hotshow.Ready }); ready != together {
			t.Errorf("%d shows are ready in time", ready)
		}
		if _, called := w.minute(); called[reads] != 1 || len(called) != 1 {
			t.Errorf("while nothing is due a run calls %v", called)
		}
	})
}

// TestFiftyShowsAtOnceSlowly is the same with a quota that lets no run set the parameters of all.
func TestFiftyShowsAtOnceSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowded(t, 3)
		took, _ := w.minute()
		begun := w.each(func(s hotshow.Show) bool { return s.Steps[hotshow.Throughput].Progress != hotshow.Waiting })
		if took >= 55*time.Second || begun != together {
			t.Errorf("after %v %d shows are begun", took, begun)
		}
		for range 5 {
			w.minute()
		}
		if up := w.each(func(s hotshow.Show) bool { return s.Steps[hotshow.Parameters].Progress == hotshow.Up }); up != together {
			t.Errorf("after six minutes %d shows have parameters", up)
		}
	})
}
