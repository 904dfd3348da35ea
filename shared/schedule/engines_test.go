package schedule_test

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	engine "waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/schedule"
)

var _ schedule.API = (*dynamodb.Client)(nil)

// onEveryTable runs a test against the tables at hand: one of the engine in this process, over a
// socket, and one at the endpoint in the environment.
func onEveryTable(t *testing.T, test func(*testing.T, *dynamodb.Client, string)) {
	t.Run("engine", func(t *testing.T) {
		tables := engine.NewEngine()
		endpoint := httptest.NewServer(engine.NewHandler(tables, tables))
		t.Cleanup(endpoint.Close)
		client := dynamodbtest.Connect(endpoint.URL)
		test(t, client, table(t, client))
	})
	t.Run("endpoint", func(t *testing.T) {
		endpoint := os.Getenv(dynamodbtest.Endpoint)
		if endpoint == "" {
			t.Skipf("set %s to test another engine, such as http://127.0.0.1:8000 for DynamoDB Local", dynamodbtest.Endpoint)
		}
		client := dynamodbtest.Connect(endpoint)
		test(t, client, table(t, client))
	})
}

// newTable is a table of the engine without a socket.
func newTable(t *testing.T) (*dynamodb.Client, string) {
	_, client, table := newEngine(t)
	return client, table
}

// newEngine is an engine with a table, which tests of many shows call without the SDK.
func newEngine(t *testing.T) (*engine.Engine, *dynamodb.Client, string) {
	tables := engine.NewEngine()
	client := dynamodbtest.Connect("http://engine", func(o *dynamodb.Options) { o.HTTPClient = engine.InProcess(engine.NewHandler(tables, tables)) })
	return tables, client, table(t, client)
}

// table is one of the test's own.
func table(t *testing.T, client *dynamodb.Client) string {
	return dynamodbtest.Table(t, client, "schedule-")
}
