package waitingroom

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"

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
func TestEnvironment(t *testing.T) {
	signer := map[string][2]string{ // of admit and of tick
		"default": {names.EnvPassKey, names.EnvPassKey},
		"named":   {names.EnvPassKeySecret, names.EnvPassPublicKey},
	}
	for name, room := range rooms() {
		tests := map[string][]string{
			names.FunctionJoin:  {names.EnvSecret, names.EnvTable, names.EnvRoom},
			names.FunctionAdmit: {names.EnvSecret, names.EnvTable, names.EnvRoom, names.EnvIssuer, signer[name][0]},
			names.FunctionPlace: {names.EnvSecret, names.EnvTable, names.EnvRoom},
			names.FunctionTick: {names.EnvSecret, names.EnvTable, names.EnvRoom, names.EnvIssuer, signer[name][1],
				names.EnvStatusBucket, names.EnvParameterPath, names.EnvShards},
			names.FunctionSettings: {names.EnvTable, names.EnvRoom, names.EnvParameterPath, names.EnvShards, names.EnvAlarmTopic},
		}
		for function, want := range tests {
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
	shards := map[string]string{"default": "16", "named": "64"}
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
	checkInvocations(t, names.FunctionTick, 0, 60)
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

// checkInvocations expects how an event that could not be handled is tried again, and for how long.
func checkInvocations(t *testing.T, function string, retries, seconds float64) {
	t.Helper()
	for _, config := range every(t, "AWS::Lambda::EventInvokeConfig", 2) {
		if !slices.Equal(references(config.Properties["FunctionName"]), []string{functionID(t, function)}) {
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
	checkInvocations(t, names.FunctionSettings, 2, 300)
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

// permissions are what a role may do: its actions, each with its resources as compact JSON.
func (d document) permissions(t *testing.T, role string) map[string][]string {
	t.Helper()
	if d.Resources[role].Properties["ManagedPolicyArns"] != nil || d.Resources[role].Properties["Policies"] != nil {
		t.Errorf("%s has other policies than its own", role)
	}
	granted := map[string][]string{}
	for _, policy := range d.All("AWS::IAM::Policy") {
		if !slices.Contains(references(policy.Properties["Roles"]), role) {
			continue
		}
		for _, statement := range statements(t, policy) {
			for _, action := range listed(statement["Action"]) {
				granted[action] = append(granted[action], texts(t, statement["Resource"])...)
			}
		}
	}
	for _, resources := range granted {
		slices.Sort(resources)
	}
	return granted
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

// texts takes one value or a list of them.
func texts(t *testing.T, value any) []string {
	t.Helper()
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var all []string
	for _, element := range list {
		all = append(all, text(t, element))
	}
	return all
}

// Each function may do what its code does, on what is its room's, and nothing else.
func TestLeastPrivilege(t *testing.T) {
	for name, room := range rooms() {
		table, secret := room.resolved(t, room.Table.TableArn()), room.resolved(t, room.Secret.SecretArn())
		topic := room.resolved(t, room.Alarms.TopicArn())
		parameters := []string{
			room.resolved(t, jsii.String(room.parameterARN(""))), room.resolved(t, jsii.String(room.parameterARN("/*"))),
		}
		documents := []string{}
		for _, prefix := range []string{"status/*", "seals/*", ".well-known/*"} {
			documents = append(documents, room.resolved(t, room.Documents.ArnForObjects(&prefix)))
		}
		tests := map[string]map[string][]string{
			names.FunctionJoin: {
				"secretsmanager:GetSecretValue": {secret}, "dynamodb:GetItem": {table}, "dynamodb:UpdateItem": {table},
			},
			names.FunctionAdmit: {
				"secretsmanager:GetSecretValue": {secret}, "dynamodb:GetItem": {table}, "dynamodb:UpdateItem": {table},
			},
			names.FunctionPlace: {"secretsmanager:GetSecretValue": {secret}, "dynamodb:GetItem": {table}},
			names.FunctionTick: {
				"secretsmanager:GetSecretValue": {secret}, "dynamodb:GetItem": {table}, "dynamodb:UpdateItem": {table},
				"s3:PutObject": documents, "ssm:GetParametersByPath": parameters,
			},
			names.FunctionSettings: {
				"dynamodb:GetItem": {table}, "dynamodb:UpdateItem": {table},
				"ssm:GetParametersByPath": parameters, "sns:Publish": {topic},
			},
		}
		if room.PassKey != nil {
			key := room.resolved(t, room.PassKey.KeyArn())
			tests[names.FunctionAdmit]["kms:Sign"] = []string{key}
			tests[names.FunctionAdmit]["kms:GetPublicKey"] = []string{key}
			tests[names.FunctionTick]["kms:GetPublicKey"] = []string{key}
		} else {
			key := room.resolved(t, room.PassKeySecret.SecretArn())
			tests[names.FunctionAdmit]["secretsmanager:GetSecretValue"] = []string{key, secret}
			tests[names.FunctionPassKey] = map[string][]string{
				"secretsmanager:GetSecretValue": {key}, "secretsmanager:PutSecretValue": {key},
			}
		}
		for function, want := range tests {
			_, deployed := room.function(t, function)
			log := deployed.Properties["LoggingConfig"].(map[string]any)["LogGroup"].(map[string]any)["Ref"]
			logs := []string{text(t, map[string]any{"Fn::GetAtt": []any{log, "Arn"}})}
			want["logs:CreateLogStream"], want["logs:PutLogEvents"] = logs, logs
			for _, resources := range want {
				slices.Sort(resources)
			}
			got := room.permissions(t, references(deployed.Properties["Role"])[0])
			if !maps.EqualFunc(got, want, slices.Equal[[]string]) {
				t.Errorf("%s: %s may\n%v, want\n%v", name, function, got, want)
			}
		}
	}
}

// explained are the resources that stand for more than one, with the reason why.
func (r *Room) explained(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		r.resolved(t, r.Documents.ArnForObjects(jsii.String("status/*"))):      "tick writes a document for each event",
		r.resolved(t, r.Documents.ArnForObjects(jsii.String("seals/*"))):       "tick writes a document for each cohort",
		r.resolved(t, r.Documents.ArnForObjects(jsii.String(".well-known/*"))): "tick writes two documents with names of their own",
		r.resolved(t, jsii.String(r.parameterARN("/*"))):                       "promoters make events",
		r.resolved(t, r.Page.ArnForObjects(jsii.String("*"))):                  "the page's files are uploaded",
		`{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":s3:::",` +
			`{"Fn::Sub":"cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"},"/*"]]}`: "the CDK's bucket, from which the page's files are taken",
	}
}

func TestNoUnexplainedWildcard(t *testing.T) {
	for name, room := range rooms() {
		unused := room.explained(t)
		for id, policy := range room.All("AWS::IAM::Policy") {
			for _, statement := range statements(t, policy) {
				for _, on := range texts(t, statement["Resource"]) {
					if _, known := room.explained(t)[on]; strings.Contains(on, "*") && !known {
						t.Errorf("%s: %s grants %v on %s", name, id, statement["Action"], on)
					}
					delete(unused, on)
				}
			}
		}
		for on, reason := range unused {
			t.Errorf("%s: nothing is granted on %s any more (%s)", name, on, reason)
		}
	}
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

// invoked is what the API's permission to call a function is for: the function or its alias.
func (d document) invoked(t *testing.T, function string) any {
	t.Helper()
	id, _ := d.function(t, function)
	for _, permission := range d.All("AWS::Lambda::Permission") {
		name := permission.Properties["FunctionName"]
		target := references(name)[0]
		if alias, ok := d.Resources[target]; ok && alias.Type == "AWS::Lambda::Alias" {
			target = references(alias.Properties["FunctionName"])[0]
		}
		if target == id {
			return name
		}
	}
	t.Fatalf("nobody may call %s", function)
	return nil
}

// Functions are called by a method of this API or by this rule, and by nobody else.
func TestCallers(t *testing.T) {
	for name, room := range rooms() {
		want := []string{}
		for _, route := range names.Routes() {
			// The star stands for the event's name.
			path := jsii.String(strings.ReplaceAll(route.Path, "{"+names.EventParameter+"}", "*"))
			arn := room.API.ArnForExecuteApi(&route.Method, path, jsii.String(stage))
			want = append(want, "apigateway.amazonaws.com "+room.resolved(t, arn)+" "+text(t, room.invoked(t, route.Function)))
		}
		for id := range room.Every(t, "AWS::Events::Rule", 1) {
			want = append(want, "events.amazonaws.com "+text(t, map[string]any{"Fn::GetAtt": []any{id, "Arn"}})+" "+text(t, room.invoked(t, names.FunctionSettings)))
		}
		got := []string{}
		for _, permission := range room.All("AWS::Lambda::Permission") {
			if action := permission.Properties["Action"]; action != "lambda:InvokeFunction" {
				t.Errorf("%s: somebody may %v", name, action)
			}
			source := permission.Properties["SourceArn"]
			got = append(got, permission.Properties["Principal"].(string)+" "+room.stageNamed(t, source)+" "+text(t, permission.Properties["FunctionName"]))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: called by\n%s, want\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// stageNamed writes the name of the API's only stage where a source refers to the stage.
func (d document) stageNamed(t *testing.T, source any) string {
	t.Helper()
	written := text(t, source)
	for id := range d.Every(t, "AWS::ApiGateway::Stage", 1) {
		written = strings.ReplaceAll(written, `"/",{"Ref":"`+id+`"},"/`, `"/`+stage+`/`)
	}
	return written
}

// The schedule may start tick, and only the account's own schedules may use its role.
func TestScheduleMayStartTickAlone(t *testing.T) {
	for name, room := range rooms() {
		schedule := room.one(t, "AWS::Scheduler::Schedule")
		id, _ := room.function(t, names.FunctionTick)
		role := references(schedule.Properties["Target"].(map[string]any)["RoleArn"])[0]
		want := map[string][]string{"lambda:InvokeFunction": {text(t, map[string]any{"Fn::GetAtt": []any{id, "Arn"}})}}
		if got := room.permissions(t, role); !maps.EqualFunc(got, want, slices.Equal[[]string]) {
			t.Errorf("%s: the schedule may %v, want %v", name, got, want)
		}
		trust := text(t, room.Resources[role].Properties["AssumeRolePolicyDocument"])
		for _, part := range []string{`"scheduler.amazonaws.com"`, `"aws:SourceAccount":{"Ref":"AWS::AccountId"}`, `:schedule-group/default"`} {
			if !strings.Contains(trust, part) {
				t.Errorf("%s: the schedule's role does not ask for %s: %s", name, part, trust)
			}
		}
	}
}

// Logs end by themselves, those of the CDK's upload too.
func TestLogsEnd(t *testing.T) {
	days := map[string]float64{"default": 30, "named": 7}
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
