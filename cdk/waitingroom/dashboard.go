package waitingroom

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// row is the width of the dashboard in CloudWatch's units.
const row = 24

// explanation is for a promoter who has never seen the dashboard. It wants the stack's region and
// the runbook.
const explanation = `**How to read this.** The first row is the sale as your visitors see it: how many wait, how many were let in during the time shown, and how many a minute beside the rate that you set; each event has its own number and line, and all are up to two minutes old. ` +
	`If the alarms are quiet, the room does what you set; if one is red, your team finds what to do in %[2]s, and visitors keep their places whatever it is. ` +
	`To change the rate, pause, or say something to those who wait, change a parameter of the event in [Parameter Store](https://%[1]s.console.aws.amazon.com/systems-manager/parameters?region=%[1]s): it is in force within ten seconds.`

// addDashboard draws what a promoter reads first and what a team reads then. Events are not known
// when the stack is deployed, so each graph of events searches for them. A dashboard is 3 USD a
// month; an account's first three are free with up to 50 metrics each, which leaves room for an
// event here, and not for many (aws.amazon.com/cloudwatch/pricing).
func (r *Room) addDashboard() {
	awscloudwatch.NewDashboard(r.Construct, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		// Dashboards are the account's: in another region the same stack would write over this one.
		DashboardName:   jsii.Sprintf("%s-%s", r.Name, *awscdk.Stack_Of(r.Construct).Region()),
		DefaultInterval: awscdk.Duration_Hours(jsii.Number(3)),
		PeriodOverride:  awscloudwatch.PeriodOverride_INHERIT,
		Widgets:         r.widgets(),
	})
}

// widgets are the dashboard's, row by row.
func (r *Room) widgets() *[]*[]awscloudwatch.IWidget {
	rows := []*[]awscloudwatch.IWidget{
		{r.explanation()},
		{
			number("Waiting now", r.byEvent(names.MetricWaiting, "Maximum", "waiting")),
			number("Let in, in the time shown", r.total(names.MetricAdmissions, "let in")),
			number("Let in a minute, and the rate that is set",
				r.byEvent(names.MetricMeasuredRate, "Maximum", "let in"), r.byEvent(names.MetricRate, "Maximum", "set")),
			number("Joined in the time shown, and a minute",
				r.total(names.MetricJoins, "joined"), r.byEvent(names.MetricJoins, "Sum", "a minute")),
		},
		{r.alarmStatus()},
		{
			graph("The line", nil,
				r.byEvent(names.MetricLine, "Maximum", "places given out"), r.byEvent(names.MetricPointer, "Maximum", "turns come"),
				r.byEvent(names.MetricWaiting, "Maximum", "waiting")),
			graph("Let in a minute, and the rate that is set", nil,
				r.byEvent(names.MetricAdmissions, "Sum", "let in"), r.byEvent(names.MetricRate, "Maximum", "set")),
			graph("Joining a minute", nil, r.byEvent(names.MetricJoins, "Sum", "joining")),
		},
		{
			graph("Refused a minute, by reason (over-cap and busy ask again by themselves)", nil, r.byReason()),
			graph("Turns that are claimed, %", percent(), r.byEvent(names.MetricShowRate, "Average", "claimed")),
			graph("Admitted of what the rate allows while people wait, %", percent(),
				labelled(r.metric(names.MetricAdmissionShare, "Minimum"), "worst event")),
		},
		{
			graph("Seconds between steps, and without a leader", nil,
				labelled(r.metric(names.MetricTickLag, "Maximum"), "between steps"),
				labelled(r.metric(names.MetricLeaderGap, "Maximum"), "without a leader")),
			graph("Seconds that the pointer stalls while people wait", nil,
				labelled(r.metric(names.MetricPointerStall, "Maximum"), "worst event")),
			graph("Bad settings", nil, labelled(r.metric(names.MetricBadSettings, "Sum"), "found bad")),
		},
		{
			graph("Functions: errors and throttles a minute", nil, append(r.functions("Errors", "Sum"),
				r.functions("Throttles", "Sum", names.FunctionSettings)...)...),
			graph("Functions: duration of the slowest hundredth, ms", nil, r.functions("Duration", "p99", names.FunctionTick, names.FunctionSettings)...),
			graph("Functions: running at once", nil, r.functions("ConcurrentExecutions", "Maximum", names.FunctionPlace, names.FunctionSettings)...),
		},
		{
			graph("Table: throttles a minute", nil,
				r.tableMetric("ReadThrottleEvents", "Sum"), r.tableMetric("WriteThrottleEvents", "Sum")),
			graph("Table: units consumed a minute", nil,
				r.tableMetric("ConsumedReadCapacityUnits", "Sum"), r.tableMetric("ConsumedWriteCapacityUnits", "Sum")),
			graph("API: calls and failures a minute", nil,
				apiMetric(r.API, "Count", "Sum"), apiMetric(r.API, "4XXError", "Sum"), apiMetric(r.API, "5XXError", "Sum")),
		},
		{
			graph("API: milliseconds to answer", nil, apiMetric(r.API, "Latency", "p50"), apiMetric(r.API, "Latency", "p99")),
			graph("CloudFront: requests a minute", nil, r.distributionMetric("Requests", "Sum")),
			graph("CloudFront: failed requests, %", percent(),
				r.distributionMetric("4xxErrorRate", "Average"), r.distributionMetric("5xxErrorRate", "Average")),
		},
	}
	if r.props.HotShows != nil {
		rows = append(rows, &[]awscloudwatch.IWidget{
			graph("Hot shows that are not ready in time, and that are still up", nil,
				labelled(r.metric(names.MetricShowsUnready, "Maximum"), "not ready"),
				labelled(r.metric(names.MetricShowsLeftUp, "Maximum"), "still up")),
			graph("Hot shows: failed calls a minute, and errors of prepare", nil,
				labelled(apiMetric(r.HotShowsAPI, "5XXError", "Sum"), "failed calls"),
				labelled(r.functionMetric(names.FunctionPrepare, "Errors", "Sum"), "errors of prepare")),
		})
	}
	return &rows
}

