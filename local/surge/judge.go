package surge

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"waitingroom/local/page"
	"waitingroom/shared/room"
)

// Limits are what a judge holds a surge to. The zero value is what the room promises.
type Limits struct {
	// Gap is the longest time without an admission while people wait, at 600 a minute and more; 0
	// means DefaultGap.
	Gap time.Duration
	// Takeovers is how many times the leader was killed on purpose: each costs the line up to
	// takeoverCosts, by which less than the rate is promised.
	Takeovers int
}

// DefaultGap is the five seconds in which a standby takes over, and one to take its first step.
const DefaultGap = 6 * time.Second

// Judge holds a surge against what the room promises.
func Judge(log *Log) Verdict { return Limits{}.Judge(log) }

// Judge holds a surge against l.
func (l Limits) Judge(log *Log) Verdict {
	if l.Gap == 0 {
		l.Gap = DefaultGap
	}
	b := newBench(log, l)
	return Verdict{Promises: []Promise{
		b.distinct(), b.complete(), b.nobodyLost(), b.cohortOrder(), b.ownPlace(), b.draw(), b.inTurn(),
		b.capHeld(), b.rateReached(), b.fewRefusals(), b.noGaps(), b.forward(), b.consistent(),
	}}
}

// bench is what several promises are judged by, made once: a log has millions of visitors.
type bench struct {
	log    *Log
	limits Limits
	order  []int           // visitors with a number, by cohort, shard and number
	places []int64         // by visitor, computed from the seals; 0 where there is no such number
	past   []int64         // by sighting, the highest pointer seen until then
	shape  room.Shape      // of the cap's windows
	taken  map[int64]int64 // passes, by the window they were issued in
	busy   []bool          // by grain: somebody got in
	lines  []stretch       // in which the pointer was behind the line and the sale open
}

// stretch is a span of time within a surge.
type stretch struct{ from, to time.Duration }

func newBench(log *Log, limits Limits) *bench {
	b := &bench{log: log, limits: limits, shape: room.ShapeOf(log.Rate), taken: map[int64]int64{}}
	b.busy = make([]bool, log.Ended/grain+1)
	for i := range log.Visitors {
		v := &log.Visitors[i]
		if v.Cohort != NoCohort {
			b.order = append(b.order, i)
		}
		if v.Issued != 0 {
			b.taken[b.shape.WindowAt(time.Unix(v.Issued, 0)).Index]++
		}
		if v.Admitted != Never && v.Admitted <= log.Ended {
			b.busy[v.Admitted/grain] = true
		}
	}
	slices.SortFunc(b.order, func(i, j int) int { return compareNumbers(&log.Visitors[i], &log.Visitors[j]) })
	b.place()
	b.follow()
	b.skipOthers()
	return b
}

// own is the first cohort that nobody but this surge's visitors can be in: of a sale that had begun
// before, whoever is in the cohorts that were sealed, and in the one that was open, is not known.
func (b *bench) own() int64 {
	if len(b.log.Statuses) == 0 || b.log.Statuses[0].Sealed == 0 {
		return 0
	}
	return b.log.Statuses[0].Sealed + 1
}

// skipOthers leaves of the times in which people waited those in which the turn was this surge's: who
// of the others comes is not known.
func (b *bench) skipOthers() {
	from := time.Duration(0)
	if own := b.own(); own > 0 {
		if from = b.passed(b.line(min(own, int64(len(b.log.Seals))))); from == Never {
			from = b.log.Ended
		}
	}
	var lines []stretch
	for _, line := range b.lines {
		if line.to > from {
			lines = append(lines, stretch{max(line.from, from), line.to})
		}
	}
	b.lines = lines
}

func compareNumbers(v, w *Visitor) int {
	return cmp.Or(cmp.Compare(v.Cohort, w.Cohort), cmp.Compare(v.Shard, w.Shard), cmp.Compare(v.Seq, w.Seq))
}

// place computes everybody's place from the seals. A size that is wrong is another promise's matter:
// places follow from the counts.
func (b *bench) place() {
	b.places = make([]int64, len(b.log.Visitors))
	var cohort *Drawn
	sealed := int64(NoCohort)
	for _, i := range b.order {
		v := &b.log.Visitors[i]
		if v.Cohort < 0 || v.Cohort >= int64(len(b.log.Seals)) {
			continue
		}
		if v.Cohort != sealed {
			seal := b.log.Seals[v.Cohort]
			seal.Size = total(seal.Counts)
			// Nobody has a place by a seal that cannot be read.
			cohort, _ = DrawCohort(seal)
			sealed = v.Cohort
		}
		if cohort != nil {
			b.places[i], _ = cohort.Position(v.Shard, v.Seq)
		}
	}
}

