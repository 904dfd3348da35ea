package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"waitingroom/local/shop"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

// Options are the command's flags.
type Options struct {
	Listen           string // of the page, the API and the shop
	AWSListen        string // of DynamoDB and Parameter Store
	Event            string
	OnSale           time.Time
	Rate             int    // visitors per minute
	DynamoDBEndpoint string // empty: the engine in this process
	Secret           string // empty: drawn anew at every start
	Shards           int    // of the sale's counters; 0: as many as a deployment has that says nothing
	ShopCapacity     int    // orders a minute that the demo shop can complete; 0: any number
	WithoutSDK       bool   // the store's calls reach the engine in this process directly
	HotShows         HotShows
	Limits           Limits
	Chaos            Chaos
}

func parseOptions(args []string, help io.Writer) (Options, error) {
	return parseOptionsAt(args, help, time.Now())
}

// parseOptionsAt reads the flags; now is what a duration in -onsale counts from.
func parseOptionsAt(args []string, help io.Writer, now time.Time) (Options, error) {
	var o Options
	var onsale string
	flags := newFlags("local")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "`address` of the page at /<event>, the API at /v1 and the shop at /shop")
	flags.StringVar(&o.AWSListen, "aws-listen", "127.0.0.1:8081", "`address` that speaks DynamoDB and Parameter Store, and what else hot shows need")
	flags.StringVar(&o.Event, "event", "demo", "`name` of the event on sale")
	flags.StringVar(&onsale, "onsale", "30s", "when the sale opens: a `time` from now, or RFC 3339 with offset")
	flags.IntVar(&o.Rate, "rate", 60, "`visitors` per minute that the shop can bear, 1 to 60000")
	flags.StringVar(&o.DynamoDBEndpoint, "dynamodb-endpoint", "", "`address` of another engine, such as DynamoDB Local")
	flags.StringVar(&o.Secret, "secret", "", "`text` of 32 or more characters that keys are derived from; with the same one and -dynamodb-endpoint, places outlive a restart")
	flags.IntVar(&o.ShopCapacity, "shop-capacity", 0, "`orders` a minute beyond which the demo shop slows down and fails; 0: none")
	flags.BoolVar(&o.Limits.On, "limits", false, "refuse and delay calls as the services of AWS do")
	o.Limits.register(flags)
	o.HotShows.register(flags)
	err := parseFlags(flags, args, help, "go run ./local runs the whole waiting room on this machine.\ngo run ./local surge sends a crowd to it (see go run ./local surge -help).\n"+
		"go run ./local plan says what a sale needs and costs (see go run ./local plan -help).\n"+
		"go run ./local show asks for hot shows, approves and watches them (see go run ./local show -help).")
	if err != nil {
		return o, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := o.HotShows.check(given); err != nil {
		return o, err
	}
	return o, o.check(onsale, now)
}

func (o *Options) check(onsale string, now time.Time) error {
	if err := settings.CheckEvent(o.Event); err != nil {
		return fmt.Errorf("-event: %w", err)
	}
	if o.Rate < 1 || o.Rate > room.MaxRate {
		return fmt.Errorf("-rate: %d is not a whole number of visitors per minute between 1 and %d", o.Rate, room.MaxRate)
	}
	var err error
	if o.OnSale, err = parseOnSale(onsale, now); err != nil {
		return err
	}
	// What Parameter Store is given has to be what tick takes.
	result := settings.Parse(map[string]string{settings.OnSale: o.OnSale.UTC().Format(time.RFC3339)}, nil)
	for _, rejected := range result.Rejected {
		return fmt.Errorf("-onsale: %s", rejected.Reason)
	}
	if err := checkAddress("-listen", o.Listen); err != nil {
		return err
	}
	if err := checkAddress("-aws-listen", o.AWSListen); err != nil {
		return err
	}
	if o.Secret != "" && len(o.Secret) < 32 {
		return fmt.Errorf("-secret: %d characters are too few, give at least 32", len(o.Secret))
	}
	if err := checkShopCapacity(o.ShopCapacity); err != nil {
		return err
	}
	if err := o.Limits.check(); err != nil {
		return err
	}
	if err := o.Chaos.check(); err != nil {
		return err
	}
	if o.HotShows.On && o.Limits.On {
		return errors.New("-limits: they do not rise as a hot show raises the table's throughput, leave one of the two out")
	}
	if o.DynamoDBEndpoint == "" {
		return nil
	}
	if o.Limits.On {
		return errors.New("-limits: another engine has its own: leave -dynamodb-endpoint out")
	}
	if u, err := url.Parse(o.DynamoDBEndpoint); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("-dynamodb-endpoint: %q is not an address such as http://127.0.0.1:8000", o.DynamoDBEndpoint)
	}
	return nil
}

// parseOnSale rounds to whole seconds, which is what Parameter Store is given.
func parseOnSale(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).Round(time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("-onsale: %q is neither a time from now such as 30s nor RFC 3339 with offset such as 2026-11-21T10:00:00Z", text)
	}
	return t, nil
}

func checkShopCapacity(perMinute int) error {
	if perMinute != 0 && perMinute < shop.LeastCapacity {
		return fmt.Errorf("-shop-capacity: %d orders a minute: give at least %d, or 0 for a shop that bears any number", perMinute, shop.LeastCapacity)
	}
	return nil
}

func checkAddress(name, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %q is not an address such as 127.0.0.1:8080", name, address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || strings.ContainsAny(host, " /") {
		return fmt.Errorf("%s: %q is not an address such as 127.0.0.1:8080", name, address)
	}
	return nil
}
