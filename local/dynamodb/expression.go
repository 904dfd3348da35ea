package dynamodb

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scope is what an expression is evaluated on: an item, or nil where there is none, and what its
// placeholders stand for.
type scope struct {
	item   attributes
	names  map[string]string
	values attributes
}

func (s *scope) name(n string) string {
	if n[0] == '#' {
		return s.names[n]
	}
	return n
}

type (
	// condition holds or not. One that cannot be judged is an error, and one that no item could
	// fulfil, for the types of the values given, is refused by check before any is looked at.
	condition interface {
		check(*scope) error
		holds(*scope) (bool, error)
	}

	// operand has a value, or none where the attribute does not exist.
	operand interface {
		value(*scope) (value, error)
	}
)

type (
	and    struct{ left, right condition }
	or     struct{ left, right condition }
	not    struct{ condition condition }
	exists struct {
		path path
		want bool
	}
	match struct {
		function    string
		left, right operand
	}
	comparison struct {
		operator    string
		left, right operand
	}
	between struct{ of, low, high operand }
	in      struct {
		of   operand
		list []operand
	}

	placeholder string
	sizeOf      struct{ of operand }
	arithmetic  struct {
		left, right operand
		minus       bool
	}
	ifNotExists struct {
		path path
		or   operand
	}
	listAppend struct{ left, right operand }

	// path leads to an attribute and into it.
	path []step
	// step goes to an attribute of an item or map by its name or placeholder, or to an element of a list.
	step struct {
		name  string
		index int
	}
)

func (c and) holds(s *scope) (bool, error) {
	left, err := c.left.holds(s)
	if err != nil {
		return false, err
	}
	right, err := c.right.holds(s)
	return left && right, err
}

func (c or) holds(s *scope) (bool, error) {
	left, err := c.left.holds(s)
	if err != nil {
		return false, err
	}
	right, err := c.right.holds(s)
	return left || right, err
}

func (c not) holds(s *scope) (bool, error) {
	held, err := c.condition.holds(s)
	return !held, err
}

func (c and) check(s *scope) error  { return cmp.Or(c.left.check(s), c.right.check(s)) }
func (c or) check(s *scope) error   { return cmp.Or(c.left.check(s), c.right.check(s)) }
func (c not) check(s *scope) error  { return c.condition.check(s) }
func (c exists) check(*scope) error { return nil }
func (c in) check(*scope) error     { return nil }

func (c comparison) check(s *scope) error {
	if c.operator == "=" || c.operator == "<>" {
		return nil
	}
	return s.only(c.operator, []string{"S", "N", "B"}, c.left, c.right)
}

func (c between) check(s *scope) error {
	return s.only("BETWEEN", []string{"S", "N", "B"}, c.of, c.low, c.high)
}

func (c match) check(s *scope) error {
	switch c.function {
	case "begins_with":
		return s.only(c.function, []string{"S", "B"}, c.left, c.right)
	case "attribute_type":
		return s.only(c.function, []string{"S"}, c.right)
	}
	return nil
}

// only refuses values that the caller gave of other types than these. An attribute of another type
// merely fails the condition.
func (s *scope) only(operator string, types []string, operands ...operand) error {
	for _, o := range operands {
		if given, ok := o.(placeholder); ok && !slices.Contains(types, typeName(s.values[string(given)])) {
			return invalid("Incorrect operand type for operator or function; operator or function: %s, operand type: %s",
				operator, typeName(s.values[string(given)]))
		}
	}
	return nil
}

func (c exists) holds(s *scope) (bool, error) { return (c.path.find(s) != nil) == c.want, nil }

func (c comparison) holds(s *scope) (bool, error) {
	left, right, err := pair(s, c.left, c.right)
	if err != nil {
		return false, err
	}
	switch c.operator {
	case "=":
		return left != nil && right != nil && equal(left, right), nil
	case "<>":
		return left == nil || right == nil || !equal(left, right), nil
	}
	order, ok := compare(left, right)
	switch c.operator {
	case "<":
		return ok && order < 0, nil
	case "<=":
		return ok && order <= 0, nil
	case ">":
		return ok && order > 0, nil
	}
	return ok && order >= 0, nil
}

