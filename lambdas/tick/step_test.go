package tick

import "testing"

func TestLeaderStepsAsAnInvocationDoes(t *testing.T) {
	o := newOpenSales(t, 1)
	ticker := o.leaders[0].Ticker
	first, second := NewLeader(ticker, "other", "first"), NewLeader(ticker, "other", "second")
	var version int64
	for n := range 10 {
		o.elapsed += stepEvery
		if !first.Step(t.Context()) {
			t.Fatalf("step %d: an event that is about to open has to be watched", n)
		}
		st, err := o.memory.State(t.Context(), "other")
		if err != nil || st.Owner != "first" || st.Version <= version {
			t.Fatalf("step %d left version %d of %q after %d: %v", n, st.Version, st.Owner, version, err)
		}
		version = st.Version
		if !second.Step(t.Context()) {
			t.Fatalf("step %d: a standby has to go on watching", n)
		}
	}
	// The first one leaves without a word, and the other finds out.
	for range int(takeoverAfter/stepEvery) + 1 {
		o.elapsed += stepEvery
		second.Step(t.Context())
	}
	if st, err := o.memory.State(t.Context(), "other"); err != nil || st.Owner != "second" {
		t.Errorf("led by %q: %v", st.Owner, err)
	}
}
