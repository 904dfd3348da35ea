package functions

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
)

// lambda is a pool of functions that take as long as each request says, in a bubble's time. An answer's
// body is the number of the environment that gave it.
type lambda struct {
	*Pool
	functions map[string]Function
}

func newLambda(t *testing.T, limit int, functions ...string) *lambda {
	t.Helper()
	builds := map[string]func() Function{}
	for _, name := range functions {
		made := 0
		builds[name] = func() Function {
			made++
			number, busy := made, false
			return func(_ context.Context, r httpapi.Request) (httpapi.Response, error) {
				if busy {
					t.Errorf("environment %d of %s was asked while it was busy", number, name)
				}
				busy = true
				took, err := time.ParseDuration(r.Body)
				if err != nil {
					t.Error(err)
				}
				time.Sleep(took) // of the bubble
				busy = false
				return httpapi.Response{StatusCode: 200, Body: fmt.Sprint(number)}, nil
			}
		}
	}
	p := newPool(builds, PoolOptions{Limit: limit, Now: time.Now})
	return &lambda{p, p.Functions()}
}

// ask returns the number of the environment that answered, or "" where Lambda throttled.
func (l *lambda) ask(t *testing.T, function string, takes time.Duration) string {
	r, err := l.functions[function](t.Context(), httpapi.Request{Body: takes.String()})
	if err != nil {
		t.Error(err)
	}
	if r.StatusCode == 200 {
		return r.Body
	}
	return ""
}

// together asks n times at once and returns how many were answered, when all are.
func (l *lambda) together(t *testing.T, function string, n int, takes time.Duration) (answered int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range n {
		wg.Go(func() {
			if l.ask(t, function, takes) != "" {
				mu.Lock()
				defer mu.Unlock()
				answered++
			}
		})
	}
	wg.Wait()
	return answered
}

func (l *lambda) want(t *testing.T, want map[string]FunctionStats, peak int) {
	t.Helper()
	if s := l.Stats(); !maps.Equal(s.Functions, want) || s.Peak != peak {
		t.Errorf("got  %+v\nwant %+v and a peak of %d", s, want, peak)
	}
}

func TestEnvironmentsDoOneThingAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, 10, "join")
		if n := l.together(t, "join", 4, time.Second); n != 4 {
			t.Errorf("%d of 4 answered", n)
		}
		if n := l.together(t, "join", 3, time.Second); n != 3 {
			t.Errorf("%d of 3 answered", n)
		}
		l.want(t, map[string]FunctionStats{"join": {Calls: 7, Environments: 4, Peak: 4}}, 4)
	})
}

func TestLatestEnvironmentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, 10, "join")
		var wg sync.WaitGroup
		for i := range 3 { // the third one is ready last
			wg.Go(func() { l.ask(t, "join", time.Duration(i+1)*time.Second) })
			synctest.Wait()
		}
		wg.Wait()
		for range 5 {
			if got := l.ask(t, "join", time.Second); got != "3" {
				t.Errorf("environment %s answered, want 3", got)
			}
		}
	})
}

// TestTenRequestsASecond holds that quick answers do not make one environment do the work of many.
func TestTenRequestsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, second = 5, 100
		l, answered := newLambda(t, limit, "join"), 0
		for range 10 * second {
			if l.ask(t, "join", 0) != "" {
				answered++
			}
			time.Sleep(time.Second / second)
		}
		if answered != 10*10*limit {
			t.Errorf("%d answered in ten seconds, want ten a second of each of %d", answered, limit)
		}
		l.want(t, map[string]FunctionStats{"join": {Calls: 10 * second, Environments: limit, Peak: limit, Full: 10*second - 100*limit}}, limit)
	})
}

func TestLimitIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, 10, "join", "admit")
		var wg sync.WaitGroup
		wg.Go(func() { l.together(t, "join", 7, time.Minute) })
		synctest.Wait()
		if n := l.together(t, "admit", 5, time.Second); n != 3 {
			t.Errorf("%d of 5 answered, want 3", n)
		}
		wg.Wait()
		if n := l.together(t, "admit", 12, time.Second); n != 10 {
			t.Errorf("%d of 12 answered, want 10", n)
		}
		l.want(t, map[string]FunctionStats{
			"join":  {Calls: 7, Environments: 7, Peak: 7},
			"admit": {Calls: 17, Environments: 10, Peak: 10, Full: 4},
		}, 10)
	})
}

func TestGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, 5_000, "join", "admit")
		var wg sync.WaitGroup
		busy := func(function string, n, want int) {
			t.Helper()
			before := l.Stats().Functions[function].Environments
			wg.Go(func() { l.together(t, function, n, time.Hour) })
			synctest.Wait()
			if got := l.Stats().Functions[function].Environments - before; got != want {
				t.Errorf("%d environments of %s were made, want %d", got, function, want)
			}
		}
		busy("join", 1_100, 1_000)
		busy("admit", 10, 10) // grows by itself
		time.Sleep(time.Second)
		busy("join", 150, 100)
		time.Sleep(time.Minute) // what is not used is not kept
		busy("join", 1_200, 1_000)
		wg.Wait()
		if s := l.Stats().Functions["join"]; s.Slow != 100+50+200 || s.Full != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestThrottledAnswer holds the answer of the deployed API, which does not tell a throttled function
