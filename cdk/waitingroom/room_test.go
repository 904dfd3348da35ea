package waitingroom

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// synthesised is the one stack that all tests look at, as objects of the assertions package and as
// plain JSON.
var synthesised struct {
	template assertions.Template
	document document
	named    document // the same room with a domain
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
	stack, _, err := NewStack(app, "WaitingRoom", nil, props)
	if err != nil {
		return 0, err
	}
	props.Domain = &Domain{Name: "queue.example.com", Certificate: "arn:aws:acm:us-east-1:111122223333:certificate/example"}
	named, _, err := NewStack(app, "Named", nil, props)
	if err != nil {
		return 0, err
	}

	synthesised.template = assertions.Template_FromStack(stack, nil)
	if err := read(synthesised.template, &synthesised.document); err != nil {
		return 0, err
	}
	if err := read(assertions.Template_FromStack(named, nil), &synthesised.named); err != nil {
		return 0, err
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
	for _, name := range names.Functions() {
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

// every resource of a kind, of which there must be count.
func every(t *testing.T, kind string, count int) map[string]resource {
	t.Helper()
	found := map[string]resource{}
	for id, candidate := range synthesised.document.Resources {
		if candidate.Type == kind {
			found[id] = candidate
		}
	}
	if len(found) != count {
		t.Fatalf("%d resources of type %s, want %d", len(found), kind, count)
	}
	return found
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
