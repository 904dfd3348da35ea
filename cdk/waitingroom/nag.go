package waitingroom

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/nag"
	"waitingroom/shared/names"
)

// noLogging is why the stages write no logs.
const noLogging = "For API Gateway to write logs, its one role in the account and region has to be set, which would take that of " +
	"all other APIs there away and leave them without when this stack is deleted. Each function logs what it answers, with the request's id."

// acceptFindings says for each finding of cdk-nag's AwsSolutions rules why the room is right to be
// so. A test holds that nothing else is found and that nothing is accepted in vain.
func (r *Room) acceptFindings() {
	r.acceptAboutStorage()
	r.acceptAboutAPI()
	r.acceptAboutDistribution()
	r.acceptAboutRoles()
	r.acceptAboutUpload()
	if r.props.HotShows != nil {
		r.acceptAboutHotShows()
	}
}

func (r *Room) acceptAboutStorage() {
	for _, bucket := range []constructs.IConstruct{r.Page, r.Documents} {
		nag.Accept(bucket, nag.Finding{
			Rule: "AwsSolutions-S1",
			Reason: "All that lies in the bucket is public: the page, or what the room publishes. Only the distribution reads it, " +
				"for caches that ask again every second, so that a log of accesses would grow with every sale and tell nothing about visitors.",
		})
	}
	nag.Accept(r.Secret, nag.Finding{
		Rule: "AwsSolutions-SMG4",
		Reason: "Tickets, draws and HS256 passes are derived from this secret. Rotated while a sale is open, it would make every " +
			"visitor's ticket worthless and the published commitment to the draw false.",
	})
	nag.Accept(r.OriginSecret, nag.Finding{
		Rule: "AwsSolutions-SMG4",
		Reason: "The API key in this secret is also in the distribution and in the API, where only a deployment can change it. " +
			"It is rotated by deploying with another label of the prop OriginKey.",
	})
	if r.PassKey == nil {
		nag.Accept(r.Construct.Node().FindChild(jsii.String("PassKeySecret")), nag.Finding{
			Rule: "AwsSolutions-SMG4",
			Reason: "Shops check passes with the public half of this key, which they may keep for hours. A key that changed by " +
				"itself would have them turn away visitors whose turn has come.",
		})
	}
}

func (r *Room) acceptAboutAPI() {
	acceptAboutStage(r.API, "The stage answers nobody but the distribution, whose key it asks for. A web ACL belongs in front of the "+
		"distribution, where the visitors' own addresses are seen: see the prop WebACL.")
	for _, method := range *r.API.Methods() {
		const everybody = "Visitors have no account, and everybody may join. A method is open to whoever has the distribution's API key; " +
			"after that the function checks the ticket that the room itself has signed."
		nag.Accept(method,
			nag.Finding{Rule: "AwsSolutions-APIG4", Reason: everybody},
			nag.Finding{Rule: "AwsSolutions-COG4", Reason: everybody})
	}
}

// acceptAboutStage is for both APIs, of which each has a reason of its own to be without a web ACL.
func acceptAboutStage(api awsapigateway.RestApi, noWebACL string) {
	nag.Accept(api.DeploymentStage(),
		nag.Finding{Rule: "AwsSolutions-APIG1", Reason: noLogging},
		nag.Finding{Rule: "AwsSolutions-APIG6", Reason: noLogging},
		nag.Finding{Rule: "AwsSolutions-APIG3", Reason: noWebACL})
}

