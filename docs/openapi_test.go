// Package docs holds what is written about the room; its test holds the API's description against
// the code.
package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/lambdas/place"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// node is any object of the description.
type node = map[string]any

func read(t *testing.T) node {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var description node
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	return description
}

// at follows a path of keys; a key that is missing fails the test.
func at(t *testing.T, from node, path ...string) node {
	t.Helper()
	for i, key := range path {
		next, ok := from[key].(node)
		if !ok {
			t.Fatalf("openapi.json has no %s", strings.Join(path[:i+1], " > "))
		}
		from = next
	}
	return from
}

// resolve follows a reference, if the node is one.
func resolve(t *testing.T, description node, value any) node {
	t.Helper()
	if reference, ok := value.(node)["$ref"].(string); ok {
		return at(t, description, strings.Split(strings.TrimPrefix(reference, "#/"), "/")...)
	}
	return value.(node)
}

func TestVersion(t *testing.T) {
	if version, _ := read(t)["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("OpenAPI %q, want 3.1", version)
	}
}

// operations are "METHOD path" of everything described.
func operations(t *testing.T, description node) map[string]node {
	t.Helper()
	found := map[string]node{}
	for path, item := range at(t, description, "paths") {
		for method, operation := range item.(node) {
			if method != "parameters" {
				found[strings.ToUpper(method)+" "+path] = operation.(node)
			}
		}
	}
	return found
}

func TestOperationsAreTheRoutes(t *testing.T) {
	found := operations(t, read(t))
	var want []string
	for _, route := range names.Routes() {
		want = append(want, route.Method+" "+route.Path)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("described are %q, answered %q", got, want)
	}
}

func TestStatuses(t *testing.T) {
	tests := map[string]string{
		names.FunctionJoin:  "200 201 400 403 404 410 413 429 503",
		names.FunctionAdmit: "200 202 400 401 404 410 413 429 503",
		names.FunctionPlace: "200 401 403 404 410 429 503",
		"join-form":         "303 400 403 404 413 429 503",
		"enter-form":        "200 303 403 404 429 503",
		"qr":                "200 400 404 413 429 503",
	}
	for key, operation := range operations(t, read(t)) {
		id := operation["operationId"].(string)
		got := strings.Join(slices.Sorted(maps.Keys(at(t, operation, "responses"))), " ")
		if got != tests[id] {
			t.Errorf("%s answers %s, want %s", key, got, tests[id])
		}
	}
}

func TestReferencesResolve(t *testing.T) { resolveAll(t, read(t)) }

// resolveAll follows every reference of a description.
func resolveAll(t *testing.T, description node) {
	t.Helper()
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case node:
			resolve(t, description, value)
			for _, inner := range value {
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		}
	}
	walk(description)
}

// problems are all that the functions may answer.
func problems() []*httpapi.Problem {
	return []*httpapi.Problem{
		httpapi.UnknownEvent, httpapi.NotFound, httpapi.MethodNotAllowed, httpapi.NotOpenYet, httpapi.SoldOut,
		httpapi.Over, httpapi.TurnExpired, httpapi.PassExpired, httpapi.BadTicket, httpapi.OtherRun, httpapi.Busy,
		httpapi.CrossSite, httpapi.TooLarge, httpapi.Internal, httpapi.BadRequest("Send a JSON object."), httpapi.OverCap(0),
	}
}

func TestProblemsAreWhatIsAnswered(t *testing.T) {
	description := read(t)
	examples := at(t, description, "components", "examples")
	var want []any
	for _, problem := range problems() {
		want = append(want, names.ProblemPrefix+problem.Code)
		var answered node
		if err := json.Unmarshal([]byte(problem.Response().Body), &answered); err != nil {
			t.Fatal(err)
		}
		if got := at(t, examples, problem.Code, "value"); !reflect.DeepEqual(got, answered) {
			t.Errorf("%s is described as %v and answered as %v", problem.Code, got, answered)
		}
	}
	got := at(t, description, "components", "schemas", "Problem", "properties", "type")["enum"].([]any)
	text := func(a, b any) int { return strings.Compare(a.(string), b.(string)) }
	slices.SortFunc(got, text)
	slices.SortFunc(want, text)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problem types %q, want %q", got, want)
	}
}

// A problem that asks for another try says when, and one under a status has that status.
func TestErrorAnswers(t *testing.T) {
	description := read(t)
	retries := map[string]bool{}
	for _, problem := range problems() {
		retries[problem.Code] = problem.RetryAfter > 0
	}
	for key, operation := range operations(t, description) {
		for status, answer := range at(t, operation, "responses") {
			answer := resolve(t, description, answer)
			if answer["headers"].(node)["Cache-Control"] == nil {
				t.Errorf("%s %s may be cached", key, status)
			}
			if status < "400" {
				continue
			}
			content := at(t, answer, "content")
			if content["text/html"] != nil {
				if again := answer["headers"].(node)["Retry-After"] != nil; again != (status == "429" || status == "503") {
					t.Errorf("%s %s: a page with Retry-After: %v", key, status, again)
				}
				if content["application/problem+json"] == nil {
					continue
				}
			}
			for code, example := range at(t, answer, "content", "application/problem+json", "examples") {
				value := at(t, resolve(t, description, example), "value")
				if got := fmt.Sprint(value["status"]); got != status {
					t.Errorf("%s: %s is under %s and has the status %s", key, code, status, got)
				}
				if got := answer["headers"].(node)["Retry-After"] != nil; got != retries[code] {
					t.Errorf("%s %s: Retry-After described: %v, answered: %v", key, code, got, retries[code])
				}
			}
		}
	}
}

