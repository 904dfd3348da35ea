package waitingroom

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// stage is the API's only stage. It is part of the origin's path, which is written out because a
// reference to the stage would close a cycle: see NewWaitingRoom.
const stage = names.Stage

// refusal is an answer that API Gateway gives by itself, without asking a function.
type refusal struct {
	id     string
	kind   awsapigateway.ResponseType
	answer problem
}

// problem is a problem document, as RFC 9457 has it, that no function of ours writes.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status,omitempty"` // 0 keeps API Gateway's own
	Detail string `json:"detail"`
}

// The problems that functions answer with too, in the same words.
var (
	busy = problem{names.ProblemPrefix + "busy", "Very busy", 429,
		"Too many visitors at this moment. Nothing is lost: ask again."}
	internal = problem{names.ProblemPrefix + "internal", "Something went wrong", 503,
		"The room could not answer. Nothing is lost: ask again."}
	tooLarge = problem{names.ProblemPrefix + "too-large", "Body too large", 413,
		"The body is larger than this address takes."}
	notFound = problem{names.ProblemPrefix + "not-found", "Not found", 404,
		"The API has no such address. Its description is docs/openapi.json."}
)

func badRequest(status int, detail string) problem {
	return problem{names.ProblemPrefix + "bad-request", "Bad request", status, detail}
}

// refusals use the codes, statuses and titles that the functions use for the same things.
func refusals() []refusal {
	return []refusal{
		{"Client", awsapigateway.ResponseType_DEFAULT_4XX(),
			badRequest(0, "The API does not take this request. Its description is docs/openapi.json.")},
		{"Body", awsapigateway.ResponseType_BAD_REQUEST_BODY(), badRequest(400,
			`Send a JSON object: {"secret":"<22 to 43 characters of base64url>"} to join, {"ticket":"<the ticket>"} to admit, `+
				`{"secret":"<the secret>","run":"<32 hexadecimal digits>"} for a code.`)},
		{"Parameters", awsapigateway.ResponseType_BAD_REQUEST_PARAMETERS(),
			badRequest(400, "Name the event in the address: /v1/events/<event>/ and what to do.")},
		{"Server", awsapigateway.ResponseType_DEFAULT_5XX(), internal},
		{"Throttled", awsapigateway.ResponseType_THROTTLED(), busy},
		{"Quota", awsapigateway.ResponseType_QUOTA_EXCEEDED(), busy},
		{"TooLarge", awsapigateway.ResponseType_REQUEST_TOO_LARGE(), tooLarge},
		{"NoRoute", awsapigateway.ResponseType_MISSING_AUTHENTICATION_TOKEN(), notFound},
		{"NoResource", awsapigateway.ResponseType_RESOURCE_NOT_FOUND(), notFound},
		// A wrong key means that CloudFront was bypassed, or that the key is just being changed. A
		// visitor who meets the latter must try again and must not read "not open yet" into a 403.
		{"Key", awsapigateway.ResponseType_INVALID_API_KEY(), internal},
	}
}

// bodies are what API Gateway lets through on the routes that take JSON; a form is none. Members that
// are not named here pass, so that pages may be newer than functions. The functions look closer.
func bodies() map[string]*awsapigateway.JsonSchema {
	type members = map[string]*awsapigateway.JsonSchema
	object := func(of members) *awsapigateway.JsonSchema {
		for _, schema := range of {
			schema.Type = awsapigateway.JsonSchemaType_STRING
		}
		return &awsapigateway.JsonSchema{
			Schema:     awsapigateway.JsonSchemaVersion_DRAFT4,
			Type:       awsapigateway.JsonSchemaType_OBJECT,
			Required:   jsii.Strings(slices.Sorted(maps.Keys(of))...),
			Properties: &of,
		}
	}
	length := func(least, most float64) *awsapigateway.JsonSchema {
		return &awsapigateway.JsonSchema{MinLength: &least, MaxLength: &most}
	}
	// A secret is 16 to 32 bytes in base64url without padding.
	return map[string]*awsapigateway.JsonSchema{
		names.PathJoin:  object(members{"secret": length(22, 43)}),
		names.PathAdmit: object(members{"ticket": {}}),
		names.PathQR:    object(members{"secret": length(22, 43), "run": length(32, 32)}),
	}
}

func (r *Room) addAPI() {
	r.API = awsapigateway.NewRestApi(r.Construct, jsii.String("API"), &awsapigateway.RestApiProps{
		// Metrics know an API by its name alone, so two rooms of a region need two.
		RestApiName:      &r.Name,
		EndpointTypes:    &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		ApiKeySourceType: awsapigateway.ApiKeySourceType_HEADER,
		CloudWatchRole:   jsii.Bool(false),
		DeployOptions:    &awsapigateway.StageOptions{StageName: jsii.String(stage)},
	})
	for _, refused := range refusals() {
		addRefusal(r.API, refused)
	}
	r.addOriginKey()
}

