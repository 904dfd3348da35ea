package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

func wantProblem(t *testing.T, err error, status int, code string) {
	t.Helper()
	var p *httpapi.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is no problem, want %s", err, code)
	}
	if p.Status != status || p.Code != code {
		t.Errorf("%d %s, want %d %s", p.Status, p.Code, status, code)
	}
}

const limit = 64

// object is a JSON object of exactly n bytes.
func object(n int) string { return `{"text":"` + strings.Repeat("a", n-len(`{"text":""}`)) + `"}` }

func TestDecode(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	tests := []struct {
		name   string
		body   string
		base64 bool
		want   string // of the field, if the status is 0
		status int
	}{
		{name: "an object", body: `{"text":"a"}`, want: "a"},
		{name: "space around it", body: "\r\n\t {\"text\":\"a\"} \n", want: "a"},
		{name: "fields of a newer page", body: `{"new":[1,{}],"text":"a"}`, want: "a"},
		{name: "no field", body: `{}`},
		{name: "null is no text", body: `{"text":null}`},
		{name: "as large as may be", body: object(limit), want: strings.Repeat("a", limit-11)},
		{name: "in base64", body: encode([]byte(`{"text":"a"}`)), base64: true, want: "a"},
		{name: "as large as may be in base64", body: encode([]byte(object(limit))), base64: true, want: strings.Repeat("a", limit-11)},

		{name: "nothing", status: 400},
		{name: "only space", body: " \n", status: 400},
		{name: "nothing in base64", base64: true, status: 400},
		{name: "plain text", body: "text=a", status: 400},
		{name: "an array", body: `[{"text":"a"}]`, status: 400},
		{name: "a text", body: `"a"`, status: 400},
		{name: "null", body: `null`, status: 400},
		{name: "half an object", body: `{"text":"a"`, status: 400},
		{name: "a number for a text", body: `{"text":1}`, status: 400},
		{name: "an object for a text", body: `{"text":{}}`, status: 400},
		{name: "a list for a text", body: `{"text":["a"]}`, status: 400},
		{name: "a comma too many", body: `{"text":"a",}`, status: 400},
		{name: "something behind it", body: `{"text":"a"}x`, status: 400},
		{name: "a second object", body: `{"text":"a"}{"text":"b"}`, status: 400},
		{name: "a bracket behind it", body: `{"text":"a"}]`, status: 400},
		{name: "a byte order mark", body: "\ufeff" + `{"text":"a"}`, status: 400},
		{name: "a raw line break in a text", body: "{\"text\":\"a\nb\"}", status: 400},
		{name: "base64 that is none", body: `{"text":"a"}`, base64: true, status: 400},
		{name: "base64 in the address alphabet", body: base64.RawURLEncoding.EncodeToString([]byte(`{"text":"a?>"}`)), base64: true, status: 400},
		{name: "an array in base64", body: encode([]byte(`["a"]`)), base64: true, status: 400},
		{name: "a byte too large", body: object(limit + 1), status: 413},
		{name: "a byte too large in base64", body: encode([]byte(object(limit + 1))), base64: true, status: 413},
		{name: "space counts", body: object(limit) + " ", status: 413},
		{name: "huge", body: strings.Repeat("{", 6<<20), status: 413},
		{name: "huge in base64", body: strings.Repeat("e3t7", 1<<20), base64: true, status: 413},
		{name: "line breaks in base64 count", body: encode([]byte(`{"text":"a"}`)) + strings.Repeat("\n", 6<<20), base64: true, status: 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got struct {
				Text string `json:"text"`
			}
			err := httpapi.Decode(httpapi.Request{Body: test.body, IsBase64Encoded: test.base64}, limit, &got)
			switch {
			case test.status == http.StatusBadRequest:
				wantProblem(t, err, test.status, "bad-request")
			case test.status == http.StatusRequestEntityTooLarge:
				wantProblem(t, err, test.status, "too-large")
			case err != nil || got.Text != test.want:
				t.Errorf("%q, %v, want %q", got.Text, err, test.want)
			}
		})
	}
}

// What is wrong is named, and what the client sent is not repeated: it may be a secret.
func TestDecodeNamesTheField(t *testing.T) {
	var v struct {
		Secret string `json:"secret"`
	}
	err := httpapi.Decode(httpapi.Request{Body: `{"secret":4711}`}, limit, &v)
	wantProblem(t, err, 400, "bad-request")
	if text := err.Error(); !strings.Contains(text, `"secret"`) || !strings.Contains(text, "string") || strings.Contains(text, "4711") {
		t.Error(text)
	}
}

