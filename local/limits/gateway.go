package limits

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"waitingroom/shared/httpapi"
)

// API Gateway's default limits of all REST APIs of an account in a region: requests a second, and
// the bucket's size (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html).
// Some regions have a quarter of it.
const (
	GatewayRate  = 10_000
	GatewayBurst = 5_000
)

// Gateway is API Gateway's limit. It is safe for concurrent use.
type Gateway struct {
	clock  clock
	bucket *rate.Limiter

	mu      sync.Mutex
	allowed tally
	refused int64
}

// GatewayStats counts requests since the gateway was made.
type GatewayStats struct {
	Allowed, Refused int64
	Peak             int64 // let through in the busiest second of the clock
}

// NewGateway returns a full token bucket of size burst that gains perSecond tokens a second, one for
// each request. A nil now is the machine's clock. Numbers below 1 are an error.
func NewGateway(perSecond, burst int, now func() time.Time) (*Gateway, error) {
	if perSecond < 1 || burst < 1 {
		return nil, fmt.Errorf("limits: a gateway of %d requests a second and a burst of %d: give at least 1 of each", perSecond, burst)
	}
	return &Gateway{clock: newClock(now), bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}, nil
}

// Limit returns a handler that lets requests through to next while there are tokens. The others get
// the answer that the deployed API has for THROTTLED, from the gateway itself.
func (g *Gateway) Limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.admit() {
			next.ServeHTTP(w, r)
			return
		}
		answer := Refusal(httpapi.Busy)
		for name, value := range answer.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.StatusCode)
		io.WriteString(w, answer.Body)
	})
}

func (g *Gateway) admit() bool {
	elapsed := g.clock.elapsed()
	allowed := g.bucket.AllowN(g.clock.began.Add(elapsed), 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if allowed {
		g.allowed.add(int64(elapsed/time.Second), 1)
	} else {
		g.refused++
	}
	return allowed
}

// Stats may be called at any time.
func (g *Gateway) Stats() GatewayStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GatewayStats{int64(g.allowed.total), g.refused, int64(g.allowed.highest())}
}

// Refusal is a problem as API Gateway answers it without asking a function: the same document, and
// only the headers that the stack has set for it.
func Refusal(p *httpapi.Problem) httpapi.Response {
	answer := p.Response()
	delete(answer.Headers, "X-Content-Type-Options")
	return answer
}
