package tick_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// rebuff is a store that takes no states while refuses says so.
type rebuff struct {
	*table
	refuses func() bool
}

func (r rebuff) Save(ctx context.Context, next room.State, held room.Fence) error {
	if r.refuses() {
		return errDown
	}
	return r.table.Save(ctx, next, held)
}

func (r rebuff) SaveWithPacing(ctx context.Context, next room.State, p room.Pacing, held room.Fence) error {
	if r.refuses() {
		return errDown
	}
	return r.table.SaveWithPacing(ctx, next, p, held)
}

func TestLeaderGap(t *testing.T) {
	t.Run("a standby sees that nobody leads", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 20*time.Minute)
			mortal, dead := s.environment(), make(chan struct{})
			mortal.Store = crash{s.table, dead}
			s.invoke(mortal)
			s.until(5*time.Second + half)
			standby := s.environment()
			standby.Store = rebuff{s.table, func() bool { return true }}
			s.invoke(standby)
			s.until(20*time.Second + half)
			if gap := s.highest(standby, names.MetricLeaderGap, 0, 20*time.Second); gap > 1 {
				t.Errorf("a gap of %v s while the leader is alive", gap)
			}
			close(dead)
			s.until(45*time.Second + half)
			if gap := s.highest(standby, names.MetricLeaderGap, 40*time.Second, 45*time.Second); gap < 19 || gap > 26 {
				t.Errorf("a gap of %v s after 25 s without a leader", gap)
			}
			// The next leader ends it for whoever watches.
			s.invoke(s.environment())
			s.until(60*time.Second + half)
			if gap := s.highest(standby, names.MetricLeaderGap, 55*time.Second, 60*time.Second); gap > 1 {
				t.Errorf("a gap of %v s with the new leader", gap)
			}
		})
	})
	t.Run("the state cannot be read", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 20*time.Minute)
			env := s.environment()
			s.invoke(env)
			s.until(10*time.Second + half)
			s.table.setFault(func(context.Context, call) error { return errDown })
			late := s.environment() // never gets to see the state at all
			s.invoke(late)
			s.until(40*time.Second + half)
			for _, e := range []environment{env, late} {
				if gap := s.highest(e, names.MetricLeaderGap, 35*time.Second, 41*time.Second); gap < 29 || gap > 31 {
					t.Errorf("a gap of %v s after 30 s", gap)
				}
			}
			if n := len(s.values(late, names.MetricPointer)); n != 0 {
				t.Errorf("who has seen nothing tells of %d pointers", n)
			}
			if n := len(s.values(env, names.MetricPointer)); n != 11 {
				t.Errorf("%d steps are told, and 11 were stored", n)
			}
			s.table.setFault(nil)
			s.until(50*time.Second + half)
			if gap := s.highest(env, names.MetricLeaderGap, 45*time.Second, 50*time.Second); gap > 1 {
				t.Errorf("a gap of %v s afterwards", gap)
			}
		})
	})
	t.Run("a change of leaders is none", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			env := s.environment()
			s.fill(env, "60", 1000)
			s.follow(env, 10*time.Minute, func() { s.claim(1) })
			for _, name := range []string{names.MetricLeaderGap, names.MetricTickLag} {
				if worst := s.highest(env, name, 0, 10*time.Minute); worst > 2 {
					t.Errorf("%s was %v s", name, worst)
				}
			}
			if worst := s.highest(env, names.MetricPointerStall, 0, 10*time.Minute); worst > 1 {
				t.Errorf("the pointer stalled for %v s", worst)
			}
		})
	})
}

func TestTickLag(t *testing.T) {
	t.Run("after a break", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			env := s.environment()
			s.fill(env, "600", 1000)
			s.until(20*time.Second + half)
			if first := s.values(env, names.MetricTickLag)[0]; first.at != time.Second || first.v != 1 {
				t.Errorf("the first lag is %v s at %v: a run's first step has none", first.v, first.at)
			}
			s.table.setFault(func(context.Context, call) error { return errDown })
			s.until(50*time.Second + half)
			s.table.setFault(nil)
			s.until(60*time.Second + half)
			if lag := s.highest(env, names.MetricTickLag, 50*time.Second, 60*time.Second); lag < 30 || lag > 32 {
				t.Errorf("a lag of %v s after 30 s", lag)
			}
			if lag := s.highest(env, names.MetricTickLag, 53*time.Second, 60*time.Second); lag != 1 {
				t.Errorf("a lag of %v s afterwards", lag)
			}
		})
	})
	t.Run("a clock that jumps", func(t *testing.T) {
		for _, jump := range []time.Duration{-10 * time.Second, 10 * time.Second} {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 20*time.Minute)
				env := s.environment()
				env.Now = func() time.Time {
					if s.elapsed() < 20*time.Second {
						return time.Now()
					}
					return time.Now().Add(jump)
				}
				s.invoke(env)
				s.until(30*time.Second + half)
				if lag := s.highest(env, names.MetricTickLag, 15*time.Second, 25*time.Second); math.Abs(lag-10) > 1 {
					t.Errorf("a lag of %v s when the clock jumps by %v", lag, jump)
				}
			})
		}
	})
	t.Run("an event that rested", func(t *testing.T) {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 24*time.Hour)
			env := s.environment()
			s.invoke(env)
			s.until(time.Hour)
			s.promoter.set(event, "onsale", s.at(time.Hour+time.Minute))
			s.invoke(env)
			s.until(time.Hour + 10*time.Second + half)
			if lag := s.highest(env, names.MetricTickLag, time.Hour, 2*time.Hour); lag != 1 {
				t.Errorf("a lag of %v s", lag)
			}
		})
	})
}

