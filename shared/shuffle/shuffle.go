// Package shuffle is the swap-or-not shuffle as the Ethereum consensus specification defines it
// (compute_shuffled_index, SHA-256, 90 rounds). It maps one index at a time: nobody ever holds the
// list, and anybody can check a draw with any other implementation of that specification.
//
// The construction is from Hoang, Morris and Rogaway, "An Enciphering Scheme Based on a Card
// Shuffle", CRYPTO 2012.
package shuffle

import (
	"crypto/sha256"
	"encoding/binary"
)

// Rounds is the specification's SHUFFLE_ROUND_COUNT.
const Rounds = 90

// MaxSize is the largest list: the specification writes index/256 as four bytes.
const MaxSize = 1 << 40

// Index returns where the element at index goes in a list of size elements shuffled by seed: a
// permutation of 0 … size-1. It panics if index is not below size or size is above MaxSize, which
// are mistakes of the caller. It costs at most 180 hashes.
func Index(index, size uint64, seed [32]byte) uint64 {
	if index >= size || size > MaxSize {
		panic("shuffle: index out of range")
	}
	var message [37]byte // seed, round, index/256
	copy(message[:32], seed[:])
	for round := range Rounds {
		message[32] = byte(round)
		pivotHash := sha256.Sum256(message[:33])
		pivot := binary.LittleEndian.Uint64(pivotHash[:8]) % size
		flip := (pivot + size - index) % size
		higher := max(index, flip)

		binary.LittleEndian.PutUint32(message[33:], uint32(higher/256))
		source := sha256.Sum256(message[:])
		if source[higher%256/8]>>(higher%8)&1 == 1 {
			index = flip
		}
	}
	return index
}
