package tick_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// value is a metric at a moment after the beginning.
type value struct {
	at time.Duration
	v  float64
}

// values are those of a metric by room and event, of the event that all sales here have.
func (s *sale) values(e environment, name string) []value {
	s.Helper()
	var found []value
	for _, p := range metricstest.Points(s, e.metrics.String()) {
		if p.Name == name && p.Event == event {
			found = append(found, value{time.UnixMilli(p.Time).Sub(s.began), p.Value})
		}
	}
	return found
}

// between are the values from one moment to another, which have to be there.
func (s *sale) between(e environment, name string, from, to time.Duration) []float64 {
	s.Helper()
	var found []float64
	for _, v := range s.values(e, name) {
		if v.at >= from && v.at < to {
			found = append(found, v.v)
		}
	}
	if found == nil {
		s.Fatalf("no %s from %v to %v", name, from, to)
	}
	return found
}

// highest is the worst value from one moment to another.
func (s *sale) highest(e environment, name string, from, to time.Duration) float64 {
	s.Helper()
	return slices.Max(s.between(e, name, from, to))
}

// fill puts n visitors into the pool of a sale that opens after ten seconds.
func (s *sale) fill(e environment, rate string, n int) {
	s.Helper()
	s.plan(event, 10*time.Second)
	s.promoter.set(event, "rate", rate)
	s.invoke(e)
	s.until(5*time.Second + half)
	s.join(n)
}

// follow starts an invocation a minute until the end, all in one environment.
func (s *sale) follow(e environment, end time.Duration, each func()) {
	s.Helper()
	for s.elapsed() < end {
		if s.elapsed()%time.Minute == half {
			s.invoke(e)
		}
		each()
		s.until(s.elapsed() + time.Second)
	}
}

// claim takes n slots of the window of now, as admit does.
func (s *sale) claim(n int) {
	s.Helper()
	st := s.state(event)
	rate, shape := st.Cap.At(time.Now())
	w := shape.WindowAt(time.Now())
	for range n {
		if err := s.table.Memory.TakeSlot(context.Background(), st.Run, w, 0, w.Limit(rate), time.Now()); err != nil {
			return // it is full
		}
	}
}

func TestLeaderTellsOfEachStep(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.fill(env, "600", 1000)
		s.follow(env, 40*time.Second+half, func() { s.claim(5) })
		st := s.state(event)
		points := metricstest.Points(t, env.metrics.String())
		latest := map[string]float64{}
		rooms := map[string]bool{}
		for _, p := range points {
			if p.Event == event {
				latest[p.Name] = p.Value
			} else {
				rooms[p.Name] = true
			}
		}
		for name, want := range map[string]float64{
			names.MetricPointer: float64(st.Admitted), names.MetricLine: 1000, names.MetricWaiting: float64(1000 - st.Admitted),
			names.MetricRate: 600, names.MetricMeasuredRate: float64(s.status().Rate), names.MetricPointerStall: 0,
			names.MetricLeaderGap: 0, names.MetricTickLag: 1,
		} {
			if got, ok := latest[name]; !ok || got != want {
				t.Errorf("%s is %v, %v, want %v", name, got, ok, want)
			}
		}
		if show := latest[names.MetricShowRate]; show < 20 || show > 80 {
			t.Errorf("half of the turns are claimed, the show rate is %v", show)
		}
		if st.Admitted == 0 || st.Admitted == 1000 {
			t.Errorf("the pointer is at %d", st.Admitted)
		}
		for _, name := range []string{names.MetricPointer, names.MetricLine, names.MetricWaiting, names.MetricRate, names.MetricMeasuredRate, names.MetricShowRate} {
			if rooms[name] {
				t.Errorf("%s is summed over the events of a room", name)
			}
		}
		for _, name := range []string{names.MetricLeaderGap, names.MetricTickLag, names.MetricPointerStall} {
			if !rooms[name] {
				t.Errorf("%s cannot be watched for the whole room", name)
			}
		}
		var steps []time.Duration
		for _, v := range s.values(env, names.MetricPointer) {
			steps = append(steps, v.at)
		}
		if len(steps) != 41 {
			t.Errorf("%d steps told in 40 s", len(steps))
		}
		steady(t, steps, time.Second)
	})
}

