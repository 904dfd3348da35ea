package prepare

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// commentFor is how long one comment may take.
const commentFor = 5 * time.Second

// job is what one run does for one show.
type job struct {
	*run
	entry  schedule.Entry
	show   hotshow.Show
	stored hotshow.Show // as it was read or stored last; the zero Show if it could not be read
	log    *slog.Logger
	tried  map[hotshow.Step]bool // in this run
	sale   *hotshow.Sale         // asked for once

	changes []hotshow.Change // to be stored with the show
	unsaved bool             // the show differs from what is stored
	lost    error            // of reading or storing it: nothing further may be done
}

// read gets to know the show. All are read before any is worked on, so that the metrics lack none.
func (j *job) read() error {
	show, err := j.Shows.Show(j.working, j.entry.ID)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	j.show = show
	j.isStored()
	return nil
}

// isStored keeps the show as it is by now apart from what is done to it.
func (j *job) isStored() {
	j.stored = j.show
	j.stored.Steps = maps.Clone(j.show.Steps)
}

// setEvent sets the event's parameters, or closes the event, if that is what the show needs now. Any other
// step comes later, under a lease of its own.
func (j *job) setEvent() error {
	if j.isAnothers() {
		return nil
	}
	j.move()
	if step, some := j.next(); !some || step != hotshow.Parameters {
		return nil
	}
	if err := j.work(hotshow.Parameters); err != nil {
		return err
	}
	return j.giveBack()
}

// do drives the show as far forward as it goes now. What would be the same as it is stored takes no
// lease and writes nothing.
func (j *job) do() error {
	if j.isAnothers() {
		j.log.Info("show is another run's", "run", j.show.Lease.Run)
		return nil
	}
	j.move()
	for step, some := j.next(); some && j.working.Err() == nil; step, some = j.next() {
		if err := j.work(step); err != nil {
			return err
		}
		j.move()
	}
	if err := j.comment(); err != nil {
		return err
	}
	return j.giveBack()
}

func (j *job) isAnothers() bool {
	return j.show.Lease.Run != "" && j.Now().Before(j.show.Lease.Until)
}

// take makes the show this run's own as soon as it is saved, which is before the first call for it.
func (j *job) take() {
	if j.show.Lease.Run != j.id {
		j.show.Lease = hotshow.Lease{Run: j.id, Until: j.began.Add(leaseFor)}
		j.unsaved = true
	}
}

