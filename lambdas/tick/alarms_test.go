package tick_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

// alarm is one that watches tick's metrics of a room, as the stack makes it (cdk/waitingroom/alarms.go).
type alarm struct {
	name      string
	metric    string
	breaching func(minute []float64) bool
	points    int // minutes that have to breach
	periods   int // of so many
}

var alarms = []alarm{
	{"no-leader", names.MetricLeaderGap, func(m []float64) bool { return slices.Max(m) >= 15 }, 1, 1},
	{"tick-lag", names.MetricTickLag, func(m []float64) bool { return slices.Max(m) > 5 }, 1, 1},
	{"pointer-stalled", names.MetricPointerStall, func(m []float64) bool { return slices.Max(m) > 30 }, 1, 1},
	{"admissions-below-rate", names.MetricAdmissionShare, func(m []float64) bool { return slices.Min(m) < 70 }, 3, 5},
	{"bad-setting", names.MetricBadSettings, func(m []float64) bool { return len(m) > 0 }, 1, 1},
}

// raised are the alarms that these metrics raise, and when for the first time.
func raised(t testing.TB, text string, began time.Time) map[string]time.Duration {
	t.Helper()
	minutes := map[string]map[int][]float64{} // by metric
	for _, p := range metricstest.Points(t, text) {
		if p.Event == "" {
			if minutes[p.Name] == nil {
				minutes[p.Name] = map[int][]float64{}
			}
			minute := int(time.UnixMilli(p.Time).Sub(began) / time.Minute)
			minutes[p.Name][minute] = append(minutes[p.Name][minute], p.Value)
		}
	}
	found := map[string]time.Duration{}
	for _, a := range alarms {
		for _, last := range slices.Sorted(maps.Keys(minutes[a.metric])) {
			breaches := 0
			for minute := last - a.periods + 1; minute <= last; minute++ {
				if values := minutes[a.metric][minute]; values != nil && a.breaching(values) {
					breaches++
				}
			}
			if _, already := found[a.name]; !already && breaches >= a.points {
				found[a.name] = time.Duration(last) * time.Minute
			}
		}
	}
	return found
}

// crowd are visitors who come, or do not, when the pointer has passed them.
type crowd struct {
	come   float64 // part of the visitors who come, 0 to 1
	random *rand.Rand
	passed int64                 // the pointer, as far as they have seen it
	due    map[time.Duration]int // who asks when, in whole looks
	away   bool                  // nobody can ask
}

// look is how often the crowd asks.
const look = half

// ask lets everybody ask to be admitted whose time it is. Who is over the cap comes again when the
// next window has begun.
func (c *crowd) ask(s *sale) {
	st := s.state(event)
	now := s.elapsed().Truncate(look)
	for ; c.passed < st.Admitted; c.passed++ {
		if c.random.Float64() < c.come {
			c.due[now+look*time.Duration(c.random.IntN(6))]++
		}
	}
	asking := c.due[now]
	delete(c.due, now)
	if asking == 0 || c.away {
		return
	}
	rate, shape := st.Cap.At(time.Now())
	w := shape.WindowAt(time.Now())
	for ; asking > 0; asking-- {
		if s.table.Memory.TakeSlot(context.Background(), st.Run, w, 0, w.Limit(rate), time.Now()) != nil {
			break
		}
	}
	next := w.End().Sub(s.began).Truncate(look) + look
	for ; asking > 0; asking-- {
		c.due[next+look*time.Duration(c.random.IntN(2))]++
	}
}

// hot is a sale that is watched from its beginning until its end. Scheduler starts an invocation in
// every minute, not at the same second of each; the environments take turns.
type hot struct {
	*sale
	*crowd
	onSale       time.Duration
	environments []environment
	metrics      *lines
	invoked      int
	starts       time.Duration // the next invocation
}

// newHot plans a sale at a rate in visitors per minute, of whom the part come comes. The pool is open
// for two minutes; an event that goes on sale more than twelve minutes after the beginning rests first.
func newHot(s *sale, onSale time.Duration, rate int, come float64) *hot {
	h := &hot{sale: s, onSale: onSale, metrics: &lines{}, crowd: &crowd{
		come: come, random: rand.New(rand.NewPCG(1, uint64(rate))), due: map[time.Duration]int{},
	}}
	for range 4 {
		e := s.environment()
		e.Metrics.Out = h.metrics
		h.environments = append(h.environments, e)
	}
	s.plan(event, onSale)
	s.promoter.set(event, "shards", "2") // more of them take time and change nothing here
	s.promoter.set(event, "prequeue", s.at(onSale-2*time.Minute))
	s.promoter.set(event, "rate", fmt.Sprint(rate))
	return h
}

// play lets the time pass until end after the on-sale. Each is called once a second with the time
// since the on-sale.
func (h *hot) play(end time.Duration, each func(at time.Duration)) {
	h.Helper()
	for h.elapsed() < h.onSale+end {
		if h.elapsed()%time.Second == 0 {
			each(h.elapsed() - h.onSale)
		}
		if h.elapsed() >= h.starts {
			h.starts = h.elapsed().Truncate(time.Minute) + time.Minute + look*time.Duration(h.random.IntN(30))
			h.invoke(h.environments[h.invoked%len(h.environments)])
			h.invoked++
		}
		if h.elapsed() > h.onSale {
			h.ask(h.sale)
		}
		h.until(h.elapsed() + look)
	}
}

