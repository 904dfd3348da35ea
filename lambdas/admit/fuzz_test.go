package admit_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// largest is the limit that the API's description promises, in bytes.
const largest = 1024

// holds reads the request a second time: the ticket in it, if the body is one.
func holds(text string, inBase64 bool) (held string, ok bool) {
	if inBase64 {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(text) > 2*largest {
			return "", false
		}
		text = string(decoded)
	}
	var body struct{ Ticket string }
	if len(text) > largest || json.Unmarshal([]byte(text), &body) != nil || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return "", false
	}
	return body.Ticket, true
}

func FuzzAdmitBody(f *testing.F) {
	s := newSale(f, 8)
	s.set(f, func(st *room.State) { st.Admitted = 4 })
	good := body(s.tickets[1])
	stranger := s.ticket(s.visitor(f, 1), func(t *ticket.Ticket) { t.Visitor = strings.Repeat("c3", 16) })
	for _, text := range []string{
		good, body(s.tickets[8]), body(stranger), " " + good + "\n", good + good, "[" + good + "]", `{"ticket":null}`,
		`{"ticket":1}`, `{}`, "{", "", "null", body("v1.."), strings.Replace(good, "ticket", "TICKET", 1),
		strings.Repeat(" ", largest) + good,
	} {
		f.Add(text, false)
		f.Add(text, true)
		f.Add(base64.StdEncoding.EncodeToString([]byte(text)), true)
	}
	position := map[string]int{}
	for p, text := range s.tickets[1:] {
		position[text] = p + 1
	}
	f.Fuzz(func(t *testing.T, text string, inBase64 bool) {
		r := s.request(text)
		r.IsBase64Encoded = inBase64
		response := s.ask(t, r)
		held, ok := holds(text, inBase64)
		place := position[held]
		switch {
		case !ok:
			if response.StatusCode != 400 && response.StatusCode != 413 {
				t.Errorf("%d %s", response.StatusCode, response.Body)
			}
		case place == 0:
			wantProblem(t, response, 401, "bad-ticket")
		case place <= 4:
			admitted(t, response)
		default:
			waiting(t, response)
		}
	})
}
