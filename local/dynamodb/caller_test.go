package dynamodb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
)

// answers is an engine that answers as it is told, one call after the other.
type answers struct {
	dynamodb.API
	errs  []error
	calls int
}

func (a *answers) UpdateItem(context.Context, *sdk.UpdateItemInput, ...func(*sdk.Options)) (*sdk.UpdateItemOutput, error) {
	err := a.errs[min(a.calls, len(a.errs)-1)]
	a.calls++
	return &sdk.UpdateItemOutput{}, err
}

// TestCallerRepeatsAsTheSDK holds the caller against the SDK's client, on the same answers.
func TestCallerRepeatsAsTheSDK(t *testing.T) {
	throttled := &types.ThrottlingException{Message: aws.String("slow down")}
	refused := &dynamodb.Refused{Err: &types.ConditionalCheckFailedException{Message: aws.String("no")}, Units: 1}
	once := func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} }
	for _, test := range []struct {
		name    string
		errs    []error
		options []func(*sdk.Options)
		calls   int
		wants   string // part of the error; empty for none
	}{
		{"answered", []error{nil}, nil, 1, ""},
		{"throttled once", []error{throttled, nil}, nil, 2, ""},
		{"throttled for good", []error{throttled}, nil, 3, "slow down"},
		{"throttled, not to be repeated", []error{throttled, nil}, []func(*sdk.Options){once}, 1, "slow down"},
		{"no answer once", []error{dynamodb.ErrNoAnswer, nil}, nil, 2, ""},
		{"no answer, not to be repeated", []error{dynamodb.ErrNoAnswer, nil}, []func(*sdk.Options){once}, 1, "EOF"},
		{"refused", []error{refused, nil}, nil, 1, "no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quick := retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
				in := &sdk.UpdateItemInput{TableName: aws.String("room"), Key: map[string]types.AttributeValue{}}
				direct, behind := &answers{errs: test.errs}, &answers{errs: test.errs}
				_, err := dynamodb.NewCaller(direct, quick).UpdateItem(t.Context(), in, test.options...)
				client := sdk.New(sdk.Options{
					Region: "eu-west-1", Credentials: aws.AnonymousCredentials{}, Retryer: quick,
					BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: dynamodb.InProcess(dynamodb.NewHandler(dynamodb.NewEngine(), behind)),
				})
				_, clientErr := client.UpdateItem(t.Context(), in, test.options...)
				if direct.calls != test.calls || behind.calls != test.calls {
					t.Errorf("%d calls, and %d of the SDK's client; want %d", direct.calls, behind.calls, test.calls)
				}
				for _, err := range []error{err, clientErr} {
					if (err == nil) != (test.wants == "") || err != nil && !strings.Contains(err.Error(), test.wants) {
						t.Errorf("error %v, want %q", err, test.wants)
					}
				}
			})
		})
	}
}

// TestCallerGivesUp holds that whoever does not wait any more is told so.
func TestCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		items := &answers{errs: []error{&types.ThrottlingException{}}}
		slow := retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { cancel(); return time.Hour, nil })
		})
		if _, err := dynamodb.NewCaller(items, slow).UpdateItem(ctx, &sdk.UpdateItemInput{}); !errors.Is(err, context.Canceled) || items.calls != 1 {
			t.Errorf("%d calls, error %v", items.calls, err)
		}
	})
}
