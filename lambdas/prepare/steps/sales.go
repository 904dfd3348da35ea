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

// Sale says how many people are left for whom the show is kept up. An event without a status has never
// begun, so there are none. An error means that nobody knows: what is up stays up.
func (s *Sales) Sale(ctx context.Context, show hotshow.Show) (hotshow.Sale, error) {
	event := show.Request.Event
	status, found, err := s.room.Status(ctx, event)
	if err != nil {
		return hotshow.Sale{}, err
	}
	if !found {
		return hotshow.Sale{Known: true}, nil
	}
	sale := hotshow.Sale{Known: true, Another: !ofShow(status, show)}
	switch status.Phase {
	case room.SoldOut, room.Closed:
		return sale, nil
	case room.Scheduled, room.PreQueue:
		sale.Waiting = true
		return sale, nil
	case room.Open, room.Paused:
		// Those who came since then are in no old document.
		written, err := time.Parse(time.RFC3339, status.Time)
		if err != nil || s.now().Sub(written) > oldStatus {
			return hotshow.Sale{}, fmt.Errorf("the status of %s was last written at %.40q: see whether tick runs", event, status.Time)
		}
		sale.Line, sale.Turns = status.Line-status.Admitted, status.Admitted-status.Expired
		sale.Window = time.Duration(status.ClaimWindow) * time.Second
		sale.Waiting = status.Phase == room.Paused && sale.Line > 0
		return sale, nil
	}
	return hotshow.Sale{}, fmt.Errorf("the status of %s has the unknown phase %.40q", event, status.Phase)
}

// ofShow says whether the status is of the sale that the show has set: at its on-sale, or at the one that
// it has set in place of that.
func ofShow(status room.Status, show hotshow.Show) bool {
	return moment(status.OnSale).Equal(show.Request.OnSale) || same(status.OnSale, show.Steps[hotshow.Parameters].Held[heldLate])
}
