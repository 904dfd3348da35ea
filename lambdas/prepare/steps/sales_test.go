package steps

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/room"
)

// answering is a room that answers everything with one status and body.
type answering struct {
	status int
	body   string
	asked  *http.Request
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = r
	w := httptest.NewRecorder()
	w.WriteHeader(a.status)
	w.WriteString(a.body)
	return w.Result(), nil
}

func TestSale(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const fresh = `"time":"2026-11-28T11:59:58Z","claim_window":600,"onsale":"2026-11-28T08:00:00Z"`
	waiting, nobody := hotshow.Sale{Known: true, Waiting: true}, hotshow.Sale{Known: true}
	anothers := func(s hotshow.Sale) hotshow.Sale {
		s.Another = true
		return s
	}
	people := func(line, turns int64) hotshow.Sale {
		return hotshow.Sale{Known: true, Line: line, Turns: turns, Window: 10 * time.Minute}
	}
	paused := people(1, 0)
	paused.Waiting = true
	for name, c := range map[string]struct {
		status int
		body   string
		want   hotshow.Sale // not Known: an error
	}{
		"nobody has had a turn":            {200, `{"event":"winter","phase":"open","line":10,` + fresh + `}`, people(10, 0)},
		"the last turn can be claimed":     {200, `{"event":"winter","phase":"open","line":10,"admitted":10,"expired":9,` + fresh + `}`, people(0, 1)},
		"some wait and some are let in":    {200, `{"event":"winter","phase":"open","line":10,"admitted":7,"expired":2,` + fresh + `}`, people(3, 5)},
		"the last turn is over":            {200, `{"event":"winter","phase":"open","line":10,"admitted":10,"expired":10,` + fresh + `}`, people(0, 0)},
		"nobody came":                      {200, `{"event":"winter","phase":"open",` + fresh + `}`, people(0, 0)},
		"paused with people":               {200, `{"event":"winter","phase":"paused","line":10,"admitted":9,"expired":9,` + fresh + `}`, paused},
		"paused with turns":                {200, `{"event":"winter","phase":"paused","line":9,"admitted":9,"expired":8,` + fresh + `}`, people(0, 1)},
		"paused without":                   {200, `{"event":"winter","phase":"paused","line":9,"admitted":9,"expired":9,` + fresh + `}`, people(0, 0)},
		"put off by the show":              {200, `{"event":"winter","phase":"prequeue","onsale":"2026-11-28T08:02:00Z"}`, waiting},
		"its own, not open yet":            {200, `{"event":"winter","phase":"scheduled","onsale":"2026-11-28T08:00:00Z"}`, waiting},
		"moved to another day":             {200, `{"event":"winter","phase":"scheduled","onsale":"2026-11-29T08:00:00Z"}`, anothers(waiting)},
		"in another pre-queue":             {200, `{"event":"winter","phase":"prequeue","onsale":"2026-11-29T08:00:00Z"}`, anothers(waiting)},
		"another one is open":              {200, `{"event":"winter","phase":"open","line":10,"time":"2026-11-28T11:59:58Z","claim_window":600,"onsale":"2026-11-28T11:00:00Z"}`, anothers(people(10, 0))},
		"sold out":                         {200, `{"event":"winter","phase":"soldout","line":10,` + fresh + `}`, nobody},
		"closed, long ago":                 {200, `{"event":"winter","phase":"closed","line":10,"time":"2026-11-27T11:59:58Z","onsale":"2026-11-28T08:00:00Z"}`, nobody},
		"never begun":                      {404, `404 page not found`, nobody},
		"old, and nobody waited then":      {200, `{"event":"winter","phase":"open","line":9,"expired":9,"time":"2026-11-28T11:50:00Z"}`, hotshow.Sale{}},
		"old, and somebody waited":         {200, `{"event":"winter","phase":"open","line":9,"expired":8,"time":"2026-11-28T11:50:00Z"}`, hotshow.Sale{}},
		"without a time":                   {200, `{"event":"winter","phase":"open"}`, hotshow.Sale{}},
		"of another event":                 {200, `{"event":"summer","phase":"closed"}`, hotshow.Sale{}},
		"of a phase that nobody knows":     {200, `{"event":"winter","phase":"finished"}`, hotshow.Sale{}},
		"no document":                      {200, `<!doctype html>`, hotshow.Sale{}},
		"a document without an end":        {200, `{"event":"winter","phase":"closed","x":"` + strings.Repeat("x", longestAnswer), hotshow.Sale{}},
		"an error of the CDN":              {503, `busy`, hotshow.Sale{}},
		"a bucket that refuses":            {403, `denied`, hotshow.Sale{}},
		"sent elsewhere, as to the shop's": {302, ``, hotshow.Sale{}},
	} {
		t.Run(name, func(t *testing.T) {
			house := &answering{status: c.status, body: c.body}
			show := hotshow.Show{
				Request: hotshow.Request{Event: "winter", OnSale: time.Date(2026, 11, 28, 9, 0, 0, 0, time.FixedZone("", 3600))},
				Steps:   map[hotshow.Step]hotshow.Work{hotshow.Parameters: {Held: map[string]string{heldLate: "2026-11-28T09:02:00+01:00"}}},
			}
			got, err := NewSales(NewRoom(probeRoom, house), func() time.Time { return now }).Sale(t.Context(), show)
			if got != c.want || (err == nil) != c.want.Known {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			if house.asked.URL.String() != probeRoom+"/status/winter.json" {
				t.Errorf("asked for %s", house.asked.URL)
			}
		})
	}
}

// Whom a show is kept up for, by the room's own rules and the document that they make: 13,000 a minute for the
// first quarter of an hour, and then so many.
func TestKeptUpForPeople(t *testing.T) {
	const rate = 13_000
	onSale := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	settings := room.Settings{
		OnSale: onSale, PreQueue: onSale.Add(-time.Hour), Closes: onSale.Add(24 * time.Hour), Rate: rate, Target: "https://shop.example/", Control: room.Auto,
		Stock: room.Plenty, ClaimWindow: 10 * time.Minute, PassLifetime: time.Hour, Shards: 16, PassAlg: "RS256", Messages: map[string]string{},
	}
	for name, c := range map[string]struct {
		after time.Duration // the first quarter of an hour
		come  int64         // a minute, then
		want  hotshow.State
	}{
		"the line is full":              {0, 0, hotshow.Live},
		"the last turn was just given":  {time.Minute, 0, hotshow.Live},
		"most of the last have come":    {6 * time.Minute, 0, hotshow.Finishing},
		"some come all the time":        {30 * time.Minute, rate / 10, hotshow.Finishing},
		"more of them":                  {30 * time.Minute, rate / 3, hotshow.Finishing},
		"the shop is busy all the time": {30 * time.Minute, rate * 2 / 3, hotshow.Live},
		"more come than it takes":       {30 * time.Minute, rate * 2, hotshow.Live},
	} {
		st, pacing := room.NewState(room.Run{Event: "winter", ID: "x"}, "c", settings, room.Fence{}), room.Pacing{}
		st.Cohort, st.Hidden = 1, false
		now := onSale
		for ; now.Before(onSale.Add(15*time.Minute + c.after)); now = now.Add(time.Second) {
			come := int64(rate)
			if now.Sub(onSale) > 15*time.Minute {
				come = c.come
			}
			st.Base += come / 60
			st, pacing = room.Step(st, pacing, settings, nil, now)
		}
		body, err := json.Marshal(room.NewStatus(st, pacing, settings, [32]byte{}))
		if err != nil {
			t.Fatal(err)
		}
		show := hotshow.Show{
			State: hotshow.Live, Request: hotshow.Request{Event: "winter", OnSale: onSale, Closes: settings.Closes, Rate: rate},
			Steps: map[hotshow.Step]hotshow.Work{},
		}
		house := &answering{status: http.StatusOK, body: string(body)}
		sale, err := NewSales(NewRoom(probeRoom, house), func() time.Time { return now }).Sale(t.Context(), show)
		if show.Move(now, sale); err != nil || show.State != c.want {
			t.Errorf("%s: the show is %s, with %+v, %v", name, show.State, sale, err)
		}
	}
}
