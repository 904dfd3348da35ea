package surge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// ErrTarget means that an address is not on this machine: a crowd is sent only to what its sender
// owns. Give a loopback address, or say that the target is yours.
var ErrTarget = errors.New("not on this machine")

// CheckTarget refuses an address that is not http or https, or, unless iOwnThis, one that is not on
// this machine, by name or by number. The error is ErrTarget for the latter.
func CheckTarget(address string, iOwnThis bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not an address such as http://127.0.0.1:8080", address)
	}
	if iOwnThis {
		return nil
	}
	found, err := net.LookupIP(u.Hostname())
	if err != nil {
		return fmt.Errorf("%s: %w", u.Host, err)
	}
	for _, ip := range found {
		if !ip.IsLoopback() {
			return fmt.Errorf("%s is %s: %w, and a crowd is sent only to a target that is yours", u.Host, ip, ErrTarget)
		}
	}
	return nil
}

// dialer returns what opens connections. Unless iOwnThis, it refuses every address that is not on
// this machine, whatever it was called and whoever redirected there.
func dialer(iOwnThis bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{}
	if !iOwnThis {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return fmt.Errorf("%s: %w", address, ErrTarget)
			}
			return nil
		}
	}
	return d.DialContext
}

// connect opens a connection for an address of http or https.
func connect(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname()})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}
