package place_test

import (
	"testing"

	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

func TestRefusalsAreCounted(t *testing.T) {
	s := newSale(t, unchanged)
	s.where(t, s.tickets[5])
	if text := s.counts.String(); text != "" {
		t.Errorf("an answer counted %s", text)
	}
	wantProblem(t, s.ask(t, s.request("Authorization", "Bearer v1.bad.ticket")), 401, "bad-ticket")
	got := metricstest.Points(t, s.counts.String())
	if len(got) != 1 || got[0].Name != names.MetricRefusals || got[0].Reason != "bad-ticket" || got[0].Event != "" || got[0].Value != 1 {
		t.Errorf("counted %+v", got)
	}
}
