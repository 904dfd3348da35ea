package dynamodb

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// The protocol's documents have the members of the SDK's inputs and outputs under the names of their
// Go fields, so one reader and one writer serve all of them. encoding/json takes some five times as
// long for an update, and cannot tell one kind of attribute value from another.

// errSerialization means that a body is no JSON, or not of the shape that the call has.
var errSerialization = &smithy.GenericAPIError{Code: "SerializationException", Message: "The body is not the JSON that this call takes", Fault: smithy.FaultClient}

// deepestDocument bounds how deep a body may be nested, and so the stack. Items have 32 levels of two
// objects each.
const deepestDocument = 200

// jsonReader reads a document. The first error stays, and everything after it is empty.
type jsonReader struct {
	rest  string
	depth int
	err   error
}

func (r *jsonReader) fail() { r.failWith(errSerialization) }

func (r *jsonReader) failWith(err error) {
	if r.err == nil {
		r.err, r.rest = err, ""
	}
}

// peek returns the next byte that is no white space, or 0 at the end.
func (r *jsonReader) peek() byte {
	for i := range len(r.rest) {
		switch r.rest[i] {
		case ' ', '\t', '\r', '\n':
		default:
			r.rest = r.rest[i:]
			return r.rest[0]
		}
	}
	r.rest = ""
	return 0
}

func (r *jsonReader) accept(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *jsonReader) expect(c byte) {
	if !r.accept(c) {
		r.fail()
	}
}

// literal takes a word such as null if it comes next.
func (r *jsonReader) literal(word string) bool {
	r.peek()
	rest, ok := strings.CutPrefix(r.rest, word)
	if ok {
		r.rest = rest
	}
	return ok
}

// object calls member with each name, to read its value.
func (r *jsonReader) object(member func(name string)) {
	r.enclosed('{', '}', func() {
		name := r.string()
		r.expect(':')
		if r.err == nil {
			member(name)
		}
	})
}

func (r *jsonReader) array(element func()) { r.enclosed('[', ']', element) }

func (r *jsonReader) enclosed(open, closing byte, one func()) {
	if r.expect(open); r.err != nil {
		return
	}
	if r.depth++; r.depth > deepestDocument {
		r.fail()
		return
	}
	defer func() { r.depth-- }()
	if r.accept(closing) {
		return
	}
	for r.err == nil {
		if one(); !r.accept(',') {
			r.expect(closing)
			return
		}
	}
}

func (r *jsonReader) bool() bool {
	if r.literal("true") {
		return true
	}
	if !r.literal("false") {
		r.fail()
	}
	return false
}

func (r *jsonReader) string() string {
	if r.expect('"'); r.err != nil {
		return ""
	}
	for i := range len(r.rest) {
		switch c := r.rest[i]; {
		case c == '"':
			s := r.rest[:i]
			r.rest = r.rest[i+1:]
			if !utf8.ValidString(s) {
				r.fail()
			}
			return s
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			r.fail()
			return ""
		}
	}
	r.fail()
	return ""
}

// escaped reads a string that has an escape at begin.
func (r *jsonReader) escaped(begin int) string {
	b := []byte(r.rest[:begin])
	r.rest = r.rest[begin:]
	for r.rest != "" {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch {
		case c == '"':
			if !utf8.Valid(b) {
				r.fail()
			}
			return string(b)
		case c < ' ':
			r.fail()
		case c == '\\':
			b = r.escape(b)
		default:
			b = append(b, c)
		}
	}
	r.fail()
	return ""
}

