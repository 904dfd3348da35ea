package dynamodb

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Warm throughput of a new table on demand, in units a second:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
const (
	newReads  = 12_000
	newWrites = 4_000
)

// tableQuota is how many write units, and how many read units, a table has in a second by default:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const tableQuota = 40_000

// warming is how long a raised warm throughput takes to be there. In production that is minutes, and
// can be more than ten.
const warming = 5 * time.Second

// warmth is a table's warm throughput. It only ever rises.
type warmth struct {
	mu            sync.Mutex
	reads, writes int64
	ready         time.Time // when the last raise is done
}

func newWarmth() *warmth { return &warmth{reads: newReads, writes: newWrites} }

// raise has the refusals of the service: while an update is under way, and for what would be
// lower or is above the table's quota.
func (w *warmth) raise(to *types.WarmThroughput, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.ready) {
		return &types.ResourceInUseException{Message: aws.String("Attempt to change a resource which is still in use: Table is being updated")}
	}
	reads, writes := w.reads, w.writes
	if to.ReadUnitsPerSecond != nil {
		reads = *to.ReadUnitsPerSecond
	}
	if to.WriteUnitsPerSecond != nil {
		writes = *to.WriteUnitsPerSecond
	}
	if reads < w.reads || writes < w.writes {
		return invalid("One or more parameter values were invalid: Requested WarmThroughput of %d reads and %d writes a second is lower than the current one of %d and %d, and decreasing it is not supported",
			reads, writes, w.reads, w.writes)
	}
	if reads > tableQuota || writes > tableQuota {
		return &types.LimitExceededException{Message: aws.String("Warm throughput cannot be above the table's quota of " + strconv.Itoa(tableQuota) + " units a second")}
	}
	if reads != w.reads || writes != w.writes {
		w.reads, w.writes, w.ready = reads, writes, now.Add(warming)
	}
	return nil
}

// describe adds the warm throughput to a table's description, and that an update is under way.
func (w *warmth) describe(d *types.TableDescription, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	status := types.TableStatusActive
	if now.Before(w.ready) {
		status = types.TableStatusUpdating
	}
	d.TableStatus = status
	d.WarmThroughput = &types.TableWarmThroughputDescription{
		ReadUnitsPerSecond: aws.Int64(w.reads), WriteUnitsPerSecond: aws.Int64(w.writes), Status: status,
	}
}

// UpdateTable raises a table's warm throughput, which takes some seconds and changes nothing else. It
// refuses every other update.
func (e *Engine) UpdateTable(_ context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	t, err := e.table(in.TableName)
	if err != nil {
		return nil, noTable(err, in.TableName)
	}
	to := in.WarmThroughput
	if to == nil || !reflect.DeepEqual(*in, dynamodb.UpdateTableInput{TableName: in.TableName, WarmThroughput: to}) {
		return nil, invalid("This engine updates a table's warm throughput and nothing else")
	}
	if err := t.warm.raise(to, time.Now()); err != nil {
		return nil, err
	}
	return &dynamodb.UpdateTableOutput{TableDescription: t.describe()}, nil
}
