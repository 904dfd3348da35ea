package surge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// largest is the longest body that is read, in bytes.
	largest = 1 << 20
	// idle is for how long a connection is used again. Servers close theirs after longer, and a request
	// on a closed one would look like a lost answer.
	idle = 20 * time.Second
)

// reply is an answer. Status is 0 if none came.
type reply struct {
	status int
	header http.Header
	body   []byte // until the next request on the same wire
}

// wire is a connection that one goroutine keeps and asks on, one request after the other. Half of
// the work of http.Transport is in handing requests from goroutine to goroutine, which a crowd that
// shares two processors with the room cannot afford.
type wire struct {
	ctx    context.Context
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	conn   net.Conn
	host   string // that conn leads to, with its scheme
	used   time.Time
	forget func() bool
	reader *bufio.Reader
	writer *bufio.Writer
	buffer []byte
}

// ask sends a request and reads the answer within the timeout. Whatever goes wrong, the answer is
// one without a status.
func (w *wire) ask(method string, u *url.URL, header http.Header, body string, timeout time.Duration) reply {
	a, err := w.try(method, u, header, body, timeout)
	if err != nil {
		w.close()
		return reply{}
	}
	return a
}

func (w *wire) try(method string, u *url.URL, header http.Header, body string, timeout time.Duration) (reply, error) {
	deadline := time.Now().Add(timeout)
	if err := w.open(u, deadline); err != nil {
		return reply{}, err
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return reply{}, err
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	if err := r.Write(w.writer); err != nil {
		return reply{}, err
	}
	if err := w.writer.Flush(); err != nil {
		return reply{}, err
	}
	response, err := http.ReadResponse(w.reader, r)
	if err != nil {
		return reply{}, err
	}
	if err := w.read(response.Body); err != nil {
		return reply{}, err
	}
	w.used = time.Now()
	if response.Close {
		w.close()
	}
	return reply{response.StatusCode, response.Header, w.buffer}, nil
}

// read keeps a body in the buffer, which grows as large as the largest.
func (w *wire) read(body io.ReadCloser) error {
	w.buffer = w.buffer[:0]
	for {
		if len(w.buffer) == cap(w.buffer) {
			w.buffer = append(w.buffer, 0)[:len(w.buffer)]
		}
		n, err := body.Read(w.buffer[len(w.buffer):cap(w.buffer)])
		w.buffer = w.buffer[:len(w.buffer)+n]
		switch {
		case err == io.EOF:
			return body.Close()
		case err != nil:
			return err
		case len(w.buffer) > largest:
			return fmt.Errorf("the answer is larger than %d bytes", largest)
		}
	}
}

func (w *wire) open(u *url.URL, deadline time.Time) error {
	host := u.Scheme + "://" + u.Host
	if w.conn != nil && w.host == host && time.Since(w.used) < idle {
		return nil
	}
	w.close()
	ctx, cancel := context.WithDeadline(w.ctx, deadline)
	defer cancel()
	conn, err := connect(ctx, w.dial, u)
	if err != nil {
		return err
	}
	w.conn, w.host = conn, host
	// An interrupt ends the requests under way.
	w.forget = context.AfterFunc(w.ctx, func() { conn.Close() })
	if w.reader == nil {
		w.reader, w.writer = bufio.NewReader(conn), bufio.NewWriter(conn)
	}
	w.reader.Reset(conn)
	w.writer.Reset(conn)
	return nil
}

func (w *wire) close() {
	if w.conn == nil {
		return
	}
	w.forget()
	w.conn.Close()
	w.conn = nil
}

// wires are goroutines that each have a wire. They are started as they are needed, up to most, and
// what finds none waits in a queue: whoever measures begins before that. Each wire takes an open
// file, and another one if the room is in the same process; Go lets a process open as many as the
// system allows it at all.
type wires struct {
	ctx  context.Context
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	most int

	mu      sync.Mutex
	changed *sync.Cond
	queue   []func(*wire)
	started int
	idle    int // of those started
	running sync.WaitGroup
	stop    func() bool
}

func newWires(ctx context.Context, most int, dial func(context.Context, string, string) (net.Conn, error)) *wires {
	w := &wires{ctx: ctx, dial: dial, most: most}
	w.changed = sync.NewCond(&w.mu)
	w.stop = context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})
	return w
}

// run has work done on a wire. After ctx has ended it may never be done.
func (w *wires) run(work func(*wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, work)
	if len(w.queue) <= w.idle {
		w.changed.Signal()
	} else if w.started < w.most {
		w.started++
		w.running.Go(w.serve)
	}
}

func (w *wires) serve() {
	own := &wire{ctx: w.ctx, dial: w.dial}
	defer own.close()
	for {
		work := w.take()
		if work == nil {
			return
		}
		work(own)
	}
}

// take returns what is next, or nil when ctx has ended.
func (w *wires) take() func(*wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle++
	for len(w.queue) == 0 && w.ctx.Err() == nil {
		w.changed.Wait()
	}
	w.idle--
	if w.ctx.Err() != nil {
		return nil
	}
	work := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return work
}

// drop forgets what has not begun, and says how much is under way.
func (w *wires) drop() (busy int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = nil
	return w.started - w.idle
}

// wait returns when all have ended, after ctx has.
func (w *wires) wait() {
	w.running.Wait()
	w.stop()
}