// wantAlarms checks which alarms were raised until now.
func (h *hot) wantAlarms(want ...string) {
	h.Helper()
	got := raised(h, h.metrics.String(), h.began)
	if !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		h.Errorf("raised %v, want %v; the on-sale is at %v", got, want, h.onSale)
	}
}

// pool is how many join before the on-sale, which is more than any of these sales admits.
const pool = 20_000

// Leaders change every minute or two, and the crowd comes by chance.
func TestNormalSalesRaiseNoAlarm(t *testing.T) {
	for _, test := range []struct {
		rate   int
		come   float64
		onSale time.Duration
	}{
		{1, 1, 2 * time.Minute},
		{1, 0.5, 2 * time.Minute},
		{100, 1, 2 * time.Minute},
		{100, 0.5, 2 * time.Minute},
		{600, 1, 15 * time.Minute},
		{600, 0.5, 2 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%d a minute after %v, %.0f %% come", test.rate, test.onSale, 100*test.come), func(t *testing.T) {
			t.Parallel()
			play(t, func(t *testing.T, s *sale) {
				h := newHot(s, test.onSale, test.rate, test.come)
				h.play(10*time.Minute, func(at time.Duration) {
					if at == -time.Minute {
						s.join(pool)
					}
					if at > 0 && at%(7*time.Second) == 0 {
						s.join(3)
					}
				})
				h.wantAlarms()
			})
		})
	}
}

// Disturbances come three minutes after the on-sale of a sale of 600 a minute, of whose visitors 80 %
// come, and are watched for four minutes more when they are over.
func TestAlarmsTellTroubleFromWhatPasses(t *testing.T) {
	set := func(name, value string) func(*hot) { return func(h *hot) { h.promoter.set(event, name, value) } }
	refuse := func(h *hot) { h.table.setFault(func(context.Context, call) error { return errDown }) }
	hang := func(h *hot) { h.table.setFault(func(ctx context.Context, _ call) error { return hangs(ctx) }) }
	mend := func(h *hot) { h.table.setFault(nil) }
	clocks := func(by time.Duration) func(*hot) {
		return func(h *hot) {
			for _, e := range h.environments {
				e.Now = func() time.Time { return time.Now().Add(by) }
			}
		}
	}
	unpublished := func(prefix string) func(*hot) {
		return func(h *hot) { h.documents.failBelow(prefix, fails) }
	}
	published := func(h *hot) { h.documents.setFail(nil) }
	const minute = time.Minute
	for _, test := range []struct {
		name string
		does func(*hot)
		last time.Duration
		then func(*hot)
		want []string
	}{
		{"paused", set("state", "paused"), 3 * minute, set("state", "auto"), nil},
		{"sold out, and some come back", set("state", "soldout"), 3 * minute, set("state", "auto"), nil},
		{"closed", set("state", "closed"), minute, nil, nil},
		{"the rate is lowered and raised", set("rate", "60"), 3 * minute, set("rate", "3000"), nil},
		{"one a minute for a while", set("rate", "1"), 3 * minute, set("rate", "600"), nil},
		{"the table refuses for ten seconds", refuse, 10 * time.Second, mend, []string{"tick-lag"}},
		{"the table hangs for ten seconds", hang, 10 * time.Second, mend, []string{"tick-lag"}},
		{"the table refuses for three seconds", refuse, 3 * time.Second, mend, nil},
		{"clocks are set forward by 3 s", clocks(3 * time.Second), 20 * time.Second, clocks(0), nil},
		{"clocks are set back by 3 s", clocks(-3 * time.Second), 20 * time.Second, clocks(0), nil},
		{"Parameter Store hangs", func(h *hot) { h.promoter.setFail(hangs) }, 3 * minute, func(h *hot) { h.promoter.setFail(nil) }, nil},
		{"no status can be published", unpublished("status/"), 3 * minute, published, nil},
		{"no seal can be published for 20 s", unpublished("seals/"), 20 * time.Second, published, nil},

		{"a bad rate", set("rate", "fast"), 0, nil, []string{"bad-setting"}},
		{"clocks are set forward by 10 s", clocks(10 * time.Second), 20 * time.Second, clocks(0), []string{"tick-lag"}},
		{"the table refuses for half a minute", refuse, 30 * time.Second, mend, []string{"no-leader", "tick-lag"}},
		{"the table hangs for half a minute", hang, 30 * time.Second, mend, []string{"no-leader", "tick-lag"}},
		{"nobody can be admitted", func(h *hot) { h.away = true }, 0, nil, []string{"admissions-below-rate"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(t *testing.T, s *sale) {
				h := newHot(s, 2*minute, 600, 0.8)
				h.play(3*minute+test.last+4*minute, func(at time.Duration) {
					switch at {
					case -minute:
						s.join(pool)
					case 3 * minute:
						test.does(h)
					case 3*minute + test.last:
						if test.then != nil {
							test.then(h)
						}
					}
					if at > 0 && at < 3*minute {
						s.join(1)
					}
				})
				h.wantAlarms(test.want...)
			})
		})
	}
}
