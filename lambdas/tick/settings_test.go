package tick_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

func TestRateIsInForceWithinTenSeconds(t *testing.T) {
	for offset := time.Duration(0); offset < 10*time.Second; offset += 700 * time.Millisecond {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 0)
			s.invoke(s.environment())
			s.until(20*time.Second + offset)
			s.promoter.set(event, "rate", "1200")
			s.until(30*time.Second + offset)
			if rate, _ := s.state(event).Cap.At(time.Now()); rate != 1200 {
				t.Errorf("set at %v, the rate is %d ten seconds later", 20*time.Second+offset, rate)
			}
		})
	}
}

// A change that is announced is read at the next step, once.
func TestAnnouncedChangeIsReadAtTheNextStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		i := s.invoke(s.environment())
		s.until(2*time.Second + half)
		for n, rate := range []string{"700", "800", "900"} {
			before := len(s.promoter.reads(event))
			s.promoter.set(event, "rate", rate)
			if err := s.table.Announce(t.Context(), event, time.Now()); err != nil {
				t.Fatal(err)
			}
			s.until(time.Duration(n+3)*time.Second + half)
			if got := s.state(event).Cap.Rate; strconv.Itoa(got) != rate || len(s.promoter.reads(event)) != before+1 {
				t.Errorf("a second after %s was announced the rate is %d, after %d reads", rate, got, len(s.promoter.reads(event))-before)
			}
		}
		before := len(s.promoter.reads(event))
		s.until(12*time.Second + half)
		if got := len(s.promoter.reads(event)); got != before {
			t.Errorf("%d more reads in the eight seconds after it", got-before)
		}
		// Whoever leads next reads once, and does not take what was announced before for news.
		i.cancel()
		s.until(13*time.Second + half)
		before = len(s.promoter.reads(event))
		s.invoke(s.environment())
		s.until(20*time.Second + half)
		if got := len(s.promoter.reads(event)); got != before+1 {
			t.Errorf("%d reads by the next leader in its first seven seconds, want 1", got-before)
		}
	})
}

// An announcement that comes while the parameters are being read is about something newer.
func TestChangeAnnouncedDuringAReadingIsReadAfterIt(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.invoke(s.environment())
		s.until(7*time.Second + half)
		s.promoter.setFail(func(ctx context.Context) error { time.Sleep(3 * time.Second); return errDown })
		s.until(9*time.Second + half)
		s.promoter.setFail(nil)
		s.promoter.set(event, "rate", "700")
		if err := s.table.Announce(t.Context(), event, time.Now()); err != nil {
			t.Fatal(err)
		}
		s.until(13*time.Second + half)
		if got := s.state(event).Cap.Rate; got != 700 {
			t.Errorf("the rate is %d", got)
		}
	})
}

// Windows of another length need notice; announced, even such a change holds within ten seconds
// when the rate is raised.
func TestRaiseToShortWindowsHoldsWithinTenSeconds(t *testing.T) {
	for offset := time.Duration(0); offset < 20*time.Second; offset += 1700 * time.Millisecond {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 0)
			s.promoter.set(event, "rate", "60")
			s.invoke(s.environment())
			s.until(20*time.Second + offset)
			s.promoter.set(event, "rate", "600")
			if err := s.table.Announce(t.Context(), event, time.Now()); err != nil {
				t.Fatal(err)
			}
			s.until(30*time.Second + offset)
			if rate, shape := s.state(event).Cap.At(time.Now()); rate != 600 || shape.Length != time.Second {
				t.Errorf("set at %v, ten seconds later the rate is %d in windows of %v", 20*time.Second+offset, rate, shape.Length)
			}
		})
	}
}

