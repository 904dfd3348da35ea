package edgekey_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfrontkeyvaluestore"
	"github.com/aws/aws-sdk-go-v2/service/cloudfrontkeyvaluestore/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/lambdas/edgekey"
	"waitingroom/shared/deployment/secret"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

const storeARN = "arn:aws:cloudfront::123456789012:key-value-store/6e5d4c3b-2a19-4807-b6a5-94837261504f"

// roomSecret is the room's; hmacKey is what a gate gets of it.
var (
	roomSecret = strings.Repeat("s", secret.MinLength)
	hmacKey    = pass.HMACKey([]byte(roomSecret))
	storedKey  = base64.RawURLEncoding.EncodeToString(hmacKey)
)

// store is CloudFront with one KeyValueStore.
type store struct {
	keys     map[string]string
	version  int
	statuses []string // of the next looks at it; READY after them
	fail     []error  // what the next writes answer instead of being done
	lost     []error  // what the next writes answer although they are done
	between  func()   // runs before a write, as somebody else would
	refusal  error    // answer to a write under an old version
	writes   int
}

func newStore(keys map[string]string) *store {
	return &store{keys: keys, refusal: &types.ConflictException{}}
}

func (s *store) etag() string { return fmt.Sprint("v", s.version) }

func (s *store) DescribeKeyValueStore(_ context.Context, in *cloudfrontkeyvaluestore.DescribeKeyValueStoreInput, _ ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.DescribeKeyValueStoreOutput, error) {
	if aws.ToString(in.KvsARN) != storeARN {
		return nil, &types.ResourceNotFoundException{}
	}
	status := "READY"
	if len(s.statuses) > 0 {
		status, s.statuses = s.statuses[0], s.statuses[1:]
	}
	return &cloudfrontkeyvaluestore.DescribeKeyValueStoreOutput{ETag: aws.String(s.etag()), Status: aws.String(status),
		FailureReason: aws.String("the import is no JSON")}, nil
}

func (s *store) GetKey(_ context.Context, in *cloudfrontkeyvaluestore.GetKeyInput, _ ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.GetKeyOutput, error) {
	value, ok := s.keys[aws.ToString(in.Key)]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	return &cloudfrontkeyvaluestore.GetKeyOutput{Key: in.Key, Value: aws.String(value)}, nil
}

func (s *store) UpdateKeys(_ context.Context, in *cloudfrontkeyvaluestore.UpdateKeysInput, _ ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.UpdateKeysOutput, error) {
	s.writes++
	if between := s.between; between != nil {
		s.between = nil
		between()
	}
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return nil, err
	}
	if aws.ToString(in.IfMatch) != s.etag() {
		return nil, s.refusal
	}
	for _, item := range in.Puts {
		s.keys[aws.ToString(item.Key)] = aws.ToString(item.Value)
	}
	s.version++
	if len(s.lost) > 0 {
		err := s.lost[0]
		s.lost = s.lost[1:]
		return nil, err
	}
	return &cloudfrontkeyvaluestore.UpdateKeysOutput{ETag: aws.String(s.etag())}, nil
}

func writer(s edgekey.Stores) *edgekey.Writer {
	return &edgekey.Writer{Stores: s, Log: slog.New(slog.DiscardHandler)}
}

func TestOnlyAbsentValuesAreWritten(t *testing.T) {
	values := map[string]string{names.EdgeEvent: "demo", names.EdgeEnforceFrom: "never"}
	for name, test := range map[string]struct{ before, after map[string]string }{
		"a new store": {map[string]string{}, map[string]string{"key": storedKey, "event": "demo", "enforce-from": "never"}},
		"one that a team has switched": {
			map[string]string{"key": "old", "enforce-from": "2026-11-21T10:00:00Z", "open-until": "x"},
			map[string]string{"key": storedKey, "event": "demo", "enforce-from": "2026-11-21T10:00:00Z", "open-until": "x"},
		},
	} {
		s := newStore(test.before)
		if err := writer(s).Write(t.Context(), storeARN, hmacKey, values); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(s.keys, test.after) || s.writes != 1 {
			t.Errorf("%s: %v after %d writes", name, s.keys, s.writes)
		}
	}
}

// The time that it takes is the fake's, not the test's.
func TestItIsTriedAgain(t *testing.T) {
	refused, silent := &types.AccessDeniedException{}, errors.New("no answer")
	for name, test := range map[string]struct {
		prepare func(*store)
		writes  int
		took    time.Duration
	}{
		"at once":            {func(*store) {}, 1, 0},
		"not ready":          {func(s *store) { s.statuses = []string{"PROVISIONING", "PROVISIONING"} }, 1, 4 * time.Second},
		"failed for now":     {func(s *store) { s.fail = []error{silent, refused} }, 3, 4 * time.Second},
		"written but silent": {func(s *store) { s.lost = []error{silent} }, 2, 2 * time.Second},
		"changed meanwhile":  {func(s *store) { s.between = func() { s.version++ } }, 2, 2 * time.Second},
		"changed, another refusal": {func(s *store) {
			s.between, s.refusal = func() { s.version++ }, &types.ValidationException{}
		}, 2, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := newStore(map[string]string{}), time.Now()
				test.prepare(s)
				if err := writer(s).Write(t.Context(), storeARN, hmacKey, map[string]string{"event": "demo"}); err != nil {
					t.Fatal(err)
				}
				if s.keys["key"] != storedKey || s.keys["event"] != "demo" {
					t.Errorf("%v", s.keys)
				}
				if took := time.Since(began); s.writes != test.writes || took != test.took {
					t.Errorf("%d writes in %v, want %d in %v", s.writes, took, test.writes, test.took)
				}
			})
		})
	}
}

func TestASwitchInBetweenIsNotUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(map[string]string{})
		s.between = func() { s.keys["enforce-from"] = "2026-11-21T10:00:00Z"; s.version++ }
		if err := writer(s).Write(t.Context(), storeARN, hmacKey, map[string]string{"enforce-from": "never"}); err != nil {
			t.Fatal(err)
		}
		if s.keys["enforce-from"] != "2026-11-21T10:00:00Z" {
			t.Errorf("%v", s.keys)
		}
	})
}

func TestItGivesUp(t *testing.T) {
	for name, test := range map[string]struct {
		limit, most time.Duration // of the function, and until it gives up
		prepare     func(*store)
		want        string
	}{
		"when the function's time ends": {10 * time.Second, 10 * time.Second, func(s *store) { s.statuses = slices.Repeat([]string{"PROVISIONING"}, 1000) }, "PROVISIONING"},
		"after two minutes":             {time.Hour, 2 * time.Minute, func(s *store) { s.fail = slices.Repeat([]error{errors.New("no permission")}, 1000) }, "no permission"},
		"at once where none helps":      {time.Hour, 0, func(s *store) { s.statuses = []string{"FAILED"} }, "the import is no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.limit)
				defer cancel()
				s, began := newStore(map[string]string{}), time.Now()
				test.prepare(s)
				err := writer(s).Write(ctx, storeARN, hmacKey, nil)
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %s", err, test.want)
				}
				if took := time.Since(began); took != test.most || len(s.keys) != 0 {
					t.Errorf("gave up after %v, want %v; %v", took, test.most, s.keys)
				}
			})
		})
	}
}

// secrets hold the room's secret in one region.
type secrets struct {
	region, value string
}

func (s secrets) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	if s.region != "eu-central-1" {
		return nil, errors.New("no such secret in " + s.region)
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(s.value)}, nil
}

