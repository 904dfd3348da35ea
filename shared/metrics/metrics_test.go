package metrics_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/metrics"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

var now = time.Date(2026, 11, 21, 10, 0, 0, 123e6, time.UTC)

func newLog(out io.Writer) *metrics.Log {
	return &metrics.Log{Out: out, Room: "concerts", Now: func() time.Time { return now }}
}

func point(name, event, reason, unit string, value float64) metricstest.Point {
	return metricstest.Point{Name: name, Room: "concerts", Event: event, Reason: reason, Unit: unit, Value: value, Time: now.UnixMilli()}
}

func TestPoints(t *testing.T) {
	tests := []struct {
		name  string
		write func(*metrics.Log)
		want  []metricstest.Point
	}{
		{"a sum is the room's too", func(l *metrics.Log) { l.Event("demo", metrics.Values{names.MetricJoins: 1}) },
			[]metricstest.Point{point("Joins", "", "", "Count", 1), point("Joins", "demo", "", "Count", 1)}},
		{"a gauge is not", func(l *metrics.Log) { l.Event("demo", metrics.Values{names.MetricPointer: 5000}) },
			[]metricstest.Point{point("Pointer", "demo", "", "Count", 5000)}},
		{"both on one line", func(l *metrics.Log) {
			l.Event("demo", metrics.Values{names.MetricShowRate: 62.5, names.MetricTickLag: 1.25})
		}, []metricstest.Point{point("ShowRate", "demo", "", "Percent", 62.5), point("TickLag", "", "", "Seconds", 1.25), point("TickLag", "demo", "", "Seconds", 1.25)}},
		{"no numbers are left out", func(l *metrics.Log) {
			l.Event("demo", metrics.Values{names.MetricPointer: math.NaN(), names.MetricLine: math.Inf(1), names.MetricLeaderGap: 0})
		}, []metricstest.Point{point("LeaderGap", "", "", "Seconds", 0), point("LeaderGap", "demo", "", "Seconds", 0)}},
		{"and nothing is written of nothing", func(l *metrics.Log) {
			l.Event("demo", metrics.Values{names.MetricTickLag: math.Inf(-1)})
			l.Event("demo", nil)
		}, nil},
		{"a name that no event has", func(l *metrics.Log) {
			l.Event("Made Up", metrics.Values{names.MetricJoins: 1, names.MetricPointer: 7})
		}, []metricstest.Point{point("Joins", "", "", "Count", 1)}},
		{"a refusal", func(l *metrics.Log) { l.Refusal("over-cap") },
			[]metricstest.Point{point("Refusals", "", "over-cap", "Count", 1)}},
		{"bad settings", func(l *metrics.Log) { l.BadSettings(3) },
			[]metricstest.Point{point("BadSettings", "", "", "Count", 3)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			test.write(newLog(&out))
			if got := metricstest.Points(t, out.String()); !slices.Equal(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if n := strings.Count(out.String(), "\n"); n > 1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// A metric without a unit would break its line, which metricstest.Points finds.
func TestEveryMetricHasAUnit(t *testing.T) {
	values := metrics.Values{}
	for i, name := range names.Metrics() {
		values[name] = float64(i)
	}
	var out bytes.Buffer
	newLog(&out).Event("demo", values)
	seen := map[string]bool{}
	for _, p := range metricstest.Points(t, out.String()) {
		seen[p.Name] = p.Value == values[p.Name]
	}
	for name := range values {
		if !seen[name] {
			t.Errorf("%s was not written as it is", name)
		}
	}
}

// calls is a writer that keeps what each call of Write was given.
type calls struct {
	mu    sync.Mutex
	lines []string
}

func (c *calls) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(p))
	return len(p), nil
}

func TestLinesDoNotMix(t *testing.T) {
	var out calls
	log := newLog(&out)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { log.Refusal("busy") })
		all.Go(func() { log.Event("demo", metrics.Values{names.MetricJoins: 1}) })
	}
	all.Wait()
	if len(out.lines) != 100 {
		t.Fatalf("%d calls of Write for 100 lines", len(out.lines))
	}
	for _, line := range out.lines {
		if strings.Count(line, "\n") != 1 || len(metricstest.Points(t, line)) == 0 {
			t.Errorf("one call of Write wrote %q", line)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestNothingFailsWithoutAReader(t *testing.T) {
	log := newLog(broken{})
	for range 2 {
		log.Refusal("busy")
	}
}

func FuzzEvent(f *testing.F) {
	for _, name := range []string{"demo", "", "a\nb", `{"`, "\xff\xfe", "\u2028", "status", "Demo", strings.Repeat("a", 64), strings.Repeat("a", 5000), "<script>"} {
		f.Add(name, 1.5)
	}
	f.Add("demo", math.NaN())
	f.Add("demo", math.MaxFloat64)
	f.Fuzz(func(t *testing.T, event string, value float64) {
		if math.Abs(value) > 0x1p360 {
			value = 0 // CloudWatch takes no larger one
		}
		var out bytes.Buffer
		newLog(&out).Event(event, metrics.Values{names.MetricJoins: 1, names.MetricPointer: value})
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("not one line: %q", out.String())
		}
		for _, p := range metricstest.Points(t, out.String()) {
			if p.Event != "" && (p.Event != event || !names.ValidEvent(event)) {
				t.Errorf("the event %q became %q", event, p.Event)
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	log := newLog(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		log.Event("demo", metrics.Values{names.MetricJoins: 1})
	}
}
