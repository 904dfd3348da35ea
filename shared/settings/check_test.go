package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// noon is an hour before the on-sale of runs in these tests.
var noon = at("2026-11-21T12:00:00Z")

func planned() map[string]string {
	return map[string]string{"onsale": "2026-11-21T13:00:00Z", "rate": "500", "target": "https://shop.example"}
}

// running is an open run with 16 shards that planned has put on sale.
func running() room.State {
	return room.State{
		Run: room.Run{Event: "demo", ID: "ab"}, Shards: 16, Cohort: 3, Closing: room.NoCohort,
		Phase: room.Open, OnSale: noon.Add(time.Hour),
	}
}

func over() room.State {
	st := running()
	st.Phase, st.Final = room.Closed, true
	return st
}

func withShards(shards int) room.State {
	st := running()
	st.Shards = shards
	return st
}

func before(st room.State) room.State {
	st.Cohort, st.Phase = 0, room.PreQueue
	return st
}

func closing(st room.State) room.State {
	st.Cohort, st.Closing = 0, 0
	return st
}

func TestCheck(t *testing.T) {
	const late = "the pool is closed: the on-sale cannot be moved any more; 2026-11-21T13:00:00Z stays in force until the run is closed"
	const once = "it is read once, when a run begins; 16 stays in force until the run is closed"
	const past = "it is past, so the closed event is not put on sale again; set a time to come"
	moved := with(planned(), "onsale", "2026-11-21T14:00:00Z")
	none := room.State{Closing: room.NoCohort}
	for name, c := range map[string]struct {
		raw, good map[string]string
		st        room.State
		shards    int
		want      []string // as "parameter value: reason"
	}{
		"no run yet":                           {planned(), nil, none, 0, nil},
		"no run yet, incomplete":               {map[string]string{"rate": "500"}, nil, none, 0, nil},
		"no run yet, bad":                      {map[string]string{"rate": "-5"}, nil, none, 0, []string{`rate -5: "-5" is not a whole number of visitors per minute between 1 and 60000; it is required and has no earlier value`}},
		"as it is":                             {planned(), planned(), running(), 0, nil},
		"on-sale moved before the pool closes": {moved, planned(), before(running()), 0, nil},
		"on-sale moved while the pool closes":  {moved, planned(), closing(running()), 0, []string{"onsale 2026-11-21T14:00:00Z: " + late}},
		"on-sale moved after it":               {moved, planned(), running(), 0, []string{"onsale 2026-11-21T14:00:00Z: " + late}},
		"the same moment in another zone":      {with(planned(), "onsale", "2026-11-21T14:00:00+01:00"), planned(), running(), 0, nil},
		"the last good on-sale is another":     {with(planned(), "onsale", "soon"), moved, running(), 0, []string{`onsale soon: "soon" is not a time in RFC 3339 with an offset, as in "2026-11-21T10:00:00+01:00"; the last good value stays in force`}},
		"on-sale removed":                      {without(planned(), "onsale"), nil, running(), 0, []string{"onsale : was removed but is required; the last good value stays in force"}},
		"shards set in a run":                  {with(planned(), "shards", "64"), planned(), running(), 0, []string{"shards 64: " + once}},
		"shards removed in a run":              {planned(), planned(), withShards(64), 0, nil},
		"the deployment's shards, no run yet":  {planned(), nil, none, 64, nil},
		"the deployment's shards, in a run":    {planned(), planned(), withShards(64), 64, nil},
		"closed":                               {planned(), planned(), over(), 0, nil},
		"closed and cleared away":              {without(without(planned(), "onsale"), "rate"), planned(), over(), 0, nil},
		"closed, cleared to a bad rate":        {with(without(planned(), "onsale"), "rate", "fast"), planned(), over(), 0, []string{`rate fast: "fast" is not a whole number of visitors per minute between 1 and 60000; the last good value stays in force`}},
		"closed, shards for the next run":      {with(planned(), "shards", "64"), planned(), over(), 0, nil},
		"closed, on sale again":                {moved, planned(), over(), 0, nil},
		"closed, on sale in the past":          {with(planned(), "onsale", "2026-11-21T11:00:00Z"), planned(), over(), 0, []string{"onsale 2026-11-21T11:00:00Z: " + past}},
		"kept closed, on sale in the past":     {with(with(planned(), "onsale", "2026-11-21T11:00:00Z"), "state", "closed"), planned(), over(), 0, nil},
		"an encrypted number of shards":        {with(planned(), "shards", secureString), nil, withShards(64), 0, []string{"shards : is a SecureString, which is not decrypted: delete it and set it as type String; the default is in force", "shards : " + strings.Replace(once, "16", "64", 1)}},
		"an endless fraction":                  {with(planned(), "onsale", "2026-11-21T14:00:00."+strings.Repeat("0", 4000)+"Z"), planned(), running(), 0, []string{"onsale 2026-11-21T14:00:00." + strings.Repeat("0", 43) + "…: " + late}},
	} {
		raw, good := maps.Clone(c.raw), maps.Clone(c.good)
		r := Check(c.raw, c.good, c.st, c.shards, noon)
		var got []string
		for _, rejection := range r.Rejected {
			got = append(got, rejection.Parameter+" "+rejection.Value+": "+rejection.Reason)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: rejected\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if !maps.Equal(raw, c.raw) || !maps.Equal(good, c.good) {
			t.Errorf("%s: what was given has been changed", name)
		}
		if r.Complete() && c.st.Frozen() && c.st.Phase != room.Closed && !r.Settings.OnSale.Equal(c.st.OnSale) {
			t.Errorf("%s: on sale at %v", name, r.Settings.OnSale)
		}
		again := Check(c.raw, r.Good, c.st, c.shards, noon)
		if !reflect.DeepEqual(again.Settings, r.Settings) || !maps.Equal(again.Good, r.Good) {
			t.Errorf("%s: asked again, %+v, then %+v", name, r, again)
		}
	}
}

func TestDefaultShards(t *testing.T) {
	for shards, want := range map[int]int{0: names.DefaultShards, 1: 1, 16: 16, 128: 128} {
		r := Check(planned(), nil, room.State{Closing: room.NoCohort}, shards, noon)
		if r.Settings.Shards != want || r.Good["shards"] != "" {
			t.Errorf("default %d: %d shards, good %q", shards, r.Settings.Shards, r.Good["shards"])
		}
		r = Check(with(planned(), "shards", "5"), nil, room.State{Closing: room.NoCohort}, shards, noon)
		if r.Settings.Shards != 5 {
			t.Errorf("default %d: %d shards although the promoter set 5", shards, r.Settings.Shards)
		}
	}
	for text, want := range map[string]int{"1": 1, "16": 16, "128": 128, "0": 0, "129": 0, "": 0, "-1": 0, "16 ": 0, "many": 0, "016": 0} {
		got, err := ParseShards(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("ParseShards(%q) = %d, %v", text, got, err)
		}
	}
}

func TestAddressesAreNotShown(t *testing.T) {
	const address = "https://user:hunter2@shop.example"
	for _, name := range []string{"rate", "onsale", "prequeue", "shards", "state", "claim-window", "Target", "targets", "message/danish"} {
		r := Parse(with(sale(), name, address), nil)
		if len(r.Rejected) != 1 || strings.Contains(fmt.Sprintf("%+v", r.Rejected), "hunter2") {
			t.Errorf("%s: rejected %+v", name, r.Rejected)
		}
	}
}

func TestBelongs(t *testing.T) {
	for name, want := range map[string]string{
		"/waiting-room/demo/rate":       "demo rate",
		"/waiting-room/demo/message/da": "demo message/da",
		"/waiting-room/demo":            "/waiting-room/demo: belongs to no event; it is ignored: set it as /waiting-room/<event>/demo",
		"/waiting-room/De.mo/rate":      `/waiting-room/De.mo: event name "De.mo" holds other characters than a-z, 0-9 and hyphens; all that is below it is ignored`,
		"/waiting-room/seals/a/b":       `/waiting-room/seals: event name "seals" is reserved: choose another; all that is below it is ignored`,
	} {
		event, parameter, rejection := Belongs("/waiting-room/", name)
		got := event + " " + parameter
		if rejection != nil {
			got = rejection.String()
		}
		if got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
