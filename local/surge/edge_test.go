package surge

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/local/page"
	"waitingroom/shared/room"
)

func TestKept(t *testing.T) {
	for _, test := range []struct {
		control, age string
		status       int
		want         time.Duration
	}{
		{"public, max-age=1", "", 200, time.Second},
		{"max-age=60,s-maxage=2", "", 200, 2 * time.Second},
		{"s-maxage=2, max-age=60", "", 200, 2 * time.Second},
		{"public, max-age=31536000, immutable", "10", 200, 31535990 * time.Second},
		{"max-age=1", "5", 200, 0},
		{"max-age=soon", "", 200, 0},
		{"no-store", "", 200, 0},
		{"private, max-age=5", "", 200, 0},
		{"max-age=5, no-cache", "", 200, 0},
		{"", "", 200, 0},
		{"max-age=5", "", 404, 0},
	} {
		header := http.Header{"Cache-Control": {test.control}, "Age": {test.age}}
		if got := kept(reply{status: test.status, header: header}); got != test.want {
			t.Errorf("%q, age %q, status %d: kept for %v, want %v", test.control, test.age, test.status, got, test.want)
		}
	}
}

// waitingCrowd is one whose members have all joined, and wait for the seal. The second result
// counts their polls.
func waitingCrowd(t testing.TB, visitors int) (*crowd, func() int64) {
	c, err := newCrowd(t.Context(), Options{Curve: Curve{Visitors: visitors, Over: time.Second}, URL: "http://127.0.0.1", Event: "demo", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	status := &page.Status{Status: room.Status{Event: "demo", Run: "ab", Version: 1, Phase: room.Open}, At: now, OnSaleAt: now}
	c.begin(0)
	s := c.edge.meet(status, "", now)
	c.edge.answer, c.edge.until = polled{status: http.StatusOK, seen: s}, time.Hour
	for i := range c.visits {
		c.log.Visitors[i].Cohort = 0
		c.visits[i].again, c.visits[i].eager, c.visits[i].reload = false, false, false
		c.active++
		c.come++
		c.step(int32(i))
	}
	return c, func() (polls int64) {
		for _, s := range c.log.Seconds {
			polls += s.Polls
		}
		return polls
	}
}

// TestPollsCostNoMemory lets a second pass in which nothing happens but polls.
func TestPollsCostNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, polls := waitingCrowd(t, 1000)
		before, runs := polls(), int64(0)
		n := testing.AllocsPerRun(5, func() {
			runs++
			time.Sleep(3 * time.Second)
			c.turn = c.elapsed()
			c.wheel.advance(c.elapsed().Milliseconds(), c.step)
		})
		if n > 20 { // of the seconds, a few at a time
			t.Errorf("%v allocations", n)
		}
		if asked := polls() - before; asked < 900*runs {
			t.Errorf("%d polls in %d times 3 s", asked, runs)
		}
	})
}
