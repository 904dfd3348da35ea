package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/lambdas/tick"
	"waitingroom/local/dynamodb"
	"waitingroom/local/parameterstore"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/jira"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// TestHotShows goes from requests to the end of two sales that are on sale at the same time, on a
// simulated clock. One is asked for by the API, the other one in Jira, and both are approved in Jira; a
// third one is cancelled when it is ready.
func TestHotShows(t *testing.T) {
	onOneProcessor(t)
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-11-05T09:00:01+01:00")
		b := newBubble(t)
		const winter = "jira-10042"
		b.webhook(t, "created.json", winter, "requested")
		demo := b.askFor(t, "asker", `{"event":"demo","names":{"en":"Demo"},"onsale":"2026-11-28T10:00:00+01:00","prequeue":"2026-11-28T09:55:00+01:00",
			"closes":"2026-11-28T10:05:00+01:00","visitors":300,"over":"60s","rate":60,"target":"`+b.address+`/shop","ready_before":"30m","keep_after":"1m"}`)
		spring := b.askFor(t, "asker", `{"event":"spring","names":{"en":"Spring"},"onsale":"2026-11-28T12:00:00+01:00",
			"visitors":20000,"over":"60s","rate":600,"target":"`+b.address+`/shop","ready_before":"30m"}`)
		b.refused(t, "asker", spring, "approve", "own-request")
		b.change(t, "approver", spring, "approve")
		until(t, "2026-11-05T10:00:01+01:00")
		b.webhook(t, "approved.json", winter, "approved")
		b.webhook(t, "approved.json", demo, "approved")

		// Nothing is due until the day, and so the functions sleep.
		until(t, "2026-11-28T07:45:00+01:00")
		b.begin(t)
		until(t, "2026-11-28T07:59:30+01:00")
		b.is(t, winter, hotshow.Approved)
		b.has(t, up{})

		until(t, "2026-11-28T08:10:30+01:00") // its hour before the hour before its on-sale began at eight
		b.is(t, winter, hotshow.Ready)
		b.is(t, demo, hotshow.Approved)
		first := b.needs(t, winter)
		b.has(t, up{products: 1, join: first.Join, admit: first.Admit})

		// What the promoter sets from now on stands.
		b.promote(t, "winter-tour", "prequeue", "2026-11-28T09:55:00+01:00")

		until(t, "2026-11-28T08:40:30+01:00") // the other one's began at half past eight
		b.is(t, demo, hotshow.Ready)
		second := b.needs(t, demo)
		b.has(t, up{products: 2, join: first.Join + second.Join, admit: first.Admit + second.Admit})
		b.isWarm(t, first.WarmWrites+second.WarmWrites)

		until(t, "2026-11-28T09:57:00+01:00")
		pool, small := b.crowd(t, "demo", 150), b.crowd(t, "winter-tour", 40)
		b.promote(t, "demo", "claim-window", "1m")
		until(t, "2026-11-28T09:59:59+01:00")
		b.phase(t, "demo", room.PreQueue)
		b.phase(t, "winter-tour", room.PreQueue)
		b.is(t, demo, hotshow.Ready)

		until(t, "2026-11-28T10:00:02+01:00")
		b.phase(t, "demo", room.Open)
		b.phase(t, "winter-tour", room.Open)
		b.rate(t, "demo", 60)
		b.rate(t, "winter-tour", 5000)
		if small.enter(t, 5*time.Second); small.in() != 40 {
			t.Errorf("after five seconds %d of 40 are in", small.in())
		}
		b.promote(t, "winter-tour", "state", "closed")
		pool.enter(t, 53*time.Second)
		if in := pool.in(); in < 50 || in > 60 {
			t.Errorf("in the first minute %d are in, at 60 a minute", in)
		}
		pool.enter(t, 60*time.Second) // beyond the time for which the show is kept up at least
		if in := pool.in(); in < 110 || in > 120 {
			t.Errorf("in two minutes %d are in, at 60 a minute", in)
		}
		for _, show := range []string{demo, winter} {
			b.is(t, show, hotshow.Live)
		}
		b.sale(t, demo, "demo")
		b.has(t, up{products: 2, join: first.Join + second.Join, admit: first.Admit + second.Admit})

		pool.enter(t, 60*time.Second)
		if in := pool.in(); in != 150 {
			t.Errorf("in the end %d of 150 are in", in)
		}
		until(t, "2026-11-28T10:08:30+01:00")
		b.is(t, demo, hotshow.Done)
		b.is(t, winter, hotshow.Live)
		b.has(t, up{products: 1, join: first.Join, admit: first.Admit})

		until(t, "2026-11-28T11:00:30+01:00") // an hour after its preparation began
		b.is(t, spring, hotshow.Ready)
		third := b.needs(t, spring)
		b.has(t, up{products: 2, join: first.Join + third.Join, admit: first.Admit + third.Admit})
		b.change(t, "approver", spring, "cancel")
		until(t, "2026-11-28T12:30:30+01:00")
		b.is(t, spring, hotshow.Cancelled)
		b.has(t, up{products: 1, join: first.Join, admit: first.Admit})
		b.phase(t, "spring", room.Closed)

		until(t, "2026-11-28T13:59:30+01:00")
		b.is(t, winter, hotshow.Live)
		until(t, "2026-11-28T14:03:30+01:00")
		b.is(t, winter, hotshow.Done)
		b.has(t, up{})
		b.isWarm(t, first.WarmWrites+second.WarmWrites)

		whole := []hotshow.State{hotshow.Requested, hotshow.Approved, hotshow.Preparing, hotshow.Ready, hotshow.Live, hotshow.Finishing, hotshow.Done}
		b.isCommented(t, issueOf(winter), b.history(t, winter, whole...))
		b.isCommented(t, issueOf(demo), b.history(t, demo, whole...))
		b.history(t, spring, hotshow.Requested, hotshow.Approved, hotshow.Preparing, hotshow.Ready, hotshow.Finishing, hotshow.Cancelled)
	})
}

