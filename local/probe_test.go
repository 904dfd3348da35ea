package main

import (
	"context"
	crypto "crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/time/rate"

	preparing "waitingroom/lambdas/prepare"
	"waitingroom/lambdas/prepare/steps"
	"waitingroom/lambdas/settings"
	"waitingroom/lambdas/tick"
	"waitingroom/local/dynamodb"
	"waitingroom/local/functions"
	"waitingroom/local/parameterstore"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/publish"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
	parameters "waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const probedRoom = "https://room.example"

// probed is a whole room in virtual time, without a socket: the functions as they are deployed, over the
// SDK, with tick every minute and the settings function told of every change.
type probed struct {
	t         *testing.T
	site      http.Handler
	parameter *ssm.Client
	kept      *store.DynamoDB
	shows     *schedule.Schedule
	step      *steps.Readiness
	tick      *tick.Ticker
	log       *journal
	ticking   sync.WaitGroup
	stop      context.CancelFunc
}

// probedKeys are made once, since that takes real time: one signs, one could.
var probedKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(crypto.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

// faultsOfRoom are what is wrong with a room.
type faultsOfRoom struct {
	deadTick   bool
	brokenCall string // function that fails
	otherKey   bool   // the published key is not the one that signs
}

func newProbed(t *testing.T, f faultsOfRoom) *probed {
	p := &probed{t: t, log: newJournal()}
	log := slog.New(slog.NewJSONHandler(p.log, nil))
	config := func(h http.Handler) aws.Config {
		return aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
			BaseEndpoint: aws.String("http://aws.example"), HTTPClient: dynamodb.InProcess(h)}
	}
	engine := dynamodb.NewEngine()
	client := awsdynamodb.NewFromConfig(config(dynamodb.NewHandler(engine, engine)))
	if err := dynamodb.CreateTable(t.Context(), client, "room"); err != nil {
		t.Fatal(err)
	}
	texts := parameterstore.New(time.Now)
	p.parameter, p.kept, p.shows = ssm.NewFromConfig(config(texts)), store.New(client, "room", time.Now), schedule.New(client, "room")
	reader := func(l *rate.Limiter) *parameters.Reader {
		return must(parameters.NewReader(p.parameter, names.ParameterPath, l))(t)
	}
	secret, counts := []byte("the probed deployment's own secret"), &metrics.Log{Out: io.Discard, Room: "local", Now: time.Now}

	made := must(functions.New(functions.Deployment{
		Store: p.kept, Secret: secret, PassKey: probedKeys()[0], Issuer: probedRoom, Log: log, Metrics: counts,
	}))(t)
	if f.brokenCall != "" {
		made[f.brokenCall] = func(context.Context, httpapi.Request) (httpapi.Response, error) {
			return httpapi.Internal.Response(), nil
		}
	}
	published := probedKeys()[0]
	if f.otherKey {
		published = probedKeys()[1]
	}
	documents := must(publish.NewFolder(t.TempDir()))(t)
	t.Cleanup(func() { documents.Close() })
	p.site = newSite(newGateway(made), documents, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the shop is asked for %s", r.URL.Path)
	}))
	texts.OnChange(changes(settings.NewHandler(&settings.Listener{
		Store: p.kept, Parameters: reader(rate.NewLimiter(rate.Inf, 1)), Path: names.ParameterPath, Now: time.Now, Log: log,
		Alarm: settings.Alarm{Topics: topics{log}, Topic: "local", Room: "local"}, Metrics: counts,
	}), log))
	began := time.Now()
	p.tick = &tick.Ticker{
		Store: p.kept, Parameters: reader(nil), Publisher: documents, Secret: secret, Random: crypto.Reader,
		Now: time.Now, Monotonic: func() time.Duration { return time.Since(began) }, Parallel: 4,
		WellKnown: must(tick.WellKnown(probedRoom, published.Public()))(t), Log: log, Metrics: counts,
	}
	p.step = steps.NewReadiness(p.parameter, names.ParameterPath, p.shows, steps.NewRoom(probedRoom, p), time.Now, log)
	ctx, stop := context.WithCancel(t.Context())
	p.stop = stop
	if !f.deadTick {
		p.ticking.Go(func() { p.everyMinute(ctx) })
	}
	return p
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// everyMinute starts tick some time off the runs of prepare, as it happens in production.
func (p *probed) everyMinute(ctx context.Context) {
	time.Sleep(23 * time.Second)
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		p.ticking.Go(func() {
			if err := p.tick.Run(ctx); err != nil && ctx.Err() == nil {
				p.t.Error(err)
			}
		})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// RoundTrip has the room answer in this process.
func (p *probed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != probedRoom {
		p.t.Errorf("%s is asked for something", r.URL.Host)
		return nil, errors.New("nobody lives here")
	}
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	return w.Result(), nil
}

// prepare drives the step for a show as prepare does, once a minute.
func (p *probed) prepare(show string, held map[string]string, runs int, do func(context.Context, *preparing.Task) (hotshow.Progress, error)) (last hotshow.Progress, troubles []string) {
	task := &preparing.Task{
		Show: hotshow.Show{ID: show, Request: hotshow.Request{Event: "winter", Target: probedRoom + "/shop/checkout?from=room"}},
		Held: held, Hold: func(_ context.Context, key, value string) error { held[key] = value; return nil },
	}
	for range runs {
		ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
		var err error
		last, err = do(ctx, task)
		cancel()
		if err != nil {
			troubles = append(troubles, err.Error())
		} else if last != hotshow.Begun {
			return last, troubles
		}
		time.Sleep(time.Minute)
	}
	return last, troubles
}

// checkGone checks that nothing is left of an event's probe, and that nobody was alarmed.
func (p *probed) checkGone(event string) {
	p.t.Helper()
	left := must(p.parameter.GetParametersByPath(p.t.Context(), &ssm.GetParametersByPathInput{
		Path: aws.String(names.ParameterPath), Recursive: aws.Bool(true),
	}))(p.t)
	for _, parameter := range left.Parameters {
		p.t.Errorf("%s is still set", *parameter.Name)
	}
	if st, err := p.kept.State(p.t.Context(), event); err != nil || st.Phase != room.Closed || !st.Over() {
		p.t.Errorf("the probe is %s, %v", st.Phase, err)
	}
	if watched := must(p.kept.Watched(p.t.Context()))(p.t); len(watched) > 0 {
		p.t.Errorf("%v are watched", watched)
	}
	for _, line := range p.log.all() {
		if strings.Contains(line, "not used") || strings.Contains(line, "parameter rejected") || strings.Contains(line, `"level":"ERROR"`) {
			p.t.Errorf("the room logged: %s", line)
		}
	}
}

func inProbed(t *testing.T, f faultsOfRoom, test func(*testing.T, *probed)) {
	t.Helper()
	probedKeys()
	synctest.Test(t, func(t *testing.T) {
		p := newProbed(t, f)
		test(t, p)
		p.stop()
		p.ticking.Wait()
	})
}

// TestProbeGoesThroughTheRoom makes two shows ready one after the other, which use the same event, and
// cancels a third.
func TestProbeGoesThroughTheRoom(t *testing.T) {
	onOneProcessor(t)
	inProbed(t, faultsOfRoom{}, func(t *testing.T, p *probed) {
		var event string
		for range 2 {
			held := map[string]string{}
			began := time.Now()
			if progress, troubles := p.prepare("winter-1", held, 5, p.step.Up); progress != hotshow.Up || len(troubles) > 0 {
				t.Fatalf("came to %q with %q", progress, troubles)
			}
			if event != "" && held["probe"] != event {
				t.Errorf("the probe is %s, and was %s", held["probe"], event)
			}
			event = held["probe"]
			t.Logf("%s took %s", event, time.Since(began))
			time.Sleep(3 * time.Minute) // tick is not told to look away
			p.checkGone(event)
		}
		held := map[string]string{}
		if progress, troubles := p.prepare("winter-1", held, 1, p.step.Up); progress != hotshow.Begun || len(troubles) > 0 {
			t.Fatalf("came to %q with %q", progress, troubles)
		}
		if progress, troubles := p.prepare("winter-1", held, 5, p.step.Down); progress != hotshow.Down || len(troubles) > 0 {
			t.Errorf("down came to %q with %q", progress, troubles)
		}
		time.Sleep(3 * time.Minute)
		p.checkGone(event)
	})
}

func TestBrokenRoomIsNeverReady(t *testing.T) {
	onOneProcessor(t)
	for name, c := range map[string]struct {
		fault faultsOfRoom
		says  string
	}{
		"tick is dead":      {faultsOfRoom{deadTick: true}, "see whether tick runs"},
		"admit fails":       {faultsOfRoom{brokenCall: names.FunctionAdmit}, "/admit: answered with 503, internal"},
		"join fails":        {faultsOfRoom{brokenCall: names.FunctionJoin}, "/join: answered with 503, internal"},
		"another key signs": {faultsOfRoom{otherKey: true}, "the shop would not take the pass"},
	} {
		t.Run(name, func(t *testing.T) {
			inProbed(t, c.fault, func(t *testing.T, p *probed) {
				held := map[string]string{}
				progress, troubles := p.prepare("winter-1", held, 8, p.step.Up)
				if progress == hotshow.Up {
					t.Error("the room is called ready")
				}
				if !strings.Contains(strings.Join(troubles, "\n"), c.says) {
					t.Errorf("%q do not say %q", troubles, c.says)
				}
				if c.fault.deadTick {
					return // nobody closes it, and nobody began it
				}
				if progress, troubles := p.prepare("winter-1", held, 5, p.step.Down); progress != hotshow.Down || len(troubles) > 0 {
					t.Errorf("down came to %q with %q", progress, troubles)
				}
				time.Sleep(3 * time.Minute)
				p.checkGone(held["probe"])
			})
		})
	}
}
