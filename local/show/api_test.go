package show

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/local/functions"
	"waitingroom/local/hotshows"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
)

// standIn answers as the hot shows' function does, from memory.
type standIn struct {
	mu    sync.Mutex
	shows []*Detailed
	sale  func(id string) (httpapi.Response, error)
}

// newAPI is the gateway of the local room, which checks signatures, before a stand-in.
func newAPI(t *testing.T) (*standIn, string) {
	t.Helper()
	s := &standIn{sale: func(string) (httpapi.Response, error) {
		return httpapi.Response{}, &httpapi.Problem{Code: "wrong-state", Status: http.StatusConflict, Title: "No sale yet", Detail: "The event is not known yet."}
	}}
	gateway := hotshows.NewGateway(map[string]functions.Function{names.FunctionHotShow: s.answer}, time.Now)
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *standIn) answer(_ context.Context, r httpapi.Request) (httpapi.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response, err := s.route(r)
	if err != nil {
		return httpapi.ProblemOf(err).Response(), nil
	}
	return response, nil
}

func (s *standIn) route(r httpapi.Request) (httpapi.Response, error) {
	who := hotshow.Person(r.RequestContext.Identity.UserArn)
	switch {
	case r.Resource == names.PathHotShows && r.HTTPMethod == http.MethodPost:
		return s.ask(r, who)
	case r.Resource == names.PathHotShows:
		return s.list(r)
	}
	i := slices.IndexFunc(s.shows, func(d *Detailed) bool { return d.ID == r.PathParameters[names.ShowParameter] })
	if i < 0 {
		return httpapi.Response{}, &httpapi.Problem{Code: "no-such-show", Status: http.StatusNotFound, Title: "No such show", Detail: "There is no show of this id."}
	}
	show := s.shows[i]
	switch r.Resource {
	case names.PathHotShow:
		return httpapi.OK(http.StatusOK, show)
	case names.PathHotShowSale:
		return s.sale(show.ID)
	}
	return decide(show, r, who)
}

func (s *standIn) ask(r httpapi.Request, who hotshow.Person) (httpapi.Response, error) {
	request, err := hotshow.ParseRequest([]byte(r.Body), time.Now())
	if err != nil {
		return httpapi.Response{}, httpapi.BadRequest("%v", err)
	}
	needs := plan.New(plan.Expected{Visitors: request.Visitors, Over: time.Duration(request.Over), Rate: request.Rate})
	show, first := hotshow.New(hotshow.NewID(rand.Reader), request, needs, who, time.Now())
	s.shows = append(s.shows, &Detailed{show, []hotshow.Change{first}})
	return httpapi.OK(http.StatusCreated, show)
}

func (s *standIn) list(r httpapi.Request) (httpapi.Response, error) {
	shows := []entry{}
	for _, d := range s.shows {
		state, event := r.QueryStringParameters["state"], r.QueryStringParameters["event"]
		if (state == "" || state == string(d.State)) && (event == "" || event == d.Request.Event) {
			shows = append(shows, entry{d.ID, d.Request.Event, d.Request.Name(), d.State, d.Request.OnSale})
		}
	}
	return httpapi.OK(http.StatusOK, map[string]any{"shows": shows})
}

func decide(show *Detailed, r httpapi.Request, who hotshow.Person) (httpapi.Response, error) {
	var body struct{ Why string }
	if r.Body != "" && json.Unmarshal([]byte(r.Body), &body) != nil {
		return httpapi.Response{}, httpapi.BadRequest("The body is no JSON.")
	}
	var change hotshow.Change
	var err error
	switch path.Base(r.Resource) {
	case "approve":
		change, err = show.Approve(who, body.Why, false, time.Now())
	case "reject":
		change, err = show.Reject(who, body.Why, time.Now())
	case "cancel":
		change, err = show.Cancel(who, body.Why, time.Now())
	}
	switch {
	case errors.Is(err, hotshow.ErrOwnRequest):
		return httpapi.Response{}, &httpapi.Problem{Code: "own-request", Status: http.StatusForbidden, Title: "Your own request", Detail: "Somebody else has to approve it."}
	case err != nil:
		return httpapi.Response{}, &httpapi.Problem{Code: "wrong-state", Status: http.StatusConflict, Title: "Not in this state", Detail: err.Error()}
	}
	show.History = append(show.History, change)
	return httpapi.OK(http.StatusOK, show.Show)
}

// as sets the credentials of somebody that the local gateway knows.
func as(t *testing.T, person string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", person)
	t.Setenv("AWS_SECRET_ACCESS_KEY", person)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_REGION", "")
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
