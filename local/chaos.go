package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"time"

	"waitingroom/local/faults"
)

// Chaos is what goes wrong while a crowd is there. The zero value is nothing.
type Chaos struct {
	On         bool
	Chances    faults.Chances
	KillLeader time.Duration // how often; 0: never
	Stale      float64       // the share of statuses that are old, from 0 to 1
}

// staleMost is how far behind a status may be that the cache serves in trouble.
const staleMost = 5 * time.Second

func (c *Chaos) register(flags *flag.FlagSet) {
	flags.BoolVar(&c.On, "chaos", false, "have things go wrong as -throttled, -lost, -unacknowledged, -kill-leader and -stale say")
	flags.Float64Var(&c.Chances.Throttled, "throttled", 0.05, "`share` of the calls to the table that are refused, with -chaos")
	flags.Float64Var(&c.Chances.Lost, "lost", 0.005, "`share` of the calls to the table that never arrive, with -chaos")
	flags.Float64Var(&c.Chances.Unacknowledged, "unacknowledged", 0.02, "`share` of the writes to the table that happen without an answer, with -chaos")
	flags.DurationVar(&c.KillLeader, "kill-leader", 5*time.Second, "`time` between two deaths of the leading tick, 0 for none, with -chaos")
	flags.Float64Var(&c.Stale, "stale", 0.3, "`share` of statuses that the cache serves late, with -chaos")
}

func (c *Chaos) check() error {
	if !c.On {
		return nil
	}
	if err := c.Chances.Check(); err != nil {
		return fmt.Errorf("-chaos: %w", err)
	}
	if c.KillLeader < 0 || (c.KillLeader > 0 && c.KillLeader < time.Second) {
		return fmt.Errorf("-kill-leader: %v is too often, give 1s or more, or 0 for never", c.KillLeader)
	}
	if !(c.Stale >= 0 && c.Stale <= 1) {
		return fmt.Errorf("-stale: a share of %v is not from 0 to 1", c.Stale)
	}
	return nil
}

// seed is another one each time: what went wrong is in the report, and clocks cannot be repeated.
func seed() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// BeginTrouble has things go wrong until the function that it returns is called.
func (r *Room) BeginTrouble(ctx context.Context) (heal func()) {
	if !r.options.Chaos.On {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	r.tables.faulty.Begin()
	r.stale.Begin()
	if every := r.options.Chaos.KillLeader; every > 0 {
		r.ticking.Go(func() { r.invocations.KillEvery(ctx, every) })
	}
	return func() {
		stop()
		r.tables.faulty.Heal()
		r.stale.Heal()
	}
}

// Killed is how many leading ticks were killed.
func (r *Room) Killed() int {
	if r.invocations == nil {
		return 0
	}
	return r.invocations.Killed()
}
