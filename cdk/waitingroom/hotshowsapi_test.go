package waitingroom

import (
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// ofAPI are the resources of a kind that belong to an API.
func (d document) ofAPI(t *testing.T, kind, api string) map[string]resource {
	t.Helper()
	found := d.All(kind)
	for id, part := range found {
		if text(t, part.Properties["RestApiId"]) != api {
			delete(found, id)
		}
	}
	return found
}

// Every call is signed but Jira's, and has its form checked before a function runs.
func TestHotShowRoutes(t *testing.T) {
	for name, room := range withShows() {
		api := room.resolved(t, room.HotShowsAPI.RestApiId())
		want := []string{}
		for _, route := range names.HotShowRoutes() {
			if route.Function == names.FunctionJira && room.props.HotShows.Jira == nil {
				continue
			}
			who, show := "AWS_IAM", "null"
			if route.Path == names.PathJira {
				who = "NONE"
			}
			if strings.Contains(route.Path, "{show}") {
				show = `{"method.request.path.show":true}`
			}
			id, _ := room.function(t, route.Function)
			want = append(want, strings.Join([]string{route.Method, route.Path, id, who, show}, " "))
		}
		got := []string{}
		for id, method := range room.ofAPI(t, "AWS::ApiGateway::Method", api) {
			called := ""
			for function := range room.All("AWS::Lambda::Function") {
				if slices.Contains(references(method.Properties["Integration"]), function) {
					called = function
				}
			}
			got = append(got, strings.Join([]string{method.Properties["HttpMethod"].(string), room.methodPath(method), called,
				method.Properties["AuthorizationType"].(string), text(t, method.Properties["RequestParameters"])}, " "))
			if method.Properties["ApiKeyRequired"] == true {
				t.Errorf("%s: %s asks for a key that nobody has", name, id)
			}
			validator := room.Resources[references(method.Properties["RequestValidatorId"])[0]]
			if validator.Properties["ValidateRequestBody"] != true || validator.Properties["ValidateRequestParameters"] != true {
				t.Errorf("%s: %s takes requests of any form", name, id)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: methods\n%s, want\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// The API is not CloudFront's, which would break signatures, and is called by this account alone.
func TestHotShowsAPI(t *testing.T) {
	for name, room := range withShows() {
		apis := room.Every(t, "AWS::ApiGateway::RestApi", 2)
		for id, api := range apis {
			if text(t, map[string]any{"Ref": id}) != room.resolved(t, room.HotShowsAPI.RestApiId()) {
				continue
			}
			if got := text(t, api.Properties); got != `{"EndpointConfiguration":{"Types":["REGIONAL"]},"Name":"`+room.Name+`-hotshows"}` {
				t.Errorf("%s: the API is %s", name, got)
			}
		}
		for id, distribution := range room.All("AWS::CloudFront::Distribution") {
			if strings.Contains(text(t, distribution.Properties), room.resolved(t, room.HotShowsAPI.RestApiId())) {
				t.Errorf("%s: %s leads to the hot shows", name, id)
			}
		}
	}
}

// All of the API takes little of what the account may take, and its open door less.
func TestHotShowsAreThrottled(t *testing.T) {
	want := map[string]string{
		"shows": `[{"DataTraceEnabled":false,"HttpMethod":"*","ResourcePath":"/*","ThrottlingBurstLimit":100,"ThrottlingRateLimit":50}]`,
		"named": `[{"DataTraceEnabled":false,"HttpMethod":"*","ResourcePath":"/*","ThrottlingBurstLimit":100,"ThrottlingRateLimit":50},` +
			`{"DataTraceEnabled":false,"HttpMethod":"POST","ResourcePath":"/~1v1~1jira","ThrottlingBurstLimit":50,"ThrottlingRateLimit":10}]`,
	}
	for name, room := range withShows() {
		for id, stage := range room.ofAPI(t, "AWS::ApiGateway::Stage", room.resolved(t, room.HotShowsAPI.RestApiId())) {
			if got := text(t, stage.Properties["MethodSettings"]); got != want[name] {
				t.Errorf("%s: %s: %s, want %s", name, id, got, want[name])
			}
		}
	}
}

// A request to ask for a show has what it cannot do without; what is decided about one may be empty.
func TestHotShowBodies(t *testing.T) {
	room := synthesised.named
	asked := readAPI(t, "hotshows-api.json").Components.Schemas["Request"].Required
	models := map[string]string{
		names.PathHotShows: text(t, slices.Sorted(slices.Values(asked))),
		names.PathJira:     `null`,
	}
	checked := 0
	for id, method := range room.ofAPI(t, "AWS::ApiGateway::Method", synthesised.namedRoom.resolved(t, synthesised.namedRoom.HotShowsAPI.RestApiId())) {
		chosen, _ := method.Properties["RequestModels"].(map[string]any)
		required, has := models[room.methodPath(method)]
		if has = has && method.Properties["HttpMethod"] == "POST"; has != (chosen != nil) {
			t.Errorf("%s: models %v", id, chosen)
		}
		if !has {
			continue
		}
		checked++
		if len(chosen) != 2 || text(t, chosen["$default"]) != text(t, chosen["application/json"]) {
			t.Errorf("%s: models %v", id, chosen)
		}
		schema := room.Resources[references(chosen["application/json"])[0]].Properties["Schema"].(map[string]any)
		if schema["type"] != "object" || schema["additionalProperties"] != nil || text(t, schema["required"]) != required {
			t.Errorf("%s: %v, want an object with %s", id, schema, required)
		}
	}
	if checked != len(models) {
		t.Errorf("%d models, want %d", checked, len(models))
	}
}
