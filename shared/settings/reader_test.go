package settings

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/time/rate"

	"waitingroom/shared/names"
)

// pages answers as Parameter Store does, page by page. The first page is empty and not the last,
// which Parameter Store is free to do.
type pages struct {
	parameters map[string]string
	secure     string // name of the one that is encrypted
	failAt     int    // number of the call that fails, from 1
	stuck      bool   // every page points at itself
	calls      []time.Time
}

var errThrottled = errors.New("ThrottlingException: Rate exceeded")

func (p *pages) GetParametersByPath(_ context.Context, in *ssm.GetParametersByPathInput, options ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	p.calls = append(p.calls, time.Now())
	if len(p.calls) == p.failAt {
		return nil, errThrottled
	}
	if err := checkRequest(in, options); err != nil {
		return nil, err
	}
	if in.NextToken == nil {
		return &ssm.GetParametersByPathOutput{NextToken: aws.String("0")}, nil
	}
	var found []types.Parameter
	for _, name := range slices.Sorted(maps.Keys(p.parameters)) {
		if !strings.HasPrefix(name, *in.Path+"/") {
			continue
		}
		kind := types.ParameterTypeString
		if name == p.secure {
			kind = types.ParameterTypeSecureString
		}
		found = append(found, types.Parameter{Name: aws.String(name), Value: aws.String(p.parameters[name]), Type: kind})
	}
	from, err := strconv.Atoi(*in.NextToken)
	if err != nil {
		return nil, err
	}
	to := min(from+int(*in.MaxResults), len(found))
	out := &ssm.GetParametersByPathOutput{Parameters: found[from:to]}
	if to < len(found) {
		out.NextToken = aws.String(strconv.Itoa(to))
	}
	if p.stuck {
		out.NextToken = in.NextToken
	}
	return out, nil
}

func checkRequest(in *ssm.GetParametersByPathInput, options []func(*ssm.Options)) error {
	var o ssm.Options
	for _, option := range options {
		option(&o)
	}
	if o.RetryMaxAttempts != 1 {
		return fmt.Errorf("the SDK may try %d times, unseen by the limiter", o.RetryMaxAttempts)
	}
	if strings.HasSuffix(*in.Path, "/") || !aws.ToBool(in.Recursive) || aws.ToBool(in.WithDecryption) || aws.ToInt32(in.MaxResults) != 10 {
		return fmt.Errorf("asked for path %s, recursive %v, decryption %v, %v a page", *in.Path, in.Recursive, in.WithDecryption, in.MaxResults)
	}
	return nil
}

func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }

func newReader(t *testing.T, store ParameterStore, limiter *rate.Limiter) *Reader {
	t.Helper()
	r, err := NewReader(store, names.ParameterPath, limiter)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// below puts texts under an event's path.
func below(event string, texts map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range texts {
		all[names.ParameterPath+event+"/"+name] = text
	}
	return all
}

func TestReadAllEvents(t *testing.T) {
	store := &pages{parameters: map[string]string{}}
	want := map[string]map[string]string{}
	for i := range 4 {
		event := fmt.Sprintf("show-%d", i)
		want[event] = with(sale(), "rate", strconv.Itoa(i+1))
		maps.Copy(store.parameters, below(event, want[event]))
	}
	maps.Copy(store.parameters, below("v1", sale()))
	maps.Copy(store.parameters, below("Demo", map[string]string{"rate": "5"}))
	maps.Copy(store.parameters, map[string]string{"/waiting-room/rate": "5", "/waiting-room-2/x/rate": "5", "/other": "5"})

	events, refused, err := newReader(t, store, unlimited()).All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("events %v, want %v", events, want)
	}
	var got []string
	for _, rejection := range refused {
		got = append(got, rejection.String())
	}
	wantRefused := []string{
		`/waiting-room/Demo: event name "Demo" holds other characters than a-z, 0-9 and hyphens; all that is below it is ignored`,
		`/waiting-room/rate: belongs to no event; it is ignored: set it as /waiting-room/<event>/rate`,
		`/waiting-room/v1: event name "v1" is reserved: choose another; all that is below it is ignored`,
	}
	if !slices.Equal(got, wantRefused) {
		t.Errorf("refused\n%s", strings.Join(got, "\n"))
	}
}

