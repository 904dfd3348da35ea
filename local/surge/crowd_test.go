package surge

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"waitingroom/local/page"
)

// people is how many a crowd of the tests has, few that of one of which little is wanted.
const (
	people = 200
	few    = 60
)

func TestCrowdIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 3000)
		defer f.stop()
		o := f.options(people)
		told := 0
		o.OnSecond = func(second int, _ Second) {
			if second != told {
				t.Errorf("told of second %d after %d", second, told-1)
			}
			told++
		}
		log, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantWhole(t, log)
		wantServed(t, log)
		if told != len(log.Seconds) {
			t.Errorf("told of %d seconds of %d", told, len(log.Seconds))
		}
		orders := 0
		for i := range log.Visitors {
			v := &log.Visitors[i]
			if v.Outcome == InShop {
				orders++
			}
			if i < o.Early() && v.Cohort != 0 {
				t.Errorf("visitor %d is in cohort %d", i, v.Cohort)
			}
			if v.Behind > v.Cohort || v.Unsure > 1 || v.Unsure > 0 && v.Joins == 1 {
				t.Errorf("visitor %d: %+v", i, v)
			}
		}
		if len(f.ordered) != orders || log.DrawKey == "" || log.Interrupted {
			t.Errorf("%d orders of %d visitors, draw key %q, interrupted %v", len(f.ordered), orders, log.DrawKey, log.Interrupted)
		}
		if f.asked["join"] == people || log.Visitors[0].Arrives < 0 {
			t.Error("nobody asked to join twice, or somebody came before the beginning")
		}
	})
}

// wantWhole holds what every log has, whatever happened.
func wantWhole(t *testing.T, log *Log) {
	t.Helper()
	for _, broken := range log.Broken {
		t.Error("broken: ", broken)
	}
	var sum Second
	for _, s := range log.Seconds {
		sum.Arrivals += s.Arrivals
		sum.Joins += s.Joins
		sum.Admitted += s.Admitted
		sum.Orders += s.Orders
		sum.Turns += s.Turns
		sum.Polls += s.Polls
	}
	var want Second
	positions := map[int64]bool{}
	for i := range log.Visitors {
		v := &log.Visitors[i]
		want.Polls += int64(v.Polls)
		for at, n := range []*int64{&want.Joins, &want.Turns, &want.Admitted, &want.Orders} {
			if []time.Duration{v.Joined, v.Called, v.Admitted, v.Ordered}[at] != Never {
				*n++
			}
		}
		if v.Polls > 0 {
			want.Arrivals++
		}
		if v.Position != 0 {
			drawn, err := DrawCohort(log.Seals[v.Cohort])
			if err != nil {
				t.Fatal(err)
			}
			if position, counted := drawn.Position(v.Shard, v.Seq); !counted || position != v.Position || positions[position] {
				t.Errorf("visitor %d has place %d, by the seal %d, given out already: %v", i, v.Position, position, positions[position])
			}
			positions[v.Position] = true
		}
	}
	if sum != want {
		t.Errorf("the seconds sum up to %+v, the visitors to %+v", sum, want)
	}
	if log.JoinLatency.TotalCount() != want.Joins || log.AdmitLatency.TotalCount() != want.Admitted {
		t.Errorf("%d and %d latencies, want %d and %d", log.JoinLatency.TotalCount(), log.AdmitLatency.TotalCount(), want.Joins, want.Admitted)
	}
	if log.Seconds[len(log.Seconds)-1].Waiting < 0 {
		t.Error("fewer than nobody wait")
	}
	for i, s := range log.Statuses {
		if i > 0 && (s.Version <= log.Statuses[i-1].Version || s.At < log.Statuses[i-1].At) {
			t.Errorf("status %d is version %d at %v", i, s.Version, s.At)
		}
	}
}

// wantKept is for a room that is as it should be.
func wantKept(t *testing.T, log *Log) {
	t.Helper()
	for _, p := range Judge(log).Promises {
		if !p.Held {
			t.Errorf("after %v: %s: %q", log.Ended, p.Name, p.Examples)
		}
	}
}

// wantServed is for a crowd of whom nobody was left behind.
func wantServed(t *testing.T, log *Log) {
	t.Helper()
	for i := range log.Visitors {
		v := &log.Visitors[i]
		switch {
		case v.NoShow:
			if v.Called == Never || v.Admitted != Never || v.Outcome != Waiting || v.Claims != 0 {
				t.Errorf("no-show %d: %+v", i, v)
			}
		case v.Outcome != InShop || v.Issued == 0 ||
			!slices.IsSorted([]time.Duration{v.Arrives, v.Asked, v.Joined, v.Called, v.Admitted, v.Ordered}):
			t.Errorf("visitor %d: %+v", i, v)
		}
	}
}

