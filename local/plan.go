package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

const (
	longestKept  = 14 * 24 * time.Hour
	usualNoShows = 0.3
	// usuallyKept is for how long a hot show keeps provisioned concurrency by default: from two hours before
	// the on-sale to four hours after it.
	usuallyKept = 6 * time.Hour
)

// planOptions are the flags of the command plan.
type planOptions struct {
	expected plan.Expected
	now      time.Time
	onsale   time.Time // zero: nobody said
	noShows  float64
	kept     time.Duration
	json     bool
}

// runPlan prints what a sale needs and returns the exit status. What is wrong with a flag is one line.
func runPlan(args []string, stdout, stderr io.Writer) int {
	o, err := parsePlan(args, stdout, time.Now())
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "plan: %v (see plan -help)\n", err)
		return exit.Usage
	}
	write := o.writeText
	if o.json {
		write = o.writeJSON
	}
	if err := write(stdout); err != nil {
		fmt.Fprintf(stderr, "plan: %v\n", err)
		return exit.Failed
	}
	return 0
}

func parsePlan(args []string, help io.Writer, now time.Time) (*planOptions, error) {
	o := &planOptions{now: now}
	var onsale string
	flags := newFlags("plan")
	flags.IntVar(&o.expected.Visitors, "visitors", 300_000, "`number` of visitors, 1 to 20000000")
	flags.DurationVar(&o.expected.Over, "over", time.Minute, "`time` in which they come, 1s to 720h")
	flags.IntVar(&o.expected.Rate, "rate", 13_000, "`visitors` a minute that the shop can bear, 1 to 60000")
	flags.DurationVar(&o.expected.Open, "open", plan.UsuallyOpen, "for how `long` after the on-sale the event is open, 1s to 2160h; a hot show's closes says so")
	flags.StringVar(&onsale, "onsale", "", "`when` the sale opens: RFC 3339 with offset, for dates in the plan")
	flags.Float64Var(&o.noShows, "no-shows", usualNoShows, "`share` of those in line who do not claim their turn, 0 to below 1")
	flags.DurationVar(&o.kept, "kept", usuallyKept, "for how `long` provisioned concurrency is kept up; a hot show keeps it from two hours before its on-sale to four hours after")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if err := parseFlags(flags, args, help, "go run ./local plan prints what a sale needs of AWS, how long people wait and what it costs."); err != nil {
		return nil, err
	}
	return o, o.check(onsale)
}

// check names the first flag that is wrong.
func (o *planOptions) check(onsale string) error {
	e := o.expected
	switch {
	case e.Visitors < 1 || e.Visitors > hotshow.MostVisitors:
		return fmt.Errorf("-visitors: %d is not between 1 and %d", e.Visitors, hotshow.MostVisitors)
	case e.Over < hotshow.ShortestOver || e.Over > hotshow.LongestOver:
		return fmt.Errorf("-over: %v is not between 1s and 720h", e.Over)
	case e.Rate < 1 || e.Rate > room.MaxRate:
		return fmt.Errorf("-rate: %d is not a whole number of visitors per minute between 1 and %d", e.Rate, room.MaxRate)
	case e.Open < time.Second || e.Open > hotshow.LongestOpen:
		return fmt.Errorf("-open: %v is not between 1s and 2160h", e.Open)
	case !(o.noShows >= 0 && o.noShows < 1):
		return fmt.Errorf("-no-shows: a share of %v is not from 0 to below 1", o.noShows)
	case o.kept < 0 || o.kept > longestKept:
		return fmt.Errorf("-kept: %v is not between 0 and %v", o.kept, longestKept)
	case onsale == "":
		return nil
	}
	var err error
	if o.onsale, err = settings.ParseTime(onsale); err != nil {
		return fmt.Errorf("-onsale: %w", err)
	}
	if !o.onsale.After(o.now) {
		return fmt.Errorf("-onsale: %s is past, give a time to come", onsale)
	}
	return nil
}

// writeText prints the plan for people.
func (o *planOptions) writeText(w io.Writer) error {
	p := plan.New(o.expected)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("%s visitors in %s, let in at %s a minute", grouped(o.expected.Visitors), plan.Spell(o.expected.Over), grouped(o.expected.Rate))
	line("")
	if warnings := p.Warnings(); len(warnings) > 0 {
		line("Mind")
		for _, warning := range warnings {
			line("  %s.", warning)
		}
		line("")
	}
	o.writeNeeds(line, p)
	o.writeQuotas(line, p)
	o.writeWaits(line, p)
	o.writeCosts(line, p)
	return t.Flush()
}

func (o *planOptions) writeNeeds(line func(string, ...any), p plan.Plan) {
	line("Set for the sale, %s; a hot show does it by itself", o.before(plan.SetLead, "an hour before it at the latest"))
	line("  shards\t%d", p.Shards)
	line("  warm throughput\t%s writes and %s reads a second", grouped(p.WarmWrites), grouped(p.WarmReads))
	line("  provisioned concurrency\t%s of join, %s of admit", grouped(p.Join), grouped(p.Admit))
	line("")
	line("In the busiest second, if people come evenly")
	line("  joins\t%s", grouped(p.Joins))
	line("  admissions asked for\t%s", grouped(p.Admissions))
	line("  writes and reads of the table\t%s and %s", grouped(p.Writes), grouped(p.Reads))
	line("")
}

