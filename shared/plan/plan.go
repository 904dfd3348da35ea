// Package plan says what a sale needs: shards, throughput, concurrency and quotas, what it makes people
// wait and what it costs. Its formulas, prices and limits are those of docs/quotas-and-costs.md.
package plan

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Expected is the crowd that a plan is made for.
type Expected struct {
	Visitors int           // over the whole sale
	Over     time.Duration // in which they come, before and after the on-sale
	Rate     int           // visitors a minute
	Open     time.Duration // from the on-sale until the event closes; 0 means UsuallyOpen
	Peak     float64       // joins in the busiest second; 0 means Visitors over Over
}

// UsuallyOpen is how long after its on-sale an event closes whose parameter closes is not set.
const UsuallyOpen = 24 * time.Hour

// Plan is what a sale needs. Its formulas are those of docs/quotas-and-costs.md, which says where
// they come from. Figures are a second's, and rounded up: they are what a quota has to cover.
type Plan struct {
	Joins        int `json:"joins_per_second"`
	Admissions   int `json:"admissions_asked_per_second"` // with visits to full windows
	API          int `json:"api_requests_per_second"`
	Environments int `json:"environments"`
	Writes       int `json:"table_writes_per_second"` // units
	Reads        int `json:"table_reads_per_second"`  // units
	CloudFront   int `json:"cloudfront_requests_per_second"`
	Signatures   int `json:"signatures_per_second"`

	Shards     int     `json:"shards"`
	WarmWrites int     `json:"warm_writes"`
	WarmReads  int     `json:"warm_reads"`
	Crowded    float64 `json:"chance_of_a_full_partition"` // 0 to 1, at most; see fullPartition

	Join  int `json:"join_environments"` // of provisioned concurrency
	Admit int `json:"admit_environments"`

	Quotas []Quota `json:"quotas"`

	expected Expected
}

// Quota is one of the account's and region's, and what the sale needs of it.
type Quota struct {
	Limit
	Needed int  `json:"needed"`
	Raise  bool `json:"raise"`
}

const (
	// QuotaLead and SetLead are how long before the on-sale quotas are asked for, which can take days, and
	// what is set for a sale is set: raising throughput can take over ten minutes.
	QuotaLead = 7 * 24 * time.Hour
	SetLead   = time.Hour

	// warmPerWrite is how many writes are warmed for each that is made, which is a little more than four
	// for a join: half of each partition is left to chance, which puts several shards into one.
	warmPerWrite = 2
	// MostCrowded is the chance of a full partition that a plan accepts.
	MostCrowded = 0.05

	claimsPerAdmission = 2.1 // one, and up to 1.1 visits to a full window
	PageFiles          = 8   // that a first visit loads
	Standing           = 4   // environments of tick and settings
)

// shardChoices are the numbers of shards that are planned with: the default, and for a hot show.
var shardChoices = []int{16, 64, 128}

// New says what a sale to e needs.
func New(e Expected) Plan {
	if e.Open == 0 {
		e.Open = UsuallyOpen
	}
	mean := float64(e.Visitors) / max(e.Over.Seconds(), 1)
	joins := e.Peak
	if joins == 0 {
		joins = mean
	}
	perSecond := float64(e.Rate) / 60
	admissions := claimsPerAdmission * perSecond
	environments := joins/perEnvironment + admissions/perEnvironment + Standing

	p := Plan{
		Joins: up(joins), Admissions: up(admissions), API: up(joins + admissions), Environments: up(environments),
		CloudFront: up(float64(e.Visitors)/FastestPoll + PageFiles*max(joins, mean)), Signatures: up(perSecond),
		WarmReads: newReads, expected: e,
	}
	// Nothing is set for joins that the room refuses: warm throughput is paid for good.
	taken := min(joins, MostJoins)
	for _, shards := range shardChoices {
		p.Shards = shards
		p.Writes = writes(joins, perSecond, shards)
		p.WarmWrites = max(newWrites, perPartition*up(warmPerWrite*float64(writes(taken, perSecond, shards))/perPartition))
		p.Crowded = fullPartition(shards, p.WarmWrites/perPartition, joins)
		if p.Crowded <= MostCrowded {
			break
		}
	}
	p.Reads = up(environments + 2*admissions + float64(p.Shards)/2 + Standing)
	p.WarmReads = max(newReads, perPartition*up(2*(float64(p.Reads)-(joins-taken)/perEnvironment)/perPartition))
	p.Join, p.Admit = up(taken/perEnvironment), up(admissions/perEnvironment)
	p.Quotas = p.quotas(taken, admissions)
	return p
}

// writes are those to the table in a second: a join counts and keeps, an admission marks, counts and admits,
// some find the window full; tick seals the shards and keeps its state.
func writes(joins, admitted float64, shards int) int {
	return up(2*joins + 5.2*admitted + float64(shards) + 6)
}

// up rounds up. What is whole but for the rounding of floating point stays as it is.
func up(x float64) int { return int(math.Ceil(x - 1e-6)) }

