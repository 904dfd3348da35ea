package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/sync/errgroup"

	"waitingroom/shared/jira"
	"waitingroom/shared/names"
)

const (
	// realLead is from the request to the on-sale: making ready takes some two minutes.
	realLead = 165 * time.Second
	// realLimit is how long all of it may take.
	realLimit  = 6 * time.Minute
	realSecret = "a secret of Jira's for some minutes"
)

// TestHotShowsForReal runs the room with hot shows as a program, for some four minutes. One show is asked
// for by curl and approved by a webhook of Jira, the other one is asked for by a webhook and approved by
// curl. Both are made ready and come on sale, people visit them, and everything is taken down.
func TestHotShowsForReal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), realLimit)
	defer cancel()
	p := startProgram(ctx, t)
	onSale := time.Now().Add(realLead).Round(time.Second)
	preQueue := onSale.Add(-35 * time.Second)

	var demo struct{ ID, State string }
	p.curl(ctx, t, "asker", http.MethodPost, names.PathHotShows, fmt.Sprintf(
		`{"event":"demo","names":{"en":"Demo"},"onsale":%q,"prequeue":%q,"visitors":300,"over":"30s","rate":1200,"target":%q,"ready_before":"0s","keep_after":"1m"}`,
		onSale.Format(time.RFC3339), preQueue.Format(time.RFC3339), p.room.address+"/shop"), &demo)
	p.webhook(ctx, t, "approved.json", demo.ID, func(map[string]any) {})
	const winter = "jira-10042"
	p.webhook(ctx, t, "created.json", winter, func(fields map[string]any) {
		fields["customfield_10102"] = onSale.Format("2006-01-02T15:04:05.000-0700")
		fields["customfield_10107"] = preQueue.Format("2006-01-02T15:04:05.000-0700")
		fields["customfield_10106"], fields["customfield_10109"], fields["customfield_10110"] = p.room.address+"/shop", "0s", "1m"
	})
	p.curl(ctx, t, "approver", http.MethodPost, showPath(names.PathHotShowApprove, winter), "", &struct{}{})

	shows := map[string]string{"demo": demo.ID, "winter-tour": winter}
	p.logs(ctx, t, shows, "step=parameters", "step=throughput", "step=concurrency", "step=cache", "step=product", "step=readiness", `"show is ready"`)
	if left := time.Until(onSale); left < 0 {
		t.Errorf("the shows are ready %v after the on-sale", -left)
	}
	if pause(ctx, time.Until(preQueue.Add(10*time.Second))) != nil {
		t.Fatal("no time is left before the on-sale")
	}
	p.visit(ctx, t, map[string]int{"demo": 300, "winter-tour": 60})
	p.logs(ctx, t, shows, `"show is live"`)
	var sale struct{ Phase, Event string }
	p.curl(ctx, t, "asker", http.MethodGet, showPath(names.PathHotShowSale, demo.ID), "", &sale)
	if sale.Event != "demo" || sale.Phase != "open" {
		t.Errorf("the sale is %+v", sale)
	}
	for event := range shows {
		p.promote(ctx, t, event, "state", "soldout")
	}
	p.logs(ctx, t, shows, `"show is finishing"`, "the shop's servers are down", `"show is done"`)
	p.journal.await(ctx, t, "provisioned concurrency is removed", "function=join")
	p.journal.await(ctx, t, "provisioned concurrency is removed", "function=admit")
	for show := range map[string]bool{demo.ID: true, winter: true} {
		p.journal.await(ctx, t, "Jira has a comment", "issue="+issueOf(show), "The show is done now")
	}
	p.stop(ctx, t)
}

// program is the room as a process of its own.
type program struct {
	command *exec.Cmd
	journal *journal // what it prints and logs, by lines
	reading sync.WaitGroup
	room    *opened // as visitors have it
	api     string  // of the hot shows
	store   *ssm.Client
}

func startProgram(ctx context.Context, t *testing.T) *program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "local")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := &program{journal: newJournal()}
	p.command = exec.Command(path, "-hotshows", "-listen", "127.0.0.1:0", "-aws-listen", "127.0.0.1:0", "-hotshow-listen", "127.0.0.1:0",
		"-prepare-every", "5s", "-jira-secret", realSecret)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdout, p.command.Stderr = write, write
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close() // the process has its own
	p.reading.Go(func() {
		for lines := bufio.NewScanner(read); lines.Scan(); {
			p.journal.Write(lines.Bytes())
		}
		read.Close()
	})
	t.Cleanup(func() {
		p.command.Process.Kill() // if it runs still
		p.command.Wait()
		p.reading.Wait()
		t.Logf("the log:\n%s", strings.Join(p.journal.all(), "\n"))
	})
	address := func(pattern string, parts ...string) string {
		return regexp.MustCompile(pattern).FindStringSubmatch(p.journal.await(ctx, t, parts...))[1]
	}
	transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	room := &Room{
		address: address(`(http://\S+)/demo$`, "nothing is on sale yet"), awsAddr: address(`--endpoint-url (\S+)`, "--endpoint-url"),
		transport: transport,
	}
	p.api = address(`(http://\S+)`+names.PathHotShows, "curl", names.PathHotShows+" -d")
	p.store = ssm.NewFromConfig(room.config())
	p.room = &opened{Room: room, client: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return p
}

