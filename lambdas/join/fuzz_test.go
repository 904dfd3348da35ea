package join_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"waitingroom/shared/store"
)

// largest is the limit that the API's description promises, in bytes.
const largest = 512

// expected is the answer's class by a second reading of the request: 0 if it is to be accepted.
func expected(text string, inBase64 bool) int {
	if inBase64 {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(text) > 2*largest {
			return 4
		}
		text = string(decoded)
	}
	var body struct{ Secret string }
	if len(text) > largest || json.Unmarshal([]byte(text), &body) != nil || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return 4
	}
	secret, err := base64.RawURLEncoding.DecodeString(body.Secret)
	if err != nil || base64.RawURLEncoding.EncodeToString(secret) != body.Secret || len(secret) < 16 || len(secret) > 32 {
		return 4
	}
	return 0
}

func FuzzJoinBody(f *testing.F) {
	good := body(secret(1, 16))
	for _, text := range []string{
		good, body(secret(2, 32)), body(secret(3, 15)), body(secret(4, 33)), " " + good + "\n", good + good,
		"[" + good + "]", `{"secret":null}`, `{"secret":1}`, `{"SECRET":"AAECAwQFBgcICQoLDA0ODw"}`, "{", "", "null",
		`{"secret":"AAECAwQFBgcICQoLDA0O\nDw"}`, `{"secret":"AAECAwQFBgcICQoLDA0ODw","secret":2}`,
		strings.Repeat(" ", largest) + good,
	} {
		f.Add(text, false)
		f.Add(text, true)
		f.Add(base64.StdEncoding.EncodeToString([]byte(text)), true)
	}
	s := newSale(f)
	f.Fuzz(func(t *testing.T, text string, inBase64 bool) {
		// A store of its own for each request, so that a new place is always 201.
		s.faults.Memory = store.NewMemory(s.joiner.Now)
		r := s.request(text)
		r.IsBase64Encoded = inBase64
		response := s.ask(t, r)
		s.faults.made()
		if expected(text, inBase64) == 0 {
			s.joined(t, response, 201)
			return
		}
		if response.StatusCode != 400 && response.StatusCode != 413 {
			t.Errorf("%d %s", response.StatusCode, response.Body)
		}
	})
}
