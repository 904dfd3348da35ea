package deployment

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/shared/names"
)

// Clients make transports of their own of the one that is configured, and everything else about it is
// left as the SDK has it: timeouts, TLS and proxies.
func TestClientsKeepConnections(t *testing.T) {
	t.Setenv(names.EnvTable, "room")
	t.Setenv("AWS_REGION", "eu-central-1")
	d, err := Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := transportOf(t, dynamodb.NewFromConfig(d.AWS))
	if got.MaxIdleConns != 0 || got.MaxIdleConnsPerHost != connections || got.MaxConnsPerHost != connections {
		t.Errorf("at most %d connections are kept, %d to a service, of at most %d", got.MaxIdleConns, got.MaxIdleConnsPerHost, got.MaxConnsPerHost)
	}
	want := transportOf(t, dynamodb.New(dynamodb.Options{}))
	if got.IdleConnTimeout != want.IdleConnTimeout || got.TLSHandshakeTimeout != want.TLSHandshakeTimeout ||
		got.TLSClientConfig.MinVersion != want.TLSClientConfig.MinVersion || got.Proxy == nil {
		t.Errorf("the transport differs from the SDK's in more than its connections: %+v", got)
	}
}

func transportOf(t *testing.T, client *dynamodb.Client) *http.Transport {
	t.Helper()
	buildable, ok := client.Options().HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("the client is a %T, which takes none of the SDK's timeouts", client.Options().HTTPClient)
	}
	return buildable.GetTransport()
}

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
