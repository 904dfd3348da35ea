package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

// Cache asks for everything that a visitor's browser asks for first, so that it is in the CDN's cache and
// known to be there. Only the edge location that answers this function, and the region's cache behind it,
// are warmed, and for as long as the files' own Cache-Control says.
type Cache struct{ room *Room }

// NewCache returns the step that asks through the room's public address.
func NewCache(room *Room) *Cache { return &Cache{room} }

// mostFiles bounds how many files a document can have this function ask for.
const mostFiles = 40

// What a browser accepts is part of the CDN's key, so both kinds are asked for: the first as this
// function can read it, the second as browsers ask on https.
const (
	readable = "gzip"
	browsers = "gzip, deflate, br, zstd"
)

// Up is done when page, files and keys have been answered. A status is not there before tick has seen the
// event's parameters.
func (c *Cache) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	event := t.Show.Request.Event
	page, err := c.warm(ctx, "/"+event)
	if err != nil {
		return "", err
	}
	files := named(page)
	if len(files) == 0 {
		return "", fmt.Errorf("GET %s/%s: it is not the waiting page: it names none of its files", c.room.address, event)
	}
	for i := 0; i < len(files); i++ {
		if len(files) > mostFiles {
			return "", fmt.Errorf("GET %s/%s: it leads to more than %d files", c.room.address, event, mostFiles)
		}
		body, err := c.warm(ctx, files[i])
		if err != nil {
			return "", err
		}
		for _, file := range imported(files[i], body) {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	if _, err := c.warm(ctx, names.JWKSPath); err != nil {
		return "", err
	}
	if _, _, err := c.room.Status(ctx, event); err != nil {
		return "", err
	}
	return hotshow.Up, nil
}

// Down leaves everything: what is in a cache goes by itself.
func (c *Cache) Down(context.Context, *prepare.Task) (hotshow.Progress, error) {
	return hotshow.Down, nil
}

// warm asks for a file as browsers do and returns it.
func (c *Cache) warm(ctx context.Context, path string) ([]byte, error) {
	var body []byte
	for _, accept := range []string{browsers, readable} {
		header := http.Header{}
		if accept != readable { // which Go asks for by itself, and undoes
			header.Set("Accept-Encoding", accept)
		}
		a, err := c.room.ask(ctx, http.MethodGet, path, "", header)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusOK {
			return nil, c.room.unexpected(http.MethodGet, path, a)
		}
		body = a.body
	}
	return body, nil
}

var (
	reference = regexp.MustCompile(`(?i)<(?:link|script|img)\b[^>]*?\s(?:href|src)\s*=\s*"([^"]+)"`)
	module    = regexp.MustCompile("\\b(?:from|import)\\s*\\(?\\s*[\"'`](\\.{1,2}/[A-Za-z0-9._/-]+\\.js)\\b")
)

// named are the assets that a document names.
func named(document []byte) []string { return assets("/", reference, document) }

// imported are the modules that a module imports, at once or later.
func imported(path string, body []byte) []string {
	if !strings.HasSuffix(path, ".js") {
		return nil
	}
	return assets(path, module, body)
}

// assets are the addresses found in a file at base that are assets of the room, each once.
func assets(base string, pattern *regexp.Regexp, body []byte) []string {
	var found []string
	at, err := url.Parse(base)
	if err != nil {
		return nil
	}
	for _, match := range pattern.FindAllSubmatch(body, -1) {
		address, err := at.Parse(string(match[1]))
		if err != nil || address.Host != "" || !strings.HasPrefix(address.Path, names.AssetsPrefix) || slices.Contains(found, address.Path) {
			continue
		}
		found = append(found, address.Path)
	}
	return found
}
