package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
)

// What one partition takes in a second, in units
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html).
const (
	PartitionWrites = 1_000
	PartitionReads  = 3_000
)

// What a new table in on-demand mode takes in a second, and the quotas of one table
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html).
const (
	NewWrites  = 4_000
	NewReads   = 12_000
	QuotaUnits = 40_000 // of reads, and of writes
)

// maxWarm bounds warm throughput, so that a mistyped number does not make millions of partitions.
const maxWarm = 1_000_000

// TableOptions say what a table takes. Zero values are a new table's in on-demand mode.
type TableOptions struct {
	WarmWrites int // warm throughput in write units a second, 1,000 to 1,000,000
	WarmReads  int // in read units a second, 3,000 to 1,000,000
	WriteQuota int // write units a second that the account allows one table
	ReadQuota  int // read units a second

	Salt uint64 // each one is another way in which keys fall on partitions

	Write, Read Latency          // zero: calls take no time of their own
	Seed        uint64           // of latencies
	Now         func() time.Time // nil: the machine's clock
}

// Table lets calls through to a store as DynamoDB does under load, and refuses the others with its
// errors. It is safe for concurrent use.
//
// Warm throughput is made of partitions, each of which takes PartitionWrites and PartitionReads and
// holds the keys that a hash of pk sends there. A call is let in while its partition's bucket has
// anything in it, and what it really consumed is taken, so that a bucket may be in debt. The two
// directions are limited apart
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html).
//
// It is the pessimistic side of DynamoDB. A bucket keeps one second's worth, where burst capacity keeps
// up to five minutes of what was not used, and partitions neither split nor borrow from each other,
// which adaptive capacity has them do. Both are best effort, take their time, and may be spent on
// something else when a sale begins: what holds without them holds with them
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html).
type Table struct {
	next       dynamodb.API
	clock      clock
	delays     delays
	salt       uint64
	partitions []capacity
	whole      capacity
	calls      [operations]atomic.Int64
}

var _ dynamodb.API = (*Table)(nil)

// operation is one of the calls of dynamodb.API.
type operation int

const (
	getItem operation = iota
	batchGetItem
	putItem
	updateItem
	deleteItem
	transactWriteItems
	operations
)

func (o operation) String() string {
	return [...]string{"GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}[o]
}

// The least that a call consumes, in units: for an item of up to 1 KB, or 4 KB where it is read
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html).
const (
	leastWrite    = 1
	leastRead     = 0.5 // twice as much where it is consistent
	leastTransact = 2   // for each item
)

// NewTable returns a table in front of next. The error says which option cannot be.
func NewTable(next dynamodb.API, o TableOptions) (*Table, error) {
	for _, option := range []struct {
		name     string
		value    *int
		standard int
		least    int
	}{
		{"warm writes", &o.WarmWrites, NewWrites, PartitionWrites},
		{"warm reads", &o.WarmReads, NewReads, PartitionReads},
		{"a write quota", &o.WriteQuota, QuotaUnits, 1},
		{"a read quota", &o.ReadQuota, QuotaUnits, 1},
	} {
		if *option.value == 0 {
			*option.value = option.standard
		}
		if *option.value < option.least || *option.value > maxWarm {
			return nil, fmt.Errorf("limits: %s of %d: give %d to %d a second", option.name, *option.value, option.least, maxWarm)
		}
	}
	if err := errors.Join(o.Write.check(), o.Read.check()); err != nil {
		return nil, fmt.Errorf("limits: latency: %w", err)
	}
	t := &Table{
		next: next, clock: newClock(o.Now), salt: mix(o.Salt),
		delays: delays{
			random: rand.New(rand.NewPCG(o.Seed, 0)),
			of:     [directions]Latency{reads: o.Read, writes: o.Write},
		},
		partitions: make([]capacity, max(ceil(o.WarmWrites, PartitionWrites), ceil(o.WarmReads, PartitionReads))),
	}
	for i := range t.partitions {
		t.partitions[i].open(PartitionReads, PartitionWrites)
	}
	t.whole.open(float64(o.ReadQuota), float64(o.WriteQuota))
	return t, nil
}

