package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func rawItem(t *testing.T, client *dynamodb.Client, table, pk, sk string) attributes {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(table), ConsistentRead: aws.Bool(true),
		Key: attributes{"pk": text(pk), "sk": text(sk)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func TestSaveLeavesForeignAttributesAlone(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, run := store.New(client, table, time.Now), newRun(t)
		setMark := func(value string) {
			_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName:                 aws.String(table),
				Key:                       attributes{"pk": text("EVENT#" + run.Event), "sk": text("STATE")},
				UpdateExpression:          aws.String("SET nobody = :value"),
				ExpressionAttributeValues: attributes{":value": text(value)},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// A mark that comes before the first state is no state, and does not stand in its way.
		setMark("early")
		_, err := s.State(t.Context(), run.Event)
		wantError(t, err, store.ErrNotFound)
		if err := s.Save(t.Context(), state(run, "a", 1), room.Fence{}); err != nil {
			t.Fatal(err)
		}
		wantSame(t, rawItem(t, client, table, "EVENT#"+run.Event, "STATE")["nobody"], text("early"))

		setMark("late")
		if err := s.SaveWithPacing(t.Context(), state(run, "a", 2), room.Pacing{}, room.Fence{Owner: "a", Version: 1}); err != nil {
			t.Fatal(err)
		}
		wantSame(t, rawItem(t, client, table, "EVENT#"+run.Event, "STATE")["nobody"], text("late"))
		wantSame(t, must(s.State(t.Context(), run.Event))(t), state(run, "a", 2))
	})
}

// TestItems holds the keys and attributes that other programs and operators may rely on.
func TestItems(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, run := store.New(client, table, func() time.Time { return noon }), newRun(t)
		w := room.Window{Shape: room.ShapeOf(600), Index: 7}
		for name, err := range calls(t.Context(), s, run, w) {
			// Read before anything was written.
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		r := run.Event + "#" + run.ID
		const month, days = "90", "2"
		items := []struct {
			pk, sk     string
			attributes string
			keepDays   string
		}{
			{"EVENT#" + run.Event, "PACING", "pacing", ""},
			{"COHORT#" + r + "#0#0", "COUNT", "n ttl", month},
			{"COHORT#" + r + "#1#0", "COUNT", "n sealed ttl", month},
			{"SEAL#" + r + "#0", "SEAL", "base counts seed ttl", month},
			{"VISITOR#" + r + "#" + arrival(0).ID, "PLACE", "cohort exp iat joined jti mark seq shard ttl", month},
			{"ADMIT#" + r + "#1#7#0", "COUNT", "last n ttl", days},
			{"EVENT#" + run.Event, "STATE", "", ""},
		}
		for _, item := range items {
			stored := rawItem(t, client, table, item.pk, item.sk)
			if len(stored) == 0 {
				t.Errorf("no item %s %s", item.pk, item.sk)
				continue
			}
			delete(stored, "pk")
			delete(stored, "sk")
			got := strings.Join(slices.Sorted(maps.Keys(stored)), " ")
			if item.attributes != "" && got != item.attributes {
				t.Errorf("%s holds %s, want %s", item.pk, got, item.attributes)
			}
			ttl := ""
			if n, ok := stored["ttl"].(*types.AttributeValueMemberN); ok {
				ttl = n.Value
			}
			want := ""
			if days, err := strconv.Atoi(item.keepDays); err == nil {
				want = strconv.FormatInt(noon.AddDate(0, 0, days).Unix(), 10)
			}
			if ttl != want {
				t.Errorf("%s has ttl %q, want %q", item.pk, ttl, want)
			}
		}
	})
}

// broken answers every call with one error.
type broken struct{ err error }

func (b broken) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return nil, b.err
}

func (b broken) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return nil, b.err
}

func (b broken) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return nil, b.err
}

func (b broken) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, b.err
}

var sentinels = []error{
	store.ErrNotFound, store.ErrFenced, store.ErrSealed, store.ErrFull, store.ErrConflict, store.ErrThrottled,
}

