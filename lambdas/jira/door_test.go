package jira_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	door "waitingroom/lambdas/jira"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/jira"
	"waitingroom/shared/jira/jiratest"
	"waitingroom/shared/names"
)

func TestRecordedWebhooks(t *testing.T) {
	w := newWorld(t)
	w.taken(recorded(t, "created"))
	show := w.show()
	if show.State != hotshow.Requested || show.AskedBy != hotshow.JiraPerson(alma) || show.Jira.Issue != key ||
		show.Jira.Seen != start.UnixMilli() || show.Request.Event != "winter-tour" || show.Request.Names["en"] != "Winter tour" ||
		show.Request.Visitors != 300_000 || show.Request.Rate != 5000 || show.Needs.Shards == 0 || !hotshow.ValidID(show.ID) {
		t.Errorf("asked for %+v", show)
	}
	w.taken(recorded(t, "approved"))
	if show := w.show(); show.State != hotshow.Approved || show.Approver != hotshow.JiraPerson(boris) {
		t.Errorf("approved: %+v", show)
	}
	w.taken(recorded(t, "canceled"))
	w.taken(recorded(t, "deleted"))
	if got := w.states(); got != "requested approved cancelled" {
		t.Errorf("went through %s", got)
	}
	if comments := w.site.Comments(); len(comments) > 0 {
		t.Errorf("comments %+v", comments)
	}

	w = newWorld(t)
	w.taken(recorded(t, "created"), recorded(t, "declined"))
	if history := w.mem.history[id]; len(history) != 2 || history[1].To != hotshow.Rejected || history[1].By != hotshow.JiraPerson(boris) {
		t.Errorf("declined: %+v", history)
	}

	w = newWorld(t)
	w.taken(recorded(t, "created"), recorded(t, "deleted").edited(minute(1), alma, nil))
}

func TestWebhooksThatAreNotOurs(t *testing.T) {
	task, elsewhere := recorded(t, "created"), recorded(t, "created")
	task.fields()["issuetype"] = map[string]any{"name": "Task"}
	elsewhere["issue"].(map[string]any)["key"] = "HELP-7"
	elsewhere.fields()["project"] = map[string]any{"key": "HELP"}
	w := newWorld(t)
	for name, p := range map[string]payload{"a comment": recorded(t, "comment"), "another type": task, "another project": elsewhere} {
		if status, answer := w.send(p); status != 200 || answer.Outcome != "ignored" {
			t.Errorf("%s: %d %+v", name, status, answer)
		}
	}
	if len(w.mem.kept) > 0 || len(w.site.Calls()) > 0 {
		t.Error("something was done")
	}
}

func TestForgedWebhooksChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.taken(recorded(t, "created"))
	before := w.contents()
	body := recorded(t, "approved").body(t)
	good := jira.Sign([]byte(secret), body)
	changed := []byte(strings.Replace(string(body), "5000", "60000", 1))
	for name, r := range map[string]httpapi.Request{
		"another body":      request(changed, good),
		"a byte more":       request(append(body[:len(body):len(body)], '\n'), good),
		"another secret":    request(body, jira.Sign([]byte("a secret that somebody has guessed"), body)),
		"another signature": request(body, jira.Sign([]byte(secret), changed)),
		"no method":         request(body, strings.TrimPrefix(good, "sha256=")),
		"no signature":      request(body, ""),
		"signed nothing":    request(nil, good),
	} {
		if challenge := w.answer(t.Context(), r).Headers["WWW-Authenticate"]; challenge != `HMAC-SHA256 header="X-Hub-Signature"` {
			t.Errorf("%s: the challenge is %q", name, challenge)
		}
		status, _, answer := w.call(r)
		if status != 401 || !strings.Contains(answer, names.ProblemPrefix+"bad-signature") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if w.contents() != before || len(w.site.Calls()) > 0 {
		t.Error("a forged webhook changed something")
	}
	for _, private := range []string{"winter-tour", alma, secret} {
		if strings.Contains(w.log.String()[strings.Index(w.log.String(), "webhook refused"):], private) {
			t.Errorf("the log has %s of a forged webhook", private)
		}
	}

	// Signed, but not what Jira documents, or of another issue than the one that the show is of.
	other := recorded(t, "approved")
	other["issue"].(map[string]any)["key"] = "SHOW-13"
	if status, answer := w.send(other); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("the key of another issue: %d %+v", status, answer)
	}
	strange := recorded(t, "approved")
	strange.fields()["customfield_10111"] = "approved"
	if status, _ := w.send(strange); status != 400 {
		t.Errorf("approvals that are none: %d", status)
	}
	if w.contents() != before {
		t.Error("a webhook that was not understood changed something")
	}
	r := request(body, good)
	r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	if status, answer, _ := w.call(r); status != 200 || answer.State != hotshow.Approved {
		t.Errorf("the good one, in base64: %d %+v", status, answer)
	}
}

