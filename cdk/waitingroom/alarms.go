package waitingroom

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// addTopic makes the topic that alarms and bad settings go to.
func (r *Room) addTopic(address string) {
	r.Alarms = awssns.NewTopic(r.Construct, jsii.String("Alarms"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	// A topic with a policy of its own loses the one that lets the account's alarms publish, and
	// nobody would hear of it: an alarm that may not publish fails in silence.
	stack := awscdk.Stack_Of(r.Construct)
	r.Alarms.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsMayPublish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{r.Alarms.TopicArn()},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()},
			"ArnLike": map[string]any{"aws:SourceArn": stack.FormatArn(&awscdk.ArnComponents{
				Service: jsii.String("cloudwatch"), Resource: jsii.String("alarm"),
				ResourceName: jsii.String(r.Name + "-*"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
			})},
		},
	}))
	if address != "" {
		r.Alarms.AddSubscription(awssnssubscriptions.NewEmailSubscription(&address, nil))
	}
}

// minute is the period of every metric here, in seconds: nothing is published more often.
const minute = 60

// alarm is something that a team is woken up for. It goes off when the metric has been past the
// threshold in points of the last periods minutes.
type alarm struct {
	name      string // what follows the room's name
	entry     string // anchor of its entry in docs/runbook.md
	means     string // what it means, for visitors first
	metric    awscloudwatch.IMetric
	compare   awscloudwatch.ComparisonOperator
	threshold float64
	points    float64
	periods   float64
	missing   awscloudwatch.TreatMissingData // what a minute without a value counts as
}

const (
	atLeast = awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD
	above   = awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD
	below   = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD

	isFine = awscloudwatch.TreatMissingData_NOT_BREACHING
	isBad  = awscloudwatch.TreatMissingData_BREACHING
)

