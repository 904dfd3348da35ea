package waitingroom

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"

	"waitingroom/shared/names"
)

// rules of the web ACL by their names.
func rules(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, rule := range synthesised.edge.one(t, "AWS::WAFv2::WebACL").Properties["Rules"].([]any) {
		rule := rule.(map[string]any)
		found[rule["Name"].(string)] = rule
	}
	return found
}

func TestWebACL(t *testing.T) {
	acl := synthesised.edge.one(t, "AWS::WAFv2::WebACL")
	if acl.Properties["Scope"] != "CLOUDFRONT" || text(t, acl.Properties["DefaultAction"]) != `{"Allow":{}}` {
		t.Errorf("scope %v, default %v", acl.Properties["Scope"], acl.Properties["DefaultAction"])
	}
	if got := slices.Sorted(maps.Keys(rules(t))); !slices.Equal(got, []string{"joins", "reputation"}) {
		t.Errorf("rules %q", got)
	}
	measured := []any{acl.Properties["VisibilityConfig"]}
	for _, rule := range rules(t) {
		measured = append(measured, rule["VisibilityConfig"])
	}
	metrics := map[any]bool{}
	for _, visibility := range measured {
		visibility := visibility.(map[string]any)
		if visibility["CloudWatchMetricsEnabled"] != true || visibility["SampledRequestsEnabled"] != true {
			t.Errorf("nobody sees %v", visibility)
		}
		metrics[visibility["MetricName"]] = true
	}
	if len(metrics) != 3 {
		t.Errorf("metrics %v", metrics)
	}
}

// Whoever joins too often is told so by the functions' own problem, and waits for a whole window.
func TestJoinsAreLimitedByAddress(t *testing.T) {
	rule := rules(t)["joins"]
	statement := rule["Statement"].(map[string]any)["RateBasedStatement"].(map[string]any)
	if statement["AggregateKeyType"] != "IP" || statement["EvaluationWindowSec"] != 60.0 || statement["Limit"] != 1000.0 {
		t.Errorf("limit %v of %v in %v s", statement["Limit"], statement["AggregateKeyType"], statement["EvaluationWindowSec"])
	}
	response := rule["Action"].(map[string]any)["Block"].(map[string]any)["CustomResponse"].(map[string]any)
	if response["ResponseCode"] != 429.0 || !strings.Contains(text(t, response["ResponseHeaders"]), `{"Name":"Retry-After","Value":"60"}`) {
		t.Errorf("answer %v", response)
	}
	bodies := synthesised.edge.one(t, "AWS::WAFv2::WebACL").Properties["CustomResponseBodies"].(map[string]any)
	body := bodies[response["CustomResponseBodyKey"].(string)].(map[string]any)
	var answer problem
	if err := json.Unmarshal([]byte(body["Content"].(string)), &answer); err != nil || answer != busy || body["ContentType"] != "APPLICATION_JSON" {
		t.Errorf("body %v: %v", body, err)
	}
}

func TestOnlyJoinsAreCounted(t *testing.T) {
	scope := rules(t)["joins"]["Statement"].(map[string]any)["RateBasedStatement"].(map[string]any)["ScopeDownStatement"]
	statements := scope.(map[string]any)["AndStatement"].(map[string]any)["Statements"].([]any)
	method := text(t, statements[0])
	if len(statements) != 2 || !strings.Contains(method, `"FieldToMatch":{"Method":{}}`) || !strings.Contains(method, `"SearchString":"POST"`) {
		t.Errorf("%d statements, the first %s", len(statements), method)
	}
	address := statements[1].(map[string]any)["RegexMatchStatement"].(map[string]any)
	changes := []any{}
	for _, change := range address["TextTransformations"].([]any) {
		changes = append(changes, change.(map[string]any)["Type"])
	}
	if !slices.Equal(changes, []any{"URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"}) {
		t.Errorf("transformations %v", changes)
	}
	matches := regexp.MustCompile(address["RegexString"].(string)).MatchString
	for _, route := range names.Routes() {
		path := strings.ReplaceAll(route.Path, "{"+names.EventParameter+"}", "demo")
		if got := matches(path); got != (route.Function == names.FunctionJoin || route.Path == names.PathQR) {
			t.Errorf("%s is counted: %v", path, got)
		}
	}
	for path, want := range map[string]bool{
		"/v1/events/demo/join/": true, "/v1/events/a-b-1/join": true, "/v1/events/demo/place/join/": true,
		"/v1/events/join": false, "/v1/events/demo/x/join": false, "/status/demo.json": false, "/v1/events/demo/joins": false, "/join": false,
	} {
		if got := matches(path); got != want {
			t.Errorf("%s is counted: %v", path, got)
		}
	}
}

func TestReputationIsCountedOrBlocks(t *testing.T) {
	group := rules(t)["reputation"]
	if got := text(t, group["OverrideAction"]); got != `{"Count":{}}` {
		t.Errorf("by default %s", got)
	}
	if got := text(t, group["Statement"]); got != `{"ManagedRuleGroupStatement":{"Name":"AWSManagedRulesAmazonIpReputationList","VendorName":"AWS"}}` {
		t.Errorf("statement %s", got)
	}
	blocking := reputation("", true).OverrideAction.(*awswafv2.CfnWebACL_OverrideActionProperty)
	if blocking.None == nil || blocking.Count != nil {
		t.Errorf("blocking is %+v", blocking)
	}
}

func TestCertificate(t *testing.T) {
	properties := synthesised.edge.one(t, "AWS::CertificateManager::Certificate").Properties
	if properties["DomainName"] != "queue.example.com" || properties["ValidationMethod"] != "DNS" {
		t.Errorf("%v by %v", properties["DomainName"], properties["ValidationMethod"])
	}
	if got := text(t, properties["DomainValidationOptions"]); got != `[{"DomainName":"queue.example.com","HostedZoneId":"Z0123456789ABCDEFGHIJ"}]` {
		t.Errorf("proved by %s", got)
	}
}

func TestEdgeProps(t *testing.T) {
	const name, zone = "queue.example.com", "Z0123456789ABCDEFGHIJ"
	tests := map[string]struct {
		props EdgeProps
		want  []string
	}{
		"certificate":   {EdgeProps{Domain: name, Zone: zone}, nil},
		"web ACL":       {EdgeProps{WebACL: &WebACLProps{JoinsPerMinute: 10, BlockBadReputation: true}}, nil},
		"no zone":       {EdgeProps{Domain: name}, []string{"Zone is missing: "}},
		"no domain":     {EdgeProps{Zone: zone}, []string{"Zone is for a domain: "}},
		"both wrong":    {EdgeProps{Domain: "QUEUE", Zone: "x"}, []string{"Domain cannot be ", "Zone cannot be "}},
		"too low":       {EdgeProps{WebACL: &WebACLProps{JoinsPerMinute: 9}}, []string{"JoinsPerMinute cannot be 9: "}},
		"less than nil": {EdgeProps{WebACL: &WebACLProps{JoinsPerMinute: -1}}, []string{"JoinsPerMinute cannot be -1: "}},
	}
	for name, test := range tests {
		_, edge, err := NewEdgeStack(awscdk.NewApp(nil), "Edge", nil, test.props)
		checkError(t, name, err, test.want...)
		if err == nil && ((edge.Certificate != "") != (test.props.Domain != "") || (edge.WebACL != "") != (test.props.WebACL != nil)) {
			t.Errorf("%s: %+v", name, edge)
		}
	}
}
