package waitingroom

import (
	"path/filepath"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsschedulertargets"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// answerTimeout is how long a function may take to answer a visitor, in seconds. tickTimeout leaves
// a run of tick, which lives 180 s, the time to finish its last step and hand the lease over.
// makeTimeout leaves passkey the time until its new role may do what it was just allowed to do.
// prepareTimeout leaves a run of prepare, which works for 50 s, the time to store what it has done.
// doorTimeout is for jira, which may take 12 s to write a comment; Jira itself waits some 20 s.
const (
	answerTimeout = 10
	tickTimeout   = 210
	makeTimeout   = 90

	prepareTimeout = 60
	doorTimeout    = 20
)

// How often and for how many seconds a change of a parameter is brought to settings again.
const (
	settingsRetries = 2
	settingsAge     = 300
)

func (r *Room) addFunctions() {
	if r.props.PassKey == PassKeySecret {
		r.addPassKeySecret(r.newFunction(names.FunctionPassKey))
	}
	r.Functions = map[string]awslambda.Function{}
	for _, name := range names.Functions() {
		r.Functions[name] = r.newFunction(name)
	}
	r.allowJoin(r.Functions[names.FunctionJoin])
	r.allowAdmit(r.Functions[names.FunctionAdmit])
	r.allowPlace(r.Functions[names.FunctionPlace])
	r.allowTick(r.Functions[names.FunctionTick])
	r.allowSettings(r.Functions[names.FunctionSettings])
	r.Live = map[string]awslambda.Alias{
		names.FunctionJoin:  r.newAlias(names.FunctionJoin),
		names.FunctionAdmit: r.newAlias(names.FunctionAdmit),
	}
}

// newFunction gives the function a role of its own that may write its own log and nothing else: the
// managed policy for logs would reach every log group of the account. It reserves no concurrency,
// which fails where an account has no more than the 10 environments that a new one may have.
func (r *Room) newFunction(name string) awslambda.Function {
	logs := r.newLog(name + "-log")
	folder := filepath.Join(r.props.Functions, name)
	props := &awslambda.FunctionProps{
		Description:  jsii.Sprintf("waiting room: %s", name),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		Code:         awslambda.Code_FromAsset(&folder, nil),
		Handler:      jsii.String("bootstrap"),
		MemorySize:   jsii.Number(512),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(answerTimeout)),
		Environment:  r.environment(name),
		LogGroup:     logs,
		Role:         r.lambdaRole(name+"-role", logs),
		// Old versions go once the alias has left them.
		CurrentVersionOptions: &awslambda.VersionOptions{RemovalPolicy: awscdk.RemovalPolicy_DESTROY},
	}
	switch name {
	case names.FunctionPassKey:
		props.Timeout = awscdk.Duration_Seconds(jsii.Number(makeTimeout))
	case names.FunctionTick:
		// A minute's start that could not run is worthless in the next: retried, starts pile up.
		props.Timeout = awscdk.Duration_Seconds(jsii.Number(tickTimeout))
		props.RetryAttempts = jsii.Number(0)
		props.MaxEventAge = awscdk.Duration_Seconds(jsii.Number(60))
	case names.FunctionPrepare:
		// The same, and what a run has left undone the next one finds.
		props.Timeout = awscdk.Duration_Seconds(jsii.Number(prepareTimeout))
		props.RetryAttempts = jsii.Number(0)
		props.MaxEventAge = awscdk.Duration_Seconds(jsii.Number(60))
	case names.FunctionJira:
		props.Timeout = awscdk.Duration_Seconds(jsii.Number(doorTimeout))
	case names.FunctionSettings:
		// Retries are for the sake of the alarm, a minute and then two minutes later; tick reads the
		// parameter by itself within a minute, so an older event has nothing left to do.
		props.RetryAttempts = jsii.Number(settingsRetries)
		props.MaxEventAge = awscdk.Duration_Seconds(jsii.Number(settingsAge))
	}
	return awslambda.NewFunction(r.Construct, jsii.String(name), props)
}

