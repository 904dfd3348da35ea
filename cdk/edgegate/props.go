package edgegate

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"waitingroom/shared/names"
)

// never is what switches a gate off in the place of a time.
const never = "never"

var (
	secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$`)
	// exactTime is RFC 3339 as written, for time.Parse takes less: an hour of one digit, or a comma.
	exactTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	// Anything else than this in a prefix would not be read as it stands there: the gate takes a star
	// for the end of the prefix, and protects everything for a list that it cannot read.
	plainPath = regexp.MustCompile(`^/$|^(/\.*[A-Za-z0-9_~!&+:@-]+(\.+[A-Za-z0-9_~!&+:@-]+)*)+/?$`)
)

// withDefaults fills in what was left out and writes addresses as passes hold them.
func (p Props) withDefaults() Props {
	if p.LogRetention == "" {
		p.LogRetention = awslogs.RetentionDays_ONE_MONTH
	}
	p.Room = strings.TrimRight(p.Room, "/")
	if origin, ok := originOf(p.Audience); ok {
		p.Audience = origin
	}
	return p
}

// check names every prop that is wrong, in a line each that says what to change. Addresses and ARNs
// that only CloudFormation will know are taken as they are.
func (p Props) check() error {
	return errors.Join(
		p.checkFunctions(),
		checkKnown("Room", p.Room, isAddress, "give the room's own address in lower case, such as https://queue.example.com"),
		checkKnown("Secret", p.Secret, secretARN.MatchString, "give the ARN of the room's secret, an output of its stack"),
		checkKnown("Audience", p.Audience, isOrigin, "give the shop's address as visitors see it, such as https://shop.example.com"),
		p.checkEvent(),
		p.checkPaths(),
		checkTime("EnforceFrom", p.EnforceFrom, "or never", never),
		checkTime("OpenUntil", p.OpenUntil, "or leave it out"),
	)
}

// checkFunctions says what is missing, where a missing asset would end in a stack trace.
func (p Props) checkFunctions() error {
	program := filepath.Join(p.Functions, names.FunctionEdgeKey, "bootstrap")
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("Functions lacks %s: run make build in the repository's root first", program)
	}
	return nil
}

func checkKnown(prop, value string, right func(string) bool, change string) error {
	if *awscdk.Token_IsUnresolved(value) || right(value) {
		return nil
	}
	return fmt.Errorf("%s cannot be %q: %s", prop, value, change)
}

func (p Props) checkEvent() error {
	if names.ValidEvent(p.Event) {
		return nil
	}
	return fmt.Errorf("Event cannot be %q: give 1 to %d of a-z, 0-9 and hyphens, and none of %s",
		p.Event, names.LongestEvent, strings.Join(names.Reserved(), ", "))
}

func (p Props) checkPaths() error {
	for _, path := range p.Paths {
		if !plainPath.MatchString(path) {
			return fmt.Errorf("Paths cannot hold %q: give prefixes such as /checkout, with a slash first and without escapes, stars, spaces, commas, quotes and dots at the end of a segment", path)
		}
	}
	if length := len(strings.Join(p.Paths, " ")); length > longestValue {
		return fmt.Errorf("Paths have %d bytes and may have %d: give fewer, shorter prefixes", length, longestValue)
	}
	return nil
}

func checkTime(prop, value, otherwise string, others ...string) error {
	if value == "" || slices.Contains(others, value) {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, value); err != nil || !exactTime.MatchString(value) {
		return fmt.Errorf("%s cannot be %q: give a time such as 2026-11-21T10:00:00+01:00, %s", prop, value, otherwise)
	}
	return nil
}

// values are what the store starts with. What is left out is not written, which means its default.
func (p Props) values() map[string]string {
	values := map[string]string{names.EdgeEvent: p.Event}
	for key, value := range map[string]string{
		names.EdgePaths: strings.Join(p.Paths, " "), names.EdgeEnforceFrom: p.EnforceFrom, names.EdgeOpenUntil: p.OpenUntil,
	} {
		if value != "" {
			values[key] = value
		}
	}
	return values
}

// isAddress tells whether a room may live there and writes it into its passes like that: in lower
// case, without the default port. A path may not end in a slash.
func isAddress(address string) bool {
	origin, ok := originOf(address)
	path, written := strings.CutPrefix(address, origin)
	return ok && written && (path == "" || strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/"))
}

func isOrigin(address string) bool {
	origin, ok := originOf(address)
	return ok && origin == address
}

// originOf is the origin of an https address as browsers write it, and as the room writes it into
// passes: in lower case, without the default port. Cookies of the gate need https.
func originOf(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(address, "?#") {
		return "", false
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch {
	case port != "" && port != "443":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return "https://" + host, true
}