// fullPartition bounds the chance that some partition is asked for more than it takes: shards fall on
// partitions at random, each with its part of the counting, and on top of them the visitors' own
// items, evenly. It is the chance for one partition times their number, so it may be too high.
func fullPartition(shards, partitions int, joins float64) float64 {
	perShard := joins / float64(shards)
	left := perPartition - joins/float64(partitions)
	if perShard == 0 {
		return 0
	}
	if left < perShard {
		return 1
	}
	fit := int(left/perShard + 1e-9)
	return min(1, float64(partitions)*moreThan(fit, shards, 1/float64(partitions)))
}

// moreThan is the chance of more than k out of n, each of which comes with probability p.
func moreThan(k, n int, p float64) float64 {
	var sum float64
	for i := k + 1; i <= n; i++ {
		of, _ := math.Lgamma(float64(n + 1))
		in, _ := math.Lgamma(float64(i + 1))
		out, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(of - in - out + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// Warnings are what stands in the way of such a sale, in sentences for people.
func (p Plan) Warnings() []string {
	var warnings []string
	if p.Joins > MostJoins {
		warnings = append(warnings, fmt.Sprintf("%s people a second want to join, and a room takes %s at most: the others try again until "+
			"they have a place. What is set is for %[2]s. Let people come earlier, or over a longer time",
			Grouped(int64(p.Joins)), Grouped(MostJoins)))
	}
	if p.Crowded > MostCrowded {
		warnings = append(warnings, fmt.Sprintf("A partition of the table is too full by a chance of up to %.0f %%, and some joins are "+
			"repeated. Let people come earlier, or over a longer time", 100*p.Crowded))
	}
	if last := p.drain(); last > p.expected.Open.Seconds() {
		warnings = append(warnings, fmt.Sprintf("The line takes %s, and the event closes %s after its on-sale: raise the rate, or set closes to a later time",
			Spell(roundUp(last)), Spell(p.expected.Open)))
	}
	if p.expected.Over > p.expected.Open {
		warnings = append(warnings, fmt.Sprintf("People come over %s, and the event closes %s after its on-sale: who comes later finds it closed. "+
			"Set closes to a later time", Spell(p.expected.Over), Spell(p.expected.Open)))
	}
	for _, q := range p.Quotas {
		switch {
		case q.Raise && q.Needed <= q.Default:
			warnings = append(warnings, fmt.Sprintf("%s: %s of the default of %s are needed, which leaves little to other systems of the account",
				q.Name, Grouped(int64(q.Needed)), Grouped(int64(q.Default))))
		case q.Raise:
			warnings = append(warnings, fmt.Sprintf("%s: %s are needed, the default is %s", q.Name, Grouped(int64(q.Needed)), Grouped(int64(q.Default))))
		}
	}
	return warnings
}

// nearly is the part of a quota beyond which it is raised: a sale that uses it up leaves nothing to
// other systems of the account.
const nearly = 0.75

// quotas compares the plan with the defaults, by docs/quotas-and-costs.md. That of Lambda has to hold
// twice the environments: cold starts come on top, and all functions of the account share it. Those of a
// table and of a distribution are the room's alone, so all of them may be used. No more is asked for than for
// the joins that are taken; only CloudFront sees everybody.
func (p Plan) quotas(taken, admissions float64) []Quota {
	environments := up((taken+admissions)/perEnvironment + Standing)
	need := func(l Limit, needed int, part float64) Quota {
		return Quota{Limit: l, Needed: needed, Raise: float64(needed) > part*float64(l.Default)}
	}
	return []Quota{
		need(LimitConcurrency, max(2*environments, p.Join+p.Admit+unreserved), nearly),
		need(limitAPI, up(taken+admissions), nearly),
		need(LimitWrites, p.WarmWrites, 1),
		need(LimitReads, p.WarmReads, 1),
		need(limitSignatures, p.Signatures, nearly),
		need(limitCloudFront, p.CloudFront, 1),
	}
}

// Grouped writes a whole number with commas: 300,000.
func Grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// spelled are the units that times are told in. One of a unit is told in the next smaller one: 60 minutes.
var spelled = []struct {
	of   time.Duration
	name string
}{{time.Hour, "hours"}, {time.Minute, "minutes"}, {time.Second, "seconds"}}

// Spell writes a time in its largest whole unit.
func Spell(d time.Duration) string {
	for _, unit := range spelled {
		if d >= 2*unit.of && d%unit.of == 0 {
			return Grouped(int64(d/unit.of)) + " " + unit.name
		}
	}
	return d.String()
}

// roundUp makes seconds a time that Spell writes in the unit that people think of it in: 167 hours, and not
// 600,001 seconds.
func roundUp(seconds float64) time.Duration {
	for _, unit := range spelled {
		if of := unit.of.Seconds(); seconds >= 2*of {
			return rounded(math.Ceil(seconds/of) * of)
		}
	}
	return rounded(math.Ceil(seconds))
}