func TestBearer(t *testing.T) {
	tests := []struct {
		name    string
		headers map[string]string
		want    string
		bad     bool
	}{
		{name: "as written", headers: map[string]string{"Authorization": "Bearer v1.a.b"}, want: "v1.a.b"},
		{name: "as HTTP/2 writes it", headers: map[string]string{"host": "h", "authorization": "bearer v1.a.b"}, want: "v1.a.b"},
		{name: "in capitals", headers: map[string]string{"AUTHORIZATION": "BEARER v1.a.b"}, want: "v1.a.b"},
		{name: "with more space", headers: map[string]string{"Authorization": "Bearer   v1.a.b "}, want: "v1.a.b"},
		{name: "no headers", bad: true},
		{name: "another header", headers: map[string]string{"X-Authorization": "Bearer v1.a.b"}, bad: true},
		{name: "empty", headers: map[string]string{"Authorization": ""}, bad: true},
		{name: "the scheme alone", headers: map[string]string{"Authorization": "Bearer"}, bad: true},
		{name: "another scheme", headers: map[string]string{"Authorization": "Basic djEuYS5i"}, bad: true},
		{name: "no scheme", headers: map[string]string{"Authorization": "v1.a.b"}, bad: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := httpapi.Bearer(httpapi.Request{Headers: test.headers})
			if test.bad {
				wantProblem(t, err, 401, "bad-ticket")
			} else if err != nil || got != test.want {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0",
		1:                               "1",
		time.Millisecond:                "1",
		time.Second:                     "1",
		time.Second + 1:                 "2",
		1999 * time.Millisecond:         "2",
		59*time.Second + 1:              "60",
		time.Hour:                       "3600",
		24*time.Hour + time.Duration(1): "86401",
	} {
		if got := httpapi.RetryAfter(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// A window may open in a few milliseconds, or have opened since: zero would tell a page not to ask
// by itself.
func TestOverCapAlwaysSaysWhen(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "1", 0: "1", 300 * time.Millisecond: "1", 1001 * time.Millisecond: "2", 10 * time.Second: "10"} {
		if got := httpapi.OverCap(d).Response().Headers["Retry-After"]; got != want {
			t.Errorf("%v: Retry-After %q, want %s", d, got, want)
		}
	}
}

// documented are the codes in the API's description.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var description struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Type struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, kind := range description.Components.Schemas.Problem.Properties.Type.Enum {
		code, found := strings.CutPrefix(kind, names.ProblemPrefix)
		if !found {
			t.Errorf("the type %q lacks the prefix %s", kind, names.ProblemPrefix)
		}
		codes = append(codes, code)
	}
	return codes
}

// written are the codes in this package's source, so that nobody has to keep a list of them.
func written(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "Code" {
			return true
		}
		literal, ok := pair.Value.(*ast.BasicLit)
		if !ok {
			t.Fatal("a code is not a literal: this test does not see it")
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
		return true
	})
	return codes
}

func TestEveryProblemIsDescribedOnce(t *testing.T) {
	got, want := written(t), documented(t)
	slices.Sort(got)
	slices.Sort(want)
	if len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("problems %q, described are %q", got, want)
	}
	if once := slices.Compact(slices.Clone(got)); len(once) != len(got) {
		t.Errorf("a code stands for two problems: %q", got)
	}
}

// answer is what a client gets when a handler fails with err, what is logged and what is counted.
func answer(t *testing.T, err error) (httpapi.Response, string, []metricstest.Point) {
	t.Helper()
	var log, counts bytes.Buffer
	handler := httpapi.Handler(func(context.Context, httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{}, err
	}).Answer(slog.New(slog.NewJSONHandler(&log, nil)), &metrics.Log{Out: &counts, Room: "test", Now: time.Now})
	request := httpapi.Request{
		Resource:       "/v1/events/{event}/join",
		PathParameters: map[string]string{names.EventParameter: "demo"},
		Headers:        map[string]string{"Authorization": "Bearer the-ticket"},
		Body:           `{"secret":"the-secret"}`,
	}
	request.RequestContext.RequestID = "request-1"
	response, failure := handler(t.Context(), request)
	if failure != nil {
		t.Fatalf("%v reached the runtime: %v", err, failure)
	}
	if strings.Contains(counts.String(), "demo") {
		t.Errorf("a name that anybody can make up is counted: %s", counts.String())
	}
	return response, log.String(), metricstest.Points(t, counts.String())
}

