package surge

import "waitingroom/shared/plan"

// Requests counts the calls of a surge by what they cost. Zero where nobody counted.
type Requests = plan.Usage

// Forecast is what the surge would be as a sale in an account of AWS.
type Forecast struct {
	Plan  plan.Plan   `json:"plan"`
	Costs []plan.Cost `json:"costs"`
	Total float64     `json:"total_usd"`
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
	return Forecast{Plan: needs, Costs: costs, Total: plan.Total(costs)}
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
	return orElse(r, told)
}

// orElse fills what is zero from other.
func orElse(r, other Requests) Requests {
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
