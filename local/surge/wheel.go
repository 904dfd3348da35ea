package surge

// none ends a list of visitors.
const none = -1

// horizon is how many milliseconds ahead a wheel looks: a minute and some seconds, as the longest wait
// between two polls.
const horizon = 1 << 16

// wheel keeps at most one timer for each visitor, in milliseconds since the beginning. Setting one and
// having it fire cost some nanoseconds and allocate nothing, however many there are.
type wheel struct {
	slots []int32 // the first visitor of each millisecond
	next  []int32 // the visitor after each one in the same slot
	now   int64   // the last millisecond that has fired
}

func newWheel(visitors int) *wheel {
	w := &wheel{slots: make([]int32, horizon), next: make([]int32, visitors)}
	for i := range w.slots {
		w.slots[i] = none
	}
	return w
}

// set has visitor i fire at a millisecond. One that has passed fires at the next advance, one beyond
// the horizon fires at the horizon: the visitor looks whether anything is due.
func (w *wheel) set(i int32, at int64) {
	at = min(max(at, w.now+1), w.now+horizon-1)
	slot := &w.slots[at%horizon]
	w.next[i], *slot = *slot, i
}

// advance fires all timers up to the millisecond to.
func (w *wheel) advance(to int64, fire func(i int32)) {
	for w.now < to {
		w.now++
		slot := &w.slots[w.now%horizon]
		i := *slot
		*slot = none
		for i != none {
			next := w.next[i] // fire may set the timer again
			fire(i)
			i = next
		}
	}
}
