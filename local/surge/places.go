package surge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"waitingroom/shared/room"
)

// rounds is SHUFFLE_ROUND_COUNT of the Ethereum consensus specification.
const rounds = 90

// ErrSeal means that a published seal contradicts itself: nobody's place can be told from it.
var ErrSeal = errors.New("the seal contradicts itself")

// Places computes all places of a sealed cohort at once: the position of the arrival with the given
// index, which counts from 0 over the shards one after the other. It is the list form of the
// swap-or-not shuffle and shares no code with the room's, which goes from index to index. It costs a
// hash per round and 256 places, a tenth of a second for 300,000 of them, and four bytes each for a
// moment. The error is ErrSeal.
func Places(seal room.SealDocument) ([]int64, error) {
	if seal.Base < 0 || seal.Size < 0 || seal.Size >= math.MaxUint32 {
		return nil, fmt.Errorf("cohort %d: %w: base %d, size %d", seal.Cohort, ErrSeal, seal.Base, seal.Size)
	}
	var sum int64
	for _, n := range seal.Counts {
		if n < 0 || n > seal.Size {
			return nil, fmt.Errorf("cohort %d: %w: a shard of %d", seal.Cohort, ErrSeal, n)
		}
		sum += n
	}
	seed, err := hex.DecodeString(seal.Seed)
	if sum != seal.Size || err != nil || len(seed) != sha256.Size {
		return nil, fmt.Errorf("cohort %d: %w: %d arrivals in its shards, %d in all, a seed of %d bytes", seal.Cohort, ErrSeal, sum, seal.Size, len(seed))
	}
	places := make([]int64, seal.Size)
	for p, index := range shuffled(int(seal.Size), [32]byte(seed)) {
		places[index] = seal.Base + int64(p) + 1
	}
	return places, nil
}

// shuffled is the list 0 … size-1 after the shuffle.
func shuffled(size int, seed [32]byte) []uint32 {
	list := make([]uint32, size)
	for i := range list {
		list[i] = uint32(i)
	}
	if size == 0 {
		return list
	}
	var message [37]byte // seed, round, number of a block of 256 places
	copy(message[:], seed[:])
	for round := range rounds {
		message[32] = byte(round)
		hash := sha256.Sum256(message[:33])
		pivot := int(binary.LittleEndian.Uint64(hash[:]) % uint64(size))
		// A round mirrors the places up to the pivot, and those behind it. Each pair asks the bit of
		// its higher place whether it changes seats.
		mirror(list, 0, pivot, &message)
		mirror(list, pivot+1, size-1, &message)
	}
	return list
}

func mirror(list []uint32, low, high int, message *[37]byte) {
	var bits [32]byte
	for block := -1; low < high; low, high = low+1, high-1 {
		if high/256 != block {
			block = high / 256
			binary.LittleEndian.PutUint32(message[33:], uint32(block))
			bits = sha256.Sum256(message[:])
		}
		if bits[high%256/8]>>(high%8)&1 == 1 {
			list[low], list[high] = list[high], list[low]
		}
	}
}

// Drawn is a sealed cohort with everybody's place.
type Drawn struct {
	Seal   room.SealDocument
	places []int64
	first  []int64 // index of each shard's first arrival
}

// DrawCohort computes the places of a seal. The error is ErrSeal.
func DrawCohort(seal room.SealDocument) (*Drawn, error) {
	places, err := Places(seal)
	if err != nil {
		return nil, err
	}
	d := &Drawn{Seal: seal, places: places}
	var first int64
	for _, n := range seal.Counts {
		d.first = append(d.first, first)
		first += n
	}
	return d, nil
}

// Position is the place of the seq-th arrival, from 1, at a shard. It is false for one that the seal
// does not count.
func (d *Drawn) Position(shard int32, seq int64) (position int64, counted bool) {
	if shard < 0 || int(shard) >= len(d.first) || seq < 1 || seq > d.Seal.Counts[shard] {
		return 0, false
	}
	return d.places[d.first[shard]+seq-1], true
}
