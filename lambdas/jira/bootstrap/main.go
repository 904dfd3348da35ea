// Command bootstrap is the jira function as Lambda starts it.
package main

import (
	"context"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	door "waitingroom/lambdas/jira"
	"waitingroom/shared/deployment"
	"waitingroom/shared/jira"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
)

func main() {
	d, err := deployment.Load(context.Background(), names.Variables(names.FunctionJira)...)
	if err != nil {
		log.Fatal(err)
	}
	fields, err := jira.ParseFields(d.Env(names.EnvJiraFields))
	if err != nil {
		log.Fatalf("%s: %v", names.EnvJiraFields, err)
	}
	credentials := jira.NewSecret(secretsmanager.NewFromConfig(d.AWS), d.Env(names.EnvJiraSecret), time.Now)
	lambda.Start(door.Respond(door.NewHandler(&door.Door{
		Shows:       schedule.New(dynamodb.NewFromConfig(d.AWS), d.Env(names.EnvTable)),
		Comments:    jira.NewClient(d.Env(names.EnvJiraSite), credentials, nil),
		Credentials: credentials, Fields: fields, AllowSelf: d.Env(names.EnvSelfApproval) == "true",
		Now: time.Now, Log: d.Log,
	}), d.Log))
}
