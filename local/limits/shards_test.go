package limits

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// peak is the joins a second of 300,000 visitors in a minute, and readers the environments that
// answer them: each reads the state once a second.
const (
	peak    = 5_000
	readers = 500
)

// errRecorded ends a call whose input was all that was wanted.
var errRecorded = errors.New("recorded")

// recorder keeps the input of the latest call, so that keys are those of the store and not made up.
type recorder struct {
	get    *awsdynamodb.GetItemInput
	update *awsdynamodb.UpdateItemInput
}

func (r *recorder) GetItem(_ context.Context, in *awsdynamodb.GetItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	r.get = in
	return nil, errRecorded
}

func (r *recorder) BatchGetItem(context.Context, *awsdynamodb.BatchGetItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	return nil, errRecorded
}

func (r *recorder) UpdateItem(_ context.Context, in *awsdynamodb.UpdateItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	r.update = in
	return nil, errRecorded
}

func (r *recorder) TransactWriteItems(context.Context, *awsdynamodb.TransactWriteItemsInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.TransactWriteItemsOutput, error) {
	return nil, errRecorded
}

// sale is the calls that joins make, as the store makes them.
type sale struct {
	counters []*awsdynamodb.UpdateItemInput // by shard
	visitors []*awsdynamodb.UpdateItemInput
	state    *awsdynamodb.GetItemInput
}

var theRun = room.Run{Event: "show", ID: "00112233445566778899aabbccddeeff"}

// record has the store make its calls once. Visitors are random, and fewer than come: which of them
// does not matter, and thousands spread over some tens of partitions as well as millions.
func record(t testing.TB, shards int) sale {
	t.Helper()
	var r recorder
	kept, random := store.New(&r, "room", time.Now), rand.NewChaCha8([32]byte{1})
	s := sale{counters: recordCounters(t, 0, shards)}
	for range 4_096 {
		var id [16]byte
		random.Read(id[:])
		kept.AddVisitor(t.Context(), theRun, room.Visitor{ID: hex.EncodeToString(id[:]), Seq: 1, Joined: time.Unix(0, 0)})
		s.visitors = append(s.visitors, r.update)
	}
	kept.State(t.Context(), theRun.Event)
	s.state = r.get
	// Asked for by the caller, it costs the table neither a copy nor an allocation.
	for _, in := range append(s.visitors, s.counters...) {
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	}
	s.state.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	return s
}

// recordCounters has the store count once at each shard of a cohort.
func recordCounters(t testing.TB, cohort int64, shards int) []*awsdynamodb.UpdateItemInput {
	t.Helper()
	var r recorder
	kept, counters := store.New(&r, "room", time.Now), []*awsdynamodb.UpdateItemInput{}
	for shard := range shards {
		kept.Count(t.Context(), theRun, cohort, shard)
		counters = append(counters, r.update)
	}
	return counters
}

// priced is a store whose every call costs one unit, and whose answers are always the same ones.
type priced struct {
	engine
	wrote awsdynamodb.UpdateItemOutput
	read  awsdynamodb.GetItemOutput
}

func newPriced() *priced {
	p := &priced{}
	p.wrote.ConsumedCapacity = &types.ConsumedCapacity{CapacityUnits: aws.Float64(1)}
	p.read.ConsumedCapacity = p.wrote.ConsumedCapacity
	return p
}

func (p *priced) GetItem(context.Context, *awsdynamodb.GetItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	return &p.read, nil
}

func (p *priced) UpdateItem(context.Context, *awsdynamodb.UpdateItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	return &p.wrote, nil
}

