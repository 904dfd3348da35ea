package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

func save(t *testing.T, s *schedule.Schedule, show *hotshow.Show, changes ...hotshow.Change) {
	t.Helper()
	if err := s.Save(t.Context(), show, changes...); err != nil {
		t.Fatal(err)
	}
}

// ended adds a show and rejects it.
func ended(t *testing.T, s *schedule.Schedule, id string, onsale time.Time) {
	t.Helper()
	show := add(t, s, id, "event-"+id, onsale)
	change, err := show.Reject(approver, "", now)
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, &show, change)
}

// lines are the keys of all entries in the table, in both lists.
func lines(t *testing.T, api schedule.API, table string) []string {
	t.Helper()
	var all []string
	for _, pk := range []string{"HOTSHOWS", "HOTSHOWSENDED"} {
		out, err := api.Query(t.Context(), &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range out.Items {
			all = append(all, pk+" "+item["sk"].(*types.AttributeValueMemberS).Value)
		}
	}
	return all
}

// A show's entry goes to those that have ended when nothing is due any more, and there is one of it.
func TestEndedShows(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s := schedule.New(client, table)
		want := func(entries ...string) {
			t.Helper()
			if got := lines(t, client, table); !slices.Equal(got, entries) {
				t.Errorf("%q, want %q", got, entries)
			}
		}
		// One that was asked for in Jira is open until its issue knows.
		show, first := newShow("a", "winter-tour", onsale)
		show.Jira = &hotshow.Jira{Issue: "SHOW-1", Told: show.Changes}
		if err := s.Add(t.Context(), show, first); err != nil {
			t.Fatal(err)
		}
		want("HOTSHOWS a")
		show = read(t, s, "a")
		moved, err := show.Amend(request("winter-tour", onsale.Add(time.Hour)), plan.Plan{}, asker, "", now)
		if err != nil {
			t.Fatal(err)
		}
		unanswered := show.Move(show.Request.OnSale, hotshow.Sale{})
		if len(unanswered) != 1 || show.State != hotshow.Rejected {
			t.Fatalf("nobody has approved it, and it is %s", show.State)
		}
		save(t, s, &show, append([]hotshow.Change{moved}, unanswered...)...)
		want("HOTSHOWS a")
		show.Tell(show.Changes)
		save(t, s, &show)
		want("HOTSHOWSENDED 2026-11-28T10:00:00Z#a")

		// Later webhooks are noted, and what is due once more for a show that is over brings it back.
		show.Jira.Seen = 7
		save(t, s, &show)
		want("HOTSHOWSENDED 2026-11-28T10:00:00Z#a")
		save(t, s, &show, show.Note("", "looked at once more", now))
		want("HOTSHOWS a")
		show.Tell(show.Changes)
		save(t, s, &show)
		want("HOTSHOWSENDED 2026-11-28T10:00:00Z#a")

		ended(t, s, "b", onsale)
		add(t, s, "c", "winter-tour", onsale)
		want("HOTSHOWS c", "HOTSHOWSENDED 2026-11-28T09:00:00Z#b", "HOTSHOWSENDED 2026-11-28T10:00:00Z#a")
		if open := list(t, s); len(open) != 1 || open[0].ID != "c" {
			t.Errorf("open are %+v", open)
		}
	})
}

// Whatever people, time and Jira do to a show in whichever order, it has one entry, and in the list where
// it belongs: nothing that is due is missed, and nothing that has ended is looked at.
func TestOneEntry(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	reached := map[hotshow.State]bool{}
	for walk := range 80 {
		items, _, table := newEngine(t)
		s := schedule.New(items, table)
		show, first := newShow("a", "winter-tour", onsale)
		show.Request.ReadyBefore = hotshow.Duration(24 * time.Hour)
		if walk%2 == 0 {
			show.Jira = &hotshow.Jira{Issue: "SHOW-1"}
		}
		if err := s.Add(t.Context(), show, first); err != nil {
			t.Fatal(err)
		}
		show = read(t, s, "a")
		at := onsale.Add(-28 * time.Hour)
		for range 20 {
			at = at.Add(time.Duration(random.Int64N(int64([]time.Duration{time.Hour, 4 * time.Hour, 24 * time.Hour}[random.IntN(3)]))))
			save(t, s, &show, happens(&show, random, at)...)
			reached[show.State] = true
			entry := "HOTSHOWS a"
			if _, due := show.Due(); show.State.Final() && !due {
				entry = "HOTSHOWSENDED " + show.Request.OnSale.UTC().Format(time.RFC3339) + "#a"
			}
			if got := lines(t, items, table); !slices.Equal(got, []string{entry}) {
				t.Fatalf("the entries of a show that is %s: %q, want %q", show.State, got, entry)
			}
		}
	}
	for _, state := range hotshow.States() {
		if !reached[state] {
			t.Errorf("no show was ever %s", state)
		}
	}
}

// happens is one thing that may happen to a show, if its state allows it.
func happens(show *hotshow.Show, random *rand.Rand, at time.Time) []hotshow.Change {
	one := func(c hotshow.Change, err error) []hotshow.Change {
		if err != nil {
			return nil
		}
		return []hotshow.Change{c}
	}
	switch random.IntN(14) {
	case 0:
		return one(show.Reject(approver, "", at))
	case 1:
		return one(show.Cancel(approver, "", at))
	case 2:
		r := show.Request
		r.OnSale = r.OnSale.Add(time.Duration(random.IntN(4)) * time.Hour)
		return one(show.Amend(r, plan.Plan{}, asker, "", at))
	case 3:
		return []hotshow.Change{show.Note("", "looked at", at)}
	case 4, 5:
		return one(show.Approve(approver, "", false, at))
	case 6, 7:
		if show.Jira != nil {
			show.Tell(show.Changes)
		}
		return nil
	case 8, 9, 10, 11:
		for _, step := range append(show.ToBringUp(at), show.ToTakeDown(at)...) {
			show.Came(step, map[bool]hotshow.Progress{false: hotshow.Up, true: hotshow.Down}[show.State == hotshow.Finishing])
		}
	}
	return show.Move(at, hotshow.Sale{Known: true})
}

