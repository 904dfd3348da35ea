package runtimeapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/metrics"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	parameters "waitingroom/shared/settings"
)

// heard is where local's settings function publishes.
type heard struct{ messages []message }

func (h *heard) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	h.messages = append(h.messages, message{aws.ToString(in.Subject), aws.ToString(in.Message)})
	return &sns.PublishOutput{}, nil
}

// TestSettings tells the program and the function in this process of the same changes: the leader is
// told, and a bad value is published in the same words.
func TestSettings(t *testing.T) {
	w := newWorld(t)
	s := w.newSale(t, "demo", nil)
	w.remember(t, s.state)
	p := w.start(t, names.FunctionSettings, w.environment(names.FunctionSettings))
	reader, err := parameters.NewReader(ssm.NewFromConfig(w.config), names.ParameterPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	var local heard
	tell := settings.NewHandler(&settings.Listener{
		Store: w.store, Parameters: reader, Path: names.ParameterPath, Shards: 4,
		Alarm:   settings.Alarm{Topics: &local, Topic: topicARN, Room: roomName},
		Metrics: &metrics.Log{Out: &w.counts, Room: roomName, Now: time.Now},
		Now:     time.Now, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
	})
	changed := func(parameter string) []byte {
		return derived(t, recorded(t, "lambdas/settings/testdata/change.json"), func(members map[string]any) {
			members["detail"].(map[string]any)["name"] = parameter
		})
	}
	for _, test := range []struct {
		name, parameter, value string
		event                  []byte
		told                   bool // the leader
		messages               int  // in all
	}{
		{"a good value", "rate", "600", recorded(t, "lambdas/settings/testdata/change.json"), true, 0},
		{"a bad value", "rate", "fast", recorded(t, "lambdas/settings/testdata/change.json"), true, 1},
		{"a bad value of another", "state", "open", changed(names.ParameterPath + "demo/state"), true, 2},
		{"a parameter of no event", "", "", changed(names.ParameterPath + "Demo!/rate"), false, 3},
		{"none of the room's", "", "", changed("/other/demo/rate"), false, 3},
		{"a required one that was deleted", "rate", "", recorded(t, "lambdas/settings/testdata/delete.json"), true, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.set(t, s.state.OnSale, test.parameter, test.value)
			before := time.Now().Truncate(time.Millisecond)
			p.succeed(t, test.event, answerLimit)
			announced, err := w.store.State(t.Context(), "demo")
			if err != nil {
				t.Fatal(err)
			}
			if told := !announced.Announced.Before(before); told != test.told {
				t.Errorf("the leader was told: %t", told)
			}
			var e events.CloudWatchEvent
			if err := json.Unmarshal(test.event, &e); err != nil {
				t.Fatal(err)
			}
			if err := tell(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			got := w.topics.all()
			if len(got) != test.messages || len(local.messages) != test.messages {
				t.Fatalf("%d messages, local has %d, want %d", len(got), len(local.messages), test.messages)
			}
			for i, m := range got {
				if m != local.messages[i] {
					t.Errorf("%q differs from local's %q", m, local.messages[i])
				}
			}
		})
	}
	if first := w.topics.all()[0]; !strings.Contains(first.text, names.ParameterPath+"demo/rate") || !strings.Contains(first.text, `"fast"`) {
		t.Errorf("the message names no parameter or value: %s", first.text)
	}
	p.kill()
	got, want := badSettings(t, p.metrics.String()), badSettings(t, w.counts.String())
	if want == 0 || got != want {
		t.Errorf("%g bad settings were counted, local counts %g", got, want)
	}
}

// remember stores what the leader has in force.
func (w *world) remember(t *testing.T, st room.State) {
	t.Helper()
	next := st
	next.Version++
	if err := w.store.SaveWithPacing(t.Context(), next, room.Pacing{Good: map[string]string{"rate": "600"}}, st.Fence); err != nil {
		t.Fatal(err)
	}
}

// set sets the event's parameters right, and then one of them to a value, or deletes it if there is
// none.
func (w *world) set(t *testing.T, onSale time.Time, name, value string) {
	t.Helper()
	values := map[string]string{"onsale": onSale.Format(time.RFC3339), "rate": "600", "target": target, "state": "auto"}
	if name != "" {
		values[name] = value
	}
	for name, value := range values {
		path := names.ParameterPath + "demo/" + name
		if value != "" {
			if err := w.parameters.Put(path, value); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := ssm.NewFromConfig(w.config).DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: &path}); err != nil {
			t.Fatal(err)
		}
	}
}

func badSettings(t *testing.T, text string) float64 {
	var count float64
	for _, p := range metricstest.Points(t, text) {
		if p.Name == names.MetricBadSettings {
			count += p.Value
		}
	}
	return count
}
