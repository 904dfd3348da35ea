package waitingroom

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// synthesised are the stacks that all tests look at, as objects of the assertions package and as
// plain JSON. They are put together once.
var synthesised struct {
	template assertions.Template
	document document // of a room with every default
	named    document // of a room with every prop
	edge     document // of the stack in us-east-1

	room      *Room // whose stack is document
	namedRoom *Room
}

// everyProp is what the named room is made with.
func everyProp(props Props) Props {
	props.Domain = &Domain{
		Name:        "queue.example.com",
		Certificate: "arn:aws:acm:us-east-1:111122223333:certificate/example",
		Zone:        "Z0123456789ABCDEFGHIJ",
	}
	props.WebACL = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/room/example"
	props.WarmThroughput = &WarmThroughput{Reads: 20000, Writes: 40000}
	props.AlarmAddress = "team@example.com"
	props.Runbook = "https://wiki.example.com/runbook.md"
	props.LogRetention = awslogs.RetentionDays_ONE_WEEK
	props.Removal = awscdk.RemovalPolicy_DESTROY
	props.PassKey = PassKeySecret
	props.Shards = 64
	props.OriginKey = "b"
	return props
}

// document is as much of a CloudFormation template as the tests read.
type document struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      []string
	DeletionPolicy string
}

func TestMain(m *testing.M) {
	status, err := synthesise(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// synthesise runs the tests on a stack of stub folders, and ends jsii's process after them.
func synthesise(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "room")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	props, err := stubs(folder)
	if err != nil {
		return 0, err
	}
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack, room, err := NewStack(app, "WaitingRoom", nil, props)
	if err != nil {
		return 0, err
	}
	named, namedRoom, err := NewStack(app, "Named", nil, everyProp(props))
	if err != nil {
		return 0, err
	}
	edge, _, err := NewEdgeStack(app, "Edge", nil, EdgeProps{
		Domain: "queue.example.com", Zone: "Z0123456789ABCDEFGHIJ", WebACL: &WebACLProps{},
	})
	if err != nil {
		return 0, err
	}

	synthesised.room, synthesised.namedRoom = room, namedRoom
	synthesised.template = assertions.Template_FromStack(stack, nil)
	for _, part := range []struct {
		template assertions.Template
		into     *document
	}{
		{synthesised.template, &synthesised.document},
		{assertions.Template_FromStack(named, nil), &synthesised.named},
		{assertions.Template_FromStack(edge, nil), &synthesised.edge},
	} {
		if err := read(part.template, part.into); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

func read(template assertions.Template, into *document) error {
	text, err := json.Marshal(template.ToJSON())
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func stubs(folder string) (Props, error) {
	props := Props{Functions: filepath.Join(folder, "dist"), Page: filepath.Join(folder, "static")}
	files := []string{filepath.Join(props.Page, "index.html")}
	for _, name := range append(names.Functions(), names.FunctionPassKey) {
		files = append(files, filepath.Join(props.Functions, name, "bootstrap"))
	}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return Props{}, err
		}
		if err := os.WriteFile(file, []byte(file[len(folder):]), 0o755); err != nil {
			return Props{}, err
		}
	}
	return props, nil
}

// check turns the panic of a failed assertion into a failure of this test, so that the others run.
func check(t *testing.T, assertion func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if failure := recover(); failure != nil {
			t.Errorf("%v", failure)
		}
	}()
	assertion()
}

// has expects a resource with at least these properties.
func has(t *testing.T, kind string, properties map[string]any) {
	t.Helper()
	check(t, func() { synthesised.template.HasResourceProperties(&kind, properties) })
}

// every resource of a kind in the room with every default, of which there must be count.
func every(t *testing.T, kind string, count int) map[string]resource {
	t.Helper()
	return synthesised.document.every(t, kind, count)
}

// every resource of a kind, of which there must be count.
func (d document) every(t *testing.T, kind string, count int) map[string]resource {
	t.Helper()
	found := d.all(kind)
	if len(found) != count {
		t.Fatalf("%d resources of type %s, want %d", len(found), kind, count)
	}
	return found
}

// one resource of a kind, of which there must be one.
func (d document) one(t *testing.T, kind string) resource {
	t.Helper()
	for _, only := range d.every(t, kind, 1) {
		return only
	}
	return resource{}
}

func (d document) all(kind string) map[string]resource {
	found := map[string]resource{}
	for id, candidate := range d.Resources {
		if candidate.Type == kind {
			found[id] = candidate
		}
	}
	return found
}

// resolved is what stands in the template for a value of the room, as compact JSON.
func (r *Room) resolved(t *testing.T, value *string) string {
	t.Helper()
	return text(t, awscdk.Stack_Of(r.Construct).Resolve(value))
}

// rooms are the rooms with their templates, by what they are called in messages.
func rooms() map[string]struct {
	*Room
	document
} {
	return map[string]struct {
		*Room
		document
	}{
		"default": {synthesised.room, synthesised.document},
		"named":   {synthesised.namedRoom, synthesised.named},
	}
}

// text is a value of the template as compact JSON.
func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
