package surge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"waitingroom/local/page"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// step does what is due for a visitor and arranges the next step, as the page's own does. While a
// request is under way nothing else is due: its answer goes on.
func (c *crowd) step(i int32) {
	v := &c.visits[i]
	if v.over || c.ended {
		return
	}
	now := milliseconds(c.turn)
	if v.pollAt <= now {
		c.edge.poll(i)
		return
	}
	c.plan(i, now)
	if v.actAt <= now {
		c.act(i)
		return
	}
	c.wheel.set(i, int64(min(v.pollAt, v.actAt)))
}

// plan decides whether there is something to do besides polling.
func (c *crowd) plan(i, now int32) {
	v, seen := &c.visits[i], &c.log.Visitors[i]
	s := v.status
	delay := time.Duration(0)
	wanted := false
	switch {
	case v.admitted:
		wanted = true
	case s == nil:
	case seen.Cohort == NoCohort:
		wanted = page.MayJoin(s.Phase, s.PreQueueAt, c.serverNow())
		if s.Phase == room.PreQueue {
			if v.actAt == never && wanted {
				delay = page.JoinSpread(s.OnSaleAt.Sub(c.serverNow()), c.random.Float64())
			}
		} else if v.failures == 0 && v.actAt != never {
			v.actAt = now
		}
	case v.again:
		wanted = true
	case !v.placed:
		wanted = s.Sealed > seen.Cohort
	default:
		wanted = v.eager || page.IsTurn(seen.Position, s.Admitted, s.Phase)
	}
	switch {
	case !wanted:
		v.actAt, v.failures = never, 0
	case v.actAt == never:
		v.actAt = c.in(delay)
	}
}

// in is a moment from now.
func (c *crowd) in(d time.Duration) int32 { return milliseconds(c.turn + min(d, 24*time.Hour)) }

func (c *crowd) act(i int32) {
	v, seen := &c.visits[i], &c.log.Visitors[i]
	switch {
	case v.admitted:
		c.visitShop(i)
	case seen.Cohort == NoCohort || v.again:
		c.join(i)
	case !v.placed:
		c.edge.place(i, seen.Cohort)
	default:
		c.claim(i)
	}
}

// done means that nothing is to be done until plan finds something.
func (v *visit) done() { v.actAt, v.failures = never, 0 }

// failed asks again later, and later still the next time.
func (c *crowd) failed(v *visit, retryAfter time.Duration) {
	v.actAt = c.in(page.Backoff(int(v.failures), c.random.Float64(), retryAfter))
	v.failures = min(v.failures+1, 100)
}

// polled goes on with the answer to a poll.
func (c *crowd) polled(i int32, p polled) {
	v := &c.visits[i]
	switch {
	case v.over:
		return
	case p.status == http.StatusNotFound && v.status == nil:
		v.pollAt = c.in(page.UnknownDelay(int(v.pollFailures), c.random.Float64()))
		v.pollFailures = min(v.pollFailures+1, 100)
	case p.seen == nil:
		v.pollAt = c.in(page.Backoff(int(v.pollFailures), c.random.Float64(), p.retryAfter))
		v.pollFailures = min(v.pollFailures+1, 100)
	default:
		v.pollFailures = 0
		c.accept(i, p.seen)
		if v.over {
			return
		}
	}
	c.step(i)
}

// accept takes a status, unless the visitor has a newer one, and sets the time of the next poll.
func (c *crowd) accept(i int32, s *seen) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	first := v.status == nil
	if first {
		v.since = s.number
	}
	if first || page.IsNewer(v.status.Status, s.Status) {
		v.status = s
	}
	s = v.status
	now := c.turn
	if s.Phase != room.Open {
		v.openedAt = never
	} else if v.openedAt == never {
		since := c.serverNow()
		v.openedAt = milliseconds(now - since.Sub(page.Opened(s.Status, first, since)))
	}
	if s.Phase == room.Closed && !v.admitted {
		c.end(i, SoldOut)
		return
	}
	if v.placed && page.IsTurn(visitor.Position, s.Admitted, s.Phase) {
		c.called(i, now)
	}
	if v.over {
		return
	}
	if v.reload && visitor.Cohort != NoCohort && !v.admitted {
		// A page that is loaded anew keeps secret and ticket, and nothing else.
		v.reload, v.status, v.openedAt, v.placed = false, nil, never, false
		v.done()
		v.pollAt = milliseconds(now)
		return
	}
	v.pollAt = c.in(page.PollDelay(c.pollWait(v, visitor), c.random.Float64()))
}

