// Command bootstrap is the passkey function as Lambda starts it.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/lambdas/passkey"
	"waitingroom/shared/deployment/customresource"
	"waitingroom/shared/deployment/rsakey"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRetryer(customresource.Retryer))
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(passkey.NewHandler(&passkey.Maker{
		Secrets:  secretsmanager.NewFromConfig(cfg),
		Generate: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsakey.Bits) },
	}))
}
