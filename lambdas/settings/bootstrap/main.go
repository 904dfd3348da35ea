// Command bootstrap is the settings function as Lambda starts it.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/deployment"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	parameters "waitingroom/shared/settings"
)

func main() {
	d, err := deployment.Load(context.Background(), names.EnvParameterPath, names.EnvRoom, names.EnvShards, names.EnvAlarmTopic)
	if err != nil {
		log.Fatal(err)
	}
	reader, err := parameters.NewReader(ssm.NewFromConfig(d.AWS), d.Env(names.EnvParameterPath), nil)
	if err != nil {
		log.Fatal(err)
	}
	shards, err := parameters.ParseShards(d.Env(names.EnvShards))
	if err != nil {
		log.Fatalf("%s: %v", names.EnvShards, err)
	}
	lambda.Start(settings.NewHandler(&settings.Listener{
		Store: d.Store, Parameters: reader, Path: d.Env(names.EnvParameterPath), Shards: shards,
		Alarm: settings.Alarm{
			Topics: sns.NewFromConfig(d.AWS), Topic: d.Env(names.EnvAlarmTopic), Room: d.Env(names.EnvRoom),
		},
		Metrics: &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now},
		Now:     time.Now, Log: d.Log,
	}))
}