// alarms are all there are. Each metric in one costs 0.10 USD a month, whether it is published or
// not, and ten of an account are free (aws.amazon.com/cloudwatch/pricing). CloudFront's metrics are
// in us-east-1 alone, where an alarm of another region cannot see them: the dashboard shows them.
func (r *Room) alarms() []alarm {
	list := []alarm{
		{"no-leader", "no-leader",
			"The line stands still: nobody has moved it for 15 seconds or more, and a new leader takes over within 5. Visitors keep their places.",
			r.metric(names.MetricLeaderGap, "Maximum"), atLeast, 15, 1, 1, isFine},
		// What tick logs is counted while it runs. Its invocations are counted when they end, under
		// the minute in which they began: too late, since one lasts three minutes during a sale.
		{"tick-not-running", "tick-not-running",
			"Tick, which is started every minute, has not run for minutes. A sale would not open and its line stands still. Visitors keep their places.",
			r.functionLogs(names.FunctionTick), below, 1, 3, 3, isBad},
		{"tick-lag", "tick-lag",
			"By the clock more than 5 seconds lie between two steps of the leader: it is slow, or its clock was set. The line is slower than it should be, or the sale opens early or late.",
			r.metric(names.MetricTickLag, "Maximum"), above, 5, 1, 1, isFine},
		{"pointer-stalled", "pointer-stalled",
			"The sale is open, people wait, and nobody's turn has come for more than 30 seconds.",
			r.metric(names.MetricPointerStall, "Maximum"), above, 30, 1, 1, isFine},
		{"admissions-below-rate", "admissions-below-rate",
			"People wait, and the shop gets less than 70 % of the visitors that the rate allows. The line takes longer than it has to.",
			r.metric(names.MetricAdmissionShare, "Minimum"), below, 70, 3, 5, isFine},
		{"bad-setting", "bad-setting",
			"A parameter was set to something that is not used; the last good value stays in force and the line goes on. Another mail names parameter, value and reason.",
			r.metric(names.MetricBadSettings, "Sum"), atLeast, 1, 1, 1, isFine},
		// A join answers a throttle by itself, on another shard. Only a partition with a thousand
		// writes a second throttles at all, so ten throttles a second are 1 % of them, and one join
		// in ten thousand is throttled twice and told to come back.
		{"table-throttled", "table-throttled",
			"The table refuses ten calls a second and more. Some visitors are asked to try again, and their pages do so; nobody loses a place.",
			combined(map[string]awscloudwatch.IMetric{
				"reads": r.tableMetric("ReadThrottleEvents", "Sum"), "writes": r.tableMetric("WriteThrottleEvents", "Sum"),
			}, "SUM([reads, writes])", "Table throttles"), above, 600, 2, 3, isFine},
		// Also KMS's throttles, which no metric of KMS tells.
		{"too-busy", "too-busy",
			"More than 100 visitors a minute are told to try again because the table or the key that signs passes is busy. They keep their places and turns.",
			r.refusals("busy"), above, 100, 3, 5, isFine},
		// At night one request of two may fail without waking anybody.
		{"api-errors", "api-errors",
			"More than 5 % of the visitors' calls fail, and ten a minute at least. Pages try again by themselves; nobody loses a place.",
			combined(map[string]awscloudwatch.IMetric{
				"errors": apiMetric(r.API, "5XXError", "Sum"), "requests": apiMetric(r.API, "Count", "Sum"),
			}, "IF(errors >= 10, 100 * errors / requests, 0)", "Failed calls, %"), above, 5, 2, 3, isFine},
		{"functions-throttled", "functions-throttled",
			"Lambda refuses to run functions: the account's concurrency is used up, or a crowd came faster than Lambda scales. Visitors' pages try again; the line may stand still.",
			combined(map[string]awscloudwatch.IMetric{
				"joins": r.functionMetric(names.FunctionJoin, "Throttles", "Sum"), "admissions": r.functionMetric(names.FunctionAdmit, "Throttles", "Sum"),
				"places": r.functionMetric(names.FunctionPlace, "Throttles", "Sum"), "ticks": r.functionMetric(names.FunctionTick, "Throttles", "Sum"),
			}, "SUM([joins, admissions, places, ticks])", "Function throttles"), atLeast, 10, 2, 3, isFine},
	}
	for _, failing := range []struct {
		function string
		means    string
		errors   float64 // in a minute
		points   float64
		periods  float64
	}{
		// A cold start that is cut short here and there is no reason to wake anybody.
		{names.FunctionJoin, "Visitors who join meet a function that crashes or takes over 10 seconds. Their pages try again.", 5, 2, 3},
		{names.FunctionAdmit, "Visitors whose turn has come meet a function that crashes or takes over 10 seconds. They keep the turn and their pages try again.", 5, 2, 3},
		{names.FunctionPlace, "Apps that ask for a place meet a function that crashes or takes over 10 seconds. The page does not use it.", 5, 2, 3},
		// An error is counted in the minute in which the invocation began, up to three and a half ago.
		{names.FunctionTick, "Tick crashed, took too long or could not list the events, twice in ten minutes. New events may not begin; others go on as long as there is a leader.", 1, 2, 10},
		{names.FunctionSettings, "Changes of parameters are not announced or bad ones not mailed. They are in force all the same, some seconds later.", 1, 2, 10},
	} {
		list = append(list, alarm{failing.function + "-errors", "function-errors", failing.means,
			r.functionMetric(failing.function, "Errors", "Sum"), atLeast, failing.errors, failing.points, failing.periods, isFine})
	}
	return append(list, r.hotShowAlarms()...)
}

// hotShowAlarms are none where hot shows are off. What one run of prepare finds may be over by the next.
func (r *Room) hotShowAlarms() []alarm {
	if r.props.HotShows == nil {
		return nil
	}
	return []alarm{
		{"shows-unready", "shows-unready",
			"A hot show is not ready at the time at which it should be, or went on sale before it was. Its sale opens all the same; a crowd may meet refusals in its first minutes.",
			r.metric(names.MetricShowsUnready, "Maximum"), atLeast, 1, 2, 3, isFine},
		{"shows-left-up", "shows-left-up",
			"What was brought up for a hot show is still up half an hour after it was to be taken down, and costs by the hour. Or people come to an event that was cancelled and is not closed.",
			r.metric(names.MetricShowsLeftUp, "Maximum"), atLeast, 1, 2, 3, isFine},
		// As of tick, logs are counted while it runs.
		{"prepare-not-running", "prepare-not-running",
			"Prepare, which is started every minute, has not run for minutes. No hot show is made ready or taken down. Sales that have been set open by themselves.",
			r.functionLogs(names.FunctionPrepare), below, 1, 3, 3, isBad},
		{"prepare-errors", "function-errors",
			"Prepare crashed or took too long, twice in ten minutes. The next run, a minute later, goes on where it stood.",
			r.functionMetric(names.FunctionPrepare, "Errors", "Sum"), atLeast, 1, 2, 10, isFine},
		{"hotshows-api-errors", "hotshows-api-errors",
			"Calls to ask for hot shows or to approve them failed, in two minutes of ten. Shows that are approved already are made ready all the same.",
			apiMetric(r.HotShowsAPI, "5XXError", "Sum"), atLeast, 1, 2, 10, isFine},
	}
}

