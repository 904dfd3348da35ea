package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The law is to be the one that the constants describe.
func TestLaw(t *testing.T) {
	for _, capacity := range []int{1, LeastCapacity, 60, 600, 13_000, 60_000} {
		w := newWorkers(capacity)
		throughput := func(n int) float64 { return float64(n) / w.law.slowdown(n) / serviceTime.Seconds() }
		promised := float64(max(capacity, LeastCapacity)) * steps / 60
		knee := int(math.Round(promised*headroom + spare))
		if peak := throughput(knee); math.Abs(peak/(promised*headroom)-1) > 0.01 {
			t.Errorf("capacity %d: %.2f steps a second at the knee, want %.2f", capacity, peak, promised*headroom)
		}
		if w.law.sigma < 0 || w.law.sigma > 1 || w.law.kappa < 0 {
			t.Errorf("capacity %d: %+v is no law", capacity, w.law)
		}
		for n := 2; n <= w.limit; n++ {
			if rises := throughput(n) > throughput(n-1)*(1+1e-9); rises && n > knee+1 {
				t.Fatalf("capacity %d: throughput rises from %d to %d in progress, beyond the knee at %d", capacity, n-1, n, knee)
			}
			if falls := throughput(n) < throughput(n-1)*(1-1e-9); falls && n < knee-1 {
				t.Fatalf("capacity %d: throughput falls from %d to %d in progress, before the knee at %d", capacity, n-1, n, knee)
			}
		}
		// What is let in at most takes longer than anybody waits, or the shop would not fall over.
		if longest := time.Duration(w.law.slowdown(w.limit) * float64(serviceTime)); longest <= patience || longest > overcommitted {
			t.Errorf("capacity %d: a step takes %v with %d in progress", capacity, longest, w.limit)
		}
	}
}

// Steps that begin together end together, as much later as the law says; one that is joined by
// others is slowed down from then on only.
func TestWorkersShareAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(600)
		var group sync.WaitGroup
		took := func(n int) []time.Duration {
			all := make([]time.Duration, n)
			for i := range all {
				group.Go(func() {
					began := time.Now()
					if err := w.do(t.Context()); err != nil {
						t.Error(err)
					}
					all[i] = time.Since(began)
				})
			}
			group.Wait()
			return all
		}
		for _, n := range []int{1, 2, 50} {
			want := time.Duration(w.law.slowdown(n) * float64(serviceTime))
			for _, got := range took(n) {
				if got < want || got > want+time.Microsecond {
					t.Errorf("one of %d steps took %v, want %v", n, got, want)
				}
			}
		}

		var first, second time.Duration
		began := time.Now()
		group.Go(func() { w.do(t.Context()); first = time.Since(began) })
		time.Sleep(serviceTime / 2)
		group.Go(func() { w.do(t.Context()); second = time.Since(began) })
		group.Wait()
		pair := w.law.slowdown(2)
		wantFirst := time.Duration((0.5 + 0.5*pair) * float64(serviceTime))
		wantSecond := time.Duration((0.5 + 0.5*pair + 0.5) * float64(serviceTime))
		if (first-wantFirst).Abs() > time.Microsecond || (second-wantSecond).Abs() > time.Microsecond {
			t.Errorf("a step and one that began at its half ended after %v and %v, want %v and %v", first, second, wantFirst, wantSecond)
		}
		if n := w.busy(); n != 0 {
			t.Errorf("%d steps are left over", n)
		}
	})
}

// Whoever leaves takes their work not along.
func TestAbandonedWorkIsDoneForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(600)
		ctx, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if err := w.do(ctx); !errors.Is(err, errAbandoned) {
					t.Errorf("the visitor left, and the step ended with %v", err)
				}
			})
		}
		synctest.Wait()
		leave()
		group.Wait()
		if n := w.busy(); n != 20 {
			t.Errorf("%d steps are in progress after their visitors have gone, want 20", n)
		}
		began := time.Now()
		if err := w.do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took <= serviceTime {
			t.Errorf("a step beside 20 abandoned ones took %v, as in an idle shop", took)
		}
	})
}

