package benchmarks

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/store"
)

// tape is a table that keeps what it was asked, so that the same calls can be made again at another
// table: what a function costs beyond them is its own. It is safe for concurrent use.
type tape struct {
	store.API
	mu    sync.Mutex
	calls []call
}

// call is one that the tape was asked for and that did not fail.
type call struct {
	operation string
	repeat    func(context.Context, store.API) error
}

// cut gives the calls since the last cut.
func (t *tape) cut() []call {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.calls
	t.calls = nil
	return calls
}

func (t *tape) keep(operation string, err error, repeat func(context.Context, store.API) error) {
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, call{operation, repeat})
}

func (t *tape) GetItem(ctx context.Context, in *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := t.API.GetItem(ctx, in, options...)
	t.keep("GetItem", err, func(ctx context.Context, api store.API) error {
		again := *in
		again.Key = maps.Clone(in.Key)
		_, err := api.GetItem(ctx, &again, options...)
		return err
	})
	return out, err
}

func (t *tape) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out, err := t.API.BatchGetItem(ctx, in, options...)
	t.keep("BatchGetItem", err, func(ctx context.Context, api store.API) error {
		again := *in
		again.RequestItems = maps.Clone(in.RequestItems)
		for table, asked := range again.RequestItems {
			keys := make([]map[string]types.AttributeValue, len(asked.Keys))
			for i, key := range asked.Keys {
				keys[i] = maps.Clone(key)
			}
			asked.Keys = keys
			again.RequestItems[table] = asked
		}
		_, err := api.BatchGetItem(ctx, &again, options...)
		return err
	})
	return out, err
}

func (t *tape) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	out, err := t.API.UpdateItem(ctx, in, options...)
	t.keep("UpdateItem", err, func(ctx context.Context, api store.API) error {
		// Whoever makes a call has to put its key and its values into maps, whatever else is known before.
		again := *in
		again.Key, again.ExpressionAttributeValues = maps.Clone(in.Key), maps.Clone(in.ExpressionAttributeValues)
		_, err := api.UpdateItem(ctx, &again, options...)
		return err
	})
	return out, err
}

func (t *tape) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := t.API.TransactWriteItems(ctx, in, options...)
	t.keep("TransactWriteItems", err, func(ctx context.Context, api store.API) error {
		_, err := api.TransactWriteItems(ctx, in, options...)
		return err
	})
	return out, err
}

// play makes the calls at another table, in their order.
func play(ctx context.Context, at store.API, calls []call) error {
	for i, c := range calls {
		if err := c.repeat(ctx, at); err != nil {
			return fmt.Errorf("call %d, %s: %w", i, c.operation, err)
		}
	}
	return nil
}
