package waitingroom

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// The alarms and the dashboard that are looked at here are those of the room with hot shows: its others
// are the same in every room, see TestHotShowsOnlyAdd.

// roomName is what tick's metrics carry, so what alarms and the dashboard have to ask for.
func roomName(t *testing.T) string {
	t.Helper()
	return synthesised.shows.variables(t, names.FunctionTick)[names.EnvRoom].(string)
}

// called replaces what stands for a part of the template by a word for it.
func called(t *testing.T, value any) string {
	t.Helper()
	switch value {
	case roomName(t):
		return "this room"
	case roomName(t) + "-hotshows":
		return "its hot shows"
	}
	words := map[string]string{"AWS::DynamoDB::Table": "the table", "AWS::CloudFront::Distribution": "the distribution"}
	for id, part := range synthesised.shows.Resources {
		if word, ok := words[part.Type]; ok && text(t, value) == text(t, map[string]any{"Ref": id}) {
			return word
		}
	}
	for name := range synthesised.showsRoom.Functions {
		id, _ := synthesised.shows.function(t, name)
		if text(t, value) == text(t, map[string]any{"Ref": id}) {
			return name
		}
		logging, _ := synthesised.shows.Resources[id].Properties["LoggingConfig"].(map[string]any)
		if text(t, value) == text(t, logging["LogGroup"]) {
			return "log of " + name
		}
	}
	return fmt.Sprint(value)
}

// metricText is a metric of the template as namespace/name{dimensions}.
func metricText(t *testing.T, metric map[string]any) string {
	t.Helper()
	dimensions := []string{}
	for _, dimension := range metric["Dimensions"].([]any) {
		dimension := dimension.(map[string]any)
		dimensions = append(dimensions, fmt.Sprintf("%s=%s", dimension["Name"], called(t, dimension["Value"])))
	}
	slices.Sort(dimensions)
	return fmt.Sprintf("%s/%s{%s}", metric["Namespace"], metric["MetricName"], strings.Join(dimensions, " "))
}

// watchedBy is what an alarm watches. Where that is an expression, its metrics stand in it.
func watchedBy(t *testing.T, properties map[string]any) string {
	t.Helper()
	metrics, isMath := properties["Metrics"].([]any)
	if !isMath {
		if properties["Period"] != 60.0 {
			t.Errorf("%s: period %v s, want 60", properties["AlarmName"], properties["Period"])
		}
		return fmt.Sprintf("%s of %s", properties["Statistic"], metricText(t, properties))
	}
	expression, parts := "", map[string]string{}
	for _, part := range metrics {
		part := part.(map[string]any)
		stat, isMetric := part["MetricStat"].(map[string]any)
		if !isMetric {
			expression = part["Expression"].(string)
			continue
		}
		if stat["Period"] != 60.0 {
			t.Errorf("%s: period %v s, want 60", properties["AlarmName"], stat["Period"])
		}
		parts[part["Id"].(string)] = fmt.Sprintf("%s of %s", stat["Stat"], metricText(t, stat["Metric"].(map[string]any)))
	}
	word := regexp.MustCompile(`\b[a-z]+\b`)
	return word.ReplaceAllStringFunc(expression, func(name string) string { return parts[name] })
}

// wantedAlarm is an alarm with all that decides when it goes off.
type wantedAlarm struct {
	watches   string
	compare   string
	threshold float64
	when      string // points of periods, and what a minute without a value counts as
	entry     string
}