// counter is a shop's door without a gate, which visitors reach without a network.
func counter(t *testing.T, capacity int) (*Shop, http.Handler) {
	t.Helper()
	s, err := New(Options{Room: "http://127.0.0.1:1", Address: "http://127.0.0.1:1/shop", Event: "demo", Capacity: capacity,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Ungated()
}

func take(ctx context.Context, door http.Handler, method, path, visitor string) *http.Response {
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1:1"+path, nil)
	if visitor != "" {
		r.Header.Set(VisitorHeader, visitor)
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return w.Result()
}

// buy takes both steps, each as often as it is told to come again, and gives up in the end.
func buy(t *testing.T, door http.Handler, visitor string, attempts int) (ordered bool) {
	for _, s := range []struct {
		method, path string
		done         int
	}{{"GET", Path, http.StatusOK}, {"POST", OrderPath, http.StatusSeeOther}} {
		for attempt := 1; ; attempt++ {
			response := take(t.Context(), door, s.method, s.path, visitor)
			if response.StatusCode == s.done {
				break
			}
			if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != retryAfter ||
				response.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s %s: %d %v", s.method, s.path, response.StatusCode, response.Header)
				return false
			}
			if attempt == attempts {
				return false
			}
			time.Sleep(10 * time.Second)
		}
	}
	return true
}

// crowd sends a number of visitors in each of some seconds, all at its beginning, as a room does
// whose windows are a second long; every longer than that has them come together.
func crowd(t *testing.T, door http.Handler, perMinute, minutes int, every time.Duration, attempts int) {
	var visits sync.WaitGroup
	windows := int(time.Duration(minutes) * time.Minute / every)
	sent := 0
	for window := range windows {
		for upTo := perMinute * minutes * (window + 1) / windows; sent < upTo; sent++ {
			visitor := fmt.Sprint("visitor ", sent)
			visits.Go(func() { buy(t, door, visitor, attempts) })
		}
		time.Sleep(every)
	}
	visits.Wait()
}

// At the rate that it was built for, however unevenly the room's windows let them in, everybody
// orders at the first attempt.
func TestEverybodyOrdersWithinTheCapacity(t *testing.T) {
	for _, test := range []struct {
		capacity int
		window   time.Duration
	}{{40, 10 * time.Second}, {60, 10 * time.Second}, {599, 10 * time.Second}, {600, time.Second}, {1500, time.Second}} {
		t.Run(fmt.Sprint(test.capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, door := counter(t, test.capacity)
				crowd(t, door, test.capacity, 2, test.window, 1)
				load := s.Load()
				if want := int64(2 * test.capacity); load.Completed != want || load.Checkouts != want {
					t.Errorf("%d of %d ordered: refused %d, timed out %d", load.Completed, want, load.Refused, load.TimedOut)
				}
				var sum Second
				for _, second := range load.Seconds {
					sum.Checkouts += second.Checkouts
					sum.Completed += second.Completed
					sum.Failed += second.Failed
					sum.InProgress = max(sum.InProgress, second.InProgress)
				}
				if sum.Checkouts != load.Checkouts || sum.Completed != load.Completed || sum.Failed != 0 || sum.InProgress == 0 {
					t.Errorf("the seconds add up to %+v, the totals are %+v", sum, load)
				}
			})
		})
	}
}

