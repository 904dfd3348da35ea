package hotshow

import (
	"time"
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

// Ends is when everything is taken down, if nobody waits by then.
func (r Request) Ends() time.Time { return r.OnSale.Add(time.Duration(r.KeepAfter)) }

// Duration is a time.Duration that is text in JSON, as in "90s".
type Duration time.Duration