func total(counts []int64) int64 {
	var sum int64
	for _, n := range counts {
		sum += n
	}
	return sum
}

// unread reports whether the surge was cut short before anybody had read the seal of a sealed cohort.
func (b *bench) unread(cohort int64) bool {
	n := len(b.log.Statuses)
	return b.log.Interrupted && cohort >= int64(len(b.log.Seals)) && n > 0 && cohort < b.log.Statuses[n-1].Sealed
}

// follow goes through the statuses once.
func (b *bench) follow() {
	var highest int64
	for i, s := range b.log.Statuses {
		highest = max(highest, s.Admitted)
		b.past = append(b.past, highest)
		until := b.log.Ended
		if i+1 < len(b.log.Statuses) {
			until = min(until, b.log.Statuses[i+1].At) // those after the end were read when nobody came any more
		}
		if s.Phase != room.Open || s.Admitted >= s.Line || until <= s.At {
			continue
		}
		if n := len(b.lines); n > 0 && b.lines[n-1].to == s.At {
			b.lines[n-1].to = until
		} else {
			b.lines = append(b.lines, stretch{s.At, until})
		}
	}
}

// passed is when it was first seen that the pointer had passed position, or Never.
func (b *bench) passed(position int64) time.Duration {
	i := sort.Search(len(b.past), func(i int) bool { return b.past[i] >= position })
	if i == len(b.past) {
		return Never
	}
	return b.log.Statuses[i].At
}

// expired is when it was first seen that the turn of position was over, or Never.
func (b *bench) expired(position int64) time.Duration {
	i := sort.Search(len(b.log.Statuses), func(i int) bool { return b.log.Statuses[i].Expired >= position })
	if i == len(b.log.Statuses) {
		return Never
	}
	return b.log.Statuses[i].At
}

// counted is when it was first seen that a cohort is sealed, or Never.
func (b *bench) counted(cohort int64) time.Duration {
	i := sort.Search(len(b.log.Statuses), func(i int) bool { return b.log.Statuses[i].Sealed > cohort })
	if i == len(b.log.Statuses) {
		return Never
	}
	return b.log.Statuses[i].At
}

func (b *bench) distinct() Promise {
	p := promise(Distinct, "No two visitors have the same place or were given the same number.", "visitors")
	for n := 1; n < len(b.order); n++ {
		v, w := &b.log.Visitors[b.order[n-1]], &b.log.Visitors[b.order[n]]
		if compareNumbers(v, w) == 0 {
			p.fail("visitors %d and %d both have cohort %d, shard %d, number %d", b.order[n-1], b.order[n], v.Cohort, v.Shard, v.Seq)
		}
	}
	var positions []int64
	for i := range b.log.Visitors {
		if at := b.log.Visitors[i].Position; at != 0 {
			positions = append(positions, at)
		}
	}
	slices.Sort(positions)
	for n := 1; n < len(positions); n++ {
		if positions[n-1] == positions[n] {
			p.fail("two visitors are at place %d", positions[n])
		}
	}
	return p.count()
}

func (b *bench) complete() Promise {
	p := promise(Complete, "Seals follow each other without a gap, and every number in them is a visitor's or was lost on the way to one.", "places")
	var line, places int64
	for c, s := range b.log.Seals {
		size := total(s.Counts)
		switch {
		case s.Event != b.log.Event || s.Run != b.log.Run || s.Cohort != int64(c):
			p.fail("the seal of cohort %d is that of cohort %d of run %s", c, s.Cohort, s.Run)
		case s.Base != line || s.Size != size:
			p.fail("cohort %d: base %d and size %d, after %d places and with %d numbers", c, s.Base, s.Size, line, size)
		case len(s.Counts) != len(b.log.Seals[0].Counts):
			p.fail("cohort %d has %d shards, the pool %d", c, len(s.Counts), len(b.log.Seals[0].Counts))
		}
		line += size
		if int64(c) >= b.own() {
			places += size
		}
	}
	held := int64(0)
	for n, i := range b.order {
		again := n > 0 && compareNumbers(&b.log.Visitors[b.order[n-1]], &b.log.Visitors[i]) == 0
		if b.places[i] != 0 && b.log.Visitors[i].Cohort >= b.own() && !again {
			held++
		}
	}
	holes, most := places-held, b.mostHoles()
	p.Measured, p.Limit = float64(holes), float64(most)
	if own := b.own(); own > 0 {
		p.Why = fmt.Sprintf("The sale had begun before: who is in the first %d cohorts is not known.", own)
	}
	if holes > most {
		p.fail("%d of %d places belong to nobody, and at most %d joins can have lost one", holes, places, most)
	}
	return *p
}

