// Package page is the page for browsers that run no JavaScript: a form that joins, a page that loads
// itself again, and a form that takes the visitor to the shop. It has the words and the style sheet of
// the page in package static.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plain"
	"waitingroom/shared/room"
	"waitingroom/shared/turn"
)

// How long until a page loads itself again: half of the time until something happens, as the API asks
// of others, but not so often that nobody can read it.
const (
	minRefresh = 5 * time.Second
	maxRefresh = plain.LongestRetry
)

// Sight is what a visitor's page is drawn from.
type Sight struct {
	Event  string
	State  room.State // zero if it could not be read
	Turn   *turn.Turn // nil without a ticket that is good
	Held   plain.Held // what the browser remembers
	Secret string     // what the form that joins sends
	Joined bool       // the visitor comes from a join
	Now    time.Time
}

//go:embed page.html
var markup string

// parsed is made when the first page is drawn, since apps that ask for a place never need one.
var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(markup))
})

// document is what the template shows. What is empty is left out.
type document struct {
	Lang, Dir, Event      string
	State, Title, Heading string
	Lead                  []part
	Until                 *until
	Line                  *line
	Left, Enter           string
	Join                  *join
	Refresh               string // for the meta element
	Reload                *reload
}

// part is a stretch of a sentence: text, or a time.
type part struct {
	Text string
	Time *moment
}

// moment is a time in UTC, since nothing tells the visitor's own time zone.
type moment struct{ Stamp, Text string }

type until struct {
	Label, In string
	At        moment
}

type line struct {
	PlaceLabel, AheadLabel, WaitLabel, ProgressLabel string
	Place, Ahead, Wait                               string
	Position, PeopleAhead, Passed                    int64
}

type (
	join   struct{ Secret, Label, Note string }
	reload struct{ Note, Label string }
)

func (d document) Address() string      { return names.PathOf(names.PathPlace, d.Event) }
func (d document) JoinAddress() string  { return names.PathOf(names.PathPlainJoin, d.Event) }
func (d document) EnterAddress() string { return names.PathOf(names.PathPlainEnter, d.Event) }

// Page is what the visitor sees.
func (s Sight) Page(r httpapi.Request) (httpapi.Response, error) {
	w, err := textsFor(httpapi.Header(r, "Accept-Language"))
	if err != nil {
		return httpapi.Response{}, err
	}
	return s.answer(r, s.draw(w), http.StatusOK)
}

// Refused is what the visitor sees of a problem that is not to be logged or counted here.
func (s Sight) Refused(r httpapi.Request, p *httpapi.Problem) (httpapi.Response, error) {
	w, err := textsFor(httpapi.Header(r, "Accept-Language"))
	if err != nil {
		return httpapi.Response{}, err
	}
	response, err := s.answer(r, s.refusal(w, p), p.Status)
	if err != nil {
		return httpapi.Response{}, err
	}
	for name, value := range p.Response().Headers {
		if name == "Retry-After" || name == "WWW-Authenticate" {
			response.Headers[name] = value
		}
	}
	return response, nil
}

// Refuse is the page of somebody to whom the API says err. It is an error itself, which package
// httpapi logs and counts as err.
func (s Sight) Refuse(r httpapi.Request, err error) error {
	response, failure := s.Refused(r, httpapi.ProblemOf(err))
	if failure != nil {
		return failure
	}
	return &httpapi.Shown{Err: err, Answer: response}
}

// answer has the browser remember the secret of a form that it is shown, unless it holds a place.
func (s Sight) answer(r httpapi.Request, d document, status int) (httpapi.Response, error) {
	var body bytes.Buffer
	if err := parsed().Execute(&body, d); err != nil {
		return httpapi.Response{}, fmt.Errorf("draw the page: %w", err)
	}
	response := plain.Page(status, body.String())
	if d.Join != nil && s.Held.Ticket == "" && s.Held.Secret != s.Secret {
		response.Headers["Set-Cookie"] = plain.Held{Secret: s.Secret}.Cookie(r, s.Event)
	}
	return response, nil
}

// begin is a page of a state whose heading is the word of the same name.
func begin(w *texts, event, state string) document {
	return document{
		Lang: w.Name, Dir: w.Dir, Event: event, State: state, Heading: w.Say(state), Title: w.Say(state),
	}
}

