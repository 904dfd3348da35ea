package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

const (
	asker    hotshow.Person = "arn:aws:iam::000000000000:user/asker"
	approver hotshow.Person = "arn:aws:iam::000000000000:user/approver"
)

var (
	now    = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	onsale = time.Date(2026, 11, 28, 10, 0, 0, 0, time.FixedZone("", 3600))
)

func request(event string, onsale time.Time) hotshow.Request {
	return hotshow.Request{
		Event: event, Names: map[string]string{"en": "Winter tour"}, OnSale: onsale, PreQueue: onsale.Add(-30 * time.Minute),
		Closes: onsale.Add(24 * time.Hour), Visitors: 300_000, Over: hotshow.Duration(time.Minute), Rate: 5_000,
		Target: "https://shop.example/checkout", ReadyBefore: hotshow.Duration(time.Hour), KeepAfter: hotshow.Duration(4 * time.Hour),
	}
}

func newShow(id, event string, onsale time.Time) (hotshow.Show, hotshow.Change) {
	r := request(event, onsale)
	return hotshow.New(id, r, plan.New(r.Expected()), asker, now)
}

func add(t *testing.T, s *schedule.Schedule, id, event string, onsale time.Time) hotshow.Show {
	t.Helper()
	show, first := newShow(id, event, onsale)
	if err := s.Add(t.Context(), show, first); err != nil {
		t.Fatal(err)
	}
	return read(t, s, id)
}

func read(t *testing.T, s *schedule.Schedule, id string) hotshow.Show {
	t.Helper()
	show, err := s.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return show
}

