// Command cdk is the CDK app: one stack with one waiting room. It expects the functions to be built,
// which cdk.json sees to.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/waitingroom"
	"waitingroom/shared/names"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	props := waitingroom.Props{Functions: "dist", Page: "static"}
	if err := checkBuilt(props); err != nil {
		return err
	}
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	domain, err := readDomain(contextValue(app, "domain"), contextValue(app, "certificate"))
	if err != nil {
		return err
	}
	props.Domain = domain
	if _, _, err := waitingroom.NewStack(app, "WaitingRoom", &awscdk.StackProps{Env: environment()}, props); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// checkBuilt says in one line what to do, where a missing asset folder would end in a stack trace.
func checkBuilt(props waitingroom.Props) error {
	for _, name := range names.Functions() {
		program := filepath.Join(props.Functions, name, "bootstrap")
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("%s is missing: run make build in the repository's root first", program)
		}
	}
	page := filepath.Join(props.Page, "index.html")
	if _, err := os.Stat(page); err != nil {
		return fmt.Errorf("%s is missing: run cdk in the repository's root", page)
	}
	return nil
}

func contextValue(app awscdk.App, key string) string {
	value, _ := app.Node().TryGetContext(&key).(string)
	return value
}

// readDomain takes both values or neither: CloudFront accepts no name without its certificate.
func readDomain(name, certificate string) (*waitingroom.Domain, error) {
	if name == "" && certificate == "" {
		return nil, nil
	}
	if name == "" || certificate == "" {
		return nil, fmt.Errorf("give both -c domain=<name> and -c certificate=<ARN in us-east-1>, or neither")
	}
	return &waitingroom.Domain{Name: name, Certificate: certificate}, nil
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