func (r *jsonReader) escape(b []byte) []byte {
	if r.rest == "" {
		r.fail()
		return b
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	if c == 'u' {
		first := r.hex()
		if !utf16.IsSurrogate(first) {
			return utf8.AppendRune(b, first)
		}
		if !strings.HasPrefix(r.rest, `\u`) {
			return utf8.AppendRune(b, utf8.RuneError)
		}
		r.rest = r.rest[2:]
		return utf8.AppendRune(b, utf16.DecodeRune(first, r.hex()))
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		r.fail()
		return b
	}
	return append(b, "\"\\/\b\f\n\r\t"[i])
}

func (r *jsonReader) hex() rune {
	if len(r.rest) < 4 {
		r.fail()
		return 0
	}
	n, err := strconv.ParseUint(r.rest[:4], 16, 16)
	if err != nil {
		r.fail()
		return 0
	}
	r.rest = r.rest[4:]
	return rune(n)
}

// number returns a number's text.
func (r *jsonReader) number() string {
	r.peek()
	i := 0
	digits := func() {
		begin := i
		for i < len(r.rest) && r.rest[i] >= '0' && r.rest[i] <= '9' {
			i++
		}
		if i == begin {
			r.fail()
		}
	}
	is := func(set string) bool { return i < len(r.rest) && strings.IndexByte(set, r.rest[i]) >= 0 }
	if is("-") {
		i++
	}
	if is("0") {
		i++
	} else {
		digits()
	}
	if is(".") {
		i++
		digits()
	}
	if is("eE") {
		if i++; is("+-") {
			i++
		}
		digits()
	}
	if r.err != nil {
		return ""
	}
	text := r.rest[:i]
	r.rest = r.rest[i:]
	return text
}

// skip reads whatever comes next.
func (r *jsonReader) skip() {
	switch c := r.peek(); c {
	case '{':
		r.object(func(string) { r.skip() })
	case '[':
		r.array(r.skip)
	case '"':
		r.string()
	case 't', 'f':
		r.bool()
	case 'n':
		if !r.literal("null") {
			r.fail()
		}
	default:
		r.number()
	}
}

// decodeJSON reads a body into a pointer to one of the SDK's structures. Members that it does not
// have are passed over, as DynamoDB does.
func decodeJSON(body string, into any) error {
	r := &jsonReader{rest: body}
	if r.peek() != '{' {
		return errSerialization
	}
	r.read(reflect.ValueOf(into).Elem())
	if r.peek() != 0 {
		r.fail()
	}
	return r.err
}

func (r *jsonReader) read(into reflect.Value) {
	if r.literal("null") {
		return
	}
	switch p := into.Addr().Interface().(type) {
	case *attributes:
		*p = r.attributes()
		return
	case *types.AttributeValue:
		*p = r.value()
		return
	case *map[string]string:
		*p = map[string]string{}
		r.object(func(name string) { (*p)[name] = r.string() })
		return
	case *[]byte:
		*p = r.bytes()
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.read(into.Elem())
	case reflect.Struct:
		fields := fieldsOf(into.Type())
		r.object(func(name string) {
			if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
				r.read(into.Field(fields[i].index))
			} else {
				r.skip()
			}
		})
	case reflect.Slice:
		into.Set(reflect.MakeSlice(into.Type(), 0, 2))
		r.array(func() {
			element := reflect.New(into.Type().Elem()).Elem()
			r.read(element)
			into.Set(reflect.Append(into, element))
		})
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		r.object(func(name string) {
			element := reflect.New(into.Type().Elem()).Elem()
			r.read(element)
			into.SetMapIndex(reflect.ValueOf(name), element)
		})
	case reflect.String:
		into.SetString(r.string())
	case reflect.Bool:
		into.SetBool(r.bool())
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(r.number(), 10, into.Type().Bits())
		if err != nil {
			r.fail()
		}
		into.SetInt(n)
	default:
		r.fail() // nothing else occurs in an input that the engine takes
	}
}

// attributes and value fail on null: an attribute has one kind of value.
func (r *jsonReader) attributes() attributes {
	read := make(attributes, 4)
	r.object(func(name string) { read[name] = r.value() })
	return read
}

// errKinds is what a value of several kinds, or of none, comes to.
var errKinds = invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")

func (r *jsonReader) value() (read types.AttributeValue) {
	kinds := 0
	r.object(func(kind string) {
		kinds++
		switch kind {
		case "S":
			read = &text{Value: r.string()}
		case "N":
			read = &number{Value: r.string()}
		case "B":
			read = &binaryValue{Value: r.bytes()}
		case "BOOL":
			read = &boolean{Value: r.bool()}
		case "NULL":
			read = &null{Value: r.bool()}
		case "M":
			read = &document{Value: r.attributes()}
		case "L":
			v := &list{Value: []value{}}
			r.array(func() { v.Value = append(v.Value, r.value()) })
			read = v
		case "SS":
			read = &texts{Value: r.strings()}
		case "NS":
			read = &numbers{Value: r.strings()}
		case "BS":
			v := &binaries{}
			r.array(func() { v.Value = append(v.Value, r.bytes()) })
			read = v
		default:
			r.skip()
		}
	})
	if kinds > 1 {
		r.failWith(errKinds)
	}
	return read
}

func (r *jsonReader) strings() (all []string) {
	r.array(func() { all = append(all, r.string()) })
	return all
}

func (r *jsonReader) bytes() []byte {
	b, err := base64.StdEncoding.DecodeString(r.string())
	if err != nil {
		r.fail()
	}
	return b
}

