package dynamodb

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// attributes are an item or a part of one.
type attributes = map[string]types.AttributeValue

type (
	value       = types.AttributeValue
	text        = types.AttributeValueMemberS
	number      = types.AttributeValueMemberN
	binaryValue = types.AttributeValueMemberB
	boolean     = types.AttributeValueMemberBOOL
	null        = types.AttributeValueMemberNULL
	list        = types.AttributeValueMemberL
	document    = types.AttributeValueMemberM
	texts       = types.AttributeValueMemberSS
	numbers     = types.AttributeValueMemberNS
	binaries    = types.AttributeValueMemberBS
)

// deepest is how many lists and maps a value may lie in:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const deepest = 32

func invalid(format string, a ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Message: fmt.Sprintf(format, a...), Fault: smithy.FaultClient}
}

// clean returns what a caller gave in the form that the table keeps, or an error for what DynamoDB
// does not take. The caller's own is not changed.
func clean(given attributes) (attributes, error) { return cleanMap(given, 0) }

func cleanMap(given attributes, depth int) (attributes, error) {
	cleaned, changed := given, false
	for name, v := range given {
		c, err := cleanValue(v, depth)
		if err != nil {
			return nil, err
		}
		if c == v {
			continue
		}
		if !changed {
			cleaned, changed = maps.Clone(given), true
		}
		cleaned[name] = c
	}
	return cleaned, nil
}

// cleanValue returns v itself where nothing has to be changed.
func cleanValue(v value, depth int) (value, error) {
	if depth > deepest {
		return nil, invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	switch v := v.(type) {
	case *text, *binaryValue, *boolean:
		return v, nil
	case *null:
		if !v.Value {
			return nil, invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return v, nil
	case *number:
		n, err := normalNumber(v.Value)
		if err != nil || n == v.Value {
			return v, err
		}
		return &number{Value: n}, nil
	case *list:
		return cleanList(v, depth)
	case *document:
		m, err := cleanMap(v.Value, depth+1)
		return &document{Value: m}, err
	case *texts:
		return v, checkSet("string", v.Value, strings.Compare)
	case *binaries:
		return v, checkSet("binary", v.Value, bytes.Compare)
	case *numbers:
		return cleanNumbers(v)
	}
	return nil, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

func cleanList(v *list, depth int) (value, error) {
	cleaned := make([]value, len(v.Value))
	for i, element := range v.Value {
		var err error
		if cleaned[i], err = cleanValue(element, depth+1); err != nil {
			return nil, err
		}
	}
	return &list{Value: cleaned}, nil
}

func cleanNumbers(v *numbers) (value, error) {
	cleaned := make([]string, len(v.Value))
	for i, n := range v.Value {
		var err error
		if cleaned[i], err = normalNumber(n); err != nil {
			return nil, err
		}
	}
	return &numbers{Value: cleaned}, checkSet("number", cleaned, strings.Compare)
}

func checkSet[E any](kind string, elements []E, compare func(a, b E) int) error {
	if len(elements) == 0 {
		return invalid("One or more parameter values were invalid: An %s set  may not be empty", kind)
	}
	sorted := slices.SortedFunc(slices.Values(elements), compare)
	for i := range sorted[1:] {
		if compare(sorted[i], sorted[i+1]) == 0 {
			return invalid("One or more parameter values were invalid: Input collection contains duplicates")
		}
	}
	return nil
}

// typeName is what DynamoDB calls a value's type.
func typeName(v value) string {
	switch v.(type) {
	case *text:
		return "S"
	case *number:
		return "N"
	case *binaryValue:
		return "B"
	case *boolean:
		return "BOOL"
	case *null:
		return "NULL"
	case *list:
		return "L"
	case *document:
		return "M"
	case *texts:
		return "SS"
	case *numbers:
		return "NS"
	}
	return "BS"
}

// equal compares values in the form that the table keeps. Sets have no order.
func equal(a, b value) bool {
	switch a := a.(type) {
	case *text:
		b, ok := b.(*text)
		return ok && a.Value == b.Value
	case *number:
		b, ok := b.(*number)
		return ok && a.Value == b.Value
	case *binaryValue:
		b, ok := b.(*binaryValue)
		return ok && bytes.Equal(a.Value, b.Value)
	case *boolean:
		b, ok := b.(*boolean)
		return ok && a.Value == b.Value
	case *null:
		_, ok := b.(*null)
		return ok
	case *list:
		b, ok := b.(*list)
		return ok && slices.EqualFunc(a.Value, b.Value, equal)
	case *document:
		b, ok := b.(*document)
		return ok && maps.EqualFunc(a.Value, b.Value, equal)
	}
	x, y := members(a), members(b)
	if x == nil || typeName(a) != typeName(b) || len(x) != len(y) {
		return false
	}
	return !slices.ContainsFunc(x, func(e value) bool { return !contains(y, e) })
}

func contains(elements []value, wanted value) bool {
	return slices.ContainsFunc(elements, func(e value) bool { return equal(e, wanted) })
}

// members are the elements of a set, or nil for what is no set.
func members(v value) (elements []value) {
	switch v := v.(type) {
	case *texts:
		for _, e := range v.Value {
			elements = append(elements, &text{Value: e})
		}
	case *numbers:
		for _, e := range v.Value {
			elements = append(elements, &number{Value: e})
		}
	case *binaries:
		for _, e := range v.Value {
			elements = append(elements, &binaryValue{Value: e})
		}
	}
	return elements
}

// setOf is the reverse of members. All elements have the same type; there is no empty set.
func setOf(elements []value) value {
	switch elements[0].(type) {
	case *text:
		set := &texts{}
		for _, e := range elements {
			set.Value = append(set.Value, e.(*text).Value)
		}
		return set
	case *number:
		set := &numbers{}
		for _, e := range elements {
			set.Value = append(set.Value, e.(*number).Value)
		}
		return set
	}
	set := &binaries{}
	for _, e := range elements {
		set.Value = append(set.Value, e.(*binaryValue).Value)
	}
	return set
}

// compare orders strings, numbers and binaries; ok is false for other types and for two of
// different type.
func compare(a, b value) (order int, ok bool) {
	switch a := a.(type) {
	case *text:
		if b, ok := b.(*text); ok {
			return strings.Compare(a.Value, b.Value), true
		}
	case *number:
		if b, ok := b.(*number); ok {
			return compareNumbers(a.Value, b.Value), true
		}
	case *binaryValue:
		if b, ok := b.(*binaryValue); ok {
			return bytes.Compare(a.Value, b.Value), true
		}
	}
	return 0, false
}

// size is what an item or a map's content counts for in bytes, by
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(item attributes) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

// containerSize is what a list or map counts for apart from its elements, and elementSize what each
// of them adds to its own size.
const (
	containerSize = 3
	elementSize   = 1
)

func valueSize(v value) int {
	n := 0
	switch v := v.(type) {
	case *text:
		return len(v.Value)
	case *number:
		return numberSize(v.Value)
	case *binaryValue:
		return len(v.Value)
	case *list:
		n = containerSize + elementSize*len(v.Value)
		for _, e := range v.Value {
			n += valueSize(e)
		}
	case *document:
		n = containerSize + elementSize*len(v.Value) + size(v.Value)
	case *texts, *numbers, *binaries:
		for _, e := range members(v) {
			n += valueSize(e)
		}
	default:
		return 1
	}
	return n
}
