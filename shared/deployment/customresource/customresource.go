// Package customresource answers CloudFormation for functions that it calls while it deploys. It
// waits up to an hour for an answer, so every event gets one, and none holds a secret: answers are
// readable to whoever may describe the stack.
package customresource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// reserve is what is left of a function's time when its work is given up, to answer with the reason.
const reserve = 5 * time.Second

// longestReason keeps an answer below CloudFormation's limit of 4,096 bytes.
const longestReason = 1500

// Handler is what Lambda starts. What provide makes outlives the stack: events that delete are
// answered with success and provide does not hear of them. Its id names the resource, so an id
// that changes has CloudFormation delete the old one, which then does nothing.
func Handler(provide cfn.CustomResourceFunction) cfn.CustomResourceLambdaFunction {
	answer := cfn.LambdaWrap(func(ctx context.Context, e cfn.Event) (string, map[string]any, error) {
		if e.RequestType == cfn.RequestDelete {
			return e.PhysicalResourceID, nil, nil
		}
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
			defer cancel()
		}
		id, data, err := provide(ctx, e)
		if err != nil {
			return e.PhysicalResourceID, nil, shortened(err)
		}
		return id, data, nil
	})
	return func(ctx context.Context, e cfn.Event) (string, error) {
		// Lambda starts a failed function again, and all of this is harmless when repeated.
		_, err := answer(ctx, e)
		return "", withoutAddress(err)
	}
}

func shortened(err error) error {
	text := err.Error()
	if len(text) <= longestReason {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:longestReason], "") + "…")
}

// withoutAddress drops the address that CloudFormation is answered at: whoever reads it in a log
// could answer in its place.
func withoutAddress(err error) error {
	if err == nil {
		return nil
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return fmt.Errorf("answer CloudFormation: %w", err)
}

// A call that is refused is repeated for 40 seconds.
const (
	attempts = 9
	pause    = 5 * time.Second
)

// Retryer is for the clients that these functions call other services with. It also repeats what is denied: a function is called
// seconds after its role was given its policy, which IAM may not have brought everywhere by then
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html), and a first deployment that
// fails is taken back as a whole. A denial that lasts is returned.
func Retryer() aws.Retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return pause, nil })
	})
	return retry.AddWithErrorCodes(standard, "AccessDeniedException")
}

// Property returns a property that is text and not empty. The error names it.
func Property(e cfn.Event, name string) (string, error) {
	value, ok := e.ResourceProperties[name].(string)
	if !ok || value == "" {
		return "", fmt.Errorf("property %s is missing or not a text: set it on the %s", name, e.ResourceType)
	}
	return value, nil
}

// ARN returns a property that is an ARN of a service, such as "secretsmanager". The error names it.
func ARN(e cfn.Event, name, service string) (arn.ARN, error) {
	value, err := Property(e, name)
	if err != nil {
		return arn.ARN{}, err
	}
	parsed, err := arn.Parse(value)
	if err != nil || parsed.Service != service {
		return arn.ARN{}, fmt.Errorf("property %s is %q: it has to be an ARN of %s", name, value, service)
	}
	return parsed, nil
}
