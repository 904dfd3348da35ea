package hotshow_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

func TestSale(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	since := time.Date(2026, 11, 28, 9, 1, 0, 0, time.UTC)
	w.alarms = []api.Alarm{{Name: "concerts-tick-lag", Since: since, Why: "Tick is slow."}}
	w.texts = map[string]string{"rate": "600"}
	w.status = room.Status{Event: "winter-tour", Phase: room.Open, Line: 30_000, Admitted: 5_000, Rate: 500, Time: "2026-11-28T09:10:00Z"}
	all := `{"event":"winter-tour","phase":"open","line":30000,"admitted":5000,"waiting":25000,"rate":500,"rate_set":600,"wait_seconds":3000,` +
		`"time":"2026-11-28T09:10:00Z","alarms":[{"name":"concerts-tick-lag","since":"2026-11-28T09:01:00Z","why":"Tick is slow."}]}`
	tests := []struct {
		name   string
		change func()
		want   string
	}{
		{"all", func() {}, all},
		{"no alarm", func() { w.alarms = []api.Alarm{} }, strings.Split(all, `[{"name"`)[0] + "[]}"},
		{"not measured yet", func() { w.status.Rate = 0 }, `"rate":0,"rate_set":600,"wait_seconds":2500,`},
		{"nobody waits", func() { w.status.Admitted = 30_000 }, `"waiting":0,"rate":0,"rate_set":600,"wait_seconds":0,`},
		{"paused", func() { w.status.Phase, w.status.Admitted = room.Paused, 10 }, `"phase":"paused","line":30000,"admitted":10,"waiting":29990,"rate":0,"rate_set":600,"time"`},
		{"a bad rate", func() { w.texts = map[string]string{"rate": "fast"} }, `"rate":0,"time"`},
		{"no rate", func() { w.broken["rate"] = true }, `"rate":0,"time"`},
		{"no alarms known", func() { w.broken["alarms"] = true }, `"time":"2026-11-28T09:10:00Z"}`},
		{"no status known", func() { w.broken["status"] = true }, `{"event":"winter-tour","line":0,"admitted":0,"waiting":0,"rate":0}`},
	}
	for _, test := range tests {
		test.change()
		w.now = w.now.Add(10 * time.Second) // what was read is told from memory until then
		response := w.call(asker, "GET", names.PathHotShowSale, show.ID, "")
		if response.StatusCode != http.StatusOK || !strings.Contains(response.Body, test.want) || !json.Valid([]byte(response.Body)) {
			t.Errorf("%s: %s, want %s", test.name, response.Body, test.want)
		}
	}
	for _, what := range []string{"status", "rate", "alarms"} {
		if !strings.Contains(w.log.String(), "sale told without its "+what) {
			t.Errorf("the log does not tell that the %s could not be read:\n%s", what, w.log.String())
		}
	}
}

// Terminals that watch take no more of the account's quotas than one does.
func TestSaleIsToldFromMemory(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	sale := func() string { return w.call(asker, "GET", names.PathHotShowSale, show.ID, "").Body }
	w.texts, w.alarms = map[string]string{"rate": "600"}, []api.Alarm{}
	w.status = room.Status{Event: "winter-tour", Phase: room.Open, Line: 1}
	first := sale()
	w.texts, w.alarms, w.status.Line = map[string]string{"rate": "700"}, nil, 2
	w.now = w.now.Add(10*time.Second - 1)
	if got := sale(); !strings.Contains(got, `"rate_set":600`) || !strings.Contains(got, `"alarms":[]`) || !strings.Contains(got, `"line":2`) {
		t.Errorf("%s, after %s", got, first)
	}
	w.now = w.now.Add(1)
	if got := sale(); !strings.Contains(got, `"rate_set":700`) {
		t.Errorf("ten seconds later: %s", got)
	}
	w.now = w.now.Add(-time.Hour)
	w.texts = map[string]string{"rate": "800"}
	if got := sale(); !strings.Contains(got, `"rate_set":800`) {
		t.Errorf("after the clock was set back: %s", got)
	}
}

// describing answers as CloudWatch does.
type describing struct {
	asked *cloudwatch.DescribeAlarmsInput
	out   *cloudwatch.DescribeAlarmsOutput
	err   error
}

func (d *describing) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	d.asked = in
	return d.out, d.err
}

func TestCloudWatchAlarms(t *testing.T) {
	since := time.Date(2026, 11, 28, 9, 1, 0, 0, time.UTC)
	d := &describing{out: &cloudwatch.DescribeAlarmsOutput{}}
	alarms := api.NewCloudWatchAlarms(d, "concerts")
	if ringing, err := alarms.Ringing(t.Context()); err != nil || ringing == nil || len(ringing) != 0 {
		t.Errorf("nothing rings: %v, %v", ringing, err)
	}
	if *d.asked.AlarmNamePrefix != "concerts-" || d.asked.StateValue != types.StateValueAlarm {
		t.Errorf("asked for %+v", d.asked)
	}
	d.out.MetricAlarms = []types.MetricAlarm{
		{AlarmName: aws.String("concerts-tick-lag"), AlarmDescription: aws.String("Tick is slow."), StateTransitionedTimestamp: &since,
			StateUpdatedTimestamp: aws.Time(since.Add(time.Hour))},
		{AlarmName: aws.String("concerts-own"), StateUpdatedTimestamp: &since},
	}
	ringing, err := alarms.Ringing(t.Context())
	want := []api.Alarm{{"concerts-tick-lag", since, "Tick is slow."}, {"concerts-own", since, ""}}
	if err != nil || len(ringing) != 2 || ringing[0] != want[0] || ringing[1] != want[1] {
		t.Errorf("%+v, %v", ringing, err)
	}
	d.err = errors.New("throttled")
	if _, err := alarms.Ringing(t.Context()); !errors.Is(err, d.err) {
		t.Errorf("throttled: %v", err)
	}
}
