package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"waitingroom/local/cache"
	"waitingroom/local/surge"
	"waitingroom/local/virtual"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/room"
)

// surgeOptions are the flags of the command surge.
type surgeOptions struct {
	crowd   surge.Options
	room    Options // that is started in this process
	cache   string  // nginx's path; empty: a stand-in in this process
	virtual bool
	compare bool
	folder  string // of the report
}

// spareEnvironments is how many are asked for in place of each that a plan needs, as docs/quotas-and-costs.md has it.
const spareEnvironments = 2

// troubles are the flags that say how much goes wrong.
var troubles = []string{"throttled", "lost", "unacknowledged", "kill-leader", "stale"}

// ownRoom are the flags that say how a room in this process is; one at an address is as it is.
var ownRoom = append([]string{"limits", "warm-writes", "partitioning", "api-rate", "api-burst", "environments", "shards",
	"chaos", "sdk", "cache", "compare", "shop-capacity"}, troubles...)

func parseSurge(args []string, help io.Writer) (*surgeOptions, error) {
	o := &surgeOptions{}
	c := &o.crowd
	flags := newFlags("surge")
	flags.IntVar(&c.Visitors, "visitors", 300_000, "`number` of visitors, 1 to 2000000, or 20000000 with -virtual")
	flags.DurationVar(&c.Over, "over", time.Minute, "`time` from the first arrival to the last")
	flags.Float64Var(&c.Before, "before", 0.25, "`share` that comes before the on-sale, evenly within a quarter of -over")
	flags.BoolVar(&c.Even, "even", false, "have those who come after the on-sale come evenly, and not in a spike")
	flags.Float64Var(&c.NoShows, "no-shows", 0.3, "`share` that never claims the turn")
	flags.IntVar(&c.Rate, "rate", 13_000, "`visitors` a minute that the shop can bear; with -url, what its promoter has set")
	flags.DurationVar(&c.For, "for", 2*time.Minute, "the longest `time` after the on-sale; it ends earlier when everybody has been served, and only then with -virtual")
	flags.Uint64Var(&c.Seed, "seed", 1, "`number` that arrivals and habits follow from; a second surge at the same sale needs another one")
	flags.StringVar(&c.Event, "event", "demo", "`name` of the event")
	flags.StringVar(&c.URL, "url", "", "`address` of a room that runs already, such as http://127.0.0.1:8080; without it one is started")
	flags.BoolVar(&c.IOwnThis, "i-own-this-target", false, "allow a -url that is not on this machine: a crowd is sent there")
	flags.BoolVar(&o.virtual, "virtual", false, "hold the sale in virtual time, with a forecast of what it takes and costs")
	flags.BoolVar(&o.compare, "compare", false, "send the same crowd to the same shop without the room afterwards")
	flags.StringVar(&o.folder, "report", "surge-report", "`folder` for the report as JSON and as a chart")
	nginx := flags.Bool("cache", false, "poll through nginx in front of the room, instead of a stand-in in this process")
	r := &o.room
	flags.IntVar(&r.Shards, "shards", 0, "`number` of the sale's counters, 1 to 128; 0: as planned for the crowd")
	flags.IntVar(&r.ShopCapacity, "shop-capacity", 0, "`orders` a minute beyond which the shop slows down and fails; 0: none, or the rate with -compare")
	flags.BoolVar(&r.Limits.On, "limits", true, "refuse and delay calls as the services of AWS do")
	sdk := flags.Bool("sdk", false, "call the table through the AWS SDK, as functions do in Lambda, which takes more of the machine than all the rest")
	r.Limits.register(flags)
	r.Chaos.register(flags)
	for _, planned := range []string{"warm-writes", "environments", "api-rate"} {
		flags.Lookup(planned).DefValue = "as planned for the crowd"
	}
	if err := parseFlags(flags, args, help, "go run ./local surge sends a crowd to a waiting room and judges what the room did with it."); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := o.check(given); err != nil {
		return nil, err
	}
	if *nginx {
		var err error
		if o.cache, err = cache.Find(); err != nil {
			return nil, fmt.Errorf("-cache: %w", err)
		}
	}
	r.WithoutSDK = !*sdk
	o.plan(given)
	return o, r.check(r.OnSale.Format(time.RFC3339), time.Now())
}

