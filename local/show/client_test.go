package show

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"waitingroom/local/exit"
)

func TestRegionOfAddress(t *testing.T) {
	for host, want := range map[string]string{
		"abcdefghij.execute-api.eu-west-1.amazonaws.com":     "eu-west-1",
		"abcdefghij.execute-api.cn-north-1.amazonaws.com.cn": "cn-north-1",
		"shows.example.com": "", "127.0.0.1": "", "execute-api.amazonaws.com": "",
	} {
		if got := regionOf(host); got != want {
			t.Errorf("%s: %q", host, got)
		}
	}
}

// Whatever answers in the API's place, the caller is told in one line, and nothing of the credentials.
func TestOtherAnswers(t *testing.T) {
	as(t, "anna")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
	t.Setenv("AWS_SESSION_TOKEN", "token-of-anna")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<h1>It works</h1>")) }, "check -url"},
		{"JSON of something else", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"shows":7}`)) }, "check -url"},
		{"an error page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oh", http.StatusBadGateway) }, "502"},
		{"another address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "307"},
		{"API Gateway's refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"message":"User: arn:aws:iam::1:user/anna is not authorized"}`))
		}, "Not allowed: User: arn:aws:iam::1:user/anna is not authorized"},
		{"a problem that would steer the terminal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"title":"Taken","detail":"by\nother\u001b[2Jshow"}`))
		}, "Taken: by; other [2Jshow"},
		{"nothing", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "does not answer"},
	} {
		server := httptest.NewServer(test.answer)
		out, problems, status := did(t, "list", "-url", server.URL)
		server.Close()
		if status != exit.Failed || out != "" || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, test.says) {
			t.Errorf("%s: status %d, %q", test.name, status, problems)
		}
		if strings.Contains(problems, "very-secret") || strings.Contains(problems, "token-of-anna") || strings.Contains(problems, "\x1b") {
			t.Errorf("%s: %q", test.name, problems)
		}
	}
}

// The gateway of the local room takes the signature for what it is, under a path too.
func TestSignature(t *testing.T) {
	_, address := newDesk(t)
	as(t, "anna")
	contain(t, ok(t, "list", "-url", address, "-event", "winter-tour", "-state", "live", "-region", "eu-west-1"), "There are no such shows")
	// What has to be escaped is signed as it is sent.
	_, problems, status := did(t, "list", "-url", address, "-event", "a+b c/ü")
	if status != exit.Failed || !strings.Contains(problems, "Bad request: ") {
		t.Errorf("status %d, %q", status, problems)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "bertha")
	_, problems, status = did(t, "list", "-url", address)
	if status != exit.Failed || !strings.Contains(problems, "Not allowed: ") || strings.Contains(problems, "bertha") {
		t.Errorf("status %d, %q", status, problems)
	}
	u, err := url.Parse(address + "/live/")
	if err != nil {
		t.Fatal(err)
	}
	if got := u.JoinPath("/v1/hotshows").Path; got != "/live/v1/hotshows" {
		t.Errorf("below a stage: %s", got)
	}
}

func TestNoCredentials(t *testing.T) {
	as(t, "")
	t.Setenv("HOME", t.TempDir())
	_, problems, status := did(t, "list")
	if status != exit.Failed || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") {
		t.Errorf("status %d, %q", status, problems)
	}
	_, problems, status = did(t, "list", "-url", "https://shows.example.com")
	if status != exit.Failed || !strings.Contains(problems, "no region: set -region or AWS_REGION") {
		t.Errorf("status %d, %q", status, problems)
	}
}
