// Command bootstrap is the place function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"waitingroom/lambdas/place"
	"waitingroom/shared/deployment"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func main() {
	d, err := deployment.Load(context.Background(), names.EnvSecret, names.EnvIssuer, names.EnvRoom)
	if err != nil {
		log.Fatal(err)
	}
	key, err := ticket.NewKey(d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	counts := &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now}
	lambda.Start(place.NewHandler(&place.Guide{
		Line: store.NewView(d.Store, time.Now), Tickets: key, Issuer: d.Env(names.EnvIssuer), Random: rand.Reader, Now: time.Now,
	}).Answer(d.Log, counts))
}
