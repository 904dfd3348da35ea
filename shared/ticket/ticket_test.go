package ticket

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func sample() Ticket {
	return Ticket{
		Event: "demo", Run: strings.Repeat("0a", 16), Visitor: strings.Repeat("f1", 16),
		Cohort: 7, Shard: 127, Seq: 1 << 40,
	}
}

func key(t testing.TB, secret string) Key {
	t.Helper()
	k, err := NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign puts the right mac behind anything.
func sign(k Key, head string) string {
	return head + "." + base64.RawURLEncoding.EncodeToString(k.mac([]byte(head)))
}

func TestOpenReadsWhatSealWrote(t *testing.T) {
	k := key(t, "secret")
	for _, event := range []string{"a", "demo", strings.Repeat("x", 64)} {
		want := sample()
		want.Event = event
		got, err := k.Open(k.Seal(want))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", event, got, err)
		}
	}
}

// Tickets outlive the code that wrote them: after a deployment in the middle of a sale, those that
// visitors hold have to be read, and written again byte for byte. The text was computed from the format
// in Python, not by this package.
func TestTheFormatIsOneForAllVersions(t *testing.T) {
	const text = "v1.AARkZW1vAAECAwQFBgcICQoLDA0OD_Dg0MCwoJCAcGBQQDAgEAAAAAAAAAAAAwB_AAABAAAAAAU." +
		"9GCp3CiIX6SGDXPqXaVA0W96r-3oREuW60gz7e6hGOA"
	want := Ticket{
		Event: "demo", Run: "000102030405060708090a0b0c0d0e0f", Visitor: "f0e0d0c0b0a090807060504030201000",
		Cohort: 3, Shard: 127, Seq: 1<<40 + 5,
	}
	k := key(t, "the secret of a deployment")
	if got, err := k.Open(text); err != nil || got != want {
		t.Errorf("read as %+v, %v", got, err)
	}
	if got := k.Seal(want); got != text {
		t.Errorf("written as %s", got)
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	k := key(t, "secret")
	text := []byte(k.Seal(sample()))
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if got, err := k.Open(string(text)); !errors.Is(err, ErrBad) {
				t.Fatalf("byte %d, bit %d: %+v, %v", i, bit, got, err)
			}
			text[i] ^= 1 << bit
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	k := key(t, "secret")
	good := k.Seal(sample())
	for name, text := range map[string]string{
		"nothing":           "",
		"another room's":    key(t, "another").Seal(sample()),
		"padding":           good + "=",
		"a line break":      good + "\n",
		"no mac":            good[:strings.LastIndexByte(good, '.')],
		"a part too many":   "v1." + good,
		"another version":   "v2" + good[2:],
		"a signed nonsense": sign(k, "v1.AAAA"),
		"no payload":        sign(k, "v1"),
		"much too long":     strings.Repeat("A", 1<<20),
	} {
		if got, err := k.Open(text); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := key(f, "secret")
	f.Add(k.Seal(sample()))
	f.Add("v1..")
	f.Add(sign(k, "v1.AAAA"))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := k.Open(text)
		if err == nil && k.Seal(got) != text {
			t.Errorf("%q is a second way to write %+v", text, got)
		}
	})
}

// FuzzPayload signs what the fuzzer writes, so that the parser behind the mac is reached.
func FuzzPayload(f *testing.F) {
	k := key(f, "secret")
	good := k.Seal(sample())
	f.Add(good[:strings.LastIndexByte(good, '.')])
	f.Fuzz(func(t *testing.T, head string) {
		got, err := k.Open(sign(k, head))
		if err == nil && k.Seal(got) != sign(k, head) {
			t.Errorf("%q is a second way to write %+v", head, got)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := key(b, "secret")
	for b.Loop() {
		k.Seal(sample())
	}
}

func BenchmarkOpen(b *testing.B) {
	k := key(b, "secret")
	text := k.Seal(sample())
	for b.Loop() {
		if _, err := k.Open(text); err != nil {
			b.Fatal(err)
		}
	}
}
