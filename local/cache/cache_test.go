package cache_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"waitingroom/local/cache"
	"waitingroom/shared/names"
	"waitingroom/shared/publish"
)

// find returns nginx. Without it the test is skipped, unless CACHE_TESTS=required.
func find(t *testing.T) string {
	t.Helper()
	program, err := cache.Find()
	if err == nil {
		return program
	}
	if os.Getenv("CACHE_TESTS") == "required" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// origin answers as the room does: its documents are served by the room's own code.
type origin struct {
	*counter
	documents *publish.Folder
	address   string
	broken    atomic.Int32 // a status that is answered in the place of everything else

	mu   sync.Mutex
	seen []*http.Request // in order
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	documents, err := publish.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { documents.Close() })
	o := &origin{documents: documents}
	mux := http.NewServeMux()
	for _, path := range []string{names.StatusPrefix, names.SealsPrefix, names.JWKSPath, names.OIDCPath} {
		mux.Handle(path, documents)
	}
	says := func(text, cacheControl string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", cacheControl)
			http.SetCookie(w, &http.Cookie{Name: "somebody", Value: "else"})
			io.WriteString(w, text)
		}
	}
	mux.HandleFunc(names.AssetsPrefix, says("asset", names.AssetCacheControl))
	mux.HandleFunc("/v1/", says("answer", "no-store"))
	mux.HandleFunc("/shop", says("checkout", "private, no-store"))
	mux.HandleFunc("/shop/order", says("order", "private, no-store"))
	mux.HandleFunc("/", says("page", names.PageCacheControl))
	o.counter = &counter{next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		o.mu.Lock()
		copied := r.Clone(context.Background())
		copied.Body = io.NopCloser(strings.NewReader(string(body)))
		o.seen = append(o.seen, copied)
		o.mu.Unlock()
		if status := int(o.broken.Load()); status != 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			io.WriteString(w, `{"title":"broken"}`)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	o.address = server.URL
	return o
}

