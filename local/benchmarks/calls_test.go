package benchmarks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

// What is compared with a function's calls is worth something only while it is those calls. They are
// also what a visitor costs: docs/quotas-and-costs.md counts on them.
func TestCalls(t *testing.T) {
	joined := []string{"UpdateItem", "UpdateItem"}
	admitted := []string{"GetItem", "UpdateItem", "UpdateItem", "UpdateItem"}
	for name, test := range map[string]struct {
		begin begin
		want  []string
	}{
		"a join counts and keeps":                           {joining, joined},
		"an admission reads, marks, counts and gives":       {admitting(pass.HS256), admitted},
		"an admission that is signed with RSA does as much": {admitting(pass.RS256), admitted},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, test.begin)
			const turns = 20
			r.prepare(t, turns)
			for _, made := range r.calls {
				if got := operations(made[0]); !slices.Equal(got, test.want) {
					t.Fatalf("made %q, want %q", got, test.want)
				}
				r.work.turn(t)
			}
			r.repeat(t, turns)
		})
	}
}

func operations(calls []call) []string {
	var list []string
	for _, c := range calls {
		list = append(list, c.operation)
	}
	return list
}

// The bare loop leaves its table as the function left the others.
func TestCallsAreMadeAgain(t *testing.T) {
	const joins = 300
	r := newRig(t, 1, joining)
	r.prepare(t, joins)
	for range joins {
		r.work.turn(t)
	}
	r.repeat(t, joins)
	for _, s := range []keeper{r.rehearsal.table, r.work.table, r.again} {
		total, err := s.Arrivals(t.Context(), run, 1, shards)
		if err != nil {
			t.Fatal(err)
		}
		if total != joins+1 { // and the one before
			t.Errorf("%d arrivals, want %d", total, joins+1)
		}
	}
}

// tick's benchmark is worth something only while its sales are open and their pointers move, and where
// people join a cohort is drawn at each step. However many shards there are, one call looks at them.
func TestTickIsBenchmarkedAtWork(t *testing.T) {
	const events, steps = 3, 10
	for _, test := range []struct{ joining, drawn int }{{0, 0}, {5, steps}, {16, steps}} {
		t.Run(fmt.Sprint("joining=", test.joining), func(t *testing.T) {
			r := newRig(t, events, ticking(100, test.joining))
			before := states(t, r.rehearsal.table, events)
			for range steps {
				r.prepare(t, 1)
				r.work.turn(t)
				for _, calls := range r.calls[0] {
					reads := slices.DeleteFunc(operations(calls), func(name string) bool { return !strings.HasSuffix(name, "GetItem") })
					// The state, the counters, and now and then a window.
					if len(reads) > 3 || slices.Index(reads, "BatchGetItem") < 0 {
						t.Errorf("reads by %q, want at most 3 and the counters in one", reads)
					}
				}
				r.repeat(t, 1)
			}
			after, again := states(t, r.rehearsal.table, events), states(t, r.again, events)
			for i := range events {
				drawn := int(after[i].Cohort - before[i].Cohort)
				if after[i].Phase != room.Open || after[i].Admitted <= before[i].Admitted || drawn != test.drawn {
					t.Errorf("%+v became %+v", before[i], after[i])
				}
				if after[i] != again[i] {
					t.Errorf("%+v, by its calls alone %+v", after[i], again[i])
				}
			}
		})
	}
}

func states(t *testing.T, s keeper, events int) []room.State {
	t.Helper()
	var list []room.State
	for i := range events {
		st, err := s.State(t.Context(), eventOf(i))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, st)
	}
	return list
}
