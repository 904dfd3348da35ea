package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// mostActions is how many items a transaction may write.
const mostActions = 100

// TransactWriteItems implements API. A transaction waits for others on the same items, and so never
// meets a conflict.
func (e *Engine) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if n := len(in.TransactItems); n < 1 || n > mostActions {
		return nil, invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100 and greater than or equal to 1")
	}
	writes := make([]*write, len(in.TransactItems))
	for i, item := range in.TransactItems {
		var err error
		if writes[i], err = e.action(item); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(writes[:i], func(w *write) bool { return w.table == writes[i].table && w.key == writes[i].key }) {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
	}
	unlock := lock(writes)
	defer unlock()
	// The token is looked up under the locks of the items, where two attempts cannot both be the first.
	content, now := digest(in), time.Now()
	if seen, err := e.tokens.seen(in.ClientRequestToken, content, now); seen || err != nil {
		return &dynamodb.TransactWriteItemsOutput{}, err
	}
	if err := tryAll(writes); err != nil {
		return nil, err
	}
	if in.ClientRequestToken != nil {
		e.tokens.remember(*in.ClientRequestToken, content, now)
	}
	for _, w := range writes {
		w.store()
	}
	return &dynamodb.TransactWriteItemsOutput{ConsumedCapacity: consumedByAll(in.ReturnConsumedCapacity, writes)}, nil
}

// action is one item of a transaction.
func (e *Engine) action(item types.TransactWriteItem) (*write, error) {
	var requests []request
	if a := item.Put; a != nil {
		if a.Item == nil {
			return nil, absent("transactItems.put.item")
		}
		requests = append(requests, request{table: a.TableName, put: a.Item, condition: a.ConditionExpression,
			placeholders: placeholders{a.ExpressionAttributeNames, a.ExpressionAttributeValues}, showItem: a.ReturnValuesOnConditionCheckFailure})
	}
	if a := item.Update; a != nil {
		if a.UpdateExpression == nil {
			return nil, absent("transactItems.update.updateExpression")
		}
		requests = append(requests, request{table: a.TableName, key: a.Key, update: a.UpdateExpression, condition: a.ConditionExpression,
			placeholders: placeholders{a.ExpressionAttributeNames, a.ExpressionAttributeValues}, showItem: a.ReturnValuesOnConditionCheckFailure})
	}
	if a := item.Delete; a != nil {
		requests = append(requests, request{table: a.TableName, key: a.Key, remove: true, condition: a.ConditionExpression,
			placeholders: placeholders{a.ExpressionAttributeNames, a.ExpressionAttributeValues}, showItem: a.ReturnValuesOnConditionCheckFailure})
	}
	if a := item.ConditionCheck; a != nil {
		if a.ConditionExpression == nil {
			return nil, absent("transactItems.conditionCheck.conditionExpression")
		}
		requests = append(requests, request{table: a.TableName, key: a.Key, check: true, condition: a.ConditionExpression,
			placeholders: placeholders{a.ExpressionAttributeNames, a.ExpressionAttributeValues}, showItem: a.ReturnValuesOnConditionCheckFailure})
	}
	if len(requests) != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return e.prepare(requests[0])
}

// lock takes the locks of all shards in one order, so that no two transactions wait for each other.
func lock(writes []*write) (unlock func()) {
	ordered := slices.Clone(writes)
	slices.SortFunc(ordered, func(a, b *write) int {
		return cmp.Or(strings.Compare(a.table.name, b.table.name), cmp.Compare(a.key.shard, b.key.shard))
	})
	var held []*shard
	for _, w := range ordered {
		s := &w.table.shards[w.key.shard]
		if !slices.Contains(held, s) {
			s.mu.Lock()
			held = append(held, s)
		}
	}
	return func() {
		for _, s := range held {
			s.mu.Unlock()
		}
	}
}

// tryAll works out what all writes come to, or why none may be.
func tryAll(writes []*write) error {
	reasons := make([]types.CancellationReason, len(writes))
	codes := make([]string, len(writes))
	cancelled, units := false, 0.0
	for i, w := range writes {
		codes[i] = "None"
		if err := w.try(); err != nil {
			cancelled = true
			var refused *types.ConditionalCheckFailedException
			var invalid smithy.APIError
			switch {
			case errors.As(err, &refused):
				codes[i] = "ConditionalCheckFailed"
				reasons[i].Message, reasons[i].Item = refused.Message, refused.Item
			case errors.As(err, &invalid):
				codes[i] = "ValidationError"
				reasons[i].Message = aws.String(invalid.ErrorMessage())
			}
		}
		reasons[i].Code = aws.String(codes[i])
		units += 2 * w.units()
	}
	if !cancelled {
		return nil
	}
	return &Refused{&types.TransactionCanceledException{
		Message:             aws.String("Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]"),
		CancellationReasons: reasons,
	}, units}
}

// consumedByAll is twice what the writes would consume by themselves, for each table.
func consumedByAll(asked types.ReturnConsumedCapacity, writes []*write) []types.ConsumedCapacity {
	units := map[*table]float64{}
	var order []*table
	for _, w := range writes {
		if units[w.table] == 0 {
			order = append(order, w.table)
		}
		units[w.table] += 2 * w.units()
	}
	var all []types.ConsumedCapacity
	for _, t := range order {
		if c := consumed(asked, t, units[t]); c != nil {
			c.WriteCapacityUnits = c.CapacityUnits
			all = append(all, *c)
		}
	}
	return all
}