func (o *origin) publish(t *testing.T, path, body string) {
	t.Helper()
	if err := o.documents.Put(t.Context(), path, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// last is the request that the origin saw last, and how many it has seen.
func (o *origin) last() (*http.Request, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) == 0 {
		return nil, 0
	}
	return o.seen[len(o.seen)-1], len(o.seen)
}

// start puts a cache in front of the origin. Ending it is part of the test.
func start(t *testing.T, o *origin) *cache.Cache {
	t.Helper()
	c, err := cache.Start(t.Context(), cache.Options{Program: find(t), Origin: o.address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

type reply struct {
	*http.Response
	body string
}

func ask(t *testing.T, method, address, body string, header http.Header) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response, string(answer)}
}

// Every visitor has cookies, credentials and queries of their own. None of them makes a second copy
// of what is for all, or reaches the origin with it; all of them reach the API and the shop.
func TestWhatIsKept(t *testing.T) {
	o := newOrigin(t)
	o.publish(t, "status/demo.json", `{"version":1}`)
	o.publish(t, "seals/demo/0123abcd/0.json", `{"cohort":0}`)
	o.publish(t, "seals/demo/0123abcd/1.json", `{"cohort":1}`)
	o.publish(t, ".well-known/jwks.json", `{"keys":[]}`)
	c := start(t, o)
	const often = 20
	for _, test := range []struct {
		method, path, body, cacheControl string
		status                           int
		kept                             time.Duration // 0: not at all
	}{
		{"GET", "/status/demo.json", `{"version":1}`, "public, max-age=1", 200, time.Second},
		{"GET", "/seals/demo/0123abcd/0.json", `{"cohort":0}`, "public, max-age=31536000, immutable", 200, time.Hour},
		{"GET", "/seals/demo/0123abcd/1.json", `{"cohort":1}`, "public, max-age=31536000, immutable", 200, time.Hour},
		{"GET", names.JWKSPath, `{"keys":[]}`, "public, max-age=300", 200, time.Minute},
		{"GET", "/assets/page.js", "asset", names.AssetCacheControl, 200, 30 * time.Second},
		{"GET", "/demo", "page", names.PageCacheControl, 200, time.Second},
		{"GET", "/status/nothing.json", "", "no-store", 404, 0},
		{"GET", "/seals/demo/0123abcd/9.json", "", "no-store", 404, 0},
		{"GET", "/v1/events/demo/place", "answer", "no-store", 200, 0},
		{"POST", "/v1/events/demo/join", "answer", "no-store", 200, 0},
		{"GET", "/shop", "checkout", "private, no-store", 200, 0},
		{"POST", "/shop/order", "order", "private, no-store", 200, 0},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			began := time.Now()
			_, before := o.last()
			for i := range often {
				header := http.Header{"Cookie": {fmt.Sprint("me=", i)}, "Authorization": {fmt.Sprint("Bearer ", i)}, "Accept-Encoding": {"gzip"}}
				sent := ""
				if test.method == "POST" {
					sent = fmt.Sprint("body ", i)
				}
				got := ask(t, test.method, c.Address()+test.path+fmt.Sprint("?visitor=", i), sent, header)
				if got.StatusCode != test.status || got.Header.Get("Cache-Control") != test.cacheControl || (test.body != "" && plain(t, got) != test.body) {
					t.Fatalf("%d %q with Cache-Control %q", got.StatusCode, got.body, got.Header.Get("Cache-Control"))
				}
				private := test.kept == 0 && test.status == 200
				if set := got.Header.Get("Set-Cookie") != ""; set != private {
					t.Errorf("sets a cookie: %t", set)
				}
				request, _ := o.last()
				body, _ := io.ReadAll(request.Body)
				request.Body = io.NopCloser(strings.NewReader(string(body)))
				if request.Host != strings.TrimPrefix(c.Address(), "http://") || string(body) != sent || request.Method != test.method {
					t.Errorf("the origin saw %s %s with %q", request.Method, request.Host, body)
				}
				for _, name := range []string{"Cookie", "Authorization"} {
					want := ""
					if private {
						want = header.Get(name)
					}
					if seen := request.Header.Get(name); seen != want {
						t.Errorf("the origin saw %s %q, want %q", name, seen, want)
					}
				}
				if query := request.URL.RawQuery; (query != "") != private {
					t.Errorf("the origin saw the query %q", query)
				}
			}
			_, after := o.last()
			asked := after - before
			if test.kept == 0 && asked != often {
				t.Errorf("the origin was asked %d times, want %d", asked, often)
			}
			// Counted by the clock's seconds, of which a run touches one more than it lasts.
			periods := int(time.Now().Truncate(test.kept).Sub(began.Truncate(test.kept))/max(test.kept, 1)) + 1
			if test.kept != 0 && (asked < 1 || asked > periods) {
				t.Errorf("the origin was asked %d times, want 1 to %d", asked, periods)
			}
		})
	}
}

// plain returns the body of an answer whose compression the transport leaves alone.
func plain(t *testing.T, got reply) string {
	t.Helper()
	if got.Header.Get("Content-Encoding") != "gzip" {
		return got.body
	}
	reader, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An error is the visitor's to see as the origin sent it, and is over as soon as the origin is well.
func TestErrorsPassThroughAndAreNotKept(t *testing.T) {
	o := newOrigin(t)
	c := start(t, o)
	for _, path := range []string{"/status/demo.json", "/seals/demo/0123abcd/0.json", "/assets/page.js", "/demo", "/v1/events/demo/join"} {
		o.publish(t, "status/demo.json", `{"version":1}`)
		o.publish(t, "seals/demo/0123abcd/0.json", `{"cohort":0}`)
		for _, status := range []int{429, 500, 503} {
			o.broken.Store(int32(status))
			for range 3 {
				got := ask(t, "GET", c.Address()+path, "", nil)
				if got.StatusCode != status || got.Header.Get("Retry-After") != "7" || got.body != `{"title":"broken"}` ||
					got.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %d %q with %v, want the origin's %d", path, got.StatusCode, got.body, got.Header, status)
				}
			}
		}
		o.broken.Store(0)
		if got := ask(t, "GET", c.Address()+path, "", nil); got.StatusCode != 200 {
			t.Errorf("%s answers %d after the origin has recovered", path, got.StatusCode)
		}
	}
	if got := ask(t, "GET", c.Address()+"/status/soon.json", "", nil); got.StatusCode != 404 {
		t.Errorf("a status that is not published answers %d", got.StatusCode)
	}
	o.publish(t, "status/soon.json", "{}")
	if got := ask(t, "GET", c.Address()+"/status/soon.json", "", nil); got.StatusCode != 200 {
		t.Errorf("a status that was just published answers %d", got.StatusCode)
	}
}

