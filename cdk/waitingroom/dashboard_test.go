package waitingroom

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// freeMetrics is how many metrics a dashboard may have that costs nothing, as the first three of
// an account do: https://aws.amazon.com/cloudwatch/pricing/. A search is counted once here, and in
// an account by what it finds.
const freeMetrics = 50

// widget is as much of a dashboard's as the tests read.
type widget struct {
	Type       string
	Properties properties
}

type properties struct {
	Title, View, Markdown string
	Metrics               [][]any
	Alarms                []string
}

// searchedFor matches a search for one of the room's metrics: dimension, metric, room, statistic, period.
var searchedFor = regexp.MustCompile(`SEARCH\('\{WaitingRoom,Room,(\w+)\} MetricName="(\w+)" Room="([^"]+)"', '(\w+)', (\d+)\)`)

// dashboard is the room's, with the ids of the template's parts where the account's will stand.
func dashboard(t *testing.T) []widget {
	t.Helper()
	found := synthesised.shows.All("AWS::CloudWatch::Dashboard")
	if len(found) != 1 {
		t.Fatalf("%d dashboards, want 1", len(found))
	}
	var body struct{ Widgets []widget }
	for id, part := range found {
		if got, want := text(t, part.Properties["DashboardName"]), `{"Fn::Join":["",["`+roomName(t)+`-",{"Ref":"AWS::Region"}]]}`; got != want {
			t.Errorf("%s is called %s, want %s", id, got, want)
		}
		if err := json.Unmarshal([]byte(joined(t, part.Properties["DashboardBody"])), &body); err != nil {
			t.Fatalf("%s is no JSON: %v", id, err)
		}
	}
	return body.Widgets
}

// joined is the text of a Fn::Join, in which a reference is the id of what it refers to.
func joined(t *testing.T, value any) string {
	t.Helper()
	parts := value.(map[string]any)["Fn::Join"].([]any)[1].([]any)
	var whole strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			whole.WriteString(part)
		default:
			whole.WriteString(references(part)[0])
		}
	}
	return whole.String()
}

// options are what a metric of a widget ends with: a search is nothing else.
func options(metric []any) map[string]any {
	last, _ := metric[len(metric)-1].(map[string]any)
	return last
}

// shown are the room's own metrics on a dashboard, by name with the dimensions that they have.
func shown(t *testing.T, widgets []widget) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, w := range widgets {
		for _, metric := range w.Properties.Metrics {
			if expression, ok := options(metric)["expression"].(string); ok {
				match := searchedFor.FindStringSubmatch(expression)
				if match == nil || match[3] != roomName(t) || match[5] != "60" {
					t.Errorf("%s: %s", w.Properties.Title, expression)
					continue
				}
				found[match[2]] = append(found[match[2]], match[1])
				continue
			}
			if metric[0] == names.MetricNamespace {
				if metric[2] != names.DimensionRoom || metric[3] != roomName(t) || len(metric) != 5 {
					t.Errorf("%s: %v is not by room", w.Properties.Title, metric)
				}
				found[metric[1].(string)] = append(found[metric[1].(string)], names.DimensionRoom)
			}
		}
	}
	return found
}

func TestDashboardShowsEveryMetricOfTheRoom(t *testing.T) {
	found := shown(t, dashboard(t))
	want := slices.Sorted(slices.Values(names.Metrics()))
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("the dashboard shows %q, the room publishes %q", got, want)
	}
	// What alarms watch is by room, refusals are by reason, the rest is by event.
	byRoom := []string{names.MetricLeaderGap, names.MetricTickLag, names.MetricPointerStall, names.MetricAdmissionShare, names.MetricBadSettings,
		names.MetricShowsUnready, names.MetricShowsLeftUp}
	for metric, dimensions := range found {
		want := names.DimensionEvent
		switch {
		case slices.Contains(byRoom, metric):
			want = names.DimensionRoom
		case metric == names.MetricRefusals:
			want = names.DimensionReason
		}
		for _, dimension := range dimensions {
			if dimension != want {
				t.Errorf("%s is shown by %s, want by %s", metric, dimension, want)
			}
		}
	}
}

// A promoter reads from the top: words, four numbers, then the alarms.
func TestDashboardBeginsWithTheSale(t *testing.T) {
	widgets := dashboard(t)
	words := widgets[0].Properties.Markdown
	for _, part := range []string{"docs/runbook.md", "AWS::Region.console.aws.amazon.com/systems-manager/parameters?region=AWS::Region"} {
		if widgets[0].Type != "text" || !strings.Contains(words, part) {
			t.Errorf("the explanation lacks %s: %q", part, words)
		}
	}
	numbers := [][]string{{names.MetricWaiting}, {names.MetricAdmissions}, {names.MetricMeasuredRate, names.MetricRate}, {names.MetricJoins}}
	for i, want := range numbers {
		w := widgets[i+1]
		got := slices.Sorted(maps.Keys(shown(t, []widget{w})))
		if w.Properties.View != "singleValue" || !slices.Equal(got, want) {
			t.Errorf("number %d is a %s of %q, want %q", i, w.Properties.View, got, want)
		}
	}
	alarms := synthesised.shows.All("AWS::CloudWatch::Alarm")
	if got, want := slices.Sorted(slices.Values(widgets[5].Properties.Alarms)), slices.Sorted(maps.Keys(alarms)); !slices.Equal(got, want) {
		t.Errorf("shows the alarms %q, want %q", got, want)
	}
}

func TestDashboardIsByTheMinuteAndSmall(t *testing.T) {
	count := 0
	for _, w := range dashboard(t) {
		for _, metric := range w.Properties.Metrics {
			count++
			if period := options(metric)["period"]; period != 60.0 {
				t.Errorf("%s: %v has a period of %v s, want 60", w.Properties.Title, metric, period)
			}
		}
	}
	if count > freeMetrics {
		t.Errorf("%d metrics, more than the %d that are free", count, freeMetrics)
	}
}

// Metrics of other services are those of this room's parts. CloudFront publishes in one region.
func TestDashboardShowsTheRoomsParts(t *testing.T) {
	parts := map[string]string{}
	// The function hotshow does nothing that its API does not show.
	for _, name := range append(names.Functions(), names.FunctionPrepare) {
		id, _ := synthesised.shows.function(t, name)
		parts[id] = "AWS/Lambda FunctionName"
	}
	for kind, dimension := range map[string]string{
		"AWS::DynamoDB::Table": "AWS/DynamoDB TableName", "AWS::CloudFront::Distribution": "AWS/CloudFront DistributionId",
	} {
		for id := range synthesised.shows.All(kind) {
			parts[id] = dimension
		}
	}
	for _, api := range synthesised.shows.All("AWS::ApiGateway::RestApi") {
		parts[fmt.Sprint(api.Properties["Name"])] = "AWS/ApiGateway ApiName"
	}
	seen := map[string]bool{}
	for _, w := range dashboard(t) {
		for _, metric := range w.Properties.Metrics {
			if len(metric) < 4 || metric[0] == names.MetricNamespace {
				continue
			}
			part := fmt.Sprint(metric[3])
			if got := fmt.Sprint(metric[0], " ", metric[2]); parts[part] != got {
				t.Errorf("%s: %s of %s", w.Properties.Title, got, part)
			}
			seen[part] = true
			if region := options(metric)["region"]; (metric[0] == "AWS/CloudFront") != (region == "us-east-1") {
				t.Errorf("%s: %v is looked for in %v", w.Properties.Title, metric[1], region)
			}
		}
	}
	for part := range parts {
		if !seen[part] {
			t.Errorf("nothing of %s is shown", part)
		}
	}
}
