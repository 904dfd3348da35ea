package cache

import (
	"net/http"
	"strings"
	"sync/atomic"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
)

// Class is a kind of address, by what a cache may do with it.
type Class int

// The classes. Page is the page with its assets and the well-known documents; API and Shop are
// never cached.
const (
	Status Class = iota
	Seals
	Page
	API
	Shop
	classes
)

// apiPrefix begins every path of names.Routes.
const apiPrefix = "/v1/"

// labels are the classes as nginx logs them.
var labels = [classes]string{"status", "seals", "page", "api", "shop"}

func (c Class) String() string { return labels[c] }

// ClassOf returns the class of a path.
func ClassOf(path string) Class {
	switch {
	case strings.HasPrefix(path, names.StatusPrefix):
		return Status
	case strings.HasPrefix(path, names.SealsPrefix):
		return Seals
	case strings.HasPrefix(path, apiPrefix):
		return API
	case path == shop.Path, strings.HasPrefix(path, shop.Path+"/"):
		return Shop
	}
	return Page
}

// Tally is a number of requests and of the bytes in the bodies of their answers.
type Tally struct{ Requests, Bytes int64 }

// Counts are tallies by class.
type Counts [classes]Tally

// Total of all classes.
func (c Counts) Total() Tally {
	var total Tally
	for _, t := range c {
		total.Requests += t.Requests
		total.Bytes += t.Bytes
	}
	return total
}

// Minus returns what was counted since the earlier counts.
func (c Counts) Minus(earlier Counts) Counts {
	for class, t := range earlier {
		c[class].Requests -= t.Requests
		c[class].Bytes -= t.Bytes
	}
	return c
}

// Counter is a handler that counts what another one is asked and answers. In front of the room it
// tells, independently of the cache, what the cache lets through.
type Counter struct {
	next   http.Handler
	counts [classes]struct{ requests, bytes atomic.Int64 }
}

// NewCounter returns a counter in front of next.
func NewCounter(next http.Handler) *Counter { return &Counter{next: next} }

func (c *Counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	counts := &c.counts[ClassOf(r.URL.Path)]
	counts.requests.Add(1)
	c.next.ServeHTTP(&counted{w, &counts.bytes}, r)
}

// Counts so far. A request counts when it arrives, its bytes when they are written.
func (c *Counter) Counts() Counts {
	var counts Counts
	for class := range c.counts {
		counts[class] = Tally{c.counts[class].requests.Load(), c.counts[class].bytes.Load()}
	}
	return counts
}

type counted struct {
	http.ResponseWriter
	bytes *atomic.Int64
}

func (w *counted) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes.Add(int64(n))
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *counted) Unwrap() http.ResponseWriter { return w.ResponseWriter }
