package room

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// crowd is a sale in simulated time under the rules of this package: tick steps every second, the
// cap counts per window, and visitors behave as the page does.
type crowd struct {
	rng      *rand.Rand
	settings Settings
	state    State
	pacing   Pacing
	now      time.Time
	windows  map[Window]*Tally
	claims   []time.Time // of visitors who will still come, in no order
	given    int64       // positions whose turn has come to the visitors' knowledge

	refused int
	total   int
}

func newCrowd(seed uint64, rate int) *crowd {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	s := Settings{OnSale: start, PreQueue: start.Add(-time.Hour), Closes: start.Add(24 * time.Hour), Rate: rate,
		Shards: 4, ClaimWindow: 10 * time.Minute, PassLifetime: time.Hour, Control: Auto}
	c := &crowd{rng: rand.New(rand.NewPCG(seed, 1)), settings: s, now: start,
		windows: map[Window]*Tally{}}
	c.state = NewState(Run{"demo", "00"}, "", s, Fence{})
	c.state, c.pacing = Step(c.state, c.pacing, s, nil, start)
	c.state = c.state.BeginClosing(start).FinishClosing(1 << 40)
	return c
}

// second makes one step of tick and lets a second of visitors come, each of those whose turn has
// come with probability show.
func (c *crowd) second(show float64) {
	var tallies []Tally
	for _, w := range c.pacing.Show.Due(c.state.Cap, c.now) {
		if t := c.windows[w]; t != nil {
			tallies = append(tallies, *t)
		} else {
			tallies = append(tallies, Tally{Window: w})
		}
	}
	c.state, c.pacing = Step(c.state, c.pacing, c.settings, tallies, c.now)
	for ; c.given < c.state.Admitted; c.given++ {
		if c.rng.Float64() < show {
			// A page near its turn polls every two or three seconds a document that is up to a second old.
			c.claims = append(c.claims, c.now.Add(c.between(0, 4*time.Second)))
		}
	}
	end := c.now.Add(time.Second)
	var later []time.Time
	slices.SortFunc(c.claims, time.Time.Compare)
	for _, at := range c.claims {
		if !at.Before(end) {
			later = append(later, at)
		} else if retry, ok := c.enter(at); !ok {
			c.refused++
			later = append(later, retry.Add(c.between(0, 2*time.Second)))
		}
	}
	c.claims, c.now = later, end
}

func (c *crowd) enter(at time.Time) (retry time.Time, ok bool) {
	rate, shape := c.state.Cap.At(at)
	w := shape.WindowAt(at)
	t := c.windows[w]
	if t == nil {
		t = &Tally{Window: w}
		c.windows[w] = t
	}
	if t.N >= w.Limit(rate) {
		wait := c.state.Cap.NextOpening(at, func(w Window) bool { return c.windows[w] != nil && c.windows[w].N >= w.Limit(rate) }).Sub(at)
		return at.Add(time.Duration(math.Ceil(wait.Seconds())) * time.Second), false
	}
	t.N++
	if at.After(t.Last) {
		t.Last = at
	}
	c.total++
	return at, true
}

func (c *crowd) between(a, b time.Duration) time.Duration {
	return a + time.Duration(c.rng.Int64N(int64(b-a)))
}

// While windows cannot be tallied, turns say nothing about who comes. Tick moves the pointer twice in a
// second in which it seals a cohort.
func TestTurnsWaitAMinuteForTheirTally(t *testing.T) {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	before := Show{Turns: 500, Claims: 400}
	s := before
	for at := start; at.Before(start.Add(time.Minute)); at = at.Add(500 * time.Millisecond) {
		s = s.turn(8, at)
	}
	if s.Share() != before.Share() {
		t.Errorf("after a minute without tallies the share of claimed turns is %.2f, and was %.2f", s.Share(), before.Share())
	}
	if s = s.turn(8, start.Add(time.Minute)); s.Share() == before.Share() {
		t.Error("turns are kept for more than a minute")
	}
}

func TestShopGetsItsRate(t *testing.T) {
	const minutes, seeds = 5, 3
	for _, rate := range []int{60, 120, 600, 3000, 13_000, 60_000} {
		for _, show := range []float64{1, 0.8, 0.65, 0.5} {
			t.Run(fmt.Sprintf("%d a minute, %.0f %% come", rate, show*100), func(t *testing.T) {
				var total, refused, waiting int
				for seed := range uint64(seeds) {
					c := newCrowd(seed, rate)
					for range minutes * 60 {
						c.second(show)
					}
					total += c.total
					refused += c.refused
					waiting += len(c.claims)
				}
				reached := float64(total) / float64(seeds*minutes*rate)
				t.Logf("reached %.3f of the rate, %.2f refusals per admission, %d waiting at the cap",
					reached, float64(refused)/float64(total), waiting/seeds)
				// Below 600 a minute five minutes are too few visitors for more than this: with half of
				// them missing the factor of 2 leaves no room to make up for chance.
				least := 0.95
				if rate < shortWindowRate {
					least = 0.88
				}
				if reached < least || reached > 1 {
					t.Errorf("the shop got %.3f of its rate", reached)
				}
			})
		}
	}
}
