package faults

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
)

// What befalls a call gets through the protocol and the SDK as what it is.
func TestFaultsThroughTheSDK(t *testing.T) {
	for _, test := range []struct {
		name              string
		chances           Chances
		throttled, stored bool
	}{
		{"throttled", Chances{Throttled: 1}, true, false},
		{"lost", Chances{Lost: 1}, false, false},
		{"unacknowledged", Chances{Unacknowledged: 1}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			engine := dynamodb.NewEngine()
			table, err := NewTable(engine, test.chances, 1)
			if err != nil {
				t.Fatal(err)
			}
			client := awsdynamodb.NewFromConfig(aws.Config{
				Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
				BaseEndpoint: aws.String("http://dynamodb.local"), HTTPClient: dynamodb.InProcess(dynamodb.NewHandler(engine, table)),
			})
			if err := dynamodb.CreateTable(t.Context(), client, "room"); err != nil {
				t.Fatal(err)
			}
			kept := store.New(client, "room", time.Now)
			alone := room.State{Run: room.Run{Event: "alone", ID: "01"}, Fence: room.Fence{Owner: "a", Version: 1}, Shards: 1}
			paced := alone
			paced.Event = "paced"
			table.Begin()
			for name, err := range map[string]error{
				"Save":           kept.Save(t.Context(), alone, room.Fence{}),
				"SaveWithPacing": kept.SaveWithPacing(t.Context(), paced, room.Pacing{}, room.Fence{}),
			} {
				if err == nil || errors.Is(err, store.ErrThrottled) != test.throttled {
					t.Errorf("%s: %v", name, err)
				}
			}
			table.Heal()
			for _, event := range []string{alone.Event, paced.Event} {
				if _, err := kept.State(t.Context(), event); (err == nil) != test.stored || err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s: %v", event, err)
				}
			}
		})
	}
}