func TestReadOneEvent(t *testing.T) {
	store := &pages{parameters: below("demo", sale())}
	maps.Copy(store.parameters, below("demo-2", with(sale(), "rate", "7")))
	reader := newReader(t, store, unlimited())

	got, err := reader.Event(t.Context(), "demo")
	if err != nil || !maps.Equal(got, sale()) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := reader.Event(t.Context(), "nothing"); err != nil || len(got) != 0 {
		t.Errorf("an event that is not set: %v, %v", got, err)
	}
	calls := len(store.calls)
	if _, err := reader.Event(t.Context(), "a/b"); err == nil || len(store.calls) != calls {
		t.Errorf("event a/b: %v after %d calls", err, len(store.calls)-calls)
	}
}

func TestAReadIsWholeOrFails(t *testing.T) {
	store := &pages{parameters: below("demo", sale()), failAt: 3}
	reader := newReader(t, store, unlimited())
	if events, refused, err := reader.All(t.Context()); !errors.Is(err, errThrottled) || events != nil || refused != nil {
		t.Errorf("%v, %v, %v", events, refused, err)
	}
	store.calls = nil
	if texts, err := reader.Event(t.Context(), "demo"); !errors.Is(err, errThrottled) || texts != nil {
		t.Errorf("%v, %v", texts, err)
	}
	stuck := newReader(t, &pages{parameters: below("demo", sale()), stuck: true}, unlimited())
	if _, _, err := stuck.All(t.Context()); !errors.Is(err, errSamePage) {
		t.Errorf("a page that repeats itself: %v", err)
	}
}

func TestEncryptedValuesAreReported(t *testing.T) {
	for _, name := range []string{"rate", "stock", "message"} {
		store := &pages{parameters: below("demo", sale()), secure: names.ParameterPath + "demo/" + name}
		texts, err := newReader(t, store, unlimited()).Event(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		before := Parse(sale(), nil)
		r := Parse(texts, before.Good)
		if !reflect.DeepEqual(r.Settings, before.Settings) {
			t.Errorf("%s: settings became %+v", name, r.Settings)
		}
		if len(r.Rejected) != 1 || r.Rejected[0].Parameter != name || r.Rejected[0].Value != "" ||
			!strings.Contains(r.Rejected[0].Reason, "is a SecureString") {
			t.Errorf("%s: rejected %+v", name, r.Rejected)
		}
	}
}

func TestCallsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &pages{parameters: map[string]string{}}
		for i := range 5 {
			maps.Copy(store.parameters, below(fmt.Sprintf("show-%d", i), sale()))
		}
		reader := newReader(t, store, nil)
		for range 3 {
			if _, _, err := reader.All(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(store.calls) != 24 {
			t.Fatalf("%d calls", len(store.calls))
		}
		for i := CallsPerSecond; i < len(store.calls); i++ {
			if apart := store.calls[i].Sub(store.calls[i-CallsPerSecond]); apart < time.Second {
				t.Errorf("%d calls within %s", CallsPerSecond+1, apart)
			}
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := reader.All(ctx); !strings.Contains(fmt.Sprint(err), "deadline") {
			t.Errorf("past the deadline: %v", err)
		}
	})
}

func TestNewReaderWantsSlashes(t *testing.T) {
	for _, path := range []string{"", "/", "//", "waiting-room/", "/waiting-room"} {
		if _, err := NewReader(&pages{}, path, nil); err == nil {
			t.Errorf("path %q is let through", path)
		}
	}
}
