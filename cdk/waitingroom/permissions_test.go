package waitingroom

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

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
				"secretsmanager:GetSecretValue": {secret}, "dynamodb:GetItem": {table}, "dynamodb:BatchGetItem": {table},
				"dynamodb:UpdateItem": {table}, "s3:PutObject": documents, "ssm:GetParametersByPath": parameters,
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
		maps.Copy(tests, room.hotShowPermissions(t))
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
	explained := map[string]string{
		r.resolved(t, r.Documents.ArnForObjects(jsii.String("status/*"))):      "tick writes a document for each event",
		r.resolved(t, r.Documents.ArnForObjects(jsii.String("seals/*"))):       "tick writes a document for each cohort",
		r.resolved(t, r.Documents.ArnForObjects(jsii.String(".well-known/*"))): "tick writes two documents with names of their own",
		r.resolved(t, jsii.String(r.parameterARN("/*"))):                       "promoters make events",
		r.resolved(t, r.Page.ArnForObjects(jsii.String("*"))):                  "the page's files are uploaded",
		`{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":s3:::",` +
			`{"Fn::Sub":"cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"},"/*"]]}`: "the CDK's bucket, from which the page's files are taken",
	}
	if shows := r.props.HotShows; shows != nil {
		explained[r.resolved(t, jsii.String(r.parameterARN("/probe-*")))] = "a probe is one of a few events, with several parameters"
		explained[r.resolved(t, jsii.String(r.allAlarms()))] = "alarms are listed for all of an account or for none"
		if shows.Product != nil {
			explained[r.resolved(t, jsii.String(r.productARN(*shows.Product)))] = "a portfolio may be another account's"
			explained[`"*"`] = "what is provisioned has no name; a condition stands beside it"
		}
	}
	return explained
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
		calls := func(api awsapigateway.RestApi, route names.Route) {
			// The star stands for the event's name, or for the show's id.
			path := jsii.String(regexp.MustCompile(`\{\w+\}`).ReplaceAllString(route.Path, "*"))
			arn := api.ArnForExecuteApi(&route.Method, path, jsii.String(stage))
			want = append(want, "apigateway.amazonaws.com "+room.resolved(t, arn)+" "+text(t, room.invoked(t, route.Function)))
		}
		for _, route := range names.Routes() {
			calls(room.API, route)
		}
		for _, route := range room.hotShowRoutes() {
			calls(room.HotShowsAPI, route)
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

// stageNamed writes the name of each API's only stage where a source refers to the stage.
func (d document) stageNamed(t *testing.T, source any) string {
	t.Helper()
	written := text(t, source)
	for id := range d.All("AWS::ApiGateway::Stage") {
		written = strings.ReplaceAll(written, `"/",{"Ref":"`+id+`"},"/`, `"/`+stage+`/`)
	}
	return written
}

// Each schedule may start its function, and only the account's own schedules may use its role.
func TestSchedulesMayStartOneFunctionEach(t *testing.T) {
	for name, room := range rooms() {
		wanted := []string{names.FunctionTick}
		if room.props.HotShows != nil {
			wanted = append(wanted, names.FunctionPrepare)
		}
		room.Every(t, "AWS::Scheduler::Schedule", len(wanted))
		for _, function := range wanted {
			room.checkStarter(t, name, function)
		}
	}
}

// checkStarter expects a schedule that starts the function and may do nothing else.
func (d document) checkStarter(t *testing.T, name, function string) {
	t.Helper()
	id, _ := d.function(t, function)
	for _, schedule := range d.All("AWS::Scheduler::Schedule") {
		if !slices.Equal(references(schedule.Properties["Target"].(map[string]any)["Arn"]), []string{id}) {
			continue
		}
		role := references(schedule.Properties["Target"].(map[string]any)["RoleArn"])[0]
		want := map[string][]string{"lambda:InvokeFunction": {text(t, map[string]any{"Fn::GetAtt": []any{id, "Arn"}})}}
		if got := d.permissions(t, role); !maps.EqualFunc(got, want, slices.Equal[[]string]) {
			t.Errorf("%s: the schedule may %v, want %v", name, got, want)
		}
		trust := text(t, d.Resources[role].Properties["AssumeRolePolicyDocument"])
		for _, part := range []string{`"scheduler.amazonaws.com"`, `"aws:SourceAccount":{"Ref":"AWS::AccountId"}`, `:schedule-group/default"`} {
			if !strings.Contains(trust, part) {
				t.Errorf("%s: the schedule's role does not ask for %s: %s", name, part, trust)
			}
		}
		return
	}
	t.Errorf("%s: nothing starts %s", name, function)
}
