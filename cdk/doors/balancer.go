package doors

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/jsii-runtime-go"
)

// docs: balancer

// AddListener makes a load balancer ask for passes, except for the shop's page.
func AddListener(
	balancer awselasticloadbalancingv2.ApplicationLoadBalancer,
	certificate awselasticloadbalancingv2.IListenerCertificate,
	shop awselasticloadbalancingv2.IApplicationTargetGroup,
) {
	forward := awselasticloadbalancingv2.ListenerAction_Forward(&[]awselasticloadbalancingv2.IApplicationTargetGroup{shop}, nil)
	listener := balancer.AddListener(jsii.String("Listener"), &awselasticloadbalancingv2.BaseApplicationListenerProps{
		Port:         jsii.Number(443),
		Certificates: &[]awselasticloadbalancingv2.IListenerCertificate{certificate},
		// The default, so that an address that nobody thought of is checked too.
		DefaultAction: awselasticloadbalancingv2.ListenerAction_AuthenticateJwt(&awselasticloadbalancingv2.AuthenticateJwtOptions{
			Issuer:       jsii.String("https://wait.example.com"),
			JwksEndpoint: jsii.String("https://wait.example.com/.well-known/jwks.json"),
			Next:         forward,
		}),
	})
	// Without these two, a pass for another shop or event of the room would open this one. The CDK's
	// action knows no claims yet, so they are written into what it makes.
	claim := func(name, value string) map[string]any {
		return map[string]any{"Format": "single-string", "Name": name, "Values": []string{value}}
	}
	listener.Node().DefaultChild().(awselasticloadbalancingv2.CfnListener).AddPropertyOverride(
		jsii.String("DefaultActions.0.JwtValidationConfig.AdditionalClaims"),
		[]any{claim("aud", "https://shop.example"), claim("event", "show")})
	// The balancer fetches the room's keys itself, which its security group has to allow.
	balancer.Connections().AllowToAnyIpv4(awsec2.Port_Tcp(jsii.Number(443)), jsii.String("keys of the waiting room"))
	// Page loads carry no bearer token. Only reading is spared: an order is never a GET. A path is
	// compared as it is written, and /assets/../api/seats begins like an image.
	listener.AddAction(jsii.String("Page"), &awselasticloadbalancingv2.AddApplicationActionProps{
		Priority: jsii.Number(10),
		Conditions: &[]awselasticloadbalancingv2.ListenerCondition{
			awselasticloadbalancingv2.ListenerCondition_HttpRequestMethods(jsii.Strings("GET", "HEAD")),
			awselasticloadbalancingv2.ListenerCondition_PathPatterns(jsii.Strings("/", "/checkout", "/assets/*")),
		},
		Action: forward,
	})
}

// docs: end
