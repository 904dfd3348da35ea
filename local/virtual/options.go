package virtual

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"waitingroom/local/surge"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

const (
	// MaxVisitors keeps a sale within some gigabytes: it takes almost a kilobyte a visitor.
	MaxVisitors = 20_000_000
	// longestLine is the longest that a line may take to empty at the rate. Beyond it nobody would wait,
	// and the table forgets visitors after 90 days.
	longestLine = 14 * 24 * time.Hour
	// defaultPreQueue is the parameter's default.
	defaultPreQueue = 30 * time.Minute
)

// Options are those of a sale in virtual time.
type Options struct {
	surge.Curve               // of 1 to MaxVisitors
	PreQueue    time.Duration // how long before the on-sale people can join; 0 for the default of 30 minutes
	NoShows     float64       // the share that waits and then does not claim the turn, from 0 to below 1
	Rate        int           // visitors per minute, 1 to room.MaxRate
	Shards      int           // 1 to names.MostShards; 0 for the default
	Seed        uint64        // the same seed and options give the same log
	Event       string        // empty for "demo"

	Progress func(Progress) // once every minute of the sale, if set
	Log      *slog.Logger   // of what goes wrong in the room; nil for nowhere
}

// Progress is how far a sale has come.
type Progress struct {
	At                        time.Duration // since the beginning
	Arrived, Joined, Admitted int64
	Line                      int64 // the last position given out
	Pointer                   int64 // positions up to this one may enter
}

// withDefaults fills in what was left out, or says what is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.Event == "" {
		o.Event = "demo"
	}
	if o.PreQueue == 0 {
		o.PreQueue = defaultPreQueue
	}
	if o.Shards == 0 {
		o.Shards = names.DefaultShards
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, o.check()
}

func (o Options) check() error {
	if err := settings.CheckEvent(o.Event); err != nil {
		return err
	}
	switch {
	case o.Visitors < 1 || o.Visitors > MaxVisitors:
		return fmt.Errorf("%d visitors: a sale in virtual time has 1 to %d", o.Visitors, MaxVisitors)
	case o.Over < time.Second || o.Over > 7*24*time.Hour:
		return fmt.Errorf("visitors who come over %v: give a time between 1s and 168h", o.Over)
	case !(o.Before >= 0 && o.Before <= 1):
		return fmt.Errorf("a share of %v before the on-sale: give a number from 0 to 1", o.Before)
	case o.PreQueue < 0 || o.PreQueue > 7*24*time.Hour:
		return fmt.Errorf("a pre-queue of %v: give a time up to 168h", o.PreQueue)
	case !(o.NoShows >= 0 && o.NoShows < 1):
		return fmt.Errorf("a share of %v no-shows: give a number from 0 to below 1", o.NoShows)
	case o.Rate < 1 || o.Rate > room.MaxRate:
		return fmt.Errorf("a rate of %d: give a whole number of visitors per minute between 1 and %d", o.Rate, room.MaxRate)
	case o.Shards < 1 || o.Shards > names.MostShards:
		return fmt.Errorf("%d shards: give 1 to %d", o.Shards, names.MostShards)
	case o.longest() > longestLine:
		return fmt.Errorf("%d visitors at %d a minute take %v: raise the rate, a line may take up to %v",
			o.Visitors, o.Rate, o.longest().Round(time.Hour), longestLine)
	}
	return nil
}

// longest is the time in which the line is let in, if everybody comes.
func (o Options) longest() time.Duration {
	minutes := math.Ceil(float64(o.Visitors) / float64(max(o.Rate, 1)))
	return time.Duration(min(minutes, 1e8)) * time.Minute
}
