// Package dynamodbtest is what tests of code that calls DynamoDB share: clients of any engine, and tables
// of a test's own.
package dynamodbtest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
)

// Endpoint names the environment variable with the address of another DynamoDB engine.
const Endpoint = "DYNAMODB_ENDPOINT"

// Connect returns a client that tries again without delay.
func Connect(endpoint string, options ...func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	}, options...)
}

// Table creates a table of the test's own, whose name begins with prefix, and deletes it at the end.
func Table(t *testing.T, client *sdk.Client, prefix string) string {
	t.Helper()
	name := prefix + rand.Text()
	if err := dynamodb.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &sdk.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Errorf("delete table: %v", err)
		}
	})
	return name
}
