package limits

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	smithytime "github.com/aws/smithy-go/time"
)

// Latency is how long calls take: a log-normal distribution by two of its points, as latencies of
// stores are usually told. The zero value is no time at all.
type Latency struct {
	Median time.Duration
	P99    time.Duration // one call in a hundred takes longer; not less than Median
}

// Assumed latencies of a function in the table's region. DynamoDB's documentation promises
// single-digit milliseconds and no percentiles
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Introduction.html); a sale's own
// are in CloudWatch as SuccessfulRequestLatency.
var (
	AssumedWrite = Latency{Median: 4 * time.Millisecond, P99: 15 * time.Millisecond}
	AssumedRead  = Latency{Median: 2500 * time.Microsecond, P99: 8 * time.Millisecond}
)

func (l Latency) check() error {
	if l == (Latency{}) || (l.Median > 0 && l.P99 >= l.Median) {
		return nil
	}
	return fmt.Errorf("a median of %v and a 99th percentile of %v: give both, the median first", l.Median, l.P99)
}

// z99 is the standard normal distribution's 99th percentile.
const z99 = 2.3263478740408408

// delays draws latencies. It is safe for concurrent use.
type delays struct {
	mu     sync.Mutex
	random *rand.Rand
	of     [directions]Latency
}

func (l *delays) draw(d direction) time.Duration {
	of := l.of[d]
	if of.Median == 0 {
		return 0
	}
	l.mu.Lock()
	normal := l.random.NormFloat64()
	l.mu.Unlock()
	sigma := math.Log(float64(of.P99)/float64(of.Median)) / z99
	return time.Duration(float64(of.Median) * math.Exp(sigma*normal))
}

// wait lets a call's time pass, and returns ctx's error if that ends first.
func (l *delays) wait(ctx context.Context, d direction) error {
	delay := l.draw(d)
	if delay == 0 {
		return ctx.Err()
	}
	return smithytime.SleepWithContext(ctx, delay)
}
