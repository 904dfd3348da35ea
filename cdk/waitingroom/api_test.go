package waitingroom

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// Every method asks for the origin's key and has its requests' form checked before a function runs.
func TestRoutes(t *testing.T) {
	methods := every(t, "AWS::ApiGateway::Method", len(names.Routes()))
	validators := every(t, "AWS::ApiGateway::RequestValidator", 1)
	for id, method := range methods {
		if method.Properties["ApiKeyRequired"] != true {
			t.Errorf("%s answers without the origin's key", id)
		}
		validator := validators[references(method.Properties["RequestValidatorId"])[0]]
		if validator.Properties["ValidateRequestBody"] != true || validator.Properties["ValidateRequestParameters"] != true {
			t.Errorf("%s takes requests of any form", id)
		}
		if got := text(t, method.Properties["RequestParameters"]); got != `{"method.request.path.event":true}` {
			t.Errorf("%s: parameters %s", id, got)
		}
	}
	for _, route := range names.Routes() {
		found := slices.ContainsFunc(slices.Collect(maps.Values(methods)), func(method resource) bool {
			target := references(synthesised.document.invoked(t, route.Function))[0]
			return method.Properties["HttpMethod"] == route.Method && synthesised.document.methodPath(method) == route.Path &&
				strings.Contains(text(t, method.Properties["Integration"]), `"`+target+`"`)
		})
		if !found {
			t.Errorf("no method for %s %s by %s", route.Method, route.Path, route.Function)
		}
	}
}

// api is as much of the API's description as the tests read.
type api struct {
	Components struct {
		Schemas map[string]struct {
			Required   []string
			Properties map[string]struct{ Pattern string }
		}
		Examples map[string]struct {
			Value struct {
				Type, Title, Detail string
				Status              int
			}
		}
	}
}

// readAPI reads a description below docs.
func readAPI(t *testing.T, file string) api {
	t.Helper()
	var description api
	if err := json.Unmarshal([]byte(contents(t, "docs/"+file)), &description); err != nil {
		t.Fatal(err)
	}
	return description
}

// What API Gateway lets through is what the description asks for, and members beside it. A form is no
// JSON, so what takes one takes anything.
func TestBodies(t *testing.T) {
	models := every(t, "AWS::ApiGateway::Model", 3)
	schemas := readAPI(t, "openapi.json").Components.Schemas
	described := map[string]string{names.PathJoin: "JoinRequest", names.PathAdmit: "AdmitRequest", names.PathQR: "QRRequest"}
	for _, method := range every(t, "AWS::ApiGateway::Method", len(names.Routes())) {
		path := synthesised.document.methodPath(method)
		chosen, _ := method.Properties["RequestModels"].(map[string]any)
		if described[path] == "" {
			if chosen != nil {
				t.Errorf("%s has no JSON body: %v", path, chosen)
			}
			continue
		}
		if len(chosen) != 2 || text(t, chosen["$default"]) != text(t, chosen["application/json"]) {
			t.Errorf("%s: models %v", path, chosen)
		}
		schema := models[references(chosen["application/json"])[0]].Properties["Schema"].(map[string]any)
		want := schemas[described[path]]
		required := slices.Sorted(slices.Values(want.Required))
		if schema["additionalProperties"] != nil || text(t, schema["required"]) != text(t, required) || len(required) == 0 {
			t.Errorf("%s: %v, want %v", path, schema, want)
			continue
		}
		for _, name := range required {
			member := schema["properties"].(map[string]any)[name].(map[string]any)
			if member["type"] != "string" {
				t.Errorf("%s: %v", path, member)
			}
			if pattern := want.Properties[name].Pattern; pattern != "" {
				lengths := fmt.Sprintf("{%v,%v}$", member["minLength"], member["maxLength"])
				if !strings.HasSuffix(strings.Replace(pattern, "{32}$", "{32,32}$", 1), lengths) {
					t.Errorf("%s: %v, and the description says %s", path, member, pattern)
				}
			}
		}
	}
}

// methodPath follows a method's resource to the root.
func (d document) methodPath(method resource) string {
	path := ""
	for id := references(method.Properties["ResourceId"])[0]; ; {
		part := d.Resources[id]
		segment, ok := part.Properties["PathPart"].(string)
		if !ok {
			return path
		}
		path = "/" + segment + path
		id = references(part.Properties["ParentId"])[0]
	}
}

// The two ends of the API key must resolve to the same secret, and no literal may stand for it.
func TestOriginKey(t *testing.T) {
	var sent any
	for _, distribution := range every(t, "AWS::CloudFront::Distribution", 1) {
		config := distribution.Properties["DistributionConfig"].(map[string]any)
		for _, origin := range config["Origins"].([]any) {
			if headers, ok := origin.(map[string]any)["OriginCustomHeaders"].([]any); ok {
				header := headers[0].(map[string]any)
				if header["HeaderName"] != "x-api-key" {
					t.Errorf("origin header %v", header["HeaderName"])
				}
				sent = header["HeaderValue"]
			}
		}
	}
	for id, key := range every(t, "AWS::ApiGateway::ApiKey", 1) {
		if member := synthesised.document.one(t, "AWS::ApiGateway::UsagePlanKey"); !slices.Equal(references(member.Properties["KeyId"]), []string{id}) {
			t.Errorf("the plan's key is %v", member.Properties["KeyId"])
		}
		wanted := text(t, key.Properties["Value"])
		if wanted != text(t, sent) || !strings.Contains(wanted, "{{resolve:secretsmanager:") {
			t.Errorf("the API wants %s and CloudFront sends %s", wanted, text(t, sent))
		}
	}
}

