package jira_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/shared/jira"
	"waitingroom/shared/jira/jiratest"
)

const (
	siteAddress = "https://example.atlassian.net"
	issue       = "SHOW-12"
)

// fixed are credentials that need no secret.
type fixed jira.Credentials

func (f fixed) Credentials(context.Context) (jira.Credentials, error) {
	return jira.Credentials(f), nil
}

var bot = fixed{Email: jiratest.Email, APIToken: jiratest.Token}

func client(site *jiratest.Site) *jira.Client { return jira.NewClient(siteAddress, bot, site) }

func TestComments(t *testing.T) {
	site := jiratest.New(issue)
	for _, number := range []int{1, 2, 1, 2} {
		if err := client(site).Comment(t.Context(), issue, number, fmt.Sprintf("This is\n\nchange %d.", number)); err != nil {
			t.Fatal(err)
		}
	}
	if err := client(site).Tell(t.Context(), issue, "wrong-1", "Mend it."); err != nil {
		t.Fatal(err)
	}
	want := []jiratest.Comment{
		{Issue: issue, Text: "This is\nchange 1.", Mark: "change-1", Public: true},
		{Issue: issue, Text: "This is\nchange 2.", Mark: "change-2", Public: true},
		{Issue: issue, Text: "Mend it.", Mark: "wrong-1", Public: true},
	}
	if got := site.Comments(); !slices.Equal(got, want) {
		t.Errorf("comments %+v", got)
	}
}

// An issue's comments may come with their properties at once.
func TestCommentsWithProperties(t *testing.T) {
	var posts int
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts++
		}
		fmt.Fprint(w, `{"comments":[{"id":"1","properties":[{"key":"waiting-room","value":{"mark":"change-1"}}]},{"id":"2","properties":[{"key":"waiting-room","value":7}]}]}`)
	}))
	defer site.Close()
	c := jira.NewClient(site.URL, bot, nil)
	for number, want := range map[int]int{1: 0, 2: 1} {
		posts = 0
		if err := c.Comment(t.Context(), issue, number, "text"); err != nil || posts != want {
			t.Errorf("change %d: %d written, %v", number, posts, err)
		}
	}
}

func TestCommentsInTrouble(t *testing.T) {
	stuck, lost := jiratest.Fault{Stuck: true}, jiratest.Fault{Lost: true}
	busy := jiratest.Fault{Status: 429, RetryAfter: "3"}
	fine := jiratest.Fault{}
	tests := []struct {
		name    string
		issue   string
		faults  []jiratest.Fault
		want    error // nil: the comment is there once; any: it is not known
		written int
		calls   int
		waited  time.Duration // at least
	}{
		{name: "the answer was lost", faults: []jiratest.Fault{fine, lost}, written: 1, calls: 4},
		{name: "busy", faults: []jiratest.Fault{busy}, written: 1, calls: 3, waited: 3 * time.Second},
		{name: "busy, and does not say for how long", faults: []jiratest.Fault{{Status: 429, RetryAfter: "soon"}, {Status: 503}}, written: 1, calls: 4},
		{name: "no answer once", faults: []jiratest.Fault{stuck}, written: 1, calls: 3, waited: 4 * time.Second},
		{name: "never an answer", faults: []jiratest.Fault{stuck, stuck, stuck, stuck}, want: errAny, calls: 3},
		{name: "busy for long", faults: []jiratest.Fault{{Status: 429, RetryAfter: "600"}}, want: errAny, calls: 1},
		{name: "always broken", faults: []jiratest.Fault{{Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}}, want: errAny, calls: 3},
		{name: "no such user", faults: []jiratest.Fault{{Status: 401}}, want: jira.ErrRefused, calls: 1},
		{name: "may not", faults: []jiratest.Fault{fine, {Status: 403}}, want: jira.ErrRefused, calls: 2},
		{name: "no such site", faults: []jiratest.Fault{{Status: 302}}, want: jira.ErrRefused, calls: 1},
		{name: "no such issue", issue: "SHOW-13", want: jira.ErrGone, calls: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := jiratest.New(issue)
				site.Fail(test.faults...)
				on := issue
				if test.issue != "" {
					on = test.issue
				}
				began := time.Now()
				err := client(site).Comment(t.Context(), on, 1, "text")
				took := time.Since(began)
				switch {
				case test.want == nil && err != nil, test.want != nil && err == nil:
					t.Errorf("error %v", err)
				case test.want != nil && test.want != errAny && !errors.Is(err, test.want):
					t.Errorf("error %v, want %v", err, test.want)
				case test.want == errAny && (errors.Is(err, jira.ErrGone) || errors.Is(err, jira.ErrRefused)):
					t.Errorf("given up: %v", err)
				}
				if err != nil && strings.Contains(err.Error(), jiratest.Token) {
					t.Errorf("the error holds the token: %v", err)
				}
				if got := len(site.Comments()); got != test.written {
					t.Errorf("%d comments", got)
				}
				if got := len(site.Calls()); got != test.calls {
					t.Errorf("calls %q", site.Calls())
				}
				if took < test.waited || took > 12*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

var errAny = errors.New("any that may pass")

// The token goes to the site and to nobody else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	site := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer site.Close()
	if err := jira.NewClient(site.URL, bot, nil).Comment(t.Context(), issue, 1, "text"); !errors.Is(err, jira.ErrRefused) {
		t.Error(err)
	}
}

// vault is a secret that is read and counted.
type vault struct {
	text  string
	err   error
	reads int
}

func (v *vault) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	v.reads++
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(v.text)}, v.err
}

