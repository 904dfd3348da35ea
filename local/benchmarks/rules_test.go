package benchmarks

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"waitingroom/local/surge"
	"waitingroom/shared/gate"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

// BenchmarkDoor is a visit to a shop whose door is the Go middleware: the pass in the cookie is checked
// with the room's public key.
func BenchmarkDoor(b *testing.B) {
	private, err := rsaKey()
	if err != nil {
		b.Fatal(err)
	}
	keys, err := pass.JWKS(private.Public())
	if err != nil {
		b.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
	b.Cleanup(issuer.Close)
	signer, err := pass.NewRS256(private)
	if err != nil {
		b.Fatal(err)
	}
	token, err := signer.Sign(b.Context(), pass.Claims{
		Issuer: issuer.URL, Audience: "https://shop.example", Subject: visitor(1).ID, Event: run.Event, ID: visitor(2).ID,
		Issued: minute(), Expiry: minute().Add(30 * time.Minute),
	})
	if err != nil {
		b.Fatal(err)
	}
	door, err := gate.New(gate.Options{
		Room: issuer.URL, Audience: "https://shop.example", Event: run.Event, CookieName: names.PassParameter, Now: minute,
	})
	if err != nil {
		b.Fatal(err)
	}
	shop := door.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	visit := httptest.NewRequest(http.MethodGet, "/checkout", nil)
	visit.AddCookie(&http.Cookie{Name: names.PassParameter, Value: token})
	b.ReportAllocs()
	for b.Loop() {
		answer := httptest.NewRecorder()
		shop.ServeHTTP(answer, visit)
		if answer.Code != http.StatusNoContent {
			b.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
}

// BenchmarkDraw is all places of a pool of 300,000 at once, as whoever checks a draw computes them. One
// place alone is BenchmarkIndex of shared/shuffle.
func BenchmarkDraw(b *testing.B) {
	counts := make([]int64, shards)
	for shard := range counts {
		counts[shard] = 300_000 / shards
	}
	document := room.Seal{Run: run, Counts: counts}.Document()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := surge.Places(document); err != nil {
			b.Fatal(err)
		}
	}
}
