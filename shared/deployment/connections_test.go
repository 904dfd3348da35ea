package deployment

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Calls that are made at once leave their connections to those that are made at once later.
func TestConnectionsAreKept(t *testing.T) {
	const atOnce, rounds = 64, 3
	var opened atomic.Int64
	var arrived sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait()
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newClient()
	for range rounds {
		arrived.Add(atOnce)
		var calls sync.WaitGroup
		for range atOnce {
			calls.Go(func() { get(t, client, server.URL) })
		}
		calls.Wait()
	}
	if got := opened.Load(); got != atOnce {
		t.Errorf("%d connections for %d calls at once, made %d times", got, atOnce, rounds)
	}
}

func get(t *testing.T, client interface {
	Do(*http.Request) (*http.Response, error)
}, address string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
}
