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

// New returns the functions by their names in package names.
func New(d Deployment) (map[string]Function, error) {
	tickets, err := ticket.NewKey(d.Secret)
	if err != nil {
		return nil, err
	}
	signers, err := admit.NewSigners(d.PassKey, d.Secret)
	if err != nil {
		return nil, err
	}
	view := store.NewView(d.Store, time.Now)
	return map[string]Function{
		names.FunctionJoin: join.NewHandler(&join.Joiner{
			Store: d.Store, States: view, Pick: random.IntN, Now: time.Now, Metrics: d.Metrics,
		}, tickets).Answer(d.Log, d.Metrics),
		names.FunctionAdmit: admit.NewHandler(&admit.Admitter{
			Store: d.Store, Line: view, Tickets: tickets, Signers: signers,
			Issuer: d.Issuer, Pick: random.IntN, Random: rand.Reader, Now: time.Now, Metrics: d.Metrics,
		}).Answer(d.Log, d.Metrics),
		names.FunctionPlace: place.NewHandler(view, tickets).Answer(d.Log, d.Metrics),
	}, nil
}