// addAlarms tells the topic of the beginning and of the end, so that a night shift knows when it
// may go back to bed.
func (r *Room) addAlarms() {
	action := awscloudwatchactions.NewSnsAction(r.Alarms)
	for _, a := range r.alarms() {
		made := awscloudwatch.NewAlarm(r.Construct, jsii.String(a.id()), &awscloudwatch.AlarmProps{
			AlarmName:          jsii.String(r.Name + "-" + a.name),
			AlarmDescription:   jsii.String(fmt.Sprintf("%s What to do: %s#%s", a.means, r.props.Runbook, a.entry)),
			Metric:             a.metric,
			ComparisonOperator: a.compare,
			Threshold:          &a.threshold,
			DatapointsToAlarm:  &a.points,
			EvaluationPeriods:  &a.periods,
			TreatMissingData:   a.missing,
		})
		made.AddAlarmAction(action)
		if !a.momentary() {
			made.AddOkAction(action)
		}
	}
}

// momentary is an alarm that counts findings: its end says that there was no other, not that the
// first has been mended, and nobody is to take it for that.
func (a alarm) momentary() bool { return a.name == "bad-setting" }

// id is the alarm's in the construct tree.
func (a alarm) id() string { return "alarm-" + a.name }

// metric is one of names' metrics for the whole room: the worst event counts.
func (r *Room) metric(name, statistic string) awscloudwatch.Metric {
	return measured(names.MetricNamespace, name, statistic, map[string]*string{names.DimensionRoom: &r.Name})
}

func (r *Room) refusals(reason string) awscloudwatch.Metric {
	return measured(names.MetricNamespace, names.MetricRefusals, "Sum", map[string]*string{
		names.DimensionRoom: &r.Name, names.DimensionReason: &reason,
	})
}

// functionMetric takes all versions and aliases of a function together.
func (r *Room) functionMetric(function, name, statistic string) awscloudwatch.Metric {
	return measured("AWS/Lambda", name, statistic, map[string]*string{"FunctionName": r.Functions[function].FunctionName()})
}

func (r *Room) functionLogs(function string) awscloudwatch.Metric {
	return measured("AWS/Logs", "IncomingLogEvents", "Sum", map[string]*string{
		"LogGroupName": r.Functions[function].LogGroup().LogGroupName(),
	})
}

func (r *Room) tableMetric(name, statistic string) awscloudwatch.Metric {
	return measured("AWS/DynamoDB", name, statistic, map[string]*string{"TableName": r.Table.TableName()})
}

func apiMetric(api awsapigateway.RestApi, name, statistic string) awscloudwatch.Metric {
	return measured("AWS/ApiGateway", name, statistic, map[string]*string{
		"ApiName": api.RestApiName(), "Stage": jsii.String(stage),
	})
}

func measured(namespace, name, statistic string, dimensions map[string]*string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: &namespace, MetricName: &name, Statistic: &statistic, DimensionsMap: &dimensions,
		Period: awscdk.Duration_Seconds(jsii.Number(minute)),
	})
}

// combined is an expression over several metrics by the names that it uses.
func combined(metrics map[string]awscloudwatch.IMetric, expression, label string) awscloudwatch.MathExpression {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: &expression, UsingMetrics: &metrics, Label: &label,
		Period: awscdk.Duration_Seconds(jsii.Number(minute)),
	})
}
