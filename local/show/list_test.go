package show

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/exit"
)

// inParts answers with a list part by part, as the API does, and says what it was asked.
func inParts(t *testing.T, parts ...string) (address string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		*asked = append(*asked, fmt.Sprintf("%s %s %s", q.Get("next"), q.Get("limit"), q.Get("state")))
		fmt.Fprint(w, parts[min(len(*asked), len(parts))-1])
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func part(next string, ids ...string) string {
	shows := []string{}
	for _, id := range ids {
		shows = append(shows, fmt.Sprintf(`{"id":%q,"event":"tour","name":"Tour","state":"done","onsale":"2026-11-28T10:00:00+01:00","seats":7}`, id))
	}
	return fmt.Sprintf(`{"shows":[%s],"next":%q}`, strings.Join(shows, ","), next)
}

// The list is followed to its end or to the limit, and a show that comes twice is listed once.
func TestListIsFollowed(t *testing.T) {
	as(t, "anna")
	for _, test := range []struct {
		name  string
		parts []string
		flags []string
		asked []string
		ids   []string
		more  bool
	}{
		{"one part", []string{part("", "a", "b")}, nil, []string{" 500 "}, []string{"a", "b"}, false},
		{"three parts, one of them empty", []string{part("x", "a", "b"), part("y"), part("", "b", "c")}, []string{"-state", "done"},
			[]string{" 500 done", "x 500 done", "y 500 done"}, []string{"a", "b", "c"}, false},
		{"a limit", []string{part("x", "a", "b"), part("y", "c")}, []string{"-limit", "3"}, []string{" 3 ", "x 1 "}, []string{"a", "b", "c"}, true},
		{"a limit that is never reached", []string{part("x", "a"), part("")}, []string{"-limit", "501"}, []string{" 500 ", "x 500 "}, []string{"a"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, asJSON := range []bool{false, true} {
				address, asked := inParts(t, test.parts...)
				flags := append([]string{"list", "-url", address}, test.flags...)
				if asJSON {
					flags = append(flags, "-json")
				}
				out := ok(t, flags...)
				if !slices.Equal(*asked, test.asked) {
					t.Errorf("asked %q, want %q", *asked, test.asked)
				}
				if !asJSON {
					if got := strings.Contains(out, "leave out -limit"); got != test.more || strings.Count(out, "\n") != 1+len(test.ids)+strings.Count(out, "leave out") {
						t.Errorf("listed\n%s", out)
					}
					continue
				}
				var all api.List
				if err := json.Unmarshal([]byte(out), &all); err != nil || (all.Next != "") != test.more || strings.Count(out, `"seats":7`) != len(test.ids) {
					t.Errorf("%v: %s", err, out)
				}
				var ids []string
				for _, show := range all.Shows {
					ids = append(ids, show.ID)
				}
				if !slices.Equal(ids, test.ids) {
					t.Errorf("%q, want %q", ids, test.ids)
				}
			}
		})
	}
}

// Whatever answers in the API's place does not keep the command going round.
func TestListThatGoesRound(t *testing.T) {
	as(t, "anna")
	for _, parts := range [][]string{{part("x", "a")}, {`{"shows":[{"event":"tour"}]}`}, {`{"shows":[7]}`}} {
		address, asked := inParts(t, parts...)
		out, problems, status := did(t, "list", "-url", address)
		if status != exit.Failed || out != "" || !strings.Contains(problems, "check -url") || len(*asked) > 2 {
			t.Errorf("status %d, %q, asked %q", status, problems, *asked)
		}
	}
}
