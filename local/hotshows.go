package main

import (
	"context"
	crypto "crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"waitingroom/local/controlplane"
	"waitingroom/local/dynamodb"
	"waitingroom/local/hotshows"
	"waitingroom/local/parameterstore"
	"waitingroom/local/shop"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
)

// HotShows are asked for, made ready and taken down while the room runs. The zero value has none.
type HotShows struct {
	On           bool
	Listen       string        // of their API
	PrepareEvery time.Duration // how often prepare is started
	JiraSecret   string        // that webhooks are signed with; empty: drawn anew at every start
}

const (
	// prepareEvery is how often EventBridge Scheduler starts prepare in production.
	prepareEvery = time.Minute
	// prepareGrace is how long a run that is alive may go on when the room closes.
	prepareGrace = 2 * time.Second
	// shortestJiraSecret is in characters. Whoever knows it can approve shows.
	shortestJiraSecret = 16
)

// jiraEmail and jiraToken are the account that writes comments. Nothing outside of the process uses it.
const jiraEmail, jiraToken = "room@waitingroom.example", "local"

// shopProduct is what is provisioned for each show, and jiraFields which fields of an issue hold what.
const (
	shopProduct = `{"product":"` + controlplane.ProductID + `","artifact":"` + controlplane.ArtifactID + `",
		"parameters":{"Event":"{event}","Visitors":"{visitors}","VisitorsAMinute":"{rate}"}}`
	jiraFields = `{"event":"customfield_10101","name":"summary","name/de":"customfield_10112","onsale":"customfield_10102",
		"visitors":"customfield_10103","over":"customfield_10104","rate":"customfield_10105","target":"customfield_10106",
		"prequeue":"customfield_10107","closes":"customfield_10108","ready_before":"customfield_10109",
		"keep_after":"customfield_10110","approvals":"customfield_10111","show":"customfield_10113","project":"SHOW","issue_type":"Hot show"}`
)

func (h *HotShows) register(flags *flag.FlagSet) {
	flags.BoolVar(&h.On, "hotshows", false, "start with nothing on sale, and with hot shows: ask for one and approve it, as the welcome says")
	flags.StringVar(&h.Listen, "hotshow-listen", "127.0.0.1:8082", "`address` of the hot shows' API, with -hotshows")
	flags.DurationVar(&h.PrepareEvery, "prepare-every", prepareEvery, "`time` between two looks for shows to make ready or to take down, with -hotshows")
	flags.StringVar(&h.JiraSecret, "jira-secret", "", "`text` of 16 or more characters that Jira's webhooks are signed with, with -hotshows")
}

// check names the first flag that is wrong. given are the flags that were set.
func (h *HotShows) check(given map[string]bool) error {
	if !h.On {
		for _, name := range []string{"hotshow-listen", "prepare-every", "jira-secret"} {
			if given[name] {
				return fmt.Errorf("-%s: there are no hot shows, add -hotshows", name)
			}
		}
		return nil
	}
	for _, name := range []string{"onsale", "rate"} {
		if given[name] {
			return fmt.Errorf("-%s: with -hotshows nothing is on sale before a show is asked for, leave one of the two out", name)
		}
	}
	if h.PrepareEvery < time.Second || h.PrepareEvery > prepareEvery {
		return fmt.Errorf("-prepare-every: %v is not between 1s and %v", h.PrepareEvery, prepareEvery)
	}
	if h.JiraSecret == "" {
		h.JiraSecret = crypto.Text()
	}
	if len(h.JiraSecret) < shortestJiraSecret {
		return fmt.Errorf("-jira-secret: %d characters are too few, give at least %d", len(h.JiraSecret), shortestJiraSecret)
	}
	return checkAddress("-hotshow-listen", h.Listen)
}

// controls are what prepare calls besides the room's own stores.
type controls struct {
	concurrency *controlplane.Concurrency
	catalog     *controlplane.Catalog
	jira        *controlplane.Jira
}

func newControls(log *slog.Logger) *controls {
	return &controls{
		concurrency: controlplane.NewConcurrency(time.Now, log.With("service", "Lambda"), names.FunctionJoin, names.FunctionAdmit),
		catalog:     controlplane.NewCatalog(time.Now, log.With("service", "Service Catalog")),
		jira:        controlplane.NewJira(time.Now, log.With("service", "Jira"), jiraEmail, jiraToken),
	}
}

// awsHandler speaks to the AWS SDK and command line: Parameter Store, DynamoDB if the engine in this
// process is used, and with hot shows what those need. Jira is here too, which has no other place.
func awsHandler(parameters *parameterstore.Store, engine *tables, control *controls) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		switch {
		case engine != nil && strings.HasPrefix(target, dynamodb.Target):
			engine.ServeHTTP(w, r)
		case control != nil && strings.HasPrefix(target, controlplane.CatalogTarget):
			control.catalog.ServeHTTP(w, r)
		case control != nil && strings.HasPrefix(r.URL.Path, controlplane.ConcurrencyPath):
			control.concurrency.ServeHTTP(w, r)
		case control != nil && strings.HasPrefix(r.URL.Path, controlplane.JiraPath+"/"):
			control.jira.ServeHTTP(w, r)
		default:
			parameters.ServeHTTP(w, r)
		}
	})
}

