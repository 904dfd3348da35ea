package main

import (
	"context"
	crypto "crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/time/rate"

	"waitingroom/lambdas/settings"
	"waitingroom/lambdas/tick"
	"waitingroom/local/dynamodb"
	"waitingroom/local/faults"
	"waitingroom/local/functions"
	"waitingroom/local/hotshows"
	"waitingroom/local/limits"
	"waitingroom/local/parameterstore"
	"waitingroom/local/shop"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/publish"
	parameters "waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const (
	// region is the one that requests are signed for. Nothing here checks it.
	region = "eu-west-1"
	// tickEvery is how often EventBridge Scheduler starts tick in production.
	tickEvery = time.Minute
	// closeLimit is how long requests under way and the lease's hand-over may take at the end.
	closeLimit = 10 * time.Second
)

// Room is a running waiting room. Close it.
type Room struct {
	options   Options
	address   string // of the page, without a trailing slash
	awsAddr   string // of DynamoDB and Parameter Store
	table     string
	calls     *http.Transport   // to the services that stand for AWS's
	transport http.RoundTripper // the same, unless a test reaches them in another way
	tables    *tables           // nil if another engine is used
	parameter *parameterstore.Store
	gateway   *limits.Gateway // nil without limits
	stale     *faults.Stale   // nil without chaos
	pool      *functions.Pool
	shop      http.Handler
	servers   []*http.Server
	documents *publish.Folder
	folder    string
	invoke    func(context.Context, json.RawMessage) error // tick
	stopTick  context.CancelFunc
	ticking   sync.WaitGroup
	running   sync.WaitGroup

	invocations *faults.Invocations // of tick, if they are killed

	// All that follows is nil without hot shows.
	controls *controls
	hot      *hotshows.HotShows
	hotAddr  string // of their API
}

