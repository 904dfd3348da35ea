package doors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/templatetest"
	"waitingroom/shared/names"
)

const (
	room   = "https://wait.example.com"
	shop   = "https://shop.example"
	event  = "show"
	secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:RoomSecret-1A2B3C-AbCdEf"
)

// synthesised are the stacks that all tests look at.
var synthesised struct{ edge, api, balancer templatetest.Template }

func TestMain(m *testing.M) { templatetest.Main(m, synthesise) }

// synthesise makes the shops' stacks in a folder.
func synthesise(folder string) error {
	if err := templatetest.Stub(folder, filepath.Join("dist", names.FunctionEdgeKey, "bootstrap")); err != nil {
		return err
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(filepath.Join(folder, "cdk.out"))})
	edge, err := NewEdgeShop(app, filepath.Join(folder, "dist"), secret)
	if err != nil {
		return err
	}
	api := awscdk.NewStack(app, jsii.String("Api"), nil)
	NewHTTPAPI(api, orders(api))
	balancer := awscdk.NewStack(app, jsii.String("Balancer"), nil)
	addBalancer(balancer)
	for _, shop := range []struct {
		name  string
		stack awscdk.Stack
		into  *templatetest.Template
	}{{"edge", edge, &synthesised.edge}, {"httpapi", api, &synthesised.api}, {"balancer", balancer, &synthesised.balancer}} {
		if *shop.into, err = templatetest.Read(assertions.Template_FromStack(shop.stack, nil)); err != nil {
			return err
		}
		if err := keep("door-"+shop.name, shop.into.Text); err != nil {
			return err
		}
	}
	return nil
}

// keep writes a template into the folder TEMPLATES, if there is one, for those who check templates
// with other programs.
func keep(name string, template []byte) error {
	folder := os.Getenv("TEMPLATES")
	if folder == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(folder, name+".template.json"), template, 0o644)
}

// orders is a function that is the shop's own.
func orders(stack awscdk.Stack) awslambda.IFunction {
	return awslambda.Function_FromFunctionAttributes(stack, jsii.String("OrdersFunction"), &awslambda.FunctionAttributes{
		FunctionArn:     jsii.String("arn:aws:lambda:eu-central-1:111122223333:function:orders"),
		SameEnvironment: jsii.Bool(true),
	})
}

// addBalancer makes what a shop with a load balancer has already.
func addBalancer(stack awscdk.Stack) {
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0)})
	balancer := awselasticloadbalancingv2.NewApplicationLoadBalancer(stack, jsii.String("Balancer"),
		&awselasticloadbalancingv2.ApplicationLoadBalancerProps{Vpc: vpc, InternetFacing: jsii.Bool(true)})
	targets := awselasticloadbalancingv2.NewApplicationTargetGroup(stack, jsii.String("Targets"),
		&awselasticloadbalancingv2.ApplicationTargetGroupProps{
			Vpc: vpc, Port: jsii.Number(8080), TargetType: awselasticloadbalancingv2.TargetType_IP,
		})
	certificate := awselasticloadbalancingv2.ListenerCertificate_FromArn(
		jsii.String("arn:aws:acm:eu-central-1:111122223333:certificate/11111111-2222-3333-4444-555555555555"))
	AddListener(balancer, certificate, targets)
}

func TestEdgeShop(t *testing.T) {
	function, gate := synthesised.edge.Only(t, "AWS::CloudFront::Function")
	for _, line := range []string{`const ROOM = "` + room + `";`, `const SHOP = "` + shop + `";`} {
		if code := gate.Properties["FunctionCode"].(string); !strings.Contains(code, line) {
			t.Errorf("the gate lacks %s", line)
		}
	}
	_, distribution := synthesised.edge.Only(t, "AWS::CloudFront::Distribution")
	config := distribution.Properties["DistributionConfig"].(map[string]any)
	want := `[{"EventType":"viewer-request","FunctionARN":{"Fn::GetAtt":["` + function + `","FunctionARN"]}}]`
	if got := templatetest.Text(t, config["DefaultCacheBehavior"].(map[string]any)["FunctionAssociations"]); got != want {
		t.Errorf("behaviour runs %s, want %s", got, want)
	}
	if config["CacheBehaviors"] != nil {
		t.Errorf("a behaviour without the gate leads to the origin: %s", templatetest.Text(t, config["CacheBehaviors"]))
	}
	_, key := synthesised.edge.Only(t, "Custom::EdgeGateKey")
	if got, want := templatetest.Text(t, key.Properties["Values"]), `{"enforce-from":"never","event":"`+event+`","paths":"/checkout /api/orders"}`; got != want {
		t.Errorf("the store starts with %s, want %s", got, want)
	}
	if key.Properties["SecretArn"] != secret {
		t.Errorf("the key is taken from %v", key.Properties["SecretArn"])
	}
	store, _ := synthesised.edge.Only(t, "AWS::CloudFront::KeyValueStore")
	if got, want := templatetest.Text(t, synthesised.edge.Outputs["GateStore"].Value), `{"Fn::GetAtt":["`+store+`","Arn"]}`; got != want {
		t.Errorf("output %s, want %s", got, want)
	}
}

