package schedule

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithytime "github.com/aws/smithy-go/time"

	"waitingroom/shared/hotshow"
)

// API is the part of the SDK's client that the schedule uses.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Schedule is the schedule in one table with the string keys pk and sk. It is safe for concurrent use.
//
// Every write is a transaction. The SDK sends the same ClientRequestToken with each attempt, so a
// retry over an attempt that got through is answered as that one was, and is never refused by what it
// wrote itself (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
type Schedule struct {
	api   API
	table string
}

// New returns the schedule in table.
func New(api API, table string) *Schedule { return &Schedule{api, table} }

// Add keeps a new show with the first change of its history. Errors: ErrExists, also if it was kept by
// an earlier call whose outcome was unknown; *Taken.
func (s *Schedule) Add(ctx context.Context, show hotshow.Show, first hotshow.Change) error {
	return s.add(ctx, show, first)
}

// add is Add with what else is written together with the show.
func (s *Schedule) add(ctx context.Context, show hotshow.Show, first hotshow.Change, also ...types.TransactWriteItem) error {
	const operation = "add show"
	show.Version = 1
	items, err := s.items(show, notThere, []hotshow.Change{first})
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	items = append(items, also...)
	err = again(ctx, func() error {
		spans, version, err := s.spans(ctx, show.Request.Event)
		if err != nil {
			return err
		}
		if other := spans.overlapping(show); other != "" {
			return &Taken{By: other}
		}
		event := len(items)
		err = s.write(ctx, append(items[:event:event], s.takeEvent(show, version))...)
		// Somebody else has taken the event in between: whether there is still room is looked at again.
		return changedFrom(err, event)
	})
	if refused(err) {
		return fmt.Errorf("%s %s: %w", operation, show.ID, ErrExists)
	}
	return failed(operation, err)
}

// Show returns the show as of the latest write, or ErrNotFound.
func (s *Schedule) Show(ctx context.Context, id string) (hotshow.Show, error) {
	found, err := s.get(ctx, showKey(id))
	if err != nil {
		return hotshow.Show{}, failed("read show", err)
	}
	if len(found) == 0 {
		return hotshow.Show{}, fmt.Errorf("read show %.32q: %w", id, ErrNotFound)
	}
	var show hotshow.Show
	return show, failed("read show", decode(found, showAttribute, &show))
}

