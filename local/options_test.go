package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

func TestBadOptionsAreOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name   string
		args   []string
		status int
		say    string
	}{
		{"unknown flag", []string{"-colour", "red"}, 2, "-colour"},
		{"flag without value", []string{"-rate"}, 2, "-rate"},
		{"argument", []string{"demo"}, 2, `"demo"`},
		{"rate of nobody", []string{"-rate", "0"}, 2, "-rate"},
		{"negative rate", []string{"-rate", "-5"}, 2, "-rate"},
		{"rate in words", []string{"-rate", "fast"}, 2, "-rate"},
		{"rate above what can be set", []string{"-rate", "60001"}, 2, "60000"},
		{"reserved event", []string{"-event", "v1"}, 2, "reserved"},
		{"event with a slash", []string{"-event", "a/b"}, 2, "-event"},
		{"event without a name", []string{"-event", ""}, 2, "-event"},
		{"on-sale without offset", []string{"-onsale", "2026-11-21T10:00:00"}, 2, "offset"},
		{"on-sale in another age", []string{"-onsale", "2300-01-01T00:00:00Z"}, 2, "2199"},
		{"on-sale in words", []string{"-onsale", "soon"}, 2, "-onsale"},
		{"address without port", []string{"-listen", "127.0.0.1"}, 2, "-listen"},
		{"port that is none", []string{"-aws-listen", "127.0.0.1:http"}, 2, "-aws-listen"},
		{"engine that is no address", []string{"-dynamodb-endpoint", "localhost"}, 2, "-dynamodb-endpoint"},
		{"short secret", []string{"-secret", "hunter2"}, 2, "-secret"},
		{"hot shows' address without hot shows", []string{"-hotshow-listen", "127.0.0.1:0"}, 2, "add -hotshows"},
		{"hot shows' address without port", []string{"-hotshows", "-hotshow-listen", "127.0.0.1"}, 2, "-hotshow-listen"},
		{"hot shows and an on-sale", []string{"-hotshows", "-onsale", "1m"}, 2, "-onsale"},
		{"hot shows and a rate", []string{"-hotshows", "-rate", "60"}, 2, "-rate"},
		{"hot shows and limits", []string{"-hotshows", "-limits"}, 2, "-limits"},
		{"prepare too often", []string{"-hotshows", "-prepare-every", "999ms"}, 2, "-prepare-every"},
		{"prepare too rarely", []string{"-hotshows", "-prepare-every", "61s"}, 2, "-prepare-every"},
		{"short secret of Jira", []string{"-hotshows", "-jira-secret", "hunter2"}, 2, "-jira-secret"},
		{"taken port of hot shows", []string{"-hotshows", "-listen", "127.0.0.1:0", "-aws-listen", "127.0.0.1:0", "-hotshow-listen", taken.Addr().String()}, 1, "-hotshow-listen"},
		{"taken port", []string{"-listen", taken.Addr().String(), "-aws-listen", "127.0.0.1:0"}, 1, taken.Addr().String()},
		{"taken port of the stores", []string{"-listen", "127.0.0.1:0", "-aws-listen", taken.Addr().String()}, 1, "-aws-listen"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr := refused(t, test.args, test.status, "local: ", test.say)
			if stdout != "" {
				t.Errorf("stdout: %s", stdout)
			}
			if strings.Contains(stderr, "hunter2") {
				t.Error("the secret is repeated")
			}
		})
	}
}

// refused runs the command, which has to end with status and one line on stderr that begins with prefix
// and says say.
func refused(t *testing.T, args []string, status int, prefix, say string) (stdout, stderr string) {
	t.Helper()
	var out, complaint bytes.Buffer
	if got := run(t.Context(), args, &out, &complaint); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
	line, rest, _ := strings.Cut(complaint.String(), "\n")
	if !strings.HasPrefix(line, prefix) || !strings.Contains(line, say) || rest != "" {
		t.Errorf("stderr is not one line with %q:\n%s", say, complaint.String())
	}
	return out.String(), complaint.String()
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-help"}, &stdout, &stderr); status != 0 || stderr.Len() != 0 {
		t.Errorf("exit status %d, stderr %q", status, stderr.String())
	}
	for _, want := range []string{
		"-listen", "127.0.0.1:8080", "-aws-listen", "127.0.0.1:8081", "-event", "demo", "-onsale", "30s", "-rate", "60", "-dynamodb-endpoint",
		"-hotshows", "-hotshow-listen", "127.0.0.1:8082", "-prepare-every", "1m0s", "-jira-secret",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the help does not say %s", want)
		}
	}
}

