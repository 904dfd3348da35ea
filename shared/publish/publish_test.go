package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"waitingroom/shared/publish"
)

type publisher interface {
	Put(ctx context.Context, path string, body []byte) error
}

// stored is a document as a reader gets it.
type stored struct {
	body, contentType, cacheControl string
}

// engine is a publisher and the way to read what it published; ok is false for a missing document.
type engine struct {
	publisher
	get func(path string) (d stored, ok bool)
}

// bucket is both S3's client and, over HTTP, S3 itself.
type bucket struct {
	mu      sync.Mutex
	objects map[string]stored
}

func newBucket() *bucket { return &bucket{objects: map[string]stored{}} }

func (b *bucket) put(key string, d stored) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = d
}

func (b *bucket) get(path string) (stored, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.objects["documents/"+path]
	return d, ok
}

func (b *bucket) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(in.Body)
	b.put(*in.Bucket+"/"+*in.Key, stored{string(body), *in.ContentType, *in.CacheControl})
	return &s3.PutObjectOutput{}, err
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPut {
		http.Error(w, "want a PUT", http.StatusBadRequest)
		return
	}
	b.put(strings.TrimPrefix(r.URL.Path, "/"), stored{string(body), r.Header.Get("Content-Type"), r.Header.Get("Cache-Control")})
}

func engines(t *testing.T) map[string]engine {
	fake, real := newBucket(), newBucket()
	server := httptest.NewServer(real)
	t.Cleanup(server.Close)
	client := s3.New(s3.Options{Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		})})
	folder := newFolder(t, t.TempDir())
	return map[string]engine{
		"S3 with a fake client":    {publish.NewS3(fake, "documents"), fake.get},
		"S3 with the SDK's client": {publish.NewS3(client, "documents"), real.get},
		"folder, as it is served":  {folder, func(path string) (stored, bool) { return served(folder, path) }},
		"folder, that was not there": func() engine {
			f := newFolder(t, filepath.Join(t.TempDir(), "a", "b"))
			return engine{f, func(path string) (stored, bool) { return served(f, path) }}
		}(),
	}
}

func newFolder(t *testing.T, dir string) *publish.Folder {
	t.Helper()
	folder, err := publish.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return folder
}

func served(h http.Handler, path string) (stored, bool) {
	w := get(h, "/"+path)
	return stored{w.Body.String(), w.Header().Get("Content-Type"), w.Header().Get("Cache-Control")}, w.Code == http.StatusOK
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path = path
	h.ServeHTTP(w, r)
	return w
}

func TestEveryPublisher(t *testing.T) {
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) { contract(t, e) })
	}
}

func contract(t *testing.T, e engine) {
	t.Run("a document is read back with its headers", func(t *testing.T) {
		for path, cache := range map[string]string{
			"status/demo.json":                  "public, max-age=1",
			"seals/demo/0123abcd/0.json":        "public, max-age=31536000, immutable",
			".well-known/jwks.json":             "public, max-age=300",
			".well-known/openid-configuration":  "public, max-age=300",
			"elsewhere.json":                    "no-store",
			"statuses/looks-like-a-status.json": "no-store",
		} {
			if _, ok := e.get(path); ok {
				t.Errorf("%s is there before it was put", path)
			}
			put(t, e, path, `{"path":"`+path+`"}`)
			want := stored{`{"path":"` + path + `"}`, "application/json", cache}
			if got, ok := e.get(path); !ok || got != want {
				t.Errorf("%s reads %+v, want %+v", path, got, want)
			}
		}
	})
	t.Run("a document is replaced, also by itself", func(t *testing.T) {
		for _, body := range []string{`{"version":1,"long":"xxxxxxxxxxxxxxxx"}`, `{"version":2}`, `{"version":2}`, ``} {
			put(t, e, "status/again.json", body)
			if got, ok := e.get("status/again.json"); !ok || got.body != body {
				t.Errorf("reads %q, want %q", got.body, body)
			}
		}
	})
	t.Run("a path that is none is refused", func(t *testing.T) {
		for _, path := range []string{"", ".", "..", "/status/demo.json", "../out.json", "status/../../out.json",
			"status//demo.json", "status/./demo.json", "status/", `status\demo.json`, "status/\x00.json"} {
			if err := e.Put(t.Context(), path, []byte("{}")); err == nil {
				t.Errorf("%q was put", path)
			}
		}
	})
	t.Run("an ended context is an error", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Put(ctx, "status/late.json", []byte("{}")); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want context.Canceled", err)
		}
	})
	t.Run("of writers at once, one comes last and none is torn", func(t *testing.T) {
		const path = "seals/demo/run/1.json"
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				body := bytes.Repeat([]byte{'a' + byte(i)}, 5000)
				for range 10 {
					if err := e.Put(t.Context(), path, body); err != nil {
						t.Error(err)
					}
					if got, ok := e.get(path); !ok || len(got.body) != 5000 || strings.Trim(got.body, got.body[:1]) != "" {
						t.Errorf("torn document of %d bytes", len(got.body))
					}
				}
			})
		}
		writers.Wait()
	})
}

