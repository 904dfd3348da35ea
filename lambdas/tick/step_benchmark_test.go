package tick

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
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

// openSales are events on sale with a long line, and the clock that they are stepped by.
type openSales struct {
	testing.TB
	memory  *store.Memory
	leaders []*leader
	elapsed time.Duration
	began   time.Time
}

func newOpenSales(t testing.TB, events int) *openSales {
	o := &openSales{TB: t, began: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	o.memory = store.NewMemory(o.now)
	raw := unchanged{"onsale": o.began.Add(2 * time.Second).Format(time.RFC3339), "rate": "60", "target": "https://shop.example/"}
	ticker := &Ticker{
		Store: o.memory, Parameters: raw, Publisher: nowhere{}, Secret: make([]byte, 32), Random: rand.Reader,
		Now: o.now, Monotonic: func() time.Duration { return o.elapsed }, Parallel: 16, Log: slog.New(slog.DiscardHandler),
		Metrics: &metrics.Log{Out: io.Discard, Room: "benchmark", Now: o.now},
	}
	for i := range events {
		o.leaders = append(o.leaders, &leader{Ticker: ticker, event: fmt.Sprint("event-", i), owner: "bench", raw: raw})
	}
	o.step()
	for _, l := range o.leaders {
		st, err := o.memory.State(t.Context(), l.event)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2_000_000 / events {
			if _, err := o.memory.Count(t.Context(), st.Run, 0, i%st.Shards); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 20 {
		o.step()
	}
	return o
}

func (o *openSales) now() time.Time { return o.began.Add(o.elapsed) }

// step is a second of all events, as in Run.
func (o *openSales) step() {
	o.elapsed += time.Second
	var group sync.WaitGroup
	for _, l := range o.leaders {
		group.Go(func() {
			again, err := l.step(o.Context())
			if err != nil {
				o.Error(err)
			}
			l.measure(o.Context(), again)
		})
	}
	group.Wait()
}

// bare makes the calls of the store that such steps make, and nothing else.
func (o *openSales) bare() {
	o.elapsed += time.Second
	ctx := o.Context()
	for _, l := range o.leaders {
		st, err := o.memory.State(ctx, l.event)
		if err != nil {
			o.Fatal(err)
		}
		for shard := range st.Shards {
			if _, err := o.memory.Arrivals(ctx, st.Run, st.Cohort, shard); err != nil {
				o.Fatal(err)
			}
		}
		_, shape := st.Cap.At(o.now())
		if second := int(o.elapsed / time.Second); second%shape.WindowAt(o.now()).Seconds() == 0 {
			if _, _, err := o.memory.Taken(ctx, st.Run, shape.WindowAt(o.now()), 0); err != nil {
				o.Fatal(err)
			}
		}
		next := st
		next.Version++
		if o.elapsed%pacingEvery == 0 {
			err = o.memory.SaveWithPacing(ctx, next, room.Pacing{Good: l.pacing.Good}, st.Fence)
		} else {
			err = o.memory.Save(ctx, next, st.Fence)
		}
		if err != nil {
			o.Fatal(err)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, events := range []int{1, 100} {
		b.Run(fmt.Sprint("events=", events), func(b *testing.B) {
			o := newOpenSales(b, events)
			b.ReportAllocs()
			for b.Loop() {
				o.step()
			}
		})
		b.Run(fmt.Sprint("bare/events=", events), func(b *testing.B) {
			o := newOpenSales(b, events)
			b.ReportAllocs()
			for b.Loop() {
				o.bare()
			}
		})
	}
}

// The benchmark is worth something only while its sales are open and their pointers move.
func TestBenchmarkedSalesAreOpen(t *testing.T) {
	o := newOpenSales(t, 10)
	before := make([]int64, len(o.leaders))
	for i, l := range o.leaders {
		st, err := o.memory.State(t.Context(), l.event)
		if err != nil || st.Phase != room.Open {
			t.Fatalf("%s is %s, %v", l.event, st.Phase, err)
		}
		before[i] = st.Admitted
	}
	for range 10 {
		o.step()
	}
	for i, l := range o.leaders {
		if st, err := o.memory.State(t.Context(), l.event); err != nil || st.Admitted <= before[i] {
			t.Errorf("%s: admitted %d after %d, %v", l.event, st.Admitted, before[i], err)
		}
	}
}
