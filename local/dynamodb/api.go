package dynamodb

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// API is what can be done to items, in the SDK's own inputs and outputs. The engine has it, the SDK's
// client has it, and so has whatever stands between the two: limits and faults. The options are the
// SDK's and mean nothing to an engine.
//
// Each output carries the capacity that was consumed if the input asked for it by
// ReturnConsumedCapacity. A write that its condition refused consumes too, see Refused.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Refused is the error of an engine's write whose condition did not hold, or of a transaction that was
// cancelled. Err is the SDK's own error; Units is what the write consumed all the same, in write units.
type Refused struct {
	Err   error
	Units float64
}

func (r *Refused) Error() string { return r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

// ErrNoAnswer means that the caller must not be given an answer at all: the connection breaks, whether
// or not the call did its work.
var ErrNoAnswer = errors.New("the connection broke before the answer")