// mostHoles is how many numbers may have been taken without their visitor learning of it. A join that
// is refused as busy may have taken one: the table may throttle its second write.
func (b *bench) mostHoles() int64 {
	most := b.log.Refusals["busy"]
	for i := range b.log.Visitors {
		most += int64(b.log.Visitors[i].Unsure)
	}
	return most
}

const (
	// sealing is how long after a join its cohort is sealed at the latest: a second, and a takeover or
	// two on the way.
	sealing = 15 * time.Second
	// noticing is how long a visitor takes at most to learn of the turn: the longest time between two
	// polls, 60 s, and as much again for polls that failed.
	noticing = 2 * time.Minute
	// patience is how long a visitor at the door may find windows with room and not get in: three times
	// the longest backoff of the page, 16 s, and some seconds for the answers.
	patience = time.Minute
)

// sealedWithin is sealing, and five seconds more for each leader that was killed: one who dies before a
// cohort's shards are sealed leaves them to the next, and the cohort only grows.
func (b *bench) sealedWithin() time.Duration {
	return sealing + time.Duration(b.limits.Takeovers)*5*time.Second
}

func (b *bench) nobodyLost() Promise {
	p := promise(NobodyLost, "The room goes on giving places to those who ask, whoever was told of one has it, nobody's turn is passed over, and whoever comes in time gets in.", "visitors")
	ended := b.log.over()
	roomy := b.roomy()
	heard := b.heard()
	for i := range b.log.Visitors {
		v := &b.log.Visitors[i]
		switch {
		case v.Outcome == Rejected:
			p.fail("visitor %d was rejected", i)
		case v.Joined == Never:
			if waited := b.log.Ended - max(v.Arrives, heard); v.Joins > 0 && waited > patience && !ended {
				p.fail("visitor %d asked for a place %d times, and for the last %v nobody got one", i, v.Joins, waited)
			}
		case v.Cohort == NoCohort:
			p.fail("visitor %d was answered, and has no place", i)
		case b.unread(v.Cohort):
		case v.Cohort >= int64(len(b.log.Seals)):
			if b.log.Ended-max(v.Joined, b.log.OnSale) > b.sealedWithin() {
				p.fail("visitor %d joined %v before the end, and cohort %d was never sealed", i, b.log.Ended-v.Joined, v.Cohort)
			}
		case b.places[i] == 0:
			p.fail("visitor %d: shard %d, number %d lies outside the sealed cohort %d", i, v.Shard, v.Seq, v.Cohort)
		case v.NoShow || v.Admitted != Never:
		case v.Outcome == SoldOut:
			if !ended {
				p.fail("visitor %d was told that the sale is over, and it is not", i)
			}
		case v.Outcome == Expired:
			if over := b.expired(b.places[i]); over == Never || v.Called != Never && v.Called+patience < over {
				p.fail("visitor %d at place %d came in time, and was told that the turn is over", i, b.places[i])
			}
		case v.Called != Never:
			if waited := roomy(b.log.Ended) - roomy(v.Called); waited > patience {
				p.fail("visitor %d at place %d came for the turn and did not get in, though there was room for %v", i, b.places[i], waited)
			}
		default:
			if passed := b.passed(b.places[i]); passed != Never && b.log.Ended-passed > noticing {
				p.fail("visitor %d at place %d was passed over %v before the end", i, b.places[i], b.log.Ended-passed)
			}
		}
	}
	return p.count()
}

// heard is when anybody got a place for the last time or, if nobody did, when the doors were opened.
func (b *bench) heard() time.Duration {
	last := b.log.Ended
	if i := slices.IndexFunc(b.log.Statuses, func(s Sighting) bool { return s.Phase == room.PreQueue || s.Phase == room.Open }); i >= 0 {
		last = b.log.Statuses[i].At
	}
	for i := range b.log.Visitors {
		last = max(last, b.log.Visitors[i].Joined)
	}
	return last
}

