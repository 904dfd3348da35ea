package dynamodb_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
)

// twins are an engine of ours and, if there is one at hand, another, each with a table.
type twins struct {
	ours, other *sdk.Client // other is nil without an endpoint
	table       string
}

func newTwins(t *testing.T) twins {
	engine := dynamodb.NewEngine()
	tw := twins{ours: inProcess(engine), table: "twins-" + rand.Text()}
	if endpoint := os.Getenv(dynamodbtest.Endpoint); endpoint != "" {
		tw.other = dynamodbtest.Connect(endpoint)
	}
	for _, client := range tw.clients() {
		if err := dynamodb.CreateTable(t.Context(), client, tw.table); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			client.DeleteTable(context.Background(), &sdk.DeleteTableInput{TableName: &tw.table})
		})
	}
	return tw
}

func (tw twins) clients() []*sdk.Client {
	if tw.other == nil {
		return []*sdk.Client{tw.ours}
	}
	return []*sdk.Client{tw.ours, tw.other}
}

// outcome is what a call came to, without the words of a message.
type outcome struct {
	Code       string
	Attributes attributes
	Reasons    []string // of a cancelled transaction, or the items of a batch
	Units      float64
}

func outcomeOf(found attributes, units float64, err error) outcome {
	o := outcome{Attributes: found, Units: units}
	var api smithy.APIError
	var refused *types.ConditionalCheckFailedException
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &refused) {
		o.Attributes = refused.Item
	}
	if errors.As(err, &cancelled) {
		for _, reason := range cancelled.CancellationReasons {
			o.Reasons = append(o.Reasons, aws.ToString(reason.Code)+fmt.Sprint(describe(reason.Item)))
		}
	}
	if errors.As(err, &api) {
		o.Code = api.ErrorCode()
	} else if err != nil {
		o.Code = err.Error()
	}
	return o
}

