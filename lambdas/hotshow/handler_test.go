package hotshow_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
)

func TestAskAndApprove(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	if show.State != hotshow.Requested || show.AskedBy != asker || show.Version != 1 || !hotshow.ValidID(show.ID) {
		t.Errorf("%+v", show)
	}
	needs := hotshow.NeedsOf(plan.New(plan.Expected{Visitors: 300_000, Over: time.Minute, Rate: 5_000}))
	if show.Needs != needs || len(show.Warnings) == 0 {
		t.Errorf("needs %+v, warnings %q; want %+v and some", show.Needs, show.Warnings, needs)
	}

	r := recorded(t, "approve.json")
	r.PathParameters[names.ShowParameter] = show.ID
	var approved hotshow.Show
	w.want(w.send(r), http.StatusOK, &approved)
	if approved.State != hotshow.Approved || approved.Approver != boss || approved.Version != 2 {
		t.Errorf("%+v", approved)
	}

	var detailed api.Detailed
	w.want(w.call(boss, "GET", names.PathHotShow, show.ID, ""), http.StatusOK, &detailed)
	if detailed.State != hotshow.Approved || len(detailed.History) != 2 || detailed.History[1].Why != "agreed with the shop" ||
		detailed.History[1].By != boss || detailed.History[0].By != asker {
		t.Errorf("%+v", detailed)
	}
	for _, line := range []string{`"msg":"show is requested"`, `"msg":"show is approved"`, show.ID, `"by":"` + boss + `"`} {
		if !strings.Contains(w.log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, w.log.String())
		}
	}
	if strings.Contains(w.log.String(), "hidden") || strings.Contains(w.log.String(), "agreed") {
		t.Errorf("the log holds what was in a body:\n%s", w.log.String())
	}
}

// A lost answer is harmless: who asks for the same again gets the show that there is.
func TestAskAgain(t *testing.T) {
	w := newWorld(t)
	first := w.ask()
	var again hotshow.Show
	w.want(w.call(asker, "POST", names.PathHotShows, "", asking), http.StatusOK, &again)
	if again.ID != first.ID {
		t.Errorf("%s, and before %s", again.ID, first.ID)
	}
	w.wantProblem(w.call(boss, "POST", names.PathHotShows, "", asking), http.StatusConflict, "taken", first.ID)
	other := strings.Replace(asking, "5000", "6000", 1)
	w.wantProblem(w.call(asker, "POST", names.PathHotShows, "", other), http.StatusConflict, "taken", "2026-11-28T07:00:00Z to 2026-11-29T09:00:00Z")
	w.want(w.call(asker, "POST", names.PathHotShows, "", strings.Replace(asking, "winter", "summer", 1)), http.StatusCreated, &again)

	// What was cancelled is over, and may be asked for anew.
	w.want(w.call(asker, "POST", names.PathHotShowCancel, first.ID, ""), http.StatusOK, &again)
	w.want(w.call(asker, "POST", names.PathHotShows, "", asking), http.StatusCreated, &again)
	if again.ID == first.ID {
		t.Error("the cancelled show again")
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	tests := []struct {
		name                       string
		by, method, path, id, body string
		status                     int
		code, detail               string
	}{
		{"nobody", "", "POST", names.PathHotShows, "", asking, 403, "not-allowed", "Signature Version 4"},
		{"nobody reads", "", "GET", names.PathHotShow, show.ID, "", 403, "not-allowed", ""},
		{"no body", asker, "POST", names.PathHotShows, "", "", 400, "bad-request", "JSON object"},
		{"a form", asker, "POST", names.PathHotShows, "", "event=a", 400, "bad-request", "JSON object"},
		{"all wrong", asker, "POST", names.PathHotShows, "", `{"rate":0,"x":1}`, 400, "bad-request", "rate: \"0\" is not"},
		{"no offset", asker, "POST", names.PathHotShows, "", strings.Replace(asking, "+01:00", "", 1), 400, "bad-request", "no offset"},
		{"past", asker, "POST", names.PathHotShows, "", strings.Replace(asking, "2026", "2025", 1), 400, "bad-request", "is past"},
		{"16 KB", asker, "POST", names.PathHotShows, "", strings.Repeat(" ", 16<<10) + asking, 413, "too-large", ""},
		{"no such show", asker, "GET", names.PathHotShow, "other", "", 404, "no-such-show", ""},
		{"no id", asker, "GET", names.PathHotShow, "A#B", "", 404, "no-such-show", ""},
		{"a long id", asker, "POST", names.PathHotShowCancel, strings.Repeat("a", 1000), "", 404, "no-such-show", ""},
		{"no such sale", asker, "GET", names.PathHotShowSale, "other", "", 404, "no-such-show", ""},
		{"one's own", asker, "POST", names.PathHotShowApprove, show.ID, "", 403, "own-request", "somebody else"},
		{"one's own under another role", strings.Replace(asker, "/ask/", "/approve/", 1), "POST", names.PathHotShowApprove, show.ID, "", 403, "own-request", ""},
		{"perhaps one's own", "arn:aws:sts::111122223333:assumed-role/approve/botocore-session-1793869200", "POST", names.PathHotShowApprove, show.ID, "",
			403, "own-request", "role_session_name"},
		{"a long reason", boss, "POST", names.PathHotShowApprove, show.ID, `{"why":"` + strings.Repeat("a", 501) + `"}`, 400, "bad-request", "501 characters"},
		{"a reason that moves the cursor", boss, "POST", names.PathHotShowApprove, show.ID, `{"why":"\u001b[2J"}`, 400, "bad-request", "control character"},
		{"a number for a reason", boss, "POST", names.PathHotShowApprove, show.ID, `{"why":7}`, 400, "bad-request", "why"},
		{"a reason that is misspelt", boss, "POST", names.PathHotShowApprove, show.ID, `{"reason":"agreed"}`, 400, "bad-request", "why"},
		{"a large reason", boss, "POST", names.PathHotShowReject, show.ID, strings.Repeat("a", 16<<10+1), 413, "too-large", ""},
		{"no such state", asker, "GET", names.PathHotShows + "?state=open", "", "", 400, "bad-request", "requested approved"},
		{"no such event", asker, "GET", names.PathHotShows + "?event=A", "", "", 400, "bad-request", "event"},
		{"no limit", asker, "GET", names.PathHotShows + "?limit=0", "", "", 400, "bad-request", "from 1 to 500"},
		{"too high a limit", asker, "GET", names.PathHotShows + "?limit=501", "", "", 400, "bad-request", "from 1 to 500"},
		{"a limit in words", asker, "GET", names.PathHotShows + "?limit=all", "", "", 400, "bad-request", "from 1 to 500"},
		{"a place that is none", asker, "GET", names.PathHotShows + "?next=7", "", "", 400, "bad-request", "Leave it out"},
		{"another method", asker, "DELETE", names.PathHotShow, show.ID, "", 405, "method-not-allowed", ""},
		{"another address", asker, "GET", "/v1/other", "", "", 404, "not-found", "hotshows-api.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			path, query, _ := strings.Cut(test.path, "?")
			name, value, _ := strings.Cut(query, "=")
			r := httpapi.Request{Resource: path, HTTPMethod: test.method, Body: test.body,
				PathParameters: map[string]string{names.ShowParameter: test.id}, QueryStringParameters: map[string]string{name: value}}
			r.RequestContext.Identity.UserArn = test.by
			w.wantProblem(w.send(r), test.status, test.code, test.detail)
		})
	}
	w.T = t
	var detailed api.Detailed
	w.want(w.call(asker, "GET", names.PathHotShow, show.ID, ""), http.StatusOK, &detailed)
	if detailed.State != hotshow.Requested || len(detailed.History) != 1 || detailed.Version != 1 {
		t.Errorf("refused, and changed: %+v", detailed)
	}
	if log := w.log.String(); strings.Contains(log, "failed") {
		t.Errorf("refusals are logged as failures:\n%s", log)
	}
}