// field is a member of one of the SDK's structures.
type field struct {
	name  string
	index int
}

var knownFields sync.Map // []field by reflect.Type

// fieldsOf lists the members that the protocol has. An error's code is none.
func fieldsOf(of reflect.Type) []field {
	if found, ok := knownFields.Load(of); ok {
		return found.([]field)
	}
	var fields []field
	for i := range of.NumField() {
		if f := of.Field(i); f.IsExported() && f.Name != "ResultMetadata" && f.Name != "ErrorCodeOverride" {
			fields = append(fields, field{memberName(of, f.Name), i})
		}
	}
	knownFields.Store(of, fields)
	return fields
}

// memberName is a field's name in the protocol, which has a few in lower case.
func memberName(of reflect.Type, name string) string {
	switch of {
	case reflect.TypeFor[types.ThrottlingException](), reflect.TypeFor[types.ThrottlingReason]():
		return strings.ToLower(name[:1]) + name[1:]
	}
	return name
}

// appendJSON writes one of the SDK's values. Members without a value are left out.
func appendJSON(b []byte, v reflect.Value) []byte {
	switch v := v.Interface().(type) {
	case attributes:
		return appendAttributes(b, v)
	case map[string]string:
		return appendMap(b, v, appendString)
	case types.AttributeValue:
		return appendAttribute(b, v)
	case time.Time:
		return strconv.AppendFloat(b, float64(v.UnixMilli())/1e3, 'f', -1, 64)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return appendJSON(b, v.Elem())
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.Map:
		members := make(map[string]reflect.Value, v.Len())
		for name, member := range v.Seq2() {
			members[name.String()] = member
		}
		return appendMap(b, members, appendJSON)
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			b = appendJSON(appendComma(b, i > 0), v.Index(i))
		}
		return append(b, ']')
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Float64:
		return strconv.AppendFloat(b, v.Float(), 'f', -1, 64)
	}
	panic("no output of the engine has a " + v.Type().String())
}

func appendComma(b []byte, wanted bool) []byte {
	if wanted {
		return append(b, ',')
	}
	return b
}

func appendStruct(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	begin := len(b)
	for _, f := range fieldsOf(v.Type()) {
		member := v.Field(f.index)
		if absentMember(member) {
			continue
		}
		b = appendString(appendComma(b, len(b) > begin), f.name)
		b = appendJSON(append(b, ':'), member)
	}
	return append(b, '}')
}

// absentMember reports whether a member has no value. An empty list has one, and the number 0 in a
// result, such as Count, is one.
func absentMember(member reflect.Value) bool {
	switch member.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return member.IsNil()
	case reflect.String:
		return member.Len() == 0
	}
	return false
}

func appendAttributes(b []byte, a attributes) []byte { return appendMap(b, a, appendAttribute) }

// appendMap writes names in order, so that the same content is the same text.
func appendMap[V any](b []byte, m map[string]V, one func([]byte, V) []byte) []byte {
	var space [32]string
	names := space[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		b = appendString(appendComma(b, i > 0), name)
		b = one(append(b, ':'), m[name])
	}
	return append(b, '}')
}

func appendAttribute(b []byte, v value) []byte {
	b = append(append(append(b, `{"`...), typeName(v)...), `":`...)
	switch v := v.(type) {
	case *text:
		b = appendString(b, v.Value)
	case *number:
		b = appendString(b, v.Value)
	case *binaryValue:
		b = appendBytes(b, v.Value)
	case *boolean:
		b = strconv.AppendBool(b, v.Value)
	case *null:
		b = strconv.AppendBool(b, v.Value)
	case *list:
		b = appendAll(b, v.Value, appendAttribute)
	case *document:
		b = appendAttributes(b, v.Value)
	case *texts:
		b = appendAll(b, v.Value, appendString)
	case *numbers:
		b = appendAll(b, v.Value, appendString)
	case *binaries:
		b = appendAll(b, v.Value, appendBytes)
	}
	return append(b, '}')
}

func appendAll[E any](b []byte, all []E, one func([]byte, E) []byte) []byte {
	b = append(b, '[')
	for i, e := range all {
		b = one(appendComma(b, i > 0), e)
	}
	return append(b, ']')
}

func appendBytes(b, value []byte) []byte {
	b = append(b, '"')
	return append(base64.StdEncoding.AppendEncode(b, value), '"')
}

// appendString writes text that is valid UTF-8, as everything is that was read.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
