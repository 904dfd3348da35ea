// Package virtual holds a sale of millions of visitors in virtual time: the functions' own handlers and
// tick's own leader, over a store in memory and a clock that jumps from one moment to the next. What
// comes of it is a log as a crowd leaves it, for the same judge, and it is decided by the seed alone.
//
// What is real: joins and admissions with their JSON, tickets, passes (HS256) and caps, seals, the
// pointer, the status documents. What is not: there are no limits, no faults and no network, so that
// latencies are constants; polls in line are counted without being made (see estimate.go); passes are
// not shown to a shop.
package virtual

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"waitingroom/lambdas/tick"
	"waitingroom/local/page"
	"waitingroom/local/surge"
	"waitingroom/shared/room"
)

const (
	// setUp is how long before the first arrival the room begins to run.
	setUp = 5 * time.Second
	// stepAt and lookAt are when in each second tick steps, and when the cache asks for the status: half
	// a second later, which is the mean age of what it holds.
	stepAt = 300 * time.Millisecond
	lookAt = 800 * time.Millisecond
	// closing is how long tick may take to end the run when the promoter has closed it.
	closing = 30 * time.Second
	// rest is how long a leader sleeps whose event needs no watching: until the next invocation.
	rest = time.Minute
)

// As docs/quotas-and-costs.md has them.
const (
	perUnit   = 10 // requests a second for each environment of Lambda's
	tickUnits = 4  // environments of tick and settings
)

// Result is what a sale leaves.
type Result struct {
	Log      *surge.Log
	Services surge.Services
	Sample   Sample
}

// sale is one under way.
type sale struct {
	options Options
	log     *surge.Log
	house   *house
	random  *rand.Rand // of the visitors
	agenda  *agenda
	elapsed time.Duration
	wakes   time.Duration // of the leader
	shown   *page.Status  // what the cache holds
	history page.History
	opened  time.Duration // when the status was first open, or surge.Never
	passed  int64         // up to here visitors have been called
	at      []uint32      // visitors in line by position, from 1, plus 1; 0 is nobody who comes
	members map[int64][]uint32

	// By visitor.
	asks     []bool
	failures []uint8
	polled   []float32
	sample   map[uint32]*watched

	crowd      crowd
	second     surge.Second
	beforeJoin int64 // polls of this second that were made one by one
	claims     int64 // of this second
	units      [2]float64
	services   surge.Services
	next       int // the visitor who arrives next
	ended      int // visits that are over
	waiting    int64
	progress   Progress
}

// Run holds a sale and closes it when everybody who comes has been let in. The error says which option
// is wrong, or that the room did not do what it is there for. When ctx ends, the result holds what has
// happened until then and the error is ctx's.
func Run(ctx context.Context, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	s, err := newSale(o)
	if err != nil {
		return Result{}, err
	}
	err = s.run(ctx)
	s.log.Interrupted = err != nil
	return s.result(), err
}

// opening is some on-sale. Windows and statuses depend on nothing but its distance to the rest.
var opening = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func newSale(o Options) (*sale, error) {
	lead := (o.Lead() + setUp + time.Second - 1).Truncate(time.Second)
	s := &sale{
		options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), agenda: newAgenda(), opened: surge.Never,
		members: map[int64][]uint32{}, sample: newSample(o.Visitors),
		asks: make([]bool, o.Visitors), failures: make([]uint8, o.Visitors), polled: make([]float32, o.Visitors),
		crowd: crowd{block: max(1, int64(o.Rate)/60)},
		log: &surge.Log{
			Event: o.Event, Rate: o.Rate, Began: opening.Add(-lead), OnSale: lead, Visitors: make([]surge.Visitor, o.Visitors),
			JoinLatency: hdrhistogram.New(1, 1, 1), AdmitLatency: hdrhistogram.New(1, 1, 1), Refusals: map[string]int64{},
		},
	}
	for i := range s.log.Visitors {
		s.log.Visitors[i] = surge.Visitor{
			Arrives: lead + o.Arrives(i, s.random.Float64()), NoShow: s.random.Float64() < o.NoShows,
			Asked: surge.Never, Joined: surge.Never, Called: surge.Never, Admitted: surge.Never, Ordered: surge.Never,
			Cohort: surge.NoCohort,
		}
	}
	var err error
	s.house, err = newHouse(o, opening, s.now, func() time.Duration { return s.elapsed })
	return s, err
}

