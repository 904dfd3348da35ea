package statuses_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"waitingroom/shared/statuses"
)

func TestStatuses(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		found  bool
		fails  bool
	}{
		{"a status", 200, `{"event":"demo","phase":"open","line":7,"new":[]}`, true, false},
		{"none", 404, "no", false, false},
		{"a broken CDN", 502, "no", false, true},
		{"another event's", 200, `{"event":"other","phase":"open","line":7}`, false, true},
		{"half a document", 200, `{"event":`, false, true},
		{"one without end", 200, `{"event":"` + strings.Repeat("a", 1<<20), false, true},
	}
	for _, test := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/status/demo.json" {
				t.Errorf("asked for %s", r.URL)
			}
			w.WriteHeader(test.status)
			io.WriteString(w, test.body)
		}))
		status, found, err := statuses.NewReader(server.URL, http.DefaultClient).Status(t.Context(), "demo")
		if found != test.found || (err != nil) != test.fails || found && status.Line != 7 {
			t.Errorf("%s: %+v, %v, %v", test.name, status, found, err)
		}
		server.Close()
		if _, _, err := statuses.NewReader(server.URL, http.DefaultClient).Status(t.Context(), "demo"); err == nil {
			t.Errorf("%s: a room that does not answer has a status", test.name)
		}
	}
}
