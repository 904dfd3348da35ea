package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

func TestTableOptions(t *testing.T) {
	for _, test := range []struct {
		name       string
		options    TableOptions
		partitions int // 0: refused
	}{
		{"a new table", TableOptions{}, 4},
		{"the least", TableOptions{WarmWrites: 1_000, WarmReads: 3_000}, 1},
		{"reads need more partitions", TableOptions{WarmReads: 30_001}, 11},
		{"writes need more partitions", TableOptions{WarmWrites: 20_500}, 21},
		{"the most", TableOptions{WarmWrites: 1_000_000, WarmReads: 1_000_000}, 1_000},
		{"too few writes", TableOptions{WarmWrites: 999}, 0},
		{"too many writes", TableOptions{WarmWrites: 1_000_001}, 0},
		{"too few reads", TableOptions{WarmReads: 2_999}, 0},
		{"a negative number", TableOptions{WarmWrites: -1}, 0},
		{"a negative quota", TableOptions{WriteQuota: -1}, 0},
		{"a median alone", TableOptions{Write: Latency{Median: time.Millisecond}}, 0},
		{"a percentile alone", TableOptions{Read: Latency{P99: time.Millisecond}}, 0},
		{"a percentile below the median", TableOptions{Read: Latency{Median: 2, P99: 1}}, 0},
		{"a latency that does not vary", TableOptions{Read: Latency{Median: 2, P99: 2}}, 4},
	} {
		table, err := NewTable(&engine{}, test.options)
		switch {
		case (err == nil) != (test.partitions > 0):
			t.Errorf("%s: error %v", test.name, err)
		case err == nil && len(table.Stats().Partitions) != test.partitions:
			t.Errorf("%s: %d partitions, want %d", test.name, len(table.Stats().Partitions), test.partitions)
		}
	}
}

// fill uses up what a partition takes at this moment, in one direction.
func fill(t *testing.T, table *Table, o operation, key string) (calls int) {
	t.Helper()
	for calls = 0; call(t.Context(), table, o, key) == nil; calls++ {
		if calls > 2*PartitionReads {
			t.Fatal("nothing is ever refused")
		}
	}
	return calls
}

func TestRefusals(t *testing.T) {
	const message = "hot key"
	for _, test := range []struct {
		operation operation
		calls     int // of one unit that a full partition takes
		reason    string
	}{
		{getItem, PartitionReads, "TableReadKeyRangeThroughputExceeded"},
		{batchGetItem, PartitionReads, "TableReadKeyRangeThroughputExceeded"},
		{putItem, PartitionWrites, "TableWriteKeyRangeThroughputExceeded"},
		{updateItem, PartitionWrites, "TableWriteKeyRangeThroughputExceeded"},
		{deleteItem, PartitionWrites, "TableWriteKeyRangeThroughputExceeded"},
	} {
		next := &engine{units: 1}
		table := newTable(t, next, one(newInstant().Now))
		if n := fill(t, table, test.operation, "k"); n != test.calls || next.calls != n {
			t.Errorf("%v: %d calls let in, %d made, want %d", test.operation, n, next.calls, test.calls)
		}
		var throttled *types.ThrottlingException
		err := call(t.Context(), table, test.operation, "k")
		if !errors.As(err, &throttled) || !strings.Contains(throttled.ErrorMessage(), message) {
			t.Fatalf("%v: error %v", test.operation, err)
		}
		got := throttled.ThrottlingReasons
		if len(got) != 1 || aws.ToString(got[0].Reason) != test.reason || !strings.HasSuffix(aws.ToString(got[0].Resource), ":table/room") {
			t.Errorf("%v: reasons %v", test.operation, got)
		}
		if next.calls != test.calls {
			t.Errorf("%v: a refused call was made", test.operation)
		}
		s := table.Stats()
		if s.Throttled[test.reason] != 2 || len(s.Throttled) != 1 || s.Calls[test.operation.String()] != int64(test.calls)+2 {
			t.Errorf("%v: %+v", test.operation, s)
		}
	}
}