func (r *Room) explanation() awscloudwatch.IWidget {
	runbook := r.props.Runbook
	if runbook != defaultRunbook {
		runbook = fmt.Sprintf("[the runbook](%s)", runbook)
	}
	return awscloudwatch.NewTextWidget(&awscloudwatch.TextWidgetProps{
		Markdown: jsii.String(fmt.Sprintf(explanation, *awscdk.Stack_Of(r.Construct).Region(), runbook)),
		Width:    jsii.Number(row), Height: jsii.Number(3),
	})
}

func (r *Room) alarmStatus() awscloudwatch.IWidget {
	var shown []interfacesawscloudwatch.IAlarmRef
	for _, a := range r.alarms() {
		shown = append(shown, r.Construct.Node().FindChild(jsii.String(a.id())).(awscloudwatch.Alarm))
	}
	return awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
		Title: jsii.String("Alarms"), Alarms: &shown, Width: jsii.Number(row), Height: jsii.Number(4),
	})
}

func number(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewSingleValueWidget(&awscloudwatch.SingleValueWidgetProps{
		Title: &title, Metrics: &metrics, FullPrecision: jsii.Bool(true), Width: jsii.Number(row / 4), Height: jsii.Number(4),
	})
}

// graph begins at zero, so that small changes look small.
func graph(title string, axis *awscloudwatch.YAxisProps, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	if axis == nil {
		axis = &awscloudwatch.YAxisProps{Min: jsii.Number(0), ShowUnits: jsii.Bool(false)}
	}
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: &title, Left: &metrics, LeftYAxis: axis, Width: jsii.Number(row / 3), Height: jsii.Number(6),
	})
}

func percent() *awscloudwatch.YAxisProps {
	return &awscloudwatch.YAxisProps{Min: jsii.Number(0), Max: jsii.Number(100), ShowUnits: jsii.Bool(false)}
}

// byEvent has a line for every event that published the metric, named after it.
func (r *Room) byEvent(metric, statistic, word string) awscloudwatch.IMetric {
	return searched(r.search(names.DimensionEvent, metric, statistic), eventLabel(word))
}

// eventLabel is filled in by CloudWatch with the event that a line is of.
func eventLabel(word string) string {
	return fmt.Sprintf("${PROP('Dim.%s')}: %s", names.DimensionEvent, word)
}

// total adds up each event's values from the left edge of the time shown.
func (r *Room) total(metric, word string) awscloudwatch.IMetric {
	return searched("RUNNING_SUM("+r.search(names.DimensionEvent, metric, "Sum")+")", eventLabel(word))
}

func (r *Room) byReason() awscloudwatch.IMetric {
	return searched(r.search(names.DimensionReason, names.MetricRefusals, "Sum"), fmt.Sprintf("${PROP('Dim.%s')}", names.DimensionReason))
}

// search finds a metric of this room with any value of another dimension. Quotes make it match the
// whole name: without them Rate would find MeasuredRate too.
func (r *Room) search(dimension, metric, statistic string) string {
	return fmt.Sprintf(`SEARCH('{%s,%s,%s} MetricName="%s" %s="%s"', '%s', %d)`,
		names.MetricNamespace, names.DimensionRoom, dimension, metric, names.DimensionRoom, r.Name, statistic, minute)
}

func searched(expression, label string) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: &expression, Label: &label, Period: awscdk.Duration_Seconds(jsii.Number(minute)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{},
	})
}

func labelled(metric awscloudwatch.Metric, label string) awscloudwatch.IMetric {
	return metric.With(&awscloudwatch.MetricOptions{Label: &label})
}

// functions has a line for each function but those left out.
func (r *Room) functions(name, statistic string, but ...string) []awscloudwatch.IMetric {
	var metrics []awscloudwatch.IMetric
	for _, function := range names.Functions() {
		if !slices.Contains(but, function) {
			metrics = append(metrics, labelled(r.functionMetric(function, name, statistic), function+" "+name))
		}
	}
	return metrics
}

// distributionMetric is published in us-east-1, wherever the room is.
func (r *Room) distributionMetric(name, statistic string) awscloudwatch.IMetric {
	return measured("AWS/CloudFront", name, statistic, map[string]*string{
		"DistributionId": r.Distribution.DistributionId(), "Region": jsii.String("Global"),
	}).With(&awscloudwatch.MetricOptions{Region: jsii.String("us-east-1")})
}