// over reports whether anybody was told that the sale is over. Later, whoever sent the crowd closes it.
func (log *Log) over() bool {
	return slices.ContainsFunc(log.Statuses, func(s Sighting) bool {
		return s.At <= log.Ended && (s.Phase == room.SoldOut || s.Phase == room.Closed)
	})
}

// roomy returns how long, until a moment of the surge, windows were not full in the end.
func (b *bench) roomy() func(until time.Duration) time.Duration {
	sums := []time.Duration{0}
	for at := time.Duration(0); at <= b.log.Ended; at += time.Second {
		w := b.shape.WindowAt(b.log.Began.Add(at))
		sum := sums[len(sums)-1]
		if b.taken[w.Index] < w.Limit(b.log.Rate) {
			sum += time.Second
		}
		sums = append(sums, sum)
	}
	return func(until time.Duration) time.Duration {
		return sums[min(max(int(until/time.Second), 0), len(sums)-1)]
	}
}

func (b *bench) cohortOrder() Promise {
	p := promise(CohortOrder, "Whoever came before the on-sale is in the pool, cohorts are sealed as soon as they can be, and nobody is ahead of one that was sealed before they came.", "visitors")
	for _, i := range b.order {
		v := &b.log.Visitors[i]
		switch {
		case v.Cohort < v.Behind:
			p.fail("visitor %d is in cohort %d, and joined when %d cohorts were sealed", i, v.Cohort, v.Behind)
		case v.Joined < b.log.OnSale && v.Cohort != 0:
			p.fail("visitor %d joined %v before the on-sale, and is in cohort %d", i, b.log.OnSale-v.Joined, v.Cohort)
		case b.counted(v.Cohort)-max(v.Joined, b.log.OnSale) > b.sealedWithin():
			p.fail("visitor %d joined at %v, and cohort %d was open until %v", i, v.Joined, v.Cohort, b.counted(v.Cohort))
		case v.Position != 0 && v.Cohort < int64(len(b.log.Seals)) && !within(b.log.Seals[v.Cohort], v.Position):
			p.fail("visitor %d of cohort %d is at place %d, outside the cohort", i, v.Cohort, v.Position)
		}
	}
	return p.count()
}

func within(s room.SealDocument, position int64) bool {
	return position > s.Base && position <= s.Base+s.Size
}

func (b *bench) ownPlace() Promise {
	p := promise(OwnPlace, "Visitors compute the place that the published seals give them.", "visitors")
	for i := range b.log.Visitors {
		v := &b.log.Visitors[i]
		if v.Position != 0 && v.Position != b.places[i] && !b.unread(v.Cohort) {
			p.fail("visitor %d computed place %d, the seal of cohort %d says %d", i, v.Position, v.Cohort, b.places[i])
		}
		if v.Position == 0 && v.Called != Never {
			p.fail("visitor %d was called without a place", i)
		}
	}
	return p.count()
}

func (b *bench) draw() Promise {
	p := promise(Draw, "The draw is the one that was committed to before anybody joined.", "contradictions")
	for _, s := range b.log.Statuses {
		if s.Commit != b.log.Commit {
			p.fail("status %d commits to %s, the surge began with %s", s.Version, s.Commit, b.log.Commit)
		}
		if s.DrawKey != "" && s.DrawKey != b.log.DrawKey {
			p.fail("status %d publishes another draw key", s.Version)
		}
	}
	if b.log.DrawKey == "" {
		if !p.Held {
			return p.count()
		}
		return p.unjudged("The draw key is published when the sale is closed. The commitment did not change.")
	}
	key, err := hex.DecodeString(b.log.DrawKey)
	if err != nil || len(key) != 32 || room.Commit([32]byte(key)) != b.log.Commit {
		p.fail("the draw key is not the one that was committed to")
		return p.count()
	}
	for c, s := range b.log.Seals {
		seed := room.Seed([32]byte(key), room.Run{Event: b.log.Event, ID: b.log.Run}, int64(c), s.Counts)
		if hex.EncodeToString(seed[:]) != s.Seed {
			p.fail("the seed of cohort %d is not the one that draw key and counts give", c)
		}
	}
	return p.count()
}

// ahead is how much earlier than anybody saw it the pointer may have passed a place: a status is in
// the cache for a second and on the way for some more.
const ahead = 5 * time.Second