// TestDirections holds that a partition whose writes are used up is still read, and the other way round.
func TestDirections(t *testing.T) {
	table := newTable(t, &engine{units: 1}, one(newInstant().Now))
	fill(t, table, putItem, "k")
	if err := call(t.Context(), table, getItem, "k"); err != nil {
		t.Error(err)
	}
	table = newTable(t, &engine{units: 1}, one(newInstant().Now))
	fill(t, table, getItem, "k")
	if err := call(t.Context(), table, putItem, "k"); err != nil {
		t.Error(err)
	}
}

func TestUnits(t *testing.T) {
	lost := errors.New("out of order")
	refused := &types.ConditionalCheckFailedException{}
	for _, test := range []struct {
		name      string
		engine    engine
		operation operation
		units     float64
	}{
		{"a write", engine{units: 1}, putItem, 1},
		{"a large item", engine{units: 7}, putItem, 7},
		{"a small read", engine{units: 0.5}, getItem, 0.5},
		{"a deletion", engine{units: 3}, deleteItem, 3},
		{"a store that does not say", engine{silent: true}, updateItem, 1},
		{"a consistent read of such a store", engine{silent: true}, getItem, 1},
		{"a batch", engine{units: 0.5}, batchGetItem, 0.5},
		{"a consistent batch of such a store", engine{silent: true}, batchGetItem, 1},
		{"a batch that did nothing", engine{err: lost}, batchGetItem, 0},
		{"a failed condition", engine{err: &dynamodb.Refused{Err: refused, Units: 2}}, updateItem, 2},
		{"a failed condition of a transaction", engine{err: &dynamodb.Refused{Err: refused, Units: 4}}, transactWriteItems, 4},
		{"a failed condition of another engine", engine{err: refused}, updateItem, 1},
		{"a failed condition of another engine's transaction", engine{err: cancelled([]types.CancellationReason{
			{Code: aws.String("None")}, {Code: aws.String("ConditionalCheckFailed")}})}, transactWriteItems, 2},
		{"another engine's transaction that did nothing", engine{err: cancelled([]types.CancellationReason{
			{Code: aws.String("TransactionConflict")}})}, transactWriteItems, 0},
		{"a call that did nothing", engine{err: lost}, putItem, 0},
		{"a transaction that did nothing", engine{err: lost}, transactWriteItems, 0},
		{"a transaction", engine{units: 6}, transactWriteItems, 6},
		{"a transaction of such a store", engine{silent: true}, transactWriteItems, 2},
	} {
		table := newTable(t, &test.engine, one(newInstant().Now))
		err := call(t.Context(), table, test.operation, "k")
		if !errors.Is(err, test.engine.err) {
			t.Errorf("%s: error %v", test.name, err)
		}
		s := table.Stats()
		for where, load := range map[string]Load{"table": s.Table, "partition": s.Partitions[0]} {
			got := load.Writes
			if test.operation == getItem || test.operation == batchGetItem {
				got = load.Reads
			}
			if got.Total != test.units || got.Peak != test.units || got.Refused != 0 {
				t.Errorf("%s: %s %+v, want %v units", test.name, where, got, test.units)
			}
		}
	}
}

// TestDebt holds that a call which costs more than is there is let in, and that others wait until it
// is paid.
func TestDebt(t *testing.T) {
	clock, next := newInstant(), &engine{units: 2_500}
	table := newTable(t, next, one(clock.Now))
	if err := call(t.Context(), table, putItem, "k"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if call(t.Context(), table, putItem, "k") == nil {
			t.Fatal("let in before the debt was paid")
		}
		clock.pass(500 * time.Millisecond)
	}
	clock.pass(time.Millisecond)
	if err := call(t.Context(), table, putItem, "k"); err != nil {
		t.Error(err)
	}
}

