package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb/dynamodbtest"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// keeper is what DynamoDB and Memory have in common.
type keeper interface {
	State(ctx context.Context, event string) (room.State, error)
	Pacing(ctx context.Context, event string) (room.Pacing, error)
	Save(ctx context.Context, next room.State, held room.Fence) error
	SaveWithPacing(ctx context.Context, next room.State, pacing room.Pacing, held room.Fence) error
	Count(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	Arrivals(ctx context.Context, run room.Run, cohort int64, shards int) (int64, error)
	SealShard(ctx context.Context, run room.Run, cohort int64, shard int) (int64, error)
	PutSeal(ctx context.Context, seal room.Seal) error
	Seal(ctx context.Context, run room.Run, cohort int64) (room.Seal, error)
	AddVisitor(ctx context.Context, run room.Run, v room.Visitor) (room.Visitor, error)
	Visitor(ctx context.Context, run room.Run, id string) (room.Visitor, error)
	Watch(ctx context.Context, event string) error
	Unwatch(ctx context.Context, event string) error
	Watched(ctx context.Context) ([]string, error)
	Announce(ctx context.Context, event string, at time.Time) error
	Mark(ctx context.Context, run room.Run, id string, start time.Time) (room.Visitor, bool, error)
	Admit(ctx context.Context, run room.Run, id string, pass room.Pass) (room.Pass, error)
	TakeSlot(ctx context.Context, run room.Run, w room.Window, part int, limit int64, at time.Time) error
	Taken(ctx context.Context, run room.Run, w room.Window, part int) (int64, time.Time, error)
}

var (
	_ keeper    = (*store.DynamoDB)(nil)
	_ keeper    = (*store.Memory)(nil)
	_ store.API = (*dynamodb.Client)(nil)
)

// prefix begins the names of the tests' tables.
const prefix = "contract-"

func onEveryTable(t *testing.T, test func(*testing.T, *dynamodb.Client, string)) {
	dynamodbtest.OnEveryTable(t, prefix, test)
}
