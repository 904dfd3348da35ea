package dynamodb

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// NewTable returns the SDK's client of an engine of its own, without a socket, that holds the room's table
// of this name and nothing else.
func NewTable(ctx context.Context, name string) (*dynamodb.Client, error) {
	engine := NewEngine()
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String("http://engine"),
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:   InProcess(NewHandler(engine, engine)),
	})
	return client, CreateTable(ctx, client, name)
}

// InProcess is an HTTP client, as the SDK takes one, whose requests reach handler without a socket.
// All of the SDK's own work is done: signing, encoding, retries.
func InProcess(handler http.Handler) *Direct { return &Direct{handler} }

// Direct calls its handler in the caller's goroutine. It is safe for concurrent use.
type Direct struct{ handler http.Handler }

// Do implements the SDK's HTTPClient. A handler that panics with http.ErrAbortHandler has broken the
// connection: that is io.ErrUnexpectedEOF.
func (d *Direct) Do(r *http.Request) (response *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			response, err = nil, io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	a := answer{status: http.StatusOK, header: http.Header{}}
	d.handler.ServeHTTP(&a, r)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// answer is what a handler writes.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
