package waitingroom

import (
	"maps"
	"slices"
	"strings"
	"testing"

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

func TestKeysAreMadeAtDeployment(t *testing.T) {
	has(t, "AWS::KMS::Key", map[string]any{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
	for id, secret := range every(t, "AWS::SecretsManager::Secret", 2) {
		if secret.Properties["SecretString"] != nil {
			t.Errorf("%s is written in the template", id)
		}
		generated := secret.Properties["GenerateSecretString"].(map[string]any)
		if generated["PasswordLength"] != 64.0 {
			t.Errorf("%s: %v characters, want 64", id, generated["PasswordLength"])
		}
	}
}

func TestWhatCannotBeMadeAgainIsRetained(t *testing.T) {
	for kind, count := range map[string]int{
		"AWS::DynamoDB::Table": 1, "AWS::S3::Bucket": 2, "AWS::KMS::Key": 1, "AWS::SecretsManager::Secret": 2,
	} {
		for id, part := range every(t, kind, count) {
			if part.DeletionPolicy != "Retain" {
				t.Errorf("%s: deletion policy %q, want Retain", id, part.DeletionPolicy)
			}
		}
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

func TestRoutes(t *testing.T) {
	methods := every(t, "AWS::ApiGateway::Method", len(names.Routes()))
	for id, method := range methods {
		if method.Properties["ApiKeyRequired"] != true {
			t.Errorf("%s answers without the origin's key", id)
		}
	}
	for _, route := range names.Routes() {
		found := slices.ContainsFunc(slices.Collect(maps.Values(methods)), func(method resource) bool {
			return method.Properties["HttpMethod"] == route.Method && methodPath(method) == route.Path &&
				strings.Contains(text(t, method.Properties["Integration"]), functionID(t, route.Function))
		})
		if !found {
			t.Errorf("no method for %s %s by %s", route.Method, route.Path, route.Function)
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
	for _, key := range every(t, "AWS::ApiGateway::ApiKey", 1) {
		wanted := text(t, key.Properties["Value"])
		if wanted != text(t, sent) || !strings.Contains(wanted, "{{resolve:secretsmanager:") {
			t.Errorf("the API wants %s and CloudFront sends %s", wanted, text(t, sent))
		}
	}
}

func TestRefusalsAreProblems(t *testing.T) {
	for id, response := range every(t, "AWS::ApiGateway::GatewayResponse", len(refusals())) {
		headers := response.Properties["ResponseParameters"].(map[string]any)
		for header, want := range map[string]string{
			"Content-Type": "'application/problem+json'", "Cache-Control": "'no-store'", "Retry-After": "'2'",
		} {
			if got := headers["gatewayresponse.header."+header]; got != want {
				t.Errorf("%s: %s is %v, want %s", id, header, got, want)
			}
		}
		body := text(t, response.Properties["ResponseTemplates"])
		if !strings.Contains(body, problemPrefix) {
			t.Errorf("%s: %s", id, body)
		}
	}
}

func TestOutputs(t *testing.T) {
	for _, name := range []string{"Address", "DocumentsBucket", "PageBucket", "TableName", "ParameterPath"} {
		if synthesised.document.Outputs[name].Value == nil {
			t.Errorf("no output %s", name)
		}
	}
}

func TestDomain(t *testing.T) {
	if got := synthesised.named.Outputs["Address"].Value; got != "https://queue.example.com" {
		t.Errorf("address %v", got)
	}
	for _, part := range synthesised.named.Resources {
		if part.Type != "AWS::CloudFront::Distribution" {
			continue
		}
		config := part.Properties["DistributionConfig"].(map[string]any)
		if got := text(t, config["Aliases"]); got != `["queue.example.com"]` {
			t.Errorf("aliases %s", got)
		}
	}
	if found := cycle(synthesised.named.Resources); found != nil {
		t.Errorf("CloudFormation cannot order these: %s", strings.Join(found, " needs "))
	}
}
