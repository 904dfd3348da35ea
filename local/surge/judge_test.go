package surge

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/shared/room"
)

const (
	goodRate   = 600
	goodShards = 4
	goodOnSale = 10 * time.Second
	goodPool   = 700
	goodLate   = 400 // who come in the 20 s after the on-sale
)

// goodLog is a copy of the good sale, to be spoilt.
func goodLog() *Log {
	log := *goodSale()
	log.Visitors, log.Statuses, log.Seconds = slices.Clone(log.Visitors), slices.Clone(log.Statuses), slices.Clone(log.Seconds)
	log.Seals = slices.Clone(log.Seals)
	for c := range log.Seals {
		log.Seals[c].Counts = slices.Clone(log.Seals[c].Counts)
	}
	return &log
}

// goodSale is one in which everything went well: a pool and late comers, a fifth of whom do not come
// for their turn, and two joins that left a hole.
var goodSale = sync.OnceValue(func() *Log {
	g := &sale{rng: rand.New(rand.NewPCG(1, 2)), log: &Log{
		Event: "demo", Rate: goodRate, Began: time.Date(2026, 11, 21, 9, 59, 50, 0, time.UTC),
		OnSale: goodOnSale, Refusals: map[string]int64{},
	}}
	g.run, _ = room.NewRun(g.log.Event, strings.NewReader("sixteen bytes, 16"))
	g.key = g.run.DrawKey([]byte("the deployment's secret"))
	g.log.Run, g.log.Commit, g.log.DrawKey = g.run.ID, room.Commit(g.key), hex.EncodeToString(g.key[:])
	g.arrive()
	g.seal()
	g.let()
	return g.log
})

// sale makes a good log.
type sale struct {
	rng    *rand.Rand
	log    *Log
	run    room.Run
	key    [32]byte
	counts [][]int64 // by cohort and shard
	turns  []int     // visitors by place; -1 for a hole
}

// arrive gives everybody a number.
func (g *sale) arrive() {
	for i := range goodPool + goodLate {
		at, cohort := time.Duration(i)*time.Second/100, int64(0)
		if i >= goodPool {
			at = goodOnSale + 100*time.Millisecond + time.Duration(i-goodPool)*time.Second/25
			cohort = 1 + int64((at-goodOnSale)/time.Second)
		}
		for int64(len(g.counts)) <= cohort {
			g.counts = append(g.counts, make([]int64, goodShards))
		}
		v := Visitor{Arrives: at, Asked: at, Joined: at + 20*time.Millisecond, Called: Never, Admitted: Never, Ordered: Never,
			Cohort: cohort, Behind: cohort, Joins: 1, Shard: int32(g.rng.IntN(goodShards)), NoShow: i%5 == 4}
		g.counts[cohort][v.Shard]++
		if i == 7 || i == goodPool+7 { // the first answer was lost
			v.Unsure, v.Joins = 1, 2
			g.counts[cohort][v.Shard]++
		}
		v.Seq = g.counts[cohort][v.Shard]
		g.log.Visitors = append(g.log.Visitors, v)
		g.second(at).Arrivals++
		g.second(v.Joined).Joins++
	}
}

func (g *sale) second(at time.Duration) *Second {
	for len(g.log.Seconds) <= int(at/time.Second) {
		g.log.Seconds = append(g.log.Seconds, Second{})
	}
	return &g.log.Seconds[at/time.Second]
}

// seal draws everybody's place.
func (g *sale) seal() {
	base := int64(0)
	var seals []room.Seal
	for c, counts := range g.counts {
		s := room.Seal{Run: g.run, Cohort: int64(c), Base: base, Counts: counts, Seed: room.Seed(g.key, g.run, int64(c), counts)}
		base += s.Size()
		seals = append(seals, s)
		g.log.Seals = append(g.log.Seals, s.Document())
	}
	g.turns = slices.Repeat([]int{-1}, int(base))
	for i := range g.log.Visitors {
		v := &g.log.Visitors[i]
		v.Position, _ = seals[v.Cohort].Position(int(v.Shard), v.Seq)
		g.turns[v.Position-1] = i
	}
}

