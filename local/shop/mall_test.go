package shop_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

// A mall sells every event for which somebody brings a pass, and checks each pass for its own event.
func TestMall(t *testing.T) {
	address, signer := openWith(t, func(o shop.Options) (http.Handler, error) { return shop.NewMall(o) })
	token, err := signer.Sign(t.Context(), pass.Claims{Issuer: address, Audience: address, Subject: "0123456789abcdef0123456789abcdef",
		Event: "winter", Issued: now, Expiry: now.Add(time.Hour), ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	for _, path := range []string{shop.Path + "?" + names.PassParameter + "=" + token, shop.Path} {
		if status, body := get(t, client, address+path); status != http.StatusOK || !strings.Contains(body, `<strong id="event">winter</strong>`) {
			t.Errorf("%s: %d %s", path[:min(len(path), 20)], status, body)
		}
	}
	for name, query := range map[string]string{
		"no pass": "", "no JWT": "?" + names.PassParameter + "=x", "changed": "?" + names.PassParameter + "=" + token[:len(token)-6] + "AAAAAA",
	} {
		if status, body := get(t, &http.Client{}, address+shop.Path+query); strings.Contains(body, `id="pass-checked"`) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