func recorded(t testing.TB, name string) cfn.Event {
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

// handle returns the answer to the event, as it is and read.
func handle(t *testing.T, w *edgekey.Writer, value string, e cfn.Event) (string, cfn.Response) {
	t.Helper()
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	e.ResponseURL = server.URL
	answer := edgekey.NewHandler(w, func(region string) secret.Reader { return secrets{region, value} })
	if _, err := answer(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var got cfn.Response
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	return string(body), got
}

func TestRecordedEvents(t *testing.T) {
	var logged bytes.Buffer
	s := newStore(map[string]string{})
	w := &edgekey.Writer{Stores: s, Log: slog.New(slog.NewTextHandler(&logged, nil))}
	want := map[string]string{"key": storedKey, "event": "demo", "paths": "/checkout /basket",
		"enforce-from": "2026-11-21T10:00:00Z", "open-until": "2026-11-20T00:00:00+01:00"}
	for _, name := range []string{"create", "update", "delete"} {
		body, answer := handle(t, w, roomSecret, recorded(t, name))
		if answer.Status != cfn.StatusSuccess || answer.PhysicalResourceID != storeARN || answer.Data != nil {
			t.Errorf("%s: %+v", name, answer)
		}
		if !maps.Equal(s.keys, want) {
			t.Errorf("%s: %v", name, s.keys)
		}
		for _, hidden := range []string{roomSecret, storedKey} {
			if strings.Contains(body+logged.String(), hidden) {
				t.Errorf("%s: a key was told", name)
			}
		}
	}
	if s.writes != 2 {
		t.Errorf("%d writes: deleting touched the store", s.writes)
	}
}

func TestBadPropertiesAreNamed(t *testing.T) {
	type properties = map[string]any
	for name, test := range map[string]struct {
		change func(properties)
		want   []string
	}{
		"no store":          {func(p properties) { delete(p, "KeyValueStoreArn") }, []string{"property KeyValueStoreArn"}},
		"another's store":   {func(p properties) { p["KeyValueStoreArn"] = "arn:aws:s3:::b" }, []string{"property KeyValueStoreArn"}},
		"no secret":         {func(p properties) { delete(p, "SecretArn") }, []string{"property SecretArn"}},
		"a secret's name":   {func(p properties) { p["SecretArn"] = "room" }, []string{"property SecretArn"}},
		"values of no kind": {func(p properties) { p["Values"] = "event=demo" }, []string{"property Values"}},
		"a key":             {func(p properties) { p["Values"] = properties{"key": "x"} }, []string{"property Values.key"}},
		"a number":          {func(p properties) { p["Values"] = properties{"event": 1.0} }, []string{"property Values.event"}},
		"two wrong": {func(p properties) { p["Values"] = properties{"event": "De mo", "paths": "x"} },
			[]string{"property Values.event", "property Values.paths"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, s := recorded(t, "create"), newStore(map[string]string{})
			test.change(e.ResourceProperties)
			_, answer := handle(t, writer(s), roomSecret, e)
			if answer.Status != cfn.StatusFailed || s.writes != 0 {
				t.Errorf("%+v after %d writes", answer, s.writes)
			}
			for _, want := range test.want {
				if !strings.Contains(answer.Reason, want) {
					t.Errorf("%q does not name %q", answer.Reason, want)
				}
			}
		})
	}
}

func TestValues(t *testing.T) {
	for key, values := range map[string]struct{ good, bad []string }{
		names.EdgeEvent: {[]string{"demo", "a-1"}, []string{"", "Demo", "v1", strings.Repeat("a", 65)}},
		names.EdgePaths: {[]string{"/", "/checkout /basket"},
			[]string{"", " ", "checkout", "/a b", "/a  /b", " /a", "/a\n", "/" + strings.Repeat("a", 1024)}},
		names.EdgeEnforceFrom: {[]string{"never", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5+01:00"},
			[]string{"", "Never", "now", "2026-11-21", "2026-11-21T10:00:00", "2026-11-21 10:00:00Z", "2026-11-21T1:00:00Z", "2026-11-21T10:00:00,5Z", "1795255200"}},
		names.EdgeOpenUntil: {[]string{"2026-11-21T10:00:00Z"}, []string{"", "never", "2026-02-30T10:00:00Z"}},
	} {
		for i, value := range slices.Concat(values.good, values.bad) {
			e, s := recorded(t, "create"), newStore(map[string]string{})
			e.ResourceProperties["Values"] = map[string]any{key: value}
			_, answer := handle(t, writer(s), roomSecret, e)
			if good := answer.Status == cfn.StatusSuccess; good != (i < len(values.good)) {
				t.Errorf("%s %q: %s %s", key, value, answer.Status, answer.Reason)
			}
			if written, ok := s.keys[key]; ok && written != value {
				t.Errorf("%s %q was written as %q", key, value, written)
			}
		}
	}
}

func TestEventsWithoutPropertiesAreAnswered(t *testing.T) {
	for name, status := range map[string]cfn.StatusType{"create": cfn.StatusFailed, "update": cfn.StatusFailed, "delete": cfn.StatusSuccess} {
		e := recorded(t, name)
		e.ResourceProperties = nil
		if _, answer := handle(t, writer(newStore(nil)), roomSecret, e); answer.Status != status {
			t.Errorf("%s: %+v", name, answer)
		}
	}
}

func TestAShortSecretIsNoKey(t *testing.T) {
	short, s := roomSecret[1:], newStore(map[string]string{})
	body, answer := handle(t, writer(s), short, recorded(t, "create"))
	if answer.Status != cfn.StatusFailed || len(s.keys) != 0 || strings.Contains(body, short) {
		t.Errorf("%+v; %v", answer, s.keys)
	}
}

// wire takes the real client's requests in the place of CloudFront.
type wire struct{ requests []*http.Request }

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.requests = append(w.requests, r)
	body := `{"KvsARN":"` + storeARN + `","Status":"READY","Created":0,"ItemCount":0,"TotalSizeInBytes":0}`
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Etag": {"v1"}, "Content-Type": {"application/json"}}}, nil
}

// A store answers only to SigV4A, for all regions, at an address of its account.
func TestTheClientSignsAsAStoreAsksFor(t *testing.T) {
	var sent wire
	client := cloudfrontkeyvaluestore.New(cloudfrontkeyvaluestore.Options{Region: "eu-central-1", HTTPClient: &sent,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		})})
	if err := writer(client).Write(t.Context(), storeARN, hmacKey, nil); err != nil {
		t.Fatal(err)
	}
	if len(sent.requests) != 2 {
		t.Fatalf("%d requests", len(sent.requests))
	}
	for _, r := range sent.requests {
		if authorization := r.Header.Get("Authorization"); !strings.HasPrefix(authorization, "AWS4-ECDSA-P256-SHA256 ") ||
			r.Header.Get("X-Amz-Region-Set") != "*" || !strings.HasPrefix(r.URL.Host, "123456789012.") {
			t.Errorf("%s signed with %s for %s", r.URL, authorization, r.Header.Get("X-Amz-Region-Set"))
		}
	}
	if update := sent.requests[1]; update.Method != http.MethodPost || update.Header.Get("If-Match") != "v1" {
		t.Errorf("%s %s under %q", update.Method, update.URL, update.Header.Get("If-Match"))
	}
}
