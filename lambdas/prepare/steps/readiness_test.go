package steps

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
)

const (
	probeRoom   = "https://room.example"
	probeTarget = "https://shop.example/checkout"
)

// passKeys are made once: the room's, and somebody else's.
var passKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// house stands in for Parameter Store and the room: its tick looks at new parameters once a minute, and
// every five seconds at an event that is on.
type house struct {
	t *testing.T

	mu       sync.Mutex
	texts    map[string]map[string]string // parameters by event
	sales    map[string]*fakeSale
	holdings map[string]schedule.Holding
	waits    map[string]int // admissions refused so far, by ticket
	effects  int            // calls that change something, counted
	failAt   int            // the effect that fails; 0: none
	lost     bool           // it fails after it was made
	foreign  []string       // requests to somebody else
	alarms   []string
	secrets  []string // that were sent, and tickets and passes that were given out

	tickDead   bool
	answer     map[string]int // status of an operation, "join" or "admit", instead of the real one
	key        int            // of passKeys, that signs
	audience   string         // of passes, instead of the target's
	redirect   string         // instead of the target
	issuedAgo  time.Duration  // of passes, which are good for half an hour
	statusCode int            // of all status documents
}

type fakeSale struct {
	onSale, closes time.Time
	target         string
	closed         bool
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, texts: map[string]map[string]string{}, sales: map[string]*fakeSale{}, holdings: map[string]schedule.Holding{},
		waits: map[string]int{}, answer: map[string]int{}}
	return h
}

// mend has everything work as it should.
func (h *house) mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tickDead, h.answer, h.key, h.audience, h.redirect, h.issuedAgo, h.statusCode = false, map[string]int{}, 0, "", "", 0, 0
}

// ticking has tick look at everything until ctx ends.
func (h *house) ticking(ctx context.Context) {
	steps := time.NewTicker(5 * time.Second)
	defer steps.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-steps.C:
			h.mu.Lock()
			if !h.tickDead {
				h.look(i%12 == 11)
			}
			h.mu.Unlock()
		}
	}
}

func (h *house) look(everything bool) {
	for event, sale := range h.sales {
		// A change is in force within ten seconds; here at once.
		sale.closed = sale.closed || h.texts[event]["state"] == "closed" || !time.Now().Before(sale.closes)
	}
	if !everything {
		return
	}
	for event, texts := range h.texts {
		onSale, closes := moment(texts["onsale"]), moment(texts["closes"])
		before := h.sales[event]
		switch {
		case onSale.IsZero() || texts["rate"] == "" || texts["target"] == "":
		case before == nil, before.closed && texts["state"] != "closed" && !onSale.Equal(before.onSale) && onSale.After(time.Now()):
			h.sales[event] = &fakeSale{onSale, closes, texts["target"], texts["state"] == "closed"}
		}
	}
}

// effect counts a call that changes something, and fails if it is its turn. The lock is held.
func (h *house) effect(do func()) error {
	h.effects++
	if h.effects != h.failAt {
		do()
		return nil
	}
	if h.lost {
		do()
	}
	return errors.New("the connection broke")
}

func (h *house) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	event, name := h.name(*in.Name)
	return &ssm.PutParameterOutput{}, h.effect(func() {
		if h.texts[event] == nil {
			h.texts[event] = map[string]string{}
		}
		h.texts[event][name] = *in.Value
	})
}

func (h *house) DeleteParameters(_ context.Context, in *ssm.DeleteParametersInput, _ ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &ssm.DeleteParametersOutput{}, h.effect(func() {
		for _, whole := range in.Names {
			event, name := h.name(whole)
			if _, set := h.texts[event][name]; !set {
				continue
			}
			if sale := h.sales[event]; sale != nil && !sale.closed {
				h.alarms = append(h.alarms, name+" of "+event+" was removed from a sale that goes on")
			}
			delete(h.texts[event], name)
			left, sale := h.texts[event], h.sales[event]
			if name == "state" && left["onsale"] != "" && sale != nil && !moment(left["onsale"]).Equal(sale.onSale) {
				h.alarms = append(h.alarms, "an on-sale of "+event+" was left for the next run")
			}
		}
	})
}

