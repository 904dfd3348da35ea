package deployment

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestEverythingWrongIsNamedAtOnce(t *testing.T) {
	set := map[string]string{"A": "a", "B": "b", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := set[name]; return v, ok }
	for _, test := range []struct {
		variables []string
		want      map[string]string
		err       string
	}{
		{[]string{"A"}, map[string]string{"A": "a"}, ""},
		{[]string{"A", "EMPTY", "C"}, nil, "missing environment: EMPTY, C"},
		{[]string{OneOf("A", "C")}, map[string]string{"A": "a"}, ""},
		{[]string{OneOf("C", "B")}, map[string]string{"B": "b"}, ""},
		{[]string{OneOf("EMPTY", "B")}, map[string]string{"B": "b"}, ""},
		{[]string{OneOf("C", "D"), "E"}, nil, "missing environment: C or D, E"},
		{[]string{OneOf("A", "B"), "E"}, nil, "missing environment: E\nenvironment has more than one: A and B"},
	} {
		env, err := environment(lookup, test.variables)
		if test.err == "" {
			if err != nil || !maps.Equal(env, test.want) {
				t.Errorf("%q: %v, %v", test.variables, env, err)
			}
		} else if err == nil || err.Error() != test.err {
			t.Errorf("%q: %v, want %s", test.variables, err, test.err)
		}
	}
}

func TestEnvTellsOnlyWhatWasLoaded(t *testing.T) {
	d := &Deployment{env: map[string]string{"A": "a"}}
	if value, ok := d.Lookup("A"); value != "a" || !ok || d.Env("A") != "a" {
		t.Errorf("%q, %v", value, ok)
	}
	if value, ok := d.Lookup("B"); value != "" || ok {
		t.Errorf("%q, %v", value, ok)
	}
	defer func() {
		if recover() == nil {
			t.Error("a variable that was not loaded has a value")
		}
	}()
	d.Env("B")
}

// Functions that sign nothing start faster without the KMS client.
func TestLoadingDoesNotNeedKMS(t *testing.T) {
	const services = "github.com/aws/aws-sdk-go-v2/service/"
	output, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Fields(string(output))
	if slices.Contains(found, services+"kms") {
		t.Error("package deployment needs KMS: passkey is the place for it")
	}
	if !slices.Contains(found, services+"secretsmanager") {
		t.Error("the dependencies lack Secrets Manager: this test could not have found KMS")
	}
}
