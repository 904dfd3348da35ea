package gate

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	// keysAge is how old the keys may be before they are fetched again, in the background. For so
	// long a withdrawn key is still accepted.
	keysAge = 10 * time.Minute
	// fetchInterval is the shortest time between two fetches, whatever passes are shown and however
	// the room answers.
	fetchInterval = 5 * time.Second
	fetchTimeout  = 3 * time.Second
	maxKeySet     = 64 << 10 // bytes
	minModulus    = 2048     // bits, RFC 7518 section 3.3
)

// keySet is the room's keys as last fetched. A set that cannot be fetched again stays in force.
type keySet struct {
	address string
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	flight  singleflight.Group

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey // by kid; empty until the first fetch succeeds
	fetched time.Time                 // the last success
	tried   time.Time                 // the last attempt
	failed  bool                      // the last attempt failed
}

func newKeySet(address string, client *http.Client, now func() time.Time, log *slog.Logger) *keySet {
	var own http.Client
	if client != nil {
		own = *client
	}
	// Keys are believed because of where they are: they may not be elsewhere.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &keySet{address: address, client: &own, now: now, log: log}
}

// find returns the key with the id. For an unknown one the keys are fetched, once for all that
// wait. Errors: errBadPass if the room has no such key, errUnchecked if that cannot be known.
func (k *keySet) find(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	if kid == "" {
		return nil, fmt.Errorf("%w: no key id", errBadPass)
	}
	key, old := k.look(kid)
	if key != nil {
		if old {
			k.flight.DoChan("", k.refresh)
		}
		return key, nil
	}
	select {
	case <-k.flight.DoChan("", k.refresh):
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errUnchecked, ctx.Err())
	}
	if key, _ = k.look(kid); key != nil {
		return key, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed {
		return nil, fmt.Errorf("%w: the room's keys are out of reach", errUnchecked)
	}
	return nil, fmt.Errorf("%w: a key that the room does not have", errBadPass)
}

func (k *keySet) look(kid string) (key *rsa.PublicKey, old bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[kid], k.now().Sub(k.fetched) >= keysAge
}

// refresh fetches the keys, unless that was tried just now. It runs apart from the request that
// caused it, whose visitor may leave while others wait.
func (k *keySet) refresh() (any, error) {
	k.mu.Lock()
	now := k.now()
	if since := now.Sub(k.tried); since >= 0 && since < fetchInterval {
		k.mu.Unlock()
		return nil, nil
	}
	k.tried = now
	k.mu.Unlock()

	keys, err := k.fetch()
	if err != nil {
		k.log.Warn("gate: the room's keys cannot be fetched, the ones at hand stay in force", "address", k.address, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = err != nil
	if err == nil {
		k.keys, k.fetched = keys, now
	}
	return nil, nil
}

func (k *keySet) fetch() (map[string]*rsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("key set of more than %d bytes", maxKeySet)
	}
	return parseKeySet(body)
}

// parseKeySet returns the keys that can check RS256. Others are passed over, as RFC 7517 section 5
// says, so that the room may publish kinds of keys that are not known here.
func parseKeySet(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil {
			continue
		}
		public, ok := key.Key.(*rsa.PublicKey)
		fits := ok && key.KeyID != "" && public.N.BitLen() >= minModulus &&
			(key.Use == "" || key.Use == "sig") && (key.Algorithm == "" || key.Algorithm == string(jose.RS256))
		if fits {
			keys[key.KeyID] = public
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("key set without a key for RS256")
	}
	return keys, nil
}
