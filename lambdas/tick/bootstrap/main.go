// Command bootstrap is the tick function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/deployment"
	"waitingroom/shared/names"
	"waitingroom/shared/pass/kmskey"
	"waitingroom/shared/publish"
	"waitingroom/shared/settings"
)

func main() {
	ctx := context.Background()
	d, err := deployment.Load(ctx, names.EnvSecret, names.EnvStatusBucket, names.EnvPassKey, names.EnvIssuer, names.EnvParameterPath)
	if err != nil {
		log.Fatal(err)
	}
	parameters, err := settings.NewReader(ssm.NewFromConfig(d.AWS), d.Env(names.EnvParameterPath), nil)
	if err != nil {
		log.Fatal(err)
	}
	passKey, err := kmskey.New(ctx, kms.NewFromConfig(d.AWS), d.Env(names.EnvPassKey))
	if err != nil {
		log.Fatal(err)
	}
	wellKnown, err := tick.WellKnown(d.Env(names.EnvIssuer), passKey.Public())
	if err != nil {
		log.Fatal(err)
	}
	started := time.Now()
	lambda.Start(tick.NewHandler(&tick.Ticker{
		Store: d.Store, Parameters: parameters,
		Publisher: publish.NewS3(s3.NewFromConfig(d.AWS), d.Env(names.EnvStatusBucket)),
		Secret:    d.Secret, Random: rand.Reader,
		Now: time.Now, Monotonic: func() time.Duration { return time.Since(started) },
		Parallel: 16, WellKnown: wellKnown, Log: d.Log,
	}))
}
