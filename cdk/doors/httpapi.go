package doors

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// docs: authorizer

// NewHTTPAPI makes an HTTP API whose orders need a pass, in scope. The pages that call it are at
// https://shop.example.
func NewHTTPAPI(scope constructs.Construct, orders awslambda.IFunction) awsapigatewayv2.HttpApi {
	passes := awsapigatewayv2authorizers.NewHttpJwtAuthorizer(
		jsii.String("Passes"),
		jsii.String("https://wait.example.com"), // iss: the room's address, without a slash at its end
		&awsapigatewayv2authorizers.HttpJwtAuthorizerProps{
			JwtAudience: jsii.Strings("https://shop.example"), // aud: the origin of the event's target
		})
	api := awsapigatewayv2.NewHttpApi(scope, jsii.String("Api"), &awsapigatewayv2.HttpApiProps{
		// Browsers ask before they send Authorization to another origin than the page's.
		CorsPreflight: &awsapigatewayv2.CorsPreflightOptions{
			AllowOrigins: jsii.Strings("https://shop.example"),
			AllowMethods: &[]awsapigatewayv2.CorsHttpMethod{awsapigatewayv2.CorsHttpMethod_POST},
			AllowHeaders: jsii.Strings("authorization", "content-type"),
			MaxAge:       awscdk.Duration_Hours(jsii.Number(1)),
		},
	})
	api.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
		Path:        jsii.String("/orders"),
		Methods:     &[]awsapigatewayv2.HttpMethod{awsapigatewayv2.HttpMethod_POST},
		Authorizer:  passes,
		Integration: awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Orders"), orders, nil),
	})
	return api
}

// docs: end
