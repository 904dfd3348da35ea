// Package ticket makes and checks tickets: what a visitor holds to prove a place in line. A ticket
// reads `v1.<payload>.<mac>`, both parts in base64url without padding, the mac being HMAC-SHA256
// over everything before its dot.
package ticket

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
)

// ErrBad means that a ticket was not made by this room. Answer 401; the visitor joins again.
var ErrBad = errors.New("the ticket is not valid")

const (
	version = "v1"
	idBytes = 16 // a run's and a visitor's id

	// maxLen bounds what is decoded: an event's name has 64 bytes at most.
	maxLen = 256
	// fixed is the payload without the event's name: its length, run, visitor, cohort, shard, seq.
	fixed = 2 + idBytes + idBytes + 8 + 2 + 8
)

// Ticket says which place its holder has. It is no secret to its holder, only unforgeable.
type Ticket struct {
	Event   string // 1 to 64 bytes
	Run     string // 32 lower-case hexadecimal digits
	Visitor string // 32 lower-case hexadecimal digits
	Cohort  int64
	Shard   int
	Seq     int64 // from 1
}

// Key signs and checks the tickets of one deployment.
type Key [32]byte

// NewKey derives the ticket key from the deployment's secret (HKDF-SHA256, RFC 5869). It fails
// only where the platform's cryptography does.
func NewKey(secret []byte) (Key, error) {
	raw, err := hkdf.Key(sha256.New, secret, nil, "waiting-room/ticket/v1", len(Key{}))
	if err != nil {
		return Key{}, err
	}
	return Key(raw), nil
}

// Seal writes the ticket. It panics if an id is not 32 hexadecimal digits or the event's name is
// empty or longer than 64 bytes, which no code of ours makes.
func (k Key) Seal(t Ticket) string {
	if len(t.Event) < 1 || len(t.Event) > 64 {
		panic("ticket: bad event name")
	}
	payload := make([]byte, 0, fixed+len(t.Event))
	payload = binary.BigEndian.AppendUint16(payload, uint16(len(t.Event)))
	payload = append(payload, t.Event...)
	payload = appendID(payload, t.Run)
	payload = appendID(payload, t.Visitor)
	payload = binary.BigEndian.AppendUint64(payload, uint64(t.Cohort))
	payload = binary.BigEndian.AppendUint16(payload, uint16(t.Shard))
	payload = binary.BigEndian.AppendUint64(payload, uint64(t.Seq))

	text := append(make([]byte, 0, maxLen), version+"."...)
	text = base64.RawURLEncoding.AppendEncode(text, payload)
	mac := k.mac(text)
	text = append(text, '.')
	return string(base64.RawURLEncoding.AppendEncode(text, mac))
}

// Open checks a ticket and returns what it says, or ErrBad. There is one way to write a ticket:
// any other text is bad, even one that decodes to the same bytes.
func (k Key) Open(text string) (Ticket, error) {
	// The decoder passes over line breaks, even when it is strict.
	if len(text) > maxLen || strings.ContainsAny(text, "\r\n") {
		return Ticket{}, ErrBad
	}
	end := strings.LastIndexByte(text, '.')
	if end < 0 {
		return Ticket{}, ErrBad
	}
	encoding := base64.RawURLEncoding.Strict()
	mac, err := encoding.DecodeString(text[end+1:])
	if err != nil || !hmac.Equal(mac, k.mac([]byte(text[:end]))) {
		return Ticket{}, ErrBad
	}
	head, encoded, found := strings.Cut(text[:end], ".")
	if !found || head != version {
		return Ticket{}, ErrBad
	}
	payload, err := encoding.DecodeString(encoded)
	if err != nil || len(payload) < fixed {
		return Ticket{}, ErrBad
	}
	nameLen := int(binary.BigEndian.Uint16(payload))
	if nameLen < 1 || nameLen > 64 || len(payload) != fixed+nameLen {
		return Ticket{}, ErrBad
	}
	name, rest := string(payload[2:2+nameLen]), payload[2+nameLen:]
	cohort := binary.BigEndian.Uint64(rest[2*idBytes:])
	seq := binary.BigEndian.Uint64(rest[2*idBytes+10:])
	if cohort > math.MaxInt64 || seq > math.MaxInt64 {
		return Ticket{}, ErrBad
	}
	return Ticket{
		Event:   name,
		Run:     hex.EncodeToString(rest[:idBytes]),
		Visitor: hex.EncodeToString(rest[idBytes : 2*idBytes]),
		Cohort:  int64(cohort),
		Shard:   int(binary.BigEndian.Uint16(rest[2*idBytes+8:])),
		Seq:     int64(seq),
	}, nil
}

func (k Key) mac(head []byte) []byte {
	mac := hmac.New(sha256.New, k[:])
	mac.Write(head)
	return mac.Sum(nil)
}

func appendID(payload []byte, id string) []byte {
	appended, err := hex.AppendDecode(payload, []byte(id))
	if err != nil || len(appended)-len(payload) != idBytes {
		panic("ticket: bad id")
	}
	return appended
}
