package faults

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// engine notes which calls reach it.
type engine struct{ reached *[]string }

func (e engine) note(name string) { *e.reached = append(*e.reached, name) }

func (e engine) GetItem(context.Context, *awsdynamodb.GetItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	e.note("GetItem")
	return &awsdynamodb.GetItemOutput{}, nil
}
func (e engine) BatchGetItem(context.Context, *awsdynamodb.BatchGetItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	e.note("BatchGetItem")
	return &awsdynamodb.BatchGetItemOutput{}, nil
}
func (e engine) PutItem(context.Context, *awsdynamodb.PutItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	e.note("PutItem")
	return &awsdynamodb.PutItemOutput{}, nil
}
func (e engine) UpdateItem(context.Context, *awsdynamodb.UpdateItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	e.note("UpdateItem")
	return &awsdynamodb.UpdateItemOutput{}, nil
}
func (e engine) DeleteItem(context.Context, *awsdynamodb.DeleteItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.DeleteItemOutput, error) {
	e.note("DeleteItem")
	return &awsdynamodb.DeleteItemOutput{}, nil
}
func (e engine) TransactWriteItems(context.Context, *awsdynamodb.TransactWriteItemsInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.TransactWriteItemsOutput, error) {
	e.note("TransactWriteItems")
	return &awsdynamodb.TransactWriteItemsOutput{}, nil
}

// operations are all that can be done to items, by name.
var operations = map[string]func(context.Context, dynamodb.API) error{
	"GetItem": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.GetItem(ctx, &awsdynamodb.GetItemInput{TableName: aws.String("room")})
		return err
	},
	"BatchGetItem": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.BatchGetItem(ctx, &awsdynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"room": {}}})
		return err
	},
	"PutItem": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: aws.String("room")})
		return err
	},
	"UpdateItem": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.UpdateItem(ctx, &awsdynamodb.UpdateItemInput{TableName: aws.String("room")})
		return err
	},
	"DeleteItem": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.DeleteItem(ctx, &awsdynamodb.DeleteItemInput{TableName: aws.String("room")})
		return err
	},
	"TransactWriteItems": func(ctx context.Context, api dynamodb.API) error {
		_, err := api.TransactWriteItems(ctx, &awsdynamodb.TransactWriteItemsInput{TransactItems: make([]types.TransactWriteItem, 2)})
		return err
	},
}

func reads(operation string) bool { return strings.HasSuffix(operation, "GetItem") }

func newTable(t *testing.T, c Chances, seed uint64) (*Table, *[]string) {
	t.Helper()
	reached := &[]string{}
	table, err := NewTable(engine{reached}, c, seed)
	if err != nil {
		t.Fatal(err)
	}
	return table, reached
}

func TestWhatBefallsCalls(t *testing.T) {
	for _, test := range []struct {
		name    string
		chances Chances
		want    func(operation string, err error) bool
		happens func(operation string) bool
		counts  func(operation string) Counts
	}{
		{"throttled", Chances{Throttled: 1}, func(operation string, err error) bool {
			if operation == "TransactWriteItems" {
				c, ok := errors.AsType[*types.TransactionCanceledException](err)
				return ok && *c.CancellationReasons[0].Code == "ThrottlingError" && *c.CancellationReasons[1].Code == "None" &&
					strings.HasSuffix(c.ErrorMessage(), "[ThrottlingError, None]")
			}
			direction := "TableWrite"
			if reads(operation) {
				direction = "TableRead"
			}
			e, ok := errors.AsType[*types.ThrottlingException](err)
			return ok && *e.ThrottlingReasons[0].Reason == direction+"KeyRangeThroughputExceeded" &&
				strings.HasSuffix(*e.ThrottlingReasons[0].Resource, ":table/room")
		}, func(string) bool { return false }, func(string) Counts { return Counts{Calls: 1, Throttled: 1} }},
		{"lost", Chances{Lost: 1}, func(_ string, err error) bool { return errors.Is(err, dynamodb.ErrNoAnswer) },
			func(string) bool { return false }, func(string) Counts { return Counts{Calls: 1, Lost: 1} }},
		{"unacknowledged", Chances{Unacknowledged: 1}, func(operation string, err error) bool {
			return errors.Is(err, dynamodb.ErrNoAnswer) == !reads(operation)
		}, func(string) bool { return true }, func(operation string) Counts {
			if reads(operation) {
				return Counts{Calls: 1}
			}
			return Counts{Calls: 1, Unacknowledged: 1}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for operation, call := range operations {
				table, reached := newTable(t, test.chances, 1)
				if err := call(t.Context(), table); err != nil || len(table.Counts()) != 0 {
					t.Errorf("%s before the trouble: %v, %v", operation, err, table.Counts())
				}
				*reached = nil
				table.Begin()
				if err := call(t.Context(), table); !test.want(operation, err) {
					t.Errorf("%s: %v", operation, err)
				}
				if happened := len(*reached) == 1; happened != test.happens(operation) {
					t.Errorf("%s reached %v", operation, *reached)
				}
				table.Heal()
				if err := call(t.Context(), table); err != nil {
					t.Errorf("%s after the trouble: %v", operation, err)
				}
				if got, want := table.Counts()[operation], test.counts(operation); got != want || len(table.Counts()) != 1 {
					t.Errorf("%s: counted %+v, want %+v", operation, table.Counts(), want)
				}
			}
		})
	}
}

