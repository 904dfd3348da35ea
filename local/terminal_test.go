package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
)

// asProgram has the test's binary be the program. It holds every package of the program, and so does
// whatever one of them does before main.
const asProgram = "LOCAL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// sitting is the program on a terminal that answers no question.
type sitting struct {
	terminal *os.File
	command  *exec.Cmd
	written  string
}

// asItself is a call of the program, which is killed if it does not end. The race detector would have each
// of them stay for a second.
func asItself(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = append(append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0", "NO_COLOR=", "TERM=xterm-256color"), env...)
	return command
}

func sit(t *testing.T, env []string, args ...string) *sitting {
	t.Helper()
	s := &sitting{command: asItself(t, env, args...)}
	var err error
	s.terminal, err = pty.StartWithSize(s.command, &pty.Winsize{Rows: 24, Cols: 80})
	if errors.Is(err, pty.ErrUnsupported) {
		t.Skip("this system has no pseudo terminals")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.terminal.Close() })
	return s
}

// read takes in what is written next, and says if the program has not ended.
func (s *sitting) read() bool {
	chunk := make([]byte, 4096)
	n, err := s.terminal.Read(chunk)
	s.written += string(chunk[:n])
	return err == nil
}

// await reads until text is written.
func (s *sitting) await(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(s.written, text) {
		if !s.read() {
			t.Fatalf("it ended without %q:\n%q", text, s.written)
		}
	}
}

func (s *sitting) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// end reads to the end and returns the exit status.
func (s *sitting) end() int {
	for s.read() {
	}
	s.command.Wait() // its error is the status
	return s.command.ProcessState.ExitCode()
}

// A terminal gets what a pipe gets. A question among it would be waited for, for seconds where none is
// answered, and what somebody types meanwhile would be taken for the answer.
func TestNothingIsAskedOfTheTerminal(t *testing.T) {
	for _, args := range [][]string{
		{"-help"}, {"plan", "-visitors", "1000", "-over", "60s", "-rate", "60"}, {"surge", "-help"}, {"show", "help"}, {"show", "nothing"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			want, err := asItself(t, nil, args...).CombinedOutput()
			if len(want) == 0 {
				t.Fatalf("nothing is printed: %v", err)
			}
			s := sit(t, nil, args...)
			s.end()
			if got := strings.ReplaceAll(s.written, "\r\n", "\n"); got != string(want) {
				t.Errorf("on a terminal\n%q\nwant\n%q", got, want)
			}
		})
	}
	t.Run("the room", func(t *testing.T) {
		s := sit(t, nil, "-listen", "127.0.0.1:0", "-aws-listen", "127.0.0.1:0")
		s.await(t, "Stop it with Ctrl-C.")
		s.press(t, "\x03")
		if status := s.end(); status != 0 || !strings.Contains(s.written, "stopping") || strings.Contains(s.written, "\x1b") {
			t.Errorf("status %d, %q", status, s.written)
		}
	})
}

// onSale is the API's address where the show abc is on sale, and what its callers need.
func onSale(t *testing.T) (url string, env []string) {
	t.Helper()
	now := time.Now()
	show := api.Detailed{Show: hotshow.Show{ID: "abc", State: hotshow.Live, Since: now, Request: hotshow.Request{
		Event: "winter-tour", Names: map[string]string{"en": "Winter tour"}, OnSale: now, Closes: now.Add(24 * time.Hour), KeepAfter: hotshow.Duration(4 * time.Hour),
	}}}
	sale := api.Sale{Event: "winter-tour", Phase: room.Open, Line: 300_000, Admitted: 75_000, Waiting: 225_000, Rate: 100, RateSet: 13_000,
		Time: now.Format(time.RFC3339), Alarms: []api.Alarm{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sale") {
			json.NewEncoder(w).Encode(sale)
			return
		}
		json.NewEncoder(w).Encode(show)
	}))
	t.Cleanup(server.Close)
	return server.URL, []string{"AWS_ACCESS_KEY_ID=anna", "AWS_SECRET_ACCESS_KEY=anna", "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true"}
}

