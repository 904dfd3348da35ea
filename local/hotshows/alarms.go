package hotshows

import (
	"context"
	"slices"
	"sync"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// rings is how long an alarm rings whose cause nobody watches.
const rings = 5 * time.Minute

// Alarms are those of a room without CloudWatch: what it was told of in the last minutes, and shows in
// trouble. It is safe for concurrent use.
type Alarms struct {
	shows *schedule.Schedule
	now   func() time.Time

	mu   sync.Mutex
	told []api.Alarm
}

// Tell has an alarm ring for some minutes. One of the same name that rings already is told anew.
func (a *Alarms) Tell(name, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = slices.DeleteFunc(a.told, func(other api.Alarm) bool { return other.Name == name })
	a.told = append(a.told, api.Alarm{Name: name, Since: a.now().UTC(), Why: why})
}

// Ringing lists the alarms that ring now.
func (a *Alarms) Ringing(ctx context.Context) ([]api.Alarm, error) {
	now := a.now()
	a.mu.Lock()
	a.told = slices.DeleteFunc(a.told, func(other api.Alarm) bool { return now.Sub(other.Since) > rings })
	ringing := append([]api.Alarm{}, a.told...)
	a.mu.Unlock()
	entries, err := a.shows.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !slices.Contains([]hotshow.State{hotshow.Preparing, hotshow.Live, hotshow.Finishing}, entry.State) {
			continue
		}
		show, err := a.shows.Show(ctx, entry.ID)
		if err != nil {
			return nil, err
		}
		switch {
		case show.Unready(now):
			ringing = append(ringing, api.Alarm{Name: "shows-unready", Since: show.Request.ReadyBy().UTC(), Why: "The show " + show.ID + " is not ready when it should be."})
		case show.LeftUp(now):
			ringing = append(ringing, api.Alarm{Name: "shows-left-up", Since: show.Since.UTC(), Why: "The show " + show.ID + " should have been taken down."})
		}
	}
	return ringing, nil
}
