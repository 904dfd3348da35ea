package tick_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
)

// checkStatuses holds what is true of every sequence of status documents of one run.
func checkStatuses(t *testing.T, puts []put) {
	t.Helper()
	var last int64
	for _, p := range puts {
		status := decode[room.Status](t, p.body)
		if status.Version > p.version {
			t.Errorf("at %v version %d was published before it was stored", p.at, status.Version)
		}
		if status.Version <= last {
			t.Errorf("at %v version %d follows %d", p.at, status.Version, last)
		}
		last = status.Version
		if status.DrawKey != "" && status.Phase != room.Closed {
			t.Errorf("at %v, in phase %s, draw key %q", p.at, status.Phase, status.DrawKey)
		}
	}
}

func TestQuietStatusHasAHeartbeat(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.invoke(s.environment())
		s.until(100*time.Second + half)
		puts := s.documents.under("status/")
		var moments []time.Duration
		for _, p := range puts {
			moments = append(moments, p.at)
		}
		// The first is that of the hidden run; from the second on nothing new is said.
		steady(t, moments[1:], 5*time.Second)
		if len(puts) != 1+20 {
			t.Errorf("%d statuses in 100 s", len(puts))
		}
		checkStatuses(t, puts)
		last := s.status()
		if last.Time != s.at(96*time.Second) || last.Phase != room.PreQueue || last.OnSale != s.at(20*time.Minute) || last.PreQueue != s.at(-10*time.Minute) {
			t.Errorf("status %+v", last)
		}
	})
}

// A store and a publisher that take their time do not stretch the heartbeat by a step.
func TestHeartbeatWithLatency(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.documents.setFail(func(context.Context, string) error { time.Sleep(30 * time.Millisecond); return nil })
		s.invoke(s.environment())
		s.until(60*time.Second + half)
		puts := s.documents.under("status/")
		for i := 1; i < len(puts); i++ {
			if gap := puts[i].at - puts[i-1].at; gap > 5*time.Second+100*time.Millisecond {
				t.Fatalf("no status for %v until %v", gap, puts[i].at)
			}
		}
	})
}

func TestStatusSaysWhatChangesInItsStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.invoke(s.environment())
		s.until(3*time.Second + half)
		s.promoter.set(event, "message/en", "Bring an umbrella.")
		s.promoter.set(event, "stock", "few")
		s.promoter.set(event, "theme", "winter-tour")
		s.promoter.set(event, "claim-window", "5m")
		s.until(8*time.Second + half)
		puts := s.documents.under("status/")
		last := puts[len(puts)-1]
		status := decode[room.Status](t, last.body)
		if last.at != 8*time.Second || status.Message["en"] != "Bring an umbrella." || status.Stock != room.Few ||
			status.Theme != "winter-tour" || status.ClaimWindow != 300 {
			t.Errorf("at %v: %s", last.at, last.body)
		}
	})
}

func TestStatusFollowsThePointerEverySecond(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		s.invoke(s.environment())
		s.until(5*time.Second + half)
		s.join(5000)
		s.until(60*time.Second + half)
		puts := s.documents.under("status/")
		checkStatuses(t, puts)
		var last int64
		for _, p := range puts {
			status := decode[room.Status](t, p.body)
			if p.at > 12*time.Second && status.Admitted <= last {
				t.Errorf("at %v admitted %d after %d", p.at, status.Admitted, last)
			}
			last = status.Admitted
		}
		st := s.state(event)
		if got := s.status(); got.Version != st.Version || got.Admitted != st.Admitted || got.Line != 5000 || got.Sealed != 1 || got.Phase != room.Open {
			t.Errorf("status %+v of state %+v", got, st)
		}
	})
}

func TestStatusThatWasRefusedFollowsAtTheNextStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.invoke(s.environment())
		s.until(4*time.Second + half)
		s.documents.setFail(func(context.Context, string) error { return errDown })
		s.until(6*time.Second + half)
		s.documents.setFail(nil)
		s.until(7*time.Second + half)
		puts := s.documents.under("status/")
		if last := puts[len(puts)-1]; last.at != 7*time.Second {
			t.Errorf("the latest status is of %v", last.at)
		}
	})
}

func TestStatusIsNotPublishedWithoutItsState(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		env := s.environment()
		s.table.setFault(func(_ context.Context, c call) error {
			if c.name == "Save" || c.name == "SaveWithPacing" {
				return errDown
			}
			return nil
		})
		s.invoke(env)
		s.until(30*time.Second + half)
		if puts := s.documents.under("status/"); len(puts) != 0 {
			t.Errorf("published: %s", puts[0].body)
		}
		s.table.setFault(nil)
		s.until(31*time.Second + half)
		if puts := s.documents.under("status/"); len(puts) != 1 {
			t.Errorf("%d statuses when the store is back", len(puts))
		}
	})
}