func TestBadValueChangesNothingAndIsReportedOnce(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 0)
		env := s.environment()
		s.invoke(env)
		s.until(2*time.Second + half)
		s.promoter.set(event, "rate", "fast")
		s.promoter.set(event, "no-such-thing", "1")
		s.until(60*time.Second + half)
		if st := s.state(event); st.Cap.Rate != 600 {
			t.Errorf("the rate is %d", st.Cap.Rate)
		}
		for parameter, reason := range map[string]string{"rate": "fast: ", "no-such-thing": "1: there is no such parameter"} {
			reported := env.log.rejections(parameter)
			if len(reported) != 1 || !strings.HasPrefix(reported[0], reason) {
				t.Errorf("%s reported: %q", parameter, reported)
			}
		}
		// The next invocation of the environment knows what has been said.
		s.invoke(env)
		s.until(100*time.Second + half)
		if reported := env.log.rejections("rate"); len(reported) != 1 {
			t.Errorf("reported in the next invocation: %q", reported)
		}
		s.promoter.set(event, "rate", "700")
		s.until(110*time.Second + half)
		if st := s.state(event); st.Cap.Rate != 700 {
			t.Errorf("mended, the rate is %d", st.Cap.Rate)
		}
		s.promoter.set(event, "rate", "fast")
		s.until(130*time.Second + half)
		if reported := env.log.rejections("rate"); len(reported) != 2 {
			t.Errorf("broken again, reported: %q", reported)
		}
		if st := s.state(event); st.Cap.Rate != 700 {
			t.Errorf("broken again, the rate is %d", st.Cap.Rate)
		}
	})
}

// The last good value is that of the room, not of the invocation that read it.
func TestLastGoodValueOutlivesItsInvocation(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 0)
		i := s.invoke(s.environment())
		s.promoter.set(event, "rate", "700")
		s.until(20*time.Second + half)
		s.promoter.set(event, "rate", "fast")
		s.until(40*time.Second + half)
		i.cancel()
		other := s.environment()
		s.invoke(other)
		s.until(60*time.Second + half)
		if st := s.state(event); st.Cap.Rate != 700 {
			t.Errorf("the rate is %d", st.Cap.Rate)
		}
		if reported := other.log.rejections("rate"); len(reported) != 1 {
			t.Errorf("reported: %q", reported)
		}
	})
}

// A value is stored as good in the step that puts it in force, so no crash can forget it.
func TestLastGoodValueOutlivesACrash(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		dead := make(chan struct{})
		mortal := s.environment()
		mortal.Store = crash{s.table, dead}
		s.invoke(mortal)
		s.invoke(s.environment())
		s.until(1*time.Second + half)
		s.promoter.set(event, "rate", "700")
		s.until(8*time.Second + half)
		close(dead)
		leader := s.state(event)
		if leader.Cap.Rate != 700 {
			t.Fatalf("the rate is %d", leader.Cap.Rate)
		}
		s.promoter.set(event, "rate", "fast")
		s.until(30*time.Second + half)
		if st := s.state(event); st.Owner == leader.Owner || st.Cap.Rate != 700 {
			t.Errorf("owner %q after %q, rate %d", st.Owner, leader.Owner, st.Cap.Rate)
		}
	})
}

// The deployment's number holds where the promoter sets none, and never changes within a run.
func TestDeploymentsShards(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 20*time.Minute)
		s.plan("other", 20*time.Minute)
		s.promoter.set("other", "shards", "5")
		env := s.environment()
		env.Shards = 64
		i := s.invoke(env)
		s.until(10*time.Second + half)
		i.cancel()
		redeployed := s.environment()
		redeployed.Shards = 32
		s.invoke(redeployed)
		s.until(30*time.Second + half)
		if st, other := s.state(event), s.state("other"); st.Shards != 64 || other.Shards != 5 {
			t.Errorf("%d shards, and %d where 5 are set", st.Shards, other.Shards)
		}
		if reported := env.log.rejections("shards"); len(reported) != 0 {
			t.Errorf("reported before: %q", reported)
		}
		if reported := redeployed.log.rejections("shards"); len(reported) != 0 {
			t.Errorf("a promoter who set nothing hears of it: %q", reported)
		}
	})
}

