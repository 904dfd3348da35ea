package waitingroom

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

func TestTable(t *testing.T) {
	has(t, "AWS::DynamoDB::Table", map[string]any{
		"BillingMode":                      "PAY_PER_REQUEST",
		"KeySchema":                        []any{map[string]any{"AttributeName": "pk", "KeyType": "HASH"}, map[string]any{"AttributeName": "sk", "KeyType": "RANGE"}},
		"TimeToLiveSpecification":          map[string]any{"AttributeName": "ttl", "Enabled": true},
		"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": true},
	})
}

func TestWarmThroughput(t *testing.T) {
	if got := synthesised.document.one(t, "AWS::DynamoDB::Table").Properties["WarmThroughput"]; got != nil {
		t.Errorf("nobody asked for %v", got)
	}
	got := text(t, synthesised.named.one(t, "AWS::DynamoDB::Table").Properties["WarmThroughput"])
	if want := `{"ReadUnitsPerSecond":20000,"WriteUnitsPerSecond":40000}`; got != want {
		t.Errorf("warm throughput %s, want %s", got, want)
	}
}

func TestBucketsAreEncrypted(t *testing.T) {
	for id, bucket := range every(t, "AWS::S3::Bucket", 2) {
		want := `{"ServerSideEncryptionConfiguration":[{"ServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`
		if got := text(t, bucket.Properties["BucketEncryption"]); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		refused := slices.ContainsFunc(statements(t, policy), func(statement map[string]any) bool {
			return statement["Effect"] == "Deny" && text(t, statement["Condition"]) == `{"Bool":{"aws:SecureTransport":"false"}}` &&
				text(t, statement["Principal"]) == `{"AWS":"*"}` && statement["Action"] == "s3:*"
		})
		if !refused {
			t.Errorf("%s lets plain http in", id)
		}
	}
}

func TestBucketsArePrivate(t *testing.T) {
	for id, bucket := range every(t, "AWS::S3::Bucket", 2) {
		blocked := bucket.Properties["PublicAccessBlockConfiguration"].(map[string]any)
		for _, way := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if blocked[way] != true {
				t.Errorf("%s: %s is %v", id, way, blocked[way])
			}
		}
	}
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		for _, statement := range statements(t, policy) {
			granted := text(t, statement)
			if statement["Effect"] == "Allow" && !strings.Contains(granted, `"AWS:SourceArn"`) && !strings.Contains(granted, `Role`) {
				t.Errorf("%s lets others in than the distribution and a role: %s", id, granted)
			}
		}
	}
}

// Missing keys are 404 only for a reader that may list.
func TestDistributionMayList(t *testing.T) {
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		if !strings.Contains(text(t, policy.Properties), `["s3:GetObject","s3:ListBucket"]`) {
			t.Errorf("%s does not let the distribution read and list", id)
		}
	}
}

// secrets are a room's secrets by their descriptions' first words.
func (d document) secrets(t *testing.T) map[string]resource {
	t.Helper()
	found := map[string]resource{}
	for id, secret := range d.All("AWS::SecretsManager::Secret") {
		if secret.Properties["SecretString"] != nil {
			t.Errorf("%s is written in the template", id)
		}
		first, _, _ := strings.Cut(secret.Properties["Description"].(string), " ")
		found[first] = secret
	}
	return found
}