func list(t *testing.T, s *schedule.Schedule) []schedule.Entry {
	t.Helper()
	entries, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// same compares by what is stored: a time that was read has another location.
func same(t *testing.T, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func TestShowsAreKept(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s := schedule.New(client, table)
		show, first := newShow("a", "winter-tour", onsale)
		if err := s.Add(t.Context(), show, first); err != nil {
			t.Fatal(err)
		}
		got := read(t, s, "a")
		show.Version = 1
		if !got.Request.Equal(show.Request) || got.Version != 1 || got.State != hotshow.Requested || !reflect.DeepEqual(got.Steps, show.Steps) {
			t.Errorf("got %+v, want %+v", got, show)
		}
		if text := got.Request.OnSale.Format(time.RFC3339); text != "2026-11-28T10:00:00+01:00" {
			t.Errorf("the on-sale has lost its offset: %s", text)
		}

		change, err := got.Approve(approver, "agreed", false, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		note := got.Note(hotshow.Product, "it was looked at", now.Add(time.Hour))
		if err := s.Save(t.Context(), &got, change, note); err != nil {
			t.Fatal(err)
		}
		if got.Version != 2 {
			t.Errorf("version %d after the second write", got.Version)
		}
		same(t, read(t, s, "a").State, hotshow.Approved)
		history, err := s.History(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		same(t, history, []hotshow.Change{first, change, note})
		want := schedule.Entry{ID: "a", Event: "winter-tour", Name: "Winter tour", State: hotshow.Approved, OnSale: onsale, Due: got.Request.Begins()}
		entries := list(t, s)
		if len(entries) != 1 || !entries[0].OnSale.Equal(want.OnSale) || !entries[0].Due.Equal(want.Due) || entries[0].State != want.State ||
			entries[0].ID != want.ID || entries[0].Event != want.Event || entries[0].Name != want.Name {
			t.Errorf("listed %+v, want %+v", entries, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		if _, err := s.Show(ctx, "a"); !errors.Is(err, schedule.ErrNotFound) {
			t.Errorf("a show that is not there: %v", err)
		}
		if history, err := s.History(ctx, "a"); err != nil || history != nil {
			t.Errorf("its history: %v, %v", history, err)
		}
		if entries := list(t, s); entries != nil {
			t.Errorf("listed %v", entries)
		}
		first := add(t, s, "a", "winter-tour", onsale)
		show, change := newShow("a", "summer-tour", onsale)
		if err := s.Add(ctx, show, change); !errors.Is(err, schedule.ErrExists) {
			t.Errorf("added again: %v", err)
		}

		second := read(t, s, "a")
		rejection, _ := second.Reject(approver, "", now)
		if err := s.Save(ctx, &second, rejection); err != nil {
			t.Fatal(err)
		}
		approval, _ := first.Approve(approver, "", false, now)
		if err := s.Save(ctx, &first, approval); !errors.Is(err, schedule.ErrStale) || first.Version != 1 {
			t.Errorf("saved over another's version: %v, version %d", err, first.Version)
		}
		if got := read(t, s, "a"); got.State != hotshow.Rejected {
			t.Errorf("the show is %s", got.State)
		}
		if history, _ := s.History(ctx, "a"); len(history) != 2 || history[1].To != hotshow.Rejected {
			t.Errorf("history %v", history)
		}

		// A change that is there is never written over, whatever the version says.
		third := read(t, s, "a")
		if err := s.Save(ctx, &third, hotshow.Change{Number: 2, Why: "another history"}); !errors.Is(err, schedule.ErrStale) {
			t.Errorf("a change was written over: %v", err)
		}
	})
}

func TestEventsAreTaken(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		wantTaken := func(id string, onsale time.Time, by string) {
			t.Helper()
			show, first := newShow(id, "winter-tour", onsale)
			err := s.Add(ctx, show, first)
			var taken *schedule.Taken
			if !errors.As(err, &taken) || taken.By != by {
				t.Errorf("%s: %v, want taken by %s", id, err, by)
			}
			if _, err := s.Show(ctx, id); !errors.Is(err, schedule.ErrNotFound) {
				t.Errorf("%s was kept: %v", id, err)
			}
		}
		a := add(t, s, "a", "winter-tour", onsale)
		add(t, s, "b", "summer-tour", onsale)
		wantTaken("c", onsale, "a")
		wantTaken("c", onsale.Add(26*time.Hour-time.Second), "a") // begins before the other is closed
		add(t, s, "d", "winter-tour", onsale.Add(26*time.Hour))   // begins when it is
		wantTaken("e", onsale.Add(10*time.Hour), "a")
		wantTaken("e", onsale.Add(30*time.Hour), "d")

		// One that is being taken down has its event still, and gives it free when it is over.
		step := func(change hotshow.Change, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Save(ctx, &a, change); err != nil {
				t.Fatal(err)
			}
		}
		step(a.Approve(approver, "", false, now))
		a.Move(a.Request.Begins(), hotshow.Sale{})
		step(a.Cancel(approver, "", a.Request.Begins()))
		wantTaken("f", onsale, "a")
		for _, change := range a.Move(a.Request.Begins(), hotshow.Sale{}) {
			step(change, nil)
		}
		same(t, read(t, s, "a").State, hotshow.Cancelled)
		add(t, s, "f", "winter-tour", onsale)
		step(a.Note(hotshow.Cache, "told once more", now), nil) // giving it free again takes nothing from others
		wantTaken("g", onsale, "f")
	})
}

// A request that is changed takes its new event and time, if they are to be had, and gives the old ones free.
func TestChangedRequests(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		add(t, s, "b", "summer-tour", onsale)
		a := add(t, s, "a", "winter-tour", onsale)
		amend := func(r hotshow.Request) error {
			t.Helper()
			changed := a
			change, err := changed.Amend(r, plan.Plan{}, asker, "", now)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Save(ctx, &changed, change); err != nil {
				return err
			}
			a = changed
			return nil
		}
		var taken *schedule.Taken
		if err := amend(request("summer-tour", onsale)); !errors.As(err, &taken) || taken.By != "b" || a.Version != 1 {
			t.Errorf("moved to an event that is taken: %v", err)
		}
		for _, r := range []hotshow.Request{
			request("winter-tour", onsale), request("winter-tour", onsale.Add(time.Hour)), request("autumn-tour", onsale),
		} {
			if err := amend(r); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "a"); !got.Request.Equal(r) || got.Version != a.Version {
				t.Errorf("%+v", got)
			}
		}
		if entries := list(t, s); len(entries) != 2 || entries[0].Event != "autumn-tour" {
			t.Errorf("listed %+v", entries)
		}
		add(t, s, "c", "winter-tour", onsale)
		show, first := newShow("d", "autumn-tour", onsale)
		if err := s.Add(ctx, show, first); !errors.As(err, &taken) || taken.By != "a" {
			t.Errorf("two shows of an event: %v", err)
		}
	})
}

