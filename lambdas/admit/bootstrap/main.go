// Command bootstrap is the admit function as Lambda starts it.
package main

import (
	"context"
	crypto "crypto/rand"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/deployment"
	"waitingroom/shared/deployment/passkey"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func main() {
	ctx := context.Background()
	d, err := deployment.Load(ctx, names.EnvSecret, passkey.ForSigner, names.EnvIssuer, names.EnvRoom)
	if err != nil {
		log.Fatal(err)
	}
	tickets, err := ticket.NewKey(d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	passKey, err := passkey.Signer(ctx, d)
	if err != nil {
		log.Fatal(err)
	}
	signers, err := admit.NewSigners(passKey, d.Secret)
	if err != nil {
		log.Fatal(err)
	}
	counts := &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now}
	lambda.Start(admit.NewHandler(&admit.Admitter{
		Store: d.Store, Line: store.NewView(d.Store, time.Now), Tickets: tickets, Signers: signers,
		Issuer: d.Env(names.EnvIssuer), Pick: rand.IntN, Random: crypto.Reader, Now: time.Now, Metrics: counts,
	}).Answer(d.Log, counts))
}
