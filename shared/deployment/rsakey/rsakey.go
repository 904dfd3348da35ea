// Package rsakey is the text of an RSA key that signs passes: the private half as a secret holds
// it, the public half as an environment variable and a stack's attribute carry it.
package rsakey

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// Bits is the length of a new key's modulus, and the shortest that RFC 7518 section 3.3 allows for
// RS256. A signature with 3,072 bits takes some three times as long.
const Bits = 2048

const pemType = "PRIVATE KEY" // RFC 7468 section 10

var (
	errPrivate = fmt.Errorf("not an RSA private key of at least %d bits in PKCS #8 PEM", Bits)
	errPublic  = fmt.Errorf("not an RSA public key of at least %d bits in base64 of PKIX DER", Bits)
)

// Encode writes a private key as PKCS #8 PEM.
func Encode(key *rsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode the private key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})), nil
}

// Parse reads what Encode has written: one key and nothing else. The key is validated and its
// precomputed values are set. The error holds nothing of the text.
func Parse(text string) (*rsa.PrivateKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != pemType || strings.TrimSpace(string(rest)) != "" {
		return nil, errPrivate
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.N.BitLen() < Bits {
		return nil, errPrivate
	}
	return key, nil
}

// EncodePublic writes a public key as base64 of PKIX DER, in one line.
func EncodePublic(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode the public key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

// ParsePublic reads what EncodePublic has written. It does not take a private key: where only the
// public half belongs, the other one would be a leak that nobody notices.
func ParsePublic(text string) (*rsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errPublic
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || key.N.BitLen() < Bits {
		return nil, errPublic
	}
	return key, nil
}