// onOneProcessor keeps a bubble whose timers fire together from crashing under the race detector: go1.26.8
// runs them on several threads at once in the name of one (runtime.(*timer).unlockAndRun). No other test
// may run beside it.
func onOneProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// until sleeps to a time of the simulated clock.
func until(t *testing.T, text string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !at.After(time.Now()) {
		t.Fatalf("it is %s: %s is not to come (%v)", time.Now(), text, err)
	}
	time.Sleep(time.Until(at))
	synctest.Wait()
}

// bubble is a room with hot shows on a simulated clock: all of it is in this process, and what it calls
// are handlers.
type bubble struct {
	*Room
	hosts map[string]http.Handler
	tick  func() *tick.Ticker
	log   *journal
}

// RoundTrip reaches a handler by its host.
func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	return dynamodb.InProcess(b.hosts[r.URL.Host]).Do(r.Clone(r.Context()))
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{hosts: map[string]http.Handler{}, log: newJournal()}
	log := slog.New(slog.NewJSONHandler(b.log, nil))
	b.Room = &Room{
		options: Options{Event: "demo", WithoutSDK: true, HotShows: HotShows{On: true, PrepareEvery: prepareEvery, JiraSecret: "a secret of Jira's"}},
		address: "http://127.0.0.1:8080", awsAddr: "http://127.0.0.1:8081", transport: b, calls: &http.Transport{},
		parameter: parameterstore.New(time.Now), controls: newControls(log), stopTick: func() {},
	}
	var err error
	if b.tables, err = newTables(b.options); err != nil {
		t.Fatal(err)
	}
	b.hosts[hostOf(b.awsAddr)] = awsHandler(b.parameter, b.tables, b.controls)
	t.Cleanup(func() { b.close(t) })
	site, ticker, err := b.wire(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	b.hosts[hostOf(b.address)], b.tick = site, ticker
	return b
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u.Host
}

