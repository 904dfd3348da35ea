// Package metrics writes what is counted and watched in CloudWatch's embedded metric format: JSON
// documents, one a line, that CloudWatch takes out of a function's log
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
// The code is our own because the one library known for Go, prozz/aws-embedded-metrics-golang, is a
// small project of one author, and to wire it would take as many lines as the document does.
package metrics

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"waitingroom/shared/names"
)

// Values are metrics by their names in package names, in the units that are documented there.
type Values map[string]float64

// Log writes metrics. Its fields are required and do not change once it is used, which may be from
// many goroutines. What cannot be written is lost: nobody waits for a metric, and nothing fails.
type Log struct {
	Out  io.Writer // a function's standard output; each line is one call of Write
	Room string    // the value of names.DimensionRoom, not empty
	Now  func() time.Time

	mu sync.Mutex
}

// units are CloudWatch's names of them. It knows no count per minute: those are counts.
var units = map[string]string{
	names.MetricJoins:          "Count",
	names.MetricAdmissions:     "Count",
	names.MetricRefusals:       "Count",
	names.MetricPointer:        "Count",
	names.MetricLine:           "Count",
	names.MetricWaiting:        "Count",
	names.MetricRate:           "Count",
	names.MetricMeasuredRate:   "Count",
	names.MetricShowRate:       "Percent",
	names.MetricLeaderGap:      "Seconds",
	names.MetricTickLag:        "Seconds",
	names.MetricPointerStall:   "Seconds",
	names.MetricAdmissionShare: "Percent",
	names.MetricBadSettings:    "Count",
}

// ofRoom are the metrics of events that are those of the room too: sums, and what alarms watch.
var ofRoom = []string{
	names.MetricJoins, names.MetricAdmissions,
	names.MetricLeaderGap, names.MetricTickLag, names.MetricPointerStall, names.MetricAdmissionShare,
}

// Event writes values of an event that is known to exist, by room and event, and by room alone what
// is watched there too. A name that no event can have is never made a dimension.
func (l *Log) Event(event string, values Values) {
	own, both := Values{}, Values{}
	for name, value := range values {
		if slices.Contains(ofRoom, name) {
			both[name] = value
		} else {
			own[name] = value
		}
	}
	byRoom := []string{names.DimensionRoom}
	if !names.ValidEvent(event) {
		l.write("", "", group{[][]string{byRoom}, both})
		return
	}
	byEvent := []string{names.DimensionRoom, names.DimensionEvent}
	l.write(names.DimensionEvent, event, group{[][]string{byEvent}, own}, group{[][]string{byRoom, byEvent}, both})
}

// BadSettings counts n parameters that were found bad, by room.
func (l *Log) BadSettings(n int) {
	l.write("", "", group{[][]string{{names.DimensionRoom}}, Values{names.MetricBadSettings: float64(n)}})
}

// Refusal counts one answer that is a problem, by room and the problem's code.
func (l *Log) Refusal(code string) {
	by := [][]string{{names.DimensionRoom, names.DimensionReason}}
	l.write(names.DimensionReason, code, group{by, Values{names.MetricRefusals: 1}})
}

// group is values that have their sets of dimensions in common.
type group struct {
	dimensions [][]string
	values     Values
}

// The members of a document that say what is a metric, as the specification names them.
type (
	metadata struct {
		Timestamp         int64 // milliseconds since the Unix epoch
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct{ Name, Unit string }
)

// write writes one line with the groups' values, of the room and of one dimension more if that has
// a name. CloudWatch refuses the whole of a document for a value that is no number, so those are
// left out.
func (l *Log) write(dimension, value string, groups ...group) {
	members := map[string]any{names.DimensionRoom: l.Room}
	if dimension != "" {
		members[dimension] = value
	}
	var directives []directive
	for _, g := range groups {
		d := directive{Namespace: names.MetricNamespace, Dimensions: g.dimensions}
		for _, name := range slices.Sorted(maps.Keys(g.values)) {
			if v := g.values[name]; !math.IsNaN(v) && !math.IsInf(v, 0) {
				members[name] = v
				d.Metrics = append(d.Metrics, definition{name, units[name]})
			}
		}
		if d.Metrics != nil {
			directives = append(directives, d)
		}
	}
	if directives == nil {
		return
	}
	members["_aws"] = metadata{l.Now().UnixMilli(), directives}
	line, err := json.Marshal(members)
	if err != nil {
		panic(err) // texts and finite numbers always marshal
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Out.Write(append(line, '\n'))
}
