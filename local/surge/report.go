package surge

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Services are what the parts of the room took, for the report. Whoever runs the room fills in what
// it measured; what is zero is left out.
type Services struct {
	TableUnits      float64  `json:"table_units,omitempty"`       // consumed, write and read
	TablePeakWrites float64  `json:"table_peak_writes,omitempty"` // units, in the busiest second
	TablePeakReads  float64  `json:"table_peak_reads,omitempty"`  // units, in the busiest second
	TableThrottled  int64    `json:"table_throttled,omitempty"`   // calls
	ThrottleReasons []string `json:"throttle_reasons,omitempty"`  // lines for people
	GatewayRefused  int64    `json:"gateway_refused,omitempty"`   // requests, with 429
	Environments    int64    `json:"environments,omitempty"`      // of all functions, at the peak
	MemoryPeakBytes int64    `json:"memory_peak_bytes,omitempty"` // of the process, resident
	CPUSeconds      float64  `json:"cpu_seconds,omitempty"`       // user and system
	WallSeconds     float64  `json:"wall_seconds,omitempty"`      // of the whole run
	CacheRequests   int64    `json:"cache_requests,omitempty"`    // that the cache answered or passed on
	CacheBytes      int64    `json:"cache_bytes,omitempty"`       // of those
	OriginRequests  int64    `json:"origin_requests,omitempty"`   // of them, that reached the room
	OriginBytes     int64    `json:"origin_bytes,omitempty"`      // of those
	ShopCapacity    int      `json:"shop_capacity,omitempty"`     // orders a minute that the shop can complete
	Notes           []string `json:"notes,omitempty"`             // anything else, lines for people
}

// Report is what a surge showed. Its JSON has one field per figure; names are stable, durations are
// in the unit at the end of the name. WriteText and the chart show the same figures to people.
type Report struct {
	Kept        bool      `json:"kept"`        // no promise was broken
	Interrupted bool      `json:"interrupted"` // it was ended before its time
	Event       string    `json:"event"`
	Run         string    `json:"run"`
	Rate        int       `json:"rate"` // visitors a minute, as it was set
	Began       time.Time `json:"began"`
	OnSale      float64   `json:"on_sale_s"` // since the beginning, as are all moments
	Ended       float64   `json:"ended_s"`
	Crowd       Crowd     `json:"crowd"`
	Joins       Joins     `json:"joins"`
	Waits       Waits     `json:"waits"`
	Entry       Entry     `json:"admissions"`
	Shop        Shop      `json:"shop"`
	Without     *Shop     `json:"shop_without_room,omitempty"` // what became of the same shop without a room
	Polls       Polls     `json:"polls"`
	Services    Services  `json:"services"`
	Promises    []Promise `json:"promises"`
	Forecast    Forecast  `json:"forecast"`

	log, without *Log
}

// Crowd says what became of everybody: the fields after Visitors add up to it.
type Crowd struct {
	Visitors   int64 `json:"visitors"`
	Expected   int64 `json:"not_arrived"` // the surge ended before they came
	Asking     int64 `json:"asking"`      // came, and had no place when it ended
	InLine     int64 `json:"in_line"`     // had a place, and not yet the turn
	AtDoor     int64 `json:"at_door"`     // had the turn, and were not in yet
	NoShows    int64 `json:"no_shows"`    // had a place, and never meant to claim the turn
	Admitted   int64 `json:"admitted"`
	Expired    int64 `json:"expired"`
	TurnedAway int64 `json:"turned_away"` // sold out or closed before they got in
	Rejected   int64 `json:"rejected"`
}

// Joins are the requests for a place.
type Joins struct {
	Answered int64            `json:"answered"` // with a place
	Refused  int64            `json:"refused"`
	Refusals map[string]int64 `json:"refusals,omitempty"` // by the problem's code
	Peak     int64            `json:"peak_per_second"`    // answered in the busiest second
	PeakAt   float64          `json:"peak_at_s"`
	Latency  Latency          `json:"latency_ms"`
}

// Latency is in milliseconds, as visitors have it.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Waits are those of visitors who got in: from the on-sale or, if later, from when they came, until
// they had the pass. In seconds.
type Waits struct {
	P10     float64 `json:"p10_s"`
	P50     float64 `json:"p50_s"`
	P90     float64 `json:"p90_s"`
	P99     float64 `json:"p99_s"`
	Longest int64   `json:"longest_line"`    // people in line at once
	Empty   float64 `json:"line_empty_at_s"` // 0 if it was not, when the surge ended
}

// Entry is how visitors were let in.
type Entry struct {
	First     float64 `json:"first_s"` // since the beginning
	Last      float64 `json:"last_s"`
	PerMinute float64 `json:"per_minute"` // mean from the first to the last
	Refusals  float64 `json:"refusals_per_admission"`
	Latency   Latency `json:"latency_ms"`
}