// TestTroubles has the room refuse, lose and delay; everybody is served all the same.
func TestTroubles(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(kind string, n int, w http.ResponseWriter) bool
		check func(t *testing.T, log *Log)
	}{
		{"busy", func(kind string, n int, w http.ResponseWriter) bool {
			if kind != "join" || n%3 != 0 {
				return false
			}
			refuse(w, http.StatusTooManyRequests, "busy", 1)
			return true
		}, func(t *testing.T, log *Log) {
			if log.Refusals["busy"] < people/4 || sumOf(log, func(v *Visitor) int { return int(v.Unsure) }) > people/20 {
				t.Errorf("refusals %v", log.Refusals)
			}
		}},
		{"no answer", func(kind string, n int, _ http.ResponseWriter) bool {
			if n%5 == 0 && kind != "seal" {
				panic(http.ErrAbortHandler)
			}
			return false
		}, func(t *testing.T, log *Log) {
			if unsure := sumOf(log, func(v *Visitor) int { return int(v.Unsure) }); log.Refusals["none"] < people/8 || unsure < int(log.Refusals["none"]) {
				t.Errorf("refusals %v, %d joins unsure", log.Refusals, unsure)
			}
		}},
		{"out of order", func(kind string, n int, w http.ResponseWriter) bool {
			if n%4 == 0 {
				refuse(w, http.StatusServiceUnavailable, "internal", 2)
			}
			return n%4 == 0
		}, func(t *testing.T, log *Log) {
			fails := int64(0)
			for _, s := range log.Seconds {
				fails += s.ShopFails
			}
			if log.Refusals["internal"] == 0 || fails == 0 {
				t.Errorf("refusals %v, %d fails of the shop", log.Refusals, fails)
			}
		}},
		{"over the cap", func(kind string, n int, w http.ResponseWriter) bool {
			if kind != "admit" || n%2 == 0 {
				return false
			}
			refuse(w, http.StatusTooManyRequests, "over-cap", 1)
			return true
		}, func(t *testing.T, log *Log) {
			if refused := sumOf(log, func(v *Visitor) int { return int(v.Refused) }); refused < people/2 {
				t.Errorf("%d claims refused", refused)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRoom(t, 10*time.Second, 3000)
				defer f.stop()
				f.fault = test.fault
				log, err := Run(t.Context(), f.options(people))
				if err != nil {
					t.Fatal(err)
				}
				wantWhole(t, log)
				wantServed(t, log)
				test.check(t, log)
			})
		})
	}
}

func sumOf(log *Log, of func(*Visitor) int) (sum int) {
	for i := range log.Visitors {
		sum += of(&log.Visitors[i])
	}
	return sum
}

// TestWhatNobodyMustSee has the room contradict itself once.
func TestWhatNobodyMustSee(t *testing.T) {
	refuseOnce := func(kind string, status int) func(string, int, http.ResponseWriter) bool {
		return func(asked string, n int, w http.ResponseWriter) bool {
			if asked != kind || n != 10 {
				return false
			}
			refuse(w, status, "mistake", 0)
			return true
		}
	}
	for _, test := range []struct {
		name   string
		fault  func(kind string, n int, w http.ResponseWriter) bool
		change func(kind string, n int, document map[string]any)
		want   string
	}{
		{"a join that is not found", refuseOnce("join", http.StatusNotFound), nil, "a join was answered with status 404 mistake"},
		{"a secret that is bad", refuseOnce("join", http.StatusBadRequest), nil, "a join was answered with status 400"},
		{"a ticket that is bad", refuseOnce("admit", http.StatusUnauthorized), nil, "a claim was answered with status 401"},
		{"a claim that is not found", refuseOnce("admit", http.StatusNotFound), nil, "a claim was answered with status 404"},
		{"a shop that wants a pass", refuseOnce("shop", http.StatusForbidden), nil, "the shop sent the visitor away"},
		{"another place", nil, func(kind string, n int, document map[string]any) {
			if kind == "join" && n == 10 {
				document["seq"] = document["seq"].(int64) + 1000
			}
		}, "the ticket is for another place than the answer"},
		{"another place for the same secret", nil, func(kind string, n int, document map[string]any) {
			if kind == "join" {
				document["ticket"] = document["ticket"].(string) + strings.Repeat("A", n%7)
			}
		}, "with the same secret got"},
		{"another's pass", nil, func(kind string, n int, document map[string]any) {
			if pass, admitted := document["pass"].(string); kind == "admit" && admitted {
				document["pass"] = pass + "A"
			}
		}, "the shop's address does not carry the pass"},
		{"another position", nil, func(kind string, _ int, document map[string]any) {
			if position, early := document["position"].(int64); kind == "admit" && early {
				document["position"] = position + 1
			}
		}, "has computed place"},
		{"a status that goes back", nil, func(kind string, n int, document map[string]any) {
			if kind == "status" && n == 20 {
				document["version"] = 1
			}
		}, "the status went back from version"},
		{"a run that changes", nil, func(kind string, n int, document map[string]any) {
			if kind == "status" && n == 20 {
				document["run"] = "another"
			}
		}, "the run changed"},
		{"a seal that changes", nil, func(kind string, n int, document map[string]any) {
			if kind == "seal" && n > 10 {
				document["seed"] = strings.Repeat("ab", 32)
			}
		}, "the seal of cohort 0 changed"},
		{"a seal that contradicts itself", nil, func(kind string, n int, document map[string]any) {
			if kind == "seal" && n == 3 {
				document["size"] = 1
			}
		}, ErrSeal.Error()},
		{"a seal of another cohort", nil, func(kind string, n int, document map[string]any) {
			if kind == "seal" && n == 3 {
				document["cohort"] = 100
			}
		}, "the seal is another's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRoom(t, 10*time.Second, 100)
				defer f.stop()
				if test.fault != nil {
					f.fault = test.fault
				}
				if test.change != nil {
					f.change = test.change
				}
				o := f.options(few)
				o.Seed = 2 // some ask twice and some too early
				log, err := Run(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(strings.Join(log.Broken, "\n"), test.want) {
					t.Errorf("broken: %q, want %q", log.Broken, test.want)
				}
			})
		})
	}
}

