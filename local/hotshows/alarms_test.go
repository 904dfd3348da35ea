package hotshows

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

// TestAlarms has settings be rejected and a show run into trouble.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := dynamodb.NewTable(t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		kept := schedule.New(client, "room")
		alarms := &Alarms{shows: kept, now: time.Now}
		ring := func(want ...string) {
			t.Helper()
			ringing, err := alarms.Ringing(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, a := range ringing {
				if a.Why == "" || a.Since.IsZero() || a.Since.After(time.Now()) {
					t.Errorf("the alarm %+v", a)
				}
				names = append(names, a.Name)
			}
			if !slices.Equal(names, append([]string{}, want...)) {
				t.Errorf("%q ring, want %q", names, want)
			}
		}
		ring()
		alarms.Tell("bad-setting", "the rate is not used")
		time.Sleep(time.Minute)
		alarms.Tell("bad-setting", "the target is not used")
		ring("bad-setting")
		time.Sleep(rings + time.Second)
		ring()

		opens := time.Now().Add(2 * time.Hour)
		request := hotshow.Request{Event: "demo", OnSale: opens, PreQueue: opens.Add(-time.Hour), Closes: opens.Add(24 * time.Hour), KeepAfter: hotshow.Duration(time.Hour)}
		show, first := hotshow.New("demo-1", request, plan.Plan{}, "asker", time.Now())
		if err := kept.Add(t.Context(), show, first); err != nil {
			t.Fatal(err)
		}
		show.Version = 1
		save := func(state hotshow.State) {
			t.Helper()
			show.State, show.Since = state, time.Now()
			if err := kept.Save(t.Context(), &show); err != nil {
				t.Fatal(err)
			}
		}
		save(hotshow.Preparing)
		ring()
		time.Sleep(time.Hour)
		ring("shows-unready")
		save(hotshow.Finishing)
		ring()
		time.Sleep(time.Hour)
		ring("shows-left-up")
		save(hotshow.Done)
		ring()
	})
}
