package waitingroom

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// stage is the API's only stage. It is part of the origin's path, which is written out because a
// reference to the stage would close a cycle: see NewWaitingRoom.
const stage = "room"

// problemPrefix begins the type of every problem document.
const problemPrefix = "urn:waiting-room:problem:"

// refusal is an answer that API Gateway gives by itself, without asking a function.
type refusal struct {
	id      string
	kind    awsapigateway.ResponseType
	status  int // 0 keeps API Gateway's own
	problem string
	title   string
}

// refusals use the codes, statuses and titles that the functions use for the same things.
func refusals() []refusal {
	return []refusal{
		{"Client", awsapigateway.ResponseType_DEFAULT_4XX(), 0, "bad-request", "Bad request"},
		{"Server", awsapigateway.ResponseType_DEFAULT_5XX(), 503, "internal", "Something went wrong"},
		{"Throttled", awsapigateway.ResponseType_THROTTLED(), 429, "busy", "Very busy"},
		{"Quota", awsapigateway.ResponseType_QUOTA_EXCEEDED(), 429, "busy", "Very busy"},
		{"TooLarge", awsapigateway.ResponseType_REQUEST_TOO_LARGE(), 413, "too-large", "Body too large"},
		{"NoRoute", awsapigateway.ResponseType_MISSING_AUTHENTICATION_TOKEN(), 404, "not-found", "Not found"},
		{"NoResource", awsapigateway.ResponseType_RESOURCE_NOT_FOUND(), 404, "not-found", "Not found"},
		// A wrong key means that CloudFront was bypassed, or that the key is just being changed. A
		// visitor who meets the latter must try again and must not read "not open yet" into a 403.
		{"Key", awsapigateway.ResponseType_INVALID_API_KEY(), 503, "internal", "Something went wrong"},
	}
}

func (r *Room) addAPI() {
	r.API = awsapigateway.NewRestApi(r.Construct, jsii.String("API"), &awsapigateway.RestApiProps{
		RestApiName:      jsii.String("waiting-room"),
		EndpointTypes:    &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		ApiKeySourceType: awsapigateway.ApiKeySourceType_HEADER,
		CloudWatchRole:   jsii.Bool(false),
		DeployOptions:    &awsapigateway.StageOptions{StageName: jsii.String(stage)},
	})
	for _, refused := range refusals() {
		r.addRefusal(refused)
	}
	key := r.API.AddApiKey(jsii.String("OriginKey"), &awsapigateway.ApiKeyOptions{
		Description: jsii.String("Sent by CloudFront. It keeps others out and identifies nobody."),
		Value:       r.OriginSecret.SecretValue().UnsafeUnwrap(),
	})
	// A key opens only the stages of its plans. The plan sets no limit of its own.
	plan := r.API.AddUsagePlan(jsii.String("OriginPlan"), &awsapigateway.UsagePlanProps{
		ApiStages: &[]*awsapigateway.UsagePlanPerApiStage{{Api: r.API, Stage: r.API.DeploymentStage()}},
	})
	plan.AddApiKey(key, nil)
}

func (r *Room) addRefusal(refused refusal) {
	document := map[string]any{"type": problemPrefix + refused.problem, "title": refused.title}
	options := &awsapigateway.GatewayResponseOptions{
		Type: refused.kind,
		ResponseHeaders: &map[string]*string{
			"Content-Type":  jsii.String("'application/problem+json'"),
			"Cache-Control": jsii.String("'no-store'"),
			"Retry-After":   jsii.String("'2'"),
		},
	}
	if refused.status != 0 {
		document["status"] = refused.status
		options.StatusCode = jsii.Sprintf("%d", refused.status)
	}
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // Strings and numbers always marshal.
	}
	options.Templates = &map[string]*string{"application/json": jsii.String(string(body))}
	r.API.AddGatewayResponse(jsii.String(refused.id), options)
}

func (r *Room) addRoutes() {
	for _, route := range names.Routes() {
		integration := awsapigateway.NewLambdaIntegration(r.Functions[route.Function],
			&awsapigateway.LambdaIntegrationOptions{AllowTestInvoke: jsii.Bool(false)})
		r.API.Root().ResourceForPath(jsii.String(route.Path)).AddMethod(
			jsii.String(route.Method), integration,
			&awsapigateway.MethodOptions{ApiKeyRequired: jsii.Bool(true)})
	}
}
