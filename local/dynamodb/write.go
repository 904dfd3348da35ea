package dynamodb

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// largest is what an item may count for, in bytes.
const largest = 400 << 10

// write is one item's part of a call, checked as far as it can be without the item.
type write struct {
	table     *table
	key       key
	scope     scope
	condition condition // or nil
	showItem  bool      // to whom the condition refuses

	// One of these says what is written; without any of them it is the key's attributes, if there is
	// no item yet.
	put    attributes
	change *changes
	remove bool
	check  bool // nothing is

	primary attributes // the key's attributes, where there is no put
	paths   []path     // that change

	old, new attributes // once it has been tried; nil for no item
}

// placeholders are the parameters of every call with expressions.
type placeholders struct {
	names  map[string]string
	values attributes
}

// request is what the four kinds of writes have in common.
type request struct {
	table     *string
	key       attributes // or a whole item in put
	put       attributes
	condition *string
	update    *string
	remove    bool
	check     bool // the condition only
	placeholders
	showItem types.ReturnValuesOnConditionCheckFailure
}

func (e *Engine) prepare(r request) (*write, error) {
	t, err := e.table(r.table)
	if err != nil {
		return nil, err
	}
	w := &write{table: t, remove: r.remove, check: r.check, showItem: r.showItem == types.ReturnValuesOnConditionCheckFailureAllOld}
	parsed, err := e.parseAll(&w.scope, r.placeholders, param{conditionExpression, r.condition}, param{updateExpression, r.update})
	if err != nil {
		return nil, err
	}
	if parsed[0] != nil {
		w.condition = parsed[0].condition
	}
	if r.put != nil {
		if w.put, err = clean(r.put); err != nil {
			return nil, err
		}
		w.key, err = t.keyOf(w.put)
		return w, err
	}
	if w.primary, w.key, err = t.lone(r.key); err != nil {
		return nil, err
	}
	if parsed[1] != nil {
		w.change = &parsed[1].changes
	}
	return w, w.checkPaths()
}

