// Command bootstrap is the place function as Lambda starts it.
package main

import (
	"context"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"waitingroom/lambdas/place"
	"waitingroom/shared/deployment"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func main() {
	d, err := deployment.Load(context.Background(), names.EnvSecret)
	if err != nil {
		log.Fatal(err)
	}
	key, err := ticket.NewKey(d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(place.NewHandler(store.NewView(d.Store, time.Now), key).Answer(d.Log))
}
