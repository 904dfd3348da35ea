package doors

import (
	"encoding/json"
	"fmt"
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

	"waitingroom/shared/names"
)

const (
	room   = "https://wait.example.com"
	shop   = "https://shop.example"
	event  = "show"
	secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:RoomSecret-1A2B3C-AbCdEf"
)

// synthesised are the stacks that all tests look at.
var synthesised struct{ edge, api, balancer document }

// document is as much of a CloudFormation template as the tests read.
type document struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type       string
	Properties map[string]any
}

func TestMain(m *testing.M) {
	status, err := synthesise(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// synthesise runs the tests on the shops' stacks, and ends jsii's process after them.
func synthesise(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "doors")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	programs, err := stub(folder)
	if err != nil {
		return 0, err
	}
	defer jsii.Close()
	assembly := filepath.Join(folder, "cdk.out")
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &assembly})
	edge, err := NewEdgeShop(app, programs, secret)
	if err != nil {
		return 0, err
	}
	api := awscdk.NewStack(app, jsii.String("Api"), nil)
	NewHTTPAPI(api, orders(api))
	balancer := awscdk.NewStack(app, jsii.String("Balancer"), nil)
	addBalancer(balancer)
	for _, shop := range []struct {
		name  string
		stack awscdk.Stack
		into  *document
	}{{"edge", edge, &synthesised.edge}, {"httpapi", api, &synthesised.api}, {"balancer", balancer, &synthesised.balancer}} {
		template, err := json.MarshalIndent(assertions.Template_FromStack(shop.stack, nil).ToJSON(), "", "  ")
		if err != nil {
			return 0, err
		}
		if err := json.Unmarshal(template, shop.into); err != nil {
			return 0, err
		}
		if err := keep("door-"+shop.name, template); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
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

// stub returns a folder with what stands for the gate's program.
func stub(folder string) (string, error) {
	program := filepath.Join(folder, "dist", names.FunctionEdgeKey, "bootstrap")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return "", err
	}
	return filepath.Join(folder, "dist"), os.WriteFile(program, []byte("edgekey"), 0o755)
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

func TestEdgeShop(t *testing.T) {
	function, gate := only(t, synthesised.edge, "AWS::CloudFront::Function")
	for _, line := range []string{`const ROOM = "` + room + `";`, `const SHOP = "` + shop + `";`} {
		if code := gate.Properties["FunctionCode"].(string); !strings.Contains(code, line) {
			t.Errorf("the gate lacks %s", line)
		}
	}
	_, distribution := only(t, synthesised.edge, "AWS::CloudFront::Distribution")
	config := distribution.Properties["DistributionConfig"].(map[string]any)
	want := `[{"EventType":"viewer-request","FunctionARN":{"Fn::GetAtt":["` + function + `","FunctionARN"]}}]`
	if got := text(t, config["DefaultCacheBehavior"].(map[string]any)["FunctionAssociations"]); got != want {
		t.Errorf("behaviour runs %s, want %s", got, want)
	}
	if config["CacheBehaviors"] != nil {
		t.Errorf("a behaviour without the gate leads to the origin: %s", text(t, config["CacheBehaviors"]))
	}
	_, key := only(t, synthesised.edge, "Custom::EdgeGateKey")
	if got, want := text(t, key.Properties["Values"]), `{"enforce-from":"never","event":"`+event+`","paths":"/checkout /api/orders"}`; got != want {
		t.Errorf("the store starts with %s, want %s", got, want)
	}
	if key.Properties["SecretArn"] != secret {
		t.Errorf("the key is taken from %v", key.Properties["SecretArn"])
	}
	store, _ := only(t, synthesised.edge, "AWS::CloudFront::KeyValueStore")
	if got, want := text(t, synthesised.edge.Outputs["GateStore"].Value), `{"Fn::GetAtt":["`+store+`","Arn"]}`; got != want {
		t.Errorf("output %s, want %s", got, want)
	}
}

func TestHTTPAPI(t *testing.T) {
	id, authorizer := only(t, synthesised.api, "AWS::ApiGatewayV2::Authorizer")
	for property, want := range map[string]string{
		"AuthorizerType":   `"JWT"`,
		"IdentitySource":   `["$request.header.Authorization"]`,
		"JwtConfiguration": `{"Audience":["` + shop + `"],"Issuer":"` + room + `"}`,
	} {
		if got := text(t, authorizer.Properties[property]); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	_, route := only(t, synthesised.api, "AWS::ApiGatewayV2::Route")
	if got := text(t, []any{route.Properties["RouteKey"], route.Properties["AuthorizationType"], route.Properties["AuthorizerId"]}); got != `["POST /orders","JWT",{"Ref":"`+id+`"}]` {
		t.Errorf("route %s", got)
	}
	_, api := only(t, synthesised.api, "AWS::ApiGatewayV2::Api")
	want := `{"AllowHeaders":["authorization","content-type"],"AllowMethods":["POST"],"AllowOrigins":["` + shop + `"],"MaxAge":3600}`
	if got := text(t, api.Properties["CorsConfiguration"]); got != want {
		t.Errorf("other origins: %s, want %s", got, want)
	}
}

func TestBalancerChecks(t *testing.T) {
	targets, _ := only(t, synthesised.balancer, "AWS::ElasticLoadBalancingV2::TargetGroup")
	_, listener := only(t, synthesised.balancer, "AWS::ElasticLoadBalancingV2::Listener")
	want := `[{"JwtValidationConfig":{"AdditionalClaims":[` +
		`{"Format":"single-string","Name":"aud","Values":["` + shop + `"]},` +
		`{"Format":"single-string","Name":"event","Values":["` + event + `"]}],` +
		`"Issuer":"` + room + `","JwksEndpoint":"` + room + names.JWKSPath + `"},"Order":1,"Type":"jwt-validation"},` +
		`{"Order":2,"TargetGroupArn":{"Ref":"` + targets + `"},"Type":"forward"}]`
	if got := text(t, listener.Properties["DefaultActions"]); got != want {
		t.Errorf("actions\n%s, want\n%s", got, want)
	}
	if listener.Properties["Protocol"] != "HTTPS" {
		t.Errorf("passes are taken over %v", listener.Properties["Protocol"])
	}
}

func TestBalancerSparesReadingThePage(t *testing.T) {
	_, rule := only(t, synthesised.balancer, "AWS::ElasticLoadBalancingV2::ListenerRule")
	want := `[{"Field":"http-request-method","HttpRequestMethodConfig":{"Values":["GET","HEAD"]}},` +
		`{"Field":"path-pattern","PathPatternConfig":{"Values":["/","/checkout","/assets/*"]}}]`
	if got := text(t, rule.Properties["Conditions"]); got != want {
		t.Errorf("spared are %s, want %s", got, want)
	}
}

// A balancer that cannot reach the room's keys turns everybody away.
func TestBalancerReachesTheKeys(t *testing.T) {
	_, group := only(t, synthesised.balancer, "AWS::EC2::SecurityGroup")
	if got := text(t, group.Properties["SecurityGroupEgress"]); !strings.Contains(got, `"CidrIp":"0.0.0.0/0"`) || !strings.Contains(got, `"FromPort":443`) {
		t.Errorf("the balancer may call %s", got)
	}
}
