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
	return openWith(t, func(o shop.Options) (http.Handler, error) { return shop.New(o) })
}

func openWith(t *testing.T, build func(shop.Options) (http.Handler, error)) (string, *pass.Signer) {
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
	s, err := build(shop.Options{Room: server.URL, Address: server.URL + shop.Path, Event: "demo",
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

// A visitor with a pass presses the button, and once more in another tab: there is one order, which
// the checkout and the receipt show from then on.
func TestOrder(t *testing.T) {
	address, signer := open(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	get := func(path string) (string, string) {
		t.Helper()
		response, err := client.Get(address + path)
		return arrived(t, response, err)
	}
	_, body := get("/shop?" + names.PassParameter + "=" + sign(t, address, signer, time.Minute))
	for _, want := range []string{`<form method="post" action="/shop/order">`, `<button id="order" type="submit">Place the order (demonstration)</button>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the checkout lacks %s:\n%s", want, body)
		}
	}
	if path, _ := get("/shop/order"); path != "/shop" {
		t.Errorf("the receipt of no order leads to %s", path)
	}
	for range 2 {
		response, err := client.PostForm(address+"/shop/order", nil)
		path, body := arrived(t, response, err)
		if path != "/shop/order" || !strings.Contains(body, "<h1>Your order is placed</h1>") || !strings.Contains(body, `id="order-number">1<`) {
			t.Errorf("the order leads to %s:\n%s", path, body)
		}
	}
	if _, body := get("/shop"); strings.Contains(body, "<form") || !strings.Contains(body, `<a id="ordered" href="/shop/order">order 1</a>`) {
		t.Errorf("the checkout does not show the order:\n%s", body)
	}
}

// arrived returns where redirects have led, and the page there.
func arrived(t *testing.T, response *http.Response, err error) (path, body string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d, %v", response.Request.URL.Path, response.StatusCode, err)
	}
	return response.Request.URL.Path, string(page)
}

// Nobody orders without a pass, from another site's page or with a body that is no form's, and none
// of it leaves an order behind.
func TestOrdersThatAreRefused(t *testing.T) {
	address, signer := open(t)
	withPass := "/shop/order?" + names.PassParameter + "=" + sign(t, address, signer, time.Minute)
	looks := time.Duration(0)
	for _, test := range []struct {
		name, path, body string
		header           http.Header
		status           int
	}{
		{"no pass", "/shop/order", "", nil, http.StatusForbidden},
		{"a pass that is none", "/shop/order?" + names.PassParameter + "=nonsense", "", nil, http.StatusForbidden},
		{"another site's form", withPass, "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		{"another site's form, in an old browser", withPass, "", http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"a body of two kilobytes", withPass, strings.Repeat("x", 2<<10), nil, http.StatusRequestEntityTooLarge},
		{"a form of the shop's own", withPass, "", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {address}}, http.StatusSeeOther},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, values := range test.header {
				request.Header[name] = values
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("answers %d, want %d", response.StatusCode, test.status)
			}
			// With another pass each time: the gate takes one that keeps coming for a visitor without cookies.
			looks++
			_, body := browse(t, address+"/shop?"+names.PassParameter+"="+sign(t, address, signer, time.Minute+looks*time.Second))
			if strings.Contains(body, `id="ordered"`) != (test.status == http.StatusSeeOther) {
				t.Errorf("the checkout shows:\n%s", body)
			}
		})
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
	if _, err := shop.New(shop.Options{Room: "http://127.0.0.1", Address: "http://127.0.0.1/shop", Event: "demo", Capacity: -1}); err == nil {
		t.Error("a negative capacity was accepted")
	}
}
