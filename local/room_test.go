package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// connections is how many requests of a test are under way at once.
const connections = 64

// opened is a room that a test has started, and the ways in which its visitors, its promoter and
// its operators look at it: all of them from outside.
type opened struct {
	*Room
	client   *http.Client
	promoter *ssm.Client
	tables   *awsdynamodb.Client
	log      *journal
}

func open(t *testing.T, onSale time.Time, rate int) *opened {
	t.Helper()
	return openWith(t, Options{OnSale: onSale, Rate: rate})
}

// openWith starts a room on ports of its own. The test fails if the room logs an error, does
// not close as it should or keeps its lease.
func openWith(t *testing.T, o Options) *opened {
	t.Helper()
	o.Listen, o.AWSListen, o.Event = "127.0.0.1:0", "127.0.0.1:0", "demo"
	log := newJournal()
	started, err := Start(t.Context(), o, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := &opened{
		Room: started,
		client: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		promoter: ssm.NewFromConfig(started.config()),
		tables:   awsdynamodb.NewFromConfig(started.config()),
		log:      log,
	}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		if err := started.Close(); err != nil {
			t.Errorf("the room did not close: %v", err)
		}
		for _, line := range log.all() {
			if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, "lease not handed over") {
				t.Errorf("the room logged: %s", line)
			}
		}
	})
	return r
}

// reply is an HTTP response that has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// wait is what the answer asks for in Retry-After.
func (a reply) wait() time.Duration {
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// String leaves the body out, which may hold a ticket or a pass, unless it is a problem.
func (a reply) String() string {
	if a.status >= 400 {
		return fmt.Sprintf("%d %s", a.status, a.body)
	}
	return strconv.Itoa(a.status)
}

func (r *opened) send(ctx context.Context, method, path, body string, header http.Header) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.address+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := r.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, read}, err
}

func (r *opened) get(ctx context.Context, path string) (reply, error) {
	return r.send(ctx, http.MethodGet, path, "", nil)
}

// operation is the address of join, admit or place.
func (r *opened) operation(name string) string { return "/v1/events/" + r.options.Event + "/" + name }

// document reads a published document into v.
func (r *opened) document(ctx context.Context, path string, v any) error {
	a, err := r.get(ctx, path)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s: %s", path, a)
	}
	return json.Unmarshal(a.body, v)
}

func (r *opened) status(ctx context.Context) (room.Status, error) {
	var status room.Status
	err := r.document(ctx, names.StatusPrefix+r.options.Event+".json", &status)
	return status, err
}

// await polls the status, which is cached for a second, until it is as the test wants it.
func (r *opened) await(ctx context.Context, t *testing.T, want string, is func(room.Status) bool) room.Status {
	t.Helper()
	for {
		status, err := r.status(ctx)
		if err == nil && is(status) {
			return status
		}
		if pause(ctx, time.Second/2) != nil {
			t.Fatalf("no status says %s; the last one: %+v (%v)", want, status, err)
		}
	}
}

// set is `aws ssm put-parameter --overwrite` for a parameter of event.
func (r *opened) set(t *testing.T, event, parameter, value string) {
	t.Helper()
	_, err := r.promoter.PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String(names.ParameterPath + event + "/" + parameter), Value: aws.String(value),
		Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tick starts an invocation now, and not within the minute. It lives as long as the test.
func (r *opened) tick(ctx context.Context, t *testing.T) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.invoke(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("tick: %v", err)
		}
	})
}

// state is what tick stored last.
func (r *opened) state(ctx context.Context) (room.State, error) {
	return store.New(r.tables, r.table, time.Now).State(ctx, r.options.Event)
}

// awaitState waits until tick has stored what the test wants.
func (r *opened) awaitState(ctx context.Context, t *testing.T, want string, is func(room.State) bool) room.State {
	t.Helper()
	for {
		st, err := r.state(t.Context())
		if err == nil && is(st) {
			return st
		}
		if pause(ctx, time.Second/4) != nil {
			t.Fatalf("the state does not say %s: %+v (%v)", want, st, err)
		}
	}
}

// journal is a log that a test can wait for and look through.
type journal struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed with every line, and then another one
}

func newJournal() *journal { return &journal{grown: make(chan struct{})} }

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(bytes.TrimSpace(line)))
	close(j.grown)
	j.grown = make(chan struct{})
	return len(line), nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// await returns the first line that holds all the parts.
func (j *journal) await(ctx context.Context, t *testing.T, parts ...string) string {
	t.Helper()
	for {
		j.mu.Lock()
		lines, grown := j.lines, j.grown
		j.mu.Unlock()
		for _, line := range lines {
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
				return line
			}
		}
		select {
		case <-grown:
		case <-ctx.Done():
			t.Fatalf("nothing was logged with %q; the log:\n%s", parts, strings.Join(lines, "\n"))
		}
	}
}
