package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// TestBadInput sends what visitors' pages never send. Every refusal is a problem document that no
// cache may keep, and none changes anything.
func TestBadInput(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(10*time.Minute), 60)
	r.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })
	v := r.visitor()
	if err := v.join(ctx); err != nil {
		t.Fatal(err)
	}
	secret := func(bytes int) string {
		return `{"secret":"` + base64.RawURLEncoding.EncodeToString(make([]byte, bytes)) + `"}`
	}
	mine := `{"ticket":"` + v.seat.Ticket + `"}`
	const join, admit, place = "/v1/events/demo/join", "/v1/events/demo/admit", "/v1/events/demo/place"
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		problem                  string
	}{
		{"unknown event", "POST", "/v1/events/nowhere/join", secret(16), 404, "unknown-event"},
		{"admit at an unknown event", "POST", "/v1/events/nowhere/admit", mine, 404, "unknown-event"},
		{"event named v1", "POST", "/v1/events/v1/join", secret(16), 404, "unknown-event"},
		{"event named a/b", "POST", "/v1/events/a/b/join", secret(16), 404, "not-found"},
		{"event named a%2Fb", "POST", "/v1/events/a%2Fb/join", secret(16), 404, "unknown-event"},
		{"event of a megabyte", "POST", "/v1/events/" + strings.Repeat("a", 1<<19) + "/join", secret(16), 404, "unknown-event"},
		{"no body", "POST", join, "", 400, "bad-request"},
		{"empty object", "POST", join, "{}", 400, "bad-request"},
		{"not JSON", "POST", join, "secret=1", 400, "bad-request"},
		{"half a body", "POST", join, `{"secret":"`, 400, "bad-request"},
		{"two objects", "POST", join, secret(16) + secret(16), 400, "bad-request"},
		{"list", "POST", join, "[]", 400, "bad-request"},
		{"null", "POST", join, "null", 400, "bad-request"},
		{"secret that is a number", "POST", join, `{"secret":7}`, 400, "bad-request"},
		{"secret that is not base64url", "POST", join, `{"secret":"++++++++++++++++++++++"}`, 400, "bad-request"},
		{"secret with padding", "POST", join, `{"secret":"AAAAAAAAAAAAAAAAAAAAAA=="}`, 400, "bad-request"},
		{"secret of 15 bytes", "POST", join, secret(15), 400, "bad-request"},
		{"secret of 33 bytes", "POST", join, secret(33), 400, "bad-request"},
		{"body of a megabyte", "POST", join, strings.Repeat(" ", 1<<20), 413, "too-large"},
		{"body of eleven megabytes", "POST", join, strings.Repeat(" ", 11<<20), 413, "too-large"},
		{"admit without a body", "POST", admit, "", 400, "bad-request"},
		{"ticket that is a list", "POST", admit, `{"ticket":[]}`, 400, "bad-request"},
		{"admit without a ticket", "POST", admit, "{}", 401, "bad-ticket"},
		{"ticket that is none", "POST", admit, `{"ticket":"v1.AAAA.AAAA"}`, 401, "bad-ticket"},
		{"huge ticket", "POST", admit, `{"ticket":"` + strings.Repeat("v1.", 1<<10) + `"}`, 413, "too-large"},
		{"place without a ticket", "GET", place, "", 401, "bad-ticket"},
		{"GET on join", "GET", join, "", 405, "method-not-allowed"},
		{"PUT on admit", "PUT", admit, mine, 405, "method-not-allowed"},
		{"POST on place", "POST", place, "", 405, "method-not-allowed"},
		{"unknown operation", "POST", "/v1/events/demo/leave", "{}", 404, "not-found"},
		{"no operation", "GET", "/v1/events/demo", "", 404, "not-found"},
		{"nothing behind v1", "GET", "/v1/", "", 404, "not-found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := r.send(ctx, test.method, test.path, test.body, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkProblem(t, a, test.status, test.problem)
		})
	}
	t.Run("secrets of 16 and 32 bytes", func(t *testing.T) {
		for _, bytes := range []int{16, 32} {
			if a, err := r.send(ctx, "POST", join, secret(bytes), nil); err != nil || a.status != http.StatusCreated {
				t.Errorf("%d bytes: %s, %v", bytes, a, err)
			}
		}
	})
	t.Run("ticket of an unsealed cohort", func(t *testing.T) {
		a, err := r.send(ctx, "POST", admit, mine, nil)
		var answer map[string]any
		if err != nil || a.status != http.StatusAccepted || json.Unmarshal(a.body, &answer) != nil {
			t.Fatalf("%s, %v", a, err)
		}
		if _, known := answer["position"]; known || answer["retry_after"] == nil || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the answer is %s with Cache-Control %q", a.body, a.header.Get("Cache-Control"))
		}
	})
	t.Run("ticket with a byte flipped", func(t *testing.T) {
		for i := range v.seat.Ticket {
			flipped := []byte(v.seat.Ticket)
			flipped[i] ^= 1
			body, _ := json.Marshal(map[string]string{"ticket": string(flipped)})
			a, err := r.send(ctx, "POST", admit, string(body), nil)
			if err != nil {
				t.Fatal(err)
			}
			checkProblem(t, a, http.StatusUnauthorized, "bad-ticket")
		}
	})
	t.Run("ticket of another event", func(t *testing.T) { ticketOfAnotherEvent(ctx, t, r) })
	t.Run("nothing has changed", func(t *testing.T) {
		a, err := r.send(ctx, "POST", join, `{"secret":"`+v.secret+`"}`, nil)
		var again seat
		if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &again) != nil || again != v.seat {
			t.Errorf("%s, %v; the place is another: %t", a, err, again != v.seat)
		}
	})
}

