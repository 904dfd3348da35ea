package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/room"
)

// attributes are an item or a part of one, without its key.
type attributes map[string]types.AttributeValue

// values are attributes to be written, each by its name behind a colon, as expressions have them.
type values map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number[N int | int64](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

func numbers(list []int64) types.AttributeValue {
	values := make([]types.AttributeValue, len(list))
	for i, n := range list {
		values[i] = number(n)
	}
	return &types.AttributeValueMemberL{Value: values}
}

// fraction writes a float as text: a DynamoDB number has a smaller range, and a state that it
// refused could never be written again.
func fraction(f float64) types.AttributeValue { return text(strconv.FormatFloat(f, 'g', -1, 64)) }

func flag(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// millis writes a time in Unix milliseconds. The zero time has a number of its own there.
func millis(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

func seconds(t time.Time) types.AttributeValue { return number(t.Unix()) }

// item reads attributes and remembers the first that cannot be read. A missing one has its zero
// value, so that a program can read what an older one wrote.
type item struct {
	attributes
	err error
}

func (i *item) fail(name, want string) {
	if i.err == nil {
		i.err = fmt.Errorf("attribute %s is not %s", name, want)
	}
}

func (i *item) text(name string) string {
	switch a := i.attributes[name].(type) {
	case nil:
		return ""
	case *types.AttributeValueMemberS:
		return a.Value
	}
	i.fail(name, "a string")
	return ""
}

func (i *item) number(name string) int64 {
	a, ok := i.attributes[name]
	if !ok {
		return 0
	}
	n, err := parseNumber(a)
	if err != nil {
		i.fail(name, "a whole number")
	}
	return n
}

func parseNumber(a types.AttributeValue) (int64, error) {
	n, ok := a.(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("%T is not a number", a)
	}
	return strconv.ParseInt(n.Value, 10, 64)
}

func (i *item) numbers(name string) []int64 {
	list, ok := i.attributes[name].(*types.AttributeValueMemberL)
	if !ok {
		i.fail(name, "a list")
		return nil
	}
	values := make([]int64, len(list.Value))
	for j, a := range list.Value {
		n, err := parseNumber(a)
		if err != nil {
			i.fail(name, "a list of whole numbers")
		}
		values[j] = n
	}
	return values
}

func (i *item) fraction(name string) float64 {
	s := i.text(name)
	if s == "" {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		i.fail(name, "a fraction")
	}
	return f
}

func (i *item) flag(name string) bool {
	switch a := i.attributes[name].(type) {
	case nil:
		return false
	case *types.AttributeValueMemberBOOL:
		return a.Value
	}
	i.fail(name, "true or false")
	return false
}

func (i *item) millis(name string) time.Time {
	if _, ok := i.attributes[name]; !ok {
		return time.Time{}
	}
	return time.UnixMilli(i.number(name)).UTC()
}

func (i *item) seconds(name string) time.Time { return time.Unix(i.number(name), 0).UTC() }

func (i *item) seed(name string) (seed [32]byte) {
	b, ok := i.attributes[name].(*types.AttributeValueMemberB)
	if !ok || len(b.Value) != len(seed) {
		i.fail(name, "a seed of 32 bytes")
		return seed
	}
	return [32]byte(b.Value)
}

// The attributes of a state are short words, since each environment of each function reads them
// every second and the item has to stay below 4 KB.
func encodeState(s room.State) values {
	return values{
		":run":      text(s.ID),
		":owner":    text(s.Owner),
		":version":  number(s.Version),
		":shards":   number(s.Shards),
		":cohort":   number(s.Cohort),
		":closing":  number(s.Closing),
		":base":     number(s.Base),
		":admitted": number(s.Admitted),
		":expired":  number(s.Expired),
		":phase":    text(string(s.Phase)),
		":pool":     flag(s.PoolOpen),
		":final":    flag(s.Final),
		":commit":   text(s.Commit),
		":hidden":   flag(s.Hidden),
		":last":     millis(s.Last),
		":clock":    number(int64(s.Clock)),
		":carry":    fraction(s.Carry),
		":speed":    fraction(s.Speed),
		":onsale":   millis(s.OnSale),
		":prequeue": millis(s.PreQueue),
		":closes":   millis(s.Closes),
		":target":   text(s.Target),
		":lifetime": number(int64(s.PassLifetime)),
		":alg":      text(s.PassAlg),
		":claim":    number(int64(s.ClaimWindow)),
		":rate":     number(s.Cap.Rate),
		":before":   number(s.Cap.Before),
		":switch":   millis(s.Cap.Switch),
	}
}

// announced is the attribute of a state that Announce alone writes.
const announced = "reread"

func decodeState(event string, a attributes) (room.State, error) {
	i := item{attributes: a}
	s := room.State{
		Run:          room.Run{Event: event, ID: i.text("run")},
		Fence:        room.Fence{Owner: i.text("owner"), Version: i.number("version")},
		Shards:       int(i.number("shards")),
		Cohort:       i.number("cohort"),
		Closing:      i.number("closing"),
		Base:         i.number("base"),
		Admitted:     i.number("admitted"),
		Expired:      i.number("expired"),
		Phase:        room.Phase(i.text("phase")),
		PoolOpen:     i.flag("pool"),
		Final:        i.flag("final"),
		Commit:       i.text("commit"),
		Hidden:       i.flag("hidden"),
		Last:         i.millis("last"),
		Clock:        time.Duration(i.number("clock")),
		Carry:        i.fraction("carry"),
		Speed:        i.fraction("speed"),
		Announced:    i.millis(announced),
		OnSale:       i.millis("onsale"),
		PreQueue:     i.millis("prequeue"),
		Closes:       i.millis("closes"),
		Target:       i.text("target"),
		PassLifetime: time.Duration(i.number("lifetime")),
		PassAlg:      i.text("alg"),
		ClaimWindow:  time.Duration(i.number("claim")),
		Cap: room.Cap{
			Rate:   int(i.number("rate")),
			Before: int(i.number("before")),
			Switch: i.millis("switch"),
		},
	}
	return s, i.err
}

// A pacing is one attribute of JSON text under the names of its Go fields: one function writes
// and reads it as a whole, and it stays far below 400 KB. Renaming a field forgets its value.
func encodePacing(p room.Pacing) (values, error) {
	document, err := json.Marshal(copyPacing(p))
	if err != nil {
		return nil, err
	}
	return values{":pacing": text(string(document))}, nil
}

func decodePacing(a attributes) (room.Pacing, error) {
	i := item{attributes: a}
	document := i.text("pacing")
	if i.err != nil {
		return room.Pacing{}, i.err
	}
	var p room.Pacing
	err := json.Unmarshal([]byte(document), &p)
	return p, err
}

func encodeSeal(s room.Seal) values {
	return values{":base": number(s.Base), ":counts": numbers(s.Counts), ":seed": binary(s.Seed[:])}
}

func decodeSeal(run room.Run, cohort int64, a attributes) (room.Seal, error) {
	i := item{attributes: a}
	s := room.Seal{Run: run, Cohort: cohort, Base: i.number("base"), Counts: i.numbers("counts"), Seed: i.seed("seed")}
	return s, i.err
}

func encodeVisitor(v room.Visitor) values {
	a := values{
		":cohort": number(v.Cohort),
		":shard":  number(v.Shard),
		":seq":    number(v.Seq),
		":joined": millis(v.Joined),
		":mark":   millis(v.Mark),
	}
	if v.Pass != nil {
		maps.Copy(a, encodePass(*v.Pass))
	}
	return a
}

func encodePass(p room.Pass) values {
	return values{":jti": text(p.ID), ":iat": seconds(p.Issued), ":exp": seconds(p.Expiry)}
}

func decodeVisitor(id string, a attributes) (room.Visitor, error) {
	i := item{attributes: a}
	v := room.Visitor{
		ID:     id,
		Cohort: i.number("cohort"),
		Shard:  int(i.number("shard")),
		Seq:    i.number("seq"),
		Joined: i.millis("joined"),
		Mark:   i.millis("mark"),
	}
	if _, admitted := a["jti"]; admitted {
		v.Pass = &room.Pass{ID: i.text("jti"), Issued: i.seconds("iat"), Expiry: i.seconds("exp")}
	}
	if v.Seq < 1 {
		i.fail("seq", "a place")
	}
	return v, i.err
}

// The copies below are what comes back when the value is stored and read: times have the
// precision of the table and are in UTC, and nothing is shared with the original.

func copyState(s room.State) room.State {
	for _, t := range []*time.Time{&s.Last, &s.OnSale, &s.PreQueue, &s.Closes, &s.Cap.Switch, &s.Announced} {
		*t = toMilli(*t)
	}
	return s
}

func copyPacing(p room.Pacing) room.Pacing {
	p.Checkpoints = slices.Clone(p.Checkpoints)
	p.Good = maps.Clone(p.Good)
	p.Show.Counted = p.Show.Counted.Round(0).UTC()
	p.Show.Fresh = slices.Clone(p.Show.Fresh)
	for i := range p.Show.Fresh {
		p.Show.Fresh[i].At = p.Show.Fresh[i].At.Round(0).UTC()
	}
	p.Show.Recent = slices.Clone(p.Show.Recent)
	for i := range p.Show.Recent {
		p.Show.Recent[i].End = p.Show.Recent[i].End.Round(0).UTC()
	}
	return p
}

func copySeal(s room.Seal) room.Seal {
	s.Counts = slices.Clone(s.Counts)
	return s
}

func copyVisitor(v room.Visitor) room.Visitor {
	v.Joined = toMilli(v.Joined)
	if v.Pass != nil {
		pass := copyPass(*v.Pass)
		v.Pass = &pass
	}
	return v
}

func copyPass(p room.Pass) room.Pass {
	p.Issued, p.Expiry = time.Unix(p.Issued.Unix(), 0).UTC(), time.Unix(p.Expiry.Unix(), 0).UTC()
	return p
}

func toMilli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }
