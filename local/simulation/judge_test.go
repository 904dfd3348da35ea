package simulation

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
	"slices"
	"strconv"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
)

// number is what a counter gave out.
type number struct {
	run    string
	cohort int64
	shard  int
	seq    int64
}

// joined is a join that was answered with 200 or 201.
type joined struct {
	visitor string
	began   time.Duration // when the visitor asked
	number
}

// save is a state that was stored.
type save struct {
	at   time.Duration
	by   *process
	call int // of that process, as far as it had come
	room.State
}

// sealing is when a cohort's closing was decided and when it was done.
type sealing struct{ began, ended time.Duration }

// judge sees every effect at the moment at which it happens and holds it against the invariants.
// Its methods are called under the world's lock.
type judge struct {
	w        *world
	added    map[number]time.Duration
	joins    []joined
	told     map[string]number // by run and visitor
	saves    []save
	versions map[int64]room.State         // that were stored
	open     time.Duration                // how long the sale was open, as far as turns are measured by it
	turns    []room.Checkpoint            // of the pointer, on that clock
	sealings map[string]map[int64]sealing // by run and cohort
	runs     []room.Run
	slots    map[room.Window]int64 // admissions by window
	taken    int64                 // admissions counted
	tooLate  int                   // counts that met a sealed shard
	rates    []int
	passes   map[string]room.Pass
	over     map[string]bool // runs whose draw key has been published
	promised map[string]bool // runs whose commitment has been published
	trace    hash.Hash       // of everything in order, if it is wanted: equal seeds give equal traces
	events   int
}

func newJudge(w *world) *judge {
	return &judge{w: w, added: map[number]time.Duration{}, sealings: map[string]map[int64]sealing{}, versions: map[int64]room.State{}, told: map[string]number{},
		slots: map[room.Window]int64{}, passes: map[string]room.Pass{}, over: map[string]bool{}, promised: map[string]bool{}}
}

func (j *judge) fail(format string, args ...any) {
	j.w.t.Errorf("seed %d, at %v: %s", j.w.seed, j.w.elapsed(), fmt.Sprintf(format, args...))
}

func (j *judge) note(format string, args ...any) {
	if j.trace == nil {
		return
	}
	j.events++
	fmt.Fprintf(j.trace, "%d "+format+"\n", append([]any{j.w.elapsed()}, args...)...)
}

// saved sees every version of the state.
func (j *judge) saved(by *process, before, next room.State) {
	j.note("save %+v", next)
	j.saves = append(j.saves, save{j.w.elapsed(), by, by.made(), next})
	j.versions[next.Version] = next
	if next.Version <= before.Version {
		j.fail("version %d follows %d", next.Version, before.Version)
	}
	if next.ID != before.ID {
		if before.ID != "" && !before.Over() {
			j.fail("run %s was replaced before it was over", before.ID)
		}
		j.runs = append(j.runs, next.Run)
		j.sealings[next.ID] = map[int64]sealing{}
		j.open, j.turns = 0, nil
		before = room.State{Run: next.Run, Closing: room.NoCohort, Shards: next.Shards, Commit: next.Commit}
	}
	if before.Phase == room.Closed && next.Phase != room.Closed {
		j.fail("a closed run is %s again", next.Phase)
	}
	if next.Shards != before.Shards || next.Commit != before.Commit {
		j.fail("shards or commitment changed within a run")
	}
	if before.Frozen() && !next.OnSale.Equal(before.OnSale) {
		j.fail("the on-sale moved to %v after the pool was closed by %v", next.OnSale, before.OnSale)
	}
	j.pointer(before, next)
	j.turnsLast(before, next)
	j.sealing(before, next)
}

// turnsLast holds that no turn ends before the sale was open for the claim window since it began.
// Leaders whose clocks differ count some seconds too many.
func (j *judge) turnsLast(before, next room.State) {
	const wrong = 5 * time.Second
	if n := len(j.saves); n > 1 && next.Phase == room.Open {
		j.open += min(j.saves[n-1].at-j.saves[n-2].at, room.MaxElapsed)
	}
	if next.Admitted > before.Admitted {
		j.turns = append(j.turns, room.Checkpoint{Clock: j.open, Admitted: next.Admitted})
	}
	if next.Expired == before.Expired {
		return
	}
	for len(j.turns) > 0 && j.turns[0].Admitted < next.Expired {
		j.turns = j.turns[1:]
	}
	if len(j.turns) == 0 || j.open-j.turns[0].Clock < claimWindow-wrong {
		j.fail("turns up to %d ended too soon: %v after %v", next.Expired, j.open, j.turns)
	}
}

