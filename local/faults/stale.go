package faults

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"waitingroom/shared/names"
)

// Stale serves documents as a cache does that is behind: a share of the requests for a status gets it
// as it was up to some time ago. Everything else goes through. It is safe for concurrent use.
type Stale struct {
	next  http.Handler
	share float64
	most  time.Duration
	now   func() time.Time

	mu      sync.Mutex
	random  *rand.Rand
	trouble bool
	known   map[string][]version // by path, oldest first
	stale   int64
}

// version is a document as it was from a moment on until that of the next.
type version struct {
	since  time.Time
	header http.Header
	body   []byte
}

// NewStale returns a cache in front of next that serves a share, 0 to 1, of statuses as they were at
// most so long ago, once the trouble begins. It knows what it was asked for, so a status that nobody
// asked for in between is as new as can be known.
func NewStale(next http.Handler, share float64, most time.Duration, seed uint64, now func() time.Time) (*Stale, error) {
	if !(share >= 0 && share <= 1) || most < 0 {
		return nil, fmt.Errorf("a share of %v cannot be %v behind: from 0 to 1, and not less than 0s", share, most)
	}
	return &Stale{next: next, share: share, most: most, now: now,
		random: rand.New(rand.NewPCG(seed, 0)), known: map[string][]version{}}, nil
}

// Begin begins the trouble.
func (s *Stale) Begin() { s.set(true) }

// Heal ends the trouble for every request to come.
func (s *Stale) Heal() { s.set(false) }

func (s *Stale) set(trouble bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = trouble
}

// Served is how many requests got a status that was not the latest.
func (s *Stale) Served() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale
}

// ServeHTTP answers with the document, or with an older one.
func (s *Stale) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, names.StatusPrefix) {
		s.next.ServeHTTP(w, r)
		return
	}
	latest := s.fetch(r)
	if latest.status != http.StatusOK {
		latest.copyTo(w)
		return
	}
	served := s.serve(r.URL.Path, version{since: s.now(), header: latest.header, body: latest.body.Bytes()})
	for name, values := range served.header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(served.body))
}

// fetch gets the whole document, whatever part or version the request has or wants.
func (s *Stale) fetch(r *http.Request) *answer {
	whole := r.Clone(r.Context())
	for _, name := range []string{"If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"} {
		whole.Header.Del(name)
	}
	a := &answer{status: http.StatusOK, header: http.Header{}}
	s.next.ServeHTTP(a, whole)
	return a
}

// serve takes in the latest version, forgets what is too old to be served, and chooses.
func (s *Stale) serve(path string, latest version) version {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.known[path]
	if n := len(versions); n == 0 || !bytes.Equal(versions[n-1].body, latest.body) {
		versions = append(versions, latest)
	}
	for len(versions) > 1 && latest.since.Sub(versions[1].since) >= s.most {
		versions = versions[1:]
	}
	s.known[path] = versions
	// Each request takes two numbers, whether or not it is served an old status.
	chance, age := s.random.Float64(), s.random.Float64()
	if !s.trouble || chance >= s.share {
		return latest
	}
	asOf := latest.since.Add(-time.Duration(age * float64(s.most)))
	i := len(versions) - 1
	for i > 0 && versions[i].since.After(asOf) {
		i--
	}
	if i < len(versions)-1 {
		s.stale++
	}
	return versions[i]
}

// answer is what the handler behind writes.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	w.Write(a.body.Bytes())
}
