package runtimeapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	runtimePath = "/2018-06-01/runtime/"
	functionARN = "arn:aws:lambda:" + region + ":123456789012:function:"

	// largestPayload is Lambda's limit of a synchronous event or answer, in bytes.
	largestPayload = 6 << 20
)

// sandbox is the Lambda Runtime API of one environment, as
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html describes it. An environment works
// on one event at a time.
type sandbox struct {
	server   *httptest.Server
	function string
	events   chan invocation

	mu         sync.Mutex
	current    invocation // the one that is not answered yet
	asked      int        // how often the program asked for an event
	initErrors int
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan<- outcome
}

// outcome is what a program said at the end of an invocation.
type outcome struct {
	failed  bool // it posted an error
	payload []byte
}

func newSandbox(t testing.TB, function string) *sandbox {
	s := &sandbox{function: function, events: make(chan invocation)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimePath+"invocation/next", s.next)
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { s.end(w, r, false) })
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { s.end(w, r, true) })
	mux.HandleFunc("POST "+runtimePath+"init/error", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.initErrors++
		w.WriteHeader(http.StatusAccepted)
	})
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

// address is what AWS_LAMBDA_RUNTIME_API holds.
func (s *sandbox) address() string { return strings.TrimPrefix(s.server.URL, "http://") }

// next waits for an event as long as the program does.
func (s *sandbox) next(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	select {
	case <-r.Context().Done():
	case i := <-s.events:
		s.mu.Lock()
		s.current = i
		s.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", functionARN+s.function)
		w.Write(i.payload)
	}
}

// end takes an answer to the event that is being worked on, and to no other.
func (s *sandbox) end(w http.ResponseWriter, r *http.Request, failed bool) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestPayload))
	s.mu.Lock()
	i := s.current
	known := i.id != "" && i.id == r.PathValue("id") && err == nil
	if known {
		s.current = invocation{}
	}
	s.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"errorType": "InvalidRequestID"})
		return
	}
	i.done <- outcome{failed, payload}
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

// begin hands an event to the program when it asks for one. What it says comes over the channel.
func (s *sandbox) begin(ctx context.Context, exited <-chan struct{}, payload []byte, deadline time.Time) (<-chan outcome, error) {
	done := make(chan outcome, 1)
	select {
	case s.events <- invocation{rand.Text(), payload, deadline, done}:
		return done, nil
	case <-exited:
		return nil, errExited
	case <-ctx.Done():
		return nil, fmt.Errorf("%s did not ask for an event: %w", s.function, ctx.Err())
	}
}

var errExited = errors.New("the program has ended")
