package schedule_test

import (
	"context"
	"crypto/rand"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	engine "waitingroom/local/dynamodb"
	"waitingroom/shared/schedule"
)

var _ schedule.API = (*dynamodb.Client)(nil)

// endpointVariable names the environment variable with the address of another DynamoDB engine.
const endpointVariable = "DYNAMODB_ENDPOINT"

// onEveryTable runs a test against the tables at hand: one of the engine in this process, over a
// socket, and one at the endpoint in the environment.
func onEveryTable(t *testing.T, test func(*testing.T, *dynamodb.Client, string)) {
	t.Run("engine", func(t *testing.T) {
		tables := engine.NewEngine()
		endpoint := httptest.NewServer(engine.NewHandler(tables, tables))
		t.Cleanup(endpoint.Close)
		client := connect(endpoint.URL)
		test(t, client, table(t, client))
	})
	t.Run("endpoint", func(t *testing.T) {
		endpoint := os.Getenv(endpointVariable)
		if endpoint == "" {
			t.Skipf("set %s to test another engine, such as http://127.0.0.1:8000 for DynamoDB Local", endpointVariable)
		}
		client := connect(endpoint)
		test(t, client, table(t, client))
	})
}

// newTable is a table of the engine without a socket.
func newTable(t *testing.T) (*dynamodb.Client, string) {
	tables := engine.NewEngine()
	client := connect("http://engine", func(o *dynamodb.Options) { o.HTTPClient = engine.InProcess(engine.NewHandler(tables, tables)) })
	return client, table(t, client)
}

// connect returns a client that retries without delay.
func connect(endpoint string, options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	}, options...)
}

// table creates a table of the test's own and deletes it at the end.
func table(t *testing.T, client *dynamodb.Client) string {
	name := "schedule-" + rand.Text()
	if err := engine.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Errorf("delete table: %v", err)
		}
	})
	return name
}
