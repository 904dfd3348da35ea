// Command bootstrap is the edgekey function as Lambda starts it.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudfrontkeyvaluestore"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/lambdas/edgekey"
	"waitingroom/shared/deployment/customresource"
	"waitingroom/shared/deployment/secret"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRetryer(customresource.Retryer))
	if err != nil {
		log.Fatal(err)
	}
	writer := &edgekey.Writer{
		Stores: cloudfrontkeyvaluestore.NewFromConfig(cfg),
		Log:    slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}
	lambda.Start(edgekey.NewHandler(writer, func(region string) secret.Reader {
		return secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.Region = region })
	}))
}
