package runtimeapi

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/deployment/rsakey"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/publish"
	"waitingroom/shared/room"
)

// tickLimit leaves an invocation three seconds of steps before the five in which it hands over.
const tickLimit = 8 * time.Second

const passKeyARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:RoomPassKey-AbCdEf"

// TestSale is a sale from the first tick to the shop with nothing but programs, started by recorded
// events: once with a key in KMS, and once with one that a secret holds and passkey has made.
func TestSale(t *testing.T) {
	t.Run("key in KMS", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.sell(t, w.environment(names.FunctionTick), w.environment(names.FunctionAdmit), &w.keys.key.PublicKey)
		if w.counted("kms Sign") == 0 || w.counted("secretsmanager GetSecretValue") != 4 {
			t.Errorf("KMS signed %d times, the secret was read %d times", w.counted("kms Sign"), w.counted("secretsmanager GetSecretValue"))
		}
	})
	t.Run("key in a secret", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		public, text := w.makePassKey(t)
		ticking := with(with(w.environment(names.FunctionTick), names.EnvPassKey, ""), names.EnvPassPublicKey, text)
		admitting := with(with(w.environment(names.FunctionAdmit), names.EnvPassKey, ""), names.EnvPassKeySecret, passKeyARN)
		w.sell(t, ticking, admitting, public)
		if w.counted("kms Sign") != 0 || w.counted("kms GetPublicKey") != 0 {
			t.Error("KMS was asked, which has no key of this room")
		}
	})
}

// makePassKey has the passkey function make the key, as CloudFormation does at the first deployment.
func (w *world) makePassKey(t *testing.T) (public *rsa.PublicKey, text string) {
	t.Helper()
	p := w.start(t, names.FunctionPassKey, nil)
	answer := w.provide(t, p, recorded(t, "lambdas/passkey/testdata/create.json"), map[string]any{"SecretArn": passKeyARN})
	text, _ = answer.Data["PublicKey"].(string)
	public, err := rsakey.ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsakey.Parse(w.secrets.get(passKeyARN))
	if err != nil || !key.PublicKey.Equal(public) {
		t.Fatalf("the secret holds another key: %v", err)
	}
	w.keepSecret(strings.Split(w.secrets.get(passKeyARN), "\n")[1], "a line of the key of passes")
	return public, text
}

// sell opens a sale for a visitor who comes before the on-sale, and takes the visitor to the shop.
func (w *world) sell(t *testing.T, ticking, admitting map[string]string, public *rsa.PublicKey) {
	p := w.start(t, names.FunctionTick, ticking)
	join, place := w.start(t, names.FunctionJoin, w.environment(names.FunctionJoin)), w.start(t, names.FunctionPlace, w.environment(names.FunctionPlace))
	admit := w.start(t, names.FunctionAdmit, admitting)

	// Set last: the programs may have to be built first.
	onSale := time.Now().UTC().Truncate(time.Second).Add(5 * time.Second)
	for name, value := range map[string]string{
		"onsale": onSale.Format(time.RFC3339), "rate": "6000", "target": target, "message/en": "Welcome",
	} {
		if err := w.parameters.Put(names.ParameterPath+"demo/"+name, value); err != nil {
			t.Fatal(err)
		}
	}
	stop := w.keepTicking(t, p)
	w.awaitStatus(t, "that one may join", func(s room.Status) bool { return s.Phase != room.Scheduled })
	joined, _ := w.ask(t, join, w.joinRequest(t, "demo", newSecret()))
	var seat struct {
		Ticket  string
		Visitor string
		Cohort  int64
	}
	if err := json.Unmarshal([]byte(joined.Body), &seat); err != nil || joined.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", joined.StatusCode, joined.Body)
	}
	w.awaitStatus(t, "that the turn has come", func(s room.Status) bool { return s.Sealed > seat.Cohort && s.Admitted == 1 })
	stop()

	var where struct {
		Position int64
		Turn     string
	}
	r, _ := w.ask(t, place, w.placeRequest(t, "demo", seat.Ticket))
	if err := json.Unmarshal([]byte(r.Body), &where); err != nil || where.Position != 1 || where.Turn != "come" {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
	r, _ = w.ask(t, admit, w.admitRequest(t, "demo", seat.Ticket))
	var admitted struct{ Pass string }
	if err := json.Unmarshal([]byte(r.Body), &admitted); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.Body)
	}
	parsed, err := jwt.Parse(admitted.Pass, func(*jwt.Token) (any, error) { return public, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience("https://shop.example.com"))
	if err != nil {
		t.Fatalf("the shop does not take the pass: %v", err)
	}
	if sub, err := parsed.Claims.GetSubject(); err != nil || sub != seat.Visitor {
		t.Errorf("the pass is for %q: %v", sub, err)
	}
	w.checkPublished(t, public)
	p.kill()
	w.checkLeader(t, p)
}