func TestOnSaleIsFrozenOnceThePoolIsClosed(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"moved", "2000-01-01T05:00:00Z"},
		{"moved back", "1999-12-31T23:00:00Z"},
		{"not a time", "tomorrow"},
		{"without an offset", "2000-01-01T05:00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				env := s.environment()
				s.invoke(env)
				s.until(20*time.Second + half)
				s.promoter.set(event, "onsale", c.value)
				s.until(60*time.Second + half)
				st := s.state(event)
				if !st.OnSale.Equal(s.began.Add(10*time.Second)) || st.Phase != room.Open || st.Cohort != 1 {
					t.Errorf("on sale at %v, phase %s, %d cohorts", st.OnSale, st.Phase, st.Cohort)
				}
				if reported := env.log.rejections("onsale"); len(reported) != 1 || !strings.HasPrefix(reported[0], c.value+": ") {
					t.Errorf("reported: %q", reported)
				}
			})
		})
	}
}

// The closing is decided when the on-sale has come, even if it cannot be carried out.
func TestOnSaleIsFrozenWhileThePoolIsBeingClosed(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.table.setFault(func(_ context.Context, c call) error {
			if c.name == "SealShard" {
				return errDown
			}
			return nil
		})
		s.invoke(env)
		s.until(12*time.Second + half)
		s.promoter.set(event, "onsale", s.at(time.Hour))
		s.until(30*time.Second + half)
		st := s.state(event)
		if st.Closing != 0 || !st.OnSale.Equal(s.began.Add(10*time.Second)) {
			t.Errorf("closing %d, on sale at %v", st.Closing, st.OnSale)
		}
		s.table.setFault(nil)
		s.until(32*time.Second + half)
		if st := s.state(event); st.Closing != room.NoCohort || st.Cohort != 1 || st.Phase != room.Open {
			t.Errorf("closing %d, %d cohorts, phase %s", st.Closing, st.Cohort, st.Phase)
		}
		if reported := env.log.rejections("onsale"); len(reported) != 1 {
			t.Errorf("reported: %q", reported)
		}
	})
}

func TestOnSaleMovesBeforeThePoolIsClosed(t *testing.T) {
	for _, c := range []struct {
		name  string
		moved time.Duration
	}{{"later", 80 * time.Second}, {"earlier", 30 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, time.Minute)
				env := s.environment()
				s.invoke(env)
				s.until(5*time.Second + half)
				s.join(7)
				s.promoter.set(event, "onsale", s.at(c.moved))
				s.until(c.moved - half)
				if st := s.state(event); st.Cohort != 0 || st.Phase != room.PreQueue {
					t.Fatalf("before it: %d cohorts, phase %s", st.Cohort, st.Phase)
				}
				s.until(c.moved + half)
				if st := s.state(event); st.Cohort != 1 || st.Base != 7 || st.Phase != room.Open {
					t.Errorf("after it: %d cohorts, %d places, phase %s", st.Cohort, st.Base, st.Phase)
				}
				if reported := env.log.rejections("onsale"); len(reported) != 0 {
					t.Errorf("reported: %q", reported)
				}
			})
		})
	}
}

func TestDeletedParametersStayInForce(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.invoke(env)
		s.until(20*time.Second + half)
		s.promoter.removeAll(event)
		s.until(60*time.Second + half)
		s.invoke(env)
		s.until(220*time.Second + half) // the first invocation is over
		st := s.state(event)
		if st.Owner == "" || st.Phase != room.Open || st.Cap.Rate != 600 || st.Target != "https://shop.example/checkout" {
			t.Errorf("owner %q, phase %s, rate %d, target %q", st.Owner, st.Phase, st.Cap.Rate, st.Target)
		}
		for _, parameter := range []string{"rate", "target"} {
			if reported := env.log.rejections(parameter); len(reported) != 1 || !strings.Contains(reported[0], "removed") {
				t.Errorf("%s reported: %q", parameter, reported)
			}
		}
	})
}