func TestErrorsOfTheTable(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want error // nil for none of ours
	}{
		{"throughput", &types.ProvisionedThroughputExceededException{}, store.ErrThrottled},
		{"request limit", &types.RequestLimitExceeded{}, store.ErrThrottled},
		{"throttling", &types.ThrottlingException{}, store.ErrThrottled},
		{"code only", &smithy.GenericAPIError{Code: "ThrottlingException"}, store.ErrThrottled},
		{"wrapped", &smithy.OperationError{Err: &types.ProvisionedThroughputExceededException{}}, store.ErrThrottled},
		{"under a transaction", &types.TransactionConflictException{}, store.ErrThrottled},
		{"internal", &types.InternalServerError{}, nil},
		{"no table", &types.ResourceNotFoundException{}, nil},
		{"validation", &smithy.GenericAPIError{Code: "ValidationException"}, nil},
		{"timeout", context.DeadlineExceeded, nil},
		{"connection", io.ErrUnexpectedEOF, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := store.New(broken{test.err}, "table", time.Now)
			w := room.Window{Shape: room.ShapeOf(600), Index: 1}
			for method, err := range calls(t.Context(), s, newRun(t), w) {
				if !errors.Is(err, test.err) {
					t.Errorf("%s hides the cause: %v", method, err)
				}
				for _, sentinel := range sentinels {
					if errors.Is(err, sentinel) != (sentinel == test.want) {
						t.Errorf("%s: %v, want %v", method, err, test.want)
					}
				}
			}
		})
	}
}

func TestCancelledTransactions(t *testing.T) {
	tests := []struct {
		codes []string
		want  error // nil for none of ours
	}{
		{[]string{"ConditionalCheckFailed", "None"}, store.ErrFenced},
		{[]string{"ConditionalCheckFailed", "TransactionConflict"}, store.ErrFenced},
		{[]string{"TransactionConflict", "ConditionalCheckFailed"}, store.ErrFenced},
		{[]string{"TransactionConflict", "None"}, store.ErrThrottled},
		{[]string{"None", "ThrottlingError"}, store.ErrThrottled},
		{[]string{"None", "ProvisionedThroughputExceeded"}, store.ErrThrottled},
		{[]string{"None", "ValidationError"}, nil},
		{[]string{"ItemCollectionSizeLimitExceeded", "None"}, nil},
		{nil, nil},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.codes, " "), func(t *testing.T) {
			cancelled := &types.TransactionCanceledException{}
			for _, code := range test.codes {
				cancelled.CancellationReasons = append(cancelled.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
			}
			s := store.New(broken{cancelled}, "table", time.Now)
			err := s.SaveWithPacing(t.Context(), state(newRun(t), "a", 1), room.Pacing{}, room.Fence{})
			if err == nil {
				t.Fatal("a cancelled transaction passed for written")
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != (sentinel == test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			}
		})
	}
}

// empty is a table without items that notes how it was read.
type empty struct {
	broken
	consistent []bool
}

func (e *empty) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	e.consistent = append(e.consistent, aws.ToBool(in.ConsistentRead))
	return &dynamodb.GetItemOutput{}, nil
}

func (e *empty) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	e.consistent = append(e.consistent, aws.ToBool(in.RequestItems["table"].ConsistentRead))
	return &dynamodb.BatchGetItemOutput{}, nil
}

// TestConsistentReads holds that only the number of arrivals may be a little old.
func TestConsistentReads(t *testing.T) {
	api := &empty{}
	s, run, w := store.New(api, "table", time.Now), newRun(t), room.Window{Shape: room.ShapeOf(600)}
	s.State(t.Context(), run.Event)
	s.Pacing(t.Context(), run.Event)
	s.Seal(t.Context(), run, 0)
	s.Visitor(t.Context(), run, "v")
	s.Taken(t.Context(), run, w, 0)
	s.Arrivals(t.Context(), run, 0, 1)
	wantSame(t, api.consistent, []bool{true, true, true, true, true, false})
}

// busy answers one batch after the other as it is told.
type busy struct {
	broken
	asked   []int // keys of each call
	answers []func([]map[string]types.AttributeValue) (*dynamodb.BatchGetItemOutput, error)
}

func (b *busy) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	keys := in.RequestItems["table"].Keys
	b.asked = append(b.asked, len(keys))
	return b.answers[len(b.asked)-1](keys)
}

