package waitingroom

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// WebACLProps say how many joins one address may ask for. A web ACL costs 5 USD a month, each of
// its two rules 1 USD, and 0.60 USD for a million requests, polls too: a crowd that waits an hour
// and polls every 15 s makes 240 million for each million visitors, 144 USD.
// https://aws.amazon.com/waf/pricing/
type WebACLProps struct {
	// JoinsPerMinute is how many joins an address may ask for in 60 s, 10 or more. Default 1,000.
	// Whole households share an address and so do far more mobile customers: of its 64,512 ports a
	// carrier that gives each subscriber 64 has room for 1,008 (RFC 7422 describes such blocks). Any
	// lower limit turns honest people away; this one still stops a robot that makes thousands of
	// places from one address. Free.
	JoinsPerMinute int
	// BlockBadReputation refuses the addresses of AWS's reputation list instead of counting them.
	// Default false: an address on the list may be a carrier's, and the honest people behind it
	// would not learn why they cannot even see the page. Look at what is counted before a sale. Free.
	BlockBadReputation bool
}

const (
	defaultJoins = 1000
	leastJoins   = 10 // https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
	joinWindow   = 60 // seconds, the shortest that WAF offers
)

// joinAddress is a join's address after joinTransformations, with or without the slash that might
// follow. It is names.Routes' for join, by a script or by a form, and for the code that carries a place
// to another device: who holds one asks for it once, and it takes no ticket to ask.
const joinAddress = `^/v1/events/[^/]+/((place/)?join|qr)/?$`

// busyBody is the key of the answer to a refused join.
const busyBody = "busy"

// NewWebACL makes a web ACL for CloudFront. It has to be in a stack in us-east-1. Whoever joins too
// often gets 429 with the functions' own problem document, as application/json since WAF takes no
// other type for JSON. The error says which prop is wrong.
func NewWebACL(scope constructs.Construct, id string, props WebACLProps) (awswafv2.CfnWebACL, error) {
	if props.JoinsPerMinute == 0 {
		props.JoinsPerMinute = defaultJoins
	}
	if props.JoinsPerMinute < leastJoins {
		return nil, fmt.Errorf("JoinsPerMinute cannot be %d: give %d or more, or nothing for %d", props.JoinsPerMinute, leastJoins, defaultJoins)
	}
	// Metrics are told apart by these names alone, so another room's must be others.
	name := *awscdk.Names_UniqueResourceName(scope, &awscdk.UniqueResourceNameOptions{MaxLength: jsii.Number(64)}) + id
	return awswafv2.NewCfnWebACL(scope, &id, &awswafv2.CfnWebACLProps{
		Description:      jsii.String("waiting room: limits joins by address"),
		Scope:            jsii.String("CLOUDFRONT"),
		DefaultAction:    &awswafv2.CfnWebACL_DefaultActionProperty{Allow: &awswafv2.CfnWebACL_AllowActionProperty{}},
		VisibilityConfig: visible(name),
		CustomResponseBodies: map[string]*awswafv2.CfnWebACL_CustomResponseBodyProperty{
			busyBody: {ContentType: jsii.String("APPLICATION_JSON"), Content: jsii.String(busy.document())},
		},
		Rules: []*awswafv2.CfnWebACL_RuleProperty{joinLimit(name, props.JoinsPerMinute), reputation(name, props.BlockBadReputation)},
	}), nil
}

