package virtual

import "time"

// grain is how finely time is told apart: everything happens at a multiple of it.
const grain = 10 * time.Millisecond

// deed is what a visitor is about to do.
type deed uint8

const (
	polls deed = iota
	joins
	claims
)

// plan is a visitor's next deed.
type plan struct {
	visitor uint32
	deed    deed
}

// agenda holds the plans by their moment, and within a moment in the order in which they were made, so
// that the seed alone decides.
type agenda struct {
	at    map[int64][]plan
	spare [][]plan
}

func newAgenda() *agenda { return &agenda{at: map[int64][]plan{}} }

// add plans for the first moment that is not before when, and after now.
func (a *agenda) add(now, when time.Duration, p plan) {
	moment := max(int64((when+grain-1)/grain), int64(now/grain)+1)
	list, ok := a.at[moment]
	if n := len(a.spare); !ok && n > 0 {
		list, a.spare = a.spare[n-1], a.spare[:n-1]
	}
	a.at[moment] = append(list, p)
}

// due takes out the plans of a moment. Give them to done when they are carried out.
func (a *agenda) due(now time.Duration) []plan {
	moment := int64(now / grain)
	list := a.at[moment]
	delete(a.at, moment)
	return list
}

// done keeps the space of a list for plans to come.
func (a *agenda) done(list []plan) {
	if list != nil {
		a.spare = append(a.spare, list[:0])
	}
}