func TestKeysAreMadeAtDeployment(t *testing.T) {
	has(t, "AWS::KMS::Key", map[string]any{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
	synthesised.named.Every(t, "AWS::KMS::Key", 0)
	want := map[string][]string{"default": {"API", "Ticket,"}, "named": {"API", "Signs", "Ticket,"}}
	for name, room := range rooms() {
		secrets := room.secrets(t)
		if got := slices.Sorted(maps.Keys(secrets)); !slices.Equal(got, want[name]) {
			t.Fatalf("%s: secrets %q, want %q", name, got, want[name])
		}
		for _, first := range []string{"API", "Ticket,"} {
			generated := secrets[first].Properties["GenerateSecretString"].(map[string]any)
			if generated["PasswordLength"] != 64.0 || generated["ExcludePunctuation"] != true {
				t.Errorf("%s: %s: generated as %v", name, first, generated)
			}
		}
	}
	// CloudFormation makes an empty secret where it is told nothing, and the function fills it.
	signs := synthesised.named.secrets(t)["Signs"]
	if len(signs.Properties) != 1 {
		t.Errorf("the passes' secret begins with %v", signs.Properties)
	}
}

// The key is made by its function, in the secret that admit signs with.
func TestPassKeyIsMade(t *testing.T) {
	made := synthesised.named.one(t, "Custom::PassKey")
	maker, function := synthesised.named.function(t, names.FunctionPassKey)
	if function.Properties["Timeout"] != 90.0 || made.Properties["ServiceTimeout"] != "300" {
		t.Errorf("it may take %v s, and CloudFormation waits for %v s", function.Properties["Timeout"], made.Properties["ServiceTimeout"])
	}
	if got := references(made.Properties["ServiceToken"]); !slices.Equal(got, []string{maker}) {
		t.Errorf("the key is made by %q", got)
	}
	secret := text(t, made.Properties["SecretArn"])
	if got := text(t, synthesised.named.variables(t, names.FunctionAdmit)[names.EnvPassKeySecret]); got != secret {
		t.Errorf("admit signs with %s, and the key is made in %s", got, secret)
	}
	every(t, "Custom::PassKey", 0)
	for _, function := range synthesised.document.All("AWS::Lambda::Function") {
		if function.Properties["Description"] == "waiting room: "+names.FunctionPassKey {
			t.Error("a room with a KMS key has a function that makes another")
		}
	}
}

// The origin's secret is no loss, and would be paid for after each change of its label.
func TestWhatCannotBeMadeAgainIsRetained(t *testing.T) {
	policies := map[string]string{"default": "Retain", "named": "Delete"}
	for name, room := range rooms() {
		for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"} {
			for id, part := range room.All(kind) {
				want := policies[name]
				if strings.HasPrefix(id, "RoomOriginSecret") {
					want = "Delete"
				}
				if part.DeletionPolicy != want {
					t.Errorf("%s: %s: deletion policy %q, want %s", name, id, part.DeletionPolicy, want)
				}
			}
		}
	}
}

// Buckets that go with their stack are emptied first, and tick is gone before that.
func TestBucketsCanBeDeleted(t *testing.T) {
	every(t, "Custom::S3AutoDeleteObjects", 0)
	emptied := ""
	for id, emptying := range synthesised.named.Every(t, "Custom::S3AutoDeleteObjects", 2) {
		if text(t, emptying.Properties["BucketName"]) == synthesised.namedRoom.resolved(t, synthesised.namedRoom.Documents.BucketName()) {
			emptied = id
		}
	}
	_, tick := synthesised.named.function(t, names.FunctionTick)
	role := synthesised.named.Resources[references(tick.Properties["Role"])[0]]
	if emptied == "" || !slices.Contains(role.DependsOn, emptied) {
		t.Errorf("tick's role needs %q, want the emptying %q among them", role.DependsOn, emptied)
	}
}

// behaviors are the distribution's, by path pattern; the default's is "*".
func behaviors(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, distribution := range every(t, "AWS::CloudFront::Distribution", 1) {
		config := distribution.Properties["DistributionConfig"].(map[string]any)
		found["*"] = config["DefaultCacheBehavior"].(map[string]any)
		for _, behavior := range config["CacheBehaviors"].([]any) {
			behavior := behavior.(map[string]any)
			found[behavior["PathPattern"].(string)] = behavior
		}
	}
	return found
}

func TestBehaviors(t *testing.T) {
	got := slices.Sorted(maps.Keys(behaviors(t)))
	want := []string{"*", "/.well-known/*", "/assets/*", "/seals/*", "/status/*", "/v1/*"}
	if !slices.Equal(got, want) {
		t.Errorf("behaviours %q, want %q", got, want)
	}
	for _, path := range []string{names.JWKSPath, names.OIDCPath} {
		if !strings.HasPrefix(path, wellKnownPrefix) {
			t.Errorf("%s is not served", path)
		}
	}
	for _, route := range names.Routes() {
		if !strings.HasPrefix(route.Path, apiPrefix) {
			t.Errorf("%s is not served", route.Path)
		}
	}
}

// A poll reaches the bucket once a second for each edge, whatever the visitor adds to it.
func TestPolledIsCached(t *testing.T) {
	policies := every(t, "AWS::CloudFront::CachePolicy", 4)
	for pattern, behavior := range behaviors(t) {
		if pattern == "/v1/*" {
			continue
		}
		if methods := text(t, behavior["AllowedMethods"]); methods != `["GET","HEAD"]` {
			t.Errorf("%s allows %s", pattern, methods)
		}
		id := references(behavior["CachePolicyId"])[0]
		config := policies[id].Properties["CachePolicyConfig"].(map[string]any)
		if least := config["MinTTL"].(float64); least < 1 {
			t.Errorf("%s: minimum TTL %v s, want at least 1", pattern, least)
		}
		if most := config["MaxTTL"].(float64); pattern == "/status/*" && most > 1 {
			t.Errorf("%s: maximum TTL %v s, want 1", pattern, most)
		}
		key := config["ParametersInCacheKeyAndForwardedToOrigin"].(map[string]any)
		for kind, setting := range map[string]string{
			"CookiesConfig": "CookieBehavior", "QueryStringsConfig": "QueryStringBehavior", "HeadersConfig": "HeaderBehavior",
		} {
			if got := key[kind].(map[string]any)[setting]; got != "none" {
				t.Errorf("%s: %s is %v, want none", pattern, setting, got)
			}
		}
	}
}

func TestTimesInTheCache(t *testing.T) {
	want := map[string][3]float64{ // minimum, default and maximum in seconds
		"*": {1, 60, 86400}, "/assets/*": {1, 60, 86400}, "/status/*": {1, 1, 1},
		"/seals/*": {1, 86400, 31536000}, "/.well-known/*": {1, 60, 3600},
	}
	for pattern, times := range want {
		id := references(behaviors(t)[pattern]["CachePolicyId"])[0]
		config := synthesised.document.Resources[id].Properties["CachePolicyConfig"].(map[string]any)
		if got := [3]float64{config["MinTTL"].(float64), config["DefaultTTL"].(float64), config["MaxTTL"].(float64)}; got != times {
			t.Errorf("%s: %v s, want %v", pattern, got, times)
		}
	}
}

// The identifiers are CloudFront's own for "caching disabled" and "all but the Host header".
func TestAPIIsNotCached(t *testing.T) {
	behavior := behaviors(t)["/v1/*"]
	if got := behavior["CachePolicyId"]; got != "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" {
		t.Errorf("cache policy %v", got)
	}
	if got := behavior["OriginRequestPolicyId"]; got != "b689b0a8-53d0-40ab-baf2-68738e2966ac" {
		t.Errorf("origin request policy %v", got)
	}
	if !strings.Contains(text(t, behavior["AllowedMethods"]), "POST") {
		t.Errorf("nobody can join: %v", behavior["AllowedMethods"])
	}
}

// headersOf is what a behaviour's policy sets, as the browser gets it.
func headersOf(t *testing.T, behavior map[string]any) map[string]string {
	t.Helper()
	policy := synthesised.document.Resources[references(behavior["ResponseHeadersPolicyId"])[0]]
	config := policy.Properties["ResponseHeadersPolicyConfig"].(map[string]any)
	for _, other := range []string{"CorsConfig", "CustomHeadersConfig", "RemoveHeadersConfig"} {
		if config[other] != nil {
			t.Errorf("%s is not read by this test", other)
		}
	}
	headers := map[string]string{}
	for kind, setting := range config["SecurityHeadersConfig"].(map[string]any) {
		setting := setting.(map[string]any)
		if setting["Override"] != true {
			t.Errorf("%s: the origin's header stands", kind)
		}
		switch kind {
		case "ContentSecurityPolicy":
			headers["Content-Security-Policy"] = setting["ContentSecurityPolicy"].(string)
		case "ContentTypeOptions":
			headers["X-Content-Type-Options"] = "nosniff"
		case "FrameOptions":
			headers["X-Frame-Options"] = setting["FrameOption"].(string)
		case "ReferrerPolicy":
			headers["Referrer-Policy"] = setting["ReferrerPolicy"].(string)
		case "StrictTransportSecurity":
			if setting["IncludeSubdomains"] != false || setting["Preload"] != false {
				t.Errorf("HSTS is asked for on names that are the team's: %v", setting)
			}
			headers["Strict-Transport-Security"] = fmt.Sprintf("max-age=%.0f", setting["AccessControlMaxAgeSec"])
		default:
			t.Errorf("%s is not known to this test", kind)
		}
	}
	return headers
}

// The page gets the headers under which it is tested; a year is what HSTS asks for everywhere.
func TestHeaders(t *testing.T) {
	const year = "max-age=31536000"
	page := maps.Clone(names.PageHeaders())
	page["Strict-Transport-Security"] = year
	document := map[string]string{
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "Strict-Transport-Security": year,
	}
	for pattern, want := range map[string]map[string]string{
		"*": page, "/assets/*": page,
		"/status/*": document, "/seals/*": document, "/.well-known/*": document,
		"/v1/*": {"Strict-Transport-Security": year},
	} {
		if got := headersOf(t, behaviors(t)[pattern]); !maps.Equal(got, want) {
			t.Errorf("%s: headers %q, want %q", pattern, got, want)
		}
	}
}

// Some names are the account's: the same stack in two regions needs two of each.
func TestNamesOfTheAccountTellTheRegion(t *testing.T) {
	named := func(config string) func(resource) any {
		return func(part resource) any { return part.Properties[config].(map[string]any)["Name"] }
	}
	for _, test := range []struct {
		kind  string
		count int
		name  func(resource) any
	}{
		{"AWS::CloudFront::ResponseHeadersPolicy", 3, named("ResponseHeadersPolicyConfig")},
		{"AWS::CloudFront::CachePolicy", 4, named("CachePolicyConfig")},
		{"AWS::CloudFront::OriginAccessControl", 1, named("OriginAccessControlConfig")},
		{"AWS::CloudFront::Function", 1, func(part resource) any { return part.Properties["Name"] }},
		{"AWS::CloudWatch::Dashboard", 1, func(part resource) any { return part.Properties["DashboardName"] }},
	} {
		for id, part := range every(t, test.kind, test.count) {
			if name := test.name(part); !slices.Contains(references(name), "AWS::Region") {
				t.Errorf("%s is called %v in every region", id, name)
			}
		}
	}
}

// With the longest name that CloudFront takes, in the region with the longest name.
func TestBucketAccessHasAShortName(t *testing.T) {
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String(strings.Repeat("Long", 20)), &awscdk.StackProps{
		Env: &awscdk.Environment{Region: jsii.String("ap-northeast-1")},
	})
	room := &Room{Construct: constructs.NewConstruct(stack, jsii.String("Room"))}
	access := stack.Resolve(room.bucketAccess().Node().DefaultChild().(awscloudfront.CfnOriginAccessControl).OriginAccessControlConfig())
	name := access.(map[string]any)["name"].(string)
	if !strings.HasSuffix(name, "-ap-northeast-1") || len(name) > 64 {
		t.Errorf("%d characters: %s", len(name), name)
	}
}

