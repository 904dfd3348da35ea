package jira_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	door "waitingroom/lambdas/jira"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/jira"
	"waitingroom/shared/jira/jiratest"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
)

const (
	secret = "a secret of webhooks that is long enough"
	alma   = "712020:0a1b2c3d-0000-4000-8000-0000000000a1" // asks
	boris  = "712020:0a1b2c3d-0000-4000-8000-0000000000b2" // approves
	id     = "jira-10042"
	key    = "SHOW-12"
)

// start is when the recorded issue was created; minutes count from it.
var start = time.Date(2026, 11, 5, 8, 0, 0, 250e6, time.UTC)

func minute(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Minute))) }

// payload is a webhook that a test may change.
type payload map[string]any

func recorded(t testing.TB, file string) payload {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var p payload
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p payload) fields() map[string]any {
	return p["issue"].(map[string]any)["fields"].(map[string]any)
}

// edited is an update by somebody in which these fields were changed.
func (p payload) edited(at time.Time, by string, fields map[string]any) payload {
	p["webhookEvent"], p["timestamp"], p["user"] = "jira:issue_updated", at.UnixMilli(), map[string]any{"accountId": by}
	var items []any
	for field, value := range fields {
		p.fields()[field] = value
		items = append(items, map[string]any{"field": field, "fieldId": field})
	}
	p["changelog"] = map[string]any{"items": items}
	return p
}

// touched is an update of something that hot shows do not depend on.
func (p payload) touched(at time.Time) payload {
	return p.edited(at, boris, map[string]any{"assignee": nil})
}

func (p payload) body(t testing.TB) []byte {
	t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// shows is a schedule in memory. It answers before and after it has done what it is asked as a test says.
type shows struct {
	mu      sync.Mutex
	kept    map[string]hotshow.Show
	history map[string][]hotshow.Change
	heard   map[string]int64                // of issues
	taken   string                          // the show that has every event but those that are kept
	fault   func(call string) (bool, error) // before a call; true: it is done all the same
	during  func()                          // runs once, between a read and the write that follows
	before  func(call string)               // what others do before a call
}

func newShows() *shows {
	return &shows{kept: map[string]hotshow.Show{}, history: map[string][]hotshow.Change{}, heard: map[string]int64{}}
}

// clone keeps what is stored apart from what callers change.
func clone(s hotshow.Show) hotshow.Show {
	s.Steps, s.Warnings, s.Request.Names = maps.Clone(s.Steps), slices.Clone(s.Warnings), maps.Clone(s.Request.Names)
	if s.Jira != nil {
		own := *s.Jira
		s.Jira = &own
	}
	return s
}

func (s *shows) do(call string, work func() error) error {
	if s.before != nil {
		s.before(call)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if done, err := s.fault(call); err != nil {
			if done {
				_ = work() // stored, and the answer is lost
			}
			return err
		}
	}
	return work()
}

func (s *shows) Show(_ context.Context, wanted string) (show hotshow.Show, err error) {
	err = s.do("read", func() error {
		kept, ok := s.kept[wanted]
		if !ok {
			return schedule.ErrNotFound
		}
		show = clone(kept)
		return nil
	})
	if during := s.during; during != nil {
		s.during = nil
		during()
	}
	return show, err
}

func (s *shows) Add(ctx context.Context, show hotshow.Show, first hotshow.Change) error {
	return s.AddHeard(ctx, show, first, schedule.Webhook{Issue: "none of " + show.ID, At: 1})
}

func (s *shows) AddHeard(_ context.Context, show hotshow.Show, first hotshow.Change, w schedule.Webhook) error {
	return s.do("add", func() error {
		if _, ok := s.kept[show.ID]; ok {
			return schedule.ErrExists
		}
		if s.taken != "" {
			return &schedule.Taken{By: s.taken}
		}
		if s.heard[w.Issue] >= w.At {
			return schedule.ErrExists
		}
		show.Version = 1
		s.kept[show.ID], s.history[show.ID], s.heard[w.Issue] = clone(show), []hotshow.Change{first}, w.At
		return nil
	})
}

func (s *shows) Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error {
	return s.do("save", func() error { return s.save(show, changes) })
}

func (s *shows) SaveHeard(_ context.Context, show *hotshow.Show, w schedule.Webhook, changes ...hotshow.Change) error {
	return s.do("save", func() error {
		if s.heard[w.Issue] >= w.At {
			return schedule.ErrStale
		}
		if err := s.save(show, changes); err != nil {
			return err
		}
		s.heard[w.Issue] = w.At
		return nil
	})
}

func (s *shows) save(show *hotshow.Show, changes []hotshow.Change) error {
	kept := s.kept[show.ID]
	if kept.Version != show.Version {
		return schedule.ErrStale
	}
	if s.taken != "" && !kept.Request.OnSale.Equal(show.Request.OnSale) {
		return &schedule.Taken{By: s.taken}
	}
	show.Version++
	s.kept[show.ID] = clone(*show)
	s.history[show.ID] = append(s.history[show.ID], changes...)
	return nil
}

func (s *shows) Heard(_ context.Context, issue string) (at int64, err error) {
	err = s.do("heard", func() error {
		at = s.heard[issue]
		return nil
	})
	return at, err
}

func (s *shows) Hear(_ context.Context, w schedule.Webhook) error {
	return s.do("hear", func() error {
		s.heard[w.Issue] = max(s.heard[w.Issue], w.At)
		return nil
	})
}

// change is somebody else's, such as prepare's or the API's.
func (s *shows) change(t testing.TB, change func(*hotshow.Show) (hotshow.Change, error)) {
	t.Helper()
	show, err := s.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	made, err := change(&show)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), &show, made); err != nil {
		t.Fatal(err)
	}
}