func TestSchemasAreTheAnswers(t *testing.T) {
	schemas := at(t, read(t), "components", "schemas")
	for name, answer := range map[string]any{
		"Status": room.Status{},
		"Joined": join.Answer{}, "Admitted": admit.Admitted{}, "Waiting": admit.Waiting{}, "Place": place.Answer{}, "Code": place.Code{},
	} {
		var all, required []string
		for field := range reflect.TypeOf(answer).Fields() {
			member, option, _ := strings.Cut(field.Tag.Get("json"), ",")
			all = append(all, member)
			if option != "omitempty" {
				required = append(required, member)
			}
		}
		slices.Sort(all)
		if got := slices.Sorted(maps.Keys(at(t, schemas, name, "properties"))); !slices.Equal(got, all) {
			t.Errorf("%s has %q, answered are %q", name, got, all)
		}
		if got := sorted(schemas[name].(node)["required"]); !slices.Equal(got, sorted(required)) {
			t.Errorf("%s: always there are %q, answered %q", name, got, required)
		}
	}
}

// sorted takes a list of texts as the description or Go has it.
func sorted(list any) []string {
	var all []string
	values := reflect.ValueOf(list)
	for i := range values.Len() {
		all = append(all, fmt.Sprint(values.Index(i).Interface()))
	}
	slices.Sort(all)
	return all
}

func TestPhases(t *testing.T) {
	want := sorted([]room.Phase{room.Scheduled, room.PreQueue, room.Open, room.Paused, room.SoldOut, room.Closed})
	for _, schema := range []string{"Place", "Status"} {
		got := sorted(at(t, read(t), "components", "schemas", schema, "properties", "phase")["enum"])
		if !slices.Equal(got, want) {
			t.Errorf("%s: phases %q, want %q", schema, got, want)
		}
	}
}

// Every example must be what its schema says, or a client is built after something that never comes.
func TestExamplesMatchTheirSchemas(t *testing.T) {
	description := read(t)
	checked := 0
	var walk func(where string, value any)
	walk = func(where string, value any) {
		object, ok := value.(node)
		if !ok {
			return
		}
		if object["schema"] != nil && object["examples"] != nil {
			for name, example := range object["examples"].(node) {
				content := resolve(t, description, example)["value"]
				for _, fault := range faults(t, description, object["schema"], content) {
					t.Errorf("%s > %s: %s", where, name, fault)
				}
				checked++
			}
		}
		for key, inner := range object {
			walk(where+" > "+key, inner)
		}
	}
	walk("openapi.json", description)
	if checked < len(names.Routes()) {
		t.Errorf("%d examples for %d operations", checked, len(names.Routes()))
	}
}

// faults compares a value with the parts of JSON Schema that the description uses.
func faults(t *testing.T, description node, schema, value any) []string {
	t.Helper()
	var found []string
	rules := resolve(t, description, schema)
	if choices, ok := rules["enum"].([]any); ok && !slices.Contains(choices, value) {
		found = append(found, fmt.Sprintf("%v is none of %v", value, choices))
	}
	switch value := value.(type) {
	case node:
		properties := at(t, rules, "properties")
		for _, name := range rules["required"].([]any) {
			if value[name.(string)] == nil {
				found = append(found, fmt.Sprintf("%s is missing", name))
			}
		}
		for name, inner := range value {
			if properties[name] == nil {
				found = append(found, name+" is not described")
				continue
			}
			for _, fault := range faults(t, description, properties[name], inner) {
				found = append(found, name+": "+fault)
			}
		}
	case string:
		if pattern, ok := rules["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
			found = append(found, fmt.Sprintf("%q does not match %s", value, pattern))
		}
		if kind := rules["type"]; kind != nil && kind != "string" {
			found = append(found, fmt.Sprintf("%q is no %v", value, kind))
		}
	case float64:
		if rules["type"] != "integer" {
			found = append(found, fmt.Sprintf("%v is no %v", value, rules["type"]))
		}
		if least, ok := rules["minimum"].(float64); ok && value < least {
			found = append(found, fmt.Sprintf("%v is below %v", value, least))
		}
		if most, ok := rules["maximum"].(float64); ok && value > most {
			found = append(found, fmt.Sprintf("%v is above %v", value, most))
		}
	}
	return found
}

func TestFaultsAreFound(t *testing.T) {
	description := read(t)
	schema := node{"$ref": "#/components/schemas/Joined"}
	good := node{"ticket": "v1.a.b", "visitor": strings.Repeat("0", 32), "cohort": 0.0, "shard": 3.0, "seq": 1.0}
	if got := faults(t, description, schema, good); got != nil {
		t.Fatalf("a good value has faults: %q", got)
	}
	for name, wrong := range map[string]any{
		"ticket": "v2.a.b", "visitor": "0", "cohort": -1.0, "shard": 128.0, "seq": "1", "other": 1.0,
	} {
		bad := maps.Clone(good)
		bad[name] = wrong
		if got := faults(t, description, schema, bad); len(got) != 1 {
			t.Errorf("%s = %v: faults %q", name, wrong, got)
		}
	}
	delete(good, "seq")
	if got := faults(t, description, schema, good); len(got) != 1 {
		t.Errorf("seq missing: faults %q", got)
	}
	if got := faults(t, description, node{"enum": []any{"a"}}, "b"); len(got) != 1 {
		t.Errorf("none of the choices: faults %q", got)
	}
}
