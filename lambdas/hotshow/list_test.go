package hotshow_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

// get asks for a part of the list.
func (w *world) get(query map[string]string) httpapi.Response {
	w.Helper()
	r := httpapi.Request{Resource: names.PathHotShows, HTTPMethod: "GET", QueryStringParameters: query}
	r.RequestContext.Identity.UserArn = asker
	return w.send(r)
}

// parts asks for one part of the list after the other, as callers do, and counts them.
func (w *world) parts(query map[string]string, between func()) (shows []api.Listed, calls int) {
	w.Helper()
	for {
		var part api.List
		w.want(w.get(query), http.StatusOK, &part)
		if limit, err := strconv.Atoi(query["limit"]); err == nil && len(part.Shows) > limit {
			w.Errorf("%d shows, and the limit is %d", len(part.Shows), limit)
		}
		shows = append(shows, part.Shows...)
		if calls++; calls > 1000 {
			w.Fatal("the list has no end")
		}
		if part.Next == "" {
			return shows, calls
		}
		query["next"] = part.Next
		between()
	}
}

// has puts a show into the schedule: one that has ended if it is cancelled.
func (w *world) has(id, event string, onsale time.Time, cancelled bool) {
	w.Helper()
	r := hotshow.Request{Event: event, Names: map[string]string{"en": id}, OnSale: onsale, PreQueue: onsale, Closes: onsale.Add(time.Hour)}
	show, first := hotshow.New(id, r, plan.Plan{}, asker, w.now)
	if err := w.shows.Add(w.Context(), show, first); err != nil {
		w.Fatal(err)
	}
	if show.Version = 1; cancelled {
		w.cancel(show)
	}
}

