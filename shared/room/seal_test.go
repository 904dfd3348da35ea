package room

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

const runID = "000102030405060708090a0b0c0d0e0f"

func hmacOf(key, message []byte) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return [32]byte(mac.Sum(nil))
}

func TestDrawKeyAndCommit(t *testing.T) {
	secret := []byte("the deployment's secret")
	message := "\x00\x14waiting-room/draw/v1" + "\x00\x04demo" + "\x00\x20" + runID
	want := hmacOf(secret, []byte(message))

	got := Run{"demo", runID}.DrawKey(secret)
	if got != want {
		t.Errorf("the draw key is %x, want %x", got, want)
	}
	sum := sha256.Sum256(want[:])
	if commit := Commit(got); commit != hex.EncodeToString(sum[:]) {
		t.Errorf("the commitment is %s, want %x", commit, sum)
	}
	for name, other := range map[string][32]byte{
		"event":  Run{"demo2", runID}.DrawKey(secret),
		"run":    Run{"demo", strings.Repeat("0", 32)}.DrawKey(secret),
		"secret": Run{"demo", runID}.DrawKey([]byte("another")),
	} {
		if other == got {
			t.Errorf("another %s has the same draw key", name)
		}
	}
}

func TestSeedLayout(t *testing.T) {
	key := [32]byte{1, 2, 3}
	message := "\x00\x04demo" + "\x00\x20" + runID +
		"\x00\x00\x00\x00\x00\x00\x01\x02" + // cohort 258
		"\x00\x00\x00\x00\x00\x00\x00\x03" + // counts
		"\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x01\x00\x00\x00\x00"
	want := hmacOf(key[:], []byte(message))
	if got := Seed(key, Run{"demo", runID}, 258, []int64{3, 0, 1 << 32}); got != want {
		t.Errorf("the seed is %x, want %x", got, want)
	}
}

func TestNewRun(t *testing.T) {
	run, err := NewRun("demo", bytes.NewReader([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0fmore")))
	if err != nil || run != (Run{"demo", runID}) {
		t.Errorf("got %+v, %v", run, err)
	}
	if _, err := NewRun("demo", strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short draw gives %v", err)
	}
}

func TestVisitorID(t *testing.T) {
	// The digest is the published example of SHA-256 for "abc".
	if got := VisitorID([]byte("abc")); got != "ba7816bf8f01cfea414140de5dae2223" {
		t.Errorf("got %s", got)
	}
}

func randomSeal(rng *rand.Rand) Seal {
	s := Seal{Run: Run{"demo", runID}, Cohort: rng.Int64N(100), Base: rng.Int64N(1 << 20), Counts: make([]int64, 1+rng.IntN(20))}
	for i := range s.Counts {
		if rng.IntN(4) > 0 {
			s.Counts[i] = rng.Int64N(12)
		}
	}
	s.Seed = Seed([32]byte{byte(rng.Uint32())}, s.Run, s.Cohort, s.Counts)
	return s
}

func TestPositionsOfACohort(t *testing.T) {
	for seed := range uint64(60) {
		s := randomSeal(rand.New(rand.NewPCG(seed, 6)))
		seen := map[int64]bool{}
		for shard, n := range s.Counts {
			for seq := int64(1); seq <= n; seq++ {
				p, err := s.Position(shard, seq)
				if err != nil {
					t.Fatalf("seed %d: shard %d, number %d: %v", seed, shard, seq, err)
				}
				if p <= s.Base || p > s.Base+s.Size() || seen[p] {
					t.Fatalf("seed %d: shard %d, number %d has position %d of %d+1…%d (taken: %v)", seed, shard, seq, p, s.Base, s.Base+s.Size(), seen[p])
				}
				seen[p] = true
			}
		}
		if int64(len(seen)) != s.Size() {
			t.Fatalf("seed %d: %d positions for %d arrivals", seed, len(seen), s.Size())
		}
	}
}

func TestPositionOutsideTheCohort(t *testing.T) {
	s := Seal{Run: Run{"demo", runID}, Base: 10, Counts: []int64{3, 0, 2}}
	for _, c := range []struct {
		name  string
		shard int
		seq   int64
		err   error
	}{
		{"first", 0, 1, nil},
		{"last of a shard", 0, 3, nil},
		{"last of the cohort", 2, 2, nil},
		{"number zero", 0, 0, ErrNoPlace},
		{"negative number", 0, -1, ErrNoPlace},
		{"beyond a shard, within the cohort", 0, 4, ErrNoPlace},
		{"empty shard", 1, 1, ErrNoPlace},
		{"beyond the last shard's count", 2, 3, ErrNoPlace},
		{"no such shard", 3, 1, ErrNoPlace},
		{"negative shard", -1, 1, ErrNoPlace},
		{"huge number", 0, 1<<63 - 1, ErrNoPlace},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := s.Position(c.shard, c.seq)
			if err != c.err || (err == nil) != (p >= 11 && p <= 15) {
				t.Errorf("got %d, %v; want error %v", p, err, c.err)
			}
		})
	}
	t.Run("an empty cohort has no places", func(t *testing.T) {
		if _, err := (Seal{Counts: make([]int64, 16)}).Position(0, 1); err != ErrNoPlace {
			t.Errorf("got %v", err)
		}
	})
}

func TestSealEqual(t *testing.T) {
	s := randomSeal(rand.New(rand.NewPCG(7, 7)))
	same := s
	same.Counts = append([]int64(nil), s.Counts...)
	if !s.Equal(same) {
		t.Error("a seal differs from its copy")
	}
	for name, change := range map[string]func(*Seal){
		"event":  func(s *Seal) { s.Event = "other" },
		"run":    func(s *Seal) { s.ID = "other" },
		"cohort": func(s *Seal) { s.Cohort++ },
		"base":   func(s *Seal) { s.Base++ },
		"seed":   func(s *Seal) { s.Seed[31]++ },
		"count":  func(s *Seal) { s.Counts = append([]int64(nil), s.Counts...); s.Counts[0]++ },
		"shards": func(s *Seal) { s.Counts = append(append([]int64(nil), s.Counts...), 0) },
	} {
		other := s
		if change(&other); s.Equal(other) || other.Equal(s) {
			t.Errorf("seals that differ in %s are called equal", name)
		}
	}
}

func TestSealDocument(t *testing.T) {
	s := Seal{Run: Run{"demo", runID}, Cohort: 2, Base: 30, Counts: []int64{3, 0, 4}, Seed: [32]byte{0xab, 31: 0xcd}}
	got, err := json.Marshal(s.Document())
	want := `{"event":"demo","run":"` + runID + `","cohort":2,"base":30,"counts":[3,0,4],"size":7,"seed":"ab` + strings.Repeat("00", 30) + `cd"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}
