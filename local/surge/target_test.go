package surge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckTarget(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:8080", "https://127.8.9.1", "http://[::1]:80/shop"} {
		if err := CheckTarget(good, false); err != nil {
			t.Error(err)
		}
	}
	for _, elsewhere := range []string{"http://192.0.2.1", "http://[2001:db8::1]:8080", "http://0.0.0.0:8080"} {
		if err := CheckTarget(elsewhere, false); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: %v", elsewhere, err)
		}
		if err := CheckTarget(elsewhere, true); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://%"} {
		if err := CheckTarget(bad, true); err == nil || errors.Is(err, ErrTarget) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestDialerKeepsToThisMachine is for redirects, which nobody has checked before.
func TestDialerKeepsToThisMachine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := dialer(false)(ctx, "tcp", "192.0.2.1:80"); !errors.Is(err, ErrTarget) {
		t.Errorf("%v, want %v", err, ErrTarget)
	}
	server := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/", http.StatusSeeOther))
	defer server.Close()
	w := &wire{ctx: ctx, dial: dialer(false)}
	defer w.close()
	if s := browse(w, server.URL, &url.URL{}); s.ok {
		t.Error("followed a redirect to another machine")
	}
}

// TestWire speaks with servers that end, go on and break their answers in different ways.
func TestWire(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, test := range []struct {
		name, answer string
		status       int
		body         string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, "ok"},
		{"until closed", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", 200, "ok"},
		{"empty", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"long", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), 200, long},
		{"broken off", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\nok", 0, ""},
		{"no HTTP", "ok\r\n\r\n", 0, ""},
		{"too large", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + strings.Repeat(long, 11), 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &wire{ctx: t.Context(), dial: answering(test.answer)}
			defer w.close()
			for range 2 { // on the same connection, if it is still there
				a := w.ask(http.MethodGet, &url.URL{Scheme: "http", Host: "room"}, nil, "", time.Minute)
				if a.status != test.status || string(a.body) != test.body {
					t.Errorf("%d with %d bytes, want %d with %d", a.status, len(a.body), test.status, len(test.body))
				}
			}
		})
	}
}

// answering dials a server that gives the same answer to everything.
func answering(answer string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			requests := bufio.NewReader(far)
			for {
				if _, err := http.ReadRequest(requests); err != nil {
					return
				}
				if _, err := io.WriteString(far, answer); err != nil || strings.Contains(answer, "Connection: close") {
					return
				}
			}
		}()
		return near, nil
	}
}

func TestWireGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			return near, nil
		}
		began := time.Now()
		w := &wire{ctx: t.Context(), dial: silent}
		a := w.ask(http.MethodGet, &url.URL{Scheme: "http", Host: "room"}, nil, "", time.Minute)
		if waited := time.Since(began); a.status != 0 || waited != time.Minute {
			t.Errorf("status %d after %v", a.status, waited)
		}
	})
}

// TestWiresQueue has more to do than wires, and the rest is dropped before it is begun.
func TestWiresQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWires(ctx, 3, nil)
		busy, most, done := 0, 0, 0
		for range 10 {
			w.run(func(*wire) {
				w.mu.Lock()
				busy++
				most = max(most, busy)
				w.mu.Unlock()
				time.Sleep(time.Second)
				w.mu.Lock()
				busy--
				done++
				w.mu.Unlock()
			})
		}
		time.Sleep(1500 * time.Millisecond)
		if busy := w.drop(); busy != 3 {
			t.Errorf("%d are busy", busy)
		}
		time.Sleep(10 * time.Second)
		if busy := w.drop(); busy != 0 {
			t.Errorf("%d are busy in the end", busy)
		}
		cancel()
		w.wait()
		if most != 3 || done != 6 {
			t.Errorf("%d at once, %d done", most, done)
		}
	})
}
