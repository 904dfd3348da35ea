package dynamodb_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
)

func warm(reads, writes int64) *sdk.UpdateTableInput {
	return &sdk.UpdateTableInput{TableName: aws.String("room"), WarmThroughput: &types.WarmThroughput{
		ReadUnitsPerSecond: aws.Int64(reads), WriteUnitsPerSecond: aws.Int64(writes),
	}}
}

// TestWarmThroughput goes through the SDK's client: a raise takes its time, refuses another one in the
// meantime, and nothing ever lowers it.
func TestWarmThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newTable(t)
		client := sdk.New(sdk.Options{
			Region: "local", BaseEndpoint: aws.String("http://dynamodb.local"), HTTPClient: dynamodb.InProcess(dynamodb.NewHandler(engine, engine)),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
			}),
		})
		is := func(status types.TableStatus, reads, writes int64) {
			t.Helper()
			out, err := client.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: aws.String("room")})
			if err != nil {
				t.Fatal(err)
			}
			w := out.Table.WarmThroughput
			if w == nil || out.Table.TableStatus != status || w.Status != status || *w.ReadUnitsPerSecond != reads || *w.WriteUnitsPerSecond != writes {
				t.Errorf("the table is %s and its throughput %+v, want %s with %d and %d", out.Table.TableStatus, w, status, reads, writes)
			}
		}
		update := func(in *sdk.UpdateTableInput, code string) {
			t.Helper()
			_, err := client.UpdateTable(t.Context(), in)
			var known smithy.APIError
			if errors.As(err, &known); (err == nil) != (code == "") || err != nil && known.ErrorCode() != code {
				t.Errorf("updating answers %v, want %q", err, code)
			}
		}
		is(types.TableStatusActive, 12_000, 4_000)
		update(warm(12_000, 4_000), "")
		is(types.TableStatusActive, 12_000, 4_000)
		update(warm(20_000, 30_000), "")
		is(types.TableStatusUpdating, 20_000, 30_000)
		update(warm(40_000, 40_000), "ResourceInUseException")
		time.Sleep(time.Minute)
		is(types.TableStatusActive, 20_000, 30_000)
		update(warm(20_000, 29_999), "ValidationException")
		update(warm(19_999, 40_000), "ValidationException")
		update(warm(20_000, 40_001), "LimitExceededException")
		update(&sdk.UpdateTableInput{TableName: aws.String("room"), BillingMode: types.BillingModeProvisioned}, "ValidationException")
		update(&sdk.UpdateTableInput{TableName: aws.String("other"), WarmThroughput: warm(20_000, 30_000).WarmThroughput}, "ResourceNotFoundException")
		is(types.TableStatusActive, 20_000, 30_000)
	})
}
