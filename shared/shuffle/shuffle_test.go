package shuffle

import (
	"encoding/csv"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestIndexPassesThePublishedVectors(t *testing.T) {
	file, err := os.Open("testdata/swap-or-not.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 70 {
		t.Fatalf("%d vectors, want 70", len(rows))
	}
	for n, row := range rows {
		raw, err := hex.DecodeString(row[0])
		if err != nil || len(raw) != 32 {
			t.Fatalf("row %d: seed %q: %v", n+1, row[0], err)
		}
		size, _ := strconv.Atoi(row[1])
		list, shuffled := numbers(t, row[2]), numbers(t, row[3])
		if len(list) != size || len(shuffled) != size {
			t.Fatalf("row %d: %d and %d numbers, want %d", n+1, len(list), len(shuffled), size)
		}
		for i := range size {
			j := Index(uint64(i), uint64(size), [32]byte(raw))
			if shuffled[j] != list[i] {
				t.Fatalf("row %d: index %d of %d went to %d", n+1, i, size, j)
			}
		}
	}
}

func numbers(t *testing.T, cell string) []int {
	t.Helper()
	var out []int
	for text := range strings.SplitSeq(cell, ":") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func TestIndexIsAPermutation(t *testing.T) {
	for _, size := range []uint64{1, 2, 255, 256, 257, 1500} {
		seen := make([]bool, size)
		for i := range size {
			j := Index(i, size, [32]byte{byte(size), 7})
			if seen[j] {
				t.Fatalf("size %d: %d was given twice", size, j)
			}
			seen[j] = true
		}
	}
}

func TestIndexRefusesWhatIsNoIndex(t *testing.T) {
	for _, c := range [][2]uint64{{0, 0}, {3, 3}, {0, MaxSize + 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Index(%d, %d) answered", c[0], c[1])
				}
			}()
			Index(c[0], c[1], [32]byte{})
		}()
	}
}

func BenchmarkIndex(b *testing.B) {
	var seed [32]byte
	for b.Loop() {
		Index(123_456, 300_000, seed)
	}
}
