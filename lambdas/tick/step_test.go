package tick

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"testing"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

// unchanged is Parameter Store with the same values for every event.
type unchanged map[string]string

func (u unchanged) All(context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	return nil, nil, nil
}
func (u unchanged) Event(context.Context, string) (map[string]string, error) { return u, nil }

// nowhere takes every document.
type nowhere struct{}

func (nowhere) Put(context.Context, string, []byte) error { return nil }

func TestLeaderStepsAsAnInvocationDoes(t *testing.T) {
	began, elapsed := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), time.Duration(0)
	now := func() time.Time { return began.Add(elapsed) }
	memory := store.NewMemory(now)
	ticker := &Ticker{
		Store: memory, Publisher: nowhere{}, Secret: make([]byte, 32), Random: rand.Reader,
		Parameters: unchanged{"onsale": began.Add(2 * time.Second).Format(time.RFC3339), "rate": "60", "target": "https://shop.example/"},
		Now:        now, Monotonic: func() time.Duration { return elapsed }, Parallel: 16,
		Log: slog.New(slog.DiscardHandler), Metrics: &metrics.Log{Out: io.Discard, Room: "test", Now: now},
	}
	first, second := NewLeader(ticker, "demo", "first"), NewLeader(ticker, "demo", "second")
	var version int64
	for n := range 10 {
		elapsed += stepEvery
		if !first.Step(t.Context()) {
			t.Fatalf("step %d: an event that is about to open has to be watched", n)
		}
		st, err := memory.State(t.Context(), "demo")
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
		elapsed += stepEvery
		second.Step(t.Context())
	}
	if st, err := memory.State(t.Context(), "demo"); err != nil || st.Owner != "second" {
		t.Errorf("led by %q: %v", st.Owner, err)
	}
}