func TestRemovedOnSaleIsReportedWhenItIsFrozen(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.invoke(env)
		s.until(20*time.Second + half)
		s.promoter.remove(event, "onsale")
		s.until(40*time.Second + half)
		if reported := env.log.rejections("onsale"); len(reported) != 1 || !strings.Contains(reported[0], "removed") {
			t.Errorf("reported: %q", reported)
		}
	})
}

func TestParameterStoreOutOfReach(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(context.Context) error
	}{{"it refuses", fails}, {"it never answers", hangs}} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				env := s.environment()
				s.invoke(env)
				s.until(5*time.Second + half)
				s.join(5000)
				s.until(20*time.Second + half)
				s.promoter.setFail(c.fail)
				before := s.state(event)
				s.until(58*time.Second + half)
				// At 600 a minute 38 seconds are 380 turns, and at most twice that without claims.
				after := s.state(event)
				if turns := after.Admitted - before.Admitted; turns < 370 {
					t.Errorf("%d turns in 38 s", turns)
				}
				if after.Owner != before.Owner || after.Cap != before.Cap {
					t.Errorf("owner from %q to %q, cap from %v to %v", before.Owner, after.Owner, before.Cap, after.Cap)
				}
				s.until(60*time.Second + half)
				known := s.invoke(env)
				s.until(230*time.Second + half)
				if st := s.state(event); known.over() || st.Owner == "" || st.Last.Before(time.Now().Add(-2*time.Second)) {
					t.Errorf("the environment that knows the event ended %v, owner %q, last step %v", known.over(), st.Owner, st.Last)
				}
				steps := s.table.writes(event)
				for i := 1; i < len(steps); i++ {
					if gap := steps[i] - steps[i-1]; gap > 5*time.Second {
						t.Errorf("no step for %v until %v", gap, steps[i])
					}
				}
				s.promoter.setFail(nil)
				s.promoter.set(event, "rate", "1200")
				s.until(245*time.Second + half)
				if st := s.state(event); st.Cap.Rate != 1200 {
					t.Errorf("when it is back, the rate is %d", st.Cap.Rate)
				}
			})
		})
	}
}

func TestEnvironmentThatKnowsNoEventsFails(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		s.promoter.setFail(fails)
		i := s.invoke(s.environment())
		if !i.over() || i.err == nil || !strings.Contains(i.err.Error(), "list the events") {
			t.Errorf("ended %v with %v", i.over(), i.err)
		}
	})
}

// What a standby read when it started may be older than what the leader has put in force since.
func TestTakingOverBringsNoOldValueBack(t *testing.T) {
	for _, c := range []struct {
		name    string
		age     time.Duration // of the standby when the leader ends
		outage  bool
		changed time.Duration // after the standby started
	}{
		{"Parameter Store is out of reach", time.Minute, true, 20 * time.Second},
		{"the standby is young", 7 * time.Second, false, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 0)
				leader := s.invoke(s.environment())
				s.until(14*time.Second + half) // the leader reads at 16 s, 24 s, …
				s.invoke(s.environment())
				s.until(14*time.Second + half + c.changed)
				s.promoter.set(event, "rate", "1200")
				s.until(14*time.Second + c.age)
				if st := s.state(event); st.Cap.Rate != 1200 {
					t.Fatalf("the leader's rate is %d", st.Cap.Rate)
				}
				if c.outage {
					s.promoter.setFail(fails)
				}
				leader.cancel()
				for range 10 {
					time.Sleep(time.Second)
					if st := s.state(event); st.Cap.Rate != 1200 {
						t.Fatalf("at %v the rate is %d again", s.elapsed(), st.Cap.Rate)
					}
				}
			})
		})
	}
}

func TestParametersAreReadEveryEightSecondsByTheLeaderAlone(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 30*time.Second)
		s.plan("far-away", 48*time.Hour)
		for range 3 {
			s.invoke(s.environment())
			time.Sleep(100 * time.Millisecond)
		}
		s.until(120*time.Second + half)
		reads := s.promoter.reads(event)
		steady(t, reads, 8*time.Second)
		if len(reads) != 15 {
			t.Errorf("%d reads in two minutes", len(reads))
		}
		if n := len(s.promoter.reads("far-away")); n != 0 {
			t.Errorf("%d reads of an event that nobody watches", n)
		}
		if len(s.promoter.all) != 3 {
			t.Errorf("%d listings by three invocations", len(s.promoter.all))
		}
	})
}

