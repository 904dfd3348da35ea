package simulation

import (
	"crypto/sha256"
	"flag"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/shared/room"
)

var (
	oneSeed = flag.Int64("seed", -1, "run the sale of this seed alone, with its log if -v is given")
	seeds   = flag.Int64("seeds", 500, "how many sales to run")
)

// How long the parts of a sale take, in true time.
const (
	troubled = 40 * time.Second // with faults, deaths and a restless promoter
	healed   = 45 * time.Second // at most, until everybody who waits has got in
	closing  = 20 * time.Second // at most, until a sale that was closed is over
)

// claimWindow is the shortest that can be set.
const claimWindow = time.Minute

// TestSales runs whole sales, each decided by its seed.
func TestSales(t *testing.T) {
	first, last := int64(0), *seeds
	if *oneSeed >= 0 {
		first, last = *oneSeed, *oneSeed+1
	}
	for seed := first; seed < last; seed++ {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newSale(t, uint64(seed)).run() })
		})
	}
}

// TestSeedDecides runs sales twice: what cannot be repeated cannot be mended.
func TestSeedDecides(t *testing.T) {
	for seed := range uint64(10) {
		var sums [2]string
		for i := range sums {
			synctest.Test(t, func(t *testing.T) {
				s := newSale(t, seed)
				s.judge.trace = sha256.New()
				s.run()
				sums[i] = s.judge.sum()
			})
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: %s, then %s", seed, sums[0], sums[1])
		}
	}
}

// sale is a world in which things happen by chance.
type sale struct {
	*world
	promoter *process
	visitors []*visitor
	onsale   time.Duration
}

func newSale(t *testing.T, seed uint64) *sale {
	s := &sale{world: newWorld(t, seed)}
	s.promoter = s.process()
	s.onsale = s.promoter.between(8*time.Second, 16*time.Second)
	s.setRate([]int{30, 120, 590, 610, 3000, 16_000}[s.rng.IntN(6)])
	s.set("onsale", s.clock(s.onsale))
	s.set("target", "https://shop.example/checkout?show=1")
	s.set("shards", strconv.Itoa(1+s.rng.IntN(4)))
	s.set("claim-window", claimWindow.String())
	if s.rng.IntN(3) == 0 {
		s.set("prequeue", s.clock(4*time.Second))
	}
	trouble := s.rng.Float64() * 2
	s.setFaults(chances{refused: 0.02 * trouble, lost: 0.01 * trouble, unacknowledged: 0.02 * trouble, slow: 0.005 * trouble, death: 0.003 * trouble})
	return s
}

// clock is a moment in RFC 3339 by the true time.
func (s *sale) clock(after time.Duration) string {
	return s.began.Add(after).UTC().Format(time.RFC3339)
}

func (s *sale) setRate(rate int) {
	s.set("rate", strconv.Itoa(rate))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge.rates = append(s.judge.rates, rate)
}

func (s *sale) run() {
	defer s.end()
	s.bringLeaders()
	s.bringVisitors(10+s.rng.IntN(40), 0, 30*time.Second)
	for s.elapsed() < troubled {
		s.promoter.sleep(s.ctx, s.promoter.between(2*time.Second, 10*time.Second))
		s.meddle()
	}
	s.heal()
	s.waitUntil(healed, s.noneWaiting)
	s.everybodyServed()
	s.finish()
	if s.rng.IntN(3) == 0 {
		s.again()
	}
	for _, run := range s.judge.runs {
		s.judge.verdict(run)
	}
}

// bringLeaders starts invocations more often than the scheduler does, since they die more often.
func (s *sale) bringLeaders() {
	for at := time.Duration(0); at < troubled; at += s.promoter.between(5*time.Second, 20*time.Second) {
		p := s.process()
		p.mortal = true
		s.misclock(p)
		s.startTick(p, at)
	}
	for range 4 {
		e := s.newEnvironment(s.process())
		e.busy = false
		s.misclock(e.process)
		s.environments = append(s.environments, e)
	}
}

// misclock sets a clock a little wrong, and lets one in eight jump ten minutes either way.
func (s *sale) misclock(p *process) {
	p.skew = p.between(-300*time.Millisecond, 300*time.Millisecond)
	if s.rng.IntN(8) == 0 {
		p.jumpAt = p.between(0, troubled)
		p.jump = 10 * time.Minute
		if s.rng.IntN(2) == 0 {
			p.jump = -p.jump
		}
	}
}