func (h *house) name(whole string) (event, name string) {
	rest, ok := strings.CutPrefix(whole, names.ParameterPath)
	event, name, _ = strings.Cut(rest, "/")
	if !ok || !strings.HasPrefix(event, hotshow.ProbePrefix) {
		h.t.Errorf("the parameter %s is no probe's", whole)
	}
	return event, name
}

func (h *house) Holding(_ context.Context, resource string) (schedule.Holding, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.holdings[resource], nil
}

func (h *house) UpdateHolding(_ context.Context, resource string, change func(*schedule.Holding) error) (schedule.Holding, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := h.holdings[resource]
	if err := change(&next); err != nil {
		return schedule.Holding{}, err
	}
	return next, h.effect(func() { h.holdings[resource] = next })
}

// RoundTrip answers as the room does.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Scheme+"://"+r.URL.Host != probeRoom {
		h.foreign = append(h.foreign, r.URL.Host)
		return nil, errors.New("nobody lives here")
	}
	w := httptest.NewRecorder()
	path := r.URL.Path
	event, isStatus := strings.CutPrefix(strings.TrimSuffix(path, ".json"), names.StatusPrefix)
	switch {
	case path == names.JWKSPath:
		document, err := pass.JWKS([]crypto.PublicKey{passKeys()[0].Public()}...)
		if err != nil {
			h.t.Error(err)
		}
		w.Write(document)
	case isStatus:
		h.status(w, event)
	default:
		rest := strings.TrimPrefix(path, "/v1/events/")
		event, operation, _ := strings.Cut(rest, "/")
		h.operation(w, r, event, operation)
	}
	return w.Result(), nil
}

