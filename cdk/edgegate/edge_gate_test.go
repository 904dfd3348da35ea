package edgegate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/templatetest"
	"waitingroom/shared/gate"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

func TestFunction(t *testing.T) {
	id, function := synthesised.shop.Only(t, "AWS::CloudFront::Function")
	config := function.Properties["FunctionConfig"].(map[string]any)
	if config["Runtime"] != "cloudfront-js-2.0" || function.Properties["AutoPublish"] != true {
		t.Errorf("runtime %v, published %v", config["Runtime"], function.Properties["AutoPublish"])
	}
	store, _ := synthesised.shop.Only(t, "AWS::CloudFront::KeyValueStore")
	if got := templatetest.Text(t, config["KeyValueStoreAssociations"]); got != `[{"KeyValueStoreARN":{"Fn::GetAtt":["`+store+`","Arn"]}}]` {
		t.Errorf("stores %s", got)
	}
	key, _ := synthesised.shop.Only(t, "Custom::EdgeGateKey")
	if !strings.Contains(templatetest.Text(t, function.DependsOn), `"`+key+`"`) {
		t.Errorf("the function does not wait for its values: %v", function.DependsOn)
	}
	_, distribution := synthesised.shop.Only(t, "AWS::CloudFront::Distribution")
	behavior := distribution.Properties["DistributionConfig"].(map[string]any)["DefaultCacheBehavior"].(map[string]any)
	if got := templatetest.Text(t, behavior["FunctionAssociations"]); got != `[{"EventType":"viewer-request","FunctionARN":{"Fn::GetAtt":["`+id+`","FunctionARN"]}}]` {
		t.Errorf("associations %s", got)
	}
}

func TestCodeHoldsTheAddresses(t *testing.T) {
	_, function := synthesised.shop.Only(t, "AWS::CloudFront::Function")
	code := function.Properties["FunctionCode"].(string)
	for _, line := range []string{"const ROOM = \"https://queue.example.com\";", "const SHOP = \"https://shop.example.com\";"} {
		if !strings.Contains(code, line) {
			t.Errorf("the code lacks %s", line)
		}
	}
	if strings.Contains(code, "{{") || len(code) > longestCode {
		t.Errorf("%d bytes with places left: %v", len(code), strings.Contains(code, "{{"))
	}
	_, plain := synthesised.plain.Only(t, "AWS::CloudFront::Function")
	if got := templatetest.Text(t, plain.Properties["FunctionCode"]); !strings.Contains(got, `const ROOM = \"",{"Ref":"Room"},"\";`) {
		t.Errorf("the address of a room to come is lost: %.300s", got)
	}
}

func TestKeyIsWrittenAtDeployment(t *testing.T) {
	_, key := synthesised.shop.Only(t, "Custom::EdgeGateKey")
	store, _ := synthesised.shop.Only(t, "AWS::CloudFront::KeyValueStore")
	writer, _ := synthesised.shop.Only(t, "AWS::Lambda::Function")
	want := `{"KeyValueStoreArn":{"Fn::GetAtt":["` + store + `","Arn"]},"SecretArn":"` + secret + `",` +
		`"ServiceTimeout":"300","ServiceToken":{"Fn::GetAtt":["` + writer + `","Arn"]},` +
		`"Values":{"enforce-from":"2026-11-21T10:00:00+01:00","event":"demo","open-until":"2026-11-20T00:00:00Z","paths":"/checkout /api/orders"}}`
	if got := templatetest.Text(t, key.Properties); got != want {
		t.Errorf("properties\n%s, want\n%s", got, want)
	}
	_, plain := synthesised.plain.Only(t, "Custom::EdgeGateKey")
	if got := templatetest.Text(t, plain.Properties["Values"]); got != `{"event":"demo"}` {
		t.Errorf("what was left out is written: %s", got)
	}
}

// A store's name is the account's: the same shop in two regions needs two.
func TestStoreTellsTheRegion(t *testing.T) {
	_, plain := synthesised.plain.Only(t, "AWS::CloudFront::KeyValueStore")
	if got := templatetest.Text(t, plain.Properties["Name"]); !strings.HasSuffix(got, `-",{"Ref":"AWS::Region"}]]}`) {
		t.Errorf("the store is called %s in every region", got)
	}
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String(strings.Repeat("Long", 20)), &awscdk.StackProps{
		Env: &awscdk.Environment{Region: jsii.String("ap-northeast-1")},
	})
	gate := &Gate{Construct: constructs.NewConstruct(stack, jsii.String("Gate"))}
	gate.addStore("demo")
	name := fmt.Sprint(stack.Resolve(gate.Store.Node().DefaultChild().(awscloudfront.CfnKeyValueStore).Name()))
	if !strings.HasSuffix(name, "-ap-northeast-1") || len(name) > 64 {
		t.Errorf("%d characters: %s", len(name), name)
	}
}