func TestLargeWebhooksAreNotRead(t *testing.T) {
	w := newWorld(t)
	p := recorded(t, "created")
	body := append(p.body(t), bytes.Repeat([]byte(" "), 10<<20)...) // valid JSON still
	plain := request(body, jira.Sign([]byte(secret), body))
	encoded := plain
	encoded.Body, encoded.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	broken := request([]byte("%"), "")
	broken.IsBase64Encoded = true
	for _, test := range []struct {
		r    httpapi.Request
		want int
	}{{plain, 413}, {encoded, 413}, {broken, 400}} {
		if status, _, _ := w.call(test.r); status != test.want {
			t.Errorf("answered %d, want %d", status, test.want)
		}
	}
	p.fields()["description"] = strings.Repeat("x", 900<<10)
	w.taken(p)
}

// What Jira sends again, at any time and in any order, finds the show as it is.
func TestReplayedWebhooksChangeNothing(t *testing.T) {
	w := newWorld(t)
	files := []string{"created", "approved", "canceled", "deleted"}
	for i, file := range files {
		w.taken(recorded(t, file))
		before := w.contents()
		for _, earlier := range files[:i+1] {
			if status, answer := w.send(recorded(t, earlier)); status != 200 || answer.Outcome != "ignored" {
				t.Errorf("%s after %s: %d %+v", earlier, file, status, answer)
			}
		}
		if w.contents() != before {
			t.Errorf("a replay after %s changed something", file)
		}
	}
	w.now = w.now.AddDate(3, 0, 0)
	before := w.contents()
	for _, file := range files {
		w.send(recorded(t, file))
	}
	if w.contents() != before {
		t.Error("a replay after years changed something")
	}
}

func TestRequestsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	text := w.refused(recorded(t, "missing"))
	for _, member := range []string{"onsale: ", "visitors: ", "rate: ", "target: "} {
		if !strings.Contains(text, "\n"+member) {
			t.Errorf("the comment lacks %q: %s", member, text)
		}
	}
	if len(w.mem.kept) > 0 {
		t.Error("there is a show")
	}
	// Sent again, and updated by the comment itself: told once.
	if status, answer := w.send(recorded(t, "missing")); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("%d %+v", status, answer)
	}
	if status, answer := w.send(recorded(t, "missing").touched(minute(1))); status != 200 || answer.Outcome != "refused" {
		t.Errorf("%d %+v", status, answer)
	}
	if got := len(w.site.Comments()); got != 1 {
		t.Errorf("%d comments", got)
	}
	// Mended, it is a show.
	good := recorded(t, "created").fields()
	w.taken(recorded(t, "missing").edited(minute(2), alma, map[string]any{
		"customfield_10102": good["customfield_10102"], "customfield_10103": good["customfield_10103"],
		"customfield_10105": good["customfield_10105"], "customfield_10106": good["customfield_10106"],
	}))
	if w.show().State != hotshow.Requested {
		t.Error("a mended request is no show")
	}
	// Without a reporter, nobody asks.
	w = newWorld(t)
	p := recorded(t, "created")
	p.fields()["reporter"] = nil
	if text := w.refused(p); !strings.Contains(text, "reporter: ") {
		t.Errorf("told %s", text)
	}
	// A wrong request that is gone concerns nobody.
	gone := recorded(t, "missing").edited(minute(3), alma, nil)
	gone["webhookEvent"] = string(jira.Deleted)
	if status, answer := newWorld(t).send(gone); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("%d %+v", status, answer)
	}
}

