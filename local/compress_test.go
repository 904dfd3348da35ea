package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"waitingroom/shared/publish"
	"waitingroom/static"
)

const (
	smallSeal   = "seals/demo/ab/0.json"
	largeSeal   = "seals/demo/ab/1.json"
	largeStatus = "status/demo.json"
)

// large is what is compressed wherever anything is.
var large = []byte(`{"counts":[` + strings.Repeat("1,", 1000) + `1]}`)

// newEdge serves the page and some documents, and answers for the API with what could be compressed.
func newEdge(t *testing.T) *httptest.Server {
	t.Helper()
	documents, err := publish.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string][]byte{smallSeal: []byte("{}"), largeSeal: large, largeStatus: large} {
		if err := documents.Put(t.Context(), path, body); err != nil {
			t.Fatal(err)
		}
	}
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(large)
	})
	server := httptest.NewServer(newSite(api, documents, http.NotFoundHandler()))
	t.Cleanup(server.Close)
	return server
}

// fetch asks with headers and leaves what comes as it was sent.
func fetch(t *testing.T, server *httptest.Server, method, path string, header map[string]string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, body}
}

// asBrowser is what a browser says over http.
var asBrowser = map[string]string{"Accept-Encoding": "gzip, deflate"}

func unpacked(t *testing.T, a reply) []byte {
	t.Helper()
	if a.header.Get("Content-Encoding") == "" {
		return a.body
	}
	r, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestPageAsServed asks for every file of the page as a browser does.
func TestPageAsServed(t *testing.T) {
	t.Parallel()
	server := newEdge(t)
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".json": "application/json", ".svg": "image/svg+xml",
	}
	err := fs.WalkDir(static.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		address := "/" + name
		if name == "index.html" {
			address = "/demo"
		}
		a := fetch(t, server, http.MethodGet, address, asBrowser)
		if entry.IsDir() {
			if slash := fetch(t, server, http.MethodGet, address+"/", asBrowser); name != "." && (a.status != 404 || slash.status != 404) {
				t.Errorf("the folder %s is answered with %d, and with a slash %d", name, a.status, slash.status)
			}
			return nil
		}
		file, err := fs.ReadFile(static.Files, name)
		if err != nil {
			return err
		}
		text := types[path.Ext(name)]
		if got := a.header.Get("Content-Type"); a.status != http.StatusOK || text != "" && got != text {
			t.Errorf("%s: %d, %q", name, a.status, got)
		}
		if !bytes.Equal(unpacked(t, a), file) {
			t.Errorf("%s is not what is in the folder", name)
		}
		want := ""
		if text != "" && len(file) >= 1000 {
			want = "gzip"
		}
		if got := a.header.Get("Content-Encoding"); got != want {
			t.Errorf("%s of %d bytes: Content-Encoding %q, want %q", name, len(file), got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsCompressed(t *testing.T) {
	t.Parallel()
	server := newEdge(t)
	for path, want := range map[string]string{
		"/": "gzip", "/demo": "gzip", "/" + largeSeal: "gzip", "/" + smallSeal: "",
		"/" + largeStatus: "", "/v1/events/demo/place": "", "/assets/none.js": "",
	} {
		a := fetch(t, server, http.MethodGet, path, asBrowser)
		if got := a.header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: Content-Encoding %q, want %q", path, got, want)
		}
		if vary := a.header.Get("Vary"); want != "" && vary != "Accept-Encoding" {
			t.Errorf("%s varies by %q", path, vary)
		}
		plain := fetch(t, server, http.MethodGet, path, nil)
		if plain.header.Get("Content-Encoding") != "" || !bytes.Equal(plain.body, unpacked(t, a)) || plain.header.Get("Vary") != a.header.Get("Vary") {
			t.Errorf("%s: to whoever takes no gzip it is another document, or encoded", path)
		}
		refused := fetch(t, server, http.MethodGet, path, map[string]string{"Accept-Encoding": "gzip;q=0, zstd, br"})
		if got := refused.header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: %q to whoever refuses gzip", path, got)
		}
	}
}

// A compressed answer is one of its own for caches: it has another ETag, no ranges, and HEAD says the same.
func TestCompressedAndPlainAreToldApart(t *testing.T) {
	t.Parallel()
	server := newEdge(t)
	for _, path := range []string{"/demo", "/assets/page.js", "/" + largeSeal} {
		packed, plain := fetch(t, server, http.MethodGet, path, asBrowser), fetch(t, server, http.MethodGet, path, nil)
		strong, weak := plain.header.Get("ETag"), packed.header.Get("ETag")
		if !strings.HasPrefix(strong, `"`) || weak != "W/"+strong || packed.header.Get("Accept-Ranges") != "" {
			t.Errorf("%s: ETags %s and %s, compressed with Accept-Ranges %q", path, strong, weak, packed.header.Get("Accept-Ranges"))
		}
		for _, header := range []map[string]string{asBrowser, nil} {
			get, head := fetch(t, server, http.MethodGet, path, header), fetch(t, server, http.MethodHead, path, header)
			if len(head.body) > 0 || head.status != get.status {
				t.Errorf("%s: HEAD is answered with %d and %d bytes", path, head.status, len(head.body))
			}
			for _, name := range []string{"Content-Encoding", "Content-Type", "ETag", "Vary", "Cache-Control"} {
				if head.header.Get(name) != get.header.Get(name) {
					t.Errorf("%s: HEAD has %s %q, GET %q", path, name, head.header.Get(name), get.header.Get(name))
				}
			}
			length := head.header.Get("Content-Length")
			if want := fmt.Sprint(len(get.body)); length != "" && length != want {
				t.Errorf("%s: HEAD says %s bytes, GET has %s", path, length, want)
			}
		}
		for _, tag := range []string{strong, weak} {
			a := fetch(t, server, http.MethodGet, path, map[string]string{"Accept-Encoding": "gzip", "If-None-Match": tag})
			if a.status != http.StatusNotModified || len(a.body) > 0 || a.header.Get("ETag") != tag || a.header.Get("Content-Encoding") != "" {
				t.Errorf("%s: whoever holds %s gets %d with %s", path, tag, a.status, a.header.Get("ETag"))
			}
		}
		part := fetch(t, server, http.MethodGet, path, map[string]string{"Accept-Encoding": "gzip", "Range": "bytes=2-1500"})
		if part.status != http.StatusPartialContent || part.header.Get("Content-Encoding") != "" || part.header.Get("ETag") != strong ||
			!bytes.Equal(part.body, plain.body[2:1501]) {
			t.Errorf("%s: a part is answered with %d, %q", path, part.status, part.header.Get("Content-Encoding"))
		}
	}
}

// mostOfAVisit is what fits into the ten packets that a server sends before it hears from a new visitor.
const mostOfAVisit = 14_000

// TestWeightOfAFirstVisit adds up what comes before somebody stands in line, in the heaviest language.
func TestWeightOfAFirstVisit(t *testing.T) {
	t.Parallel()
	server := newEdge(t)
	weigh := func(path string) int {
		a := fetch(t, server, http.MethodGet, path, asBrowser)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %s", path, a)
		}
		return len(a.body)
	}
	words, err := fs.Glob(static.Files, "assets/words/*.json")
	if err != nil || len(words) == 0 {
		t.Fatalf("%d languages, %v", len(words), err)
	}
	heaviest, language := 0, ""
	for _, name := range words {
		if n := weigh("/" + name); n > heaviest {
			heaviest, language = n, name
		}
	}
	sum, report := heaviest, fmt.Sprintf("%s %d", path.Base(language), heaviest)
	for _, name := range []string{"demo", "assets/page.css", "assets/page.js", "assets/visit.js", "assets/room.js"} {
		n := weigh("/" + name)
		sum += n
		report += fmt.Sprintf(", %s %d", path.Base(name), n)
	}
	if t.Logf("%d bytes: %s", sum, report); sum >= mostOfAVisit {
		t.Errorf("a first visit takes %d bytes, want less than %d", sum, mostOfAVisit)
	}
}