func ceil(n, of int) int { return (n + of - 1) / of }

// key is a partition key and what it is hashed to.
type key struct {
	text string
	hash uint64
}

// keyOf reads the partition key. An item without one is next's to refuse.
func (t *Table) keyOf(item map[string]types.AttributeValue) key {
	pk, ok := item["pk"].(*types.AttributeValueMemberS)
	if !ok {
		return key{}
	}
	// FNV-1a, which alone tells similar keys apart too little: the salt and a mixer come on top.
	h := uint64(14695981039346656037)
	for i := range len(pk.Value) {
		h = (h ^ uint64(pk.Value[i])) * 1099511628211
	}
	return key{pk.Value, mix(h ^ t.salt)}
}

// mix is SplitMix64's finaliser (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
// Generators", 2014): every bit of the input changes every bit of the output half of the time.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// place is the number of the partition that holds k: each has an equal range of hashes.
func (t *Table) place(k key) int {
	high, _ := bits.Mul64(k.hash, uint64(len(t.partitions)))
	return int(high)
}

// entry is a call that was let in and has yet to pay the rest.
type entry struct {
	table     *Table
	partition *capacity
	d         direction
	paid      float64
}

// enter lets a call's time pass and then either lets it in or refuses it. The call happens at the
// end of its time, so one that is given up before has done nothing.
func (t *Table) enter(ctx context.Context, o operation, name *string, item map[string]types.AttributeValue, d direction, units float64) (entry, error) {
	t.calls[o].Add(1)
	if err := t.delays.wait(ctx, d); err != nil {
		return entry{}, err
	}
	return t.admit(t.clock.elapsed(), name, item, d, units)
}

// admit takes what the call consumes at least from the item's partition and from the table's quota, or
// from neither.
func (t *Table) admit(at time.Duration, name *string, item map[string]types.AttributeValue, d direction, units float64) (entry, error) {
	k := t.keyOf(item)
	partition := &t.partitions[t.place(k)]
	if !partition.take(at, d, units, k) {
		return entry{}, hotPartition(d, name)
	}
	if !t.whole.take(at, d, units, k) {
		partition.settle(d, -units)
		return entry{}, overQuota(d, name)
	}
	return entry{t, partition, d, units}, nil
}

// leave pays what the call consumed. One that failed for another reason than its condition consumed
// nothing; of a store that does not say, the least is taken.
func (e entry) leave(consumed *types.ConsumedCapacity, err error) {
	units := e.paid
	if err != nil {
		units = unitsOf(err, e.paid)
	} else if consumed != nil && consumed.CapacityUnits != nil {
		units = *consumed.CapacityUnits
	}
	e.partition.settle(e.d, units-e.paid)
	e.table.whole.settle(e.d, units-e.paid)
}

// unitsOf is what a call that failed has consumed. An engine behind the SDK's client does not say what
// a failed condition did: that is the least then, as for any other write.
func unitsOf(err error, least float64) float64 {
	if refused, ok := errors.AsType[*dynamodb.Refused](err); ok {
		return refused.Units
	}
	if _, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return least
	}
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && slices.ContainsFunc(cancelled.CancellationReasons,
		func(r types.CancellationReason) bool { return aws.ToString(r.Code) == "ConditionalCheckFailed" }) {
		return least
	}
	return 0
}

// asks reports whether the caller wants to know what is consumed.
func asks(r types.ReturnConsumedCapacity) bool {
	return r != "" && r != types.ReturnConsumedCapacityNone
}

