package dynamodb

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// readUnit is how many bytes one read unit is for.
const readUnit = 4 << 10

// GetItem implements API. Every read is of the latest write; one that need not be costs half.
func (e *Engine) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if in.AttributesToGet != nil {
		return nil, legacy("AttributesToGet")
	}
	t, err := e.table(in.TableName)
	if err != nil {
		return nil, err
	}
	s, err := e.projection(in.ExpressionAttributeNames, in.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	_, k, err := t.lone(in.Key)
	if err != nil {
		return nil, err
	}
	item := t.read(k)
	return &dynamodb.GetItemOutput{
		Item:             s.of(item),
		ConsumedCapacity: consumed(in.ReturnConsumedCapacity, t, readUnits(size(item), aws.ToBool(in.ConsistentRead))),
	}, nil
}

// read returns an item of its own, or nil.
func (t *table) read(k key) attributes {
	shard := &t.shards[k.shard]
	shard.mu.RLock()
	encoded, found := shard.items[k.id]
	shard.mu.RUnlock()
	if !found {
		return nil
	}
	return t.decode(k.id, encoded)
}

// projection is the part of an item that a read asks for.
type projection struct {
	scope scope
	paths []path // nil for everything
}

func (e *Engine) projection(names map[string]string, text *string) (projection, error) {
	var p projection
	parsed, err := e.parseAll(&p.scope, placeholders{names: names}, param{projectionExpression, text})
	if err != nil || parsed[0] == nil {
		return p, err
	}
	p.paths = parsed[0].paths
	return p, p.scope.disjoint(projectionExpression, p.paths)
}

func (p *projection) of(item attributes) attributes {
	if item == nil || p.paths == nil {
		return item
	}
	p.scope.item = item
	return p.scope.project(p.paths)
}

// What one batch reads at most: so many keys, and so many bytes, of which AWS's example has it that 52
// items of 300 KB fit
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
const (
	mostKeys    = 100
	longestRead = 16_000_000
)

// batch is what a BatchGetItem asks of one table.
type batch struct {
	table      *table
	projection projection
	keys       []key
	asked      types.KeysAndAttributes
}

// BatchGetItem implements API. Items are read one after the other, as they are at that moment, and
// answered in the order in which they were asked for, which DynamoDB does not promise. What is beyond
// the bytes that one answer holds comes back unprocessed.
func (e *Engine) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	batches, err := e.batches(in.RequestItems)
	if err != nil {
		return nil, err
	}
	out := &dynamodb.BatchGetItemOutput{
		Responses: map[string][]attributes{}, UnprocessedKeys: map[string]types.KeysAndAttributes{},
	}
	length := 0
	for _, b := range batches {
		found, units := []attributes{}, 0.0
		for i, k := range b.keys {
			item := b.table.read(k)
			n := size(item)
			if length += n; length > longestRead {
				b.asked.Keys = b.asked.Keys[i:]
				out.UnprocessedKeys[b.table.name] = b.asked
				break
			}
			units += readUnits(n, aws.ToBool(b.asked.ConsistentRead))
			if item != nil {
				found = append(found, b.projection.of(item))
			}
		}
		out.Responses[b.table.name] = found
		if c := consumed(in.ReturnConsumedCapacity, b.table, units); c != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, *c)
		}
	}
	return out, nil
}

// batches checks everything that is asked for before anything is read. Tables are in order.
func (e *Engine) batches(asked map[string]types.KeysAndAttributes) ([]batch, error) {
	if len(asked) == 0 {
		return nil, invalid("1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	var batches []batch
	count := 0
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		b, err := e.batch(name, asked[name])
		if err != nil {
			return nil, err
		}
		if count += len(b.keys); count > mostKeys {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		batches = append(batches, b)
	}
	return batches, nil
}

func (e *Engine) batch(name string, asked types.KeysAndAttributes) (batch, error) {
	if asked.AttributesToGet != nil {
		return batch{}, legacy("AttributesToGet")
	}
	if n := len(asked.Keys); n < 1 || n > mostKeys {
		return batch{}, invalid("1 validation error detected: Value at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length less than or equal to 100 and greater than or equal to 1", name)
	}
	t, err := e.table(&name)
	if err != nil {
		return batch{}, err
	}
	b := batch{table: t, asked: asked}
	if b.projection, err = e.projection(asked.ExpressionAttributeNames, asked.ProjectionExpression); err != nil {
		return batch{}, err
	}
	for _, given := range asked.Keys {
		_, k, err := t.lone(given)
		if err != nil {
			return batch{}, err
		}
		if slices.Contains(b.keys, k) {
			return batch{}, invalid("Provided list of item keys contains duplicates")
		}
		b.keys = append(b.keys, k)
	}
	return b, nil
}

func readUnits(size int, consistent bool) float64 {
	units := perStarted(size, readUnit)
	if consistent {
		return units
	}
	return units / 2
}
