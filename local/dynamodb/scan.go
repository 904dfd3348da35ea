package dynamodb

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Scan and Query are for a developer who looks into a table: the room itself never lists items. A
// page sorts the keys of the shards that it reads, which takes milliseconds where millions are held.

// mostRead is how many bytes of items a page reads, before its filter.
const mostRead = 1 << 20

// listing is what Scan and Query have in common.
type listing struct {
	table      *table
	scope      scope
	filter     condition // or nil
	projection []path    // or nil for all attributes
	count      bool      // of the items only
	limit      int       // 0 for none
	consistent bool
	asked      types.ReturnConsumedCapacity
}

// page is what a listing found.
type page struct {
	items          []attributes
	found, scanned int32
	last           attributes // the key to go on after, or nil at the end
	bytes          int
}

// take adds an item that was read, and reports whether the page is full. The caller says by key
// whether anything comes after.
func (l *listing) take(p *page, id, encoded string) (full bool, err error) {
	item := l.table.decode(id, encoded)
	p.scanned++
	p.bytes += size(item)
	l.scope.item = item
	held := true
	if l.filter != nil {
		if held, err = l.filter.holds(&l.scope); err != nil {
			return false, err
		}
	}
	if held {
		p.found++
		if l.projection != nil {
			item = l.scope.project(l.projection)
		}
		if !l.count {
			p.items = append(p.items, item)
		}
	}
	if int(p.scanned) == l.limit || p.bytes >= mostRead {
		p.last = attributes{}
		l.table.addKey(p.last, id)
		return true, nil
	}
	return false, nil
}

func (l *listing) consumed(p *page) *types.ConsumedCapacity {
	return consumed(l.asked, l.table, readUnits(p.bytes, l.consistent))
}

func limitOf(limit *int32) (int, error) {
	if limit != nil && *limit < 1 {
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *limit)
	}
	return int(aws.ToInt32(limit)), nil
}

// selected applies Select, which names what a listing returns.
func (l *listing) selected(asked types.Select, projection *expression) error {
	switch {
	case asked == types.SelectCount:
		l.count = true
	case asked == types.SelectAllProjectedAttributes:
		return invalid("One or more parameter values were invalid: Select type ALL_PROJECTED_ATTRIBUTES is for indexes, which this engine does not have")
	}
	if projection != nil {
		l.projection = projection.paths
		return l.scope.disjoint(projectionExpression, l.projection)
	}
	return known("select", asked)
}

// Scan lists all items, of one segment if told so, in an order that stays the same while the process
// lives.
func (e *Engine) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	if in.AttributesToGet != nil || in.ConditionalOperator != "" || in.ScanFilter != nil {
		return nil, legacy("AttributesToGet and ScanFilter")
	}
	if in.IndexName != nil {
		return nil, errNoIndex
	}
	l := listing{consistent: aws.ToBool(in.ConsistentRead), asked: in.ReturnConsumedCapacity}
	var err error
	if l.table, err = e.table(in.TableName); err != nil {
		return nil, err
	}
	parsed, err := e.parseAll(&l.scope, placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues},
		param{filterExpression, in.FilterExpression}, param{projectionExpression, in.ProjectionExpression})
	if err != nil {
		return nil, err
	}
	if parsed[0] != nil {
		l.filter = parsed[0].condition
	}
	if err := l.selected(in.Select, parsed[1]); err != nil {
		return nil, err
	}
	if l.limit, err = limitOf(in.Limit); err != nil {
		return nil, err
	}
	segment, total := int(aws.ToInt32(in.Segment)), 1
	if in.TotalSegments != nil {
		total = int(*in.TotalSegments)
	}
	if total < 1 || segment < 0 || segment >= total || (in.Segment == nil) != (in.TotalSegments == nil) {
		return nil, invalid("Segment and TotalSegments belong together; Segment is zero-based and must be less than TotalSegments")
	}
	var after key
	if in.ExclusiveStartKey != nil {
		if _, after, err = l.table.lone(in.ExclusiveStartKey); err != nil {
			return nil, err
		}
	}
	p, err := l.scan(after, segment, total)
	if err != nil {
		return nil, err
	}
	return &dynamodb.ScanOutput{Items: p.items, Count: p.found, ScannedCount: p.scanned, LastEvaluatedKey: p.last, ConsumedCapacity: l.consumed(p)}, nil
}

var errNoIndex = invalid("The table does not have the specified index: this engine has none")

