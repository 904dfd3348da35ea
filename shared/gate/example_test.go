package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"waitingroom/shared/gate"
	"waitingroom/shared/pass"
)

// docs: middleware

// newShop returns a shop whose checkout and orders need a pass. room and shop are addresses such as
// https://wait.example.com and https://shop.example.
func newShop(room, shop string) (http.Handler, error) {
	g, err := gate.New(gate.Options{Room: room, Audience: shop, Event: "show"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/checkout", g.Wrap(http.HandlerFunc(checkout)))
	mux.Handle("/api/orders", g.Wrap(http.HandlerFunc(order)))
	mux.Handle("/", http.FileServer(http.Dir("pages"))) // everybody may see these
	return mux, nil
}

// order sells once for each pass: a pass lets its visitor in until it expires, as often as they like.
func order(w http.ResponseWriter, r *http.Request) {
	visitor, _ := gate.FromContext(r.Context())
	fmt.Fprintf(w, "order of pass %s\n", visitor.PassID)
}

// docs: end

func checkout(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "checkout") }

// A visitor without a pass is sent to the room, comes back with one, and finds the checkout and its
// calls open.
func ExampleGate_Wrap() {
	keys, err := pass.JWKS(key().Public())
	if err != nil {
		panic(err)
	}
	room := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
	defer room.Close()
	handler, err := newShop(room.URL, shop)
	if err != nil {
		panic(err)
	}
	visit := func(method, address string, cookies ...*http.Cookie) *http.Response {
		request := httptest.NewRequest(method, shop+address, nil)
		request.Header.Set("Accept", "text/html")
		for _, cookie := range cookies {
			request.AddCookie(cookie)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Result()
	}

	sent := visit(http.MethodGet, "/checkout")
	fmt.Println(sent.StatusCode, sent.Header.Get("Location") == room.URL+"/show")

	arrived := visit(http.MethodGet, "/checkout?seat=7&waitingroom_pass="+examplePass(room.URL))
	fmt.Println(arrived.StatusCode, arrived.Header.Get("Location"))

	entered := visit(http.MethodGet, "/checkout?seat=7", arrived.Cookies()...)
	fmt.Println(entered.StatusCode)

	ordered := visit(http.MethodPost, "/api/orders", arrived.Cookies()...)
	fmt.Println(ordered.StatusCode)

	refused := visit(http.MethodPost, "/api/orders")
	fmt.Println(refused.StatusCode)

	// Output:
	// 303 true
	// 303 https://shop.example/checkout?seat=7
	// 200
	// 200
	// 403
}

func examplePass(room string) string {
	signer, err := pass.NewRS256(key())
	if err != nil {
		panic(err)
	}
	now := time.Now()
	token, err := signer.Sign(context.Background(), pass.Claims{
		Issuer: room, Audience: shop, Subject: "visitor-1", Event: "show", ID: "pass-1",
		Issued: now, Expiry: now.Add(30 * time.Minute),
	})
	if err != nil {
		panic(err)
	}
	return token
}
