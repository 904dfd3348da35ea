package edgegate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

var update = flag.Bool("update", false, "write the recorded passes anew")

const recordedPasses = "../test/testdata/edge_gate_passes.json"

// recording is what the tests of edge_gate.js read.
type recording struct {
	Room   string            `json:"room"`
	Shop   string            `json:"shop"`
	Event  string            `json:"event"`
	Cookie string            `json:"cookie"`
	Key    string            `json:"key"` // as it stands in the KeyValueStore
	Issued int64             `json:"iat"`
	Expiry int64             `json:"exp"`
	Passes map[string]string `json:"passes"`
}

// The passes that edge_gate.js is tested with are those that the room makes.
func TestRecordedPasses(t *testing.T) {
	recorded, err := json.MarshalIndent(record(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	recorded = append(recorded, '\n')
	if *update {
		if err := os.WriteFile(recordedPasses, recorded, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(recordedPasses)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, recorded) {
		t.Errorf("%s is not what the room makes: record it anew with go test ./cdk/edgegate -run RecordedPasses -update", recordedPasses)
	}
}

func record(t *testing.T) recording {
	t.Helper()
	good := pass.Claims{
		Issuer: "https://room.example", Audience: "https://shop.example", Subject: "visitor-1", Event: "demo",
		Issued: time.Unix(1_800_000_000, 0), Expiry: time.Unix(1_800_001_800, 0), ID: "00112233445566778899aabbccddeeff",
	}
	key := pass.HMACKey([]byte("the secret of the room in this test"))
	other := pass.HMACKey([]byte("the secret of another room"))
	sign := func(key []byte, change func(*pass.Claims)) string {
		t.Helper()
		claims := good
		change(&claims)
		signer, err := pass.NewHS256(key)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.Sign(t.Context(), claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	return recording{
		Room: good.Issuer, Shop: good.Audience, Event: good.Event,
		Cookie: "__Host-" + names.PassParameter + "_" + good.Event,
		Key:    base64.RawURLEncoding.EncodeToString(key),
		Issued: good.Issued.Unix(), Expiry: good.Expiry.Unix(),
		Passes: map[string]string{
			"good":       sign(key, func(*pass.Claims) {}),
			"otherKey":   sign(other, func(*pass.Claims) {}),
			"otherRoom":  sign(key, func(c *pass.Claims) { c.Issuer = "https://other.example" }),
			"otherShop":  sign(key, func(c *pass.Claims) { c.Audience = "https://other.example" }),
			"otherEvent": sign(key, func(c *pass.Claims) { c.Event = "other" }),
		},
	}
}