func wantedAlarms() map[string]wantedAlarm {
	own := func(statistic, metric string) string {
		return fmt.Sprintf("%s of %s/%s{%s=this room}", statistic, names.MetricNamespace, metric, names.DimensionRoom)
	}
	ofFunction := func(function, metric string) string {
		return fmt.Sprintf("Sum of AWS/Lambda/%s{FunctionName=%s}", metric, function)
	}
	ofAPI := func(metric string) string {
		return "Sum of AWS/ApiGateway/" + metric + "{ApiName=this room Stage=room}"
	}
	const atLeast, above, below = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold"
	return map[string]wantedAlarm{
		"no-leader":             {own("Maximum", names.MetricLeaderGap), atLeast, 15, "1 of 1, notBreaching", "no-leader"},
		"tick-not-running":      {"Sum of AWS/Logs/IncomingLogEvents{LogGroupName=log of tick}", below, 1, "3 of 3, breaching", "tick-not-running"},
		"tick-lag":              {own("Maximum", names.MetricTickLag), above, 5, "1 of 1, notBreaching", "tick-lag"},
		"pointer-stalled":       {own("Maximum", names.MetricPointerStall), above, 30, "1 of 1, notBreaching", "pointer-stalled"},
		"admissions-below-rate": {own("Minimum", names.MetricAdmissionShare), below, 70, "3 of 5, notBreaching", "admissions-below-rate"},
		"bad-setting":           {own("Sum", names.MetricBadSettings), atLeast, 1, "1 of 1, notBreaching", "bad-setting"},
		"table-throttled": {"SUM([Sum of AWS/DynamoDB/ReadThrottleEvents{TableName=the table}, Sum of AWS/DynamoDB/WriteThrottleEvents{TableName=the table}])",
			above, 600, "2 of 3, notBreaching", "table-throttled"},
		"too-busy": {fmt.Sprintf("Sum of %s/%s{%s=busy %s=this room}", names.MetricNamespace, names.MetricRefusals, names.DimensionReason, names.DimensionRoom),
			above, 100, "3 of 5, notBreaching", "too-busy"},
		"api-errors": {fmt.Sprintf("IF(%s >= 10, 100 * %[1]s / %s, 0)", ofAPI("5XXError"), ofAPI("Count")),
			above, 5, "2 of 3, notBreaching", "api-errors"},
		"functions-throttled": {fmt.Sprintf("SUM([%s, %s, %s, %s])", ofFunction("join", "Throttles"), ofFunction("admit", "Throttles"),
			ofFunction("place", "Throttles"), ofFunction("tick", "Throttles")), atLeast, 10, "2 of 3, notBreaching", "functions-throttled"},
		"join-errors":     {ofFunction("join", "Errors"), atLeast, 5, "2 of 3, notBreaching", "function-errors"},
		"admit-errors":    {ofFunction("admit", "Errors"), atLeast, 5, "2 of 3, notBreaching", "function-errors"},
		"place-errors":    {ofFunction("place", "Errors"), atLeast, 5, "2 of 3, notBreaching", "function-errors"},
		"tick-errors":     {ofFunction("tick", "Errors"), atLeast, 1, "2 of 10, notBreaching", "function-errors"},
		"settings-errors": {ofFunction("settings", "Errors"), atLeast, 1, "2 of 10, notBreaching", "function-errors"},

		"shows-unready":       {own("Maximum", names.MetricShowsUnready), atLeast, 1, "2 of 3, notBreaching", "shows-unready"},
		"shows-left-up":       {own("Maximum", names.MetricShowsLeftUp), atLeast, 1, "2 of 3, notBreaching", "shows-left-up"},
		"prepare-not-running": {"Sum of AWS/Logs/IncomingLogEvents{LogGroupName=log of prepare}", below, 1, "3 of 3, breaching", "prepare-not-running"},
		"prepare-errors":      {ofFunction("prepare", "Errors"), atLeast, 1, "2 of 10, notBreaching", "function-errors"},
		"hotshows-api-errors": {"Sum of AWS/ApiGateway/5XXError{ApiName=its hot shows Stage=room}", atLeast, 1, "2 of 10, notBreaching", "hotshows-api-errors"},
	}
}

// madeAlarms are the template's, by their names without the room's.
func madeAlarms(t *testing.T) map[string]map[string]any {
	t.Helper()
	made := map[string]map[string]any{}
	for id, part := range synthesised.shows.All("AWS::CloudWatch::Alarm") {
		name, ok := strings.CutPrefix(fmt.Sprint(part.Properties["AlarmName"]), roomName(t)+"-")
		if !ok {
			t.Errorf("%s: the name %v does not begin with the room's", id, part.Properties["AlarmName"])
		}
		made[name] = part.Properties
	}
	return made
}

func TestAlarms(t *testing.T) {
	made, wanted := madeAlarms(t), wantedAlarms()
	if got, want := slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(wanted)); !slices.Equal(got, want) {
		t.Fatalf("alarms %q, want %q", got, want)
	}
	for name, want := range wanted {
		properties := made[name]
		description := fmt.Sprint(properties["AlarmDescription"])
		_, entry, _ := strings.Cut(description, " What to do: docs/runbook.md#")
		got := wantedAlarm{
			watches: watchedBy(t, properties), compare: fmt.Sprint(properties["ComparisonOperator"]),
			threshold: properties["Threshold"].(float64),
			when:      fmt.Sprintf("%v of %v, %v", properties["DatapointsToAlarm"], properties["EvaluationPeriods"], properties["TreatMissingData"]),
			entry:     entry,
		}
		if got != want {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, want)
		}
	}
}

