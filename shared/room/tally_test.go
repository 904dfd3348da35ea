package room

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	second := func(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }
	raised := Cap{Rate: 60}.Set(600, noon) // windows of a second from :04 on
	for _, c := range []struct {
		name    string
		cap     Cap
		counted time.Time
		now     time.Time
		from    time.Time
		windows int
	}{
		{"nothing has settled yet", Cap{Rate: 600}, second(0), second(2.999), second(0), 0},
		{"the second before the last two", Cap{Rate: 600}, second(0), second(3), second(0), 1},
		{"several at once", Cap{Rate: 600}, second(0), second(7.5), second(0), 5},
		{"ten seconds have not settled", Cap{Rate: 60}, second(0), second(11.999), second(0), 0},
		{"ten seconds have settled", Cap{Rate: 60}, second(0), second(12), second(0), 1},
		{"never before: twenty seconds back", Cap{Rate: 600}, time.Time{}, second(2), second(-20), 20},
		{"never before, long windows: two back", Cap{Rate: 60}, time.Time{}, second(2), second(-20), 2},
		{"long windows that began before those twenty seconds", Cap{Rate: 60}, time.Time{}, second(5), second(-10), 1},
		{"after an outage: twenty seconds back", Cap{Rate: 600}, second(-3600), second(2), second(-20), 20},
		{"across a change of length, which cuts the long window short", raised, second(0), second(15), second(0), 1 + 9},
		{"up to a change of length", raised, second(0), second(6.5), second(0), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			due := Show{Counted: c.counted}.Due(c.cap, c.now)
			if len(due) != c.windows {
				t.Fatalf("%d windows are due, want %d: %v", len(due), c.windows, due)
			}
			for at := c.from; len(due) > 0; due = due[1:] {
				if !due[0].Start().Equal(at) {
					t.Fatalf("window %s begins at %v, want %v", due[0], due[0].Start(), at)
				}
				at = c.cap.end(due[0])
			}
		})
	}
}

// A step a second, or nearly, tallies every window once, in the shape that it was counted in,
// whatever the promoter does to the rate every now and then.
func TestEveryWindowIsTalliedOnce(t *testing.T) {
	rates := []int{1, 60, 600, 15_000, 60_000}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 20))
		s := openSale(rates[rng.IntN(len(rates))], 1<<40)
		next, changed, shapes := time.Time{}, s.now, map[time.Time]Shape{}
		for range 300 {
			d := time.Duration(500+rng.IntN(1500)) * time.Millisecond
			if s.now.Sub(changed) > 30*time.Second && rng.IntN(5) == 0 {
				s.settings.Rate, changed = rates[rng.IntN(len(rates))], s.now
			}
			for at := s.now; at.Before(s.now.Add(d)); at = at.Add(100 * time.Millisecond) {
				_, shape := s.Cap.At(at)
				shapes[shape.WindowAt(at).Start()] = shape
			}
			var tallies []Tally
			due := s.pacing.Show.Due(s.Cap, s.now.Add(d))
			if s.Admitted == 0 {
				due = nil // nobody can have come: tick does not look
			}
			for _, w := range due {
				if !next.IsZero() && !w.Start().Equal(next) {
					t.Fatalf("seed %d: after %v comes window %s, which begins at %v", seed, next, w, w.Start())
				}
				if shape, ok := shapes[w.Start()]; ok && shape != w.Shape {
					t.Fatalf("seed %d: the window at %v was counted in %v and tallied in %v", seed, w.Start(), shape, w.Shape)
				}
				next, tallies = s.Cap.end(w), append(tallies, Tally{Window: w})
			}
			if s.step(d, tallies...); len(tallies) > 0 && !s.pacing.Show.Counted.Equal(next) {
				t.Fatalf("seed %d: windows up to %v are noted as tallied, not up to %v", seed, s.pacing.Show.Counted, next)
			}
			if behind := s.now.Sub(next); !next.IsZero() && behind > settle+20*time.Second {
				t.Fatalf("seed %d: at %v windows are tallied up to %v", seed, s.now, next)
			}
		}
	}
}

