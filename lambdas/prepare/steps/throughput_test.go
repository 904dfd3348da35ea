package steps

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// warmTable is a table that takes three minutes to become as warm as was asked.
type warmTable struct {
	*account
	writes, reads int64
	most          int64 // of either
	until         time.Time
	status        types.TableStatus
	raises        []string
}

func (w *warmTable) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	var out *dynamodb.DescribeTableOutput
	err := w.call(func() error {
		status := types.TableStatusActive
		if time.Now().Before(w.until) {
			status = types.TableStatusUpdating
		}
		table := w.status
		if table == "" {
			table = types.TableStatusActive // while its warm throughput is updated, too
		}
		out = &dynamodb.DescribeTableOutput{Table: &types.TableDescription{TableStatus: table, WarmThroughput: &types.TableWarmThroughputDescription{
			WriteUnitsPerSecond: aws.Int64(w.writes), ReadUnitsPerSecond: aws.Int64(w.reads), Status: status}}}
		return nil
	})
	return out, err
}

func (w *warmTable) UpdateTable(_ context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	err := w.call(func() error {
		writes, reads := w.writes, w.reads
		if in.WarmThroughput.WriteUnitsPerSecond != nil {
			writes = *in.WarmThroughput.WriteUnitsPerSecond
		}
		if in.WarmThroughput.ReadUnitsPerSecond != nil {
			reads = *in.WarmThroughput.ReadUnitsPerSecond
		}
		switch {
		case time.Now().Before(w.until):
			return &types.ResourceInUseException{Message: aws.String("the table is being updated")}
		case writes < w.writes || reads < w.reads:
			w.t.Errorf("lowered to %d writes and %d reads", writes, reads)
		case max(writes, reads) > w.most:
			return &smithy.GenericAPIError{Code: "LimitExceededException", Message: "too much"}
		}
		w.writes, w.reads, w.until = writes, reads, time.Now().Add(3*time.Minute)
		w.raises = append(w.raises, fmt.Sprint(aws.ToInt64(in.WarmThroughput.WriteUnitsPerSecond), " ", aws.ToInt64(in.WarmThroughput.ReadUnitsPerSecond)))
		return nil
	})
	return &dynamodb.UpdateTableOutput{}, err
}

// Two shows at once raise the table to what both need, and nothing lowers it again.
func TestThroughputIsRaisedForAll(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		table := &warmTable{account: a, writes: 4_000, reads: 25_000, most: 40_000}
		step := NewThroughput(table, "room", a)
		first, second := a.subject("first"), a.subject("second")
		second.show.Needs.WarmWrites, second.show.Needs.WarmReads = 12_000, 12_000
		for _, s := range []*subject{first, second} {
			s.until(hotshow.Up, step.Up)
			if time.Now().Before(table.until) {
				t.Error("up before the table is warm")
			}
		}
		if table.writes != 32_000 || table.reads != 27_000 || table.raises[0] != "20000 0" || len(table.raises) != 2 {
			t.Errorf("raised by %q", table.raises)
		}
		first.until(hotshow.Down, step.Down)
		third := a.subject("third") // in the place of the first: the table is warm enough
		third.until(hotshow.Up, step.Up)
		third.until(hotshow.Down, step.Down)
		second.until(hotshow.Down, step.Down)
		if len(a.shared[heldWrites].Units)+len(a.shared[heldReads].Units) != 0 || len(table.raises) != 2 {
			t.Errorf("left: %+v, raised by %q", a.shared, table.raises)
		}
	})
}

func TestThroughputInTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		writes, reads int
		status        types.TableStatus
		most          int64
		want, hides   string
	}{
		"above both quotas": {50_000, 41_000, "", 40_000, "dynamodb L-AB614373, to 50000 and \"Table-level read throughput limit\", dynamodb L-CF0CBE56, to 41000): ", ""},
		"above one quota":   {50_000, 20_000, "", 40_000, "dynamodb L-AB614373, to 50000): ", "L-CF0CBE56"},
		"a smaller quota":   {30_000, 20_000, "", 10_000, "raise warm throughput to 30000 writes and 20000 reads a second: ", "Service Quotas"},
		"a table that goes": {30_000, 20_000, types.TableStatusDeleting, 40_000, "the table room is DELETING", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{t: t, shared: map[string]schedule.Holding{}}
				step := NewThroughput(&warmTable{account: a, writes: 4_000, reads: 12_000, most: c.most, status: c.status}, "room", a)
				s := a.subject("show")
				s.show.Needs.WarmWrites, s.show.Needs.WarmReads = c.writes, c.reads
				_, err := s.run(step.Up)
				if err == nil || !strings.Contains(err.Error(), c.want) || c.hides != "" && strings.Contains(err.Error(), c.hides) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// A table that is updated for any reason is waited for.
func TestThroughputOfATableThatIsUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		table := &warmTable{account: a, writes: 4_000, reads: 12_000, most: 40_000, status: types.TableStatusUpdating}
		progress, err := a.subject("show").run(NewThroughput(table, "room", a).Up)
		if progress != hotshow.Begun || err != nil || table.raises != nil {
			t.Errorf("%s, %v; raised by %q", progress, err, table.raises)
		}
	})
}

// While another show is at it a show waits for its turn, or for the next run, and does nothing.
func TestThroughputWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		step := NewThroughput(&warmTable{account: a, writes: 4_000, reads: 12_000, most: 40_000}, "room", a)
		s := a.subject("show")
		step.begin(t.Context())
		for name, do := range map[string]func(context.Context, *prepare.Task) (hotshow.Progress, error){"up": step.Up, "down": step.Down} {
			if progress, err := s.run(do); progress != hotshow.Begun || err != nil || a.calls != 0 {
				t.Errorf("%s: %s, %v; %d calls", name, progress, err, a.calls)
			}
		}
		step.end()
		s.until(hotshow.Up, step.Up)
	})
}

// What the table cannot have keeps nothing from a show that fits.
func TestThroughputOfAShowThatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		table := &warmTable{account: a, writes: 4_000, reads: 12_000, most: 40_000}
		step := NewThroughput(table, "room", a)
		huge, small := a.subject("huge"), a.subject("small")
		huge.show.Needs.WarmWrites = 50_000
		var refusals []string
		for progress := hotshow.Begun; progress != hotshow.Up && len(refusals) < 20; {
			if _, err := huge.run(step.Up); err != nil {
				refusals = append(refusals, err.Error())
			}
			progress, _ = small.run(step.Up)
			time.Sleep(time.Minute)
		}
		if len(refusals) == 0 || len(refusals) == 20 || !strings.Contains(refusals[0], "L-AB614373, to 50000") {
			t.Errorf("refused: %q", refusals)
		}
		if table.writes != 20_000 || !maps.Equal(a.shared[heldWrites].Units, map[string]int{"small": 20_000}) {
			t.Errorf("%+v, held %+v", table.raises, a.shared)
		}
	})
}

// A quota that was raised is made use of.
func TestThroughputAboveTheDefaultQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, shared: map[string]schedule.Holding{}}
		table := &warmTable{account: a, writes: 4_000, reads: 12_000, most: 100_000}
		s := a.subject("show")
		s.show.Needs.WarmWrites = 90_000
		s.until(hotshow.Up, NewThroughput(table, "room", a).Up)
		if table.writes != 90_000 || !maps.Equal(a.shared[heldWrites].Units, map[string]int{"show": 90_000}) {
			t.Errorf("%+v", table)
		}
	})
}
