package schedule_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	engine "waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/schedule"
)

var _ schedule.API = (*dynamodb.Client)(nil)

// prefix begins the names of the tests' tables.
const prefix = "schedule-"

func onEveryTable(t *testing.T, test func(*testing.T, *dynamodb.Client, string)) {
	dynamodbtest.OnEveryTable(t, prefix, test)
}

// newTable is a table of the engine without a socket.
func newTable(t *testing.T) (*dynamodb.Client, string) {
	_, client, table := newEngine(t)
	return client, table
}

// newEngine is an engine with a table, which tests of many shows call without the SDK.
func newEngine(t *testing.T) (*engine.Engine, *dynamodb.Client, string) {
	tables := engine.NewEngine()
	client := dynamodbtest.InProcess(engine.NewHandler(tables, tables))
	return tables, client, dynamodbtest.Table(t, client, prefix)
}