func (b *bench) inTurn() Promise {
	p := promise(InTurn, "Nobody is let in before the turn.", "visitors")
	ahead := ahead
	if b.limits.Takeovers > 0 {
		ahead = unseen // the last step of a leader that was killed is published by the next one
	}
	for i := range b.log.Visitors {
		v := &b.log.Visitors[i]
		if v.Admitted == Never || b.unread(v.Cohort) {
			continue
		}
		if passed := b.passed(b.places[i]); b.places[i] == 0 || passed == Never || v.Admitted+ahead < passed {
			p.fail("visitor %d at place %d got in at %v, and the pointer came there at %v", i, b.places[i], v.Admitted, passed)
		}
	}
	return p.count()
}

func (b *bench) capHeld() Promise {
	p := promise(CapHeld, "No window of time lets more visitors in than the rate allows.", "visitors in the fullest window")
	for _, index := range slices.Sorted(maps.Keys(b.taken)) {
		w, n := room.Window{Shape: b.shape, Index: index}, b.taken[index]
		limit := w.Limit(b.log.Rate)
		if n > limit {
			p.fail("%d passes were issued in the %d s from %v, which hold %d", n, w.Seconds(), w.Start().Sub(b.log.Began), limit)
		}
		if p.Limit == 0 || float64(n)-float64(limit) > p.Measured-p.Limit {
			p.Measured, p.Limit = float64(n), float64(limit)
		}
	}
	for i := range b.log.Visitors {
		v := &b.log.Visitors[i]
		switch issued := time.Unix(v.Issued, 0).Sub(b.log.Began); {
		case (v.Admitted != Never) != (v.Issued != 0):
			p.fail("visitor %d: admitted at %v with a pass issued at %d", i, v.Admitted, v.Issued)
		case v.Issued == 0:
		case issued > v.Admitted+clocks, v.Claims == 1 && issued+clocks < min(v.Called, v.Admitted-page.Timeout):
			p.fail("visitor %d: the turn was seen at %v, and a pass that says %v came at %v", i, v.Called, issued, v.Admitted)
		}
	}
	return *p
}

// clocks is by how much a pass may seem to be of another time than it is: it says whole seconds, by the
// room's clock. Whoever asked twice may have one that was issued the first time.
const clocks = 5 * time.Second

const (
	// settling is how long the measure of no-shows takes to find its level.
	settling = 15 * time.Second
	// emptying is how much earlier than it is seen the line may have run empty.
	emptying = 2 * time.Second
	// judgedFrom is the shortest time over which a mean says anything.
	judgedFrom = time.Minute
	// takeoverCosts is what one change of the leader may cost: five seconds until the standby steps
	// in, of which its first step makes up for two.
	takeoverCosts = 5*time.Second - room.MaxElapsed
	// mostAllowed is the part of the rate, in per cent, beyond which changes of the leader leave nothing to
	// be judged: one who dies seconds after stepping in has made up for nothing.
	mostAllowed = 50
	// tolerance of the mean, in per cent. Slow rates leave chance a larger part: 90 to 95 % at 60 to 120
	// a minute.
	tolerance, slowTolerance = 1, 10
	// slow is the rate below which windows are ten seconds long, and uncompensated the one below which
	// nothing makes up for no-shows.
	slow, uncompensated = 600, 12
)

// rateReached compares what the windows took with what they would have held. Over 300 s one change of
// the leader costs a hundredth of the admissions, the tolerance; over less time it costs more, and so
// it is allowed for: 3 s of the time judged, 5 % of a minute.
func (b *bench) rateReached() Promise {
	p := promise(RateReached, "While people wait, the shop gets the rate that it asked for.", "% of the rate")
	var took, held int64
	var judged time.Duration
	for _, w := range b.settled() {
		took += b.taken[w.Index]
		held += w.Limit(b.log.Rate)
		judged += w.Length
	}
	if judged < judgedFrom || held == 0 {
		return p.unjudged("People waited for %v after the line had settled, and a mean over less than %v says nothing.", judged, judgedFrom)
	}
	allowed := max(tolerance, 100*float64(1+b.limits.Takeovers)*takeoverCosts.Seconds()/judged.Seconds())
	if allowed > mostAllowed {
		p.Measured = 100 * float64(took) / float64(held)
		return p.unjudged("Mean of %v: %.0f %% of the rate. %d leaders were killed in that time, and what passes without one is not made up for.",
			judged, p.Measured, b.limits.Takeovers)
	}
	if b.log.Rate < slow {
		allowed = max(allowed, slowTolerance)
	}
	reachable := b.reachable()
	p.Measured = 100 * float64(took) / float64(held)
	p.Limit = max(0, 100*reachable-allowed)
	p.Why = fmt.Sprintf("Mean of %v. Allowed for: %.1f %%.", judged, allowed)
	if reachable < 1 {
		p.Why += fmt.Sprintf(" So many do not come that no more than %.0f %% can be reached.", 100*reachable)
	}
	if p.Measured < p.Limit {
		p.fail("%d visitors got in where %d could have", took, held)
	}
	return *p
}