// A failing origin is seen as soon as what was kept is too old, and so is one that is well again.
func TestFailingOriginIsSeen(t *testing.T) {
	o := newOrigin(t)
	o.publish(t, "status/demo.json", `{"version":1}`)
	c := start(t, o)
	get := func() reply { return ask(t, "GET", c.Address()+"/status/demo.json", "", nil) }
	if got := get(); got.body != `{"version":1}` {
		t.Fatalf("%d %q", got.StatusCode, got.body)
	}
	o.broken.Store(503)
	_, before := o.last()
	var got reply
	asked, deadline := before, time.Now().Add(time.Minute)
	for asked == before && time.Now().Before(deadline) {
		got = get() // until what was kept is too old
		_, asked = o.last()
	}
	if got.StatusCode != 503 {
		t.Errorf("with a failing origin: %d %q", got.StatusCode, got.body)
	}
	o.broken.Store(0)
	o.publish(t, "status/demo.json", `{"version":2}`)
	if got := get(); got.body != `{"version":2}` {
		t.Errorf("with a recovered origin: %d %q", got.StatusCode, got.body)
	}
}

// publications are the versions of a status, and when each was there.
type publications struct {
	mu   sync.Mutex
	from []time.Time // by version, from 0
}

// at is the newest version that was published before the time.
func (p *publications) at(moment time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	version := -1
	for v, from := range p.from {
		if from.Before(moment) {
			version = v
		}
	}
	return version
}

// slack is how far nginx's clock may be behind: it looks at it once in a round of its events.
const slack = 100 * time.Millisecond

// TestPollersReachTheCacheOnly lets a hundred visitors and a hundred thousand wait, at the pace at
// which their pages poll: every 2 s near the front of the line, every 60 s far from it. Each poll gets
// a status that was published at most the current second ago, each visitor the seals, and the
// origin is asked for each document once a second, however many wait.
func TestPollersReachTheCacheOnly(t *testing.T) {
	const changes = 50 // of the status, ten a second
	for _, crowd := range []struct {
		visitors int
		every    time.Duration
	}{{100, 2 * time.Second}, {100_000, time.Minute}} {
		t.Run(fmt.Sprint(crowd.visitors), func(t *testing.T) {
			o := newOrigin(t)
			o.publish(t, "seals/demo/0123abcd/0.json", strings.Repeat("7", 2000))
			history := &publications{}
			change := func() {
				history.mu.Lock()
				defer history.mu.Unlock()
				o.publish(t, "status/demo.json", fmt.Sprintf(`{"version":%d}`, len(history.from)))
				history.from = append(history.from, time.Now())
			}
			change()
			c := start(t, o)

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			began := time.Now()
			// A run that was held up catches up with a second's polls. None are there to begin with.
			second := float64(crowd.visitors) / crowd.every.Seconds()
			pace := rate.NewLimiter(rate.Limit(second), int(second))
			pace.AllowN(began, int(second))
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			var polls atomic.Int64
			var pages errgroup.Group
			for range 64 {
				pages.Go(func() error {
					for pace.Wait(ctx) == nil {
						if err := poll(t.Context(), client, c.Address(), history); err != nil {
							stop()
							return err
						}
						polls.Add(1)
					}
					return nil
				})
			}
			pages.Go(func() error {
				tick := time.NewTicker(time.Second / 10)
				defer tick.Stop()
				defer stop()
				for range changes {
					select {
					case <-tick.C:
						change()
					case <-ctx.Done():
						return nil
					}
				}
				return nil
			})
			if err := pages.Wait(); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				ask(t, "GET", c.Address()+"/seals/demo/0123abcd/0.json", "", nil)
			}
			seconds := time.Now().Unix() - began.Unix() + 1
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}

			asked, traffic := o.Counts(), c.Traffic()
			if n := asked[cache.Status].Requests; n < 2 || n > seconds {
				t.Errorf("the origin was asked for the status %d times in %d seconds", n, seconds)
			}
			if n := asked[cache.Seals].Requests; n != 1 {
				t.Errorf("the origin was asked for one seal %d times", n)
			}
			if traffic.Origin != asked {
				t.Errorf("the cache counted %v at the origin, the origin %v", traffic.Origin, asked)
			}
			if n := traffic.Clients[cache.Status].Requests; n != polls.Load() {
				t.Errorf("the cache counted %d polls, the pages %d", n, polls.Load())
			}
			share := 1 - float64(asked[cache.Status].Requests)/float64(polls.Load())
			bytes := 1 - float64(asked[cache.Status].Bytes)/float64(traffic.Clients[cache.Status].Bytes)
			// A hundred visitors ask 50 times a second, one of which has to get through.
			if crowd.visitors == 100_000 && (share < 0.999 || bytes < 0.999) {
				t.Errorf("the cache answered %.3f %% of the requests and %.3f %% of the bytes", 100*share, 100*bytes)
			}
			t.Logf("%d polls, %d of them asked of the origin in %d seconds: the cache answered %.3f %%, and %.3f %% of the bytes",
				polls.Load(), asked[cache.Status].Requests, seconds, 100*share, 100*bytes)
		})
	}
}

