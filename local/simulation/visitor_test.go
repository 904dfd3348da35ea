package simulation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

// environment is one of the places where Lambda runs join and admit, with what it remembers. It
// answers one request at a time.
type environment struct {
	*process
	busy        bool
	join, admit func(context.Context, httpapi.Request) (httpapi.Response, error)
}

// environment returns an idle environment, a new one if all are busy. The caller is given it busy.
func (w *world) environment(pick func(n int) int) *environment {
	w.mu.Lock()
	var idle []*environment
	for _, e := range w.environments {
		if !e.busy {
			idle = append(idle, e)
		}
	}
	if len(idle) > 0 {
		e := idle[pick(len(idle))]
		e.busy = true
		w.mu.Unlock()
		return e
	}
	w.mu.Unlock()
	e := w.newEnvironment(w.process())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.environments = append(w.environments, e)
	return e
}

func (w *world) leave(e *environment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.busy = false
}

func (w *world) newEnvironment(p *process) *environment {
	key, err := ticket.NewKey(w.secret)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := pass.NewHS256(pass.HMACKey(w.secret))
	if err != nil {
		w.t.Fatal(err)
	}
	view := store.NewView(faulty{w}, p.now)
	log := slog.New(slog.DiscardHandler)
	counts := &metrics.Log{Out: io.Discard, Room: "simulation", Now: p.now}
	return &environment{
		process: p, busy: true,
		join: join.NewHandler(&join.Joiner{
			Store: faulty{w}, States: view, Pick: p.pick, Now: p.now, Metrics: counts,
		}, key).Answer(log, counts),
		admit: admit.NewHandler(&admit.Admitter{
			Store: faulty{w}, Line: view, Tickets: key, Signers: map[string]admit.Signer{pass.RS256: signer, pass.HS256: signer},
			Issuer: "https://room.example", Pick: p.pick, Random: p, Now: p.now, Metrics: counts,
		}).Answer(log, counts),
	}
}

// visitor behaves as the page does, with a few habits that the page does not have.
type visitor struct {
	*process
	arrives   time.Duration
	absent    bool // never claims the turn
	forgetful bool // asks to join again with the same secret
	patient   bool // polls the more rarely the further away the turn is
	copies    int  // how many calls at once show the ticket

	secret   []byte
	ticket   string
	run      string
	place    number
	position int64 // 0 while it is not known

	outcome string // of the visit: admitted, over, gone and why; empty if it never ended
	pass    string
	refused int // claims that were to be repeated
	repeats int // joins that were
}

// live is a visit until it ends or ctx does.
func (v *visitor) live(ctx context.Context) {
	if !v.sleep(ctx, v.arrives) || !v.joins(ctx) {
		return
	}
	if v.forgetful && !v.joins(ctx) {
		return
	}
	if !v.absent {
		v.waits(ctx)
	}
}

func (v *visitor) joins(ctx context.Context) bool {
	body, _ := json.Marshal(map[string]string{"secret": base64.RawURLEncoding.EncodeToString(v.secret)})
	for {
		began := v.w.elapsed()
		status, answer := v.post(ctx, func(e *environment) lambda { return e.join }, body)
		switch status {
		case http.StatusOK, http.StatusCreated:
			var a join.Answer
			if err := json.Unmarshal(answer.Body, &a); err != nil {
				v.w.t.Error(err)
			}
			v.told(a, began)
			return true
		case http.StatusGone:
			return false
		}
		v.repeats++
		if !v.backOff(ctx, answer) {
			return false
		}
	}
}

func (v *visitor) told(a join.Answer, began time.Duration) {
	key, _ := ticket.NewKey(v.w.secret)
	t, err := key.Open(a.Ticket)
	if err != nil || t.Visitor != room.VisitorID(v.secret) || t.Cohort != a.Cohort || t.Shard != a.Shard || t.Seq != a.Seq {
		v.w.t.Errorf("seed %d: the ticket does not say what the answer says: %+v, %v", v.w.seed, t, err)
	}
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	v.ticket, v.run, v.place = a.Ticket, t.Run, number{t.Run, a.Cohort, a.Shard, a.Seq}
	v.w.judge.answered(joined{t.Visitor, began, v.place})
}

// stillWaits is called under the world's lock, as ends takes it.
func (v *visitor) stillWaits() bool { return v.ticket != "" && !v.absent && v.outcome == "" }

func (v *visitor) isRefused() {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	v.refused++
}

func (v *visitor) ends(outcome string) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	v.outcome = outcome
}

// waits polls until the turn has come and claims it.
func (v *visitor) waits(ctx context.Context) {
	var version int64
	var pace pace
	for v.sleep(ctx, v.pause(pace)) {
		status := v.w.lastStatus()
		if status.Run == "" {
			continue
		}
		if status.Run != v.run {
			v.ends("another run")
			return
		}
		if status.Version < version {
			continue // a late writer: the page does not go back
		}
		version = status.Version
		pace.see(status, v.w.elapsed())
		if status.Phase == room.Closed {
			v.ends("over")
			return
		}
		if v.findPosition(status) && v.position <= status.Admitted && v.claims(ctx) {
			return
		}
	}
}

