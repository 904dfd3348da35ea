package surge

import "time"

// Services are what the parts of the room took, for the report. Whoever runs the room fills in what
// it measured; what is zero is left out.
type Services struct {
	TableUnits      float64       `json:"table_units,omitempty"`       // consumed, write and read
	TablePeakWrites float64       `json:"table_peak_writes,omitempty"` // units, in the busiest second
	TablePeakReads  float64       `json:"table_peak_reads,omitempty"`  // units, in the busiest second
	TableThrottled  int64         `json:"table_throttled,omitempty"`   // calls
	ThrottleReasons []string      `json:"throttle_reasons,omitempty"`  // lines for people
	GatewayRefused  int64         `json:"gateway_refused,omitempty"`   // requests, with 429
	Environments    int64         `json:"environments,omitempty"`      // of all functions, at the peak
	MemoryPeakBytes int64         `json:"memory_peak_bytes,omitempty"` // of the process, resident
	CPUSeconds      float64       `json:"cpu_seconds,omitempty"`       // user and system
	CacheRequests   int64         `json:"cache_requests,omitempty"`    // that the cache answered or passed on
	CacheBytes      int64         `json:"cache_bytes,omitempty"`       // of those
	OriginRequests  int64         `json:"origin_requests,omitempty"`   // of them, that reached the room
	OriginBytes     int64         `json:"origin_bytes,omitempty"`      // of those
	ShopCapacity    int           `json:"shop_capacity,omitempty"`     // orders a minute that the shop can complete
	Notes           []string      `json:"notes,omitempty"`             // anything else, lines for people
	Duration        time.Duration `json:"-"`                           // of the run by the wall clock
}
