package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/shared/room"
)

// API is the part of the SDK's client that the store uses.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// DynamoDB is the store in one table with the string keys pk and sk. Items that nobody asks for
// any more carry their end of life in ttl, in Unix seconds. It is safe for concurrent use.
type DynamoDB struct {
	api   API
	table string
	now   func() time.Time // for ttl only
}

// New returns the store in table.
func New(api API, table string, now func() time.Time) *DynamoDB {
	return &DynamoDB{api: api, table: table, now: now}
}

// State returns the state of event's latest run as of the latest write, or ErrNotFound.
func (d *DynamoDB) State(ctx context.Context, event string) (room.State, error) {
	found, err := d.get(ctx, stateKey(event), true)
	if err != nil {
		return room.State{}, failed("read state", err)
	}
	// Another function may have left a mark of its own where no state has been written yet.
	if _, written := found["version"]; !written {
		return room.State{}, fmt.Errorf("read state: %w", ErrNotFound)
	}
	s, err := decodeState(event, found)
	if err != nil {
		return room.State{}, fmt.Errorf("read state: %w", err)
	}
	return s, nil
}

// Pacing returns the pacing of event's latest run as of the latest write, or ErrNotFound.
func (d *DynamoDB) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	found, err := d.get(ctx, pacingKey(event), true)
	if err != nil {
		return room.Pacing{}, failed("read pacing", err)
	}
	if len(found) == 0 {
		return room.Pacing{}, fmt.Errorf("read pacing: %w", ErrNotFound)
	}
	p, err := decodePacing(found)
	if err != nil {
		return room.Pacing{}, fmt.Errorf("read pacing: %w", err)
	}
	return p, nil
}

// Save writes next over the state whose owner and version are held; the zero Fence means that
// there is no state yet. It returns ErrFenced if the stored fence is another one, and leaves
// attributes that are no part of a state alone.
//
// It is not retried: over its own earlier attempt, a retry would report ErrFenced for a state
// that was written. After an unknown outcome, read the state and compare owner and version.
func (d *DynamoDB) Save(ctx context.Context, next room.State, held room.Fence) error {
	_, err := d.update(ctx, d.saving(next, held), types.ReturnValueNone, once)
	if _, refused := conditionFailed(err); refused {
		return fmt.Errorf("save state: %w", ErrFenced)
	}
	return failed("save state", err)
}

// SaveWithPacing is Save for the state and its pacing: either both are written or neither is. A
// collision with another transaction is ErrThrottled.
func (d *DynamoDB) SaveWithPacing(ctx context.Context, next room.State, pacing room.Pacing, held room.Fence) error {
	encoded, err := encodePacing(pacing)
	if err != nil {
		return fmt.Errorf("save state and pacing: %w", err)
	}
	state, beside := d.saving(next, held), pacingChange.of(pacingKey(next.Event), encoded)
	state.TableName, beside.TableName = aws.String(d.table), aws.String(d.table)
	_, err = d.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Update: &state}, {Update: &beside}},
	}, once)
	if err != nil {
		return failed("save state and pacing", cancellation(err))
	}
	return nil
}

// Count adds an arrival to a shard of a cohort and returns its number, from 1. It returns
// ErrSealed once the shard is sealed, for good. It is not retried: a retry over its own earlier
// attempt would count twice. A number that was counted and never arrived is a hole in the line.
func (d *DynamoDB) Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	updated, err := d.update(ctx, types.Update{
		Key:                       primary(counterKey(run, cohort, shard)),
		UpdateExpression:          aws.String("SET #ttl = :ttl ADD #n :one"),
		ConditionExpression:       aws.String("attribute_not_exists(#sealed)"),
		ExpressionAttributeNames:  counterNames,
		ExpressionAttributeValues: values{":one": number(1), ":ttl": d.until(keepRun)},
	}, types.ReturnValueUpdatedNew, once)
	if _, refused := conditionFailed(err); refused {
		return 0, fmt.Errorf("count arrival: %w", ErrSealed)
	}
	if err != nil {
		return 0, failed("count arrival", err)
	}
	return counted("count arrival", updated)
}

// mostKeys is how many items DynamoDB reads in one call at most
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
const mostKeys = 100

// Arrivals returns about how many have arrived at a cohort of so many shards: the read may miss the
// latest second. On an error at least so many have: it is ErrThrottled too where the table had room
// for some of the shards only, and asking again is always right.
func (d *DynamoDB) Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error) {
	var sum int64
	for first := 0; first < shards; first += mostKeys {
		n, err := d.arrivals(ctx, run, cohort, first, min(first+mostKeys, shards))
		sum += n
		if err != nil {
			return sum, failed("read arrivals", err)
		}
	}
	return sum, nil
}