func (h *house) status(w http.ResponseWriter, event string) {
	sale := h.sales[event]
	switch {
	case h.statusCode != 0:
		w.WriteHeader(h.statusCode)
		return
	case sale == nil:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status := room.Status{Event: event, Phase: room.PreQueue, OnSale: sale.onSale.UTC().Format(time.RFC3339)}
	if !time.Now().Before(sale.onSale) {
		status.Phase = room.Open
	}
	if sale.closed {
		status.Phase, status.DrawKey = room.Closed, "00"
	}
	json.NewEncoder(w).Encode(status)
}

func (h *house) operation(w http.ResponseWriter, r *http.Request, event, operation string) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":%q}`, names.ProblemPrefix+code)
	}
	sale := h.sales[event]
	var body struct{ Secret, Ticket string }
	read, _ := io.ReadAll(r.Body)
	json.Unmarshal(read, &body)
	switch {
	case h.answer[operation] != 0:
		refuse(h.answer[operation], "internal")
	case sale == nil:
		refuse(http.StatusNotFound, "unknown-event")
	case sale.closed:
		refuse(http.StatusGone, "over")
	case operation == "join":
		h.secrets = append(h.secrets, body.Secret, "ticket-"+body.Secret)
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]string{"ticket": "ticket-" + body.Secret})
	case !slices.Contains(h.secrets, body.Ticket):
		refuse(http.StatusUnauthorized, "bad-ticket")
	case h.waits[body.Ticket] < 2:
		h.waits[body.Ticket]++
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"position":1,"admitted":0,"retry_after":2}`)
	default:
		h.admit(w, event, sale.target)
	}
}

func (h *house) admit(w http.ResponseWriter, event, target string) {
	signer, err := pass.NewRS256(passKeys()[h.key])
	if err != nil {
		h.t.Fatal(err)
	}
	origin, err := pass.Origin(cmp.Or(h.audience, target))
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := signer.Sign(h.t.Context(), pass.Claims{Issuer: probeRoom, Audience: origin, Subject: "v", Event: event,
		Issued: time.Now().Add(-h.issuedAgo), Expiry: time.Now().Add(30*time.Minute - h.issuedAgo), ID: "1"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.secrets = append(h.secrets, token)
	json.NewEncoder(w).Encode(map[string]string{"pass": token, "redirect": cmp.Or(h.redirect, target) + "?waitingroom_pass=" + token})
}

// works is one show's work, driven as prepare does.
type works struct {
	house *house
	step  *Readiness
	id    string
	held  map[string]string
}

func (h *house) works(id string) *works {
	quiet := slog.New(slog.DiscardHandler)
	return &works{h, NewReadiness(h, names.ParameterPath, h, NewRoom(probeRoom, h), time.Now, quiet), id, map[string]string{}}
}

// run is one call. Like a run of prepare's it does nothing further once something could not be stored.
func (w *works) run(do func(*Readiness, context.Context, *prepare.Task) (hotshow.Progress, error)) (hotshow.Progress, error) {
	ctx, cancel := context.WithTimeout(w.house.t.Context(), 20*time.Second)
	defer cancel()
	held := maps.Clone(w.held)
	var broken error
	task := &prepare.Task{
		Show: hotshow.Show{ID: w.id, Request: hotshow.Request{Event: "winter", Target: probeTarget}},
		Now:  time.Now(), Held: held,
	}
	task.Hold = func(_ context.Context, key, value string) error {
		w.house.mu.Lock()
		defer w.house.mu.Unlock()
		if broken != nil {
			w.house.t.Errorf("%s is held after an error", key)
		}
		if broken = w.house.effect(func() { w.held[key] = value }); broken == nil {
			held[key] = value
		}
		return broken
	}
	began := time.Now()
	progress, err := do(w.step, ctx, task)
	if took := time.Since(began); took > 20*time.Second {
		w.house.t.Errorf("a run took %s", took)
	}
	return progress, err
}

// up drives the step for as long as that may take, and returns every trouble on the way.
func (w *works) up(within time.Duration) (hotshow.Progress, []string) {
	var troubles []string
	for end := time.Now().Add(within); ; time.Sleep(time.Minute) {
		progress, err := w.run((*Readiness).Up)
		if err != nil {
			troubles = append(troubles, err.Error())
		} else if progress != hotshow.Begun {
			return progress, troubles
		}
		if time.Now().After(end) {
			return hotshow.Begun, troubles
		}
	}
}

func (w *works) down(within time.Duration) (hotshow.Progress, []string) {
	var troubles []string
	for end := time.Now().Add(within); ; time.Sleep(time.Minute) {
		progress, err := w.run((*Readiness).Down)
		if err != nil {
			troubles = append(troubles, err.Error())
		} else if progress == hotshow.Down {
			return progress, troubles
		}
		if time.Now().After(end) {
			return progress, troubles
		}
	}
}

// checkGone checks that nothing is left of any probe, and that nothing was told to anybody.
func (h *house) checkGone() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for event, texts := range h.texts {
		if len(texts) > 0 {
			h.t.Errorf("%s still has the parameters %v", event, texts)
		}
	}
	for event, sale := range h.sales {
		if !sale.closed {
			h.t.Errorf("%s is still on sale", event)
		}
	}
	for _, what := range append(h.alarms, h.foreign...) {
		h.t.Error(what)
	}
}

func (w *works) checkDiscreet() {
	w.house.t.Helper()
	for key, value := range w.held {
		for _, secret := range w.house.secrets {
			if strings.Contains(value, secret) {
				w.house.t.Errorf("%s holds what is nobody's business", key)
			}
		}
	}
}

// inRoom runs a test in virtual time, with tick beside it.
func inRoom(t *testing.T, test func(*testing.T, *house)) {
	t.Helper()
	passKeys() // made outside: it takes real time
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx, stop := context.WithCancel(t.Context())
		go h.ticking(ctx)
		test(t, h)
		stop()
		synctest.Wait()
	})
}

func TestReadinessOfAGoodRoom(t *testing.T) {
	inRoom(t, func(t *testing.T, h *house) {
		w := h.works("a")
		began := time.Now()
		progress, troubles := w.up(10 * time.Minute)
		if progress != hotshow.Up || len(troubles) > 0 {
			t.Fatalf("came to %q with %q", progress, troubles)
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("it took %s", took)
		}
		if len(h.secrets) != 3 {
			t.Errorf("%d secrets, tickets and passes are not one visitor's", len(h.secrets))
		}
		h.checkGone()
		w.checkDiscreet()
		if lease := h.holdings[w.held["probe"]].Lease; lease.Run != "" {
			t.Errorf("the event is still %q's", lease.Run)
		}
		before := h.effects
		if progress, err := w.run((*Readiness).Up); progress != hotshow.Up || err != nil || h.effects != before {
			t.Errorf("once more it came to %q, %v, and changed %d things", progress, err, h.effects-before)
		}
		if progress, err := w.run((*Readiness).Down); progress != hotshow.Down || err != nil || h.effects != before {
			t.Errorf("down came to %q, %v, and changed %d things", progress, err, h.effects-before)
		}
	})
}

func TestReadinessOfABrokenRoom(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*house)
		says   string
	}{
		"tick is dead":             {func(h *house) { h.tickDead = true }, "see whether tick runs"},
		"no status can be read":    {func(h *house) { h.statusCode = 502 }, "/status/probe-"},
		"join fails":               {func(h *house) { h.answer["join"] = 503 }, "/join: answered with 503, internal"},
		"admit fails":              {func(h *house) { h.answer["admit"] = 503 }, "/admit: answered with 503, internal"},
		"admit keeps them waiting": {func(h *house) { h.answer["admit"] = 202 }, "/admit: answered with 202"},
		"another key signs":        {func(h *house) { h.key = 1 }, "the shop would not take the pass: bad pass"},
		"another shop's pass":      {func(h *house) { h.audience = "https://other.example" }, "the shop would not take the pass: bad pass"},
		"an expired pass":          {func(h *house) { h.issuedAgo = time.Hour }, "the shop would not take the pass: bad pass"},
		"led elsewhere":            {func(h *house) { h.redirect = "https://other.example/" }, `sent to "other.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, func(t *testing.T, h *house) {
				for i := range probes { // earlier shows'
					h.sales[fmt.Sprintf("%s%d", hotshow.ProbePrefix, i)] = &fakeSale{onSale: time.Now().Add(-time.Hour), closed: true}
				}
				c.breaks(h)
				w := h.works("a")
				progress, troubles := w.up(25 * time.Minute)
				if progress == hotshow.Up {
					t.Fatal("the room is called ready")
				}
				if len(troubles) == 0 || !slices.ContainsFunc(troubles, func(text string) bool { return strings.Contains(text, c.says) }) {
					t.Errorf("the troubles %q do not say %q", troubles, c.says)
				}
				for _, trouble := range troubles {
					for _, secret := range h.secrets {
						if strings.Contains(trouble, secret) {
							t.Error("a trouble holds what is nobody's business")
						}
					}
				}
				w.checkDiscreet()

				h.mend()
				if progress, _ := w.up(30 * time.Minute); progress != hotshow.Up {
					t.Errorf("the mended room came to %q", progress)
				}
				h.checkGone()
			})
		})
	}
}

