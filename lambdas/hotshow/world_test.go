package hotshow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	engine "waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
)

const (
	asker  = "arn:aws:sts::111122223333:assumed-role/ask/alice@shop.example"
	boss   = "arn:aws:sts::111122223333:assumed-role/approve/boss@shop.example"
	asking = `{"event":"winter-tour","names":{"en":"Winter tour"},"onsale":"2026-11-28T10:00:00+01:00","visitors":300000,
		"over":"60s","rate":5000,"target":"https://shop.example/checkout?secret=hidden"}`
)

var errLost = errors.New("no answer came")

// world is the API over a table in this process.
type world struct {
	*testing.T
	desk  *api.Desk
	shows *shows
	now   time.Time
	log   bytes.Buffer

	status room.Status
	texts  map[string]string
	alarms []api.Alarm
	broken map[string]bool // reads of a sale that fail
}

// shows is the schedule, where calls can fail and others can come first.
type shows struct {
	*schedule.Schedule
	fail   error
	before func(show hotshow.Show) // called once, before the next write
	pages  int                     // that were read
}

func (s *shows) Show(ctx context.Context, id string) (hotshow.Show, error) {
	if s.fail != nil {
		return hotshow.Show{}, s.fail
	}
	return s.Schedule.Show(ctx, id)
}

func (s *shows) Page(ctx context.Context, after schedule.Place, most int) (schedule.Page, error) {
	if s.fail != nil {
		return schedule.Page{}, s.fail
	}
	s.pages++
	return s.Schedule.Page(ctx, after, most)
}

func (s *shows) Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error {
	if before := s.before; before != nil {
		s.before = nil
		before(*show)
	}
	return s.Schedule.Save(ctx, show, changes...)
}

func newWorld(t *testing.T) *world {
	client, err := engine.NewTable(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), broken: map[string]bool{}}
	w.shows = &shows{Schedule: schedule.New(client, "room")}
	w.desk = &api.Desk{
		Shows: w.shows, Statuses: w, Parameters: w, Alarms: w, Random: &counter{},
		Now: func() time.Time { return w.now }, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
	}
	return w
}

// counter is a source of bytes that gives other ones each time.
type counter struct{ reads byte }

func (c *counter) Read(b []byte) (int, error) {
	clear(b)
	c.reads++
	b[0] = c.reads
	return len(b), nil
}

func (w *world) Status(_ context.Context, event string) (room.Status, bool, error) {
	if w.broken["status"] {
		return room.Status{}, false, errLost
	}
	return w.status, w.status.Event == event, nil
}

// Event implements Parameters.
func (w *world) Event(context.Context, string) (map[string]string, error) {
	if w.broken["rate"] {
		return nil, errLost
	}
	return w.texts, nil
}

// Ringing implements Alarms.
func (w *world) Ringing(context.Context) ([]api.Alarm, error) {
	if w.broken["alarms"] {
		return nil, errLost
	}
	return w.alarms, nil
}

// call sends a request as API Gateway does: to one show if id is not empty.
func (w *world) call(by, method, resource, id, body string) httpapi.Response {
	w.Helper()
	r := httpapi.Request{Resource: resource, HTTPMethod: method, Body: body, PathParameters: map[string]string{names.ShowParameter: id}}
	r.RequestContext.Identity.UserArn = by
	return w.send(r)
}

func (w *world) send(r httpapi.Request) httpapi.Response {
	w.Helper()
	response, err := api.Answer(api.NewHandler(w.desk), w.desk.Log)(w.Context(), r)
	if err != nil {
		w.Fatal(err)
	}
	if response.Headers["Cache-Control"] != "no-store" {
		w.Errorf("%s %s may be cached", r.HTTPMethod, r.Resource)
	}
	return response
}

// want checks an answer's status, and reads it if it is none of a problem.
func (w *world) want(response httpapi.Response, status int, into any) {
	w.Helper()
	if response.StatusCode != status {
		w.Fatalf("%d %s, want %d", response.StatusCode, response.Body, status)
	}
	if err := json.Unmarshal([]byte(response.Body), into); err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantProblem(response httpapi.Response, status int, code, detail string) {
	w.Helper()
	var problem struct{ Type, Detail string }
	w.want(response, status, &problem)
	if problem.Type != names.ProblemPrefix+code || !strings.Contains(problem.Detail, detail) {
		w.Errorf("%s, want %s with %q", response.Body, code, detail)
	}
	if response.Headers["Content-Type"] != "application/problem+json" {
		w.Errorf("a problem as %s", response.Headers["Content-Type"])
	}
}

// ask keeps a request and returns the show.
func (w *world) ask() hotshow.Show {
	w.Helper()
	var show hotshow.Show
	w.want(w.call(asker, "POST", names.PathHotShows, "", asking), http.StatusCreated, &show)
	return show
}

func recorded(t *testing.T, name string) httpapi.Request {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var r httpapi.Request
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}