// walk goes through the list of all shows, and does something between two pages.
func walk(t *testing.T, s *schedule.Schedule, most int, between func()) (entries []schedule.Entry) {
	t.Helper()
	pages := 0
	for next := new(schedule.Place); next != nil; pages++ {
		if pages > 100 {
			t.Fatal("the list has no end")
		}
		page, err := s.Page(t.Context(), *next, most)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) > most {
			t.Errorf("%d shows on a page of %d", len(page.Entries), most)
		}
		entries, next = append(entries, page.Entries...), page.Next
		between()
	}
	return entries
}

func ids(entries []schedule.Entry) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestPages(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		b := &between{Client: client}
		s := schedule.New(b, table)
		if entries := walk(t, s, 2, func() {}); entries != nil {
			t.Errorf("of no shows %+v", entries)
		}
		// Some have the same on-sale, with another offset.
		var want []string
		for n := range 5 {
			id := fmt.Sprint("open-", n)
			add(t, s, id, id, onsale.Add(time.Duration(n/2)*time.Hour).In(time.FixedZone("", n*3600)))
			want = append(want, id)
		}
		for n := 6; n >= 0; n-- {
			id := fmt.Sprint("ended-", n)
			ended(t, s, id, onsale.Add(time.Duration(n/2)*time.Hour))
			want = append(want, id)
		}
		for _, most := range []int{1, 2, 3, 4, 100} {
			for _, b.pages = range []int32{0, 2} { // what a table returns at most, as if entries were large
				if got := ids(walk(t, s, most, func() {})); !slices.Equal(got, want) {
					t.Errorf("pages of %d: %q, want %q", most, got, want)
				}
			}
		}
	})
}

// A show that ends between two pages is never left out. It may come twice, first as it was.
func TestShowsThatEndBetweenPages(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	twice := 0
	for range 20 {
		items, _, table := newEngine(t)
		s := schedule.New(items, table)
		open := map[string]hotshow.Show{}
		for n := range 12 {
			id := fmt.Sprint("show-", n)
			open[id] = add(t, s, id, id, onsale.Add(time.Duration(random.IntN(6))*time.Hour))
		}
		seen := map[string][]bool{} // whether it had ended, each time
		for _, e := range walk(t, s, 3, func() {
			for id, show := range open {
				if random.IntN(4) == 0 {
					change, err := show.Cancel(asker, "", now)
					if err != nil {
						t.Fatal(err)
					}
					save(t, s, &show, change)
					delete(open, id)
				}
			}
		}) {
			seen[e.ID] = append(seen[e.ID], e.State == hotshow.Cancelled)
		}
		for n := range 12 {
			switch got := seen[fmt.Sprint("show-", n)]; {
			case len(got) == 1:
			case slices.Equal(got, []bool{false, true}):
				twice++
			default:
				t.Errorf("show %d was listed as ended %v", n, got)
			}
		}
	}
	if twice == 0 {
		t.Error("no show came twice: no show ended behind its place")
	}
}

// counting counts what is read.
type counting struct {
	schedule.API
	calls, items int
}

func (c *counting) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := c.API.Query(ctx, in, options...)
	c.calls++
	if err == nil {
		c.items += int(out.ScannedCount)
	}
	return out, err
}

// However many shows have ended, listing those that are open reads no more, and neither does a page.
func TestEndedShowsAreNotRead(t *testing.T) {
	items, _, table := newEngine(t)
	counted := &counting{API: items}
	s := schedule.New(counted, table)
	for n := range 3 {
		add(t, s, fmt.Sprint("open-", n), fmt.Sprint("open-", n), onsale)
	}
	for n := range 600 {
		ended(t, s, fmt.Sprint("ended-", n), onsale.Add(-time.Duration(n)*time.Hour))
	}
	*counted = counting{API: items}
	if open := list(t, s); len(open) != 3 || counted.calls != 1 || counted.items != 3 {
		t.Errorf("%d calls read %d entries for %d shows", counted.calls, counted.items, len(open))
	}
	*counted = counting{API: items}
	page, err := s.Page(t.Context(), schedule.Place{Ended: true}, 10)
	if err != nil || len(page.Entries) != 10 || page.Entries[0].ID != "ended-0" || counted.calls != 1 || counted.items != 10 {
		t.Errorf("%d calls read %d entries for %q: %v", counted.calls, counted.items, ids(page.Entries), err)
	}
}

func TestListsFail(t *testing.T) {
	s := schedule.New(failing{}, "room")
	for _, after := range []schedule.Place{{}, {Ended: true}} {
		if page, err := s.Page(t.Context(), after, 10); !errors.Is(err, errTable) || page.Next != nil {
			t.Errorf("%+v, %v", page, err)
		}
	}
}

var errTable = errors.New("the table does not answer")

// failing is a table that cannot be read.
type failing struct{ schedule.API }

func (failing) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return nil, errTable
}
