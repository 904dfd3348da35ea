// Command bootstrap is the hotshow function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/hotshow"
	"waitingroom/shared/deployment"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
	"waitingroom/shared/settings"
	"waitingroom/shared/statuses"
)

func main() {
	d, err := deployment.Load(context.Background(), names.Variables(names.FunctionHotShow)...)
	if err != nil {
		log.Fatal(err)
	}
	parameters, err := settings.NewReader(ssm.NewFromConfig(d.AWS), d.Env(names.EnvParameterPath), nil)
	if err != nil {
		log.Fatal(err)
	}
	selfApproval, err := strconv.ParseBool(d.Env(names.EnvSelfApproval))
	if err != nil {
		log.Fatalf("%s: set it to \"true\" or \"false\": %v", names.EnvSelfApproval, err)
	}
	lambda.Start(hotshow.Answer(hotshow.NewHandler(&hotshow.Desk{
		Shows:        schedule.New(dynamodb.NewFromConfig(d.AWS), d.Env(names.EnvTable)),
		Statuses:     statuses.NewReader(d.Env(names.EnvIssuer), http.DefaultClient),
		Parameters:   parameters,
		Alarms:       hotshow.NewCloudWatchAlarms(cloudwatch.NewFromConfig(d.AWS), d.Env(names.EnvRoom)),
		SelfApproval: selfApproval, Random: rand.Reader, Now: time.Now, Log: d.Log,
	}), d.Log))
}