// With ten times the crowd the shop completes far less than it could, and hardly anything while the
// crowd lasts. When it has gone, the shop is as it was before.
func TestTooManyBringTheShopDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity, minutes = 120, 3
		s, door := counter(t, capacity)
		crowd(t, door, 10*capacity, minutes, time.Second, 3)
		load := s.Load()
		if load.Completed > capacity*minutes/2 {
			t.Errorf("%d orders in %d minutes of a shop for %d a minute: it did not fall over", load.Completed, minutes, capacity)
		}
		var last int64
		for _, second := range load.Seconds[60:180] {
			last += second.Completed
		}
		if last > capacity/5 {
			t.Errorf("%d orders in the two minutes after the first, want next to none", last)
		}
		if load.Refused == 0 || load.TimedOut == 0 {
			t.Errorf("refused %d, timed out %d: both have to happen", load.Refused, load.TimedOut)
		}
		t.Logf("completed %d, refused %d, timed out %d", load.Completed, load.Refused, load.TimedOut)

		time.Sleep(time.Minute)
		before := s.Load()
		if before.InProgress != 0 {
			t.Fatalf("%d steps are in progress a minute after the crowd has gone", before.InProgress)
		}
		for i := range capacity {
			if !buy(t, door, fmt.Sprint("late ", i), 1) {
				t.Fatal("a visitor of the recovered shop could not order")
			}
		}
		if after := s.Load(); after.Completed-before.Completed != capacity {
			t.Errorf("%d late orders, want %d", after.Completed-before.Completed, capacity)
		}
	})
}

// Abandoned steps are counted, and nothing is ordered for those who have gone.
func TestVisitorsWhoLeaveOrderNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, door := counter(t, 60)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		take(ctx, door, "POST", OrderPath, "gone")
		if load := s.Load(); load.Completed != 0 || load.Abandoned != 1 || load.InProgress != 1 || load.Seconds[0].Failed != 1 {
			t.Errorf("the load is %+v", load)
		}
		if response := take(t.Context(), door, "GET", OrderPath, "gone"); response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != Path {
			t.Errorf("the receipt of no order answers %d", response.StatusCode)
		}
		time.Sleep(time.Minute)
	})
}

func TestOneOrderForEachVisitor(t *testing.T) {
	s, door := counter(t, 0)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			for range 3 {
				if !buy(t, door, fmt.Sprint(i%10), 1) {
					t.Error("a shop without a capacity refused an order")
				}
			}
		})
	}
	group.Wait()
	if load := s.Load(); load.Completed != 10 || load.Checkouts != 150 || load.InProgress != 0 {
		t.Errorf("the load is %+v, want 10 orders of 10 visitors", load)
	}
}

// The cookie of the first answer names the visitor at the next step.
func TestUngatedNamesItsVisitors(t *testing.T) {
	s, door := counter(t, 0)
	first := take(t.Context(), door, "GET", Path, "")
	if len(first.Cookies()) != 1 || !first.Cookies()[0].HttpOnly {
		t.Fatalf("cookies are %v", first.Cookies())
	}
	for range 2 {
		r := httptest.NewRequest("POST", OrderPath, nil)
		r.AddCookie(first.Cookies()[0])
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != OrderPath {
			t.Errorf("the order answers %d", w.Code)
		}
	}
	if load := s.Load(); load.Completed != 1 {
		t.Errorf("%d orders of one visitor", load.Completed)
	}
	for _, name := range []string{"", string(make([]byte, 65))} {
		if response := take(t.Context(), door, "POST", OrderPath, name); response.StatusCode != http.StatusBadRequest {
			t.Errorf("the order of a visitor called %q answers %d", name, response.StatusCode)
		}
	}
}

// The series is bounded however long the shop stays open.
func TestSecondsEndAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, door := counter(t, 0)
		time.Sleep(MostSeconds*time.Second - time.Nanosecond)
		buy(t, door, "in time", 1)
		time.Sleep(time.Nanosecond)
		buy(t, door, "too late", 1)
		load := s.Load()
		if len(load.Seconds) != MostSeconds || load.Seconds[MostSeconds-1].Completed != 1 || load.Completed != 2 {
			t.Errorf("%d seconds, %d orders", len(load.Seconds), load.Completed)
		}
	})
}
