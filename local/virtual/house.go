package virtual

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/lambdas/tick"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// environments is how many of Lambda's there are of join and admit. Each has a view of its own, up to
// a second old, and meets seals and full windows by itself; a hundred of them would meet no others.
const environments = 8

// house is the room: the functions' own handlers over a store in memory, without a network.
type house struct {
	options    Options
	now        func() time.Time
	table      *table
	parameters map[string]string
	documents  map[string][]byte
	publishes  int64
	leader     *tick.Leader
	tickets    ticket.Key
	pick       func(n int) int
	join       []handler
	admit      []handler
	path       map[string]string // of every request
}

type handler func(context.Context, httpapi.Request) (httpapi.Response, error)

// secret is the deployment's. It is no secret: nobody else has a ticket of this room.
const secret = "the secret of a deployment in virtual time"

func newHouse(o Options, onSale time.Time, now func() time.Time, monotonic func() time.Duration) (*house, error) {
	h := &house{
		options: o, now: now, table: &table{Memory: store.NewMemory(now)}, documents: map[string][]byte{},
		pick: rand.New(rand.NewPCG(o.Seed, 1)).IntN,
		path: map[string]string{names.EventParameter: o.Event},
		// KMS or a key of 2,048 bits takes 1.3 ms a signature, HS256 a hundredth of it.
		parameters: map[string]string{
			settings.OnSale: onSale.Format(time.RFC3339), settings.Rate: strconv.Itoa(o.Rate), settings.Target: "https://shop.example/checkout",
			"prequeue": onSale.Add(-o.PreQueue).Format(time.RFC3339),
			"closes":   onSale.Add(o.Over + 2*o.longest() + 24*time.Hour).Format(time.RFC3339),
			"shards":   strconv.Itoa(o.Shards), "pass-alg": pass.HS256,
		},
	}
	var err error
	if h.tickets, err = ticket.NewKey([]byte(secret)); err != nil {
		return nil, err
	}
	signer, err := pass.NewHS256(pass.HMACKey([]byte(secret)))
	if err != nil {
		return nil, err
	}
	var seed [32]byte
	copy(seed[:], strconv.FormatUint(o.Seed, 10))
	random := rand.NewChaCha8(seed)
	counts := &metrics.Log{Out: io.Discard, Room: "virtual", Now: now}
	h.leader = tick.NewLeader(&tick.Ticker{
		Store: h.table, Parameters: h, Publisher: h, Secret: []byte(secret), Random: random, Now: now, Monotonic: monotonic,
		Parallel: 1, Log: o.Log, Metrics: counts,
	}, o.Event, "virtual")
	for range environments {
		view := store.NewView(uncounted{h.table.Memory}, now)
		joiner := &join.Joiner{Store: h.table, States: view, Pick: h.pick, Now: now, Metrics: counts}
		admitter := &admit.Admitter{
			Store: h.table, Line: view, Tickets: h.tickets, Signers: map[string]admit.Signer{pass.HS256: signer},
			Issuer: "https://room.example", Pick: h.pick, Random: random, Now: now, Metrics: counts,
		}
		h.join = append(h.join, join.NewHandler(joiner, h.tickets).Answer(o.Log, counts))
		h.admit = append(h.admit, admit.NewHandler(admitter).Answer(o.Log, counts))
	}
	return h, nil
}

// ask calls a function in one of its environments.
func (h *house) ask(function []handler, body string) (httpapi.Response, error) {
	return function[h.pick(len(function))](context.Background(), httpapi.Request{PathParameters: h.path, Body: body})
}

// close is the promoter, who ends the sale.
func (h *house) close() { h.parameters["state"] = string(room.ForceClosed) }

// All and Event make the house Parameter Store, and Put the bucket.
func (h *house) All(context.Context) (map[string]map[string]string, []settings.Rejection, error) {
	return map[string]map[string]string{h.options.Event: h.parameters}, nil, nil
}

func (h *house) Event(_ context.Context, event string) (map[string]string, error) {
	if event != h.options.Event {
		return nil, fmt.Errorf("virtual: there is no event %q", event)
	}
	return h.parameters, nil
}

func (h *house) Put(_ context.Context, path string, body []byte) error {
	h.publishes++
	h.documents[path] = body
	return nil
}
