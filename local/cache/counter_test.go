package cache_test

import (
	"net/http"
	"strings"
	"sync"

	"waitingroom/local/cache"
	"waitingroom/local/shop"
	"waitingroom/shared/names"
)

// counter counts what the handler behind it is asked and answers. At the origin it tells, independently
// of the cache, what the cache lets through.
type counter struct {
	next http.Handler

	mu     sync.Mutex
	counts cache.Counts
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	class := classOf(r.URL.Path)
	c.add(class, cache.Tally{Requests: 1})
	c.next.ServeHTTP(counted{w, func(bytes int) { c.add(class, cache.Tally{Bytes: int64(bytes)}) }}, r)
}

func (c *counter) add(class cache.Class, t cache.Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[class].Requests += t.Requests
	c.counts[class].Bytes += t.Bytes
}

// Counts so far. A request counts when it arrives, its bytes when they are written.
func (c *counter) Counts() cache.Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

func classOf(path string) cache.Class {
	switch {
	case strings.HasPrefix(path, names.StatusPrefix):
		return cache.Status
	case strings.HasPrefix(path, names.SealsPrefix):
		return cache.Seals
	case strings.HasPrefix(path, "/v1/"):
		return cache.API
	case path == shop.Path, strings.HasPrefix(path, shop.Path+"/"):
		return cache.Shop
	}
	return cache.Page
}

type counted struct {
	http.ResponseWriter
	wrote func(bytes int)
}

func (w counted) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.wrote(n)
	return n, err
}
