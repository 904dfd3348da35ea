package waitingroom

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/nagtest"
)

// AWS's own rules find nothing in any kind of room that is not accepted for a reason.
func TestNag(t *testing.T) {
	kinds := map[string]func(scope constructs.Construct, props Props) (awscdk.Stack, error){
		"default": func(scope constructs.Construct, props Props) (awscdk.Stack, error) {
			stack, _, err := NewStack(scope, "Room", nil, props)
			return stack, err
		},
		"everything": func(scope constructs.Construct, props Props) (awscdk.Stack, error) {
			environment := &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("eu-west-1")}
			stack, _, err := NewStack(scope, "Room", &awscdk.StackProps{Env: environment}, everyProp(props))
			return stack, err
		},
		"us-east-1": func(scope constructs.Construct, props Props) (awscdk.Stack, error) {
			environment := &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("us-east-1")}
			stack, _, err := NewEdgeStack(scope, "Edge", &awscdk.StackProps{Env: environment},
				EdgeProps{Domain: "queue.example.com", Zone: "Z0123456789ABCDEFGHIJ", WebACL: &WebACLProps{}})
			return stack, err
		},
	}
	for name, build := range kinds {
		t.Run(name, func(t *testing.T) {
			props, err := stubs(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
			stack, err := build(app, props)
			if err != nil {
				t.Fatal(err)
			}
			complaints, err := nagtest.Complaints(app, stack)
			if err != nil {
				t.Fatal(err)
			}
			for _, complaint := range complaints {
				t.Error(complaint)
			}
		})
	}
}