// joinLimit counts refused joins too. Whoever is refused is therefore told to wait for as long as
// the window is: came they back sooner, a thousand of them would keep one another out.
func joinLimit(name string, limit int) *awswafv2.CfnWebACL_RuleProperty {
	return &awswafv2.CfnWebACL_RuleProperty{
		Name:             jsii.String("joins"),
		Priority:         jsii.Number(0),
		VisibilityConfig: visible(name + "Joins"),
		Action: &awswafv2.CfnWebACL_RuleActionProperty{Block: &awswafv2.CfnWebACL_BlockActionProperty{
			CustomResponse: &awswafv2.CfnWebACL_CustomResponseProperty{
				ResponseCode:          jsii.Number(busy.Status),
				CustomResponseBodyKey: jsii.String(busyBody),
				ResponseHeaders: []*awswafv2.CfnWebACL_CustomHTTPHeaderProperty{
					{Name: jsii.String("Retry-After"), Value: jsii.Sprintf("%d", joinWindow)},
					{Name: jsii.String("Cache-Control"), Value: jsii.String("no-store")},
				},
			},
		}},
		Statement: &awswafv2.CfnWebACL_StatementProperty{
			RateBasedStatement: &awswafv2.CfnWebACL_RateBasedStatementProperty{
				AggregateKeyType:    jsii.String("IP"),
				EvaluationWindowSec: jsii.Number(joinWindow),
				Limit:               jsii.Number(limit),
				ScopeDownStatement:  isJoin(),
			},
		},
	}
}

// isJoin matches a join however its address is written: a limit that misses %6Aoin is none.
func isJoin() *awswafv2.CfnWebACL_StatementProperty {
	transformations := []*awswafv2.CfnWebACL_TextTransformationProperty{
		{Priority: jsii.Number(0), Type: jsii.String("URL_DECODE")},
		{Priority: jsii.Number(1), Type: jsii.String("NORMALIZE_PATH")},
		{Priority: jsii.Number(2), Type: jsii.String("LOWERCASE")},
	}
	return &awswafv2.CfnWebACL_StatementProperty{AndStatement: &awswafv2.CfnWebACL_AndStatementProperty{
		Statements: []*awswafv2.CfnWebACL_StatementProperty{
			{ByteMatchStatement: &awswafv2.CfnWebACL_ByteMatchStatementProperty{
				FieldToMatch:         &awswafv2.CfnWebACL_FieldToMatchProperty{Method: map[string]any{}},
				PositionalConstraint: jsii.String("EXACTLY"),
				SearchString:         jsii.String("POST"),
				TextTransformations:  []*awswafv2.CfnWebACL_TextTransformationProperty{{Priority: jsii.Number(0), Type: jsii.String("NONE")}},
			}},
			{RegexMatchStatement: &awswafv2.CfnWebACL_RegexMatchStatementProperty{
				FieldToMatch:        &awswafv2.CfnWebACL_FieldToMatchProperty{UriPath: map[string]any{}},
				RegexString:         jsii.String(joinAddress),
				TextTransformations: transformations,
			}},
		},
	}}
}

// reputation is AWS's own list of addresses that were seen attacking.
func reputation(name string, block bool) *awswafv2.CfnWebACL_RuleProperty {
	action := &awswafv2.CfnWebACL_OverrideActionProperty{Count: map[string]any{}}
	if block {
		action = &awswafv2.CfnWebACL_OverrideActionProperty{None: map[string]any{}}
	}
	return &awswafv2.CfnWebACL_RuleProperty{
		Name:             jsii.String("reputation"),
		Priority:         jsii.Number(1),
		VisibilityConfig: visible(name + "Reputation"),
		OverrideAction:   action,
		Statement: &awswafv2.CfnWebACL_StatementProperty{
			ManagedRuleGroupStatement: &awswafv2.CfnWebACL_ManagedRuleGroupStatementProperty{
				VendorName: jsii.String("AWS"),
				Name:       jsii.String("AWSManagedRulesAmazonIpReputationList"),
			},
		},
	}
}

// visible publishes a rule's counts to CloudWatch under a name, with samples of what it met.
func visible(metric string) *awswafv2.CfnWebACL_VisibilityConfigProperty {
	return &awswafv2.CfnWebACL_VisibilityConfigProperty{
		CloudWatchMetricsEnabled: jsii.Bool(true),
		MetricName:               &metric,
		SampledRequestsEnabled:   jsii.Bool(true),
	}
}
