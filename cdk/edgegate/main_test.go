package edgegate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// synthesised are the stacks that all tests look at.
var synthesised struct {
	props    Props
	assembly string   // the folder of templates and assets
	gate     *Gate    // of the shop
	shop     document // a shop with all props set
	plain    document // a gate with nothing but what is required, and a room that is yet to come
}

// document is as much of a CloudFormation template as the tests read.
type document struct {
	Resources map[string]resource
}

type resource struct {
	Type       string
	Properties map[string]any
	DependsOn  any
}

const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:RoomSecret-1A2B3C-AbCdEf"

func TestMain(m *testing.M) {
	status, err := synthesise(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// synthesise runs the tests on stacks of a stub folder, and ends jsii's process after them.
func synthesise(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "gate")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	program := filepath.Join(folder, "dist", names.FunctionEdgeKey, "bootstrap")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return 0, err
	}
	if err := os.WriteFile(program, []byte("edgekey"), 0o755); err != nil {
		return 0, err
	}
	synthesised.assembly = filepath.Join(folder, "cdk.out")
	synthesised.props = Props{
		Functions: filepath.Join(folder, "dist"), Room: "https://queue.example.com/", Secret: secret,
		Audience: "https://Shop.example.com:443/start", Event: "demo",
		Paths: []string{"/checkout", "/api/orders"}, EnforceFrom: "2026-11-21T10:00:00+01:00", OpenUntil: "2026-11-20T00:00:00Z",
	}
	defer jsii.Close()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &synthesised.assembly})
	shop := awscdk.NewStack(app, jsii.String("Shop"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("us-east-1")},
	})
	if synthesised.gate, err = NewEdgeGate(shop, "Gate", synthesised.props); err != nil {
		return 0, err
	}
	if err := addShop(shop, synthesised.gate); err != nil {
		return 0, err
	}
	plain := awscdk.NewStack(app, jsii.String("Plain"), nil)
	room := awscdk.NewCfnParameter(plain, jsii.String("Room"), &awscdk.CfnParameterProps{Type: jsii.String("String")})
	if _, err := NewEdgeGate(plain, "Gate", Props{
		Functions: synthesised.props.Functions, Secret: secret, Audience: "https://shop.example.com", Event: "demo",
		Room: *room.ValueAsString(),
	}); err != nil {
		return 0, err
	}
	for stack, into := range map[awscdk.Stack]*document{shop: &synthesised.shop, plain: &synthesised.plain} {
		text, err := json.Marshal(assertions.Template_FromStack(stack, nil).ToJSON())
		if err != nil {
			return 0, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return 0, err
		}
	}
	app.Synth(nil)
	return m.Run(), nil
}

func addShop(scope constructs.Construct, gate *Gate) error {
	behavior := behaviorOf()
	if err := gate.Attach(behavior); err != nil {
		return err
	}
	awscloudfront.NewDistribution(scope, jsii.String("Distribution"), &awscloudfront.DistributionProps{DefaultBehavior: behavior})
	return nil
}

func behaviorOf() *awscloudfront.BehaviorOptions {
	return &awscloudfront.BehaviorOptions{Origin: awscloudfrontorigins.NewHttpOrigin(jsii.String("origin.example.com"), nil)}
}

// only is the one resource of a kind.
func only(t *testing.T, in document, kind string) (id string, found resource) {
	t.Helper()
	count := 0
	for candidate, part := range in.Resources {
		if part.Type == kind {
			id, found, count = candidate, part, count+1
		}
	}
	if count != 1 {
		t.Fatalf("%d resources of type %s, want 1", count, kind)
	}
	return id, found
}

// text is a value of the template as compact JSON.
func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
