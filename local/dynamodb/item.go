package dynamodb

import (
	"encoding/binary"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// An item is kept as one string, so that ten million of them fit into memory and the garbage
// collector has two pointers of each to follow: a visitor takes some 250 bytes, which
// TestMemoryOfVisitors holds. It is decoded for each call; strings that come out of it share its
// bytes. The key's attributes are not in it but in the key of the map.

// How each value in an item begins. Lengths and counts follow as varints.
const (
	tagText = iota
	tagNumber
	tagBinary
	tagTrue
	tagFalse
	tagNull
	tagList
	tagDocument
	tagTexts
	tagNumbers
	tagBinaries
)

// mostNames is how many attribute names an engine abbreviates. Names beyond are written out: some
// tables use data as names.
const mostNames = 4096

// vocabulary gives attribute names numbers, from 1. It only grows.
type vocabulary struct {
	mu      sync.Mutex
	current atomic.Pointer[names]
}

type names struct {
	numbers map[string]uint64
	list    []string // the name with the number 1 first
}

func newVocabulary() *vocabulary {
	v := &vocabulary{}
	v.current.Store(&names{numbers: map[string]uint64{}})
	return v
}

// number returns the number of name, or 0 if it has to be written out.
func (v *vocabulary) number(name string) uint64 {
	known := v.current.Load()
	if n, ok := known.numbers[name]; ok || len(known.list) >= mostNames {
		return n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known = v.current.Load()
	if n, ok := known.numbers[name]; ok || len(known.list) >= mostNames {
		return n
	}
	name = strings.Clone(name) // which may be part of a whole request
	grown := &names{numbers: maps.Clone(known.numbers), list: append(known.list[:len(known.list):len(known.list)], name)}
	n := uint64(len(grown.list))
	grown.numbers[name] = n
	v.current.Store(grown)
	return n
}

// encode writes an item without the attributes of its key.
func (t *table) encode(item attributes) string {
	var space [512]byte
	b := space[:0]
	for name, v := range item {
		if name == t.partition.name || name == t.sort.name {
			continue
		}
		n := t.names.number(name)
		b = binary.AppendUvarint(b, n)
		if n == 0 {
			b = appendText(b, name)
		}
		b = appendValue(b, v)
	}
	return string(b)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v value) []byte {
	switch v := v.(type) {
	case *text:
		return appendText(append(b, tagText), v.Value)
	case *number:
		return appendText(append(b, tagNumber), v.Value)
	case *boolean:
		if v.Value {
			return append(b, tagTrue)
		}
		return append(b, tagFalse)
	case *null:
		return append(b, tagNull)
	case *list:
		return appendValues(append(b, tagList), v.Value)
	case *document:
		b = binary.AppendUvarint(append(b, tagDocument), uint64(len(v.Value)))
		for name, element := range v.Value {
			b = appendValue(appendText(b, name), element)
		}
		return b
	case *texts:
		return appendValues(append(b, tagTexts), members(v))
	case *numbers:
		return appendValues(append(b, tagNumbers), members(v))
	case *binaries:
		return appendValues(append(b, tagBinaries), members(v))
	}
	return appendText(append(b, tagBinary), string(v.(*binaryValue).Value))
}

func appendValues(b []byte, values []value) []byte {
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		b = appendValue(b, v)
	}
	return b
}

// decode reads what encode wrote, and puts the key back.
func (t *table) decode(id, encoded string) attributes {
	item := make(attributes, 8)
	t.addKey(item, id)
	known := t.names.current.Load().list
	r := reader{encoded}
	for r.rest != "" {
		var name string
		if n := r.count(); n > 0 {
			name = known[n-1]
		} else {
			name = r.text()
		}
		item[name] = r.value()
	}
	return item
}

// reader reads what this process wrote: there is nothing wrong with it.
type reader struct{ rest string }

func (r *reader) count() int {
	var n, shift uint
	for {
		b := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint(b&0x7f) << shift
		if b < 0x80 {
			return int(n)
		}
		shift += 7
	}
}

func (r *reader) text() string {
	n := r.count()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) value() value {
	tag := r.rest[0]
	r.rest = r.rest[1:]
	switch tag {
	case tagText:
		return &text{Value: r.text()}
	case tagNumber:
		return &number{Value: r.text()}
	case tagBinary:
		return &binaryValue{Value: []byte(r.text())}
	case tagTrue, tagFalse:
		return &boolean{Value: tag == tagTrue}
	case tagNull:
		return &null{Value: true}
	case tagList:
		return &list{Value: r.values()}
	case tagDocument:
		n := r.count()
		content := make(attributes, n)
		for range n {
			name := r.text()
			content[name] = r.value()
		}
		return &document{Value: content}
	}
	return setOf(r.values())
}

func (r *reader) values() []value {
	values := make([]value, r.count())
	for i := range values {
		values[i] = r.value()
	}
	return values
}