// draw shows the situation as the state has it.
func (s Sight) draw(w *texts) document {
	switch {
	case s.Held.Entered && s.Turn != nil:
		d := s.page(w, "admitted")
		d.Enter = w.Say("enter")
		return d
	case s.State.Phase == room.Closed:
		return s.page(w, "closed")
	case s.State.Phase == room.SoldOut:
		d := s.kept(w, "soldout")
		s.showLine(w, &d)
		return s.reloading(w, d, maxRefresh)
	case s.Turn == nil:
		return s.outside(w)
	}
	return s.inside(w)
}

// outside is for who has not joined.
func (s Sight) outside(w *texts) document {
	switch {
	case s.State.Hidden:
		return s.reloading(w, s.page(w, "loading"), minRefresh)
	case s.State.Joinable(s.Now) != nil:
		d := begin(w, s.Event, "scheduled")
		d.Lead = split(w.Say("plain.opens"), "time", s.State.PreQueue)
		d.Until = s.until(w)
		return s.reloading(w, d, s.State.PreQueue.Sub(s.Now)/2)
	case s.State.Phase == room.Paused:
		return s.joining(w, s.page(w, "paused"), "plain.join")
	case s.Now.Before(s.State.OnSale) && s.State.Phase != room.Open:
		d := begin(w, s.Event, "arriving")
		d.Heading, d.Title = w.Say("loading"), w.Say("loading")
		d.Lead = plainText(w.Say("arriving.lead"))
		d.Until = s.until(w)
		return s.joining(w, d, "plain.join")
	}
	return s.joining(w, begin(w, s.Event, "loading"), "plain.join")
}

// inside is for who has joined and has not been let in.
func (s Sight) inside(w *texts) document {
	t := s.Turn
	switch {
	case t.Position > 0 && t.Position <= t.State.Expired:
		return s.expired(w, httpapi.TurnExpired.Code)
	case t.Come():
		d := s.page(w, "turn")
		d.Lead = nil // nobody is being taken to the shop yet
		if t.State.ClaimWindow > 0 {
			d.Left = w.Fill("plain.enter", "time", w.duration(t.State.ClaimWindow))
		}
		d.Enter = w.Say("enter")
		return s.reloading(w, d, maxRefresh)
	case t.State.Phase == room.Paused:
		d := s.kept(w, "paused")
		s.showLine(w, &d)
		if t.Position == 0 {
			d.Until = s.until(w)
		}
		return s.reloading(w, d, maxRefresh)
	case t.Position > 0:
		return s.waiting(w)
	case t.State.Phase == room.PreQueue || t.State.Phase == room.Scheduled:
		d := s.page(w, "pool")
		d.Until = s.until(w)
		return s.reloading(w, d, t.State.OnSale.Sub(s.Now)/2)
	}
	return s.reloading(w, s.page(w, "placing"), minRefresh)
}

func (s Sight) waiting(w *texts) document {
	state, next := "waiting", 2*maxRefresh
	if wait, known := s.Turn.State.Wait(s.Turn.Position); known {
		next = wait
		if wait < time.Minute {
			state = "nearly"
		}
	}
	d := begin(w, s.Event, state)
	if state == "nearly" {
		d.Lead = plainText(w.Say("nearly.lead"))
	}
	s.showLine(w, &d)
	d.Title = w.people(d.Line.PeopleAhead)
	return s.reloading(w, d, next/2)
}

// expired is for who may join again: heading is the word for what has ended.
func (s Sight) expired(w *texts, heading string) document {
	d := begin(w, s.Event, "expired")
	d.Heading, d.Title = w.Say(heading), w.Say(heading)
	if s.State.Joinable(s.Now) != nil {
		return d
	}
	d.Lead = plainText(w.Say("expired.lead"))
	return s.joining(w, d, "again")
}