func TestKeyWriter(t *testing.T) {
	_, function := synthesised.shop.Only(t, "AWS::Lambda::Function")
	for property, want := range map[string]string{
		"Runtime": `"provided.al2023"`, "Architectures": `["arm64"]`, "Handler": `"bootstrap"`, "Timeout": "180", "MemorySize": "128", "Environment": "null",
	} {
		if got := templatetest.Text(t, function.Properties[property]); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	log, group := synthesised.shop.Only(t, "AWS::Logs::LogGroup")
	if group.Properties["RetentionInDays"] != 30.0 {
		t.Errorf("the log is kept for %v days", group.Properties["RetentionInDays"])
	}
	if got := templatetest.Text(t, function.Properties["LoggingConfig"]); got != `{"LogGroup":{"Ref":"`+log+`"}}` {
		t.Errorf("it logs to %s", got)
	}
}

func TestKeyWriterMayDoNoMore(t *testing.T) {
	store, _ := synthesised.shop.Only(t, "AWS::CloudFront::KeyValueStore")
	log, _ := synthesised.shop.Only(t, "AWS::Logs::LogGroup")
	_, policy := synthesised.shop.Only(t, "AWS::IAM::Policy")
	want := `[{"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Effect":"Allow","Resource":{"Fn::GetAtt":["` + log + `","Arn"]}},` +
		`{"Action":"secretsmanager:GetSecretValue","Effect":"Allow","Resource":"` + secret + `"},` +
		`{"Action":["cloudfront-keyvaluestore:DescribeKeyValueStore","cloudfront-keyvaluestore:GetKey","cloudfront-keyvaluestore:UpdateKeys"],` +
		`"Effect":"Allow","Resource":{"Fn::GetAtt":["` + store + `","Arn"]}}]`
	if got := templatetest.Text(t, policy.Properties["PolicyDocument"].(map[string]any)["Statement"]); got != want {
		t.Errorf("statements\n%s, want\n%s", got, want)
	}
	_, role := synthesised.shop.Only(t, "AWS::IAM::Role")
	if role.Properties["ManagedPolicyArns"] != nil || role.Properties["Policies"] != nil {
		t.Errorf("the role has more: %s", templatetest.Text(t, role.Properties))
	}
}

// A key has 43 characters of base64url on its own, of which some are capitals unless 32 random bytes
// look like none that ever were. Names that the CDK makes up are in lower case.
var likeAKey = regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])([A-Za-z0-9_-]{43})(?:[^A-Za-z0-9_-]|$)`)

func TestNoKeyIsDeployed(t *testing.T) {
	if !likeAKey.MatchString(`{"key":"` + record(t).Key + `"}`) {
		t.Fatal("a key would not be found")
	}
	count := 0
	err := filepath.WalkDir(synthesised.assembly, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(path) == "tree.json" || filepath.Base(path) == "manifest.json" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		count++
		for _, found := range likeAKey.FindAllSubmatch(content, -1) {
			if name := string(found[1]); name != strings.ToLower(name) {
				t.Errorf("%s holds what may be a key: %s", path, name)
			}
		}
		return nil
	})
	if err != nil || count < 3 {
		t.Errorf("%d files read: %v", count, err)
	}
}

func TestStoreStartsEmpty(t *testing.T) {
	_, store := synthesised.shop.Only(t, "AWS::CloudFront::KeyValueStore")
	if store.Properties["ImportSource"] != nil {
		t.Errorf("the store imports %v", store.Properties["ImportSource"])
	}
}

func TestAttach(t *testing.T) {
	other := func(event awscloudfront.FunctionEventType) *awscloudfront.FunctionAssociation {
		return &awscloudfront.FunctionAssociation{EventType: event, Function: synthesised.gate.Function}
	}
	behavior := behaviorOf()
	behavior.FunctionAssociations = &[]*awscloudfront.FunctionAssociation{other(awscloudfront.FunctionEventType_VIEWER_RESPONSE)}
	if err := synthesised.gate.Attach(behavior); err != nil {
		t.Errorf("beside a function on responses: %v", err)
	}
	if got := *behavior.FunctionAssociations; len(got) != 2 || got[0] != synthesised.gate.Association {
		t.Errorf("associations %v", got)
	}
	if err := synthesised.gate.Attach(behavior); !errors.Is(err, ErrTaken) {
		t.Errorf("attached twice: %v", err)
	}
	if got := len(*behavior.FunctionAssociations); got != 2 {
		t.Errorf("%d associations after a refusal", got)
	}
	for event, refused := range map[awscloudfront.LambdaEdgeEventType]bool{
		awscloudfront.LambdaEdgeEventType_VIEWER_REQUEST: true, awscloudfront.LambdaEdgeEventType_VIEWER_RESPONSE: true,
		awscloudfront.LambdaEdgeEventType_ORIGIN_REQUEST: false, awscloudfront.LambdaEdgeEventType_ORIGIN_RESPONSE: false,
	} {
		behavior := behaviorOf()
		behavior.EdgeLambdas = &[]*awscloudfront.EdgeLambda{{EventType: event}}
		if err := synthesised.gate.Attach(behavior); errors.Is(err, ErrTaken) != refused {
			t.Errorf("beside Lambda@Edge on %s: %v", event, err)
		}
	}
}

func TestWrongPropsAreNamed(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Props)
		want   []string // beginnings of the error's lines
	}{
		{"nothing", func(*Props) {}, nil},
		{"everything is missing", func(p *Props) { *p = Props{} }, []string{"Functions ", "Room ", "Secret ", "Audience ", "Event "}},
		{"not built", func(p *Props) { p.Functions = "nowhere" }, []string{"Functions lacks nowhere/edgekey/bootstrap: run make build"}},
		{"room by http", func(p *Props) { p.Room = "http://queue.example.com" }, []string{"Room cannot be"}},
		{"room with a query", func(p *Props) { p.Room = "https://queue.example.com?x" }, []string{"Room cannot be"}},
		{"room without a host", func(p *Props) { p.Room = "https:///x" }, []string{"Room cannot be"}},
		{"a key in the place of the ARN", func(p *Props) { p.Secret = "AbCd" }, []string{"Secret cannot be"}},
		{"another ARN", func(p *Props) { p.Secret = "arn:aws:kms:eu-central-1:111122223333:key/1" }, []string{"Secret cannot be"}},
		{"every secret", func(p *Props) { p.Secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:*" }, []string{"Secret cannot be"}},
		{"shop by http", func(p *Props) { p.Audience = "http://shop.example.com" }, []string{"Audience cannot be"}},
		{"shop without scheme", func(p *Props) { p.Audience = "shop.example.com" }, []string{"Audience cannot be"}},
		{"shop with a user", func(p *Props) { p.Audience = "https://me@shop.example.com" }, []string{"Audience cannot be"}},
		{"event in upper case", func(p *Props) { p.Event = "Demo" }, []string{"Event cannot be"}},
		{"reserved event", func(p *Props) { p.Event = "status" }, []string{"Event cannot be"}},
		{"room in capitals, which no pass has", func(p *Props) { p.Room = "https://Queue.example.com" }, []string{"Room cannot be"}},
		{"room with the default port", func(p *Props) { p.Room = "https://queue.example.com:443" }, []string{"Room cannot be"}},
		{"room with another port and a path", func(p *Props) { p.Room = "https://queue.example.com:8443/room" }, nil},
		{"path without slash", func(p *Props) { p.Paths = []string{"/a", "checkout"} }, []string{`Paths cannot hold "checkout"`}},
		{"path with a star", func(p *Props) { p.Paths = []string{"/checkout/*"} }, []string{"Paths cannot hold"}},
		{"path with a space", func(p *Props) { p.Paths = []string{"/a /b"} }, []string{"Paths cannot hold"}},
		{"path with an escape", func(p *Props) { p.Paths = []string{"/%63"} }, []string{"Paths cannot hold"}},
		{"path with dots", func(p *Props) { p.Paths = []string{"/a/../b"} }, []string{"Paths cannot hold"}},
		{"path with a comma", func(p *Props) { p.Paths = []string{"/checkout,/basket"} }, []string{"Paths cannot hold"}},
		{"path in quotes", func(p *Props) { p.Paths = []string{"/'checkout'"} }, []string{"Paths cannot hold"}},
		{"path with two slashes", func(p *Props) { p.Paths = []string{"/a//b"} }, []string{"Paths cannot hold"}},
		{"path with a dot at the end", func(p *Props) { p.Paths = []string{"/a./b"} }, []string{"Paths cannot hold"}},
		{"paths with all that they may hold", func(p *Props) { p.Paths = []string{"/", "/.well-known/", "/Checkout.html", "/a..b/C~!&+:@-_9"} }, nil},
		{"empty path", func(p *Props) { p.Paths = []string{""} }, []string{"Paths cannot hold"}},
		{"too many paths", func(p *Props) { p.Paths = []string{"/" + strings.Repeat("a", 512), "/" + strings.Repeat("b", 512)} }, []string{"Paths have 1027 bytes"}},
		{"as many paths as fit", func(p *Props) { p.Paths = []string{"/" + strings.Repeat("a", 1023)} }, nil},
		{"never enforced", func(p *Props) { p.EnforceFrom = "never" }, nil},
		{"never open", func(p *Props) { p.OpenUntil = "never" }, []string{"OpenUntil cannot be"}},
		{"a date", func(p *Props) { p.EnforceFrom, p.OpenUntil = "2026-11-21", "2026-02-30T00:00:00Z" }, []string{"EnforceFrom cannot be", "OpenUntil cannot be"}},
		{"a time with a comma", func(p *Props) { p.EnforceFrom = "2026-11-21T10:00:00,5Z" }, []string{"EnforceFrom cannot be"}},
		{"addresses too long", func(p *Props) { p.Room = "https://queue.example.com/" + strings.Repeat("a", 2000) }, []string{"the gate's code has "}},
	}
	stack := awscdk.NewStack(nil, jsii.String("Wrong"), nil)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			props := synthesised.props
			test.change(&props)
			_, err := NewEdgeGate(stack, fmt.Sprintf("Gate%d", i), props)
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(test.want) {
				t.Fatalf("got %q, want %d lines", lines, len(test.want))
			}
			for i, want := range test.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("line %q, want %q", lines[i], want)
				}
			}
		})
	}
}

// The audience has to be written as the room writes it into passes.
func TestOrigin(t *testing.T) {
	for _, address := range []string{
		"https://shop.example", "https://Shop.Example/path", "https://shop.example:443", "https://shop.example:8443/", "https://[::1]", "https://[::1]:8443",
		"http://shop.example", "shop.example", "https://", "https://me@shop.example", "https://shop.example:x", "",
	} {
		want, err := pass.Origin(address)
		got, ok := originOf(address)
		if strings.HasPrefix(want, "http:") {
			err = errors.New("not by https")
		}
		if ok != (err == nil) || ok && got != want {
			t.Errorf("%q: got %q, %v; want %q, %v", address, got, ok, want, err)
		}
	}
}

func TestCodeKnowsTheNames(t *testing.T) {
	for _, want := range []string{
		"const PARAMETER = '" + names.PassParameter + "';",
		"setting('" + names.EdgeKey + "')", "setting('" + names.EdgeEvent + "')", "setting('" + names.EdgePaths + "')",
		"setting('" + names.EdgeEnforceFrom + "')", "setting('" + names.EdgeOpenUntil + "')",
		"trim() === '" + never + "'",
		fmt.Sprintf("{1,%d}$/.test(name)", names.LongestEvent),
		fmt.Sprintf("const LEEWAY = %.0f * 1000;", gate.DefaultLeeway.Seconds()),
		"type: 'urn:waiting-room:problem:' + kind",
	} {
		if !strings.Contains(source, want) {
			t.Errorf("edge_gate.js lacks %s", want)
		}
	}
	for _, kind := range []string{gate.ProblemRefused, gate.ProblemUnchecked} {
		code, found := strings.CutPrefix(kind, "urn:waiting-room:problem:")
		if !found || !strings.Contains(source, "'"+code+"'") {
			t.Errorf("edge_gate.js lacks the problem %s", kind)
		}
	}
}

// What the tests in Node run is what is deployed.
func TestTheDeployedCodeIsTested(t *testing.T) {
	// Read here too, so that go test knows what its cached result depends on.
	if _, err := os.ReadFile("../test/edge_gate_code.mjs"); err != nil {
		t.Fatal(err)
	}
	room, shop := "https://queue.example.com/\"'\u2028", "https://shop.example.com"
	command := exec.Command("node", "--input-type=module", "-e",
		"import { deployed } from './edge_gate_code.mjs'; process.stdout.write(deployed(...process.argv.slice(1)))", room, shop)
	command.Dir = "../test"
	tested, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	code, err := deployedCode(room, shop)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(string(tested), "\u2028", `\u2028`); got != code {
		t.Error("cdk/test/edge_gate_code.mjs deploys other code than this package")
	}
}
