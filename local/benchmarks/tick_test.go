package benchmarks

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/metrics"
	"waitingroom/shared/settings"
)

// people are in line at all events together.
const people = 100_000

// unchanged is Parameter Store with the same values for every event.
type unchanged map[string]string

func (u unchanged) All(context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	return nil, nil, nil
}
func (u unchanged) Event(context.Context, string) (map[string]string, error) { return u, nil }

// nowhere takes every document.
type nowhere struct{}

func (nowhere) Put(context.Context, string, []byte) error { return nil }

// ticking is tick with as many events on sale as there are stores, and so many people waiting in each.
// A turn is a step of all of them, before which so many join each event; if any do, the step seals a
// cohort. Shards are sealed one at a time, as the bare calls are made.
func ticking(waiting, joining int) begin {
	return func(t testing.TB, stores []keeper) *load {
		var elapsed time.Duration
		began := onSale.Add(-2 * time.Second)
		now := func() time.Time { return began.Add(elapsed) }
		parameters := unchanged{"onsale": onSale.Format(time.RFC3339), "rate": "60", "target": "https://shop.example/"}
		var failures lines
		var leaders []*tick.Leader
		for i, s := range stores {
			leaders = append(leaders, tick.NewLeader(&tick.Ticker{
				Store: s, Parameters: parameters, Publisher: nowhere{}, Secret: secret, Random: rand.Reader,
				Now: now, Monotonic: func() time.Duration { return elapsed }, Parallel: 1,
				Log: slog.New(slog.NewJSONHandler(&failures, nil)), Metrics: &metrics.Log{Out: io.Discard, Room: "benchmark", Now: now},
			}, eventOf(i), "leader"))
		}
		batch := 5
		if joining > 0 {
			batch = 1 // who joins does so in the cohort that is open then
		}
		return &load{
			now: now,
			prepare: func(s keeper, i int) error {
				n := joining
				switch i {
				case 0: // nothing is on sale yet
					return nil
				case 1:
					n = waiting
				}
				for event := range stores {
					if err := arrive(t.Context(), s, eventOf(event), n); err != nil {
						return err
					}
				}
				return nil
			},
			do: func(int) error {
				elapsed += time.Second
				if len(leaders) == 1 {
					leaders[0].Step(t.Context())
					return failures.error()
				}
				var group sync.WaitGroup
				for _, l := range leaders {
					group.Go(func() { l.Step(t.Context()) })
				}
				group.Wait()
				return failures.error()
			},
			first: 20, batch: batch,
		}
	}
}

func eventOf(i int) string { return fmt.Sprint("event-", i) }

// arrive has n people join an event, as far as tick can see, evenly over its shards.
func arrive(ctx context.Context, s keeper, event string, n int) error {
	st, err := s.State(ctx, event)
	if err != nil {
		return err
	}
	if table, ok := s.(past); ok && n >= st.Shards {
		s, n = table.crowd(n/st.Shards), st.Shards
	}
	for i := range n {
		if _, err := s.Count(ctx, st.Run, st.Cohort, int(st.Version+int64(i))%st.Shards); err != nil {
			return err
		}
	}
	return nil
}

// lines is a log in which nothing should be written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) error() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() > 0 {
		first, _, _ := strings.Cut(l.text.String(), "\n")
		return fmt.Errorf("%d bytes were logged, the first line: %s", l.text.Len(), first)
	}
	return nil
}

func BenchmarkTick(b *testing.B) {
	for _, events := range []int{1, 100} {
		for _, joining := range []int{0, 5} {
			b.Run(fmt.Sprintf("events=%d/joining=%d", events, joining), func(b *testing.B) {
				compare(b, events, ticking(people/events, joining))
			})
		}
	}
}
