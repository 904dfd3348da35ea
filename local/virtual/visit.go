package virtual

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/lambdas/join"
	"waitingroom/local/page"
	"waitingroom/local/surge"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// What the functions take, as docs/quotas-and-costs.md assumes it. Nothing waits for them here; they
// keep a visitor from being told before the answer could have come.
const (
	joinTakes  = 50 * time.Millisecond
	admitTakes = 100 * time.Millisecond
)

// secretOf is the page's secret: who guesses it has a place in a line that is none.
func (s *sale) secretOf(i uint32) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], s.options.Seed)
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	return b[:]
}

// ticketOf is the ticket that the join was answered with. Ten millions of them would take gigabytes, and
// the same place gives the same ticket.
func (s *sale) ticketOf(i uint32) string {
	v := &s.log.Visitors[i]
	return s.house.tickets.Seal(ticket.Ticket{
		Event: s.options.Event, Run: s.shown.Run, Visitor: room.VisitorID(s.secretOf(i)),
		Cohort: v.Cohort, Shard: int(v.Shard), Seq: v.Seq,
	})
}

// arrive opens a page.
func (s *sale) arrive(i uint32) {
	s.second.Arrivals++
	s.poll(i)
}

// poll is one of a page that has not joined yet, or of one in the sample.
func (s *sale) poll(i uint32) {
	v, watched := &s.log.Visitors[i], s.sample[i]
	if s.over(v) {
		return
	}
	if watched != nil {
		watched.see(s.shown, s.elapsed, s.now())
	}
	if !s.asks[i] {
		s.polled[i]++
		s.beforeJoin++
		if !s.begin(i, v) {
			return
		}
	} else if page.IsTurn(v.Position, s.shown.Admitted, s.shown.Phase) && v.Called == surge.Never {
		s.claim(i)
	}
	if watched != nil {
		wait := page.PollWait(watched.situation(s, v))
		s.agenda.add(s.elapsed, s.elapsed+page.PollDelay(wait, s.random.Float64()), plan{i, polls})
	}
}

// begin plans the join, if the doors are open, or else the next poll. It reports false if there is
// nothing more to poll for, or if the next poll is planned already.
func (s *sale) begin(i uint32, v *surge.Visitor) bool {
	status, now := s.shown, s.now()
	switch {
	case page.MayJoin(status.Phase, status.PreQueueAt, now):
		delay := time.Duration(0)
		if status.Phase == room.PreQueue {
			delay = page.JoinSpread(status.OnSaleAt.Sub(now), s.random.Float64())
		}
		s.asks[i] = true
		s.crowd.unplaced++
		s.polled[i] -= float32(s.crowd.waiting(s.elapsed))
		s.agenda.add(s.elapsed, s.elapsed+delay, plan{i, joins})
		return true
	case status.Phase == room.Closed:
		s.settle(v, surge.SoldOut)
		return false
	}
	wait := page.PollWait(page.Situation{Phase: status.Phase, UntilPreQueue: status.PreQueueAt.Sub(now), UntilOnSale: status.OnSaleAt.Sub(now), Open: -1})
	s.agenda.add(s.elapsed, s.elapsed+page.PollDelay(wait, s.random.Float64()), plan{i, polls})
	return false
}

// joinLine asks for a place.
func (s *sale) joinLine(i uint32) {
	v := &s.log.Visitors[i]
	v.Joins++
	s.log.Requests.Joins++
	response, err := s.house.ask(s.house.join, `{"secret":"`+base64.RawURLEncoding.EncodeToString(s.secretOf(i))+`"}`)
	var answer join.Answer
	readable := err == nil && json.Unmarshal([]byte(response.Body), &answer) == nil && answer.Ticket != ""
	switch page.AfterJoin(response.StatusCode, readable) {
	case page.Done:
		s.joined(i, v, answer)
	case page.Again:
		s.refused(i, v, response)
	default:
		s.log.Broken = append(s.log.Broken, fmt.Sprintf("visitor %d: a join was answered with %d", i, response.StatusCode))
		s.crowd.unplaced--
		s.settle(v, surge.Rejected)
	}
}

func (s *sale) joined(i uint32, v *surge.Visitor, answer join.Answer) {
	v.Asked, v.Joined, v.Behind = s.elapsed, s.elapsed+joinTakes, s.shown.Sealed
	v.Cohort, v.Shard, v.Seq = answer.Cohort, int32(answer.Shard), answer.Seq
	s.failures[i] = 0
	s.second.Joins++
	s.progress.Joined++
	if s.sample[i] != nil && answer.Ticket != s.ticketOf(i) {
		s.log.Broken = append(s.log.Broken, fmt.Sprintf("visitor %d has another ticket than the place gives", i))
	}
	if !v.NoShow {
		s.waiting++
	}
	s.members[v.Cohort] = append(s.members[v.Cohort], i)
}