// addOriginKey makes the key that opens the API. With another label it is another key beside the
// old one, which CloudFormation deletes when everything else is updated, so after the distribution
// sends the new one.
func (r *Room) addOriginKey() {
	label := r.props.OriginKey
	r.originKey = awsapigateway.NewCfnApiKey(r.Construct, jsii.String("OriginKey"+label), &awsapigateway.CfnApiKeyProps{
		Description: jsii.String("Sent by CloudFront. It keeps others out and identifies nobody."),
		Enabled:     jsii.Bool(true),
		Value:       r.OriginSecret.SecretValue().UnsafeUnwrap(),
	})
	// A key opens only the stages of its plans. The plan sets no limit of its own.
	plan := r.API.AddUsagePlan(jsii.String("OriginPlan"), &awsapigateway.UsagePlanProps{
		ApiStages: &[]*awsapigateway.UsagePlanPerApiStage{{Api: r.API, Stage: r.API.DeploymentStage()}},
	})
	awsapigateway.NewCfnUsagePlanKey(r.Construct, jsii.String("OriginPlanKey"+label), &awsapigateway.CfnUsagePlanKeyProps{
		KeyId:       r.originKey.AttrApiKeyId(),
		KeyType:     jsii.String("API_KEY"),
		UsagePlanId: plan.UsagePlanId(),
	})
}

func addRefusal(api awsapigateway.RestApi, refused refusal) {
	headers := map[string]*string{
		"Content-Type":  jsii.String("'application/problem+json'"),
		"Cache-Control": jsii.String("'no-store'"),
	}
	if refused.answer.passes() {
		headers["Retry-After"] = jsii.String("'2'")
	}
	options := &awsapigateway.GatewayResponseOptions{
		Type:            refused.kind,
		ResponseHeaders: &headers,
		Templates:       &map[string]*string{"application/json": jsii.String(refused.answer.document())},
	}
	if status := refused.answer.Status; status != 0 {
		options.StatusCode = jsii.Sprintf("%d", status)
	}
	api.AddGatewayResponse(jsii.String(refused.id), options)
}

// passes is for a problem that goes away by itself: the same request may be sent again.
func (p problem) passes() bool { return p.Status == busy.Status || p.Status >= internal.Status }

// document is the problem as JSON, in which angle brackets stay readable.
func (p problem) document() string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		panic(err) // Strings and numbers always marshal.
	}
	return strings.TrimSpace(text.String())
}

// addRoutes has every request's form checked before a function is asked. place keeps its own answer
// to a missing ticket, so no header is required here.
func (r *Room) addRoutes() {
	validator := r.API.AddRequestValidator(jsii.String("Form"), &awsapigateway.RequestValidatorOptions{
		ValidateRequestBody:       jsii.Bool(true),
		ValidateRequestParameters: jsii.Bool(true),
	})
	for _, route := range names.Routes() {
		r.API.Root().ResourceForPath(jsii.String(route.Path)).AddMethod(
			jsii.String(route.Method), r.integration(route.Function),
			&awsapigateway.MethodOptions{
				ApiKeyRequired:    jsii.Bool(true),
				RequestValidator:  validator,
				RequestParameters: &map[string]*bool{"method.request.path." + names.EventParameter: jsii.Bool(true)},
				RequestModels:     r.models(route.Path),
			})
	}
}

// integration calls a function by its alias where it has one, so that the environments which are
// provisioned there are the ones that answer.
func (r *Room) integration(function string) awsapigateway.Integration {
	var handler awslambda.IFunction = r.Functions[function]
	if alias, ok := r.Live[function]; ok {
		handler = alias
	}
	return awsapigateway.NewLambdaIntegration(handler, &awsapigateway.LambdaIntegrationOptions{AllowTestInvoke: jsii.Bool(false)})
}

func (r *Room) models(route string) *map[string]awsapigateway.IModel {
	schema, ok := bodies()[route]
	if !ok {
		return nil
	}
	return bodyModel(r.API, path.Base(route), schema)
}

// bodyModel has a body checked whatever it calls itself: $default is for all but the usual type.
func bodyModel(api awsapigateway.RestApi, name string, schema *awsapigateway.JsonSchema) *map[string]awsapigateway.IModel {
	model := api.AddModel(jsii.String(name+"-body"), &awsapigateway.ModelOptions{
		ContentType: jsii.String("application/json"),
		Schema:      schema,
	})
	return &map[string]awsapigateway.IModel{"application/json": model, "$default": model}
}
