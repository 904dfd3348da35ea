package place_test

import (
	"testing"
	"time"

	"waitingroom/shared/metrics/metricstest"
)

func TestRefusalsAreCounted(t *testing.T) {
	s := newSale(t, unchanged)
	s.where(t, s.tickets[5])
	metricstest.WantCounts(t, &s.counts, onSale.Add(time.Minute))
	wantProblem(t, s.ask(t, s.request("Authorization", "Bearer v1.bad.ticket")), 401, "bad-ticket")
	metricstest.WantCounts(t, &s.counts, onSale.Add(time.Minute), metricstest.Refusal("bad-ticket"))
}