func pair(s *scope, a, b operand) (left, right value, err error) {
	if left, err = a.value(s); err != nil {
		return nil, nil, err
	}
	right, err = b.value(s)
	return left, right, err
}

func (c between) holds(s *scope) (bool, error) {
	low, err := comparison{">=", c.of, c.low}.holds(s)
	if err != nil {
		return false, err
	}
	high, err := comparison{"<=", c.of, c.high}.holds(s)
	return low && high, err
}

func (c in) holds(s *scope) (bool, error) {
	for _, candidate := range c.list {
		if held, err := (comparison{"=", c.of, candidate}).holds(s); held || err != nil {
			return held, err
		}
	}
	return false, nil
}

func (c match) holds(s *scope) (bool, error) {
	left, right, err := pair(s, c.left, c.right)
	if err != nil {
		return false, err
	}
	switch c.function {
	case "attribute_type":
		return hasType(left, right)
	case "begins_with":
		return beginsWith(left, right), nil
	}
	switch l := left.(type) {
	case *text:
		r, ok := right.(*text)
		return ok && strings.Contains(l.Value, r.Value), nil
	case *binaryValue:
		r, ok := right.(*binaryValue)
		return ok && bytes.Contains(l.Value, r.Value), nil
	case *list:
		return right != nil && contains(l.Value, right), nil
	}
	return left != nil && right != nil && contains(members(left), right), nil
}