// poll checks that the status is not older than a second of the clock.
func poll(ctx context.Context, client *http.Client, address string, history *publications) error {
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/status/demo.json", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// A page's clock is Date and Age together, wherever the answer comes from.
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil || date.Before(began.Add(-slack).Truncate(time.Second)) || response.Header.Get("Age") != "" {
		return fmt.Errorf("an answer to %v has Date %v and Age %q", began, date, response.Header.Get("Age"))
	}
	var status struct{ Version int }
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %d: %w", response.StatusCode, err)
	}
	if least := history.at(began.Add(-slack).Truncate(time.Second)); status.Version < least {
		return fmt.Errorf("version %d, when version %d was published before this second", status.Version, least)
	}
	return nil
}

func TestStartRefuses(t *testing.T) {
	const origin = "http://127.0.0.1:8080"
	for name, o := range map[string]cache.Options{
		"no program":               {Program: "/nowhere/nginx", Origin: origin},
		"a program that ends":      {Program: "/bin/true", Origin: origin},
		"no origin":                {Program: "/bin/true"},
		"an origin elsewhere":      {Program: "/bin/true", Origin: "http://192.0.2.1:80"},
		"an origin under a folder": {Program: "/bin/true", Origin: origin + "/room"},
		"an origin without a port": {Program: "/bin/true", Origin: "http://127.0.0.1"},
		"an origin's directive":    {Program: "/bin/true", Origin: "http://127.0.0.1:80;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			if c, err := cache.Start(t.Context(), o); err == nil {
				t.Errorf("it started, and closing says %v", c.Close())
			}
			checkEmpty(t)
		})
	}
}

func checkEmpty(t *testing.T) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "waiting-room-cache-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	program := find(t)
	t.Setenv("TMPDIR", t.TempDir())
	c, err := cache.Start(t.Context(), cache.Options{Program: program, Origin: newOrigin(t).address})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", c.Address()+"/demo", "", nil); got.body != "page" {
		t.Errorf("the page is %d %q", got.StatusCode, got.body)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(c.Address(), "http://")); err == nil {
		t.Error("something still listens")
	}
	checkEmpty(t)
	if n := c.Traffic().Clients; n != (cache.Counts{cache.Page: {Requests: 1, Bytes: int64(len("page"))}}) {
		t.Errorf("counted %+v of one request for a page", n)
	}
}

// cacheOfChild has this test's program start a cache for the origin that it names.
const cacheOfChild = "CACHE_TEST_ORIGIN"

func TestMain(m *testing.M) {
	if origin := os.Getenv(cacheOfChild); origin != "" {
		program, err := cache.Find()
		if err == nil {
			var c *cache.Cache
			if c, err = cache.Start(context.Background(), cache.Options{Program: program, Origin: origin}); err == nil {
				fmt.Println(c.Address())
				select {} // until it is killed
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Killed without a chance to close anything, the process takes nginx along.
func TestNginxEndsWithItsProcess(t *testing.T) {
	find(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with the one that started it")
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), cacheOfChild+"="+newOrigin(t).address, "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		t.Fatal(err, child.Wait())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // an error that says it was killed
	// Whoever still listens for a moment closes the connection when it ends.
	deadline := time.Now().Add(20 * time.Second)
	for {
		connection, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		if err != nil {
			return
		}
		connection.SetDeadline(deadline)
		_, err = io.ReadAll(connection)
		connection.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("nginx outlives the process that started it")
		}
	}
}
