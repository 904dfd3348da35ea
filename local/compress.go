package main

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// leastCompressed is the size in bytes from which CloudFront compresses. It stops at 10,000,000, which
// nothing of the room's comes near.
// Source: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
const leastCompressed = 1000

// compressible are those of the types on the same page that the room has.
var compressible = []string{"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}

// compressed compresses as CloudFront does where a behaviour says so, with gzip, since browsers take
// Brotli over https alone.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(leastCompressed), gzhttp.ContentTypes(compressible),
		gzhttp.CompressionLevel(gzip.BestCompression), gzhttp.EnableZstd(false))
	if err != nil {
		panic(err) // these options do not depend on anything
	}
	inner := wrap(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			// The server leaves the body out, and the headers become those of GET.
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		inner.ServeHTTP(weakETag{w, r}, r)
	})
}

// weakETag makes the ETag of what is compressed a weak one, as CloudFront does: its bytes are not those
// of the object. So it does where a browser asks whether what it holds under a weak one is still good.
type weakETag struct {
	http.ResponseWriter
	request *http.Request
}

func (w weakETag) WriteHeader(status int) {
	h := w.Header()
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		if h.Get("Content-Encoding") != "" || strings.Contains(w.request.Header.Get("If-None-Match"), "W/"+tag) {
			h.Set("ETag", "W/"+tag)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}