// called notes that the visitor knows of the turn. Those who never come are gone by then.
func (c *crowd) called(i int32, now time.Duration) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	if visitor.Called == Never {
		visitor.Called = now
		c.second(now).Turns++
	}
	if v.noShow {
		c.end(i, Waiting)
	}
}

func (c *crowd) pollWait(v *visit, visitor *Visitor) time.Duration {
	s, now := v.status, c.serverNow()
	situation := page.Situation{
		Phase: s.Phase, UntilPreQueue: s.PreQueueAt.Sub(now), UntilOnSale: s.OnSaleAt.Sub(now),
		Settled: v.admitted, Admitted: s.Admitted,
		PerMinute: c.edge.history.PerMinute(int(v.since), s.Rate), Open: -1,
	}
	if v.placed {
		situation.Position = visitor.Position
	}
	if v.openedAt != never {
		situation.Open = c.turn - time.Duration(v.openedAt)*time.Millisecond
	}
	return page.PollWait(situation)
}

// placed goes on with the answer to a request for the seal.
func (c *crowd) placed(i int32, status int, drawn *Drawn) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	if v.over {
		return
	}
	if drawn == nil {
		c.failed(v, 0)
		c.step(i)
		return
	}
	position, counted := drawn.Position(visitor.Shard, visitor.Seq)
	if !counted {
		c.broken("visitor %d: number %d of shard %d is not counted by the seal of cohort %d", i, visitor.Seq, visitor.Shard, visitor.Cohort)
		c.end(i, Rejected)
		return
	}
	visitor.Position, v.placed = position, true
	v.done()
	if page.IsTurn(position, v.status.Admitted, v.status.Phase) {
		c.called(i, c.turn)
	}
	c.step(i)
}

// jsonHeader is sent with every call of the API. Nobody may change it.
var jsonHeader = http.Header{"Content-Type": {"application/json"}}

// answer is what the API says, to whatever it was asked.
type answer struct {
	Type       string  `json:"type"`
	RetryAfter float64 `json:"retry_after"`

	Ticket string `json:"ticket"`
	Cohort *int64 `json:"cohort"`
	Shard  *int32 `json:"shard"`
	Seq    *int64 `json:"seq"`

	Position int64  `json:"position"`
	Pass     string `json:"pass"`
	Redirect string `json:"redirect"`

	status     int
	at         time.Duration
	retryAfter time.Duration
	problem    string
	odd        string // what contradicts what is known, without anything secret
}

// readable means that the answer to a join holds a place.
func (a *answer) readable() bool {
	return a.Ticket != "" && a.Cohort != nil && a.Shard != nil && a.Seq != nil
}

// refusal is the name under which a refused join is counted.
func (a *answer) refusal() string {
	switch {
	case a.status == 0:
		return "none"
	case a.problem != "":
		return a.problem
	}
	return "status " + strconv.Itoa(a.status)
}

// call posts to the API on a wire; check looks at an answer that could be read. Then done goes on in
// the loop.
func (c *crowd) call(door *wires, u *url.URL, body string, check func(*answer), done func(*answer)) {
	door.run(func(w *wire) {
		reply := w.ask(http.MethodPost, u, jsonHeader, body, page.Timeout)
		a := &answer{}
		if json.Unmarshal(reply.body, a) == nil {
			a.problem = page.Problem(a.Type)
			check(a)
		}
		a.status, a.at = reply.status, c.elapsed()
		a.retryAfter = page.RetryAfter(reply.header.Get("Retry-After"), a.RetryAfter)
		c.post(func() { done(a) })
	})
}

