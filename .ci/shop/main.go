// Command shop is a shop's app with an edge gate, for the checks of templates.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/edgegate"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	if err := addShop(app); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	app.Synth(nil)
}

func addShop(app awscdk.App) error {
	stack := awscdk.NewStack(app, jsii.String("Shop"), nil)
	gate, err := edgegate.NewEdgeGate(stack, "Gate", edgegate.Props{
		Functions:   "dist",
		Room:        "https://queue.example.com",
		Secret:      "arn:aws:secretsmanager:us-east-1:123456789012:secret:room-AbCdEf",
		Audience:    "https://shop.example.com",
		Event:       "demo",
		Paths:       []string{"/checkout"},
		EnforceFrom: "never",
	})
	if err != nil {
		return err
	}
	behavior := &awscloudfront.BehaviorOptions{
		Origin:               awscloudfrontorigins.NewHttpOrigin(jsii.String("origin.example.com"), nil),
		ViewerProtocolPolicy: awscloudfront.ViewerProtocolPolicy_REDIRECT_TO_HTTPS,
	}
	if err := gate.Attach(behavior); err != nil {
		return err
	}
	awscloudfront.NewDistribution(stack, jsii.String("Distribution"), &awscloudfront.DistributionProps{DefaultBehavior: behavior})
	return nil
}
