// Package doors holds the shops of docs/connect-a-shop.md. They are there to be copied from: each
// door has a file, and the parts between "docs:" marks are what the document shows. Its tests hold
// what a shop would suffer from if it were wrong.
package doors

// docs: edge-gate
import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/edgegate"
)

// NewEdgeShop makes a shop behind CloudFront with a gate. programs is the folder dist of the waiting
// room's repository, after make build; secret is the output SecretArn of the room's stack.
func NewEdgeShop(scope constructs.Construct, programs, secret string) (awscdk.Stack, error) {
	stack := awscdk.NewStack(scope, jsii.String("Shop"), nil)
	gate, err := edgegate.NewEdgeGate(stack, "Gate", edgegate.Props{
		Functions:   programs,
		Room:        "https://wait.example.com",
		Secret:      secret,
		Audience:    "https://shop.example",
		Event:       "show",
		Paths:       []string{"/checkout", "/api/orders"},
		EnforceFrom: "never", // switched on before the sale
	})
	if err != nil {
		return nil, err
	}
	pages := &awscloudfront.BehaviorOptions{
		Origin:               awscloudfrontorigins.NewHttpOrigin(jsii.String("origin.shop.example"), nil),
		AllowedMethods:       awscloudfront.AllowedMethods_ALLOW_ALL(),
		CachePolicy:          awscloudfront.CachePolicy_CACHING_DISABLED(),
		OriginRequestPolicy:  awscloudfront.OriginRequestPolicy_ALL_VIEWER_EXCEPT_HOST_HEADER(),
		ViewerProtocolPolicy: awscloudfront.ViewerProtocolPolicy_REDIRECT_TO_HTTPS,
	}
	if err := gate.Attach(pages); err != nil {
		return nil, err
	}
	awscloudfront.NewDistribution(stack, jsii.String("Distribution"), &awscloudfront.DistributionProps{DefaultBehavior: pages})
	awscdk.NewCfnOutput(stack, jsii.String("GateStore"), &awscdk.CfnOutputProps{Value: gate.Store.KeyValueStoreArn()})
	return stack, nil
}

// docs: end