// pause is the time until the next poll.
func (v *visitor) pause(p pace) time.Duration {
	if !v.patient {
		return v.between(500*time.Millisecond, 2*time.Second)
	}
	poll := min(max(p.wait(v.position)/10, 2500*time.Millisecond), time.Minute)
	return v.between(poll*8/10, poll)
}

// pace is what a page knows of the line's speed.
type pace struct {
	room.Status
	since time.Duration // when it first saw the line open
	now   time.Duration
	from  int64 // admitted then
}

func (p *pace) see(status room.Status, now time.Duration) {
	if p.Phase != room.Open {
		p.since, p.from = now, status.Admitted
	}
	p.Status, p.now = status, now
}

// wait is how long the page believes that it has to wait for a position. When a sale begins, it
// trusts no speed for longer than it has seen the line open.
func (p *pace) wait(position int64) time.Duration {
	if position <= p.Admitted {
		return 0
	}
	elapsed := p.now - p.since
	perMinute := float64(p.Rate)
	if elapsed >= 5*time.Second {
		perMinute = float64(p.Admitted-p.from) / elapsed.Minutes()
	}
	minutes := 2.0
	if perMinute > 0 {
		minutes = float64(position-p.Admitted) / perMinute
	}
	return min(time.Duration(minutes*float64(time.Minute)), 10*elapsed)
}

// findPosition is known once the cohort is sealed. The judge holds that the seal is published by
// then, as it is stored.
func (v *visitor) findPosition(status room.Status) bool {
	if v.position > 0 || v.place.cohort >= status.Sealed {
		return v.position > 0
	}
	seal, err := v.w.memory.Seal(context.Background(), room.Run{Event: event, ID: v.run}, v.place.cohort)
	if err != nil {
		v.w.t.Error(err)
	}
	v.position, err = seal.Position(v.place.shard, v.place.seq)
	if err != nil {
		v.w.t.Error(err)
	}
	return true
}

// claims shows the ticket, copies of it at once, and reports whether the visit has ended.
func (v *visitor) claims(ctx context.Context) bool {
	answers := make(chan reply, v.copies)
	for i := range v.copies {
		caller := v.process
		if i > 0 {
			caller = v.w.process()
		}
		v.w.flying.Go(func() {
			caller.sleep(ctx, 0) // so that the copies are called in an order that the seed decides
			answers <- caller.shows(ctx, v.ticket)
		})
	}
	var last reply
	refusal := ""
	for range v.copies {
		r := <-answers
		switch r.Status {
		case http.StatusOK:
			var a admit.Admitted
			if err := json.Unmarshal(r.Body, &a); err != nil || v.pass != "" && v.pass != a.Pass {
				v.w.t.Errorf("seed %d: two passes for one visitor: %v", v.w.seed, err)
			}
			v.pass = a.Pass
		case http.StatusGone:
			refusal = string(r.Body)
		case http.StatusAccepted, http.StatusTooManyRequests, http.StatusServiceUnavailable, 0:
		default:
			v.w.t.Errorf("seed %d: admit answered %d: %s", v.w.seed, r.Status, r.Body)
		}
		if r.Status != 0 {
			last = r
		}
	}
	switch {
	case v.pass != "":
		v.ends("admitted")
		return true
	case refusal == "":
		v.isRefused()
		v.backOff(ctx, last)
		return false
	case strings.Contains(refusal, "sold-out"):
		return false // that may end
	}
	v.ends("gone: " + refusal)
	return true
}

// shows calls admit with a ticket.
func (p *process) shows(ctx context.Context, ticket string) reply {
	body, _ := json.Marshal(map[string]string{"ticket": ticket})
	status, r := p.post(ctx, func(e *environment) lambda { return e.admit }, body)
	r.Status = status
	return r
}

type lambda func(context.Context, httpapi.Request) (httpapi.Response, error)

type reply struct {
	Status     int
	Body       []byte
	RetryAfter time.Duration
}

// post calls a function in one of its environments. Status 0 is an answer that was lost on its
// way to the visitor.
func (p *process) post(ctx context.Context, function func(*environment) lambda, body []byte) (int, reply) {
	e := p.w.environment(p.pick)
	defer p.w.leave(e)
	ctx, cancel := context.WithTimeout(p.context(ctx), 10*time.Second)
	defer cancel()
	response, err := function(e)(ctx, httpapi.Request{
		PathParameters: map[string]string{names.EventParameter: event}, Body: string(body),
	})
	if err != nil {
		p.w.t.Error(err)
	}
	p.w.mu.Lock()
	lost := p.w.faults.lost
	p.w.mu.Unlock()
	if ctx.Err() != nil || p.chance(lost) {
		return 0, reply{}
	}
	seconds, _ := strconv.Atoi(response.Headers["Retry-After"])
	return response.StatusCode, reply{response.StatusCode, []byte(response.Body), time.Duration(seconds) * time.Second}
}

func (v *visitor) backOff(ctx context.Context, r reply) bool {
	return v.sleep(ctx, r.RetryAfter+v.between(0, time.Second))
}
