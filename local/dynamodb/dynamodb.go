// Package dynamodb is a DynamoDB-compatible engine in this process, for the room on one machine.
// It keeps everything in memory and is for thousands of visitors: each new item costs it time in
// proportion to those it has, and each transaction copies the whole table. It deletes nothing by
// ttl and does not know BatchGetItem.
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/truora/minidyn/server"
)

// Target is how the X-Amz-Target header of every call to DynamoDB begins.
const Target = "DynamoDB_20120810."

// creation is how long an engine may take to create a table.
const creation = time.Minute

// engine keeps calls that change the list of tables apart from all others: minidyn guards the
// items of a table, and not the list.
type engine struct {
	tables sync.RWMutex
	server http.Handler
}

// NewHandler returns an empty engine that speaks DynamoDB's JSON protocol.
func NewHandler() http.Handler { return &engine{server: server.NewServer()} }

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "Table") {
		e.tables.Lock()
		defer e.tables.Unlock()
	} else {
		e.tables.RLock()
		defer e.tables.RUnlock()
	}
	e.server.ServeHTTP(w, r)
}

// CreateTable creates the room's table, on demand and with the string keys pk and sk, at whatever
// engine client speaks to, and returns when it can be used. A table of that name that exists is
// taken as it is.
func CreateTable(ctx context.Context, client *dynamodb.Client, table string) error {
	out, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   aws.String(table),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create table %s: %w", table, err)
	}
	// Engines in memory have the table at once, and some say nothing of its status.
	if out.TableDescription == nil || out.TableDescription.TableStatus != types.TableStatusCreating {
		return nil
	}
	wait := dynamodb.NewTableExistsWaiter(client)
	if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)}, creation); err != nil {
		return fmt.Errorf("wait for table %s: %w", table, err)
	}
	return nil
}
