package limits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// instant is a clock that the test moves.
type instant struct {
	mu  sync.Mutex
	now time.Time
}

func newInstant() *instant { return &instant{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)} }

func (i *instant) Now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *instant) pass(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

// engine is a store that does nothing, at a price.
type engine struct {
	units  float64
	silent bool  // does not say what it consumed
	err    error // of every call
	calls  int
	asked  types.ReturnConsumedCapacity // by the latest call
}

func (e *engine) call(asked types.ReturnConsumedCapacity) (*types.ConsumedCapacity, error) {
	e.calls++
	e.asked = asked
	if e.err != nil || e.silent {
		return nil, e.err
	}
	return &types.ConsumedCapacity{CapacityUnits: aws.Float64(e.units)}, nil
}

func (e *engine) GetItem(_ context.Context, in *awsdynamodb.GetItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	consumed, err := e.call(in.ReturnConsumedCapacity)
	return &awsdynamodb.GetItemOutput{ConsumedCapacity: consumed}, err
}

// BatchGetItem leaves keys whose pk is "left" for another call.
func (e *engine) BatchGetItem(_ context.Context, in *awsdynamodb.BatchGetItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	out := &awsdynamodb.BatchGetItemOutput{
		Responses: map[string][]map[string]types.AttributeValue{}, UnprocessedKeys: map[string]types.KeysAndAttributes{},
	}
	consumed, err := e.call(in.ReturnConsumedCapacity)
	for name, asked := range in.RequestItems {
		if consumed != nil {
			of := *consumed
			of.TableName = &name
			out.ConsumedCapacity = append(out.ConsumedCapacity, of)
		}
		for _, key := range asked.Keys {
			if textOf(key) == "left" {
				out.UnprocessedKeys[name] = types.KeysAndAttributes{Keys: []map[string]types.AttributeValue{key}}
				continue
			}
			out.Responses[name] = append(out.Responses[name], key)
		}
	}
	return out, err
}

func (e *engine) PutItem(_ context.Context, in *awsdynamodb.PutItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	consumed, err := e.call(in.ReturnConsumedCapacity)
	return &awsdynamodb.PutItemOutput{ConsumedCapacity: consumed}, err
}

func (e *engine) UpdateItem(_ context.Context, in *awsdynamodb.UpdateItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	consumed, err := e.call(in.ReturnConsumedCapacity)
	return &awsdynamodb.UpdateItemOutput{ConsumedCapacity: consumed}, err
}

func (e *engine) DeleteItem(_ context.Context, in *awsdynamodb.DeleteItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.DeleteItemOutput, error) {
	consumed, err := e.call(in.ReturnConsumedCapacity)
	return &awsdynamodb.DeleteItemOutput{ConsumedCapacity: consumed}, err
}

func (e *engine) TransactWriteItems(_ context.Context, in *awsdynamodb.TransactWriteItemsInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.TransactWriteItemsOutput, error) {
	consumed, err := e.call(in.ReturnConsumedCapacity)
	if consumed == nil {
		return &awsdynamodb.TransactWriteItemsOutput{}, err
	}
	return &awsdynamodb.TransactWriteItemsOutput{ConsumedCapacity: []types.ConsumedCapacity{*consumed}}, nil
}

func newTable(t testing.TB, e *engine, o TableOptions) *Table {
	t.Helper()
	table, err := NewTable(e, o)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// one is a table of a single partition.
func one(now func() time.Time) TableOptions {
	return TableOptions{WarmWrites: PartitionWrites, WarmReads: PartitionReads, Now: now}
}

func pk(text string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: text}}
}

func textOf(key map[string]types.AttributeValue) string {
	return key["pk"].(*types.AttributeValueMemberS).Value
}

// reading asks for keys of a table, consistently.
func reading(keys ...string) *awsdynamodb.BatchGetItemInput {
	asked := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, k := range keys {
		asked.Keys = append(asked.Keys, pk(k))
	}
	return &awsdynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"room": asked}}
}

// call makes one call of each kind to a key, by the operation's name.
func call(ctx context.Context, table *Table, o operation, key string) error {
	name := aws.String("room")
	var err error
	switch o {
	case getItem:
		_, err = table.GetItem(ctx, &awsdynamodb.GetItemInput{TableName: name, Key: pk(key), ConsistentRead: aws.Bool(true)})
	case batchGetItem:
		_, err = table.BatchGetItem(ctx, reading(key))
	case putItem:
		_, err = table.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: name, Item: pk(key)})
	case updateItem:
		_, err = table.UpdateItem(ctx, &awsdynamodb.UpdateItemInput{TableName: name, Key: pk(key)})
	case deleteItem:
		_, err = table.DeleteItem(ctx, &awsdynamodb.DeleteItemInput{TableName: name, Key: pk(key)})
	case transactWriteItems:
		_, err = table.TransactWriteItems(ctx, transaction(key))
	}
	return err
}

// transaction writes or checks each key in another way.
func transaction(keys ...string) *awsdynamodb.TransactWriteItemsInput {
	in := &awsdynamodb.TransactWriteItemsInput{}
	name := aws.String("room")
	for i, k := range keys {
		item := []types.TransactWriteItem{
			{Update: &types.Update{TableName: name, Key: pk(k)}},
			{Put: &types.Put{TableName: name, Item: pk(k)}},
			{Delete: &types.Delete{TableName: name, Key: pk(k)}},
			{ConditionCheck: &types.ConditionCheck{TableName: name, Key: pk(k)}},
		}[i%4]
		in.TransactItems = append(in.TransactItems, item)
	}
	return in
}

// shared is a store that many use at once. It knows PutItem only.
type shared struct {
	engine
	made    atomic.Int64
	refused atomic.Int64
}

func (s *shared) PutItem(context.Context, *awsdynamodb.PutItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	s.made.Add(1)
	return &awsdynamodb.PutItemOutput{ConsumedCapacity: &types.ConsumedCapacity{CapacityUnits: aws.Float64(1)}}, nil
}

// run makes more calls at once than the table takes.
func (s *shared) run(t *testing.T, table *Table) {
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := range 2_000 {
				err := call(t.Context(), table, putItem, fmt.Sprint("VISITOR#", caller, i%10))
				var throttled *types.ThrottlingException
				if errors.As(err, &throttled) {
					s.refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
