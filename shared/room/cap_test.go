package room

import (
	"math/rand/v2"
	"testing"
	"time"
)

// noon is a multiple of ten seconds, like every whole minute.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestCapIsExactAtEveryRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for rate := 1; rate <= MaxRate; rate++ {
		// Until a change of shape a rate holds in the shape of another one, so both lengths count.
		for _, length := range []time.Duration{time.Second, 10 * time.Second} {
			first := Window{Shape{length, 1}, rng.Int64N(1 << 33)}
			// ahead is sixty times what the windows since first held beyond the rate's share of their
			// time. The difference of two of its values is the error of the run of windows between
			// them, and the limits repeat after a minute, so a minute shows the worst of all runs.
			var ahead, least, most int64
			w := first
			for range int(time.Minute / length) {
				limit := w.Limit(rate)
				if limit < 0 {
					t.Fatalf("rate %d: window %s holds %d", rate, w, limit)
				}
				ahead += 60*limit - int64(rate*w.Seconds())
				least, most = min(least, ahead), max(most, ahead)
				if again := (Window{w.Shape, w.Index + int64(time.Minute/length)}).Limit(rate); again != limit {
					t.Fatalf("rate %d: window %s holds %d, and %d a minute later", rate, w, limit, again)
				}
				w = w.Next()
			}
			if ahead != 0 {
				t.Fatalf("rate %d: the minute from window %s differs from the rate by %d sixtieths", rate, first, ahead)
			}
			if most-least >= 60 {
				t.Fatalf("rate %d: a run of windows of %v within a minute of window %s is off by %d sixtieths", rate, length, first, most-least)
			}
		}
	}
}

func TestPartsShareTheLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for rate := 1; rate <= MaxRate; rate++ {
		w := Window{ShapeOf(rate), rng.Int64N(1 << 33)}
		var sum int64
		for part := range w.Parts {
			n := w.PartLimit(rate, part)
			// One item takes 1,000 writes a second, and refused ones count.
			if n < 0 || n > 250 {
				t.Fatalf("rate %d: part %d of window %s holds %d", rate, part, w, n)
			}
			sum += n
		}
		if sum != w.Limit(rate) {
			t.Fatalf("rate %d: the parts of window %s hold %d, the window %d", rate, w, sum, w.Limit(rate))
		}
	}
}

func TestShapeOf(t *testing.T) {
	for _, c := range []struct {
		rate int
		want Shape
	}{
		{1, Shape{10 * time.Second, 1}},
		{599, Shape{10 * time.Second, 1}},
		{600, Shape{time.Second, 1}},
		{15_000, Shape{time.Second, 1}},
		{15_001, Shape{time.Second, 2}},
		{30_000, Shape{time.Second, 2}},
		{30_001, Shape{time.Second, 3}},
		{45_001, Shape{time.Second, 4}},
		{60_000, Shape{time.Second, 4}},
	} {
		if got := ShapeOf(c.rate); got != c.want {
			t.Errorf("at %d a minute windows have shape %v, want %v", c.rate, got, c.want)
		}
	}
}

func TestWindowsTileTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for range 10_000 {
		at := time.Unix(rng.Int64N(1<<32), rng.Int64N(1e9))
		tens := at.Truncate(10 * time.Second)
		for _, shape := range []Shape{{time.Second, 1}, {10 * time.Second, 1}} {
			w := shape.WindowAt(at)
			if at.Before(w.Start()) || !at.Before(w.End()) || w.End().Sub(w.Start()) != shape.Length {
				t.Fatalf("%v lies in window %s, from %v to %v", at, w, w.Start(), w.End())
			}
			if next := w.Next(); !next.Start().Equal(w.End()) || next != shape.WindowAt(w.End()) {
				t.Fatalf("after window %s, which ends at %v, comes %s at %v", w, w.End(), next, next.Start())
			}
			if begins := shape.WindowAt(tens).Start(); !begins.Equal(tens) {
				t.Fatalf("no window of %v begins at %v, but at %v", shape.Length, tens, begins)
			}
		}
	}
}

