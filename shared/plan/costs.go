package plan

import (
	"math"
	"time"
)

// Cost is a line of what a sale costs.
type Cost struct {
	What      string     `json:"what"`
	Amount    float64    `json:"amount"`
	USD       float64    `json:"usd"` // 0 where the price is Unconfirmed
	Confirmed Confidence `json:"price"`
}

// Total is the sum of costs in US dollars.
func Total(costs []Cost) float64 {
	var sum float64
	for _, c := range costs {
		sum += c.USD
	}
	return sum
}

// Usage counts the calls of a sale by what they cost.
type Usage struct {
	Pages  int64 // files of the page, on first visits
	Polls  int64 // of the status
	Seals  int64 // documents read
	Joins  int64 // calls of the API to join
	Admits int64 // calls of the API to admit
	Origin int64 // reads of the bucket, by the cache

	TableWrites float64 // units
	TableReads  float64 // units
	Signatures  int64
	Publishes   int64 // writes to the bucket
}

// What the costs assume, with docs/quotas-and-costs.md.
const (
	statusBytes  = 1_000  // of a poll's answer, with headers
	visitBytes   = 20_000 // of a first visit
	answerBytes  = 1_500  // of a seal or an answer of the API
	memoryGB     = 0.5    // of a function
	joinSeconds  = 0.05
	admitSeconds = 0.1
	alive        = 3                // invocations of tick
	itemsGB      = 0.9e-6           // GB-months that a visitor's items take in their 90 days
	logGB        = 0.8e-6           // of a call
	beforehand   = 40 * time.Minute // that tick watches before the on-sale by default: 10 min and the pre-queue
	afterwards   = time.Hour        // that an event stays open when nobody is left in line
	refusals     = 0.5              // visits to a full window per admission, on average
	edges        = 50               // caches of CloudFront's that each ask once a second
	stateWrites  = 4                // a second, of tick's
	metrics      = 25               // of the room's own, which CloudWatch counts by the hour while an event is watched
	monthHours   = 730
	trickle      = time.Hour // after the on-sale, in every second of which somebody comes, if it is open for as long
)

// Costs are those of a sale that stays open for that long after its on-sale, for so many visitors.
func (u Usage) Costs(visitors int64, open time.Duration) []Cost {
	calls := float64(u.Joins + u.Admits)
	sent := statusBytes*float64(u.Polls) + visitBytes/PageFiles*float64(u.Pages) + answerBytes*(float64(u.Seals)+calls)
	compute := memoryGB * (joinSeconds*float64(u.Joins) + admitSeconds*float64(u.Admits) + alive*(beforehand+open).Seconds())
	return []Cost{
		priceRequests.of(float64(u.Pages+u.Polls+u.Seals) + calls),
		priceSent.of(sent / 1e9),
		priceEdge.of(float64(u.Pages) / PageFiles),
		priceAPI.of(calls),
		priceInvocations.of(calls),
		priceCompute.of(compute),
		priceWrites.of(u.TableWrites),
		priceReads.of(u.TableReads),
		priceStorage.of(itemsGB * float64(visitors)),
		priceRecovery.of(itemsGB * float64(visitors)),
		priceSignatures.of(float64(u.Signatures)),
		pricePublishes.of(float64(u.Publishes)),
		priceOrigin.of(float64(u.Origin)),
		priceLogs.of(logGB * calls),
		priceMetrics.of(metrics * math.Ceil((beforehand + open).Hours()) / monthHours),
	}
}

// Open is for how long after the on-sale the costs suppose the event to be open: until an hour after the
// line has emptied, or until it closes.
func (p Plan) Open() time.Duration {
	emptied := max(p.drain(), p.expected.Over.Seconds())
	return min(rounded(emptied+afterwards.Seconds()), p.expected.Open)
}

// Usage is what a sale calls in which everybody joins and is let in.
func (p Plan) Usage() Usage {
	visitors := float64(p.expected.Visitors)
	admits := visitors * (1 + refusals)
	watched := (beforehand + p.Open()).Seconds()
	arrivals := min(trickle, p.Open()).Seconds()
	return Usage{
		Pages: PageFiles * int64(p.expected.Visitors), Polls: int64(visitors * Polls(p.expected.Over, rounded(p.drain()))),
		Seals: int64(p.expected.Visitors), Joins: int64(p.expected.Visitors), Admits: int64(admits),
		Origin: int64(edges * p.Open().Seconds()),
		// A join counts and keeps, an admission marks, counts and admits, a visit to a full window marks and
		// counts; tick seals the shards and stores the seal while people come.
		TableWrites: visitors*(2+3+2*refusals) + float64(p.Shards+1)*arrivals + stateWrites*watched,
		TableReads:  2*admits + (visitors+admits)/perEnvironment + float64(p.Shards)/2*watched,
		Signatures:  int64(p.expected.Visitors),
		Publishes:   int64(watched + arrivals),
	}
}

// Costs are those of the sale, once: without what is provisioned for it and what is paid when idle.
func (p Plan) Costs() []Cost { return p.Usage().Costs(int64(p.expected.Visitors), p.Open()) }

// Provisioning is what the provisioned concurrency of join and admit costs, kept up for that long.
func (p Plan) Provisioning(kept time.Duration) Cost {
	return priceProvisioned.of(memoryGB * float64(p.Join+p.Admit) * kept.Seconds())
}

// Warming is paid once, when the warm throughput of a table that is as new is raised.
func (p Plan) Warming() Cost {
	return priceWarm.of(float64(p.WarmWrites - newWrites + p.WarmReads - newReads))
}