func put(t *testing.T, p publisher, path, body string) {
	t.Helper()
	if err := p.Put(t.Context(), path, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestFolderStaysInside(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.json"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(outside, "published")
	folder := newFolder(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/../secret.json", "/link/secret.json", "/status/../../secret.json", "//../secret.json", `/..\secret.json`} {
		w := get(folder, path)
		if w.Code < 400 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s answers %d %q", path, w.Code, w.Body)
		}
	}
	if err := folder.Put(t.Context(), "link/new.json", []byte("{}")); err == nil {
		t.Error("a document was put through a link out of the folder")
	}
	if _, err := os.Stat(filepath.Join(outside, "new.json")); err == nil {
		t.Error("a document was put outside of the folder")
	}
}

func TestFolderLeavesNothingUnfinished(t *testing.T) {
	dir := t.TempDir()
	folder := newFolder(t, dir)
	put(t, folder, "status/demo.json", "{}")
	if err := folder.Put(t.Context(), "status/demo.json/below-a-file.json", []byte("{}")); err == nil {
		t.Error("a document was put below another one")
	}
	entries, err := os.ReadDir(filepath.Join(dir, ".unfinished"))
	if err != nil || len(entries) != 0 {
		t.Errorf("left over: %v (error %v)", entries, err)
	}
	if err := folder.Put(t.Context(), ".unfinished/a.json", []byte("{}")); err == nil {
		t.Error("a document was put among the unfinished ones")
	}
}

func TestFolderAnswersMissesWithoutCaching(t *testing.T) {
	folder := newFolder(t, t.TempDir())
	put(t, folder, "status/demo.json", "{}")
	for _, path := range []string{"/status/other.json", "/status", "/status/", "/", "", "/status/demo.json/", "/status/demo.json/x",
		"/.unfinished", "/.unfinished/x", "/status/\x00", "/status/" + strings.Repeat("x", 5000)} {
		w := get(folder, path)
		if w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" ||
			w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %.40q answers %d %v", path, w.Code, w.Header())
		}
	}
}

func TestFolderMethods(t *testing.T) {
	folder := newFolder(t, t.TempDir())
	put(t, folder, "status/demo.json", `{"version":1}`)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		folder.ServeHTTP(w, httptest.NewRequest(method, "/status/demo.json", nil))
		if w.Code != want {
			t.Errorf("%s answers %d, want %d", method, w.Code, want)
		}
		if method == "HEAD" && w.Body.Len() != 0 {
			t.Errorf("HEAD has a body: %s", w.Body)
		}
	}
}

func TestFolderAnswersAnUnchangedDocumentShortly(t *testing.T) {
	folder := newFolder(t, t.TempDir())
	put(t, folder, "status/demo.json", `{"version":1}`)
	etag := get(folder, "/status/demo.json").Header().Get("ETag")
	ask := func() int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/status/demo.json", nil)
		r.Header.Set("If-None-Match", etag)
		folder.ServeHTTP(w, r)
		if cache := w.Header().Get("Cache-Control"); cache != "public, max-age=1" {
			t.Errorf("Cache-Control is %q", cache)
		}
		return w.Code
	}
	if code := ask(); code != http.StatusNotModified {
		t.Errorf("unchanged: %d, want 304", code)
	}
	put(t, folder, "status/demo.json", `{"version":2}`)
	if code := ask(); code != http.StatusOK {
		t.Errorf("changed within the second: %d, want 200", code)
	}
}

// denied fails as S3 does without permission, and may have stored the document all the same.
type denied struct{ error }

func (d denied) PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return nil, d.error
}

func TestS3NamesTheDocumentThatFailed(t *testing.T) {
	cause := fmt.Errorf("access denied")
	err := publish.NewS3(denied{cause}, "documents").Put(t.Context(), "status/demo.json", nil)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "status/demo.json") {
		t.Errorf("error is %v", err)
	}
}
