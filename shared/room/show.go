package room

import "time"

// Show is what tick knows about who comes when the turn has come.
type Show struct {
	Turns   float64   // places that the pointer passed lately, smoothed
	Claims  float64   // visitors who came for their turn lately, smoothed
	Waiting float64   // visitors whom the cap sent away in the latest window: they come back
	Served  float64   // part of those who came in the latest window that was admitted, 0 to 1
	Counted time.Time // windows that end by then have been tallied; zero before the first
	Recent  []Taken   // what the windows of the last minute took, oldest first
}

// Taken is the number of admissions in a window that ended at End.
type Taken struct {
	End time.Time
	N   int64
}