func (c *crowd) join(i int32) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	asked := c.turn
	visitor.Joins++
	repeated := visitor.Cohort != NoCohort
	if !repeated {
		visitor.Asked = asked
		if !v.tried {
			visitor.Behind = c.edge.sealed
		}
	}
	draw := c.draw(int(i))
	run := v.status.Run
	body := `{"secret":"` + base64.RawURLEncoding.EncodeToString(draw[:16]) + `"}`
	v.asking = true
	c.call(c.joining, c.joins, body, func(a *answer) {
		if a.readable() {
			a.odd = checkTicket(a, c.Event, run, room.VisitorID(draw[:16]))
		}
	}, func(a *answer) {
		v.asking = false
		if repeated {
			c.joinedAgain(i, a)
		} else {
			c.joined(i, asked, a)
		}
		c.step(i)
	})
}

// checkTicket holds a ticket's payload against what it was sent with.
func checkTicket(a *answer, event, run, visitor string) string {
	parts := strings.Split(a.Ticket, ".")
	if len(parts) != 3 || parts[0] != "v1" {
		return "the ticket is of no form that is known"
	}
	p, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || len(p) != 2+len(event)+16+16+8+2+8 {
		return "the ticket's payload has another length"
	}
	name, rest := string(p[2:2+len(event)]), p[2+len(event):]
	switch {
	case name != event || hex.EncodeToString(rest[:16]) != run:
		return "the ticket is for another sale"
	case hex.EncodeToString(rest[16:32]) != visitor:
		return "the ticket is another's"
	case int64(binary.BigEndian.Uint64(rest[32:])) != *a.Cohort || int32(binary.BigEndian.Uint16(rest[40:])) != *a.Shard ||
		int64(binary.BigEndian.Uint64(rest[42:])) != *a.Seq:
		return "the ticket is for another place than the answer"
	}
	return ""
}

// joined goes on with the answer to a join.
func (c *crowd) joined(i int32, asked time.Duration, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	if page.AfterJoin(a.status, a.readable()) != page.Done {
		c.notJoined(i, a)
		return
	}
	if a.odd != "" {
		c.broken("visitor %d: %s", i, a.odd)
	}
	visitor.Joined, visitor.Cohort, visitor.Shard, visitor.Seq = a.at, *a.Cohort, *a.Shard, *a.Seq
	v.token = a.Ticket
	record(c.log.JoinLatency, a.at-asked)
	c.second(a.at).Joins++
	if !v.noShow {
		v.inLine = true
		c.line++
	}
	v.done()
}

// notJoined notes why, and has the visitor ask again unless nobody must ever get such an answer.
func (c *crowd) notJoined(i int32, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	c.log.Refusals[a.refusal()]++
	switch a.status {
	case http.StatusForbidden, http.StatusGone:
		// Closed doors: the next status explains them.
		c.failed(v, a.retryAfter)
		return
	case http.StatusTooManyRequests:
		// Not even this says that nothing was stored: the write may have been repeated, and only the
		// repetition refused.
	default:
		if a.status != 0 && a.status < 500 {
			c.broken("visitor %d: a join was answered with status %d %s", i, a.status, a.problem)
			c.end(i, Rejected)
			return
		}
		visitor.Unsure++
	}
	v.tried = true
	c.second(a.at).Refused++
	c.failed(v, a.retryAfter)
}

// joinedAgain goes on with the answer to a second join with the same secret.
func (c *crowd) joinedAgain(i int32, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	v.again = false
	v.done()
	if a.status != http.StatusTooManyRequests {
		visitor.Unsure++
	} else {
		c.log.Refusals[a.refusal()]++
	}
	if page.AfterJoin(a.status, a.readable()) != page.Done {
		return // once is enough
	}
	if a.odd != "" {
		c.broken("visitor %d: %s", i, a.odd)
	}
	if *a.Cohort != visitor.Cohort || *a.Shard != visitor.Shard || *a.Seq != visitor.Seq || a.Ticket != v.token {
		c.broken("visitor %d had number %d of shard %d in cohort %d, and with the same secret got number %d of shard %d in cohort %d",
			i, visitor.Seq, visitor.Shard, visitor.Cohort, *a.Seq, *a.Shard, *a.Cohort)
	}
}