// TestArrivalsInPart holds that what was read is known where the rest was not, and that the rest is not
// taken for empty.
func TestArrivalsInPart(t *testing.T) {
	type keys = []map[string]types.AttributeValue
	answer := func(read ...string) func(keys) (*dynamodb.BatchGetItemOutput, error) {
		return func(all keys) (*dynamodb.BatchGetItemOutput, error) {
			out := &dynamodb.BatchGetItemOutput{}
			for _, n := range read {
				found := attributes{"n": &types.AttributeValueMemberN{Value: n}}
				out.Responses = map[string][]map[string]types.AttributeValue{"table": append(out.Responses["table"], found)}
			}
			return out, nil
		}
	}
	partly := func(read ...string) func(keys) (*dynamodb.BatchGetItemOutput, error) {
		return func(all keys) (*dynamodb.BatchGetItemOutput, error) {
			out, err := answer(read...)(all)
			out.UnprocessedKeys = map[string]types.KeysAndAttributes{"table": {Keys: all[len(read):]}}
			return out, err
		}
	}
	failing := func(err error) func(keys) (*dynamodb.BatchGetItemOutput, error) {
		return func(keys) (*dynamodb.BatchGetItemOutput, error) { return nil, err }
	}
	for _, test := range []struct {
		name    string
		shards  int
		answers []func(keys) (*dynamodb.BatchGetItemOutput, error)
		asked   []int
		want    int64
		err     error // nil for none
	}{
		{"none", 0, nil, nil, 0, nil},
		{"nobody came", 100, []func(keys) (*dynamodb.BatchGetItemOutput, error){answer()}, []int{100}, 0, nil},
		{"more than one call reads", 128, []func(keys) (*dynamodb.BatchGetItemOutput, error){answer("3"), answer("4", "5")}, []int{100, 28}, 12, nil},
		{"some shards not read", 16, []func(keys) (*dynamodb.BatchGetItemOutput, error){partly("3")}, []int{16}, 3, store.ErrThrottled},
		{"those read are empty", 16, []func(keys) (*dynamodb.BatchGetItemOutput, error){partly("0")}, []int{16}, 0, store.ErrThrottled},
		{"the second call is throttled", 101, []func(keys) (*dynamodb.BatchGetItemOutput, error){answer("7"), failing(&types.ThrottlingException{})}, []int{100, 1}, 7, store.ErrThrottled},
		{"the second call is lost", 101, []func(keys) (*dynamodb.BatchGetItemOutput, error){answer("7"), failing(io.ErrUnexpectedEOF)}, []int{100, 1}, 7, io.ErrUnexpectedEOF},
	} {
		table := &busy{answers: test.answers}
		n, err := store.New(table, "table", time.Now).Arrivals(t.Context(), newRun(t), 1, test.shards)
		if n != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) || !slices.Equal(table.asked, test.asked) {
			t.Errorf("%s: %d, %v after calls for %v shards; want %d, %v after %v", test.name, n, err, table.asked, test.want, test.err, test.asked)
		}
	}
	table := &busy{answers: []func(keys) (*dynamodb.BatchGetItemOutput, error){answer("many")}}
	if n, err := store.New(table, "table", time.Now).Arrivals(t.Context(), newRun(t), 1, 1); err == nil {
		t.Errorf("what is no number is read as %d", n)
	}
}

