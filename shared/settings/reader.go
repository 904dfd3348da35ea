package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/time/rate"
)

// CallsPerSecond is how often one environment may call Parameter Store. The room may make eight
// calls a second in all, of the forty that the account has, and for a moment up to four
// invocations of tick are alive: ending, leading, standing by and starting. What the settings function
// reads comes on top, while promoters change something.
const CallsPerSecond = 2

// pageSize is the most that Parameter Store gives in one call.
const pageSize = 10

// ParameterStore is what Reader needs of *ssm.Client.
type ParameterStore interface {
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
}

// Reader reads the texts of parameters, for Parse. Every call waits for the limiter, so reading
// all events takes about a second for every twenty parameters.
type Reader struct {
	store   ParameterStore
	path    string
	limiter *rate.Limiter
}

// NewReader reads below path, which has a slash at both ends, as names.ParameterPath has. All
// readers of an environment must share the limiter; nil means a new one of CallsPerSecond.
func NewReader(store ParameterStore, path string, limiter *rate.Limiter) (*Reader, error) {
	if len(path) < 3 || !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		return nil, fmt.Errorf("parameter path %q must begin and end with a slash, as in \"/waiting-room/\"", path)
	}
	if limiter == nil {
		limiter = rate.NewLimiter(CallsPerSecond, 1)
	}
	return &Reader{store, path, limiter}, nil
}

// All reads the parameters of all events: by event, then by name below it. What belongs to no
// valid event is left out and reported, with its whole name as Rejection.Parameter. After an
// error nothing is returned, because a parameter that was not read would look removed.
func (r *Reader) All(ctx context.Context) (map[string]map[string]string, []Rejection, error) {
	texts, err := r.read(ctx, r.path)
	if err != nil {
		return nil, nil, err
	}
	events := map[string]map[string]string{}
	refused := map[Rejection]bool{}
	for name, text := range texts {
		event, parameter, rejection := Belongs(r.path, name)
		if rejection != nil {
			refused[*rejection] = true
			continue
		}
		if events[event] == nil {
			events[event] = map[string]string{}
		}
		events[event][parameter] = text
	}
	return events, slices.SortedFunc(maps.Keys(refused), func(a, b Rejection) int { return cmp.Compare(a.String(), b.String()) }), nil
}

// Belongs tells to which event the parameter of that whole name below path belongs, and its name
// below the event. Where that is no valid event, the rejection says so: all parameters below one bad
// name have the same.
func Belongs(path, name string) (event, parameter string, rejection *Rejection) {
	event, parameter, found := strings.Cut(strings.TrimPrefix(name, path), "/")
	if !found {
		return "", "", &Rejection{Parameter: name,
			Reason: fmt.Sprintf("belongs to no event; it is ignored: set it as %s<event>/%s", path, event)}
	}
	if err := CheckEvent(event); err != nil {
		return "", "", &Rejection{Parameter: path + event, Reason: err.Error() + "; all that is below it is ignored"}
	}
	return event, parameter, nil
}

// Event reads one event's parameters by name below the event. The map is empty if there are
// none; after an error it is nil.
func (r *Reader) Event(ctx context.Context, event string) (map[string]string, error) {
	if err := CheckEvent(event); err != nil {
		return nil, err
	}
	path := r.path + event + "/"
	texts, err := r.read(ctx, path)
	if err != nil {
		return nil, err
	}
	below := make(map[string]string, len(texts))
	for name, text := range texts {
		below[strings.TrimPrefix(name, path)] = text
	}
	return below, nil
}

// read returns everything below path by its whole name.
func (r *Reader) read(ctx context.Context, path string) (map[string]string, error) {
	texts := map[string]string{}
	input := &ssm.GetParametersByPathInput{
		Path:       aws.String(strings.TrimSuffix(path, "/")),
		Recursive:  aws.Bool(true),
		MaxResults: aws.Int32(pageSize),
	}
	for {
		if err := r.limiter.Wait(ctx); err != nil {
			return nil, fmt.Errorf("wait to read parameters below %s: %w", path, err)
		}
		page, err := r.store.GetParametersByPath(ctx, input, once)
		if err != nil {
			return nil, fmt.Errorf("read parameters below %s: %w", path, err)
		}
		for _, p := range page.Parameters {
			texts[aws.ToString(p.Name)] = text(p)
		}
		if aws.ToString(page.NextToken) == "" {
			return texts, nil
		}
		if aws.ToString(page.NextToken) == aws.ToString(input.NextToken) {
			return nil, fmt.Errorf("read parameters below %s: %w", path, errSamePage)
		}
		input.NextToken = page.NextToken
	}
}

// Without this an answer that repeats its own token would keep tick reading forever.
var errSamePage = errors.New("parameter store gave the same page twice")

// once keeps the SDK from trying again by itself, which the limiter would not see. Whoever reads
// tries again at the next interval, and until then the last good values are in force.
func once(o *ssm.Options) { o.RetryMaxAttempts = 1 }

func text(p types.Parameter) string {
	if p.Type == types.ParameterTypeSecureString {
		return secureString
	}
	return aws.ToString(p.Value)
}
