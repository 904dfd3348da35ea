package surge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"waitingroom/local/page"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// seen is a status as pages share it.
type seen struct {
	*page.Status
	number int32 // in the history: what a page remembers that begins with it
}

// edge is where pages ask for status and seals: a stand-in for the CDN, as its distribution is set
// up. It keeps an answer for as long as the origin's Cache-Control allows, asks the origin once for
// all who wait meanwhile, and keeps no error. A poll is then a function call. With a real cache at
// hand it passes every poll on to that.
type edge struct {
	crowd *crowd
	base  *url.URL

	answer   polled
	until    time.Duration // the answer is kept
	fetching bool
	waiting  []int32

	clock   page.ServerClock
	history page.History
	newest  *seen
	onSale  time.Time // of the first open status, or of the newest
	opened  bool
	last    []byte // body of the newest document
	sealed  int64  // by the newest status

	seals map[int64]*sealed
}

// polled is the answer to a poll.
type polled struct {
	status     int
	seen       *seen // nil if it could not be read
	retryAfter time.Duration
}

// sealed is a cohort whose seal some page wants.
type sealed struct {
	drawn    *Drawn
	document string // as it was first read
	fetching bool
	waiting  []int32
}

func (e *edge) statusURL() *url.URL {
	return e.base.JoinPath(names.StatusPrefix, e.crowd.Event+".json")
}

func (e *edge) sealURL(cohort int64) *url.URL {
	return e.base.JoinPath(names.SealsPrefix, e.crowd.Event, e.newest.Run, strconv.FormatInt(cohort, 10)+".json")
}

// poll asks for visitor i, who hears of the answer by polled: at once if it is kept.
func (e *edge) poll(i int32) {
	c := e.crowd
	now := c.turn
	c.second(now).Polls++
	c.log.Visitors[i].Polls++
	switch {
	case c.Cache != "":
		e.fetch(func(p polled, _ time.Duration) { c.polled(i, p) })
	case now < e.until:
		c.polled(i, e.answer)
	default:
		e.waiting = append(e.waiting, i)
		e.refresh()
	}
}

// refresh asks the origin, if nobody has, for all who wait.
func (e *edge) refresh() {
	if e.fetching {
		return
	}
	e.fetching = true
	c := e.crowd
	c.second(c.turn).Origin++
	e.fetch(func(p polled, keep time.Duration) {
		e.fetching = false
		e.answer, e.until = p, c.turn+keep
		waiting := e.waiting
		e.waiting = nil
		for _, i := range waiting {
			c.polled(i, p)
		}
	})
}

// fetch reads the status over the network and then calls back in the loop.
func (e *edge) fetch(done func(p polled, keep time.Duration)) {
	u := e.statusURL()
	e.crowd.cdn.run(func(w *wire) {
		a := w.ask(http.MethodGet, u, nil, "", page.Timeout)
		body, at := string(a.body), time.Now()
		e.crowd.post(func() { done(e.read(a, body, at), kept(a)) })
	})
}

// kept is for how long the CDN keeps an answer.
func kept(a reply) time.Duration {
	if a.status != http.StatusOK {
		return 0
	}
	seconds := int64(0)
	for directive := range strings.SplitSeq(a.header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		n, err := strconv.ParseInt(value, 10, 32)
		switch name {
		case "no-store", "private", "no-cache":
			return 0
		case "s-maxage":
			if err == nil {
				return time.Duration(n) * time.Second
			}
		case "max-age":
			if err == nil {
				seconds = n
			}
		}
	}
	age, _ := strconv.ParseInt(a.header.Get("Age"), 10, 32)
	return time.Duration(max(0, seconds-age)) * time.Second
}

