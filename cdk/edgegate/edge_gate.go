// Package edgegate guards a shop behind CloudFront: a CloudFront Function, to be attached to the
// shop's distribution, lets visitors in who hold a pass (HS256) of the waiting room.
//
//	gate, err := edgegate.NewEdgeGate(stack, "Gate", edgegate.Props{ … })
//	err = gate.Attach(checkout) // a *awscloudfront.BehaviorOptions
//
// It behaves like the Go middleware of shared/gate, except that it has no memory and no keys of the
// room but the secret one: the event's parameter pass-alg has to be HS256. What it reads from its
// KeyValueStore can be changed at any time without a deployment: see names.EdgeEnforceFrom.
package edgegate

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// source is the CloudFront Function, with two places for addresses.
//
//go:embed edge_gate.js
var source string

// CloudFront takes this many bytes of code and of one value in a KeyValueStore.
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
const (
	longestCode  = 10_240
	longestValue = 1024
)

// longestRegion leaves room for the longest names of regions, such as ap-northeast-1.
const longestRegion = 16

// keyTimeout is for edgekey, in seconds: it tries for two minutes to write to a new store.
const keyTimeout = 180

// Props say which room's passes open which shop. Functions, Room, Secret, Audience and Event are
// required.
//
// Paths, EnforceFrom and OpenUntil are what the gate starts with, and so is Event. They are written
// once: a later deployment never undoes what a team has changed in the store since.
//
// CloudFront asks 0.10 USD for a million requests that a gate looks at, and 0.03 USD for a million
// reads from its store, of which there are two to five a request
// (https://aws.amazon.com/cloudfront/pricing/).
type Props struct {
	// Functions is the folder that holds edgekey/bootstrap, built for Linux on arm64. It runs when
	// the stack is deployed: free.
	Functions string
	// Room is the https address of the waiting room, the iss of its passes. Free.
	Room string
	// Secret is the ARN of the secret that the room derives its keys from, an output of its stack. It
	// may be in another region of the same account. Reading it costs nothing worth mentioning.
	Secret string
	// Audience is the https address of the shop as visitors see it; its origin is the aud of their
	// passes, and where visitors are led. Free.
	Audience string
	// Event is the event whose passes open this gate. Free.
	Event string
	// Paths are prefixes of the paths that need a pass, as text: "/checkout" also stands for
	// "/checkout-2". Together at most 1024 bytes. Default all. Free.
	Paths []string
	// EnforceFrom is the time from which on passes are asked for, RFC 3339, or "never", which
	// switches the gate off. Default at once. Free.
	EnforceFrom string
	// OpenUntil is the time until which everybody is let through, RFC 3339. Default not at all. Free.
	OpenUntil string
	// LogRetention is how long the log of edgekey is kept, some lines for each deployment. Default a
	// month.
	LogRetention awslogs.RetentionDays
}

// Gate is the edge gate and what it is made of.
type Gate struct {
	Construct constructs.Construct // the scope of all parts

	Store    awscloudfront.KeyValueStore // what the gate reads; its keys are names.Edge…
	Function awscloudfront.Function      // the gate itself
	KeyRole  awsiam.Role                 // of KeyWriter
	KeyLog   awslogs.LogGroup            // of KeyWriter
	// KeyWriter brings the key from Secrets Manager to the store when the stack is deployed.
	KeyWriter awslambda.Function
	Key       awscdk.CustomResource // the call of KeyWriter

	// Association is what Attach adds, for a distribution that is put together in another way.
	Association *awscloudfront.FunctionAssociation
}

// NewEdgeGate makes a gate in scope, in the shop's account, in any region. The error names every
// prop that is wrong.
func NewEdgeGate(scope constructs.Construct, id string, props Props) (*Gate, error) {
	props = props.withDefaults()
	if err := props.check(); err != nil {
		return nil, err
	}
	code, err := deployedCode(props.Room, props.Audience)
	if err != nil {
		return nil, err
	}
	gate := &Gate{Construct: constructs.NewConstruct(scope, &id)}
	gate.addStore(props.Event)
	gate.addKeyWriter(props)
	gate.addKey(props)
	gate.addFunction(code)
	return gate, nil
}

// addStore makes the store. Its name is the account's and has 64 characters at most, so the same
// stack in two regions needs two.
func (g *Gate) addStore(event string) {
	name := awscdk.Names_UniqueResourceName(g.Construct, &awscdk.UniqueResourceNameOptions{
		MaxLength: jsii.Number(64 - len("-") - longestRegion),
	})
	g.Store = awscloudfront.NewKeyValueStore(g.Construct, jsii.String("Store"), &awscloudfront.KeyValueStoreProps{
		KeyValueStoreName: jsii.Sprintf("%s-%s", *name, *awscdk.Stack_Of(g.Construct).Region()),
		Comment:           jsii.Sprintf("edge gate of the waiting room for %s", event),
	})
}

