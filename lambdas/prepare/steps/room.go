package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/statuses"
)

const (
	// answerWithin is what one answer of the room may take, in all.
	answerWithin = 4 * time.Second
	// longestAnswer is in bytes: the page's largest file has some 40 KB.
	longestAnswer = 1 << 20
	// agent names the visitor in the CDN's logs.
	agent = "waiting-room-prepare"
)

// Room is the waiting room as visitors reach it, through its public address.
type Room struct {
	*statuses.Reader
	address string
	client  *http.Client
}

// NewRoom returns the room at address, which has no trailing slash. A nil transport is Go's own. No
// redirect is followed: one may lead to the shop, with a pass.
func NewRoom(address string, transport http.RoundTripper) *Room {
	client := &http.Client{
		Transport:     transport,
		Timeout:       answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Room{statuses.NewReader(address, client), address, client}
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request. The error is of an answer that did not come, and names the call; what comes back
// may hold a ticket or a pass and is in no error.
func (r *Room) ask(ctx context.Context, method, path, body string, header http.Header) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.address+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("User-Agent", agent)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := r.client.Do(request)
	if err != nil {
		return reply{}, err // it begins with the method and the address
	}
	defer response.Body.Close()
	read, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer+1))
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("%s %s: read the answer: %w", method, r.address+path, err)
	case len(read) > longestAnswer:
		return reply{}, fmt.Errorf("%s %s: the answer has more than %d bytes", method, r.address+path, longestAnswer)
	}
	return reply{response.StatusCode, response.Header, read}, nil
}

// unexpected says in words that a call was not answered as it should be.
func (r *Room) unexpected(method, path string, a reply) error {
	text := fmt.Sprintf("%s %s: answered with %d", method, r.address+path, a.status)
	var problem struct{ Type string }
	if json.Unmarshal(a.body, &problem) == nil {
		if code, ours := strings.CutPrefix(problem.Type, names.ProblemPrefix); ours && names.ValidEvent(code) {
			text += ", " + code
		}
	}
	return errors.New(text)
}

// retryAfter is what an answer asks for, or otherwise.
func (a reply) retryAfter(otherwise time.Duration) time.Duration {
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 60)) * time.Second
	}
	return otherwise
}

// over says whether a status is the last of its run: every place of it is decided.
func over(status room.Status) bool { return status.Phase == room.Closed && status.DrawKey != "" }