func TestEdits(t *testing.T) {
	w := newWorld(t)
	w.taken(recorded(t, "created"))
	w.taken(recorded(t, "created").edited(minute(1), alma, map[string]any{"customfield_10105": 6000.0}))
	if show := w.show(); show.Request.Rate != 6000 || show.State != hotshow.Requested || w.states() != "requested requested" {
		t.Errorf("changed: %+v", show)
	}
	w.taken(recorded(t, "created").edited(minute(2), alma, map[string]any{"customfield_10105": 6000.0, "assignee": nil}))
	if got := w.states(); got != "requested requested" {
		t.Errorf("the same is a change: %s", got)
	}
	// A change that cannot be leaves the request as it was, and nothing to approve.
	wrong := map[string]any{"customfield_10105": 0.0}
	if text := w.refused(recorded(t, "created").edited(minute(3), alma, wrong)); !strings.Contains(text, "rate: ") {
		t.Errorf("told %s", text)
	}
	approved := recorded(t, "approved")
	approved.fields()["customfield_10105"] = 0.0
	if text := w.refused(approved); !strings.Contains(text, "approved again") || w.show().State != hotshow.Requested {
		t.Errorf("a wrong request is approved: %s", text)
	}
	// Mended after that, it needs an approval of its own, whatever else happens to the issue.
	mended := recorded(t, "approved").edited(minute(61), alma, map[string]any{"customfield_10105": 7000.0})
	if text := w.refused(mended); !strings.Contains(text, "approved again") {
		t.Errorf("told %s", text)
	}
	later := recorded(t, "approved").touched(minute(62))
	later.fields()["customfield_10105"] = 7000.0
	w.taken(later)
	if show := w.show(); show.State != hotshow.Requested || show.Request.Rate != 7000 {
		t.Errorf("approved before it was mended: %+v", show)
	}
	second := recorded(t, "approved").touched(minute(70))
	second.fields()["customfield_10105"] = 7000.0
	second.fields()["customfield_10111"] = append(second.fields()["customfield_10111"].([]any), approval("18", minute(70), boris))
	w.taken(second)
	if show := w.show(); show.State != hotshow.Approved || show.Request.Rate != 7000 {
		t.Errorf("not approved again: %+v", show)
	}
	// From then on, changes have no effect.
	edit := recorded(t, "approved").edited(minute(71), alma, map[string]any{"customfield_10105": 60000.0})
	if text := w.refused(edit); !strings.Contains(text, "no effect on the show") || w.show().Request.Rate != 7000 {
		t.Errorf("changed after it was approved: %s", text)
	}
}

// approval is one as Service Management writes it, approved by somebody.
func approval(id string, at time.Time, by string) map[string]any {
	date := map[string]any{"epochMillis": at.UnixMilli()}
	return map[string]any{"id": id, "name": "Waiting for approval", "finalDecision": "approved", "createdDate": date, "completedDate": date,
		"approvers": []any{map[string]any{"approver": map[string]any{"accountId": by}, "approverDecision": "approved"}}}
}

func TestApprovalsThatDoNotCount(t *testing.T) {
	by := func(p payload, account string) payload {
		p.fields()["customfield_10111"] = []any{approval("17", minute(60), account)}
		return p
	}
	onBehalf, handed := recorded(t, "approved"), by(recorded(t, "approved"), alma)
	onBehalf.fields()["creator"] = map[string]any{"accountId": boris}
	handed.fields()["reporter"] = map[string]any{"accountId": "somebody else"}
	nobody := recorded(t, "approved")
	nobody.fields()["customfield_10111"].([]any)[0].(map[string]any)["approvers"] = []any{}
	for name, test := range map[string]struct {
		p    payload
		says string
	}{
		"by who asked":                        {by(recorded(t, "approved"), alma), "nobody approves what they asked for"},
		"by who asked on somebody's behalf":   {onBehalf, "nobody approves what they asked for"},
		"by who asked and is no reporter now": {handed, "nobody approves what they asked for"},
		"by nobody":                           {nobody, "does not say whose"},
		"long before":                         {recorded(t, "approved").touched(minute(91)), "approved again"},
	} {
		w := newWorld(t)
		w.taken(recorded(t, "created"))
		text := w.refused(test.p)
		if !strings.Contains(text, test.says) || w.states() != "requested" {
			t.Errorf("%s: told %s; went through %s", name, text, w.states())
		}
		w.send(test.p)
		if len(w.site.Comments()) != 1 {
			t.Errorf("%s: told twice", name)
		}
	}
	w := newWorld(t)
	w.self = true
	w.taken(recorded(t, "created"), by(recorded(t, "approved"), alma))
	if w.show().Approver != hotshow.JiraPerson(alma) {
		t.Error("people may not approve what they asked for, where the deployment lets them")
	}
	// One of two who approved may.
	w = newWorld(t)
	p := recorded(t, "approved")
	two := approval("17", minute(60), alma)
	two["approvers"] = append(two["approvers"].([]any), approval("17", minute(60), boris)["approvers"].([]any)...)
	p.fields()["customfield_10111"] = []any{two}
	w.taken(recorded(t, "created"), p)
	if w.show().Approver != hotshow.JiraPerson(boris) {
		t.Errorf("approved by %s", w.show().Approver)
	}
}

