package httpapi_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"waitingroom/shared/httpapi"
)

func sent(headers ...string) httpapi.Request {
	r := httpapi.Request{Headers: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		r.Headers[headers[i]] = headers[i+1]
	}
	return r
}

func TestCookie(t *testing.T) {
	for header, want := range map[string]string{
		"place=v1.a.b": "v1.a.b", "a=b; place=v1.a.b; c=d": "v1.a.b", "place=first; place=second": "first", `place="quoted"`: "quoted",
		"": "", "place": "", "place=": "", "displace=x": "", "PLACE=x": "", ";;;": "", "place=a\nb": "", "a=\x00; place=x": "x",
	} {
		for _, name := range []string{"Cookie", "cookie"} {
			if got := httpapi.Cookie(sent(name, header), "place"); got != want {
				t.Errorf("%q: %q, want %q", header, got, want)
			}
		}
	}
	if got := httpapi.Cookie(httpapi.Request{}, "place"); got != "" {
		t.Errorf("without headers: %q", got)
	}
}

func TestSentByPage(t *testing.T) {
	for site, ours := range map[string]bool{
		"": true, "same-origin": true, "none": true, "same-site": false, "cross-site": false, "Same-Origin": false, "x": false,
	} {
		err := httpapi.SentByPage(sent("sec-fetch-site", site))
		if (err == nil) != ours {
			t.Errorf("%q: %v", site, err)
		}
	}
	wantProblem(t, httpapi.SentByPage(sent("Sec-Fetch-Site", "cross-site")), 403, "cross-site")
}

// Only where the gateway says that it was not asked over https may a cookie go without it.
func TestEncrypted(t *testing.T) {
	for proto, want := range map[string]bool{"https": true, "": true, "http": false, "HTTP": true, "https, http": true} {
		if got := httpapi.Encrypted(sent("x-forwarded-proto", proto)); got != want {
			t.Errorf("%q: %v", proto, got)
		}
	}
}

func TestForm(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for _, test := range []struct {
		body   string
		base64 bool
		want   string
		status int
	}{
		{"text=a", false, "a", 0},
		{"x=1&text=a+b%26&text=c", false, "a b&", 0},
		{encode([]byte("text=a")), true, "a", 0},
		{"text=" + strings.Repeat("a", limit-5), false, strings.Repeat("a", limit-5), 0},
		{"", false, "", 0},
		{`{"text":"a"}`, false, "", 0},
		{"text=" + strings.Repeat("a", limit-4), false, "", 413},
		{encode([]byte("text=" + strings.Repeat("a", limit-4))), true, "", 413},
		{strings.Repeat("A", 1<<20), true, "", 413},
		{"text=a", true, "", 400},
		{"text=%", false, "", 400},
		{"text=a;b=c", false, "", 400},
	} {
		fields, err := httpapi.Form(httpapi.Request{Body: test.body, IsBase64Encoded: test.base64}, limit)
		switch {
		case test.status == 413:
			wantProblem(t, err, 413, "too-large")
		case test.status == 400:
			wantProblem(t, err, 400, "bad-request")
		case err != nil || fields.Get("text") != test.want:
			t.Errorf("%.40q: %q, %v, want %q", test.body, fields.Get("text"), err, test.want)
		}
	}
}

// A page that stands for a problem is counted and logged as the problem is.
func TestShownErrors(t *testing.T) {
	page := httpapi.Response{StatusCode: 503, Body: "a page"}
	for _, test := range []struct {
		err    error
		logged bool
	}{{httpapi.SoldOut, false}, {httpapi.Internal, true}} {
		response, log, points := answer(t, &httpapi.Shown{Err: test.err, Answer: page})
		if response.Body != page.Body || (log != "") != test.logged || len(points) != 1 {
			t.Errorf("%v: %v, logged %q, counted %v", test.err, response, log, points)
		}
	}
}