const secretText = `{"webhook_secret":"0123456789abcdef","webhook_secret_previous":"fedcba9876543210","email":"bot@example.com","api_token":"token"}`

func TestSecretIsReadAgain(t *testing.T) {
	at := now
	v := &vault{text: secretText}
	s := jira.NewSecret(v, "arn", func() time.Time { return at })
	read := func() (jira.Credentials, error) { return s.Credentials(t.Context()) }
	c, err := read()
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("{}")
	for secret, want := range map[string]error{c.WebhookSecret: nil, c.PreviousSecret: nil, "": jira.ErrSignature, "0123456789abcdeF": jira.ErrSignature} {
		if err := c.Verify(body, jira.Sign([]byte(secret), body)); !errors.Is(err, want) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	v.text = strings.Replace(secretText, "0123456789abcdef", "abcdef0123456789", 1)
	at = at.Add(2*time.Minute - 1)
	if c, err := read(); err != nil || c.WebhookSecret != "0123456789abcdef" || v.reads != 1 {
		t.Errorf("read %d times: %v", v.reads, err)
	}
	at = at.Add(1)
	if c, err := read(); err != nil || c.WebhookSecret != "abcdef0123456789" || v.reads != 2 {
		t.Errorf("the new secret is not taken after %d reads: %v", v.reads, err)
	}
	at, v.err = at.Add(time.Hour), errors.New("throttled")
	if _, err := read(); err == nil {
		t.Error("a secret that could not be read for an hour is used")
	}
}

func TestSecretsThatAreNotFilledIn(t *testing.T) {
	for change, named := range map[[2]string]string{
		{secretText, "to be filled in"}:    "JSON object",
		{"0123456789abcdef", ""}:           "webhook_secret (",
		{"0123456789abcdef", "short"}:      "webhook_secret (",
		{"fedcba9876543210", "short"}:      "webhook_secret_previous",
		{`"email":"bot@example.com",`, ``}: "email",
		{`bot@example.com`, `bot:x`}:       "email",
		{`,"api_token":"token"`, ``}:       "api_token",
	} {
		text := strings.Replace(secretText, change[0], change[1], 1)
		_, err := jira.ParseCredentials(text)
		if err == nil || !strings.Contains(err.Error(), named) || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := jira.ParseCredentials(strings.Replace(secretText, `"webhook_secret_previous":"fedcba9876543210",`, "", 1)); err != nil {
		t.Error(err)
	}
	c, err := jira.ParseCredentials(secretText)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("read", "credentials", c)
	if text := log.String(); !strings.Contains(text, "credentials of Jira") || strings.Contains(text, c.WebhookSecret) || strings.Contains(text, c.Email) {
		t.Errorf("logged: %s", text)
	}
}
