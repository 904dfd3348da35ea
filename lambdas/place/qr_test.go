package place_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"

	"waitingroom/lambdas/place"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

// recordedAs is a recorded event.
func recordedAs(t *testing.T, file string) (r httpapi.Request) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func codeBody(secret, run string) string { return `{"secret":"` + secret + `","run":"` + run + `"}` }

var (
	theRun    = strings.Repeat("a1", 16)
	rectangle = regexp.MustCompile(`M([0-9]+) ([0-9]+)h([0-9]+)v1H([0-9]+)z`)
)

// modules reads the path back as a browser fills it, and finds fault with anything else in it.
func modules(t *testing.T, code place.Code) *gozxing.BitMatrix {
	t.Helper()
	matrix, err := gozxing.NewSquareBitMatrix(code.Size)
	if err != nil {
		t.Fatal(err)
	}
	if rest := rectangle.ReplaceAllString(code.Path, ""); rest != "" {
		t.Fatalf("the path holds %.100q", rest)
	}
	for _, found := range rectangle.FindAllStringSubmatch(code.Path, -1) {
		var n [4]int
		for i := range n {
			if n[i], err = strconv.Atoi(found[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if x, y, width := n[0], n[1], n[2]; width < 1 || x+width > code.Size || y >= code.Size || n[3] != x {
			t.Fatalf("%s is not within %d modules", found[0], code.Size)
		}
		for x := n[0]; x < n[0]+n[2]; x++ {
			if matrix.Get(x, n[1]) {
				t.Errorf("module %d of row %d is drawn twice", x, n[1])
			}
			matrix.Set(x, n[1])
		}
	}
	return matrix
}

// scan reads a code with somebody else's decoder.
func scan(t *testing.T, code place.Code) (text, level string) {
	t.Helper()
	result, err := decoder.NewDecoder().Decode(modules(t, code), nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText(), result.GetECLevel()
}

func TestCode(t *testing.T) {
	s := newSale(t, unchanged)
	s.fail = errLost // nothing is read
	longest := strings.Repeat("e", names.LongestEvent)
	for _, test := range []struct{ event, secret string }{
		{"demo", "AAECAwQFBgcICQoLDA0ODw"},
		{"a", base64.RawURLEncoding.EncodeToString(make([]byte, 17))},
		{longest, base64.RawURLEncoding.EncodeToString(make([]byte, 32))},
	} {
		r := recordedAs(t, "qr.json")
		r.PathParameters = map[string]string{names.EventParameter: test.event}
		r.Headers["Host"] = "elsewhere.example"
		r.Body = codeBody(test.secret, theRun)
		answer := s.ask(t, r)
		var code place.Code
		if err := json.Unmarshal([]byte(answer.Body), &code); err != nil || answer.StatusCode != 200 || answer.Headers["Content-Type"] != "application/json" {
			t.Fatalf("%d %s", answer.StatusCode, answer.Body)
		}
		text, level := scan(t, code)
		if want := "https://room.example.com/" + test.event + "#place=" + theRun + "." + test.secret; text != want || level != "M" {
			t.Errorf("%s at level %s, want %s", text, level, want)
		}
		if len(answer.Body) > 24<<10 {
			t.Errorf("the code of %s takes %d bytes", test.event, len(answer.Body))
		}
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}

func TestCodesThatAreRefused(t *testing.T) {
	s := newSale(t, unchanged)
	const secret = "AAECAwQFBgcICQoLDA0ODw"
	for _, test := range []struct {
		name, event, body string
		status            int
		code              string
	}{
		{"no body", "demo", "", 400, "bad-request"},
		{"no secret", "demo", `{"run":"` + theRun + `"}`, 400, "bad-request"},
		{"no run", "demo", `{"secret":"` + secret + `"}`, 400, "bad-request"},
		{"a short secret", "demo", codeBody(secret[1:], theRun), 400, "bad-request"},
		{"a long secret", "demo", codeBody(strings.Repeat("A", 44), theRun), 400, "bad-request"},
		{"a secret with a line break", "demo", codeBody(secret+`\n`, theRun), 400, "bad-request"},
		{"a ticket", "demo", codeBody(s.tickets[1], theRun), 400, "bad-request"},
		{"a run in capitals", "demo", codeBody(secret, strings.ToUpper(theRun)), 400, "bad-request"},
		{"a short run", "demo", codeBody(secret, theRun[1:]), 400, "bad-request"},
		{"a run with a line break", "demo", codeBody(secret, theRun+`\n`), 400, "bad-request"},
		{"an address for a run", "demo", codeBody(secret, "https://elsewhere.example/aaaaaa"), 400, "bad-request"},
		{"too large", "demo", codeBody(secret, theRun) + strings.Repeat(" ", 512), 413, "too-large"},
		{"no event's name", "v1", codeBody(secret, theRun), 404, "unknown-event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := recordedAs(t, "qr.json")
			r.PathParameters = map[string]string{names.EventParameter: test.event}
			r.Body = test.body
			s.counts.Reset()
			answer := s.ask(t, r)
			wantProblem(t, answer, test.status, test.code)
			metricstest.WantCounts(t, &s.counts, onSale.Add(time.Minute), metricstest.Refusal(test.code))
			if strings.Contains(answer.Body, secret[1:]) {
				t.Errorf("the answer repeats the secret: %s", answer.Body)
			}
		})
	}
}