// fixed are credentials that need no secret.
type fixed jira.Credentials

func (f fixed) Credentials(context.Context) (jira.Credentials, error) {
	return jira.Credentials(f), nil
}

// comments are written as the table is: in order with its calls, and breaking off as they do.
type comments struct {
	*jira.Client
	mem *shows
}

func (c comments) Tell(ctx context.Context, issue, mark, text string) error {
	return c.mem.do("tell", func() error { return c.Client.Tell(ctx, issue, mark, text) })
}

// kept is where a test's shows are kept. The API adds to it, too.
type kept interface {
	door.Shows
	Add(ctx context.Context, show hotshow.Show, first hotshow.Change) error
}

// world is the door with all that stands around it.
type world struct {
	t     testing.TB
	shows kept
	mem   *shows // the same, unless another schedule is used
	site  *jiratest.Site
	now   time.Time
	self  bool
	log   bytes.Buffer
}

func newWorld(t testing.TB) *world {
	mem := newShows()
	return &world{t: t, shows: mem, mem: mem, site: jiratest.New(key), now: minute(125)}
}

func (w *world) door() *door.Door {
	w.t.Helper()
	fields, err := readFields()
	if err != nil {
		w.t.Fatal(err)
	}
	credentials := fixed{WebhookSecret: secret, Email: jiratest.Email, APIToken: jiratest.Token}
	return &door.Door{
		Shows: w.shows, Credentials: credentials,
		Comments: comments{jira.NewClient("https://example.atlassian.net", credentials, w.site), w.mem},
		Fields:   fields, AllowSelf: w.self, Now: func() time.Time { return w.now }, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
	}
}

var readFields = sync.OnceValues(func() (jira.Fields, error) {
	raw, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		return jira.Fields{}, err
	}
	return jira.ParseFields(string(raw))
})

// call hands a request to the door, as API Gateway does.
func (w *world) call(r httpapi.Request) (status int, answer door.Answer, body string) {
	w.t.Helper()
	response := w.answer(w.t.Context(), r)
	if response.StatusCode == 200 {
		if err := json.Unmarshal([]byte(response.Body), &answer); err != nil {
			w.t.Fatal(err)
		}
	}
	return response.StatusCode, answer, response.Body
}

func (w *world) answer(ctx context.Context, r httpapi.Request) httpapi.Response {
	w.t.Helper()
	d := w.door()
	response, err := door.Respond(door.NewHandler(d), d.Log)(ctx, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return response
}

func request(body []byte, signature string) httpapi.Request {
	return httpapi.Request{Resource: names.PathJira, HTTPMethod: "POST", Path: names.PathJira, Body: string(body),
		Headers: map[string]string{"x-hub-signature": signature, "x-atlassian-webhook-identifier": "2f9c", "Content-Type": "application/json"}}
}

// send is Jira sending a webhook once.
func (w *world) send(p payload) (int, door.Answer) {
	w.t.Helper()
	body := p.body(w.t)
	status, answer, _ := w.call(request(body, jira.Sign([]byte(secret), body)))
	return status, answer
}

// taken sends webhooks, all of which have to be taken without complaint.
func (w *world) taken(payloads ...payload) {
	w.t.Helper()
	for _, p := range payloads {
		if status, answer := w.send(p); status != 200 || answer.Outcome != "taken" {
			w.t.Fatalf("answered %d, %+v", status, answer)
		}
	}
}

// refused sends a webhook that leads to one more comment, and returns that.
func (w *world) refused(p payload) string {
	w.t.Helper()
	before := len(w.site.Comments())
	status, answer := w.send(p)
	comments := w.site.Comments()
	if status != 200 || answer.Outcome != "refused" || len(comments) != before+1 {
		w.t.Fatalf("answered %d, %+v; comments %+v", status, answer, comments[before:])
	}
	return comments[before].Text
}

func (w *world) show() hotshow.Show {
	w.t.Helper()
	show, err := w.shows.Show(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return show
}

// states are those that the show went through.
func (w *world) states() string {
	var all []string
	for _, c := range w.mem.history[id] {
		all = append(all, string(c.To))
	}
	return strings.Join(all, " ")
}

// contents is all that is kept, for tests in which nothing may change.
func (w *world) contents() string { return fmt.Sprintf("%+v %+v", w.mem.kept, w.mem.history) }
