package dynamodb

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Engine keeps tables in memory. It is safe for concurrent use.
type Engine struct {
	mu          sync.RWMutex // of the list of tables
	tables      map[string]*table
	expressions expressions
	tokens      tokens
}

// NewEngine returns an engine without tables.
func NewEngine() *Engine { return &Engine{tables: map[string]*table{}} }

// shards is how many locks the items of a table have: enough that a few dozen calls at once seldom
// meet.
const shards = 256

// table keeps its items in maps without an order, so that an insert costs the same at any size. The
// items of one partition key are in one shard, and a query looks at no other.
type table struct {
	name      string
	partition keyAttribute
	sort      keyAttribute // without a name if there is none
	created   time.Time
	billing   types.BillingMode
	names     *vocabulary
	warm      *warmth
	seed      maphash.Seed
	shards    [shards]shard
}

type keyAttribute struct {
	name string
	kind types.ScalarAttributeType
}

type shard struct {
	mu    sync.RWMutex
	items map[string]string // encoded, by the id of their key
}

// key is where an item is. The id holds the length of the partition key, it and the sort key.
type key struct {
	shard int
	id    string
}

// keyOf returns the key in attributes, which may hold others too.
func (t *table) keyOf(attributes attributes) (key, error) {
	partition, err := keyText(t.partition, attributes)
	if err != nil {
		return key{}, err
	}
	b := make([]byte, 0, 160)
	b = appendText(b, partition)
	if t.sort.name != "" {
		sort, err := keyText(t.sort, attributes)
		if err != nil {
			return key{}, err
		}
		b = append(b, sort...)
	}
	return key{t.shardOf(partition), string(b)}, nil
}

func (t *table) shardOf(partition string) int { return int(maphash.String(t.seed, partition) % shards) }

func keyText(k keyAttribute, attributes attributes) (string, error) {
	given, ok := attributes[k.name]
	if !ok {
		return "", invalid("One or more parameter values were invalid: Missing the key %s in the item", k.name)
	}
	var s string
	switch v := given.(type) {
	case *text:
		s = v.Value
	case *number:
		s = v.Value
	case *binaryValue:
		s = string(v.Value)
	}
	if typeName(given) != string(k.kind) {
		return "", invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", k.name, k.kind, typeName(given))
	}
	if s == "" {
		return "", invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", k.name)
	}
	return s, nil
}

// split returns the two parts of an id.
func split(id string) (partition, sort string) {
	r := reader{id}
	partition = r.text()
	return partition, r.rest
}

// addKey puts the attributes of a key into an item.
func (t *table) addKey(item attributes, id string) {
	partition, sort := split(id)
	item[t.partition.name] = t.partition.value(partition)
	if t.sort.name != "" {
		item[t.sort.name] = t.sort.value(sort)
	}
}

func (k keyAttribute) value(s string) value {
	switch k.kind {
	case types.ScalarAttributeTypeN:
		return &number{Value: s}
	case types.ScalarAttributeTypeB:
		return &binaryValue{Value: []byte(s)}
	}
	return &text{Value: s}
}

// lone returns the key that a call gives by itself: nothing may be beside it.
func (t *table) lone(given attributes) (attributes, key, error) {
	want := 1
	if t.sort.name != "" {
		want = 2
	}
	cleaned, err := clean(given)
	if err != nil {
		return nil, key{}, err
	}
	for _, k := range []keyAttribute{t.partition, t.sort} {
		if v, ok := cleaned[k.name]; k.name != "" && (!ok || typeName(v) != string(k.kind)) || len(cleaned) != want {
			return nil, key{}, invalid("The provided key element does not match the schema")
		}
	}
	k, err := t.keyOf(cleaned)
	return cleaned, k, err
}

// get returns an item, or nil. The caller holds the shard's lock.
func (t *table) get(k key) attributes {
	if encoded, ok := t.shards[k.shard].items[k.id]; ok {
		return t.decode(k.id, encoded)
	}
	return nil
}

func (t *table) set(k key, item attributes) {
	if item == nil {
		delete(t.shards[k.shard].items, k.id)
		return
	}
	t.shards[k.shard].items[k.id] = t.encode(item)
}

