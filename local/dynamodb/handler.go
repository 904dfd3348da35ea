package dynamodb

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Target is how the X-Amz-Target header of every call to DynamoDB begins.
const Target = "DynamoDB_20120810."

// largestBody is how long a request may be, in bytes: that of a transaction, and what JSON adds.
const largestBody = 8 << 20

// namespace is how the types of DynamoDB's errors begin.
const namespace = "com.amazonaws.dynamodb.v20120810#"

// call answers the body of a request.
type call func(ctx context.Context, body string) (any, error)

// NewHandler speaks DynamoDB's JSON protocol: calls on tables go to engine, as Scan and Query do, and
// calls on items to items, which may be the engine or something before it. Any smithy.APIError is
// answered as it is; after ErrNoAnswer the connection breaks.
func NewHandler(engine *Engine, items API) http.Handler {
	calls := map[string]call{
		"GetItem":            answering(items.GetItem),
		"BatchGetItem":       answering(items.BatchGetItem),
		"PutItem":            answering(items.PutItem),
		"UpdateItem":         answering(items.UpdateItem),
		"DeleteItem":         answering(items.DeleteItem),
		"TransactWriteItems": answering(items.TransactWriteItems),
		"CreateTable":        answering(engine.CreateTable),
		"DescribeTable":      answering(engine.DescribeTable),
		"UpdateTable":        answering(engine.UpdateTable),
		"DeleteTable":        answering(engine.DeleteTable),
		"ListTables":         answering(engine.ListTables),
		"Scan":               answering(engine.Scan),
		"Query":              answering(engine.Query),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := dispatch(calls, w, r)
		if errors.Is(err, ErrNoAnswer) {
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, appendJSON(make([]byte, 0, 512), reflect.ValueOf(out)))
	})
}

func answering[In, Out any](method func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)) call {
	return func(ctx context.Context, body string) (any, error) {
		in := new(In)
		if err := decodeJSON(body, in); err != nil {
			return nil, err
		}
		return method(ctx, in)
	}
}

// dispatch reads a request and calls what it asks for.
func dispatch(calls map[string]call, w http.ResponseWriter, r *http.Request) (any, error) {
	operation, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), Target)
	answer, ok := calls[operation]
	if !ok {
		return nil, &smithy.GenericAPIError{Code: "UnknownOperationException", Message: "This engine does not know the operation " + strconv.Quote(operation)}
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return answer(r.Context(), body)
}

func readBody(w http.ResponseWriter, r *http.Request) (string, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0), largestBody)) + bytes.MinRead)
	var tooLong *http.MaxBytesError
	switch _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, largestBody)); {
	case errors.As(err, &tooLong):
		return "", &smithy.GenericAPIError{Code: "RequestEntityTooLarge", Message: "The request is longer than " + strconv.Itoa(largestBody) + " bytes"}
	case err != nil:
		return "", ErrNoAnswer // the caller is gone
	}
	return b.String(), nil
}

// writeError answers with an error of the protocol. What is none of DynamoDB's is an internal error,
// which the SDK tries again.
func writeError(w http.ResponseWriter, err error) {
	var known smithy.APIError
	if !errors.As(err, &known) {
		known = &smithy.GenericAPIError{Code: "InternalServerError", Message: err.Error(), Fault: smithy.FaultServer}
	}
	status := http.StatusBadRequest
	if known.ErrorFault() == smithy.FaultServer {
		status = http.StatusInternalServerError
	}
	b := appendString([]byte(`{"__type":`), namespace+known.ErrorCode())
	message := "message"
	if _, cancelled := known.(*types.TransactionCanceledException); cancelled {
		message = "Message"
	}
	b = append(appendString(append(b, ','), message), ':')
	b = appendString(b, known.ErrorMessage())
	writeJSON(w, status, append(appendFields(b, known), '}'))
}

// appendFields adds what one of the SDK's errors holds apart from its message.
func appendFields(b []byte, known smithy.APIError) []byte {
	v := reflect.ValueOf(known)
	if _, generic := known.(*smithy.GenericAPIError); generic || v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return b
	}
	for _, f := range fieldsOf(v.Elem().Type()) {
		if member := v.Elem().Field(f.index); !strings.EqualFold(f.name, "message") && !absentMember(member) {
			b = appendString(append(b, ','), f.name)
			b = appendJSON(append(b, ':'), member)
		}
	}
	return b
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body)
}

var contentType = []string{"application/x-amz-json-1.0"}