// describe writes sets in order and numbers in one form: DynamoDB Local returns some as they were
// given.
func describe(v any) string {
	switch v := v.(type) {
	case attributes:
		var parts []string
		for name, e := range v {
			parts = append(parts, name+"="+describe(e))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case *types.AttributeValueMemberM:
		return describe(v.Value)
	case *types.AttributeValueMemberL:
		var parts []string
		for _, e := range v.Value {
			parts = append(parts, describe(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case *types.AttributeValueMemberS:
		return strconv.Quote(v.Value)
	case *types.AttributeValueMemberN:
		n, ok := new(big.Rat).SetString(v.Value)
		if !ok {
			return "not a number: " + v.Value
		}
		return n.RatString()
	case *types.AttributeValueMemberSS:
		return "SS" + strings.Join(slices.Sorted(slices.Values(v.Value)), ",")
	case *types.AttributeValueMemberNS:
		var parts []string
		for _, n := range v.Value {
			parts = append(parts, describe(&types.AttributeValueMemberN{Value: n}))
		}
		slices.Sort(parts)
		return "NS" + strings.Join(parts, ",")
	}
	return strings.TrimPrefix(fmt.Sprintf("%T%+v", v, v), "*types.AttributeValueMember")
}

func (o outcome) String() string {
	return fmt.Sprintf("%s %s %v %v units", o.Code, describe(o.Attributes), o.Reasons, o.Units)
}

// random makes calls up, out of few keys, names and values, so that they meet one another.
type random struct {
	*mathrand.Rand
	table  string
	names  map[string]string
	values attributes
}

func (r *random) one(of ...string) string { return of[r.IntN(len(of))] }

func (r *random) key() attributes {
	return attributes{"pk": text(r.one("p", "q")), "sk": text(r.one("1", "2", "3"))}
}

func (r *random) value() types.AttributeValue {
	switch r.IntN(12) {
	case 0, 1:
		return text(r.one("", "a", "ab", "é\"\n", "b"))
	case 2, 3, 4:
		return number(r.one("0", "1", "-1", "2", "10", "1.50", "-0.0", "1e3", "0.001", "12345678901234567890123456789012345678", "9223372036854775807"))
	case 5:
		return &types.AttributeValueMemberBOOL{Value: r.IntN(2) == 0}
	case 6:
		return &types.AttributeValueMemberNULL{Value: true}
	case 7:
		return &types.AttributeValueMemberB{Value: []byte(r.one("x", "xy", "\x00\xff"))}
	case 8:
		return &types.AttributeValueMemberSS{Value: [][]string{{"a"}, {"a", "b"}, {"b", "c"}}[r.IntN(3)]}
	case 9:
		return &types.AttributeValueMemberNS{Value: [][]string{{"1"}, {"1.0", "2"}, {"3", "-2"}}[r.IntN(3)]}
	case 10:
		return &types.AttributeValueMemberL{Value: []types.AttributeValue{r.value(), text("a")}[:r.IntN(3)]}
	}
	return &types.AttributeValueMemberM{Value: attributes{"x": r.value(), "y": number("1")}}
}

// name and given are an attribute's placeholder or name and a value's placeholder.
func (r *random) name() string {
	name := r.one("a", "b", "c", "d", "n", "ttl")
	if name == "ttl" || r.IntN(2) == 0 {
		r.names["#"+name] = name
		return "#" + name
	}
	return name
}

func (r *random) path() string {
	switch r.IntN(8) {
	case 0:
		return r.name() + "." + r.one("x", "y")
	case 1:
		return r.name() + "[" + r.one("0", "1", "5") + "]"
	}
	return r.name()
}

func (r *random) given() string {
	placeholder := fmt.Sprint(":v", len(r.values))
	r.values[placeholder] = r.value()
	return placeholder
}

func (r *random) condition(depth int) string {
	if depth > 0 && r.IntN(3) == 0 {
		switch r.IntN(4) {
		case 0:
			return "NOT " + r.condition(depth-1)
		case 1:
			return "(" + r.condition(depth-1) + ")"
		case 2:
			return r.condition(depth-1) + " AND " + r.condition(depth-1)
		}
		return r.condition(depth-1) + " OR " + r.condition(depth-1)
	}
	switch r.IntN(9) {
	case 0, 1:
		return r.one("attribute_exists(", "attribute_not_exists(") + r.path() + ")"
	case 2:
		return "begins_with(" + r.path() + ", " + r.given() + ")"
	case 3:
		return "contains(" + r.path() + ", " + r.given() + ")"
	case 4:
		r.values[":n"] = number(r.one("0", "1", "2"))
		return "size(" + r.path() + ") " + r.one("=", "<", ">=") + " :n"
	case 5:
		return r.path() + " IN (" + r.given() + ", " + r.given() + ")"
	case 6:
		r.values[":type"] = text(r.one("S", "N", "L", "M", "NS"))
		return "attribute_type(" + r.path() + ", :type)"
	}
	return r.path() + " " + r.one("=", "<>", "<", "<=", ">", ">=") + " " + r.one(r.given(), r.path())
}

func (r *random) update() string {
	var clauses []string
	for range 1 + r.IntN(2) {
		switch r.IntN(6) {
		case 0:
			clauses = append(clauses, "SET "+r.path()+" = "+r.given())
		case 1:
			clauses = append(clauses, "SET "+r.path()+" = if_not_exists("+r.path()+", "+r.given()+")")
		case 2:
			r.values[":d"] = number(r.one("1", "-2", "0.5", "99999999999999999999999999999999999999"))
			clauses = append(clauses, "SET "+r.path()+" = "+r.path()+r.one(" + ", " - ")+":d")
		case 3:
			clauses = append(clauses, "REMOVE "+r.path()+", "+r.path())
		case 4:
			clauses = append(clauses, "ADD "+r.path()+" "+r.given())
		case 5:
			clauses = append(clauses, "DELETE "+r.path()+" "+r.given())
		}
	}
	return strings.Join(clauses, " ")
}

// call makes a call up, to be sent to several engines. Each takes a copy of its own.
func (r *random) call() (string, func(context.Context, *sdk.Client) outcome) {
	r.names, r.values = map[string]string{}, attributes{}
	key := r.key()
	show := types.ReturnValuesOnConditionCheckFailure(r.one("NONE", "ALL_OLD"))
	var condition *string
	if r.IntN(2) == 0 {
		condition = aws.String(r.condition(2))
	}
	none := func(m map[string]string) map[string]string {
		if len(m) == 0 {
			return nil
		}
		return m
	}
	switch r.IntN(8) {
	case 0:
		in := &sdk.PutItemInput{TableName: &r.table, Item: key, ConditionExpression: condition, ReturnValuesOnConditionCheckFailure: show,
			ReturnValues: types.ReturnValue(r.one("NONE", "ALL_OLD")), ReturnConsumedCapacity: "TOTAL"}
		for range r.IntN(4) {
			in.Item[r.one("a", "b", "c", "d", "n", "ttl")] = r.value()
		}
		if condition == nil && r.IntN(8) == 0 {
			in.Item["long"] = text(strings.Repeat("x", r.IntN(4000)))
		}
		if condition != nil {
			in.ExpressionAttributeNames, in.ExpressionAttributeValues = none(r.names), noneOf(r.values)
		}
		return fmt.Sprint("put ", describe(in.Item), " if ", aws.ToString(condition), " ", describe(r.values)), func(ctx context.Context, c *sdk.Client) outcome {
			out, err := c.PutItem(ctx, in)
			if err != nil {
				return outcomeOf(nil, 0, err)
			}
			return outcomeOf(out.Attributes, *out.ConsumedCapacity.CapacityUnits, nil)
		}
	case 1:
		in := &sdk.DeleteItemInput{TableName: &r.table, Key: key, ConditionExpression: condition, ReturnValuesOnConditionCheckFailure: show,
			ReturnValues: types.ReturnValue(r.one("NONE", "ALL_OLD")), ReturnConsumedCapacity: "TOTAL",
			ExpressionAttributeNames: none(r.names), ExpressionAttributeValues: noneOf(r.values)}
		return fmt.Sprint("delete ", describe(key), " if ", aws.ToString(condition), " ", describe(r.values)), func(ctx context.Context, c *sdk.Client) outcome {
			out, err := c.DeleteItem(ctx, in)
			if err != nil {
				return outcomeOf(nil, 0, err)
			}
			return outcomeOf(out.Attributes, *out.ConsumedCapacity.CapacityUnits, nil)
		}
	case 2:
		return r.transaction(condition, show)
	case 3:
		return r.batch()
	}
	in := &sdk.UpdateItemInput{TableName: &r.table, Key: key, ConditionExpression: condition, ReturnValuesOnConditionCheckFailure: show,
		UpdateExpression: aws.String(r.update()),
		ReturnValues:     types.ReturnValue(r.one("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")), ReturnConsumedCapacity: "TOTAL"}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = none(r.names), noneOf(r.values)
	return fmt.Sprint("update ", describe(key), " ", *in.UpdateExpression, " if ", aws.ToString(condition), " ", describe(r.values), " returning ", in.ReturnValues), func(ctx context.Context, c *sdk.Client) outcome {
		out, err := c.UpdateItem(ctx, in)
		if err != nil {
			return outcomeOf(nil, 0, err)
		}
		return outcomeOf(out.Attributes, *out.ConsumedCapacity.CapacityUnits, nil)
	}
}

func noneOf(a attributes) attributes {
	if len(a) == 0 {
		return nil
	}
	return a
}

// batch reads some items, now and then one of them twice, which is refused. Items come in any order.
func (r *random) batch() (string, func(context.Context, *sdk.Client) outcome) {
	r.names = map[string]string{}
	asked := types.KeysAndAttributes{ConsistentRead: aws.Bool(r.IntN(2) == 0)}
	for range 1 + r.IntN(3) {
		asked.Keys = append(asked.Keys, r.key())
	}
	if r.IntN(2) == 0 {
		asked.ProjectionExpression = aws.String(r.path() + ", " + r.path())
	}
	if len(r.names) > 0 {
		asked.ExpressionAttributeNames = r.names
	}
	in := &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{r.table: asked}, ReturnConsumedCapacity: "TOTAL"}
	var keys []string
	for _, k := range asked.Keys {
		keys = append(keys, describe(k))
	}
	return fmt.Sprint("read ", keys, " ", aws.ToString(asked.ProjectionExpression)), func(ctx context.Context, c *sdk.Client) outcome {
		out, err := c.BatchGetItem(ctx, in)
		if err != nil {
			return outcomeOf(nil, 0, err)
		}
		o := outcomeOf(nil, 0, nil)
		// What is not there costs as much as what is small, by the documentation, and nothing in
		// DynamoDB Local: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
		if len(out.Responses[r.table]) == len(asked.Keys) {
			o.Units = *out.ConsumedCapacity[0].CapacityUnits
		}
		for _, item := range out.Responses[r.table] {
			o.Reasons = append(o.Reasons, describe(item))
		}
		slices.Sort(o.Reasons)
		o.Reasons = append(o.Reasons, fmt.Sprint(len(out.UnprocessedKeys), " left"))
		return o
	}
}

// transaction puts one item, on condition if there is one, and counts in another.
func (r *random) transaction(condition *string, show types.ReturnValuesOnConditionCheckFailure) (string, func(context.Context, *sdk.Client) outcome) {
	guarded, beside := r.key(), r.key()
	for describe(beside) == describe(guarded) {
		beside = r.key() // whether that or the condition is refused first differs
	}
	check := types.TransactWriteItem{Delete: &types.Delete{TableName: &r.table, Key: guarded, ConditionExpression: condition,
		ExpressionAttributeNames: r.names, ExpressionAttributeValues: noneOf(r.values), ReturnValuesOnConditionCheckFailure: show}}
	if len(r.names) == 0 {
		check.Delete.ExpressionAttributeNames = nil
	}
	if condition != nil && r.IntN(2) == 0 {
		check = types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &r.table, Key: guarded, ConditionExpression: condition,
			ExpressionAttributeNames: check.Delete.ExpressionAttributeNames, ExpressionAttributeValues: check.Delete.ExpressionAttributeValues, ReturnValuesOnConditionCheckFailure: show}}
	}
	in := &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &types.Update{TableName: &r.table, Key: beside, UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: attributes{":one": number("1")}}},
		check,
	}}
	return fmt.Sprint("transaction ", describe(guarded), " if ", aws.ToString(condition), " ", describe(r.values), ", beside ", describe(beside)), func(ctx context.Context, c *sdk.Client) outcome {
		once := *in
		// DynamoDB Local counts three writes where one of two deletes what is not there, so the units
		// are left out.
		_, err := c.TransactWriteItems(ctx, &once)
		return outcomeOf(nil, 0, err)
	}
}