// arrivals is Arrivals of the shards from first to before end, at most mostKeys, in one call.
func (d *DynamoDB) arrivals(ctx context.Context, run room.Run, cohort int64, first, end int) (sum int64, err error) {
	var keys []map[string]types.AttributeValue
	for shard := first; shard < end; shard++ {
		keys = append(keys, primary(counterKey(run, cohort, shard)))
	}
	out, err := d.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		d.table: {Keys: keys, ConsistentRead: aws.Bool(false), ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: arrivalNames},
	}})
	if err != nil {
		return 0, err
	}
	for _, found := range out.Responses[d.table] {
		i := item{attributes: found}
		sum += i.number("n")
		err = errors.Join(err, i.err)
	}
	if err == nil && len(out.UnprocessedKeys) > 0 {
		err = ErrThrottled
	}
	return sum, err
}

// SealShard closes a shard and returns its final number of arrivals. Repeating it changes
// nothing and returns the same number.
func (d *DynamoDB) SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error) {
	updated, err := d.update(ctx, types.Update{
		Key:                       primary(counterKey(run, cohort, shard)),
		UpdateExpression:          aws.String("SET #sealed = :true, #n = if_not_exists(#n, :zero), #ttl = :ttl"),
		ExpressionAttributeNames:  counterNames,
		ExpressionAttributeValues: values{":true": flag(true), ":zero": number(0), ":ttl": d.until(keepRun)},
		// All attributes, since engines differ on whether one that kept its value was updated.
	}, types.ReturnValueAllNew)
	if err != nil {
		return 0, failed("seal shard", err)
	}
	return counted("seal shard", updated)
}

// PutSeal writes the seal of a cohort unless it is there already. It returns ErrConflict if
// another one is there.
func (d *DynamoDB) PutSeal(ctx context.Context, seal room.Seal) error {
	old, err := d.create(ctx, sealChange, sealKey(seal.Run, seal.Cohort), encodeSeal(seal))
	if err != nil {
		return failed("put seal", err)
	}
	if old == nil {
		return nil
	}
	stored, err := decodeSeal(seal.Run, seal.Cohort, old)
	if err != nil {
		return fmt.Errorf("put seal: %w", err)
	}
	if !stored.Equal(seal) {
		return fmt.Errorf("put seal of cohort %d: %w", seal.Cohort, ErrConflict)
	}
	return nil
}

// Seal returns the seal of a cohort, or ErrNotFound.
func (d *DynamoDB) Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error) {
	found, err := d.get(ctx, sealKey(run, cohort), true)
	if err != nil {
		return room.Seal{}, failed("read seal", err)
	}
	if len(found) == 0 {
		return room.Seal{}, fmt.Errorf("read seal of cohort %d: %w", cohort, ErrNotFound)
	}
	seal, err := decodeSeal(run, cohort, found)
	if err != nil {
		return room.Seal{}, fmt.Errorf("read seal of cohort %d: %w", cohort, err)
	}
	return seal, nil
}

// AddVisitor writes v unless a visitor with its id holds a place already, and returns the one who
// holds it, v or the earlier one. A retry may meet its own earlier write: the same place means
// success.
func (d *DynamoDB) AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error) {
	change := visitorChange
	if v.Pass != nil {
		change = admittedChange
	}
	old, err := d.create(ctx, change, visitorKey(run, v.ID), encodeVisitor(v))
	if err != nil {
		return room.Visitor{}, failed("add visitor", err)
	}
	if old == nil {
		return copyVisitor(v), nil
	}
	return visitor("add visitor", v.ID, old)
}

// Visitor returns the visitor as of the latest write, or ErrNotFound.
func (d *DynamoDB) Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error) {
	found, err := d.get(ctx, visitorKey(run, id), true)
	if err != nil {
		return room.Visitor{}, failed("read visitor", err)
	}
	return visitor("read visitor", id, found)
}

