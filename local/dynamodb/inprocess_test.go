package dynamodb_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
)

// sent is a request's body, to be sent again.
type sent string

func (s sent) open() io.ReadCloser { return io.NopCloser(strings.NewReader(string(s))) }

// recordBody returns the body that the SDK sends for a call.
func recordBody(t testing.TB, call func(*sdk.Client)) sent {
	var body sent
	call(dynamodbtest.Connect("http://engine", func(o *sdk.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = dynamodb.InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			read, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			body = sent(read)
			panic(http.ErrAbortHandler)
		}))
	}))
	if body == "" {
		t.Fatal("nothing was sent")
	}
	return body
}

// before does something before each call to the engine.
type before struct {
	*dynamodb.Engine
	update func() error
}

func (b before) UpdateItem(ctx context.Context, in *sdk.UpdateItemInput, options ...func(*sdk.Options)) (*sdk.UpdateItemOutput, error) {
	if err := b.update(); err != nil {
		return nil, err
	}
	return b.Engine.UpdateItem(ctx, in, options...)
}

func TestBrokenConnectionIsTriedAgain(t *testing.T) {
	engine := newTable(t)
	calls := 0
	items := before{engine, func() error {
		if calls++; calls < 3 {
			return dynamodb.ErrNoAnswer
		}
		return nil
	}}
	client := dynamodbtest.Connect("http://engine", func(o *sdk.Options) { o.HTTPClient = dynamodb.InProcess(dynamodb.NewHandler(engine, items)) })
	out, err := client.UpdateItem(t.Context(), count())
	if err != nil || calls != 3 || !same(out.Attributes["n"], number("1")) {
		t.Errorf("%v, %v after %d calls, want n = 1 after 3", out, err, calls)
	}

	calls = -10
	_, err = client.UpdateItem(t.Context(), count())
	if !errors.Is(err, io.ErrUnexpectedEOF) || calls != -7 {
		t.Errorf("error %v after %d calls, want %v after 3", err, calls+10, io.ErrUnexpectedEOF)
	}
}

func TestCancelledCallReachesNobody(t *testing.T) {
	engine := newTable(t)
	ctx, cancel := context.WithCancel(t.Context())
	items := before{engine, func() error { t.Error("the handler was called"); return nil }}
	client := dynamodbtest.Connect("http://engine", func(o *sdk.Options) { o.HTTPClient = dynamodb.InProcess(dynamodb.NewHandler(engine, items)) })
	cancel()
	if _, err := client.UpdateItem(ctx, count()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestPanicsOfAHandlerAreNotHidden(t *testing.T) {
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("recovered %v, want the handler's own panic", p)
		}
	}()
	request, err := http.NewRequest(http.MethodPost, "http://engine", nil)
	if err != nil {
		t.Fatal(err)
	}
	dynamodb.InProcess(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken") })).Do(request)
}