// Open returns the shows that are not over, or that something is still due for, as of the latest write of
// each, by their on-sale, and then by their id. Shows that have ended are apart, so what it reads does not
// grow with them. Reads are consistent: who has just asked for a show looks for it, and 500 shows are
// some 30 read units.
func (s *Schedule) Open(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	for found, err := range s.query(ctx, openKey, "") {
		if err != nil {
			return nil, failed("list open shows", err)
		}
		entry, err := decodeEntry(found)
		if err != nil {
			return nil, failed("list open shows", err)
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, inOrder)
	return entries, nil
}

// inOrder is the order of shows that are open.
func inOrder(a, b Entry) int { return cmp.Or(a.OnSale.Compare(b.OnSale), strings.Compare(a.ID, b.ID)) }

// Page returns the next shows behind a place in the list of all, at most so many: first the open ones as
// Open has them, then those that have ended, the latest on-sale first. It may return fewer, or none, and is
// the last one only if it has no Next. All open shows are read each time, and of the others one page.
//
// Whoever goes from page to page meets every show that was there all the time. One that ends meanwhile
// may come twice: as it was while it was open, and among those that have ended. A request that is given
// another on-sale meanwhile may come twice, or not at all.
func (s *Schedule) Page(ctx context.Context, after Place, most int) (Page, error) {
	if after.Ended {
		page, err := s.ended(ctx, after, most)
		return page, failed("list shows that have ended", err)
	}
	open, err := s.Open(ctx)
	if err != nil {
		return Page{}, err
	}
	last := Entry{OnSale: after.OnSale, ID: after.ID}
	open = slices.DeleteFunc(open, func(e Entry) bool { return inOrder(e, last) <= 0 })
	if len(open) <= most {
		return Page{Entries: open, Next: &Place{Ended: true}}, nil
	}
	return upTo(open[:most]), nil
}

// ended is a page of shows that have ended.
func (s *Schedule) ended(ctx context.Context, after Place, most int) (Page, error) {
	in := s.queryOf(endedKey)
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(int32(most))
	if after.ID != "" {
		in.ExclusiveStartKey = primary(endedEntryKey(after.OnSale, after.ID))
	}
	out, err := s.api.Query(ctx, in)
	if err != nil {
		return Page{}, err
	}
	entries := make([]Entry, len(out.Items))
	for i, found := range out.Items {
		if entries[i], err = decodeEntry(found); err != nil {
			return Page{}, err
		}
	}
	if len(out.LastEvaluatedKey) == 0 {
		return Page{Entries: entries}, nil
	}
	return upTo(entries), nil
}

// upTo is a page that is not the last one: it has one show at least.
func upTo(entries []Entry) Page {
	next := entries[len(entries)-1].Place()
	return Page{entries, &next}
}

// History returns a show's changes as of the latest write, in their order: none of a show that is not
// there.
func (s *Schedule) History(ctx context.Context, id string) ([]hotshow.Change, error) {
	var changes []hotshow.Change
	for found, err := range s.query(ctx, showKey(id).pk, changePrefix) {
		if err != nil {
			return nil, failed("read history", err)
		}
		var c hotshow.Change
		if err := decode(found, changeAttribute, &c); err != nil {
			return nil, failed("read history", err)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// Save writes the show over the version that was read, with the changes that were made since, and
// counts its version up. A show that has become final gives its event free; one that was only requested
// takes the event and the time that its request names by now, also if it is approved in the same write.
// Errors: ErrStale, *Taken. After any error show is as it was.
func (s *Schedule) Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error {
	return s.save(ctx, show, changes)
}

// save is Save with what else is written together with the show.
func (s *Schedule) save(ctx context.Context, show *hotshow.Show, changes []hotshow.Change, also ...types.TransactWriteItem) error {
	const operation = "save show"
	next := *show
	next.Version++
	items, err := s.items(next, has(show.Version), changes)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	items = append(items, also...)
	err = again(ctx, func() error {
		moving, err := s.moving(ctx, *show, changes)
		if err != nil {
			return err
		}
		// Another show has taken the event in between: whether there is still room is looked at again.
		return changedFrom(s.write(ctx, append(items[:len(items):len(items)], moving...)...), len(items))
	})
	if refused(err) {
		return fmt.Errorf("%s %s: %w", operation, show.ID, ErrStale)
	}
	if err != nil {
		return failed(operation, err)
	}
	*show = next
	return nil
}

// moving is what is written of events together with a show: nothing while the show keeps its event and
// its time. Only a show that is requested is ever given another event or time, and what decides about it
// may come in the same write.
func (s *Schedule) moving(ctx context.Context, show hotshow.Show, changes []hotshow.Change) ([]types.TransactWriteItem, error) {
	final := show.State.Final()
	requested := func(c hotshow.Change) bool { return c.From == hotshow.Requested }
	if show.State != hotshow.Requested && !slices.ContainsFunc(changes, requested) {
		if final {
			return []types.TransactWriteItem{s.freeEvent(show.ID, show.Request.Event)}, nil
		}
		return nil, nil
	}
	stored, err := s.Show(ctx, show.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case stored.Version != show.Version:
		return nil, ErrStale // who has the event by now says nothing about what is wanted
	case final:
		return []types.TransactWriteItem{s.freeEvent(show.ID, stored.Request.Event)}, nil
	}
	all, version, err := s.spans(ctx, show.Request.Event)
	if err != nil {
		return nil, err
	}
	if other := all.overlapping(show); other != "" {
		return nil, &Taken{By: other}
	}
	var items []types.TransactWriteItem
	if held, ok := all[show.ID]; !ok || !held.equal(spanOf(show)) {
		items = append(items, s.takeEvent(show, version))
	}
	if stored.Request.Event != show.Request.Event {
		items = append(items, s.freeEvent(show.ID, stored.Request.Event))
	}
	return items, nil
}

// Holding returns what shows hold of a resource as of the latest write: the zero Holding if none ever did.
func (s *Schedule) Holding(ctx context.Context, resource string) (Holding, error) {
	h, _, err := s.holding(ctx, resource)
	return h, failed("read holding", err)
}

// UpdateHolding has change work on what is held of a resource, and keeps the result and returns it. If
// somebody else changes it in between, change works on that anew. What change returns as an error comes
// back as it is, and nothing is kept.
func (s *Schedule) UpdateHolding(ctx context.Context, resource string, change func(*Holding) error) (Holding, error) {
	const operation = "update holding"
	var kept Holding
	var unwilling error
	err := again(ctx, func() error {
		h, version, err := s.holding(ctx, resource)
		if err != nil {
			return err
		}
		if unwilling = change(&h); unwilling != nil {
			return unwilling
		}
		text, err := json.Marshal(h)
		if err != nil {
			return err
		}
		condition := has(version)
		if version == 0 {
			condition = notThere
		}
		kept = h
		return changedFrom(s.write(ctx, s.put(holdingKey(resource), condition, attributes{
			holdingAttribute: textOf(string(text)), versionAttribute: numberOf(version + 1),
		})), 0)
	})
	switch {
	case unwilling != nil:
		return Holding{}, unwilling
	case err != nil:
		return Holding{}, failed(operation, err)
	}
	return kept, nil
}

func (s *Schedule) holding(ctx context.Context, resource string) (Holding, int64, error) {
	h := Holding{Units: map[string]int{}}
	found, err := s.get(ctx, holdingKey(resource))
	if err != nil || len(found) == 0 {
		return h, 0, err
	}
	version, err := number(found, versionAttribute)
	return h, version, errors.Join(err, decode(found, holdingAttribute, &h))
}

// items are what is written of a show with its changes: first the show itself under a condition.
func (s *Schedule) items(show hotshow.Show, c condition, changes []hotshow.Change) ([]types.TransactWriteItem, error) {
	text, err := json.Marshal(show)
	if err != nil {
		return nil, err
	}
	items := []types.TransactWriteItem{
		s.put(showKey(show.ID), c, attributes{
			showAttribute: textOf(string(text)), versionAttribute: numberOf(show.Version),
			"state": textOf(string(show.State)), "event": textOf(show.Request.Event),
		}),
	}
	items = append(items, s.entries(entryOf(show))...)
	for _, change := range changes {
		text, err := json.Marshal(change)
		if err != nil {
			return nil, err
		}
		items = append(items, s.put(changeKey(show.ID, change.Number), notThere, attributes{changeAttribute: textOf(string(text))}))
	}
	return items, nil
}

// entries are what is written of a show's entry, so that there is one of it. An open show was never among
// those that have ended, unless it is over: what is due for one that is over may come after its end. The
// on-sale of a show that is over never changes (see hotshow.Show.Amend), and with it where its entry is.
func (s *Schedule) entries(e Entry) []types.TransactWriteItem {
	open, ended := key{openKey, e.ID}, endedEntryKey(e.OnSale, e.ID)
	switch {
	case e.ended():
		return []types.TransactWriteItem{s.remove(open), s.put(ended, condition{}, encodeEntry(e))}
	case e.State.Final():
		return []types.TransactWriteItem{s.put(open, condition{}, encodeEntry(e)), s.remove(ended)}
	}
	return []types.TransactWriteItem{s.put(open, condition{}, encodeEntry(e))}
}

func entryOf(show hotshow.Show) Entry {
	due, _ := show.Due()
	return Entry{ID: show.ID, Event: show.Request.Event, Name: show.Request.Name(), State: show.State, OnSale: show.Request.OnSale, Due: due}
}

// spans reads for which times an event is taken, and the version of that.
func (s *Schedule) spans(ctx context.Context, event string) (spans, int64, error) {
	found, err := s.get(ctx, eventKey(event))
	if err != nil {
		return nil, 0, err
	}
	return decodeSpans(found)
}

func (s *Schedule) get(ctx context.Context, k key) (attributes, error) {
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(s.table), Key: primary(k), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// query goes through the items of a partition key whose sort keys begin with prefix, in their order,
// page by page.
func (s *Schedule) query(ctx context.Context, pk, prefix string) func(yield func(attributes, error) bool) {
	in := s.queryOf(pk)
	if prefix != "" {
		in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :prefix)")
		in.ExpressionAttributeValues[":prefix"] = textOf(prefix)
	}
	return func(yield func(attributes, error) bool) {
		for {
			page, err := s.api.Query(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, found := range page.Items {
				if !yield(found, nil) {
					return
				}
			}
			if len(page.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = page.LastEvaluatedKey
		}
	}
}

// queryOf reads all items of a partition key.
func (s *Schedule) queryOf(pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: aws.String(s.table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: attributes{":pk": textOf(pk)},
	}
}

// write writes all items or none.
func (s *Schedule) write(ctx context.Context, items ...types.TransactWriteItem) error {
	_, err := s.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items, ClientRequestToken: aws.String(rand.Text()),
	})
	return refusalOf(err)
}

// refusal is the error of a transaction that wrote nothing.
type refusal struct {
	condition int  // the first item whose condition did not hold, or -1
	crowded   bool // another transaction was at one of the items: the same may be tried again
	err       error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refusalOf(err error) error {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return err
	}
	r := &refusal{condition: -1, err: err}
	for i, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			if r.condition < 0 {
				r.condition = i
			}
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			r.crowded = true
		}
	}
	return r
}

// refused says whether a condition did not hold.
func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.condition >= 0
}

// errChanged means that what a write was worked out from has changed since: work it out anew.
var errChanged = errors.New("it was changed again and again while this was worked out")

// changedFrom makes a refusal errChanged if conditions held of all items before one, and not of all from
// it on. It leaves other errors alone.
func changedFrom(err error, item int) error {
	var r *refusal
	if errors.As(err, &r) && r.condition >= item {
		return errChanged
	}
	return err
}

// Attempts at one write, and the pauses between them, which double and are cut at random, so that two
// who are in each other's way do not stay so.
const (
	attempts   = 6
	firstPause = 20 * time.Millisecond
)

// again repeats a write that met another on its way.
func again(ctx context.Context, write func() error) error {
	for attempt := 1; ; attempt++ {
		err := write()
		var r *refusal
		collided := errors.As(err, &r) && r.condition < 0 && r.crowded || errors.Is(err, errChanged)
		if !collided || attempt == attempts {
			return err
		}
		if err := pause(ctx, firstPause<<(attempt-1)); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, longest time.Duration) error {
	cut, err := rand.Int(rand.Reader, big.NewInt(int64(longest)))
	if err != nil {
		return err
	}
	return smithytime.SleepWithContext(ctx, time.Duration(cut.Int64()))
}

func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", operation, err)
}