func TestPointerStall(t *testing.T) {
	// fault happens 20 s after the beginning, ten after the on-sale; stalled says whether 40 s later
	// that is seen.
	for _, test := range []struct {
		name    string
		rate    string
		line    int
		fault   func(*sale)
		stalled bool
	}{
		{name: "nothing happens", rate: "600", line: 5000},
		{name: "the line is empty", rate: "600", line: 50},
		{name: "paused", rate: "600", line: 5000, fault: func(s *sale) { s.promoter.set(event, "state", "paused") }},
		{name: "sold out", rate: "600", line: 5000, fault: func(s *sale) { s.promoter.set(event, "state", "soldout") }},
		{name: "one a minute", rate: "1", line: 50},
		{name: "seven a minute", rate: "7", line: 50},
		{name: "the rate is raised", rate: "1", line: 5000, fault: func(s *sale) { s.promoter.set(event, "rate", "600") }},
		{name: "the clock stands still", rate: "600", line: 5000, stalled: true},
		{name: "sealing fails", rate: "600", line: 50, stalled: true, fault: func(s *sale) {
			s.documents.failBelow("seals/", fails)
			s.join(50)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				env := s.environment()
				if test.name == "the clock stands still" {
					env.Now = func() time.Time { return s.began.Add(min(s.elapsed(), 20*time.Second)) }
					env.Metrics.Now = time.Now
				}
				s.fill(env, test.rate, test.line)
				s.until(20*time.Second + half)
				if stall := s.highest(env, names.MetricPointerStall, 0, 20*time.Second); stall > 1 {
					t.Errorf("the pointer stalled for %v s before", stall)
				}
				if test.fault != nil {
					test.fault(s)
				}
				s.until(60*time.Second + half)
				stall := s.highest(env, names.MetricPointerStall, 21*time.Second, 60*time.Second+half)
				if test.stalled && (stall < 37 || stall > 41) || !test.stalled && stall > 1 {
					t.Errorf("the pointer stalled for %v s", stall)
				}
			})
		})
	}
}

// Whoever could not seal, lost the lease over it and leads again later has not been blind since: the
// one in between has sealed. It depends on the credit of that moment whether the first step already
// moves the pointer.
func TestStandbyIsNotBlind(t *testing.T) {
	for late := range 6 {
		play(t, func(t *testing.T, s *sale) {
			first, other := s.environment(), s.environment()
			first.Store = rebuff{s.table, func() bool { return s.elapsed() > 20*time.Second && s.elapsed() < 40*time.Second }}
			s.documents.setFail(func(_ context.Context, path string) error {
				if strings.HasPrefix(path, "seals/") && s.elapsed() > 18*time.Second && s.elapsed() < 30*time.Second {
					return errDown
				}
				return nil
			})
			s.fill(first, "10", 1) // a place in six seconds
			s.until(18*time.Second + half)
			leads := s.invoke(other)
			s.join(1)
			s.until(2*time.Minute + time.Duration(late)*time.Second)
			leads.cancel() // it hands over
			s.join(5)
			s.until(2*time.Minute + 15*time.Second + half)
			if n := len(s.values(other, names.MetricPointer)); n < 60 {
				t.Fatalf("the other has led for %d steps", n)
			}
			if stall := s.highest(first, names.MetricPointerStall, 2*time.Minute, 3*time.Minute); stall > 1 {
				t.Errorf("the pointer stalled for %v s", stall)
			}
		})
	}
}

func TestAdmissionShare(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   string
		line   int
		claims int
		want   float64 // percent; 0 if nothing is told
	}{
		{"half of the rate comes", "600", 6_000, 5, 50},
		{"all of it", "600", 6_000, 10, 100},
		{"a small shop", "120", 1_000, 2, 100},
		{"too few to tell", "99", 1_000, 2, 0},
		{"nobody waits", "600", 100, 5, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				env := s.environment()
				s.fill(env, test.rate, test.line)
				s.follow(env, 4*time.Minute, func() { s.claim(test.claims) })
				values := s.values(env, names.MetricAdmissionShare)
				if test.want == 0 {
					if len(values) != 0 {
						t.Errorf("told %v", values)
					}
					return
				}
				if len(values) == 0 || values[0].at < 85*time.Second {
					t.Fatalf("told %v, and the on-sale is at 10 s", values)
				}
				for _, v := range values {
					if math.Abs(v.v-test.want) > 5 {
						t.Errorf("%v %% at %v, want %v", v.v, v.at, test.want)
					}
				}
			})
		})
	}
}

// A promoter who changes the rate, or pauses, is not told that too few come.
func TestAdmissionShareBeginsAnew(t *testing.T) {
	for _, change := range []struct{ name, to string }{{"rate", "1200"}, {"state", "paused"}} {
		t.Run(change.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				env := s.environment()
				s.fill(env, "600", 25_000)
				s.follow(env, 10*time.Minute, func() {
					s.claim(10)
					if s.elapsed() == 5*time.Minute+half {
						s.promoter.set(event, change.name, change.to)
					}
					if s.elapsed() == 6*time.Minute+half {
						s.promoter.set(event, "state", "auto")
					}
				})
				// An alarm that looks at minutes finds a value in each, whoever leads.
				for minute := 2 * time.Minute; minute < 5*time.Minute; minute += time.Minute {
					s.between(env, names.MetricAdmissionShare, minute, minute+time.Minute)
				}
				for _, v := range s.values(env, names.MetricAdmissionShare) {
					if v.at > 5*time.Minute+15*time.Second && v.at < 6*time.Minute+15*time.Second {
						t.Errorf("%v %% at %v", v.v, v.at)
					}
				}
				s.between(env, names.MetricAdmissionShare, 8*time.Minute, 9*time.Minute)
			})
		})
	}
}
