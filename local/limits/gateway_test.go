package limits

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"
)

func TestGateway(t *testing.T) {
	for _, bad := range [][2]int{{0, 1}, {1, 0}, {-1, 5}} {
		if _, err := NewGateway(bad[0], bad[1], nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	clock := newInstant()
	gateway, err := NewGateway(GatewayRate, GatewayBurst, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	limited := gateway.Limit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached++
		io.WriteString(w, "room")
	}))
	ask := func() *http.Response {
		recorder := httptest.NewRecorder()
		limited.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/v1/events/demo/join", nil))
		return recorder.Result()
	}
	for range GatewayBurst {
		if r := ask(); r.StatusCode != http.StatusOK {
			t.Fatalf("%d within the burst", r.StatusCode)
		}
	}
	refused := ask()
	// As the stack sets the gateway response THROTTLED.
	want := map[string]any{
		"type": "urn:waiting-room:problem:busy", "title": "Very busy", "status": 429.0,
		"detail": "Too many visitors at this moment. Nothing is lost: ask again.",
	}
	header := http.Header{"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "Retry-After": {"2"}}
	var document map[string]any
	if err := json.NewDecoder(refused.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	if refused.StatusCode != http.StatusTooManyRequests || !reflect.DeepEqual(document, want) || !reflect.DeepEqual(refused.Header, header) {
		t.Errorf("%d %v %v", refused.StatusCode, refused.Header, document)
	}
	if reached != GatewayBurst {
		t.Errorf("%d requests reached the room", reached)
	}

	// Five seconds of twice the rate.
	for range 100_000 {
		clock.pass(50 * time.Microsecond)
		gateway.admit()
	}
	s := gateway.Stats()
	if math.Abs(float64(s.Allowed)-GatewayBurst-50_000) > 5 || s.Allowed+s.Refused != 105_001 {
		t.Errorf("%+v", s)
	}
	if s.Peak < 14_900 || s.Peak > 15_001 { // the first second has the burst too
		t.Errorf("a peak of %d", s.Peak)
	}
}
