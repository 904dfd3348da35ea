package dynamodb_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// newTable returns an engine with the room's table.
func newTable(t testing.TB) *dynamodb.Engine {
	engine := dynamodb.NewEngine()
	if err := dynamodb.CreateTable(t.Context(), inProcess(engine), "room"); err != nil {
		t.Fatal(err)
	}
	return engine
}

// inProcess is the SDK's client of an engine, without a socket.
func inProcess(engine *dynamodb.Engine) *sdk.Client {
	return dynamodbtest.Connect("http://engine", func(o *sdk.Options) {
		o.HTTPClient = dynamodb.InProcess(dynamodb.NewHandler(engine, engine))
	})
}

// join does what a join does to the table: it counts an arrival and adds a visitor.
func join(ctx context.Context, s *store.DynamoDB, n int64) error {
	shard := int(n % 16)
	seq, err := s.Count(ctx, run, 0, shard)
	if err != nil {
		return err
	}
	id := room.VisitorID(fmt.Append(nil, n))
	_, err = s.AddVisitor(ctx, run, room.Visitor{ID: id, Shard: shard, Seq: seq, Joined: time.Now()})
	return err
}

// BenchmarkJoin adds visitors to a table that holds some: straight to the engine, and by the SDK as
// the room on one machine does.
func BenchmarkJoin(b *testing.B) {
	for _, held := range []int64{0, 10_000, 300_000} {
		engine := newTable(b)
		direct := store.New(engine, "room", time.Now)
		var joined atomic.Int64
		for joined.Load() < held {
			if err := join(b.Context(), direct, joined.Add(1)); err != nil {
				b.Fatal(err)
			}
		}
		for _, way := range []struct {
			name string
			api  store.API
		}{{"engine", engine}, {"sdk", inProcess(engine)}} {
			s := store.New(way.api, "room", time.Now)
			b.Run(fmt.Sprintf("%s/held=%d", way.name, held), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := join(b.Context(), s, joined.Add(1)); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "joins/s")
			})
		}
	}
}

// count is the update that counts an arrival, as the store sends it.
func count() *sdk.UpdateItemInput {
	return &sdk.UpdateItemInput{
		TableName:                aws.String("room"),
		Key:                      attributes{"pk": text("COHORT#demo#00112233445566778899aabbccddeeff#0#7"), "sk": text("COUNT")},
		UpdateExpression:         aws.String("SET #ttl = :ttl ADD #n :one"),
		ConditionExpression:      aws.String("attribute_not_exists(#sealed)"),
		ExpressionAttributeNames: map[string]string{"#n": "n", "#sealed": "sealed", "#ttl": "ttl"},
		ExpressionAttributeValues: attributes{
			":one": number("1"), ":ttl": number("1803000000"),
		},
		ReturnValues: types.ReturnValueUpdatedNew,
	}
}

// BenchmarkUpdateItem is one update on its way: the engine's own part, with the protocol, and with
// the SDK.
func BenchmarkUpdateItem(b *testing.B) {
	engine := newTable(b)
	handler := dynamodb.NewHandler(engine, engine)
	client := inProcess(engine)
	body := recordBody(b, func(c *sdk.Client) { c.UpdateItem(b.Context(), count()) })
	b.Run("engine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := engine.UpdateItem(b.Context(), count()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		request.Header.Set("X-Amz-Target", dynamodb.Target+"UpdateItem")
		direct := dynamodb.InProcess(handler)
		for b.Loop() {
			request.Body = http.NoBody
			r := *request
			r.Body = body.open()
			if response, err := direct.Do(&r); err != nil || response.StatusCode != http.StatusOK {
				b.Fatal(response, err)
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.UpdateItem(b.Context(), count()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// mostBytes is what one visitor may take in memory.
const mostBytes = 350

// TestMemoryOfVisitors holds that ten million visitors fit into four gigabytes.
func TestMemoryOfVisitors(t *testing.T) {
	const visitors = 10_000
	engine := newTable(t)
	s := store.New(engine, "room", time.Now)
	before := heap()
	for n := range int64(visitors) {
		if err := join(t.Context(), s, n); err != nil {
			t.Fatal(err)
		}
	}
	each := float64(heap()-before) / visitors
	t.Logf("%.0f bytes per visitor", each)
	if each > mostBytes {
		t.Errorf("a visitor takes %.0f bytes, want at most %d", each, mostBytes)
	}
	runtime.KeepAlive(engine)
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
