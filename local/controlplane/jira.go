package controlplane

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	comments map[string][]comment // by issue
}

// comment is one as version 2 and 3 of Jira's REST API have it, which differ in the body: text, or a
// document of nested nodes.
type comment struct {
	ID         string          `json:"id"`
	Body       json.RawMessage `json:"body"`
	Created    string          `json:"created"`
	Properties []property      `json:"properties"`
}

type property struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// NewJira returns a site without comments that answers whoever has this address and API token.
func NewJira(now func() time.Time, log *slog.Logger, email, token string) *Jira {
	j := &Jira{now: now, log: log, email: email, token: token, mux: http.NewServeMux(), comments: map[string][]comment{}}
	const path = JiraPath + "/rest/api/{version}/issue/{issue}/comment"
	j.mux.HandleFunc("POST "+path, j.add)
	j.mux.HandleFunc("GET "+path, j.list)
	return j
}

// ServeHTTP answers the calls to add and to list an issue's comments.
func (j *Jira) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if email, token, ok := r.BasicAuth(); !ok || email != j.email || token != j.token {
		complain(w, http.StatusUnauthorized, "Client must be authenticated to access this resource.")
		return
	}
	j.mux.ServeHTTP(w, r)
}

// Comments are the texts of an issue's comments, the first one first.
func (j *Jira) Comments(issue string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var texts []string
	for _, c := range j.comments[issue] {
		texts = append(texts, text(c.Body))
	}
	return texts
}

func (j *Jira) add(w http.ResponseWriter, r *http.Request) {
	var c comment
	if !read(w, r, &c) || text(c.Body) == "" {
		complain(w, http.StatusBadRequest, "Comment body can not be empty!")
		return
	}
	issue := r.PathValue("issue")
	j.mu.Lock()
	c.ID, c.Created = strconv.Itoa(10_000+len(j.comments[issue])), j.now().Format("2006-01-02T15:04:05.000-0700")
	j.comments[issue] = append(j.comments[issue], c)
	j.mu.Unlock()
	j.log.Info("Jira has a comment", "issue", issue, "text", text(c.Body))
	reply(w, http.StatusCreated, c)
}

// list answers with a page, of which properties are part only if they are asked for.
func (j *Jira) list(w http.ResponseWriter, r *http.Request) {
	const most = 100
	query := r.URL.Query()
	start, _ := strconv.Atoi(query.Get("startAt"))
	size, err := strconv.Atoi(query.Get("maxResults"))
	if err != nil || size > most {
		size = most
	}
	j.mu.Lock()
	all := slices.Clone(j.comments[r.PathValue("issue")])
	j.mu.Unlock()
	total := len(all)
	if query.Get("orderBy") == "-created" {
		slices.Reverse(all)
	}
	page := all[min(max(start, 0), total):]
	page = slices.Clone(page[:min(max(size, 0), len(page))])
	if !strings.Contains(query.Get("expand"), "properties") {
		for i := range page {
			page[i].Properties = nil
		}
	}
	reply(w, http.StatusOK, map[string]any{"startAt": start, "maxResults": size, "total": total, "comments": page})
}

func complain(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"errorMessages": []string{message}, "errors": map[string]string{}})
}

// text is a comment's, whichever of the two forms it has.
func text(body json.RawMessage) string {
	var plain string
	if json.Unmarshal(body, &plain) == nil {
		return plain
	}
	var n node
	if json.Unmarshal(body, &n) != nil {
		return ""
	}
	return n.plain()
}

// node is one of Atlassian's document format:
// https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
type node struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Content []node `json:"content"`
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