func TestWindowKeys(t *testing.T) {
	at := time.Unix(1_000_000_019, 0)
	for _, c := range []struct {
		shape        Shape
		name, second string
	}{
		{Shape{time.Second, 4}, "1#1000000019", "1#1000000019#2"},
		{Shape{10 * time.Second, 1}, "10#100000001", "10#100000001#2"},
	} {
		w := c.shape.WindowAt(at)
		if w.String() != c.name || w.PartKey(2) != c.second {
			t.Errorf("the window is called %q and its part 2 %q, want %q and %q", w, w.PartKey(2), c.name, c.second)
		}
	}
}

func TestSetTakesEffect(t *testing.T) {
	second := func(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct {
		name      string
		from, to  int
		set       time.Time
		at        time.Time // when the new rate holds in its own shape
		meanwhile int
	}{
		{"same shape, at once", 1000, 2000, second(1), second(1), 2000},
		{"same long shape, at once", 60, 30, second(1), second(1), 30},
		{"raised to short windows", 60, 600, second(1), second(5), 60},
		{"raised by little: only the whole window's end will do", 590, 600, second(1), second(10), 590},
		{"raised threefold: when a third of the window is over", 240, 720, second(9.5), second(14), 240},
		{"raised threefold at its start: not before that", 240, 720, second(7.5), second(14), 240},
		{"lowered to long windows", 600, 60, second(1), second(10), 60},
		{"raised to more parts", 15_000, 60_000, second(1), second(5), 15_000},
		{"lowered to fewer parts", 60_000, 15_000, second(1), second(5), 15_000},
		{"just early enough", 600, 60, second(5.999), second(10), 60},
		{"too late for the next ten seconds", 600, 60, second(7), second(20), 60},
		{"at the very end", 600, 60, second(9.999), second(20), 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := Cap{Rate: c.from}.Set(c.to, c.set)
			for now := c.set; now.Before(c.at); now = now.Add(100 * time.Millisecond) {
				if rate, shape := changed.At(now); rate != c.meanwhile || shape != ShapeOf(c.from) {
					t.Fatalf("at %v holds %d in %v, want %d in %v", now, rate, shape, c.meanwhile, ShapeOf(c.from))
				}
			}
			for _, now := range []time.Time{c.at, c.at.Add(time.Hour)} {
				if rate, shape := changed.At(now); rate != c.to || shape != ShapeOf(c.to) {
					t.Fatalf("at %v holds %d in %v, want %d in %v", now, rate, shape, c.to, ShapeOf(c.to))
				}
			}
			if again := changed.Set(c.to, c.at.Add(-time.Millisecond)); again != changed {
				t.Errorf("the same wish set again gives %+v, not %+v", again, changed)
			}
		})
	}
}