// let moves the pointer at 5/4 of the rate, and admits ten of those in a second who have come.
func (g *sale) let() {
	var coming []int
	var pointer, waiting int
	line := int64(0)
	for s := 0; s < 30 || pointer < len(g.turns) || len(coming) > 0; s++ {
		at := time.Duration(s) * time.Second
		sealed := max(0, min(int64(s)-int64(goodOnSale/time.Second), int64(len(g.log.Seals))))
		for c := int64(0); c < sealed; c++ {
			line = g.log.Seals[c].Base + g.log.Seals[c].Size
		}
		status := room.Status{Event: "demo", Run: g.run.ID, Version: int64(s + 1), Phase: room.PreQueue, Commit: g.log.Commit}
		if at >= goodOnSale {
			status.Phase = room.Open
		}
		now := g.second(at)
		for range min(10, len(coming)) {
			v := &g.log.Visitors[coming[0]]
			v.Admitted, v.Ordered, v.Outcome = at+time.Duration(now.Admitted)*90*time.Millisecond, at+time.Second, InShop
			v.Issued = g.log.Began.Add(at).Unix()
			v.Claims++
			coming = coming[1:]
			now.Admitted++
			now.Orders++
			waiting--
		}
		for _, i := range coming[:min(3, len(coming))] {
			g.log.Visitors[i].Claims++
			g.log.Visitors[i].Refused++
			now.OverCap++
		}
		next := min(int(line), pointer+12+s%2)
		for ; pointer < next; pointer++ {
			if i := g.turns[pointer]; i >= 0 && !g.log.Visitors[i].NoShow {
				g.log.Visitors[i].Called = at + 500*time.Millisecond
				coming = append(coming, i)
				now.Turns++
			}
		}
		waiting += int(now.Joins) - int(now.Joins)/5
		now.Waiting = int64(waiting)
		status.Sealed, status.Line, status.Admitted = sealed, line, int64(pointer)
		g.log.Statuses = append(g.log.Statuses, Sighting{At: at, Status: status})
		g.log.Ended = at + time.Second
	}
	last := g.log.Statuses[len(g.log.Statuses)-1]
	g.log.Ended += time.Second
	// The sale is closed when nobody asks any more, and that takes its time.
	last.At, last.Version, last.Phase, last.DrawKey = g.log.Ended+8*time.Second, last.Version+1, room.Closed, g.log.DrawKey
	g.log.Statuses = append(g.log.Statuses, last)
	g.second(g.log.Ended)
}

func TestGoodSaleKeepsEveryPromise(t *testing.T) {
	verdict := Judge(goodLog())
	for _, p := range verdict.Promises {
		if !p.Held || !p.Judged {
			t.Errorf("%s: judged %v, held %v: %s %v", p.Name, p.Judged, p.Held, p.Why, p.Examples)
		}
		t.Logf("%s: %.2f, limit %.2f %s. %s", p.Name, p.Measured, p.Limit, p.Unit, p.Why)
	}
	if !verdict.Kept() {
		t.Error("the verdict is that a promise was broken")
	}
}

// find returns the first visitor of whom is is true.
func find(log *Log, is func(Visitor) bool) *Visitor {
	i := slices.IndexFunc(log.Visitors, is)
	if i < 0 {
		panic("the good sale has no such visitor")
	}
	return &log.Visitors[i]
}

func admitted(v Visitor) bool { return v.Admitted != Never }

// swapDraw gives the pool another seed, and everybody the places that follow from it: only the draw
// key tells.
func swapDraw(log *Log) {
	log.Seals[0].Seed = strings.Repeat("01", 32)
	pool, _ := DrawCohort(log.Seals[0])
	byPlace := map[int64]Visitor{}
	for _, v := range log.Visitors {
		byPlace[v.Position] = v
	}
	for i := range log.Visitors {
		v := &log.Visitors[i]
		if v.Cohort != 0 {
			continue
		}
		v.Position, _ = pool.Position(v.Shard, v.Seq)
		// Whoever has a place now goes through what its former holder went through.
		was := byPlace[v.Position]
		v.Called, v.Admitted, v.Issued, v.NoShow, v.Outcome, v.Refused = was.Called, was.Admitted, was.Issued, was.NoShow, was.Outcome, was.Refused
		if was.Position == 0 { // it was a hole
			v.Called, v.Admitted, v.Issued, v.NoShow, v.Outcome, v.Refused = Never, Never, 0, true, Waiting, 0
		}
	}
}

