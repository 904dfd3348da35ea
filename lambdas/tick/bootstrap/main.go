// Command bootstrap is the tick function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/deployment"
	"waitingroom/shared/deployment/passkey"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/publish"
	"waitingroom/shared/settings"
)

func main() {
	ctx := context.Background()
	d, err := deployment.Load(ctx, names.EnvSecret, names.EnvStatusBucket, passkey.ForPublic, names.EnvIssuer, names.EnvParameterPath, names.EnvRoom, names.EnvShards)
	if err != nil {
		log.Fatal(err)
	}
	parameters, err := settings.NewReader(ssm.NewFromConfig(d.AWS), d.Env(names.EnvParameterPath), nil)
	if err != nil {
		log.Fatal(err)
	}
	passKey, err := passkey.Public(ctx, d)
	if err != nil {
		log.Fatal(err)
	}
	wellKnown, err := tick.WellKnown(d.Env(names.EnvIssuer), passKey)
	if err != nil {
		log.Fatal(err)
	}
	shards, err := settings.ParseShards(d.Env(names.EnvShards))
	if err != nil {
		log.Fatalf("%s: %v", names.EnvShards, err)
	}
	started := time.Now()
	lambda.Start(tick.NewHandler(&tick.Ticker{
		Store: d.Store, Parameters: parameters,
		Publisher: publish.NewS3(s3.NewFromConfig(d.AWS), d.Env(names.EnvStatusBucket)),
		Secret:    d.Secret, Random: rand.Reader,
		Now: time.Now, Monotonic: func() time.Duration { return time.Since(started) },
		Parallel: 16, WellKnown: wellKnown, Shards: shards, Log: d.Log,
		Metrics: &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now},
	}))
}
