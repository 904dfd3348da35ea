package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/lambdas/admit"
	"waitingroom/shared/room"
)

const (
	// takeover is the longest time between two versions when a leader dies. The standby sees a
	// version up to a second late, at its next step, and finds out within three seconds and a quarter.
	takeover = 4250*time.Millisecond + stepTakes
	// stepTakes is more than the calls of one step take when nothing is wrong.
	stepTakes = 300 * time.Millisecond
)

// quiet is a sale without trouble, for what is done to it by script. Its pre-queue is open.
func quiet(t *testing.T, rate int, onsale time.Duration) *sale {
	s := &sale{world: newWorld(t, 1), onsale: onsale}
	s.promoter = s.process()
	s.setRate(rate)
	s.set("onsale", s.clock(onsale))
	s.set("prequeue", s.clock(0))
	s.set("target", "https://shop.example/checkout")
	s.set("shards", "2")
	s.set("claim-window", claimWindow.String())
	return s
}

// invocations starts n invocations as the scheduler does, one each minute.
func (s *sale) invocations(first time.Duration, n int) {
	for i := range n {
		s.startTick(s.process(), first+time.Duration(i)*time.Minute)
	}
}

// until sleeps until so much true time has passed since the beginning, and nothing goes on at that
// moment.
func (s *sale) until(at time.Duration) {
	s.promoter.sleep(s.ctx, at-s.elapsed())
	synctest.Wait()
}

// bring lets n visitors arrive who behave like one, as the page does.
func (s *sale) bring(n int, from, to time.Duration, like visitor) {
	for range n {
		v := like
		v.process, v.copies, v.patient = s.process(), 1, true
		v.arrives = v.between(from, to)
		s.invite(&v)
	}
}

func (s *sale) state() room.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, _ := s.memory.State(s.ctx, event)
	return st
}

// leader is whoever stored the state last.
func (s *sale) leader() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge.saves[len(s.judge.saves)-1].by
}

// conclude holds that everybody is served, closes the sale and gives the verdict.
func (s *sale) conclude() {
	s.t.Helper()
	s.waitUntil(2*time.Minute, s.noneWaiting)
	s.everybodyServed()
	s.set("state", "closed")
	s.waitUntil(closing, s.isOver)
	if !s.isOver() {
		s.t.Errorf("the sale does not end: %+v", s.lastStatus())
	}
	s.verdict()
}

func (s *sale) verdict() {
	for _, run := range s.judge.runs {
		s.judge.verdict(run)
	}
}

// TestLeaderDiesAtAnyCall lets something happen to the leader at its first call, its second, and
// so on until the sale is over before it happens.
func TestLeaderDiesAtAnyCall(t *testing.T) {
	for _, m := range []mishap{diesBefore, diesAfter, lands, wakes} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			calls := 0
			for befell := true; befell && !t.Failed(); calls++ {
				synctest.Test(t, func(t *testing.T) { befell = leaderMeets(t, m, calls+1) })
			}
			if t.Logf("%d calls", calls-1); calls < 60 {
				t.Error("that is no whole sale")
			}
		})
	}
}

func leaderMeets(t *testing.T, m mishap, call int) (befell bool) {
	s := quiet(t, 600, 3*time.Second)
	defer s.end()
	leader := s.process()
	leader.mishap, leader.mishapAt = m, call
	s.startTick(leader, 0)
	s.startTick(s.process(), 500*time.Millisecond)
	s.bringVisitors(6, time.Second, 2*time.Second)
	s.bringVisitors(6, 4*time.Second, 6*time.Second)
	s.until(8 * time.Second)
	s.conclude()

	last := 500 * time.Millisecond
	for _, save := range s.judge.saves {
		if save.at-last > takeover {
			t.Errorf("call %d: nobody led from %v to %v", call, last, save.at)
		}
		last = save.at
	}
	if st := s.state(); st.Cohort < 2 || st.Admitted < 10 {
		t.Errorf("call %d: hardly anything happened: %+v", call, st)
	}
	return leader.made() >= call
}

