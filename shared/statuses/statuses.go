// Package statuses reads what visitors are told of events, as their pages do: by the room's public address.
package statuses

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// longestStatus is in bytes, and many times what a status has.
const longestStatus = 64 << 10

// Reader reads the documents that visitors' pages poll.
type Reader struct {
	address string
	client  *http.Client
}

// NewReader reads below a room's public address, which has no trailing slash. How long a document may
// take is the client's to say.
func NewReader(address string, client *http.Client) *Reader {
	return &Reader{address, client}
}

// Status is what visitors of an event are told; found is false where there is no such document. An error
// means that nobody knows.
func (r *Reader) Status(ctx context.Context, event string) (status room.Status, found bool, err error) {
	address := r.address + names.StatusPrefix + event + ".json"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return room.Status{}, false, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return room.Status{}, false, err // it begins with the method and the address
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotFound:
		return room.Status{}, false, nil
	case http.StatusOK:
	default:
		return room.Status{}, false, fmt.Errorf("GET %s: answered with %d", address, answer.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, longestStatus)).Decode(&status); err != nil {
		return room.Status{}, false, fmt.Errorf("GET %s: it is no status document: %w", address, err)
	}
	if status.Event != event {
		return room.Status{}, false, fmt.Errorf("GET %s: it is the status of %.80q", address, status.Event)
	}
	return status, true, nil
}
