package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

func readHotShows(t *testing.T) node {
	t.Helper()
	text, err := os.ReadFile("hotshows-api.json")
	if err != nil {
		t.Fatal(err)
	}
	var description node
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	return description
}

// Jira's door is described in its own document: what it takes is Atlassian's.
func TestHotShowOperationsAreTheRoutes(t *testing.T) {
	description := readHotShows(t)
	var want []string
	for _, route := range names.HotShowRoutes() {
		if route.Path != names.PathJira {
			want = append(want, route.Method+" "+route.Path)
		}
	}
	slices.Sort(want)
	found := operations(t, description)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("described are %q, answered %q", got, want)
	}
	if version, _ := description["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("OpenAPI %q, want 3.1", version)
	}
	// Nothing can be called without a signature.
	if got, want := description["security"], []any{node{"iam": []any{}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("security %v, want %v", got, want)
	}
	if got := at(t, description, "components", "securitySchemes", "iam")["x-amazon-apigateway-authtype"]; got != "awsSigv4" {
		t.Errorf("signed by %v", got)
	}
	for key, operation := range found {
		if operation["security"] != nil {
			t.Errorf("%s has a security of its own", key)
		}
	}
}

func TestHotShowStatuses(t *testing.T) {
	tests := map[string]string{
		"ask":     "200 201 400 403 409 413 429 503",
		"list":    "200 400 403 429 503",
		"show":    "200 403 404 429 503",
		"approve": "200 400 403 404 409 413 429 503",
		"reject":  "200 400 403 404 409 413 429 503",
		"cancel":  "200 400 403 404 409 413 429 503",
		"sale":    "200 403 404 429 503",
	}
	for key, operation := range operations(t, readHotShows(t)) {
		got := strings.Join(slices.Sorted(maps.Keys(at(t, operation, "responses"))), " ")
		if want := tests[operation["operationId"].(string)]; got != want {
			t.Errorf("%s answers %s, want %s", key, got, want)
		}
	}
}

// hotShowProblems are all that the API may answer, as its examples have them.
func hotShowProblems(t *testing.T) []*httpapi.Problem {
	t.Helper()
	asked := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	request := exampleRequest(t)
	show := hotshow.Show{ID: "gaydcmrtgq2tmnzy", State: hotshow.Approved, Request: request}
	cancelled := hotshow.Show{State: hotshow.Cancelled, Request: request}
	_, wrongState := cancelled.Approve("somebody", "", false, asked)
	request.Rate = 0
	var invalid *hotshow.Invalid
	if !errors.As(request.Check(asked), &invalid) {
		t.Fatal("a rate of zero is no problem")
	}
	return []*httpapi.Problem{
		httpapi.BadRequest("%v", invalid), api.NotAllowed, api.OwnRequest, api.NoSuchShow, api.NotFound, httpapi.MethodNotAllowed,
		api.Taken(show), api.TooLate, api.WrongState(wrongState), httpapi.TooLarge, httpapi.Internal, gatewayBusy,
	}
}

// gatewayBusy is API Gateway's own answer, in the stack's words.
var gatewayBusy = &httpapi.Problem{Code: "busy", Status: 429, Title: "Very busy",
	Detail: "Too many calls at this moment. Nothing has changed: ask again.", RetryAfter: time.Second}

// exampleRequest is the example in which nothing is left to defaults.
func exampleRequest(t *testing.T) hotshow.Request {
	t.Helper()
	examples := at(t, readHotShows(t), "paths", names.PathHotShows, "post", "requestBody", "content", "application/json", "examples")
	return parsed(t, at(t, examples, "all")["value"])
}

