// Command cdk is the CDK app: one stack with one waiting room, and one in us-east-1 for what
// CloudFront looks for there, where that is asked for. It expects the functions to be built, which
// cdk.json sees to.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/waitingroom"
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	endRuntime()
	if err != nil {
		os.Exit(1)
	}
}

// endRuntime ends jsii's process in silence. All has been said by then, and the runtime waits for
// the process twice at once and now and then calls the second time an abnormal exit, which would
// stand beside the one line that says what to change.
func endRuntime() {
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = nowhere
	}
	jsii.Close()
}

func run() error {
	app := awscdk.NewApp(nil)
	// What is wrong by itself and what is wrong with the stack are told at once.
	options, wrong := readOptions(contextOf(app))
	if err := errors.Join(wrong, build(app, options, environment())); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// contextOf reads what was given with -c as text. cdk.json and cdk.context.json may also hold numbers
// and objects, which are read as their JSON.
func contextOf(app awscdk.App) func(key string) string {
	return func(key string) string {
		switch value := app.Node().TryGetContext(&key).(type) {
		case nil:
			return ""
		case map[string]any:
			text, err := json.Marshal(value)
			if err != nil {
				panic(err) // It was read from JSON.
			}
			return string(text)
		default:
			return fmt.Sprint(value)
		}
	}
}

// build makes the stacks. The error names everything that is wrong.
func build(app awscdk.App, options options, env *awscdk.Environment) error {
	props := options.props
	stackProps := &awscdk.StackProps{Env: env}
	var edgeErr error
	if options.needsEdge() {
		if env == nil {
			return errors.New("zone and webacl=create make a second stack in us-east-1, which needs to know the account: " +
				"set AWS_PROFILE, or both CDK_DEFAULT_ACCOUNT and AWS_REGION")
		}
		edgeErr = addEdge(app, options, *env.Account, &props)
	}
	_, _, err := waitingroom.NewStack(app, "WaitingRoom", stackProps, props)
	return errors.Join(edgeErr, err)
}

// addEdge makes the stack in us-east-1 and brings what it holds to the room's props.
func addEdge(app awscdk.App, options options, account string, props *waitingroom.Props) error {
	stackProps := &awscdk.StackProps{Env: &awscdk.Environment{Account: &account, Region: jsii.String("us-east-1")}}
	_, edge, err := waitingroom.NewEdgeStack(app, "WaitingRoomEdge", stackProps, options.edge)
	if err != nil {
		return err
	}
	if options.edge.Domain != "" {
		props.Domain = &waitingroom.Domain{Name: options.edge.Domain, Zone: options.edge.Zone, Certificate: edge.Certificate}
	}
	if options.edge.WebACL != nil {
		props.WebACL = edge.WebACL
	}
	return nil
}

// environment is what the CLI found out from the credentials in use. Without any the stack is made
// for no account in particular, so that it synthesises everywhere.
func environment() *awscdk.Environment {
	account, region := os.Getenv("CDK_DEFAULT_ACCOUNT"), os.Getenv("CDK_DEFAULT_REGION")
	if account == "" || region == "" {
		return nil
	}
	return &awscdk.Environment{Account: &account, Region: &region}
}
