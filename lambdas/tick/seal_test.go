package tick_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// checkSeals holds the published seals against the stored ones, the line and the draw key, and
// that each was published before a status counted it.
func checkSeals(t *testing.T, s *sale) {
	t.Helper()
	st := s.state(event)
	key := st.DrawKey(s.secret)
	var base int64
	for cohort := range st.Cohort {
		seal := decode[room.SealDocument](t, s.documents.body(tick.SealPath(st.Run, cohort)))
		stored, err := s.table.Memory.Seal(t.Context(), st.Run, cohort)
		if err != nil {
			t.Fatalf("cohort %d: %v", cohort, err)
		}
		seed := room.Seed(key, st.Run, cohort, seal.Counts)
		if seal.Seed != hex.EncodeToString(seed[:]) || seal.Base != base || len(seal.Counts) != st.Shards || seal.Size != stored.Size() ||
			seal.Event != event || seal.Run != st.ID || seal.Cohort != cohort || !slices.Equal(seal.Counts, stored.Counts) {
			t.Errorf("cohort %d, base %d: %+v", cohort, base, seal)
		}
		base += seal.Size
	}
	if st.Base != base {
		t.Errorf("the line has %d places, the seals %d", st.Base, base)
	}
	published := map[string]bool{}
	for _, p := range s.documents.under("") {
		published[p.path] = true
		if p.path != "status/demo.json" {
			continue
		}
		if sealed := decode[room.Status](t, p.body).Sealed; sealed > 0 && !published[tick.SealPath(st.Run, sealed-1)] {
			t.Errorf("at %v a status counts %d seals before the last of them is published", p.at, sealed)
		}
	}
}

func TestPoolIsSealedAtTheOnSale(t *testing.T) {
	for _, c := range []struct{ shards, visitors int }{{16, 0}, {16, 1}, {1, 50}, {128, 1000}} {
		t.Run(fmt.Sprint(c.visitors, " in ", c.shards), func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				s.promoter.set(event, "shards", fmt.Sprint(c.shards))
				s.invoke(s.environment())
				s.until(5*time.Second + half)
				s.join(c.visitors)
				s.until(9*time.Second + half)
				if st := s.state(event); st.Cohort != 0 || len(s.documents.under("seals/")) != 0 {
					t.Fatalf("%d sealed before the on-sale", st.Cohort)
				}
				s.until(10*time.Second + half)
				st := s.state(event)
				if st.Cohort != 1 || st.Closing != room.NoCohort || st.Base != int64(c.visitors) || st.Phase != room.Open {
					t.Errorf("%d sealed, closing %d, %d places, phase %s", st.Cohort, st.Closing, st.Base, st.Phase)
				}
				if n := len(s.table.made(event, "SealShard")); n != c.shards {
					t.Errorf("%d shards sealed", n)
				}
				s.until(60*time.Second + half)
				if st := s.state(event); st.Cohort != 1 {
					t.Errorf("%d sealed although nobody came", st.Cohort)
				}
				checkSeals(t, s)
			})
		})
	}
}

func TestLaterCohortsAreSealedASecondAfterTheirFirstArrival(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 0)
		s.promoter.set(event, "shards", "128")
		s.invoke(s.environment())
		s.until(10*time.Second + half)
		for second := 10; second < 40; second++ {
			sealed := s.state(event).Cohort
			came := second%3 == 0
			if came {
				// The last shard is looked at as well as the first.
				st := s.state(event)
				if _, err := s.table.Memory.Count(t.Context(), st.Run, st.Cohort, 127); err != nil {
					t.Fatal(err)
				}
			}
			s.until(time.Duration(second+1)*time.Second + half)
			if got := s.state(event).Cohort - sealed; (got == 1) != came || got > 1 {
				t.Errorf("at %d s %d cohorts were sealed, anybody in it: %v", second, got, came)
			}
		}
		if s.state(event).Cohort != 11 {
			t.Errorf("%d cohorts", s.state(event).Cohort)
		}
		checkSeals(t, s)
	})
}

// A cohort in which somebody is known to be is sealed, whatever else could not be read, and one of which
// nothing is known waits.
func TestCountersThatAreReadInPart(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 0)
		s.invoke(s.environment())
		s.until(10*time.Second + half)
		s.table.setFault(func(_ context.Context, c call) error {
			if c.name == "Arrivals" {
				return store.ErrThrottled
			}
			return nil
		})
		arrive := func(shard int) {
			st := s.state(event)
			if _, err := s.table.Memory.Count(t.Context(), st.Run, st.Cohort, shard); err != nil {
				t.Fatal(err)
			}
		}
		sealed := s.state(event).Cohort
		arrive(0)
		s.until(12*time.Second + half)
		if got := s.state(event).Cohort - sealed; got != 1 {
			t.Errorf("%d cohorts sealed by what was read", got)
		}
		arrive(s.state(event).Shards - 1)
		s.until(20*time.Second + half)
		if got := s.state(event).Cohort - sealed; got != 1 {
			t.Errorf("%d cohorts sealed, the last without a look", got)
		}
		s.table.setFault(nil)
		s.until(22*time.Second + half)
		if got := s.state(event).Cohort - sealed; got != 2 {
			t.Errorf("%d cohorts sealed later", got)
		}
		checkSeals(t, s)
	})
}