// scan reads shard after shard, from the key after on.
func (l *listing) scan(after key, segment, total int) (*page, error) {
	p := &page{items: []attributes{}}
	for i := after.shard; i < shards; i++ {
		if i%total != segment {
			continue
		}
		for _, entry := range l.table.entries(i, "") {
			if i == after.shard && entry.id <= after.id {
				continue
			}
			if full, err := l.take(p, entry.id, entry.encoded); full || err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

type entry struct{ id, encoded string }

// entries are the items of a shard whose id begins with prefix, by id.
func (t *table) entries(i int, prefix string) []entry {
	s := &t.shards[i]
	s.mu.RLock()
	var all []entry
	for id, encoded := range s.items {
		if strings.HasPrefix(id, prefix) {
			all = append(all, entry{id, encoded})
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	return all
}

// Query lists the items of one partition key in the order of their sort keys.
func (e *Engine) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if in.AttributesToGet != nil || in.ConditionalOperator != "" || in.KeyConditions != nil || in.QueryFilter != nil {
		return nil, legacy("AttributesToGet, KeyConditions and QueryFilter")
	}
	if in.IndexName != nil {
		return nil, errNoIndex
	}
	l := listing{consistent: aws.ToBool(in.ConsistentRead), asked: in.ReturnConsumedCapacity}
	var err error
	if l.table, err = e.table(in.TableName); err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	parsed, err := e.parseAll(&l.scope, placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues},
		param{keyConditionExpression, in.KeyConditionExpression}, param{filterExpression, in.FilterExpression}, param{projectionExpression, in.ProjectionExpression})
	if err != nil {
		return nil, err
	}
	keys := parsed[0].condition
	if parsed[1] != nil {
		l.filter = parsed[1].condition
	}
	if err := l.selected(in.Select, parsed[2]); err != nil {
		return nil, err
	}
	if l.limit, err = limitOf(in.Limit); err != nil {
		return nil, err
	}
	partition, err := l.table.partitionOf(keys, &l.scope)
	if err != nil {
		return nil, err
	}
	var after *key
	if in.ExclusiveStartKey != nil {
		_, k, err := l.table.lone(in.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		after = &k
	}
	p, err := l.query(partition, keys, after, in.ScanIndexForward == nil || *in.ScanIndexForward)
	if err != nil {
		return nil, err
	}
	return &dynamodb.QueryOutput{Items: p.items, Count: p.found, ScannedCount: p.scanned, LastEvaluatedKey: p.last, ConsumedCapacity: l.consumed(p)}, nil
}

// partitionOf finds the partition key in a key condition, and refuses what such a condition may not
// hold: partition = value, and one comparison of the sort key at most.
func (t *table) partitionOf(keys condition, s *scope) (string, error) {
	parts := []condition{keys}
	if both, ok := keys.(and); ok {
		parts = []condition{both.left, both.right}
	}
	partition := ""
	for _, part := range parts {
		attribute, operator, given := keyCondition(part)
		name := ""
		if len(attribute) == 1 {
			name = s.name(attribute[0].name)
		}
		switch {
		case name == t.partition.name && operator == "=" && partition == "":
			var err error
			if partition, err = keyText(t.partition, attributes{name: s.values[given]}); err != nil {
				return "", err
			}
		case name != "" && name == t.sort.name && operator != "<>" && operator != "":
		default:
			return "", invalid("Query key condition not supported")
		}
	}
	if partition == "" {
		return "", invalid("Query condition missed key schema element: %s", t.partition.name)
	}
	return partition, nil
}

// keyCondition takes a comparison of an attribute with a value apart.
func keyCondition(c condition) (attribute path, operator, given string) {
	var left, right operand
	switch c := c.(type) {
	case comparison:
		left, right, operator = c.left, c.right, c.operator
	case between:
		left, right, operator = c.of, c.low, "BETWEEN"
	case match:
		if c.function == "begins_with" {
			left, right, operator = c.left, c.right, c.function
		}
	}
	attribute, _ = left.(path)
	value, ok := right.(placeholder)
	if !ok {
		return nil, "", ""
	}
	return attribute, operator, string(value)
}

func (l *listing) query(partition string, keys condition, after *key, forward bool) (*page, error) {
	t := l.table
	all := t.entries(t.shardOf(partition), string(appendText(nil, partition)))
	order := func(a, b string) int {
		_, x := split(a)
		_, y := split(b)
		if t.sort.kind == types.ScalarAttributeTypeN {
			return compareNumbers(x, y)
		}
		return strings.Compare(x, y)
	}
	if !forward {
		ascending := order
		order = func(a, b string) int { return ascending(b, a) }
	}
	slices.SortFunc(all, func(a, b entry) int { return order(a.id, b.id) })
	p := &page{items: []attributes{}}
	for _, entry := range all {
		if after != nil && order(entry.id, after.id) <= 0 {
			continue
		}
		l.scope.item = attributes{}
		t.addKey(l.scope.item, entry.id)
		if held, err := keys.holds(&l.scope); !held || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		if full, err := l.take(p, entry.id, entry.encoded); full || err != nil {
			return p, err
		}
	}
	return p, nil
}
