package tick_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

func TestStateBeginsWhenTheRequiredParametersParse(t *testing.T) {
	for _, c := range []struct {
		name    string
		mend    string // the parameter that is set last
		to      string
		wrong   string // what it is before; empty if it is missing
		tooSoon bool
	}{
		{name: "onsale missing", mend: "onsale", to: "2000-01-01T00:20:00Z"},
		{name: "rate missing", mend: "rate", to: "60"},
		{name: "target missing", mend: "target", to: "https://shop.example/"},
		{name: "onsale without an offset", mend: "onsale", wrong: "2000-01-01T00:20:00", to: "2000-01-01T00:20:00Z"},
		{name: "rate negative", mend: "rate", wrong: "-5", to: "60"},
		{name: "target in the clear", mend: "target", wrong: "http://shop.example/", to: "https://shop.example/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 20*time.Minute)
				if s.promoter.remove(event, c.mend); c.wrong != "" {
					s.promoter.set(event, c.mend, c.wrong)
				}
				env := s.environment()
				for range 3 {
					if i := s.invoke(env); !i.over() || i.err != nil {
						t.Fatalf("an invocation with nothing to watch goes on; error %v", i.err)
					}
					time.Sleep(time.Minute)
				}
				if _, err := s.table.Memory.State(t.Context(), event); !errors.Is(err, store.ErrNotFound) {
					t.Fatalf("state before the parameters parse: %v", err)
				}
				if puts := s.documents.under("status/"); len(puts) != 0 {
					t.Errorf("status before there is a state: %s", puts[0].body)
				}
				reported := env.log.rejections(c.mend)
				if c.wrong == "" && len(reported) != 0 || c.wrong != "" && len(reported) != 1 {
					t.Errorf("reported: %q", reported)
				}
				s.promoter.set(event, c.mend, c.to)
				s.invoke(env)
				st := s.state(event)
				if len(st.ID) != 2*room.RunBytes || st.Commit != room.Commit(st.DrawKey(s.secret)) {
					t.Errorf("run %q with commit %q", st.ID, st.Commit)
				}
				if status := s.status(); status.Run != st.ID || status.Commit != st.Commit || status.DrawKey != "" {
					t.Errorf("status %+v", status)
				}
			})
		})
	}
}

func TestShardsAreReadOnce(t *testing.T) {
	for _, c := range []struct {
		set    string
		shards int
	}{{"", 16}, {"1", 1}, {"128", 128}, {"129", 16}} {
		t.Run("set to "+c.set, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 5*time.Minute)
				if c.set != "" {
					s.promoter.set(event, "shards", c.set)
				}
				env := s.environment()
				s.invoke(env)
				s.until(half)
				if st := s.state(event); st.Shards != c.shards {
					t.Fatalf("%d shards, want %d", st.Shards, c.shards)
				}
				before := len(env.log.rejections("shards"))
				s.promoter.set(event, "shards", "32")
				s.until(40*time.Second + half)
				if st := s.state(event); st.Shards != c.shards {
					t.Errorf("%d shards after a change, want %d", st.Shards, c.shards)
				}
				late := env.log.rejections("shards")[before:]
				if len(late) != 1 || !strings.Contains(late[0], "read once") {
					t.Errorf("reported: %q", late)
				}
			})
		})
	}
}

// A change that comes too late and then does not even parse is two complaints about one parameter.
func TestTwoComplaintsAboutOneParameterAreLoggedOnce(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 5*time.Minute)
		env := s.environment()
		s.invoke(env)
		s.promoter.set(event, "shards", "32")
		s.until(20*time.Second + half)
		s.promoter.set(event, "shards", "many")
		s.until(60*time.Second + half)
		if n := len(env.log.rejections("shards")); n > 3 {
			t.Errorf("reported %d times in 40 s", n)
		}
	})
}

func TestFarAwayEventCostsOneStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 24*time.Hour)
		env := s.environment()
		for n := 1; n <= 3; n++ {
			before := s.elapsed()
			if i := s.invoke(env); !i.over() || i.err != nil || i.ended != before {
				t.Fatalf("invocation %d ended %v after %v, error %v", n, i.over(), i.ended-before, i.err)
			}
			if st := s.state(event); st.Owner != "" || st.Phase != room.Scheduled {
				t.Errorf("invocation %d left owner %q in phase %s", n, st.Owner, st.Phase)
			}
			if writes := len(s.table.writes(event)); writes != n {
				t.Errorf("%d state writes after %d invocations", writes, n)
			}
			if len(s.promoter.all) != n || len(s.promoter.reads(event)) != 0 {
				t.Errorf("after %d invocations %d and %d reads of parameters", n, len(s.promoter.all), len(s.promoter.reads(event)))
			}
			time.Sleep(time.Minute)
		}
		if counters := s.table.made(event, "Arrivals", "SealShard", "Taken"); len(counters) != 0 {
			t.Errorf("%d counters read", len(counters))
		}
	})
}

func TestEventIsWatchedFromTenMinutesBeforeItsPreQueue(t *testing.T) {
	for _, c := range []struct {
		onsale time.Duration // with a pre-queue of half an hour
		live   bool
	}{{40*time.Minute + time.Second, false}, {40*time.Minute - time.Second, true}} {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, c.onsale)
			i := s.invoke(s.environment())
			if i.over() == c.live {
				t.Errorf("on sale in %v: the invocation ended: %v", c.onsale, i.over())
			}
		})
	}
}