// Start starts everything and returns when visitors can come. ctx bounds the start only.
func Start(ctx context.Context, o Options, log *slog.Logger) (*Room, error) {
	r := &Room{options: o, parameter: parameterstore.New(time.Now), stopTick: func() {}}
	// One process is all environments at once, each of which would have a connection of its own.
	r.calls = http.DefaultTransport.(*http.Transport).Clone()
	r.calls.Proxy, r.calls.MaxIdleConns, r.calls.MaxIdleConnsPerHost = nil, 512, 512
	r.transport = r.calls
	if o.HotShows.On {
		r.controls = newControls(log)
	}
	if err := r.start(ctx, log); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Room) start(ctx context.Context, log *slog.Logger) error {
	o := r.options
	page, err := listen(o.Listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	r.address = "http://" + reachable(page)
	aws, err := listen(o.AWSListen)
	if err != nil {
		return errors.Join(fmt.Errorf("-aws-listen: %w", err), page.Close())
	}
	r.awsAddr = "http://" + reachable(aws)

	if o.DynamoDBEndpoint == "" {
		if r.tables, err = newTables(o); err != nil {
			return errors.Join(err, page.Close(), aws.Close())
		}
	}
	// The functions read parameters over HTTP, so those have to be served first.
	r.serve(aws, awsHandler(r.parameter, r.tables, r.controls))
	if !o.HotShows.On {
		if err := r.setParameters(); err != nil {
			return errors.Join(err, page.Close())
		}
	}
	site, ticker, err := r.wire(ctx, log)
	if err != nil {
		return errors.Join(err, page.Close())
	}
	r.serve(page, site)
	tickCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.invoke, r.stopTick = tick.NewHandler(ticker()), stop
	if o.HotShows.On {
		if err := r.startHotShows(tickCtx, log); err != nil {
			return err
		}
	}
	if o.Chaos.On {
		r.invocations = faults.NewInvocations(o.Event, tickEvery, ticker, log)
		r.ticking.Go(func() { r.invocations.Run(tickCtx) })
		return nil
	}
	r.ticking.Go(func() { r.schedule(tickCtx, log) })
	return nil
}

// wire builds the functions as their programs do, and the site in front of them.
func (r *Room) wire(ctx context.Context, log *slog.Logger) (site http.Handler, ticker func() *tick.Ticker, err error) {
	var secret []byte
	secret, r.table = r.secretAndTable()
	client := awsdynamodb.NewFromConfig(r.config(), r.reachTables)
	if err := dynamodb.CreateTable(ctx, client, r.table); err != nil {
		return nil, nil, err
	}
	var calls store.API = client
	if r.options.WithoutSDK {
		calls = dynamodb.NewCaller(r.tables.items, retries())
	}
	kept := store.New(calls, r.table, time.Now)
	passKey, err := rsa.GenerateKey(crypto.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	wellKnown, err := tick.WellKnown(r.address, passKey.Public())
	if err != nil {
		return nil, nil, err
	}
	reader, err := parameters.NewReader(ssm.NewFromConfig(r.config()), names.ParameterPath, nil)
	if err != nil {
		return nil, nil, err
	}
	// The promoter's command waits for the settings function, which it does not in production; here is
	// no quota that the function could exceed.
	unlimited, err := parameters.NewReader(ssm.NewFromConfig(r.config()), names.ParameterPath, rate.NewLimiter(rate.Inf, 1))
	if err != nil {
		return nil, nil, err
	}
	if r.folder, err = os.MkdirTemp("", "waiting-room-"); err != nil {
		return nil, nil, err
	}
	if r.documents, err = publish.NewFolder(r.folder); err != nil {
		return nil, nil, err
	}
	if r.shop, err = r.openShop(log); err != nil {
		return nil, nil, err
	}
	counts := &metrics.Log{Out: io.Discard, Room: "local", Now: time.Now}
	api, err := r.api(functions.Deployment{
		Store: kept, Secret: secret, PassKey: passKey, Issuer: r.address, Log: log, Metrics: counts,
	})
	if err != nil {
		return nil, nil, err
	}
	if r.options.HotShows.On {
		if r.hot, err = r.newHotShows(client, log, counts); err != nil {
			return nil, nil, err
		}
	}
	started := time.Now()
	r.parameter.OnChange(changes(settings.NewHandler(&settings.Listener{
		Store: kept, Parameters: unlimited, Path: names.ParameterPath, Now: time.Now, Log: log.With("function", names.FunctionSettings),
		Alarm: settings.Alarm{Topics: watched{topics{log}, r}, Topic: "local", Room: "local"}, Shards: r.options.Shards, Metrics: counts,
	}), log))
	ticker = func() *tick.Ticker {
		return &tick.Ticker{
			Store: kept, Parameters: reader, Publisher: r.documents,
			Secret: secret, Random: crypto.Reader,
			Now: time.Now, Monotonic: func() time.Duration { return time.Since(started) },
			Parallel: 16, WellKnown: wellKnown, Shards: r.options.Shards, Log: log.With("function", names.FunctionTick), Metrics: counts,
		}
	}
	documents, err := r.published()
	if err != nil {
		return nil, nil, err
	}
	return newSite(api, documents, r.shop), ticker, nil
}

// openShop is the demo shop. Which events hot shows will be asked for, nobody knows beforehand.
func (r *Room) openShop(log *slog.Logger) (http.Handler, error) {
	o := shop.Options{Room: r.address, Address: r.address + shop.Path, Event: r.options.Event, Capacity: r.options.ShopCapacity, Logger: log}
	if r.options.HotShows.On {
		return shop.NewMall(o)
	}
	return shop.New(o)
}

// published is what visitors get of the documents.
func (r *Room) published() (http.Handler, error) {
	if !r.options.Chaos.On {
		return r.documents, nil
	}
	var err error
	r.stale, err = faults.NewStale(r.documents, r.options.Chaos.Stale, staleMost, seed(), time.Now)
	return r.stale, err
}

// reachTables has a client call the engine in this process without a socket, or the other one.
func (r *Room) reachTables(o *awsdynamodb.Options) {
	if r.tables == nil {
		o.BaseEndpoint = &r.options.DynamoDBEndpoint
		return
	}
	o.HTTPClient, o.Retryer = dynamodb.InProcess(r.tables), retries()
}

// retries are the SDK's. One client serves all environments, each of which would have retries of its
// own to spend, so they are not counted.
func retries() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.RateLimiter = ratelimit.None })
}

// api is API Gateway and the functions behind it.
func (r *Room) api(d functions.Deployment) (http.Handler, error) {
	limited := r.options.Limits
	if !limited.On {
		// A thousand environments are more than a room on one machine can need.
		limited.Environments = functions.Concurrency
	}
	var err error
	if r.pool, err = functions.NewPool(d, functions.PoolOptions{Limit: limited.Environments}); err != nil {
		return nil, err
	}
	gateway := newGateway(r.pool.Functions())
	if !limited.On {
		return gateway, nil
	}
	if r.gateway, err = limits.NewGateway(limited.APIRate, limited.APIBurst, nil); err != nil {
		return nil, err
	}
	return r.gateway.Limit(gateway), nil
}