func TestClosedRun(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.invoke(env)
		s.until(5*time.Second + half)
		s.join(40)
		s.until(20*time.Second + half)
		s.join(3)
		s.promoter.set(event, "state", "closed")
		s.until(60*time.Second + half)
		status := s.status()
		st := s.state(event)
		key := st.DrawKey(s.secret)
		if status.Phase != room.Closed || status.Commit != room.Commit(key) || status.DrawKey == "" || int(status.Sealed)+1 != len(s.documents.under("seals/")) {
			t.Fatalf("status %+v with %d seals", status, len(s.documents.under("seals/")))
		}
		if st.Owner != "" {
			t.Errorf("the lease of a closed run is held by %q", st.Owner)
		}
		draw := s.documents.under(tick.DrawPath(st.Run))
		want := fmt.Sprintf(`{"event":"demo","run":%q,"cohorts":3,"line":43,"commit":%q,"draw_key":%q}`, st.ID, status.Commit, status.DrawKey)
		if len(draw) != 1 || string(draw[0].body) != want {
			t.Errorf("the draw key is published for good as %s, want %s", draw[0].body, want)
		}
		checkStatuses(t, s.documents.under("status/"))
		checkSeals(t, s)

		before := len(s.documents.under("status/"))
		for n := 1; n <= 3; n++ {
			if i := s.invoke(env); !i.over() || i.err != nil {
				t.Errorf("an invocation watches a closed run; error %v", i.err)
			}
			if got := len(s.documents.under("status/")) - before; got != n {
				t.Errorf("%d statuses after %d invocations", got, n)
			}
			time.Sleep(time.Minute)
		}
		if again := s.status(); again.DrawKey != status.DrawKey || again.Version <= status.Version {
			t.Errorf("status %+v", again)
		}
	})
}

// A secret that was replaced after the run was closed must not pass for the run's.
func TestNoForeignDrawKeyIsPublished(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		s.promoter.set(event, "state", "closed")
		s.invoke(s.environment())
		s.until(60*time.Second + half)
		right := s.status().DrawKey
		if right == "" {
			t.Fatal("the run is not over")
		}
		s.secret = []byte("another secret, put there by mistake")
		env := s.environment()
		s.invoke(env)
		s.until(70*time.Second + half)
		if got := s.status().DrawKey; got != right {
			t.Errorf("draw key %s was published for %s", got, right)
		}
		if errs := env.log.errors(); len(errs) == 0 {
			t.Error("nothing was reported")
		}
	})
}

func TestWellKnownDocumentsComeFirst(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		env := s.environment()
		env.WellKnown = map[string][]byte{".well-known/jwks.json": []byte("{}"), ".well-known/openid-configuration": []byte("{}")}
		s.invoke(env)
		s.invoke(env)
		puts := s.documents.under("")
		if len(puts) < 3 || !strings.HasPrefix(puts[0].path, ".well-known/") || !strings.HasPrefix(puts[1].path, ".well-known/") || puts[2].path != "status/demo.json" {
			t.Errorf("published: %v", puts)
		}
		if n := len(s.documents.under(".well-known/")); n != 4 {
			t.Errorf("%d well-known documents by two invocations", n)
		}
	})
}

func TestWellKnownDocumentsHoldUpNobody(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{"refused": fails, "unanswered": hangs} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 20*time.Minute)
				s.documents.failBelow(".well-known/", fail)
				env := s.environment()
				env.WellKnown = map[string][]byte{".well-known/jwks.json": []byte("{}")}
				s.invoke(env)
				s.until(30*time.Second + half)
				if len(s.documents.under("status/")) == 0 {
					t.Error("no status after 30 s")
				}
				if errs := env.log.errors(); len(errs) != 1 {
					t.Errorf("errors: %q", errs)
				}
			})
		})
	}
}

// A publisher that never answers is not worth the line.
func TestUnansweredStatusHoldsUpNobody(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		s.invoke(s.environment())
		s.invoke(s.environment())
		s.until(5*time.Second + half)
		s.join(5000)
		s.until(20*time.Second + half)
		s.documents.setFail(func(ctx context.Context, _ string) error { return hangs(ctx) })
		before := s.state(event)
		s.until(60*time.Second + half)
		after := s.state(event)
		if turns := after.Admitted - before.Admitted; turns < 380 || after.Owner != before.Owner {
			t.Errorf("%d turns in 40 s, owner from %q to %q", turns, before.Owner, after.Owner)
		}
	})
}

func TestStatusPath(t *testing.T) {
	if got := tick.StatusPath(event); got != "status/demo.json" {
		t.Errorf("status path %q", got)
	}
	if got := tick.SealPath(room.Run{Event: event, ID: "0a"}, 12); got != "seals/demo/0a/12.json" {
		t.Errorf("seal path %q", got)
	}
}

func TestStatusIsSmallAndFlat(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		s.invoke(s.environment())
		s.until(20*time.Second + half)
		fields := map[string]json.RawMessage{}
		if err := json.Unmarshal(s.documents.body("status/demo.json"), &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"event", "run", "version", "phase", "time", "prequeue", "onsale", "closes",
			"sealed", "line", "admitted", "expired", "rate", "claim_window", "stock", "commit"} {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s is missing", name)
			}
			delete(fields, name)
		}
		if len(fields) != 0 {
			t.Errorf("more than is documented: %v", fields)
		}
	})
}
