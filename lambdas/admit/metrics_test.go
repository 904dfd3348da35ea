package admit_test

import (
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

// wantCounts checks what has been counted since the last check.
func (s *sale) wantCounts(t *testing.T, want ...metricstest.Point) {
	t.Helper()
	metricstest.WantCounts(t, &s.counts, s.now, want...)
}

func admission() []metricstest.Point {
	return []metricstest.Point{{Name: names.MetricAdmissions}, {Name: names.MetricAdmissions, Event: "demo"}}
}

func TestTurnsAreCountedOnce(t *testing.T) {
	s := newSale(t, 8)
	s.set(t, func(st *room.State) { st.Admitted = 4 })
	waiting(t, s.claim(t, s.tickets[5])) // before the turn is no refusal
	s.wantCounts(t)

	admitted(t, s.claim(t, s.tickets[1]))
	s.wantCounts(t, admission()...)
	admitted(t, s.claim(t, s.tickets[1])) // the same pass again
	s.wantCounts(t)

	wantProblem(t, s.claim(t, "v1.bad.ticket"), 401, "bad-ticket")
	s.wantCounts(t, metricstest.Refusal("bad-ticket"))
	wantProblem(t, s.ask(t, forEvent(s.request(body(s.tickets[1])), "made-up")), 404, "unknown-event")
	s.wantCounts(t, metricstest.Refusal("unknown-event"))
}

// An admission that nobody was told of is not counted: it cannot be told from a pass asked for again.
func TestLostAdmissionsAreNotCounted(t *testing.T) {
	s := newSale(t, 8)
	s.faults.lose = map[string]error{"Admit": errLost}
	wantProblem(t, s.claim(t, s.tickets[1]), 503, "internal")
	s.wantCounts(t, metricstest.Refusal("internal"))
	s.faults.lose = nil
	admitted(t, s.claim(t, s.tickets[1]))
	s.wantCounts(t)
}

// The turn is claimed when it is stored, although no pass could be signed for it yet.
func TestAdmissionsThatCouldNotBeSignedAreCounted(t *testing.T) {
	s := newSale(t, 8)
	private, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	key := &busyKey{private, pass.ErrThrottled}
	if s.admitter.Signers[pass.RS256], err = pass.NewRS256(key); err != nil {
		t.Fatal(err)
	}
	s.set(t, func(st *room.State) { st.PassAlg = pass.RS256 })
	wantProblem(t, s.claim(t, s.tickets[1]), 429, "busy")
	s.wantCounts(t, append(admission(), metricstest.Refusal("busy"))...)
	key.err = nil
	admitted(t, s.claim(t, s.tickets[1]))
	s.wantCounts(t)
}

func TestReplayedTicketsCountOnce(t *testing.T) {
	s := newSale(t, 8)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { s.answer(t.Context(), s.request(body(s.tickets[1]))) })
	}
	all.Wait()
	var events float64
	for _, p := range metricstest.Points(t, s.counts.String()) {
		if p.Name == names.MetricAdmissions && p.Event == "demo" {
			events += p.Value
		}
	}
	wantSame(t, events, 1)
}

// Two calls that both got past the cap, in two windows: one pass is kept, and counted once.
func TestTwoSlotsAreOneAdmission(t *testing.T) {
	s := newSale(t, 8)
	slow := &slowAdmit{faults: s.faults}
	s.admitter.Store = slow
	var first admit.Admitted
	slow.between = []func(){func() {
		s.wait(time.Second)
		first = admitted(t, s.claim(t, s.tickets[1]))
	}}
	wantSame(t, again(t, s.claim(t, s.tickets[1])), first)
	wantSame(t, first.Again, false)
	wantSame(t, s.taken(t, 600), 2)
	s.wantCounts(t, admission()...)
}
