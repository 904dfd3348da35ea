package waitingroom

import (
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// What the hot shows' API lets through, in calls a second and at once. All of it together is no part
// worth mentioning of what the account's APIs may take, which a sale needs. Jira sends a webhook again
// that is refused with 429; anybody else who finds its door gets no more than this out of it.
const (
	showsRate, showsBurst = 50, 100
	jiraRate, jiraBurst   = 10, 50
)

// Refusals that the hot shows' API has and the room's own has not, or words differently.
var (
	notAllowed = problem{names.ProblemPrefix + "not-allowed", "Not allowed", 403,
		"Sign the request with AWS credentials (Signature Version 4, service execute-api) that the stack's policy for this call is attached to, " +
			"and check the address: docs/hotshows-api.json."}
	showsBusy = problem{names.ProblemPrefix + "busy", "Very busy", 429,
		"Too many calls at this moment. Nothing has changed: ask again."}
	showsNotFound = problem{names.ProblemPrefix + "not-found", "Not found", 404,
		"The API has no such address. Its description is docs/hotshows-api.json."}
)

// hotShowRefusals are what API Gateway answers by itself. It says the same of an address that there is
// none of as of a request without a signature, and so does this.
func hotShowRefusals() []refusal {
	return []refusal{
		{"Client", awsapigateway.ResponseType_DEFAULT_4XX(),
			badRequest(0, "The API does not take this request. Its description is docs/hotshows-api.json.")},
		{"Body", awsapigateway.ResponseType_BAD_REQUEST_BODY(), badRequest(400,
			`Send a JSON object, to ask for a show with "event", "names", "onsale", "visitors", "over", "rate" and "target" at least.`)},
		{"Parameters", awsapigateway.ResponseType_BAD_REQUEST_PARAMETERS(),
			badRequest(400, "Name the show in the address: /v1/hotshows/<show> and what to do.")},
		{"Server", awsapigateway.ResponseType_DEFAULT_5XX(), internal},
		{"Throttled", awsapigateway.ResponseType_THROTTLED(), showsBusy},
		{"TooLarge", awsapigateway.ResponseType_REQUEST_TOO_LARGE(), tooLarge},
		{"NoResource", awsapigateway.ResponseType_RESOURCE_NOT_FOUND(), showsNotFound},
		{"Unsigned", awsapigateway.ResponseType_MISSING_AUTHENTICATION_TOKEN(), notAllowed},
		{"Signature", awsapigateway.ResponseType_INVALID_SIGNATURE(), notAllowed},
		{"Expired", awsapigateway.ResponseType_EXPIRED_TOKEN(), notAllowed},
		{"Denied", awsapigateway.ResponseType_ACCESS_DENIED(), notAllowed},
	}
}

// hotShowBodies are what is let through. The function says of a request that passes what else is wrong
// with it, all at once.
func hotShowBodies() map[string]*awsapigateway.JsonSchema {
	text := &awsapigateway.JsonSchema{Type: awsapigateway.JsonSchemaType_STRING}
	whole := &awsapigateway.JsonSchema{Type: awsapigateway.JsonSchemaType_INTEGER}
	object := &awsapigateway.JsonSchema{Schema: awsapigateway.JsonSchemaVersion_DRAFT4, Type: awsapigateway.JsonSchemaType_OBJECT}
	return map[string]*awsapigateway.JsonSchema{
		names.PathHotShows: {
			Schema:   awsapigateway.JsonSchemaVersion_DRAFT4,
			Type:     awsapigateway.JsonSchemaType_OBJECT,
			Required: jsii.Strings("event", "names", "onsale", "over", "rate", "target", "visitors"),
			Properties: &map[string]*awsapigateway.JsonSchema{
				"event": text, "names": {Type: awsapigateway.JsonSchemaType_OBJECT}, "onsale": text, "over": text,
				"rate": whole, "target": text, "visitors": whole,
			},
		},
		names.PathJira: object,
	}
}

// addHotShowsAPI makes an API of its own, since CloudFront leaves no IAM signature whole. It has no
// policy of its own: in this account IAM's policies decide, and nobody from another gets in. Jira's door
// is open to all addresses, since Atlassian's change, and the function checks each webhook's signature.
func (r *Room) addHotShowsAPI() {
	r.HotShowsAPI = awsapigateway.NewRestApi(r.Construct, jsii.String("HotShowsAPI"), &awsapigateway.RestApiProps{
		RestApiName:    jsii.String(r.Name + "-hotshows"),
		EndpointTypes:  &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		CloudWatchRole: jsii.Bool(false),
		DeployOptions:  r.hotShowsStage(),
	})
	for _, refused := range hotShowRefusals() {
		addRefusal(r.HotShowsAPI, refused)
	}
	validator := r.HotShowsAPI.AddRequestValidator(jsii.String("Form"), &awsapigateway.RequestValidatorOptions{
		ValidateRequestBody:       jsii.Bool(true),
		ValidateRequestParameters: jsii.Bool(true),
	})
	for _, route := range r.hotShowRoutes() {
		options := &awsapigateway.MethodOptions{
			AuthorizationType: awsapigateway.AuthorizationType_IAM,
			RequestValidator:  validator,
		}
		if route.Path == names.PathJira {
			options.AuthorizationType = awsapigateway.AuthorizationType_NONE
		}
		if strings.Contains(route.Path, "{"+names.ShowParameter+"}") {
			options.RequestParameters = &map[string]*bool{"method.request.path." + names.ShowParameter: jsii.Bool(true)}
		}
		if schema, ok := hotShowBodies()[route.Path]; ok && route.Method == "POST" {
			options.RequestModels = bodyModel(r.HotShowsAPI, path.Base(route.Path), schema)
		}
		r.HotShowsAPI.Root().ResourceForPath(jsii.String(route.Path)).AddMethod(jsii.String(route.Method), r.integration(route.Function), options)
	}
	r.AskPolicy = r.newCallersPolicy("AskForHotShows", "May ask for hot shows of the waiting room, look at them and cancel them.",
		names.PathHotShows, names.PathHotShowCancel)
	r.ApprovePolicy = r.newCallersPolicy("ApproveHotShows", "May look at hot shows of the waiting room, approve and reject them.",
		names.PathHotShowApprove, names.PathHotShowReject)
}

// hotShowRoutes are those that there are functions for.
func (r *Room) hotShowRoutes() []names.Route {
	return slices.DeleteFunc(names.HotShowRoutes(), func(route names.Route) bool { return r.Functions[route.Function] == nil })
}

func (r *Room) hotShowsStage() *awsapigateway.StageOptions {
	options := &awsapigateway.StageOptions{
		StageName:            jsii.String(stage),
		ThrottlingRateLimit:  jsii.Number(showsRate),
		ThrottlingBurstLimit: jsii.Number(showsBurst),
	}
	if r.props.HotShows.Jira != nil {
		options.MethodOptions = &map[string]*awsapigateway.MethodDeploymentOptions{
			names.PathJira + "/POST": {ThrottlingRateLimit: jsii.Number(jiraRate), ThrottlingBurstLimit: jsii.Number(jiraBurst)},
		}
	}
	return options
}

// newCallersPolicy is for the team to attach to people's roles. It lets them look, and POST to paths.
func (r *Room) newCallersPolicy(id, description string, posts ...string) awsiam.ManagedPolicy {
	allowed := []string{}
	for _, route := range r.hotShowRoutes() {
		if route.Path != names.PathJira && (route.Method == "GET" || slices.Contains(posts, route.Path)) {
			allowed = append(allowed, r.callOf(route))
		}
	}
	return awsiam.NewManagedPolicy(r.Construct, &id, &awsiam.ManagedPolicyProps{
		Description: &description,
		Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("execute-api:Invoke"),
			Resources: jsii.Strings(allowed...),
		})},
	})
}

// callOf names the calls of a route, of whichever show.
func (r *Room) callOf(route names.Route) string {
	path := strings.ReplaceAll(route.Path, "{"+names.ShowParameter+"}", "*")
	return *r.HotShowsAPI.ArnForExecuteApi(&route.Method, &path, jsii.String(stage))
}

// hotShowsAddress is the API's own address without a trailing slash.
func (r *Room) hotShowsAddress() string { return strings.TrimSuffix(*r.HotShowsAPI.Url(), "/") }
