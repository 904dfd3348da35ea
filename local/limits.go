package main

import (
	"flag"
	"fmt"

	"waitingroom/local/functions"
	"waitingroom/local/limits"
)

// mostWarmWrites is more than any sale asks for, in write units a second.
const mostWarmWrites = 300_000

// Limits are those of an AWS account, which refuse calls and take their time. The zero value has none.
type Limits struct {
	On           bool
	WarmWrites   int    // of the table, in write units a second
	Partitioning uint64 // each one is another way in which keys fall on partitions
	APIRate      int    // requests a second
	APIBurst     int    // requests
	Environments int    // of all functions
}

// register adds the flags that say how high the limits are.
func (l *Limits) register(flags *flag.FlagSet) {
	flags.IntVar(&l.WarmWrites, "warm-writes", limits.NewWrites, "the table's warm throughput in `units` a second, a thousand to a partition, with -limits")
	flags.Uint64Var(&l.Partitioning, "partitioning", 1, "`number` of the way in which keys fall on partitions: another one, another way, with -limits")
	flags.IntVar(&l.APIRate, "api-rate", limits.GatewayRate, "`requests` a second that API Gateway lets through, with -limits")
	flags.IntVar(&l.APIBurst, "api-burst", limits.GatewayBurst, "`requests` that API Gateway lets through at once, with -limits")
	flags.IntVar(&l.Environments, "environments", functions.Concurrency, "`number` of environments that Lambda runs at once, ten requests a second each, with -limits")
}

// check reports numbers that no account has.
func (l *Limits) check() error {
	if !l.On {
		return nil
	}
	if l.WarmWrites < limits.PartitionWrites || l.WarmWrites > mostWarmWrites {
		return fmt.Errorf("-warm-writes: %d is not between %d and %d units a second", l.WarmWrites, limits.PartitionWrites, mostWarmWrites)
	}
	for _, option := range []struct {
		name  string
		value int
	}{{"-api-rate", l.APIRate}, {"-api-burst", l.APIBurst}, {"-environments", l.Environments}} {
		if option.value < 1 {
			return fmt.Errorf("%s: %d is too few, give at least 1", option.name, option.value)
		}
	}
	return nil
}

// table are the limits of the room's table. Reads follow writes as they do on a new table, three to
// one, and the account's quotas are those that such a warm throughput needs.
func (l *Limits) table() limits.TableOptions {
	reads := l.WarmWrites * limits.NewReads / limits.NewWrites
	return limits.TableOptions{
		WarmWrites: l.WarmWrites, WarmReads: reads,
		WriteQuota: max(l.WarmWrites, limits.QuotaUnits), ReadQuota: max(reads, limits.QuotaUnits),
		Salt: l.Partitioning, Write: limits.AssumedWrite, Read: limits.AssumedRead,
	}
}