// Mark notes that the visitor is being counted in the window that begins at start: once per
// window, and never in an earlier one again, since calls that straddle the end of a window arrive
// in any order. If that is refused or the visitor is admitted, marked is false and the visitor is
// returned as it stands; one who was never added is ErrNotFound. A mark further than MarkAhead
// after start was made by a wrong clock and does not count.
//
// It is not retried: a retry over its own earlier attempt would be refused. After an unknown
// outcome the visitor may have to wait for the next window.
func (d *DynamoDB) Mark(ctx context.Context, run room.Run, id string, start time.Time) (old room.Visitor, marked bool, err error) {
	before, err := d.update(ctx, types.Update{
		Key:                                 primary(visitorKey(run, id)),
		UpdateExpression:                    aws.String("SET #mark = :start"),
		ConditionExpression:                 aws.String("attribute_exists(#pk) AND attribute_not_exists(#jti) AND (#mark < :start OR #mark > :wrong)"),
		ExpressionAttributeNames:            markNames,
		ExpressionAttributeValues:           values{":start": millis(start), ":wrong": millis(start.Add(MarkAhead))},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, types.ReturnValueAllOld, once)
	found, refused := conditionFailed(err)
	if err != nil && !refused {
		return room.Visitor{}, false, failed("mark visitor", err)
	}
	if refused {
		before = found
	}
	old, err = visitor("mark visitor", id, before)
	return old, !refused, err
}

// Admit gives the visitor pass and returns it, or the pass that the visitor has already. A visitor
// who was never added is ErrNotFound. A retry may meet its own earlier write: the same pass means
// success.
func (d *DynamoDB) Admit(ctx context.Context, run room.Run, id string, pass room.Pass) (room.Pass, error) {
	change := passChange.of(visitorKey(run, id), encodePass(pass))
	change.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err := d.update(ctx, change, types.ReturnValueNone)
	old, refused := conditionFailed(err)
	if !refused {
		return copyPass(pass), failed("admit visitor", err)
	}
	v, err := visitor("admit visitor", id, old)
	if err != nil {
		return room.Pass{}, err
	}
	if v.Pass == nil {
		return room.Pass{}, errors.New("admit visitor: refused without a pass in force")
	}
	return *v.Pass, nil
}

// TakeSlot counts one admission at the given time in a part of window w. It returns ErrFull when
// the part has taken limit of them. It is not retried: a retry over its own earlier attempt would
// take two slots. A slot taken by an unknown outcome stays taken.
func (d *DynamoDB) TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error {
	if limit <= 0 {
		return fmt.Errorf("take slot: %w", ErrFull)
	}
	_, err := d.update(ctx, types.Update{
		Key:                       primary(capKey(run, w, part)),
		UpdateExpression:          aws.String("SET #last = :at, #ttl = :ttl ADD #n :one"),
		ConditionExpression:       aws.String("attribute_not_exists(#n) OR #n < :limit"),
		ExpressionAttributeNames:  capNames,
		ExpressionAttributeValues: values{":one": number(1), ":limit": number(limit), ":at": millis(at), ":ttl": d.until(keepCap)},
	}, types.ReturnValueNone, once)
	if _, refused := conditionFailed(err); refused {
		return fmt.Errorf("take slot: %w", ErrFull)
	}
	return failed("take slot", err)
}

// Taken returns the number of admissions that a part of window w has counted, and the time that
// the latest one gave; zero values if there was none.
func (d *DynamoDB) Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error) {
	found, err := d.get(ctx, capKey(run, w, part), true)
	if err != nil {
		return 0, time.Time{}, failed("read slots", err)
	}
	i := item{attributes: found}
	return i.number("n"), i.millis("last"), i.err
}

// Announce notes at which moment it was said that event's parameters have changed, so that its
// leader reads them at its next step. Where there is no state, there is nobody to tell, and that is
// no error. Repeating it is harmless.
func (d *DynamoDB) Announce(ctx context.Context, event string, at time.Time) error {
	change := announcementChange.of(stateKey(event), values{":" + announced: millis(at)})
	_, err := d.update(ctx, change, types.ReturnValueNone)
	if _, refused := conditionFailed(err); refused {
		return nil
	}
	return failed("announce a change", err)
}

// Watch notes that event has to be watched every second, and Unwatch that it has not. Repeating
// either is harmless.
func (d *DynamoDB) Watch(ctx context.Context, event string) error {
	return failed("watch", d.noteWatched(ctx, event, true))
}

// Unwatch is the opposite of Watch.
func (d *DynamoDB) Unwatch(ctx context.Context, event string) error {
	return failed("unwatch", d.noteWatched(ctx, event, false))
}

func (d *DynamoDB) noteWatched(ctx context.Context, event string, watched bool) error {
	_, err := d.update(ctx, types.Update{
		Key:                       primary(watchedKey()),
		UpdateExpression:          aws.String("SET #event = :watched"),
		ExpressionAttributeNames:  map[string]string{"#event": watchedPrefix + event},
		ExpressionAttributeValues: values{":watched": flag(watched)},
	}, types.ReturnValueNone)
	return err
}

