package surge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"waitingroom/shared/names"
)

// Options of a surge. Those without a comment that says otherwise are required.
type Options struct {
	Curve
	URL     string // of the room, without a trailing slash
	Event   string
	Rate    int           // visitors per minute, as the promoter has set it: for the log
	For     time.Duration // the longest time that the surge goes on after the on-sale; it ends when all are served
	NoShows float64       // the share that never claims the turn, 0 to 1
	Seed    uint64        // of arrivals, habits and secrets: another surge at the same run needs another one

	// Cache is the address of a cache in front of the room that is asked for status and seals. Without
	// one, a stand-in for the CDN is: it keeps what it may and asks the room once for all who wait.
	Cache string
	// Stale says that old statuses are served on purpose.
	Stale bool
	// Orders says that the shop is the demo shop, where visitors place an order after the checkout.
	Orders bool
	// Shop is the checkout without a room in front of it, which Storm goes to. Run does not need it.
	Shop string
	// IOwnThis allows targets that are not on this machine.
	IOwnThis bool

	// Close closes the sale as its promoter does, after the surge, so that the draw can be checked. It
	// may be nil.
	Close func(ctx context.Context) error
	// OnSecond is told of each second after it has passed, by number. It may be nil, and must be quick.
	OnSecond func(second int, s Second)

	dial       func(ctx context.Context, network, address string) (net.Conn, error) // nil: of this machine's network
	turnaround time.Duration                                                        // 0: defaultTurnaround
}

// Check names what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Visitors < 1 || o.Visitors > MostVisitors:
		return fmt.Errorf("%d visitors: give 1 to %d", o.Visitors, MostVisitors)
	case o.Over <= 0 || o.For <= 0:
		return fmt.Errorf("a crowd that comes over %s and stays for %s: give times above zero", o.Over, o.For)
	case !(o.Before >= 0 && o.Before <= 1) || !(o.NoShows >= 0 && o.NoShows <= 1):
		return fmt.Errorf("shares of %v before the on-sale and %v no-shows: give 0 to 1", o.Before, o.NoShows)
	case !names.ValidEvent(o.Event):
		return fmt.Errorf("%q is not the name of an event", o.Event)
	}
	return nil
}

// checkTargets refuses addresses that no crowd may be sent to.
func (o Options) checkTargets(targets ...string) error {
	for _, target := range targets {
		if err := CheckTarget(target, o.IOwnThis); err != nil {
			return err
		}
	}
	return nil
}

// MostVisitors of one surge over a network; memory is what bounds them, some 400 bytes each.
const MostVisitors = 2_000_000

func (o Options) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if o.dial != nil {
		return o.dial
	}
	return dialer(o.IOwnThis)
}

// The shares of visitors that do what few people do.
const (
	againShare  = 0.01 // asks to join once more with the same secret
	reloadShare = 0.01 // reloads the page while waiting
	eagerShare  = 0.01 // claims before the turn
)

// habits are what a visitor does in its own way.
type habits struct{ noShow, again, reload, eager bool }

// draw is a visitor's own randomness: 32 bytes of which the first 16 are the secret.
func (o Options) draw(i int) [32]byte {
	message := binary.BigEndian.AppendUint64([]byte("waiting-room/surge/v1"), o.Seed)
	return sha256.Sum256(binary.BigEndian.AppendUint64(message, uint64(i)))
}

// habitsOf tells by the half of the draw that is no secret.
func (o Options) habitsOf(draw [32]byte) habits {
	share := func(at int) float64 { return float64(binary.BigEndian.Uint32(draw[at:])) / (1 << 32) }
	noShow := share(16) < o.NoShows
	return habits{noShow: noShow, again: share(20) < againShare, reload: share(24) < reloadShare, eager: !noShow && share(28) < eagerShare}
}
