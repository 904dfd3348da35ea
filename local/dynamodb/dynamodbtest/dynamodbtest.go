// Package dynamodbtest is what tests of code that calls DynamoDB share: clients of any engine, and tables
// of a test's own.
package dynamodbtest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
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

// OnEveryTable runs a test against the tables at hand, whose names begin with prefix: one of the engine in
// this process, as the room on one machine reaches it and over a socket, and one at the endpoint in the
// environment.
func OnEveryTable(t *testing.T, prefix string, test func(t *testing.T, client *sdk.Client, table string)) {
	t.Run("engine", func(t *testing.T) {
		client := InProcess(NewEngine())
		test(t, client, Table(t, client, prefix))
	})
	t.Run("socket", func(t *testing.T) {
		endpoint := httptest.NewServer(NewEngine())
		t.Cleanup(endpoint.Close)
		client := Connect(endpoint.URL)
		test(t, client, Table(t, client, prefix))
	})
	t.Run("endpoint", func(t *testing.T) {
		endpoint := os.Getenv(Endpoint)
		if endpoint == "" {
			t.Skipf("set %s to test another engine, such as http://127.0.0.1:8000 for DynamoDB Local", Endpoint)
		}
		client := Connect(endpoint)
		test(t, client, Table(t, client, prefix))
	})
}

// NewEngine serves an engine of its own.
func NewEngine() http.Handler {
	tables := dynamodb.NewEngine()
	return dynamodb.NewHandler(tables, tables)
}

// InProcess returns a client that calls an engine without a socket.
func InProcess(engine http.Handler) *sdk.Client {
	return Connect("http://engine", func(o *sdk.Options) { o.HTTPClient = dynamodb.InProcess(engine) })
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
