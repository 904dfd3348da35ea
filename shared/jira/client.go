package jira

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	smithytime "github.com/aws/smithy-go/time"
)

// What a comment that could not be written means.
var (
	// ErrGone means that the issue is not there, or hidden from the user of the API token: do not repeat
	// it for a deleted issue; for others, let that user browse the project.
	ErrGone = errors.New("there is no such issue, or the user of the API token may not see it")
	// ErrRefused means that Jira does not take the comment from this user: somebody has to mend what the
	// error says, and sending it again before changes nothing.
	ErrRefused = errors.New("it does not take the comment")
)

const (
	attempts   = 3                // at most, of one comment
	callLimit  = 4 * time.Second  // for one call to answer
	allLimit   = 12 * time.Second // for everything: Jira waits 20 s for the answer to a webhook
	firstPause = 500 * time.Millisecond
	maxAnswer  = 8 << 20 // bytes: a hundred comments of 32,767 characters
	newest     = 100     // comments that are looked through for an earlier one: the most that a page has

	// property marks the comments of a room, so that none is written twice.
	property = "waiting-room"
)

// Client writes comments through Jira's REST API.
type Client struct {
	site        string
	credentials Source
	http        http.Client
}

// NewClient returns a client for the site at an https address without a trailing slash, as in
// https://example.atlassian.net. transport is nil outside of tests.
func NewClient(site string, credentials Source, transport http.RoundTripper) *Client {
	return &Client{site: site, credentials: credentials, http: http.Client{
		Transport: transport, Timeout: callLimit,
		// Elsewhere is no place for the API token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Comment tells the issue of a show about the change of this number. It may be repeated: an issue that
// has a comment of the number gets no second one. Errors may be ErrGone or ErrRefused; after any other
// it is not known whether the comment is there: repeat it later.
func (c *Client) Comment(ctx context.Context, issue string, number int, text string) error {
	return c.Tell(ctx, issue, fmt.Sprintf("change-%d", number), text)
}

// Tell writes a comment under a mark that stands for what it says. It may be repeated, and fails as Comment
// does.
func (c *Client) Tell(ctx context.Context, issue, mark, text string) error {
	ctx, cancel := context.WithTimeout(ctx, allLimit)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := c.writeOnce(ctx, issue, mark, text)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("comment on %s at %s: %w", issue, c.site, err)
		if errors.Is(err, ErrGone) || errors.Is(err, ErrRefused) || attempt == attempts {
			return err
		}
		var busy *busy
		if errors.As(err, &busy) {
			pause = max(pause, busy.after)
		}
		if !wait(ctx, pause) {
			return err
		}
		pause *= 2
	}
}

// wait returns false at once if the pause would outlast the context.
func wait(ctx context.Context, pause time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
		return false
	}
	return smithytime.SleepWithContext(ctx, pause) == nil
}

// writeOnce looks before it writes: the answer to an earlier attempt may have been lost. Two that look at
// the same time can both write, so whoever calls sees to it that only one run works on an issue.
func (c *Client) writeOnce(ctx context.Context, issue, mark, text string) error {
	credentials, err := c.credentials.Credentials(ctx)
	if err != nil {
		return err
	}
	there, err := c.has(ctx, credentials, issue, mark)
	if err != nil || there {
		return err
	}
	return c.call(ctx, credentials, http.MethodPost, commentsOf(issue), newComment(mark, text), nil)
}

type comment struct {
	ID         string            `json:"id"`
	Properties []commentProperty `json:"properties"`
}

type commentProperty struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// has says whether one of the issue's newest comments carries the mark. It is documented that a list of
// comments by their ids has their properties, and not whether an issue's comments have them when asked.
func (c *Client) has(ctx context.Context, credentials Credentials, issue, mark string) (bool, error) {
	var page struct {
		Comments []comment `json:"comments"`
	}
	path := commentsOf(issue) + "?expand=properties&orderBy=-created&maxResults=" + strconv.Itoa(newest)
	if err := c.call(ctx, credentials, http.MethodGet, path, nil, &page); err != nil {
		return false, err
	}
	var ids []int64
	for _, written := range page.Comments {
		if written.Properties != nil {
			return anyMarked(page.Comments, mark), nil
		}
		id, err := strconv.ParseInt(written.ID, 10, 64)
		if err != nil {
			return false, fmt.Errorf("%w: its comments have ids that are no numbers", ErrRefused)
		}
		ids = append(ids, id)
	}
	if ids == nil {
		return false, nil
	}
	var list struct {
		Values []comment `json:"values"`
	}
	wanted := map[string]any{"ids": ids}
	if err := c.call(ctx, credentials, http.MethodPost, "/rest/api/3/comment/list?expand=properties", wanted, &list); err != nil {
		return false, err
	}
	return anyMarked(list.Values, mark), nil
}

func anyMarked(comments []comment, mark string) bool {
	return slices.ContainsFunc(comments, func(written comment) bool { return written.marked(mark) })
}

func (w comment) marked(mark string) bool {
	for _, p := range w.Properties {
		if value, ok := p.Value.(map[string]any); ok && p.Key == property && value["mark"] == mark {
			return true
		}
	}
	return false
}

func commentsOf(issue string) string {
	return "/rest/api/3/issue/" + url.PathEscape(issue) + "/comment"
}

// newComment is one that whoever asked may see in the portal, one paragraph for each line of text.
// https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
func newComment(mark, text string) any {
	var paragraphs []any
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			paragraphs = append(paragraphs, map[string]any{
				"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": line}},
			})
		}
	}
	return map[string]any{
		"body": map[string]any{"type": "doc", "version": 1, "content": paragraphs},
		"properties": []commentProperty{
			{property, map[string]any{"mark": mark}},
			{"sd.public.comment", map[string]any{"internal": false}},
		},
	}
}

// busy is an answer after which the same may be asked again.
type busy struct {
	status int
	after  time.Duration // that Jira asks to wait; zero if it does not say
}

func (b *busy) Error() string { return fmt.Sprintf("it answers %d: try again later", b.status) }

// call makes one call and reads the answer into result, unless that is nil. Neither the token nor what
// Jira says is in its errors.
func (c *Client) call(ctx context.Context, credentials Credentials, method, path string, body, result any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.site+path, nil)
	if err != nil {
		return err
	}
	if body != nil {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(encoded)), int64(len(encoded))
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(credentials.Email, credentials.APIToken)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if err := judge(response); err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return errors.New("it answers something that is not JSON as documented")
	}
	return nil
}

func judge(r *http.Response) error {
	switch {
	case r.StatusCode < 300:
		return nil
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500:
		seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 0
		}
		return &busy{status: r.StatusCode, after: time.Duration(min(seconds, 3600)) * time.Second}
	case r.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: email and api_token of the secret are no user's (401); put a new token there", ErrRefused)
	case r.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: the user of the API token may not comment (403); add them to the project", ErrRefused)
	case r.StatusCode == http.StatusNotFound:
		return ErrGone
	}
	return fmt.Errorf("%w: it answers %d; see whether the address of the site is right", ErrRefused, r.StatusCode)
}
