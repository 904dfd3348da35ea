// Command bootstrap is the join function as Lambda starts it.
package main

import (
	"context"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"waitingroom/lambdas/join"
	"waitingroom/shared/deployment"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func main() {
	d, err := deployment.Load(context.Background(), names.EnvSecret, names.EnvRoom)
	if err != nil {
		log.Fatal(err)
	}
	key, err := ticket.NewKey(d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	counts := &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now}
	joiner := &join.Joiner{
		Store: d.Store, States: store.NewView(d.Store, time.Now), Pick: rand.IntN, Now: time.Now, Metrics: counts,
	}
	lambda.Start(join.NewHandler(joiner, key).Answer(d.Log, counts))
}
