package settings_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/names"
)

type told struct {
	events []string
	err    error
}

func (t *told) Announce(_ context.Context, event string, _ time.Time) error {
	t.events = append(t.events, event)
	return t.err
}

func recorded(t *testing.T) events.CloudWatchEvent {
	t.Helper()
	raw, err := os.ReadFile("testdata/change.json")
	if err != nil {
		t.Fatal(err)
	}
	var e events.CloudWatchEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRecordedChangeIsAnnounced(t *testing.T) {
	var store told
	handle := settings.NewHandler(&store, names.ParameterPath, time.Now, slog.New(slog.DiscardHandler))
	if err := handle(t.Context(), recorded(t)); err != nil || len(store.events) != 1 || store.events[0] != "demo" {
		t.Errorf("%v, %v", store.events, err)
	}
	// EventBridge invokes again what failed.
	store.err = errors.New("no answer")
	if err := handle(t.Context(), recorded(t)); !errors.Is(err, store.err) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNotOurs(t *testing.T) {
	var store told
	handle := settings.NewHandler(&store, names.ParameterPath, time.Now, slog.New(slog.DiscardHandler))
	for _, name := range []string{"", "/", "/other/demo/rate", "/waiting-room", "/waiting-room/", "/waiting-room//rate", "/waiting-room/v1/rate", "/waiting-room/De mo/rate"} {
		e := recorded(t)
		e.Detail, _ = json.Marshal(settings.Change{Name: name, Operation: "Update"})
		if err := handle(t.Context(), e); err != nil || store.events != nil {
			t.Errorf("%q: %v, %v", name, store.events, err)
		}
	}
	e := recorded(t)
	e.Detail = json.RawMessage(`[]`)
	if err := handle(t.Context(), e); err == nil {
		t.Error("a change that cannot be read was taken")
	}
}
