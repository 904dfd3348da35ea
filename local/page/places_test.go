package page

import (
	"math/rand/v2"
	"testing"

	"waitingroom/shared/room"
)

// sealed is a cohort and tickets of it, as testdata/places.mjs reads them.
type sealed struct {
	Seal    room.SealDocument `json:"seal"`
	Tickets [][2]int64        `json:"tickets"` // shard and number
}

// TestPlacesAreTheRooms draws 10,000 tickets of cohorts of all sizes, and has the page work out where
// they stand.
func TestPlacesAreTheRooms(t *testing.T) {
	const perCohort = 200
	random := rand.New(rand.NewPCG(3, 4))
	var cases []sealed
	var want [][]int64
	base := int64(0)
	for cohort, size := range []int64{
		1, 2, 3, 17, 255, 256, 257, 1_000, 4_096, 60_000, 300_000, 3_000_000,
		1<<31 - 1, 1 << 31, 1<<32 + 1, 1<<40 - 1, 1 << 40,
	} {
		for _, shards := range []int{1, 16, 128} {
			seal := room.Seal{
				Run: room.Run{Event: "demo", ID: "00112233445566778899aabbccddeeff"}, Cohort: int64(cohort), Base: base,
				Counts: split(random, size, shards),
			}
			for i := range seal.Seed {
				seal.Seed[i] = byte(random.Uint32())
			}
			c := sealed{Seal: seal.Document()}
			var positions []int64
			for range perCohort {
				shard, seq := anyone(random, seal.Counts)
				position, err := seal.Position(shard, seq)
				if err != nil {
					t.Fatal(err)
				}
				c.Tickets = append(c.Tickets, [2]int64{int64(shard), seq})
				positions = append(positions, position)
			}
			cases, want = append(cases, c), append(want, positions)
			base += size
		}
	}
	total := 0
	var got [][]int64
	runNode(t, "testdata/places.mjs", cases, &got)
	if len(got) != len(want) {
		t.Fatalf("places of %d cohorts, want %d", len(got), len(want))
	}
	for i, positions := range want {
		total += len(positions)
		for j, position := range positions {
			if got[i][j] != position {
				t.Fatalf("cohort of %d, ticket %v: the page says %d, the room %d",
					cases[i].Seal.Size, cases[i].Tickets[j], got[i][j], position)
			}
		}
	}
	if total < 10_000 {
		t.Errorf("only %d tickets were compared", total)
	}
}

// split spreads a cohort's size over shards, some of which stay empty.
func split(random *rand.Rand, size int64, shards int) []int64 {
	counts := make([]int64, shards)
	for left := size; left > 0; {
		part := 1 + random.Int64N(left)
		counts[random.IntN(shards)] += part
		left -= part
	}
	return counts
}

// anyone is a shard and a number that a cohort gave out.
func anyone(random *rand.Rand, counts []int64) (shard int, seq int64) {
	for {
		if shard = random.IntN(len(counts)); counts[shard] > 0 {
			return shard, 1 + random.Int64N(counts[shard])
		}
	}
}
