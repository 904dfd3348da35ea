package dynamodb

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
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
	var s scope
	parsed, err := e.parseAll(&s, placeholders{names: in.ExpressionAttributeNames}, param{projectionExpression, in.ProjectionExpression})
	if err != nil {
		return nil, err
	}
	if parsed[0] != nil {
		if err := s.disjoint(projectionExpression, parsed[0].paths); err != nil {
			return nil, err
		}
	}
	_, k, err := t.lone(in.Key)
	if err != nil {
		return nil, err
	}
	shard := &t.shards[k.shard]
	shard.mu.RLock()
	encoded, found := shard.items[k.id]
	shard.mu.RUnlock()
	if found {
		s.item = t.decode(k.id, encoded)
	}
	out := &dynamodb.GetItemOutput{
		Item:             s.item,
		ConsumedCapacity: consumed(in.ReturnConsumedCapacity, t, readUnits(size(s.item), aws.ToBool(in.ConsistentRead))),
	}
	if found && parsed[0] != nil {
		out.Item = s.project(parsed[0].paths)
	}
	return out, nil
}

func readUnits(size int, consistent bool) float64 {
	units := perStarted(size, readUnit)
	if consistent {
		return units
	}
	return units / 2
}
