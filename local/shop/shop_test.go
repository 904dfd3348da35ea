package shop_test

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// open starts a room that only publishes its keys, with the shop below it as on one machine, and
// returns its address and the room's signer.
func open(t *testing.T) (string, *pass.Signer) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := pass.NewRS256(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pass.JWKS(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(names.JWKSPath, func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) })
	mux.HandleFunc("/demo", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the room's page") })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s, err := shop.New(shop.Options{Room: server.URL, Address: server.URL + shop.Path, Event: "demo",
		Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(shop.Path, s)
	mux.Handle(shop.Path+"/", s)
	return server.URL, signer
}

func sign(t *testing.T, address string, signer *pass.Signer, left time.Duration) string {
	t.Helper()
	token, err := signer.Sign(t.Context(), pass.Claims{Issuer: address, Audience: address, Subject: "0123456789abcdef0123456789abcdef",
		Event: "demo", Issued: now.Add(left - 30*time.Minute), Expiry: now.Add(left), ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func browse(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	response, err := (&http.Client{Jar: jar}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestCheckoutShowsThePass(t *testing.T) {
	address, signer := open(t)
	for left, says := range map[time.Duration]string{
		30 * time.Minute:             "30 minutes",
		28*time.Minute + time.Second: "29 minutes",
		time.Second:                  "1 minute,",
		-5 * time.Second:             "0 minutes",
	} {
		token := sign(t, address, signer, left)
		for _, path := range []string{"/shop?show=7", "/shop/?show=7"} {
			response, body := browse(t, address+path+"&"+names.PassParameter+"="+token)
			if response.StatusCode != http.StatusOK || response.Request.URL.String() != address+path {
				t.Fatalf("landed at %s: %d %s", response.Request.URL, response.StatusCode, body)
			}
			for _, want := range []string{`id="pass-checked"`, `id="event">demo<`, `id="visitor">0123456789abcdef0123456789abcdef<`,
				`id="time-left">` + says, now.Add(left).Format(time.RFC3339), `<html lang="en">`, "<h1>", "<title>Checkout: demo</title>",
				`href="` + address + `/demo"`} {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %s:\n%s", want, body)
				}
			}
			if strings.Contains(body, token) {
				t.Error("the page shows the pass")
			}
		}
	}
}

// The page may not use what its own policy forbids: styles and scripts.
func TestCheckoutKeepsItsPolicy(t *testing.T) {
	address, signer := open(t)
	response, body := browse(t, address+"/shop?"+names.PassParameter+"="+sign(t, address, signer, time.Minute))
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy is %q", policy)
	}
	if found := regexp.MustCompile(`(?i)<style|<script|\sstyle=|\son\w+=`).FindString(body); found != "" {
		t.Errorf("the page has %q", found)
	}
	if cache := response.Header.Get("Cache-Control"); cache != "private, no-store" {
		t.Errorf("Cache-Control is %q", cache)
	}
}

func TestWithoutAPassTheRoomIsNext(t *testing.T) {
	address, signer := open(t)
	for _, query := range []string{"", "?" + names.PassParameter + "=nonsense",
		"?" + names.PassParameter + "=" + sign(t, "http://127.0.0.1:1", signer, time.Minute)} {
		response, body := browse(t, address+"/shop"+query)
		if response.Request.URL.String() != address+"/demo" || body != "the room's page" {
			t.Errorf("%q leads to %s", query, response.Request.URL)
		}
	}
}

func TestOtherAddressesAndMethods(t *testing.T) {
	address, _ := open(t)
	if response, _ := browse(t, address+"/shop/other"); response.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown address answers %d", response.StatusCode)
	}
	response, err := http.Post(address+"/shop", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", response.StatusCode)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := shop.New(shop.Options{Room: "http://room.example", Address: "http://127.0.0.1/shop", Event: "demo"}); err == nil {
		t.Error("a room that can be tampered with was accepted")
	}
}