// measured makes the call of one item that was let in, and has it pay. The store is asked what the call
// consumed in any case, and the caller is told only if that was wanted.
func measured[In, Out any](ctx context.Context, e entry, in *In, options []func(*awsdynamodb.Options),
	do func(context.Context, *In, ...func(*awsdynamodb.Options)) (*Out, error),
	wanted func(*In) *types.ReturnConsumedCapacity, consumed func(*Out) **types.ConsumedCapacity) (*Out, error) {
	asked := asks(*wanted(in))
	if !asked {
		asking := *in
		*wanted(&asking) = types.ReturnConsumedCapacityTotal
		in = &asking
	}
	out, err := do(ctx, in, options...)
	if err != nil {
		e.leave(nil, err)
		return nil, err
	}
	e.leave(*consumed(out), nil)
	if !asked {
		*consumed(out) = nil
	}
	return out, nil
}

// GetItem implements dynamodb.API.
func (t *Table) GetItem(ctx context.Context, in *awsdynamodb.GetItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	units := leastRead
	if aws.ToBool(in.ConsistentRead) {
		units = 2 * leastRead
	}
	e, err := t.enter(ctx, getItem, in.TableName, in.Key, reads, units)
	if err != nil {
		return nil, err
	}
	return measured(ctx, e, in, options, t.next.GetItem,
		func(in *awsdynamodb.GetItemInput) *types.ReturnConsumedCapacity { return &in.ReturnConsumedCapacity },
		func(out *awsdynamodb.GetItemOutput) **types.ConsumedCapacity { return &out.ConsumedCapacity })
}

// BatchGetItem implements dynamodb.API. Keys whose partition is full, or for which the quota has nothing
// left, come back unprocessed; only if none of them is let in the call is refused, as one read would be
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html, which has the
// exception of tables in provisioned mode).
func (t *Table) BatchGetItem(ctx context.Context, in *awsdynamodb.BatchGetItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	t.calls[batchGetItem].Add(1)
	if err := t.delays.wait(ctx, reads); err != nil {
		return nil, err
	}
	entered, refused, err := t.enterBatch(in.RequestItems)
	if err != nil {
		return nil, err
	}
	measured := *in
	measured.RequestItems = entered.keys
	asked := asks(in.ReturnConsumedCapacity)
	if !asked {
		measured.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	}
	out, err := t.next.BatchGetItem(ctx, &measured, options...)
	if err != nil {
		entered.leave(nil, err)
		return nil, err
	}
	entered.leave(out.ConsumedCapacity, nil)
	if !asked {
		out.ConsumedCapacity = nil
	}
	out.UnprocessedKeys = together(out.UnprocessedKeys, refused)
	return out, nil
}

// batch is what was let in of a BatchGetItem.
type batch struct {
	keys    map[string]types.KeysAndAttributes
	entries map[string][]entry // by table
}

// enterBatch lets in each key by itself. The error is that of the first that was refused, if all were.
func (t *Table) enterBatch(asked map[string]types.KeysAndAttributes) (entered batch, refused map[string]types.KeysAndAttributes, err error) {
	at := t.clock.elapsed()
	entered = batch{map[string]types.KeysAndAttributes{}, map[string][]entry{}}
	refused = map[string]types.KeysAndAttributes{}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		of := asked[name]
		units := leastRead
		if aws.ToBool(of.ConsistentRead) {
			units = 2 * leastRead
		}
		in, out := of, of
		in.Keys, out.Keys = nil, nil
		for _, key := range of.Keys {
			e, full := t.admit(at, &name, key, reads, units)
			if full != nil {
				out.Keys = append(out.Keys, key)
				err = cmp.Or(err, full)
				continue
			}
			in.Keys = append(in.Keys, key)
			entered.entries[name] = append(entered.entries[name], e)
		}
		if len(out.Keys) > 0 {
			refused[name] = out
		}
		// A table without keys is next's to refuse.
		if len(in.Keys) > 0 || len(of.Keys) == 0 {
			entered.keys[name] = in
		}
	}
	if len(entered.keys) > 0 || len(asked) == 0 {
		err = nil
	}
	return entered, refused, err
}

