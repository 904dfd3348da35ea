// Command shop is an app with the shop with an edge gate that docs/connect-a-shop.md shows, so that
// its template can be checked.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/doors"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	secret := "arn:aws:secretsmanager:us-east-1:123456789012:secret:RoomSecret-1A2B3C-AbCdEf"
	if _, err := doors.NewEdgeShop(app, "dist", secret); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	app.Synth(nil)
}
