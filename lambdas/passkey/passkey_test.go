package passkey_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"waitingroom/lambdas/passkey"
	"waitingroom/shared/deployment/rsakey"
)

const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:RoomPassKeySecret-1A2B3C4D5E6F-AbCdEf"

// Keys are made once: each takes the race detector a good part of a second.
var first, second = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, rsakey.Bits)
	if err != nil {
		panic(err)
	}
	return key
}

// secrets is Secrets Manager with one secret. A version is written once and never changed.
type secrets struct {
	mu       sync.Mutex
	current  *string
	versions map[string]string
	puts     int

	failed  error  // PutSecretValue: nothing was written
	lost    error  // PutSecretValue: it was written
	hidden  int    // readings after a write that do not see it yet
	broken  error  // GetSecretValue
	between func() // runs before a write, as another invocation would
}

func (s *secrets) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	if aws.ToString(in.SecretId) != arn || s.current == nil || in.VersionStage != nil || in.VersionId != nil {
		return nil, &types.ResourceNotFoundException{}
	}
	if s.hidden > 0 {
		s.hidden--
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: s.current}, nil
}

func (s *secrets) PutSecretValue(_ context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	if between := s.between; between != nil {
		s.between = nil
		between()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.failed != nil {
		return nil, s.failed
	}
	token, value := aws.ToString(in.ClientRequestToken), aws.ToString(in.SecretString)
	if len(token) < 32 || len(token) > 64 || aws.ToString(in.SecretId) != arn {
		return nil, &types.InvalidParameterException{}
	}
	if old, ok := s.versions[token]; ok && old != value {
		return nil, &types.ResourceExistsException{}
	}
	s.versions = map[string]string{token: value}
	s.current = &value
	return &secretsmanager.PutSecretValueOutput{}, s.lost
}

func maker(s *secrets, key func() *rsa.PrivateKey) *passkey.Maker {
	return &passkey.Maker{Secrets: s, Generate: func() (*rsa.PrivateKey, error) { return key(), nil }}
}

// holds checks that public is the half of the key in the secret.
func holds(t *testing.T, s *secrets, public *rsa.PublicKey) {
	t.Helper()
	key, err := rsakey.Parse(aws.ToString(s.current))
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(public) {
		t.Error("the answer is not the half of the key in the secret")
	}
}

func TestAKeyIsMadeOnce(t *testing.T) {
	s := &secrets{}
	public, err := maker(s, first).Public(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, public)
	again, err := maker(s, second).Public(t.Context(), arn)
	if err != nil || !again.Equal(public) || s.puts != 1 {
		t.Errorf("%v after %d writes", err, s.puts)
	}
}

func TestAnUncertainWrite(t *testing.T) {
	first()
	timeout := errors.New("no answer")
	for name, test := range map[string]struct {
		secrets *secrets
		want    error
	}{
		"refused":                   {&secrets{failed: timeout}, timeout},
		"written, answer lost":      {&secrets{lost: timeout}, nil},
		"seen late":                 {&secrets{hidden: 3}, nil},
		"answer lost and seen late": {&secrets{lost: timeout, hidden: 3}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				public, err := maker(test.secrets, first).Public(t.Context(), arn)
				if !errors.Is(err, test.want) {
					t.Fatalf("%v, want %v", err, test.want)
				}
				if err == nil {
					holds(t, test.secrets, public)
				}
			})
		})
	}
}

// Never seen and no error: the stack must not go on with a key that nobody can read.
func TestAWriteThatIsNeverSeen(t *testing.T) {
	first()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		public, err := maker(&secrets{hidden: 1000}, first).Public(t.Context(), arn)
		if err == nil || public != nil || time.Since(began) > time.Minute {
			t.Errorf("%v, %v after %v", public, err, time.Since(began))
		}
	})
}

func TestTwoAtOnceAnswerTheSame(t *testing.T) {
	s := &secrets{}
	var other *rsa.PublicKey
	s.between = func() {
		var err error
		if other, err = maker(s, second).Public(t.Context(), arn); err != nil {
			t.Error(err)
		}
	}
	public, err := maker(s, first).Public(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, public)
	if !public.Equal(other) || s.puts != 2 {
		t.Errorf("two answers differ after %d writes", s.puts)
	}
}

func TestAnotherValueIsLeftAlone(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "correct horse battery staple",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))} {
		s := &secrets{current: &value}
		public, err := maker(s, first).Public(t.Context(), arn)
		if err == nil || public != nil || s.puts != 0 {
			t.Fatalf("%v after %d writes", err, s.puts)
		}
		if value != "" && strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), "put such a key there") {
			t.Errorf("%v", err)
		}
	}
}

func TestNothingIsWrittenWhereReadingFails(t *testing.T) {
	s := &secrets{broken: errors.New("no permission")}
	if _, err := maker(s, first).Public(t.Context(), arn); !errors.Is(err, s.broken) || s.puts != 0 {
		t.Errorf("%v after %d writes", err, s.puts)
	}
}

// recorded is an event as CloudFormation sends it.
func recorded(t *testing.T, name string) cfn.Event {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var e cfn.Event
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// handle answers the event and returns the answer, as it is and read.
func handle(t *testing.T, s *secrets, e cfn.Event) (string, cfn.Response) {
	t.Helper()
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	e.ResponseURL = server.URL
	if _, err := passkey.NewHandler(maker(s, first))(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var answer cfn.Response
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return string(body), answer
}

func TestRecordedEvents(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	s := &secrets{}
	for _, name := range []string{"create", "update"} {
		body, answer := handle(t, s, recorded(t, name))
		if answer.Status != cfn.StatusSuccess || answer.PhysicalResourceID != arn || len(answer.Data) != 1 {
			t.Fatalf("%s: %+v", name, answer)
		}
		public, err := rsakey.ParsePublic(answer.Data["PublicKey"].(string))
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, public)
		for _, line := range strings.Fields(aws.ToString(s.current)) {
			if len(line) > 32 && strings.Contains(body+logged.String(), line) {
				t.Fatalf("%s: the private key was told", name)
			}
		}
	}
	kept, puts := aws.ToString(s.current), s.puts
	s.broken = errors.New("deleting does not read")
	if _, answer := handle(t, s, recorded(t, "delete")); answer.Status != cfn.StatusSuccess || answer.PhysicalResourceID != arn {
		t.Errorf("delete: %+v", answer)
	}
	if aws.ToString(s.current) != kept || s.puts != puts {
		t.Error("deleting touched the secret")
	}
}

func TestEventsWithoutPropertiesAreAnswered(t *testing.T) {
	for _, name := range []string{"create", "update", "delete"} {
		e := recorded(t, name)
		e.ResourceProperties = nil
		s := &secrets{}
		_, answer := handle(t, s, e)
		if name == "delete" {
			if answer.Status != cfn.StatusSuccess {
				t.Errorf("%+v", answer)
			}
			continue
		}
		if answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, "SecretArn") || s.puts != 0 {
			t.Errorf("%s: %+v", name, answer)
		}
	}
}

func TestAFailureKeepsTheResource(t *testing.T) {
	s := &secrets{broken: errors.New("no permission")}
	if _, answer := handle(t, s, recorded(t, "update")); answer.Status != cfn.StatusFailed || answer.PhysicalResourceID != arn ||
		!strings.Contains(answer.Reason, "no permission") {
		t.Errorf("%+v", answer)
	}
}
