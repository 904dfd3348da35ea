package pass_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"waitingroom/shared/pass"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func claims() pass.Claims {
	return pass.Claims{
		Issuer: "https://room.example", Audience: "https://shop.example", Subject: strings.Repeat("ab", 16),
		Event: "demo", Issued: noon, Expiry: noon.Add(30 * time.Minute), ID: strings.Repeat("01", 16),
	}
}

// opaque hides the private key, as KMS does: only crypto.Signer is left of it.
type opaque struct {
	crypto.Signer
	err error
}

func (o opaque) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.Signer.Sign(r, digest, opts)
}

func TestRS256IsReadWithTheKeySet(t *testing.T) {
	signer, err := pass.NewRS256(opaque{Signer: rsaKey()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	document, err := pass.JWKS(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(document, &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := parsed.Claims(&set, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://room.example", "aud": "https://shop.example", "sub": strings.Repeat("ab", 16), "event": "demo",
		"iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 1800), "jti": strings.Repeat("01", 16),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("claims are %v, want %v", got, want)
	}
	if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != "JWT" {
		t.Errorf("typ is %v, want JWT", typ)
	}
}

func TestTheSameClaimsGiveTheSameToken(t *testing.T) {
	rs, err := pass.NewRS256(opaque{Signer: rsaKey()})
	if err != nil {
		t.Fatal(err)
	}
	hs, err := pass.NewHS256(pass.HMACKey([]byte("a secret of the deployment")))
	if err != nil {
		t.Fatal(err)
	}
	for name, signer := range map[string]*pass.Signer{"RS256": rs, "HS256": hs} {
		t.Run(name, func(t *testing.T) {
			first, err := signer.Sign(t.Context(), claims())
			if err != nil {
				t.Fatal(err)
			}
			later := claims()
			later.Issued = later.Issued.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
			later.Expiry = later.Expiry.Add(time.Millisecond)
			again, err := signer.Sign(t.Context(), later)
			if err != nil {
				t.Fatal(err)
			}
			if first != again {
				t.Errorf("claims equal in whole seconds gave\n%s and\n%s", first, again)
			}
			later.ID = strings.Repeat("02", 16)
			if other, err := signer.Sign(t.Context(), later); err != nil || other == first {
				t.Errorf("another jti gave the same token (error %v)", err)
			}
		})
	}
}

// The thumbprint is computed here by hand, as RFC 7638 section 3 says, for a key of known bytes.
func TestKeyIDIsTheThumbprint(t *testing.T) {
	key := rsaKey()
	text := fmt.Sprintf(`{"e":"AQAB","kty":"RSA","n":"%s"}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	sum := sha256.Sum256([]byte(text))
	want := base64.RawURLEncoding.EncodeToString(sum[:])

	document, err := pass.JWKS(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(document, &set); err != nil {
		t.Fatal(err)
	}
	wantKey := map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": want, "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes())}
	if len(set.Keys) != 1 || fmt.Sprint(set.Keys[0]) != fmt.Sprint(wantKey) {
		t.Errorf("key set is %s, want only %v", document, wantKey)
	}

	signer, err := pass.NewRS256(key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if err != nil {
		t.Fatal(err)
	}
	if wantHeader := `{"alg":"RS256","kid":"` + want + `","typ":"JWT"}`; string(header) != wantHeader {
		t.Errorf("header is %s, want %s", header, wantHeader)
	}
}

func TestHS256IsReadWithTheDerivedKey(t *testing.T) {
	key := pass.HMACKey([]byte("secret"))
	if len(key) != 32 || bytes.Equal(key, pass.HMACKey([]byte("secres"))) {
		t.Fatalf("key of %d bytes, or the same for another secret", len(key))
	}
	signer, err := pass.NewHS256(key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		jwt.Claims
		Event string `json:"event"`
	}
	if err := parsed.Claims(key, &got); err != nil {
		t.Fatal(err)
	}
	if got.Event != "demo" || got.Subject != claims().Subject {
		t.Errorf("claims are %+v", got)
	}
	if err := parsed.Claims([]byte(strings.Repeat("k", 32)), &got); err == nil {
		t.Error("another key accepted the token")
	}
}

// A change here would make every HS256 gate refuse the passes of the next deployment. The value was
// computed with another implementation of RFC 5869.
func TestHMACKeyStaysTheSame(t *testing.T) {
	const want = "462f7fc07d22c9e6282c87faeae2804dfd35740049d770821fe62f28d06c1293"
	if got := fmt.Sprintf("%x", pass.HMACKey([]byte("secret"))); got != want {
		t.Errorf("derived key is %s, want %s", got, want)
	}
}

func TestAThrottledKeyIsRecognised(t *testing.T) {
	cause := fmt.Errorf("KMS: %w", pass.ErrThrottled)
	signer, err := pass.NewRS256(opaque{Signer: rsaKey(), err: cause})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Sign(t.Context(), claims()); !errors.Is(err, pass.ErrThrottled) {
		t.Errorf("error is %v, want ErrThrottled", err)
	}
}

func TestSignAfterTheContextEnded(t *testing.T) {
	signer, err := pass.NewRS256(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := signer.Sign(ctx, claims()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

func TestIncompleteClaimsAreNotSigned(t *testing.T) {
	signer, err := pass.NewHS256(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*pass.Claims){
		"iss":   func(c *pass.Claims) { c.Issuer = "" },
		"aud":   func(c *pass.Claims) { c.Audience = "" },
		"sub":   func(c *pass.Claims) { c.Subject = "" },
		"event": func(c *pass.Claims) { c.Event = "" },
		"jti":   func(c *pass.Claims) { c.ID = "" },
		"iat":   func(c *pass.Claims) { c.Issued = time.Time{} },
		"exp":   func(c *pass.Claims) { c.Expiry = c.Issued.Add(999 * time.Millisecond) },
	} {
		c := claims()
		spoil(&c)
		if _, err := signer.Sign(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: error is %v, want one that names it", name, err)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pass.NewRS256(short); err == nil {
		t.Error("a 1024-bit key signs")
	}
	if _, err := pass.NewRS256(curve); err == nil {
		t.Error("an elliptic key signs RS256")
	}
	if _, err := pass.NewHS256(make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes signs HS256")
	}
	for name, key := range map[string]crypto.PublicKey{"private": rsaKey(), "symmetric": make([]byte, 32), "elliptic": curve.Public()} {
		if document, err := pass.JWKS(key); err == nil {
			t.Errorf("a %s key was published: %s", name, document)
		}
	}
	if _, err := pass.JWKS(); err == nil {
		t.Error("an empty key set was made")
	}
}

func TestDiscovery(t *testing.T) {
	document, err := pass.Discovery("https://room.example")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"issuer":                                "https://room.example",
		"authorization_endpoint":                "https://room.example/",
		"jwks_uri":                              "https://room.example/.well-known/jwks.json",
		"response_types_supported":              []any{"id_token"},
		"subject_types_supported":               []any{"public"},
		"id_token_signing_alg_values_supported": []any{"RS256"},
		"claims_supported":                      []any{"iss", "aud", "sub", "event", "iat", "exp", "jti"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("document is %v, want %v", got, want)
	}
	for _, issuer := range []string{"", "room.example", "https://room.example/", "https://room.example?a", "ftp://room.example", "https://room.example#x", "https://%zz"} {
		if _, err := pass.Discovery(issuer); err == nil {
			t.Errorf("issuer %q was accepted", issuer)
		}
	}
}

func TestOrigin(t *testing.T) {
	for address, want := range map[string]string{
		"https://shop.example/checkout?show=1": "https://shop.example",
		"https://SHOP.example:443/":            "https://shop.example",
		"HTTPS://shop.example:8443":            "https://shop.example:8443",
		"http://127.0.0.1:8080/shop":           "http://127.0.0.1:8080",
		"http://localhost:80/shop":             "http://localhost",
		"http://[::1]/shop":                    "http://[::1]",
		"http://[::1]:8080/shop":               "http://[::1]:8080",
	} {
		if got, err := pass.Origin(address); err != nil || got != want {
			t.Errorf("origin of %s is %q (error %v), want %q", address, got, err, want)
		}
	}
	for _, address := range []string{"", "shop.example", "//shop.example", "javascript:alert(1)", "https://", "https://u:p@shop.example", "https://%zz"} {
		if got, err := pass.Origin(address); err == nil {
			t.Errorf("origin of %q is %q, want an error", address, got)
		}
	}
}

func TestNewID(t *testing.T) {
	id, err := pass.NewID(bytes.NewReader([]byte("0123456789abcdefXYZ")))
	if err != nil || id != "30313233343536373839616263646566" {
		t.Errorf("id is %q, error %v", id, err)
	}
	if _, err := pass.NewID(strings.NewReader("too short")); err == nil {
		t.Error("an id was made of 9 bytes")
	}
}
