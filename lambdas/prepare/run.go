package prepare

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
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
	// sideBySide is how many shows are worked on at a time. They mostly wait for services with quotas of
	// some calls a second: with more shows, each would wait for longer than stepFor.
	sideBySide = 24
)

// Shows is where shows are kept: a schedule.Schedule, whose errors it returns.
type Shows interface {
	Open(ctx context.Context) ([]schedule.Entry, error)
	Show(ctx context.Context, id string) (hotshow.Show, error)
	History(ctx context.Context, id string) ([]hotshow.Change, error)
	Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error
}

// Sales tells how the sale of an event stands. An error means that nobody knows at the moment.
type Sales interface {
	Sale(ctx context.Context, event string) (hotshow.Sale, error)
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
	r := &run{Preparer: p, id: hex.EncodeToString(id[:]), working: working, saving: saving}

	entries, err := p.Shows.Open(working)
	if err != nil {
		return fmt.Errorf("list the shows: %w", err)
	}
	due := inOrder(entries, p.Now())
	r.each(due, r.read)
	r.each(due, r.drive)
	r.tell()
	return errors.Join(r.errs...)
}

// inOrder are the shows that are due, the most urgent first: those that are not on sale yet by their
// on-sale, then the others.
func inOrder(entries []schedule.Entry, now time.Time) []schedule.Entry {
	due := slices.DeleteFunc(slices.Clone(entries), func(e schedule.Entry) bool { return e.Due.IsZero() || e.Due.After(now) })
	slices.SortStableFunc(due, func(a, b schedule.Entry) int {
		return cmp.Or(cmp.Compare(urgency(a.State), urgency(b.State)), a.OnSale.Compare(b.OnSale), cmp.Compare(a.ID, b.ID))
	})
	return due
}

func urgency(s hotshow.State) int {
	if s == hotshow.Live || s == hotshow.Finishing || s.Final() {
		return 1
	}
	return 0
}

// run is one run.
type run struct {
	*Preparer
	id      string
	working context.Context // of calls that do something, and of reads
	saving  context.Context // of storing what came of them

	mu    sync.Mutex
	shows map[string]hotshow.Show // as they were seen last
	errs  []error
}

// each does something with every show, some at a time, until the time is over.
func (r *run) each(due []schedule.Entry, do func(schedule.Entry) error) {
	var group sync.WaitGroup
	places := make(chan struct{}, sideBySide)
	for i, entry := range due {
		select {
		case places <- struct{}{}:
		case <-r.working.Done():
		}
		if r.working.Err() != nil {
			r.Log.Warn("shows wait for the next run", "shows", len(due)-i)
			break
		}
		group.Go(func() {
			defer func() { <-places }()
			r.guard(entry, do)
		})
	}
	group.Wait()
}

// guard keeps one show's trouble from the others.
func (r *run) guard(entry schedule.Entry, do func(schedule.Entry) error) {
	log := r.Log.With("event", entry.Event, "show", entry.ID)
	defer func() {
		if trouble := recover(); trouble != nil {
			log.Error("show given up for this run", "error", trouble, "stack", string(debug.Stack()))
			r.fail(fmt.Errorf("show %s: panic: %v", entry.ID, trouble))
		}
	}()
	switch err := do(entry); {
	case errors.Is(err, schedule.ErrStale):
		// A person's change, or another run that took the lease first. The next run sees what there is.
		log.Info("show left alone", "reason", err)
	case err != nil:
		log.Error("show given up for this run", "error", err)
		r.fail(fmt.Errorf("show %s: %w", entry.ID, err))
	}
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// read gets to know a show. All are read before any is worked on, so that the metrics lack none.
func (r *run) read(entry schedule.Entry) error {
	show, err := r.Shows.Show(r.working, entry.ID)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	r.see(show)
	return nil
}

func (r *run) see(show hotshow.Show) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shows == nil {
		r.shows = map[string]hotshow.Show{}
	}
	r.shows[show.ID] = show
}

func (r *run) drive(entry schedule.Entry) error {
	r.mu.Lock()
	show, known := r.shows[entry.ID]
	r.mu.Unlock()
	if !known {
		return nil // it could not be read
	}
	j := &job{run: r, show: show, log: r.Log.With("event", entry.Event, "show", entry.ID)}
	err := j.do()
	if err == nil {
		r.see(j.show)
	}
	return err
}

// tell counts the shows in trouble. Those that are not due are in none: see Show.Unready and LeftUp.
func (r *run) tell() {
	now, unready, leftUp := r.Now(), 0, 0
	for _, show := range r.shows {
		if show.Unready(now) {
			unready++
		}
		if show.LeftUp(now) {
			leftUp++
		}
	}
	r.Metrics.Shows(unready, leftUp)
}