// begin starts prepare every minute until the test ends, and tick whenever none is alive: a standby would
// do the same work again.
func (b *bubble) begin(t *testing.T) {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	log := slog.New(slog.NewJSONHandler(b.log, nil))
	b.stopTick = stop
	b.ticking.Go(func() { b.every(ctx, prepareEvery, b.prepareOnce(log)) })
	invoke := tick.NewHandler(b.tick())
	var alive atomic.Bool
	b.ticking.Go(func() {
		b.every(ctx, tickEvery, func(ctx context.Context) {
			if !alive.CompareAndSwap(false, true) {
				return
			}
			defer alive.Store(false)
			if err := invoke(ctx, nil); err != nil && ctx.Err() == nil {
				t.Errorf("tick: %v", err)
			}
		})
	})
}

// close ends the functions, which have to have done without errors.
func (b *bubble) close(t *testing.T) {
	if err := b.Close(); err != nil {
		t.Errorf("the room did not close: %v", err)
	}
	for _, line := range b.log.all() {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"function":"prepare"`) && strings.Contains(line, `"level":"WARN"`) {
			t.Errorf("the room logged: %s", line)
		}
	}
}

// send has a handler answer.
func (b *bubble) send(t *testing.T, handler http.Handler, r *http.Request, into any) int {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("%s %s is answered with %d %s", r.Method, r.URL, w.Code, w.Body)
	}
	return w.Code
}

// call asks the hot shows' API as a person.
func (b *bubble) call(t *testing.T, person, method, path, body string, into any) int {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8082"+path, strings.NewReader(body))
	sum := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: person, SecretAccessKey: person}
	if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "execute-api", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return b.send(t, b.hot.API, r, into)
}

func showPath(path, show string) string {
	return strings.Replace(path, "{"+names.ShowParameter+"}", show, 1)
}

// recorded is a webhook as Jira sent it, but for the show that the issue decides about: an issue of its
// own, unless it is the one that was recorded.
func recorded(t *testing.T, file, show string) []byte {
	t.Helper()
	body, err := os.ReadFile("../lambdas/jira/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var webhook map[string]any
	if err := json.Unmarshal(body, &webhook); err != nil {
		t.Fatal(err)
	}
	issue := webhook["issue"].(map[string]any)
	if show == "jira-"+issue["id"].(string) {
		return body
	}
	issue["id"], issue["key"] = "10043", issueOf(show)
	fields := issue["fields"].(map[string]any)
	for n := 10101; n <= 10110; n++ { // the form has to say what the show is, or nothing
		fields[fmt.Sprint("customfield_", n)] = nil
	}
	fields["customfield_10113"] = show
	if body, err = json.Marshal(webhook); err != nil {
		t.Fatal(err)
	}
	return body
}

// The recorded webhooks can be sent to a room on one machine, as docs/jira.md says.
func TestJiraFieldsAreTheRecorded(t *testing.T) {
	recorded, err := os.ReadFile("../lambdas/jira/testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal([]byte(jiraFields), &got), json.Unmarshal(recorded, &want)); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("the room has the fields %v, the webhooks were recorded with %v", got, want)
	}
}

// issueOf is the issue that decides about a show.
func issueOf(show string) string {
	if show == "jira-10042" {
		return "SHOW-12"
	}
	return "SHOW-13"
}

// webhook posts one that was recorded.
func (b *bubble) webhook(t *testing.T, file, show, state string) {
	t.Helper()
	body := recorded(t, file, show)
	r := httptest.NewRequest(http.MethodPost, names.PathJira, bytes.NewReader(body))
	r.Header.Set(jira.SignatureHeader, jira.Sign([]byte(b.options.HotShows.JiraSecret), body))
	var answer struct{ Show, State, Why string }
	if code := b.send(t, b.hot.API, r, &answer); code != http.StatusOK || answer.Show != show || answer.State != state {
		t.Fatalf("%s is answered with %d %+v", file, code, answer)
	}
}

func (b *bubble) askFor(t *testing.T, person, request string) (id string) {
	t.Helper()
	var show hotshow.Show
	if code := b.call(t, person, http.MethodPost, names.PathHotShows, request, &show); code != http.StatusCreated || show.State != hotshow.Requested {
		t.Fatalf("asking is answered with %d %+v", code, show)
	}
	return show.ID
}

func (b *bubble) change(t *testing.T, person, show, change string) {
	t.Helper()
	var changed hotshow.Show
	if code := b.call(t, person, http.MethodPost, showPath(names.PathHotShow, show)+"/"+change, "", &changed); code != http.StatusOK {
		t.Fatalf("%s is answered with %d", change, code)
	}
}

func (b *bubble) refused(t *testing.T, person, show, change, code string) {
	t.Helper()
	var problem struct{ Type string }
	status := b.call(t, person, http.MethodPost, showPath(names.PathHotShow, show)+"/"+change, "", &problem)
	if status < 400 || problem.Type != names.ProblemPrefix+code {
		t.Errorf("%s is answered with %d %s, want %s", change, status, problem.Type, code)
	}
}

// shown is a show as the API has it.
type shown struct {
	hotshow.Show
	History []hotshow.Change
}

func (b *bubble) show(t *testing.T, id string) shown {
	t.Helper()
	var s shown
	if code := b.call(t, "somebody", http.MethodGet, showPath(names.PathHotShow, id), "", &s); code != http.StatusOK {
		t.Fatalf("the show %s is answered with %d", id, code)
	}
	return s
}

func (b *bubble) is(t *testing.T, id string, want hotshow.State) {
	t.Helper()
	if s := b.show(t, id); s.State != want {
		t.Fatalf("%s is %s, want %s; its steps: %+v\nthe log:\n%s", id, s.State, want, s.Steps, strings.Join(b.log.all(), "\n"))
	}
}

func (b *bubble) needs(t *testing.T, id string) hotshow.Needs { return b.show(t, id).Needs }

// up is what can be up for shows.
type up struct{ products, join, admit int }

func (b *bubble) has(t *testing.T, want up) {
	t.Helper()
	got := up{
		len(b.controls.catalog.Up()),
		b.controls.concurrency.Provisioned(names.FunctionJoin, names.LiveAlias), b.controls.concurrency.Provisioned(names.FunctionAdmit, names.LiveAlias),
	}
	if got != want {
		t.Errorf("up is %+v, want %+v", got, want)
	}
}

// isWarm checks the table, which is never below what a new one has.
func (b *bubble) isWarm(t *testing.T, writes int) {
	t.Helper()
	client := awsdynamodb.NewFromConfig(b.config(), b.reachTables)
	out, err := client.DescribeTable(t.Context(), &awsdynamodb.DescribeTableInput{TableName: &b.table})
	if err != nil || *out.Table.WarmThroughput.WriteUnitsPerSecond < int64(writes) {
		t.Errorf("the table's warm throughput is %+v (%v), want %d writes", out.Table.WarmThroughput, err, writes)
	}
}

// promote sets a parameter as a promoter does.
func (b *bubble) promote(t *testing.T, event, parameter, value string) {
	t.Helper()
	if err := b.parameter.Put(names.ParameterPath+event+"/"+parameter, value); err != nil {
		t.Fatal(err)
	}
}

func (b *bubble) status(t *testing.T, event string) (status room.Status) {
	t.Helper()
	b.send(t, b.hosts[hostOf(b.address)], httptest.NewRequest(http.MethodGet, names.StatusPrefix+event+".json", nil), &status)
	return status
}

func (b *bubble) phase(t *testing.T, event string, want room.Phase) {
	t.Helper()
	if s := b.status(t, event); s.Phase != want {
		t.Errorf("%s is %s at %s, want %s", event, s.Phase, s.Time, want)
	}
}

// rate checks the cap that is in force.
func (b *bubble) rate(t *testing.T, event string, want int) {
	t.Helper()
	client := awsdynamodb.NewFromConfig(b.config(), b.reachTables)
	st, err := store.New(client, b.table, time.Now).State(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	if inForce, _ := st.Cap.At(time.Now()); inForce != want {
		t.Errorf("%s lets in %d a minute, want %d", event, inForce, want)
	}
}

// sale checks the view of a sale while people wait.
func (b *bubble) sale(t *testing.T, id, event string) {
	t.Helper()
	var sale struct {
		Event, Phase            string
		Line, Admitted, Waiting int64
		RateSet                 int `json:"rate_set"`
	}
	code := b.call(t, "somebody", http.MethodGet, showPath(names.PathHotShowSale, id), "", &sale)
	if code != http.StatusOK || sale.Event != event || sale.Phase != string(room.Open) || sale.Line == 0 || sale.Waiting == 0 || sale.RateSet == 0 {
		t.Errorf("the sale is answered with %d %+v", code, sale)
	}
}

// history checks what a show went through.
func (b *bubble) history(t *testing.T, id string, want ...hotshow.State) []hotshow.Change {
	t.Helper()
	changes := b.show(t, id).History
	states := []hotshow.State{}
	for i, c := range changes {
		if c.Number != i+1 || c.By == "" || c.Why == "" || c.At.IsZero() {
			t.Errorf("change %d of %s is %+v", i+1, id, c)
		}
		if c.From != c.To {
			states = append(states, c.To)
		}
	}
	if !slices.Equal(states, want) {
		t.Errorf("%s went through %q", id, states)
	}
	return changes
}

// isCommented checks that the issue was told of every change of the show itself, in order. Who asked by
// the API is told of that, too, once an issue decides about the show.
func (b *bubble) isCommented(t *testing.T, issue string, changes []hotshow.Change) {
	t.Helper()
	var want []string
	for _, c := range changes {
		if c.Step == "" {
			want = append(want, c.Sentence())
		}
	}
	if got := b.controls.jira.Comments(issue); !slices.Equal(got, want) {
		t.Errorf("%s has the comments\n%q, want\n%q", issue, got, want)
	}
}

// crowd are visitors of one event who do nothing but wait.
type crowd struct {
	*bubble
	event   string
	waiting []*guest
	passes  int
}

type guest struct {
	ticket   string
	position int64 // 0 before it is known
}

// crowd has people join one after the other.
func (b *bubble) crowd(t *testing.T, event string, people int) *crowd {
	t.Helper()
	c := &crowd{bubble: b, event: event}
	for i := range people {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", event, i))
		var seat seat
		if code := c.post(t, names.PathJoin, map[string]string{"secret": base64.RawURLEncoding.EncodeToString(sum[:16])}, &seat); code != http.StatusCreated {
			t.Fatalf("joining %s is answered with %d", event, code)
		}
		c.waiting = append(c.waiting, &guest{ticket: seat.Ticket})
	}
	return c
}

func (c *crowd) post(t *testing.T, path string, body, into any) int {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return c.send(t, c.hosts[hostOf(c.address)], httptest.NewRequest(http.MethodPost, names.PathOf(path, c.event), bytes.NewReader(text)), into)
}

func (c *crowd) in() int { return c.passes }

// enter has whoever's turn it is enter, every second for a while.
func (c *crowd) enter(t *testing.T, during time.Duration) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(time.Second) {
		status := c.status(t, c.event)
		var left []*guest
		for _, g := range c.waiting {
			if !c.admitted(t, g, status) {
				left = append(left, g)
			}
		}
		c.waiting = left
	}
}

// admitted says whether somebody got a pass now.
func (c *crowd) admitted(t *testing.T, g *guest, status room.Status) bool {
	t.Helper()
	if g.position == 0 {
		var place struct{ Position int64 }
		r := httptest.NewRequest(http.MethodGet, names.PathOf(names.PathPlace, c.event), nil)
		r.Header.Set("Authorization", "Bearer "+g.ticket)
		c.send(t, c.hosts[hostOf(c.address)], r, &place)
		g.position = place.Position
	}
	if g.position == 0 || g.position > status.Admitted {
		return false
	}
	var answer struct{ Pass string }
	if c.post(t, names.PathAdmit, map[string]string{"ticket": g.ticket}, &answer) == http.StatusOK {
		c.passes++
		return true
	}
	return false // over the cap for now
}