// refused is a join that has to be repeated.
func (s *sale) refused(i uint32, v *surge.Visitor, response httpapi.Response) {
	s.second.Refused++
	s.log.Refusals[problem(response.Body)]++
	s.again(i, joins, joinTakes, response)
}

func (s *sale) again(i uint32, what deed, takes time.Duration, response httpapi.Response) {
	after := page.RetryAfter(response.Headers["Retry-After"], 0)
	delay := page.Backoff(int(s.failures[i]), s.random.Float64(), after)
	s.failures[i] = min(s.failures[i]+1, math.MaxUint8-1)
	s.agenda.add(s.elapsed, s.elapsed+takes+delay, plan{i, what})
}

// problem is the code of the problem that an answer is, or "none".
func problem(body string) string {
	if kind := member(body, "type"); kind != "" {
		return page.Problem(kind)
	}
	return "none"
}

// member is a text of the room's own JSON, as far as it needs no escapes: to read all of an answer for
// that would take as long as to make it.
func member(body, name string) string {
	_, rest, _ := strings.Cut(body, `"`+name+`":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

// called is when the page of somebody learns of the turn whom the status shown calls: at its next
// poll. A moment falls into a delay the more often the longer it is, and anywhere within it.
func (s *sale) called(v *surge.Visitor, before view) time.Duration {
	wait := 0.0
	if before.speed > 0 {
		wait = float64(max(0, v.Position-before.admitted)) / before.speed
	}
	base := page.PollDelay(time.Duration(min(wait, 3600)*float64(time.Second)), 1)
	delay := math.Sqrt(jitter*jitter + (1-jitter*jitter)*s.random.Float64())
	return s.elapsed + time.Duration(delay*s.random.Float64()*float64(base))
}

// claim asks to be let in.
func (s *sale) claim(i uint32) {
	v := &s.log.Visitors[i]
	if v.Called == surge.Never {
		v.Called = s.elapsed
		s.second.Turns++
	}
	if v.NoShow {
		s.leave(i, v, surge.Waiting)
		return
	}
	v.Claims++
	s.log.Requests.Admits++
	s.claims++
	response, err := s.house.ask(s.house.admit, `{"ticket":"`+s.ticketOf(i)+`"}`)
	if err != nil {
		response = httpapi.Response{}
	}
	switch page.AfterClaim(response.StatusCode, problem(response.Body), member(response.Body, "redirect")) {
	case page.Done:
		s.admitted(i, v, member(response.Body, "pass"))
	case page.Held:
		v.Refused++
		s.second.OverCap++
		var waiting admit.Waiting
		if response.StatusCode == http.StatusAccepted && json.Unmarshal([]byte(response.Body), &waiting) != nil {
			waiting.RetryAfter = 0
		}
		after := page.RetryAfter(response.Headers["Retry-After"], float64(waiting.RetryAfter))
		s.agenda.add(s.elapsed, s.elapsed+admitTakes+page.ClaimRetry(after, s.random.Float64()), plan{i, claims})
	case page.Again:
		v.Refused++
		if s.shown.Phase == room.Closed {
			s.leave(i, v, surge.SoldOut)
			return
		}
		s.again(i, claims, admitTakes, response)
	case page.Late:
		s.leave(i, v, surge.Expired)
	default:
		s.log.Broken = append(s.log.Broken, fmt.Sprintf("visitor %d: a claim was answered with %d", i, response.StatusCode))
		s.leave(i, v, surge.Rejected)
	}
}

func (s *sale) admitted(i uint32, v *surge.Visitor, pass string) {
	issued, err := issuedAt(pass)
	if err != nil {
		s.log.Broken = append(s.log.Broken, fmt.Sprintf("visitor %d has a pass that cannot be read: %v", i, err))
	}
	v.Admitted, v.Issued = s.elapsed+admitTakes, issued
	s.second.Admitted++
	s.progress.Admitted++
	s.log.Requests.Signatures++
	s.leave(i, v, surge.InShop)
}

// leave ends the visit of somebody who was called.
func (s *sale) leave(i uint32, v *surge.Visitor, outcome surge.Outcome) {
	s.polled[i] += float32(s.elapsed.Seconds() / shortest)
	s.crowd.called--
	if !v.NoShow {
		s.waiting--
	}
	s.settle(v, outcome)
}

// over reports whether the visit has ended: no-shows leave when their turn has come.
func (s *sale) over(v *surge.Visitor) bool {
	return v.Outcome != surge.Waiting || v.NoShow && v.Called != surge.Never
}

func (s *sale) settle(v *surge.Visitor, outcome surge.Outcome) {
	v.Outcome = outcome
	s.ended++
}

// issuedAt reads iat from a pass.
func issuedAt(pass string) (int64, error) {
	_, rest, _ := strings.Cut(pass, ".")
	encoded, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(string(payload), `"iat":`)
	number, _, _ = strings.Cut(number, ",")
	return strconv.ParseInt(number, 10, 64)
}
