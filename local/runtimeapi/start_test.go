package runtimeapi

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

// failToStart wants the program to end by itself before it asks for an event, and returns what it
// said, which has to be one line. aws-lambda-go reports no such end, and Lambda itself tells it from
// the exit status.
func (w *world) failToStart(t *testing.T, function string, variables map[string]string) string {
	t.Helper()
	p := w.start(t, function, variables)
	if status := p.awaitExit(t); status != 1 {
		t.Errorf("exit status %d", status)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked > 0 || p.initErrors > 0 || p.metrics.String() != "" {
		t.Errorf("it asked for %d events, reported %d errors and wrote %q", p.asked, p.initErrors, p.metrics.String())
	}
	line, rest, _ := strings.Cut(p.log.String(), "\n")
	if rest != "" {
		t.Errorf("more than a line: %s", p.log.String())
	}
	return line
}

// TestMissingEnvironment shows too that a program reads no other variables than it is given here.
func TestMissingEnvironment(t *testing.T) {
	w := newWorld(t)
	alternatives := map[string]string{
		names.FunctionAdmit: names.EnvPassKey + " or " + names.EnvPassKeySecret,
		names.FunctionTick:  names.EnvPassKey + " or " + names.EnvPassPublicKey,
	}
	for _, function := range append(names.Functions(), names.HotShowFunctions()...) {
		t.Run(function, func(t *testing.T) {
			_, list, found := strings.Cut(w.failToStart(t, function, nil), "missing environment: ")
			got := strings.Split(list, ", ")
			want := slices.Collect(maps.Keys(w.environment(function)))
			if i := slices.Index(want, names.EnvPassKey); i >= 0 {
				want[i] = alternatives[function]
			}
			slices.Sort(got)
			slices.Sort(want)
			if !found || !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestWhatKeepsAProgramFromStarting(t *testing.T) {
	w := newWorld(t)
	short, empty := secretARN+"short", secretARN+"empty"
	w.secrets.put(short, "thirty-one bytes are too few...")
	w.keepSecret("thirty-one bytes are too few...", "a secret")
	for _, test := range []struct {
		name, function, variable, value, want string
	}{
		{"a secret that is too short", names.FunctionJoin, names.EnvSecret, short, "has 31 bytes and needs at least 32"},
		{"a secret that is not there", names.FunctionPlace, names.EnvSecret, empty, "read the deployment's secret"},
		{"a key that is not there", names.FunctionAdmit, names.EnvPassKey, "other", "public key of other"},
		{"shards that are none", names.FunctionTick, names.EnvShards, "129", names.EnvShards},
		{"shards that are no number", names.FunctionSettings, names.EnvShards, "many", names.EnvShards},
		{"two keys", names.FunctionTick, names.EnvPassPublicKey, "a key", "more than one: " + names.EnvPassKey + " and " + names.EnvPassPublicKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			line := w.failToStart(t, test.function, with(w.environment(test.function), test.variable, test.value))
			if !strings.Contains(line, test.want) {
				t.Errorf("%q does not say %q", line, test.want)
			}
		})
	}
}