// giveBack stores what has come of the show, and that it is nobody's. If it fails, the lease runs out by
// itself, and what is not stored is done again.
func (j *job) giveBack() error {
	if !j.unsaved && j.show.Lease.Run != j.id {
		return nil
	}
	j.show.Lease = hotshow.Lease{}
	if err := j.save(); err != nil {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return nil
}

// move makes the changes of state that are due.
func (j *job) move() {
	for {
		now := j.Now()
		changes := j.show.Move(now, j.askSale(now))
		if len(changes) == 0 {
			return
		}
		j.note(changes...)
	}
}

// askSale asks how the sale stands if that matters now, once in a run.
func (j *job) askSale(now time.Time) hotshow.Sale {
	if !j.show.AsksForSale(now) {
		return hotshow.Sale{}
	}
	if j.sale == nil {
		ctx, cancel := context.WithTimeout(j.working, stepFor)
		defer cancel()
		sale, err := j.Sales.Sale(ctx, j.show)
		switch {
		case err != nil:
			j.log.Warn("show kept up, since nobody knows how its sale stands", "error", err)
			sale = hotshow.Sale{}
		case sale.Another && schedule.AnotherHas(j.entries, j.show):
			sale = hotshow.Sale{Known: true} // its own is over
		}
		j.sale = &sale
	}
	return *j.sale
}

// next is the next step to work on that was not tried yet in this run.
func (j *job) next() (hotshow.Step, bool) {
	now := j.Now()
	steps := append(j.show.ToBringUp(now), j.show.ToTakeDown(now)...)
	steps = slices.DeleteFunc(steps, func(step hotshow.Step) bool { return j.tried[step] })
	if len(steps) == 0 {
		return "", false
	}
	return steps[0], true
}

// work makes one attempt at a step. What came of it is stored with whatever is stored next: a step is
// repeatable, so a crash before that costs another attempt. The error is of storing.
func (j *job) work(step hotshow.Step) error {
	j.tried[step] = true
	j.take()
	if j.show.Steps[step].Progress == hotshow.Waiting {
		// Stored before the first call that has an effect: whoever takes the show down has to know.
		j.put(step, func(w *hotshow.Work) { w.Progress = hotshow.Begun })
	}
	if j.unsaved {
		if err := j.save(); err != nil {
			return fmt.Errorf("step %s: %w", step, err)
		}
	}
	before := j.show.Steps[step]
	progress, err := j.attempt(step)
	switch {
	case j.lost != nil:
		return fmt.Errorf("step %s: %w", step, j.lost)
	case err != nil && j.working.Err() != nil:
		// The run's time is over, which is not the step's fault.
	case err != nil:
		j.failed(step, err)
	case progress != before.Progress || !before.Next.IsZero():
		j.show.Came(step, progress)
		j.unsaved = true
		j.came(step, progress)
	}
	return nil
}

// attempt calls the step. An answer that is none counts as an error, and so does a panic.
func (j *job) attempt(step hotshow.Step) (progress hotshow.Progress, err error) {
	ctx, cancel := context.WithTimeout(j.working, stepFor)
	defer cancel()
	defer func() {
		if trouble := recover(); trouble != nil {
			j.log.Error("step panics", "step", step, "error", trouble, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", trouble)
		}
	}()
	do, answers := j.Steps[step].Up, []hotshow.Progress{hotshow.Begun, hotshow.Up, hotshow.LeftOut}
	if j.show.State == hotshow.Finishing {
		do, answers = j.Steps[step].Down, []hotshow.Progress{hotshow.Begun, hotshow.Down}
	}
	progress, err = do(ctx, j.task(step))
	if err == nil && !slices.Contains(answers, progress) {
		err = fmt.Errorf("the step answers %q", progress)
	}
	return progress, err
}

func (j *job) task(step hotshow.Step) *Task {
	held := maps.Clone(j.show.Steps[step].Held)
	if held == nil {
		held = map[string]string{}
	}
	show := j.show
	show.Steps = maps.Clone(show.Steps)
	return &Task{Show: show, Run: j.id, Now: j.Now(), Held: held, Hold: func(_ context.Context, key, value string) error {
		j.put(step, func(w *hotshow.Work) {
			w.Held = maps.Clone(w.Held)
			if w.Held == nil {
				w.Held = map[string]string{}
			}
			w.Held[key] = value
		})
		if err := j.save(); err != nil {
			return fmt.Errorf("hold %s: %w", key, err)
		}
		held[key] = value
		return nil
	}}
}

func (j *job) failed(step hotshow.Step, err error) {
	now := j.Now()
	j.show.Fail(step, err.Error(), now)
	j.unsaved = true
	work := j.show.Steps[step]
	if work.Failures == 1 {
		j.note(j.show.Note(step, "failed, and is tried again: "+work.Trouble, now))
	}
	level := slog.LevelWarn
	if j.show.Unready(now) || j.show.LeftUp(now) {
		level = slog.LevelError
	}
	j.log.Log(context.Background(), level, "step failed", "step", step, "state", j.show.State, "failures", work.Failures, "next", work.Next, "error", err)
}

func (j *job) came(step hotshow.Step, progress hotshow.Progress) {
	switch progress {
	case hotshow.Up:
		j.log.Info("step is up", "step", step)
		j.note(j.show.Note(step, "is up", j.Now()))
	case hotshow.LeftOut:
		j.log.Info("step is left out", "step", step)
		j.note(j.show.Note(step, "is left out: there is nothing to bring up", j.Now()))
	case hotshow.Down:
		j.log.Info("step is down", "step", step)
		if step == hotshow.Concurrency || step == hotshow.Product {
			j.note(j.show.Note(step, "is taken down", j.Now()))
		}
	case hotshow.Begun:
		j.log.Info("step goes on in the next run", "step", step)
	}
}

// comment tells the show's issue of the changes of its state. It never holds anything up: what could
// not be told is tried again later, ever more rarely. The error is of storing.
func (j *job) comment() error {
	if j.working.Err() != nil || !j.show.ToTell(j.Now()) {
		return nil
	}
	if j.Comments == nil {
		j.show.Tell(j.show.Changes) // Jira is connected no more
		j.unsaved = true
		return nil
	}
	j.take()
	if j.unsaved { // the history has to have what is told
		if err := j.save(); err != nil {
			return err
		}
	}
	changes, err := j.Shows.History(j.working, j.show.ID)
	if err != nil {
		j.log.Warn("history not read, its issue is told later", "error", err)
		return nil
	}
	for _, c := range changes {
		if c.Number <= j.show.Jira.Told {
			continue
		}
		if c.Step == "" {
			if err := j.commentOn(c); err != nil {
				j.log.Warn("comment not written", "issue", j.show.Jira.Issue, "change", c.Number, "error", err)
				j.show.TellLater(j.Now())
				j.unsaved = true
				return nil
			}
		}
		j.show.Tell(c.Number)
		j.unsaved = true
	}
	return nil
}

func (j *job) commentOn(c hotshow.Change) error {
	ctx, cancel := context.WithTimeout(j.working, commentFor)
	defer cancel()
	return j.Comments.Comment(ctx, j.show.Jira.Issue, c.Number, c.Sentence())
}

func (j *job) put(step hotshow.Step, change func(*hotshow.Work)) {
	w := j.show.Steps[step]
	change(&w)
	j.show.Steps[step] = w
	j.unsaved = true
}

func (j *job) note(changes ...hotshow.Change) {
	j.changes = append(j.changes, changes...)
	j.unsaved = true
}

// save stores the show and its changes, under the condition that nobody else has changed it. After an
// error nothing more is done for the show, also if only the answer was lost: whoever changed it may not
// want it done.
func (j *job) save() error {
	if j.lost != nil {
		return j.lost
	}
	if err := j.Shows.Save(j.saving, &j.show, j.changes...); err != nil {
		j.lost = err
		return err
	}
	for _, c := range j.changes {
		if c.From != c.To {
			j.log.Info("show is "+string(c.To), "why", c.Why)
		} else if c.Step == "" {
			j.log.Warn("show is late", "why", c.Why)
		}
	}
	j.changes, j.unsaved = nil, false
	j.isStored()
	return nil
}
