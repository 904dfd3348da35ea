// Package prepare is the function that is started every minute: it makes hot shows ready, sees to it
// that they come on sale, and takes down afterwards what it brought up. Every step is conditional and
// repeatable, so that two runs at once, or one that dies midway, do no harm.
package prepare

import (
	"context"
	"time"

	"waitingroom/shared/hotshow"
)

// Step brings one thing up for a show and takes it down again. Both methods are called again until they
// are done, also after a crash at any point, and never by two runs at once for one show. An error is
// for people: it says what went wrong and ends up in the show's record.
type Step interface {
	// Up returns hotshow.Up or hotshow.LeftOut when it is done, and hotshow.Begun to go on in the next run.
	Up(ctx context.Context, t *Task) (hotshow.Progress, error)
	// Down takes down what Up brought up for this show, and nothing else. It returns hotshow.Down when
	// it is done, and hotshow.Begun to go on in the next run.
	Down(ctx context.Context, t *Task) (hotshow.Progress, error)
}

// Task is what a step works on.
type Task struct {
	Show hotshow.Show // as it is stored; not to be changed
	Run  string       // names the run that works on it
	Now  time.Time
	Held map[string]string // what the step remembers of this show; changed by Hold alone
	// Hold remembers a value and stores it before it returns: what a later run has to know is held
	// before the call that it is about. An error means that nothing further may be done.
	Hold func(ctx context.Context, key, value string) error
}