// simulate has a cohort's joins come at the peak for some seconds, and returns how many got their
// place. As in the join function, a count that is refused is tried once more at another shard.
func simulate(t testing.TB, s sale, o TableOptions, seconds int) (joined int, stats TableStats) {
	t.Helper()
	clock, random := newInstant(), rand.New(rand.NewPCG(o.Salt, 1))
	o.Now = func() time.Time { return clock.now } // one goroutine: no lock is needed
	table, err := NewTable(newPriced(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, n := t.Context(), len(s.counters)
	for i := range peak * seconds {
		clock.now = clock.now.Add(time.Second / peak)
		if i%(peak/readers) == 0 {
			if _, err := table.GetItem(ctx, s.state); err != nil {
				t.Fatal(err)
			}
		}
		shard := random.IntN(n)
		_, err := table.UpdateItem(ctx, s.counters[shard])
		if err != nil && n > 1 {
			_, err = table.UpdateItem(ctx, s.counters[(shard+1+random.IntN(n-1))%n])
		}
		if err != nil {
			continue
		}
		if _, err := table.UpdateItem(ctx, s.visitors[random.IntN(len(s.visitors))]); err == nil {
			joined++
		}
	}
	return joined, table.Stats()
}

// busiest is the load of the partition that is asked for most, by the way in which keys fall.
func busiest(t testing.TB, salt uint64, counters []*awsdynamodb.UpdateItemInput) float64 {
	return slices.Max(loads(newTable(t, nil, TableOptions{WarmWrites: 4 * peak, Salt: salt}), counters))
}

// TestPlannedShards holds what the planner asks for: at four times the peak of joins, 64 shards and
// 128 are not throttled for at least 19 of 20 ways in which keys may fall, however long it lasts. The
// busiest way of those that can be borne is played through.
func TestPlannedShards(t *testing.T) {
	const ways, seconds = 20, 12
	for _, shards := range []int{64, 128} {
		s := record(t, shards)
		borne, worst, load := 0, uint64(0), 0.0
		for salt := range uint64(ways) {
			if l := busiest(t, salt, s.counters); l <= PartitionWrites {
				borne++
				if l > load {
					worst, load = salt, l
				}
			}
		}
		if borne < ways*19/20 {
			t.Errorf("%d shards: only %d of %d ways can be borne", shards, borne, ways)
		}
		joined, stats := simulate(t, s, TableOptions{WarmWrites: 4 * peak, Salt: worst}, seconds)
		if joined != seconds*peak || len(stats.Throttled) > 0 {
			t.Errorf("%d shards, way %d with %.0f writes a second on a partition: %d of %d joined, %q",
				shards, worst, load, joined, seconds*peak, stats.Reasons())
		}
		t.Logf("%d shards: %d of %d ways can be borne; the busiest has %.0f writes a second on a partition", shards, borne, ways, load)
	}
}

// TestUnluckyWay holds the other side: a way that asks too much of a partition is throttled, there and
// nowhere else, and a second try at another shard helps nearly everybody.
func TestUnluckyWay(t *testing.T) {
	const seconds = 15
	s := record(t, 64)
	salt := uint64(0)
	for busiest(t, salt, s.counters) < 1.1*PartitionWrites {
		salt++
	}
	joined, stats := simulate(t, s, TableOptions{WarmWrites: 4 * peak, Salt: salt}, seconds)
	if len(stats.Hot) == 0 || stats.Hot[0].Kind != "COHORT" || stats.Hot[0].Keys < 2 {
		t.Fatalf("way %d: %+v", salt, stats.Hot)
	}
	for _, h := range stats.Hot {
		if h.Partition != stats.Hot[0].Partition {
			t.Errorf("way %d: more than one partition was hot: %+v", salt, stats.Hot)
		}
	}
	if lost := seconds*peak - joined; lost == 0 || lost > seconds*peak/50 {
		t.Errorf("way %d: %d of %d joins were refused", salt, lost, seconds*peak)
	}
}

// TestOneShard holds that a single counter stops a sale at what one partition takes, however warm the
// table is, and that the numbers say so. The counter's partition has its share of the visitors too,
// so it is less by one part of as many as there are partitions.
func TestOneShard(t *testing.T) {
	const seconds = 5
	s := record(t, 1)
	for _, warm := range []int{4_000, 20_000, 40_000} {
		n := float64(warm / PartitionWrites)
		joined, stats := simulate(t, s, TableOptions{WarmWrites: warm}, seconds)
		// The bucket was full. Visitors that find no room cost a number for nothing, at the worst all.
		most, least := PartitionWrites*(seconds+1)*n/(n+1), PartitionWrites*(seconds+1)*(n-1)/n
		if got := float64(joined); got > most*1.01 || got < least*0.99 {
			t.Errorf("warm throughput of %d: %d joins in %d s, want %.0f to %.0f", warm, joined, seconds, least, most)
		}
		hottest := stats.Hot[0]
		if hottest.Kind != "COHORT" || hottest.Keys != 1 || hottest.Direction != "write" || hottest.Refused < seconds*peak/2 {
			t.Errorf("warm throughput of %d: %+v", warm, hottest)
		}
		if got, want := stats.Reasons()[0], fmt.Sprintf("partition %d of %.0f refused %d writes of 1 COHORT key (counters of shards): it takes 1000 units a second",
			hottest.Partition, n, hottest.Refused); got != want {
			t.Errorf("%s", got)
		}
	}
}

// loads are the writes a second that each partition is asked for while a cohort is open.
func loads(table *Table, counters []*awsdynamodb.UpdateItemInput) []float64 {
	loads := make([]float64, len(table.partitions))
	for i := range loads {
		loads[i] = peak / float64(len(loads)) // visitors
	}
	for _, in := range counters {
		loads[table.place(table.keyOf(in.Key))] += peak / float64(len(counters))
	}
	return loads
}

// holds reports whether no bucket runs dry when one cohort follows the other, each open for a second,
// or the only one for as long as it takes. Chance in when visitors come is left out: at 1,000 writes
// it is 3 % of a second's worth.
func holds(table *Table, cohorts [][]*awsdynamodb.UpdateItemInput) bool {
	tokens := make([]float64, len(table.partitions))
	for i := range tokens {
		tokens[i] = PartitionWrites
	}
	for _, counters := range cohorts {
		for i, load := range loads(table, counters) {
			if len(cohorts) == 1 && load > PartitionWrites {
				return false
			}
			tokens[i] = min(PartitionWrites, tokens[i]+PartitionWrites-load)
			if tokens[i] < 0 {
				return false
			}
		}
	}
	return true
}

// TestWaysThatKeysFall prints for how many ways nothing is throttled, by shards and by warm throughput
// in multiples of the peak of joins a second, and holds what the planner stands on. The pool is one
// cohort whose counters stay where they are. In the open sale each second has new ones, and what one
// cohort asks too much of a partition the next one does not: fewer shards do there.
func TestWaysThatKeysFall(t *testing.T) {
	for _, sale := range []struct {
		name          string
		ways, cohorts int
	}{{"one cohort, as the pool is", 400, 1}, {"20 cohorts of a second each", 40, 20}} {
		multiples := []float64{2, 2.4, 3, 4, 4.4, 6}
		var b strings.Builder
		fmt.Fprintf(&b, "%s: share of %d ways without throttling at %d joins a second\n| shards |", sale.name, sale.ways, peak)
		for _, m := range multiples {
			fmt.Fprintf(&b, " %g x |", m)
		}
		for _, shards := range []int{16, 32, 64, 128} {
			var cohorts [][]*awsdynamodb.UpdateItemInput
			for cohort := range sale.cohorts {
				cohorts = append(cohorts, recordCounters(t, int64(cohort), shards))
			}
			fmt.Fprintf(&b, "\n| %d |", shards)
			for _, m := range multiples {
				held := 0
				for salt := range uint64(sale.ways) {
					if holds(newTable(t, nil, TableOptions{WarmWrites: int(m * peak), Salt: salt}), cohorts) {
						held++
					}
				}
				fmt.Fprintf(&b, " %.1f %% |", 100*float64(held)/float64(sale.ways))
				if m == 4 && shards >= 64 && held < sale.ways*19/20 {
					t.Errorf("%s, %d shards at %g times the peak: %d of %d ways", sale.name, shards, m, held, sale.ways)
				}
			}
		}
		t.Log(b.String())
	}
}
