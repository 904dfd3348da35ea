// Package faults brings about what goes wrong in production while a crowd is there: a table that
// refuses, loses and half-answers, a leader that dies, a cache that serves what has passed. What goes
// wrong is drawn from a seed, and begins and ends at run time.
package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
)

// Chances are those of one call, 0 to 1. At most one of the three befalls it.
type Chances struct {
	Throttled      float64 // refused with DynamoDB's error: nothing happened
	Lost           float64 // it never arrives, and there is no answer
	Unacknowledged float64 // a write that happens, and there is no answer; reads are spared
}

// Check returns an error that names what cannot be a chance.
func (c Chances) Check() error {
	for name, p := range map[string]float64{"throttled": c.Throttled, "lost": c.Lost, "unacknowledged": c.Unacknowledged} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("the chance of a call to be %s is %v, which is not from 0 to 1", name, p)
		}
	}
	if sum := c.Throttled + c.Lost + c.Unacknowledged; sum > 1 {
		return fmt.Errorf("the chances of a call to go wrong add up to %v, which is more than 1", sum)
	}
	return nil
}

// Counts are the calls of one operation while there was trouble, and what befell them.
type Counts struct{ Calls, Throttled, Lost, Unacknowledged int64 }

// Table is a table that lets calls through to another one until the trouble begins. It is safe for
// concurrent use; calls that are made one after the other meet what the seed decides.
type Table struct {
	next    dynamodb.API
	chances Chances

	mu      sync.Mutex
	random  *rand.Rand
	trouble bool
	counts  map[string]Counts
}

var _ dynamodb.API = (*Table)(nil)

// NewTable returns a table in front of next, with the trouble to come.
func NewTable(next dynamodb.API, chances Chances, seed uint64) (*Table, error) {
	if err := chances.Check(); err != nil {
		return nil, err
	}
	return &Table{next: next, chances: chances, random: rand.New(rand.NewPCG(seed, 0)), counts: map[string]Counts{}}, nil
}

// Begin begins the trouble.
func (t *Table) Begin() { t.set(true) }

// Heal ends the trouble for every call to come.
func (t *Table) Heal() { t.set(false) }

func (t *Table) set(trouble bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = trouble
}

// Counts returns what befell the calls so far, by operation, such as "UpdateItem".
func (t *Table) Counts() map[string]Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[string]Counts, len(t.counts))
	for operation, c := range t.counts {
		counts[operation] = c
	}
	return counts
}

type fault int

const (
	none fault = iota
	throttled
	lost
	unacknowledged
)

// draw decides what befalls a call.
func (t *Table) draw(operation string, writes bool) fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.trouble {
		return none
	}
	f, kind := none, t.random.Float64()
	c, counts := t.chances, t.counts[operation]
	counts.Calls++
	switch {
	case kind < c.Throttled:
		f = throttled
		counts.Throttled++
	case kind < c.Throttled+c.Lost:
		f = lost
		counts.Lost++
	case kind < c.Throttled+c.Lost+c.Unacknowledged && writes:
		f = unacknowledged
		counts.Unacknowledged++
	}
	t.counts[operation] = counts
	return f
}

// operation is one of DynamoDB's, by its name there.
type operation[In, Out any] struct {
	name     string
	writes   bool
	does     func(context.Context, *In, ...func(*awsdynamodb.Options)) (*Out, error)
	throttle func(in *In) error
}

func (o operation[In, Out]) call(ctx context.Context, t *Table, in *In, options []func(*awsdynamodb.Options)) (*Out, error) {
	f := t.draw(o.name, o.writes)
	switch f {
	case throttled:
		return nil, o.throttle(in)
	case lost:
		return nil, dynamodb.ErrNoAnswer
	}
	out, err := o.does(ctx, in, options...)
	if f == unacknowledged {
		return nil, dynamodb.ErrNoAnswer
	}
	return out, err
}

// GetItem implements dynamodb.API, as do the others.
func (t *Table) GetItem(ctx context.Context, in *awsdynamodb.GetItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	return operation[awsdynamodb.GetItemInput, awsdynamodb.GetItemOutput]{"GetItem", false, t.next.GetItem,
		func(in *awsdynamodb.GetItemInput) error { return hot("TableRead", in.TableName) }}.call(ctx, t, in, options)
}

func (t *Table) BatchGetItem(ctx context.Context, in *awsdynamodb.BatchGetItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	return operation[awsdynamodb.BatchGetItemInput, awsdynamodb.BatchGetItemOutput]{"BatchGetItem", false, t.next.BatchGetItem, busy}.call(ctx, t, in, options)
}

func (t *Table) PutItem(ctx context.Context, in *awsdynamodb.PutItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	return operation[awsdynamodb.PutItemInput, awsdynamodb.PutItemOutput]{"PutItem", true, t.next.PutItem,
		func(in *awsdynamodb.PutItemInput) error { return hot("TableWrite", in.TableName) }}.call(ctx, t, in, options)
}

func (t *Table) UpdateItem(ctx context.Context, in *awsdynamodb.UpdateItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	return operation[awsdynamodb.UpdateItemInput, awsdynamodb.UpdateItemOutput]{"UpdateItem", true, t.next.UpdateItem,
		func(in *awsdynamodb.UpdateItemInput) error { return hot("TableWrite", in.TableName) }}.call(ctx, t, in, options)
}

func (t *Table) DeleteItem(ctx context.Context, in *awsdynamodb.DeleteItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.DeleteItemOutput, error) {
	return operation[awsdynamodb.DeleteItemInput, awsdynamodb.DeleteItemOutput]{"DeleteItem", true, t.next.DeleteItem,
		func(in *awsdynamodb.DeleteItemInput) error { return hot("TableWrite", in.TableName) }}.call(ctx, t, in, options)
}

func (t *Table) TransactWriteItems(ctx context.Context, in *awsdynamodb.TransactWriteItemsInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.TransactWriteItemsOutput, error) {
	return operation[awsdynamodb.TransactWriteItemsInput, awsdynamodb.TransactWriteItemsOutput]{"TransactWriteItems", true,
		t.next.TransactWriteItems, cancelled}.call(ctx, t, in, options)
}

// refused is the message of a table in on-demand mode whose partition is busy.
const refused = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling " +
	"your table or index so please try again shortly."

// hot is what a table in on-demand mode answers where a partition is busy; one in provisioned mode
// would answer with ProvisionedThroughputExceededException
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html).
func hot(direction string, table *string) error {
	return &types.ThrottlingException{
		Message: aws.String(refused),
		ThrottlingReasons: []types.ThrottlingReason{{
			Reason:   aws.String(direction + "KeyRangeThroughputExceeded"),
			Resource: aws.String("arn:aws:dynamodb:eu-west-1:000000000000:table/" + aws.ToString(table)),
		}},
	}
}

// busy is a batch of which no item could be read.
func busy(in *awsdynamodb.BatchGetItemInput) error {
	first := ""
	for name := range in.RequestItems {
		if first == "" || name < first {
			first = name
		}
	}
	return hot("TableRead", &first)
}

// cancelled is a transaction of which the first part was throttled, so that none was written
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
func cancelled(in *awsdynamodb.TransactWriteItemsInput) error {
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	codes := make([]string, len(reasons))
	for i := range reasons {
		codes[i] = "None"
		if i == 0 {
			codes[i], reasons[i].Message = "ThrottlingError", aws.String(refused)
		}
		reasons[i].Code = &codes[i]
	}
	return &types.TransactionCanceledException{
		Message:             aws.String("Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]"),
		CancellationReasons: reasons,
	}
}
