package tick_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"waitingroom/shared/names"
	"waitingroom/shared/settings"
)

// parameterStore answers the real reader out of what the promoter has set.
type parameterStore struct{ *promoter }

func (p parameterStore) GetParametersByPath(_ context.Context, in *ssm.GetParametersByPathInput, _ ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out ssm.GetParametersByPathOutput
	for event, raw := range p.events {
		for name, value := range raw {
			if full := names.ParameterPath + event + "/" + name; strings.HasPrefix(full, aws.ToString(in.Path)+"/") {
				out.Parameters = append(out.Parameters, types.Parameter{Name: &full, Value: &value, Type: types.ParameterTypeString})
			}
		}
	}
	p.all = append(p.all, time.Since(p.began))
	return &out, nil
}

// Ten sales share two calls a second of Parameter Store; none of them waits for its turn there,
// not even when all of them change hands at once.
func TestManyEventsShareParameterStore(t *testing.T) {
	play(t, func(t *testing.T, s *sale) {
		var sales []string
		for i := range 10 {
			sales = append(sales, fmt.Sprint("sale-", i))
			s.plan(sales[i], 20*time.Minute)
		}
		var first *invocation
		for range 2 {
			env := s.environment()
			reader, err := settings.NewReader(parameterStore{s.promoter}, names.ParameterPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			env.Parameters = reader
			if i := s.invoke(env); first == nil {
				first = i
			}
			time.Sleep(300 * time.Millisecond)
		}
		s.until(60*time.Second + half)
		first.cancel()
		s.until(70*time.Second + half)
		for _, name := range sales {
			s.promoter.set(name, "rate", "1200")
		}
		s.until(80*time.Second + half)
		for _, name := range sales {
			if st := s.state(name); st.Owner == "" || st.Cap.Rate != 1200 {
				t.Errorf("%s: owner %q, rate %d ten seconds after it was set", name, st.Owner, st.Cap.Rate)
			}
			writes := s.table.writes(name)
			for i := 1; i < len(writes); i++ {
				if gap := writes[i] - writes[i-1]; gap > 2*time.Second {
					t.Errorf("%s: no step for %v until %v", name, gap, writes[i])
				}
			}
		}
		// Each environment has a limiter of its own.
		calls := s.promoter.all
		for i := range len(calls) - 5 {
			if within := calls[i+5] - calls[i]; within < time.Second {
				t.Errorf("six calls within %v from %v", within, calls[i])
			}
		}
	})
}
