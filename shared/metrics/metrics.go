// Package metrics writes what is counted and watched in CloudWatch's embedded metric format: JSON
// documents, one a line, that CloudWatch takes out of a function's log
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
// The code is our own because the one library known for Go, prozz/aws-embedded-metrics-golang, is a
// small project of one author, and to wire it would take as many lines as the document does.
package metrics

import (
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
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
	names.MetricShowsUnready:   "Count",
	names.MetricShowsLeftUp:    "Count",
}

// ofRoom are the metrics of events that are those of the room too: sums, and what alarms watch.
var ofRoom = []string{
	names.MetricJoins, names.MetricAdmissions,
	names.MetricLeaderGap, names.MetricTickLag, names.MetricPointerStall, names.MetricAdmissionShare,
}

// Event writes values of an event that is known to exist, by room and event, and by room alone what
// is watched there too. A name that no event can have is never made a dimension.
func (l *Log) Event(event string, values Values) {
	var own, both []string
	for name := range values {
		if slices.Contains(ofRoom, name) {
			both = append(both, name)
		} else {
			own = append(own, name)
		}
	}
	var d document
	if !names.ValidEvent(event) {
		d.add(byRoom, both, values)
		l.write(d)
		return
	}
	d.member(names.DimensionEvent, `"`+event+`"`) // of letters, digits and hyphens
	d.add(byEvent, own, values)
	d.add(byRoom+","+byEvent, both, values)
	l.write(d)
}

// BadSettings counts n parameters that were found bad, by room.
func (l *Log) BadSettings(n int) {
	var d document
	d.add(byRoom, []string{names.MetricBadSettings}, Values{names.MetricBadSettings: float64(n)})
	l.write(d)
}

// Shows counts hot shows in trouble, by room: those that are not ready in time, and those that are not
// taken down in time. Zeros are written too: an alarm ends by them.
func (l *Log) Shows(unready, leftUp int) {
	var d document
	d.add(byRoom, []string{names.MetricShowsUnready, names.MetricShowsLeftUp}, Values{
		names.MetricShowsUnready: float64(unready), names.MetricShowsLeftUp: float64(leftUp),
	})
	l.write(d)
}

// Refusal counts one answer that is a problem, by room and the problem's code.
func (l *Log) Refusal(code string) {
	var d document
	d.member(names.DimensionReason, quote(code))
	d.add(byReason, []string{names.MetricRefusals}, Values{names.MetricRefusals: 1})
	l.write(d)
}

// Sets of dimensions as they are written.
const (
	byRoom   = `["` + names.DimensionRoom + `"]`
	byEvent  = `["` + names.DimensionRoom + `","` + names.DimensionEvent + `"]`
	byReason = `["` + names.DimensionRoom + `","` + names.DimensionReason + `"]`
)

// document is a line without its head. It is not left to encoding/json, which looks up the type of
// each value and sorts the members: a third of what a join costs beside its calls of the store.
type document struct {
	directives []byte // the elements of CloudWatchMetrics
	members    []byte // the document's own, each behind a comma
}

// member takes in a value that is JSON. The name is one of package names, which need no quoting.
func (d *document) member(name, value string) {
	d.members = append(d.members, `,"`+name+`":`+value...)
}

// add takes in the values of the given metrics, which have their sets of dimensions in common.
// CloudWatch refuses the whole of a document for a value that is no number, so those are left out.
func (d *document) add(dimensions string, metrics []string, values Values) {
	slices.Sort(metrics)
	definitions := ""
	for _, name := range metrics {
		v := values[name]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if definitions != "" {
			definitions += ","
		}
		definitions += `{"Name":"` + name + `","Unit":"` + units[name] + `"}`
		d.member(name, strconv.FormatFloat(v, 'f', -1, 64))
	}
	if definitions == "" {
		return
	}
	if d.directives != nil {
		d.directives = append(d.directives, ',')
	}
	d.directives = append(d.directives, `{"Namespace":"`+names.MetricNamespace+`","Dimensions":[`+dimensions+`],"Metrics":[`+definitions+`]}`...)
}

// write writes d as one line, and nothing if it holds no metric.
func (l *Log) write(d document) {
	if d.directives == nil {
		return
	}
	line := make([]byte, 0, 512)
	line = append(line, `{"_aws":{"Timestamp":`...)
	line = strconv.AppendInt(line, l.Now().UnixMilli(), 10) // since the Unix epoch
	line = append(line, `,"CloudWatchMetrics":[`...)
	line = append(line, d.directives...)
	line = append(line, `]},"`+names.DimensionRoom+`":`...)
	line = append(line, quote(l.Room)...)
	line = append(line, d.members...)
	line = append(line, "}\n"...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Out.Write(line)
}

// quote writes a text as JSON.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(quoted)
}