// leave pays what was consumed, which is reported as one sum for each table, in equal parts. That is
// exact where items are alike, as counters are.
func (b batch) leave(consumed []types.ConsumedCapacity, err error) {
	parts := map[string]*types.ConsumedCapacity{}
	for _, c := range consumed {
		name := aws.ToString(c.TableName)
		if n := len(b.entries[name]); n > 0 {
			parts[name] = &types.ConsumedCapacity{CapacityUnits: aws.Float64(aws.ToFloat64(c.CapacityUnits) / float64(n))}
		}
	}
	for name, entries := range b.entries {
		for _, e := range entries {
			e.leave(parts[name], err)
		}
	}
}

// together are the keys that the store left and those that it was not asked for.
func together(left, refused map[string]types.KeysAndAttributes) map[string]types.KeysAndAttributes {
	for name, of := range left {
		of.Keys = append(slices.Clone(of.Keys), refused[name].Keys...)
		refused[name] = of
	}
	return refused
}

// PutItem implements dynamodb.API.
func (t *Table) PutItem(ctx context.Context, in *awsdynamodb.PutItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	e, err := t.enter(ctx, putItem, in.TableName, in.Item, writes, leastWrite)
	if err != nil {
		return nil, err
	}
	return measured(ctx, e, in, options, t.next.PutItem,
		func(in *awsdynamodb.PutItemInput) *types.ReturnConsumedCapacity { return &in.ReturnConsumedCapacity },
		func(out *awsdynamodb.PutItemOutput) **types.ConsumedCapacity { return &out.ConsumedCapacity })
}

// UpdateItem implements dynamodb.API.
func (t *Table) UpdateItem(ctx context.Context, in *awsdynamodb.UpdateItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	e, err := t.enter(ctx, updateItem, in.TableName, in.Key, writes, leastWrite)
	if err != nil {
		return nil, err
	}
	return measured(ctx, e, in, options, t.next.UpdateItem,
		func(in *awsdynamodb.UpdateItemInput) *types.ReturnConsumedCapacity { return &in.ReturnConsumedCapacity },
		func(out *awsdynamodb.UpdateItemOutput) **types.ConsumedCapacity { return &out.ConsumedCapacity })
}

// DeleteItem implements dynamodb.API.
func (t *Table) DeleteItem(ctx context.Context, in *awsdynamodb.DeleteItemInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.DeleteItemOutput, error) {
	e, err := t.enter(ctx, deleteItem, in.TableName, in.Key, writes, leastWrite)
	if err != nil {
		return nil, err
	}
	return measured(ctx, e, in, options, t.next.DeleteItem,
		func(in *awsdynamodb.DeleteItemInput) *types.ReturnConsumedCapacity { return &in.ReturnConsumedCapacity },
		func(out *awsdynamodb.DeleteItemOutput) **types.ConsumedCapacity { return &out.ConsumedCapacity })
}

// TransactWriteItems implements dynamodb.API. A transaction is refused if the partition of any of its
// items is full. What it consumes is reported as one sum, and taken in equal parts from the items'
// partitions, which is exact where they share one, as the items of an event do.
func (t *Table) TransactWriteItems(ctx context.Context, in *awsdynamodb.TransactWriteItemsInput, options ...func(*awsdynamodb.Options)) (*awsdynamodb.TransactWriteItemsOutput, error) {
	t.calls[transactWriteItems].Add(1)
	if err := t.delays.wait(ctx, writes); err != nil {
		return nil, err
	}
	partitions, err := t.enterAll(in.TransactItems)
	if err != nil {
		return nil, err
	}
	asked := asks(in.ReturnConsumedCapacity)
	if !asked {
		measured := *in
		measured.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		in = &measured
	}
	out, err := t.next.TransactWriteItems(ctx, in, options...)
	paid := float64(leastTransact * len(partitions))
	if err != nil {
		t.leaveAll(partitions, unitsOf(err, paid)-paid)
		return nil, err
	}
	if len(out.ConsumedCapacity) > 0 {
		units := 0.0
		for _, c := range out.ConsumedCapacity {
			units += aws.ToFloat64(c.CapacityUnits)
		}
		t.leaveAll(partitions, units-paid)
	}
	if !asked {
		out.ConsumedCapacity = nil
	}
	return out, nil
}

