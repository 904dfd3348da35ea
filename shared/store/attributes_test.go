package store

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/room"
)

// size is at least what DynamoDB counts for an item: names and values in bytes, and never less
// than a byte for each two digits of a number.
func size(k key, a attributes) int {
	n := len("pk") + len(k.pk) + len("sk") + len(k.sk)
	for name, value := range a {
		n += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value) + 1
		case *types.AttributeValueMemberBOOL:
			n++
		default:
			panic("size: " + reflect.TypeOf(value).String())
		}
	}
	return n
}

// stored is what a table makes of values.
func stored(set values) attributes {
	a := attributes{}
	for value, v := range set {
		a[strings.TrimPrefix(value, ":")] = v
	}
	return a
}

func TestStateStaysBelow4KB(t *testing.T) {
	const most = 1<<63 - 1
	long := strings.Repeat("e", 64)
	s := room.State{
		Run:    room.Run{Event: long, ID: strings.Repeat("0", 32)},
		Fence:  room.Fence{Owner: strings.Repeat("o", 64), Version: most},
		Shards: 128, Cohort: most, Closing: most, Base: most, Admitted: most, Expired: most,
		Phase: room.Scheduled, PoolOpen: true, Final: true, Commit: strings.Repeat("c", 64),
		Last: time.Now(), Clock: most, Carry: -1.2345678901234567e-300, Speed: -1.2345678901234567e-300,
		OnSale: time.Now(), PreQueue: time.Now(), Closes: time.Now(),
		Target: strings.Repeat("t", 2_048), PassLifetime: most, PassAlg: "RS256", ClaimWindow: most,
		Cap: room.Cap{Rate: room.MaxRate, Before: room.MaxRate, Switch: time.Now()},
	}
	// A kilobyte is left for marks of other functions and for what later versions add.
	if n := size(stateKey(long), stored(encodeState(s))); n > 4_096-1_000 {
		t.Errorf("the state takes %d bytes", n)
	}
}

func TestPacingStaysBelow400KB(t *testing.T) {
	p := room.Pacing{Good: map[string]string{}}
	for i := range 720 {
		p.Checkpoints = append(p.Checkpoints, room.Checkpoint{Clock: 1<<62 + time.Duration(i), Admitted: 1 << 62})
	}
	for i := range 60 {
		p.Show.Recent = append(p.Show.Recent, room.Taken{End: time.Unix(int64(i), 123_456_789), N: 1 << 62})
	}
	for i := range 20 {
		p.Good["message/"+strconv.Itoa(i)] = strings.Repeat("🎟", 500)
	}
	p.Good["target"] = strings.Repeat("t", 2_048)
	a, err := encodePacing(p)
	if err != nil {
		t.Fatal(err)
	}
	if n := size(pacingKey(strings.Repeat("e", 64)), stored(a)); n > 400_000/2 {
		t.Errorf("the pacing takes %d bytes", n)
	}
}

// TestStateHoldsValuesOnly holds that a state can be handed out without a deep copy.
func TestStateHoldsValuesOnly(t *testing.T) {
	var check func(reflect.Type, string)
	check = func(of reflect.Type, name string) {
		if of == reflect.TypeFor[time.Time]() {
			return
		}
		switch of.Kind() {
		case reflect.Struct:
			for i := range of.NumField() {
				check(of.Field(i).Type, name+"."+of.Field(i).Name)
			}
		case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
			t.Errorf("%s is shared between copies", name)
		}
	}
	check(reflect.TypeFor[room.State](), "State")
}

func TestFractionsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		f := random.Float64() * float64(int64(1)<<random.IntN(40))
		i := item{attributes: attributes{"f": fraction(f)}}
		if got := i.fraction("f"); got != f || i.err != nil {
			t.Fatalf("%v came back as %v, %v", f, got, i.err)
		}
	}
}

// TestUnreadableItems holds that a broken item is an error that names the attribute, and no value.
func TestUnreadableItems(t *testing.T) {
	wrong := []types.AttributeValue{
		&types.AttributeValueMemberNULL{Value: true},
		&types.AttributeValueMemberN{Value: "1.5"},
		&types.AttributeValueMemberM{},
		&types.AttributeValueMemberL{Value: []types.AttributeValue{text("1")}},
	}
	decoders := []struct {
		whole  attributes
		decode func(attributes) error
	}{
		{stored(encodeState(room.State{})), func(a attributes) error { _, err := decodeState("e", a); return err }},
		{stored(encodeSeal(room.Seal{Counts: []int64{1}})), func(a attributes) error { _, err := decodeSeal(room.Run{}, 0, a); return err }},
		{stored(encodeVisitor(room.Visitor{Seq: 1, Pass: &room.Pass{}})), func(a attributes) error { _, err := decodeVisitor("v", a); return err }},
		{attributes{"pacing": text("{}")}, func(a attributes) error { _, err := decodePacing(a); return err }},
	}
	for _, d := range decoders {
		if err := d.decode(d.whole); err != nil {
			t.Fatal(err)
		}
		for name, value := range d.whole {
			for _, bad := range wrong {
				d.whole[name] = bad
				if err := d.decode(d.whole); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%s as %T: error %v", name, bad, err)
				}
			}
			d.whole[name] = value
		}
	}
}

func TestUnreadableValues(t *testing.T) {
	_, fractionErr := decodeState("e", attributes{"carry": text("half")})
	_, pacingErr := decodePacing(attributes{"pacing": text("{")})
	_, placeErr := decodeVisitor("v", attributes{"cohort": number(1)})
	_, seedErr := decodeSeal(room.Run{}, 0, attributes{"counts": numbers([]int64{1}), "seed": binary(make([]byte, 31))})
	for name, err := range map[string]error{
		"a fraction in words":       fractionErr,
		"half a JSON document":      pacingErr,
		"a visitor without a place": placeErr,
		"a seed of 31 bytes":        seedErr,
	} {
		if err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// TestOlderStates holds that a state written before an attribute was invented can be read.
func TestOlderStates(t *testing.T) {
	s, err := decodeState("e", attributes{"run": text("r"), "version": number(1)})
	want := room.State{Run: room.Run{Event: "e", ID: "r"}, Fence: room.Fence{Version: 1}}
	if err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
}