func (r *Room) acceptAboutDistribution() {
	findings := []nag.Finding{
		{
			Rule:   "AwsSolutions-CFR1",
			Reason: "Tickets are sold to whoever comes, from whichever country. A shop that is not allowed to sells to nobody there by itself.",
		},
		{
			Rule: "AwsSolutions-CFR3",
			Reason: "A log would have a line for every poll of every visitor, with the address: in an hour hundreds of millions of lines " +
				"of personal data that nobody has asked for. The distribution's metrics count the same requests.",
		},
	}
	if r.props.WebACL == "" {
		findings = append(findings, nag.Finding{
			Rule: "AwsSolutions-CFR2",
			Reason: "A web ACL is priced by the request, polls too, so the team decides on it with the prop WebACL. The room's own limits " +
				"hold without one: the rate is capped and joining gives nobody more than a random place.",
		})
	}
	if r.props.Domain == nil {
		findings = append(findings, nag.Finding{
			Rule: "AwsSolutions-CFR4",
			Reason: "Under the distribution's own name CloudFront uses its own certificate and lets nobody choose the versions of TLS. " +
				"With the prop Domain the least is TLS 1.2.",
		})
	}
	nag.Accept(r.Distribution, findings...)
}

// parametersBelow is about functions that may do something to all of the promoters' parameters.
func parametersBelow(may string) nag.Finding {
	return nag.Finding{
		Rule: iam5,
		Reason: "An event's name is not known when the room is deployed, and the promoters' parameters lie below one path, by event. " +
			may,
		Of: []string{`/^Resource::arn:.*:parameter\/waiting-room\/\*$/`},
	}
}

func (r *Room) acceptAboutRoles() {
	parameters := parametersBelow(onlyRead)
	nag.Accept(policyOf(r.Functions[names.FunctionSettings].Role()), parameters)
	documents := nag.Finding{
		Rule: iam5,
		Reason: "Status, seals and well-known documents are keyed by event, run and cohort, which come into being during sales. " +
			"The function may write below these three prefixes and may read, list or delete nothing.",
	}
	for _, prefix := range []string{names.StatusPrefix, names.SealsPrefix, wellKnownPrefix} {
		documents.Of = append(documents.Of, r.below(r.Documents, prefix[1:]))
	}
	nag.Accept(policyOf(r.Functions[names.FunctionTick].Role()), parameters, documents)
}

// acceptAboutUpload is about the CDK's function that uploads the page, and the rights that it gets
// from the CDK. The function belongs to the stack, since two rooms would share it.
func (r *Room) acceptAboutUpload() {
	role := r.Construct.Node().FindChild(jsii.String("upload-role"))
	nag.Accept(policyOf(role), nag.Finding{
		Rule: iam5,
		Reason: "The CDK gives its function these rights for copying the page from the bucket of assets, whose keys change with the " +
			"page, to the page's own bucket. It runs only while the stack is deployed.",
		Of: []string{
			"Action::s3:GetObject*", "Action::s3:GetBucket*", "Action::s3:List*", "Action::s3:DeleteObject*", "Action::s3:Abort*",
			`/^Resource::arn:.*:s3:::cdk-[a-z0-9]+-assets-.*\/\*$/`, r.below(r.Page, ""),
		},
	})
	for _, part := range *awscdk.Stack_Of(r.Construct).Node().Children() {
		if function, ok := part.(awslambda.Function); ok && strings.HasPrefix(*part.Node().Id(), "Custom::CDKBucketDeployment") {
			nag.Accept(function, nag.Finding{
				Rule:   "AwsSolutions-L1",
				Reason: "The CDK chooses its own function's runtime and moves it forward with its releases. The function runs only while the stack is deployed.",
			})
		}
	}
}

// iam5 finds wildcards in policies.
const iam5 = "AwsSolutions-IAM5"

const onlyRead = "The functions only read there."

// policyOf is the policy that grants are gathered in.
func policyOf(role constructs.IConstruct) constructs.IConstruct {
	return role.Node().FindChild(jsii.String("DefaultPolicy"))
}

// below names all objects of a bucket under a prefix, as the rule does.
func (r *Room) below(bucket constructs.IConstruct, prefix string) string {
	id := awscdk.Stack_Of(r.Construct).GetLogicalId(bucket.Node().DefaultChild().(awscdk.CfnElement))
	return fmt.Sprintf("Resource::<%s.Arn>/%s*", *id, prefix)
}
