package admit

import (
	"sync"

	"waitingroom/shared/room"
)

// maxRemembered bounds what is remembered: some windows of some events, four parts each.
const maxRemembered = 4096

// fullParts remembers which parts of windows were met full, so that an environment refuses by
// itself instead of spending a write on the same answer. A part that was full stays so.
type fullParts struct {
	mu    sync.Mutex
	known map[fullPart]struct{}
}

type fullPart struct {
	run    string
	window room.Window
	part   int
}

func (f *fullParts) part(run room.Run, w room.Window, part int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, full := f.known[fullPart{run.ID, w, part}]
	return full
}

func (f *fullParts) window(run room.Run, w room.Window) bool {
	for part := range w.Parts {
		if !f.part(run, w, part) {
			return false
		}
	}
	return true
}

// remember forgets everything first when there is too much of it: that costs a write for each
// part that is still full, and no place.
func (f *fullParts) remember(run room.Run, w room.Window, part int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= maxRemembered {
		f.known = map[fullPart]struct{}{}
	}
	f.known[fullPart{run.ID, w, part}] = struct{}{}
}
