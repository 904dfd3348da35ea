// Package functions puts the functions behind the API together as their programs do, for a process
// that is all of them at once.
package functions

import (
	"context"
	"crypto"
	"crypto/rand"
	"log/slog"
	random "math/rand/v2"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/lambdas/place"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// Function is a Lambda function behind the API.
type Function func(context.Context, httpapi.Request) (httpapi.Response, error)

// Deployment is what the programs find in their environment. All fields are required.
type Deployment struct {
	Store   *store.DynamoDB
	Secret  []byte        // the ticket and HS256 keys are derived from it
	PassKey crypto.Signer // an RSA key
	Issuer  string        // the room's own address, without a trailing slash
	Log     *slog.Logger
	Metrics *metrics.Log
}

// New returns the functions by their names in package names, each in one environment that answers
// everything at once.
func New(d Deployment) (map[string]Function, error) {
	build, err := newBuilder(d, time.Now)
	if err != nil {
		return nil, err
	}
	made := map[string]Function{}
	for name, environment := range build.functions() {
		made[name] = environment()
	}
	return made, nil
}

// builder makes environments. What they derive from the secret and the key is made once.
type builder struct {
	Deployment
	tickets ticket.Key
	signers map[string]admit.Signer
	now     func() time.Time
}

func newBuilder(d Deployment, now func() time.Time) (*builder, error) {
	tickets, err := ticket.NewKey(d.Secret)
	if err != nil {
		return nil, err
	}
	signers, err := admit.NewSigners(d.PassKey, d.Secret)
	if err != nil {
		return nil, err
	}
	return &builder{d, tickets, signers, now}, nil
}

// functions are what makes a new environment of each function, with memory of its own.
func (b *builder) functions() map[string]func() Function {
	return map[string]func() Function{
		names.FunctionJoin:  b.join,
		names.FunctionAdmit: b.admit,
		names.FunctionPlace: b.place,
	}
}

func (b *builder) view() *store.View { return store.NewView(b.Store, b.now) }

func (b *builder) join() Function {
	return join.NewHandler(&join.Joiner{
		Store: b.Store, States: b.view(), Pick: random.IntN, Now: b.now, Metrics: b.Metrics,
	}, b.tickets).Answer(b.Log, b.Metrics)
}

func (b *builder) admit() Function {
	return admit.NewHandler(&admit.Admitter{
		Store: b.Store, Line: b.view(), Tickets: b.tickets, Signers: b.signers,
		Issuer: b.Issuer, Pick: random.IntN, Random: rand.Reader, Now: b.now, Metrics: b.Metrics,
	}).Answer(b.Log, b.Metrics)
}

func (b *builder) place() Function {
	return place.NewHandler(&place.Guide{
		Line: b.view(), Tickets: b.tickets, Issuer: b.Issuer, Random: rand.Reader, Now: b.now,
	}).Answer(b.Log, b.Metrics)
}