// What is changed and decided in one write moves what the event is taken for, too: an approval holds the
// new event and its time, and a rejection gives the old one free.
func TestChangedAndDecidedAtOnce(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		add(t, s, "b", "summer-tour", onsale)
		approve := func(show *hotshow.Show) (hotshow.Change, error) { return show.Approve(approver, "", false, now) }
		reject := func(show *hotshow.Show) (hotshow.Change, error) { return show.Reject(approver, "", now) }
		save := func(show hotshow.Show, r hotshow.Request, decide func(*hotshow.Show) (hotshow.Change, error)) error {
			t.Helper()
			changed, err := show.Amend(r, plan.Plan{}, asker, "", now)
			if err != nil {
				t.Fatal(err)
			}
			decided, err := decide(&show)
			if err != nil {
				t.Fatal(err)
			}
			return s.Save(ctx, &show, changed, decided)
		}
		var taken *schedule.Taken
		a := add(t, s, "a", "winter-tour", onsale)
		if err := save(a, request("summer-tour", onsale), approve); !errors.As(err, &taken) || taken.By != "b" {
			t.Errorf("approved for an event that is taken: %v", err)
		}
		if err := save(a, request("autumn-tour", onsale), approve); err != nil {
			t.Fatal(err)
		}
		c := add(t, s, "c", "winter-tour", onsale)
		show, first := newShow("d", "autumn-tour", onsale)
		if err := s.Add(ctx, show, first); !errors.As(err, &taken) || taken.By != "a" {
			t.Errorf("two shows of an event: %v", err)
		}
		if err := save(c, request("spring-tour", onsale), reject); err != nil {
			t.Fatal(err)
		}
		for _, event := range []string{"winter-tour", "spring-tour"} {
			add(t, s, "after-"+event, event, onsale)
		}
	})
}