func TestRefusedReadsAreNotHurried(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 30*time.Second)
		s.invoke(s.environment())
		s.promoter.setFail(fails)
		s.until(120*time.Second + half)
		steady(t, s.promoter.reads(event), 8*time.Second)
	})
}

// slowList takes a while to say which events there are, as Parameter Store does when there are many.
type slowList struct {
	*promoter
	takes time.Duration
}

func (l slowList) All(ctx context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	events, rejections, err := l.promoter.All(ctx)
	time.Sleep(l.takes)
	return events, rejections, err
}

// What was listed before a change is not put in force by a leader that takes over after it.
func TestOldListMovesNoOnSale(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, time.Minute)
		first := s.invoke(s.environment())
		s.until(38*time.Second + half)
		env := s.environment()
		env.Parameters = slowList{s.promoter, 23 * time.Second}
		s.invoke(env)
		s.until(45*time.Second + half)
		s.promoter.set(event, "onsale", s.at(10*time.Minute))
		s.until(61 * time.Second)
		first.cancel()
		s.until(90 * time.Second)
		if st := s.state(event); !st.OnSale.Equal(s.began.Add(10*time.Minute)) || st.Phase != room.PreQueue || st.Owner == "" {
			t.Errorf("on sale at %v, phase %s, owner %q", st.OnSale, st.Phase, st.Owner)
		}
	})
}

// An environment that never heard of an event goes on with it when its parameters are gone, or
// when Parameter Store is.
func TestNewEnvironmentGoesOnWithWhatIsWatched(t *testing.T) {
	for name, spoil := range map[string]func(p *promoter){
		"parameters deleted":           func(p *promoter) { p.removeAll(event) },
		"Parameter Store out of reach": func(p *promoter) { p.setFail(hangs) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				first := s.invoke(s.environment())
				s.until(20*time.Second + half)
				spoil(s.promoter)
				s.until(30*time.Second + half)
				first.cancel()
				s.until(31*time.Second + half)
				s.invoke(s.environment())
				s.until(60*time.Second + half)
				st := s.state(event)
				if st.Owner == "" || st.Phase != room.Open || st.Cap.Rate != 600 || st.Last.Before(time.Now().Add(-2*time.Second)) {
					t.Errorf("owner %q, phase %s, rate %d, last step %v", st.Owner, st.Phase, st.Cap.Rate, st.Last)
				}
			})
		})
	}
}

// A closed run is looked at once a minute: an on-sale that was to come when it was announced
// counts, one that was past does not and is reported.
func TestClosedEventOnSaleSoon(t *testing.T) {
	for _, c := range []struct {
		name    string
		onsale  time.Duration
		renewed bool
	}{{"in forty seconds", 110 * time.Second, true}, {"in the past", 65 * time.Second, false}} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				env := s.environment()
				s.invoke(env)
				s.until(20*time.Second + half)
				s.promoter.set(event, "state", "closed")
				s.until(70*time.Second + half)
				run := s.state(event).ID
				s.promoter.set(event, "state", "auto")
				s.promoter.set(event, "onsale", s.at(c.onsale))
				if err := s.table.Announce(t.Context(), event, time.Now()); err != nil {
					t.Fatal(err)
				}
				s.until(2 * time.Minute)
				s.invoke(env)
				s.until(2*time.Minute + 5*time.Second)
				if renewed := s.state(event).ID != run; renewed != c.renewed {
					t.Errorf("renewed: %t", renewed)
				}
				if reported := env.log.rejections("onsale"); (len(reported) == 0) != c.renewed {
					t.Errorf("reported: %q", reported)
				}
			})
		})
	}
}