// Every way of breaking a promise breaks that one and no other, but for those that follow from it.
func TestJudgeTellsWhatIsBroken(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Log)
		want  []string // in the order of promises
	}{
		{"two visitors with one number", func(log *Log) {
			v, w := find(log, func(v Visitor) bool { return v.Unsure > 0 && v.Cohort == 0 }), find(log, func(v Visitor) bool { return v.NoShow })
			w.Shard, w.Seq, w.Cohort, w.Position = v.Shard, v.Seq, v.Cohort, v.Position
			log.Visitors = append(log.Visitors, Visitor{Joined: Never, Called: Never, Admitted: Never, Cohort: NoCohort, Unsure: 1, Arrives: 1})
		}, []string{Distinct}},
		{"two visitors at one place", func(log *Log) {
			v, w := &log.Visitors[0], &log.Visitors[1]
			v.Position = w.Position
		}, []string{Distinct, OwnPlace}},
		{"a cohort that overlaps the one before it", func(log *Log) {
			last := &log.Seals[len(log.Seals)-1]
			last.Base -= 1
			for i := range log.Visitors {
				if v := &log.Visitors[i]; v.Cohort == last.Cohort {
					v.Position--
				}
			}
		}, []string{Distinct, Complete, Forward}},
		{"a size that is not the sum of the counts", func(log *Log) { log.Seals[3].Size++ }, []string{Complete, Forward}},
		{"another run's seal", func(log *Log) { log.Seals[2].Run = strings.Repeat("0", 32) }, []string{Complete}},
		{"a seal with another number of shards", func(log *Log) { log.Seals[2].Counts = append(log.Seals[2].Counts, 0) },
			[]string{Complete, Draw}},
		{"more holes than lost answers", func(log *Log) {
			find(log, func(v Visitor) bool { return v.Unsure > 0 }).Unsure = 0
		}, []string{Complete}},
		{"a place told and never sealed", func(log *Log) { find(log, func(v Visitor) bool { return v.NoShow }).Seq = 1_000_000 },
			[]string{Complete, NobodyLost, OwnPlace}},
		{"a cohort that is never sealed", func(log *Log) {
			log.Visitors = append(log.Visitors, Visitor{Joined: 40 * time.Second, Called: Never, Admitted: Never, Cohort: 99, Seq: 1, Behind: 3})
		}, []string{NobodyLost}},
		{"a room that gives nobody a place any more", func(log *Log) {
			log.Visitors = append(log.Visitors, Visitor{Arrives: 20 * time.Second, Joined: Never, Called: Never, Admitted: Never, Cohort: NoCohort, Joins: 9})
		}, []string{NobodyLost}},
		{"an answer without a place", func(log *Log) {
			log.Visitors = append(log.Visitors, Visitor{Joined: time.Second, Called: Never, Admitted: Never, Cohort: NoCohort})
		}, []string{NobodyLost}},
		{"a visitor who is rejected", func(log *Log) {
			find(log, func(v Visitor) bool { return v.NoShow }).Outcome = Rejected
		}, []string{NobodyLost}},
		{"a turn that is passed over", func(log *Log) {
			v := first(log)
			v.Called, v.Admitted, v.Issued, v.Outcome = Never, Never, 0, Waiting
			end(log, 150*time.Second)
		}, []string{NobodyLost}},
		{"a visitor at the door who is not let in", func(log *Log) {
			v := first(log)
			v.Admitted, v.Issued, v.Outcome = Never, 0, Waiting
			end(log, 70*time.Second)
		}, []string{NobodyLost}},
		{"a turn that ends too soon", func(log *Log) {
			v := first(log)
			v.Admitted, v.Issued, v.Outcome = Never, 0, Expired
		}, []string{NobodyLost}},
		{"sold out before it was", func(log *Log) {
			v := first(log)
			v.Admitted, v.Issued, v.Outcome = Never, 0, SoldOut
		}, []string{NobodyLost}},
		{"a cohort that overtakes", func(log *Log) { find(log, func(v Visitor) bool { return v.Cohort == 3 }).Behind = 4 },
			[]string{CohortOrder}},
		{"a pool that is sealed late", sealedLate, []string{CohortOrder, NoGaps}},
		{"early and not in the pool", func(log *Log) {
			find(log, func(v Visitor) bool { return v.Cohort == 1 }).Joined = goodOnSale - time.Millisecond
		}, []string{CohortOrder}},
		{"a place outside the cohort", func(log *Log) {
			v := find(log, func(v Visitor) bool { return v.Cohort == 1 && v.NoShow })
			v.Position = hole(log)
		}, []string{CohortOrder, OwnPlace}},
		{"a place computed wrongly", func(log *Log) {
			v, w := &log.Visitors[0], &log.Visitors[1]
			v.Position, w.Position = w.Position, v.Position
		}, []string{OwnPlace}},
		{"a seed that nobody can read", func(log *Log) { log.Seals[5].Seed = "none" },
			[]string{Complete, NobodyLost, OwnPlace, Draw, InTurn}},
		{"called without a place", func(log *Log) { first(log).Position = 0 }, []string{OwnPlace}},
		{"a seed that does not follow from the key", swapDraw, []string{Draw}},
		{"a key that was not committed to", func(log *Log) {
			log.DrawKey = strings.Repeat("00", 32)
			log.Statuses[len(log.Statuses)-1].DrawKey = log.DrawKey
		}, []string{Draw}},
		{"a commitment that changes", func(log *Log) {
			log.DrawKey, log.Statuses[len(log.Statuses)-1].DrawKey = "", ""
			log.Statuses[50].Commit = strings.Repeat("0", 64)
		}, []string{Draw}},
		{"a visitor before the turn", func(log *Log) {
			v := last(log)
			w := find(log, func(w Visitor) bool { return w.Admitted > 30*time.Second })
			v.Called, v.Admitted, v.Issued, w.Called, w.Admitted, w.Issued = w.Called, w.Admitted, w.Issued, v.Called, v.Admitted, v.Issued
		}, []string{InTurn}},
		{"a window with one too many", func(log *Log) {
			v := find(log, func(v Visitor) bool { return v.Admitted > 30*time.Second })
			v.Issued++
		}, []string{CapHeld}},
		{"a pass nobody was told of", func(log *Log) { find(log, func(v Visitor) bool { return v.NoShow }).Issued = log.Began.Unix() },
			[]string{CapHeld}},
		{"a pass that says an earlier time", func(log *Log) { last(log).Issued = log.Began.Unix() }, []string{CapHeld}},
		{"a pass that says a later time", func(log *Log) { first(log).Issued = log.Began.Add(log.Ended).Unix() + 60 }, []string{CapHeld}},
		{"a pointer that runs ahead", func(log *Log) {
			for i := range log.Statuses {
				if s := &log.Statuses[i]; s.At > goodOnSale+25*time.Second {
					s.Admitted = max(s.Admitted, min(s.Line, 700))
				}
			}
		}, []string{Forward}},
		{"a shop that is kept short", func(log *Log) {
			for i := range log.Visitors {
				if v := &log.Visitors[i]; i%10 == 0 && admitted(*v) {
					v.Admitted, v.Issued, v.NoShow, v.Outcome = Never, 0, true, Waiting
				}
			}
		}, []string{RateReached}},
		{"visitors sent away again and again", func(log *Log) {
			for i := range log.Visitors {
				if v := &log.Visitors[i]; admitted(*v) {
					v.Refused += 2
				}
			}
		}, []string{FewRefusals}},
		{"a gap", func(log *Log) {
			for i := range log.Visitors {
				if v := &log.Visitors[i]; v.Admitted >= 50*time.Second && v.Admitted < 57*time.Second {
					v.Admitted += 7 * time.Second // the pass is from then, its answer is late
				}
			}
		}, []string{NoGaps}},
		{"a pointer that goes back", func(log *Log) { log.Statuses[60].Admitted = log.Statuses[59].Admitted - 1 }, []string{Forward}},
		{"a pointer beyond the line", func(log *Log) {
			for i := range log.Statuses[len(log.Statuses)-2:] {
				log.Statuses[len(log.Statuses)-2+i].Admitted++
			}
		}, []string{Forward}},
		{"a version twice", func(log *Log) { log.Statuses[60].Version-- }, []string{Forward}},
		{"a closed run that opens", func(log *Log) {
			again := log.Statuses[len(log.Statuses)-1]
			again.Phase = room.Open
			again.Version++
			log.Statuses = append(log.Statuses, again)
		}, []string{Forward}},
		{"another run's status", func(log *Log) { log.Statuses[60].Run = "another" }, []string{Forward}},
		{"a status that counts a cohort without a seal", func(log *Log) { log.Statuses[len(log.Statuses)-1].Sealed++ }, []string{Forward}},
		{"two answers that contradict each other", func(log *Log) { log.Broken = []string{"visitor 3 was told two places"} },
			[]string{Consistent}},
	}
	spoiled := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := goodLog()
			test.spoil(log)
			verdict := Judge(log)
			var broken []string
			for _, p := range verdict.Promises {
				if p.Held {
					continue
				}
				broken = append(broken, p.Name)
				if p.Broken == 0 || len(p.Examples) == 0 || len(p.Examples) > exampleCount {
					t.Errorf("%s was broken %d times, with examples %q", p.Name, p.Broken, p.Examples)
				}
				t.Logf("%s: %s", p.Name, p.Examples[0])
			}
			if !slices.Equal(broken, test.want) {
				t.Errorf("broken: %v, want %v", broken, test.want)
			}
			if verdict.Kept() {
				t.Error("the verdict is that every promise was kept")
			}
		})
		for _, name := range test.want {
			spoiled[name] = true
		}
	}
	for _, p := range Judge(goodLog()).Promises {
		if !spoiled[p.Name] {
			t.Errorf("nothing here breaks the promise %s", p.Name)
		}
	}
}