// TestRandomCalls holds that calls in any order come to the same as on another engine, if there is
// one, and that none of them is an internal error.
func TestRandomCalls(t *testing.T) {
	tw := newTwins(t)
	for seed := range uint64(20) {
		r := &random{Rand: mathrand.New(mathrand.NewPCG(seed, 1)), table: tw.table}
		for range 100 {
			title, call := r.call()
			got := call(t.Context(), tw.ours)
			if got.Code != "" && !slices.Contains([]string{"ValidationException", "ConditionalCheckFailedException", "TransactionCanceledException"}, got.Code) {
				t.Fatalf("%s\ncame to %v", title, got)
			}
			if tw.other == nil {
				continue
			}
			want := call(t.Context(), tw.other)
			// DynamoDB tells which item of a transaction is invalid, DynamoDB Local does not:
			// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
			if want.Code == "ValidationException" && strings.Contains(fmt.Sprint(got.Reasons), "ValidationError") {
				continue
			}
			if got.String() != want.String() {
				t.Errorf("seed %d: %s\ncame to %v\nwant    %v", seed, title, got, want)
			}
		}
		if tw.other != nil {
			if got, want := content(t, tw.ours, tw.table), content(t, tw.other, tw.table); got != want {
				t.Fatalf("the tables differ:\n%s\n%s", got, want)
			}
		}
	}
}

// content lists all items, one page after the other.
func content(t *testing.T, client *sdk.Client, table string) string {
	t.Helper()
	var items []string
	pages := sdk.NewScanPaginator(client, &sdk.ScanInput{TableName: &table, Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			items = append(items, describe(item))
		}
	}
	slices.Sort(items)
	return strings.Join(items, "\n")
}
