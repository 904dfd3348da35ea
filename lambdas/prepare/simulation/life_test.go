package simulation

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/hotshow"
)

var oneSeed = flag.Int64("seed", -1, "run the life of this seed alone, with its log if -v is given")

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
	never   string        // calls that are always refused
	ends    hotshow.State
}

var lives = []life{
	{"done", 0, "", hotshow.Done},
	{"cancelled while it is prepared", 90 * time.Second, "", hotshow.Cancelled},
	{"cancelled when it is ready", 20 * time.Minute, "", hotshow.Cancelled},
	{"never ready", 0, provisions, hotshow.Done},
	{"failed", 0, "ssm: put parameter", hotshow.Failed},
}

// live lives a life in a world of its own, with what befalls it.
func (l life) live(t testing.TB, befalls func(int, string) trouble) *world {
	w := newWorld(t)
	refused := always(l.never)
	w.befalls = func(call int, what string) trouble {
		if b := befalls(call, what); b != none {
			return b
		}
		return refused(call, what)
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
	if twice := w.twice(); twice != nil {
		w.t.Errorf("done twice: %q", twice)
	}
	if s := w.room.runs["tour"]; s != nil && w.show("a").State == hotshow.Cancelled && !s.closed {
		w.t.Error("a show that was cancelled is on sale")
	}
}

// TestLivesWithoutTrouble shows what the others are compared with.
func TestLivesWithoutTrouble(t *testing.T) {
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := l.live(t, once(0, none))
				l.judge(w, none)
				t.Logf("%d calls, %d runs; effects:\n%s", len(w.calls), len(w.processes), w.describe())
			})
		})
	}
}

// TestTroubleAtEveryCall lets each trouble befall each call of each life.
func TestTroubleAtEveryCall(t *testing.T) {
	for _, l := range lives {
		var calls int
		var effects []string
		t.Run(l.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := l.live(t, once(0, none))
				calls, effects = len(w.calls), slices.Sorted(slices.Values(w.effects))
			})
			for _, befell := range troubles {
				t.Run(string(befell), func(t *testing.T) {
					t.Parallel()
					for call := range calls {
						synctest.Test(t, func(t *testing.T) {
							w := l.live(t, once(call, befell))
							l.judge(w, befell)
							if got := slices.Sorted(slices.Values(w.effects)); befell != cancelsThen && !slices.Equal(got, effects) {
								t.Errorf("the effects are %q, without trouble %q", got, effects)
							}
							if t.Failed() {
								fmt.Printf("call %d of %d, %s\n", call, calls, w.calls[min(call, len(w.calls)-1)])
							}
						})
						if t.Failed() {
							return
						}
					}
				})
			}
		})
	}
}
