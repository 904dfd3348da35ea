package show

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	engine "waitingroom/local/dynamodb"
	"waitingroom/local/functions"
	"waitingroom/local/hotshows"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
)

// desk is the hot shows' API, with a sale and alarms that a test says.
type desk struct {
	t     *testing.T
	shows *schedule.Schedule

	mu     sync.Mutex
	status room.Status // of every event; none while it has no phase
	broken bool        // the table cannot be reached
}

// newDesk is the function behind the gateway of the local room, which checks signatures.
func newDesk(t *testing.T) (*desk, string) {
	t.Helper()
	client, err := engine.NewTable(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, shows: schedule.New(client, "room")}
	log := slog.New(slog.DiscardHandler)
	handler := api.NewHandler(&api.Desk{
		Shows: table{d.shows, d}, Statuses: d, Parameters: d, Alarms: d, Random: rand.Reader, Now: time.Now, Log: log,
	})
	gateway := hotshows.NewGateway(map[string]functions.Function{
		names.FunctionHotShow: api.Answer(handler, log),
	}, time.Now)
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	return d, server.URL
}

// table is the schedule, until it cannot be reached.
type table struct {
	*schedule.Schedule
	desk *desk
}

var errBroken = errors.New("the table does not answer")

func (s table) Show(ctx context.Context, id string) (hotshow.Show, error) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if s.desk.broken {
		return hotshow.Show{}, errBroken
	}
	return s.Schedule.Show(ctx, id)
}

func (d *desk) Status(context.Context, string) (room.Status, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status, d.status.Phase != "", nil
}

func (d *desk) Event(context.Context, string) (map[string]string, error) {
	return map[string]string{"rate": "13000"}, nil
}

func (d *desk) Ringing(context.Context) ([]api.Alarm, error) { return []api.Alarm{}, nil }

// all are the shows that there are.
func (d *desk) all() []schedule.Entry {
	d.t.Helper()
	entries, err := d.shows.Open(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return entries
}

func (d *desk) show(id string) hotshow.Show {
	d.t.Helper()
	show, err := d.shows.Show(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return show
}

// becomes has a show come into a state without what leads there.
func (d *desk) becomes(id string, state hotshow.State) {
	d.t.Helper()
	show := d.show(id)
	show.State = state
	if err := d.shows.Save(d.t.Context(), &show); err != nil {
		d.t.Fatal(err)
	}
}

// as sets the credentials of somebody that the local gateway knows.
func as(t *testing.T, person string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", person)
	t.Setenv("AWS_SECRET_ACCESS_KEY", person)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// did runs the command and returns what it prints and its exit status.
func did(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, problems bytes.Buffer
	status = Run(t.Context(), args, &out, &problems)
	return out.String(), problems.String(), status
}

// ok is did for a command that has to succeed.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	out, problems, status := did(t, args...)
	if status != 0 || problems != "" {
		t.Fatalf("%q: status %d, %s", args, status, problems)
	}
	return out
}

func contain(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q in\n%s", want, text)
		}
	}
}