// What cannot be told is said, and is no broken promise.
func TestJudgeSaysWhatItCannotTell(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Log)
		want  string
	}{
		{"no draw key yet", func(log *Log) { log.DrawKey, log.Statuses[len(log.Statuses)-1].DrawKey = "", "" }, Draw},
		{"a line for less than a minute", func(log *Log) {
			for i := range log.Statuses {
				if s := &log.Statuses[i]; s.At > 60*time.Second && s.Phase == room.Open {
					s.Phase = room.Paused
				}
			}
		}, RateReached},
		{"few admissions", func(log *Log) {
			for i := range log.Visitors[fewest-1:] {
				v := &log.Visitors[fewest-1+i]
				v.Called, v.Admitted, v.Issued, v.NoShow, v.Outcome = Never, Never, 0, true, Waiting
			}
		}, FewRefusals},
		{"nobody who waits", func(log *Log) { clear(log.Seconds) }, NoGaps},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := goodLog()
			test.spoil(log)
			if p := Judge(log).Promise(test.want); p.Judged || !p.Held || p.Why == "" {
				t.Errorf("%+v", p)
			}
		})
	}
}

// A leader that was killed on purpose may cost three seconds, a longer gap may be allowed, and slow
// rates have gaps and a tolerance of their own.
func TestLimits(t *testing.T) {
	log := goodLog()
	strict, killed := Judge(log), Limits{Takeovers: 2, Gap: 9 * time.Second}.Judge(log)
	if a, b := strict.Promise(RateReached).Limit, killed.Promise(RateReached).Limit; b >= a || a < 95 || a > 99 {
		t.Errorf("the limit of the rate is %.2f, and %.2f after two takeovers", a, b)
	}
	if a, b := strict.Promise(NoGaps).Limit, killed.Promise(NoGaps).Limit; a != 6 || b != 9 {
		t.Errorf("the longest gap is %v s, and %v s where 9 were allowed", a, b)
	}
	late := goodLog()
	sealedLate(late)
	if Judge(late).Promise(CohortOrder).Held || !(Limits{Takeovers: 4}).Judge(late).Promise(CohortOrder).Held {
		t.Errorf("a pool that is sealed late is the leaders' fault only if they were killed: %+v", (Limits{Takeovers: 4}).Judge(late).Promise(CohortOrder))
	}
	if p := (Limits{Takeovers: 40}).Judge(log).Promise(RateReached); p.Judged || !p.Held || !strings.Contains(p.Why, "40 leaders") {
		t.Errorf("where leaders never live for long: %+v", p)
	}
	v := find(log, func(v Visitor) bool { return v.Admitted > 30*time.Second && v.Called < v.Admitted })
	called := v.Called
	v.Called, v.Admitted, v.Issued = called-8*time.Second, called-8*time.Second, v.Issued-9
	if Judge(log).Promise(InTurn).Held || !(Limits{Takeovers: 2}).Judge(log).Promise(InTurn).Held {
		t.Error("the last step of a killed leader is seen late, and only that")
	}
	log.Rate = 60
	if slow := Judge(log); slow.Promise(NoGaps).Limit != 36 || slow.Promise(RateReached).Limit != 90 {
		t.Errorf("at 60 a minute: %+v", slow.Promises)
	}
	for i := range log.Visitors {
		log.Visitors[i].NoShow = i%5 > 0
	}
	if p := Judge(log).Promise(RateReached); p.Limit > 35 || p.Limit < 25 {
		t.Errorf("where a fifth comes, twice that less ten per cent can be reached: %+v", p)
	}
}

