package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waitingroom/cdk/waitingroom"
	"waitingroom/shared/names"
)

func TestReadDomain(t *testing.T) {
	tests := []struct {
		name, certificate string
		want              *waitingroom.Domain
		fails             bool
	}{
		{"", "", nil, false},
		{"queue.example.com", "arn", &waitingroom.Domain{Name: "queue.example.com", Certificate: "arn"}, false},
		{"queue.example.com", "", nil, true},
		{"", "arn", nil, true},
	}
	for _, test := range tests {
		got, err := readDomain(test.name, test.certificate)
		if (err != nil) != test.fails {
			t.Errorf("%q, %q: error %v", test.name, test.certificate, err)
		}
		if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%q, %q: %v, want %v", test.name, test.certificate, got, test.want)
		}
	}
}

func TestCheckBuiltNamesWhatIsMissing(t *testing.T) {
	folder := t.TempDir()
	props := waitingroom.Props{Functions: filepath.Join(folder, "dist"), Page: filepath.Join(folder, "static")}
	missing := []string{filepath.Join(props.Page, "index.html")}
	for _, name := range names.Functions() {
		missing = append(missing, filepath.Join(props.Functions, name, "bootstrap"))
	}
	for len(missing) > 0 {
		err := checkBuilt(props)
		if err == nil {
			t.Fatalf("nothing said while %q are missing", missing)
		}
		missing = create(t, missing, err)
	}
	if err := checkBuilt(props); err != nil {
		t.Error(err)
	}
}

// create makes the file that the error names, and returns the others.
func create(t *testing.T, missing []string, err error) []string {
	t.Helper()
	for i, file := range missing {
		if !strings.HasPrefix(err.Error(), file+" ") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return append(missing[:i:i], missing[i+1:]...)
	}
	t.Fatalf("%v names none of %q", err, missing)
	return nil
}