// from one that failed.
func TestThrottledAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, 1, "join")
		go l.ask(t, "join", time.Second)
		synctest.Wait()
		r, err := l.functions["join"](t.Context(), httpapi.Request{Body: "1s"})
		if err != nil {
			t.Fatal(err)
		}
		headers := map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Retry-After": "2"}
		var problem struct {
			Type   string
			Status int
		}
		if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != 503 || problem.Status != 503 || problem.Type != names.ProblemPrefix+"internal" || !maps.Equal(r.Headers, headers) {
			t.Errorf("%d %v %s", r.StatusCode, r.Headers, r.Body)
		}
		time.Sleep(time.Minute)
	})
}

// empty is a table without items that counts reads of states.
type empty struct {
	store.API
	mu    sync.Mutex
	reads int
}

func (e *empty) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads++
	return &dynamodb.GetItemOutput{}, nil
}

var passKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func deployment(t *testing.T, table *empty) Deployment {
	t.Helper()
	key, err := passKey()
	if err != nil {
		t.Fatal(err)
	}
	return Deployment{
		Store: store.New(table, "room", time.Now), Secret: []byte(strings.Repeat("s", 32)), PassKey: key,
		Issuer: "https://room.example.com", Log: slog.New(slog.DiscardHandler),
		Metrics: &metrics.Log{Out: io.Discard, Room: "test", Now: time.Now},
	}
}

// TestMemoryOfTheirOwn holds that each environment reads the state once a second, and no more often.
func TestMemoryOfTheirOwn(t *testing.T) {
	table := &empty{}
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	p, err := NewPool(deployment(t, table), PoolOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	request := httpapi.Request{
		PathParameters: map[string]string{names.EventParameter: "show"},
		Body:           `{"secret":"AAECAwQFBgcICQoLDA0ODw"}`,
	}
	join := p.Functions()[names.FunctionJoin]
	ask := func(n int) {
		t.Helper()
		for range n {
			// The clock stands still, so each of them meets environments that are resting.
			if r, err := join(t.Context(), request); err != nil || r.StatusCode != 404 {
				t.Fatalf("%d %s, %v", r.StatusCode, r.Body, err)
			}
		}
	}
	ask(3)
	if table.reads != 3 {
		t.Errorf("three environments read the state %d times", table.reads)
	}
	now = now.Add(turnaround)
	ask(3)
	if table.reads != 3 || p.Stats().Functions[names.FunctionJoin].Environments != 3 {
		t.Errorf("within a second, three environments read the state %d times: %+v", table.reads, p.Stats())
	}
	now = now.Add(time.Second + 1)
	ask(2)
	if table.reads != 5 {
		t.Errorf("after a second, two environments have read the state %d times", table.reads-3)
	}
}

func TestFunctionsByName(t *testing.T) {
	d := deployment(t, &empty{})
	made, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPool(d, PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{names.FunctionAdmit, names.FunctionJoin, names.FunctionPlace}
	for _, functions := range []map[string]Function{made, p.Functions()} {
		if got := slices.Sorted(maps.Keys(functions)); !slices.Equal(got, want) {
			t.Errorf("functions %q, want %q", got, want)
		}
	}
}

func TestPoolOptions(t *testing.T) {
	good := deployment(t, &empty{})
	if _, err := NewPool(good, PoolOptions{Limit: -1}); err == nil {
		t.Error("a negative limit was taken")
	}
	p, err := NewPool(good, PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Stats().Limit; got != Concurrency {
		t.Errorf("a limit of %d, want %d", got, Concurrency)
	}
	_, edwards, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	good.PassKey = edwards
	if _, err := NewPool(good, PoolOptions{}); err == nil {
		t.Error("a key that is no RSA key was taken")
	}
	if _, err := New(good); err == nil {
		t.Error("New took a key that is no RSA key")
	}
}

// BenchmarkPool is what the pool adds to a request, at 5,000 a second.
func BenchmarkPool(b *testing.B) {
	now := time.Now()
	nothing := func(context.Context, httpapi.Request) (httpapi.Response, error) { return httpapi.Response{}, nil }
	builds := map[string]func() Function{"join": func() Function { return nothing }}
	p := newPool(builds, PoolOptions{Now: func() time.Time { return now }})
	join, ctx := p.Functions()["join"], b.Context()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second / 5_000)
		if _, err := join(ctx, httpapi.Request{}); err != nil {
			b.Fatal(err)
		}
	}
}
