package tick_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"waitingroom/lambdas/tick"
)

func TestWellKnown(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := tick.WellKnown("https://room.example", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) != 2 {
		t.Fatalf("%d documents", len(documents))
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(documents[".well-known/jwks.json"], &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys.Keys) != 1 || keys.Keys[0].KeyID == "" || !keys.Keys[0].IsPublic() || !key.PublicKey.Equal(keys.Keys[0].Key) {
		t.Errorf("keys %+v", keys.Keys)
	}
	discovery := decode[struct {
		Issuer string   `json:"issuer"`
		JWKS   string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
	}](t, documents[".well-known/openid-configuration"])
	if discovery.Issuer != "https://room.example" || discovery.JWKS != "https://room.example/.well-known/jwks.json" || len(discovery.Algs) == 0 {
		t.Errorf("discovery %+v", discovery)
	}
	if _, err := tick.WellKnown("https://room.example", []byte("no key")); err == nil {
		t.Error("a key that is none was published")
	}
}
