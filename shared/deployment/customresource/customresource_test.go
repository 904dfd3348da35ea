package customresource_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/smithy-go"

	"waitingroom/shared/deployment/customresource"
)

// cloudFormation takes answers as the bucket behind ResponseURL does.
type cloudFormation struct {
	*httptest.Server
	status  int
	answers []cfn.Response
	sizes   []int
}

func newCloudFormation(t *testing.T) *cloudFormation {
	c := &cloudFormation{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var answer cfn.Response
		if err := errors.Join(err, json.Unmarshal(body, &answer)); err != nil || r.Method != http.MethodPut {
			t.Errorf("%s: %v", r.Method, err)
		}
		c.answers, c.sizes = append(c.answers, answer), append(c.sizes, len(body))
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *cloudFormation) event(kind cfn.RequestType) cfn.Event {
	e := cfn.Event{RequestType: kind, RequestID: "request-1", ResponseURL: c.URL + "/?X-Amz-Signature=abc123",
		ResourceType: "Custom::Thing", LogicalResourceID: "Thing", StackID: "stack-1"}
	if kind != cfn.RequestCreate {
		e.PhysicalResourceID = "thing-0"
	}
	return e
}

func TestEveryEventIsAnswered(t *testing.T) {
	made := func(context.Context, cfn.Event) (string, map[string]any, error) {
		return "thing-1", map[string]any{"PublicKey": "p"}, nil
	}
	failed := func(context.Context, cfn.Event) (string, map[string]any, error) {
		return "thing-1", map[string]any{"PublicKey": "p"}, errors.New("no permission")
	}
	untouched := func(context.Context, cfn.Event) (string, map[string]any, error) {
		panic("deleting touches nothing")
	}
	for name, test := range map[string]struct {
		kind    cfn.RequestType
		provide cfn.CustomResourceFunction
		status  cfn.StatusType
		id      string
		reason  string
	}{
		"created":            {cfn.RequestCreate, made, cfn.StatusSuccess, "thing-1", ""},
		"updated":            {cfn.RequestUpdate, made, cfn.StatusSuccess, "thing-1", ""},
		"deleted":            {cfn.RequestDelete, untouched, cfn.StatusSuccess, "thing-0", ""},
		"create that failed": {cfn.RequestCreate, failed, cfn.StatusFailed, "request-1", "no permission"},
		// The same id: another one would have CloudFormation replace the resource.
		"update that failed": {cfn.RequestUpdate, failed, cfn.StatusFailed, "thing-0", "no permission"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloudFormation(t)
			if _, err := customresource.Handler(test.provide)(t.Context(), c.event(test.kind)); err != nil {
				t.Fatal(err)
			}
			if len(c.answers) != 1 {
				t.Fatalf("%d answers", len(c.answers))
			}
			got := c.answers[0]
			if got.Status != test.status || got.PhysicalResourceID != test.id || got.Reason != test.reason {
				t.Errorf("%+v", got)
			}
			if got.RequestID != "request-1" || got.LogicalResourceID != "Thing" || got.StackID != "stack-1" {
				t.Errorf("CloudFormation does not know what is answered: %+v", got)
			}
			if hasData := got.Data != nil; hasData != (test.id == "thing-1") {
				t.Errorf("data %v", got.Data)
			}
		})
	}
}

func TestThereIsTimeLeftToAnswer(t *testing.T) {
	c := newCloudFormation(t)
	end := time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	var left time.Duration
	handle := customresource.Handler(func(ctx context.Context, _ cfn.Event) (string, map[string]any, error) {
		deadline, _ := ctx.Deadline()
		left = end.Sub(deadline)
		return "thing-1", nil, nil
	})
	if _, err := handle(ctx, c.event(cfn.RequestCreate)); err != nil || left != 5*time.Second {
		t.Errorf("%v, %v left", err, left)
	}
}

func TestALongReasonIsCut(t *testing.T) {
	c := newCloudFormation(t)
	handle := customresource.Handler(func(context.Context, cfn.Event) (string, map[string]any, error) {
		return "", nil, errors.New("a" + strings.Repeat("ü", 4000))
	})
	if _, err := handle(t.Context(), c.event(cfn.RequestCreate)); err != nil {
		t.Fatal(err)
	}
	if c.sizes[0] > 4096 || c.answers[0].Status != cfn.StatusFailed || strings.ContainsRune(c.answers[0].Reason, '\uFFFD') {
		t.Errorf("%d bytes: %+v", c.sizes[0], c.answers[0])
	}
}

// An error reaches the log, and with the address anybody could answer.
func TestTheAddressIsNotTold(t *testing.T) {
	handle := customresource.Handler(func(context.Context, cfn.Event) (string, map[string]any, error) { return "thing-1", nil, nil })
	refusing := newCloudFormation(t)
	refusing.status = http.StatusForbidden
	gone := newCloudFormation(t)
	gone.Close()
	for name, c := range map[string]*cloudFormation{"refusing": refusing, "gone": gone} {
		out, err := handle(t.Context(), c.event(cfn.RequestCreate))
		if err == nil || strings.Contains(out+err.Error(), "abc123") {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

func TestWhatIsDeniedIsTriedAgain(t *testing.T) {
	for code, want := range map[string]bool{"AccessDeniedException": true, "ThrottlingException": true, "ResourceNotFoundException": false} {
		if got := customresource.Retryer().IsErrorRetryable(&smithy.GenericAPIError{Code: code}); got != want {
			t.Errorf("%s is tried again: %v", code, got)
		}
	}
}

// A function that ran out of its time could not tell what was denied. CloudFormation's functions have 90 s.
func TestADenialThatLastsIsTold(t *testing.T) {
	retryer, waited := customresource.Retryer(), time.Duration(0)
	for attempt := 1; attempt < retryer.MaxAttempts(); attempt++ {
		delay, err := retryer.RetryDelay(attempt, &smithy.GenericAPIError{Code: "AccessDeniedException"})
		if err != nil {
			t.Fatal(err)
		}
		waited += delay
	}
	if waited != 40*time.Second {
		t.Errorf("%v are waited", waited)
	}
}

func TestPropertiesAreNamedInErrors(t *testing.T) {
	e := cfn.Event{ResourceType: "Custom::Thing", ResourceProperties: map[string]any{
		"Secret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:room-AbCdEf",
		"Other":  "arn:aws:s3:::bucket", "Text": "room", "Empty": "", "Number": 1.0,
	}}
	if got, err := customresource.ARN(e, "Secret", "secretsmanager"); err != nil || got.Region != "eu-central-1" {
		t.Errorf("%v, %v", got, err)
	}
	for _, name := range []string{"Other", "Text", "Empty", "Number", "Absent"} {
		if got, err := customresource.ARN(e, name, "secretsmanager"); err == nil || !strings.Contains(err.Error(), "property "+name+" ") {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := customresource.Property(cfn.Event{}, "Text"); err == nil {
		t.Errorf("an event without properties has %q", got)
	}
}