func (c *crowd) claim(i int32) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	asked := c.turn
	visitor.Claims++
	early := v.eager
	v.eager = false
	issued := int64(0)
	id := c.draw(int(i))
	c.call(c.claiming, c.claims, `{"ticket":"`+v.token+`"}`, func(a *answer) {
		if a.Redirect != "" {
			issued, a.odd = checkPass(a, c.Event, room.VisitorID(id[:16]))
		}
	}, func(a *answer) {
		c.claimed(i, asked, issued, early, a)
		c.step(i)
	})
}

// checkPass reads when a pass was issued, and holds it against whom it was given to. Its signature is
// for the shop to check.
func checkPass(a *answer, event, visitor string) (issued int64, odd string) {
	u, err := url.Parse(a.Redirect)
	if err != nil || u.Query().Get(names.PassParameter) != a.Pass {
		return 0, "the shop's address does not carry the pass"
	}
	parts := strings.Split(a.Pass, ".")
	if len(parts) != 3 {
		return 0, "the pass is no JWT"
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Sub, Event string
		Iat, Exp   int64
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return 0, "the pass cannot be read"
	}
	if claims.Sub != visitor || claims.Event != event || claims.Exp <= claims.Iat {
		return claims.Iat, "the pass is another's, or good for no time"
	}
	return claims.Iat, ""
}

// claimed goes on with the answer to a claim.
func (c *crowd) claimed(i int32, asked time.Duration, issued int64, early bool, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	if a.odd != "" {
		c.broken("visitor %d: %s", i, a.odd)
	}
	// A function whose state is a second old may not know of the seal yet, and then names no place.
	if a.status == http.StatusAccepted && a.Position != 0 && a.Position != visitor.Position {
		c.broken("visitor %d is told place %d, and has computed place %d", i, a.Position, visitor.Position)
	}
	switch page.AfterClaim(a.status, a.problem, a.Redirect) {
	case page.Done:
		c.admit(i, asked, issued, a)
	case page.Held:
		if early {
			v.done() // nobody was sent away who should be let in: the page waits for the turn after all
			return
		}
		visitor.Refused++
		c.second(a.at).OverCap++
		v.actAt, v.failures = c.in(page.ClaimRetry(a.retryAfter, c.random.Float64())), 0
	case page.Late:
		c.end(i, Expired)
	case page.Anew:
		c.broken("visitor %d: a claim was answered with status %d %s", i, a.status, a.problem)
		c.end(i, Rejected)
	default:
		c.notAdmitted(i, a)
	}
}

func (c *crowd) notAdmitted(i int32, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	switch {
	case a.status == http.StatusGone: // sold out or over, which the next status explains
	case a.status == 0 || a.status >= 500:
		visitor.Refused++
		c.second(a.at).OverCap++
	default:
		c.broken("visitor %d: a claim was answered with status %d %s", i, a.status, a.problem)
		c.end(i, Rejected)
		return
	}
	c.failed(v, a.retryAfter)
}

// admit notes that the visitor has the pass, and leads to the shop.
func (c *crowd) admit(i int32, asked time.Duration, issued int64, a *answer) {
	v, visitor := &c.visits[i], &c.log.Visitors[i]
	visitor.Admitted, visitor.Issued = a.at, issued
	if visitor.Called == Never {
		visitor.Called = a.at // an early claim found the turn there
		c.second(a.at).Turns++
	}
	c.second(a.at).Admitted++
	record(c.log.AdmitLatency, a.at-asked)
	c.leaveLine(v)
	v.admitted, v.token = true, a.Redirect
	// The page in the shop's tab asks for no status.
	v.pollAt, v.failures = never, 0
	v.actAt = c.in(page.Farewell)
}
