package main

import (
	"cmp"
	"fmt"
	"time"

	"waitingroom/local/cache"
	"waitingroom/local/surge"
	"waitingroom/shared/names"
)

// Address is where the page, the API and the shop are, without a trailing slash.
func (r *Room) Address() string { return r.address }

// CloseSale closes the sale as its promoter does.
func (r *Room) CloseSale() error {
	return r.parameter.Put(names.ParameterPath+r.options.Event+"/state", "closed")
}

// Services is what the room's services took and refused so far.
func (r *Room) Services() surge.Services {
	pool := r.pool.Stats()
	s := surge.Services{Environments: int64(pool.Peak), ShopCapacity: r.options.ShopCapacity}
	for name, f := range pool.Functions {
		if f.Full+f.Slow > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("Lambda refused %d requests to %s: %d at the account's %d environments, %d while it made more of them",
				f.Full+f.Slow, name, f.Full, pool.Limit, f.Slow))
		}
	}
	if l := r.options.Limits; l.On {
		s.Notes = append(s.Notes, fmt.Sprintf("the room had %d shards, %d warm writes a second, %d environments and %d requests a second of the API",
			cmp.Or(r.options.Shards, names.DefaultShards), l.WarmWrites, l.Environments, l.APIRate))
	}
	if r.gateway != nil {
		s.GatewayRefused = r.gateway.Stats().Refused
	}
	if r.tables != nil && r.tables.limited != nil {
		stats := r.tables.limited.Stats()
		s.TableUnits = stats.Table.Writes.Total + stats.Table.Reads.Total
		s.TablePeakWrites, s.TablePeakReads = stats.Table.Writes.Peak, stats.Table.Reads.Peak
		for _, calls := range stats.Throttled {
			s.TableThrottled += calls
		}
		s.ThrottleReasons = stats.Reasons()
	}
	if r.options.Chaos.On {
		s.Notes = append(s.Notes, r.troubles()...)
	}
	return s
}

// troubles is what went wrong on purpose.
func (r *Room) troubles() []string {
	var calls, throttled, lost, unacknowledged int64
	for _, c := range r.tables.faulty.Counts() {
		calls, throttled, lost, unacknowledged = calls+c.Calls, throttled+c.Throttled, lost+c.Lost, unacknowledged+c.Unacknowledged
	}
	return []string{
		fmt.Sprintf("of %d calls to the table %d were refused, %d lost and %d stored without an answer, on purpose", calls, throttled, lost, unacknowledged),
		fmt.Sprintf("the leading tick was killed %d times, and %d statuses were served late, on purpose", r.Killed(), r.stale.Served()),
	}
}

// addTraffic is what a cache took off the room.
func addTraffic(s *surge.Services, t cache.Traffic) {
	for _, class := range []cache.Class{cache.Status, cache.Seals} {
		s.CacheRequests += t.Clients[class].Requests
		s.CacheBytes += t.Clients[class].Bytes
		s.OriginRequests += t.Origin[class].Requests
		s.OriginBytes += t.Origin[class].Bytes
	}
}

// usage is what this process takes from a moment on.
type usage struct {
	began time.Time
	cpu   time.Duration
}

func startUsage() usage {
	cpu, _ := taken()
	return usage{time.Now(), cpu}
}

func (u usage) fill(s *surge.Services) {
	cpu, memory := taken()
	s.CPUSeconds, s.MemoryPeakBytes = (cpu - u.cpu).Seconds(), memory
	s.WallSeconds = time.Since(u.began).Seconds()
}