func TestLiveEventIsWatchedForThreeMinutes(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		env := s.environment()
		i := s.invoke(env)
		s.until(178*time.Second + half)
		if st := s.state(event); i.over() || st.Owner == "" {
			t.Fatalf("ended %v, owner %q", i.over(), st.Owner)
		}
		steady(t, s.table.writes(event), time.Second)
		s.until(200 * time.Second)
		if i.ended < tick.RunFor-time.Second || i.ended > tick.RunFor || i.err != nil {
			t.Errorf("ended after %v with %v", i.ended, i.err)
		}
		if st := s.state(event); st.Owner != "" {
			t.Errorf("the lease is still held by %q", st.Owner)
		}
		if n := len(s.table.writes(event)); n != 181 {
			t.Errorf("%d state writes, want one a second and the hand-over", n)
		}
		if errs := env.log.errors(); len(errs) != 0 {
			t.Errorf("errors: %q", errs)
		}
	})
}

func TestInvocationEndsEarlyWithAHandOver(t *testing.T) {
	t.Run("by its deadline", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 20*time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.environment().Run(ctx); err != nil {
				t.Fatal(err)
			}
			if s.elapsed() < 50*time.Second || s.elapsed() >= time.Minute {
				t.Errorf("it ended after %v", s.elapsed())
			}
			if st := s.state(event); st.Owner != "" {
				t.Errorf("the lease is still held by %q", st.Owner)
			}
		})
	})
	t.Run("when it is stopped", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 20*time.Minute)
			i := s.invoke(s.environment())
			s.until(10*time.Second + half)
			i.cancel()
			s.until(10*time.Second + half)
			if !i.over() {
				t.Error("it goes on")
			}
			if st := s.state(event); st.Owner != "" {
				t.Errorf("the lease is still held by %q", st.Owner)
			}
		})
	})
	t.Run("a standby has nothing to hand over", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 20*time.Minute)
			s.invoke(s.environment())
			standby := s.invoke(s.environment())
			s.until(10*time.Second + half)
			owner := s.state(event).Owner
			standby.cancel()
			s.until(10*time.Second + half)
			if st := s.state(event); !standby.over() || st.Owner != owner {
				t.Errorf("ended %v, the lease went from %q to %q", standby.over(), owner, st.Owner)
			}
		})
	})
}

func TestClosedEventIsPutOnSaleAgain(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, time.Minute)
		env := s.environment()
		s.invoke(env)
		s.until(90*time.Second + half)
		s.join(5)
		s.promoter.set(event, "shards", "4")
		s.promoter.set(event, "state", "closed")
		s.until(120*time.Second + half)
		first := s.state(event)
		if first.Phase != room.Closed || !first.Over() {
			t.Fatalf("phase %s, over %v", first.Phase, first.Over())
		}
		s.promoter.set(event, "onsale", s.at(time.Hour))
		s.invoke(env)
		if st := s.state(event); st.ID != first.ID {
			t.Fatal("a run began although the event is set to closed")
		}
		s.promoter.set(event, "state", "auto")
		s.invoke(env)
		second := s.state(event)
		if second.ID == first.ID || second.Version <= first.Version || second.Shards != 4 || second.Base != 0 || second.Phase != room.Scheduled {
			t.Errorf("the run after it: %+v", second)
		}
		if status := s.status(); status.Run != second.ID || status.DrawKey != "" || status.Sealed != 0 {
			t.Errorf("status %+v", status)
		}
		if reported := env.log.rejections("onsale"); len(reported) != 0 {
			t.Errorf("reported: %q", reported)
		}
	})
}

func TestEventsAreIndependent(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		names := []string{"slow"}
		for i := range 9 {
			names = append(names, "quick-"+string(rune('a'+i)))
		}
		for _, name := range names {
			s.plan(name, 20*time.Minute)
		}
		s.table.setFault(func(ctx context.Context, c call) error {
			if c.event == "slow" {
				return hangs(ctx)
			}
			return nil
		})
		s.invoke(s.environment())
		s.until(60*time.Second + half)
		for _, name := range names[1:] {
			writes := s.table.writes(name)
			if len(writes) != 61 {
				t.Errorf("%s: %d state writes in a minute", name, len(writes))
			}
			steady(t, writes, time.Second)
		}
		// Each of its steps is given up after ten seconds.
		if n := len(s.table.made("slow", "State")); n != 7 {
			t.Errorf("the slow event's state was asked for %d times", n)
		}
		// It recovers by itself.
		s.table.setFault(nil)
		s.until(75*time.Second + half)
		if st := s.state("slow"); st.Owner == "" {
			t.Error("the slow event is not led")
		}
	})
}

func TestNoEventFails(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		if i := s.invoke(s.environment()); !i.over() || i.err != nil {
			t.Errorf("an invocation without events ended %v with %v", i.over(), i.err)
		}
	})
}

func TestHandlerRunsTheTicker(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 24*time.Hour)
		handle := tick.NewHandler(s.environment().Ticker)
		if err := handle(t.Context(), []byte(`{"source":"aws.scheduler"}`)); err != nil {
			t.Fatal(err)
		}
		if got := s.table.writes(event); !slices.Equal(got, []time.Duration{0}) {
			t.Errorf("state writes at %v", got)
		}
	})
}
