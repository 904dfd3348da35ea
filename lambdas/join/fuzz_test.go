package join_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"waitingroom/shared/room"
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

func BenchmarkJoin(b *testing.B) {
	s := newSale(b)
	s.joiner.Store, s.joiner.Metrics.Out = s.Memory, io.Discard
	i := 0
	for b.Loop() {
		i++
		if r := s.join(b, i); r.StatusCode != 201 {
			b.Fatalf("%d %s", r.StatusCode, r.Body)
		}
	}
}

// BenchmarkJoinStore makes a join's calls of the store and nothing else.
func BenchmarkJoinStore(b *testing.B) {
	s := newSale(b)
	i := 0
	for b.Loop() {
		i++
		st, err := s.view.State(b.Context(), "demo")
		if err != nil {
			b.Fatal(err)
		}
		shard := i % st.Shards
		seq, err := s.Count(b.Context(), st.Run, st.Cohort, shard)
		if err != nil {
			b.Fatal(err)
		}
		v := room.Visitor{ID: room.VisitorID(secret(i, 16)), Cohort: st.Cohort, Shard: shard, Seq: seq, Joined: s.now}
		if _, err := s.AddVisitor(b.Context(), st.Run, v); err != nil {
			b.Fatal(err)
		}
	}
}