// TestReadinessBreaksOffAnywhere breaks each effect off, before and after it is made.
func TestReadinessBreaksOffAnywhere(t *testing.T) {
	for failAt := 1; ; failAt++ {
		over := false
		for _, lost := range []bool{false, true} {
			inRoom(t, func(t *testing.T, h *house) {
				h.failAt, h.lost = failAt, lost
				w := h.works("a")
				if progress, _ := w.up(30 * time.Minute); progress != hotshow.Up {
					t.Errorf("broken off at effect %d (made: %v) it came to %q", failAt, lost, progress)
				}
				h.checkGone()
				over = h.effects < failAt
			})
		}
		if over || t.Failed() {
			break
		}
	}
}

// TestReadinessIsCancelledAnywhere takes a probe down after each effect.
func TestReadinessIsCancelledAnywhere(t *testing.T) {
	for failAt := 1; ; failAt++ {
		over := false
		inRoom(t, func(t *testing.T, h *house) {
			h.failAt, h.lost = failAt, failAt%2 == 0
			w := h.works("a")
			for end := time.Now().Add(10 * time.Minute); h.effects < failAt && time.Now().Before(end); time.Sleep(time.Minute) {
				if progress, _ := w.run((*Readiness).Up); progress == hotshow.Up {
					over = h.effects < failAt
					break
				}
			}
			if progress, troubles := w.down(10 * time.Minute); progress != hotshow.Down || len(troubles) > 0 {
				t.Errorf("cancelled at effect %d it came to %q with %q", failAt, progress, troubles)
			}
			h.checkGone()
			// An event that the show did not get to know of comes free by itself.
			time.Sleep(probeLease)
			if progress, troubles := h.works("b").up(10 * time.Minute); progress != hotshow.Up {
				t.Errorf("the next show came to %q with %q", progress, troubles)
			}
		})
		if over || t.Failed() {
			break
		}
	}
}

