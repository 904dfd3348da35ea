package admit

import (
	"sync"

	"waitingroom/shared/room"
)

// maxRemembered bounds what is remembered: some windows of some events, four parts each.
const maxRemembered = 4096

// fullParts remembers which parts of windows were met full, so that an environment refuses by
// itself instead of spending a write on the same answer. A part that was full stays so, unless its
// limit is raised.
type fullParts struct {
	mu    sync.Mutex
	known map[fullPart]int64 // the highest limit at which it was full
}

type fullPart struct {
	run    string
	window room.Window
	part   int
}

func (f *fullParts) part(run room.Run, w room.Window, part int, limit int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, full := f.known[fullPart{run.ID, w, part}]
	return full && limit <= at
}

func (f *fullParts) window(run room.Run, w room.Window, rate int) bool {
	for part := range w.Parts {
		if !f.part(run, w, part, w.PartLimit(rate, part)) {
			return false
		}
	}
	return true
}

// remember forgets everything first when there is too much of it: that costs a write for each
// part that is still full, and no place.
func (f *fullParts) remember(run room.Run, w room.Window, part int, limit int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= maxRemembered {
		f.known = map[fullPart]int64{}
	}
	k := fullPart{run.ID, w, part}
	f.known[k] = max(f.known[k], limit)
}