// table returns a table for a call on items.
func (e *Engine) table(name *string) (*table, error) {
	if aws.ToString(name) == "" {
		return nil, invalid("1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null")
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	t, ok := e.tables[*name]
	if !ok {
		return nil, &types.ResourceNotFoundException{Message: aws.String("Requested resource not found")}
	}
	return t, nil
}

// CreateTable creates a table that can be used at once. It refuses indexes, streams and whatever else
// would change what calls do; what only concerns production, such as tags, is ignored.
func (e *Engine) CreateTable(_ context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	t, err := newTable(in)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.tables[t.name]; ok {
		return nil, &types.ResourceInUseException{Message: aws.String("Table already exists: " + t.name)}
	}
	e.tables[t.name] = t
	return &dynamodb.CreateTableOutput{TableDescription: t.describe()}, nil
}

func newTable(in *dynamodb.CreateTableInput) (*table, error) {
	if len(in.GlobalSecondaryIndexes)+len(in.LocalSecondaryIndexes) > 0 || in.StreamSpecification != nil {
		return nil, invalid("This engine has neither indexes nor streams: leave them out or use DynamoDB Local")
	}
	name := aws.ToString(in.TableName)
	if len(name) < 3 || len(name) > 255 {
		return nil, invalid("TableName must be at least 3 characters long and at most 255 characters long")
	}
	t := &table{name: name, created: time.Now(), billing: in.BillingMode, names: newVocabulary(), warm: newWarmth(), seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].items = map[string]string{}
	}
	for _, element := range in.KeySchema {
		k := keyAttribute{name: aws.ToString(element.AttributeName)}
		for _, definition := range in.AttributeDefinitions {
			if aws.ToString(definition.AttributeName) == k.name {
				k.kind = definition.AttributeType
			}
		}
		if !slices.Contains(k.kind.Values(), k.kind) {
			return nil, invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", k.name)
		}
		if element.KeyType == types.KeyTypeHash {
			t.partition = k
		} else {
			t.sort = k
		}
	}
	count := 1
	if t.sort.name != "" {
		count = 2
	}
	if t.partition.name == "" || t.partition.name == t.sort.name || len(in.KeySchema) != count || len(in.AttributeDefinitions) != count {
		return nil, invalid("One or more parameter values were invalid: KeySchema needs one HASH and at most one RANGE key, and AttributeDefinitions exactly these")
	}
	return t, nil
}

func (t *table) describe() *types.TableDescription {
	items := int64(0)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		items += int64(len(s.items))
		s.mu.RUnlock()
	}
	d := &types.TableDescription{
		TableName: aws.String(t.name), CreationDateTime: aws.Time(t.created),
		TableArn:             aws.String("arn:aws:dynamodb:local:000000000000:table/" + t.name),
		ItemCount:            aws.Int64(items),
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(t.partition.name), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(t.partition.name), AttributeType: t.partition.kind}},
	}
	if t.sort.name != "" {
		d.KeySchema = append(d.KeySchema, types.KeySchemaElement{AttributeName: aws.String(t.sort.name), KeyType: types.KeyTypeRange})
		d.AttributeDefinitions = append(d.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(t.sort.name), AttributeType: t.sort.kind})
	}
	t.warm.describe(d, time.Now())
	if t.billing != "" {
		d.BillingModeSummary = &types.BillingModeSummary{BillingMode: t.billing}
	}
	return d
}

// DescribeTable counts the items as they are now.
func (e *Engine) DescribeTable(_ context.Context, in *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	t, err := e.table(in.TableName)
	if err != nil {
		return nil, noTable(err, in.TableName)
	}
	return &dynamodb.DescribeTableOutput{Table: t.describe()}, nil
}

// noTable names the table, as DynamoDB does for calls on tables and does not for calls on items.
func noTable(err error, name *string) error {
	if missing, ok := err.(*types.ResourceNotFoundException); ok {
		missing.Message = aws.String("Requested resource not found: Table: " + *name + " not found")
	}
	return err
}

// DeleteTable forgets a table at once. A write that has found it already goes nowhere.
func (e *Engine) DeleteTable(_ context.Context, in *dynamodb.DeleteTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteTableOutput, error) {
	t, err := e.table(in.TableName)
	if err != nil {
		return nil, noTable(err, in.TableName)
	}
	e.mu.Lock()
	if e.tables[t.name] == t {
		delete(e.tables, t.name)
	}
	e.mu.Unlock()
	description := t.describe()
	description.TableStatus = types.TableStatusDeleting
	return &dynamodb.DeleteTableOutput{TableDescription: description}, nil
}

// mostTables is how many names ListTables returns at once.
const mostTables = 100

// ListTables lists the tables by name.
func (e *Engine) ListTables(_ context.Context, in *dynamodb.ListTablesInput, _ ...func(*dynamodb.Options)) (*dynamodb.ListTablesOutput, error) {
	limit := int(aws.ToInt32(in.Limit))
	if in.Limit == nil {
		limit = mostTables
	}
	if limit < 1 || limit > mostTables {
		return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", limit)
	}
	e.mu.RLock()
	var found []string
	for name := range e.tables {
		if name > aws.ToString(in.ExclusiveStartTableName) {
			found = append(found, name)
		}
	}
	e.mu.RUnlock()
	slices.Sort(found)
	out := &dynamodb.ListTablesOutput{TableNames: found}
	if len(found) > limit {
		out.TableNames, out.LastEvaluatedTableName = found[:limit], aws.String(found[limit-1])
	}
	return out, nil
}