// check names the first flag that is wrong, or that says what the others forbid.
func (o *surgeOptions) check(given map[string]bool) error {
	c := &o.crowd
	most := surge.MostVisitors
	if o.virtual {
		most = virtual.MaxVisitors
	}
	switch {
	case c.Visitors < 1 || c.Visitors > most:
		return fmt.Errorf("-visitors: %d is not between 1 and %d", c.Visitors, most)
	case c.Over <= 0:
		return fmt.Errorf("-over: a crowd cannot come within %v, give a time such as 60s", c.Over)
	case c.For <= 0:
		return fmt.Errorf("-for: %v is no time to watch the room, give one such as 2m", c.For)
	case !(c.Before >= 0 && c.Before <= 1):
		return fmt.Errorf("-before: a share of %v is not from 0 to 1", c.Before)
	case !(c.NoShows >= 0 && c.NoShows < 1):
		return fmt.Errorf("-no-shows: a share of %v is not from 0 to below 1", c.NoShows)
	case c.Rate < 1 || c.Rate > room.MaxRate:
		return fmt.Errorf("-rate: %d is not a whole number of visitors per minute between 1 and %d", c.Rate, room.MaxRate)
	case o.room.Shards < 0 || o.room.Shards > names.MostShards:
		return fmt.Errorf("-shards: %d is not between 1 and %d", o.room.Shards, names.MostShards)
	case o.virtual && c.URL != "":
		return errors.New("-virtual: a room at an address is not virtual, leave -url out")
	case c.IOwnThis && c.URL == "":
		return errors.New("-i-own-this-target: no target is given, set -url")
	}
	if c.URL != "" {
		for _, name := range ownRoom {
			if given[name] {
				return fmt.Errorf("-%s: the room at -url is as it is, leave one of the two out", name)
			}
		}
		if err := surge.CheckTarget(c.URL, c.IOwnThis); err != nil {
			if errors.Is(err, surge.ErrTarget) {
				err = fmt.Errorf("%w: say so by -i-own-this-target", err)
			}
			return fmt.Errorf("-url: %w", err)
		}
	}
	if !o.room.Chaos.On {
		for _, name := range troubles {
			if given[name] {
				return fmt.Errorf("-%s: nothing goes wrong on purpose without -chaos, add it", name)
			}
		}
	}
	if o.virtual {
		for _, name := range slices.Concat(ownRoom, []string{"for"}) {
			if given[name] && name != "shards" {
				return fmt.Errorf("-%s: a sale in virtual time has none, leave one of the two out", name)
			}
		}
	}
	return nil
}

// plan fills in what a team would have provisioned for this crowd.
func (o *surgeOptions) plan(given map[string]bool) {
	c, r := &o.crowd, &o.room
	needs := plan.New(plan.Expected{Visitors: c.Visitors, Over: c.Over, Rate: c.Rate, Peak: c.Peak()})
	if r.Shards == 0 {
		r.Shards = needs.Shards
	}
	if !given["warm-writes"] {
		r.Limits.WarmWrites = needs.WarmWrites
	}
	if !given["environments"] {
		r.Limits.Environments = max(r.Limits.Environments, spareEnvironments*needs.Environments)
	}
	if !given["api-rate"] {
		r.Limits.APIRate = max(r.Limits.APIRate, needs.API)
	}
	if o.compare && r.ShopCapacity == 0 {
		r.ShopCapacity = c.Rate
	}
	r.Listen, r.AWSListen = "127.0.0.1:0", "127.0.0.1:0"
	r.Event, r.Rate = c.Event, c.Rate
	r.OnSale = time.Now().Add(time.Minute) // until the room is started
}
