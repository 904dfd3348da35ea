// Package hotshows puts the functions of hot shows together as their programs do, behind a gateway that
// checks signatures as API Gateway does, for a process that is all of them at once.
package hotshows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	api "waitingroom/lambdas/hotshow"
	door "waitingroom/lambdas/jira"
	"waitingroom/lambdas/prepare"
	"waitingroom/lambdas/prepare/steps"
	"waitingroom/local/functions"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
	"waitingroom/shared/settings"
	"waitingroom/shared/statuses"
)

// HotShows are the functions of hot shows.
type HotShows struct {
	API     http.Handler                                 // with the routes of names.HotShowRoutes
	Prepare func(context.Context, json.RawMessage) error // to be called every minute
	Alarms  *Alarms
}

// Deployment is what the programs find in their environment. All fields but Transport are required.
type Deployment struct {
	AWS       aws.Config // reaches Parameter Store, Lambda and Service Catalog
	Tables    *dynamodb.Client
	Table     string
	Room      string            // the room's own address, without a trailing slash
	Site      string            // Jira's
	Jira      jira.Credentials  // of webhooks and comments
	Fields    string            // which fields of an issue hold what, as names.EnvJiraFields has it
	Product   string            // as names.EnvProduct has it
	Transport http.RoundTripper // to the room and to Jira; nil: Go's own
	Log       *slog.Logger
	Metrics   *metrics.Log
	Now       func() time.Time
}

// New returns the functions. The error says what is wrong with the deployment.
func New(d Deployment) (*HotShows, error) {
	kept := schedule.New(d.Tables, d.Table)
	comments := jira.NewClient(d.Site, known(d.Jira), d.Transport)
	fields, err := jira.ParseFields(d.Fields)
	if err != nil {
		return nil, err
	}
	webhooks := door.NewHandler(&door.Door{
		Shows: kept, Comments: comments, Credentials: known(d.Jira), Fields: fields,
		Now: d.Now, Log: d.Log.With("function", names.FunctionJira),
	})
	parameters, err := settings.NewReader(ssm.NewFromConfig(d.AWS), names.ParameterPath, nil)
	if err != nil {
		return nil, err
	}
	alarms := &Alarms{shows: kept, now: d.Now}
	desk := api.NewHandler(&api.Desk{
		Shows: kept, Statuses: statuses.NewReader(d.Room, &http.Client{Transport: d.Transport}), Parameters: parameters, Alarms: alarms,
		Random: rand.Reader, Now: d.Now, Log: d.Log.With("function", names.FunctionHotShow),
	})
	room, log := steps.NewRoom(d.Room, d.Transport), d.Log.With("function", names.FunctionPrepare)
	all, err := d.steps(kept, room, log)
	if err != nil {
		return nil, err
	}
	preparer := &prepare.Preparer{
		Shows: kept, Steps: all, Sales: steps.NewSales(room, d.Now), Comments: comments,
		Metrics: d.Metrics, Random: rand.Reader, Now: d.Now, Log: log,
	}
	return &HotShows{
		API: NewGateway(map[string]functions.Function{
			names.FunctionHotShow: api.Answer(desk, d.Log),
			names.FunctionJira:    door.Respond(webhooks, d.Log),
		}, d.Now),
		Prepare: prepare.NewHandler(preparer),
		Alarms:  alarms,
	}, nil
}

// steps are all of prepare's.
func (d Deployment) steps(kept *schedule.Schedule, room *steps.Room, log *slog.Logger) (map[hotshow.Step]prepare.Step, error) {
	store := ssm.NewFromConfig(d.AWS)
	parameters, err := steps.NewParameters(store, names.ParameterPath, kept, room)
	if err != nil {
		return nil, err
	}
	order, err := steps.ParseProduct(d.Product)
	if err != nil {
		return nil, err
	}
	return map[hotshow.Step]prepare.Step{
		hotshow.Parameters:  parameters,
		hotshow.Throughput:  steps.NewThroughput(d.Tables, d.Table, kept),
		hotshow.Concurrency: steps.NewConcurrency(lambda.NewFromConfig(d.AWS), kept, log, names.FunctionJoin, names.FunctionAdmit),
		hotshow.Cache:       steps.NewCache(room),
		hotshow.Product:     steps.NewProduct(servicecatalog.NewFromConfig(d.AWS), order),
		hotshow.Readiness:   steps.NewReadiness(store, names.ParameterPath, kept, room, d.Now, log),
	}, nil
}

// known are credentials that need no Secrets Manager.
type known jira.Credentials

// Credentials implements jira.Source.
func (k known) Credentials(context.Context) (jira.Credentials, error) {
	return jira.Credentials(k), nil
}
