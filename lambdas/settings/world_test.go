package settings_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/time/rate"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/metrics"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	parameters "waitingroom/shared/settings"
	"waitingroom/shared/store"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:bad-settings"

var (
	errDown = errors.New("out of reach")
	now     = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
)

// world is all that the function sees, and what it did in its order.
type world struct {
	*store.Memory
	texts  map[string]string // Parameter Store by whole name
	secure string            // name of the one that is encrypted
	faults map[string]error  // by what is done
	lost   bool              // what fails has been done all the same

	did     []string
	mails   []*sns.PublishInput
	log     bytes.Buffer
	metrics bytes.Buffer
}

func newWorld(texts map[string]string) *world {
	w := &world{Memory: store.NewMemory(func() time.Time { return now }), texts: map[string]string{}, faults: map[string]error{}}
	for name, text := range texts {
		w.texts["/waiting-room/demo/"+name] = text
	}
	return w
}

// demo is an event that goes on sale in an hour.
func demo() map[string]string {
	return map[string]string{"onsale": "2026-11-21T11:00:00Z", "rate": "500", "target": "https://shop.example/checkout"}
}

func with(texts map[string]string, name, text string) map[string]string {
	texts = maps.Clone(texts)
	texts[name] = text
	return texts
}

// run puts the event on sale as tick does, with demo's parameters as the last good ones.
func (w *world) run(t *testing.T, st room.State) { w.runWith(t, st, demo()) }

func (w *world) runWith(t *testing.T, st room.State, good map[string]string) {
	t.Helper()
	st.Event, st.ID, st.Shards, st.Version = "demo", strings.Repeat("ab", 16), 16, 1
	if err := w.SaveWithPacing(t.Context(), st, room.Pacing{Good: good}, room.Fence{}); err != nil {
		t.Fatal(err)
	}
}

func waiting() room.State {
	return room.State{Closing: room.NoCohort, Phase: room.Scheduled, OnSale: now.Add(time.Hour)}
}

func open() room.State {
	return room.State{Closing: room.NoCohort, Cohort: 5, Phase: room.Open, OnSale: now.Add(-time.Hour)}
}

func closed() room.State {
	return room.State{Closing: room.NoCohort, Cohort: 5, Phase: room.Closed, Final: true, OnSale: now.Add(-time.Hour)}
}

func (w *world) do(what string) error {
	w.did = append(w.did, what)
	return w.faults[what]
}

func (w *world) Announce(ctx context.Context, event string, at time.Time) error {
	if err := w.do("announce " + event); err != nil && !w.lost {
		return err
	}
	return errors.Join(w.Memory.Announce(ctx, event, at), w.faults["announce "+event])
}

func (w *world) State(ctx context.Context, event string) (room.State, error) {
	if err := w.do("state"); err != nil {
		return room.State{}, err
	}
	return w.Memory.State(ctx, event)
}

func (w *world) Pacing(ctx context.Context, event string) (room.Pacing, error) {
	if err := w.do("pacing"); err != nil {
		return room.Pacing{}, err
	}
	return w.Memory.Pacing(ctx, event)
}

func (w *world) GetParametersByPath(_ context.Context, in *ssm.GetParametersByPathInput, _ ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	if err := w.do("read"); err != nil {
		return nil, err
	}
	out := &ssm.GetParametersByPathOutput{}
	for name, text := range w.texts {
		kind := types.ParameterTypeString
		if name == w.secure {
			kind = types.ParameterTypeSecureString
		}
		if strings.HasPrefix(name, *in.Path+"/") {
			out.Parameters = append(out.Parameters, types.Parameter{Name: aws.String(name), Value: aws.String(text), Type: kind})
		}
	}
	return out, nil
}

func (w *world) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if err := w.do("publish"); err != nil && !w.lost {
		return nil, err
	}
	w.mails = append(w.mails, in)
	return &sns.PublishOutput{}, w.faults["publish"]
}

// listener is the function in an environment of its own.
func (w *world) listener(t *testing.T) *settings.Listener {
	t.Helper()
	reader, err := parameters.NewReader(w, names.ParameterPath, rate.NewLimiter(rate.Inf, 1))
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	return &settings.Listener{
		Store: w, Parameters: reader, Path: names.ParameterPath, Now: clock,
		Alarm:   settings.Alarm{Topics: w, Topic: topic, Room: "concerts"},
		Metrics: &metrics.Log{Out: &w.metrics, Room: "concerts", Now: clock},
		Log:     slog.New(slog.NewJSONHandler(&w.log, nil)),
	}
}

func (w *world) tell(t *testing.T, name, operation string) error {
	t.Helper()
	detail, err := json.Marshal(settings.Change{Name: name, Operation: operation})
	if err != nil {
		t.Fatal(err)
	}
	return settings.NewHandler(w.listener(t))(t.Context(), events.CloudWatchEvent{Detail: detail})
}

// counted is the sum of the metric, of the room alone.
func (w *world) counted(t *testing.T) int {
	t.Helper()
	sum := 0
	for _, p := range metricstest.Points(t, w.metrics.String()) {
		if p.Name != names.MetricBadSettings || p.Room != "concerts" || p.Event != "" {
			t.Errorf("metric %+v", p)
		}
		sum += int(p.Value)
	}
	return sum
}

func (w *world) warnings() int { return strings.Count(w.log.String(), `"level":"WARN"`) }

// mail is the only one that was sent, the subject in its first line.
func (w *world) mail(t *testing.T) string {
	t.Helper()
	if len(w.mails) != 1 {
		t.Fatalf("%d mails", len(w.mails))
	}
	if got := aws.ToString(w.mails[0].TopicArn); got != topic {
		t.Errorf("sent to %s", got)
	}
	return aws.ToString(w.mails[0].Subject) + "\n" + aws.ToString(w.mails[0].Message)
}

func recorded(t *testing.T, file string) events.CloudWatchEvent {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var e events.CloudWatchEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}
