package waitingroom

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// deployed is a function of the room as the template has it.
func deployed(t *testing.T, name string) (string, resource) {
	t.Helper()
	for id, candidate := range synthesised.document.Resources {
		if candidate.Type == "AWS::Lambda::Function" && candidate.Properties["Description"] == "waiting room: "+name {
			return id, candidate
		}
	}
	t.Fatalf("no function %s", name)
	return "", resource{}
}

func functionID(t *testing.T, name string) string {
	t.Helper()
	id, _ := deployed(t, name)
	return id
}

func TestFunctions(t *testing.T) {
	timeouts := map[string]float64{
		names.FunctionJoin: 10, names.FunctionAdmit: 10, names.FunctionPlace: 10, names.FunctionTick: 210, names.FunctionSettings: 10,
	}
	assets := map[string]bool{}
	for _, name := range names.Functions() {
		_, function := deployed(t, name)
		for property, want := range map[string]any{
			"Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": timeouts[name],
		} {
			if got := function.Properties[property]; got != want {
				t.Errorf("%s: %s is %v, want %v", name, property, got, want)
			}
		}
		if got := text(t, function.Properties["Architectures"]); got != `["arm64"]` {
			t.Errorf("%s runs on %s", name, got)
		}
		assets[text(t, function.Properties["Code"])] = true
	}
	if len(assets) != len(names.Functions()) {
		t.Errorf("%d different programs, want %d", len(assets), len(names.Functions()))
	}
}

func TestEnvironment(t *testing.T) {
	tests := map[string][]string{
		names.FunctionJoin:  {names.EnvSecret, names.EnvTable},
		names.FunctionAdmit: {names.EnvSecret, names.EnvTable, names.EnvIssuer, names.EnvPassKey},
		names.FunctionPlace: {names.EnvSecret, names.EnvTable},
		names.FunctionTick: {names.EnvSecret, names.EnvTable, names.EnvIssuer, names.EnvPassKey,
			names.EnvStatusBucket, names.EnvParameterPath},
		names.FunctionSettings: {names.EnvTable, names.EnvParameterPath},
	}
	for name, want := range tests {
		_, function := deployed(t, name)
		variables := function.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(variables)); !slices.Equal(got, want) {
			t.Errorf("%s gets %q, want %q", name, got, want)
		}
	}
}

// A minute's start is never repeated: two are alive at any time as it is.
func TestTickDoesNotPileUp(t *testing.T) {
	has(t, "AWS::Lambda::EventInvokeConfig", map[string]any{"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
	for id, schedule := range every(t, "AWS::Scheduler::Schedule", 1) {
		target := schedule.Properties["Target"].(map[string]any)
		if got := references(target["Arn"]); !slices.Equal(got, []string{functionID(t, names.FunctionTick)}) {
			t.Errorf("%s starts %q", id, got)
		}
		if got := text(t, target["RetryPolicy"]); got != `{"MaximumEventAgeInSeconds":60,"MaximumRetryAttempts":0}` {
			t.Errorf("%s: retry policy %s", id, got)
		}
		if got := schedule.Properties["ScheduleExpression"]; got != "rate(1 minute)" {
			t.Errorf("%s: %v", id, got)
		}
	}
}

// What is told is best effort, so the rule hands on only what is the room's, and no value.
func TestSettingsIsToldOfChanges(t *testing.T) {
	for id, rule := range every(t, "AWS::Events::Rule", 1) {
		want := `{"detail":{"name":[{"prefix":"` + names.ParameterPath + `"}]},"detail-type":["Parameter Store Change"],"source":["aws.ssm"]}`
		if got := text(t, rule.Properties["EventPattern"]); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
		target := rule.Properties["Targets"].([]any)[0].(map[string]any)
		if got := references(target["Arn"]); !slices.Equal(got, []string{functionID(t, names.FunctionSettings)}) {
			t.Errorf("%s starts %q", id, got)
		}
	}
}

// statements of a policy.
func statements(t *testing.T, policy resource) []map[string]any {
	t.Helper()
	var found []map[string]any
	for _, statement := range policy.Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
		found = append(found, statement.(map[string]any))
	}
	return found
}

// granted are the actions that a function's role may do, all its policies together.
func granted(t *testing.T, name string) (actions []string, resources map[string]string) {
	t.Helper()
	_, function := deployed(t, name)
	role := references(function.Properties["Role"])[0]
	if synthesised.document.Resources[role].Properties["ManagedPolicyArns"] != nil {
		t.Errorf("%s has a managed policy, which reaches further than its own resources", name)
	}
	resources = map[string]string{}
	for _, policy := range synthesised.document.Resources {
		if policy.Type != "AWS::IAM::Policy" || !slices.Contains(references(policy.Properties["Roles"]), role) {
			continue
		}
		for _, statement := range statements(t, policy) {
			for _, action := range listed(statement["Action"]) {
				actions = append(actions, action)
				resources[action] += text(t, statement["Resource"])
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions), resources
}

// listed takes one text or a list of them.
func listed(value any) []string {
	if one, ok := value.(string); ok {
		return []string{one}
	}
	var all []string
	for _, element := range value.([]any) {
		all = append(all, element.(string))
	}
	return all
}

func TestLeastPrivilege(t *testing.T) {
	everyone := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	tests := map[string][]string{
		names.FunctionJoin:  {"secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:UpdateItem"},
		names.FunctionAdmit: {"secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:UpdateItem", "kms:Sign", "kms:GetPublicKey"},
		names.FunctionPlace: {"secretsmanager:GetSecretValue", "dynamodb:GetItem"},
		names.FunctionTick: {"secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:UpdateItem",
			"kms:GetPublicKey", "s3:PutObject", "ssm:GetParametersByPath"},
		names.FunctionSettings: {"dynamodb:UpdateItem"},
	}
	for name, own := range tests {
		want := append(own, everyone...)
		slices.Sort(want)
		got, resources := granted(t, name)
		if !slices.Equal(got, want) {
			t.Errorf("%s may %q, want %q", name, got, want)
		}
		for action, on := range resources {
			if strings.Contains(on, `"*"`) || strings.Contains(on, `:*"`) {
				t.Errorf("%s may %s on %s", name, action, on)
			}
		}
	}
}

func TestTickWritesOnlyItsOwn(t *testing.T) {
	_, resources := granted(t, names.FunctionTick)
	for _, prefix := range []string{"/status/*", "/seals/*", "/.well-known/*"} {
		if !strings.Contains(resources["s3:PutObject"], `"`+prefix+`"`) {
			t.Errorf("tick may not write %s", prefix)
		}
	}
	if got := strings.Count(resources["s3:PutObject"], "Fn::Join"); got != 3 {
		t.Errorf("tick may write to %d places: %s", got, resources["s3:PutObject"])
	}
	for _, path := range []string{`:parameter/waiting-room"`, `:parameter/waiting-room/*"`} {
		if !strings.Contains(resources["ssm:GetParametersByPath"], path) {
			t.Errorf("tick may not read %s: %s", path, resources["ssm:GetParametersByPath"])
		}
	}
}