func TestPoolIsCounted(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.plan(event, time.Minute)
		s.invoke(env)
		s.until(5*time.Second + half)
		s.join(1000)
		s.until(15*time.Second + half)
		s.table.setFault(func(ctx context.Context, c call) error {
			if c.name == "Arrivals" {
				return hangs(ctx)
			}
			return nil
		})
		s.until(50*time.Second + half)
		for _, name := range []string{names.MetricLine, names.MetricWaiting} {
			if told := s.between(env, name, 0, 10*time.Second); slices.Max(told) != 0 {
				t.Errorf("%s before anybody was counted: %v", name, told)
			}
			// A table that does not answer leaves the last count, and holds up no step.
			if told := s.between(env, name, 11*time.Second, 50*time.Second); slices.Min(told) != 1000 || slices.Max(told) != 1000 {
				t.Errorf("%s: %v", name, told)
			}
		}
		steady(t, s.table.writes(event), time.Second)
		if n := len(s.table.made(event, "Arrivals")); n > 6*s.state(event).Shards {
			t.Errorf("the pool's shards were read %d times in 50 s", n)
		}
		if told := s.values(env, names.MetricShowRate); len(told) != 0 {
			t.Errorf("a show rate before anybody could come: %v", told)
		}
		s.table.setFault(nil)
		s.until(70*time.Second + half)
		if told := s.between(env, names.MetricLine, 62*time.Second, 70*time.Second); slices.Min(told) != 1000 {
			t.Errorf("the line of a pool of 1,000: %v", told)
		}
	})
}

// A room in which nothing is on sale costs nothing.
func TestEventsAtRestTellNothing(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.plan(event, 24*time.Hour)
		for range 3 {
			s.invoke(env)
			s.until(s.elapsed() + time.Minute)
		}
		s.promoter.set(event, "onsale", s.at(5*time.Minute))
		s.promoter.set(event, "state", "closed")
		s.invoke(env)
		s.until(s.elapsed() + 2*time.Minute)
		if st := s.state(event); !st.Over() {
			t.Fatalf("phase %s", st.Phase)
		}
		before := len(env.metrics.String())
		s.invoke(env)
		s.until(s.elapsed() + time.Minute)
		if text := env.metrics.String(); len(text) != before {
			t.Errorf("a closed event tells %s", text[before:])
		}
		for _, v := range s.values(env, names.MetricPointer) {
			if v.at < 3*time.Minute {
				t.Errorf("an event tomorrow tells of its pointer at %v", v.at)
			}
		}
	})
}

// deaf is a store that takes no states.
type deaf struct{ *table }

func (deaf) Save(context.Context, room.State, room.Fence) error { return errDown }
func (deaf) SaveWithPacing(context.Context, room.State, room.Pacing, room.Fence) error {
	return errDown
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
			standby.Store = deaf{s.table}
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
		fault   func(*sale, environment)
		stalled bool
	}{
		{name: "nothing happens", rate: "600", line: 5000},
		{name: "the line is empty", rate: "600", line: 50},
		{name: "paused", rate: "600", line: 5000, fault: func(s *sale, _ environment) { s.promoter.set(event, "state", "paused") }},
		{name: "sold out", rate: "600", line: 5000, fault: func(s *sale, _ environment) { s.promoter.set(event, "state", "soldout") }},
		{name: "one a minute", rate: "1", line: 50},
		{name: "seven a minute", rate: "7", line: 50},
		{name: "the rate is raised", rate: "1", line: 5000, fault: func(s *sale, _ environment) { s.promoter.set(event, "rate", "600") }},
		{name: "the clock stands still", rate: "600", line: 5000, stalled: true, fault: func(s *sale, _ environment) {}},
		{name: "sealing fails", rate: "600", line: 50, stalled: true, fault: func(s *sale, _ environment) {
			s.documents.setFail(func(_ context.Context, path string) error {
				if strings.HasPrefix(path, "seals/") {
					return errDown
				}
				return nil
			})
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
					test.fault(s, env)
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

func TestBadSettingsAreCounted(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.plan(event, 20*time.Minute)
		s.invoke(env)
		s.until(10*time.Second + half)
		s.promoter.set(event, "rate", "fast")
		s.promoter.set(event, "stock", "some")
		s.until(60*time.Second + half)
		var sum float64
		for _, p := range metricstest.Points(t, env.metrics.String()) {
			if p.Name == names.MetricBadSettings {
				sum += p.Value
				if p.Event != "" || p.Room != "test" {
					t.Errorf("%+v", p)
				}
			}
		}
		if sum != 2 {
			t.Errorf("%v parameters were found bad, want 2", sum)
		}
	})
}

// What lies in a function's log can be read by more people than may have a secret.
func TestMetricsHoldNoSecrets(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		env := s.environment()
		s.fill(env, "600", 100)
		s.until(30*time.Second + half)
		for _, secret := range []string{string(s.secret), "secret", "shop.example"} {
			if strings.Contains(env.metrics.String(), secret) {
				t.Errorf("the metrics hold %q", secret)
			}
		}
	})
}
