package simulation

import (
	"context"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

var (
	oneSeed = flag.Int64("seed", -1, "run the lives of this seed alone, with their log if -v is given")
	seeds   = flag.Int64("seeds", 20, "how many seeds to run")
	every   = flag.Int("every", len(troubles), "every how many calls of the first life each trouble comes; 1 takes one to two minutes")
)

// createTable creates the room's table as the stack does.
func createTable(engine *dynamodb.Engine) error {
	_, err := engine.CreateTable(context.Background(), &sdk.CreateTableInput{
		TableName: aws.String(tableName), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	return err
}

const (
	onSaleAfter = 30 * time.Minute
	// limit is how long a life may last, with all its troubles.
	limit = 3 * time.Hour
)

// life is one show's, from asking for it to its end.
type life struct {
	name    string
	cancels time.Duration // when a person does, or 0
	never   string        // calls that are always denied
	ends    hotshow.State
	quick   bool // products take seconds, and records are shown before them
	again   bool // the event had a sale at the same time, which was cancelled, and cleared away
}

var lives = []life{
	{"done", 0, "", hotshow.Done, false, false},
	{"cancelled while it is prepared", 90 * time.Second, "", hotshow.Cancelled, false, false},
	{"cancelled when it is ready", 20 * time.Minute, "", hotshow.Cancelled, false, false},
	{"never ready", 0, provisions, hotshow.Done, false, false},
	{"failed", 0, "ssm: put parameter", hotshow.Failed, false, false},
	{"cancelled at once", 20 * time.Second, "", hotshow.Cancelled, false, false},
	{"cancelled at once with a quick product", 20 * time.Second, "", hotshow.Cancelled, true, false},
	{"asked for again", 0, "", hotshow.Done, false, true},
}

// live lives a life in a world of its own, with what befalls it.
func (l life) live(t testing.TB, befalls func(int, string) trouble, late func(int) time.Duration) *world {
	w := newWorld(t)
	w.befalls, w.late, w.denies = befalls, late, l.never
	if l.quick {
		w.launching, w.recordsFirst = 10*time.Second, true
	}
	if l.again {
		w.room.runs["tour"] = &sale{number: 1, onsale: time.Now().Add(onSaleAfter), closed: true}
	}
	w.ask("a", "tour", onSaleAfter)
	began := time.Now()
	if l.cancels > 0 {
		w.flying.Go(func() {
			time.Sleep(l.cancels)
			w.cancel()
		})
	}
	w.flying.Go(func() { // somebody waits until two minutes after it was to be taken down
		time.Sleep(onSaleAfter + time.Second)
		w.wait("tour", true)
		time.Sleep(12 * time.Minute)
		w.wait("tour", false)
	})
	w.until(began.Add(limit))
	return w
}

func (w *world) wait(event string, waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.room.look(event); s != nil {
		s.waiting = waiting
	}
}

// judge holds what is true of every life.
func (l life) judge(w *world, befell trouble) {
	ends := []hotshow.State{l.ends}
	if befell == cancelsThen {
		ends = append(ends, hotshow.Cancelled)
	}
	w.ended("a", ends...)
	w.down()
	// An event that is kept closed until all is written is closed once more if its show is cancelled.
	twice := slices.DeleteFunc(w.twice(), func(e string) bool { return l.again && e == "parameter "+names.ParameterPath+"tour/state = closed" })
	if len(twice) > 0 {
		w.t.Errorf("done twice: %q", twice)
	}
	show, s := w.show("a"), w.room.runs["tour"]
	if s != nil && show.State == hotshow.Cancelled && !s.closed {
		w.t.Error("a show that was cancelled is on sale")
	}
	number, onSale := 1, show.Request.OnSale
	if l.again {
		number, onSale = 2, onSale.Add(time.Second)
	}
	if show.State == hotshow.Done && (s == nil || s.number != number || !s.onsale.Equal(onSale)) {
		w.t.Errorf("a show that was to come on sale at %v has the sale %+v", onSale, s)
	}
}

// TestLivesWithoutTrouble shows what the others are compared with.
func TestLivesWithoutTrouble(t *testing.T) {
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := l.live(t, once(0, none), atOnce)
				l.judge(w, none)
				t.Logf("%d calls, %d runs; effects:\n%s", len(w.calls), len(w.processes), strings.Join(w.effects, "\n"))
			})
		})
	}
}

// withLate are troubles that come together with late showing: all after which the call has happened.
var withLate = []trouble{none, answerLost, diesAfter, secondRun, cancelsThen, stalls}

// sparser is how much more rarely trouble comes to the lives after the first, of which much is the same.
const sparser = 4