func TestOnSale(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 400e6, time.UTC)
	for text, want := range map[string]string{
		"30s":                       "2026-11-21T10:00:30Z",
		"-1m":                       "2026-11-21T09:59:00Z",
		"2026-12-01T09:00:00Z":      "2026-12-01T09:00:00Z",
		"2026-12-01T09:00:00+01:00": "2026-12-01T08:00:00Z",
	} {
		o, err := parseOptionsAt([]string{"-onsale", text}, &bytes.Buffer{}, now)
		if err != nil || o.OnSale.UTC().Format(time.RFC3339) != want {
			t.Errorf("-onsale %s is %s, %v; want %s", text, o.OnSale, err, want)
		}
	}
}

// TestInterrupt runs the command until it is interrupted. Nothing of it goes on after that.
func TestInterrupt(t *testing.T) {
	t.Run("room", func(t *testing.T) { interrupted(t, "-onsale", "1h") })
	t.Run("room with hot shows", func(t *testing.T) { interrupted(t, "-hotshows", "-hotshow-listen", "127.0.0.1:0") })
}

func interrupted(t *testing.T, args ...string) {
	before := runtime.NumGoroutine()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stdout, stderr := newJournal(), newJournal()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"-listen", "127.0.0.1:0", "-aws-listen", "127.0.0.1:0"}, args...), stdout, stderr)
	}()
	deadline, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	welcome := stdout.await(deadline, t, "put-parameter", "--overwrite")
	page := regexp.MustCompile(`http://127\.0\.0\.1:\d+/demo`).FindString(welcome)
	answer, err := http.Get(page)
	if err != nil {
		t.Fatalf("the page that is announced: %v", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the page that is announced: %s", answer.Status)
	}
	http.DefaultClient.CloseIdleConnections()

	interrupt()
	select {
	case status := <-ended:
		if status != 0 {
			t.Errorf("exit status %d: %q", status, stderr.all())
		}
	case <-deadline.Done():
		t.Fatal("an interrupt does not end it")
	}
	if _, err := http.Get(page); err == nil {
		t.Error("the page answers after the end")
	}
	for runtime.NumGoroutine() > before {
		if pause(deadline, 50*time.Millisecond) != nil {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, and now:\n%s", before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestPlacesOutliveARestart stops a room whose table is elsewhere, and starts it again.
func TestPlacesOutliveARestart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kept := dynamodb.NewEngine()
	engine := httptest.NewServer(dynamodb.NewHandler(kept, kept))
	t.Cleanup(engine.Close) // after the rooms, whose leases are in it
	o := Options{
		OnSale: time.Now().Add(10 * time.Minute), Rate: 60,
		DynamoDBEndpoint: engine.URL, Secret: "a text that is kept for as long as the table",
	}
	first := openWith(t, o)
	before := first.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })
	v := first.visitor()
	if err := v.join(ctx); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	tables := awsdynamodb.NewFromConfig(first.config(), func(o *awsdynamodb.Options) { o.BaseEndpoint = &engine.URL })
	left, err := store.New(tables, first.table, time.Now).State(ctx, "demo")
	if err != nil || left.Owner != "" {
		t.Errorf("the lease was not handed over: %+v, %v", left.Fence, err)
	}

	second := openWith(t, o)
	after := second.await(ctx, t, "what the first room's said", func(s room.Status) bool { return s.Version > before.Version })
	if after.Run != before.Run || after.Commit != before.Commit {
		t.Error("another run began")
	}
	a, err := second.send(ctx, http.MethodPost, second.operation("join"), `{"secret":"`+v.secret+`"}`, nil)
	var again seat
	if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &again) != nil || again != v.seat {
		t.Errorf("joining again: %s, %v; the place is another: %t", a, err, again != v.seat)
	}
}