func TestErrorsAreNeitherMappedNorCached(t *testing.T) {
	for _, distribution := range every(t, "AWS::CloudFront::Distribution", 1) {
		config := distribution.Properties["DistributionConfig"].(map[string]any)
		responses := config["CustomErrorResponses"].([]any)
		if len(responses) != len(uncachedErrors) {
			t.Errorf("%d error responses, want %d", len(responses), len(uncachedErrors))
		}
		for _, response := range responses {
			response := response.(map[string]any)
			if response["ErrorCachingMinTTL"] != 0.0 || response["ResponsePagePath"] != nil || response["ResponseCode"] != nil {
				t.Errorf("error response %v", response)
			}
		}
		if config["DefaultRootObject"] != "index.html" {
			t.Errorf("/ would list the bucket: default root object %v", config["DefaultRootObject"])
		}
	}
}

func TestPageAddressKnowsTheReservedNames(t *testing.T) {
	list := "['" + strings.Join(names.Reserved(), "', '") + "']"
	if !strings.Contains(pageAddress, list) {
		t.Errorf("page_address.js does not reserve %s", list)
	}
	has(t, "AWS::CloudFront::Function", map[string]any{"FunctionCode": pageAddress, "AutoPublish": true})
}

// Every method asks for the origin's key and has its requests' form checked before a function runs.
func TestRoutes(t *testing.T) {
	methods := every(t, "AWS::ApiGateway::Method", len(names.Routes()))
	validators := every(t, "AWS::ApiGateway::RequestValidator", 1)
	for id, method := range methods {
		if method.Properties["ApiKeyRequired"] != true {
			t.Errorf("%s answers without the origin's key", id)
		}
		validator := validators[references(method.Properties["RequestValidatorId"])[0]]
		if validator.Properties["ValidateRequestBody"] != true || validator.Properties["ValidateRequestParameters"] != true {
			t.Errorf("%s takes requests of any form", id)
		}
		if got := text(t, method.Properties["RequestParameters"]); got != `{"method.request.path.event":true}` {
			t.Errorf("%s: parameters %s", id, got)
		}
	}
	for _, route := range names.Routes() {
		found := slices.ContainsFunc(slices.Collect(maps.Values(methods)), func(method resource) bool {
			target := references(synthesised.document.invoked(t, route.Function))[0]
			return method.Properties["HttpMethod"] == route.Method && methodPath(method) == route.Path &&
				strings.Contains(text(t, method.Properties["Integration"]), `"`+target+`"`)
		})
		if !found {
			t.Errorf("no method for %s %s by %s", route.Method, route.Path, route.Function)
		}
	}
}