// stop interrupts the process, which has to end well and to have logged no errors.
func (p *program) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.journal.await(ctx, t, "stopping")
	if err := p.command.Wait(); err != nil {
		t.Errorf("the room ended with %v", err)
	}
	for _, line := range p.journal.all() {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("the room logged: %s", line)
		}
	}
}

// curl asks the hot shows' API as a person, without curl if there is none.
func (p *program) curl(ctx context.Context, t *testing.T, person, method, path, body string, into any) {
	t.Helper()
	var answer []byte
	if program, err := exec.LookPath("curl"); err == nil {
		args := []string{"--silent", "--show-error", "--fail-with-body", "--aws-sigv4", "aws:amz:" + region + ":execute-api",
			"--user", person + ":" + person, "--request", method, p.api + path}
		if body != "" {
			args = append(args, "--data", body)
		}
		if answer, err = exec.CommandContext(ctx, program, args...).Output(); err != nil {
			t.Fatalf("curl %s: %v\n%s", path, err, answer)
		}
	} else {
		t.Log("no curl: the requests are signed by the SDK")
		answer = p.signed(ctx, t, person, method, path, body)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s is answered with %s", path, answer)
	}
}

func (p *program) signed(ctx context.Context, t *testing.T, person, method, path, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, p.api+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: person, SecretAccessKey: person}
	if err := v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(sum[:]), "execute-api", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return p.do(t, r)
}

// do returns the answer, which has to be a good one.
func (p *program) do(t *testing.T, r *http.Request) []byte {
	t.Helper()
	response, err := p.room.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s is answered with %s %s (%v)", r.URL.Path, response.Status, answer, err)
	}
	return answer
}

// webhook posts one that was recorded, as if it had happened now.
func (p *program) webhook(ctx context.Context, t *testing.T, file, show string, edit func(fields map[string]any)) {
	t.Helper()
	var webhook map[string]any
	if err := json.Unmarshal(recorded(t, file, show), &webhook); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	webhook["timestamp"] = now
	fields := webhook["issue"].(map[string]any)["fields"].(map[string]any)
	for _, approval := range fields["customfield_10111"].([]any) {
		if completed, ok := approval.(map[string]any)["completedDate"].(map[string]any); ok {
			completed["epochMillis"] = now
		}
	}
	edit(fields)
	body, err := json.Marshal(webhook)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+names.PathJira, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(jira.SignatureHeader, jira.Sign([]byte(realSecret), body))
	var answer struct{ Outcome, Why, Show string }
	if err := json.Unmarshal(p.do(t, r), &answer); err != nil || answer.Outcome != "taken" || answer.Show != show {
		t.Fatalf("%s is answered with %+v (%v)", file, answer, err)
	}
}

// logs waits for what is said of each show, or of its product.
func (p *program) logs(ctx context.Context, t *testing.T, shows map[string]string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		for _, show := range shows {
			p.journal.await(ctx, t, part, show)
		}
	}
}

func (p *program) promote(ctx context.Context, t *testing.T, event, parameter, value string) {
	t.Helper()
	_, err := p.store.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(names.ParameterPath + event + "/" + parameter), Value: &value, Type: "String", Overwrite: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// visit sends people to events, all of whom have to get into the shop, and none before the on-sale.
func (p *program) visit(ctx context.Context, t *testing.T, people map[string]int) {
	t.Helper()
	var visits errgroup.Group
	for event, n := range people {
		of := &opened{Room: &Room{address: p.room.address, options: Options{Event: event}}, client: p.room.client}
		for range n {
			v := of.visitor()
			visits.Go(func() error {
				if err := v.visit(ctx); err != nil {
					return fmt.Errorf("a visitor of %s: %w", event, err)
				}
				if v.pass == "" || !strings.HasPrefix(v.redirect, p.room.address+"/shop?") {
					return fmt.Errorf("a visitor of %s is sent to %.40s", event, v.redirect)
				}
				return nil
			})
		}
	}
	if err := visits.Wait(); err != nil {
		t.Fatal(err)
	}
}
