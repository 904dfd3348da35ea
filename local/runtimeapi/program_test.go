package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

const (
	root = "../.." // of the repository, from this package

	// patience is how long a program may take for anything: it only ends a test that hangs.
	patience = 2 * time.Minute
	// answerLimit is what Lambda gives a function that a visitor waits for.
	answerLimit = 10 * time.Second
)

// programs are built once, into a folder that TestMain removes.
var programs struct {
	folder string
	mu     sync.Mutex
	built  map[string]string // path by package
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "waiting-room-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs.folder, programs.built = folder, map[string]string{}
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

// buildCommand is how the Makefile builds what is deployed.
var buildCommand = regexp.MustCompile(`(?m)^BUILD := GOOS=linux GOARCH=arm64 (CGO_ENABLED=0 go build .+)$`)

// build returns the path of a package's program, built by the Makefile's own command for this
// machine: the instruction set, and the system if this is not Linux, is the only difference to what
// is deployed. It has no race detector, whatever the tests have.
func build(t testing.TB, folder string) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	if path, ok := programs.built[folder]; ok {
		return path
	}
	dependOnSources(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	command := buildCommand.FindSubmatch(makefile)
	if command == nil {
		t.Fatalf("the Makefile has no line %s", buildCommand)
	}
	path := filepath.Join(programs.folder, strings.ReplaceAll(folder, "/", "-"))
	c := exec.Command("sh", "-c", "GOOS="+runtime.GOOS+" GOARCH="+runtime.GOARCH+" "+string(command[1])+` -o "$1" "$2"`, "sh", path, "./"+folder)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, out)
	}
	programs.built[folder] = path
	return path
}

// dependOnSources looks at every file that programs are made of: go test repeats a cached result
// unless a file that the test itself looked at has changed.
func dependOnSources(t testing.TB) {
	t.Helper()
	for _, folder := range []string{"lambdas", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// process is a program in an environment of its own.
type process struct {
	*sandbox
	command *exec.Cmd
	metrics output // standard output
	log     output // standard error
	began   time.Time
	exited  chan struct{}
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a function's program with these variables and what Lambda sets, and nothing else of
// this process's environment. When the test ends, it is killed as Lambda does it, and what it wrote
// is held against the rules.
func (a *account) start(t testing.TB, function string, variables map[string]string) *process {
	t.Helper()
	return a.run(t, function, build(t, "lambdas/"+function+"/bootstrap"), variables)
}

func (a *account) run(t testing.TB, function, program string, variables map[string]string) *process {
	t.Helper()
	p := &process{sandbox: newSandbox(t, function), command: exec.Command(program), exited: make(chan struct{})}
	p.command.Dir = t.TempDir()
	p.command.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + p.address(),
		"AWS_LAMBDA_FUNCTION_NAME=" + function,
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + a.secretKey,
		"AWS_SESSION_TOKEN=" + a.secretKey,
		// What follows stands for AWS's own addresses. The proxy is for the service that puts the
		// account's number before its host name, and keeps a stray call on this machine.
		"AWS_ENDPOINT_URL=" + a.server.URL,
		"HTTP_PROXY=" + a.server.URL,
		"HTTPS_PROXY=" + a.server.URL,
	}
	for name, value := range variables {
		p.command.Env = append(p.command.Env, name+"="+value)
	}
	p.command.Stdout, p.command.Stderr = &p.metrics, &p.log
	p.began = time.Now()
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.command.Wait() // the state says how it ended
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		a.check(t, p)
	})
	return p
}

// kill ends the process without a warning and returns when it is gone. Only then all that it wrote has
// been read: an answer may be here before a line that was written earlier.
func (p *process) kill() {
	p.command.Process.Kill() // fails only if it has ended
	<-p.exited
}

// check holds what a process wrote against the rules: standard output is metrics that CloudWatch
// takes, and nothing of it is confidential.
func (a *account) check(t testing.TB, p *process) {
	t.Helper()
	metricstest.Points(t, p.metrics.String())
	a.mu.Lock()
	confidential := maps.Clone(a.confidential)
	a.mu.Unlock()
	for text, what := range confidential {
		if strings.Contains(p.metrics.String(), text) || strings.Contains(p.log.String(), text) {
			t.Errorf("%s wrote %s", p.function, what)
		}
	}
}

// keepSecret has every process's output checked for text, which is what.
func (a *account) keepSecret(text, what string) {
	if text == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.confidential[text] = what
}

// invoke has the program work on an event until deadline at most.
func (p *process) invoke(t testing.TB, event []byte, limit time.Duration) outcome {
	t.Helper()
	out, err := p.try(t.Context(), event, limit)
	if err != nil {
		t.Fatalf("%s: %v; its log:\n%s", p.function, err, p.log.String())
	}
	return out
}

// try is invoke for a program that may end.
func (p *process) try(ctx context.Context, event []byte, limit time.Duration) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done, err := p.begin(ctx, p.exited, event, time.Now().Add(limit))
	if err != nil {
		return outcome{}, err
	}
	select {
	case out := <-done:
		return out, nil
	case <-ctx.Done():
		return outcome{}, fmt.Errorf("no answer: %w", ctx.Err())
	case <-p.exited:
	}
	// It may have answered before it ended.
	select {
	case out := <-done:
		return out, nil
	default:
		return outcome{}, errExited
	}
}

// succeed is invoke for an event that no answer is read of.
func (p *process) succeed(t testing.TB, event []byte, limit time.Duration) {
	t.Helper()
	if out := p.invoke(t, event, limit); out.failed {
		t.Fatalf("%s failed: %s", p.function, out.payload)
	}
}

// awaitExit returns the exit status of a program that ends by itself.
func (p *process) awaitExit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%s goes on", p.function)
	}
	return p.command.ProcessState.ExitCode()
}

// environment is what the stack gives a function: what names says that it reads, and nothing else.
func (w *world) environment(function string) map[string]string {
	all := map[string]string{
		names.EnvTable:         w.table,
		names.EnvSecret:        secretARN,
		names.EnvRoom:          roomName,
		names.EnvIssuer:        issuer,
		names.EnvPassKey:       keyID,
		names.EnvStatusBucket:  bucketName,
		names.EnvParameterPath: names.ParameterPath,
		names.EnvShards:        "4",
		names.EnvAlarmTopic:    topicARN,
		names.EnvSelfApproval:  "false",
		names.EnvJiraSecret:    jiraSecretARN,
		names.EnvJiraSite:      "https://example.atlassian.net",
		names.EnvJiraFields:    w.jiraFields,
		names.EnvProduct:       names.None,
		names.EnvJoinFunction:  names.FunctionJoin,
		names.EnvAdmitFunction: names.FunctionAdmit,
	}
	variables := map[string]string{}
	for _, name := range names.Variables(function) {
		variables[name] = all[name]
	}
	return variables
}

// recorded reads an event as a service sends it to a function; path is from the repository's root.
func recorded(t testing.TB, path string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// derived is a recorded event with a change.
func derived(t testing.TB, event []byte, change func(map[string]any)) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(event, &members); err != nil {
		t.Fatal(err)
	}
	change(members)
	changed, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
