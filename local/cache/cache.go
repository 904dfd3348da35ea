// Package cache puts an nginx in front of a room on one machine, which does what CloudFront does in
// production: it honours the headers that the room sends, keeps what is polled for one second,
// collapses requests that come at once, and knows nothing of a visitor's cookies and queries.
//
// It differs in two ways that a visitor can see. Who waits for another one's request is looked after
// every half second, so a poll may take that long. And nginx sends no Age: but its Date is that of
// the answer and not of the document, so a page that adds the two has the right time.
package cache

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
)

const (
	// connections of visitors and to the origin together.
	connections = 16384
	// startLimit is how long nginx may take until it answers.
	startLimit = 10 * time.Second
	// closeLimit is how long it may take to end.
	closeLimit = 5 * time.Second
	// complaints is how much of what nginx complains of is kept, in bytes.
	complaints = 4 << 10
	// alive is answered by nginx itself. No event's name has a full stop.
	alive = "/.alive"
	// wellKnown is where names.JWKSPath and names.OIDCPath are.
	wellKnown = "/.well-known/"
)

// Options of a cache. Both are required.
type Options struct {
	Program string // nginx, as Find returns it
	Origin  string // address of the room on loopback, such as http://127.0.0.1:8080
}

// Cache is a running nginx. Close it.
type Cache struct {
	address string
	folder  string
	command *exec.Cmd
	said    tail
	ended   chan struct{} // closed when nginx has ended and its log is read
	failed  error         // how it ended; read it after ended

	mu      sync.Mutex
	traffic Traffic
}

// Traffic is what went through a cache.
type Traffic struct {
	Clients Counts // asked by visitors, and the bytes that they got
	Origin  Counts // those of them that the origin was asked, and the bytes that it sent
}

// Find returns nginx's path, or an error that says how to install it.
func Find() (string, error) {
	// Debian keeps it where only root's PATH looks.
	for _, name := range []string{os.Getenv("NGINX_PROGRAM"), "nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no nginx: install it (on Debian: apt-get install nginx) or name its program in NGINX_PROGRAM")
}

// Start returns a cache that answers, at a free port of loopback. ctx bounds the start only. Should this process be killed,
// nginx ends too, on Linux.
func Start(ctx context.Context, o Options) (*Cache, error) {
	origin, err := loopback(o.Origin)
	if err != nil {
		return nil, fmt.Errorf("cache: origin: %w", err)
	}
	listen, err := free(ctx)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	c := &Cache{address: "http://" + listen, ended: make(chan struct{})}
	if c.folder, err = os.MkdirTemp("", "waiting-room-cache-"); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if err := c.start(ctx, o, listen, origin); err != nil {
		return nil, errors.Join(fmt.Errorf("cache: %w", err), os.RemoveAll(c.folder))
	}
	if err := c.answers(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cache: %w", err), c.Close())
	}
	return c, nil
}

// loopback returns the host and port of an address on this machine.
func loopback(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || !net.ParseIP(u.Hostname()).IsLoopback() {
		return "", fmt.Errorf("%q is not an address such as http://127.0.0.1:8080", address)
	}
	return u.Host, nil
}

// free returns an address to listen at, since nginx does not say which port it was given. Somebody may
// still take it before nginx does, which then says so.
func free(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

//go:embed nginx.conf.tmpl
var configuration string

var configure = template.Must(template.New("nginx.conf").Parse(configuration))

func (c *Cache) start(ctx context.Context, o Options, listen, origin string) error {
	files, err := openFiles()
	if err != nil {
		return err
	}
	path := filepath.Join(c.folder, "nginx.conf")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = configure.Execute(f, map[string]any{
		"Folder": c.folder, "Listen": listen, "Origin": origin, "Root": os.Geteuid() == 0,
		"Files": min(files, 2*connections), "Connections": min(files, connections),
		"Status": names.StatusPrefix, "Seals": names.SealsPrefix, "Assets": names.AssetsPrefix, "WellKnown": wellKnown,
		"API": apiPrefix, "Shop": shop.Path, "Alive": alive,
	})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.command = exec.Command(o.Program, "-p", c.folder, "-c", path, "-e", "stderr")
	tie(c.command)
	c.command.Stderr = &c.said
	log, err := c.command.StdoutPipe()
	if err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // nginx is tied to the thread
		defer runtime.UnlockOSThread()
		err := c.command.Start()
		started <- err
		if err != nil {
			return
		}
		c.count(log)
		c.failed = c.command.Wait()
		close(c.ended)
	}()
	return <-started
}

// answers waits until nginx does.
func (c *Cache) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address+alive, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case <-c.ended:
			return errors.New("nginx does not start")
		case <-ctx.Done():
			return fmt.Errorf("nginx does not answer: %w", ctx.Err())
		case <-again.C:
		}
	}
}

// Address of the cache, such as http://127.0.0.1:8090.
func (c *Cache) Address() string { return c.address }

// Traffic so far, of requests that were answered to their end; after Close, of all.
func (c *Cache) Traffic() Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traffic
}

// count reads nginx's log until it ends.
func (c *Cache) count(log io.Reader) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		c.countLine(lines.Text())
	}
}

func (c *Cache) countLine(line string) {
	label, sizes, _ := strings.Cut(line, " ")
	sent, received, _ := strings.Cut(sizes, " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	for class := range classes {
		if labels[class] != label {
			continue
		}
		c.traffic.Clients[class].add(sent)
		if received != "-" {
			c.traffic.Origin[class].add(received)
		}
	}
}

func (t *Tally) add(bytes string) {
	n, _ := strconv.ParseInt(bytes, 10, 64) // nginx writes nothing but numbers there
	t.Requests++
	t.Bytes += n
}

// Close ends nginx and removes everything that it wrote. The error tells what nginx complained of,
// if it had ended before or did not end as it should. Closing again does nothing.
func (c *Cache) Close() error {
	var by string
	select {
	case <-c.ended:
		by = "by itself"
	default:
		c.command.Process.Signal(syscall.SIGTERM) // one that has ended meanwhile needs none
		late := time.NewTimer(closeLimit)
		defer late.Stop()
		select {
		case <-c.ended:
		case <-late.C:
			by = "only when it was killed"
			kill(c.command)
			<-c.ended
		}
	}
	if c.folder == "" {
		return nil
	}
	err := os.RemoveAll(c.folder)
	c.folder = ""
	if by != "" || c.failed != nil {
		err = errors.Join(err, fmt.Errorf("cache: nginx ended %s (%v): %s", by, c.failed, c.said.String()))
	}
	return err
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-complaints):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
