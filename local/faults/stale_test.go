package faults

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// shelf serves a status that says in which second it is asked for, and a seal.
type shelf struct {
	now     func() time.Time
	missing bool
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.missing {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	second := strconv.FormatInt(s.now().Unix(), 10)
	w.Header().Set("ETag", `"`+second+`"`)
	w.Header().Set("Cache-Control", "public, max-age=1")
	if r.Header.Get("If-None-Match") == `"`+second+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	fmt.Fprint(w, second)
}

func ask(h http.Handler, method, path, etag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestStaleStatus(t *testing.T) {
	const share, most = 0.3, 5
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	behind := &shelf{now: clock}
	cache, err := NewStale(behind, share, most*time.Second, 1, clock)
	if err != nil {
		t.Fatal(err)
	}
	ages := func(path string, n int) map[int64]int {
		found := map[int64]int{}
		for range n {
			now = now.Add(250 * time.Millisecond)
			w := ask(cache, http.MethodGet, path, "")
			second, err := strconv.ParseInt(w.Body.String(), 10, 64)
			if w.Code != http.StatusOK || err != nil || w.Header().Get("ETag") != `"`+w.Body.String()+`"` ||
				w.Header().Get("Cache-Control") != "public, max-age=1" {
				t.Fatalf("%d %v %q", w.Code, w.Header(), w.Body)
			}
			found[now.Unix()-second]++
		}
		return found
	}
	if got := ages("/status/demo.json", 1000); len(got) != 1 || cache.Served() != 0 {
		t.Errorf("before the trouble statuses are %v seconds old", got)
	}
	cache.Begin()
	got := ages("/status/demo.json", 10_000)
	old := 0
	for age := int64(1); age <= most; age++ {
		if old += got[age]; got[age] == 0 {
			t.Errorf("no status is %d seconds old: %v", age, got)
		}
	}
	if got[0]+old != 10_000 || int64(old) != cache.Served() {
		t.Errorf("statuses are %v seconds old, %d of them stale", got, cache.Served())
	}
	// A status lasts for a second, half of which it is still the one of so little a while ago.
	if want := share * 10_000 * (1 - 0.5/most); math.Abs(float64(old)-want) > 0.1*want {
		t.Errorf("%d statuses are stale, want about %v", old, want)
	}
	if got := ages("/seals/demo/run/0.json", 100); len(got) != 1 {
		t.Errorf("seals are %v seconds old", got)
	}
	cache.Heal()
	if got := ages("/status/demo.json", 1000); len(got) != 1 {
		t.Errorf("after the trouble statuses are %v seconds old", got)
	}
}

func TestStaleKeepsToHTTP(t *testing.T) {
	now := time.Unix(1000, 0)
	behind := &shelf{now: func() time.Time { return now }}
	cache, err := NewStale(behind, 1, time.Second, 1, behind.now)
	if err != nil {
		t.Fatal(err)
	}
	cache.Begin()
	if w := ask(cache, http.MethodGet, "/status/demo.json", `"1000"`); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("what the visitor has already: %d %q", w.Code, w.Body)
	}
	if w := ask(cache, http.MethodHead, "/status/demo.json", ""); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
	behind.missing = true
	if w := ask(cache, http.MethodGet, "/status/other.json", ""); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("missing: %d %v", w.Code, w.Header())
	}
	for _, share := range []float64{-1, 1.5, math.NaN()} {
		if _, err := NewStale(behind, share, time.Second, 1, behind.now); err == nil {
			t.Errorf("a share of %v is taken", share)
		}
	}
	if _, err := NewStale(behind, 0.5, -time.Second, 1, behind.now); err == nil {
		t.Error("a status from the future is served")
	}
}
