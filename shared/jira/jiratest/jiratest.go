// Package jiratest stands in for a Jira site: the calls that write and find comments, and what can go
// wrong with them.
package jiratest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Who may call the site, and how it marks comments that customers see.
const (
	Email  = "waiting-room@example.com"
	Token  = "ATATT-invented-token"
	public = "sd.public.comment"
)

// Comment is what was written on an issue.
type Comment struct {
	Issue  string
	Text   string // its paragraphs, one a line
	Mark   string // the room's property
	Public bool   // whether customers see it
}

// Fault is what happens to a call, in the place of what it asks for.
type Fault struct {
	Status     int    // answered; 0: as usual
	RetryAfter string // sent with it
	Lost       bool   // the call is done, and its answer gets lost
	Stuck      bool   // there is no answer until the caller gives up
}

// Site is a Jira site as an http.Handler and, without a network, as an http.RoundTripper. Its methods
// may be called at the same time.
type Site struct {
	mu       sync.Mutex
	issues   map[string]bool
	comments []stored
	faults   []Fault
	calls    []string
	times    []time.Time
}

type stored struct {
	id         int
	issue      string
	body       json.RawMessage
	properties []property
}

type property struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

// New returns a site with these issues.
func New(issues ...string) *Site {
	s := &Site{issues: map[string]bool{}}
	for _, issue := range issues {
		s.issues[issue] = true
	}
	return s
}

// Fail has the next calls fail, one after the other.
func (s *Site) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Calls lists the calls that came, as "POST /rest/…", and Times when.
func (s *Site) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Times says when the calls came.
func (s *Site) Times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// Comments lists the comments in their order.
func (s *Site) Comments() []Comment {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Comment
	for _, c := range s.comments {
		all = append(all, c.read())
	}
	return all
}

func (c stored) read() Comment {
	var body struct {
		Content []struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"content"`
	}
	_ = json.Unmarshal(c.body, &body) // was read when it came
	var lines []string
	for _, paragraph := range body.Content {
		for _, piece := range paragraph.Content {
			lines = append(lines, piece.Text)
		}
	}
	read := Comment{Issue: c.issue, Text: strings.Join(lines, "\n")}
	for _, p := range c.properties {
		if p.Key == public {
			read.Public = p.Value["internal"] == false
		} else {
			read.Mark, _ = p.Value["mark"].(string)
		}
	}
	return read
}

// RoundTrip answers without a network.
func (s *Site) RoundTrip(r *http.Request) (*http.Response, error) {
	fault := s.begin(r)
	if fault.Stuck {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	recorder := httptest.NewRecorder()
	s.answer(recorder, r, fault)
	if fault.Lost {
		return nil, http.ErrServerClosed
	}
	return recorder.Result(), nil
}

// ServeHTTP answers over a network, on which nothing gets lost or stuck.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.answer(w, r, s.begin(r)) }

func (s *Site) begin(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	s.times = append(s.times, time.Now())
	if len(s.faults) == 0 {
		return Fault{}
	}
	fault := s.faults[0]
	s.faults = s.faults[1:]
	return fault
}

func (s *Site) answer(w http.ResponseWriter, r *http.Request, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	email, token, _ := r.BasicAuth()
	switch {
	case fault.Status != 0:
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		w.WriteHeader(fault.Status)
	case email != Email || token != Token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost && r.URL.Path == "/rest/api/3/comment/list":
		s.list(w, r)
	default:
		s.onIssue(w, r)
	}
}

func (s *Site) onIssue(w http.ResponseWriter, r *http.Request) {
	issue, isComment := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/rest/api/3/issue/"), "/comment")
	switch {
	case !isComment || !s.issues[issue]:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		s.page(w, r, issue)
	case r.Method == http.MethodPost:
		s.add(w, r, issue)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *Site) add(w http.ResponseWriter, r *http.Request, issue string) {
	var given struct {
		Body       json.RawMessage `json:"body"`
		Properties []property      `json:"properties"`
	}
	var document struct {
		Type    string            `json:"type"`
		Version int               `json:"version"`
		Content []json.RawMessage `json:"content"`
	}
	if json.NewDecoder(r.Body).Decode(&given) != nil || json.Unmarshal(given.Body, &document) != nil ||
		document.Type != "doc" || document.Version != 1 || len(document.Content) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c := stored{id: 20_000 + len(s.comments), issue: issue, body: given.Body, properties: given.Properties}
	s.comments = append(s.comments, c)
	w.WriteHeader(http.StatusCreated)
	write(w, map[string]any{"id": strconv.Itoa(c.id), "body": c.body})
}

// page has the newest comments first, without their properties, as Jira has them.
func (s *Site) page(w http.ResponseWriter, r *http.Request, issue string) {
	most, err := strconv.Atoi(r.URL.Query().Get("maxResults"))
	if err != nil || r.URL.Query().Get("orderBy") != "-created" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	comments := []any{}
	for _, c := range slices.Backward(s.comments) {
		if c.issue == issue && len(comments) < most {
			comments = append(comments, map[string]any{"id": strconv.Itoa(c.id), "body": c.body})
		}
	}
	write(w, map[string]any{"comments": comments, "maxResults": most, "startAt": 0, "total": len(comments)})
}

func (s *Site) list(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		IDs []int `json:"ids"`
	}
	if json.NewDecoder(r.Body).Decode(&wanted) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	values := []any{}
	for _, c := range s.comments {
		if !slices.Contains(wanted.IDs, c.id) {
			continue
		}
		value := map[string]any{"id": strconv.Itoa(c.id), "body": c.body}
		if r.URL.Query().Get("expand") == "properties" {
			value["properties"] = c.properties
		}
		values = append(values, value)
	}
	write(w, map[string]any{"values": values, "isLast": true})
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // to a caller who may be gone
}
