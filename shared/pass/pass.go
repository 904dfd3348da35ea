// Package pass makes the JSON Web Token with which a visitor enters the shop, and the documents
// by which anybody can check one.
//
// One JOSE library does the cryptography everywhere: go-jose. It signs through a crypto.Signer,
// so that KMS can hold the key; it makes key sets and thumbprints; and nothing can be parsed
// without naming the algorithms that are accepted.
package pass

import (
	"context"
	"crypto"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// ErrThrottled means that the key is too busy to sign, or out of reach for now. The turn is kept:
// answer 429 with Retry-After, and sign the same claims when the visitor asks again.
var ErrThrottled = errors.New("pass: signing is throttled")

// The algorithms of passes, as the promoter's `pass-alg` parameter names them.
const (
	RS256 = "RS256"
	HS256 = "HS256"
)

// minModulus is the shortest RSA key that RFC 7518 allows for RS256, in bits.
const minModulus = 2048

// Claims is what a pass says. The same claims signed twice give the same token, byte for byte,
// so whoever remembers jti, iat and exp need not remember the token.
type Claims struct {
	Issuer   string    // iss: the room's own address, without a trailing slash
	Audience string    // aud: the shop's origin, see Origin
	Subject  string    // sub: the visitor's id
	Event    string    // event
	Issued   time.Time // iat, cut to whole seconds
	Expiry   time.Time // exp, cut to whole seconds; at least a second after Issued
	ID       string    // jti, see NewID
}

// wire fixes the order of the fields: equal claims must be equal bytes.
type wire struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Event    string `json:"event"`
	Issued   int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	ID       string `json:"jti"`
}

func (c Claims) payload() ([]byte, error) {
	var missing []string
	for _, f := range []struct{ name, value string }{
		{"iss", c.Issuer}, {"aud", c.Audience}, {"sub", c.Subject}, {"event", c.Event}, {"jti", c.ID},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("pass: claims without %s", strings.Join(missing, ", "))
	}
	w := wire{c.Issuer, c.Audience, c.Subject, c.Event, c.Issued.Unix(), c.Expiry.Unix(), c.ID}
	if w.Issued <= 0 || w.Expiry <= w.Issued {
		return nil, fmt.Errorf("pass: exp (%d) has to be after iat (%d)", w.Expiry, w.Issued)
	}
	return json.Marshal(w)
}

// NewID returns a jti: 16 bytes of random, as 32 lower-case hexadecimal digits.
func NewID(random io.Reader) (string, error) {
	var id [16]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", fmt.Errorf("pass: random bytes for a jti: %w", err)
	}
	return hex.EncodeToString(id[:]), nil
}

// Origin returns the origin of an http or https address as browsers write it: lower case, without
// the scheme's default port, without a path. It is the aud of the passes for that address.
func Origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("pass: origin: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("pass: origin of %q: it has to start with https:// or http://", address)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "" || u.User != nil {
		return "", fmt.Errorf("pass: origin of %q: it needs a host and no user name", address)
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}

// Signer signs passes with one key. It is safe for use by many goroutines if its key is.
type Signer struct {
	jose jose.Signer
}

// NewRS256 returns a signer for RS256, whose tokens name the key by its RFC 7638 thumbprint. The
// key has to be an RSA key of at least 2048 bits; its Sign has to make PKCS #1 v1.5 signatures,
// which are the same for the same input. An error of the key is returned by Sign as it is.
func NewRS256(key crypto.Signer) (*Signer, error) {
	public, err := publicKey(key.Public())
	if err != nil {
		return nil, err
	}
	return newSigner(jose.RS256, jose.JSONWebKey{Key: cryptosigner.Opaque(key), KeyID: public.KeyID})
}

// NewHS256 returns a signer for HS256, for shops whose edge can only compute hashes. The key has
// at least 32 bytes: see HMACKey. Whoever can check such a pass can make one.
func NewHS256(key []byte) (*Signer, error) {
	if len(key) < sha256.Size {
		return nil, fmt.Errorf("pass: an HS256 key needs %d bytes, this one has %d", sha256.Size, len(key))
	}
	return newSigner(jose.HS256, key)
}

func newSigner(alg jose.SignatureAlgorithm, key any) (*Signer, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("pass: %s signer: %w", alg, err)
	}
	return &Signer{jose: s}, nil
}

// Sign returns the token of the claims. Errors: ErrThrottled when the key cannot sign for now;
// ctx's own when it has ended before, since a crypto.Signer cannot be told to stop.
func (s *Signer) Sign(ctx context.Context, c Claims) (string, error) {
	payload, err := c.payload()
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("pass: sign: %w", err)
	}
	signed, err := s.jose.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("pass: sign: %w", err)
	}
	return signed.CompactSerialize()
}

// HMACKey derives the HS256 key from the deployment's secret: HKDF (RFC 5869) with SHA-256 and a
// label of its own, so that it reveals nothing about tickets and draws, and they nothing about it.
func HMACKey(secret []byte) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "waiting room: pass, HS256, 1", sha256.Size)
	if err != nil {
		// Only in FIPS mode, for a secret that is too short to be one.
		panic("pass: HS256 key: " + err.Error())
	}
	return key
}

// JWKS returns the key set (RFC 7517) with which passes are checked. Keys are *rsa.PublicKey, the
// one in use and, around a rotation, its neighbours: a key has to be published for as long as
// caches may hold the document before it signs, and until its last pass has expired.
func JWKS(keys ...crypto.PublicKey) ([]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("pass: a key set needs a key")
	}
	var set jose.JSONWebKeySet
	for _, k := range keys {
		public, err := publicKey(k)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, public)
	}
	return json.Marshal(set)
}

// publicKey refuses whatever is not public: a private key in the set would be a published one.
func publicKey(key crypto.PublicKey) (jose.JSONWebKey, error) {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return jose.JSONWebKey{}, fmt.Errorf("pass: the key has to be an RSA public key, not %T", key)
	}
	if bits := public.N.BitLen(); bits < minModulus {
		return jose.JSONWebKey{}, fmt.Errorf("pass: the RSA key has %d bits, %d are needed", bits, minModulus)
	}
	jwk := jose.JSONWebKey{Key: public, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("pass: key id: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return jwk, nil
}
