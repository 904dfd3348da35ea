package benchmarks

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
)

// tableName is the room's at each engine.
const tableName = "room"

// onSale is when the sales open.
var onSale = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// newTable returns an engine of its own that holds the room's table, and the SDK's client of it. What
// is not measured goes to the engine, past the SDK.
func newTable(t testing.TB) (*dynamodb.Engine, *sdk.Client) {
	t.Helper()
	engine := dynamodb.NewEngine()
	client := sdk.New(sdk.Options{
		Region:      "eu-west-1",
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  dynamodb.InProcess(dynamodb.NewHandler(engine, engine)),
	})
	if err := dynamodb.CreateTable(t.Context(), client, tableName); err != nil {
		t.Fatal(err)
	}
	return engine, client
}