func TestHTTPAPI(t *testing.T) {
	id, authorizer := synthesised.api.Only(t, "AWS::ApiGatewayV2::Authorizer")
	for property, want := range map[string]string{
		"AuthorizerType":   `"JWT"`,
		"IdentitySource":   `["$request.header.Authorization"]`,
		"JwtConfiguration": `{"Audience":["` + shop + `"],"Issuer":"` + room + `"}`,
	} {
		if got := templatetest.Text(t, authorizer.Properties[property]); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	_, route := synthesised.api.Only(t, "AWS::ApiGatewayV2::Route")
	if got := templatetest.Text(t, []any{route.Properties["RouteKey"], route.Properties["AuthorizationType"], route.Properties["AuthorizerId"]}); got != `["POST /orders","JWT",{"Ref":"`+id+`"}]` {
		t.Errorf("route %s", got)
	}
	_, api := synthesised.api.Only(t, "AWS::ApiGatewayV2::Api")
	want := `{"AllowHeaders":["authorization","content-type"],"AllowMethods":["POST"],"AllowOrigins":["` + shop + `"],"MaxAge":3600}`
	if got := templatetest.Text(t, api.Properties["CorsConfiguration"]); got != want {
		t.Errorf("other origins: %s, want %s", got, want)
	}
}

func TestBalancerChecks(t *testing.T) {
	targets, _ := synthesised.balancer.Only(t, "AWS::ElasticLoadBalancingV2::TargetGroup")
	_, listener := synthesised.balancer.Only(t, "AWS::ElasticLoadBalancingV2::Listener")
	want := `[{"JwtValidationConfig":{"AdditionalClaims":[` +
		`{"Format":"single-string","Name":"aud","Values":["` + shop + `"]},` +
		`{"Format":"single-string","Name":"event","Values":["` + event + `"]}],` +
		`"Issuer":"` + room + `","JwksEndpoint":"` + room + names.JWKSPath + `"},"Order":1,"Type":"jwt-validation"},` +
		`{"Order":2,"TargetGroupArn":{"Ref":"` + targets + `"},"Type":"forward"}]`
	if got := templatetest.Text(t, listener.Properties["DefaultActions"]); got != want {
		t.Errorf("actions\n%s, want\n%s", got, want)
	}
	if listener.Properties["Protocol"] != "HTTPS" {
		t.Errorf("passes are taken over %v", listener.Properties["Protocol"])
	}
}

func TestBalancerSparesReadingThePage(t *testing.T) {
	_, rule := synthesised.balancer.Only(t, "AWS::ElasticLoadBalancingV2::ListenerRule")
	want := `[{"Field":"http-request-method","HttpRequestMethodConfig":{"Values":["GET","HEAD"]}},` +
		`{"Field":"path-pattern","PathPatternConfig":{"Values":["/","/checkout","/assets/*"]}}]`
	if got := templatetest.Text(t, rule.Properties["Conditions"]); got != want {
		t.Errorf("spared are %s, want %s", got, want)
	}
}

// A balancer that cannot reach the room's keys turns everybody away.
func TestBalancerReachesTheKeys(t *testing.T) {
	_, group := synthesised.balancer.Only(t, "AWS::EC2::SecurityGroup")
	if got := templatetest.Text(t, group.Properties["SecurityGroupEgress"]); !strings.Contains(got, `"CidrIp":"0.0.0.0/0"`) || !strings.Contains(got, `"FromPort":443`) {
		t.Errorf("the balancer may call %s", got)
	}
}