func TestApprovalOfACancelledRequest(t *testing.T) {
	for name, cancel := range map[string]func(*world){
		"in Jira": func(w *world) {
			p := recorded(t, "canceled").touched(minute(30))
			p.fields()["customfield_10111"] = []any{}
			w.taken(p)
		},
		"by the API": func(w *world) {
			w.mem.change(t, func(s *hotshow.Show) (hotshow.Change, error) { return s.Cancel("arn:somebody", "", minute(30)) })
		},
	} {
		w := newWorld(t)
		w.taken(recorded(t, "created"))
		cancel(w)
		if text := w.refused(recorded(t, "approved")); !strings.Contains(text, "the show is cancelled") {
			t.Errorf("%s: told %s", name, text)
		}
		if got := w.states(); got != "requested cancelled" {
			t.Errorf("%s: went through %s", name, got)
		}
	}
}

func TestEndsInEveryState(t *testing.T) {
	for state, want := range map[hotshow.State]hotshow.State{
		hotshow.Requested: hotshow.Cancelled, hotshow.Approved: hotshow.Cancelled, hotshow.Preparing: hotshow.Finishing,
		hotshow.Ready: hotshow.Finishing, hotshow.Live: hotshow.Live, hotshow.Finishing: hotshow.Finishing,
		hotshow.Done: hotshow.Done, hotshow.Rejected: hotshow.Rejected, hotshow.Failed: hotshow.Failed,
	} {
		for _, file := range []string{"canceled", "deleted", "declined"} {
			w := newWorld(t)
			w.taken(recorded(t, "created"))
			show := w.mem.kept[id]
			show.State = state
			if state != hotshow.Requested {
				show.Approver = hotshow.JiraPerson(boris)
			}
			w.mem.kept[id] = show
			status, answer := w.send(recorded(t, file))
			expected := want
			if file == "declined" && state == hotshow.Requested {
				expected = hotshow.Rejected
			}
			if status != 200 || w.show().State != expected || answer.State != expected {
				t.Errorf("%s while %s: %d %+v", file, state, status, answer)
			}
			comments, told := len(w.site.Comments()), 0
			if state == hotshow.Live && file == "canceled" {
				told = 1
			}
			if comments != told {
				t.Errorf("%s while %s: %d comments", file, state, comments)
			}
		}
	}
}

func TestEventThatIsTaken(t *testing.T) {
	w := newWorld(t)
	w.mem.taken = "other-show"
	if text := w.refused(recorded(t, "created")); !strings.Contains(text, "other-show") || len(w.mem.kept) > 0 {
		t.Errorf("told %s", text)
	}
	w.mem.taken = ""
	w.taken(recorded(t, "created").touched(minute(1)))
	w.mem.taken = "other-show"
	moved := recorded(t, "created").edited(minute(2), alma, map[string]any{"customfield_10102": "2026-11-29T10:00:00.000+0100"})
	if text := w.refused(moved); !strings.Contains(text, "other-show") || w.show().Request.OnSale.Day() != 28 {
		t.Errorf("told %s", text)
	}
	if w.show().Jira.Seen != minute(2).UnixMilli() {
		t.Error("the change comes again")
	}
}

// Jira sends a webhook again when the store or its own API was down, and nothing is lost or done twice.
func TestWebhooksInTrouble(t *testing.T) {
	down := errors.New("no answer")
	for _, stored := range []bool{false, true} {
		for _, call := range []string{"read", "add", "save"} {
			for _, file := range []string{"created", "approved", "canceled"} {
				t.Run(fmt.Sprint(call, " ", file, " ", stored), func(t *testing.T) {
					w := newWorld(t)
					failed := false
					w.mem.fault = func(c string) (bool, error) {
						if c != call || failed {
							return false, nil
						}
						failed = true
						return stored, down
					}
					if status, _ := w.send(recorded(t, file)); status != 503 {
						t.Errorf("answered %d", status)
					}
					if status, _ := w.send(recorded(t, file)); status != 200 {
						t.Errorf("answered %d", status)
					}
					want := map[string]string{"created": "requested", "approved": "requested approved", "canceled": "requested cancelled"}[file]
					if got := w.states(); got != want || len(w.site.Comments()) > 0 {
						t.Errorf("went through %s, comments %+v", got, w.site.Comments())
					}
				})
			}
		}
	}
}