// newHotShows builds the functions as their programs do.
func (r *Room) newHotShows(client *awsdynamodb.Client, log *slog.Logger, counts *metrics.Log) (*hotshows.HotShows, error) {
	return hotshows.New(hotshows.Deployment{
		AWS: r.config(), Tables: client, Table: r.table, Room: r.address, Site: r.awsAddr + controlplane.JiraPath,
		Jira:   jira.Credentials{WebhookSecret: r.options.HotShows.JiraSecret, Email: jiraEmail, APIToken: jiraToken},
		Fields: jiraFields, Product: shopProduct, Transport: r.transport, Log: log, Metrics: counts, Now: time.Now,
	})
}

// startHotShows serves their API and starts prepare now and then until ctx ends.
func (r *Room) startHotShows(ctx context.Context, log *slog.Logger) error {
	l, err := listen(r.options.HotShows.Listen)
	if err != nil {
		return fmt.Errorf("-hotshow-listen: %w", err)
	}
	r.hotAddr = "http://" + reachable(l)
	r.serve(l, r.hot.API)
	r.ticking.Go(func() { r.every(ctx, r.options.HotShows.PrepareEvery, r.prepareOnce(log)) })
	return nil
}

// watched has alarms ring where sales are watched, too.
type watched struct {
	topics
	room *Room
}

func (w watched) Publish(ctx context.Context, in *sns.PublishInput, options ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if w.room.hot != nil {
		w.room.hot.Alarms.Tell("bad-setting", aws.ToString(in.Subject))
	}
	return w.topics.Publish(ctx, in, options...)
}

// prepareOnce is one run. When the room closes it may end by itself, and give its shows back.
func (r *Room) prepareOnce(log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		run, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(ctx, func() {
			select {
			case <-run.Done():
			case <-time.After(prepareGrace):
				cancel()
			}
		})()
		if err := r.hot.Prepare(run, json.RawMessage(`{}`)); err != nil && ctx.Err() == nil {
			log.Error("prepare failed", "error", err)
		}
	}
}

// shownAhead is how long after the start the show of the welcome goes on sale: making ready takes some
// three minutes, most of it for the visitor who tries the room.
const shownAhead = 6 * time.Minute

// welcomeHotShows says how to ask for a show and how to approve it.
func (r *Room) welcomeHotShows() string {
	onSale := time.Now().Add(shownAhead).Round(time.Minute)
	at := func(t time.Time) string { return t.Format(time.RFC3339) }
	text := fmt.Sprintf(`The waiting room is open, and nothing is on sale yet: %[1]s/%[2]s
Ask for a hot show, for example for one that goes on sale in some minutes. You are who the access key's id says, whose secret is
the same text:
  AWS_ACCESS_KEY_ID=asker AWS_SECRET_ACCESS_KEY=asker go run ./local show ask -url %[3]s -region %[4]s \
  -event %[2]s -name Demo -onsale %[5]s -prequeue %[6]s -visitors 1000 -over 60s -rate 120 \
  -target %[1]s%[7]s -ready-before 0s -keep-after 1m
or the same by curl, 7.75 or newer:
  curl --aws-sigv4 aws:amz:%[4]s:execute-api --user asker:asker %[3]s%[8]s -d '{"event":"%[2]s","names":{"en":"Demo"},
  "onsale":"%[5]s","prequeue":"%[6]s","visitors":1000,"over":"60s","rate":120,
  "target":"%[1]s%[7]s","ready_before":"0s","keep_after":"1m"}'
`, r.address, r.options.Event, r.hotAddr, region, at(onSale), at(onSale.Add(-time.Minute)), shop.Path, names.PathHotShows)
	text += fmt.Sprintf(`Somebody else approves it by the id in the answer, in either way:
  AWS_ACCESS_KEY_ID=approver AWS_SECRET_ACCESS_KEY=approver go run ./local show approve -url %[1]s -region %[2]s ID
  curl --aws-sigv4 aws:amz:%[2]s:execute-api --user approver:approver -X POST %[1]s%[3]s/ID/approve
Jira asks and approves by webhooks to %[1]s%[4]s, signed with %[5]s
Every %[6]s this log says what is made ready or taken down. Be the promoter of a show that is ready, for example:
%[7]sStop it with Ctrl-C.
`, r.hotAddr, region, names.PathHotShows, names.PathJira, r.options.HotShows.JiraSecret, hotshow.Duration(r.options.HotShows.PrepareEvery), r.promoting())
	return text
}