// api is as much of the API's description as the tests read.
type api struct {
	Components struct {
		Schemas map[string]struct {
			Required   []string
			Properties map[string]struct{ Pattern string }
		}
		Examples map[string]struct {
			Value struct {
				Type, Title, Detail string
				Status              int
			}
		}
	}
}

func readAPI(t *testing.T) api {
	t.Helper()
	written, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var description api
	if err := json.Unmarshal(written, &description); err != nil {
		t.Fatal(err)
	}
	return description
}

// What API Gateway lets through is what the description asks for, and members beside it.
func TestBodies(t *testing.T) {
	models := every(t, "AWS::ApiGateway::Model", 2)
	schemas := readAPI(t).Components.Schemas
	described := map[string]string{names.FunctionJoin: "JoinRequest", names.FunctionAdmit: "AdmitRequest"}
	for _, method := range every(t, "AWS::ApiGateway::Method", len(names.Routes())) {
		function := methodPath(method)[strings.LastIndex(methodPath(method), "/")+1:]
		chosen, _ := method.Properties["RequestModels"].(map[string]any)
		if described[function] == "" {
			if chosen != nil {
				t.Errorf("%s has no body: %v", function, chosen)
			}
			continue
		}
		if len(chosen) != 2 || text(t, chosen["$default"]) != text(t, chosen["application/json"]) {
			t.Errorf("%s: models %v", function, chosen)
		}
		schema := models[references(chosen["application/json"])[0]].Properties["Schema"].(map[string]any)
		want := schemas[described[function]]
		if schema["additionalProperties"] != nil || text(t, schema["required"]) != text(t, want.Required) || len(want.Required) != 1 {
			t.Errorf("%s: %v, want %v", function, schema, want)
			continue
		}
		member := schema["properties"].(map[string]any)[want.Required[0]].(map[string]any)
		if member["type"] != "string" {
			t.Errorf("%s: %v", function, member)
		}
		if pattern := want.Properties[want.Required[0]].Pattern; pattern != "" {
			lengths := fmt.Sprintf("{%v,%v}$", member["minLength"], member["maxLength"])
			if !strings.HasSuffix(pattern, lengths) {
				t.Errorf("%s: %v, and the description says %s", function, member, pattern)
			}
		}
	}
}

