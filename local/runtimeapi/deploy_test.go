package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

// deployLimit is what the stack gives functions that CloudFormation calls, or less.
const deployLimit = time.Minute

// provide sends a function CloudFormation's event and returns what it is answered at the address that
// the event names, which has to be success.
func (w *world) provide(t *testing.T, p *process, event []byte, properties map[string]any) cfn.Response {
	t.Helper()
	answers := make(chan []byte, 1)
	bucket := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPut {
			t.Errorf("%s: %v", r.Method, err)
		}
		answers <- text
	}))
	t.Cleanup(bucket.Close)
	signature := newSecret()
	w.keepSecret(signature, "the signature of CloudFormation's address")
	p.succeed(t, derived(t, event, func(members map[string]any) {
		members["ResponseURL"] = bucket.URL + "/?X-Amz-Signature=" + signature
		maps.Copy(members["ResourceProperties"].(map[string]any), properties)
	}), deployLimit)
	var text []byte
	select {
	case text = <-answers:
	default:
		t.Fatalf("%s ended without an answer to CloudFormation", p.function)
	}
	var answer cfn.Response
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != cfn.StatusSuccess {
		t.Fatalf("%s", text)
	}
	return answer
}

// A deployment that is repeated or taken back leaves the key as it is.
func TestPassKeyIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	_, text := w.makePassKey(t)
	made := w.secrets.get(passKeyARN)
	p := w.start(t, names.FunctionPassKey, nil)
	for _, name := range []string{"create.json", "update.json"} {
		answer := w.provide(t, p, recorded(t, "lambdas/passkey/testdata/"+name), map[string]any{"SecretArn": passKeyARN})
		if answer.Data["PublicKey"] != text {
			t.Errorf("%s: another key", name)
		}
	}
	w.provide(t, p, recorded(t, "lambdas/passkey/testdata/delete.json"), map[string]any{"SecretArn": passKeyARN})
	if w.secrets.get(passKeyARN) != made || w.counted("secretsmanager PutSecretValue") != 1 {
		t.Errorf("the key was written %d times", w.counted("secretsmanager PutSecretValue"))
	}
}

// The gate's store gets the key that HS256 passes are signed with, and what a team has switched stays.
func TestEdgeKeyFillsTheStore(t *testing.T) {
	w := newWorld(t)
	key := base64.RawURLEncoding.EncodeToString(pass.HMACKey(w.secret))
	w.keepSecret(key, "the HS256 key")
	w.stores.values[names.EdgePaths] = "/switched"
	p := w.start(t, names.FunctionEdgeKey, nil)
	for _, name := range []string{"create.json", "update.json", "delete.json"} {
		w.provide(t, p, recorded(t, "lambdas/edgekey/testdata/"+name), map[string]any{"SecretArn": secretARN})
	}
	want := map[string]string{
		names.EdgeKey: key, names.EdgeEvent: "demo", names.EdgePaths: "/switched",
		names.EdgeEnforceFrom: "2026-11-21T10:00:00Z", names.EdgeOpenUntil: "2026-11-20T00:00:00+01:00",
	}
	if w.stores.mu.Lock(); !maps.Equal(w.stores.values, want) {
		t.Errorf("the store has the wrong keys or values: %d", len(w.stores.values))
	}
	w.stores.mu.Unlock()
}