// TestShowsTakeTurnsWithProbes prepares more shows at once than there are events for probing.
func TestShowsTakeTurnsWithProbes(t *testing.T) {
	inRoom(t, func(t *testing.T, h *house) {
		const shows = 25
		var group sync.WaitGroup
		first := h.works("show-0")
		for i := range shows {
			group.Go(func() {
				w := h.works(fmt.Sprintf("show-%d", i))
				w.step = first.step // whose pace they share
				if progress, troubles := w.up(20 * time.Minute); progress != hotshow.Up || len(troubles) > 0 {
					t.Errorf("show %d came to %q with %q", i, progress, troubles)
				}
			})
		}
		group.Wait()
		h.checkGone()
		if len(h.sales) > probes {
			t.Errorf("there were %d events: %v", len(h.sales), slices.Collect(maps.Keys(h.sales)))
		}
	})
}

// TestProbeOfAShowThatNobodyDrivesAnyMore leaves a probe at its widest, and has another show take its
// event over.
func TestProbeOfAShowThatNobodyDrivesAnyMore(t *testing.T) {
	inRoom(t, func(t *testing.T, h *house) {
		h.answer["join"] = 503
		left := h.works("left")
		left.up(3 * time.Minute)
		h.mend()
		event := left.held["probe"]
		if h.sales[event] == nil || h.sales[event].closed {
			t.Fatal("the probe is not on sale")
		}
		other := h.works("other")
		if mine, err := other.take(t, event); mine || err != nil {
			t.Fatalf("the event is given to two: %v", err)
		}
		time.Sleep(probeLease + time.Minute)
		if mine, err := other.take(t, event); !mine || err != nil {
			t.Fatalf("the event does not come free: %v", err)
		}
		other.held["probe"] = event
		if progress, troubles := other.up(10 * time.Minute); progress != hotshow.Up || len(troubles) > 0 {
			t.Errorf("came to %q with %q", progress, troubles)
		}
		h.checkGone()
		// The first one touches nothing that is not its own any more.
		if mine, err := other.take(t, event); !mine || err != nil {
			t.Fatal(err)
		}
		h.texts[event] = map[string]string{"rate": "60"}
		if progress, err := left.run((*Readiness).Down); progress != hotshow.Down || err != nil {
			t.Errorf("down came to %q, %v", progress, err)
		}
		if h.texts[event]["rate"] != "60" {
			t.Error("another show's probe was taken down")
		}
		if progress, _ := left.up(10 * time.Minute); progress != hotshow.Up || left.held["probe"] == event {
			t.Errorf("came to %q with %s", progress, left.held["probe"])
		}
	})
}

func (w *works) take(t *testing.T, event string) (bool, error) {
	return w.step.probe(&prepare.Task{Show: hotshow.Show{ID: w.id}}).take(t.Context(), event)
}