// Shop is what the shop did.
type Shop struct {
	Orders   int64 `json:"orders"`
	Failed   int64 `json:"failed"`          // requests that it failed or gave up on
	BestRate int64 `json:"best_per_minute"` // orders in its best minute
}

// Polls are requests for the status.
type Polls struct {
	Total  int64 `json:"total"`
	Origin int64 `json:"origin"`          // that reached the room
	Peak   int64 `json:"peak_per_second"` // of all
}

// NewReport gathers what log and verdict say. Without is a surge of the same crowd on the same shop
// without a room, or nil.
func NewReport(log *Log, verdict Verdict, services Services, without *Log) *Report {
	r := &Report{
		Kept: verdict.Kept(), Interrupted: log.Interrupted, Event: log.Event, Run: log.Run, Rate: log.Rate, Began: log.Began,
		OnSale: log.OnSale.Seconds(), Ended: log.Ended.Seconds(),
		Services: services, Promises: verdict.Promises, log: log, without: without,
	}
	r.seconds(log)
	r.visitors(log)
	r.Joins.Refusals = log.Refusals
	r.Joins.Latency, r.Entry.Latency = latencyOf(log.JoinLatency), latencyOf(log.AdmitLatency)
	r.Shop = shopOf(log)
	if without != nil {
		shop := shopOf(without)
		r.Without = &shop
	}
	r.Forecast = NewForecast(log)
	return r
}

func (r *Report) seconds(log *Log) {
	for at, s := range log.Seconds {
		r.Joins.Answered += s.Joins
		r.Joins.Refused += s.Refused
		if s.Joins > r.Joins.Peak {
			r.Joins.Peak, r.Joins.PeakAt = s.Joins, float64(at)
		}
		r.Polls.Total += s.Polls
		r.Polls.Origin += s.Origin
		r.Polls.Peak = max(r.Polls.Peak, s.Polls)
		r.Waits.Longest = max(r.Waits.Longest, s.Waiting)
		if s.Waiting > 0 {
			r.Waits.Empty = float64(at + 1)
		}
	}
	if n := len(log.Seconds); n == 0 || log.Seconds[n-1].Waiting > 0 {
		r.Waits.Empty = 0
	}
}

func (r *Report) visitors(log *Log) {
	var waits []float64
	var refused int64
	first, last := Never, Never
	for i := range log.Visitors {
		v := &log.Visitors[i]
		*r.Crowd.of(v, log.Ended)++
		r.Crowd.Visitors++
		refused += int64(v.Refused)
		if v.Admitted == Never {
			continue
		}
		waits = append(waits, (v.Admitted - max(v.Arrives, log.OnSale)).Seconds())
		if first == Never || v.Admitted < first {
			first = v.Admitted
		}
		last = max(last, v.Admitted)
	}
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	r.Waits.P10, r.Waits.P50 = percentile(waits, 10), percentile(waits, 50)
	r.Waits.P90, r.Waits.P99 = percentile(waits, 90), percentile(waits, 99)
	r.Entry.First, r.Entry.Last = first.Seconds(), last.Seconds()
	if span := (last - first).Minutes(); span > 0 {
		r.Entry.PerMinute = float64(len(waits)) / span
	}
	r.Entry.Refusals = float64(refused) / float64(len(waits))
}

// of is the count that v belongs to.
func (c *Crowd) of(v *Visitor, ended time.Duration) *int64 {
	switch {
	case v.Admitted != Never:
		return &c.Admitted
	case v.Outcome == Rejected:
		return &c.Rejected
	case v.Outcome == SoldOut:
		return &c.TurnedAway
	case v.Arrives == Never || v.Arrives > ended:
		return &c.Expected
	case v.Cohort == NoCohort:
		return &c.Asking
	case v.NoShow:
		return &c.NoShows
	case v.Outcome == Expired:
		return &c.Expired
	case v.Called != Never:
		return &c.AtDoor
	}
	return &c.InLine
}

// percentile returns the value below which p per cent of sorted lie.
func percentile(sorted []float64, p int) float64 {
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{}
	}
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: ms(50), P90: ms(90), P99: ms(99), Max: ms(100)}
}

func shopOf(log *Log) Shop {
	var shop Shop
	var minute int64
	for at, s := range log.Seconds {
		shop.Orders += s.Orders
		shop.Failed += s.ShopFails
		minute += s.Orders
		if at >= 60 {
			minute -= log.Seconds[at-60].Orders
		}
		shop.BestRate = max(shop.BestRate, minute)
	}
	return shop
}

// WriteJSON writes the report as one indented JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
