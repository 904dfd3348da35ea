package controlplane

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// JiraPath is below what Jira answers at here, where others have a site of their own.
const JiraPath = "/jira"

// Jira keeps the comments of issues, each of which it logs. Any issue exists. It is an http.Handler and
// safe for concurrent use.
type Jira struct {
	now          func() time.Time
	log          *slog.Logger
	email, token string
	mux          *http.ServeMux

	mu       sync.Mutex
	comments []comment // the first one first
}

// comment is one as version 3 of Jira's REST API has it: its body is a document of nested nodes.
type comment struct {
	issue      string
	ID         string     `json:"id"`
	Body       node       `json:"body"`
	Created    string     `json:"created"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// NewJira returns a site without comments that answers whoever has this address and API token.
func NewJira(now func() time.Time, log *slog.Logger, email, token string) *Jira {
	j := &Jira{now: now, log: log, email: email, token: token, mux: http.NewServeMux()}
	const path = JiraPath + "/rest/api/3/"
	j.mux.HandleFunc("POST "+path+"issue/{issue}/comment", j.add)
	j.mux.HandleFunc("GET "+path+"issue/{issue}/comment", j.page)
	j.mux.HandleFunc("POST "+path+"comment/list", j.list)
	return j
}

// ServeHTTP answers the calls to add comments, and to list those of an issue or of some ids.
func (j *Jira) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if email, token, ok := r.BasicAuth(); !ok || email != j.email || token != j.token {
		complain(w, http.StatusUnauthorized, "Client must be authenticated to access this resource.")
		return
	}
	j.mux.ServeHTTP(w, r)
}

// Comments are the texts of an issue's comments, the first one first.
func (j *Jira) Comments(issue string) []string {
	var texts []string
	for _, c := range j.all(func(c comment) bool { return c.issue == issue }) {
		texts = append(texts, c.Body.plain())
	}
	return texts
}

func (j *Jira) all(wanted func(comment) bool) []comment {
	j.mu.Lock()
	defer j.mu.Unlock()
	found := []comment{} // an empty list, and not null
	for _, c := range j.comments {
		if wanted(c) {
			found = append(found, c)
		}
	}
	return found
}

func (j *Jira) add(w http.ResponseWriter, r *http.Request) {
	var c comment
	if !read(w, r, &c) || c.Body.Type != "doc" || c.Body.plain() == "" {
		complain(w, http.StatusBadRequest, "Comment body is not valid!")
		return
	}
	c.issue, c.Created = r.PathValue("issue"), j.now().Format("2006-01-02T15:04:05.000-0700")
	j.mu.Lock()
	c.ID = strconv.Itoa(10_000 + len(j.comments))
	j.comments = append(j.comments, c)
	j.mu.Unlock()
	j.log.Info("Jira has a comment", "issue", c.issue, "text", c.Body.plain())
	reply(w, http.StatusCreated, c)
}

// mostComments is how many a page has, unless fewer are asked for.
const mostComments = 100

// page lists an issue's comments, the newest first if that is asked for. They come without their
// properties.
func (j *Jira) page(w http.ResponseWriter, r *http.Request) {
	found := j.all(func(c comment) bool { return c.issue == r.PathValue("issue") })
	total := len(found)
	if r.URL.Query().Get("orderBy") == "-created" {
		slices.Reverse(found)
	}
	most, err := strconv.Atoi(r.URL.Query().Get("maxResults"))
	if err != nil || most < 0 || most > mostComments {
		most = mostComments
	}
	found = found[:min(most, total)]
	for i := range found {
		found[i].Properties = nil
	}
	reply(w, http.StatusOK, map[string]any{"startAt": 0, "maxResults": most, "total": total, "comments": found})
}

// list lists comments by their ids, with their properties if they are asked for.
func (j *Jira) list(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		IDs []int `json:"ids"`
	}
	if !read(w, r, &wanted) {
		complain(w, http.StatusBadRequest, "The list of ids is not valid!")
		return
	}
	found := j.all(func(c comment) bool {
		return slices.ContainsFunc(wanted.IDs, func(id int) bool { return strconv.Itoa(id) == c.ID })
	})
	if r.URL.Query().Get("expand") != "properties" {
		for i := range found {
			found[i].Properties = nil
		}
	}
	reply(w, http.StatusOK, map[string]any{"values": found, "isLast": true})
}

func complain(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"errorMessages": []string{message}, "errors": map[string]string{}})
}

// node is one of Atlassian's document format:
// https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
type node struct {
	Type    string `json:"type"`
	Text    string `json:"text,omitempty"`
	Content []node `json:"content,omitempty"`
}

func (n node) plain() string {
	text := n.Text
	for i, child := range n.Content {
		if i > 0 && child.Type == "paragraph" {
			text += "\n"
		}
		text += child.plain()
	}
	return text
}
