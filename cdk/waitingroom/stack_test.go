package waitingroom

import (
	"slices"
	"strings"
	"testing"
)

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
