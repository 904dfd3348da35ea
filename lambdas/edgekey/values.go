package edgekey

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"waitingroom/shared/names"
)

// longestValue is CloudFront's quota for a value of a KeyValueStore, in bytes.
const longestValue = 1024

// never is the time of enforce-from that switches the gate off.
const never = "never"

// checks are by the key that a value is for. There is none for names.EdgeKey: a key that came as a
// property would be in a template.
var checks = map[string]func(string) error{
	names.EdgeEvent:       checkEvent,
	names.EdgePaths:       checkPaths,
	names.EdgeEnforceFrom: func(value string) error { return checkTime(value, never) },
	names.EdgeOpenUntil:   func(value string) error { return checkTime(value) },
}

// parseValues reads the property Values. The error names every value that is wrong.
func parseValues(property any) (map[string]string, error) {
	if property == nil {
		return nil, nil
	}
	given, ok := property.(map[string]any)
	if !ok {
		return nil, errors.New("property Values has to be a map of texts")
	}
	values, wrong := map[string]string{}, []string(nil)
	for key, value := range given {
		text, isText := value.(string)
		check, known := checks[key]
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("property Values.%s is unknown: take it out", key))
			continue
		case !isText:
			wrong = append(wrong, fmt.Sprintf("property Values.%s has to be a text", key))
			continue
		}
		if err := check(text); err != nil {
			wrong = append(wrong, fmt.Sprintf("property Values.%s is %.100q: %v", key, text, err))
		}
		values[key] = text
	}
	if wrong != nil {
		slices.Sort(wrong)
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return values, nil
}

func checkEvent(value string) error {
	if !names.ValidEvent(value) {
		return fmt.Errorf("an event's name is 1 to %d of a-z, 0-9 and hyphens, and none of %s",
			names.LongestEvent, strings.Join(names.Reserved(), ", "))
	}
	return nil
}

func checkPaths(value string) error {
	paths := strings.Fields(value)
	if len(paths) == 0 || strings.Join(paths, " ") != value {
		return errors.New("prefixes have one space between them; leave it out to protect everything")
	}
	for _, path := range paths {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%.100q does not begin with a slash", path)
		}
	}
	if len(value) > longestValue {
		return fmt.Errorf("it has %d bytes and may have %d: protect fewer, shorter prefixes", len(value), longestValue)
	}
	return nil
}

// exactTime is RFC 3339 as written, for time.Parse takes less: an hour of one digit, or a comma.
var exactTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// checkTime is strict, since the gate reads the time with another parser than Go's.
func checkTime(value string, others ...string) error {
	if slices.Contains(others, value) {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, value); err != nil || !exactTime.MatchString(value) {
		wanted := append([]string{"a time such as 2026-11-21T10:00:00+01:00"}, others...)
		return fmt.Errorf("it has to be %s", strings.Join(wanted, " or "))
	}
	return nil
}