// Who approves may say what they have looked at, since a request in Jira can be changed until then.
func TestApproveWhatWasLookedAt(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	stored, err := w.shows.Show(t.Context(), show.ID)
	if err != nil {
		t.Fatal(err)
	}
	changed := stored.Request
	changed.Rate = 60_000
	change, err := stored.Amend(changed, plan.Plan{}, hotshow.JiraPerson("alma"), "", w.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.shows.Save(t.Context(), &stored, change); err != nil {
		t.Fatal(err)
	}
	w.wantProblem(w.call(boss, "POST", names.PathHotShowApprove, show.ID, `{"changes":1}`), http.StatusConflict, "wrong-state", "look at it again")
	w.want(w.call(boss, "POST", names.PathHotShowApprove, show.ID, `{"changes":2,"why":"agreed"}`), http.StatusOK, &show)
	if show.State != hotshow.Approved {
		t.Errorf("%+v", show)
	}
}

func TestStates(t *testing.T) {
	w := newWorld(t)
	var show hotshow.Show
	first := w.ask()
	w.want(w.call(boss, "POST", names.PathHotShowReject, first.ID, `{"why":"too dear"}`), http.StatusOK, &show)
	if show.State != hotshow.Rejected {
		t.Errorf("%+v", show)
	}
	for _, path := range []string{names.PathHotShowApprove, names.PathHotShowReject, names.PathHotShowCancel} {
		w.wantProblem(w.call(boss, "POST", path, first.ID, ""), http.StatusConflict, "wrong-state", "rejected")
	}
	second := w.ask()
	w.want(w.call(asker, "POST", names.PathHotShowCancel, second.ID, ""), http.StatusOK, &show)
	w.wantProblem(w.call(boss, "POST", names.PathHotShowApprove, second.ID, ""), http.StatusConflict, "wrong-state", "cancelled")

	third := w.ask()
	w.now = third.Request.OnSale
	w.wantProblem(w.call(boss, "POST", names.PathHotShowApprove, third.ID, ""), http.StatusConflict, "too-late", "")

	w.now = w.now.Add(-time.Hour)
	w.desk.SelfApproval = true
	w.want(w.call(asker, "POST", names.PathHotShowApprove, third.ID, ""), http.StatusOK, &show)

	for query, want := range map[string]int{"": 3, "state=rejected": 1, "state=live": 0, "event=winter-tour": 3, "event=other": 0} {
		name, value, _ := strings.Cut(query, "=")
		r := httpapi.Request{Resource: names.PathHotShows, HTTPMethod: "GET", QueryStringParameters: map[string]string{name: value}}
		r.RequestContext.Identity.UserArn = asker
		var list api.List
		response := w.send(r)
		w.want(response, http.StatusOK, &list)
		if len(list.Shows) != want || strings.Contains(response.Body, "null") {
			t.Errorf("%q: %s", query, response.Body)
		}
	}
}

// Two decide at the same moment: one is first, and the other decides about what there is by then.
func TestTwoAtOnce(t *testing.T) {
	tests := []struct {
		name           string
		first, second  string
		status         int
		state          hotshow.State
		historyEntries int
	}{
		{"approved, then cancelled", names.PathHotShowApprove, names.PathHotShowCancel, 200, hotshow.Cancelled, 3},
		{"cancelled, then approved", names.PathHotShowCancel, names.PathHotShowApprove, 409, hotshow.Cancelled, 2},
		{"approved twice", names.PathHotShowApprove, names.PathHotShowApprove, 409, hotshow.Approved, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			show := w.ask()
			w.shows.before = func(hotshow.Show) {
				var first hotshow.Show
				w.want(w.call(boss, "POST", test.first, show.ID, ""), http.StatusOK, &first)
			}
			if got := w.call(boss+".2", "POST", test.second, show.ID, ""); got.StatusCode != test.status {
				t.Errorf("%d %s", got.StatusCode, got.Body)
			}
			var detailed api.Detailed
			w.want(w.call(asker, "GET", names.PathHotShow, show.ID, ""), http.StatusOK, &detailed)
			if detailed.State != test.state || len(detailed.History) != test.historyEntries {
				t.Errorf("%+v", detailed)
			}
		})
	}
}

