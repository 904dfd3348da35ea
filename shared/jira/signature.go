package jira

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// SignatureHeader is where Jira puts the signature of a webhook whose administrator set a secret.
// https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks
const SignatureHeader = "X-Hub-Signature"

// ErrSignature means that a webhook is not signed, or not with the secret: take nothing from it.
var ErrSignature = errors.New("the webhook is not signed with the secret of this room")

// Verify checks the signature of a webhook's body, byte for byte as it came, in constant time. header is
// SignatureHeader's value, sha256=<hex>: another method is refused, since nobody here signs with it.
func Verify(secret, body []byte, header string) error {
	method, given, _ := strings.Cut(header, "=")
	sum, err := hex.DecodeString(given)
	// An empty secret would be everybody's.
	if method != "sha256" || err != nil || len(secret) == 0 || !hmac.Equal(sum, mac(secret, body)) {
		return ErrSignature
	}
	return nil
}

// Sign is the header's value for a body, as Jira makes it.
func Sign(secret, body []byte) string { return "sha256=" + hex.EncodeToString(mac(secret, body)) }

func mac(secret, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(body)
	return h.Sum(nil)
}
