package room

import (
	"encoding/hex"
	"time"
)

// Status is the document that every waiting page polls.
type Status struct {
	Event       string            `json:"event"`
	Run         string            `json:"run"`
	Version     int64             `json:"version"`
	Phase       Phase             `json:"phase"`
	Time        string            `json:"time"`
	PreQueue    string            `json:"prequeue"`
	OnSale      string            `json:"onsale"`
	Closes      string            `json:"closes"`
	Sealed      int64             `json:"sealed"`       // number of sealed cohorts
	Line        int64             `json:"line"`         // last position given out
	Admitted    int64             `json:"admitted"`     // positions up to this one may enter
	Expired     int64             `json:"expired"`      // positions up to this one may not any more
	Rate        int64             `json:"rate"`         // visitors per minute, measured over the last minute
	ClaimWindow int64             `json:"claim_window"` // seconds that a turn lasts at least
	Message     map[string]string `json:"message,omitempty"`
	Stock       Stock             `json:"stock"`
	Theme       string            `json:"theme,omitempty"` // of the page; absent for its own look
	Commit      string            `json:"commit"`
	DrawKey     string            `json:"draw_key,omitempty"`
}

// NewStatus describes st, which must be known to be stored: readers rely on its version. The draw
// key is made public only when every place of the run is decided.
func NewStatus(st State, p Pacing, s Settings, drawKey [32]byte) Status {
	status := Status{
		Event: st.Event, Run: st.ID, Version: st.Version, Phase: st.Phase,
		Time:     stamp(st.Last),
		PreQueue: stamp(st.PreQueue), OnSale: stamp(st.OnSale), Closes: stamp(st.Closes),
		Sealed: st.Cohort, Line: st.Base, Admitted: st.Admitted, Expired: st.Expired,
		Rate: p.Show.Rate(), ClaimWindow: int64(s.ClaimWindow / time.Second),
		Message: s.Messages, Stock: s.Stock, Theme: s.Theme, Commit: st.Commit,
	}
	if st.Hidden {
		status.Phase = Scheduled // nobody is to be sent to a door that opens when this can be read
	}
	if st.Phase == Closed {
		status.Rate = 0 // nobody measures it any more
	}
	if st.Over() {
		status.DrawKey = hex.EncodeToString(drawKey[:])
	}
	return status
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
