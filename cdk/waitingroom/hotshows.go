package waitingroom

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsservicecatalog"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/nag"
	"waitingroom/shared/names"
)

// addHotShows makes nothing where hot shows are off.
func (r *Room) addHotShows() {
	shows := r.props.HotShows
	if shows == nil {
		return
	}
	if shows.Jira != nil {
		r.addJiraSecret()
	}
	for _, name := range shows.functions() {
		r.Functions[name] = r.newFunction(name)
		r.allowShows(name)
	}
	r.allowHotShow(r.Functions[names.FunctionHotShow])
	r.allowPrepare(r.Functions[names.FunctionPrepare])
	if shows.Product != nil {
		r.allowProduct(r.Functions[names.FunctionPrepare], *shows.Product)
	}
	if shows.Jira != nil {
		for _, name := range []string{names.FunctionJira, names.FunctionPrepare} {
			r.allow(r.Functions[name], "secretsmanager:GetSecretValue", *r.JiraSecret.SecretArn())
		}
	}
	r.addHotShowsAPI()
	r.startEveryMinute(names.FunctionPrepare, "PrepareEveryMinute", "prepare-schedule-role")
}

// addJiraSecret makes the key that webhooks are signed with. The rest is the team's, which writes it
// into the secret: Jira's API wants an account's address and its token.
func (r *Room) addJiraSecret() {
	r.JiraSecret = awssecretsmanager.NewSecret(r.Construct, jsii.String("JiraSecret"), &awssecretsmanager.SecretProps{
		Description: jsii.String("Jira's key for webhooks, and the account that hot shows are commented on with."),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: jsii.String(`{"email":"","api_token":""}`),
			GenerateStringKey:    jsii.String("webhook_secret"),
			PasswordLength:       jsii.Number(64),
			ExcludePunctuation:   jsii.Bool(true),
		},
		RemovalPolicy: r.props.Removal,
	})
}

// addHotShowVariables says what names says that these functions read besides what others do.
func (r *Room) addHotShowVariables(function string, environment map[string]*string) {
	shows := r.props.HotShows
	if function != names.FunctionPrepare {
		environment[names.EnvSelfApproval] = jsii.String(strconv.FormatBool(shows.SelfApproval))
	}
	if function == names.FunctionHotShow {
		return
	}
	environment[names.EnvJiraSecret], environment[names.EnvJiraSite] = jsii.String(names.None), jsii.String(names.None)
	if shows.Jira != nil {
		environment[names.EnvJiraSecret], environment[names.EnvJiraSite] = r.JiraSecret.SecretArn(), &shows.Jira.Site
	}
	if function == names.FunctionJira {
		environment[names.EnvJiraFields] = jsii.String(shows.Jira.json())
		return
	}
	environment[names.EnvJoinFunction] = r.Functions[names.FunctionJoin].FunctionName()
	environment[names.EnvAdmitFunction] = r.Functions[names.FunctionAdmit].FunctionName()
	environment[names.EnvProduct] = jsii.String(names.None)
	if shows.Product != nil {
		environment[names.EnvProduct] = jsii.String(shows.Product.json())
	}
}

// showKeys is what the partition keys of all items of hot shows begin with, as package schedule writes
// them. No other item of the room has such a key.
const showKeys = "HOTSHOW*"

// allowShows lets a function read and write hot shows and no visitor's item. Without a key in the request
// nothing is allowed, where the first condition alone would hold for none.
func (r *Room) allowShows(function string) {
	r.Functions[function].AddToRolePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(showActions(function)...),
		Resources: &[]*string{r.Table.TableArn()},
		Conditions: &map[string]any{
			"ForAllValues:StringLike": map[string]any{"dynamodb:LeadingKeys": []string{showKeys}},
			"Null":                    map[string]any{"dynamodb:LeadingKeys": "false"},
		},
	}))
}

// showActions are what a function does to items. Jira's door, which is open to everybody, reads single shows
// that it is told of, and lists none.
func showActions(function string) []string {
	if function == names.FunctionJira {
		return names.ScheduleActions()
	}
	return append(names.ScheduleActions(), names.ScheduleList)
}

// allowHotShow lets hotshow tell how a sale stands: what the promoter has set, and which alarms are on.
// CloudWatch lists alarms for all of an account and region or for none.
func (r *Room) allowHotShow(hotshow awslambda.Function) {
	r.allowParameters(hotshow)
	r.allow(hotshow, "cloudwatch:DescribeAlarms", r.allAlarms())
}

// probeParameters are those of the events that prepare checks readiness with.
const probeParameters = "/" + names.ProbePrefix + "*"

