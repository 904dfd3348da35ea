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
	return synthesised.document.function(t, name)
}

func (d document) function(t *testing.T, name string) (string, resource) {
	t.Helper()
	for id, candidate := range d.All("AWS::Lambda::Function") {
		if candidate.Properties["Description"] == "waiting room: "+name {
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

// The variables are those of names, which local's functions read too.
// The programs themselves are held to the same list: see local/runtimeapi.
func TestEnvironment(t *testing.T) {
	inSecret := map[string]string{names.FunctionAdmit: names.EnvPassKeySecret, names.FunctionTick: names.EnvPassPublicKey}
	for name, room := range rooms() {
		for _, function := range append(names.Functions(), room.props.HotShows.functions()...) {
			want := names.Variables(function)
			if i := slices.Index(want, names.EnvPassKey); i >= 0 && name == "named" {
				want[i] = inSecret[function]
			}
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(room.variables(t, function))); !slices.Equal(got, want) {
				t.Errorf("%s: %s gets %q, want %q", name, function, got, want)
			}
		}
	}
}

// variables are a function's environment.
func (d document) variables(t *testing.T, function string) map[string]any {
	t.Helper()
	_, deployed := d.function(t, function)
	return deployed.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
}

func TestEnvironmentSaysWhatTheRoomIs(t *testing.T) {
	shards := map[string]string{"default": "16", "named": "64", "shows": "16"}
	for name, room := range rooms() {
		for _, function := range []string{names.FunctionTick, names.FunctionSettings} {
			if got := room.variables(t, function)[names.EnvShards]; got != shards[name] {
				t.Errorf("%s: %s's shards are %v, want %s", name, function, got, shards[name])
			}
		}
		for _, function := range names.Functions() {
			if got := room.variables(t, function)[names.EnvRoom]; got != room.Name {
				t.Errorf("%s: %s's room is %v, want %s", name, function, got, room.Name)
			}
		}
	}
	if synthesised.room.Name == synthesised.namedRoom.Name {
		t.Errorf("both rooms' metrics are %q's", synthesised.room.Name)
	}
	made := map[string]any{}
	for id := range synthesised.named.Every(t, "Custom::PassKey", 1) {
		made["Fn::GetAtt"] = []any{id, "PublicKey"}
	}
	if got := synthesised.named.variables(t, names.FunctionTick)[names.EnvPassPublicKey]; text(t, got) != text(t, made) {
		t.Errorf("tick publishes %v, want what the custom resource made", got)
	}
}

// A minute's start is never repeated: two are alive at any time as it is.
func TestTickDoesNotPileUp(t *testing.T) {
	synthesised.document.checkInvocations(t, names.FunctionTick, 0, 60)
	for id, schedule := range every(t, "AWS::Scheduler::Schedule", 1) {
		target := schedule.Properties["Target"].(map[string]any)
		if got := references(target["Arn"]); !slices.Equal(got, []string{functionID(t, names.FunctionTick)}) {
			t.Errorf("%s starts %q", id, got)
		}
	}
	for name, room := range rooms() {
		for id, schedule := range room.All("AWS::Scheduler::Schedule") {
			checkEveryMinute(t, name+": "+id, schedule)
		}
	}
}

// checkEveryMinute expects a start that is neither late nor repeated.
func checkEveryMinute(t *testing.T, id string, schedule resource) {
	t.Helper()
	target := schedule.Properties["Target"].(map[string]any)
	if got := text(t, target["RetryPolicy"]); got != `{"MaximumEventAgeInSeconds":60,"MaximumRetryAttempts":0}` {
		t.Errorf("%s: retry policy %s", id, got)
	}
	if got := schedule.Properties["ScheduleExpression"]; got != "rate(1 minute)" {
		t.Errorf("%s: %v", id, got)
	}
}

// checkInvocations expects how an event that could not be handled is tried again, and for how long.
func (d document) checkInvocations(t *testing.T, function string, retries, seconds float64) {
	t.Helper()
	id, _ := d.function(t, function)
	for _, config := range d.All("AWS::Lambda::EventInvokeConfig") {
		if !slices.Equal(references(config.Properties["FunctionName"]), []string{id}) {
			continue
		}
		if got := config.Properties["MaximumRetryAttempts"]; got != retries {
			t.Errorf("%s is tried %v times more, want %v", function, got, retries)
		}
		if got := config.Properties["MaximumEventAgeInSeconds"]; got != seconds {
			t.Errorf("%s: an event lives %v s, want %v", function, got, seconds)
		}
		return
	}
	t.Errorf("%s has no rule for its events", function)
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
		if got := text(t, target["RetryPolicy"]); got != `{"MaximumEventAgeInSeconds":300,"MaximumRetryAttempts":2}` {
			t.Errorf("%s: retry policy %s", id, got)
		}
	}
	synthesised.document.checkInvocations(t, names.FunctionSettings, 2, 300)
}

// A new account may have ten environments in all, and reserving one of them fails.
func TestNoConcurrencyIsReserved(t *testing.T) {
	for name, room := range rooms() {
		functions := room.All("AWS::Lambda::Function")
		if len(functions) <= len(names.Functions()) {
			t.Errorf("%s: %d functions: the CDK's own are not among them", name, len(functions))
		}
		for id, function := range functions {
			if reserved, ok := function.Properties["ReservedConcurrentExecutions"]; ok {
				t.Errorf("%s: %s reserves %v", name, id, reserved)
			}
		}
		for id, part := range room.Resources {
			if part.Properties["ProvisionedConcurrencyConfig"] != nil {
				t.Errorf("%s: %s provisions concurrency, which is paid for by the hour", name, id)
			}
		}
	}
}

// Provisioned concurrency can be put on what the API calls from the start.
func TestAliases(t *testing.T) {
	for name, room := range rooms() {
		aliases := room.Every(t, "AWS::Lambda::Alias", 2)
		for _, function := range []string{names.FunctionJoin, names.FunctionAdmit} {
			id, _ := room.function(t, function)
			alias, ok := aliases[references(room.invoked(t, function))[0]]
			if !ok || alias.Properties["Name"] != "live" || !slices.Equal(references(alias.Properties["FunctionName"]), []string{id}) {
				t.Errorf("%s: the API calls %s by %v", name, function, alias.Properties)
				continue
			}
			version := room.Resources[references(alias.Properties["FunctionVersion"])[0]]
			if !slices.Equal(references(version.Properties["FunctionName"]), []string{id}) {
				t.Errorf("%s: %s's alias is at a version of %v", name, function, version.Properties)
			}
			if version.DeletionPolicy == "Retain" {
				t.Errorf("%s: old versions of %s are left behind", name, function)
			}
		}
		id, _ := room.function(t, names.FunctionPlace)
		if got := references(room.invoked(t, names.FunctionPlace)); got[0] != id {
			t.Errorf("%s: the API calls place by %q", name, got)
		}
	}
}

// Logs end by themselves, those of the CDK's upload too.
func TestLogsEnd(t *testing.T) {
	days := map[string]float64{"default": 30, "named": 7, "shows": 30}
	for name, room := range rooms() {
		logs := room.All("AWS::Logs::LogGroup")
		if len(logs) < len(names.Functions())+1 {
			t.Errorf("%s: %d logs", name, len(logs))
		}
		for id, log := range logs {
			if got := log.Properties["RetentionInDays"]; got != days[name] {
				t.Errorf("%s: %s is kept for %v days, want %v", name, id, got, days[name])
			}
		}
		for id, function := range room.All("AWS::Lambda::Function") {
			// The CDK's function that empties buckets takes no log of ours.
			if function.Properties["LoggingConfig"] == nil && !strings.HasPrefix(id, "CustomS3AutoDeleteObjects") {
				t.Errorf("%s: %s writes a log that never ends", name, id)
			}
		}
	}
}
