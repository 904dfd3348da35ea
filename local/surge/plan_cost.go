package surge

import (
	"time"

	"waitingroom/shared/plan"
)

// Price is what a service takes for Per of something, in US dollars.
type Price struct {
	What string // as the table of docs/quotas-and-costs.md names it
	USD  float64
	Per  float64
}

// Prices of us-east-1, for visitors in the United States, without free tiers and taxes, as they stand
// in docs/quotas-and-costs.md, which says where each is from and how far it could be confirmed.
var (
	priceRequests    = Price{"CloudFront, HTTPS requests", 0.0100, 10_000}
	priceSent        = Price{"CloudFront, GB sent", 0.085, 1}
	priceEdge        = Price{"CloudFront Functions", 0.10, 1_000_000}
	priceAPI         = Price{"API Gateway, REST requests", 3.50, 1_000_000}
	priceInvocations = Price{"Lambda, invocations", 0.20, 1_000_000}
	priceCompute     = Price{"Lambda, GB-seconds on arm64", 0.0000133334, 1}
	priceWrites      = Price{"DynamoDB, writes on demand", 0.625, 1_000_000}
	priceReads       = Price{"DynamoDB, reads on demand", 0.125, 1_000_000}
	priceStorage     = Price{"DynamoDB, GB-months", 0.25, 1}
	priceRecovery    = Price{"point-in-time recovery, GB-months", 0.20, 1}
	priceSignatures  = Price{"KMS, signatures with RSA 2048", 0.03, 10_000}
	pricePublishes   = Price{"S3, writes", 0.005, 1_000}
	priceOrigin      = Price{"S3, reads by CloudFront", 0.004, 10_000}
	priceLogs        = Price{"CloudWatch, GB of logs", 0.50, 1}
)

// PriceSource says where the prices are from.
const PriceSource = "us-east-1, without free tiers and taxes (sources: docs/quotas-and-costs.md); warm throughput, which is paid once, is not among them"

// Cost is a line of what a sale costs.
type Cost struct {
	What   string  `json:"what"`
	Amount float64 `json:"amount"`
	USD    float64 `json:"usd"`
}

// What the costs assume, with docs/quotas-and-costs.md.
const (
	statusBytes  = 1_000  // of a poll's answer, with headers
	visitBytes   = 20_000 // of a first visit
	answerBytes  = 1_500  // of a seal or an answer of the API
	memoryGB     = 0.5    // of a function
	joinSeconds  = 0.05
	admitSeconds = 0.1
	alive        = 3        // invocations of tick
	itemsGB      = 0.9e-6   // GB-months that a visitor's items take in their 90 days
	logGB        = 0.8e-6   // of a call
	beforehand   = 40 * 60. // seconds that tick watches before the on-sale by default: 10 min and the pre-queue
)

// Costs are those of a sale of that length for so many visitors.
func (r Requests) Costs(visitors int64, length time.Duration) []Cost {
	calls := float64(r.Joins + r.Admits)
	sent := statusBytes*float64(r.Polls) + visitBytes/plan.PageFiles*float64(r.Pages) + answerBytes*(float64(r.Seals)+calls)
	compute := memoryGB * (joinSeconds*float64(r.Joins) + admitSeconds*float64(r.Admits) + alive*(beforehand+length.Seconds()))
	amounts := []struct {
		Price
		amount float64
	}{
		{priceRequests, float64(r.Pages+r.Polls+r.Seals) + calls},
		{priceSent, sent / 1e9},
		{priceEdge, float64(r.Pages) / plan.PageFiles},
		{priceAPI, calls},
		{priceInvocations, calls},
		{priceCompute, compute},
		{priceWrites, r.TableWrites},
		{priceReads, r.TableReads},
		{priceStorage, itemsGB * float64(visitors)},
		{priceRecovery, itemsGB * float64(visitors)},
		{priceSignatures, float64(r.Signatures)},
		{pricePublishes, float64(r.Publishes)},
		{priceOrigin, float64(r.Origin)},
		{priceLogs, logGB * calls},
	}
	var costs []Cost
	for _, a := range amounts {
		costs = append(costs, Cost{What: a.What, Amount: a.amount, USD: a.amount * a.USD / a.Per})
	}
	return costs
}

// Total is the sum of costs in US dollars.
func Total(costs []Cost) float64 {
	var sum float64
	for _, c := range costs {
		sum += c.USD
	}
	return sum
}

// Forecast is what the surge would be as a sale in an account of AWS.
type Forecast struct {
	Plan  plan.Plan `json:"plan"`
	Costs []Cost    `json:"costs"`
	Total float64   `json:"total_usd"`
}

// NewForecast plans for the crowd that log saw: its joins in the busiest second, and its requests.
// What nobody counted follows from what visitors did.
func NewForecast(log *Log) Forecast {
	var peak int64
	first, last := Never, Never
	for _, s := range log.Seconds {
		peak = max(peak, s.Joins)
	}
	for i := range log.Visitors {
		at := log.Visitors[i].Arrives
		if first == Never || at < first {
			first = at
		}
		last = max(last, at)
	}
	visitors := len(log.Visitors)
	needs := plan.New(plan.Expected{Visitors: visitors, Over: last - first, Rate: log.Rate, Peak: float64(peak)})
	costs := log.requests(needs).Costs(int64(visitors), log.Ended)
	return Forecast{Plan: needs, Costs: costs, Total: Total(costs)}
}

// requests are those of the log, and what it did not count by what visitors did.
func (log *Log) requests(needs plan.Plan) Requests {
	r := log.Requests
	var told Requests
	for i := range log.Visitors {
		v := &log.Visitors[i]
		told.Polls += int64(v.Polls)
		told.Joins += int64(v.Joins)
		told.Admits += int64(v.Claims)
		if v.Arrives <= log.Ended {
			told.Pages += plan.PageFiles
		}
		if v.Position != 0 {
			told.Seals++
		}
		if v.Admitted != Never {
			told.Signatures++
			told.TableWrites += 3
		}
		told.TableWrites += 2*float64(v.Joins) + 2*float64(v.Refused)
	}
	for _, s := range log.Seconds {
		told.Origin += s.Origin
	}
	shards, seconds := float64(needs.Shards), log.Ended.Seconds()
	told.TableWrites += shards*float64(len(log.Seals)) + seconds
	told.TableReads = 2*float64(told.Admits) + seconds*(float64(needs.Environments)+shards/2+plan.Standing)
	told.Publishes = int64(len(log.Statuses) + len(log.Seals))
	return r.or(told)
}

// or fills what is zero from other.
func (r Requests) or(other Requests) Requests {
	for _, n := range []struct{ to, from *int64 }{
		{&r.Pages, &other.Pages}, {&r.Polls, &other.Polls}, {&r.Seals, &other.Seals}, {&r.Joins, &other.Joins},
		{&r.Admits, &other.Admits}, {&r.Origin, &other.Origin}, {&r.Signatures, &other.Signatures}, {&r.Publishes, &other.Publishes},
	} {
		if *n.to == 0 {
			*n.to = *n.from
		}
	}
	if r.TableWrites == 0 {
		r.TableWrites = other.TableWrites
	}
	if r.TableReads == 0 {
		r.TableReads = other.TableReads
	}
	return r
}