// The store knows the errors for what they are.
func TestStoreKnowsThrottledFromUnknown(t *testing.T) {
	for _, test := range []struct {
		chances   Chances
		throttled bool
	}{{Chances{Throttled: 1}, true}, {Chances{Lost: 1}, false}, {Chances{Unacknowledged: 1}, false}} {
		table, _ := newTable(t, test.chances, 1)
		table.Begin()
		kept := store.New(table, "room", time.Now)
		next := room.State{Run: room.Run{Event: "demo"}}
		if n, err := kept.Arrivals(t.Context(), next.Run, 0, 16); n != 0 || errors.Is(err, store.ErrThrottled) != test.throttled {
			t.Errorf("%+v: %d arrivals, %v", test.chances, n, err)
		}
		for name, err := range map[string]error{
			"Save":           kept.Save(t.Context(), next, room.Fence{}),
			"SaveWithPacing": kept.SaveWithPacing(t.Context(), next, room.Pacing{}, room.Fence{}),
		} {
			if err == nil || errors.Is(err, store.ErrThrottled) != test.throttled {
				t.Errorf("%+v: %s: %v", test.chances, name, err)
			}
		}
	}
}

func TestSharesAndSeeds(t *testing.T) {
	const calls = 20_000
	chances := Chances{Throttled: 0.05, Lost: 0.03, Unacknowledged: 0.02}
	fates := func(seed uint64) (outcomes []bool, c Counts) {
		table, _ := newTable(t, chances, seed)
		table.Begin()
		for range calls {
			outcomes = append(outcomes, operations["UpdateItem"](t.Context(), table) == nil)
		}
		return outcomes, table.Counts()["UpdateItem"]
	}
	first, c := fates(1)
	for name, share := range map[string][2]float64{
		"throttled": {float64(c.Throttled), chances.Throttled}, "lost": {float64(c.Lost), chances.Lost},
		"unacknowledged": {float64(c.Unacknowledged), chances.Unacknowledged},
	} {
		if math.Abs(share[0]/calls-share[1]) > 0.005 {
			t.Errorf("%v of %d calls are %s", share[0], calls, name)
		}
	}
	again, _ := fates(1)
	other, _ := fates(2)
	differ := 0
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("call %d differs with the same seed", i)
		}
		if first[i] != other[i] {
			differ++
		}
	}
	if differ == 0 {
		t.Error("another seed is no other trouble")
	}
}

func TestChancesThatCannotBe(t *testing.T) {
	for _, c := range []Chances{
		{Throttled: -0.1}, {Lost: 1.1}, {Unacknowledged: math.NaN()},
		{Throttled: 0.5, Lost: 0.3, Unacknowledged: 0.3},
	} {
		if _, err := NewTable(engine{}, c, 1); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if err := (Chances{Throttled: 0.05, Unacknowledged: 0.02}).Check(); err != nil {
		t.Error(err)
	}
}