// Of many who approve and cancel at once, the history tells one story.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	handler := api.Answer(api.NewHandler(w.desk), w.desk.Log)
	var callers sync.WaitGroup
	done := make([]int, 6)
	for n := range done {
		callers.Go(func() {
			path := []string{names.PathHotShowApprove, names.PathHotShowCancel}[n%2]
			r := httpapi.Request{Resource: path, HTTPMethod: "POST", PathParameters: map[string]string{names.ShowParameter: show.ID}}
			r.RequestContext.Identity.UserArn = fmt.Sprint(boss, n)
			response, err := handler(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			done[n] = response.StatusCode
		})
	}
	callers.Wait()
	history, err := w.shows.History(t.Context(), show.ID)
	if err != nil {
		t.Fatal(err)
	}
	agreed := 0
	for n, status := range done {
		switch status {
		case http.StatusOK:
			agreed++
		case http.StatusConflict:
		default:
			t.Errorf("caller %d got %d", n, status)
		}
	}
	if len(history) != 1+agreed || history[len(history)-1].To != hotshow.Cancelled {
		t.Errorf("%d were told that they changed it: %+v", agreed, history)
	}
	for i, c := range history {
		if c.Number != i+1 || i > 0 && c.From != history[i-1].To {
			t.Errorf("%+v", history)
		}
	}
}

// What is ours to mend is logged, and the caller may ask again.
func TestBrokenTable(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	w.shows.fail = errLost
	for _, resource := range []string{names.PathHotShow, names.PathHotShows, names.PathHotShowSale} {
		response := w.call(asker, "GET", resource, show.ID, "")
		w.wantProblem(response, http.StatusServiceUnavailable, "internal", "ask again")
		if response.Headers["Retry-After"] == "" || strings.Contains(response.Body, "answer came") {
			t.Errorf("%+v", response)
		}
	}
	if got := strings.Count(w.log.String(), "request failed"); got != 3 || !strings.Contains(w.log.String(), errLost.Error()) {
		t.Errorf("%d failures logged:\n%s", got, w.log.String())
	}
}

// Whoever is overtaken again and again is told to ask again, and has changed nothing.
func TestAlwaysOvertaken(t *testing.T) {
	w := newWorld(t)
	show := w.ask()
	var overtake func(hotshow.Show)
	overtake = func(hotshow.Show) {
		current, err := w.shows.Show(t.Context(), show.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.shows.Schedule.Save(t.Context(), &current); err != nil {
			t.Fatal(err)
		}
		w.shows.before = overtake
	}
	w.shows.before = overtake
	w.wantProblem(w.call(boss, "POST", names.PathHotShowApprove, show.ID, ""), http.StatusServiceUnavailable, "internal", "")
	if current, err := w.shows.Show(t.Context(), show.ID); err != nil || current.State != hotshow.Requested {
		t.Errorf("%+v, %v", current, err)
	}
}
