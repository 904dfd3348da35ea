package benchmarks

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/store"
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

// past is a table past the SDK, for what is not measured.
type past struct {
	*store.DynamoDB
	engine store.API
	now    func() time.Time
}

func newPast(engine store.API, now func() time.Time) past {
	return past{store.New(engine, tableName, now), engine, now}
}

// crowd is the same table, where n arrive whenever one does: it takes a second to count 100,000 of them
// one by one.
func (p past) crowd(n int) keeper { return store.New(&crowd{p.engine, n}, tableName, p.now) }

type crowd struct {
	store.API
	n int
}

func (c *crowd) UpdateItem(ctx context.Context, in *sdk.UpdateItemInput, options ...func(*sdk.Options)) (*sdk.UpdateItemOutput, error) {
	if _, counts := in.ExpressionAttributeValues[":one"]; !counts {
		return nil, errors.New("a crowd is only counted")
	}
	in.ExpressionAttributeValues[":one"] = &types.AttributeValueMemberN{Value: strconv.Itoa(c.n)}
	return c.API.UpdateItem(ctx, in, options...)
}