// methodPath follows a method's resource to the root.
func methodPath(method resource) string {
	path := ""
	for id := references(method.Properties["ResourceId"])[0]; ; {
		part := synthesised.document.Resources[id]
		segment, ok := part.Properties["PathPart"].(string)
		if !ok {
			return path
		}
		path = "/" + segment + path
		id = references(part.Properties["ParentId"])[0]
	}
}

// The two ends of the API key must resolve to the same secret, and no literal may stand for it.
func TestOriginKey(t *testing.T) {
	var sent any
	for _, distribution := range every(t, "AWS::CloudFront::Distribution", 1) {
		config := distribution.Properties["DistributionConfig"].(map[string]any)
		for _, origin := range config["Origins"].([]any) {
			if headers, ok := origin.(map[string]any)["OriginCustomHeaders"].([]any); ok {
				header := headers[0].(map[string]any)
				if header["HeaderName"] != "x-api-key" {
					t.Errorf("origin header %v", header["HeaderName"])
				}
				sent = header["HeaderValue"]
			}
		}
	}
	for id, key := range every(t, "AWS::ApiGateway::ApiKey", 1) {
		if member := synthesised.document.one(t, "AWS::ApiGateway::UsagePlanKey"); !slices.Equal(references(member.Properties["KeyId"]), []string{id}) {
			t.Errorf("the plan's key is %v", member.Properties["KeyId"])
		}
		wanted := text(t, key.Properties["Value"])
		if wanted != text(t, sent) || !strings.Contains(wanted, "{{resolve:secretsmanager:") {
			t.Errorf("the API wants %s and CloudFront sends %s", wanted, text(t, sent))
		}
	}
}