func (w *world) cancel(show hotshow.Show) {
	w.Helper()
	change, err := show.Cancel(asker, "", w.now)
	if err == nil {
		err = w.shows.Save(w.Context(), &show, change)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func ids(shows []api.Listed) []string {
	all := []string{}
	for _, s := range shows {
		all = append(all, s.ID)
	}
	return all
}

// Part by part every show is listed once, and in order: the open ones by their on-sale, then those that
// have ended, the latest first.
func TestListInParts(t *testing.T) {
	w := newWorld(t)
	begins := w.now.Add(24 * time.Hour)
	type kept struct {
		id, event string
		cancelled bool
	}
	var all []kept
	for n := range 70 {
		k := kept{fmt.Sprintf("open-%02d", n), fmt.Sprint("event-", n%7), false}
		w.has(k.id, k.event, begins.Add(time.Duration(n)*48*time.Hour), false)
		all = append(all, k)
	}
	for n := 139; n >= 0; n-- {
		k := kept{fmt.Sprintf("ended-%03d", n), fmt.Sprint("event-", n%7), true}
		w.has(k.id, k.event, begins.Add(time.Duration(200+n)*48*time.Hour), true)
		all = append(all, k)
	}
	for _, state := range []hotshow.State{"", hotshow.Requested, hotshow.Cancelled, hotshow.Live} {
		for _, event := range []string{"", "event-3", "event-9"} {
			want := []string{}
			for _, k := range all {
				of := map[bool]hotshow.State{false: hotshow.Requested, true: hotshow.Cancelled}[k.cancelled]
				if (state == "" || state == of) && (event == "" || event == k.event) {
					want = append(want, k.id)
				}
			}
			for _, limit := range []string{"", "7", "70", "500"} {
				got, calls := w.parts(map[string]string{"state": string(state), "event": event, "limit": limit}, func() {})
				if !slices.Equal(ids(got), want) {
					t.Errorf("%q of %q, %q at a time: %q, want %q", state, event, limit, ids(got), want)
				}
				if limit == "" && calls != max(1, (len(want)+99)/100) {
					t.Errorf("%d shows in %d parts", len(want), calls)
				}
			}
		}
	}
}

// A show that ends between two parts is listed, and may be so twice.
func TestShowEndsBetweenParts(t *testing.T) {
	w := newWorld(t)
	for n := range 6 {
		w.has(fmt.Sprint("show-", n), fmt.Sprint("event-", n), w.now.Add(time.Duration(24+n)*time.Hour), false)
	}
	next := []string{"show-5", "show-0"} // one that is yet to be listed, and one that was
	shows, _ := w.parts(map[string]string{"limit": "2"}, func() {
		if len(next) == 0 {
			return
		}
		show, err := w.shows.Show(t.Context(), next[0])
		if err != nil {
			t.Fatal(err)
		}
		w.cancel(show)
		next = next[1:]
	})
	if got, want := ids(shows), []string{"show-0", "show-1", "show-2", "show-3", "show-4", "show-5", "show-0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// endless is a schedule of shows that nobody looks for.
type endless struct {
	*shows
	reads int
}

func (e *endless) Page(_ context.Context, after schedule.Place, most int) (schedule.Page, error) {
	entries := make([]schedule.Entry, most)
	for i := range entries {
		entries[i] = schedule.Entry{ID: fmt.Sprint("show-", e.reads, "-", i), Event: "other", State: hotshow.Done, OnSale: after.OnSale.Add(-time.Hour)}
	}
	e.reads++
	next := entries[most-1].Place()
	return schedule.Page{Entries: entries, Next: &next}, nil
}

// A call that finds little ends nevertheless, and says where to go on.
func TestOneCallReadsSoMuch(t *testing.T) {
	w := newWorld(t)
	e := &endless{shows: w.shows}
	w.desk.Shows = e
	query := map[string]string{"event": "winter-tour"}
	for range 2 {
		var part api.List
		e.reads = 0
		w.want(w.get(query), http.StatusOK, &part)
		if e.reads != 10 || len(part.Shows) != 0 || part.Next == "" || part.Next == query["next"] {
			t.Errorf("%d pages were read for %d shows, next is %q", e.reads, len(part.Shows), part.Next)
		}
		query["next"] = part.Next
	}
}

// Who looks for shows that are not over reads none that have ended.
func TestOpenShowsAreOnePage(t *testing.T) {
	w := newWorld(t)
	w.has("a", "event-a", w.now.Add(time.Hour), false)
	w.has("b", "event-b", w.now.Add(time.Hour), true)
	if shows, _ := w.parts(map[string]string{"state": string(hotshow.Requested)}, func() {}); len(shows) != 1 || w.shows.pages != 1 {
		t.Errorf("%d pages were read for %q", w.shows.pages, ids(shows))
	}
}

// FuzzNext holds that whatever comes as a place is one that the API gave out, or is refused.
func FuzzNext(f *testing.F) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, text := range []string{
		"", "7", "%%%", encode("open 2026-11-28T09:00:00Z a"), encode("ended 2026-11-28T09:00:00Z a"), encode("ended 0001-01-01T00:00:00Z "),
		encode("open 0001-01-01T00:00:00Z "), encode("over 2026-11-28T09:00:00Z a"), encode("ended 2026-11-28T10:00:00+01:00 a"),
		encode("ended 2026-11-28T09:00:00Z A#B"), encode("ended 9999-12-31T23:59:59-01:00 a"), encode("ended 2026-11-28T09:00:00.5Z a"),
		encode("ended 2026-11-28T09:00:00Z a") + "=", encode("ended  a"), encode("open " + strings.Repeat("a", 4000)),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, next string) {
		w := newWorld(t)
		response := w.get(map[string]string{"next": next})
		decoded, err := base64.RawURLEncoding.DecodeString(next)
		words := strings.Split(string(decoded), " ")
		if response.StatusCode == http.StatusOK {
			if next != "" && (err != nil || len(words) != 3 || !slices.Contains([]string{"open", "ended"}, words[0]) || words[2] != "" && !hotshow.ValidID(words[2])) {
				t.Errorf("%q is taken for a place", decoded)
			}
			return
		}
		w.wantProblem(response, http.StatusBadRequest, "bad-request", "Leave it out to begin with the first shows.")
	})
}