// TestConsumedCapacity holds that the store is always asked and the caller gets what was asked for.
func TestConsumedCapacity(t *testing.T) {
	for _, asked := range []types.ReturnConsumedCapacity{"", types.ReturnConsumedCapacityNone, types.ReturnConsumedCapacityTotal, types.ReturnConsumedCapacityIndexes} {
		next := &engine{units: 1}
		table, ctx := newTable(t, next, TableOptions{}), t.Context()
		wanted := asked == types.ReturnConsumedCapacityTotal || asked == types.ReturnConsumedCapacityIndexes
		check := func(o operation, given types.ReturnConsumedCapacity, answered bool, err error) {
			t.Helper()
			if err != nil || given != asked || answered != wanted || (wanted && next.asked != asked) || !asks(next.asked) {
				t.Errorf("%v asked for %q: input is %q, the store saw %q, answered %v, %v", o, asked, given, next.asked, answered, err)
			}
		}
		get := &awsdynamodb.GetItemInput{Key: pk("k"), ReturnConsumedCapacity: asked}
		got, err := table.GetItem(ctx, get)
		check(getItem, get.ReturnConsumedCapacity, got.ConsumedCapacity != nil, err)
		asking := reading("k")
		asking.ReturnConsumedCapacity = asked
		read, err := table.BatchGetItem(ctx, asking)
		check(batchGetItem, asking.ReturnConsumedCapacity, read.ConsumedCapacity != nil, err)
		put := &awsdynamodb.PutItemInput{Item: pk("k"), ReturnConsumedCapacity: asked}
		wrote, err := table.PutItem(ctx, put)
		check(putItem, put.ReturnConsumedCapacity, wrote.ConsumedCapacity != nil, err)
		update := &awsdynamodb.UpdateItemInput{Key: pk("k"), ReturnConsumedCapacity: asked}
		updated, err := table.UpdateItem(ctx, update)
		check(updateItem, update.ReturnConsumedCapacity, updated.ConsumedCapacity != nil, err)
		remove := &awsdynamodb.DeleteItemInput{Key: pk("k"), ReturnConsumedCapacity: asked}
		removed, err := table.DeleteItem(ctx, remove)
		check(deleteItem, remove.ReturnConsumedCapacity, removed.ConsumedCapacity != nil, err)
		many := transaction("k")
		many.ReturnConsumedCapacity = asked
		done, err := table.TransactWriteItems(ctx, many)
		check(transactWriteItems, many.ReturnConsumedCapacity, done.ConsumedCapacity != nil, err)
	}
}

// apart returns keys that fall on partitions of their own.
func apart(t *testing.T, table *Table, n int) []string {
	t.Helper()
	var keys []string
	taken := map[int]bool{}
	for i := 0; len(keys) < n && i < 10_000; i++ {
		text := fmt.Sprint("VISITOR#", i)
		if place := table.place(table.keyOf(pk(text))); !taken[place] {
			keys, taken[place] = append(keys, text), true
		}
	}
	if len(keys) < n {
		t.Fatalf("%d keys on partitions of their own, want %d", len(keys), n)
	}
	return keys
}

func TestTransactions(t *testing.T) {
	clock, next := newInstant(), &engine{units: 1}
	table := newTable(t, next, TableOptions{Now: clock.Now})
	keys := apart(t, table, 4)
	fill(t, table, putItem, keys[2])
	before := table.Stats()
	made := next.calls

	_, err := table.TransactWriteItems(t.Context(), transaction(keys...))
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("error %v", err)
	}
	var codes []string
	for _, r := range cancelled.CancellationReasons {
		codes = append(codes, aws.ToString(r.Code))
	}
	if want := []string{"None", "None", "ThrottlingError", "None"}; !slices.Equal(codes, want) || !strings.Contains(cancelled.ErrorMessage(), "[None, None, ThrottlingError, None]") {
		t.Errorf("reasons %q, message %q", codes, cancelled.ErrorMessage())
	}
	after := table.Stats()
	if next.calls != made || after.Table.Writes.Total != before.Table.Writes.Total {
		t.Error("a transaction that was refused was made, or paid for")
	}
	for i := range after.Partitions {
		if after.Partitions[i].Writes.Total != before.Partitions[i].Writes.Total {
			t.Errorf("partition %d has taken %v units for nothing", i+1, after.Partitions[i].Writes.Total)
		}
	}

	// Without the full one it is let in, and each partition pays its part of what it costs.
	next.units = 12
	if _, err := table.TransactWriteItems(t.Context(), transaction(keys[0], keys[1], keys[3])); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{keys[0], keys[1], keys[3]} {
		if got := table.Stats().Partitions[table.place(table.keyOf(pk(k)))].Writes.Total; got != 4 {
			t.Errorf("%s: %v units, want 4", k, got)
		}
	}
}

