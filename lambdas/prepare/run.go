package prepare

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/metrics"
	"waitingroom/shared/schedule"
)

const (
	// workFor is how long a run begins calls: the next one starts a minute after it and goes on with
	// what is left.
	workFor = 50 * time.Second
	// saveFor is how long after its start a run stores what came of its calls. Whatever it does not
	// manage to store is done again. The function's timeout has to be longer than that.
	saveFor = 57 * time.Second
	// leaseFor is how long a show is a run's own. Half of it is for what goes on after workFor: a call
	// that still arrives, a process that is slow, clocks that differ.
	leaseFor = 100 * time.Second
	// stepFor is how long one call of a step may take, so that a service that hangs leaves time for the
	// other steps and shows.
	stepFor = 20 * time.Second
	// sideBySide is how many shows are worked on at a time, and how many beside them set their parameters.
	// They mostly wait for services with quotas of some calls a second: with more shows, each would wait for
	// longer than stepFor.
	sideBySide = 24
)

// Shows is where shows are kept: a schedule.Schedule, whose errors it returns.
type Shows interface {
	// Open lists the shows that are not over, by their on-sale.
	Open(ctx context.Context) ([]schedule.Entry, error)
	Show(ctx context.Context, id string) (hotshow.Show, error)
	History(ctx context.Context, id string) ([]hotshow.Change, error)
	Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error
}

// Sales tells how the sale of a show's event stands. An error means that nobody knows at the moment.
type Sales interface {
	Sale(ctx context.Context, show hotshow.Show) (hotshow.Sale, error)
}

// Comments writes to the issues that shows were asked for in. A comment of a number that an issue has
// already is not written again.
type Comments interface {
	Comment(ctx context.Context, issue string, number int, text string) error
}

// Preparer is what the runs of one environment share. All fields but Comments are required.
type Preparer struct {
	Shows    Shows
	Steps    map[hotshow.Step]Step // each of hotshow.Steps
	Sales    Sales
	Comments Comments // nil without Jira
	Metrics  *metrics.Log
	Random   io.Reader // of runs' ids
	Now      func() time.Time
	Log      *slog.Logger
}

// Run is one invocation: it drives every show that is due as far forward as it can. What goes wrong with
// one show holds up no other. The error tells of shows that could not be read or stored; steps that fail
// are in the shows' records instead.
func (p *Preparer) Run(ctx context.Context) error {
	var id [8]byte
	if _, err := io.ReadFull(p.Random, id[:]); err != nil {
		return fmt.Errorf("draw a name for the run: %w", err)
	}
	saving, cancelSaving := context.WithTimeout(ctx, saveFor)
	defer cancelSaving()
	working, cancelWorking := context.WithTimeout(ctx, workFor)
	defer cancelWorking()
	r := &run{Preparer: p, id: hex.EncodeToString(id[:]), seed: binary.BigEndian.Uint64(id[:]), began: p.Now(), working: working, saving: saving}

	var err error
	if r.entries, err = p.Shows.Open(working); err != nil {
		return fmt.Errorf("list the shows: %w", err)
	}
	jobs := r.due()
	r.each(queue(jobs), (*job).read, nil)
	r.drive(jobs)
	r.tell(jobs)
	return errors.Join(r.errs...)
}

// run is one run.
type run struct {
	*Preparer
	id      string
	seed    uint64 // of the order of shows
	began   time.Time
	entries []schedule.Entry // all that are open, as they were when the run began
	working context.Context  // of calls that do something, and of reads
	saving  context.Context  // of storing what came of them

	mu   sync.Mutex
	errs []error
}

// due are the shows that are due, by their on-sale.
func (r *run) due() []*job {
	var jobs []*job
	for _, e := range r.entries {
		if !e.Due.IsZero() && !e.Due.After(r.began) {
			jobs = append(jobs, &job{run: r, entry: e, tried: map[hotshow.Step]bool{}, log: r.Log.With("event", e.Event, "show", e.ID)})
		}
	}
	return jobs
}

// drive works on all shows. Where an event is to be set or closed that comes first, by the on-sale, and in
// places of its own: nothing is as bad when it is late, and no other step of any show holds it up.
func (r *run) drive(jobs []*job) {
	urgent, all := make(chan *job, len(jobs)), make(chan *job, len(jobs))
	var others []*job
	for _, j := range jobs {
		if j.show.SetsEvent() {
			urgent <- j
		} else {
			others = append(others, j)
		}
	}
	close(urgent)
	// In no order: where services hang, those that come first take all of the time, in each run others.
	rand.New(rand.NewPCG(r.seed, 0)).Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	for _, j := range others {
		all <- j
	}
	var group sync.WaitGroup
	group.Go(func() {
		defer close(all)
		r.each(urgent, (*job).setEvent, all)
	})
	r.each(all, (*job).do, nil)
	group.Wait()
}

// queue holds all of some shows.
func queue(jobs []*job) <-chan *job {
	q := make(chan *job, len(jobs))
	for _, j := range jobs {
		q <- j
	}
	close(q)
	return q
}

// each does something with every show of a queue, some at a time, until the time is over, and puts it into
// the next queue then, if there is one.
func (r *run) each(jobs <-chan *job, do func(*job) error, next chan<- *job) {
	var group sync.WaitGroup
	defer group.Wait()
	places := make(chan struct{}, sideBySide)
	for j := range jobs {
		select {
		case places <- struct{}{}:
		case <-r.working.Done():
		}
		if r.working.Err() != nil {
			r.Log.Warn("shows wait for the next run", "shows", 1+len(jobs))
			return
		}
		group.Go(func() {
			defer func() { <-places }()
			r.guard(j, do)
			if next != nil {
				next <- j
			}
		})
	}
}

// guard keeps one show's trouble from the others. Whatever it is, the run does nothing more for the show.
func (r *run) guard(j *job, do func(*job) error) {
	if j.lost != nil {
		return
	}
	defer func() {
		if trouble := recover(); trouble != nil {
			j.log.Error("show given up for this run", "error", trouble, "stack", string(debug.Stack()))
			j.lost = fmt.Errorf("panic: %v", trouble)
			r.fail(fmt.Errorf("show %s: %w", j.entry.ID, j.lost))
		}
	}()
	err := do(j)
	if err == nil {
		return
	}
	j.lost = err
	if errors.Is(err, schedule.ErrStale) {
		// A person's change, or another run that took the lease first. The next run sees what there is.
		j.log.Info("show left alone", "reason", err)
		return
	}
	j.log.Error("show given up for this run", "error", err)
	r.fail(fmt.Errorf("show %s: %w", j.entry.ID, err))
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// tell counts the shows in trouble, as they are stored. Those that are not due are in none: see
// Show.Unready and LeftUp.
func (r *run) tell(jobs []*job) {
	now, unready, leftUp := r.Now(), 0, 0
	for _, j := range jobs {
		if j.stored.Unready(now) {
			unready++
		}
		if j.stored.LeftUp(now) {
			leftUp++
		}
	}
	r.Metrics.Shows(unready, leftUp)
}