// read makes sense of an answer that came at a moment. All answers with the same document share it.
func (e *edge) read(a reply, body string, at time.Time) polled {
	p := polled{status: a.status, retryAfter: page.RetryAfter(a.header.Get("Retry-After"), 0)}
	if a.status != http.StatusOK {
		return p
	}
	if e.newest != nil && body == string(e.last) {
		p.seen = e.newest
		return p
	}
	status, err := page.ReadStatus([]byte(body), e.crowd.Event)
	if err != nil {
		e.crowd.broken("%v", err)
		return p
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil && date.After(status.At) {
		e.clock.Learn(date, at)
	} else {
		e.clock.Learn(status.At, at)
	}
	p.seen = e.meet(status, body, at)
	return p
}

// meet takes a status that no page has had before.
func (e *edge) meet(status *page.Status, body string, at time.Time) *seen {
	c := e.crowd
	if e.newest != nil {
		held := e.newest
		switch {
		case held.Run != status.Run:
			c.broken("the run changed in the middle of the sale, from %s to %s", held.Run, status.Run)
			return held
		case status.Version <= held.Version:
			// Answers of a real cache overtake one another; from the room itself they come one by one.
			if status.Version < held.Version && c.Cache == "" && !c.Stale {
				c.broken("the status went back from version %d to %d", held.Version, status.Version)
			}
			return &seen{status, held.number}
		}
	}
	s := &seen{status, int32(e.history.Add(status.Phase, status.At, status.Admitted))}
	e.newest, e.last, e.sealed = s, []byte(body), max(e.sealed, status.Sealed)
	if !e.opened {
		e.onSale, e.opened = status.OnSaleAt, status.Phase == room.Open
	}
	c.log.Statuses = append(c.log.Statuses, Sighting{At: at.Sub(c.began), Status: status.Status})
	return s
}

// restart forgets what was seen before the beginning, apart from the newest status.
func (e *edge) restart() {
	c := e.crowd
	e.until = 0
	c.log.Statuses = []Sighting{{At: 0, Status: e.newest.Status.Status}}
}

// look asks for the status while no loop runs.
func (e *edge) look() {
	done := make(chan struct{})
	e.fetch(func(polled, time.Duration) { close(done) })
	e.await(done)
}

// await handles answers until done is closed or the surge ends.
func (e *edge) await(done chan struct{}) {
	for {
		e.crowd.handle()
		select {
		case <-done:
			return
		default:
			if !e.crowd.pause(defaultTurnaround) {
				return
			}
		}
	}
}

// place asks where visitor i of a cohort is, who hears of it by placed: at once if the seal is there.
func (e *edge) place(i int32, cohort int64) {
	s := e.seals[cohort]
	if s == nil {
		s = &sealed{}
		e.seals[cohort] = s
	}
	if s.drawn != nil {
		e.crowd.placed(i, http.StatusOK, s.drawn)
		return
	}
	s.waiting = append(s.waiting, i)
	if s.fetching {
		return
	}
	s.fetching = true
	e.fetchSeal(cohort, func(status int, document string, drawn *Drawn, err error) {
		s.fetching, s.drawn, s.document = false, drawn, document
		if err != nil && !errors.Is(err, errNoSeal) {
			e.crowd.broken("%v", err)
		}
		waiting := s.waiting
		s.waiting = nil
		for _, i := range waiting {
			e.crowd.placed(i, status, drawn)
		}
	})
}

// errNoSeal means that a seal is not there, or not yet.
var errNoSeal = errors.New("there is no seal")

// fetchSeal reads a seal and draws its places, and then calls back in the loop.
func (e *edge) fetchSeal(cohort int64, done func(status int, document string, drawn *Drawn, err error)) {
	u, event, run := e.sealURL(cohort), e.crowd.Event, e.newest.Run
	e.crowd.cdn.run(func(w *wire) {
		a := w.ask(http.MethodGet, u, nil, "", page.Timeout)
		document := string(a.body)
		drawn, err := readSeal(a, event, run, cohort)
		e.crowd.post(func() { done(a.status, document, drawn, err) })
	})
}

func readSeal(a reply, event, run string, cohort int64) (*Drawn, error) {
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("cohort %d: %w: status %d", cohort, errNoSeal, a.status)
	}
	var seal room.SealDocument
	if err := json.Unmarshal(a.body, &seal); err != nil {
		return nil, fmt.Errorf("cohort %d: the seal cannot be read: %w", cohort, err)
	}
	if seal.Event != event || seal.Run != run || seal.Cohort != cohort {
		return nil, fmt.Errorf("cohort %d: the seal is another's", cohort)
	}
	return DrawCohort(seal)
}

// reread reads a seal while no loop runs, and holds it against what it was.
func (e *edge) reread(cohort int64) error {
	done := make(chan struct{})
	failed := errNoSeal
	e.fetchSeal(cohort, func(_ int, document string, drawn *Drawn, err error) {
		defer close(done)
		if failed = err; err != nil {
			return
		}
		s := e.seals[cohort]
		switch {
		case s == nil || s.drawn == nil:
			e.seals[cohort] = &sealed{drawn: drawn, document: document}
		case s.document != document:
			e.crowd.broken("the seal of cohort %d changed", cohort)
		}
	})
	e.await(done)
	return failed
}

// inOrder are the seals that were read, by cohort, up to the first gap.
func (e *edge) inOrder() []room.SealDocument {
	var seals []room.SealDocument
	for s := e.seals[0]; s != nil && s.drawn != nil; s = e.seals[int64(len(seals))] {
		seals = append(seals, s.drawn.Seal)
	}
	return seals
}
