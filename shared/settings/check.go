package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// Check is Parse as far as the event's run st still lets its settings change at now; without a run
// st is room.State{Closing: room.NoCohort}. defaultShards is what a run gets whose promoter sets
// none: 1 to 128, or 0 for names.DefaultShards. Whoever judges parameters asks Check, so that a promoter
// is told what the leader does.
func Check(raw, good map[string]string, st room.State, defaultShards int, now time.Time) Result {
	if defaultShards == 0 {
		defaultShards = names.DefaultShards
	}
	wanted, moved := raw[OnSale], false
	inForce := st.OnSale.Format(time.RFC3339Nano)
	if st.Frozen() && st.Phase != room.Closed {
		good = withText(good, OnSale, inForce)
		// What is no time at all, or was removed, is left for parse to reject.
		if t, err := time.Parse(time.RFC3339, wanted); err == nil {
			moved = !t.Equal(st.OnSale)
			raw = withText(raw, OnSale, inForce)
		}
	}
	r := parse(raw, good, defaultShards)
	if moved {
		r.reject(OnSale, wanted, errors.New("the pool is closed: the on-sale cannot be moved any more"),
			inForce+" stays in force until the run is closed")
	}
	// A run keeps its shards when the deployment's default changes, which is no promoter's fault.
	if text, set := raw[shards]; set && r.Complete() && st.ID != "" && st.Phase != room.Closed && r.Settings.Shards != st.Shards {
		r.reject(shards, text, errors.New("it is read once, when a run begins"),
			fmt.Sprintf("%d stays in force until the run is closed", st.Shards))
	}
	if st.Over() && r.Complete() && !r.Settings.OnSale.Equal(st.OnSale) &&
		r.Settings.Control != room.ForceClosed && !st.Renews(r.Settings, now) {
		r.reject(OnSale, wanted, errors.New("it is past, so the closed event is not put on sale again"), "set a time to come")
	}
	if st.Over() {
		// Whoever clears away what a closed event left is not told that it is required.
		r.Rejected = slices.DeleteFunc(r.Rejected, func(x Rejection) bool { _, set := raw[x.Parameter]; return !set })
	}
	slices.SortStableFunc(r.Rejected, func(a, b Rejection) int { return strings.Compare(a.Parameter, b.Parameter) })
	return r
}

// withText is a copy of texts in which a parameter has another text.
func withText(texts map[string]string, name, text string) map[string]string {
	changed := map[string]string{}
	maps.Copy(changed, texts)
	changed[name] = text
	return changed
}