// An interrupt in the middle, or before anything happened, breaks nothing.
func TestSurgeThatWasCutShort(t *testing.T) {
	if v := Judge(&Log{Rate: goodRate}); !v.Kept() {
		t.Errorf("of an empty surge: %+v", v)
	}
	log := goodLog()
	log.Ended, log.Seals, log.DrawKey = 8*time.Second, nil, ""
	log.Statuses, log.Seconds = log.Statuses[:8], log.Seconds[:8]
	log.Visitors = log.Visitors[:700]
	for i := range log.Visitors {
		v := &log.Visitors[i]
		v.Called, v.Admitted, v.Ordered, v.Issued, v.Position, v.Outcome, v.Refused = Never, Never, Never, 0, 0, Waiting, 0
	}
	if v := Judge(log); !v.Kept() {
		t.Errorf("before the on-sale: %+v", v)
	}
}

// Statuses that are read while the sale is being closed are of a time in which nobody asks.
func TestRateIsJudgedUntilTheEnd(t *testing.T) {
	log := goodLog()
	log.Ended = goodOnSale + 80*time.Second
	log.Seconds = log.Seconds[:log.Ended/time.Second]
	for i := range log.Visitors {
		v := &log.Visitors[i]
		if v.Admitted > log.Ended {
			v.Admitted, v.Ordered, v.Issued, v.Outcome = Never, Never, 0, Waiting
		}
		if v.Called > log.Ended {
			v.Called = Never
		}
	}
	v := Judge(log)
	if p := v.Promise(RateReached); !v.Kept() || !p.Judged || p.Measured < 99 {
		t.Errorf("%+v", v)
	}
}