// changes tells the settings function of a changed parameter, as EventBridge does.
func changes(tell func(context.Context, events.CloudWatchEvent) error, log *slog.Logger) func(name, operation string) {
	return func(name, operation string) {
		detail, err := json.Marshal(settings.Change{Name: name, Operation: operation})
		if err == nil {
			err = tell(context.Background(), events.CloudWatchEvent{DetailType: "Parameter Store Change", Source: "aws.ssm", Detail: detail})
		}
		if err != nil {
			log.Warn("change not announced or not checked, it is read some seconds later", "error", err)
		}
	}
}

// topics is where alarms go on a machine without mail.
type topics struct{ log *slog.Logger }

func (t topics) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	t.log.WarnContext(ctx, "alarm", "subject", aws.ToString(in.Subject), "text", aws.ToString(in.Message))
	return &sns.PublishOutput{}, nil
}

// config is the AWS configuration of a machine without an account.
func (r *Room) config() aws.Config {
	return aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		BaseEndpoint: &r.awsAddr,
		HTTPClient:   &http.Client{Transport: r.transport},
	}
}

// secretAndTable returns a table of its own for a secret that was drawn now: a run cannot go on
// under another secret than it was begun with.
func (r *Room) secretAndTable() (secret []byte, table string) {
	if r.options.Secret != "" {
		return []byte(r.options.Secret), "waiting-room"
	}
	return []byte(crypto.Text() + crypto.Text()), "waiting-room-" + crypto.Text()
}

// setParameters sets the event up as a promoter would.
func (r *Room) setParameters() error {
	path := names.ParameterPath + r.options.Event + "/"
	for name, value := range map[string]string{
		parameters.OnSale: r.options.OnSale.UTC().Format(time.RFC3339),
		parameters.Rate:   strconv.Itoa(r.options.Rate),
		parameters.Target: r.address + shop.Path,
	} {
		if err := r.parameter.Put(path+name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

func (r *Room) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	r.servers = append(r.servers, server)
	r.running.Go(func() { server.Serve(l) }) // it only ever ends by Close
}

// schedule starts tick once a minute until ctx ends.
func (r *Room) schedule(ctx context.Context, log *slog.Logger) {
	r.every(ctx, tickEvery, func(ctx context.Context) {
		if err := r.invoke(ctx, nil); err != nil && ctx.Err() == nil {
			log.Error("tick failed", "error", err)
		}
	})
}

// every starts a function as EventBridge Scheduler does: at once and again and again until ctx ends,
// each invocation beside those that are still alive.
func (r *Room) every(ctx context.Context, period time.Duration, invoke func(context.Context)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		r.ticking.Go(func() { invoke(ctx) })
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Welcome says where everything is and how to change it.
func (r *Room) Welcome() string {
	if r.hot != nil {
		return r.welcomeHotShows()
	}
	return fmt.Sprintf(`The waiting room is open: %s/%s
The sale opens at %s and lets %d visitors a minute into the shop at %s%s
Be the promoter, for example:
%sStop it with Ctrl-C.
`, r.address, r.options.Event, r.options.OnSale.Format(time.RFC3339), r.options.Rate, r.address, shop.Path, r.promoting())
}

// promoting is a command of the promoter's.
func (r *Room) promoting() string {
	return fmt.Sprintf(`  AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=%s \
  aws ssm put-parameter --endpoint-url %s --name %s%s/rate --value 600 --type String --overwrite
`, region, r.awsAddr, names.ParameterPath, r.options.Event)
}

// Close stops tick first, which hands its lease over, and then the servers that it needs for that.
func (r *Room) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	r.stopTick()
	r.ticking.Wait()
	var errs []error
	for i := len(r.servers) - 1; i >= 0; i-- {
		// A server waits some seconds for a connection on which nobody has asked for anything yet.
		r.calls.CloseIdleConnections()
		errs = append(errs, r.servers[i].Shutdown(ctx))
	}
	r.running.Wait()
	if r.documents != nil {
		errs = append(errs, r.documents.Close())
	}
	if r.folder != "" {
		errs = append(errs, os.RemoveAll(r.folder))
	}
	return errors.Join(errs...)
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s, is another one running? %w", address, err)
	}
	return l, nil
}

// reachable is an address by which this machine reaches the listener.
func reachable(l net.Listener) string {
	address := l.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(address.Port))
	}
	return address.String()
}