// enterAll takes the least that a transaction consumes from all of its partitions, or from none.
func (t *Table) enterAll(items []types.TransactWriteItem) ([]*capacity, error) {
	at := t.clock.elapsed()
	var entered []*capacity
	reasons := make([]types.CancellationReason, len(items))
	var last key
	for i, item := range items {
		_, changed := target(item)
		last = t.keyOf(changed)
		partition := &t.partitions[t.place(last)]
		reasons[i].Code = aws.String("None")
		if partition.take(at, writes, leastTransact, last) {
			entered = append(entered, partition)
			continue
		}
		reasons[i] = types.CancellationReason{Code: aws.String("ThrottlingError"), Message: aws.String(hotMessage)}
	}
	if len(entered) < len(items) {
		giveBack(entered)
		return nil, cancelled(reasons)
	}
	if len(items) > 0 && !t.whole.take(at, writes, float64(leastTransact*len(items)), last) {
		giveBack(entered)
		name, _ := target(items[0])
		return nil, overQuota(writes, name)
	}
	return entered, nil
}

func giveBack(partitions []*capacity) {
	for _, partition := range partitions {
		partition.settle(writes, -leastTransact)
	}
}

func (t *Table) leaveAll(partitions []*capacity, units float64) {
	t.whole.settle(writes, units)
	for _, partition := range partitions {
		partition.settle(writes, units/float64(len(partitions)))
	}
}

// target is the table and the key, or the whole item, that a part of a transaction writes or checks.
func target(item types.TransactWriteItem) (name *string, key map[string]types.AttributeValue) {
	switch {
	case item.Put != nil:
		return item.Put.TableName, item.Put.Item
	case item.Update != nil:
		return item.Update.TableName, item.Update.Key
	case item.Delete != nil:
		return item.Delete.TableName, item.Delete.Key
	case item.ConditionCheck != nil:
		return item.ConditionCheck.TableName, item.ConditionCheck.Key
	}
	return nil, nil
}

// What DynamoDB says where a table in on-demand mode is throttled, as the SDK's documentation of
// TransactionCanceledException has it. Code that reads messages finds what it looks for.
const hotMessage = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling " +
	"your table or index so please try again shortly. If exceptions persist, check if you have a hot key: " +
	"https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"

// reason is DynamoDB's name of why a call is throttled: what, which direction and by which limit
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html).
func reason(d direction, limit string) string {
	return [directions]string{reads: "TableRead", writes: "TableWrite"}[d] + limit
}

const (
	keyRange = "KeyRangeThroughputExceeded"
	account  = "AccountLimitExceeded"
)

func reasons(d direction, limit string, name *string) []types.ThrottlingReason {
	return []types.ThrottlingReason{{
		Reason:   aws.String(reason(d, limit)),
		Resource: aws.String("arn:aws:dynamodb:eu-west-1:000000000000:table/" + aws.ToString(name)),
	}}
}

// hotPartition is a ThrottlingException: ProvisionedThroughputExceededException is what tables in
// provisioned mode answer.
func hotPartition(d direction, name *string) error {
	return &types.ThrottlingException{Message: aws.String(hotMessage), ThrottlingReasons: reasons(d, keyRange, name)}
}

// overQuota is what DynamoDB answers where the table exceeds what the account allows one table
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-account-limit-exceeded-mitigation.html).
func overQuota(d direction, name *string) error {
	return &types.RequestLimitExceeded{
		Message:           aws.String("Throughput exceeds the current throughput limit for your account."),
		ThrottlingReasons: reasons(d, account, name),
	}
}

func cancelled(reasons []types.CancellationReason) error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = *r.Code
	}
	return &types.TransactionCanceledException{
		Message: aws.String("Transaction cancelled, please refer cancellation reasons for specific reasons [" +
			strings.Join(codes, ", ") + "]"),
		CancellationReasons: reasons,
	}
}