// TestAttempts holds which calls the SDK may repeat by itself.
func TestAttempts(t *testing.T) {
	var attempts atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"internal"}`)
	}))
	defer endpoint.Close()

	w := room.Window{Shape: room.ShapeOf(600), Index: 1}
	run, pass := newRun(t), room.Pass{ID: "p", Issued: noon, Expiry: noon}
	tests := []struct {
		name  string
		want  int64
		tried func(keeper) error
	}{
		{"State", 3, func(s keeper) error { _, err := s.State(t.Context(), run.Event); return err }},
		{"Arrivals", 3, func(s keeper) error { _, err := s.Arrivals(t.Context(), run, 0, 1); return err }},
		{"Save", 1, func(s keeper) error { return s.Save(t.Context(), state(run, "a", 1), room.Fence{}) }},
		{"SaveWithPacing", 1, func(s keeper) error {
			return s.SaveWithPacing(t.Context(), state(run, "a", 1), room.Pacing{}, room.Fence{})
		}},
		{"Count", 1, func(s keeper) error { _, err := s.Count(t.Context(), run, 0, 0); return err }},
		{"SealShard", 3, func(s keeper) error { _, err := s.SealShard(t.Context(), run, 0, 0); return err }},
		{"PutSeal", 3, func(s keeper) error { return s.PutSeal(t.Context(), room.Seal{Run: run}) }},
		{"AddVisitor", 3, func(s keeper) error { _, err := s.AddVisitor(t.Context(), run, arrival(0)); return err }},
		{"Mark", 1, func(s keeper) error { _, _, err := s.Mark(t.Context(), run, "v", noon); return err }},
		{"Admit", 3, func(s keeper) error { _, err := s.Admit(t.Context(), run, "v", pass); return err }},
		{"TakeSlot", 1, func(s keeper) error { return s.TakeSlot(t.Context(), run, w, 0, 1, noon) }},
		{"TakeSlot of none", 0, func(s keeper) error { return s.TakeSlot(t.Context(), run, w, 0, 0, noon) }},
	}
	for _, test := range tests {
		attempts.Store(0)
		err := test.tried(store.New(dynamodbtest.Connect(endpoint.URL), "table", time.Now))
		if err == nil || errors.Is(err, store.ErrThrottled) {
			t.Errorf("%s: %v", test.name, err)
		}
		if n := attempts.Load(); n != test.want {
			t.Errorf("%s was tried %d times, want %d", test.name, n, test.want)
		}
	}
}

// lossy passes calls on to an engine and, when told so, cuts the connection instead of answering.
type lossy struct {
	engine http.Handler
	mu     sync.Mutex
	lose   bool
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	lose := l.lose
	l.lose = false
	l.mu.Unlock()
	if !lose {
		l.engine.ServeHTTP(w, r)
		return
	}
	l.engine.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func (l *lossy) loseNext() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = true
}

// TestLostAnswers holds what a write reports that happened and whose answer was lost.
func TestLostAnswers(t *testing.T) {
	engine := &lossy{engine: dynamodbtest.NewEngine()}
	endpoint := httptest.NewServer(engine)
	t.Cleanup(endpoint.Close)
	client := dynamodbtest.Connect(endpoint.URL)
	s, run := store.New(client, dynamodbtest.Table(t, client, prefix), time.Now), newRun(t)

	// Those that are not repeated report an unknown outcome, and happened once.
	unknown := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: no error for a lost answer", name)
		}
		for _, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				t.Errorf("%s: %v, but the outcome is unknown", name, err)
			}
		}
	}
	engine.loseNext()
	_, err := s.Count(t.Context(), run, 0, 0)
	unknown("Count", err)
	wantSame(t, must(s.Arrivals(t.Context(), run, 0, 1))(t), 1)

	engine.loseNext()
	unknown("Save", s.Save(t.Context(), state(run, "a", 1), room.Fence{}))
	wantSame(t, must(s.State(t.Context(), run.Event))(t), state(run, "a", 1))

	engine.loseNext()
	unknown("SaveWithPacing", s.SaveWithPacing(t.Context(), state(run, "a", 2), room.Pacing{}, room.Fence{Owner: "a", Version: 1}))
	wantSame(t, must(s.State(t.Context(), run.Event))(t), state(run, "a", 2))

	w := room.Window{Shape: room.ShapeOf(600), Index: 1}
	engine.loseNext()
	unknown("TakeSlot", s.TakeSlot(t.Context(), run, w, 0, 5, noon))
	if n, _, err := s.Taken(t.Context(), run, w, 0); n != 1 || err != nil {
		t.Errorf("%d slots taken, %v; want 1", n, err)
	}

	// Those that are repeated meet their own earlier write, and report success.
	engine.loseNext()
	wantSame(t, must(s.SealShard(t.Context(), run, 0, 0))(t), 1)
	engine.loseNext()
	if err := s.PutSeal(t.Context(), room.Seal{Run: run, Counts: []int64{1}}); err != nil {
		t.Error(err)
	}
	engine.loseNext()
	wantSame(t, must(s.AddVisitor(t.Context(), run, arrival(0)))(t), arrival(0))
	engine.loseNext()
	pass := room.Pass{ID: "p", Issued: noon.Truncate(time.Second), Expiry: noon.Truncate(time.Second)}
	wantSame(t, must(s.Admit(t.Context(), run, arrival(0).ID, pass))(t), pass)

	v := arrival(1)
	v.ID = fmt.Sprintf("%032x", 1)
	must(s.AddVisitor(t.Context(), run, v))(t)
	engine.loseNext()
	_, _, err = s.Mark(t.Context(), run, v.ID, noon)
	unknown("Mark", err)
	wantSame(t, must(s.Visitor(t.Context(), run, v.ID))(t).Mark, noon)
}