// With another label nothing of the old key is changed: all is made anew, sent, and then the old
// key goes.
func TestAnotherLabelIsAnotherKey(t *testing.T) {
	for kind, prefix := range map[string]string{
		"AWS::SecretsManager::Secret": "RoomOriginSecret", "AWS::ApiGateway::ApiKey": "RoomOriginKey", "AWS::ApiGateway::UsagePlanKey": "RoomOriginPlanKey",
	} {
		ids := map[string]bool{}
		for _, room := range rooms() {
			for id := range room.All(kind) {
				if strings.HasPrefix(id, prefix) {
					ids[id] = true
				}
			}
		}
		if len(ids) != 2 {
			t.Errorf("%s: %v for two labels", kind, ids)
		}
	}
	for name, room := range rooms() {
		distribution := room.one(t, "AWS::CloudFront::Distribution")
		for id := range room.Every(t, "AWS::ApiGateway::ApiKey", 1) {
			if !slices.Contains(distribution.DependsOn, id) {
				t.Errorf("%s: the distribution sends a key that may not be there yet: %q", name, distribution.DependsOn)
			}
		}
	}
}

// API Gateway's own answers say what the functions would, in the same words.
func TestRefusalsAreProblems(t *testing.T) {
	room := synthesised.shows
	for api, test := range map[string]struct {
		file     string
		refusals []refusal
	}{
		synthesised.showsRoom.resolved(t, synthesised.showsRoom.API.RestApiId()):         {"openapi.json", refusals()},
		synthesised.showsRoom.resolved(t, synthesised.showsRoom.HotShowsAPI.RestApiId()): {"hotshows-api.json", hotShowRefusals()},
	} {
		responses := room.ofAPI(t, "AWS::ApiGateway::GatewayResponse", api)
		if len(responses) != len(test.refusals) {
			t.Errorf("%s: %d answers, want %d", test.file, len(responses), len(test.refusals))
		}
		for id, response := range responses {
			checkRefusal(t, id, response, readAPI(t, test.file))
		}
	}
}

// checkRefusal holds an answer of API Gateway's against the API's description.
func checkRefusal(t *testing.T, id string, response resource, described api) {
	t.Helper()
	headers := response.Properties["ResponseParameters"].(map[string]any)
	for header, want := range map[string]string{
		"Content-Type": "'application/problem+json'", "Cache-Control": "'no-store'",
	} {
		if got := headers["gatewayresponse.header."+header]; got != want {
			t.Errorf("%s: %s is %v, want %s", id, header, got, want)
		}
	}
	var answer problem
	body := response.Properties["ResponseTemplates"].(map[string]any)["application/json"].(string)
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	code := strings.TrimPrefix(answer.Type, names.ProblemPrefix)
	want, ok := described.Components.Examples[code]
	if !ok || answer.Type != want.Value.Type || answer.Title != want.Value.Title || answer.Detail == "" {
		t.Errorf("%s: %+v, want %+v", id, answer, want.Value)
	}
	// What has to be mended is another thing each time.
	if code != "bad-request" && (answer.Detail != want.Value.Detail || answer.Status != want.Value.Status) {
		t.Errorf("%s: %+v, want %+v", id, answer, want.Value)
	}
	// Only what goes away by itself is to be asked for again.
	var retry any
	if answer.Status == 429 || answer.Status == 503 {
		retry = "'2'"
	}
	if got := headers["gatewayresponse.header.Retry-After"]; got != retry {
		t.Errorf("%s: status %d with Retry-After %v, want %v", id, answer.Status, got, retry)
	}
	if status := response.Properties["StatusCode"]; answer.Status != 0 && status != strconv.Itoa(answer.Status) {
		t.Errorf("%s: answered with %v, says %d", id, status, answer.Status)
	}
}

func TestBadBodiesAreToldWhatToSend(t *testing.T) {
	for _, kind := range []string{"BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS"} {
		has(t, "AWS::ApiGateway::GatewayResponse", map[string]any{"ResponseType": kind, "StatusCode": "400"})
	}
	for _, refused := range refusals() {
		if refused.id != "Body" {
			continue
		}
		for function, schema := range bodies() {
			for member := range *schema.Properties {
				if !strings.Contains(refused.answer.Detail, `"`+member+`":"`) {
					t.Errorf("%s is not told to send %s: %s", function, member, refused.answer.Detail)
				}
			}
		}
	}
}