// checkPaths refuses changes of the key and of one place twice.
func (w *write) checkPaths() error {
	if w.change == nil {
		return nil
	}
	w.paths = w.change.paths()
	if err := w.scope.disjoint(updateExpression, w.paths); err != nil {
		return err
	}
	for _, p := range w.paths {
		if name := w.scope.name(p[0].name); name == w.table.partition.name || name == w.table.sort.name {
			return invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	return nil
}

// param is an expression and the parameter that holds it.
type param struct {
	name string
	text *string
}

// parseAll parses the expressions that there are, and sees to it that they and the placeholders have
// one another.
func (e *Engine) parseAll(s *scope, given placeholders, params ...param) ([]*expression, error) {
	parsed := make([]*expression, len(params))
	names, values := 0, 0
	for i, p := range params {
		if p.text == nil {
			continue
		}
		var err error
		if parsed[i], err = e.expressions.parse(p.name, *p.text); err != nil {
			return nil, err
		}
		for _, n := range parsed[i].names {
			if _, ok := given.names[n]; !ok {
				return nil, invalid("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", p.name, n)
			}
			if !usedBefore(parsed[:i], func(x *expression) []string { return x.names }, n) {
				names++
			}
		}
		for _, v := range parsed[i].values {
			if _, ok := given.values[v]; !ok {
				return nil, invalid("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", p.name, v)
			}
			if !usedBefore(parsed[:i], func(x *expression) []string { return x.values }, v) {
				values++
			}
		}
	}
	if names < len(given.names) {
		return nil, unused("Names", keysWithout(given.names, parsed, func(x *expression) []string { return x.names }))
	}
	if values < len(given.values) {
		return nil, unused("Values", keysWithout(given.values, parsed, func(x *expression) []string { return x.values }))
	}
	var err error
	s.names = given.names
	if s.values, err = clean(given.values); err != nil {
		return nil, err
	}
	for i, p := range parsed {
		if p == nil {
			continue
		}
		if err := p.check(s); err != nil {
			return nil, within(params[i].name, err)
		}
	}
	return parsed, nil
}

// within names the parameter that an error is about.
func within(parameter string, err error) error {
	var known smithy.APIError
	if errors.As(err, &known) {
		return invalid("Invalid %s: %s", parameter, known.ErrorMessage())
	}
	return err
}

func usedBefore(parsed []*expression, of func(*expression) []string, placeholder string) bool {
	return slices.ContainsFunc(parsed, func(x *expression) bool { return x != nil && slices.Contains(of(x), placeholder) })
}

func keysWithout[V any](given map[string]V, parsed []*expression, of func(*expression) []string) []string {
	var left []string
	for name := range given {
		if !usedBefore(parsed, of, name) {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	return left
}

func unused(kind string, left []string) error {
	return invalid("Value provided in ExpressionAttribute%s unused in expressions: keys: {%s}", kind, strings.Join(left, ", "))
}

// try works out what the write comes to. The caller holds the shard's lock and stores new.
func (w *write) try() error {
	w.old = w.table.get(w.key)
	w.scope.item = w.old
	if w.condition != nil {
		held, err := w.condition.holds(&w.scope)
		if err != nil {
			return err
		}
		if !held {
			return w.refusal()
		}
	}
	switch {
	case w.put != nil:
		w.new = w.put
	case w.remove:
		return nil
	case w.check:
		w.new = w.old
		return nil
	default:
		return w.update()
	}
	if size(w.new) > largest {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

func (w *write) update() error {
	if w.old == nil {
		// Expressions see no item: the key's attributes do not exist for them yet.
		w.scope.item = attributes{}
	}
	w.new = w.scope.item
	if w.change != nil {
		var err error
		if w.new, err = w.change.apply(&w.scope); err != nil {
			return err
		}
	}
	for name, v := range w.primary {
		w.new[name] = v
	}
	if size(w.new) > largest {
		return invalid("Item size to update has exceeded the maximum allowed size")
	}
	return nil
}

func (w *write) refusal() error {
	refused := &types.ConditionalCheckFailedException{Message: aws.String("The conditional request failed")}
	if w.showItem {
		refused.Item = w.old
	}
	return refused
}

// units is what the write consumes: one for each kilobyte that has begun of the item before or after
// it, whichever is larger, and one at least.
func (w *write) units() float64 { return perStarted(max(size(w.old), size(w.new)), 1<<10) }

func perStarted(size, unit int) float64 { return float64(max((size+unit-1)/unit, 1)) }

// do does one write by itself.
func (w *write) do() error {
	s := &w.table.shards[w.key.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	err := w.try()
	if err == nil {
		w.store()
	}
	if _, refused := err.(*types.ConditionalCheckFailedException); refused {
		return &Refused{err, w.units()}
	}
	return err
}

// store keeps what try worked out. The caller holds the shard's lock.
func (w *write) store() {
	if w.old != nil || w.new != nil {
		w.table.set(w.key, w.new)
	}
}

func (w *write) consumed(asked types.ReturnConsumedCapacity) *types.ConsumedCapacity {
	return consumed(asked, w.table, w.units())
}

func consumed(asked types.ReturnConsumedCapacity, t *table, units float64) *types.ConsumedCapacity {
	switch asked {
	case types.ReturnConsumedCapacityTotal:
		return &types.ConsumedCapacity{TableName: aws.String(t.name), CapacityUnits: aws.Float64(units)}
	case types.ReturnConsumedCapacityIndexes:
		return &types.ConsumedCapacity{TableName: aws.String(t.name), CapacityUnits: aws.Float64(units),
			Table: &types.Capacity{CapacityUnits: aws.Float64(units)}}
	}
	return nil
}

// returned are the attributes that a write was asked for.
func (w *write) returned(asked types.ReturnValue) attributes {
	switch asked {
	case types.ReturnValueAllOld:
		return w.old
	case types.ReturnValueAllNew:
		return w.new
	case types.ReturnValueUpdatedOld:
		return w.updated(w.old)
	case types.ReturnValueUpdatedNew:
		return w.updated(w.new)
	}
	return nil
}

func (w *write) updated(item attributes) attributes {
	w.scope.item = item
	found := w.scope.project(w.paths)
	if len(found) == 0 {
		return nil
	}
	return found
}

// PutItem implements API.
func (e *Engine) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if in.Expected != nil || in.ConditionalOperator != "" {
		return nil, legacy("Expected")
	}
	if err := onlyOld(in.ReturnValues); err != nil {
		return nil, err
	}
	if in.Item == nil {
		return nil, absent("item")
	}
	w, err := e.prepare(request{
		table: in.TableName, put: in.Item, condition: in.ConditionExpression, showItem: in.ReturnValuesOnConditionCheckFailure,
		placeholders: placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues},
	})
	if err != nil {
		return nil, err
	}
	if err := w.do(); err != nil {
		return nil, err
	}
	return &dynamodb.PutItemOutput{Attributes: w.returned(in.ReturnValues), ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}, nil
}

// UpdateItem implements API.
func (e *Engine) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if in.Expected != nil || in.ConditionalOperator != "" || in.AttributeUpdates != nil {
		return nil, legacy("AttributeUpdates and Expected")
	}
	if err := known("returnValues", in.ReturnValues); err != nil {
		return nil, err
	}
	w, err := e.prepare(request{
		table: in.TableName, key: in.Key, condition: in.ConditionExpression, update: in.UpdateExpression, showItem: in.ReturnValuesOnConditionCheckFailure,
		placeholders: placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues},
	})
	if err != nil {
		return nil, err
	}
	if err := w.do(); err != nil {
		return nil, err
	}
	return &dynamodb.UpdateItemOutput{Attributes: w.returned(in.ReturnValues), ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}, nil
}

// DeleteItem implements API.
func (e *Engine) DeleteItem(_ context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	if in.Expected != nil || in.ConditionalOperator != "" {
		return nil, legacy("Expected")
	}
	if err := onlyOld(in.ReturnValues); err != nil {
		return nil, err
	}
	w, err := e.prepare(request{
		table: in.TableName, key: in.Key, remove: true, condition: in.ConditionExpression, showItem: in.ReturnValuesOnConditionCheckFailure,
		placeholders: placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues},
	})
	if err != nil {
		return nil, err
	}
	if err := w.do(); err != nil {
		return nil, err
	}
	return &dynamodb.DeleteItemOutput{Attributes: w.returned(in.ReturnValues), ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}, nil
}

func legacy(parameters string) error {
	return invalid("This engine does not know the legacy parameters %s: use expressions", parameters)
}

func absent(member string) error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

// known refuses a word that is none of an enumeration's.
func known[E interface {
	~string
	Values() []E
}](member string, given E) error {
	if given != "" && !slices.Contains(given.Values(), given) {
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", string(given), member, given.Values())
	}
	return nil
}

func onlyOld(asked types.ReturnValue) error {
	switch asked {
	case "", types.ReturnValueNone, types.ReturnValueAllOld:
		return nil
	}
	return invalid("Return values set to invalid value")
}