// ticketOfAnotherEvent shows a ticket of an event of the same deployment, under the same key.
func ticketOfAnotherEvent(ctx context.Context, t *testing.T, r *opened) {
	r.set(t, "other", "onsale", time.Now().Add(10*time.Minute).Format(time.RFC3339))
	r.set(t, "other", "rate", "60")
	r.set(t, "other", "target", r.address+"/shop")
	r.tick(ctx, t)
	body := `{"secret":"` + r.visitor().secret + `"}`
	var foreign seat
	for foreign.Ticket == "" {
		a, err := r.send(ctx, "POST", "/v1/events/other/join", body, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.status == http.StatusCreated {
			if err := json.Unmarshal(a.body, &foreign); err != nil {
				t.Fatal(err)
			}
		} else if pause(ctx, time.Second/4) != nil {
			t.Fatalf("the other event does not open: %s", a)
		}
	}
	for _, event := range []string{"demo", "other"} {
		a, err := r.send(ctx, "POST", "/v1/events/"+event+"/admit", `{"ticket":"`+foreign.Ticket+`"}`, nil)
		if err != nil {
			t.Fatal(err)
		}
		if event == "other" {
			if a.status != http.StatusAccepted {
				t.Errorf("at its own event: %s", a)
			}
			continue
		}
		checkProblem(t, a, http.StatusUnauthorized, "bad-ticket")
	}
}

func checkProblem(t *testing.T, a reply, status int, code string) {
	t.Helper()
	var problem struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal(a.body, &problem); err != nil {
		t.Fatalf("%.200s is no problem document: %v", a, err)
	}
	if a.status != status || problem.Status != status || problem.Type != "urn:waiting-room:problem:"+code ||
		problem.Title == "" || problem.Detail == "" {
		t.Errorf("%.300s, want %d %s", a, status, code)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
		t.Error("405 does not say which method is allowed")
	}
}

// TestHeaders holds what every address sends against what production sends.
func TestHeaders(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(-time.Second), 60)
	status := r.await(ctx, t, "that the pool is sealed", func(s room.Status) bool { return s.Sealed > 0 })

	json := map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
	page := func(contentType string) map[string]string {
		want := names.PageHeaders()
		want["Content-Type"] = contentType
		return want
	}
	for _, test := range []struct {
		path, cache string
		want        map[string]string
	}{
		{"/demo", "no-cache", page("text/html; charset=utf-8")},
		{"/another", "no-cache", page("text/html; charset=utf-8")},
		{"/", "no-cache", page("text/html; charset=utf-8")},
		{"/assets/page.js", "public, max-age=60", page("text/javascript; charset=utf-8")},
		{"/assets/page.css", "public, max-age=60", page("text/css; charset=utf-8")},
		{"/assets/icon.svg", "public, max-age=60", page("image/svg+xml")},
		{"/status/demo.json", "public, max-age=1", json},
		{"/seals/demo/" + status.Run + "/0.json", "public, max-age=31536000, immutable", json},
		{"/.well-known/jwks.json", "public, max-age=300", json},
		{"/.well-known/openid-configuration", "public, max-age=300", json},
	} {
		a, err := r.get(ctx, test.path)
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusOK {
			t.Errorf("%s: %s", test.path, a)
		}
		want := maps.Clone(test.want)
		want["Cache-Control"] = test.cache
		for name, value := range want {
			if got := a.header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", test.path, name, got, value)
			}
		}
		if cookies := a.header.Values("Set-Cookie"); len(cookies) != 0 {
			t.Errorf("%s sets a cookie", test.path)
		}
	}

	// Whatever is missing may appear within the second.
	for _, path := range []string{
		"/status/another.json", "/status/", "/status/..%2f..%2fetc%2fpasswd", "/seals/demo/" + status.Run + "/999.json", "/seals/demo/",
		"/.well-known/security.txt", "/assets/none.js", "/assets/", "/Demo", "/a/b", "/v1", "/status", "/seals", "/assets", "/v1/demo/",
	} {
		a, err := r.get(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if cache := a.header.Get("Cache-Control"); a.status != http.StatusNotFound || cache != "no-store" {
			t.Errorf("%s: %d with Cache-Control %q, want 404 with no-store", path, a.status, cache)
		}
	}

	a, err := r.get(ctx, "/demo/")
	if err != nil || a.status != http.StatusMovedPermanently || a.header.Get("Location") != "/demo" {
		t.Errorf("/demo/: %s to %q, %v", a, a.header.Get("Location"), err)
	}
	a, err = r.send(ctx, "GET", "/shop", "", http.Header{"Accept": {"text/html"}})
	if err != nil {
		t.Fatal(err)
	}
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther && a.status != http.StatusFound || to != r.address+"/demo" {
		t.Errorf("the shop without a pass: %d to %q", a.status, to)
	}
}
