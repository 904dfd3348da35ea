package gate

import (
	"net/http"
	"net/url"
	"strings"

	"waitingroom/shared/names"
)

// address is a path and a query, both as they were sent, without "?" between them.
type address struct {
	path  string // begins with a slash
	query string
}

// requested returns the address that the visitor asked for. It is taken from the request line,
// since a router may have cut a prefix from r.URL.
func requested(r *http.Request) address {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, query, _ := strings.Cut(r.RequestURI, "?")
		return address{path, query}
	}
	// A proxy's absolute form, whose host is not to be believed, or a request made by a program.
	return address{"/" + strings.TrimPrefix(r.URL.EscapedPath(), "/"), r.URL.RawQuery}
}

func (a address) String() string {
	if a.query == "" {
		return a.path
	}
	return a.path + "?" + a.query
}

// below returns the address at the origin. Without the origin, a path such as //evil.example/
// would name another host.
func (a address) below(origin string) string { return origin + a.String() }

// of returns a copy of the request that does not show the pass to the shop's code and its logs.
func (a address) of(r *http.Request) *http.Request {
	copied := r.WithContext(r.Context())
	u := *r.URL
	_, u.RawQuery, _ = cutPass(u.RawQuery)
	copied.URL, copied.RequestURI = &u, a.String()
	return copied
}

// cutPass takes the pass out of a query and leaves all else byte for byte in its order. If the
// parameter is there more than once, the first is the pass and all are taken out.
func cutPass(query string) (token, rest string, found bool) {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); err != nil || name != names.PassParameter {
			kept = append(kept, pair)
			continue
		}
		if !found {
			// What cannot be unescaped is no pass: the empty one, which is refused.
			token, _ = url.QueryUnescape(value)
			found = true
		}
	}
	return token, strings.Join(kept, "&"), found
}