// tallied is what is known after windows that took n visitors each.
func tallied(rate, windows int, n int64) Show {
	s := Show{}
	w := ShapeOf(rate).WindowAt(noon)
	for range windows {
		s = s.tally(Cap{Rate: rate}, []Tally{{w, n, w.End()}})
		w = w.Next()
	}
	return s
}

func TestMeasuredRate(t *testing.T) {
	for _, c := range []struct {
		name          string
		rate, windows int
		n, want       int64
	}{
		{"nothing tallied", 600, 0, 0, 0},
		{"one window says nothing yet", 600, 1, 10, 0},
		{"the first seconds are not blown up", 600, 3, 10, 2 * 10 * 12},
		{"half a minute", 600, 31, 10, 600},
		{"a minute", 600, 61, 10, 600},
		{"only the last minute is kept", 600, 1000, 10, 600},
		{"long windows", 60, 7, 10, 60},
		{"long windows for an hour", 60, 360, 7, 42},
		{"nobody comes", 600, 100, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := tallied(c.rate, c.windows, c.n)
			if got := s.Rate(); got != c.want {
				t.Errorf("%d a minute, want %d", got, c.want)
			}
			if len(s.Recent) > 61 {
				t.Errorf("%d windows are kept", len(s.Recent))
			}
		})
	}
	t.Run("what was a minute ago is forgotten", func(t *testing.T) {
		s := tallied(600, 120, 10)
		w := ShapeOf(600).WindowAt(s.Counted)
		for range 60 {
			s = s.tally(Cap{Rate: 600}, []Tally{{Window: w}})
			w = w.Next()
		}
		if got := s.Rate(); got != 0 {
			t.Errorf("%d a minute after a minute without admissions", got)
		}
	})
	t.Run("across a change of length", func(t *testing.T) {
		c := Cap{Rate: 60}.Set(1200, noon)
		s := Show{}
		for at := noon.Add(-time.Minute); at.Before(noon.Add(20 * time.Second)); {
			rate, shape := c.At(at)
			w := shape.WindowAt(at)
			s = s.tally(c, []Tally{{w, w.Limit(rate), w.End()}})
			at = w.End()
		}
		// The last minute was 50 s at one a second and ten at twenty.
		if got := s.Rate(); got != 50+200 {
			t.Errorf("%d a minute, want 250", got)
		}
	})
}

func TestShareOfTurnsClaimed(t *testing.T) {
	for _, c := range []struct {
		turns, claims, want float64
	}{{0, 0, 1}, {0.5, 0, 1}, {10, 0, 0}, {10, 4, 0.4}, {10, 10, 1}, {10, 30, 1}, {0, 5, 1}} {
		if got := (Show{Turns: c.turns, Claims: c.claims}).Share(); got != c.want {
			t.Errorf("%v of %v turns claimed give %v, want %v", c.claims, c.turns, got, c.want)
		}
	}
}

func TestBoostIsBounded(t *testing.T) {
	for seed := range uint64(5000) {
		rng := rand.New(rand.NewPCG(seed, 21))
		s := Show{Turns: rng.Float64() * 100, Claims: rng.Float64() * 100, Waiting: rng.Float64() * 1e4}
		if rng.IntN(4) == 0 {
			s.Claims = 0
		}
		if rng.IntN(2) == 0 {
			s.Waiting = 0
		}
		perSecond := float64(1+rng.IntN(MaxRate)) / 60
		if got := s.boost(perSecond); !(got >= minBoost && got <= maxBoost) {
			t.Fatalf("seed %d: %+v moves the pointer %f times as fast", seed, s, got)
		}
	}
	if got := (Show{Turns: 100, Claims: 0}).boost(10); got != maxBoost {
		t.Errorf("when nobody comes the pointer moves %f times as fast, want %f", got, maxBoost)
	}
}

