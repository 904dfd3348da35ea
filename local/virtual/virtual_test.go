package virtual

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"waitingroom/local/surge"
	"waitingroom/shared/room"
)

// evening is a sale of some minutes.
func evening(visitors int) Options {
	return Options{
		Curve:   surge.Curve{Visitors: visitors, Over: time.Minute, Before: 0.6},
		NoShows: 0.3, Rate: 3000, Shards: 16, Seed: 1,
	}
}

func hold(t testing.TB, o Options) Result {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kept holds that the judge found nothing broken, and that it could tell.
func kept(t testing.TB, log *surge.Log) surge.Verdict {
	t.Helper()
	verdict := surge.Judge(log)
	for _, p := range verdict.Promises {
		if !p.Held || !p.Judged {
			t.Errorf("%s: %v of %v %s. %s %v", p.Name, p.Measured, p.Limit, p.Unit, p.Why, p.Examples)
		}
	}
	return verdict
}

func TestSaleKeepsItsPromises(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Options)
	}{
		{"a pool and a spike", func(*Options) {}},
		{"everybody before the on-sale", func(o *Options) { o.Before = 1 }},
		{"nobody before it, at a slow rate", func(o *Options) { o.Before, o.Visitors, o.Rate, o.NoShows = 0, 600, 120, 0 }},
		{"people come long before tick watches the event", func(o *Options) { o.Before, o.Over, o.PreQueue = 1, 20*time.Minute, time.Minute }},
		{"a pre-queue that opens when people wait for it", func(o *Options) { o.Over, o.PreQueue = 2*time.Minute, 20*time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := evening(7000)
			test.change(&o)
			r := hold(t, o)
			kept(t, r.Log)
			come := int64(0)
			for i := range r.Log.Visitors {
				v := &r.Log.Visitors[i]
				if !v.NoShow {
					come++
				}
				if v.NoShow == (v.Outcome == surge.InShop) || v.Polls == 0 {
					t.Errorf("visitor %d: %+v", i, v)
				}
			}
			if r.Log.Requests.Signatures != come || r.Log.Requests.Joins < int64(o.Visitors) {
				t.Errorf("%d of %d were admitted, %+v", r.Log.Requests.Signatures, come, r.Log.Requests)
			}
			if seconds := int64(r.Log.Ended / time.Second); r.Log.Requests.Origin > seconds {
				t.Errorf("the status was asked for %d times in %d s", r.Log.Requests.Origin, seconds)
			}
			if math.Abs(r.Sample.Error()) > 0.05 || r.Sample.Made == 0 {
				t.Errorf("polls: %+v, %.1f %% off", r.Sample, 100*r.Sample.Error())
			}
		})
	}
}

// TestRateHolds is what the room promises a shop: 13,000 a minute over five minutes, of whom 30 % do
// not come.
func TestRateHolds(t *testing.T) {
	o := evening(110_000)
	o.Rate, o.Shards = 13_000, 64
	r := hold(t, o)
	verdict := kept(t, r.Log)
	var admitted []int64 // by whole minutes since the line had settled
	from := r.Log.OnSale + 20*time.Second
	for i := range r.Log.Visitors {
		v := &r.Log.Visitors[i]
		if v.Admitted < from {
			continue
		}
		for minute := int((v.Admitted - from) / time.Minute); minute >= len(admitted); {
			admitted = append(admitted, 0)
		}
		admitted[int((v.Admitted-from)/time.Minute)]++
	}
	if len(admitted) < 6 {
		t.Fatalf("the line lasted for %d minutes", len(admitted))
	}
	var sum int64
	for _, n := range admitted[:5] {
		sum += n
	}
	if mean := float64(sum) / 5; math.Abs(mean/float64(o.Rate)-1) > 0.01 {
		t.Errorf("%v a minute, set were %d", mean, o.Rate)
	}
	t.Logf("%d in five minutes, %.2f refusals an admission, polls %.1f %% off",
		sum, verdict.Promise(surge.FewRefusals).Measured, 100*r.Sample.Error())
}

func TestSeedDecides(t *testing.T) {
	sum := func(seed uint64) [32]byte {
		o := evening(1000)
		o.Seed = seed
		r := hold(t, o)
		log, err := json.Marshal(struct {
			Visitors []surge.Visitor
			Statuses []surge.Sighting
			Seconds  []surge.Second
			Seals    []room.SealDocument
			Requests surge.Requests
			DrawKey  string
		}{r.Log.Visitors, r.Log.Statuses, r.Log.Seconds, r.Log.Seals, r.Log.Requests, r.Log.DrawKey})
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(log)
	}
	first := sum(7)
	if sum(7) != first {
		t.Error("the same seed gave another sale")
	}
	if sum(8) == first {
		t.Error("another seed gave the same sale")
	}
}

func TestEndInTheMiddle(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := evening(7000)
	o.Progress = func(p Progress) {
		if p.Joined > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !r.Log.Interrupted || len(r.Log.Seconds) == 0 || r.Log.DrawKey != "" {
		t.Errorf("interrupted: %v, after %d seconds", r.Log.Interrupted, len(r.Log.Seconds))
	}
	if verdict := surge.Judge(r.Log); !verdict.Kept() {
		t.Errorf("%+v", verdict)
	}
}

func TestBadOptions(t *testing.T) {
	for _, test := range []struct {
		wrong  string
		change func(*Options)
	}{
		{"0 visitors", func(o *Options) { o.Visitors = 0 }},
		{"20000001 visitors", func(o *Options) { o.Visitors = MaxVisitors + 1 }},
		{"come over 0s", func(o *Options) { o.Over = 0 }},
		{"1.5 before", func(o *Options) { o.Before = 1.5 }},
		{"NaN before", func(o *Options) { o.Before = math.NaN() }},
		{"pre-queue of -1s", func(o *Options) { o.PreQueue = -time.Second }},
		{"1 no-shows", func(o *Options) { o.NoShows = 1 }},
		{"rate of 0", func(o *Options) { o.Rate = 0 }},
		{"rate of 60001", func(o *Options) { o.Rate = room.MaxRate + 1 }},
		{"129 shards", func(o *Options) { o.Shards = 129 }},
		{"raise the rate", func(o *Options) { o.Visitors, o.Rate = 1_000_000, 1 }},
		{"reserved", func(o *Options) { o.Event = "shop" }},
	} {
		o := evening(100)
		test.change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%q: %v", test.wrong, err)
		}
	}
}

// TestPollsPerSecond holds the closed form near the delay that a page draws: below one divided by it
// where delays shrink, since a longer one may still last, and above it where they grow. How near it
// comes to delays that are drawn, the sample of each sale shows.
func TestPollsPerSecond(t *testing.T) {
	for _, wait := range []float64{0, 10, 25, 100, 600, 3600} {
		for _, open := range []float64{0, 2, 10, 60, 1000} {
			per := pollsPerSecond(wait, open)
			delay := min(2.5+0.8*min(wait, 1.25*open), 60)
			if per*delay < 0.5 || per*delay > 1.5 {
				t.Errorf("%v s away, open for %v s: %v polls a second", wait, open, per)
			}
		}
	}
}

func BenchmarkSale(b *testing.B) {
	for b.Loop() {
		hold(b, evening(100_000))
	}
}