// lambdaRole may write one log.
func (r *Room) lambdaRole(id string, logs awslogs.LogGroup) awsiam.Role {
	role := awsiam.NewRole(r.Construct, jsii.String(id), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	logs.GrantWrite(role)
	return role
}

func (r *Room) newAlias(function string) awslambda.Alias {
	return awslambda.NewAlias(r.Construct, jsii.String(function+"-"+names.LiveAlias), &awslambda.AliasProps{
		AliasName: jsii.String(names.LiveAlias),
		Version:   r.Functions[function].CurrentVersion(),
	})
}

// environment gives each function what names says that it reads, and nothing else.
func (r *Room) environment(function string) *map[string]*string {
	if function == names.FunctionPassKey {
		return nil
	}
	environment := map[string]*string{names.EnvTable: r.Table.TableName()}
	for variable, value := range map[string]*string{
		names.EnvRoom:          &r.Name,
		names.EnvSecret:        r.Secret.SecretArn(),
		names.EnvIssuer:        r.Address,
		names.EnvParameterPath: jsii.String(names.ParameterPath),
		names.EnvShards:        jsii.Sprintf("%d", r.props.Shards),
	} {
		if slices.Contains(names.Variables(function), variable) {
			environment[variable] = value
		}
	}
	switch function {
	case names.FunctionAdmit:
		r.addSigner(environment)
	case names.FunctionTick:
		environment[names.EnvStatusBucket] = r.Documents.BucketName()
		r.addPublicKey(environment)
	case names.FunctionSettings:
		environment[names.EnvAlarmTopic] = r.Alarms.TopicArn()
	case names.FunctionHotShow, names.FunctionJira, names.FunctionPrepare:
		r.addHotShowVariables(function, environment)
	}
	return &environment
}

// addSigner tells admit which key signs.
func (r *Room) addSigner(environment map[string]*string) {
	if r.PassKey != nil {
		environment[names.EnvPassKey] = r.PassKey.KeyId()
		return
	}
	environment[names.EnvPassKeySecret] = r.PassKeySecret.SecretArn()
}

// addPublicKey tells tick which key to publish, without the means to sign.
func (r *Room) addPublicKey(environment map[string]*string) {
	if r.PassKey != nil {
		environment[names.EnvPassKey] = r.PassKey.KeyId()
		return
	}
	environment[names.EnvPassPublicKey] = r.passPublicKey
}

// These name all that the store does: it writes by updates alone, within transactions too, for which
// DynamoDB asks the permission of what they are made of. Only tick reads many items at once.
const (
	readTable      = "dynamodb:GetItem"
	readTableBatch = "dynamodb:BatchGetItem"
	writeTable     = "dynamodb:UpdateItem"
)

func (r *Room) allowJoin(join awslambda.Function) {
	r.Table.Grant(join, jsii.String(readTable), jsii.String(writeTable))
	r.allowSecret(join)
}

func (r *Room) allowAdmit(admit awslambda.Function) {
	r.Table.Grant(admit, jsii.String(readTable), jsii.String(writeTable))
	r.allowSecret(admit)
	if r.PassKey != nil {
		r.PassKey.Grant(admit, jsii.String("kms:Sign"), jsii.String("kms:GetPublicKey"))
		return
	}
	r.allow(admit, "secretsmanager:GetSecretValue", *r.PassKeySecret.SecretArn())
}

func (r *Room) allowPlace(place awslambda.Function) {
	r.Table.Grant(place, jsii.String(readTable))
	r.allowSecret(place)
}

// allowTick lets tick write documents but not read, list or delete them: a leader that takes over
// repeats what it is unsure of.
func (r *Room) allowTick(tick awslambda.Function) {
	r.Table.Grant(tick, jsii.String(readTable), jsii.String(readTableBatch), jsii.String(writeTable))
	for _, prefix := range []string{names.StatusPrefix, names.SealsPrefix, wellKnownPrefix} {
		r.allow(tick, "s3:PutObject", *r.Documents.ArnForObjects(jsii.String(prefix[1:] + "*")))
	}
	r.allowParameters(tick)
	r.allowSecret(tick)
	if r.PassKey != nil {
		r.PassKey.Grant(tick, jsii.String("kms:GetPublicKey"))
	}
	if r.props.Removal == awscdk.RemovalPolicy_DESTROY {
		// With the stack tick has to go first: a status written behind the emptying of the bucket
		// would keep it from being deleted.
		tick.Role().Node().AddDependency(r.Documents.Node().FindChild(jsii.String("AutoDeleteObjectsCustomResource")))
	}
}

// allowSettings lets settings read the parameters, mark states and tell of bad values. The event
// says which parameter has changed, not what it says now.
func (r *Room) allowSettings(settings awslambda.Function) {
	r.Table.Grant(settings, jsii.String(readTable), jsii.String(writeTable))
	r.allowParameters(settings)
	r.allow(settings, "sns:Publish", *r.Alarms.TopicArn())
	awsevents.NewRule(r.Construct, jsii.String("ParameterChanges"), &awsevents.RuleProps{
		Description: jsii.String("waiting room: a promoter changed a parameter"),
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.ssm"),
			DetailType: jsii.Strings("Parameter Store Change"),
			Detail: &map[string]interface{}{
				"name": awsevents.Match_Prefix(jsii.String(names.ParameterPath)),
			},
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(settings, &awseventstargets.LambdaFunctionProps{
			RetryAttempts: jsii.Number(settingsRetries),
			MaxEventAge:   awscdk.Duration_Seconds(jsii.Number(settingsAge)),
		})},
	})
}