// TestSaveLandsLate lets a leader that is alone give up a write, which then arrives at any moment of
// its next step: it must not be taken for the write that this step tries.
func TestSaveLandsLate(t *testing.T) {
	const stepLimit = 10 * time.Second
	late := func(t *testing.T, call int, lag time.Duration) (saves []int) {
		s := quiet(t, 600, 3*time.Second)
		defer s.end()
		leader := s.process()
		leader.mishap, leader.mishapAt, leader.lag = lags, call, lag
		s.startTick(leader, 0)
		s.bring(20, time.Second, 2*time.Second, visitor{})
		s.bring(4, 4*time.Second, 14*time.Second, visitor{})
		s.until(6 * time.Second)
		if call > 0 {
			s.conclude()
		}
		for _, save := range s.judge.saves {
			saves = append(saves, save.call)
		}
		return saves
	}
	var saves []int
	synctest.Test(t, func(t *testing.T) { saves = late(t, 0, 0) })
	// The two of the step that seals the pool, and the next one.
	for _, call := range saves[4:7] {
		t.Run(fmt.Sprint(call), func(t *testing.T) {
			t.Parallel()
			for lag := stepLimit - 100*time.Millisecond; lag < stepLimit+60*time.Millisecond; lag += 2 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) { late(t, call, lag) })
			}
		})
	}
}

// TestJoinAgainstSeal lets visitors join at every moment of the sealing of a cohort.
func TestJoinAgainstSeal(t *testing.T) {
	// The third is sealed when the sale is closed, and the fourth after it.
	for cohort := range int64(4) {
		t.Run(fmt.Sprintf("cohort %d", cohort), func(t *testing.T) {
			t.Parallel()
			var sealing sealing
			synctest.Test(t, func(t *testing.T) {
				s := racedBy(t, 0, 0)
				sealing = s.judge.sealings[s.judge.runs[0].ID][cohort]
			})
			met, cohorts := 0, map[int64]int{}
			const around = 30 * time.Millisecond
			for at := sealing.began - around; at < sealing.ended+around; at += time.Duration(1+min(cohort, 1)) * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					s := racedBy(t, 6, at)
					met += s.judge.tooLate
					for _, v := range s.visitors {
						if v.repeats > 0 {
							t.Errorf("joining at %v took %d requests more", at, v.repeats)
						}
						if v.arrives == at && v.ticket != "" {
							cohorts[v.place.cohort]++
						}
					}
				})
			}
			if t.Logf("%v: %d met a sealed shard, joins by cohort %v", sealing, met, cohorts); met < 50 || cohort < 3 && cohorts[cohort] < 50 || cohort < 2 && cohorts[cohort+1] < 50 {
				t.Error("that is no race")
			}
		})
	}
}

// racedBy is a sale with four sealings in which n visitors join at the same millisecond. Others have
// joined just before, so that environments remember a state; those at eight seconds remember one
// that does not say yet that the sale is over.
func racedBy(t *testing.T, n int, at time.Duration) *sale {
	s := quiet(t, 600, 3*time.Second)
	defer s.end()
	s.set("shards", "4")
	s.startTick(s.process(), 0)
	s.bring(8, 2500*time.Millisecond, 2700*time.Millisecond, visitor{})
	s.bring(4, 3500*time.Millisecond, 3700*time.Millisecond, visitor{})
	s.bring(2, 7500*time.Millisecond, 7500*time.Millisecond, visitor{})
	s.bring(8, 8020*time.Millisecond, 8140*time.Millisecond, visitor{})
	s.bring(n, at, at, visitor{})
	s.until(6 * time.Second)
	s.set("state", "closed")
	s.waitUntil(closing, s.isOver)
	s.verdict()
	return s
}

// TestOnSaleMovedDuringSealing moves the on-sale at every moment around the pool's closing, which
// falls together with the reading of the parameters.
func TestOnSaleMovedDuringSealing(t *testing.T) {
	const onsale = 8 * time.Second
	for _, to := range []time.Duration{onsale + 10*time.Second, onsale - 2*time.Second} {
		t.Run(to.String(), func(t *testing.T) {
			t.Parallel()
			outcomes := map[bool]int{}
			for at := onsale - 20*time.Millisecond; at < onsale+130*time.Millisecond; at += 2 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) { outcomes[moved(t, onsale, to, at, 0)]++ })
			}
			if t.Logf("moved or not: %v", outcomes); len(outcomes) != 2 {
				t.Error("no choice was seen")
			}
		})
	}
}

// TestOnSaleMovedWhenLeaderDies moves the on-sale after a leader died at any call around the
// pool's closing, before the next one reads it.
func TestOnSaleMovedWhenLeaderDies(t *testing.T) {
	const onsale = 9 * time.Second
	var first, last int // calls of the step that closes the pool
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, onsale)
		defer s.end()
		leader := s.process()
		s.startTick(leader, 0)
		s.until(onsale - 100*time.Millisecond)
		first = leader.made() + 1
		s.until(onsale + 500*time.Millisecond)
		last = leader.made() + 1
	})
	for _, to := range []time.Duration{onsale + 10*time.Second, onsale - 2*time.Second} {
		t.Run(to.String(), func(t *testing.T) {
			t.Parallel()
			outcomes := map[bool]int{}
			for call := first; call <= last; call++ {
				synctest.Test(t, func(t *testing.T) { outcomes[moved(t, onsale, to, 9500*time.Millisecond, call)]++ })
			}
			if t.Logf("moved or not: %v", outcomes); len(outcomes) != 2 {
				t.Error("no choice was seen")
			}
		})
	}
}