// settled returns the windows in which people waited and the line had settled.
func (b *bench) settled() []room.Window {
	var windows []room.Window
	for _, line := range b.lines {
		first := b.log.Began.Add(line.from + settling)
		last := b.log.Began.Add(line.to - emptying)
		w := b.shape.WindowAt(first)
		if w.Start().Before(first) {
			w = w.Next()
		}
		for ; !w.End().After(last); w = w.Next() {
			windows = append(windows, w)
		}
	}
	return windows
}

// reachable is the part of the rate that no-shows and holes leave: the pointer makes up for half of
// the turns at most.
func (b *bench) reachable() float64 {
	if len(b.past) == 0 {
		return 1
	}
	pointer := b.past[len(b.past)-1]
	var come int64
	for i := range b.log.Visitors {
		if at := b.places[i]; at != 0 && at <= pointer && !b.log.Visitors[i].NoShow {
			come++
		}
	}
	if pointer == 0 {
		return 1
	}
	share := float64(come) / float64(pointer)
	if b.log.Rate < uncompensated {
		return share
	}
	return min(1, 2*share)
}

// fewest is the number of admissions from which a mean of refusals is more than chance.
const fewest = 100

// In small windows chance fills some early, and those who come to them are sent away. Below
// smallWindows, in visitors a minute, there may be more of it: 1.06 simulated at 1,500.
const (
	smallWindows = 3_000
	moreRefusals = 1.5
)

func (b *bench) fewRefusals() Promise {
	p := promise(FewRefusals, "Whoever comes for the turn is sent away less than once on average.", "refusals an admission")
	p.Limit = 1
	if b.log.Rate < smallWindows {
		p.Limit = moreRefusals
		p.Why = "Small windows are filled unevenly by chance."
	}
	var refused, admitted int64
	for i := range b.log.Visitors {
		v := &b.log.Visitors[i]
		refused += int64(v.Refused)
		if v.Admitted != Never {
			admitted++
		}
	}
	if admitted > 0 {
		p.Measured = float64(refused) / float64(admitted)
	}
	if admitted < fewest {
		return p.unjudged("%d visitors got in; a mean of less than %d says nothing.", admitted, fewest)
	}
	if settled := b.shape.Length * time.Duration(len(b.settled())); settled < judgedFrom {
		return p.unjudged("People waited for %v after the line had settled; until then nobody knows how many do not come.", settled)
	}
	if p.Measured >= p.Limit {
		p.fail("%d claims were refused for %d admissions", refused, admitted)
	}
	return *p
}

// opening is how long the first in a line may take to get in: the pointer's step, the cache's second,
// the page's poll and a takeover on the way.
const opening = 8 * time.Second

func (b *bench) noGaps() Promise {
	p := promise(NoGaps, "Admissions go on while people wait.", "s without an admission")
	limit := b.limits.Gap
	if b.log.Rate < slow {
		// All admissions of a window may come at its beginning and those of the next at its end, and so
		// many no-shows as ten in a row are rare.
		limit += 2*b.shape.Length + 10*time.Minute/time.Duration(max(b.log.Rate, 1))
		p.Why = "Windows of ten seconds, and few visitors to each, make gaps of their own."
	}
	p.Limit = limit.Seconds()
	waited := false
	for _, line := range b.waited() {
		waited = true
		from, gap := b.longestGap(line)
		p.Measured = max(p.Measured, gap.Seconds())
		if gap > limit {
			p.fail("nobody got in for %v from %v on", gap, from)
		}
	}
	if !waited {
		return p.unjudged("Nobody had to wait.")
	}
	return *p
}

