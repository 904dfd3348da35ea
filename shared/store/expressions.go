package store

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/room"
)

// change is a write that sets some attributes and leaves all others alone. Its expressions are the
// same for every item, so they are put together once: that took a fifth of what a join costs beside
// its calls. Nothing in it is changed later, and the SDK only reads what it is given.
type change struct {
	update    *string
	condition *string
	names     map[string]string // the attributes' by their placeholders
}

// The changes of items, by the attributes that encoding an empty one gives.
var (
	firstStateChange   = newChange(encodeState(room.State{}), "attribute_not_exists(#version)")
	stateChange        = newChange(encodeState(room.State{}), "#owner = :heldowner AND #version = :heldversion")
	pacingChange       = newChange(values{":pacing": nil}, "")
	announcementChange = newChange(values{":" + announced: nil}, "attribute_exists(#version)", "version")
	sealChange         = newChange(kept(encodeSeal(room.Seal{})), "attribute_not_exists(#pk)", "pk")
	visitorChange      = newChange(kept(encodeVisitor(room.Visitor{})), "attribute_not_exists(#pk)", "pk")
	admittedChange     = newChange(kept(encodeVisitor(room.Visitor{Pass: &room.Pass{}})), "attribute_not_exists(#pk)", "pk")
	passChange         = newChange(encodePass(room.Pass{}), "attribute_exists(#pk) AND attribute_not_exists(#jti)", "pk")
)

// The names in the other expressions.
var (
	counterNames = names("n", "sealed", "ttl")
	arrivalNames = names("n")
	markNames    = names("pk", "jti", "mark")
	capNames     = names("n", "last", "ttl")
)

// kept is set with the end of an item's life.
func kept(set values) values {
	set[":ttl"] = nil
	return set
}

// newChange returns the change of the attributes in set, of which only the names matter. The condition
// may name these and those that are tested besides. DynamoDB refuses names that are not used.
func newChange(set values, condition string, tested ...string) change {
	var assignments []string
	for _, value := range slices.Sorted(maps.Keys(set)) {
		name := strings.TrimPrefix(value, ":")
		assignments = append(assignments, "#"+name+" = "+value)
		tested = append(tested, name)
	}
	c := change{update: aws.String("SET " + strings.Join(assignments, ", ")), names: names(tested...)}
	if condition != "" {
		c.condition = &condition
	}
	return c
}

// of is the change of one item. It has to set what the change was made of: DynamoDB refuses values that
// are missing or not used.
func (c change) of(k key, set values) types.Update {
	return types.Update{
		Key:                       primary(k),
		UpdateExpression:          c.update,
		ConditionExpression:       c.condition,
		ExpressionAttributeNames:  c.names,
		ExpressionAttributeValues: set,
	}
}

// names gives every attribute a placeholder: DynamoDB reserves words such as last and ttl.
func names(list ...string) map[string]string {
	placeholders := make(map[string]string, len(list))
	for _, name := range list {
		placeholders["#"+name] = name
	}
	return placeholders
}