// moved moves the on-sale at a moment and lets the leader die at a call, if it is not 0. It
// reports whether the opening was moved: if it was not, the promoter must have been told.
func moved(t *testing.T, onsale, to, at time.Duration, dies int) bool {
	s := quiet(t, 600, onsale)
	defer s.end()
	s.watched = true
	leader := s.process()
	leader.mishap, leader.mishapAt = diesBefore, dies
	s.startTick(leader, 0)
	s.startTick(s.process(), 200*time.Millisecond)
	s.bring(8, time.Second, 12*time.Second, visitor{})
	s.until(at)
	s.set("onsale", s.clock(to))
	s.until(max(onsale, to) + 16*time.Second)

	st := s.state()
	began := s.judge.sealings[st.ID][0].began
	told := strings.Contains(strings.Join(s.warnings, ""), "parameter=onsale")
	isMoved := st.OnSale.Equal(s.began.Add(to))
	switch {
	case isMoved && !told && began >= to && began <= max(at, to)+takeover+time.Second:
	case !isMoved && told && st.OnSale.Equal(s.began.Add(onsale)) && began >= onsale && began <= onsale+takeover:
	default:
		t.Errorf("moved from %v to %v at %v, leader dead at call %d: in force is %v, sealed at %v, told %v",
			onsale, to, at, dies, st.OnSale.Sub(s.began), began, told)
	}
	s.conclude()
	return isMoved
}

// made is how many calls the process has made.
func (p *process) made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// TestOneTicketReplayedByMany shows one ticket a hundred times at once, in several windows, since
// the first admissions are lost.
func TestOneTicketReplayedByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, 3*time.Second)
		defer s.end()
		s.startTick(s.process(), 0)
		s.bring(1, time.Second, time.Second, visitor{absent: true})
		s.waitUntil(10*time.Second, func() bool { return s.state().Admitted == 1 })
		s.setBroken("Admit", true)
		answers := map[int]int{}
		passes, issued := map[string]bool{}, 0
		for round := range 12 {
			if round == 6 {
				s.setBroken("Admit", false)
			}
			for _, r := range s.replay(s.visitors[0].ticket, 100) {
				answers[r.Status]++
				if r.Status == http.StatusOK {
					var a admit.Admitted
					if err := json.Unmarshal(r.Body, &a); err != nil {
						t.Fatal(err)
					}
					passes[a.Pass] = true
					if !a.Again {
						issued++
					}
				}
			}
			s.until(s.elapsed() + 300*time.Millisecond)
		}
		if t.Logf("answers %v, %d windows", answers, len(s.judge.slots)); len(passes) != 1 || issued != 1 || len(s.judge.passes) != 1 || len(s.judge.slots) < 3 {
			t.Errorf("%d passes, %d times as a new one, %d windows", len(passes), issued, len(s.judge.slots))
		}
		for window, n := range s.judge.slots {
			if n > 1 {
				t.Errorf("one visitor took %d slots of %v", n, window)
			}
		}
		s.conclude()
	})
}

func (s *sale) setBroken(method string, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[method] = broken
}

// replay shows a ticket n times at once, each time in another environment.
func (s *sale) replay(ticket string, n int) []reply {
	answers := make(chan reply, n)
	for range n {
		p := s.process()
		s.flying.Go(func() {
			p.sleep(s.ctx, 0)
			answers <- p.shows(s.ctx, ticket)
		})
	}
	var all []reply
	for range n {
		all = append(all, <-answers)
	}
	return all
}

