package virtual

import (
	"fmt"
	"math"
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
		{1200, 60, time.Minute},       // a line of 20 minutes
		{1200, 200, 10 * time.Minute}, // of six
		{400, 800, 20 * time.Minute},  // of half a minute: they wait for the on-sale
		{900, 15, time.Minute},        // of an hour
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			o := Options{Curve: surge.Curve{Visitors: test.visitors, Over: test.over, Before: 1, Even: true}, Rate: test.rate, Seed: 1}
			made := float64(hold(t, o).Log.Requests.Polls) / float64(test.visitors)
			planned := needs.Polls(test.over, time.Minute*time.Duration(test.visitors)/time.Duration(test.rate))
			if math.Abs(planned/made-1) > 0.06 {
				t.Errorf("%.2f polls were planned for each, %.2f were made", planned, made)
			}
		})
	}
}