// first is the visitor who was admitted first, last the one who was last.
func first(log *Log) *Visitor {
	return find(log, func(v Visitor) bool { return admitted(v) && v.Admitted < goodOnSale+3*time.Second })
}

func last(log *Log) *Visitor {
	v := find(log, admitted)
	for i := range log.Visitors {
		if log.Visitors[i].Admitted > v.Admitted {
			v = &log.Visitors[i]
		}
	}
	return v
}

// sealedLate leaves the pool open for twenty seconds after the on-sale.
func sealedLate(log *Log) {
	for i := range log.Statuses {
		if s := &log.Statuses[i]; s.At < goodOnSale+20*time.Second {
			s.Sealed, s.Line, s.Admitted = 0, 0, 0
		}
	}
	for i := range log.Visitors {
		if v := &log.Visitors[i]; admitted(*v) {
			v.Called, v.Admitted, v.Issued = v.Called+20*time.Second, v.Admitted+20*time.Second, v.Issued+20
		}
	}
	end(log, 25*time.Second)
}

// end lets the surge go on for a while in which nothing happens.
func end(log *Log, after time.Duration) { log.Ended += after }

// hole is a place of the pool that nobody has.
func hole(log *Log) int64 {
	held := map[int64]bool{}
	for _, v := range log.Visitors {
		held[v.Position] = true
	}
	for at := int64(1); ; at++ {
		if !held[at] {
			return at
		}
	}
}
