package surge

import (
	"encoding/csv"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"waitingroom/shared/room"
	"waitingroom/shared/shuffle"
)

// TestShuffledPassesThePublishedVectors reads the vectors of the consensus specification: seed, size,
// the list and the shuffled list.
func TestShuffledPassesThePublishedVectors(t *testing.T) {
	file, err := os.Open("../../shared/shuffle/testdata/swap-or-not.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d vectors: %v", len(rows), err)
	}
	for n, row := range rows {
		seed, err := hex.DecodeString(row[0])
		if err != nil {
			t.Fatal(err)
		}
		list, want := strings.Split(row[2], ":"), strings.Split(row[3], ":")
		got := make([]string, len(list))
		for place, index := range shuffled(len(list), [32]byte(seed)) {
			got[place] = list[index]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("vector %d of size %s: %v, want %v", n+1, row[1], got, want)
		}
	}
}

func TestPlacesAreTheRooms(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, counts := range [][]int64{{1}, {0, 1, 0}, {2, 0, 1}, {255, 1}, {128, 129}, {300, 0, 700, 11}} {
		seal := room.Seal{Run: room.Run{Event: "demo", ID: "ab"}, Cohort: 3, Base: 77, Counts: counts}
		for i := range seal.Seed {
			seal.Seed[i] = byte(random.Uint32())
		}
		drawn, err := DrawCohort(seal.Document())
		if err != nil {
			t.Fatal(err)
		}
		index := uint64(0)
		for shard, n := range counts {
			for seq := int64(1); seq <= n; seq++ {
				want, err := seal.Position(shard, seq)
				got, counted := drawn.Position(int32(shard), seq)
				if err != nil || !counted || got != want || drawn.places[index] != want {
					t.Fatalf("%v: arrival %d at shard %d has place %d, the room says %d (%v)", counts, seq, shard, got, want, err)
				}
				if again := seal.Base + 1 + int64(shuffle.Index(index, uint64(seal.Size()), seal.Seed)); again != want {
					t.Fatalf("%v: index %d goes to %d, want %d", counts, index, again, want)
				}
				index++
			}
			for _, seq := range []int64{0, n + 1} {
				if _, counted := drawn.Position(int32(shard), seq); counted {
					t.Errorf("%v: number %d at shard %d has a place", counts, seq, shard)
				}
			}
		}
		for _, shard := range []int32{-1, int32(len(counts))} {
			if _, counted := drawn.Position(shard, 1); counted {
				t.Errorf("%v: shard %d has a place", counts, shard)
			}
		}
	}
}

func TestPlacesOfABrokenSeal(t *testing.T) {
	good := room.SealDocument{Counts: []int64{1, 2}, Size: 3, Seed: strings.Repeat("0", 64)}
	if places, err := Places(good); err != nil || len(places) != 3 {
		t.Fatal(places, err)
	}
	for name, breaks := range map[string]func(*room.SealDocument){
		"size":     func(s *room.SealDocument) { s.Size = 4 },
		"base":     func(s *room.SealDocument) { s.Base = -1 },
		"negative": func(s *room.SealDocument) { s.Counts = []int64{-1, 4} },
		"huge":     func(s *room.SealDocument) { s.Counts, s.Size = []int64{1 << 40}, 1<<40 },
		"overflow": func(s *room.SealDocument) { s.Counts = []int64{1 << 62, 1 << 62, 1 << 62, 1 << 62, 3} },
		"no seed":  func(s *room.SealDocument) { s.Seed = "" },
		"short":    func(s *room.SealDocument) { s.Seed = strings.Repeat("0", 62) },
		"not hex":  func(s *room.SealDocument) { s.Seed = strings.Repeat("g", 64) },
	} {
		seal := good
		breaks(&seal)
		if _, err := Places(seal); !errors.Is(err, ErrSeal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkPlaces(b *testing.B) {
	for _, size := range []int64{1000, 300_000} {
		b.Run(strconv.FormatInt(size, 10), func(b *testing.B) {
			seal := room.SealDocument{Counts: []int64{size}, Size: size, Seed: strings.Repeat("0", 64)}
			for b.Loop() {
				Places(seal)
			}
		})
	}
}
