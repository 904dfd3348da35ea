// Package edgekey is the function that CloudFormation calls to bring the HS256 key, and what an edge
// gate starts with, to the gate's KeyValueStore. So the key is in no template and in no asset.
package edgekey

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfrontkeyvaluestore"
	"github.com/aws/aws-sdk-go-v2/service/cloudfrontkeyvaluestore/types"

	"waitingroom/shared/names"
)

// A store that is new, or that somebody else writes to, is tried again until patience ends.
const (
	patience = 2 * time.Minute
	pause    = 2 * time.Second
)

// What DescribeKeyValueStore tells of a store that can be written to, and of one that never will be.
const (
	statusReady  = "READY"
	statusFailed = "FAILED"
)

// errFailed means that no further try helps: delete the store and deploy it anew.
var errFailed = errors.New("CloudFront could not create the store")

// Stores is what is needed of *cloudfrontkeyvaluestore.Client. It has to sign with SigV4A, which
// this client does by itself.
type Stores interface {
	DescribeKeyValueStore(context.Context, *cloudfrontkeyvaluestore.DescribeKeyValueStoreInput, ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.DescribeKeyValueStoreOutput, error)
	GetKey(context.Context, *cloudfrontkeyvaluestore.GetKeyInput, ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.GetKeyOutput, error)
	UpdateKeys(context.Context, *cloudfrontkeyvaluestore.UpdateKeysInput, ...func(*cloudfrontkeyvaluestore.Options)) (*cloudfrontkeyvaluestore.UpdateKeysOutput, error)
}

// Writer fills stores. All fields are required.
type Writer struct {
	Stores Stores
	Log    *slog.Logger
}

// Write puts the HS256 key into the store with this ARN, and each value whose key is not there yet:
// what a team has switched since stays as it is. It tries again for two minutes or until ctx ends.
func (w *Writer) Write(ctx context.Context, store string, key []byte, values map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		// The reason of a failure does not matter: a new look at the store tells what is left to do,
		// after a conflict, after an answer that got lost, and once a new store or role is in force.
		err := w.try(ctx, store, key, values)
		if err == nil || errors.Is(err, errFailed) {
			return err
		}
		w.Log.WarnContext(ctx, "key value store not written", "store", store, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up on %s: %w", store, err)
		case <-time.After(pause):
		}
	}
}

// try reads and writes under one version of the store, so that nobody's change in between is lost.
func (w *Writer) try(ctx context.Context, store string, key []byte, values map[string]string) error {
	version, err := w.version(ctx, store)
	if err != nil {
		return err
	}
	puts := []types.PutKeyRequestListItem{put(names.EdgeKey, base64.RawURLEncoding.EncodeToString(key))}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		there, err := w.has(ctx, store, name)
		if err != nil {
			return err
		}
		if !there {
			puts = append(puts, put(name, values[name]))
		}
	}
	_, err = w.Stores.UpdateKeys(ctx, &cloudfrontkeyvaluestore.UpdateKeysInput{
		KvsARN: aws.String(store), IfMatch: aws.String(version), Puts: puts,
	})
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

func put(name, value string) types.PutKeyRequestListItem {
	return types.PutKeyRequestListItem{Key: aws.String(name), Value: aws.String(value)}
}

// version is the store's, if it can be written to.
func (w *Writer) version(ctx context.Context, store string) (string, error) {
	out, err := w.Stores.DescribeKeyValueStore(ctx, &cloudfrontkeyvaluestore.DescribeKeyValueStoreInput{KvsARN: aws.String(store)})
	if err != nil {
		return "", fmt.Errorf("describe the store: %w", err)
	}
	switch status := aws.ToString(out.Status); status {
	case statusReady:
		return aws.ToString(out.ETag), nil
	case statusFailed:
		return "", fmt.Errorf("%w: %s", errFailed, aws.ToString(out.FailureReason))
	default:
		return "", fmt.Errorf("the store is %s, not %s", status, statusReady)
	}
}

func (w *Writer) has(ctx context.Context, store, name string) (bool, error) {
	_, err := w.Stores.GetKey(ctx, &cloudfrontkeyvaluestore.GetKeyInput{KvsARN: aws.String(store), Key: aws.String(name)})
	if _, absent := errors.AsType[*types.ResourceNotFoundException](err); absent {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}