func TestPausedAndSoldOutSalesGoOnSealing(t *testing.T) {
	for _, state := range []string{"paused", "soldout"} {
		play(t, func(t *testing.T, s *sale) {
			s.plan(event, 0)
			s.invoke(s.environment())
			s.promoter.set(event, "state", state)
			s.until(20*time.Second + half)
			before := s.state(event)
			s.join(5)
			s.until(30*time.Second + half)
			if st := s.state(event); string(st.Phase) != state || st.Cohort != before.Cohort+1 || st.Admitted != before.Admitted {
				t.Errorf("phase %s, %d cohorts, admitted %d", st.Phase, st.Cohort, st.Admitted)
			}
		})
	}
}

// Whatever step of a sealing fails, the pointer goes on, and the sealing ends with what it began
// with.
func TestSealingIsFinishedLater(t *testing.T) {
	refused := func(name string) func(*sale) {
		return func(s *sale) {
			s.table.setFault(func(_ context.Context, c call) error {
				if c.name == name {
					return errDown
				}
				return nil
			})
		}
	}
	for name, fail := range map[string]func(*sale){
		"no counter answers":     refused("Arrivals"),
		"no shard is sealed":     refused("SealShard"),
		"the seal is not stored": refused("PutSeal"),
		"the seal is not published": func(s *sale) {
			s.documents.failBelow("seals/", fails)
		},
		"the publisher never answers": func(s *sale) {
			s.documents.failBelow("seals/", hangs)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *sale) {
				s.plan(event, 10*time.Second)
				env := s.environment()
				s.invoke(env)
				s.until(5*time.Second + half)
				s.join(5000)
				s.until(20*time.Second + half)
				fail(s)
				s.join(30)
				before := s.state(event)
				s.until(40*time.Second + half)
				during := s.state(event)
				if turns := during.Admitted - before.Admitted; during.Cohort != 1 || turns < 190 {
					t.Errorf("meanwhile %d sealed and %d turns in 20 s", during.Cohort, turns)
				}
				if len(env.log.errors()) == 0 {
					t.Error("nothing was reported")
				}
				s.table.setFault(nil)
				s.documents.setFail(nil)
				s.until(50*time.Second + half)
				if st := s.state(event); st.Cohort != 2 || st.Base != 5030 {
					t.Errorf("later %d sealed with %d places", st.Cohort, st.Base)
				}
				checkSeals(t, s)
			})
		})
	}
}

func TestForeignSecretSealsNothing(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		right, wrong := s.environment(), s.environment()
		wrong.Secret = []byte("another secret, put there by mistake")
		first := s.invoke(right)
		s.until(5*time.Second + half)
		s.join(100)
		first.cancel()
		second := s.invoke(wrong)
		s.until(30*time.Second + half)
		st := s.state(event)
		if st.Cohort != 0 || st.Base != 0 || len(s.table.made(event, "SealShard", "PutSeal")) != 0 || len(s.documents.under("seals/")) != 0 {
			t.Errorf("sealed with a foreign secret: %+v", st)
		}
		if errs := wrong.log.errors(); len(errs) == 0 || !strings.Contains(errs[0], "secret is not the one") {
			t.Errorf("errors: %q", errs)
		}
		s.join(1) // it is still open to joins: they come after the pool
		second.cancel()
		s.invoke(right)
		s.until(40*time.Second + half)
		if st := s.state(event); st.Cohort != 2 || st.Base != 101 {
			t.Errorf("with the right secret %d sealed and %d places", st.Cohort, st.Base)
		}
		checkSeals(t, s)
	})
}

func TestSealItIsNotWhatWasSealedBefore(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		s.plan(event, 10*time.Second)
		env := s.environment()
		s.invoke(env)
		s.until(5*time.Second + half)
		st := s.state(event)
		other := room.Seal{Run: st.Run, Counts: make([]int64, st.Shards), Seed: [32]byte{1}}
		if err := s.table.Memory.PutSeal(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		s.until(20*time.Second + half)
		if st := s.state(event); st.Cohort != 0 || len(s.documents.under("seals/")) != 0 {
			t.Errorf("%d sealed over another seal", st.Cohort)
		}
		if errs := env.log.errors(); len(errs) == 0 || !strings.Contains(errs[0], "another seal") {
			t.Errorf("errors: %q", errs)
		}
	})
}
