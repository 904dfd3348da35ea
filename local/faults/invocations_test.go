package faults

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/metrics"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const event = "demo"

// takes is how long each call of the world takes, half of it on the way there.
const takes = 60 * time.Millisecond

// world is all that tick reaches. It lives in a synctest bubble.
type world struct {
	*store.Memory
	began  time.Time
	random io.Reader
	log    *slog.Logger
	saving atomic.Int32 // writes under way

	mu       sync.Mutex
	started  int
	saves    []save
	puts     int
	settings map[string]string
}

type save struct {
	at time.Duration
	room.State
}

func newWorld() *world {
	began := time.Now()
	return &world{Memory: store.NewMemory(time.Now), began: began, random: rand.NewChaCha8([32]byte{1}), log: slog.New(slog.DiscardHandler), settings: map[string]string{
		"onsale": began.Add(2 * time.Second).Format(time.RFC3339), "prequeue": began.Format(time.RFC3339),
		"rate": "600", "target": "https://shop.example/", "shards": "1",
	}}
}

func (w *world) elapsed() time.Duration { return time.Since(w.began) }

func (w *world) environment() *tick.Ticker {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started++
	return &tick.Ticker{
		Store: w, Parameters: w, Publisher: w, Secret: make([]byte, 32), Random: w.random,
		Now: time.Now, Monotonic: w.elapsed, Parallel: 4, Log: w.log,
		Metrics: &metrics.Log{Out: io.Discard, Room: "test", Now: time.Now},
	}
}

func (w *world) State(ctx context.Context, event string) (room.State, error) {
	time.Sleep(takes)
	return w.Memory.State(ctx, event)
}

func (w *world) Save(ctx context.Context, next room.State, held room.Fence) error {
	return w.save(next, func() error { return w.Memory.Save(context.WithoutCancel(ctx), next, held) })
}

func (w *world) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	return w.save(next, func() error { return w.Memory.SaveWithPacing(context.WithoutCancel(ctx), next, p, held) })
}

// save lets a write that is under way happen even if its caller is no more.
func (w *world) save(next room.State, effect func() error) error {
	w.saving.Add(1)
	time.Sleep(takes / 2)
	w.mu.Lock()
	w.saving.Add(-1)
	err := effect()
	if err == nil {
		w.saves = append(w.saves, save{w.elapsed(), next})
	}
	w.mu.Unlock()
	time.Sleep(takes / 2)
	return err
}

func (w *world) All(ctx context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	raw, err := w.Event(ctx, event)
	return map[string]map[string]string{event: raw}, nil, err
}

func (w *world) Event(context.Context, string) (map[string]string, error) {
	time.Sleep(takes)
	return maps.Clone(w.settings), nil
}

func (w *world) Put(context.Context, string, []byte) error {
	time.Sleep(takes)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts++
	return nil
}

func (w *world) published() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.puts
}

// last is the state in the store, which nobody waits for.
func (w *world) last(t *testing.T) room.State {
	t.Helper()
	st, err := w.Memory.State(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// open lets a crowd wait and the sale begin.
func (w *world) open(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	st := w.last(t)
	for range 50_000 {
		if _, err := w.Count(t.Context(), st.Run, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * time.Second)
}

// run runs invocations in the background and returns what ends them and waits.
func run(t *testing.T, i *Invocations) (end func()) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); i.Run(ctx) }()
	return func() { stop(); <-done }
}

func TestKilledInvocationsReachNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var said strings.Builder
		w.log = slog.New(slog.NewTextHandler(&said, nil))
		i := NewInvocations(event, time.Minute, w.environment, w.log)
		if i.Kill() {
			t.Error("killed before anybody was started")
		}
		end := run(t, i)
		w.open(t)
		killed := map[string]time.Duration{} // by owner
		for len(killed) < 60 {
			leader := w.last(t).Owner
			if i.Kill() {
				killed[leader] = w.elapsed()
				if i.Kill() {
					t.Fatal("killed twice")
				}
			}
			// At another moment of the leader's step each time, and every other time within a write.
			time.Sleep(4500*time.Millisecond + time.Duration(len(killed)%60)*17*time.Millisecond)
			for len(killed)%2 == 0 && w.saving.Load() == 0 {
				time.Sleep(takes / 7)
			}
		}
		synctest.Wait()
		w.mu.Lock()
		if want := 1 + int(w.elapsed()/time.Minute) + len(killed); w.started != want || i.Killed() != len(killed) {
			t.Errorf("%d started, want %d; %d killed, want %d", w.started, want, i.Killed(), len(killed))
		}
		landed := 0
		last := w.saves[0].at
		for _, s := range w.saves {
			if died, ok := killed[s.Owner]; ok && s.at > died {
				if landed++; s.at > died+takes {
					t.Errorf("%s was killed at %v and writes at %v", s.Owner, died, s.at)
				}
			}
			if s.at-last > 5500*time.Millisecond {
				t.Errorf("nobody wrote from %v to %v", last, s.at)
			}
			last = s.at
		}
		w.mu.Unlock()
		if landed < 10 {
			t.Errorf("%d were killed within a write", landed)
		}
		// Those that are left end as they do in Lambda: the lease is handed over.
		end()
		if st := w.last(t); st.Owner != "" || st.Admitted < 500 {
			t.Errorf("in the end %q leads, %d admitted", st.Owner, st.Admitted)
		}
		if i.Kill() {
			t.Error("killed after the end")
		}
		if strings.Contains(said.String(), errKilled.Error()) || strings.Contains(said.String(), "tick failed") {
			t.Errorf("a dead invocation speaks: %s", said.String())
		}
	})
}

// A killed invocation leaves its lease where it is, and publishes nothing any more.
func TestKilledLeaderHandsNothingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		i := NewInvocations(event, time.Minute, w.environment, w.log)
		end := run(t, i)
		defer end()
		w.open(t)
		before := w.last(t)
		if before.Owner == "" || !i.Kill() {
			t.Fatal("nobody leads")
		}
		puts := w.published()
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if st := w.last(t); st.Owner != before.Owner || st.Version > before.Version+1 {
			t.Errorf("%v after %v", st.Fence, before.Fence)
		}
		if n := w.published(); n > puts+1 {
			t.Errorf("%d documents were published without a leader", n-puts)
		}
		time.Sleep(2500 * time.Millisecond)
		if st := w.last(t); st.Owner == before.Owner {
			t.Error("nobody took over")
		}
	})
}

func TestKillEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		i := NewInvocations(event, time.Minute, w.environment, w.log)
		end := run(t, i)
		defer end()
		w.open(t)
		ctx, cancel := context.WithTimeout(t.Context(), 101*time.Second)
		defer cancel()
		i.KillEvery(ctx, 10*time.Second)
		if n := i.Killed(); n != 10 {
			t.Errorf("%d killed", n)
		}
		time.Sleep(10 * time.Second)
		if w.last(t).Admitted < 300 {
			t.Errorf("the line stands still at %d", w.last(t).Admitted)
		}
	})
}