// refusal is the page of a problem that the API has.
func (s Sight) refusal(w *texts, p *httpapi.Problem) document {
	switch p.Code {
	case httpapi.UnknownEvent.Code:
		d := begin(w, s.Event, "unknown")
		d.Lead = plainText(w.Say("unknown.lead"))
		if s.Event == "" { // no event can have the name
			return d
		}
		return s.reloading(w, d, maxRefresh)
	case httpapi.NotOpenYet.Code:
		s.Turn = nil
		return s.outside(w)
	case httpapi.SoldOut.Code:
		s.State.Phase = room.SoldOut
		return s.draw(w)
	case httpapi.Over.Code:
		s.State.Phase = room.Closed
		return s.draw(w)
	case httpapi.TurnExpired.Code, httpapi.PassExpired.Code:
		return s.expired(w, p.Code)
	case httpapi.BadTicket.Code, httpapi.OtherRun.Code:
		return s.expired(w, "refused")
	case httpapi.OverCap(0).Code:
		d := begin(w, s.Event, "turn")
		d.Lead = plainText(w.Say("turn.full"))
		d.Enter = w.Say("enter")
		return s.reloading(w, d, p.RetryAfter)
	}
	d := begin(w, s.Event, "busy")
	if s.Held.Ticket != "" {
		d.Lead = plainText(w.Say("kept"))
	} else if s.Secret != "" {
		// Whether the visitor has joined is not known: with the same secret it is the same place.
		d = s.joining(w, d, "plain.join")
	}
	return s.reloading(w, d, p.RetryAfter)
}

// page is one whose lead is the word that goes with its heading.
func (s Sight) page(w *texts, state string) document {
	d := begin(w, s.Event, state)
	d.Lead = plainText(w.Say(state + ".lead"))
	return d
}

// kept is a page that tells whoever has a place that nothing happens to it.
func (s Sight) kept(w *texts, state string) document {
	d := s.page(w, state)
	if s.Held.Ticket != "" {
		d.Lead = plainText(w.Sentences(w.Say("kept"), w.Say(state+".lead")))
	}
	return d
}

// joining adds the form that joins.
func (s Sight) joining(w *texts, d document, label string) document {
	if s.Joined && s.Held.Ticket == "" { // the browser keeps no cookies
		d.Heading, d.Title = w.Say("refused"), w.Say("refused")
	}
	d.Join = &join{s.Secret, w.Say(label), w.Say("plain.cookie")}
	return d
}

// reloading has the page load itself again after a while, and says so.
func (s Sight) reloading(w *texts, d document, after time.Duration) document {
	d.Refresh = fmt.Sprintf("%d; url=%s", httpapi.Seconds(min(max(after, minRefresh), maxRefresh)), d.Address())
	d.Reload = &reload{w.Say("plain"), w.Say("plain.reload")}
	return d
}

// until tells when the sale starts, if it has not.
func (s Sight) until(w *texts) *until {
	left := s.State.OnSale.Sub(s.Now)
	if left <= 0 {
		return nil
	}
	return &until{w.Say("starts"), w.duration(left), inUTC(s.State.OnSale)}
}

// showLine shows a place that has been drawn.
func (s Sight) showLine(w *texts, d *document) {
	t := s.Turn
	if t == nil || t.Position == 0 {
		return
	}
	ahead := max(0, t.Position-t.State.Admitted-1)
	wait := w.Say("wait.unknown")
	if estimate, known := t.State.Wait(t.Position); known {
		wait = w.wait(estimate)
	}
	d.Line = &line{
		PlaceLabel: w.Say("place"), AheadLabel: w.Say("ahead"), WaitLabel: w.Say("wait"), ProgressLabel: w.Say("progress"),
		Place: w.number(t.Position), Ahead: w.number(ahead), Wait: wait,
		Position: t.Position, PeopleAhead: ahead, Passed: min(t.State.Admitted, t.Position),
	}
}

func plainText(text string) []part {
	if text == "" {
		return nil
	}
	return []part{{Text: text}}
}

// split puts a time in the place of a text's only placeholder.
func split(text, placeholder string, t time.Time) []part {
	before, after, found := strings.Cut(text, "{"+placeholder+"}")
	if !found {
		return plainText(text)
	}
	at := inUTC(t)
	return []part{{Text: before}, {Time: &at}, {Text: after}}
}

func inUTC(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format(time.RFC3339), t.Format("2006-01-02 15:04 UTC")}
}