// pointer holds that the pointers only go forward, stay in the line, and that no step lets more
// than two seconds' worth through at once, whatever happened before it.
func (j *judge) pointer(before, next room.State) {
	if next.Admitted < before.Admitted || next.Expired < before.Expired || next.Base < before.Base {
		j.fail("a pointer went back: %+v after %+v", next, before)
	}
	if next.Admitted > next.Base || next.Expired > next.Admitted {
		j.fail("a pointer left the line: expired %d, admitted %d, line %d", next.Expired, next.Admitted, next.Base)
	}
	// Twice the rate is the most that no-shows are compensated by; a fraction may be carried.
	most := 2*2*float64(slices.Max(append(j.rates, 0)))/60 + 1
	if moved := float64(next.Admitted - before.Admitted); moved > most {
		j.fail("one step let %v through, more than %v", moved, most)
	}
	if next.Admitted > before.Admitted && next.Phase != room.Open {
		j.fail("the pointer moved while %s", next.Phase)
	}
}

func (j *judge) sealing(before, next room.State) {
	closings := j.sealings[next.ID]
	if next.Closing != room.NoCohort && next.Closing != before.Closing {
		if _, again := closings[next.Closing]; again || next.Closing != next.Cohort {
			j.fail("closing of cohort %d was decided again or out of order", next.Closing)
		}
		closings[next.Closing] = sealing{began: j.w.elapsed(), ended: math.MaxInt64}
	}
	if next.Cohort == before.Cohort {
		return
	}
	s, decided := closings[before.Cohort]
	if next.Cohort != before.Cohort+1 || !decided {
		j.fail("cohort %d follows %d without a decision", next.Cohort, before.Cohort)
	}
	s.ended = j.w.elapsed()
	closings[before.Cohort] = s
}

func (j *judge) counted(n number) {
	j.note("count %v", n)
	if _, again := j.added[n]; again {
		j.fail("number %v was given out twice", n)
	}
	if j.over[n.run] {
		j.fail("number %v was given out after the draw key was published", n)
	}
	if !j.promised[n.run] {
		j.fail("number %v was given out before the commitment was published", n)
	}
	j.added[n] = j.w.elapsed()
}

func (j *judge) sealed(seal room.Seal, err error) {
	j.note("seal %d %v %v", seal.Cohort, seal.Counts, err)
	if err != nil {
		j.fail("cohort %d was sealed twice, differently: %v", seal.Cohort, err)
	}
}

// took holds the cap: no window holds more than the highest rate that was ever set allows, whatever
// runs the visitors belong to.
func (j *judge) took(w room.Window, at time.Time) {
	j.note("slot %v %v", w, at)
	if start := w.Start(); at.Before(start) || !at.Before(w.End()) {
		j.fail("an admission at %v was counted in the window of %v", at, start)
	}
	key := w
	key.Parts = 0 // however it is split
	j.slots[key]++
	j.taken++
	var limit int64
	for _, rate := range j.rates {
		if room.ShapeOf(rate).Length == w.Length {
			limit = max(limit, w.Limit(rate))
		}
	}
	if j.slots[key] > limit {
		j.fail("window %v holds %d admissions, more than %d", w, j.slots[key], limit)
	}
}

func (j *judge) granted(run room.Run, visitor string, pass room.Pass) {
	j.note("admit %s %v", visitor, pass)
	if before, ok := j.passes[run.ID+visitor]; ok && before != pass {
		j.fail("visitor %s has two passes", visitor)
	}
	j.passes[run.ID+visitor] = pass
	if int64(len(j.passes)) > j.taken {
		j.fail("%d visitors were admitted and %d counted", len(j.passes), j.taken)
	}
}

// published holds the order of publication: a status counts only seals that browsers can read,
// and carries only what is stored. It returns the status, if that is what was published.
func (j *judge) published(path string, body []byte) (status room.Status, ok bool) {
	j.note("publish %s %s", path, body)
	if path != tick.StatusPath(event) {
		if old, again := j.w.documents[path]; again && string(old) != string(body) {
			j.fail("%s was published twice, differently", path)
		}
		return status, false
	}
	if err := json.Unmarshal(body, &status); err != nil {
		j.fail("status: %v", err)
	}
	j.judgeStatus(status)
	return status, true
}

func (j *judge) judgeStatus(status room.Status) {
	st := j.versions[status.Version]
	if st.Hidden {
		st.Phase = room.Scheduled // whatever it is, nobody can join yet
	}
	said := []any{status.Run, status.Phase, status.Sealed, status.Line, status.Admitted, status.Expired}
	if stored := []any{st.ID, st.Phase, st.Cohort, st.Base, st.Admitted, st.Expired}; !slices.Equal(said, stored) {
		j.fail("status %d says %v, but stored is %v", status.Version, said, stored)
	}
	for c := range status.Sealed {
		if _, ok := j.w.documents[tick.SealPath(room.Run{Event: event, ID: status.Run}, c)]; !ok {
			j.fail("status counts cohort %d, whose seal is not published", c)
		}
	}
	if status.Commit == room.Commit(room.Run{Event: event, ID: status.Run}.DrawKey(j.w.secret)) {
		j.promised[status.Run] = true
	}
	if status.DrawKey == "" {
		return
	}
	j.over[status.Run] = true
	if st.Phase != room.Closed || st.Closing != room.NoCohort || !j.allSealed(st.Run) {
		j.fail("the draw key was published while places were still given out")
	}
	key, err := hex.DecodeString(status.DrawKey)
	if err != nil || len(key) != 32 || room.Commit([32]byte(key)) != status.Commit {
		j.fail("the draw key does not open the commitment")
	}
}

