package schedule_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/schedule"
)

// actions notes which permissions a schedule's calls need.
type actions struct {
	schedule.API
	mu   sync.Mutex
	seen map[string]bool
}

func (a *actions) note(action string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen["dynamodb:"+action] = true
}

func (a *actions) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	a.note("GetItem")
	return a.API.GetItem(ctx, in, o...)
}

func (a *actions) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	a.note("Query")
	return a.API.Query(ctx, in, o...)
}

func (a *actions) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	for _, item := range in.TransactItems {
		for action, used := range map[string]bool{
			"PutItem": item.Put != nil, "UpdateItem": item.Update != nil, "DeleteItem": item.Delete != nil, "ConditionCheckItem": item.ConditionCheck != nil,
		} {
			if used {
				a.note(action)
			}
		}
	}
	return a.API.TransactWriteItems(ctx, in, o...)
}

// No engine knows of permissions, and a stack grants what names lists: it has to be what is used.
func TestActions(t *testing.T) {
	client, table := newTable(t)
	used := &actions{API: client, seen: map[string]bool{}}
	s := schedule.New(used, table)
	show := add(t, s, "a", "winter-tour", onsale)
	cancelled, err := show.Cancel(approver, "", now)
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, &show, cancelled)
	if _, err := s.UpdateHolding(t.Context(), "throughput", func(h *schedule.Holding) error { h.Set = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	if show.State != hotshow.Cancelled {
		t.Fatalf("the show is %s", show.State)
	}
	if got, want := slices.Sorted(maps.Keys(used.seen)), slices.Sorted(slices.Values(names.ScheduleActions())); !slices.Equal(got, want) {
		t.Errorf("a show's life takes %q, and names lists %q", got, want)
	}
	if list(t, s); !used.seen[names.ScheduleList] {
		t.Errorf("a list takes %q, and names says %s", slices.Sorted(maps.Keys(used.seen)), names.ScheduleList)
	}
}
