package surge

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells how a surge is going while it runs: a line every few seconds. It may be told from
// several goroutines.
type Progress struct {
	mu      sync.Mutex
	w       io.Writer
	arrived int64
	let     int64
	joins   int64 // since the last line
	refused int64
	last    int // the second of the last line
}

// progressEvery is how many seconds of the surge a line stands for.
const progressEvery = 5

// NewProgress writes to w.
func NewProgress(w io.Writer) *Progress { return &Progress{w: w, last: -1} }

// OnSecond is told of each second of the surge, in order, when it is over.
func (p *Progress) OnSecond(second int, s Second) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived += s.Arrivals
	p.let += s.Admitted
	p.joins += s.Joins
	p.refused += s.Refused
	since := second - p.last
	if since < progressEvery {
		return
	}
	fmt.Fprintf(p.w, "%8s  arrived %s, joining %s/s, refused %s/s, in line %s, let in %s\n",
		clock(time.Duration(second+1)*time.Second), grouped(p.arrived), grouped(p.joins/int64(since)),
		grouped(p.refused/int64(since)), grouped(s.Waiting), grouped(p.let))
	p.last, p.joins, p.refused = second, 0, 0
}