// allSealed reports whether every number that was given out lies in a cohort that is sealed.
func (j *judge) allSealed(run room.Run) bool {
	for n := range j.added {
		if s, decided := j.sealings[run.ID][n.cohort]; n.run == run.ID && (!decided || s.ended == math.MaxInt64) {
			return false
		}
	}
	return true
}

// answered sees every join that a visitor was told of.
func (j *judge) answered(a joined) {
	j.note("joined %+v", a)
	if _, ok := j.added[a.number]; !ok {
		j.fail("visitor %s was told a number that nobody counted: %v", a.visitor, a.number)
	}
	if other, again := j.told[a.run+a.visitor]; again && other != a.number {
		j.fail("visitor %s was told two places: %v and %v", a.visitor, other, a.number)
	}
	j.told[a.run+a.visitor] = a.number
	j.joins = append(j.joins, a)
}

// verdict holds what must be true of run in the end, when it is over and everything has landed.
func (j *judge) verdict(run room.Run) {
	drawKey := run.DrawKey(j.w.secret)
	var seals []room.Seal
	base := int64(0)
	for c := range int64(len(j.sealings[run.ID])) {
		seal, err := j.w.memory.Seal(context.Background(), run, c)
		if err != nil {
			j.fail("cohort %d: %v", c, err)
			return
		}
		if seal.Base != base || seal.Seed != room.Seed(drawKey, run, c, seal.Counts) {
			j.fail("cohort %d: base %d after %d places, or a wrong seed", c, seal.Base, base)
		}
		document, _ := json.Marshal(seal.Document())
		if string(j.w.documents[tick.SealPath(run, c)]) != string(document) {
			j.fail("cohort %d is published otherwise than it is stored", c)
		}
		base += seal.Size()
		seals = append(seals, seal)
	}
	j.inOrder(run, j.places(run, seals, j.bijective(run, seals)))
}

// bijective holds the second invariant: positions within a cohort are base+1 … base+size. It
// returns the position of every number of run.
func (j *judge) bijective(run room.Run, seals []room.Seal) map[number]int64 {
	positions := map[number]int64{}
	for _, seal := range seals {
		seen := map[int64]bool{}
		for shard, n := range seal.Counts {
			for seq := range n {
				position, err := seal.Position(shard, seq+1)
				if err != nil || position <= seal.Base || position > seal.Base+seal.Size() || seen[position] {
					j.fail("cohort %d: shard %d, number %d is at %d: %v", seal.Cohort, shard, seq+1, position, err)
				}
				seen[position] = true
				positions[number{run.ID, seal.Cohort, shard, seq + 1}] = position
			}
		}
	}
	return positions
}

// places holds the first and the fourth invariant: everybody who was told so has a place, and
// nobody else has the same. It returns positions by visitor.
func (j *judge) places(run room.Run, seals []room.Seal, byNumber map[number]int64) map[string]int64 {
	positions, owners := map[string]int64{}, map[int64]string{}
	for _, a := range j.joins {
		if a.run != run.ID {
			continue
		}
		if a.cohort >= int64(len(seals)) {
			j.fail("visitor %s lost a place: cohort %d was never sealed", a.visitor, a.cohort)
			continue
		}
		position, ok := byNumber[a.number]
		if !ok {
			j.fail("visitor %s lost a place: %v lies outside %v", a.visitor, a.number, seals[a.cohort].Counts)
			continue
		}
		if other, taken := owners[position]; taken && other != a.visitor {
			j.fail("visitors %s and %s are both at %d", other, a.visitor, position)
		}
		owners[position], positions[a.visitor] = a.visitor, position
	}
	return positions
}

// inOrder holds the third invariant for every sealing: whoever was counted before it began is
// never behind anybody who asked after it had ended.
func (j *judge) inOrder(run room.Run, positions map[string]int64) {
	for c, s := range j.sealings[run.ID] {
		last, first := int64(0), int64(math.MaxInt64)
		for _, a := range j.joins {
			if a.run != run.ID {
				continue
			}
			if j.added[a.number] < s.began {
				last = max(last, positions[a.visitor])
			}
			if a.began > s.ended && j.added[a.number] > s.ended {
				first = min(first, positions[a.visitor])
			}
		}
		if last > first {
			j.fail("cohort %d: %d was counted before its sealing and %d joined after it", c, last, first)
		}
	}
}

func (j *judge) sum() string {
	return strconv.Itoa(j.events) + ":" + hex.EncodeToString(j.trace.Sum(nil))
}
