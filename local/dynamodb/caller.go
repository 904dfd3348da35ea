package dynamodb

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	smithytime "github.com/aws/smithy-go/time"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Caller calls items as the SDK's client does, with the SDK's own retries and none of its other work:
// nothing is encoded, signed or sent. It takes a fraction of the client's processor time, for which a
// crowd of hundreds of thousands leaves no room on one machine. It is safe for concurrent use.
type Caller struct {
	items   API
	retryer aws.Retryer
}

// NewCaller returns a caller that repeats what retryer has it repeat, unless a call brings another one.
func NewCaller(items API, retryer aws.Retryer) *Caller { return &Caller{items, retryer} }

// GetItem calls the method of the same name, as do the others.
func (c *Caller) GetItem(ctx context.Context, in *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return repeated(ctx, c, in, options, c.items.GetItem)
}

// BatchGetItem is one of the others. Keys that were not read are the caller's to ask for again.
func (c *Caller) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return repeated(ctx, c, in, options, c.items.BatchGetItem)
}

// UpdateItem is one of the others.
func (c *Caller) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return repeated(ctx, c, in, options, c.items.UpdateItem)
}

// TransactWriteItems is one of the others.
func (c *Caller) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return repeated(ctx, c, in, options, c.items.TransactWriteItems)
}

func repeated[In, Out any](ctx context.Context, c *Caller, in *In, options []func(*dynamodb.Options),
	do func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)) (*Out, error) {
	o := dynamodb.Options{Retryer: c.retryer}
	for _, option := range options {
		option(&o)
	}
	for attempt := 1; ; attempt++ {
		out, err := do(ctx, in)
		if errors.Is(err, ErrNoAnswer) {
			err = &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF} // as a broken connection is to the SDK
		}
		if err == nil || attempt >= o.Retryer.MaxAttempts() || !o.Retryer.IsErrorRetryable(err) {
			return out, err
		}
		delay, delayErr := o.Retryer.RetryDelay(attempt, err)
		if delayErr != nil {
			return nil, errors.Join(err, delayErr)
		}
		if smithytime.SleepWithContext(ctx, delay) != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}
}
