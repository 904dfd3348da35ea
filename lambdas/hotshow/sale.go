package hotshow

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/room"
	"waitingroom/shared/settings"
)

// Sale is how the sale of a show's event stands, for a terminal that watches it. What could not be found
// out, or is not known yet, is absent.
type Sale struct {
	Event    string     `json:"event"`
	Phase    room.Phase `json:"phase,omitempty"` // absent where the event has no status
	Line     int64      `json:"line"`            // last position given out
	Admitted int64      `json:"admitted"`        // positions up to this one may enter
	Waiting  int64      `json:"waiting"`         // people whose turn has not come
	Rate     int64      `json:"rate"`            // visitors a minute, measured over the last minute
	RateSet  int        `json:"rate_set,omitempty"`
	Wait     *int64     `json:"wait_seconds,omitempty"` // estimate for somebody who joins now; absent while the line stands still
	Time     string     `json:"time,omitempty"`         // of what the status says
	Alarms   []Alarm    `json:"alarms,omitzero"`        // of the room, that ring
}

// Alarm is one that rings.
type Alarm struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"` // what it means, for whoever is called
}

// Statuses tells what visitors are told of an event: found is false where there is nothing.
type Statuses interface {
	Status(ctx context.Context, event string) (status room.Status, found bool, err error)
}

// Parameters is where promoters set events.
type Parameters interface {
	Event(ctx context.Context, event string) (map[string]string, error)
}

// Alarms tells which of the room's alarms ring: an empty list if none does.
type Alarms interface {
	Ringing(ctx context.Context) ([]Alarm, error)
}

// saleLimit bounds all three reads: a terminal that watches asks again in seconds.
const saleLimit = 5 * time.Second

// sale tells what it can: a service that does not answer leaves the others' answers standing.
func (d *Desk) sale(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
	show, err := d.find(ctx, r)
	if err != nil {
		return httpapi.Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, saleLimit)
	defer cancel()
	event := show.Request.Event
	var status room.Status
	var rate int
	var alarms []Alarm
	var reads sync.WaitGroup
	read := func(what string, do func() error) {
		reads.Go(func() {
			if err := do(); err != nil {
				d.Log.WarnContext(ctx, "sale told without its "+what, "event", event, "show", show.ID,
					"request", r.RequestContext.RequestID, "error", err)
			}
		})
	}
	read("status", func() (err error) {
		status, _, err = d.Statuses.Status(ctx, event)
		return err
	})
	read("rate", func() (err error) {
		rate, err = d.rates.recent(d.Now(), event, func() (int, error) {
			texts, err := d.Parameters.Event(ctx, event)
			return rateOf(texts), err
		})
		return err
	})
	read("alarms", func() (err error) {
		alarms, err = d.ringing.recent(d.Now(), "", func() ([]Alarm, error) { return d.Alarms.Ringing(ctx) })
		return err
	})
	reads.Wait()
	return httpapi.OK(http.StatusOK, describe(event, status, rate, alarms))
}

const (
	// keptFor is how long a rate and the alarms are told from memory. Terminals ask every two seconds, and
	// Parameter Store's quota of 40 reads a second is tick's too.
	keptFor = 10 * time.Second
	// mostKept bounds the memory: of more events than that, some are read again.
	mostKept = 100
)

// memory keeps what was read a moment ago, by what it is about.
type memory[T any] struct {
	mu    sync.Mutex
	known map[string]remembered[T]
}

type remembered[T any] struct {
	at    time.Time
	value T
}

// recent is a value that is at most keptFor old, or else read anew. An error is not kept.
func (m *memory[T]) recent(now time.Time, about string, read func() (T, error)) (T, error) {
	m.mu.Lock()
	kept, ok := m.known[about]
	m.mu.Unlock()
	if age := now.Sub(kept.at); ok && 0 <= age && age < keptFor {
		return kept.value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= mostKept {
		m.known = map[string]remembered[T]{}
	}
	m.known[about] = remembered[T]{now, value}
	return value, nil
}

func describe(event string, s room.Status, rate int, alarms []Alarm) Sale {
	sale := Sale{
		Event: event, Phase: s.Phase, Line: s.Line, Admitted: s.Admitted, Waiting: max(0, s.Line-s.Admitted),
		Rate: s.Rate, RateSet: rate, Time: s.Time, Alarms: alarms,
	}
	// Until admissions are measured, the rate that was set is the best estimate there is.
	speed := float64(s.Rate)
	if speed == 0 {
		speed = float64(rate)
	}
	if s.Phase == room.Open && speed > 0 {
		seconds := int64(math.Ceil(float64(sale.Waiting) / speed * 60))
		sale.Wait = &seconds
	}
	return sale
}

// rateOf is the rate that a promoter has set, or 0 if it is none: the one in force is then an earlier
// one, which only the event's leader knows.
func rateOf(texts map[string]string) int {
	good := settings.Parse(texts, nil).Good[settings.Rate]
	rate, err := strconv.Atoi(good)
	if err != nil {
		return 0
	}
	return rate
}

// CloudWatch is what CloudWatchAlarms needs of *cloudwatch.Client.
type CloudWatch interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

// CloudWatchAlarms are the alarms whose names begin with a room's.
type CloudWatchAlarms struct {
	api  CloudWatch
	room string
}

// NewCloudWatchAlarms returns the alarms of the room of that name.
func NewCloudWatchAlarms(api CloudWatch, room string) *CloudWatchAlarms {
	return &CloudWatchAlarms{api, room}
}

// mostAlarms is what CloudWatch tells in one call at most, and several times what a room has: there is
// no second page
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
const mostAlarms = 100

// Ringing implements Alarms.
func (c *CloudWatchAlarms) Ringing(ctx context.Context) ([]Alarm, error) {
	out, err := c.api.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNamePrefix: aws.String(c.room + "-"), StateValue: types.StateValueAlarm, MaxRecords: aws.Int32(mostAlarms),
	})
	if err != nil {
		return nil, fmt.Errorf("describe alarms: %w", err)
	}
	ringing := []Alarm{}
	for _, a := range out.MetricAlarms {
		since := aws.ToTime(a.StateTransitionedTimestamp)
		if since.IsZero() { // of an alarm that changed for other reasons than its state
			since = aws.ToTime(a.StateUpdatedTimestamp)
		}
		ringing = append(ringing, Alarm{Name: aws.ToString(a.AlarmName), Since: since.UTC(), Why: strings.TrimSpace(aws.ToString(a.AlarmDescription))})
	}
	return ringing, nil
}
