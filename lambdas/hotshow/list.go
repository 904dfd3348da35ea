package hotshow

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
)

// MostListed is how many shows one answer lists at the most. That many with the longest names are less than a
// megabyte of JSON, and Lambda takes six: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MostListed = 500

// usuallyListed is how many shows an answer lists that was asked for no number.
const usuallyListed = 100

// One call reads as many pages of as many shows at most, for a filter that hardly any show passes: some
// 300 read units, and less than a second.
const (
	mostPages = 10
	pageOf    = 500
)

// Listed is a show in the list of all.
type Listed struct {
	ID     string        `json:"id"`
	Event  string        `json:"event"`
	Name   string        `json:"name"`
	State  hotshow.State `json:"state"`
	OnSale time.Time     `json:"onsale"`
}

// List is the answer to who asks for all shows, or the next part of it. Its order is schedule.Page's.
type List struct {
	Shows []Listed `json:"shows"`
	Next  string   `json:"next,omitempty"` // to ask for the next part with; none: there is no more
}

// wanted is which shows somebody asks for.
type wanted struct {
	state hotshow.State // only in this one; "": in any
	event string        // only of this one; "": of any
	limit int
	from  schedule.Place
}

// wantedBy reads a request's query.
func wantedBy(query map[string]string) (wanted, error) {
	w := wanted{state: hotshow.State(query["state"]), event: query["event"], limit: usuallyListed}
	if w.state != "" && !slices.Contains(hotshow.States(), w.state) {
		return w, httpapi.BadRequest("The query's state has to be one of %v.", hotshow.States())
	}
	if w.event != "" && !names.ValidEvent(w.event) {
		return w, httpapi.BadRequest("The query's event has to be an event's name.")
	}
	if text := query["limit"]; text != "" {
		var err error
		if w.limit, err = strconv.Atoi(text); err != nil || w.limit < 1 || w.limit > MostListed {
			return w, httpapi.BadRequest("The query's limit has to be a whole number from 1 to %d.", MostListed)
		}
	}
	if text := query["next"]; text != "" {
		var ok bool
		if w.from, ok = placeOf(text); !ok {
			return w, httpapi.BadRequest("The query's next has to be that of an answer, as it is there. Leave it out to begin with the first shows.")
		}
	}
	return w, nil
}

func (w wanted) has(e schedule.Entry) bool {
	return (w.state == "" || e.State == w.state) && (w.event == "" || e.Event == w.event)
}

// noneFrom says whether none of those that are wanted can come from a place on: what has ended is over.
func (w wanted) noneFrom(p schedule.Place) bool {
	return p.Ended && w.state != "" && !w.state.Final()
}

// list answers with the next shows that are wanted. It ends with fewer, even with none, when it has read
// much, and says then where to go on.
func (d *Desk) list(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
	w, err := wantedBy(r.QueryStringParameters)
	if err != nil {
		return httpapi.Response{}, err
	}
	answer, next := List{Shows: []Listed{}}, &w.from
	for range mostPages {
		page, err := d.Shows.Page(ctx, *next, pageOf)
		if err != nil {
			return httpapi.Response{}, err
		}
		next = answer.add(page, w)
		if next == nil || w.noneFrom(*next) {
			return httpapi.OK(http.StatusOK, answer)
		}
		if len(answer.Shows) == w.limit {
			break
		}
	}
	answer.Next = cursor(*next)
	return httpapi.OK(http.StatusOK, answer)
}

// add lists those of a page that are wanted, as far as there is room, and returns where the list goes on:
// nil at its end.
func (l *List) add(page schedule.Page, w wanted) *schedule.Place {
	for i, e := range page.Entries {
		if w.has(e) {
			l.Shows = append(l.Shows, Listed{e.ID, e.Event, e.Name, e.State, e.OnSale})
		}
		if len(l.Shows) == w.limit && i < len(page.Entries)-1 {
			next := e.Place()
			return &next
		}
	}
	return page.Next
}

// cursor is a place as callers hand it back. It names the show that was looked at last, which all who may
// list shows may see.
func cursor(p schedule.Place) string {
	part := partOpen
	if p.Ended {
		part = partEnded
	}
	return base64.RawURLEncoding.EncodeToString([]byte(part + " " + p.OnSale.UTC().Format(time.RFC3339) + " " + p.ID))
}

// Parts of the list in a cursor.
const (
	partOpen  = "open"
	partEnded = "ended"
)

// placeOf reads what cursor has written, and nothing else.
func placeOf(text string) (schedule.Place, bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	words := strings.Split(string(decoded), " ")
	if err != nil || len(words) != 3 {
		return schedule.Place{}, false
	}
	onsale, err := time.Parse(time.RFC3339, words[1])
	p := schedule.Place{Ended: words[0] == partEnded, OnSale: onsale, ID: words[2]}
	behindOpen := p.Ended && p.ID == "" && onsale.IsZero()
	return p, err == nil && (hotshow.ValidID(p.ID) || behindOpen) && cursor(p) == text
}
