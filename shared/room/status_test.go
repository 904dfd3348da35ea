package room

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func statusState() State {
	return State{
		Run: Run{"demo", runID}, Fence: Fence{"owner", 123}, Shards: 16, Cohort: 17, Closing: NoCohort,
		Base: 30000, Admitted: 5000, Expired: 1200, Phase: Open, Commit: strings.Repeat("c0", 32),
		Last:   time.Date(2026, 11, 21, 11, 0, 5, 999, time.FixedZone("", 3600)),
		OnSale: noon, PreQueue: noon.Add(-30 * time.Minute).In(time.FixedZone("", -7200)), Closes: noon.Add(24 * time.Hour),
		Target: "https://shop.example/secret", Cap: Cap{Rate: 500},
	}
}

func TestStatusDocument(t *testing.T) {
	pacing := Pacing{Show: tallied(600, 61, 10)}
	settings := Settings{Messages: map[string]string{"en": "Two left", "default": "<&>"}, Stock: Few,
		Theme: "winter-tour", ClaimWindow: 90 * time.Second}
	got, err := json.Marshal(NewStatus(statusState(), pacing, settings, [32]byte{0xab}))
	want := `{"event":"demo","run":"` + runID + `","version":123,"phase":"open","time":"2026-11-21T10:00:05Z",` +
		`"prequeue":"2026-11-21T11:30:00Z","onsale":"2026-11-21T12:00:00Z","closes":"2026-11-22T12:00:00Z",` +
		`"sealed":17,"line":30000,"admitted":5000,"expired":1200,"rate":600,"claim_window":90,` +
		`"message":{"default":"\u003c\u0026\u003e","en":"Two left"},"stock":"few","theme":"winter-tour","commit":"` + strings.Repeat("c0", 32) + `"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestStatusWithoutMessageAndTheme(t *testing.T) {
	got, err := json.Marshal(NewStatus(statusState(), Pacing{}, Settings{Stock: Plenty}, [32]byte{}))
	if err != nil || strings.Contains(string(got), "message") || strings.Contains(string(got), "theme") || !strings.Contains(string(got), `"rate":0,`) {
		t.Errorf("got %s, %v", got, err)
	}
}

// Whoever knows the draw key before every place is decided can choose one.
func TestDrawKeyIsPublishedWhenTheRunIsOver(t *testing.T) {
	key := [32]byte{0xab, 31: 0xcd}
	for _, c := range []struct {
		name   string
		change func(*State)
		want   string
	}{
		{"open", func(*State) {}, ""},
		{"paused", func(s *State) { s.Phase = Paused }, ""},
		{"sold out", func(s *State) { s.Phase = SoldOut }, ""},
		{"closed, the open cohort not sealed", func(s *State) { s.Phase = Closed }, ""},
		{"closed, an earlier cohort being sealed", func(s *State) { s.Phase, s.Closing = Closed, 17 }, ""},
		{"closed, the last cohort being sealed", func(s *State) { s.Phase, s.Closing, s.Final = Closed, 17, true }, ""},
		{"over", func(s *State) { s.Phase, s.Final = Closed, true }, "ab" + strings.Repeat("00", 30) + "cd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := statusState()
			c.change(&st)
			document, err := json.Marshal(NewStatus(st, Pacing{}, Settings{}, key))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(document, &got); err != nil {
				t.Fatal(err)
			}
			published, there := got["draw_key"]
			if there != (c.want != "") || there && published != c.want {
				t.Errorf("the draw key in %s is %v, want %q", document, published, c.want)
			}
		})
	}
}

// Whoever reads the commitment first is not told to join before that is possible.
func TestStatusOfAHiddenRun(t *testing.T) {
	st := State{Run: Run{"demo", runID}, Phase: PreQueue, Hidden: true, Commit: "commit"}
	if got := NewStatus(st, Pacing{}, Settings{}, [32]byte{}); got.Phase != Scheduled || got.Commit != "commit" {
		t.Errorf("%+v", got)
	}
	st.Hidden = false
	if got := NewStatus(st, Pacing{}, Settings{}, [32]byte{}); got.Phase != PreQueue {
		t.Errorf("%+v", got)
	}
}