func (s *sale) now() time.Time { return s.log.Began.Add(s.elapsed) }

// errStuck means that nothing has gone on for so long that nothing ever will.
var errStuck = errors.New("virtual: the line does not end; the log so far says who waits")

func (s *sale) run(ctx context.Context) error {
	last := s.log.OnSale + s.options.Over + 2*s.options.longest() + time.Hour
	for s.ended < len(s.log.Visitors) {
		if s.elapsed >= last {
			return errStuck
		}
		if err := s.moment(ctx); err != nil {
			return err
		}
	}
	// What is shown when the run is closed opens the commitment.
	s.house.close()
	for end := s.elapsed + closing; s.elapsed < end && s.log.DrawKey == ""; {
		if err := s.moment(ctx); err != nil {
			return err
		}
	}
	if s.log.DrawKey == "" {
		return fmt.Errorf("virtual: the draw key was not published within %v of the end", closing)
	}
	return nil
}

// moment is everything that happens at one moment, and brings the next.
func (s *sale) moment(ctx context.Context) error {
	within := s.elapsed % time.Second
	if within == stepAt && s.elapsed >= s.wakes {
		// Until there is a status, the leader may only be waiting for the parameters.
		if !s.house.leader.Step(context.Background()) && s.shown != nil {
			s.wakes = s.elapsed + rest
		}
	}
	if within == lookAt {
		if err := s.look(); err != nil {
			return err
		}
	}
	for s.next < len(s.log.Visitors) && s.log.Visitors[s.next].Arrives <= s.elapsed {
		s.arrive(uint32(s.next))
		s.next++
	}
	plans := s.agenda.due(s.elapsed)
	for _, p := range plans {
		switch p.deed {
		case polls:
			s.poll(p.visitor)
		case joins:
			s.joinLine(p.visitor)
		case claims:
			s.claim(p.visitor)
		}
	}
	s.agenda.done(plans)
	s.elapsed += grain
	if s.elapsed%time.Second == 0 {
		s.endSecond()
		return ctx.Err()
	}
	return nil
}

// look is the cache that asks for the status, once a second however many ask it.
func (s *sale) look() error {
	document, published := s.house.documents[tick.StatusPath(s.options.Event)]
	if !published && s.elapsed+time.Second < setUp { // pages need one to begin with
		return nil
	}
	status, err := page.ReadStatus(document, s.options.Event)
	if err != nil {
		return fmt.Errorf("virtual: %w", err)
	}
	s.second.Origin++
	before := s.view()
	s.second.Polls += int64(math.Round(s.crowd.advance(s.elapsed, before)))
	if s.shown != nil && status.Version <= s.shown.Version {
		return nil
	}
	s.shown = status
	s.log.Statuses = append(s.log.Statuses, surge.Sighting{At: s.elapsed, Status: status.Status})
	s.log.Run, s.log.Commit, s.log.DrawKey = status.Run, status.Commit, status.DrawKey
	s.history.Add(status.Phase, status.At, status.Admitted)
	if s.opened == surge.Never && status.Phase == room.Open {
		s.opened = s.elapsed
	}
	for c := int64(len(s.log.Seals)); c < status.Sealed; c++ {
		if err := s.place(c); err != nil {
			return err
		}
	}
	s.call(before)
	return nil
}

// view is what the pages have seen so far.
func (s *sale) view() view {
	if s.shown == nil {
		return view{}
	}
	v := view{
		wait: max(0, s.shown.OnSaleAt.Sub(s.now()).Seconds()), admitted: s.shown.Admitted,
		speed: s.history.PerMinute(0, s.shown.Rate) / 60,
	}
	if s.opened != surge.Never {
		v.open = (s.elapsed - s.opened).Seconds()
	}
	return v
}