func TestErrorsBecomeProblems(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{room.ErrNotOpenYet, 403, "not-open-yet", ""},
		{room.ErrSoldOut, 410, "sold-out", ""},
		{room.ErrOver, 410, "over", ""},
		{room.ErrNoPlace, 401, "bad-ticket", ""},
		{ticket.ErrBad, 401, "bad-ticket", ""},
		{store.ErrThrottled, 429, "busy", "2"},
		{pass.ErrThrottled, 429, "busy", "2"},
		{store.ErrFenced, 503, "internal", "2"},
		{store.ErrNotFound, 503, "internal", "2"},
		{context.DeadlineExceeded, 503, "internal", "2"},
		{errors.New("anything else"), 503, "internal", "2"},
		{httpapi.UnknownEvent, 404, "unknown-event", ""},
		{httpapi.NotFound, 404, "not-found", ""},
		{httpapi.MethodNotAllowed, 405, "method-not-allowed", ""},
		{httpapi.TurnExpired, 410, "turn-expired", ""},
		{httpapi.PassExpired, 410, "pass-expired", ""},
		{httpapi.OtherRun, 401, "other-run", ""},
		{httpapi.TooLarge, 413, "too-large", ""},
		{httpapi.BadRequest("Mend it."), 400, "bad-request", ""},
		{httpapi.OverCap(7 * time.Second), 429, "over-cap", "7"},
	}
	for _, test := range tests {
		t.Run(test.err.Error(), func(t *testing.T) {
			response, log, counts := answer(t, fmt.Errorf("while at it: %w", test.err))
			want := map[string]string{
				"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			}
			if test.retry != "" {
				want["Retry-After"] = test.retry
			}
			if test.status == http.StatusUnauthorized {
				want["WWW-Authenticate"] = "Bearer"
			}
			if response.StatusCode != test.status || !maps.Equal(response.Headers, want) {
				t.Errorf("%d %v, want %d %v", response.StatusCode, response.Headers, test.status, want)
			}
			var document map[string]any
			if err := json.Unmarshal([]byte(response.Body), &document); err != nil {
				t.Fatalf("%s: %v", response.Body, err)
			}
			if document["type"] != names.ProblemPrefix+test.code || document["status"] != float64(test.status) ||
				document["title"] == "" || document["detail"] == "" {
				t.Errorf("document %s, want %s", response.Body, test.code)
			}
			// Details of a fault are for the log, and only ours are worth a line in it.
			if strings.Contains(response.Body, "while at it") {
				t.Errorf("the client is told %s", response.Body)
			}
			if len(counts) != 1 || counts[0].Name != names.MetricRefusals || counts[0].Reason != test.code || counts[0].Value != 1 {
				t.Errorf("counted %+v, want one %s", counts, test.code)
			}
			level := map[string]string{"internal": `"ERROR"`, "busy": `"WARN"`}[test.code]
			if (level != "") != (log != "") || !strings.Contains(log, level) {
				t.Errorf("logged %q", log)
			}
		})
	}
}

func TestFaultsAreLoggedWithoutSecrets(t *testing.T) {
	_, text, _ := answer(t, errors.New("the table is gone"))
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for name, want := range map[string]any{
		"level": "ERROR", "event": "demo", "request": "request-1", "route": "/v1/events/{event}/join", "error": "the table is gone",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if strings.Contains(text, "the-secret") || strings.Contains(text, "the-ticket") {
		t.Error(text)
	}
}

func TestAnswersPassUnchanged(t *testing.T) {
	want, err := httpapi.OK(http.StatusCreated, map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	if want.Body != `{"n":1}` || want.Headers["Content-Type"] != "application/json" || want.Headers["Cache-Control"] != "no-store" {
		t.Errorf("%+v", want)
	}
	handler := httpapi.Handler(func(context.Context, httpapi.Request) (httpapi.Response, error) { return want, nil })
	var counts bytes.Buffer
	log := &metrics.Log{Out: &counts, Room: "test", Now: time.Now}
	got, err := handler.Answer(slog.New(slog.DiscardHandler), log)(t.Context(), httpapi.Request{})
	if err != nil || got.StatusCode != http.StatusCreated || got.Body != want.Body || !maps.Equal(got.Headers, want.Headers) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if counts.Len() != 0 {
		t.Errorf("counted as a refusal: %s", counts.String())
	}
}

func TestEvent(t *testing.T) {
	if got, err := httpapi.Event(httpapi.Request{}); got != "" || err != httpapi.UnknownEvent {
		t.Errorf("%q, %v from a request without path parameters", got, err)
	}
	request := httpapi.Request{PathParameters: map[string]string{names.EventParameter: "demo"}}
	if got, err := httpapi.Event(request); got != "demo" || err != nil {
		t.Errorf("%q, %v, want demo", got, err)
	}
}