// However it ends, the terminal is as it was before.
func TestWatchOnATerminal(t *testing.T) {
	url, env := onSale(t)
	for name, c := range map[string]struct {
		end  func(t *testing.T, s *sitting)
		want int
	}{
		"q":       {func(t *testing.T, s *sitting) { s.press(t, "q") }, 0},
		"control": {func(t *testing.T, s *sitting) { s.press(t, "\x03") }, 0},
		"interrupt": {func(t *testing.T, s *sitting) {
			if err := s.command.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}, exit.Interrupted},
		"small": {func(t *testing.T, s *sitting) {
			if err := pty.Setsize(s.terminal, &pty.Winsize{Rows: 6, Cols: 20}); err != nil {
				t.Error(err)
			}
			s.await(t, "…") // of what does not fit any more
			s.press(t, "q")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := sit(t, env, "show", "watch", "abc", "-url", url)
			s.await(t, "q ends")
			c.end(t, s)
			if status := s.end(); status != c.want {
				t.Errorf("status %d, want %d: %q", status, c.want, s.written)
			}
			before, shown, _ := strings.Cut(s.written, ansi.SetModeAltScreenSaveCursor)
			shown, after, restored := strings.Cut(shown, ansi.ResetModeAltScreenSaveCursor)
			if strings.TrimSpace(ansi.Strip(before)) != "" || !strings.Contains(shown, "Winter tour") || !restored || strings.TrimSpace(ansi.Strip(after)) != "" {
				t.Errorf("not on a screen of its own: %q", s.written)
			}
			if strings.LastIndex(s.written, ansi.ShowCursor) < strings.LastIndex(s.written, ansi.HideCursor) {
				t.Errorf("the cursor is gone: %q", s.written)
			}
			if strings.Contains(s.written, "\x1b]") || strings.Contains(s.written, ansi.RequestCursorPositionReport) {
				t.Errorf("it asks for colours: %q", s.written)
			}
			if got, want := modes(t, s.terminal), untouched(t); got != want {
				t.Errorf("the terminal's modes are %+v, want %+v", got, want)
			}
		})
	}
}

// What is typed before there is something to see counts too.
func TestKeysTypedAhead(t *testing.T) {
	url, env := onSale(t)
	s := sit(t, env, "show", "watch", "abc", "-url", url)
	s.press(t, "q")
	if status := s.end(); status != 0 {
		t.Errorf("status %d: %q", status, s.written)
	}
}

func TestColours(t *testing.T) {
	url, env := onSale(t)
	styles, colours := regexp.MustCompile(`\x1b\[[0-9;:]+m`), regexp.MustCompile(`\x1b\[([0-9]+;)*3[0-9](;[0-9]+)*m`)
	for variable, want := range map[string]bool{
		"TERM=xterm-256color": true, "TERM=linux": true, "TERM=": false, "NO_COLOR=": true, "NO_COLOR=1": false, "NO_COLOR=please": false,
	} {
		t.Run(variable, func(t *testing.T) {
			s := sit(t, append(env, "COLORTERM=", "CLICOLOR_FORCE=", variable), "show", "watch", "abc", "-url", url)
			s.await(t, "q ends")
			s.press(t, "q")
			s.end()
			if styles.MatchString(s.written) != want || colours.MatchString(s.written) != want {
				t.Errorf("%q", s.written)
			}
		})
	}
}

// A terminal that cannot be drawn on gets lines.
func TestWatchOnADumbTerminal(t *testing.T) {
	url, env := onSale(t)
	s := sit(t, append(env, "TERM=dumb"), "show", "watch", "abc", "-url", url)
	s.await(t, "live, open: 300,000 in line")
	s.press(t, "\x03")
	if status := s.end(); status != exit.Interrupted || strings.Contains(s.written, "\x1b") {
		t.Errorf("status %d: %q", status, s.written)
	}
}

// modes are how the terminal takes what is typed and written.
func modes(t *testing.T, terminal *os.File) term.State {
	t.Helper()
	state, err := term.GetState(terminal.Fd())
	if err != nil {
		t.Fatal(err)
	}
	return *state
}

// untouched are the modes of a new terminal.
func untouched(t *testing.T) term.State {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	return modes(t, ours)
}
