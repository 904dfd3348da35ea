package steps

import (
	"context"
	"fmt"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
)

// oldStatus is how old the status of a running sale may be before it counts for nothing: it is
// written every five seconds, and clocks differ.
const oldStatus = time.Minute

// Sales tells how sales stand by the document that visitors' pages poll.
type Sales struct {
	room *Room
	now  func() time.Time
}

// NewSales reads sales through the room's public address.
func NewSales(room *Room, now func() time.Time) *Sales { return &Sales{room, now} }

// Sale says how many people are left for whom an event is kept up: until the last turn that was given
// has run out. An event without a status has never begun, so there are none. An error means that nobody
// knows: what is up stays up.
func (s *Sales) Sale(ctx context.Context, event string) (hotshow.Sale, error) {
	status, found, err := s.room.Status(ctx, event)
	if err != nil {
		return hotshow.Sale{}, err
	}
	if !found {
		return hotshow.Sale{Known: true}, nil
	}
	switch status.Phase {
	case room.SoldOut, room.Closed:
		return hotshow.Sale{Known: true}, nil
	case room.Scheduled, room.PreQueue:
		return hotshow.Sale{Known: true, Waiting: true}, nil
	case room.Open, room.Paused:
		// Those who came since then are in no old document.
		written, err := time.Parse(time.RFC3339, status.Time)
		if err != nil || s.now().Sub(written) > oldStatus {
			return hotshow.Sale{}, fmt.Errorf("the status of %s was last written at %.40q: see whether tick runs", event, status.Time)
		}
		left := status.Line - status.Expired
		return hotshow.Sale{Known: true, Waiting: status.Phase == room.Paused && left > 0, People: left}, nil
	}
	return hotshow.Sale{}, fmt.Errorf("the status of %s has the unknown phase %.40q", event, status.Phase)
}
