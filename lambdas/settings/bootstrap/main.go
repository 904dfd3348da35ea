// Command bootstrap is the settings function as Lambda starts it.
package main

import (
	"context"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/deployment"
	"waitingroom/shared/names"
)

func main() {
	d, err := deployment.Load(context.Background(), names.EnvParameterPath)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(settings.NewHandler(d.Store, d.Env(names.EnvParameterPath), time.Now, d.Log))
}
