// Command bootstrap is the prepare function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"os"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/prepare"
	"waitingroom/lambdas/prepare/steps"
	"waitingroom/shared/deployment"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
)

func main() {
	d, err := deployment.Load(context.Background(), names.Variables(names.FunctionPrepare)...)
	if err != nil {
		log.Fatal(err)
	}
	order, err := steps.ParseProduct(d.Env(names.EnvProduct))
	if err != nil {
		log.Fatal(err)
	}
	table, store := dynamodb.NewFromConfig(d.AWS), ssm.NewFromConfig(d.AWS)
	shows, room := schedule.New(table, d.Env(names.EnvTable)), steps.NewRoom(d.Env(names.EnvIssuer), nil)
	parameters, err := steps.NewParameters(store, d.Env(names.EnvParameterPath), shows, room)
	if err != nil {
		log.Fatal(err)
	}
	awslambda.Start(prepare.NewHandler(&prepare.Preparer{
		Shows: shows,
		Steps: map[hotshow.Step]prepare.Step{
			hotshow.Parameters: parameters,
			hotshow.Throughput: steps.NewThroughput(table, d.Env(names.EnvTable), shows),
			hotshow.Concurrency: steps.NewConcurrency(lambda.NewFromConfig(d.AWS), shows, d.Log,
				d.Env(names.EnvJoinFunction), d.Env(names.EnvAdmitFunction)),
			hotshow.Cache:     steps.NewCache(room),
			hotshow.Product:   steps.NewProduct(servicecatalog.NewFromConfig(d.AWS), order),
			hotshow.Readiness: steps.NewReadiness(store, d.Env(names.EnvParameterPath), shows, room, time.Now, d.Log),
		},
		Sales: steps.NewSales(room, time.Now), Comments: comments(d),
		Metrics: &metrics.Log{Out: os.Stdout, Room: d.Env(names.EnvRoom), Now: time.Now},
		Random:  rand.Reader, Now: time.Now, Log: d.Log,
	}))
}

// comments is nil where Jira is not connected.
func comments(d *deployment.Deployment) prepare.Comments {
	site, secret := d.Env(names.EnvJiraSite), d.Env(names.EnvJiraSecret)
	if site == names.None || secret == names.None {
		return nil
	}
	return jira.NewClient(site, jira.NewSecret(secretsmanager.NewFromConfig(d.AWS), secret, time.Now), nil)
}