// TestClosedEventUsedAgain puts a closed event on sale again: only a later on-sale begins another
// run, in which old tickets are nothing and places are counted from one.
func TestClosedEventUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, 3*time.Second)
		defer s.end()
		s.invocations(0, 6)
		s.bring(10, time.Second, 5*time.Second, visitor{})
		s.until(8 * time.Second)
		s.conclude()
		old := s.visitors[0]

		s.set("state", "auto")
		s.until(130 * time.Second)
		s.set("onsale", s.clock(s.elapsed()-time.Second))
		s.until(190 * time.Second)
		if len(s.judge.runs) != 1 || !s.isOver() {
			t.Fatalf("%d runs without a later on-sale", len(s.judge.runs))
		}
		s.set("onsale", s.clock(260*time.Second))
		s.visitors = nil
		s.bring(10, 65*time.Second, 80*time.Second, visitor{})
		s.until(270 * time.Second)
		if len(s.judge.runs) != 2 {
			t.Fatalf("%d runs after a later on-sale", len(s.judge.runs))
		}
		if r := old.shows(s.ctx, old.ticket); r.Status != http.StatusUnauthorized {
			t.Errorf("a ticket of the run before gets %d: %s", r.Status, r.Body)
		}
		s.conclude()
		if st := s.state(); st.Base != 10 {
			t.Errorf("the second line has %d places", st.Base)
		}
	})
}

// TestTurnLastsThroughPause claims turns before, in and after a pause of ten minutes, at the last
// moment and too late.
func TestTurnLastsThroughPause(t *testing.T) {
	for _, state := range []string{"paused", "soldout", ""} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { turnThrough(t, state) })
		})
	}
}

func turnThrough(t *testing.T, state string) {
	s := quiet(t, 600, 3*time.Second)
	defer s.end()
	s.invocations(0, 14)
	s.bring(8, time.Second, 2*time.Second, visitor{absent: true})
	s.waitUntil(10*time.Second, func() bool { return s.state().Admitted == 8 })
	turned := s.elapsed()
	claim := func(when string, want int) {
		t.Helper()
		v := s.visitors[0]
		s.visitors = s.visitors[1:]
		if r := v.shows(s.ctx, v.ticket); r.Status != want {
			t.Errorf("a claim %s gets %d: %s", when, r.Status, r.Body)
		}
	}
	claim("at once", http.StatusOK)
	s.promoter.sleep(s.ctx, 20*time.Second)
	if state != "" {
		s.set("state", state)
		s.promoter.sleep(s.ctx, 10*time.Minute)
		claim("in the middle", map[string]int{"paused": http.StatusOK, "soldout": http.StatusGone}[state])
		s.set("state", "auto")
		s.promoter.sleep(s.ctx, 10*time.Second)
	}
	clock := s.state().Clock
	claim("after the middle", http.StatusOK)
	s.promoter.sleep(s.ctx, claimWindow-clock-5*time.Second)
	claim("before the window ends", http.StatusOK)
	// A checkpoint is made every five seconds, and a state is remembered for one.
	s.promoter.sleep(s.ctx, room.CheckpointEvery+9*time.Second)
	claim("after the window", http.StatusGone)
	if lasted := s.elapsed() - turned; state == "" && lasted > claimWindow+15*time.Second {
		t.Errorf("the turn was watched for %v", lasted)
	}
	s.conclude()
}

// TestClockJumps lets the clocks of a leader and of environments jump while the line moves. The
// leader then dies, so that the next one finds a state from the future or the past.
func TestClockJumps(t *testing.T) {
	jumps := []time.Duration{0, 10 * time.Minute, -10 * time.Minute}
	for _, leads := range jumps {
		for _, admits := range jumps {
			t.Run(fmt.Sprintf("leader %v, environments %v", leads, admits), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { clocksJump(t, leads, admits) })
			})
		}
	}
}

func clocksJump(t *testing.T, leads, admits time.Duration) {
	s := quiet(t, 600, 3*time.Second)
	defer s.end()
	leader := s.process()
	leader.jump, leader.jumpAt = leads, 6*time.Second
	s.startTick(leader, 0)
	s.startTick(s.process(), 500*time.Millisecond)
	for range 4 {
		e := s.newEnvironment(s.process())
		e.busy = false
		e.jump, e.jumpAt = admits, 7*time.Second
		s.environments = append(s.environments, e)
	}
	s.bringVisitors(400, time.Second, 2*time.Second)
	s.bringVisitors(50, 4*time.Second, 15*time.Second)
	s.until(14 * time.Second)
	jumped := s.state().Admitted
	leader.perish()
	s.until(35 * time.Second)
	if moved := s.state().Admitted - jumped; jumped < 50 || moved < 50 {
		t.Errorf("the line stood still: %d places until 14 s, %d until 35 s", jumped, moved)
	}
	s.conclude()
}

