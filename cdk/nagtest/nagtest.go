// Package nagtest holds stacks against cdk-nag's AwsSolutions rules.
package nagtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"waitingroom/cdk/nag"
)

// accepted is what the metadata of a resource says.
type accepted struct {
	Rules []struct {
		ID        string `json:"id"`
		Reason    string `json:"reason"`
		AppliesTo []any  `json:"applies_to"` // texts, or objects with a regex
	} `json:"rules_to_suppress"`
}

// line of cdk-nag's report. If the rule names what it has found, the reason begins with that, in
// square brackets.
type line struct {
	Resource   string `json:"resourceId"` // the path of the construct
	Rule       string `json:"ruleId"`
	Compliance string `json:"compliance"`
	Reason     string `json:"exceptionReason"`
}

// Complaints synthesises the app and tells what is wrong with one of its stacks: findings of the rules
// that are not accepted, other errors and warnings of the CDK, and accepted findings that have no
// reason or that do not exist. Each begins with the path of the construct that it is about.
func Complaints(app awscdk.App, stack awscdk.Stack) ([]string, error) {
	awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{
		Reports:       jsii.Bool(true),
		ReportFormats: &[]cdknag.NagReportFormat{cdknag.NagReportFormat_JSON},
	}), nil)
	annotations := assertions.Annotations_FromStack(stack)
	var complaints []string
	errors := *annotations.FindError(jsii.String("*"), assertions.Match_AnyValue())
	warnings := *annotations.FindWarning(jsii.String("*"), assertions.Match_AnyValue())
	for _, message := range append(errors, warnings...) {
		complaints = append(complaints, fmt.Sprintf("%s: %v", strings.TrimPrefix(*message.Id, "/"), message.Entry.Data))
	}
	suppressed, err := readReport(filepath.Join(*app.Outdir(), "AwsSolutions-"+*stack.ArtifactId()+"-NagReport.json"))
	if err != nil {
		return nil, err
	}
	for _, part := range *stack.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if resource, ok := part.(awscdk.CfnResource); ok {
			complaints = append(complaints, needless(resource, suppressed)...)
		}
	}
	return complaints, nil
}

// readReport gives the findings that were accepted: by resource and rule, what the rule named.
func readReport(file string) (map[string][]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var report struct{ Lines []line }
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	suppressed := map[string][]string{}
	for _, line := range report.Lines {
		if line.Compliance != "Suppressed" {
			continue
		}
		named := ""
		if strings.HasPrefix(line.Reason, "[") {
			named = line.Reason[1:strings.Index(line.Reason, "] ")]
		}
		key := line.Resource + " " + line.Rule
		suppressed[key] = append(suppressed[key], named)
	}
	return suppressed, nil
}

// needless tells what a resource's metadata accept without a reason or a finding.
func needless(resource awscdk.CfnResource, suppressed map[string][]string) []string {
	var found accepted
	text, err := json.Marshal(resource.GetMetadata(jsii.String(nag.MetadataKey)))
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	path := *resource.Node().Path()
	if err != nil {
		return []string{fmt.Sprintf("%s: metadata that are none of cdk-nag's: %v", path, err)}
	}
	var complaints []string
	for _, rule := range found.Rules {
		if len(strings.Fields(rule.Reason)) < 5 || !strings.HasSuffix(rule.Reason, ".") {
			complaints = append(complaints, fmt.Sprintf("%s: %s is accepted without a sentence that says why", path, rule.ID))
		}
		names, ok := suppressed[path+" "+rule.ID]
		if !ok {
			complaints = append(complaints, fmt.Sprintf("%s: %s is accepted and not found", path, rule.ID))
		}
		for _, entry := range rule.AppliesTo {
			if ok && !anyMatches(entry, names) {
				complaints = append(complaints, fmt.Sprintf("%s: %s is accepted for %v, which is not found", path, rule.ID, entry))
			}
		}
	}
	return complaints
}

func anyMatches(entry any, names []string) bool {
	for _, name := range names {
		if matches(entry, name) {
			return true
		}
	}
	return false
}

// matches reads a regular expression as JavaScript writes it, between slashes.
func matches(entry any, name string) bool {
	object, ok := entry.(map[string]any)
	if !ok {
		return entry == name
	}
	expression := strings.Trim(object["regex"].(string), "/")
	return regexp.MustCompile(expression).MatchString(name)
}
