package tick_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
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
		if n := len(s.table.made(event, "Arrivals")); n > 6 {
			t.Errorf("the pool was counted %d times in 50 s", n)
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
