package edgegate

import (
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/templatetest"
	"waitingroom/shared/names"
)

// synthesised are the stacks that all tests look at.
var synthesised struct {
	props    Props
	assembly string                // the folder of templates and assets
	gate     *Gate                 // of the shop
	shop     templatetest.Template // a shop with all props set
	plain    templatetest.Template // a gate with nothing but what is required, and a room that is yet to come
}

const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:RoomSecret-1A2B3C-AbCdEf"

func TestMain(m *testing.M) { templatetest.Main(m, synthesise) }

// synthesise makes the stacks in a folder.
func synthesise(folder string) (err error) {
	if err := templatetest.Stub(folder, filepath.Join("dist", names.FunctionEdgeKey, "bootstrap")); err != nil {
		return err
	}
	synthesised.assembly = filepath.Join(folder, "cdk.out")
	synthesised.props = Props{
		Functions: filepath.Join(folder, "dist"), Room: "https://queue.example.com/", Secret: secret,
		Audience: "https://Shop.example.com:443/start", Event: "demo",
		Paths: []string{"/checkout", "/api/orders"}, EnforceFrom: "2026-11-21T10:00:00+01:00", OpenUntil: "2026-11-20T00:00:00Z",
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &synthesised.assembly})
	shop := awscdk.NewStack(app, jsii.String("Shop"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("us-east-1")},
	})
	if synthesised.gate, err = NewEdgeGate(shop, "Gate", synthesised.props); err != nil {
		return err
	}
	if err := addShop(shop, synthesised.gate); err != nil {
		return err
	}
	plain := awscdk.NewStack(app, jsii.String("Plain"), nil)
	room := awscdk.NewCfnParameter(plain, jsii.String("Room"), &awscdk.CfnParameterProps{Type: jsii.String("String")})
	if _, err := NewEdgeGate(plain, "Gate", Props{
		Functions: synthesised.props.Functions, Secret: secret, Audience: "https://shop.example.com", Event: "demo",
		Room: *room.ValueAsString(),
	}); err != nil {
		return err
	}
	for stack, into := range map[awscdk.Stack]*templatetest.Template{shop: &synthesised.shop, plain: &synthesised.plain} {
		if *into, err = templatetest.Read(assertions.Template_FromStack(stack, nil)); err != nil {
			return err
		}
	}
	app.Synth(nil)
	return nil
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