// Visitors whom a full window sent away come again and are one claim all the same.
func TestWaitingVisitorsAreCountedOnce(t *testing.T) {
	w := ShapeOf(600).WindowAt(noon)
	half := w.Start().Add(w.Length / 2)
	s := Show{}.tally(Cap{Rate: 600}, []Tally{{w, 10, half}})
	if s.Claims != 18 || s.Waiting != 8 || s.Refused != 8.0/18 {
		t.Fatalf("after a window that was full half-way: %+v", s)
	}
	claims := s.Claims
	s = s.tally(Cap{Rate: 600}, []Tally{{w.Next(), 8, w.Next().End()}})
	if s.Claims >= claims || s.Waiting != 0 || s.Refused != 0 {
		t.Errorf("eight who were sent away came again: %+v, after %f claims", s, claims)
	}
}

// What was counted in times to come, before the clock was set back, is not counted twice.
func TestRateAfterTheClockWentBack(t *testing.T) {
	s := openSale(600, 1<<40)
	second := func(d time.Duration) {
		var tallies []Tally
		for _, w := range s.pacing.Show.Due(s.Cap, s.now.Add(d)) {
			tallies = append(tallies, Tally{w, 10, w.End().Add(-time.Millisecond)})
		}
		s.step(d, tallies...)
	}
	for range 900 {
		second(time.Second)
	}
	second(-10 * time.Minute)
	for i := range 300 {
		second(time.Second)
		if r := s.pacing.Show.Rate(); r > 1200 {
			t.Fatalf("%d s after the jump %d a minute are published, with %d windows kept", i, r, len(s.pacing.Show.Recent))
		}
	}
}

// At a few visitors a minute a full window does not tell how many were sent away. Everybody comes
// and asks until let in: nobody is invited whom the cap cannot take, and nobody's turn expires.
func TestSlowRatesInviteNoMoreThanFit(t *testing.T) {
	for _, rate := range []int{1, 3, 6, 7, 9, 12, 60} {
		c := newCrowd(1, rate)
		for range 2 * 3600 {
			c.second(1) // everybody comes for the turn and asks until let in
		}
		waited := float64(len(c.claims)) / float64(rate)
		if waited > 10 {
			t.Errorf("at %d a minute %d visitors wait at the cap: %.0f minutes' worth; refused %.2f, speed %.2f times the rate, %d expired",
				rate, len(c.claims), waited, c.pacing.Show.Refused, c.state.Speed/float64(rate), c.state.Expired)
		}
	}
}

// A change of the rate soon after a change of shape leaves the windows before it to be tallied.
func TestWindowsBeforeASwitchAreTallied(t *testing.T) {
	c := Cap{Rate: 60}.Set(600, noon)       // windows of 1 s from +4 s
	c = c.Set(700, noon.Add(5*time.Second)) // same shape
	s := Show{Counted: noon}                // [0, 4) has not settled before +6 s
	due := s.Due(c, noon.Add(6*time.Second))
	if len(due) != 1 || due[0].Length != 10*time.Second {
		t.Errorf("due are %v, want the one window of ten seconds in which visitors were counted", due)
	}
}

// A lowered rate does not make windows of before look overfull.
func TestTallyAfterALoweredRate(t *testing.T) {
	s := openSale(6000, 1<<40)
	s.pacing.Show = quiet(6000)
	for range 5 {
		s.step(time.Second)
	}
	w := ShapeOf(6000).WindowAt(s.now.Add(-3 * time.Second))
	s.settings.Rate = 600
	s.step(time.Second, Tally{w, 60, w.Start().Add(100 * time.Millisecond)}) // 60 of 100: not full
	if s.pacing.Show.Waiting > 0 || s.pacing.Show.Refused > 0 {
		t.Errorf("nobody was refused, but %.0f are thought to wait and %.2f to be refused", s.pacing.Show.Waiting, s.pacing.Show.Refused)
	}
}