func TestSetWhileAChangeIsPending(t *testing.T) {
	pending := Cap{Rate: 590}.Set(1000, noon)
	for _, c := range []struct {
		name string
		rate int
		want Cap
	}{
		{"taken back", 590, Cap{Rate: 590}},
		{"another rate of the shape that holds", 90, Cap{Rate: 90}},
		{"another rate of the shape to come", 900, Cap{Rate: 900, Before: 590, Switch: noon.Add(7 * time.Second)}},
		{"a third shape", 60_000, Cap{Rate: 60_000, Before: 590, Switch: noon.Add(6 * time.Second)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pending.Set(c.rate, noon.Add(2*time.Second)); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("over, then changed", func(t *testing.T) {
		want := Cap{Rate: 60, Before: 1000, Switch: noon.Add(20 * time.Second)}
		if got := pending.Set(60, noon.Add(11*time.Second)); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("put off by a clock that was ten minutes ahead", func(t *testing.T) {
		ahead := Cap{Rate: 60}.Set(1000, noon.Add(10*time.Minute))
		want := Cap{Rate: 1000, Before: 60, Switch: noon.Add(4 * time.Second)}
		if got := ahead.Set(1000, noon); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := pending.Set(1000, noon.Add(2*time.Second)); got != pending {
			t.Errorf("a change that is not late became %+v", got)
		}
	})
	t.Run("the zero cap admits nobody and takes any rate at once", func(t *testing.T) {
		var none Cap
		if rate, shape := none.At(noon); shape.WindowAt(noon).Limit(rate) != 0 {
			t.Errorf("the zero cap admits %d", shape.WindowAt(noon).Limit(rate))
		}
		if got := none.Set(60_000, noon); got != (Cap{Rate: 60_000}) {
			t.Errorf("got %+v", got)
		}
	})
}

// maxStale is how old a state may be by which an environment admits.
const maxStale = time.Second

// version is a cap and the moment from which it was stored.
type version struct {
	from time.Time
	cap  Cap
}

// inForce returns the caps by which some environment may admit at t.
func inForce(history []version, t time.Time) []Cap {
	var caps []Cap
	for i, v := range history {
		gone := i+1 < len(history) && history[i+1].from.Add(maxStale).Before(t)
		if !v.from.After(t) && !gone {
			caps = append(caps, v.cap)
		}
	}
	return caps
}

// changes plays tick, which tells the cap the wanted rate about every second, and returns the
// versions of the cap that were stored. In the last half minute nothing is changed.
func changes(rng *rand.Rand, seconds int) (history []version, wanted int) {
	rates := []int{1, 7, 60, 599, 600, 1200, 15_000, 15_001, 40_000, 60_000}
	wanted = rates[rng.IntN(len(rates))]
	now, c := noon, Cap{}.Set(wanted, noon)
	history = []version{{now, c}}
	for end := noon.Add(time.Duration(seconds) * time.Second); now.Before(end); {
		now = now.Add(time.Duration(300+rng.IntN(1400)) * time.Millisecond)
		if now.Before(end.Add(-30*time.Second)) && rng.IntN(4) == 0 {
			wanted = rates[rng.IntN(len(rates))]
		}
		if next := c.Set(wanted, now); next != c {
			c, history = next, append(history, version{now, next})
		}
	}
	return history, wanted
}

// However the promoter changes the rate, environments whose states are up to a second old count in
// the same windows, and together they admit what the highest rate in force among them allows.
func TestStaleEnvironmentsCountTogether(t *testing.T) {
	const seconds = 120
	for seed := range uint64(60) {
		history, wanted := changes(rand.New(rand.NewPCG(seed, 4)), seconds)
		for start := noon; start.Before(noon.Add(seconds * time.Second)); start = start.Add(10 * time.Second) {
			checkTenSeconds(t, seed, history, start)
		}
		final := history[len(history)-1].cap
		if rate, shape := final.At(noon.Add(seconds * time.Second)); rate != wanted || shape != ShapeOf(wanted) {
			t.Fatalf("seed %d: the rate is still %d in %v half a minute after %d was set", seed, rate, shape, wanted)
		}
	}
}

func checkTenSeconds(t *testing.T, seed uint64, history []version, start time.Time) {
	t.Helper()
	highest, rates := 0, map[int]bool{}
	parts := map[Window][]int64{} // the most that any environment lets each item of a window hold
	for at := start; at.Before(start.Add(10 * time.Second)); at = at.Add(100 * time.Millisecond) {
		var used Shape
		for _, c := range inForce(history, at) {
			rate, shape := c.At(at)
			highest, rates[rate] = max(highest, rate), true
			if used == (Shape{}) {
				used = shape
			}
			if shape != used {
				t.Fatalf("seed %d: windows of %v and of %v count at the same moment %v\n%+v", seed, used, shape, at, history)
			}
			w := shape.WindowAt(at)
			if parts[w] == nil {
				parts[w] = make([]int64, shape.Parts)
			}
			for i := range parts[w] {
				parts[w][i] = max(parts[w][i], w.PartLimit(rate, i))
			}
		}
	}
	var total int64
	for w, items := range parts {
		var n int64
		for _, item := range items {
			n += item
		}
		if bound := -floorDiv(-int64(highest)*int64(w.Seconds()), 60); n > bound {
			t.Fatalf("seed %d: window %s may hold %d; at %d a minute no window holds more than %d", seed, w, n, highest, bound)
		}
		total += n
	}
	// Every change of the rate may round up once more.
	if bound := int64(highest)/6 + int64(len(rates)) + 1; total > bound {
		t.Fatalf("seed %d: %d may enter in the ten seconds from %v at no more than %d a minute", seed, total, start, highest)
	}
}

func TestNextOpening(t *testing.T) {
	never := func(Window) bool { return false }
	second := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name string
		cap  Cap
		now  time.Time
		full func(Window) bool
		want time.Time
	}{
		{"the next second", Cap{Rate: 600}, second(0).Add(time.Millisecond), never, second(1)},
		{"at the start of a full window, the next one", Cap{Rate: 600}, second(0), never, second(1)},
		{"the next ten seconds", Cap{Rate: 60}, second(3), never, second(10)},
		{"one a minute: the last window of the minute", Cap{Rate: 1}, second(0), never, second(50)},
		{"one a minute: that of the next minute", Cap{Rate: 1}, second(50), never, second(110)},
		{"over windows known to be full", Cap{Rate: 600}, second(0),
			func(w Window) bool { return w.Start().Before(second(4)) }, second(4)},
		{"the window that begins with a raise", Cap{Rate: 600, Before: 1, Switch: second(10)}, second(3), never, second(10)},
		{"a short window after a raise that is full at first", Cap{Rate: 600, Before: 1, Switch: second(10)}, second(3),
			func(w Window) bool { return w.Start().Before(second(12)) }, second(12)},
		{"beyond a lowering, the window with room", Cap{Rate: 1, Before: 600, Switch: second(10)}, second(9), never, second(50)},
		{"the lower rate before a lowering", Cap{Rate: 30, Before: 600, Switch: second(10)}, second(1), never, second(3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.cap.NextOpening(c.now, c.full); !got.Equal(c.want) {
				t.Errorf("the next opening is at %v, want %v", got, c.want)
			}
		})
	}
}

func TestNextOpeningHasRoom(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 5))
		c := Cap{Rate: 1 + rng.IntN(MaxRate)}
		now := noon.Add(time.Duration(rng.Int64N(int64(time.Hour))))
		if rng.IntN(2) == 0 {
			c = c.Set(1+rng.IntN(1200), now.Add(-time.Duration(rng.Int64N(int64(10*time.Second)))))
		}
		until := now.Add(time.Duration(rng.IntN(20)) * time.Second)
		full := func(w Window) bool { return w.Start().Before(until) }

		at := c.NextOpening(now, full)
		rate, shape := c.At(at)
		w := shape.WindowAt(at)
		if !at.After(now) || !w.Start().Equal(at) || w.Limit(rate) == 0 || full(w) {
			t.Fatalf("seed %d: at %v the cap %+v is said to open at %v, where window %s holds %d", seed, now, c, at, w, w.Limit(rate))
		}
		// Nobody is sent past a window that would have taken them.
		_, shape = c.At(now)
		for at := shape.WindowAt(now).End(); at.Before(w.Start()); {
			rate, shape := c.At(at)
			earlier := shape.WindowAt(at)
			if earlier.Limit(rate) > 0 && !full(earlier) {
				t.Fatalf("seed %d: window %s at %v was passed over for %s", seed, earlier, at, w)
			}
			at = earlier.End()
		}
	}
	t.Run("when everything is known to be full, still a time to come", func(t *testing.T) {
		if at := (Cap{Rate: 600}).NextOpening(noon, func(Window) bool { return true }); !at.After(noon) {
			t.Errorf("the next opening is at %v", at)
		}
	})
}

// Functions whose state is up to a second old change over at Switch all the same, so a change that
// is about to take effect is neither taken back nor put off.
func TestLateChangesWaitForTheSwitch(t *testing.T) {
	raised := Cap{Rate: 300}.Set(1200, noon)
	for _, rate := range []int{300, 400, 60_000} {
		late := raised.Set(rate, raised.Switch.Add(-500*time.Millisecond))
		at := raised.Switch.Add(400 * time.Millisecond) // the old state is 0.9 s old
		_, stale := raised.At(at)
		_, fresh := late.At(at)
		if stale != fresh {
			t.Errorf("set to %d half a second before the switch: at the same moment windows of %v and of %v", rate, stale, fresh)
		}
	}
}

// The worst case of a raise across lengths, from the step that reads it: what the long window held
// is soon less than the new rate allows, so nobody waits for its end.
func TestRaiseIsInForceSoon(t *testing.T) {
	for ms := range 10_000 {
		now := noon.Add(time.Duration(ms) * time.Millisecond)
		if wait := (Cap{Rate: 60}).Set(600, now).Switch.Sub(now); wait <= switchAhead || wait > switchAhead+2*time.Second {
			t.Fatalf("a rate raised at %v is in force after %v", now, wait)
		}
	}
}
