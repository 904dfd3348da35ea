package dynamodb_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
)

func keyOf(pk, sk string) attributes { return attributes{"pk": text(pk), "sk": text(sk)} }

func get(t *testing.T, engine *dynamodb.Engine, pk, sk string) attributes {
	t.Helper()
	out, err := engine.GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("room"), Key: keyOf(pk, sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func add(pk, sk string) *sdk.UpdateItemInput {
	return &sdk.UpdateItemInput{
		TableName: aws.String("room"), Key: keyOf(pk, sk), UpdateExpression: aws.String("ADD n :one"),
		ExpressionAttributeValues: attributes{":one": number("1")},
	}
}

func transfer(pk, other string, token *string) *sdk.TransactWriteItemsInput {
	var items []types.TransactWriteItem
	for _, pk := range []string{pk, other} {
		in := add(pk, "s")
		items = append(items, types.TransactWriteItem{Update: &types.Update{TableName: in.TableName, Key: in.Key,
			UpdateExpression: in.UpdateExpression, ExpressionAttributeValues: in.ExpressionAttributeValues}})
	}
	return &sdk.TransactWriteItemsInput{TransactItems: items, ClientRequestToken: token}
}

// TestNothingIsLostUnderConcurrency adds by single updates and by transactions that take the same
// two items in either order.
func TestNothingIsLostUnderConcurrency(t *testing.T) {
	const workers, each = 8, 200
	engine := newTable(t)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			pk, other := "a", "b"
			if worker%2 == 0 {
				pk, other = other, pk
			}
			for range each {
				if _, err := engine.UpdateItem(t.Context(), add(pk, "s")); err != nil {
					t.Error(err)
				}
				if _, err := engine.TransactWriteItems(t.Context(), transfer(pk, other, nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, pk := range []string{"a", "b"} {
		if want := number(fmt.Sprint(workers*each + workers/2*each)); !same(get(t, engine, pk, "s")["n"], want) {
			t.Errorf("%s counted %s, want %s", pk, describe(get(t, engine, pk, "s")), describe(want))
		}
	}
}

func TestTransactionUnderItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, token := newTable(t), aws.String("token")
		want := func(n string) {
			t.Helper()
			if got := get(t, engine, "a", "s")["n"]; !same(got, number(n)) {
				t.Errorf("counted %s, want %s", describe(attributes{"n": got}), n)
			}
		}
		for range 2 {
			if _, err := engine.TransactWriteItems(t.Context(), transfer("a", "b", token)); err != nil {
				t.Fatal(err)
			}
			want("1")
		}
		var mismatch *types.IdempotentParameterMismatchException
		if _, err := engine.TransactWriteItems(t.Context(), transfer("a", "c", token)); !errors.As(err, &mismatch) {
			t.Errorf("another transaction under the token: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if _, err := engine.TransactWriteItems(t.Context(), transfer("a", "b", token)); err != nil {
			t.Fatal(err)
		}
		want("2")
	})
}

// TestUnits holds what calls consume, refused ones included.
func TestUnits(t *testing.T) {
	engine := newTable(t)
	// 6 bytes of keys, and 1 for the name.
	item := func(size int) attributes {
		a := keyOf("p", "s")
		a["a"] = text(strings.Repeat("x", size-7))
		return a
	}
	writing := func(size int, condition *string) (float64, error) {
		out, err := engine.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("room"), Item: item(size),
			ConditionExpression: condition, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		if err != nil {
			return 0, err
		}
		return *out.ConsumedCapacity.CapacityUnits, nil
	}
	for _, test := range []struct {
		size int
		want float64
	}{{100, 1}, {1024, 1}, {1025, 2}, {9000, 9}, {100, 9}, {100, 1}, {4097, 5}} {
		if got, err := writing(test.size, nil); got != test.want || err != nil {
			t.Errorf("an item of %d bytes took %v, %v; want %v", test.size, got, err, test.want)
		}
	}
	var refused *dynamodb.Refused
	if _, err := writing(9000, aws.String("attribute_not_exists(pk)")); !errors.As(err, &refused) || refused.Units != 5 {
		t.Errorf("a refused write: %+v, want 5 units, by the item that stood there", refused)
	}
	for consistent, want := range map[bool]float64{true: 2, false: 1} {
		out, err := engine.GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("room"), Key: keyOf("p", "s"),
			ConsistentRead: aws.Bool(consistent), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		if err != nil || *out.ConsumedCapacity.CapacityUnits != want {
			t.Errorf("reading 4,097 bytes: %+v, %v; want %v", out, err, want)
		}
	}
	in := transfer("a", "b", nil)
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := engine.TransactWriteItems(t.Context(), in)
	if err != nil || len(out.ConsumedCapacity) != 1 || *out.ConsumedCapacity[0].CapacityUnits != 4 {
		t.Errorf("a transaction: %+v, %v; want 4 units", out, err)
	}
	in.TransactItems[1].Update.ConditionExpression = aws.String("attribute_not_exists(n)")
	if _, err := engine.TransactWriteItems(t.Context(), in); !errors.As(err, &refused) || refused.Units != 4 {
		t.Errorf("a cancelled transaction: %+v, %v; want 4 units", refused, err)
	}
}

// TestNumbers holds sums and forms of numbers, which have 38 digits.
// batch asks for items of the table room, by the sort keys of the partition p.
func batch(sks ...string) *sdk.BatchGetItemInput {
	var keys []attributes
	for _, sk := range sks {
		keys = append(keys, keyOf("p", sk))
	}
	return &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"room": {Keys: keys}}}
}

func TestBatches(t *testing.T) {
	engine := newTable(t)
	client := inProcess(engine)
	if err := dynamodb.CreateTable(t.Context(), client, "other"); err != nil {
		t.Fatal(err)
	}
	for sk, long := range map[string]int{"0": 10, "1": 4096, "2": 5000} {
		for _, table := range []string{"room", "other"} {
			item := attributes{"pk": text("p"), "sk": text(sk), "n": number(sk), "long": text(strings.Repeat("x", long))}
			if _, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := batch("2", "none", "0", "1")
	asked := in.RequestItems["room"]
	asked.ProjectionExpression, asked.ExpressionAttributeNames = aws.String("#n"), map[string]string{"#n": "n"}
	in.RequestItems["room"] = asked
	in.RequestItems["other"] = types.KeysAndAttributes{Keys: []attributes{keyOf("p", "0"), keyOf("q", "0")}, ConsistentRead: aws.Bool(true)}
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := client.BatchGetItem(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := out.Responses["room"], []attributes{{"n": number("2")}, {"n": number("0")}, {"n": number("1")}}; !same(got, want) {
		t.Errorf("read %v of one table, want %v", got, want)
	}
	if got := out.Responses["other"]; len(got) != 1 || !same(got[0], get(t, engine, "p", "0")) {
		t.Errorf("read %v of the other", got)
	}
	if out.UnprocessedKeys == nil || len(out.UnprocessedKeys) > 0 || len(out.Responses) != 2 {
		t.Errorf("%+v", out)
	}
	// Two of 4 KB and more cost twice as much, and what is not there costs as much as what is small.
	units := map[string]float64{}
	for _, c := range out.ConsumedCapacity {
		units[*c.TableName] = *c.CapacityUnits
	}
	if want := map[string]float64{"room": 1 + 0.5 + 0.5 + 1, "other": 1 + 1}; !same(units, want) {
		t.Errorf("consumed %v, want %v", units, want)
	}
}

// TestLimitsOfBatches holds what one call reads, by number and by bytes.
func TestLimitsOfBatches(t *testing.T) {
	engine := newTable(t)
	var sks []string
	for i := range 101 {
		sks = append(sks, fmt.Sprint(i))
	}
	if _, err := engine.BatchGetItem(t.Context(), batch(sks[:100]...)); err != nil {
		t.Errorf("100 keys: %v", err)
	}
	two := batch(sks[:60]...)
	two.RequestItems["other"] = types.KeysAndAttributes{Keys: batch(sks[60:]...).RequestItems["room"].Keys}
	if err := dynamodb.CreateTable(t.Context(), inProcess(engine), "other"); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]*sdk.BatchGetItemInput{"101 keys": batch(sks...), "101 keys of two tables": two, "a key twice": batch("0", "1", "0")} {
		var refused smithy.APIError
		if _, err := engine.BatchGetItem(t.Context(), in); !errors.As(err, &refused) || refused.ErrorCode() != "ValidationException" {
			t.Errorf("%s: %v", name, err)
		}
	}

	long := strings.Repeat("x", 300<<10-100)
	for _, sk := range sks[:60] {
		item := attributes{"pk": text("p"), "sk": text(sk), "long": text(long)}
		if _, err := engine.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("room"), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	in, read := batch(sks[:60]...), map[string]bool{}
	for calls := 1; len(in.RequestItems) > 0; calls++ {
		out, err := engine.BatchGetItem(t.Context(), in)
		if err != nil || calls > 2 || calls == 1 && len(out.Responses["room"]) != 52 {
			t.Fatalf("call %d: %d items, %v", calls, len(out.Responses["room"]), err)
		}
		for _, item := range out.Responses["room"] {
			read[describe(item["sk"])] = true
		}
		in.RequestItems = out.UnprocessedKeys
	}
	if len(read) != 60 {
		t.Errorf("%d items read, want 60", len(read))
	}
}

func TestNumbers(t *testing.T) {
	engine := newTable(t)
	const most = "99999999999999999999999999999999999999"
	for _, test := range []struct{ a, b, want string }{
		{"1", "2", "3"}, {"-1", "1", "0"}, {"0.1", "0.2", "0.3"}, {"1.50", "0", "1.5"}, {"1e3", "-1", "999"},
		{"999999999999999999", "1", "1000000000000000000"}, {most, "-1", "99999999999999999999999999999999999998"},
		{"-0.0", "0", "0"}, {"1e-130", "0", "0." + strings.Repeat("0", 129) + "1"}, {"9e125", "0", "9" + strings.Repeat("0", 125)},
		{most, "0.1", ""}, {"9e125", "1e125", ""}, {"1e-131", "0", ""}, {"1e126", "0", ""}, {"", "1", ""}, {"1.2.3", "1", ""}, {"0x1", "1", ""},
	} {
		out, err := engine.UpdateItem(t.Context(), &sdk.UpdateItemInput{TableName: aws.String("room"), Key: keyOf("p", "s"),
			UpdateExpression: aws.String("SET n = :a + :b"), ReturnValues: types.ReturnValueUpdatedNew,
			ExpressionAttributeValues: attributes{":a": number(test.a), ":b": number(test.b)}})
		if err == nil {
			err = fmt.Errorf("%s", describe(out.Attributes))
		}
		if test.want != "" && !same(get(t, engine, "p", "s")["n"], number(test.want)) || test.want == "" && out != nil {
			t.Errorf("%s + %s: %v, want %q", test.a, test.b, err, test.want)
		}
	}
}

func TestQueryAndScan(t *testing.T) {
	client := inProcess(newTable(t))
	for i := range 20 {
		item := keyOf(fmt.Sprint("p", i%2), fmt.Sprintf("%02d", i))
		item["n"] = number(fmt.Sprint(i))
		if _, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("room"), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(content(t, client, "room"), "\n") + 1; n != 20 {
		t.Errorf("scanned %d items, want 20", n)
	}
	segments := 0
	for segment := range int32(3) {
		out, err := client.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("room"), Segment: &segment, TotalSegments: aws.Int32(3), Select: types.SelectCount})
		if err != nil || out.Items != nil && len(out.Items) > 0 {
			t.Fatal(out, err)
		}
		segments += int(out.Count)
	}
	if segments != 20 {
		t.Errorf("three segments hold %d items, want 20", segments)
	}
	given := attributes{":p": text("p1"), ":a": text("06"), ":b": text("16"), ":one": text("1"), ":n": number("14")}
	for _, test := range []struct {
		keys, filter string
		backward     bool
		want         string
	}{
		{"pk = :p", "", false, "01 03 05 07 09 11 13 15 17 19"},
		{"pk = :p", "", true, "19 17 15 13 11 09 07 05 03 01"},
		{"pk = :p AND sk > :a", "", false, "07 09 11 13 15 17 19"},
		{"sk BETWEEN :a AND :b AND pk = :p", "", true, "15 13 11 09 07"},
		{"pk = :p AND begins_with(sk, :one)", "n < :n", false, "11 13"},
	} {
		values := attributes{}
		for name, v := range given {
			if regexp.MustCompile(name + `\b`).MatchString(test.keys + " " + test.filter) {
				values[name] = v
			}
		}
		in := &sdk.QueryInput{TableName: aws.String("room"), KeyConditionExpression: &test.keys, ExpressionAttributeValues: values,
			ProjectionExpression: aws.String("sk"), Limit: aws.Int32(3), ScanIndexForward: aws.Bool(!test.backward)}
		if test.filter != "" {
			in.FilterExpression = &test.filter
		}
		var got []string
		for pages := sdk.NewQueryPaginator(client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(test.keys, err)
			}
			for _, item := range page.Items {
				got = append(got, item["sk"].(*types.AttributeValueMemberS).Value)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %s: %v, want %s", test.keys, test.filter, got, test.want)
		}
	}
}
