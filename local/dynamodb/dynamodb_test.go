package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

var run = room.Run{Event: "demo", ID: "00112233445566778899aabbccddeeff"}

func newHandler() http.Handler {
	engine := dynamodb.NewEngine()
	return dynamodb.NewHandler(engine, engine)
}

func start(t testing.TB, handler http.Handler) *sdk.Client {
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	return dynamodbtest.Connect(listener.URL)
}

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

func TestTableKeepsItsItems(t *testing.T) {
	client := start(t, newHandler())
	s := store.New(client, "room", time.Now)
	if _, err := s.Count(t.Context(), run, 0, 0); err == nil {
		t.Fatal("counted in a table that does not exist")
	}
	// A table that exists is taken as it is.
	for want := int64(1); want <= 3; want++ {
		if err := dynamodb.CreateTable(t.Context(), client, "room"); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(t.Context(), run, 0, 0); n != want || err != nil {
			t.Fatalf("count %d, %v; want %d", n, err, want)
		}
	}
}

// TestTablesAppearWhileOthersAreUsed is for the race detector.
func TestTablesAppearWhileOthersAreUsed(t *testing.T) {
	client := start(t, newHandler())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			table := fmt.Sprint("room-", i)
			if err := dynamodb.CreateTable(t.Context(), client, table); err != nil {
				t.Error(err)
			}
			s := store.New(client, table, time.Now)
			if n, err := s.Count(t.Context(), run, 0, 0); n != 1 || err != nil {
				t.Errorf("%s counted %d, %v", table, n, err)
			}
		})
	}
	wg.Wait()
}

func TestTableThatTakesItsTime(t *testing.T) {
	var described atomic.Int64
	client := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		switch r.Header.Get("X-Amz-Target") {
		case dynamodb.Target + "CreateTable":
			io.WriteString(w, `{"TableDescription":{"TableStatus":"CREATING"}}`)
		case dynamodb.Target + "DescribeTable":
			described.Add(1)
			io.WriteString(w, `{"Table":{"TableStatus":"ACTIVE"}}`)
		}
	}))
	if err := dynamodb.CreateTable(t.Context(), client, "room"); err != nil {
		t.Fatal(err)
	}
	if described.Load() == 0 {
		t.Error("nobody asked whether the table is there")
	}
}

func TestTableThatCannotBeCreated(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := start(t, newHandler())
	if err := dynamodb.CreateTable(ctx, client, "room"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
