// Package schedule keeps hot shows in the room's table: each show with its history, a short entry of it
// among those that are open or those that have ended, what each event is taken for, what shows hold of
// things that they share, and for a day when an issue in Jira was last heard of.
//
// All keys begin with HOTSHOW, so that functions of hot shows can be kept from visitors' items. Every
// write is conditional, or harmless when repeated.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"waitingroom/shared/hotshow"
)

// Any error of a write that is none of these means that the outcome is unknown: read the show again.
var (
	// ErrNotFound means that there is no such show.
	ErrNotFound = errors.New("no such show")
	// ErrExists means that there is a show of that id already: read it.
	ErrExists = errors.New("a show of that id exists")
	// ErrStale means that the show was changed since it was read: stop, and read it again.
	ErrStale = errors.New("somebody else changed the show")
)

// Taken means that the event has another show whose time, from when its preparation begins to when it
// is taken down, overlaps: cancel that one, or choose another time.
type Taken struct{ By string } // id of the other show

func (t *Taken) Error() string { return fmt.Sprintf("the event has the show %s at that time", t.By) }

// Entry is a show's line in a list.
type Entry struct {
	ID     string
	Event  string
	Name   string // one of its names
	State  hotshow.State
	OnSale time.Time
	Due    time.Time // when there is something to do; zero: never
}

// ended says whether nothing is ever due for the show again. One that is over stays open until its issue
// in Jira was told, or will not be.
func (e Entry) ended() bool { return e.State.Final() && e.Due.IsZero() }

// Place is that of the entry in the list of all shows.
func (e Entry) Place() Place { return Place{Ended: e.ended(), OnSale: e.OnSale.UTC(), ID: e.ID} }

// Place is one in the list of all shows: behind one of them, or behind none if it has no ID. The zero
// Place is before all.
type Place struct {
	Ended  bool      // among the shows that have ended
	OnSale time.Time // of the show, to the second
	ID     string
}

// Page is a part of the list of all shows.
type Page struct {
	Entries []Entry
	Next    *Place // where the list goes on; nil at its end
}

// AnotherHas says whether the event of a show is being set for another one by now, or has been: whether one
// of the entries is of such a show.
func AnotherHas(entries []Entry, show hotshow.Show) bool {
	begun := []hotshow.State{hotshow.Preparing, hotshow.Ready, hotshow.Live}
	return slices.ContainsFunc(entries, func(e Entry) bool {
		return e.Event == show.Request.Event && e.ID != show.ID && slices.Contains(begun, e.State)
	})
}

// Holding is what shows together hold of a thing that they share, such as the provisioned concurrency of
// a function.
type Holding struct {
	Base  int            `json:"base"`  // what was there before the first show came
	Units map[string]int `json:"units"` // what each show needs, by its id
	Set   int            `json:"set"`   // what was last asked for; what is there else is somebody else's doing
	Lease hotshow.Lease  `json:"lease,omitzero"`

	Changed time.Time `json:"changed,omitzero"` // when Set was asked for, to the minute
}