func (s *sale) bringVisitors(n int, from, to time.Duration) {
	for range n {
		v := &visitor{process: s.process(), copies: 1}
		v.arrives = v.between(from, to)
		v.absent, v.forgetful = v.pick(5) == 0, v.pick(4) == 0
		if v.pick(8) == 0 {
			v.copies = 10
		}
		s.invite(v)
	}
}

func (s *sale) invite(v *visitor) {
	v.secret = make([]byte, 16)
	v.Read(v.secret)
	s.visitors = append(s.visitors, v)
	s.flying.Go(func() { v.live(s.ctx) })
}

// meddle is one thing that a promoter does, wise or not.
func (s *sale) meddle() {
	switch s.rng.IntN(12) {
	case 0, 1, 2:
		s.setRate([]int{30, 590, 610, 3000, 14_000, 16_000, 59_000}[s.rng.IntN(7)])
	case 3:
		s.set("state", "paused")
	case 4:
		s.set("state", "soldout")
	case 5, 6, 7:
		s.set("state", "auto")
	case 8:
		s.set("rate", "fast")
	case 9:
		s.set("onsale", s.clock(s.elapsed()+s.promoter.between(-5*time.Second, 10*time.Second)))
	case 10:
		s.set("onsale", "tomorrow")
	case 11:
		if s.rng.IntN(4) == 0 {
			s.set("state", "closed")
		}
	}
}

// heal ends all trouble, and clocks are set right. A leader whose clock is ten minutes slow would
// open the sale ten minutes late, as anybody with that clock would.
func (s *sale) heal() {
	s.setFaults(chances{})
	s.mendClocks()
	s.set("state", "auto")
	s.setRate(16_000)
	s.set("onsale", s.clock(s.elapsed()+5*time.Second)) // for a pool that never opened
	s.startTick(s.process(), 0)
}

// waitUntil looks every second whether done, and stops looking after at most so long.
func (s *sale) waitUntil(most time.Duration, done func() bool) {
	for end := s.elapsed() + most; s.elapsed() < end && !done(); {
		s.promoter.sleep(s.ctx, time.Second)
	}
	synctest.Wait()
}

func (s *sale) noneWaiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.visitors, (*visitor).stillWaits)
}

// isOver reports whether a status says that the current run is over.
func (s *sale) isOver() bool {
	status := s.lastStatus()
	return status.Phase == room.Closed && status.DrawKey != ""
}

// everybodyServed holds that nobody who joined and came for the turn is left standing.
func (s *sale) everybodyServed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.visitors {
		if v.stillWaits() {
			s.judge.fail("visitor %s with %v is still waiting", room.VisitorID(v.secret), v.place)
		}
		if strings.Contains(v.outcome, "turn-expired") {
			s.judge.fail("visitor %s, who never stopped asking, missed the turn", room.VisitorID(v.secret))
		}
	}
}

// finish closes the sale and holds that its last status has the last word, whatever landed late.
func (s *sale) finish() {
	s.set("state", "closed")
	s.waitUntil(closing, s.isOver)
	s.promoter.sleep(s.ctx, slowest)
	s.startTick(s.process(), 0)
	s.promoter.sleep(s.ctx, 3*time.Second)
	if !s.isOver() {
		s.t.Errorf("seed %d: the last status of a closed run is %+v", s.seed, s.lastStatus())
	}
}

// again puts the closed event on sale once more: another run, in which old tickets are nothing.
func (s *sale) again() {
	old := s.visitors[0]
	s.visitors = nil
	runs := len(s.judge.runs)
	s.set("state", "auto")
	s.set("onsale", s.clock(s.elapsed()+20*time.Second))
	s.startTick(s.process(), 0)
	s.bringVisitors(10, 5*time.Second, 30*time.Second)
	s.promoter.sleep(s.ctx, 35*time.Second)
	s.waitUntil(85*time.Second, s.noneWaiting)
	s.everybodyServed()
	if len(s.judge.runs) != runs+1 {
		s.t.Errorf("seed %d: %d runs, then %d", s.seed, runs, len(s.judge.runs))
	}
	if old.ticket != "" {
		if r := old.shows(s.ctx, old.ticket); r.Status != http.StatusUnauthorized {
			s.t.Errorf("seed %d: a ticket of the run before gets %d: %s", s.seed, r.Status, r.Body)
		}
	}
	s.finish()
}