// keysOf are the partition keys of items or of what was not read, in their order.
func keysOf(items []map[string]types.AttributeValue) []string {
	var keys []string
	for _, item := range items {
		keys = append(keys, textOf(item))
	}
	return keys
}

// TestBatches holds that only the keys of a full partition come back, and with what was asked for, and
// that each partition pays for its own.
func TestBatches(t *testing.T) {
	clock, next := newInstant(), &engine{units: 1}
	table := newTable(t, next, TableOptions{Now: clock.Now})
	keys := apart(t, table, 4)
	total := func(k string) float64 { return table.Stats().Partitions[table.place(table.keyOf(pk(k)))].Reads.Total }
	for _, k := range []string{keys[1], keys[3]} {
		fill(t, table, getItem, k)
	}
	next.units = 9
	left := "left"
	in := reading(append(keys, left)...)
	asked := in.RequestItems["room"]
	asked.ProjectionExpression = aws.String("n")
	in.RequestItems["room"] = asked
	before, made := total(keys[1]), next.calls
	out, err := table.BatchGetItem(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keysOf(out.Responses["room"]), []string{keys[0], keys[2]}; !slices.Equal(got, want) || next.calls != made+1 {
		t.Errorf("read %q in %d calls, want %q", got, next.calls-made, want)
	}
	if got, want := keysOf(out.UnprocessedKeys["room"].Keys), []string{left, keys[1], keys[3]}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	if got := total(keys[1]); got != before {
		t.Errorf("a full partition has paid %v", got-before)
	}
	// What is left for another call shares a partition with one of the keys.
	sum := total(keys[0]) + total(keys[2])
	if got := table.Stats().Table.Reads.Total - 2*before; got != 9 || sum < 6 {
		t.Errorf("%v units paid, and %v for two keys of three; want 9", got, sum)
	}
	if len(in.RequestItems["room"].Keys) != 5 {
		t.Errorf("the caller's own became %v", in.RequestItems)
	}

	// What comes back can be asked for again as it is.
	again, err := table.BatchGetItem(t.Context(), reading(keys[1], keys[0]))
	if err != nil || aws.ToBool(again.UnprocessedKeys["room"].ConsistentRead) != true || len(again.UnprocessedKeys["room"].Keys) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	var throttled *types.ThrottlingException
	if _, err := table.BatchGetItem(t.Context(), reading(keys[1], keys[3])); !errors.As(err, &throttled) || next.calls != made+2 {
		t.Errorf("a batch of which nothing is let in: %v", err)
	}
	clock.pass(2 * time.Second)
	in.RequestItems = again.UnprocessedKeys
	if out, err := table.BatchGetItem(t.Context(), in); err != nil || len(out.UnprocessedKeys) > 0 {
		t.Errorf("later: %+v, %v", out, err)
	}
	// What cannot be asked for is the store's to refuse.
	made = next.calls
	table.BatchGetItem(t.Context(), &awsdynamodb.BatchGetItemInput{})
	table.BatchGetItem(t.Context(), reading())
	if next.calls != made+2 {
		t.Errorf("%d calls, want 2", next.calls-made)
	}
}

// TestStoreKnowsRefusals holds that the store takes what a full table answers for what it is.
func TestStoreKnowsRefusals(t *testing.T) {
	for name, options := range map[string]TableOptions{
		"hot partition": {WarmWrites: 1_000, WarmReads: 3_000},
		"quota":         {WriteQuota: 10, ReadQuota: 10},
	} {
		options.Now = newInstant().Now
		table := newTable(t, &engine{units: 40_000}, options)
		call(t.Context(), table, putItem, "k")
		call(t.Context(), table, getItem, "k")
		kept := store.New(table, "room", time.Now)
		run := room.Run{Event: "show", ID: strings.Repeat("a", 32)}
		_, count := kept.Count(t.Context(), run, 0, 0)
		_, state := kept.State(t.Context(), run.Event)
		_, arrivals := kept.Arrivals(t.Context(), run, 0, 16)
		for what, err := range map[string]error{
			"count": count, "state": state, "arrivals": arrivals,
			"save": kept.SaveWithPacing(t.Context(), room.State{Run: run}, room.Pacing{}, room.Fence{}),
		} {
			if !errors.Is(err, store.ErrThrottled) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestQuotas(t *testing.T) {
	clock, next := newInstant(), &engine{units: 1}
	table := newTable(t, next, TableOptions{WriteQuota: 50, ReadQuota: 20, Now: clock.Now})
	for _, test := range []struct {
		operation operation
		calls     int
		reason    string
	}{
		{putItem, 50, "TableWriteAccountLimitExceeded"},
		{getItem, 20, "TableReadAccountLimitExceeded"},
	} {
		if n := fill(t, table, test.operation, "k"); n != test.calls {
			t.Errorf("%v: %d calls, want %d", test.operation, n, test.calls)
		}
		var limit *types.RequestLimitExceeded
		if err := call(t.Context(), table, test.operation, "k"); !errors.As(err, &limit) || aws.ToString(limit.ThrottlingReasons[0].Reason) != test.reason {
			t.Errorf("%v: error %v", test.operation, err)
		}
	}
	var limit *types.RequestLimitExceeded
	if err := call(t.Context(), table, transactWriteItems, "k"); !errors.As(err, &limit) {
		t.Errorf("transaction: error %v", err)
	}
	if next.calls != 70 {
		t.Errorf("%d calls were made, want 70", next.calls)
	}
	s := table.Stats()
	if total := s.Partitions[table.place(table.keyOf(pk("k")))].Writes.Total; total != 50 {
		t.Errorf("the partition has taken %v units, want 50", total)
	}
	if s.Throttled["TableWriteAccountLimitExceeded"] != 3 || s.Throttled["TableReadAccountLimitExceeded"] != 2 {
		t.Errorf("throttled %v", s.Throttled)
	}
	if got := s.Reasons(); len(got) == 0 || !strings.Contains(got[0], "the table's quota refused 3 writes") || !strings.Contains(got[0], "50 units") {
		t.Errorf("reasons %q", got)
	}
}

// TestNoMoreThanItTakes lets calls of random sizes come at random times, to a partition and a table
// with a quota: in every interval, what was let in is what is refilled, a second's worth and one call.
func TestNoMoreThanItTakes(t *testing.T) {
	type admission struct {
		at    time.Duration
		units float64
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		clock, next := newInstant(), &engine{}
		limit, options := float64(PartitionWrites), one(clock.Now)
		if seed%2 == 1 {
			limit, options = 300, TableOptions{WriteQuota: 300, Now: clock.Now}
		}
		table := newTable(t, next, options)
		largest := 1 + random.Float64()*200
		var admitted []admission
		var at time.Duration
		refused := 0
		for range 600 {
			next.units = 1 + random.Float64()*(largest-1)
			made := next.calls
			if call(t.Context(), table, putItem, "k") == nil {
				admitted = append(admitted, admission{at, next.units})
			} else if refused++; next.calls > made {
				t.Fatal("a refused call was made")
			}
			step := time.Duration(random.ExpFloat64() * largest / limit / 3 * float64(time.Second))
			at += step
			clock.pass(step)
		}
		if refused == 0 || len(admitted) == 0 {
			t.Errorf("seed %d: %d refused, %d let in", seed, refused, len(admitted))
		}
		for i := range admitted {
			sum := 0.0
			for _, a := range admitted[i:] {
				sum += a.units
				if most := limit*((a.at-admitted[i].at).Seconds()+1) + largest; sum > most+1e-6 {
					t.Fatalf("seed %d: %v units in %v, at most %v", seed, sum, a.at-admitted[i].at, most)
				}
			}
		}
	}
}

// TestAllThatItTakes holds the other side: a partition under load lets its rate through.
func TestAllThatItTakes(t *testing.T) {
	clock := newInstant()
	table := newTable(t, &engine{units: 1}, one(clock.Now))
	for range 10 * 3_000 {
		call(t.Context(), table, putItem, "k")
		clock.pass(time.Second / 3_000)
	}
	got := table.Stats().Table.Writes
	if math.Abs(got.Total-11*PartitionWrites) > 5 { // the bucket was full at first
		t.Errorf("%v units in ten seconds", got.Total)
	}
	if got.Peak < 1_900 || got.Peak > 2_001 {
		t.Errorf("a peak of %v in a second", got.Peak)
	}
}

// TestClockGoesBack holds that nothing is refilled twice when the clock is set back.
func TestClockGoesBack(t *testing.T) {
	clock := newInstant()
	table := newTable(t, &engine{units: 1}, one(clock.Now))
	clock.pass(time.Hour)
	fill(t, table, putItem, "k")
	clock.pass(-time.Hour)
	if n := fill(t, table, putItem, "k"); n != 0 {
		t.Errorf("%d calls let in by setting the clock back", n)
	}
	clock.pass(time.Hour)
	if n := fill(t, table, putItem, "k"); n != 0 {
		t.Errorf("%d calls let in by setting the clock back and forth", n)
	}
}

// TestKeysFall holds that similar keys are spread evenly, that a salt always has the same way, and
// that two salts have different ones.
func TestKeysFall(t *testing.T) {
	const keys, warm = 20_000, 20_000
	places := func(salt uint64) []int {
		table := newTable(t, &engine{}, TableOptions{WarmWrites: warm, Salt: salt})
		places := make([]int, keys)
		for i := range keys {
			places[i] = table.place(table.keyOf(pk(fmt.Sprintf("COHORT#show#%032x#0#%d", 7, i))))
		}
		return places
	}
	first := places(1)
	if !slices.Equal(first, places(1)) {
		t.Error("one salt has two ways")
	}
	counts := make([]int, warm/PartitionWrites)
	for _, place := range first {
		counts[place]++
	}
	// 1,000 a partition with a standard deviation of 31.
	if low, high := slices.Min(counts), slices.Max(counts); low < 850 || high > 1_150 {
		t.Errorf("%d to %d of %d keys on a partition", low, high, keys)
	}
	// Of two independent ways, one key in twenty falls on the same partition in both: 1,000 and 31.
	for salt := range uint64(3) {
		same := 0
		for i, place := range places(salt + 2) {
			if place == first[i] {
				same++
			}
		}
		if same < 850 || same > 1_150 {
			t.Errorf("salts 1 and %d share %d of %d places", salt+2, same, keys)
		}
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable(t, &engine{units: 1}, TableOptions{WarmWrites: 100_000, WarmReads: 100_000, Write: AssumedWrite, Read: AssumedRead, Seed: 1})
		for _, test := range []struct {
			operation operation
			want      Latency
		}{{putItem, AssumedWrite}, {getItem, AssumedRead}, {transactWriteItems, AssumedWrite}} {
			const calls = 4_000
			took := make([]time.Duration, calls)
			for i := range took {
				began := time.Now()
				if err := call(t.Context(), table, test.operation, "k"); err != nil {
					t.Fatal(err)
				}
				took[i] = time.Since(began)
			}
			slices.Sort(took)
			for at, want := range map[int]time.Duration{calls / 2: test.want.Median, calls * 99 / 100: test.want.P99} {
				if ratio := float64(took[at]) / float64(want); ratio < 0.85 || ratio > 1.15 {
					t.Errorf("%v: the %dth of %d took %v, want about %v", test.operation, at, calls, took[at], want)
				}
			}
		}
	})
}

// TestGivenUp holds that a caller who leaves is not kept, and that nothing was done.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &engine{units: 1}
		slow := Latency{Median: time.Hour, P99: time.Hour}
		table := newTable(t, next, TableOptions{Write: slow, Read: slow})
		for o := range operations {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			err := call(ctx, table, o, "k")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%v: %v after %v", o, err, time.Since(began))
			}
		}
		if s := table.Stats(); next.calls > 0 || s.Table.Writes.Total > 0 || s.Table.Reads.Total > 0 {
			t.Errorf("%d calls made, %+v", next.calls, s.Table)
		}
		// Without latency too: one who has left before is not served.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := call(ctx, newTable(t, next, TableOptions{}), putItem, "k"); !errors.Is(err, context.Canceled) || next.calls > 0 {
			t.Errorf("error %v, %d calls made", err, next.calls)
		}
	})
}