// Watched returns the events that have to be watched every second, sorted.
func (d *DynamoDB) Watched(ctx context.Context) ([]string, error) {
	found, err := d.get(ctx, watchedKey(), true)
	if err != nil {
		return nil, failed("read watched events", err)
	}
	var watched []string
	i := item{attributes: found}
	for name := range found {
		if event, ok := strings.CutPrefix(name, watchedPrefix); ok && i.flag(name) {
			watched = append(watched, event)
		}
	}
	slices.Sort(watched)
	return watched, i.err
}

// saving is the conditional write of a state. The condition looks at the version and not at the
// key, so that a mark of another function does not stand in the way of the first state.
func (d *DynamoDB) saving(next room.State, held room.Fence) types.Update {
	if held == (room.Fence{}) {
		return firstStateChange.of(stateKey(next.Event), encodeState(next))
	}
	change := stateChange.of(stateKey(next.Event), encodeState(next))
	change.ExpressionAttributeValues[":heldowner"] = text(held.Owner)
	change.ExpressionAttributeValues[":heldversion"] = number(held.Version)
	return change
}

// create writes an item unless there is one, which it returns then. It is an update since not
// every engine returns the old item of a refused put.
func (d *DynamoDB) create(ctx context.Context, c change, k key, set values) (old attributes, err error) {
	set[":ttl"] = d.until(keepRun)
	update := c.of(k, set)
	update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err = d.update(ctx, update, types.ReturnValueNone)
	old, refused := conditionFailed(err)
	if refused && len(old) == 0 {
		return nil, errors.New("the table does not return what stood in the way")
	}
	if refused {
		return old, nil
	}
	return nil, err
}

func (d *DynamoDB) get(ctx context.Context, k key, consistent bool) (attributes, error) {
	out, err := d.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      aws.String(d.table),
		Key:            primary(k),
		ConsistentRead: aws.Bool(consistent),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

func (d *DynamoDB) update(ctx context.Context, u types.Update, returned types.ReturnValue, options ...func(*dynamodb.Options)) (attributes, error) {
	out, err := d.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           aws.String(d.table),
		Key:                                 u.Key,
		UpdateExpression:                    u.UpdateExpression,
		ConditionExpression:                 u.ConditionExpression,
		ExpressionAttributeNames:            u.ExpressionAttributeNames,
		ExpressionAttributeValues:           u.ExpressionAttributeValues,
		ReturnValues:                        returned,
		ReturnValuesOnConditionCheckFailure: u.ReturnValuesOnConditionCheckFailure,
	}, options...)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (d *DynamoDB) until(keep time.Duration) types.AttributeValue { return seconds(d.now().Add(keep)) }

// once keeps the SDK from repeating a call whose second attempt would not mean the same.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

func primary(k key) attributes { return attributes{"pk": text(k.pk), "sk": text(k.sk)} }

func visitor(operation, id string, found attributes) (room.Visitor, error) {
	if len(found) == 0 {
		return room.Visitor{}, fmt.Errorf("%s: %w", operation, ErrNotFound)
	}
	v, err := decodeVisitor(id, found)
	if err != nil {
		return room.Visitor{}, fmt.Errorf("%s: %w", operation, err)
	}
	return v, nil
}

// counted reads the counter that an update returned. Zero is a number only once it is written.
func counted(operation string, updated attributes) (int64, error) {
	if _, ok := updated["n"]; !ok {
		return 0, fmt.Errorf("%s: the answer holds no number", operation)
	}
	i := item{attributes: updated}
	n := i.number("n")
	if i.err != nil {
		return 0, fmt.Errorf("%s: %w", operation, i.err)
	}
	return n, nil
}

// conditionFailed reports whether a write was refused by its condition, and the item that it met
// if the write asked for it.
func conditionFailed(err error) (old attributes, refused bool) {
	var e *types.ConditionalCheckFailedException
	if !errors.As(err, &e) {
		return nil, false
	}
	return e.Item, true
}

// failed names the operation in err, and tells a throttled call from an unknown outcome.
func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	var e smithy.APIError
	if errors.As(err, &e) && throttling(e.ErrorCode()) {
		return fmt.Errorf("%s: %w: %w", operation, ErrThrottled, err)
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// throttling lists the codes of calls that DynamoDB refused before doing anything. An internal
// error is not among them: the write may have happened.
func throttling(code string) bool {
	switch code {
	case "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
		"TransactionConflictException":
		return true
	}
	return false
}

// cancellation finds the reason why a transaction wrote nothing. A failed condition comes first:
// if the state has moved on, trying again is of no use.
func cancellation(err error) error {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return err
	}
	var crowded bool
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			return ErrFenced
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			crowded = true
		}
	}
	if crowded {
		return fmt.Errorf("%w: %w", ErrThrottled, err)
	}
	return err
}
