// Package plan says what a sale needs: shards, throughput, concurrency and quotas, what it makes people
// wait and what it costs. Its formulas, prices and limits are those of docs/quotas-and-costs.md.
package plan

import (
	"fmt"
	"math"
	"time"
)

// Expected is the crowd that a plan is made for.
type Expected struct {
	Visitors int           // over the whole sale
	Over     time.Duration // in which they come, before and after the on-sale
	Rate     int           // visitors a minute
	Peak     float64       // joins in the busiest second; 0 means Visitors over Over
}

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
}

// Quota is one of the account's and region's, and what the sale needs of it.
type Quota struct {
	Name    string `json:"name"`
	Code    string `json:"code"`    // service and code for Service Quotas, or how else to ask
	Default int    `json:"default"` // of the documentation at Source; some accounts and regions have less
	Needed  int    `json:"needed"`
	Raise   bool   `json:"raise"`
	Source  string `json:"source"`

	alone bool // it is one table's, which no other system uses
}

const (
	perPartition = 1_000 // writes a second that one physical partition of a table takes
	newWrites    = 4_000 // that a new table takes
	newReads     = 12_000
	// warmPerWrite is how many writes are warmed for each that is made, which is a little more than four
	// for a join: half of each partition is left to chance, which puts several shards into one.
	warmPerWrite = 2
	// MostCrowded is the chance of a full partition that a plan accepts.
	MostCrowded = 0.05

	claimsPerAdmission = 2.1    // one, and up to 1.1 visits to a full window
	fastestPoll        = 2.4375 // seconds between two polls, at the fastest
	PageFiles          = 8      // that a first visit loads
	perEnvironment     = 10     // requests a second that Lambda gives each unit of concurrency
	Standing           = 4      // environments of tick and settings
)

// shardChoices are the numbers of shards that are planned with: the default, and for a hot show.
var shardChoices = []int{16, 64, 128}

// New says what a sale to e needs.
func New(e Expected) Plan {
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
		CloudFront: up(float64(e.Visitors)/fastestPoll + PageFiles*max(joins, mean)), Signatures: up(perSecond),
		WarmReads: newReads,
	}
	for _, shards := range shardChoices {
		p.Shards = shards
		p.Writes = up(2*joins + 5.2*perSecond + float64(shards) + 6)
		p.WarmWrites = max(newWrites, perPartition*up(warmPerWrite*float64(p.Writes)/perPartition))
		p.Crowded = fullPartition(shards, p.WarmWrites/perPartition, joins)
		if p.Crowded <= MostCrowded {
			break
		}
	}
	p.Reads = up(environments + 2*admissions + float64(p.Shards)/2 + Standing)
	p.WarmReads = max(newReads, perPartition*up(2*float64(p.Reads)/perPartition))
	p.Join, p.Admit = up(joins/perEnvironment), up(admissions/perEnvironment)
	p.Quotas = p.quotas()
	return p
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
	for _, q := range p.Quotas {
		if q.Raise {
			warnings = append(warnings, fmt.Sprintf("%s: %d are needed, the default is %d", q.Name, q.Needed, q.Default))
		}
	}
	return warnings
}

// nearly is the part of a quota beyond which it is raised: a sale that uses it up leaves nothing to
// other systems of the account.
const nearly = 0.75

// quotas compares the plan with the defaults, by docs/quotas-and-costs.md. That of Lambda has to hold
// twice the environments: cold starts come on top, and all functions of the account share it.
func (p Plan) quotas() []Quota {
	quotas := []Quota{
		{Name: "Lambda, concurrent executions", Code: "lambda L-B99A9384", Default: 1_000, Needed: 2 * p.Environments,
			Source: "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html"},
		{Name: "API Gateway, requests a second", Code: "apigateway L-8A5B8E43", Default: 10_000, Needed: p.API,
			Source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"},
		{Name: "DynamoDB, writes of one table a second", Code: "dynamodb L-AB614373", Default: 40_000, Needed: max(p.Writes, p.WarmWrites), alone: true,
			Source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"},
		{Name: "DynamoDB, reads of one table a second", Code: "dynamodb L-CF0CBE56", Default: 40_000, Needed: max(p.Reads, p.WarmReads), alone: true,
			Source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"},
		{Name: "KMS, RSA signatures a second", Code: "kms L-2AC98190", Default: 1_000, Needed: p.Signatures,
			Source: "https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html"},
		{Name: "CloudFront, requests a second per distribution", Code: "support case", Default: 250_000, Needed: p.CloudFront,
			Source: "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html"},
	}
	for i := range quotas {
		part := nearly
		if quotas[i].alone {
			part = 1
		}
		quotas[i].Raise = float64(quotas[i].Needed) > part*float64(quotas[i].Default)
	}
	return quotas
}