// TestRealCache has every poll go to an address, where old statuses may be served.
func TestRealCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 600)
		defer f.stop()
		f.change = func(kind string, n int, document map[string]any) {
			if version, counted := document["version"].(float64); kind == "status" && counted && n%3 == 0 {
				document["version"] = max(1, version-2)
			}
		}
		o := f.options(few)
		o.Cache, o.Stale = o.URL, true
		log, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantWhole(t, log)
		wantServed(t, log)
		if polls := sumOf(log, func(v *Visitor) int { return int(v.Polls) }); polls == 0 || f.asked["status"] < polls {
			t.Errorf("%d polls, of which %d were asked", polls, f.asked["status"])
		}
	})
}

// TestVisitsAreSmall holds what a visitor costs, apart from the ticket.
func TestVisitsAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(Visitor{}) + unsafe.Sizeof(visit{}); size > 250 {
		t.Errorf("%d bytes", size)
	}
}

// TestEndsInTime has a room so slow that many are still asking when the time is over: whoever has a
// place in the end knows of it.
func TestEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 60)
		defer f.stop()
		f.delay["join"] = 8 * time.Second
		o := f.options(people)
		o.For = 5 * time.Second
		log, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantWhole(t, log)
		joined := sumOf(log, func(v *Visitor) int {
			if (v.Joined == Never) != (v.Cohort == NoCohort) || v.Joined > log.Ended {
				t.Errorf("the surge ended after %v: %+v", log.Ended, v)
			}
			return min(1, int(v.Cohort)+1)
		})
		if joined != len(f.places) || joined > people*9/10 || log.Interrupted || log.DrawKey == "" {
			t.Errorf("%d visitors know of a place, %d have one; interrupted %v, draw key %q", joined, len(f.places), log.Interrupted, log.DrawKey)
		}
		if most := 6*time.Second + o.For + page.Timeout + time.Second; log.Ended > most {
			t.Errorf("ended after %v", log.Ended)
		}
	})
}

// TestInterrupt also has synctest look for whatever is left running. Whenever it comes, the room has
// broken no promise by it.
func TestInterrupt(t *testing.T) {
	for after := 8 * time.Second; after < 25*time.Second; after += 730 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeRoom(t, 10*time.Second, 300)
			defer f.stop()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			log, err := Run(ctx, f.options(people))
			if err != nil || !log.Interrupted {
				t.Fatalf("%v, %+v", err, log)
			}
			wantWhole(t, log)
			if log.Ended > after || log.DrawKey != "" || log.Visitors[0].Joined == Never {
				t.Errorf("ended after %v with draw key %q; the first visitor: %+v", log.Ended, log.DrawKey, log.Visitors[0])
			}
			wantKept(t, log)
		})
	}
}

