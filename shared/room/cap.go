package room

import (
	"strconv"
	"time"
)

// MaxRate is the highest rate that can be set, in visitors per minute.
const MaxRate = 60_000

// partRate is the most that one cap item takes, in visitors per minute: 250 admissions a second
// leave three refused writes for each of them below DynamoDB's 1,000 writes per item.
const partRate = 15_000

// shortWindowRate is the rate from which windows are one second long instead of ten.
const shortWindowRate = 600

// switchEvery is the grid on which windows of either length begin, and switchAhead the least
// notice given of a change: longer than any environment keeps a state, and the write of it takes.
const (
	switchEvery = 10 * time.Second
	switchAhead = 3 * time.Second
)

// Shape is how admissions are counted at a rate: the length of a window and the number of items
// that it is split over. It is part of the items' keys.
type Shape struct {
	Length time.Duration // 1 s or 10 s
	Parts  int           // 1 to 4
}

// ShapeOf returns the shape of windows at rate visitors per minute.
func ShapeOf(rate int) Shape {
	s := Shape{Length: 10 * time.Second, Parts: max(1, (rate+partRate-1)/partRate)}
	if rate >= shortWindowRate {
		s.Length = time.Second
	}
	return s
}

// Window is a span of time in which a limited number of visitors is admitted. Windows are
// numbered from the Unix epoch.
type Window struct {
	Shape
	Index int64
}

// WindowAt returns the window of shape s that holds t.
func (s Shape) WindowAt(t time.Time) Window {
	return Window{Shape: s, Index: floorDiv(t.UnixMilli(), s.Length.Milliseconds())}
}

// Start is the window's first moment.
func (w Window) Start() time.Time { return time.UnixMilli(w.Index * w.Length.Milliseconds()).UTC() }

// End is the first moment after the window.
func (w Window) End() time.Time { return w.Start().Add(w.Length) }

// Next is the window after w.
func (w Window) Next() Window { return Window{Shape: w.Shape, Index: w.Index + 1} }

// Seconds is the window's length as it stands in item keys.
func (w Window) Seconds() int { return int(w.Length / time.Second) }

// String names the window among all windows of a run, whatever its length.
func (w Window) String() string {
	return strconv.Itoa(w.Seconds()) + "#" + strconv.FormatInt(w.Index, 10)
}

// Limit is the number of admissions that the window holds at rate visitors per minute. Summed
// over any run of windows it differs from the rate's exact share by less than one.
func (w Window) Limit(rate int) int64 {
	perMinute := int64(rate) * int64(w.Seconds())
	return floorDiv((w.Index+1)*perMinute, 60) - floorDiv(w.Index*perMinute, 60)
}

// PartLimit is the share of Limit that part of the window's items holds, 0 ≤ part < Parts.
func (w Window) PartLimit(rate, part int) int64 {
	limit, parts, i := w.Limit(rate), int64(w.Parts), int64(part)
	return (i+1)*limit/parts - i*limit/parts
}

// Cap is the rate that holds and, for some seconds after a change that alters the shape of
// windows, the one that it replaces. Its zero value admits nobody.
type Cap struct {
	Rate   int       // visitors per minute
	Before int       // the rate whose shape holds until Switch; 0 if no change is under way
	Switch time.Time // whole seconds, see switchAt
}

// At returns the rate and the shape of windows at now. Until a change of shape the lower of the
// two rates holds in the old shape, so neither rate is ever exceeded in a window of either.
func (c Cap) At(now time.Time) (rate int, shape Shape) {
	if c.Before != 0 && now.Before(c.Switch) {
		return min(c.Before, c.Rate), ShapeOf(c.Before)
	}
	return c.Rate, ShapeOf(c.Rate)
}

// Set returns the cap after the promoter changed the rate at now. A change of shape takes effect a
// few seconds later. In the last seconds before that, the cap stays as it is: some functions would
// learn of another change too late, so the caller sets it again at its next step. A moment that a
// leader with a wrong clock set far off is brought back.
func (c Cap) Set(rate int, now time.Time) Cap {
	pending := c.Before != 0 && now.Before(c.Switch)
	if pending && c.Switch.Sub(now) <= switchAhead {
		return c
	}
	if rate == c.Rate {
		if pending && c.Switch.Sub(now) > 2*switchEvery+switchAhead {
			c.Switch = switchAt(c.Before, rate, now)
		}
		return c
	}
	_, shape := c.At(now)
	switch {
	case c.Rate == 0:
		return Cap{Rate: rate}
	case ShapeOf(rate) == shape && pending:
		return Cap{Rate: rate}
	case ShapeOf(rate) == shape:
		// What held before is kept: windows of that time are still to be tallied.
		return Cap{Rate: rate, Before: c.Before, Switch: c.Switch}
	}
	before := c.Rate
	if pending {
		before = c.Before
	}
	return Cap{Rate: rate, Before: before, Switch: switchAt(before, rate, now)}
}

// switchAt is when windows change from the shape of one rate to that of another: when windows of
// both begin, which is at every multiple of ten seconds. Where windows become shorter because the
// rate was raised, it may be earlier: as soon as the part of the long window that is over would have
// held, at the new rate, all that the whole of it holds at the old one.
func switchAt(before, rate int, now time.Time) time.Time {
	from, to := ShapeOf(before), ShapeOf(rate)
	at := now.Add(switchAhead).Truncate(time.Second).Add(time.Second)
	for !at.Equal(at.Truncate(switchEvery)) {
		gone := at.Sub(from.WindowAt(at).Start())
		if from.Length == to.Length && gone == 0 {
			break
		}
		if from.Length > to.Length && gone.Seconds()*float64(rate) >= from.Length.Seconds()*float64(before) {
			break
		}
		at = at.Add(time.Second)
	}
	return at.UTC()
}

// NextOpening returns when a visitor who found the window of now full should ask again: the start
// of the next window that holds anybody and that full does not report as full.
func (c Cap) NextOpening(now time.Time, full func(Window) bool) time.Time {
	_, shape := c.At(now)
	w := shape.WindowAt(now).Next()
	// At one visitor a minute every sixth window of ten seconds has room; beyond a minute of full
	// windows the answer is as good as any, and the visitor asks again then.
	for range 60 {
		rate, s := c.At(w.Start())
		if s != w.Shape {
			w = s.WindowAt(w.Start())
		}
		if w.Limit(rate) > 0 && !full(w) {
			return w.Start()
		}
		w = w.Next()
	}
	return w.Start()
}

// PartKey is the end of the key of the item that counts part i of the window.
func (w Window) PartKey(i int) string { return w.String() + "#" + strconv.Itoa(i) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
