package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"waitingroom/shared/names"
)

// MaxTarget is the longest target, in characters. It is part of the state item, which every
// environment of every function reads each second and which stays under 4 KB.
const MaxTarget = 1000

// hostName is a DNS name in its ASCII form. A name outside ASCII is refused rather than
// converted, because shops compare the pass's aud with the name that browsers send.
var hostName = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)*$`)

// parseTarget never quotes the text in its errors: it may hold a password or a pass.
func parseTarget(text string) (*url.URL, error) {
	if len(text) > MaxTarget {
		return nil, fmt.Errorf("has %d characters: use at most %d", len(text), MaxTarget)
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"<>\\^`{|}", c) }) {
		return nil, errors.New("holds a character that an address cannot hold as it is: percent-encode it, and write a host outside ASCII in its xn-- form")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("is not the https address of a checkout, as in \"https://shop.example/checkout\"")
	}
	if u.User != nil {
		return nil, errors.New("holds a user name or password: every visitor would see it, leave it out")
	}
	if strings.Contains(text, "#") {
		return nil, errors.New("holds a fragment: leave out # and what follows")
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has a query that is not name=value&name=value, percent-encoded")
	}
	if query.Has(names.PassParameter) {
		return nil, fmt.Errorf("has a query parameter %s, which is where the visitor's pass goes: leave it out", names.PassParameter)
	}
	return u, nil
}

// checkHost also keeps http to the machine itself, where no network can read a pass.
func checkHost(u *url.URL) error {
	const longestHost = 253
	host := u.Hostname()
	address, err := netip.ParseAddr(host)
	isAddress := err == nil && address.Zone() == ""
	if strings.HasPrefix(u.Host, "[") {
		if !isAddress || !address.Is6() {
			return errors.New("has no valid address between [ and ]")
		}
	} else if len(host) > longestHost || !hostName.MatchString(host) {
		return errors.New("has no valid host, as in \"https://shop.example/checkout\"")
	}
	if _, ok := wholeNumber(u.Port(), 65_535); !ok && u.Host != strings.TrimSuffix(u.Host, ":"+u.Port()) {
		return errors.New("has no valid port: use 1 to 65535, or leave out the colon")
	}
	loopback := strings.EqualFold(host, "localhost") || isAddress && address.IsLoopback()
	if u.Scheme == "http" && !loopback {
		return errors.New("is http, which anyone on the way can read: use https")
	}
	return nil
}