func TestWhatCannotBegin(t *testing.T) {
	for _, test := range []struct {
		name   string
		onSale time.Duration
		with   func(*Options)
		fault  func(kind string, n int, w http.ResponseWriter) bool
		want   string
	}{
		{"nobody", time.Minute, func(o *Options) { o.Visitors = 0 }, nil, "0 visitors"},
		{"at once", time.Minute, func(o *Options) { o.Over = 0 }, nil, "give times above zero"},
		{"a share of two", time.Minute, func(o *Options) { o.Before = 2 }, nil, "give 0 to 1"},
		{"no event", time.Minute, func(o *Options) { o.Event = "v1" }, nil, "is not the name"},
		{"elsewhere", time.Minute, func(o *Options) { o.IOwnThis, o.URL = false, "http://192.0.2.1" }, nil, ErrTarget.Error()},
		{"a cache elsewhere", time.Minute, func(o *Options) { o.IOwnThis, o.Cache = false, "http://192.0.2.1" }, nil, ErrTarget.Error()},
		{"too late", 3 * time.Second, func(*Options) {}, nil, "the on-sale is in"},
		{"no room", time.Minute, func(*Options) {}, func(_ string, _ int, w http.ResponseWriter) bool {
			refuse(w, http.StatusNotFound, "unknown-event", 0)
			return true
		}, "no status"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRoom(t, test.onSale, 3000)
				defer f.stop()
				if test.fault != nil {
					f.fault = test.fault
				}
				o := f.options(people)
				test.with(&o)
				if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
			})
		})
	}
}

// TestPollsDoNotReachTheRoom has fifty wait, and twenty times as many.
func TestPollsDoNotReachTheRoom(t *testing.T) {
	origin := func(n int) (origin, polls int64) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeRoom(t, 10*time.Second, 1)
			defer f.stop()
			o := f.options(n)
			o.For = time.Minute
			log, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			wantWhole(t, log)
			for _, s := range log.Seconds[20:60] {
				origin += s.Origin
				polls += s.Polls
			}
		})
		return origin, polls
	}
	less, lessPolls := origin(50)
	many, manyPolls := origin(1000)
	if many > 40 || less > 40 || many < less || manyPolls < 10*lessPolls {
		t.Errorf("%d requests for %d polls of fifty, %d for %d of a thousand, in 40 s", less, lessPolls, many, manyPolls)
	}
}

// TestSaleThatHasBegun has a crowd come to a line in which another one waits already.
func TestSaleThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 300)
		defer f.stop()
		before := f.options(4 * people)
		before.Close, before.For = nil, 15*time.Second
		if _, err := Run(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		o := f.options(people)
		o.Seed, o.Before = before.Seed+1, 0
		log, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantWhole(t, log)
		wantServed(t, log)
		wantKept(t, log)
		if waiting := log.Statuses[0]; waiting.Line-waiting.Admitted < people {
			t.Errorf("the second crowd met %+v", waiting)
		}
	})
}

// TestInterruptInTheEnd comes while the last answers are waited for: each may be a place.
func TestInterruptInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 60)
		defer f.stop()
		f.delay["join"] = 8 * time.Second
		o := f.options(people)
		o.For = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 17*time.Second)
		defer cancel()
		log, err := Run(ctx, o)
		if err != nil || !log.Interrupted {
			t.Fatalf("%v, %+v", err, log)
		}
		time.Sleep(f.delay["join"]) // the room goes on with what it was asked
		joined := sumOf(log, func(v *Visitor) int { return min(1, int(v.Cohort)+1) })
		unsure := sumOf(log, func(v *Visitor) int { return int(v.Unsure) })
		f.mu.Lock()
		defer f.mu.Unlock()
		if lost := len(f.places) - joined; lost <= 0 || unsure < lost {
			t.Errorf("%d have a place that they do not know of, and %d joins are unsure", lost, unsure)
		}
		if f.over {
			t.Error("the sale was closed after the interrupt")
		}
	})
}

// TestClockOfTheRoom tells a clock that is another's from an answer that is old.
func TestClockOfTheRoom(t *testing.T) {
	for said, want := range map[time.Duration]time.Duration{
		0: 0, -2 * time.Second: 0, -time.Minute: -time.Minute, 2 * time.Second: 2 * time.Second, time.Minute: time.Minute,
	} {
		c := &crowd{}
		c.edge.clock.Learn(time.Unix(100, 0).Add(said), time.Unix(100, 0))
		if got := c.foreign(); got != want {
			t.Errorf("a room that says it is %v: its clock is ahead by %v, want %v", said, got, want)
		}
	}
}

// TestShopThatSendsBack does so by another name of this machine than the crowd was sent to.
func TestShopThatSendsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 10*time.Second, 3000)
		defer f.stop()
		f.fault = func(kind string, _ int, w http.ResponseWriter) bool {
			if kind == "shop" {
				w.Header().Set("Location", "http://127.0.0.1:1/demo")
				w.WriteHeader(http.StatusSeeOther)
			}
			return kind == "shop"
		}
		o := f.options(few)
		o.URL, o.Orders = "http://localhost:1", false
		log, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if rejected := sumOf(log, func(v *Visitor) int { return int(v.Outcome / Rejected) }); rejected == 0 || Judge(log).Promise(NobodyLost).Held {
			t.Errorf("%d were sent away: %q", rejected, log.Broken)
		}
	})
}
