// Package nag writes down beside a part why it is right to be what a rule of cdk-nag warns of. It does
// not need cdk-nag itself, whose loading would slow down every synthesis: only the tests run the rules.
package nag

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// MetadataKey is where cdk-nag looks for accepted findings in a resource's metadata.
const MetadataKey = "cdk_nag"

// Finding is what a rule finds in a part, and why that is accepted.
type Finding struct {
	Rule   string // such as AwsSolutions-S1
	Reason string // in whole sentences
	// Of narrows the finding to what the rule names, such as "Action::s3:GetObject*": IAM's rules
	// name every wildcard. A text that begins with a slash is a regular expression, as cdk-nag reads it.
	Of []string
}

// Accept writes the findings into the part's resource. A second call for a part replaces the first.
func Accept(part constructs.IConstruct, findings ...Finding) {
	rules := []any{}
	for _, finding := range findings {
		rule := map[string]any{"id": finding.Rule, "reason": finding.Reason}
		if len(finding.Of) > 0 {
			rule["applies_to"] = appliesTo(finding.Of)
		}
		rules = append(rules, rule)
	}
	resource(part).AddMetadata(jsii.String(MetadataKey), map[string]any{"rules_to_suppress": rules})
}

func appliesTo(names []string) []any {
	entries := []any{}
	for _, name := range names {
		if name[0] == '/' {
			entries = append(entries, map[string]any{"regex": name})
			continue
		}
		entries = append(entries, name)
	}
	return entries
}

// resource is the part itself or the resource that it is made for.
func resource(part constructs.IConstruct) awscdk.CfnResource {
	if own, ok := part.(awscdk.CfnResource); ok {
		return own
	}
	return part.Node().DefaultChild().(awscdk.CfnResource)
}
