package admit_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/pass"
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

// benchSale is a sale with so long a line that a benchmark does not come to its end. Visitors come
// at the rate that is set.
func benchSale(b *testing.B, alg string) *sale {
	b.Helper()
	s := newSale(b, 8)
	const long = 1 << 40
	s.run.ID = strings.Repeat("b2", 16)
	if err := s.PutSeal(b.Context(), room.Seal{Run: s.run, Counts: []int64{long}}); err != nil {
		b.Fatal(err)
	}
	s.set(b, func(st *room.State) { st.Run, st.PassAlg, st.Base, st.Admitted = s.run, alg, long, long })
	s.admitter.Store, s.admitter.Line, s.admitter.Metrics.Out = s.Memory, s.view, io.Discard
	return s
}

// arrive adds the i-th visitor, a tenth of a second after the one before.
func (s *sale) arrive(b *testing.B, i int64) room.Visitor {
	v := room.Visitor{ID: fmt.Sprintf("%032x", i), Seq: i, Joined: onSale}
	if _, err := s.AddVisitor(b.Context(), s.run, v); err != nil {
		b.Fatal(err)
	}
	s.wait(100 * time.Millisecond)
	return v
}

func benchmarkAdmit(b *testing.B, alg string) {
	s := benchSale(b, alg)
	i := int64(0)
	for b.Loop() {
		i++
		v := s.arrive(b, i)
		if r := s.claim(b, s.ticket(v, func(*ticket.Ticket) {})); r.StatusCode != 200 {
			b.Fatalf("%d %s", r.StatusCode, r.Body)
		}
	}
}

func BenchmarkAdmitHS256(b *testing.B) { benchmarkAdmit(b, pass.HS256) }
func BenchmarkAdmitRS256(b *testing.B) { benchmarkAdmit(b, pass.RS256) }

// BenchmarkAdmitStore makes an admission's calls of the store and nothing else.
func BenchmarkAdmitStore(b *testing.B) {
	s := benchSale(b, pass.HS256)
	ctx := b.Context()
	i := int64(0)
	for b.Loop() {
		i++
		v := s.arrive(b, i)
		st, err := s.view.State(ctx, "demo")
		_, errSeal := s.view.Seal(ctx, s.run, 0)
		_, errVisitor := s.Visitor(ctx, s.run, v.ID)
		w := room.ShapeOf(st.Cap.Rate).WindowAt(s.now)
		_, _, errMark := s.Mark(ctx, s.run, v.ID, w.Start())
		errSlot := s.TakeSlot(ctx, s.run, w, 0, w.Limit(st.Cap.Rate), s.now)
		_, errAdmit := s.Admit(ctx, s.run, v.ID, room.Pass{ID: v.ID, Issued: s.now, Expiry: s.now.Add(time.Hour)})
		if err := errors.Join(err, errSeal, errVisitor, errMark, errSlot, errAdmit); err != nil {
			b.Fatal(err)
		}
	}
}