// Whoever is woken gets a link to click on, if the team has said where it reads the runbook.
func TestAlarmsLeadToTheRunbook(t *testing.T) {
	alarms, linked := 0, 0
	for id, part := range synthesised.named.Resources {
		switch part.Type {
		case "AWS::CloudWatch::Alarm":
			alarms++
			if !strings.Contains(fmt.Sprint(part.Properties["AlarmDescription"]), " What to do: https://wiki.example.com/runbook.md#") {
				t.Errorf("%s does not lead to the runbook: %v", id, part.Properties["AlarmDescription"])
			}
		case "AWS::CloudWatch::Dashboard":
			if strings.Contains(text(t, part.Properties["DashboardBody"]), "[the runbook](https://wiki.example.com/runbook.md)") {
				linked++
			}
		}
	}
	if alarms != len(wantedAlarms()) || linked != 1 {
		t.Errorf("%d alarms and %d dashboards, want %d and 1", alarms, linked, len(wantedAlarms()))
	}
}

// The end of an alarm is told too, but for one whose end would be taken for a mended setting.
func TestAlarmsTellTheTopic(t *testing.T) {
	topic := ""
	for id := range synthesised.shows.All("AWS::SNS::Topic") {
		topic = text(t, []any{map[string]any{"Ref": id}})
	}
	for name, properties := range madeAlarms(t) {
		if got := text(t, properties["AlarmActions"]); got != topic {
			t.Errorf("%s tells %s, want %s", name, got, topic)
		}
		ends, told := properties["OKActions"]
		if told != (name != "bad-setting") || told && text(t, ends) != topic {
			t.Errorf("%s: its end is told to %v", name, ends)
		}
		if properties["ActionsEnabled"] == false {
			t.Errorf("%s tells nobody", name)
		}
	}
}

// A policy of the topic's own takes the place of the one that lets alarms publish.
func TestAlarmsMayPublish(t *testing.T) {
	for id, policy := range synthesised.shows.All("AWS::SNS::TopicPolicy") {
		granted := text(t, policy.Properties["PolicyDocument"])
		for _, part := range []string{
			`"Principal":{"Service":"cloudwatch.amazonaws.com"}`, `"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}`, `":alarm:` + roomName(t) + `-*"`,
			`"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny"`,
		} {
			if !strings.Contains(granted, part) {
				t.Errorf("%s lacks %s: %s", id, part, granted)
			}
		}
	}
	if n := len(synthesised.shows.All("AWS::SNS::TopicPolicy")); n != 1 {
		t.Errorf("%d topic policies, want 1", n)
	}
}

// contents are a file's of the repository, by its path from the root.
func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// entries are the runbook's sections on alarms: their texts by the anchors of their headings.
func entries(t *testing.T) map[string]string {
	t.Helper()
	_, section, found := strings.Cut(contents(t, "docs/runbook.md"), "\n## Alarms\n")
	if !found {
		t.Fatal("docs/runbook.md has no section Alarms")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	texts := map[string]string{}
	for _, entry := range strings.Split(section, "\n### ")[1:] {
		heading, rest, _ := strings.Cut(entry, "\n")
		anchor := strings.ReplaceAll(strings.ToLower(heading), " ", "-")
		texts[anchor] = rest
	}
	return texts
}

func TestEveryAlarmIsInTheRunbook(t *testing.T) {
	written, wanted := entries(t), map[string]bool{}
	for name, alarm := range wantedAlarms() {
		wanted[alarm.entry] = true
		if !strings.Contains(written[alarm.entry], "`"+name+"`") {
			t.Errorf("docs/runbook.md#%s does not name `%s`", alarm.entry, name)
		}
	}
	if got, want := slices.Sorted(maps.Keys(written)), slices.Sorted(maps.Keys(wanted)); !slices.Equal(got, want) {
		t.Errorf("docs/runbook.md has entries for %q, want %q", got, want)
	}
}

// Whoever searches a log at night must find what is there.
func TestRunbookQuotesTheLogs(t *testing.T) {
	answers := contents(t, "shared/httpapi/httpapi.go")
	sources := map[string]string{"join": answers, "admit": answers, "place": answers,
		"tick":     contents(t, "lambdas/tick/tick.go") + contents(t, "lambdas/tick/settings.go"),
		"settings": contents(t, "lambdas/settings/handler.go"),
		"prepare":  contents(t, "lambdas/prepare/job.go") + contents(t, "lambdas/prepare/run.go"),
		"hotshow":  answers,
		"jira":     contents(t, "lambdas/jira/handler.go") + contents(t, "lambdas/jira/door.go") + answers,
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	_, table, _ := strings.Cut(contents(t, "docs/runbook.md"), "\n| log | message |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")[2:]
	if len(rows) < 5 {
		t.Fatalf("found only the rows %q", rows)
	}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		message := quoted.FindStringSubmatch(cells[2])[1]
		for _, function := range quoted.FindAllStringSubmatch(cells[1], -1) {
			if !strings.Contains(sources[function[1]], `"`+message+`"`) {
				t.Errorf("%s never logs %q", function[1], message)
			}
		}
	}
}