// allowSecret grants the one action that the functions use; GrantRead would add another.
func (r *Room) allowSecret(function awslambda.Function) {
	r.allow(function, "secretsmanager:GetSecretValue", *r.Secret.SecretArn())
}

func (r *Room) allow(function awslambda.Function, action string, resources ...string) {
	function.AddToRolePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(action),
		Resources: jsii.Strings(resources...),
	}))
}

// allowParameters lets a function read all events' parameters: the path itself is what is asked
// for, and what lies below it is what is read.
func (r *Room) allowParameters(function awslambda.Function) {
	r.allow(function, "ssm:GetParametersByPath", r.parameterARN(""), r.parameterARN("/*"))
}

// parameterARN is the ARN of the parameters' common path with a suffix.
func (r *Room) parameterARN(suffix string) string {
	path := names.ParameterPath[1 : len(names.ParameterPath)-1]
	return *awscdk.Stack_Of(r.Construct).FormatArn(&awscdk.ArnComponents{
		Service:      jsii.String("ssm"),
		Resource:     jsii.String("parameter"),
		ResourceName: jsii.String(path + suffix),
	})
}

// addSchedule starts tick every minute.
func (r *Room) addSchedule() {
	r.startEveryMinute(names.FunctionTick, "EveryMinute", "schedule-role")
}

// startEveryMinute has a function started every minute. A start that is late by a minute is dropped,
// not repeated. The schedule's role may start the function and nothing else; left to the CDK, it could
// start any version.
func (r *Room) startEveryMinute(function, scheduleID, roleID string) {
	started := r.Functions[function]
	role := awsiam.NewRole(r.Construct, &roleID, &awsiam.RoleProps{
		// Only schedules of this account's default group may use the role.
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{
				"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID(),
				"aws:SourceArn": awscdk.Stack_Of(r.Construct).FormatArn(&awscdk.ArnComponents{
					Service: jsii.String("scheduler"), Resource: jsii.String("schedule-group"), ResourceName: jsii.String("default"),
				}),
			}},
		}),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("lambda:InvokeFunction"),
		Resources: &[]*string{started.FunctionArn()},
	}))
	schedule := awsscheduler.NewSchedule(r.Construct, &scheduleID, &awsscheduler.ScheduleProps{
		Description: jsii.Sprintf("Starts the waiting room's %s.", function),
		Schedule:    awsscheduler.ScheduleExpression_Rate(awscdk.Duration_Minutes(jsii.Number(1))),
		Target: awsschedulertargets.NewLambdaInvoke(started, &awsschedulertargets.ScheduleTargetBaseProps{
			RetryAttempts: jsii.Number(0),
			MaxEventAge:   awscdk.Duration_Seconds(jsii.Number(60)),
			Role:          role.WithoutPolicyUpdates(nil),
		}),
	})
	schedule.Node().AddDependency(role.Node().FindChild(jsii.String("DefaultPolicy")))
}