func (o *planOptions) writeQuotas(line func(string, ...any), p plan.Plan) {
	line("Quotas\tneeded\tdefault")
	raised, shared := false, false
	for _, q := range p.Quotas {
		word := "enough"
		if q.Raise {
			word, raised, shared = "RAISE: "+q.Code, true, shared || q.Needed <= q.Default
		}
		line("  %s\t%s\t%s\t%s", q.Name, grouped(q.Needed), grouped(q.Default), word)
	}
	if raised {
		line("  Ask for them %s: an increase can take days.", o.before(plan.QuotaLead, "a week before the on-sale"))
	}
	if shared {
		line("  One of which a sale takes more than three quarters is raised too: other systems of the account share it.")
	}
	line("  Some accounts and regions have less: see docs/quotas-and-costs.md.")
	line("")
}

// before is a time that lies so long before the on-sale, or in words.
func (o *planOptions) before(lead time.Duration, otherwise string) string {
	switch {
	case o.onsale.IsZero():
		return otherwise
	case o.onsale.Sub(o.now) < lead:
		return "at once"
	}
	return "by " + o.onsale.Add(-lead).Format("Monday, 2 January 2006, 15:04 -07:00")
}

func (o *planOptions) writeWaits(line func(string, ...any), p plan.Plan) {
	line("Waits from the on-sale, if all are there by then\tmedian\tnine of ten\tlast\twho comes last")
	for _, waits := range []plan.Waits{p.Waits(0), p.Waits(o.noShows)} {
		line("  %.0f %% do not claim their turn\t%s\t%s\t%s\t%s", 100*waits.NoShows,
			clock(waits.Median), clock(waits.Ninety), clock(waits.Last), clock(waits.Latecomer))
	}
	line("  Who comes last comes %s after the on-sale, behind all others, and waits from then on.", plan.Spell(o.expected.Over))
	line("")
}

func (o *planOptions) writeCosts(line func(string, ...any), p plan.Plan) {
	costs := p.Costs()
	until := "an hour after the line has emptied"
	if p.Open() == o.expected.Open {
		until = "it closes"
	}
	line("Cost, if the event is open for %s, until %s\tamount\tUSD", clock(p.Open()), until)
	for _, c := range costs {
		line("  %s\t%s\t%.2f", c.What, amount(c.Amount), c.USD)
	}
	line("  the sale, once\t\t%.2f", plan.Total(costs))
	kept, warm := p.Provisioning(o.kept), p.Warming()
	line("  %s, for %s\t%s\t%.2f", kept.What, plan.Spell(o.kept), amount(kept.Amount), kept.USD)
	if warm.Amount > 0 {
		line("  %s\t%s\tprice not confirmed", warm.What, amount(warm.Amount))
	}
	line("  Prices are those of %s.", plan.PriceSource)
}

// writeJSON prints the plan for programs. Waits are in seconds.
func (o *planOptions) writeJSON(w io.Writer) error {
	p := plan.New(o.expected)
	type waits struct {
		NoShows   float64 `json:"no_shows"`
		Median    float64 `json:"median_seconds"`
		Ninety    float64 `json:"ninety_percent_seconds"`
		Last      float64 `json:"last_seconds"`
		Latecomer float64 `json:"latecomer_seconds"`
	}
	document := struct {
		Visitors    int         `json:"visitors"`
		Over        float64     `json:"over_seconds"`
		Rate        int         `json:"rate"`
		Open        float64     `json:"open_seconds"`
		RaiseBy     time.Time   `json:"raise_by,omitzero"`
		SetBy       time.Time   `json:"set_by,omitzero"`
		Plan        plan.Plan   `json:"plan"`
		Warnings    []string    `json:"warnings"`
		Waits       []waits     `json:"waits"`
		Costs       []plan.Cost `json:"costs"`
		Total       float64     `json:"total_usd"`
		Provisioned plan.Cost   `json:"provisioned_concurrency"`
		Warm        plan.Cost   `json:"warm_throughput"`
	}{
		Visitors: o.expected.Visitors, Over: o.expected.Over.Seconds(), Rate: o.expected.Rate, Open: o.expected.Open.Seconds(),
		Plan: p, Warnings: append([]string{}, p.Warnings()...), Costs: p.Costs(), Total: plan.Total(p.Costs()),
		Provisioned: p.Provisioning(o.kept), Warm: p.Warming(),
	}
	if !o.onsale.IsZero() {
		document.RaiseBy, document.SetBy = o.onsale.Add(-plan.QuotaLead), o.onsale.Add(-plan.SetLead)
	}
	for _, noShows := range []float64{0, o.noShows} {
		of := p.Waits(noShows)
		document.Waits = append(document.Waits, waits{of.NoShows, of.Median.Seconds(), of.Ninety.Seconds(), of.Last.Seconds(), of.Latecomer.Seconds()})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

func grouped(n int) string { return plan.Grouped(int64(n)) }

// amount writes what is counted whole, and what is little with its decimals.
func amount(x float64) string {
	if x >= 100 {
		return plan.Grouped(int64(x + 0.5))
	}
	return fmt.Sprintf("%.2f", x)
}

// clock writes a time as minutes and seconds, from an hour on as hours, minutes and seconds.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%s:%02d:%02d", plan.Grouped(s/3600), s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
