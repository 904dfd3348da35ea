package steps

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
)

// pages are a CDN's: they are compressed as a request accepts, once for each kind.
type pages struct {
	files map[string]string
	asked map[string][]string // kinds by path
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	accept := r.Header.Get("Accept-Encoding")
	p.asked[r.URL.Path] = append(p.asked[r.URL.Path], accept)
	body, ok := p.files[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if strings.Contains(accept, "br") {
		w.Header().Set("Content-Encoding", "br")
		w.Write([]byte("what only a browser reads"))
		return
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write([]byte(body))
	zip.Close()
	w.Header().Set("Content-Encoding", "gzip")
	w.Write(packed.Bytes())
}

func goodPages() *pages {
	return &pages{asked: map[string][]string{}, files: map[string]string{
		"/winter": `<!doctype html><link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/page.css">
			<script type="module" src="/assets/page.js"></script><a href="/assets/no.html">no</a><img src="https://shop.example/assets/logo.png">`,
		"/assets/icon.svg":       `<svg/>`,
		"/assets/page.css":       `p{}`,
		"/assets/page.js":        "import { a } from \"./visit.js\";\nconst later = (n) => import(`./later.js?${n}`);\nfetch(\"/v1/events\")",
		"/assets/visit.js":       `import "./page.js"; import "../secret.js"`,
		"/assets/later.js":       `import x from './visit.js'`,
		"/.well-known/jwks.json": `{"keys":[]}`,
		"/status/winter.json":    `{"event":"winter","phase":"scheduled"}`,
	}}
}

func (p *pages) warm(t *testing.T) (hotshow.Progress, error) {
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	task := &prepare.Task{Show: hotshow.Show{Request: hotshow.Request{Event: "winter"}}}
	return NewCache(NewRoom(server.URL, server.Client().Transport)).Up(t.Context(), task)
}

func TestCacheAsksForWhatABrowserAsksFor(t *testing.T) {
	p := goodPages()
	if progress, err := p.warm(t); progress != hotshow.Up || err != nil {
		t.Fatalf("came to %q, %v", progress, err)
	}
	want := slices.Sorted(maps.Keys(p.files))
	if got := slices.Sorted(maps.Keys(p.asked)); !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
	for path, kinds := range p.asked {
		if !strings.HasPrefix(path, "/status/") && !slices.Equal(kinds, []string{"gzip, deflate, br, zstd", "gzip"}) {
			t.Errorf("%s was asked for as %q", path, kinds)
		}
	}
}

func TestCacheOfAnEventThatTickHasNotSeen(t *testing.T) {
	p := goodPages()
	delete(p.files, "/status/winter.json")
	if progress, err := p.warm(t); progress != hotshow.Up || err != nil {
		t.Errorf("came to %q, %v", progress, err)
	}
}

func TestCacheSaysWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(map[string]string)
		says   string
	}{
		"the page":         {func(files map[string]string) { delete(files, "/winter") }, "/winter: answered with 404"},
		"another page":     {func(files map[string]string) { files["/winter"] = "<h1>Welcome to nginx</h1>" }, "it is not the waiting page"},
		"a style sheet":    {func(files map[string]string) { delete(files, "/assets/page.css") }, "/assets/page.css: answered with 404"},
		"a module":         {func(files map[string]string) { delete(files, "/assets/later.js") }, "/assets/later.js: answered with 404"},
		"the keys":         {func(files map[string]string) { delete(files, "/.well-known/jwks.json") }, "/.well-known/jwks.json: answered with 404"},
		"another's status": {func(files map[string]string) { files["/status/winter.json"] = `{"event":"summer"}` }, `the status of "summer"`},
		"far too many": {func(files map[string]string) {
			var list strings.Builder
			for i := range mostFiles + 1 {
				name := "/assets/" + strings.Repeat("x", i+1)
				files[name] = "x"
				list.WriteString(`<link href="` + name + `">`)
			}
			files["/winter"] = list.String()
		}, "more than 40 files"},
	} {
		t.Run(name, func(t *testing.T) {
			p := goodPages()
			c.breaks(p.files)
			if progress, err := p.warm(t); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("came to %q, %v; want %q", progress, err, c.says)
			}
		})
	}
}