func parsed(t *testing.T, example any) hotshow.Request {
	t.Helper()
	text, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	r, err := hotshow.ParseRequest(text, time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The request that says nothing of what has a default is the same as the one that says it all.
func TestHotShowRequests(t *testing.T) {
	examples := at(t, readHotShows(t), "paths", names.PathHotShows, "post", "requestBody", "content", "application/json", "examples")
	if usual := parsed(t, at(t, examples, "usual")["value"]); !usual.Equal(exampleRequest(t)) {
		t.Errorf("by default %+v", usual)
	}
}

func TestHotShowProblemsAreWhatIsAnswered(t *testing.T) {
	description := readHotShows(t)
	examples := at(t, description, "components", "examples")
	var want []string
	retries := map[string]bool{}
	for _, problem := range hotShowProblems(t) {
		want = append(want, names.ProblemPrefix+problem.Code)
		retries[problem.Code] = problem.RetryAfter > 0
		var answered node
		if err := json.Unmarshal([]byte(problem.Response().Body), &answered); err != nil {
			t.Fatal(err)
		}
		if got := at(t, examples, problem.Code, "value"); !reflect.DeepEqual(got, answered) {
			t.Errorf("%s is described as %v and answered as %v", problem.Code, got, answered)
		}
	}
	if got := sorted(at(t, description, "components", "schemas", "Problem", "properties", "type")["enum"]); !slices.Equal(got, sorted(want)) {
		t.Errorf("problem types %q, want %q", got, want)
	}
	for key, operation := range operations(t, description) {
		for status, answer := range at(t, operation, "responses") {
			answer := resolve(t, description, answer)
			headers := at(t, answer, "headers")
			if headers["Cache-Control"] == nil {
				t.Errorf("%s %s may be cached", key, status)
			}
			if status < "400" {
				continue
			}
			for code, example := range at(t, answer, "content", "application/problem+json", "examples") {
				if got := fmt.Sprint(at(t, resolve(t, description, example), "value")["status"]); got != status {
					t.Errorf("%s: %s is under %s and has the status %s", key, code, status, got)
				}
				if got := headers["Retry-After"] != nil; got != retries[code] {
					t.Errorf("%s %s: Retry-After described: %v, answered: %v", key, code, got, retries[code])
				}
			}
		}
	}
}

// hotShowSchemas are the values that the schemas describe.
func hotShowSchemas() map[string]any {
	return map[string]any{
		"Request": hotshow.Request{}, "Needs": hotshow.Needs{}, "Work": hotshow.Work{}, "Lease": hotshow.Lease{}, "Jira": hotshow.Jira{},
		"Show": hotshow.Show{}, "Change": hotshow.Change{}, "Detailed": api.Detailed{}, "Listed": api.Listed{}, "List": api.List{},
		"Sale": api.Sale{}, "Alarm": api.Alarm{},
	}
}

// jsonMembers are the members that a struct has as JSON, and those that are always there.
func jsonMembers(of reflect.Type) (all, required []string) {
	for field := range of.Fields() {
		if field.Anonymous {
			inner, innerRequired := jsonMembers(field.Type)
			all, required = append(all, inner...), append(required, innerRequired...)
			continue
		}
		member, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, member)
		if option == "" {
			required = append(required, member)
		}
	}
	return all, required
}

func TestHotShowSchemasAreTheAnswers(t *testing.T) {
	description := readHotShows(t)
	schemas := at(t, description, "components", "schemas")
	for name, answer := range hotShowSchemas() {
		all, required := jsonMembers(reflect.TypeOf(answer))
		if got := slices.Sorted(maps.Keys(at(t, schemas, name, "properties"))); !slices.Equal(got, sorted(all)) {
			t.Errorf("%s has %q, in the code %q", name, got, sorted(all))
		}
		if name == "Request" { // its defaults may be left out by who asks
			required = []string{"event", "names", "onsale", "visitors", "over", "rate", "target"}
		}
		if got := sorted(schemas[name].(node)["required"]); !slices.Equal(got, sorted(required)) {
			t.Errorf("%s: always there are %q, in the code %q", name, got, sorted(required))
		}
	}
	if got := sorted(at(t, schemas, "State")["enum"]); !slices.Equal(got, sorted(hotshow.States())) {
		t.Errorf("states %q", got)
	}
	steps := sorted(hotshow.Steps())
	for where, got := range map[string]any{
		"Show":     at(t, schemas, "Show", "properties", "steps", "propertyNames")["enum"],
		"Detailed": at(t, schemas, "Detailed", "properties", "steps", "propertyNames")["enum"],
		"Change":   at(t, schemas, "Change", "properties", "step")["enum"],
	} {
		if !slices.Equal(sorted(got), steps) {
			t.Errorf("steps of %s: %q, want %q", where, got, steps)
		}
	}
	progress := []hotshow.Progress{hotshow.Waiting, hotshow.Begun, hotshow.Up, hotshow.LeftOut, hotshow.Down}
	if got := sorted(at(t, schemas, "Work", "properties", "progress")["enum"]); !slices.Equal(got, sorted(progress)) {
		t.Errorf("progress %q", got)
	}
	request := at(t, schemas, "Request", "properties")
	for limit, want := range map[string]int{
		"visitors maximum": hotshow.MostVisitors, "rate maximum": room.MaxRate, "visitors minimum": 1, "rate minimum": 1,
		"names maxProperties": hotshow.MostLanguages,
	} {
		member, which, _ := strings.Cut(limit, " ")
		if got := at(t, request, member)[which]; got != float64(want) {
			t.Errorf("%s %v, want %d", limit, got, want)
		}
	}
	if got := at(t, request, "names", "additionalProperties")["maxLength"]; got != float64(hotshow.LongestName) {
		t.Errorf("names of %v characters", got)
	}
	if got := at(t, schemas, "Why", "properties", "why")["maxLength"]; got != float64(hotshow.LongestWhy) {
		t.Errorf("reasons of %v characters", got)
	}
}

// An example is what the code would write: it is read into the code's own value and written again.
func TestHotShowExamples(t *testing.T) {
	description := readHotShows(t)
	checked := 0
	for key, operation := range operations(t, description) {
		for status, answer := range at(t, operation, "responses") {
			content, plain := at(t, resolve(t, description, answer), "content")["application/json"].(node)
			if !plain {
				continue
			}
			schema := strings.TrimPrefix(at(t, content, "schema")["$ref"].(string), "#/components/schemas/")
			for name, example := range at(t, content, "examples") {
				checked++
				given, err := json.Marshal(example.(node)["value"])
				if err != nil {
					t.Fatal(err)
				}
				into := reflect.New(reflect.TypeOf(hotShowSchemas()[schema]))
				if err := json.Unmarshal(given, into.Interface()); err != nil {
					t.Errorf("%s %s %s is no %s: %v", key, status, name, schema, err)
					continue
				}
				written, err := json.Marshal(into.Interface())
				if err != nil {
					t.Fatal(err)
				}
				var got any
				if err := json.Unmarshal(written, &got); err != nil {
					t.Fatal(err)
				}
				if want := example.(node)["value"]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s %s %s: described %s, written %s", key, status, name, given, written)
				}
			}
		}
	}
	if operations := len(names.HotShowRoutes()) - 1; checked < operations {
		t.Errorf("%d examples for %d operations", checked, operations)
	}
}

func TestHotShowReferencesResolve(t *testing.T) { resolveAll(t, readHotShows(t)) }