// TestTroubleAtEveryCall lets a trouble befall each call of the first life and each fourth of the others,
// and with -every 1 each trouble. Each call that changes something is also shown late, with some trouble or
// none.
func TestTroubleAtEveryCall(t *testing.T) {
	for i, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			var calls int
			var changing []int
			var without outcome
			synctest.Test(t, func(t *testing.T) {
				w := l.live(t, once(0, none), atOnce)
				calls, changing, without = len(w.calls), w.changing, w.outcome()
			})
			try := func(t *testing.T, call int, befell trouble, late func(int) time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					w := l.live(t, once(call, befell), late)
					l.judge(w, befell)
					l.compare(w, befell, without)
					if t.Failed() {
						t.Logf("it befell call %d of %d, %s", call, calls, w.calls[call])
					}
				})
			}
			apart := *every
			if i > 0 && apart > 1 {
				apart *= sparser
			}
			for k, befell := range troubles {
				t.Run(string(befell), func(t *testing.T) {
					t.Parallel()
					// Troubles take turns: with as many calls apart as there are troubles, each call has one.
					for call := (i + k*max(apart/len(troubles), 1)) % apart; call < calls && !t.Failed(); call += apart {
						try(t, call, befell, atOnce)
					}
				})
			}
			each := min(apart, len(withLate))
			for k, befell := range withLate {
				t.Run("shown late; "+string(befell), func(t *testing.T) {
					t.Parallel()
					for n := (i + k) % each; n < len(changing) && !t.Failed(); n += each {
						try(t, changing[n], befell, lateOnce(changing[n]))
					}
				})
			}
		})
	}
}

// outcome is what came of a life.
type outcome struct {
	effects []string // in the order of their texts
	states  []hotshow.State
}

func (w *world) outcome() outcome {
	history, err := w.people.History(context.Background(), "a")
	if err != nil {
		w.t.Error(err)
	}
	var states []hotshow.State
	for _, c := range history {
		states = append(states, c.To)
	}
	return outcome{slices.Sorted(slices.Values(w.effects)), slices.Compact(states)}
}

// compare holds that a life with trouble went as one without, through the same states, and brought about
// the same: at most that, if somebody cancels before all of it is up.
func (l life) compare(w *world, befell trouble, without outcome) {
	if befell == cancelsThen {
		return // judged by itself, since it is another life
	}
	got := w.outcome()
	more := slices.ContainsFunc(got.effects, func(e string) bool { return !slices.Contains(without.effects, e) })
	if more || l.cancels == 0 && len(got.effects) != len(without.effects) {
		w.t.Errorf("the effects are %q, without trouble %q", got.effects, without.effects)
	}
	if l.cancels == 0 && !slices.Equal(got.states, without.states) {
		w.t.Errorf("the states are %q, without trouble %q", got.states, without.states)
	}
}

// TestLivesInTrouble has two shows of two events overlap, with several troubles that a seed draws.
func TestLivesInTrouble(t *testing.T) {
	first, last := int64(0), *seeds
	if *oneSeed >= 0 {
		first, last = *oneSeed, *oneSeed+1
	}
	for seed := first; seed < last; seed++ {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				overlapping(t, sometimes(uint64(seed), time.Now().Add(50*time.Minute), 3), oftenLate(uint64(seed)))
			})
		})
	}
}

// TestTheSecondShowKeepsWhatItNeeds is the same without trouble.
func TestTheSecondShowKeepsWhatItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := overlapping(t, once(0, none), atOnce)
		var set []string
		for _, e := range w.effects {
			if strings.HasPrefix(e, "concurrency of "+join) {
				set = append(set, e)
			}
		}
		want := []string{"concurrency of room-join: 100", "concurrency of room-join: 200", "concurrency of room-join: 100", "concurrency of room-join: 3"}
		if !slices.Equal(set, want) {
			t.Errorf("%q", set)
		}
	})
}

// overlapping has one show come on sale fifteen minutes after the other.
func overlapping(t *testing.T, befalls func(int, string) trouble, late func(int) time.Duration) *world {
	w := newWorld(t)
	w.alone, w.befalls, w.late = false, befalls, late
	began := time.Now()
	w.ask("a", "tour", onSaleAfter)
	w.flying.Go(func() {
		time.Sleep(10 * time.Minute)
		w.ask("b", "opera", onSaleAfter+5*time.Minute)
	})
	w.until(began.Add(11 * time.Minute)) // one that was cancelled at once is over before the other is asked for
	w.until(began.Add(limit))
	w.ended("a", hotshow.Done, hotshow.Cancelled)
	w.ended("b", hotshow.Done)
	w.down()
	for _, e := range w.twice() {
		// The numbers of environments are sums, which come back.
		if !strings.HasPrefix(e, "concurrency of ") {
			t.Errorf("done twice: %s", e)
		}
	}
	if t.Failed() {
		t.Logf("effects:\n%s", strings.Join(w.effects, "\n"))
	}
	return w
}
