package waitingroom

import (
	"path/filepath"

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
const (
	answerTimeout = 10
	tickTimeout   = 210
)

func (r *Room) addFunctions(folder string) {
	r.Functions = map[string]awslambda.Function{}
	for _, name := range names.Functions() {
		r.Functions[name] = r.newFunction(name, filepath.Join(folder, name))
	}
	r.allowJoin(r.Functions[names.FunctionJoin])
	r.allowAdmit(r.Functions[names.FunctionAdmit])
	r.allowPlace(r.Functions[names.FunctionPlace])
	r.allowTick(r.Functions[names.FunctionTick])
	r.allowSettings(r.Functions[names.FunctionSettings])
}

// newFunction gives the function a role of its own that may write its own log and nothing else:
// the managed policy for logs would reach every log group of the account.
func (r *Room) newFunction(name, folder string) awslambda.Function {
	logs := awslogs.NewLogGroup(r.Construct, jsii.String(name+"-log"), &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_ONE_MONTH,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := awsiam.NewRole(r.Construct, jsii.String(name+"-role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	logs.GrantWrite(role)
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
		Role:         role,
	}
	if name == names.FunctionTick {
		// A minute's start that could not run is worthless in the next: retried, starts pile up.
		props.Timeout = awscdk.Duration_Seconds(jsii.Number(tickTimeout))
		props.RetryAttempts = jsii.Number(0)
		props.MaxEventAge = awscdk.Duration_Seconds(jsii.Number(60))
	}
	return awslambda.NewFunction(r.Construct, jsii.String(name), props)
}

func (r *Room) environment(function string) *map[string]*string {
	environment := map[string]*string{names.EnvTable: r.Table.TableName()}
	if function == names.FunctionSettings {
		environment[names.EnvParameterPath] = jsii.String(names.ParameterPath)
		return &environment
	}
	environment[names.EnvSecret] = r.Secret.SecretArn()
	if function == names.FunctionAdmit || function == names.FunctionTick {
		environment[names.EnvPassKey] = r.PassKey.KeyId()
		environment[names.EnvIssuer] = r.Address
	}
	if function == names.FunctionTick {
		environment[names.EnvStatusBucket] = r.Documents.BucketName()
		environment[names.EnvParameterPath] = jsii.String(names.ParameterPath)
	}
	return &environment
}

// readTable and writeTable name all that the store does: it writes by updates alone, within
// transactions too, for which DynamoDB asks the permission of what they are made of.
const (
	readTable  = "dynamodb:GetItem"
	writeTable = "dynamodb:UpdateItem"
)

func (r *Room) allowJoin(join awslambda.Function) {
	r.Table.Grant(join, jsii.String(readTable), jsii.String(writeTable))
	r.allowSecret(join)
}

func (r *Room) allowAdmit(admit awslambda.Function) {
	r.Table.Grant(admit, jsii.String(readTable), jsii.String(writeTable))
	r.PassKey.Grant(admit, jsii.String("kms:Sign"), jsii.String("kms:GetPublicKey"))
	r.allowSecret(admit)
}

func (r *Room) allowPlace(place awslambda.Function) {
	r.Table.Grant(place, jsii.String(readTable))
	r.allowSecret(place)
}

// allowTick lets tick write documents but not read, list or delete them: a leader that takes over
// repeats what it is unsure of.
func (r *Room) allowTick(tick awslambda.Function) {
	r.Table.Grant(tick, jsii.String(readTable), jsii.String(writeTable))
	for _, prefix := range []string{names.StatusPrefix, names.SealsPrefix, wellKnownPrefix} {
		r.allow(tick, "s3:PutObject", *r.Documents.ArnForObjects(jsii.String(prefix[1:] + "*")))
	}
	r.allow(tick, "ssm:GetParametersByPath", r.parameterARN(""), r.parameterARN("/*"))
	r.PassKey.Grant(tick, jsii.String("kms:GetPublicKey"))
	r.allowSecret(tick)
}

// allowSettings lets settings mark states. It is told which parameter has changed, not its value.
func (r *Room) allowSettings(settings awslambda.Function) {
	r.Table.Grant(settings, jsii.String(writeTable))
	awsevents.NewRule(r.Construct, jsii.String("ParameterChanges"), &awsevents.RuleProps{
		Description: jsii.String("waiting room: a promoter changed a parameter"),
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.ssm"),
			DetailType: jsii.Strings("Parameter Store Change"),
			Detail: &map[string]interface{}{
				"name": awsevents.Match_Prefix(jsii.String(names.ParameterPath)),
			},
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(settings, nil)},
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

// parameterARN is the ARN of the parameters' common path with a suffix.
func (r *Room) parameterARN(suffix string) string {
	path := names.ParameterPath[1 : len(names.ParameterPath)-1]
	return *awscdk.Stack_Of(r.Construct).FormatArn(&awscdk.ArnComponents{
		Service:      jsii.String("ssm"),
		Resource:     jsii.String("parameter"),
		ResourceName: jsii.String(path + suffix),
	})
}

// addSchedule starts tick every minute. A start that is late by a minute is dropped, not repeated.
func (r *Room) addSchedule() {
	tick := r.Functions[names.FunctionTick]
	awsscheduler.NewSchedule(r.Construct, jsii.String("EveryMinute"), &awsscheduler.ScheduleProps{
		Description: jsii.String("Starts the waiting room's tick."),
		Schedule:    awsscheduler.ScheduleExpression_Rate(awscdk.Duration_Minutes(jsii.Number(1))),
		Target: awsschedulertargets.NewLambdaInvoke(tick, &awsschedulertargets.ScheduleTargetBaseProps{
			RetryAttempts: jsii.Number(0),
			MaxEventAge:   awscdk.Duration_Seconds(jsii.Number(60)),
		}),
	})
}
