package waitingroom

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

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
	place := strings.Replace(names.PathPlace, "{event}", "' + match[1] + '", 1)
	if !strings.Contains(pageAddress, "'"+place+"'") || !strings.Contains(pageAddress, "querystring."+names.PlainQuery) {
		t.Errorf("page_address.js does not lead to %s for ?%s", place, names.PlainQuery)
	}
	has(t, "AWS::CloudFront::Function", map[string]any{"FunctionCode": pageAddress, "AutoPublish": true})
}

func TestDomain(t *testing.T) {
	if got := synthesised.named.Outputs["Address"].Value; got != "https://queue.example.com" {
		t.Errorf("address %v", got)
	}
	for _, function := range []string{names.FunctionAdmit, names.FunctionPlace, names.FunctionTick} {
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

// TestPageIsUploadedAlone looks into the folder that is uploaded as the page, which is told by its document.
func TestPageIsUploadedAlone(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(synthesised.assets, "asset.*", "index.html"))
	if err != nil || len(documents) != 1 {
		t.Fatalf("%d folders hold the page, %v", len(documents), err)
	}
	var got []string
	err = fs.WalkDir(os.DirFS(filepath.Dir(documents[0])), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil || !slices.Equal(got, uploaded()) {
		t.Errorf("uploaded are %q (%v), want %q", got, err, uploaded())
	}
}

// A new document that came before its modules would ask for ones that do not fit it.
func TestPageIsUploadedAfterItsAssets(t *testing.T) {
	uploads := map[string]string{} // ids, by what the browser keeps of them
	for id, upload := range synthesised.document.Every(t, "Custom::CDKBucketDeployment", 2) {
		uploads[upload.Properties["SystemMetadata"].(map[string]any)["cache-control"].(string)] = id
	}
	document, assets := uploads[names.PageCacheControl], uploads[names.AssetCacheControl]
	if before := synthesised.document.Resources[document].DependsOn; !slices.Contains(before, assets) {
		t.Errorf("the document %q depends on %q, not on the assets %q", document, before, assets)
	}
}
