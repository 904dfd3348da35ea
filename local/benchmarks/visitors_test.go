package benchmarks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	random "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/lambdas/place"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

const (
	// shards is what a hot show has.
	shards = 64
	// line is how many have places in the pool, which is more than any benchmark admits.
	line = 1 << 40
	// pace is the clock between admissions: slow enough that no window is ever full.
	pace = 10 * time.Millisecond
)

var (
	secret = []byte("a deployment's secret")
	run    = room.Run{Event: "demo", ID: strings.Repeat("a1", 16)}
	// rsaKey is made once: it takes longer than most tests.
	rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

// function is one behind the API, as its program puts it together.
type function func(context.Context, httpapi.Request) (httpapi.Response, error)

// ask answers a request and fails if the status is another than wanted.
func (f function) ask(ctx context.Context, r httpapi.Request, status int) error {
	response, err := f(ctx, r)
	if err == nil && response.StatusCode != status {
		err = fmt.Errorf("%d %s, want %d", response.StatusCode, response.Body, status)
	}
	return err
}

// request is what API Gateway passes on of a call that the page makes, as far as it is read.
var request = httpapi.Request{
	HTTPMethod: "POST", Headers: map[string]string{"Content-Type": "application/json"},
	PathParameters: map[string]string{names.EventParameter: run.Event},
}

// post asks with a body.
func (f function) post(ctx context.Context, body string, status int) error {
	r := request
	r.Body = body
	return f.ask(ctx, r, status)
}

// sale is the state of an event that is open for everybody, with its pool sealed.
func sale(alg string) room.State {
	return room.State{
		Run: run, Fence: room.Fence{Owner: "leader", Version: 1}, Shards: shards, Cohort: 1, Closing: room.NoCohort,
		Base: line, Admitted: line, Phase: room.Open, PoolOpen: true, Speed: 60_000,
		OnSale: onSale, PreQueue: onSale.Add(-30 * time.Minute), Closes: onSale.Add(24 * time.Hour),
		Target: "https://shop.example/checkout", PassLifetime: 30 * time.Minute, PassAlg: alg, Cap: room.Cap{Rate: 60_000},
	}
}

// open stores the sale and the seal of its pool.
func open(s keeper, alg string) error {
	if err := s.Save(context.Background(), sale(alg), room.Fence{}); err != nil {
		return err
	}
	counts := make([]int64, shards)
	for shard := range counts {
		counts[shard] = line / shards
	}
	return s.PutSeal(context.Background(), room.Seal{Run: run, Counts: counts})
}

// silent are a log and metrics that are put together as in production, and thrown away.
func silent(now func() time.Time) (*slog.Logger, *metrics.Log) {
	return slog.New(slog.NewJSONHandler(io.Discard, nil)), &metrics.Log{Out: io.Discard, Room: "benchmark", Now: now}
}

// minute is after the on-sale, and fixed, so that a view reads the state once.
func minute() time.Time { return onSale.Add(time.Minute) }

// joining is join, with a new visitor at each turn.
func joining(t testing.TB, stores []keeper) *load {
	key, err := ticket.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	log, counts := silent(minute)
	pick := random.New(random.NewPCG(1, 2))
	answer := function(join.NewHandler(&join.Joiner{
		Store: stores[0], States: store.NewView(stores[0], minute), Pick: pick.IntN, Now: minute, Metrics: counts,
	}, key).Answer(log, counts))
	var bodies []string // by turn
	return &load{
		now: minute,
		prepare: func(s keeper, i int) error {
			if i == len(bodies) {
				bodies = append(bodies, `{"secret":"`+base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%016d", i))+`"}`)
			}
			if i > 0 {
				return nil
			}
			return open(s, pass.HS256)
		},
		do:    func(i int) error { return answer.post(t.Context(), bodies[i], 201) },
		first: 1, batch: 200,
	}
}

// visitor is the i-th in the pool, as join has left it.
func visitor(i int) room.Visitor {
	return room.Visitor{ID: fmt.Sprintf("%032x", i), Shard: i % shards, Seq: int64(i/shards) + 1, Joined: onSale.Add(-time.Minute)}
}

func ticketOf(key ticket.Key, v room.Visitor) string {
	return key.Seal(ticket.Ticket{Event: run.Event, Run: run.ID, Visitor: v.ID, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq})
}

// admitting is admit, with the turn of another visitor at each turn.
func admitting(alg string) begin {
	return func(t testing.TB, stores []keeper) *load {
		key, err := ticket.NewKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		private, err := rsaKey()
		if err != nil {
			t.Fatal(err)
		}
		signers, err := admit.NewSigners(private, secret)
		if err != nil {
			t.Fatal(err)
		}
		clock := minute()
		now := func() time.Time { return clock }
		log, counts := silent(now)
		answer := function(admit.NewHandler(&admit.Admitter{
			Store: stores[0], Line: store.NewView(stores[0], minute), Tickets: key, Signers: signers, Issuer: "https://room.example",
			Pick: func(int) int { return 0 }, Random: rand.Reader, Now: now, Metrics: counts,
		}).Answer(log, counts))
		var bodies []string // by turn
		return &load{
			now: now,
			prepare: func(s keeper, i int) error {
				if i == len(bodies) {
					bodies = append(bodies, `{"ticket":"`+ticketOf(key, visitor(i))+`"}`)
				}
				if i == 0 {
					if err := open(s, alg); err != nil {
						return err
					}
				}
				_, err := s.AddVisitor(t.Context(), run, visitor(i))
				return err
			},
			do: func(i int) error {
				clock = clock.Add(pace)
				return answer.post(t.Context(), bodies[i], 200)
			},
			first: 1, batch: 200,
		}
	}
}

func BenchmarkJoin(b *testing.B) { compare(b, 1, joining) }

func BenchmarkAdmit(b *testing.B) {
	for _, alg := range []string{pass.HS256, pass.RS256} {
		b.Run("alg="+alg, func(b *testing.B) { compare(b, 1, admitting(alg)) })
	}
}

// BenchmarkPlace has nothing beside it: once the state and the seal are known, place calls nothing.
func BenchmarkPlace(b *testing.B) {
	memory := store.NewMemory(minute)
	if err := open(memory, pass.HS256); err != nil {
		b.Fatal(err)
	}
	key, err := ticket.NewKey(secret)
	if err != nil {
		b.Fatal(err)
	}
	log, counts := silent(minute)
	answer := function(place.NewHandler(&place.Guide{Line: store.NewView(memory, minute), Tickets: key, Now: minute}).Answer(log, counts))
	r := request
	r.Headers = map[string]string{"Authorization": "Bearer " + ticketOf(key, visitor(12345))}
	b.ReportAllocs()
	for b.Loop() {
		if err := answer.ask(b.Context(), r, 200); err != nil {
			b.Fatal(err)
		}
	}
}