// keepTicking starts tick as the schedule does, again as soon as an invocation has ended, until stop
// is called. stop returns when the last one has ended.
func (w *world) keepTicking(t *testing.T, p *process) (stop func()) {
	event := recorded(t, "local/runtimeapi/testdata/scheduled.json")
	enough, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			out, err := p.try(t.Context(), event, tickLimit)
			if err != nil || out.failed || string(out.payload) != "null" {
				t.Errorf("tick: %v %t %s\n%s", err, out.failed, out.payload, p.log.String())
				return
			}
			select {
			case <-enough:
				return
			default:
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(enough)
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

// awaitStatus returns the first status that says what is wanted.
func (w *world) awaitStatus(t *testing.T, what string, says func(room.Status) bool) room.Status {
	t.Helper()
	var status room.Status
	w.documents.await(t, "a status that says "+what, func(d document) bool {
		if d.path != tick.StatusPath("demo") {
			return false
		}
		status = room.Status{}
		if err := json.Unmarshal(d.body, &status); err != nil {
			t.Errorf("the status is %s", d.body)
		}
		return says(status)
	})
	return status
}

// checkPublished holds everything that was published against what local would have: the same paths,
// the same headers, and documents that follow from what the table holds.
func (w *world) checkPublished(t *testing.T, public *rsa.PublicKey) {
	t.Helper()
	folder, err := publish.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	want, err := tick.WellKnown(issuer, public)
	if err != nil {
		t.Fatal(err)
	}
	st, err := w.store.State(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	for cohort := range st.Cohort {
		seal, err := w.store.Seal(t.Context(), st.Run, cohort)
		if err != nil {
			t.Fatal(err)
		}
		if seal.Seed != room.Seed(st.DrawKey(w.secret), st.Run, cohort, seal.Counts) || len(seal.Counts) != 4 {
			t.Errorf("the seal of cohort %d is %+v", cohort, seal)
		}
		if want[tick.SealPath(st.Run, cohort)], err = json.Marshal(seal.Document()); err != nil {
			t.Fatal(err)
		}
	}
	seen, version := map[string]bool{}, int64(0)
	for _, d := range w.documents.all() {
		seen[d.path] = true
		switch body, fixed := want[d.path]; {
		case d.path == tick.StatusPath("demo"):
			version = w.checkStatus(t, d, st, version, seen)
		case !fixed || !bytes.Equal(d.body, body):
			t.Errorf("%s is %s, want %s", d.path, d.body, body)
		}
		checkHeaders(t, folder, d)
	}
	for path := range want {
		if !seen[path] {
			t.Errorf("%s was not published", path)
		}
	}
}

// checkStatus holds a status against the one before, against the state of after the sale and against
// what was published before it. It returns its version.
func (w *world) checkStatus(t *testing.T, d document, st room.State, before int64, seen map[string]bool) int64 {
	t.Helper()
	var s room.Status
	if err := json.Unmarshal(d.body, &s); err != nil {
		t.Fatal(err)
	}
	if s.Run != st.ID || s.Commit != room.Commit(st.DrawKey(w.secret)) || s.DrawKey != "" || s.Message["en"] != "Welcome" {
		t.Errorf("%s", d.body)
	}
	if s.Version <= before || s.Version > st.Version || s.Sealed > st.Cohort || s.Admitted > st.Admitted {
		t.Errorf("after version %d: %s", before, d.body)
	}
	if s.Sealed > 0 && !seen[tick.SealPath(st.Run, s.Sealed-1)] {
		t.Errorf("the seal of cohort %d was not there yet: %s", s.Sealed-1, d.body)
	}
	if !seen[strings.TrimPrefix(names.JWKSPath, "/")] || !seen[strings.TrimPrefix(names.OIDCPath, "/")] {
		t.Error("a status came before the documents by which passes are checked")
	}
	return s.Version
}

// checkHeaders compares an object's headers with those of the same document in local's folder.
func checkHeaders(t *testing.T, folder *publish.Folder, d document) {
	t.Helper()
	if err := folder.Put(t.Context(), d.path, d.body); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	folder.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/"+d.path, nil))
	if got, want := d.contentType, answer.Header().Get("Content-Type"); got != want {
		t.Errorf("%s is %q, local says %q", d.path, got, want)
	}
	if got, want := d.cacheControl, answer.Header().Get("Cache-Control"); got != want {
		t.Errorf("%s is kept %q, local says %q", d.path, got, want)
	}
}

// checkLeader looks at what tick leaves behind: the lease is handed over, its steps are measured, and
// nothing had to be reported.
func (w *world) checkLeader(t *testing.T, p *process) {
	t.Helper()
	st, err := w.store.State(t.Context(), "demo")
	if err != nil || st.Owner != "" || st.Phase != room.Open {
		t.Errorf("the lease was not handed over: %+v, %v", st, err)
	}
	if p.log.String() != "" {
		t.Errorf("tick logged: %s", p.log.String())
	}
	steps := 0
	for _, point := range metricstest.Points(t, p.metrics.String()) {
		if point.Name == names.MetricPointer && point.Event == "demo" {
			steps++
		}
	}
	if steps < 3 {
		t.Errorf("the steps of %d seconds were measured %d times", int(tickLimit.Seconds())-5, steps)
	}
}