// addKeyWriter lets edgekey read one secret, write to one store and to its own log.
func (g *Gate) addKeyWriter(props Props) {
	g.KeyLog = awslogs.NewLogGroup(g.Construct, jsii.String("KeyLog"), &awslogs.LogGroupProps{
		Retention:     props.LogRetention,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	g.KeyRole = awsiam.NewRole(g.Construct, jsii.String("KeyRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	g.KeyLog.GrantWrite(g.KeyRole)
	g.allow(props.Secret, "secretsmanager:GetSecretValue")
	g.allow(*g.Store.KeyValueStoreArn(), "cloudfront-keyvaluestore:DescribeKeyValueStore",
		"cloudfront-keyvaluestore:GetKey", "cloudfront-keyvaluestore:UpdateKeys")
	g.KeyWriter = awslambda.NewFunction(g.Construct, jsii.String("KeyWriter"), &awslambda.FunctionProps{
		Description:  jsii.String("waiting room: brings the key of passes to an edge gate"),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		Code:         awslambda.Code_FromAsset(jsii.String(filepath.Join(props.Functions, names.FunctionEdgeKey)), nil),
		Handler:      jsii.String("bootstrap"),
		MemorySize:   jsii.Number(128),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(keyTimeout)),
		LogGroup:     g.KeyLog,
		Role:         g.KeyRole,
	})
}

func (g *Gate) allow(resource string, actions ...string) {
	g.KeyRole.AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(actions...),
		Resources: jsii.Strings(resource),
	}))
}

// addKey names the secret and never holds it: the template shows only ARNs.
func (g *Gate) addKey(props Props) {
	g.Key = awscdk.NewCustomResource(g.Construct, jsii.String("Key"), &awscdk.CustomResourceProps{
		ServiceToken: g.KeyWriter.FunctionArn(),
		ResourceType: jsii.String("Custom::EdgeGateKey"),
		// A function that fails to answer holds the deployment up for this long, and not for an hour.
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(5)),
		Properties: &map[string]interface{}{
			"SecretArn":        props.Secret,
			"KeyValueStoreArn": *g.Store.KeyValueStoreArn(),
			"Values":           props.values(),
		},
	})
}

// addFunction makes the function wait for the store's values, so that no distribution can have it
// while they are missing: it would turn everybody away.
func (g *Gate) addFunction(code string) {
	g.Function = awscloudfront.NewFunction(g.Construct, jsii.String("Function"), &awscloudfront.FunctionProps{
		Code:          awscloudfront.FunctionCode_FromInline(&code),
		Runtime:       awscloudfront.FunctionRuntime_JS_2_0(),
		KeyValueStore: g.Store,
		Comment:       jsii.String("Asks visitors for a pass of the waiting room."),
	})
	g.Function.Node().AddDependency(g.Key)
	g.Association = &awscloudfront.FunctionAssociation{
		EventType: awscloudfront.FunctionEventType_VIEWER_REQUEST,
		Function:  g.Function,
	}
}

// ErrTaken means that the behaviour runs something on viewer requests already, and CloudFront runs
// no two: put that into the shop itself, or use another way to check passes.
var ErrTaken = errors.New("CloudFront runs only one function on viewer requests")

// Attach makes the gate look at every request of a behaviour before it is answered from the cache or
// the origin. Attach it to all behaviours that lead to the origin: CloudFront tells paths apart by
// case and encoding where the origin may not, so /Checkout would be served by another behaviour than
// /checkout. Which paths need a pass is for the store to say.
func (g *Gate) Attach(behavior *awscloudfront.BehaviorOptions) error {
	var associations []*awscloudfront.FunctionAssociation
	if behavior.FunctionAssociations != nil {
		associations = *behavior.FunctionAssociations
	}
	for _, association := range associations {
		if association.EventType == awscloudfront.FunctionEventType_VIEWER_REQUEST {
			return fmt.Errorf("%w, and this behaviour has one", ErrTaken)
		}
	}
	if behavior.EdgeLambdas != nil {
		for _, edge := range *behavior.EdgeLambdas {
			if edge.EventType == awscloudfront.LambdaEdgeEventType_VIEWER_REQUEST || edge.EventType == awscloudfront.LambdaEdgeEventType_VIEWER_RESPONSE {
				return fmt.Errorf("%w, and none beside a Lambda@Edge function on %s", ErrTaken, edge.EventType)
			}
		}
	}
	joined := append([]*awscloudfront.FunctionAssociation{g.Association}, associations...)
	behavior.FunctionAssociations = &joined
	return nil
}

// deployedCode is the function with its addresses. Comments and indentation go: with them it would
// be too long for CloudFront.
func deployedCode(room, audience string) (string, error) {
	addressed := strings.NewReplacer("'{{room}}'", quoted(room), "'{{audience}}'", quoted(audience)).Replace(source)
	var code strings.Builder
	for line := range strings.Lines(addressed) {
		line = strings.TrimLeft(line, " ")
		if line != "\n" && !strings.HasPrefix(line, "//") {
			code.WriteString(line)
		}
	}
	if code.Len() > longestCode {
		return "", fmt.Errorf("the gate's code has %d bytes and may have %d: give shorter addresses as Room and Audience", code.Len(), longestCode)
	}
	return code.String(), nil
}

// quoted is a text as JavaScript writes it.
func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic("edgegate: a string that is not JSON: " + err.Error())
	}
	return string(encoded)
}
