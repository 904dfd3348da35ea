package hotshows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"waitingroom/local/functions"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
)

var clock = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// echo answers with what it was asked.
func echo(_ context.Context, r httpapi.Request) (httpapi.Response, error) {
	return httpapi.OK(http.StatusOK, r)
}

func testGateway(now func() time.Time) http.Handler {
	return NewGateway(map[string]functions.Function{names.FunctionHotShow: echo, names.FunctionJira: echo}, now)
}

// signed is a request as the SDK signs it.
func signed(t *testing.T, method, target, body string, credentials aws.Credentials, service string, at time.Time) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8082"+target, strings.NewReader(body))
	r.RequestURI = ""
	r.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), service, "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhoeverSignsIsKnown(t *testing.T) {
	gateway := testGateway(func() time.Time { return clock })
	for _, route := range names.HotShowRoutes() {
		if route.Path == names.PathJira {
			continue
		}
		target := strings.Replace(route.Path, "{show}", "spring-1", 1)
		r := signed(t, route.Method, target+"?event=winter&state=live", `{"why":"a b"}`, aws.Credentials{AccessKeyID: "asker", SecretAccessKey: "asker"}, "execute-api", clock.Add(14*time.Minute))
		w := httptest.NewRecorder()
		gateway.ServeHTTP(w, r)
		var got httpapi.Request
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s (%v)", route.Method, target, w.Code, w.Body, err)
		}
		if got.RequestContext.Identity.UserArn != "arn:aws:iam::000000000000:user/asker" || got.RequestContext.RequestID == "" {
			t.Errorf("%s %s: the caller is %+v", route.Method, target, got.RequestContext)
		}
		if got.Resource != route.Path || got.HTTPMethod != route.Method || got.Body != `{"why":"a b"}` || got.QueryStringParameters["state"] != "live" {
			t.Errorf("%s %s became %+v", route.Method, target, got)
		}
		if want := strings.Contains(route.Path, "{show}"); (got.PathParameters["show"] == "spring-1") != want {
			t.Errorf("%s %s has the parameters %v", route.Method, target, got.PathParameters)
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	asker := aws.Credentials{AccessKeyID: "asker", SecretAccessKey: "asker"}
	good := func() *http.Request {
		return signed(t, http.MethodPost, names.PathHotShows, `{"a":1}`, asker, "execute-api", clock)
	}
	for name, test := range map[string]struct {
		request func() *http.Request
		say     string
	}{
		"unsigned": {func() *http.Request {
			r := good()
			r.Header.Del("Authorization")
			return r
		}, "Missing Authentication Token"},
		"another way to sign": {func() *http.Request {
			r := good()
			r.Header.Set("Authorization", "Bearer abc")
			return r
		}, "Missing Authentication Token"},
		"no such route": {func() *http.Request {
			return signed(t, http.MethodDelete, names.PathHotShows, "", asker, "execute-api", clock)
		}, "Missing Authentication Token"},
		"another secret": {func() *http.Request {
			return signed(t, http.MethodPost, names.PathHotShows, "{}", aws.Credentials{AccessKeyID: "asker", SecretAccessKey: "other"}, "execute-api", clock)
		}, "does not match"},
		"another service": {func() *http.Request {
			return signed(t, http.MethodPost, names.PathHotShows, "{}", asker, "s3", clock)
		}, "execute-api"},
		"too old": {func() *http.Request {
			return signed(t, http.MethodPost, names.PathHotShows, "{}", asker, "execute-api", clock.Add(-skew-time.Second))
		}, "expired"},
		"of the future": {func() *http.Request {
			return signed(t, http.MethodPost, names.PathHotShows, "{}", asker, "execute-api", clock.Add(skew+time.Second))
		}, "expired"},
		"no date": {func() *http.Request {
			r := good()
			r.Header.Del("X-Amz-Date")
			return r
		}, "X-Amz-Date"},
		"date that is not signed": {func() *http.Request {
			r := good()
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-date", "", 1))
			return r
		}, "X-Amz-Date"},
		"another date": {func() *http.Request {
			r := good()
			r.Header.Set("X-Amz-Date", clock.Add(time.Minute).Format(stampLayout))
			return r
		}, "does not match"},
		"another body": {func() *http.Request {
			r := good()
			r.Body = http.NoBody
			return r
		}, "does not match"},
		"another header": {func() *http.Request {
			r := good()
			r.Header.Set("Content-Type", "text/plain")
			return r
		}, "does not match"},
		"a signed header is gone": {func() *http.Request {
			r := good()
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "content-type;", "", 1))
			return r
		}, "does not match"},
		"another query": {func() *http.Request {
			r := good()
			r.URL.RawQuery = "state=live"
			return r
		}, "does not match"},
		"another path": {func() *http.Request {
			r := good()
			r.URL.Path = "/v1/hotshows/a/approve"
			return r
		}, "does not match"},
		"a key that is no name": {func() *http.Request {
			return signed(t, http.MethodPost, names.PathHotShows, "{}", aws.Credentials{AccessKeyID: "a:b", SecretAccessKey: "a:b"}, "execute-api", clock)
		}, "does not match"},
		"a payload hash of something else": {func() *http.Request {
			r := good()
			r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
			return r
		}, "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			testGateway(func() time.Time { return clock }).ServeHTTP(w, test.request())
			var refusal struct{ Type, Detail string }
			if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || w.Code != http.StatusForbidden || !strings.Contains(refusal.Detail, test.say) {
				t.Errorf("answered %d %s, want 403 and %q", w.Code, w.Body, test.say)
			}
			if w.Header().Get("X-Amzn-Errortype") == "" || refusal.Type != names.ProblemPrefix+"not-allowed" {
				t.Error("the kind of the error is missing")
			}
		})
	}
}

// TestJiraNeedsNoSignatureOfIAM also sends more than API Gateway takes.
func TestJiraNeedsNoSignatureOfIAM(t *testing.T) {
	gateway := testGateway(func() time.Time { return clock })
	w := httptest.NewRecorder()
	gateway.ServeHTTP(w, httptest.NewRequest(http.MethodPost, names.PathJira, strings.NewReader("{}")))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "user/") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	gateway.ServeHTTP(w, httptest.NewRequest(http.MethodPost, names.PathJira, bytes.NewReader(make([]byte, maxBody+1))))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large is answered with %d", w.Code)
	}
}

// TestCurlSigns asks as the room's welcome says. curl signs since 7.75.0; older ones take the parameters
// of a query as they are (https://github.com/curl/curl/issues/9717), so they have to be sorted.
func TestCurlSigns(t *testing.T) {
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl: what it signs is not tested")
	}
	server := httptest.NewServer(testGateway(time.Now))
	defer server.Close()
	for _, args := range [][]string{
		{server.URL + names.PathHotShows},
		{server.URL + names.PathHotShows + "?event=demo&state=live"},
		{"-d", `{"event":"demo"}`, server.URL + names.PathHotShows},
		{"-H", "Content-Type: application/json", "-d", `{"event":"demo"}`, server.URL + names.PathHotShows},
		{"-X", "POST", server.URL + "/v1/hotshows/demo-1/approve"},
	} {
		args = append([]string{"-s", "--aws-sigv4", "aws:amz:eu-west-1:execute-api", "--user", "asker:asker"}, args...)
		out, err := exec.CommandContext(t.Context(), program, args...).Output()
		if err != nil || !strings.Contains(string(out), arn("asker")) {
			t.Errorf("curl %q: %s (%v)", args, out, err)
		}
	}
}