// TestOutage takes all leaders away for ten minutes, in which visitors join and claim.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, 3*time.Second)
		defer s.end()
		leader := s.process()
		s.startTick(leader, 0)
		s.bring(300, time.Second, 2*time.Second, visitor{})
		s.bring(100, 15*time.Second, 10*time.Minute, visitor{})
		s.until(12 * time.Second)
		leader.perish()
		s.until(13 * time.Second)
		before, saves := s.state(), len(s.judge.saves)
		s.until(10*time.Minute + 13*time.Second)
		if st := s.state(); st != before || st.Admitted < 50 {
			t.Errorf("without a leader the state is %+v, then %+v", before, st)
		}
		s.invocations(0, 3)
		s.waitUntil(time.Minute, func() bool { return s.state().Cohort > before.Cohort })
		cohorts := map[int64]int{}
		for _, a := range s.judge.joins[300:] {
			cohorts[a.cohort]++
		}
		if cohorts[before.Cohort] != 100 {
			t.Errorf("those who came in the meantime are in cohorts %v; open was %d", cohorts, before.Cohort)
		}
		for _, next := range s.judge.saves[saves:] {
			if moved := next.Admitted - before.Admitted; moved > 2*2*10 {
				t.Errorf("the pointer moved by %d at once", moved)
			}
			before = next.State
		}
		s.conclude()
	})
}

// TestHalfNeverCome runs a sale in which every other visitor never claims the turn.
func TestHalfNeverCome(t *testing.T) {
	const rate, minutes, onsale = 600, 5, 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, rate, onsale)
		defer s.end()
		s.invocations(0, 9)
		for i := range 2*rate*minutes + 2*rate/60 {
			s.bring(1, 2*time.Second, onsale-3*time.Second, visitor{absent: i%2 == 0})
		}
		s.until(onsale + minutes*time.Minute)
		admitted, refused := s.admissions()
		share := float64(admitted) / float64(rate*minutes)
		t.Logf("%d admissions, %.1f %% of the rate, %.2f refusals each", admitted, 100*share, float64(refused)/float64(admitted))
		if share < 0.95 || share > 1.05 {
			t.Errorf("the shop got %.1f %% of its rate", 100*share)
		}
		s.conclude()
	})
}

func (s *sale) admissions() (admitted, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.visitors {
		refused += v.refused
	}
	return len(s.judge.passes), refused
}

// TestStandbyTakesOver starts an invocation each minute for ten minutes and lets one of the
// leaders die: at any time one of them leads.
func TestStandbyTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, 3*time.Second)
		defer s.end()
		s.invocations(0, 10)
		s.bring(20, time.Second, 8*time.Minute, visitor{})
		const died = 430 * time.Second
		s.until(died)
		s.leader().perish()
		s.until(10 * time.Minute)
		s.oneOwner(died)
		s.conclude()
	})
}

// oneOwner holds that owners follow each other and that steps do.
func (s *sale) oneOwner(died time.Duration) {
	var owners []string
	led := map[string]bool{}
	for i, save := range s.judge.saves {
		if i > 0 {
			last := s.judge.saves[i-1].at
			most := 2*time.Second + stepTakes
			if last < died && save.at > died {
				most = takeover
			}
			if save.at-last > most {
				s.t.Errorf("nobody wrote from %v to %v", last, save.at)
			}
		}
		if owner := save.Owner; owner != "" && (len(owners) == 0 || owners[len(owners)-1] != owner) {
			if led[owner] {
				s.t.Errorf("at %v %s leads again", save.at, owner)
			}
			led[owner] = true
			owners = append(owners, owner)
		}
	}
	if len(owners) < 4 {
		s.t.Errorf("only %d led", len(owners))
	}
}

// TestFarEventRests holds that an event far from its pre-queue costs one step a minute.
func TestFarEventRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quiet(t, 600, 2*time.Hour)
		defer s.end()
		s.set("prequeue", s.clock(time.Hour))
		s.invocations(0, 10)
		s.until(10 * time.Minute)
		// The first step shows the run once its commitment is published.
		if n := len(s.judge.saves); n != 10+1 {
			t.Errorf("%d writes in ten minutes", n)
		}
		for _, save := range s.judge.saves {
			if save.Owner != "" {
				t.Errorf("at %v the lease is kept by %s", save.at, save.Owner)
			}
		}
		for _, p := range s.processes {
			if p.made() > 10 {
				t.Errorf("an invocation made %d calls", p.calls)
			}
		}
		// Ten minutes before the pre-queue it is watched.
		s.until(50*time.Minute - 30*time.Second)
		before := len(s.judge.saves)
		s.invocations(0, 2)
		s.until(52 * time.Minute)
		if n := len(s.judge.saves) - before; n < 60 {
			t.Errorf("%d steps around the time from which the event is watched", n)
		}
	})
}
