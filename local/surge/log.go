package surge

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"waitingroom/shared/room"
)

// Log is all that a surge saw. The judge and the report read it and nothing else.
type Log struct {
	Event    string
	Rate     int           // visitors per minute, as the promoter set it
	Began    time.Time     // by the room's clock; all durations count from here
	OnSale   time.Duration // the time that the first open status names, or when it was to be
	Ended    time.Duration
	Visitors []Visitor
	Seals    []room.SealDocument // published, by cohort, without a gap
	Statuses []Sighting          // every version that pages took over: never one older than the one before it
	Seconds  []Second            // from the beginning, one after the other
	DrawKey  string              // hex; empty while the run is not closed
	Commit   string              // hex
	Run      string

	// Interrupted is set if the surge was ended before its time.
	Interrupted bool

	// Latencies as visitors have them, in microseconds: of joins that gave a place and of claims that
	// gave a pass, from the moment at which the page wanted to ask.
	JoinLatency, AdmitLatency *hdrhistogram.Histogram

	// Broken is what visitors saw that nobody must ever see, such as two answers that contradict each
	// other. The judge adds what can only be told from all of them together.
	Broken []string

	// Joins that were refused, by the problem's code, such as "busy"; "none" for no answer at all.
	Refusals map[string]int64

	Requests Requests
}

// Sighting is when a status was first seen, and what it said.
type Sighting struct {
	At time.Duration
	room.Status
}

// Second is what happened in one second of a surge.
type Second struct {
	Arrivals  int64 // pages opened
	Joins     int64 // answered with a place
	Refused   int64 // joins answered with 429 or 5xx, or not at all
	Polls     int64 // of the status, by all pages
	Origin    int64 // requests for the status that reached the room, through the cache
	Turns     int64 // visitors who learnt that their turn has come
	Admitted  int64
	OverCap   int64 // claims told to come again
	Orders    int64 // completed at the shop
	ShopFails int64 // requests that the shop failed or gave up on
	Waiting   int64 // in line at the end of the second: joined, not admitted, and not no-shows
}
