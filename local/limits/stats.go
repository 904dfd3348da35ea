package limits

import (
	"cmp"
	"fmt"
	"slices"
)

// TableStats is what a table has taken and refused since it was made.
type TableStats struct {
	Calls      map[string]int64 // by operation, with those that were refused or given up
	Throttled  map[string]int64 // calls, or parts of transactions, by DynamoDB's reason
	Table      Load
	Partitions []Load
	Hot        []Hot // what was refused most comes first
}

// Load is what a partition, or a table as a whole, has taken and refused.
type Load struct{ Writes, Reads Flow }

// Flow is a load in one direction.
type Flow struct {
	Limit   float64 // units a second
	Total   float64 // units consumed
	Peak    float64 // units consumed in the busiest second of the clock
	Refused int64   // calls
}

// Hot is a kind of keys that calls were refused for.
type Hot struct {
	Kind      string // what pk begins with: EVENT, COHORT, SEAL, VISITOR or ADMIT
	Partition int    // from 1; 0 for the table's quota
	Direction string // "read" or "write"
	Refused   int64  // calls
	Keys      int    // how many keys those were for; 1,000 stands for all that are more
}

// Stats may be called at any time. Calls that are under way may be in it in part.
func (t *Table) Stats() TableStats {
	s := TableStats{Calls: map[string]int64{}, Throttled: map[string]int64{}}
	for o := range operations {
		if n := t.calls[o].Load(); n > 0 {
			s.Calls[o.String()] = n
		}
	}
	s.Table = s.add(&t.whole, 0, account)
	for i := range t.partitions {
		s.Partitions = append(s.Partitions, s.add(&t.partitions[i], i+1, keyRange))
	}
	slices.SortFunc(s.Hot, func(a, b Hot) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Partition, b.Partition),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Direction, b.Direction))
	})
	return s
}

// add reads one capacity, whose refusals have the given limit for a reason.
func (s *TableStats) add(c *capacity, partition int, limit string) Load {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range directions {
		if n := c.flows[d].refused; n > 0 {
			s.Throttled[reason(d, limit)] += n
		}
	}
	for k, keys := range c.hot {
		s.Hot = append(s.Hot, Hot{k.kind, partition, k.d.String(), keys.refused, len(keys.hashes)})
	}
	return Load{Writes: c.flows[writes].stats(), Reads: c.flows[reads].stats()}
}

func (f *flow) stats() Flow { return Flow{f.rate, f.taken.total, f.taken.highest(), f.refused} }

// kinds says in words what pk begins with.
var kinds = map[string]string{
	"EVENT":   "states of events",
	"COHORT":  "counters of shards",
	"SEAL":    "seals",
	"VISITOR": "visitors",
	"ADMIT":   "caps of windows",
}

// Reasons says in sentences what was refused and why, the most first. It is empty if nothing was.
func (s TableStats) Reasons() []string {
	var sentences []string
	for _, h := range s.Hot {
		place, load := fmt.Sprintf("partition %d of %d", h.Partition, len(s.Partitions)), s.Table
		if h.Partition > 0 {
			load = s.Partitions[h.Partition-1]
		} else {
			place = "the table's quota"
		}
		limit := load.Writes.Limit
		if h.Direction == reads.String() {
			limit = load.Reads.Limit
		}
		sentences = append(sentences, fmt.Sprintf("%s refused %d %ss of %s (%s): it takes %.0f units a second",
			place, h.Refused, h.Direction, h.keys(), cmp.Or(kinds[h.Kind], "other keys"), limit))
	}
	return sentences
}

func (h Hot) keys() string {
	switch h.Keys {
	case 1:
		return "1 " + h.Kind + " key"
	case maxKeys:
		return fmt.Sprintf("%d or more %s keys", h.Keys, h.Kind)
	}
	return fmt.Sprintf("%d %s keys", h.Keys, h.Kind)
}
