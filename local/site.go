package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"waitingroom/local/functions"
	"waitingroom/local/shop"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/static"
)

// maxBody is the largest body that API Gateway takes, in bytes.
const maxBody = 10 << 20

// newSite is what CloudFront is in production: it sends each address to where it belongs.
func newSite(api, documents, checkout http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(names.StatusPrefix, documents)
	mux.Handle(names.SealsPrefix, compressed(documents))
	mux.Handle(names.JWKSPath, documents)
	mux.Handle(names.OIDCPath, documents)
	mux.Handle(names.AssetsPrefix, compressed(http.HandlerFunc(asset)))
	mux.Handle(shop.Path, checkout)
	mux.Handle(shop.Path+"/", checkout)
	mux.Handle("/v1/", api)
	mux.Handle("/", compressed(http.HandlerFunc(page)))
	for _, folder := range []string{names.StatusPrefix, names.SealsPrefix, names.AssetsPrefix, "/v1/"} {
		mux.HandleFunc(strings.TrimSuffix(folder, "/"), notFound) // or the mux would add the slash
	}
	return mux
}

// notFound answers for what is missing: it may be there a second later, so nobody may keep it.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	io.WriteString(w, "404 page not found\n")
}

// page answers at the bare address and at every one that can be an event's, as the function at the
// CDN's edge has it. Below a trailing slash the page's own relative addresses would break.
func page(w http.ResponseWriter, r *http.Request) {
	event, slash := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/")
	known := names.ValidEvent(event)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead, r.URL.Path != "/" && !known:
		notFound(w, r)
		return
	case known && r.URL.Query().Has(names.PlainQuery):
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, names.PathOf(names.PathPlace, event), http.StatusFound)
		return
	case known && slash:
		http.Redirect(w, r, "/"+event, http.StatusMovedPermanently)
		return
	}
	file(w, r, "index.html", names.PageCacheControl)
}

func asset(w http.ResponseWriter, r *http.Request) {
	file(w, r, strings.TrimPrefix(r.URL.Path, "/"), names.AssetCacheControl)
}

// file sends a file of the page with the headers of production. A folder is not found, as it is in
// the bucket.
func file(w http.ResponseWriter, r *http.Request, name, cacheControl string) {
	body, err := fs.ReadFile(static.Files, name)
	if err != nil {
		notFound(w, r)
		return
	}
	setHeaders(w.Header(), names.PageHeaders())
	w.Header().Set("Cache-Control", cacheControl)
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

func setHeaders(h http.Header, values map[string]string) {
	for name, value := range values {
		h.Set(name, value)
	}
}

// newGateway is what API Gateway is in production: it knows the routes and hands each request to
// its function as a proxy event.
func newGateway(api map[string]functions.Function) http.Handler {
	mux := http.NewServeMux()
	for _, route := range names.Routes() {
		call := proxy(route, api[route.Function])
		mux.Handle(route.Method+" "+route.Path, call)
		mux.HandleFunc(route.Path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", route.Method)
			answer(w, httpapi.MethodNotAllowed.Response())
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answer(w, httpapi.NotFound.Response()) })
	return mux
}

func proxy(route names.Route, call functions.Function) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			answer(w, httpapi.TooLarge.Response())
			return
		}
		headers := map[string]string{}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		headers["X-Forwarded-Proto"] = "http" // API Gateway says it of itself, too, whatever was sent
		query := map[string]string{}
		for name, values := range r.URL.Query() {
			query[name] = values[len(values)-1]
		}
		response, err := call(r.Context(), httpapi.Request{
			Resource: route.Path, Path: r.URL.Path, HTTPMethod: r.Method, Headers: headers,
			PathParameters:        map[string]string{names.EventParameter: r.PathValue(names.EventParameter)},
			QueryStringParameters: query,
			Body:                  string(body),
		})
		if err != nil {
			// Answer has turned every error into a document, so this is one that cannot be.
			response = httpapi.Internal.Response()
		}
		answer(w, response)
	})
}

func answer(w http.ResponseWriter, response httpapi.Response) {
	setHeaders(w.Header(), response.Headers)
	w.WriteHeader(response.StatusCode)
	io.WriteString(w, response.Body)
}
