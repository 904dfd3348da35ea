// Package templatetest reads CloudFormation templates as tests look at them.
package templatetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

// Template is as much of a CloudFormation template as the tests read.
type Template struct {
	Text      []byte `json:"-"` // all of it, as indented JSON
	Resources map[string]Resource
	Outputs   map[string]struct{ Value any }
}

// Resource is one of a template's, without what no test reads.
type Resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      []string
	DeletionPolicy string
}

// Main runs a package's tests after prepare, which gets an empty folder for its stacks, and exits.
// jsii's process ends before this one, which would wait for it otherwise.
func Main(m *testing.M, prepare func(folder string) error) {
	status, err := run(m, prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M, prepare func(folder string) error) (int, error) {
	folder, err := os.MkdirTemp("", "cdk")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	defer jsii.Close()
	if err := prepare(folder); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Stub writes files below a folder that stand for what a build makes. Each holds its own path, since
// files that are the same become one asset.
func Stub(folder string, files ...string) error {
	for _, file := range files {
		path := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(file), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Read reads what the CDK has synthesised.
func Read(synthesised assertions.Template) (Template, error) {
	text, err := json.MarshalIndent(synthesised.ToJSON(), "", "  ")
	if err != nil {
		return Template{}, err
	}
	read := Template{Text: text}
	return read, json.Unmarshal(text, &read)
}

// All are the resources of a kind, which may be none.
func (t Template) All(kind string) map[string]Resource {
	found := map[string]Resource{}
	for id, candidate := range t.Resources {
		if candidate.Type == kind {
			found[id] = candidate
		}
	}
	return found
}

// Every is every resource of a kind, of which there must be count.
func (t Template) Every(tb testing.TB, kind string, count int) map[string]Resource {
	tb.Helper()
	found := t.All(kind)
	if len(found) != count {
		tb.Fatalf("%d resources of type %s, want %d", len(found), kind, count)
	}
	return found
}

// Only is the one resource of a kind.
func (t Template) Only(tb testing.TB, kind string) (id string, found Resource) {
	tb.Helper()
	for id, found = range t.Every(tb, kind, 1) {
	}
	return id, found
}

// Text is a value of a template as compact JSON.
func Text(tb testing.TB, value any) string {
	tb.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return string(encoded)
}
