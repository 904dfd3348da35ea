package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"waitingroom/cdk/templatetest"
	"waitingroom/cdk/waitingroom"
	"waitingroom/shared/names"
)

// asApp makes this test's program the app itself, so that the tests run what the CLI runs.
const asApp = "RUN_AS_CDK_APP"

func TestMain(m *testing.M) {
	if os.Getenv(asApp) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	certificateARN = "arn:aws:acm:us-east-1:111122223333:certificate/example"
	zone           = "Z0123456789ABCDEFGHIJ"
)

func TestReadOptions(t *testing.T) {
	defaults := waitingroom.Props{Functions: "dist", Page: "static"}
	with := func(change func(*options)) options {
		o := options{props: defaults}
		change(&o)
		return o
	}
	fields := filepath.Join(t.TempDir(), "fields.json")
	if err := os.WriteFile(fields, []byte(`{"event":"customfield_10050"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		context map[string]string
		want    options
		errs    []string // the beginnings of its lines
	}{
		"nothing": {nil, options{props: defaults}, nil},
		"domain and certificate": {
			map[string]string{"domain": "queue.example.com", "certificate": certificateARN},
			with(func(o *options) {
				o.props.Domain = &waitingroom.Domain{Name: "queue.example.com", Certificate: certificateARN}
			}), nil,
		},
		"domain, certificate and zone": {
			map[string]string{"domain": "queue.example.com", "certificate": certificateARN, "zone": zone},
			with(func(o *options) {
				o.props.Domain = &waitingroom.Domain{Name: "queue.example.com", Certificate: certificateARN, Zone: zone}
			}), nil,
		},
		"domain and zone": {
			map[string]string{"domain": "queue.example.com", "zone": zone},
			with(func(o *options) { o.edge.Domain, o.edge.Zone = "queue.example.com", zone }), nil,
		},
		"domain alone":      {map[string]string{"domain": "queue.example.com"}, options{}, []string{"domain needs its certificate: "}},
		"certificate alone": {map[string]string{"certificate": certificateARN}, options{}, []string{"certificate and zone are for a domain: "}},
		"zone alone":        {map[string]string{"zone": zone}, options{}, []string{"certificate and zone are for a domain: "}},
		"web ACL to be made": {
			map[string]string{"webacl": "create"},
			with(func(o *options) { o.edge.WebACL = &waitingroom.WebACLProps{} }), nil,
		},
		"web ACL": {map[string]string{"webacl": "arn"}, with(func(o *options) { o.props.WebACL = "arn" }), nil},
		"one warm figure": {
			map[string]string{"warm-writes": "40000"},
			with(func(o *options) { o.props.WarmThroughput = &waitingroom.WarmThroughput{Reads: 12000, Writes: 40000} }), nil,
		},
		"both warm figures": {
			map[string]string{"warm-writes": "40000", "warm-reads": "50000"},
			with(func(o *options) { o.props.WarmThroughput = &waitingroom.WarmThroughput{Reads: 50000, Writes: 40000} }), nil,
		},
		"the rest": {
			map[string]string{"alarm-address": "team@example.com", "log-retention-days": "7", "pass-key": "secret",
				"shards": "128", "origin-key": "2", "removal": "destroy", "runbook": "https://wiki.example.com/runbook.md"},
			with(func(o *options) {
				o.props.AlarmAddress, o.props.LogRetention = "team@example.com", awslogs.RetentionDays_ONE_WEEK
				o.props.Runbook = "https://wiki.example.com/runbook.md"
				o.props.PassKey, o.props.Shards, o.props.OriginKey, o.props.Removal = waitingroom.PassKeySecret, 128, "2", "DESTROY"
			}), nil,
		},
		"hot shows": {
			map[string]string{"hot-shows": "on"},
			with(func(o *options) { o.props.HotShows = &waitingroom.HotShows{} }), nil,
		},
		"hot shows as cdk.json has them": {
			map[string]string{"hot-shows": "true", "hot-shows-self-approval": "true"},
			with(func(o *options) { o.props.HotShows = &waitingroom.HotShows{SelfApproval: true} }), nil,
		},
		"no hot shows": {map[string]string{"hot-shows": "off"}, options{props: defaults}, nil},
		"all of hot shows": {
			map[string]string{"hot-shows": "on", "hot-shows-self-approval": "off", "hot-shows-product": "prod-a", "hot-shows-artifact": "pa-a",
				"hot-shows-path": "lpv3-a", "hot-shows-portfolio": "port-a", "hot-shows-product-parameters": `{"Size":"large"}`,
				"jira-site": "https://example.atlassian.net", "jira-fields": `{"event":"customfield_10050","cancelled_statuses":["Gone"]}`},
			with(func(o *options) {
				o.props.HotShows = &waitingroom.HotShows{
					Product: &waitingroom.Product{ID: "prod-a", Artifact: "pa-a", Path: "lpv3-a", Portfolio: "port-a", Parameters: map[string]string{"Size": "large"}},
					Jira:    &waitingroom.Jira{Site: "https://example.atlassian.net", Fields: map[string]any{"event": "customfield_10050", "cancelled_statuses": []any{"Gone"}}},
				}
			}), nil,
		},
		"fields in a file": {
			map[string]string{"hot-shows": "on", "jira-site": "https://example.atlassian.net", "jira-fields": fields},
			with(func(o *options) {
				o.props.HotShows = &waitingroom.HotShows{Jira: &waitingroom.Jira{Site: "https://example.atlassian.net", Fields: map[string]any{"event": "customfield_10050"}}}
			}), nil,
		},
		"neither on nor off": {map[string]string{"hot-shows": "yes"}, options{}, []string{`hot-shows cannot be "yes": `}},
		"what is for hot shows": {
			map[string]string{"hot-shows-self-approval": "on", "jira-site": "https://example.atlassian.net"}, options{},
			[]string{"hot-shows-self-approval is for hot shows: ", "jira-site is for hot shows: "},
		},
		"what is for a product": {
			map[string]string{"hot-shows": "on", "hot-shows-path": "lpv3-a"}, options{}, []string{"hot-shows-path is for a product: "},
		},
		"parameters that are no texts": {
			map[string]string{"hot-shows": "on", "hot-shows-product": "prod-a", "hot-shows-product-parameters": `{"Size":2}`}, options{},
			[]string{"hot-shows-product-parameters is no JSON object as it should be: "},
		},
		"half of Jira": {map[string]string{"hot-shows": "on", "jira-site": "https://example.atlassian.net"}, options{}, []string{"Jira needs both "}},
		"no file of fields": {
			map[string]string{"hot-shows": "on", "jira-site": "https://example.atlassian.net", "jira-fields": fields + ".missing"}, options{},
			[]string{"jira-fields is neither "},
		},
		"no shards":       {map[string]string{"shards": "0"}, options{}, []string{"shards cannot be 0: "}},
		"no number":       {map[string]string{"shards": "many"}, options{}, []string{`shards cannot be "many": `}},
		"a separator":     {map[string]string{"warm-reads": "20,000"}, options{}, []string{`warm-reads cannot be "20,000": `}},
		"unknown days":    {map[string]string{"log-retention-days": "8"}, options{}, []string{"log-retention-days: logs cannot be kept for 8 days: give one of 1 3 5 7 14 "}},
		"kept for nought": {map[string]string{"log-retention-days": "0"}, options{}, []string{"log-retention-days: "}},
		"all at once": {
			map[string]string{"shards": "0", "domain": "queue.example.com", "warm-writes": "x"}, options{},
			[]string{"domain needs ", "warm-writes cannot be ", "shards cannot be "},
		},
	}
	for name, test := range tests {
		got, err := readOptions(func(key string) string { return test.context[key] })
		if test.errs == nil {
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		checkLines(t, name, err.Error(), test.errs)
	}
}

// checkLines expects a line for each beginning, in their order, and no other.
func checkLines(t *testing.T, name, text string, beginnings []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(beginnings) {
		t.Errorf("%s: %d lines, want %d:\n%s", name, len(lines), len(beginnings), text)
		return
	}
	for i, beginning := range beginnings {
		if !strings.HasPrefix(lines[i], beginning) {
			t.Errorf("%s: %q, want %q…", name, lines[i], beginning)
		}
	}
}

// runApp runs the app in a folder of stubs, as the CLI does, and gives what it says on stderr and
// where its templates are.
func runApp(t *testing.T, context map[string]any, environment ...string) (said, out string, status int) {
	t.Helper()
	folder := t.TempDir()
	files := []string{filepath.Join("static", "index.html"), filepath.Join("dist", names.FunctionPassKey, "bootstrap")}
	for _, name := range append(names.Functions(), names.HotShowFunctions()...) {
		files = append(files, filepath.Join("dist", name, "bootstrap"))
	}
	if err := templatetest.Stub(folder, files...); err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(folder, "cdk.out")
	app := exec.CommandContext(t.Context(), program)
	app.Dir = folder
	app.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "CDK_") }),
		asApp+"=1", "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(given))
	app.Env = append(app.Env, environment...)
	var stderr strings.Builder
	app.Stderr = &stderr
	if err := app.Run(); err != nil && app.ProcessState == nil {
		t.Fatal(err)
	}
	return withoutNotice(stderr.String()), out, app.ProcessState.ExitCode()
}

// withoutNotice leaves out what jsii says about versions of Node, between exclamation marks.
func withoutNotice(text string) string {
	lines := slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "!!") })
	return strings.Join(lines, "")
}

func TestBadInputEndsInOneLine(t *testing.T) {
	tests := map[string]struct {
		context map[string]any
		want    []string
	}{
		"as the CLI gives it":  {map[string]any{"shards": "129"}, []string{"Shards cannot be 129: give 1 to 128"}},
		"as cdk.json gives it": {map[string]any{"shards": 0}, []string{"shards cannot be 0: give 1 to 128"}},
		"what is wrong with hot shows": {
			map[string]any{"hot-shows": true, "jira-site": "http://example.atlassian.net", "jira-fields": map[string]any{"event": "customfield_10050"}},
			[]string{`HotShows.Jira.Site cannot be "http://example.atlassian.net": `, "HotShows.Jira.Fields lacks name, onsale, "},
		},
		"an account is needed": {map[string]any{"webacl": "create"}, []string{"zone and webacl=create make a second stack in us-east-1"}},
		"several things": {
			map[string]any{"alarm-address": "team", "domain": "QUEUE", "certificate": certificateARN},
			[]string{`Domain.Name cannot be "QUEUE": `, `AlarmAddress cannot be "team": `},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			said, _, status := runApp(t, test.context)
			if status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			checkLines(t, name, said, test.want)
		})
	}
}

func TestSecondStackIsInUSEast1(t *testing.T) {
	for _, region := range []string{"eu-central-1", "us-east-1"} {
		said, out, status := runApp(t,
			map[string]any{"domain": "queue.example.com", "zone": zone, "webacl": "create"},
			"CDK_DEFAULT_ACCOUNT=111122223333", "CDK_DEFAULT_REGION="+region)
		if status != 0 || said != "" {
			t.Fatalf("%s: exit status %d: %s", region, status, said)
		}
		var manifest struct {
			Artifacts map[string]struct {
				Environment  string
				Dependencies []string
			}
		}
		readJSON(t, filepath.Join(out, "manifest.json"), &manifest)
		if got := manifest.Artifacts["WaitingRoomEdge"].Environment; got != "aws://111122223333/us-east-1" {
			t.Errorf("%s: the second stack goes to %s", region, got)
		}
		room := manifest.Artifacts["WaitingRoom"]
		if room.Environment != "aws://111122223333/"+region || !slices.Contains(room.Dependencies, "WaitingRoomEdge") {
			t.Errorf("%s: the room goes to %s after %q", region, room.Environment, room.Dependencies)
		}
		checkEdge(t, region, out)
	}
}

// checkEdge expects the room to use what the second stack makes, and no function to carry it over.
func checkEdge(t *testing.T, region, out string) {
	t.Helper()
	var room, edge struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]any
		}
		Outputs map[string]any
	}
	readJSON(t, filepath.Join(out, "WaitingRoom.template.json"), &room)
	readJSON(t, filepath.Join(out, "WaitingRoomEdge.template.json"), &edge)
	made := []string{}
	for _, part := range edge.Resources {
		made = append(made, part.Type)
	}
	slices.Sort(made)
	if want := []string{"AWS::CertificateManager::Certificate", "AWS::WAFv2::WebACL"}; !slices.Equal(made, want) {
		t.Errorf("%s: the second stack has %q, want %q", region, made, want)
	}
	records := 0
	for _, part := range room.Resources {
		switch part.Type {
		case "AWS::Route53::RecordSet":
			records++
		case "AWS::CloudFront::Distribution":
			config := part.Properties["DistributionConfig"].(map[string]any)
			certificate := config["ViewerCertificate"].(map[string]any)["AcmCertificateArn"]
			for _, value := range []any{certificate, config["WebACLId"]} {
				if name := edgeOutput(value); edge.Outputs[name] == nil {
					t.Errorf("%s: %v is none of the second stack's outputs", region, value)
				}
			}
		}
	}
	if records != 2 {
		t.Errorf("%s: %d records point at the room, want 2", region, records)
	}
}

// edgeOutput is the name of the output of the stack in us-east-1 that a value refers to.
func edgeOutput(value any) string {
	reference, _ := value.(map[string]any)["Fn::GetStackOutput"].(map[string]any)
	if reference["StackName"] != "WaitingRoomEdge" {
		return ""
	}
	if region, ok := reference["Region"]; ok && region != "us-east-1" {
		return ""
	}
	name, _ := reference["OutputName"].(string)
	return name
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