// With another label nothing of the old key is changed: all is made anew, sent, and then the old
// key goes.
func TestAnotherLabelIsAnotherKey(t *testing.T) {
	for kind, prefix := range map[string]string{
		"AWS::SecretsManager::Secret": "RoomOriginSecret", "AWS::ApiGateway::ApiKey": "RoomOriginKey", "AWS::ApiGateway::UsagePlanKey": "RoomOriginPlanKey",
	} {
		ids := map[string]bool{}
		for _, room := range rooms() {
			for id := range room.All(kind) {
				if strings.HasPrefix(id, prefix) {
					ids[id] = true
				}
			}
		}
		if len(ids) != 2 {
			t.Errorf("%s: %v for two labels", kind, ids)
		}
	}
	for name, room := range rooms() {
		distribution := room.one(t, "AWS::CloudFront::Distribution")
		for id := range room.Every(t, "AWS::ApiGateway::ApiKey", 1) {
			if !slices.Contains(distribution.DependsOn, id) {
				t.Errorf("%s: the distribution sends a key that may not be there yet: %q", name, distribution.DependsOn)
			}
		}
	}
}

// API Gateway's own answers say what the functions would, in the same words.
func TestRefusalsAreProblems(t *testing.T) {
	examples := readAPI(t).Components.Examples
	for id, response := range every(t, "AWS::ApiGateway::GatewayResponse", len(refusals())) {
		headers := response.Properties["ResponseParameters"].(map[string]any)
		for header, want := range map[string]string{
			"Content-Type": "'application/problem+json'", "Cache-Control": "'no-store'",
		} {
			if got := headers["gatewayresponse.header."+header]; got != want {
				t.Errorf("%s: %s is %v, want %s", id, header, got, want)
			}
		}
		var answer problem
		body := response.Properties["ResponseTemplates"].(map[string]any)["application/json"].(string)
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		code := strings.TrimPrefix(answer.Type, problemPrefix)
		want, ok := examples[code]
		if !ok || answer.Type != want.Value.Type || answer.Title != want.Value.Title || answer.Detail == "" {
			t.Errorf("%s: %+v, want %+v", id, answer, want.Value)
		}
		// What has to be mended is another thing each time.
		if code != "bad-request" && (answer.Detail != want.Value.Detail || answer.Status != want.Value.Status) {
			t.Errorf("%s: %+v, want %+v", id, answer, want.Value)
		}
		// Only what goes away by itself is to be asked for again.
		var retry any
		if answer.Status == 429 || answer.Status == 503 {
			retry = "'2'"
		}
		if got := headers["gatewayresponse.header.Retry-After"]; got != retry {
			t.Errorf("%s: status %d with Retry-After %v, want %v", id, answer.Status, got, retry)
		}
		if status := response.Properties["StatusCode"]; answer.Status != 0 && status != strconv.Itoa(answer.Status) {
			t.Errorf("%s: answered with %v, says %d", id, status, answer.Status)
		}
	}
}