// place tells a cohort its places.
func (s *sale) place(cohort int64) error {
	var seal room.SealDocument
	path := tick.SealPath(room.Run{Event: s.options.Event, ID: s.shown.Run}, cohort)
	if err := json.Unmarshal(s.house.documents[path], &seal); err != nil {
		return fmt.Errorf("virtual: the seal of cohort %d: %w", cohort, err)
	}
	s.log.Seals = append(s.log.Seals, seal)
	drawn, err := surge.DrawCohort(seal)
	if err != nil {
		return fmt.Errorf("virtual: %w", err)
	}
	delete(s.house.documents, path) // nobody asks the bucket again: it is cached for a year
	s.at = append(s.at, make([]uint32, seal.Size)...)
	members := s.members[cohort]
	delete(s.members, cohort)
	waited := s.crowd.waiting(s.elapsed)
	for _, i := range members {
		v := &s.log.Visitors[i]
		position, counted := drawn.Position(v.Shard, v.Seq)
		if !counted {
			s.log.Broken = append(s.log.Broken, fmt.Sprintf("visitor %d: shard %d, number %d lies outside cohort %d", i, v.Shard, v.Seq, cohort))
			continue
		}
		v.Position = position
		s.at[position-1] = i + 1
		s.log.Requests.Seals++
		s.crowd.place(position)
		s.polled[i] += float32(waited - s.crowd.sum(position))
	}
	return nil
}

// call tells everybody whom the pointer has passed, at their next poll. The sample finds out by itself.
func (s *sale) call(before view) {
	for ; s.passed < s.shown.Admitted; s.passed++ {
		entry := s.at[s.passed]
		if entry == 0 {
			continue
		}
		i := entry - 1
		v := &s.log.Visitors[i]
		s.polled[i] += float32(s.crowd.sum(v.Position) - s.elapsed.Seconds()/shortest)
		s.crowd.call(v.Position)
		if s.sample[i] == nil {
			s.agenda.add(s.elapsed, s.called(v, before), plan{i, claims})
		}
	}
}

// endSecond books what has happened in the second that is over.
func (s *sale) endSecond() {
	s.second.Polls += s.beforeJoin
	s.second.Waiting = s.waiting
	environments := float64(s.second.Joins+s.second.Refused+s.claims)/perUnit + tickUnits
	// Every environment reads the state once a second, and every claim a seal at most.
	s.house.table.reads += environments + float64(s.claims)
	writes, reads := s.house.table.writes-s.units[0], s.house.table.reads-s.units[1]
	s.units = [2]float64{s.house.table.writes, s.house.table.reads}
	s.services.TablePeakWrites = max(s.services.TablePeakWrites, writes)
	s.services.TablePeakReads = max(s.services.TablePeakReads, reads)
	s.services.Environments = max(s.services.Environments, int64(math.Ceil(environments)))
	s.progress.At, s.progress.Arrived = s.elapsed, int64(s.next)
	if s.shown != nil {
		s.progress.Line, s.progress.Pointer = s.shown.Line, s.shown.Admitted
	}
	s.log.Seconds = append(s.log.Seconds, s.second)
	s.log.Ended = s.elapsed
	s.second, s.beforeJoin, s.claims = surge.Second{}, 0, 0
	if s.options.Progress != nil && s.elapsed%time.Minute == 0 {
		s.options.Progress(s.progress)
	}
}

// result sums up.
func (s *sale) result() Result {
	sample := Sample{Visitors: len(s.sample)}
	for i := range s.log.Visitors {
		v := &s.log.Visitors[i]
		estimated := s.estimated(uint32(i), v)
		v.Polls = uint32(math.Round(estimated))
		if w := s.sample[uint32(i)]; w != nil {
			v.Polls = uint32(w.polls)
			sample.Made += w.polls
			sample.Estimated += estimated
		}
	}
	r := &s.log.Requests
	for _, second := range s.log.Seconds {
		r.Polls += second.Polls
		r.Origin += second.Origin
	}
	r.TableWrites, r.TableReads, r.Publishes = s.house.table.writes, s.house.table.reads, s.house.publishes
	s.services.TableUnits = r.TableWrites + r.TableReads
	s.services.Notes = append(s.services.Notes,
		"Passes are HS256; latencies are not measured in virtual time; units of the table are computed from the calls.",
		fmt.Sprintf("Polls are estimated. Of %d pages that polled one by one, the estimate is %.1f %% off.", sample.Visitors, 100*sample.Error()))
	return Result{Log: s.log, Services: s.services, Sample: sample}
}

// estimated is how many polls the visitor has made, whose visit may not be over.
func (s *sale) estimated(i uint32, v *surge.Visitor) float64 {
	sum := float64(s.polled[i])
	switch {
	case s.over(v) || !s.asks[i]:
	case v.Position == 0:
		sum += s.crowd.waiting(s.elapsed)
	case v.Position <= s.passed:
		sum += s.elapsed.Seconds() / shortest
	default:
		sum += s.crowd.sum(v.Position)
	}
	return max(0, sum)
}
