package publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	pathpkg "path"
	"strings"
	"syscall"
	"time"
)

// unfinished holds documents that are being written. It is in the same folder, because only within
// one file system is a rename atomic; a crash leaves files in it that nobody reads.
const unfinished = ".unfinished"

// Folder publishes to a folder and serves what is in it as the CDN would.
type Folder struct {
	root *os.Root
}

// NewFolder returns a publisher to the folder, which is created if it is missing. Close it.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := root.MkdirAll(unfinished, 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("publish: %w", err), root.Close())
	}
	return &Folder{root: root}, nil
}

// Close lets go of the folder and leaves the documents in it.
func (f *Folder) Close() error { return f.root.Close() }

// Put stores the document. Readers see the old one or the new one, never a part; of writers at the
// same time, one comes last. It is not synced to disk: after a power cut, put it again.
func (f *Folder) Put(ctx context.Context, path string, body []byte) error {
	if err := check(path); err != nil {
		return err
	}
	if hidden(path) {
		return fmt.Errorf("publish: %q is kept for unfinished documents", path)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	if err := f.write(path, body); err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	return nil
}

func (f *Folder) write(path string, body []byte) error {
	temporary := unfinished + "/" + rand.Text()
	if err := f.root.WriteFile(temporary, body, 0o644); err != nil {
		return errors.Join(err, f.root.Remove(temporary))
	}
	if err := f.root.MkdirAll(pathpkg.Dir(path), 0o755); err != nil {
		return errors.Join(err, f.root.Remove(temporary))
	}
	if err := f.root.Rename(temporary, path); err != nil {
		return errors.Join(err, f.root.Remove(temporary))
	}
	return nil
}

// ServeHTTP serves the document whose path is the request's, with the headers that production
// sends. A missing document is a 404 that must not be cached: it may appear within the second.
func (f *Folder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	body, err := f.read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, "There is no such document.")
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, "The document could not be read.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", CacheControl(path))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	// Without a time of modification: it counts whole seconds, within which a status may change.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// read returns fs.ErrNotExist for everything that is not a published document, folders included.
func (f *Folder) read(path string) ([]byte, error) {
	if check(path) != nil || hidden(path) {
		return nil, fs.ErrNotExist
	}
	body, err := f.root.ReadFile(path)
	// Addresses below a document, of a folder, or too long for a name are a visitor's mistakes.
	for _, e := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG} {
		if errors.Is(err, e) {
			return nil, fs.ErrNotExist
		}
	}
	return body, err
}

func hidden(path string) bool {
	return path == unfinished || strings.HasPrefix(path, unfinished+"/")
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"about:blank","title":%q,"status":%d,"detail":%q}`+"\n", http.StatusText(status), status, detail)
}