func TestBadBodiesAreToldWhatToSend(t *testing.T) {
	for _, kind := range []string{"BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS"} {
		has(t, "AWS::ApiGateway::GatewayResponse", map[string]any{"ResponseType": kind, "StatusCode": "400"})
	}
	for _, refused := range refusals() {
		if refused.id != "Body" {
			continue
		}
		for function, schema := range bodies() {
			for member := range *schema.Properties {
				if !strings.Contains(refused.answer.Detail, `{"`+member+`":`) {
					t.Errorf("%s is not told to send %s: %s", function, member, refused.answer.Detail)
				}
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	want := []string{"Address", "AlarmTopic", "DistributionId", "DocumentsBucket", "PageBucket", "ParameterPath", "RoomName", "SecretArn", "TableName"}
	got := []string{}
	for name, output := range synthesised.document.Outputs {
		// API Gateway's construct tells its own address, which answers nobody but CloudFront.
		if output.Value != nil && !strings.HasPrefix(name, "RoomAPIEndpoint") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("outputs %q, want %q", got, want)
	}
}

func TestDomain(t *testing.T) {
	if got := synthesised.named.Outputs["Address"].Value; got != "https://queue.example.com" {
		t.Errorf("address %v", got)
	}
	for _, function := range []string{names.FunctionAdmit, names.FunctionTick} {
		if got := synthesised.named.variables(t, function)[names.EnvIssuer]; got != "https://queue.example.com" {
			t.Errorf("%s: issuer %v", function, got)
		}
	}
	config := synthesised.named.one(t, "AWS::CloudFront::Distribution").Properties["DistributionConfig"].(map[string]any)
	if got := text(t, config["Aliases"]); got != `["queue.example.com"]` {
		t.Errorf("aliases %s", got)
	}
	want := `{"AcmCertificateArn":"arn:aws:acm:us-east-1:111122223333:certificate/example","MinimumProtocolVersion":"TLSv1.2_2021","SslSupportMethod":"sni-only"}`
	if got := text(t, config["ViewerCertificate"]); got != want {
		t.Errorf("certificate %s, want %s", got, want)
	}
	if found := cycle(synthesised.named.Resources); found != nil {
		t.Errorf("CloudFormation cannot order these: %s", strings.Join(found, " needs "))
	}
}

func TestRecords(t *testing.T) {
	every(t, "AWS::Route53::RecordSet", 0)
	kinds := []string{}
	for id, record := range synthesised.named.Every(t, "AWS::Route53::RecordSet", 2) {
		kinds = append(kinds, record.Properties["Type"].(string))
		if record.Properties["Name"] != "queue.example.com." || record.Properties["HostedZoneId"] != "Z0123456789ABCDEFGHIJ" {
			t.Errorf("%s: %v in %v", id, record.Properties["Name"], record.Properties["HostedZoneId"])
		}
		for distribution := range synthesised.named.Every(t, "AWS::CloudFront::Distribution", 1) {
			if got := references(record.Properties["AliasTarget"].(map[string]any)["DNSName"]); !slices.Equal(got, []string{distribution}) {
				t.Errorf("%s points at %q", id, got)
			}
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"A", "AAAA"}) {
		t.Errorf("records %q", kinds)
	}
}

// Functions are reached over TLS 1.2, and over nothing less.
func TestOrigins(t *testing.T) {
	config := synthesised.document.one(t, "AWS::CloudFront::Distribution").Properties["DistributionConfig"].(map[string]any)
	custom := 0
	for _, origin := range config["Origins"].([]any) {
		settings, ok := origin.(map[string]any)["CustomOriginConfig"].(map[string]any)
		if !ok {
			if origin.(map[string]any)["OriginAccessControlId"] == nil {
				t.Errorf("a bucket is read by anybody: %v", origin)
			}
			continue
		}
		custom++
		if settings["OriginProtocolPolicy"] != "https-only" || text(t, settings["OriginSSLProtocols"]) != `["TLSv1.2"]` {
			t.Errorf("origin %v", settings)
		}
	}
	if custom != 1 {
		t.Errorf("%d origins that are no buckets, want 1", custom)
	}
	if config["WebACLId"] != nil {
		t.Errorf("nobody asked for %v", config["WebACLId"])
	}
	named := synthesised.named.one(t, "AWS::CloudFront::Distribution").Properties["DistributionConfig"].(map[string]any)
	if got := named["WebACLId"]; got != "arn:aws:wafv2:us-east-1:111122223333:global/webacl/room/example" {
		t.Errorf("web ACL %v", got)
	}
}

func TestNothingListensInTheClear(t *testing.T) {
	for pattern, behavior := range behaviors(t) {
		want := "redirect-to-https"
		if pattern == "/v1/*" {
			want = "https-only"
		}
		if got := behavior["ViewerProtocolPolicy"]; got != want {
			t.Errorf("%s: %v, want %s", pattern, got, want)
		}
	}
}
