// Package metricstest reads metrics as CloudWatch does, for tests.
package metricstest

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
)

// Point is one value as CloudWatch keeps it: in each set of dimensions of its own.
type Point struct {
	Name   string
	Room   string
	Event  string // empty if it is not a dimension of the point
	Reason string // empty if it is not
	Unit   string
	Value  float64
	Time   int64 // milliseconds since the Unix epoch
}

// document is what the specification says of a line's members. Others are values.
type document struct {
	AWS struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

// standardUnits are the units of CloudWatch's API, MetricDatum.
var standardUnits = strings.Fields(`Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes
	Bits Kilobits Megabits Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second Megabytes/Second
	Gigabytes/Second Terabytes/Second Bits/Second Kilobits/Second Megabits/Second Gigabits/Second Terabits/Second
	Count/Second None`)

// Limits of the specification and of CloudWatch's API.
const (
	maxMetrics    = 100
	maxDimensions = 30
	maxName       = 255
	maxDimension  = 1024 // characters of its value
)

// Points reads lines in the embedded metric format. What breaks the specification fails the test.
func Points(t testing.TB, text string) []Point {
	t.Helper()
	var points []Point
	if text != "" && !strings.HasSuffix(text, "\n") {
		t.Errorf("the last line has no end: %q", text)
	}
	for line := range strings.Lines(text) {
		points = append(points, read(t, line)...)
	}
	return points
}

// WantCounts checks what has been counted since the last check. Of the points of want only name,
// event and reason are looked at: each is one that was counted now, in a room called test.
func WantCounts(t testing.TB, written *bytes.Buffer, now time.Time, want ...Point) {
	t.Helper()
	got := Points(t, written.String())
	written.Reset()
	for i := range want {
		want[i].Room, want[i].Unit, want[i].Value, want[i].Time = "test", "Count", 1, now.UnixMilli()
	}
	if !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// Refusal is a point for WantCounts: an answer that is the problem of this code.
func Refusal(code string) Point { return Point{Name: names.MetricRefusals, Reason: code} }

func read(t testing.TB, line string) []Point {
	t.Helper()
	var d document
	members := map[string]any{}
	for _, v := range []any{&d, &members} {
		if err := json.Unmarshal([]byte(line), v); err != nil {
			t.Errorf("%q: %v", line, err)
			return nil
		}
	}
	if d.AWS.Timestamp == nil || len(d.AWS.CloudWatchMetrics) == 0 {
		t.Errorf("no time or no metrics: %s", line)
		return nil
	}
	var points []Point
	used := map[string]bool{"_aws": true}
	for _, directive := range d.AWS.CloudWatchMetrics {
		if directive.Namespace != names.MetricNamespace || len(directive.Dimensions) == 0 ||
			len(directive.Metrics) == 0 || len(directive.Metrics) > maxMetrics {
			t.Errorf("namespace, dimensions or metrics are wrong: %s", line)
		}
		for _, metric := range directive.Metrics {
			value, number := members[metric.Name].(float64)
			if metric.Name == "" || len(metric.Name) > maxName || !number || math.Abs(value) > 0x1p360 || !slices.Contains(standardUnits, metric.Unit) {
				t.Errorf("metric %q in %q is wrong: %s", metric.Name, metric.Unit, line)
			}
			used[metric.Name] = true
			for _, set := range directive.Dimensions {
				p := Point{Name: metric.Name, Unit: metric.Unit, Value: value, Time: *d.AWS.Timestamp}
				dimensions(t, line, members, set, &p)
				points = append(points, p)
				for _, name := range set {
					used[name] = true
				}
			}
		}
	}
	for name := range members {
		if !used[name] {
			t.Errorf("%q is neither a metric nor a dimension: %s", name, line)
		}
	}
	return points
}

// dimensions reads the values of a set of dimensions.
func dimensions(t testing.TB, line string, members map[string]any, set []string, p *Point) {
	t.Helper()
	if len(set) > maxDimensions || len(slices.Compact(slices.Sorted(slices.Values(set)))) != len(set) {
		t.Errorf("the dimensions %q are too many or doubled: %s", set, line)
	}
	for _, name := range set {
		value, text := members[name].(string)
		plain := strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0
		if !text || strings.TrimSpace(value) == "" || len(value) > maxDimension || !plain {
			t.Errorf("dimension %q is wrong: %s", name, line)
		}
		switch name {
		case names.DimensionRoom:
			p.Room = value
		case names.DimensionEvent:
			p.Event = value
		case names.DimensionReason:
			p.Reason = value
		default:
			t.Errorf("unknown dimension %q: %s", name, line)
		}
	}
}