// waited returns the stretches in which the pointer was behind the line and somebody waited who will
// come: a line of no-shows alone admits nobody. Those in the pool wait from the on-sale on, however
// late the room says that it is open.
func (b *bench) waited() []stretch {
	var out []stretch
	for i, line := range b.lines {
		if i == 0 && b.log.OnSale > 0 {
			line.from = min(line.from, b.log.OnSale)
		}
		for s := int(line.from / time.Second); s < len(b.log.Seconds) && time.Duration(s)*time.Second < line.to; s++ {
			if b.log.Seconds[s].Waiting == 0 {
				continue
			}
			second := stretch{max(line.from, time.Duration(s)*time.Second), min(line.to, time.Duration(s+1)*time.Second)}
			if n := len(out); n > 0 && out[n-1].to == second.from {
				out[n-1].to = second.to
			} else {
				out = append(out, second)
			}
		}
	}
	return out
}

// grain is how finely the times of admissions are told apart.
const grain = 100 * time.Millisecond

// longestGap returns where the longest time without an admission began in line, and how long it was.
// The time until the first in line gets in counts from when it should have happened at the latest.
func (b *bench) longestGap(line stretch) (from, gap time.Duration) {
	last := min(line.from+opening, line.to)
	end := min(int((line.to+grain-1)/grain), len(b.busy))
	for n := int(line.from / grain); n < end; n++ {
		if !b.busy[n] {
			continue
		}
		at := time.Duration(n) * grain
		if at-last > gap {
			from, gap = last, at-last
		}
		last = at
	}
	if line.to-last > gap {
		from, gap = last, line.to-last
	}
	return from, gap
}

func (b *bench) forward() Promise {
	p := promise(Forward, "What is published only goes forward, no faster than at twice the rate, and nobody is called who is not in line.", "statuses")
	speed := 2 * float64(b.log.Rate) / time.Minute.Seconds()
	behind := math.Inf(1) // how far the pointer was behind that speed at most, in places
	for i, s := range b.log.Statuses {
		if s.Event != b.log.Event || s.Run != b.log.Run {
			p.fail("status %d is that of run %s", s.Version, s.Run)
			continue
		}
		if s.Admitted > s.Line || s.Expired > s.Admitted {
			p.fail("status %d: expired %d, admitted %d, line %d", s.Version, s.Expired, s.Admitted, s.Line)
		}
		if b.unread(s.Sealed - 1) {
			// How many places there are is not known.
		} else if s.Sealed > int64(len(b.log.Seals)) || s.Line != b.line(s.Sealed) {
			p.fail("status %d: a line of %d after %d cohorts, whose seals hold %d", s.Version, s.Line, s.Sealed, b.line(s.Sealed))
		}
		at := float64(s.Admitted) - speed*s.At.Seconds()
		if at-behind > speed*unseen.Seconds() {
			p.fail("status %d: the pointer is at %d after %v, which is faster than %.0f a minute", s.Version, s.Admitted, s.At, 60*speed)
			behind = at
		}
		behind = min(behind, at)
		if i == 0 {
			continue
		}
		before := b.log.Statuses[i-1]
		back := s.Version <= before.Version || s.At < before.At || s.Sealed < before.Sealed || s.Line < before.Line ||
			s.Admitted < before.Admitted || s.Expired < before.Expired
		if back || before.Phase == room.Closed && s.Phase != room.Closed {
			p.fail("status %d goes back behind %d: %s", s.Version, before.Version, described(before, s))
		}
	}
	return p.count()
}

// unseen is for how long the pointer may have moved without anybody having seen it: while a leader is
// followed by another and a cache serves what is old.
const unseen = 12 * time.Second

// line is the number of places in the first cohorts.
func (b *bench) line(cohorts int64) int64 {
	if cohorts < 1 || cohorts > int64(len(b.log.Seals)) {
		return 0
	}
	last := b.log.Seals[cohorts-1]
	return last.Base + last.Size
}

func described(before, after Sighting) string {
	return fmt.Sprintf("sealed %d after %d, line %d after %d, admitted %d after %d, expired %d after %d, %s after %s",
		after.Sealed, before.Sealed, after.Line, before.Line, after.Admitted, before.Admitted,
		after.Expired, before.Expired, after.Phase, before.Phase)
}

func (b *bench) consistent() Promise {
	p := promise(Consistent, "No visitor is told two things that contradict each other.", "contradictions")
	for _, what := range b.log.Broken {
		p.fail("%s", what)
	}
	return p.count()
}
