package room

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"waitingroom/shared/shuffle"
)

// RunBytes is the length of a run's id before it is written in hexadecimal.
const RunBytes = 16

// ErrNoPlace means that a cohort, shard and sequence number lie outside what was sealed: the
// ticket does not belong to the seal, and nothing may be told about its place.
var ErrNoPlace = errors.New("the place lies outside the sealed cohort")

// NewRun draws a run of event from random; it fails only if random does.
func NewRun(event string, random io.Reader) (Run, error) {
	var id [RunBytes]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return Run{}, fmt.Errorf("draw a run: %w", err)
	}
	return Run{Event: event, ID: hex.EncodeToString(id[:])}, nil
}

// DrawKey derives the run's own draw key from the deployment's secret. Publishing it when the run
// is over tells nothing about the secret or about other runs.
func (r Run) DrawKey(secret []byte) [32]byte {
	mac := hmac.New(sha256.New, secret)
	writeName(mac, "waiting-room/draw/v1")
	writeName(mac, r.Event)
	writeName(mac, r.ID)
	return [32]byte(mac.Sum(nil))
}

// Commit is the hexadecimal SHA-256 of a draw key, published before anybody can join.
func Commit(drawKey [32]byte) string {
	sum := sha256.Sum256(drawKey[:])
	return hex.EncodeToString(sum[:])
}

// Seed is the one place where a cohort's seed is made: HMAC-SHA256 under the draw key of event,
// run (as published, in hexadecimal), cohort and counts. Names are preceded by their length in
// two bytes, numbers are eight bytes, all big-endian.
func Seed(drawKey [32]byte, run Run, cohort int64, counts []int64) [32]byte {
	mac := hmac.New(sha256.New, drawKey[:])
	writeName(mac, run.Event)
	writeName(mac, run.ID)
	writeNumber(mac, cohort)
	for _, n := range counts {
		writeNumber(mac, n)
	}
	return [32]byte(mac.Sum(nil))
}

func writeName(w io.Writer, name string) {
	var length [2]byte
	binary.BigEndian.PutUint16(length[:], uint16(len(name)))
	w.Write(length[:])
	io.WriteString(w, name)
}

func writeNumber(w io.Writer, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	w.Write(b[:])
}

// Size is the number of places in the cohort.
func (s Seal) Size() int64 {
	var size int64
	for _, n := range s.Counts {
		size += n
	}
	return size
}

// Position returns the place in the whole line, from 1, of the seq-th arrival (from 1) at shard.
// It returns ErrNoPlace for a shard or number that the cohort never gave out.
func (s Seal) Position(shard int, seq int64) (int64, error) {
	if shard < 0 || shard >= len(s.Counts) || seq < 1 || seq > s.Counts[shard] {
		return 0, ErrNoPlace
	}
	index := seq - 1
	for _, n := range s.Counts[:shard] {
		index += n
	}
	return s.Base + int64(shuffle.Index(uint64(index), uint64(s.Size()), s.Seed)) + 1, nil
}

// Equal reports whether two seals fix the same draw.
func (s Seal) Equal(o Seal) bool {
	if s.Run != o.Run || s.Cohort != o.Cohort || s.Base != o.Base || s.Seed != o.Seed || len(s.Counts) != len(o.Counts) {
		return false
	}
	for i, n := range s.Counts {
		if o.Counts[i] != n {
			return false
		}
	}
	return true
}

// SealDocument is a seal as it is published.
type SealDocument struct {
	Event  string  `json:"event"`
	Run    string  `json:"run"`
	Cohort int64   `json:"cohort"`
	Base   int64   `json:"base"`
	Counts []int64 `json:"counts"`
	Size   int64   `json:"size"`
	Seed   string  `json:"seed"`
}

// Document returns the seal as it is published.
func (s Seal) Document() SealDocument {
	return SealDocument{
		Event: s.Event, Run: s.ID, Cohort: s.Cohort, Base: s.Base,
		Counts: s.Counts, Size: s.Size(), Seed: hex.EncodeToString(s.Seed[:]),
	}
}

// VisitorID is the public name of whoever knows secret: the first 16 bytes of its SHA-256, in
// hexadecimal.
func VisitorID(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:16])
}
