package hotshow

import (
	"encoding/base32"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waitingroom/shared/plan"
)

// Request is what somebody asks for. Times are in whole seconds; durations are text as in "90s" or "4h"
// in JSON.
type Request struct {
	Event       string            `json:"event"`
	Names       map[string]string `json:"names"`    // of the show, by language tag: one at least
	OnSale      time.Time         `json:"onsale"`   // keeps the offset that it was given with
	PreQueue    time.Time         `json:"prequeue"` // given, or 30 min before OnSale
	Closes      time.Time         `json:"closes"`   // given, or 24 h after OnSale
	Visitors    int               `json:"visitors"` // expected over the whole sale
	Over        Duration          `json:"over"`     // in which they come
	Rate        int               `json:"rate"`     // visitors a minute that the shop can bear
	Target      string            `json:"target"`
	ReadyBefore Duration          `json:"ready_before"` // how long before OnSale everything is to be ready
	KeepAfter   Duration          `json:"keep_after"`   // how long after OnSale everything is kept up
}

// ReadyBy is when everything has to be ready: ReadyBefore the on-sale, and when the pre-queue opens at
// the latest.
func (r Request) ReadyBy() time.Time {
	ready := r.OnSale.Add(-time.Duration(r.ReadyBefore))
	if r.PreQueue.Before(ready) {
		return r.PreQueue
	}
	return ready
}

// Begins is when preparing begins.
func (r Request) Begins() time.Time { return r.ReadyBy().Add(-lead) }

// Ends is when everything is taken down, if the line is served by then.
func (r Request) Ends() time.Time { return r.OnSale.Add(time.Duration(r.KeepAfter)) }

// Span is the time that the show has its event for itself: from when preparing begins until everything
// is taken down and the event is closed.
func (r Request) Span() (from, to time.Time) { return r.Begins(), later(r.Ends(), r.Closes) }

// Expected is the crowd that the show's plan is made for.
func (r Request) Expected() plan.Expected {
	return plan.Expected{Visitors: r.Visitors, Over: time.Duration(r.Over), Rate: r.Rate, Open: r.Closes.Sub(r.OnSale)}
}

// Equal says whether two requests ask for the same.
func (r Request) Equal(other Request) bool {
	same := r.OnSale.Equal(other.OnSale) && r.PreQueue.Equal(other.PreQueue) && r.Closes.Equal(other.Closes)
	return same && maps.Equal(r.Names, other.Names) && r.Event == other.Event && r.Target == other.Target &&
		r.Visitors == other.Visitors && r.Over == other.Over && r.Rate == other.Rate &&
		r.ReadyBefore == other.ReadyBefore && r.KeepAfter == other.KeepAfter
}

// Name is the show's name in English, or else in the first language by its tag.
func (r Request) Name() string {
	if name, ok := r.Names["en"]; ok {
		return name
	}
	for _, tag := range slices.Sorted(maps.Keys(r.Names)) {
		return r.Names[tag]
	}
	return r.Event
}

// Texts are the parameters of the event by their names, as the step Parameters sets them.
func (r Request) Texts(n Needs) map[string]string {
	return map[string]string{
		"onsale":   r.OnSale.Format(time.RFC3339Nano),
		"prequeue": r.PreQueue.Format(time.RFC3339Nano),
		"closes":   r.Closes.Format(time.RFC3339Nano),
		"rate":     strconv.Itoa(r.Rate),
		"target":   r.Target,
		"shards":   strconv.Itoa(n.Shards),
	}
}

// Duration is a time.Duration that is text in JSON, as in "90s".
type Duration time.Duration

// String leaves out what is zero: "1h", and not "1h0m0s".
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText writes String's form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText takes what time.ParseDuration takes, in whole seconds and without a sign.
func (d *Duration) UnmarshalText(text []byte) error {
	const longest = 32 // characters: what is quoted in an answer has an end
	parsed, err := time.ParseDuration(string(text))
	switch {
	case len(text) > longest || err != nil || strings.ContainsAny(string(text), "+-"):
		return fmt.Errorf("%.32q is not a duration as in \"90s\" or \"4h\"", text)
	case parsed%time.Second != 0:
		return fmt.Errorf("%.32q has a fraction of a second: use whole seconds", text)
	}
	*d = Duration(parsed)
	return nil
}

// LongestID is the length of the longest id of a show.
const LongestID = 32

// ValidID reports whether a show may have this id: 1 to 32 of a-z, 0-9 and hyphens.
func ValidID(id string) bool {
	return 1 <= len(id) && len(id) <= LongestID && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// NewID makes an id of 16 characters, which no other show will have. It panics if random fails, as
// crypto/rand's reader never does.
func NewID(random io.Reader) string {
	var id [10]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		panic(fmt.Sprintf("hotshow: no randomness: %v", err))
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(id[:]))
}
