package jira_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
)

const mapping = `{"event":"customfield_1","name":"summary","name/de":"customfield_2","onsale":"customfield_3","visitors":"customfield_4",
	"over":"customfield_5","rate":"customfield_6","target":"customfield_7","keep_after":"customfield_8","approvals":"customfield_9","project":"SHOW"}`

var now = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

func fields(t testing.TB) jira.Fields {
	t.Helper()
	f, err := jira.ParseFields(mapping)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// webhook is one whose issue has these fields, as JSON, besides those that every issue has.
func webhook(more string) string {
	return `{"timestamp":1793865600250,"webhookEvent":"jira:issue_updated","user":{"accountId":"u1"},"issue":{"id":"10042","key":"SHOW-12","fields":{
		"project":{"key":"SHOW"},"issuetype":{"name":"Hot show"},"status":{"name":"Approved"},"reporter":{"accountId":"u2"},"creator":{"accountId":"u3"}` +
		more + `}},"changelog":{"items":[{"field":"Summary","fieldId":"summary"}]}}`
}

func parsed(t *testing.T, more string) jira.Webhook {
	t.Helper()
	w, err := jira.ParseWebhook([]byte(webhook(more)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSignatures(t *testing.T) {
	// The example of RFC 4231, test case 2.
	const signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	secret, body := []byte("Jefe"), []byte("what do ya want for nothing?")
	if got := jira.Sign(secret, body); got != signature {
		t.Errorf("signed %s", got)
	}
	if err := jira.Verify(secret, body, signature); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another secret": jira.Verify([]byte("Jefa"), body, signature),
		"another body":   jira.Verify(secret, append(body, ' '), signature),
		"no header":      jira.Verify(secret, body, ""),
		"another method": jira.Verify(secret, body, strings.Replace(signature, "sha256", "sha1", 1)),
		"no method":      jira.Verify(secret, body, strings.TrimPrefix(signature, "sha256=")),
		"cut short":      jira.Verify(secret, body, signature[:len(signature)-2]),
		"no hex":         jira.Verify(secret, body, "sha256=zz"),
		"no secret":      jira.Verify(nil, body, jira.Sign(nil, body)),
	} {
		if !errors.Is(err, jira.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWebhooks(t *testing.T) {
	w := parsed(t, "")
	i := w.Issue
	if w.Kind != jira.Updated || w.At != 1793865600250 || w.By != "u1" || !fields(t).Edited(w) || !fields(t).Ours(i) ||
		i.ID != "10042" || i.Key != "SHOW-12" || i.Project != "SHOW" || i.Type != "Hot show" || i.Status != "Approved" ||
		i.Reporter != "u2" || i.Creator != "u3" {
		t.Errorf("read %+v", w)
	}
	other, err := jira.ParseWebhook([]byte(`{"webhookEvent":"comment_created","issue":7}`))
	if err != nil || other.Kind != jira.Other {
		t.Errorf("a comment's: %+v, %v", other, err)
	}
	whole := webhook("")
	for _, bad := range []string{
		"", "[]", "null", "{}", `{"webhookEvent":""}`, whole[:len(whole)-1], whole + "{}",
		strings.Replace(whole, "1793865600250", "0", 1),
		strings.Replace(whole, "1793865600250", `"1793865600250"`, 1),
		strings.Replace(whole, "1793865600250", "1.5", 1),
		strings.Replace(whole, `"10042"`, `"10042/x"`, 1),
		strings.Replace(whole, `"10042"`, "10042", 1),
		strings.Replace(whole, "SHOW-12", "SHOW", 1),
		strings.Replace(whole, "SHOW-12", "OTHER-12", 1),
		strings.Replace(whole, `{"key":"SHOW"}`, `null`, 1),
		strings.Replace(whole, `{"accountId":"u2"}`, `{"accountId":2}`, 1),
		strings.Replace(whole, `{"accountId":"u3"}`, `"secret@example.com"`, 1),
	} {
		_, err := jira.ParseWebhook([]byte(bad))
		if !errors.Is(err, jira.ErrWebhook) {
			t.Errorf("taken: %s", bad)
		}
		if err != nil && (strings.Contains(err.Error(), "1.5") || strings.Contains(err.Error(), "secret@")) {
			t.Errorf("the error repeats a value: %v", err)
		}
	}
	if w := parsed(t, `,"assignee":null`); w.Issue.Reporter == "" {
		t.Error("a field that is not used was")
	}
	if w, err := jira.ParseWebhook([]byte(strings.Replace(whole, `{"accountId":"u2"}`, "null", 1))); err != nil || w.Issue.Reporter != "" {
		t.Errorf("an issue without a reporter: %+v, %v", w, err)
	}
}

func TestRequests(t *testing.T) {
	const filled = `,"summary":" Winter tour ","customfield_1":"winter-tour","customfield_3":"2026-11-28T10:00:00.000+0100",
		"customfield_4":300000.0,"customfield_5":"60s","customfield_6":"5000","customfield_7":{"id":"1","value":"https://shop.example/"},"customfield_8":"  "`
	r, err := fields(t).Request(parsed(t, filled+`,"customfield_2":"Wintertour"`).Issue, now)
	if err != nil {
		t.Fatal(err)
	}
	if r.Event != "winter-tour" || r.Names["en"] != "Winter tour" || r.Names["de"] != "Wintertour" || r.Visitors != 300_000 ||
		r.Rate != 5000 || r.Target != "https://shop.example/" || r.OnSale.Format(time.RFC3339) != "2026-11-28T10:00:00+01:00" ||
		r.Over.String() != "1m" || r.KeepAfter.String() != "4h" {
		t.Errorf("asked for %+v", r)
	}
	for change, member := range map[[2]string]string{
		{`"winter-tour"`, `null`}:                                        "event",
		{`2026-11-28T10:00:00.000+0100`, `2026-11-28`}:                   "onsale",
		{`2026-11-28T10:00:00.000+0100`, `2026-11-01T10:00:00.000+0100`}: "onsale",
		{`300000.0`, `0.5`}:                                              "visitors",
		{`300000.0`, `1e300`}:                                            "visitors",
		{`"60s"`, `60`}:                                                  "over",
		{`"5000"`, `"many"`}:                                             "rate",
		{`"5000"`, `0`}:                                                  "rate",
		{`"  "`, `"a week"`}:                                             "keep_after",
		{`{"id":"1","value":"https://shop.example/"}`, `[]`}:             "target",
	} {
		if !strings.Contains(filled, change[0]) {
			t.Fatalf("nothing to change: %s", change[0])
		}
		_, err := fields(t).Request(parsed(t, strings.Replace(filled, change[0], change[1], 1)).Issue, now)
		var invalid *hotshow.Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || !strings.HasPrefix(invalid.Problems[0], member+":") {
			t.Errorf("%v: %v", change, err)
		}
	}
	_, err = fields(t).Request(parsed(t, "").Issue, now)
	var invalid *hotshow.Invalid
	if !errors.As(err, &invalid) || len(invalid.Problems) != 7 {
		t.Errorf("an empty issue: %v", err)
	}
}

func TestFieldsThatCannotBe(t *testing.T) {
	for change, named := range map[[2]string]string{
		{mapping, ""}:                                             "JSON object",
		{mapping, "null"}:                                         "JSON object",
		{`"event"`, `"events"`}:                                   `"events"`,
		{`"customfield_9"`, `""`}:                                 `"approvals"`,
		{`"customfield_9"`, `9`}:                                  `"approvals"`,
		{`"rate":"customfield_6",`, ``}:                           `"rate": it is missing`,
		{`"project"`, `"cancelled_statuses":[],"project"`}:        `"cancelled_statuses"`,
		{`"project"`, `"approved_statuses":"Approved","project"`}: `"approved_statuses"`,
	} {
		_, err := jira.ParseFields(strings.Replace(mapping, change[0], change[1], 1))
		if err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%v: %v", change, err)
		}
	}
	f := fields(t)
	for status, ends := range map[string]bool{"Canceled": true, "Cancelled": true, "Approved": false} {
		w, err := jira.ParseWebhook([]byte(strings.Replace(webhook(""), "Approved", status, 1)))
		if err != nil || f.Cancelled(w.Issue) != ends {
			t.Errorf("%s: %v", status, err)
		}
	}
	elsewhere := strings.ReplaceAll(strings.Replace(webhook(""), "SHOW-12", "HELP-12", 1), `"SHOW"`, `"HELP"`)
	if w, err := jira.ParseWebhook([]byte(elsewhere)); err != nil || f.Ours(w.Issue) {
		t.Errorf("an issue of another project is ours: %v", err)
	}
}

// What is refused here is refused at synthesis, by a test of the construct on the same table.
func TestFieldsByTable(t *testing.T) {
	text, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Name   string
		Fields json.RawMessage
		Wrong  []string // members, sorted
	}
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`field of Jira "([^"]+)": `)
	for _, test := range tests {
		_, err := jira.ParseFields(string(test.Fields))
		var wrong []string
		for _, found := range told.FindAllStringSubmatch(fmt.Sprint(err), -1) {
			wrong = append(wrong, found[1])
		}
		if slices.Sort(wrong); !slices.Equal(wrong, test.Wrong) || (err == nil) != (len(wrong) == 0) {
			t.Errorf("%s: %v, want %v", test.Name, err, test.Wrong)
		}
	}
}

func TestDecisions(t *testing.T) {
	done := func(id, decision string, created int, by string) string {
		return `{"id":"` + id + `","finalDecision":"` + decision + `","createdDate":{"epochMillis":` + string(rune('0'+created)) +
			`000},"completedDate":{"epochMillis":9000},"approvers":[` + by + `]}`
	}
	const boris = `{"approver":{"accountId":"b"},"approverDecision":"approved"}`
	const carla = `{"approver":{"accountId":"c"},"approverDecision":"pending"}`
	const doris = `{"approver":{"accountId":"d"},"approverDecision":"declined"}`
	tests := []struct {
		name, value, fields string
		want                jira.Outcome
		by, approval        string
	}{
		{name: "no field"},
		{name: "empty", value: `[]`},
		{name: "null", value: `null`},
		{name: "pending", value: `[` + done("1", "pending", 1, carla) + `]`},
		{name: "a decision that nobody knows", value: `[` + done("1", "escalated", 1, boris) + `]`},
		{name: "approved", value: `[` + done("1", "approved", 1, carla+","+boris) + `]`, want: jira.Approved, by: "b", approval: "1"},
		{name: "in capitals", value: `[` + done("1", "APPROVED", 1, boris) + `]`, want: jira.Approved, by: "b", approval: "1"},
		{name: "by nobody", value: `[` + done("1", "approved", 1, carla) + `]`, want: jira.Approved, approval: "1"},
		{name: "declined", value: `[` + done("1", "declined", 1, boris+","+doris) + `]`, want: jira.Declined, by: "d", approval: "1"},
		{name: "declined, then approved", value: `[` + done("2", "approved", 2, boris) + `,` + done("1", "declined", 1, doris) + `]`,
			want: jira.Approved, by: "b", approval: "2"},
		{name: "approved, and another to come", value: `[` + done("1", "approved", 1, boris) + `,` + done("2", "pending", 2, carla) + `]`},
		{name: "approved in a status that counts", value: `[` + done("1", "approved", 1, boris) + `]`, fields: `"Approved"`,
			want: jira.Approved, by: "b", approval: "1"},
		{name: "approved in one that does not", value: `[` + done("1", "approved", 1, boris) + `]`, fields: `"Released"`},
	}
	for _, test := range tests {
		f := fields(t)
		if test.fields != "" {
			var err error
			if f, err = jira.ParseFields(strings.Replace(mapping, `"project"`, `"approved_statuses":[`+test.fields+`],"project"`, 1)); err != nil {
				t.Fatal(err)
			}
		}
		more := ""
		if test.value != "" {
			more = `,"customfield_9":` + test.value
		}
		d, err := f.Decision(parsed(t, more).Issue)
		if err != nil || d.Outcome != test.want || strings.Join(d.By, ",") != test.by || d.Approval != test.approval {
			t.Errorf("%s: %+v, %v", test.name, d, err)
		}
		if d.Outcome != jira.Undecided && !d.At.Equal(time.UnixMilli(9000)) {
			t.Errorf("%s: at %v", test.name, d.At)
		}
	}
	steps := `,"customfield_9":[{"name":"a","finalDecision":"approved","createdDate":{"epochMillis":1},"completedDate":{"epochMillis":2000}},` +
		`{"name":"b","finalDecision":"approved","createdDate":{"epochMillis":3},"completedDate":{"epochMillis":4000}},` +
		`{"name":"a","finalDecision":"approved","createdDate":{"epochMillis":5},"completedDate":{"epochMillis":6000}}]`
	if d, err := fields(t).Decision(parsed(t, steps).Issue); err != nil || d.At.UnixMilli() != 6000 || d.First.UnixMilli() != 4000 {
		t.Errorf("approvals of two steps, one of them twice: from %v to %v, %v", d.First, d.At, err)
	}
	for _, bad := range []string{`"approved"`, `{}`, `[7]`, `[{"finalDecision":true}]`, `[{"completedDate":7}]`} {
		if _, err := fields(t).Decision(parsed(t, `,"customfield_9":`+bad).Issue); !errors.Is(err, jira.ErrWebhook) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	const text = `,"customfield_9":[{"finalDecision":"approved","completedDate":"2026-11-05T10:00:00.130+0100"}]`
	if d, err := fields(t).Decision(parsed(t, text).Issue); err != nil || d.At.UnixMilli() != 1793869200130 {
		t.Errorf("a date as text: %v, %v", d.At, err)
	}
}

func FuzzParseWebhook(f *testing.F) {
	f.Add([]byte(webhook("")))
	f.Add([]byte(webhook(`,"customfield_9":[{"id":"1","finalDecision":"approved","approvers":[{"approver":{"accountId":"b"},"approverDecision":"approved"}]}]`)))
	f.Add([]byte(webhook(`,"summary":"Winter tour","customfield_3":"2026-11-28T10:00:00.000+0100","customfield_4":3e5,"customfield_7":{"value":{}}`)))
	f.Add([]byte(`{"webhookEvent":"comment_created"}`))
	mapped := fields(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := jira.ParseWebhook(body)
		if err != nil {
			if !errors.Is(err, jira.ErrWebhook) {
				t.Fatal(err)
			}
			return
		}
		if w.Kind == jira.Other {
			return
		}
		if w.At <= 0 || w.Issue.ID == "" || !strings.HasPrefix(w.Issue.Key, w.Issue.Project+"-") || !hotshow.ValidID("jira-"+w.Issue.ID) {
			t.Fatalf("taken: %+v", w)
		}
		request, err := mapped.Body(w.Issue)
		if err != nil || !json.Valid(request) {
			t.Fatalf("request %s: %v", request, err)
		}
		if d, err := mapped.Decision(w.Issue); err == nil && d.Outcome == jira.Undecided && len(d.By) > 0 {
			t.Fatalf("undecided by %q", d.By)
		}
	})
}
