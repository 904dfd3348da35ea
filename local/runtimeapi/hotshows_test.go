package runtimeapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
)

// prepareLimit is what the stack gives prepare.
const prepareLimit = time.Minute

// called is a signed call of the hot shows' API, as API Gateway hands it to the function.
func called(t *testing.T, method, body string) []byte {
	t.Helper()
	return derived(t, recorded(t, "lambdas/hotshow/testdata/approve.json"), func(members map[string]any) {
		members["httpMethod"], members["resource"], members["path"] = method, names.PathHotShows, names.PathHotShows
		members["pathParameters"], members["body"] = nil, nil
		if body != "" {
			members["body"] = body
		}
	})
}

// A show that one program keeps is another's to prepare, which has nothing to do for it yet.
func TestHotShowsAreKeptAndLookedAt(t *testing.T) {
	w := newWorld(t)
	api := w.start(t, names.FunctionHotShow, w.environment(names.FunctionHotShow))
	request, err := json.Marshal(map[string]any{
		"event": "winter-tour", "names": map[string]string{"en": "Winter tour"}, "visitors": 1000, "over": "60s", "rate": 600, "target": target,
		"onsale": time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := w.ask(t, api, called(t, "POST", string(request))); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Body)
	}
	r, _ := w.ask(t, api, called(t, "GET", ""))
	var list struct {
		Shows []struct {
			Event string
			State hotshow.State
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &list); err != nil || r.StatusCode != http.StatusOK || len(list.Shows) != 1 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.Body, err)
	}
	if got := list.Shows[0]; got.Event != "winter-tour" || got.State != hotshow.Requested {
		t.Errorf("the list has %+v", got)
	}

	prepare := w.start(t, names.FunctionPrepare, w.environment(names.FunctionPrepare))
	prepare.succeed(t, recorded(t, "local/runtimeapi/testdata/scheduled.json"), prepareLimit)
	prepare.kill()
	told := map[string]float64{}
	for _, point := range metricstest.Points(t, prepare.metrics.String()) {
		told[point.Name] = point.Value
	}
	for _, metric := range []string{names.MetricShowsUnready, names.MetricShowsLeftUp} {
		if value, ok := told[metric]; !ok || value != 0 {
			t.Errorf("prepare tells of %s %g, %t", metric, value, ok)
		}
	}
	if prepare.log.String() != "" {
		t.Errorf("prepare had nothing to do and logged %s", prepare.log.String())
	}
}

// Whoever finds the door has to have Jira's key, and the door says nothing of it.
func TestJiraIsKnownByItsSignature(t *testing.T) {
	w := newWorld(t)
	credentials := jira.Credentials{WebhookSecret: newSecret(), Email: "room@example.com", APIToken: newSecret()}
	text, err := json.Marshal(credentials)
	if err != nil {
		t.Fatal(err)
	}
	w.secrets.put(jiraSecretARN, string(text))
	w.keepSecret(credentials.WebhookSecret, "Jira's key")
	w.keepSecret(credentials.APIToken, "Jira's token")
	door := w.start(t, names.FunctionJira, w.environment(names.FunctionJira))
	webhook := recorded(t, "lambdas/jira/testdata/comment.json")
	sent := func(signature string) []byte {
		return derived(t, called(t, "POST", string(webhook)), func(members map[string]any) {
			members["resource"], members["path"] = names.PathJira, names.PathJira
			members["headers"] = map[string]any{jira.SignatureHeader: signature}
		})
	}
	for name, signature := range map[string]string{"none": "", "another key's": jira.Sign([]byte(newSecret()), webhook)} {
		if r, _ := w.ask(t, door, sent(signature)); r.StatusCode != http.StatusUnauthorized || problem(r) != "bad-signature" {
			t.Errorf("with the signature %s: %d %s", name, r.StatusCode, r.Body)
		}
	}
	r, _ := w.ask(t, door, sent(jira.Sign([]byte(credentials.WebhookSecret), webhook)))
	if r.StatusCode != http.StatusOK || !strings.Contains(r.Body, `"ignored"`) {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
}
