package main

import (
	"net/http"

	"waitingroom/local/dynamodb"
	"waitingroom/local/faults"
	"waitingroom/local/limits"
)

// tables is what stands for DynamoDB in this process: an engine, and in front of it the limits that
// the service has and the trouble that a network brings.
type tables struct {
	http.Handler
	items   dynamodb.API  // with everything that is in front of the engine
	limited *limits.Table // nil without limits
	faulty  *faults.Table // nil without chaos
}

func newTables(o Options) (*tables, error) {
	engine := dynamodb.NewEngine()
	t := &tables{}
	var items dynamodb.API = engine
	if o.Limits.On {
		var err error
		if t.limited, err = limits.NewTable(items, o.Limits.table()); err != nil {
			return nil, err
		}
		items = t.limited
	}
	if o.Chaos.On {
		var err error
		if t.faulty, err = faults.NewTable(items, o.Chaos.Chances, seed()); err != nil {
			return nil, err
		}
		items = t.faulty
	}
	t.items, t.Handler = items, dynamodb.NewHandler(engine, items)
	return t, nil
}