func TestReasons(t *testing.T) {
	clock := newInstant()
	table := newTable(t, &engine{units: 1}, TableOptions{WarmWrites: 1_000, WarmReads: 3_000, Now: clock.Now})
	if got := table.Stats().Reasons(); len(got) > 0 {
		t.Errorf("reasons without a refusal: %q", got)
	}
	fill(t, table, putItem, "VISITOR#a")
	fill(t, table, getItem, "EVENT#show")
	for range 7 {
		call(t.Context(), table, putItem, "COHORT#r#0#0")
	}
	for i := range 5 {
		call(t.Context(), table, putItem, fmt.Sprint("ADMIT#", i%3))
	}
	want := []string{
		"partition 1 of 1 refused 7 writes of 1 COHORT key (counters of shards): it takes 1000 units a second",
		"partition 1 of 1 refused 5 writes of 3 ADMIT keys (caps of windows): it takes 1000 units a second",
		"partition 1 of 1 refused 1 reads of 1 EVENT key (states of events): it takes 3000 units a second",
		"partition 1 of 1 refused 1 writes of 1 VISITOR key (visitors): it takes 1000 units a second",
	}
	if got := table.Stats().Reasons(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for i := range 2 * maxKeys {
		call(t.Context(), table, putItem, fmt.Sprint("OTHER#", i))
	}
	if got := table.Stats().Reasons()[0]; !strings.Contains(got, "2000 writes of 1000 or more OTHER keys (other keys)") {
		t.Errorf("got %q", got)
	}
}

// TestTogether is for the race detector, and holds that nothing is counted twice or lost.
func TestTogether(t *testing.T) {
	next := &shared{}
	table, err := NewTable(next, TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	next.run(t, table)
	s := table.Stats()
	sum := 0.0
	for _, p := range s.Partitions {
		sum += p.Writes.Total
	}
	if made := float64(next.made.Load()); s.Table.Writes.Total != made || sum != made {
		t.Errorf("%v calls made, the table counts %v and its partitions %v", made, s.Table.Writes.Total, sum)
	}
	var refused int64
	for _, n := range s.Throttled {
		refused += n
	}
	if refused != next.refused.Load() || s.Calls["PutItem"] != next.made.Load()+refused {
		t.Errorf("%d refused, counted %d of %d calls", next.refused.Load(), refused, s.Calls["PutItem"])
	}
}

// BenchmarkTable is what the table adds to a call that nobody asked the price of: one copied input.
func BenchmarkTable(b *testing.B) {
	clock := newInstant()
	now := func() time.Time { clock.now = clock.now.Add(2 * time.Millisecond); return clock.now }
	table, err := NewTable(newPriced(), one(now))
	if err != nil {
		b.Fatal(err)
	}
	in := &awsdynamodb.UpdateItemInput{Key: pk("COHORT#show#00112233445566778899aabbccddeeff#0#17")}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.UpdateItem(ctx, in); err != nil {
			b.Fatal(err)
		}
	}
}
