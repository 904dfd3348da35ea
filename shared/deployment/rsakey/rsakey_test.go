package rsakey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"waitingroom/shared/deployment/rsakey"
)

// Keys are made once: each takes the race detector a good part of a second.
var (
	key   = keyOf(rsakey.Bits)
	short = keyOf(rsakey.Bits - 1)
)

func keyOf(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

func encode(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	text, err := rsakey.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func encodePublic(t testing.TB, key *rsa.PublicKey) string {
	t.Helper()
	text, err := rsakey.EncodePublic(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeysSurviveTheirText(t *testing.T) {
	private, err := rsakey.Parse(encode(t, key()) + "\n")
	if err != nil || !private.Equal(key()) {
		t.Fatalf("%v", err)
	}
	if private.Precomputed.Dp == nil {
		t.Error("nothing is precomputed: each signature would take longer")
	}
	text := encodePublic(t, &key().PublicKey)
	if strings.ContainsAny(text, "\r\n") {
		t.Errorf("%q is more than a line", text)
	}
	public, err := rsakey.ParsePublic(text)
	if err != nil || !public.Equal(key().Public()) {
		t.Errorf("%v", err)
	}
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func elliptical(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOtherPrivateKeysAreRefusedAndNotTold(t *testing.T) {
	good := encode(t, key())
	for name, text := range map[string]string{
		"nothing":         "",
		"a password":      "correct horse battery staple",
		"JSON":            `{"key":"` + strings.ReplaceAll(good, "\n", `\n`) + `"}`,
		"cut off":         good[:len(good)/2],
		"damaged":         strings.Replace(good, "MII", "MIJ", 1),
		"two keys":        good + good,
		"another type":    block("RSA PRIVATE KEY", pkcs8(t, key())),
		"PKCS #1":         block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key())),
		"a public key":    block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key().PublicKey)),
		"a short key":     block("PRIVATE KEY", pkcs8(t, short())),
		"an elliptic one": block("PRIVATE KEY", pkcs8(t, elliptical(t))),
	} {
		got, err := rsakey.Parse(text)
		if err == nil || got != nil {
			t.Errorf("%s was taken", name)
			continue
		}
		if want := "not an RSA private key of at least 2048 bits in PKCS #8 PEM"; err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestOtherPublicKeysAreRefused(t *testing.T) {
	pkix := func(public crypto.PublicKey) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(der)
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"not base64":      "?",
		"not a key":       "AAAA",
		"a short key":     pkix(short().Public()),
		"an elliptic one": pkix(elliptical(t).Public()),
		"PKCS #1":         base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key().PublicKey)),
		"a private key":   base64.StdEncoding.EncodeToString(pkcs8(t, key())),
		"private PEM":     encode(t, key()),
	} {
		if got, err := rsakey.ParsePublic(text); err == nil || got != nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Whatever is taken for a key survives its own text, and nothing makes Parse panic.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, key()))
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rsakey.Parse(text)
		if err != nil {
			return
		}
		if again, err := rsakey.Parse(encode(t, got)); err != nil || !again.Equal(got) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	f.Add(encodePublic(f, &key().PublicKey))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rsakey.ParsePublic(text)
		if err != nil {
			return
		}
		if again, err := rsakey.ParsePublic(encodePublic(t, got)); err != nil || !again.Equal(got) {
			t.Errorf("%v", err)
		}
	})
}
