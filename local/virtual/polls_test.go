package virtual

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"waitingroom/local/surge"
	needs "waitingroom/shared/plan"
)

// A plan's formula for polls, which knows nothing but how long people come and wait, is near what pages
// do. The sale is one in which everybody comes before the on-sale, evenly, and claims the turn.
func TestPollsAreThePlans(t *testing.T) {
	for _, test := range []struct {
		visitors, rate int
		over           time.Duration
	}{
		{400, 20, time.Minute},       // a line of 20 minutes
		{400, 60, 10 * time.Minute},  // of seven
		{400, 800, 10 * time.Minute}, // of half a minute: they wait for the on-sale
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			o := Options{Curve: surge.Curve{Visitors: test.visitors, Over: test.over, Before: 1, Even: true}, Rate: test.rate, Seed: 1}
			made := float64(hold(t, o).Log.Requests.Polls) / float64(test.visitors)
			planned := needs.Polls(test.over, time.Minute*time.Duration(test.visitors)/time.Duration(test.rate))
			if math.Abs(planned/made-1) > 0.08 {
				t.Errorf("%.2f polls were planned for each, %.2f were made", planned, made)
			}
		})
	}
}

// A plan's waits are those of a sale, no-shows and all.
func TestWaitsAreThePlans(t *testing.T) {
	const visitors, rate, noShows = 3000, 900, 0.3
	o := Options{Curve: surge.Curve{Visitors: visitors, Over: time.Minute, Before: 1, Even: true}, Rate: rate, NoShows: noShows, Seed: 1}
	log := hold(t, o).Log
	var waited []time.Duration
	for i := range log.Visitors {
		if v := &log.Visitors[i]; v.Admitted != surge.Never {
			waited = append(waited, v.Admitted-log.OnSale)
		}
	}
	slices.Sort(waited)
	planned := needs.New(needs.Expected{Visitors: visitors, Over: time.Minute, Rate: rate}).Waits(noShows)
	for _, w := range []struct {
		name          string
		planned, took time.Duration
	}{
		{"median", planned.Median, waited[len(waited)/2]},
		{"nine of ten", planned.Ninety, waited[len(waited)*9/10]},
		{"last", planned.Last, waited[len(waited)-1]},
	} {
		if math.Abs(w.planned.Seconds()/w.took.Seconds()-1) > 0.08 {
			t.Errorf("%s: %v was planned, it took %v", w.name, w.planned, w.took)
		}
	}
}