// allAlarms names every alarm of the account and region.
func (r *Room) allAlarms() string {
	return *awscdk.Stack_Of(r.Construct).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("cloudwatch"), Resource: jsii.String("alarm"),
		ResourceName: jsii.String("*"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
}

// allowPrepare lets prepare set events' parameters, remove those of its probes, warm the table and
// provision concurrency where the API calls. It is the only function of the room that changes parts of
// the room.
func (r *Room) allowPrepare(prepare awslambda.Function) {
	r.allowParameters(prepare)
	r.allow(prepare, "ssm:PutParameter", r.parameterARN("/*"))
	r.allow(prepare, "ssm:DeleteParameters", r.parameterARN(probeParameters))
	for _, action := range []string{"dynamodb:DescribeTable", "dynamodb:UpdateTable"} {
		r.allow(prepare, action, *r.Table.TableArn())
	}
	for _, action := range []string{
		"lambda:GetProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig",
	} {
		r.allow(prepare, action, *r.Live[names.FunctionJoin].FunctionArn(), *r.Live[names.FunctionAdmit].FunctionArn())
	}
}

// allowProduct lets prepare provision one product, and look at and terminate what it has provisioned
// itself. What the product's template makes is made by the role of its launch constraint.
func (r *Room) allowProduct(prepare awslambda.Function, product Product) {
	for _, action := range []string{"servicecatalog:ListLaunchPaths", "servicecatalog:ProvisionProduct"} {
		r.allow(prepare, action, r.productARN(product))
	}
	// These know no resources. The condition keeps to what the role provisioned: the user would be a session
	// that bears the function's name, which another deployment may change.
	prepare.AddToRolePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("servicecatalog:DescribeProvisionedProduct", "servicecatalog:DescribeRecord",
			"servicecatalog:TerminateProvisionedProduct"),
		Resources:  jsii.Strings("*"),
		Conditions: &map[string]any{"StringEquals": map[string]any{"servicecatalog:roleLevel": "self"}},
	}))
	if product.Portfolio != "" {
		awsservicecatalog.NewCfnPortfolioPrincipalAssociation(r.Construct, jsii.String("PortfolioAccess"),
			&awsservicecatalog.CfnPortfolioPrincipalAssociationProps{
				PortfolioId:   &product.Portfolio,
				PrincipalArn:  prepare.Role().RoleArn(),
				PrincipalType: jsii.String("IAM"),
			})
	}
}

// productARN leaves the account open: a portfolio may be shared by another one, whose products it keeps.
func (r *Room) productARN(product Product) string {
	return *awscdk.Stack_Of(r.Construct).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("catalog"), Account: jsii.String("*"),
		Resource: jsii.String("product"), ResourceName: &product.ID,
	})
}

// acceptAboutHotShows is acceptFindings for what hot shows add.
func (r *Room) acceptAboutHotShows() {
	acceptAboutStage(r.HotShowsAPI, "Callers sign with IAM, and are few. Jira's door is the only open one: it takes ten calls a second of "+
		"everybody together, and of those the ones that Jira has signed.")
	const byIAM = "People of the team call with IAM signatures, which also say who asked and who approved. There is no user pool."
	for _, method := range *r.HotShowsAPI.Methods() {
		findings := []nag.Finding{{Rule: "AwsSolutions-COG4", Reason: byIAM}}
		if *method.Resource().Path() == names.PathJira {
			const signed = "Jira has no AWS credentials. It signs each webhook with the key that it shares with the function, which checks it first of all."
			findings = []nag.Finding{{Rule: "AwsSolutions-APIG4", Reason: signed}, {Rule: "AwsSolutions-COG4", Reason: signed}}
		}
		nag.Accept(method, findings...)
	}
	if r.JiraSecret != nil {
		nag.Accept(r.JiraSecret, nag.Finding{
			Rule: "AwsSolutions-SMG4",
			Reason: "Jira holds the same key for webhooks, and the token is Jira's. Neither can be changed on one side alone: " +
				"docs/jira.md says how the team changes them.",
		})
	}
	const anyShow = "A show's id is not known when the room is deployed. The star stands for it, behind an exact method and before an exact path."
	for _, policy := range []constructs.IConstruct{r.AskPolicy, r.ApprovePolicy} {
		nag.Accept(policy, nag.Finding{Rule: iam5, Reason: anyShow, Of: []string{`/^Resource::arn:.*\/v1\/hotshows\/\*(\/[a-z]+)?$/`}})
	}
	nag.Accept(policyOf(r.Functions[names.FunctionHotShow].Role()), parametersBelow(onlyRead), nag.Finding{
		Rule:   iam5,
		Reason: "CloudWatch lists alarms for all of an account and region or for none. The function asks for the room's own.",
		Of:     []string{`/^Resource::arn:.*:alarm:\*$/`},
	})
	findings := []nag.Finding{
		parametersBelow("The function sets there what a hot show was approved with."),
		{
			Rule:   iam5,
			Reason: "A probe is one of a few events of a name that no show may have. The function removes its parameters, of which there are several.",
			Of:     []string{`/^Resource::arn:.*:parameter\/waiting-room\/probe-\*$/`},
		},
	}
	if r.props.HotShows.Product != nil {
		findings = append(findings, nag.Finding{
			Rule: iam5,
			Reason: "Service Catalog knows no resources for what has been provisioned; the condition leaves the function what it has " +
				"provisioned itself. The product may be another account's, which shares its portfolio: its id is exact.",
			Of: []string{"Resource::*", `/^Resource::arn:.*:catalog:.*:\*:product\/prod-[A-Za-z0-9]+$/`},
		})
	}
	nag.Accept(policyOf(r.Functions[names.FunctionPrepare].Role()), findings...)
}
