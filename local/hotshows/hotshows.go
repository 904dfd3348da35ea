// Package hotshows puts the functions of hot shows together as their programs do, behind a gateway that
// checks signatures as API Gateway does, for a process that is all of them at once.
package hotshows

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"waitingroom/local/functions"
)

// HotShows are the functions of hot shows.
type HotShows struct {
	API     http.Handler                                 // with the routes of names.HotShowRoutes
	Prepare func(context.Context, json.RawMessage) error // to be called every minute
}

// Deployment is what the programs find in their environment. All fields are required.
type Deployment struct {
	Now func() time.Time
}

// New returns the functions.
func New(d Deployment) (*HotShows, error) {
	return &HotShows{
		API:     NewGateway(map[string]functions.Function{}, d.Now),
		Prepare: func(context.Context, json.RawMessage) error { return nil },
	}, nil
}