func hasType(of, wanted value) (bool, error) {
	name, ok := wanted.(*text)
	if !ok || !slices.Contains([]string{"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}, name.Value) {
		return false, invalid("Invalid ConditionExpression: Invalid attribute type name found; type: %v, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", wanted)
	}
	return of != nil && typeName(of) == name.Value, nil
}

func beginsWith(v, prefix value) bool {
	switch v := v.(type) {
	case *text:
		p, ok := prefix.(*text)
		return ok && strings.HasPrefix(v.Value, p.Value)
	case *binaryValue:
		p, ok := prefix.(*binaryValue)
		return ok && bytes.HasPrefix(v.Value, p.Value)
	}
	return false
}

func (o placeholder) value(s *scope) (value, error) { return s.values[string(o)], nil }

func (o path) value(s *scope) (value, error) { return o.find(s), nil }

func (o sizeOf) value(s *scope) (value, error) {
	v, err := o.of.value(s)
	if err != nil {
		return nil, err
	}
	n := 0
	switch v := v.(type) {
	case *text:
		n = utf8.RuneCountInString(v.Value)
	case *binaryValue:
		n = len(v.Value)
	case *list:
		n = len(v.Value)
	case *document:
		n = len(v.Value)
	case *texts, *numbers, *binaries:
		n = len(members(v))
	default:
		return nil, nil
	}
	return &number{Value: strconv.Itoa(n)}, nil
}

// errMissing is what an assignment from an attribute that does not exist comes to.
var errMissing = invalid("The provided expression refers to an attribute that does not exist in the item")

// errWrongType is what an operation on an attribute of another type comes to.
var errWrongType = invalid("An operand in the update expression has an incorrect data type")

func (o arithmetic) value(s *scope) (value, error) {
	left, right, err := pair(s, o.left, o.right)
	if err != nil {
		return nil, err
	}
	if left == nil || right == nil {
		return nil, errMissing
	}
	l, isNumber := left.(*number)
	r, areNumbers := right.(*number)
	if !isNumber || !areNumbers {
		return nil, errWrongType
	}
	n, err := sum(l.Value, r.Value, o.minus)
	return &number{Value: n}, err
}

func (o ifNotExists) value(s *scope) (value, error) {
	if v := o.path.find(s); v != nil {
		return v, nil
	}
	return o.or.value(s)
}

func (o listAppend) value(s *scope) (value, error) {
	left, right, err := pair(s, o.left, o.right)
	if err != nil {
		return nil, err
	}
	if left == nil || right == nil {
		return nil, errMissing
	}
	l, isList := left.(*list)
	r, areLists := right.(*list)
	if !isList || !areLists {
		return nil, errWrongType
	}
	return &list{Value: slices.Concat(l.Value, r.Value)}, nil
}

// find returns the value that the path leads to, or nil.
func (o path) find(s *scope) value {
	v := s.item[s.name(o[0].name)]
	for _, step := range o[1:] {
		v = step.into(s, v)
	}
	return v
}

// into returns what lies in v, or nil.
func (st step) into(s *scope, v value) value {
	switch v := v.(type) {
	case *document:
		if st.name != "" {
			return v.Value[s.name(st.name)]
		}
	case *list:
		if st.name == "" && st.index < len(v.Value) {
			return v.Value[st.index]
		}
	}
	return nil
}

// clash says how two paths cannot both be meant, given the placeholders' meaning, or nothing: one leads
// into the other, or they take one value for a list and for a map.
func clash(s *scope, a, b path) string {
	for i := range min(len(a), len(b)) {
		switch {
		case (a[i].name == "") != (b[i].name == ""):
			return "conflict"
		case a[i].index != b[i].index, a[i].name != "" && s.name(a[i].name) != s.name(b[i].name):
			return ""
		}
	}
	return "overlap"
}

// disjoint refuses paths that clash: what would come of them depends on the order.
func (s *scope) disjoint(parameter string, paths []path) error {
	for i, a := range paths {
		for _, b := range paths[:i] {
			if how := clash(s, a, b); how != "" {
				return invalid("Invalid %s: Two document paths %s with each other; must remove or rewrite one of these paths; path one: %s, path two: %s",
					parameter, how, b.describe(s), a.describe(s))
			}
		}
	}
	return nil
}

func (o path) describe(s *scope) string {
	var names []string
	for _, step := range o {
		if step.name == "" {
			names = append(names, "["+strconv.Itoa(step.index)+"]")
		} else {
			names = append(names, s.name(step.name))
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// project returns what the paths lead to, each part in the lists and maps that it lies in. A list
// holds only the elements that were asked for, in their order.
func (s *scope) project(paths []path) attributes {
	found := attributes{}
	if s.item == nil {
		return found
	}
	whole := selection{}
	for _, p := range paths {
		whole.add(s, p)
	}
	for name, part := range whole {
		if v := s.item[name.name]; v != nil {
			if picked := part.pick(v); picked != nil {
				found[name.name] = picked
			}
		}
	}
	return found
}

// selection is a tree of paths without placeholders. An empty one is everything.
type selection map[step]selection

func (tree selection) add(s *scope, p path) {
	for _, at := range p {
		if at.name != "" {
			at.name = s.name(at.name)
		}
		if tree[at] == nil {
			tree[at] = selection{}
		}
		tree = tree[at]
	}
}

// pick returns the parts of v that are selected, or nil if there are none.
func (tree selection) pick(v value) value {
	if len(tree) == 0 {
		return v
	}
	switch v := v.(type) {
	case *document:
		picked := attributes{}
		for at, part := range tree {
			if inner := v.Value[at.name]; at.name != "" && inner != nil {
				if inner = part.pick(inner); inner != nil {
					picked[at.name] = inner
				}
			}
		}
		if len(picked) > 0 {
			return &document{Value: picked}
		}
	case *list:
		var picked []value
		for i, element := range v.Value {
			if part, ok := tree[step{index: i}]; ok {
				if inner := part.pick(element); inner != nil {
					picked = append(picked, inner)
				}
			}
		}
		if len(picked) > 0 {
			return &list{Value: picked}
		}
	}
	return nil
}
