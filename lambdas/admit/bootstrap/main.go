// Command bootstrap is the admit function as Lambda starts it.
package main

import (
	"context"
	crypto "crypto/rand"
	"log"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/deployment"
	"waitingroom/shared/names"
	"waitingroom/shared/pass/kmskey"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func main() {
	ctx := context.Background()
	d, err := deployment.Load(ctx, names.EnvSecret, names.EnvPassKey, names.EnvIssuer)
	if err != nil {
		log.Fatal(err)
	}
	tickets, err := ticket.NewKey(d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	passKey, err := kmskey.New(ctx, kms.NewFromConfig(d.AWS), d.Env(names.EnvPassKey))
	if err != nil {
		log.Fatal(err)
	}
	signers, err := admit.NewSigners(passKey, d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(admit.NewHandler(&admit.Admitter{
		Store: d.Store, Line: store.NewView(d.Store, time.Now), Tickets: tickets, Signers: signers,
		Issuer: d.Env(names.EnvIssuer), Pick: rand.IntN, Random: crypto.Reader, Now: time.Now,
	}).Answer(d.Log))
}