// vault is a secret that cannot be read.
type vault struct{}

func (vault) Credentials(context.Context) (jira.Credentials, error) {
	return jira.Credentials{}, errors.New("no answer")
}

// Without the secret nothing is judged, and Jira sends the webhook again.
func TestSecretThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	d := w.door()
	d.Credentials = vault{}
	response, err := door.Respond(door.NewHandler(d), d.Log)(t.Context(), request([]byte("{}"), ""))
	if err != nil || response.StatusCode != 503 || !strings.Contains(w.log.String(), "request failed") || strings.Contains(response.Body, "no answer") {
		t.Errorf("answered %d %s, %v; logged %s", response.StatusCode, response.Body, err, w.log.String())
	}
}

func TestCommentsInTrouble(t *testing.T) {
	t.Run("Jira is down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			down := jiratest.Fault{Status: 503}
			w.site.Fail(down, down, down)
			if status, _ := w.send(recorded(t, "missing")); status != 503 {
				t.Errorf("answered %d", status)
			}
			w.refused(recorded(t, "missing"))
		})
	})
	t.Run("Jira is slow, and there is much to say", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.askedByAPI("asked-by-curl")
			w.taken(recorded(t, "created"), recorded(t, "approved"))
			w.mem.change(t, func(s *hotshow.Show) (hotshow.Change, error) {
				s.State = hotshow.Live
				return s.Note("", "live", w.now), nil
			})
			p := recorded(t, "approved").edited(minute(61), alma, map[string]any{"customfield_10105": 60_000.0, showField: "asked-by-curl"})
			p.fields()["status"] = map[string]any{"name": "Canceled"}
			body := p.body(t)
			r := request(body, jira.Sign([]byte(secret), body))
			stuck, fine := jiratest.Fault{Stuck: true}, jiratest.Fault{}
			w.site.Fail(stuck, stuck, fine, fine, stuck, stuck)
			for _, want := range []struct{ status, comments int }{{503, 1}, {200, 2}} {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // as Lambda has it
				response := w.answer(ctx, r)
				cancel()
				if took := time.Since(began); response.StatusCode != want.status || took > 17*time.Second {
					t.Errorf("answered %d after %v", response.StatusCode, took)
				}
				if got := len(w.site.Comments()); got != want.comments {
					t.Errorf("%d comments", got)
				}
			}
		})
	})
	t.Run("the token is wrong", func(t *testing.T) {
		w := newWorld(t)
		w.taken(recorded(t, "created"))
		w.site.Fail(jiratest.Fault{Status: 401})
		p := recorded(t, "created").edited(minute(1), alma, map[string]any{"customfield_10105": 0.0})
		if status, answer := w.send(p); status != 200 || answer.Outcome != "refused" || w.show().Jira.Seen != minute(1).UnixMilli() {
			t.Errorf("answered %d %+v", status, answer)
		}
		if !strings.Contains(w.log.String(), "nobody is told") || !strings.Contains(w.log.String(), "put a new token") {
			t.Errorf("log %s", w.log.String())
		}
	})
}

// Somebody else changes the show between reading and writing: the webhook is judged anew.
func TestChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.taken(recorded(t, "created"))
	w.mem.during = func() { w.taken(recorded(t, "approved")) }
	if status, answer := w.send(recorded(t, "created").touched(minute(1))); status != 200 || answer.Outcome != "ignored" {
		t.Errorf("an earlier one, overtaken: %d %+v", status, answer)
	}
	w.mem.during = func() {
		w.mem.change(t, func(s *hotshow.Show) (hotshow.Change, error) { return s.Cancel("arn:somebody", "", minute(61)) })
	}
	w.taken(recorded(t, "approved").touched(minute(62)))
	if got := w.states(); got != "requested approved cancelled" || w.show().Jira.Seen != minute(62).UnixMilli() {
		t.Errorf("went through %s", got)
	}
	w = newWorld(t)
	w.mem.during = func() { w.taken(recorded(t, "approved")) }
	if status, answer := w.send(recorded(t, "created")); status != 200 || answer.Outcome != "ignored" || w.states() != "requested approved" {
		t.Errorf("both made the show: %d %+v, %s", status, answer, w.states())
	}
	w = newWorld(t)
	w.taken(recorded(t, "created"))
	w.mem.fault = func(call string) (bool, error) {
		if call == "save" {
			return false, errStale
		}
		return false, nil
	}
	if status, _ := w.send(recorded(t, "approved")); status != 503 {
		t.Errorf("a show that always changes: %d", status)
	}
}
