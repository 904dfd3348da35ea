package virtual

import (
	"testing"
	"time"

	"waitingroom/local/surge"
)

func small() Options {
	return Options{
		Curve: surge.Curve{Visitors: 5000, Over: time.Minute, Before: 0.6}, NoShows: 0.3, Rate: 3000, Shards: 16, Seed: 1,
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

func TestSmall(t *testing.T) {
	r := hold(t, small())
	v := surge.Judge(r.Log)
	for _, p := range v.Promises {
		t.Logf("%v %v %s: %v of %v %s %s %v", p.Judged, p.Held, p.Name, p.Measured, p.Limit, p.Unit, p.Why, p.Examples)
	}
	t.Logf("%+v %v %+v", r.Sample, r.Sample.Error(), r.Log.Requests)
	t.Logf("%+v ended %v", r.Services, r.Log.Ended)
	if !v.Kept() {
		t.Error("broken")
	}
}
