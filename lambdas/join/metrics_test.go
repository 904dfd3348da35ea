package join_test

import (
	"testing"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// wantCounts checks what has been counted since the last check.
func (s *sale) wantCounts(t *testing.T, want ...metricstest.Point) {
	t.Helper()
	metricstest.WantCounts(t, &s.counts, s.now, want...)
}

func TestPlacesAreCounted(t *testing.T) {
	s := newSale(t)
	joined := []metricstest.Point{{Name: names.MetricJoins}, {Name: names.MetricJoins, Event: "demo"}}
	s.joined(t, s.join(t, 1), 201)
	s.wantCounts(t, joined...)

	s.joined(t, s.join(t, 1), 200) // the same place again
	s.wantCounts(t)

	s.faults.lose = failing("AddVisitor", errLost)
	wantProblem(t, s.join(t, 2), 503, "internal")
	s.wantCounts(t, metricstest.Refusal("internal"))
	s.faults.lose = nil
	s.joined(t, s.join(t, 2), 200) // kept by the write whose answer was lost
	s.wantCounts(t)

	s.set(t, func(st *room.State) { st.Phase = room.SoldOut })
	s.joined(t, s.join(t, 1), 200)
	s.wantCounts(t)
	wantProblem(t, s.join(t, 3), 410, "sold-out")
	s.wantCounts(t, metricstest.Refusal("sold-out"))
}

// Anybody can make up names, and every dimension costs money.
func TestMadeUpEventsAreNoDimension(t *testing.T) {
	s := newSale(t)
	for _, name := range []string{"made-up", "Made Up", "demo\n", ""} {
		r := forEvent(s.request(body(secret(1, 16))), name)
		wantProblem(t, s.ask(t, r), 404, "unknown-event")
		s.wantCounts(t, metricstest.Refusal("unknown-event"))
	}
	// A bad body is refused before it is known whether the event exists.
	bad := without(s.request(body(secret(1, 16))), func(r *httpapi.Request) { r.Body = "{" })
	wantProblem(t, s.ask(t, forEvent(bad, "made-up")), 400, "bad-request")
	s.wantCounts(t, metricstest.Refusal("bad-request"))
}
