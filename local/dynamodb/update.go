package dynamodb

import (
	"cmp"
	"maps"
	"slices"
)

// changes is an update expression.
type changes struct {
	set, add, subtract []assignment
	remove             []path
}

type assignment struct {
	target path
	value  operand
}

// errPath is what a change in a place that the item does not have comes to.
var errPath = invalid("The document path provided in the update expression is invalid for update")

// paths are the places that change.
func (c *changes) paths() []path {
	var all []path
	for _, list := range [][]assignment{c.set, c.add, c.subtract} {
		for _, a := range list {
			all = append(all, a.target)
		}
	}
	return append(all, c.remove...)
}

// check refuses values whose type no item could take.
func (c *changes) check(s *scope) error {
	for _, a := range c.set {
		if err := checkTerm(s, a.value); err != nil {
			return err
		}
	}
	for _, a := range c.add {
		if err := s.only("ADD", []string{"N", "SS", "NS", "BS"}, a.value); err != nil {
			return err
		}
	}
	for _, a := range c.subtract {
		if err := s.only("DELETE", []string{"SS", "NS", "BS"}, a.value); err != nil {
			return err
		}
	}
	return nil
}

func checkTerm(s *scope, o operand) error {
	switch o := o.(type) {
	case arithmetic:
		operator := "+"
		if o.minus {
			operator = "-"
		}
		return cmp.Or(s.only(operator, []string{"N"}, o.left, o.right), checkTerm(s, o.left), checkTerm(s, o.right))
	case listAppend:
		return cmp.Or(s.only("list_append", []string{"L"}, o.left, o.right), checkTerm(s, o.left), checkTerm(s, o.right))
	case ifNotExists:
		return checkTerm(s, o.or)
	}
	return nil
}

// apply returns the item of s with the changes; s is left as it was. Every value is of the item
// before any change. The item must not be nil.
func (c *changes) apply(s *scope) (attributes, error) {
	changed := maps.Clone(s.item)
	for _, a := range c.set {
		v, err := a.value.value(s)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, errMissing
		}
		if err := put(s, changed, a.target, v); err != nil {
			return nil, err
		}
	}
	for _, a := range c.add {
		if err := combine(s, changed, a, added); err != nil {
			return nil, err
		}
	}
	for _, a := range c.subtract {
		if err := combine(s, changed, a, subtracted); err != nil {
			return nil, err
		}
	}
	return changed, c.removed(s, changed)
}

// removed takes elements of a list away from its end, so that those before keep their index.
func (c *changes) removed(s *scope, changed attributes) error {
	ordered := slices.Clone(c.remove)
	slices.SortStableFunc(ordered, func(a, b path) int { return b[len(b)-1].index - a[len(a)-1].index })
	for _, p := range ordered {
		if err := put(s, changed, p, nil); err != nil {
			return err
		}
	}
	return nil
}

// combine changes an attribute by what it holds, or nil, and the value that was given.
func combine(s *scope, changed attributes, a assignment, by func(old, given value) (value, error)) error {
	given, err := a.value.value(s)
	if err != nil {
		return err
	}
	old := a.target.find(s)
	v, err := by(old, given)
	if err != nil {
		return err
	}
	return put(s, changed, a.target, v)
}

// added is a sum of numbers or a union of sets. What does not exist is zero or empty.
func added(old, given value) (value, error) {
	if old == nil {
		return given, nil
	}
	if typeName(old) != typeName(given) {
		return nil, errWrongType
	}
	if n, ok := given.(*number); ok {
		total, err := sum(old.(*number).Value, n.Value, false)
		return &number{Value: total}, err
	}
	union := members(old)
	for _, e := range members(given) {
		if !contains(union, e) {
			union = append(union, e)
		}
	}
	return setOf(union), nil
}

// subtracted is a set without the elements given, or nil if none is left.
func subtracted(old, given value) (value, error) {
	if old == nil {
		return nil, nil
	}
	if typeName(old) != typeName(given) {
		return nil, errWrongType
	}
	elements := members(given)
	rest := slices.DeleteFunc(members(old), func(e value) bool { return contains(elements, e) })
	if len(rest) == 0 {
		return nil, nil
	}
	return setOf(rest), nil
}

// put sets what the path leads to, or removes it if v is nil. Lists and maps on the way are copied,
// since the item before the change may still be asked for.
func put(s *scope, item attributes, p path, v value) error {
	name := s.name(p[0].name)
	if len(p) == 1 {
		setOrDelete(item, name, v)
		return nil
	}
	inner, err := replaced(s, item[name], p[1:], v)
	if err == nil {
		item[name] = inner
	}
	return err
}

func setOrDelete(content attributes, name string, v value) {
	if v == nil {
		delete(content, name)
	} else {
		content[name] = v
	}
}

// replaced is a copy of container with another value at the end of the path.
func replaced(s *scope, container value, p path, v value) (value, error) {
	at, last := p[0], len(p) == 1
	switch c := container.(type) {
	case *document:
		if at.name == "" {
			return nil, errPath
		}
		content := maps.Clone(c.Value)
		if last {
			setOrDelete(content, s.name(at.name), v)
			return &document{Value: content}, nil
		}
		inner, err := replaced(s, content[s.name(at.name)], p[1:], v)
		if err != nil {
			return nil, err
		}
		content[s.name(at.name)] = inner
		return &document{Value: content}, nil
	case *list:
		if at.name != "" {
			return nil, errPath
		}
		return replacedElement(s, slices.Clone(c.Value), p, v)
	}
	return nil, errPath
}

// replacedElement changes elements, which are the caller's to give. An index beyond the end appends.
func replacedElement(s *scope, elements []value, p path, v value) (value, error) {
	index := p[0].index
	beyond := index >= len(elements)
	switch {
	case len(p) > 1 && beyond:
		return nil, errPath
	case len(p) > 1:
		inner, err := replaced(s, elements[index], p[1:], v)
		if err != nil {
			return nil, err
		}
		elements[index] = inner
	case v == nil && !beyond:
		elements = slices.Delete(elements, index, index+1)
	case v != nil && beyond:
		elements = append(elements, v)
	case v != nil:
		elements[index] = v
	}
	return &list{Value: elements}, nil
}
