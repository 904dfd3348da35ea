package names

// Metrics are published under this namespace in CloudWatch's embedded metric format, with these
// dimensions: by room, by room and event, and refusals by room and reason. Events that do not exist
// never become a dimension, since anybody can make up their names and each costs money.
const (
	MetricNamespace = "WaitingRoom"
	DimensionRoom   = "Room"
	DimensionEvent  = "Event"
	DimensionReason = "Reason" // a problem's code
)

// What visitors do, counted when it happens.
const (
	MetricJoins      = "Joins"      // count, by room and by event: places given out
	MetricAdmissions = "Admissions" // count, by room and by event: turns claimed for the first time
	MetricRefusals   = "Refusals"   // count, by room and reason: answers that are problems
)

// What the leader knows of an event, at each of its steps.
const (
	MetricPointer      = "Pointer"      // count, by event: the admitted-up-to pointer
	MetricLine         = "Line"         // count, by event: places drawn; before the first draw, those in the pool
	MetricWaiting      = "Waiting"      // count, by event: places behind the pointer
	MetricRate         = "Rate"         // count per minute, by event: the rate that the promoter set
	MetricMeasuredRate = "MeasuredRate" // count per minute, by event: admissions, as the status tells
	MetricShowRate     = "ShowRate"     // percent, by event: turns that are claimed
)

// What alarms watch. The worst event's value is what counts, so these are by room too.
const (
	MetricLeaderGap      = "LeaderGap"      // seconds since an invocation of tick last saw the state's version move
	MetricTickLag        = "TickLag"        // seconds between the leader's steps by the clock, forwards or backwards
	MetricPointerStall   = "PointerStall"   // seconds that the pointer stands still for no reason while people wait, or sealing fails
	MetricAdmissionShare = "AdmissionShare" // percent of the rate that is admitted, while people have been waiting for minutes
	MetricBadSettings    = "BadSettings"    // count: parameters that were found bad
)

// What the hot shows' alarms watch, by room.
const (
	MetricShowsUnready = "ShowsUnready" // count: shows that should be ready and are not, or whose sale came before they were
	MetricShowsLeftUp  = "ShowsLeftUp"  // count: shows that should have been taken down and are not
)

// Metrics lists the metrics that a room publishes.
func Metrics() []string {
	return []string{
		MetricJoins, MetricAdmissions, MetricRefusals,
		MetricPointer, MetricLine, MetricWaiting, MetricRate, MetricMeasuredRate, MetricShowRate,
		MetricLeaderGap, MetricTickLag, MetricPointerStall, MetricAdmissionShare, MetricBadSettings,
		MetricShowsUnready, MetricShowsLeftUp,
	}
}