// Of shows that are asked for at once, one event gets one.
func TestAtOnce(t *testing.T) {
	client, table := newTable(t)
	s := schedule.New(client, table)
	const callers = 8
	var kept, taken, held atomic.Int64
	var wait sync.WaitGroup
	for n := range callers {
		wait.Go(func() {
			show, first := newShow(fmt.Sprint("show-", n), "winter-tour", onsale)
			var other *schedule.Taken
			switch err := s.Add(t.Context(), show, first); {
			case err == nil:
				kept.Add(1)
			case errors.As(err, &other):
				taken.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if kept.Load() != 1 || taken.Load() != callers-1 || len(list(t, s)) != 1 {
		t.Errorf("%d kept, %d refused, listed %v", kept.Load(), taken.Load(), list(t, s))
	}

	for n := range 3 {
		wait.Go(func() {
			_, err := s.UpdateHolding(t.Context(), "join", func(h *schedule.Holding) error {
				h.Units[fmt.Sprint("show-", n)] = n + 1
				h.Set += n + 1
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			held.Add(1)
		})
	}
	wait.Wait()
	h, err := s.Holding(t.Context(), "join")
	if err != nil || h.Set != 6 || len(h.Units) != 3 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestHolding(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		h, err := s.Holding(ctx, "join")
		if err != nil || h.Units == nil || len(h.Units) != 0 {
			t.Errorf("held by nobody: %+v, %v", h, err)
		}
		unwilling := errors.New("not now")
		if _, err := s.UpdateHolding(ctx, "join", func(h *schedule.Holding) error { h.Set = 9; return unwilling }); err != unwilling {
			t.Errorf("unwilling: %v", err)
		}
		for n := 1; n <= 2; n++ {
			got, err := s.UpdateHolding(ctx, "join", func(h *schedule.Holding) error { h.Set += n; h.Units["a"] = n; return nil })
			if err != nil || got.Units["a"] != n {
				t.Errorf("%+v, %v", got, err)
			}
		}
		h, err = s.Holding(ctx, "join")
		if err != nil || h.Set != 3 || h.Units["a"] != 2 {
			t.Errorf("%+v, %v", h, err)
		}
		if h, _ := s.Holding(ctx, "admit"); h.Set != 0 {
			t.Errorf("another resource holds %+v", h)
		}
	})
}

// between stands between the schedule and the table.
type between struct {
	*dynamodb.Client
	pages int32 // items a page has at most, 0 for as many as there is room for
	reads int
	write func(in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error)
}

func (b *between) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	b.reads++
	limited := *in
	if b.pages > 0 && (in.Limit == nil || *in.Limit > b.pages) {
		limited.Limit = aws.Int32(b.pages)
	}
	return b.Client.Query(ctx, &limited, options...)
}

func (b *between) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if b.write != nil {
		return b.write(in)
	}
	return b.Client.TransactWriteItems(ctx, in, options...)
}

func TestListHasAllPages(t *testing.T) {
	client, table := newTable(t)
	b := &between{Client: client}
	s := schedule.New(b, table)
	const shows = 500
	for n := range shows {
		add(t, s, fmt.Sprint("show-", n), fmt.Sprint("event-", n), onsale.Add(time.Duration(shows-n)*time.Minute))
	}
	for _, pages := range []int32{0, 100, 7} {
		b.pages, b.reads = pages, 0
		entries := list(t, s)
		if len(entries) != shows || !slices.IsSortedFunc(entries, func(a, b schedule.Entry) int { return a.OnSale.Compare(b.OnSale) }) {
			t.Errorf("pages of %d: %d shows, in order of their on-sale: no", pages, len(entries))
		}
		if pages > 0 && b.reads < shows/int(pages) {
			t.Errorf("pages of %d: read %d", pages, b.reads)
		}
	}
}

func cancelled(codes ...string) error {
	e := &types.TransactionCanceledException{Message: aws.String("cancelled")}
	for _, code := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return e
}

// A write that collides is repeated, with another token each time, and not for ever; one whose
// outcome is unknown is not.
func TestCollisions(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		stale bool
		calls int
	}{
		{"conflict", cancelled("None", "TransactionConflict"), false, 6},
		{"no room", cancelled("ThrottlingError"), false, 6},
		{"another version", cancelled("ConditionalCheckFailed", "TransactionConflict"), true, 1},
		{"lost", errors.New("connection broke"), false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, table := newTable(t)
			b := &between{Client: client}
			s := schedule.New(b, table)
			show := add(t, s, "a", "winter-tour", onsale)
			change, _ := show.Approve(approver, "", false, now)
			synctest.Test(t, func(t *testing.T) {
				tokens := map[string]bool{}
				b.write = func(in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error) {
					tokens[*in.ClientRequestToken] = true
					return nil, test.err
				}
				err := s.Save(t.Context(), &show, change)
				if err == nil || errors.Is(err, schedule.ErrStale) != test.stale || len(tokens) != test.calls {
					t.Errorf("%v after %d calls", err, len(tokens))
				}
				if show.Version != 1 {
					t.Errorf("version %d", show.Version)
				}
			})
		})
	}
}

// The SDK repeats a call whose answer was lost. The repetition meets what the first attempt wrote, and
// is no refusal.
func TestLostAnswers(t *testing.T) {
	client, table := newTable(t)
	lossy := &losing{HTTPClient: client.Options().HTTPClient}
	s := schedule.New(dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.HTTPClient = lossy }), table)
	show := add(t, s, "a", "winter-tour", onsale)
	change, _ := show.Approve(approver, "", false, now)
	if err := s.Save(t.Context(), &show, change); err != nil {
		t.Errorf("saved with a lost answer: %v", err)
	}
	h, err := s.UpdateHolding(t.Context(), "join", func(h *schedule.Holding) error { h.Set++; return nil })
	if err != nil || h.Set != 1 {
		t.Errorf("held with a lost answer: %+v, %v", h, err)
	}
	if got := read(t, s, "a"); got.Version != 2 || got.State != hotshow.Approved {
		t.Errorf("%+v", got)
	}
	if lossy.lost != 3 {
		t.Errorf("%d answers were lost", lossy.lost)
	}
}

// A table that holds what this code did not write is reported, and no show made of it.
func TestUnreadableItems(t *testing.T) {
	client, table := newTable(t)
	s, ctx := schedule.New(client, table), t.Context()
	put := func(pk, sk string) {
		t.Helper()
		text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
			"pk": text(pk), "sk": text(sk), "show": text("{"), "version": text("1"), "show:x": text("?"), "due": text("soon"),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("HOTSHOW#a", "SHOW")
	put("HOTSHOW#a", "CHANGE#00000001")
	put("HOTSHOWS", "a")
	put("HOTSHOWSENDED", "2026-11-28T09:00:00Z#a")
	put("HOTSHOWEVENT#winter-tour", "SHOWS")
	put("HOTSHOWHELD#join", "HELD")
	show, first := newShow("b", "winter-tour", onsale)
	_, unreadable := s.Show(ctx, "a")
	_, noHistory := s.History(ctx, "a")
	_, noList := s.Open(ctx)
	_, noPage := s.Page(ctx, schedule.Place{Ended: true}, 10)
	_, noHolding := s.Holding(ctx, "join")
	for what, err := range map[string]error{
		"show": unreadable, "history": noHistory, "list": noList, "page": noPage, "holding": noHolding, "event": s.Add(ctx, show, first),
	} {
		if err == nil || strings.Contains(err.Error(), "cancelled") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
