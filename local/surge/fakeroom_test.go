package surge

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// fakeRoom is a waiting room of two shards in memory, and the shop behind it. Its faults are those
// that a crowd has to notice or to bear.
type fakeRoom struct {
	t      *testing.T
	server *http.Server
	dialed chan net.Conn
	closed chan struct{}

	mu       sync.Mutex
	key      ticket.Key
	draw     [32]byte
	run      room.Run
	onSale   time.Time
	rate     float64 // a second
	version  int64
	over     bool
	counts   [2]int64 // of the open cohort
	seals    []room.Seal
	line     int64
	admitted float64
	moved    time.Time
	places   map[string]room.Visitor
	asked    map[string]int // requests, by kind
	ordered  map[string]bool
	open     bool // the shop asks for no pass

	// delay is what requests of a kind take.
	delay map[string]time.Duration
	// fault answers or changes the n-th request of a kind, from 1, before the room does. It returns true
	// if it has answered.
	fault func(kind string, n int, w http.ResponseWriter) bool
	// change alters what is sent.
	change func(kind string, n int, document map[string]any)
}

// newFakeRoom opens a room whose on-sale is that far away. It answers on pipes, so that a whole sale
// takes no time in a bubble of synctest.
func newFakeRoom(t *testing.T, onSale time.Duration, perMinute int) *fakeRoom {
	f := &fakeRoom{
		t: t, dialed: make(chan net.Conn), closed: make(chan struct{}),
		run: room.Run{Event: "demo", ID: "000102030405060708090a0b0c0d0e0f"}, onSale: time.Now().Add(onSale),
		rate: float64(perMinute) / 60, places: map[string]room.Visitor{}, asked: map[string]int{}, ordered: map[string]bool{}, delay: map[string]time.Duration{},
		fault:  func(string, int, http.ResponseWriter) bool { return false },
		change: func(string, int, map[string]any) {},
	}
	f.moved = f.onSale
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status/demo.json", f.handle("status", f.status))
	mux.HandleFunc("GET /seals/demo/{run}/{document}", f.handle("seal", f.seal))
	mux.HandleFunc("POST /v1/events/demo/join", f.handle("join", f.join))
	mux.HandleFunc("POST /v1/events/demo/admit", f.handle("admit", f.admit))
	mux.HandleFunc("GET /shop", f.handle("shop", f.shop))
	mux.HandleFunc("POST /shop/order", f.handle("order", f.order))
	f.server = &http.Server{Handler: mux}
	go f.server.Serve(f)
	return f
}

func (f *fakeRoom) Accept() (net.Conn, error) {
	select {
	case conn := <-f.dialed:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fakeRoom) Close() error {
	close(f.closed)
	return nil
}

func (f *fakeRoom) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fakeRoom) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case f.dialed <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stop is to be called at the end of the bubble.
func (f *fakeRoom) stop() { f.server.Close() }

// options are for a crowd of n over 20 s that this room can serve.
func (f *fakeRoom) options(n int) Options {
	return Options{
		Curve: Curve{Visitors: n, Over: 20 * time.Second, Before: 0.3}, URL: "http://127.0.0.1:1", Event: "demo",
		Rate: int(f.rate * 60), For: 10 * time.Minute, NoShows: 0.2, Seed: 7, Orders: true, dial: f.dial, turnaround: 20 * time.Millisecond, IOwnThis: true,
		Close: func(context.Context) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.over = true
			return nil
		},
	}
}

type answerer func(w http.ResponseWriter, r *http.Request) (status int, document map[string]any)

func (f *fakeRoom) handle(kind string, serve answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(f.delay[kind])
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked[kind]++
		n := f.asked[kind]
		if f.fault(kind, n, w) {
			return
		}
		f.advance(time.Now())
		status, document := serve(w, r)
		if document == nil {
			w.WriteHeader(status)
			return
		}
		f.change(kind, n, document)
		body, err := json.Marshal(document)
		if err != nil {
			f.t.Error(err)
		}
		w.WriteHeader(status)
		w.Write(body)
	}
}

// advance seals about every second and moves the pointer, as tick does.
func (f *fakeRoom) advance(now time.Time) {
	step := now.Sub(f.moved)
	if step < time.Second && !(f.over && step > 0) {
		return
	}
	f.version++
	if counts := slices.Clone(f.counts[:]); counts[0]+counts[1] > 0 || len(f.seals) == 0 {
		cohort := int64(len(f.seals))
		f.seals = append(f.seals, room.Seal{Run: f.run, Cohort: cohort, Base: f.line, Counts: counts, Seed: room.Seed(f.draw, f.run, cohort, counts)})
		f.line += counts[0] + counts[1]
		f.counts = [2]int64{}
	}
	f.admitted = min(float64(f.line), f.admitted+min(step.Seconds(), 2)*f.rate)
	f.moved = now
}

func (f *fakeRoom) status(w http.ResponseWriter, _ *http.Request) (int, map[string]any) {
	w.Header().Set("Cache-Control", "public, max-age=1")
	now := time.Now()
	s := room.Status{
		Event: "demo", Run: f.run.ID, Version: f.version, Phase: room.PreQueue, Time: now.UTC().Format(time.RFC3339Nano),
		PreQueue: f.onSale.Add(-time.Hour).UTC().Format(time.RFC3339), OnSale: f.onSale.UTC().Format(time.RFC3339Nano),
		Sealed: int64(len(f.seals)), Line: f.line, Admitted: int64(f.admitted), Rate: int64(f.rate * 60), Commit: room.Commit(f.draw),
	}
	if len(f.seals) > 0 {
		s.Phase = room.Open
	}
	if f.over {
		s.Phase, s.DrawKey = room.Closed, hex.EncodeToString(f.draw[:])
	}
	return http.StatusOK, object(s)
}

// object is a document whose members can be changed.
func object(document any) (members map[string]any) {
	text, _ := json.Marshal(document)
	json.Unmarshal(text, &members)
	return members
}

func (f *fakeRoom) seal(_ http.ResponseWriter, r *http.Request) (int, map[string]any) {
	var cohort int
	fmt.Sscanf(r.PathValue("document"), "%d.json", &cohort)
	if r.PathValue("run") != f.run.ID || cohort >= len(f.seals) {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, object(f.seals[cohort].Document())
}

func (f *fakeRoom) join(_ http.ResponseWriter, r *http.Request) (int, map[string]any) {
	var body struct{ Secret string }
	json.NewDecoder(r.Body).Decode(&body)
	secret, err := base64.RawURLEncoding.DecodeString(body.Secret)
	if err != nil || len(secret) != 16 {
		return http.StatusBadRequest, map[string]any{}
	}
	id := room.VisitorID(secret)
	shard := len(f.places) % 2
	f.counts[shard]++ // a number that is taken twice leaves a hole, as in the real room
	v, held := f.places[id]
	if !held {
		v = room.Visitor{ID: id, Cohort: int64(len(f.seals)), Shard: shard, Seq: f.counts[shard]}
		f.places[id] = v
	}
	return http.StatusCreated, map[string]any{"visitor": id, "cohort": v.Cohort, "shard": v.Shard, "seq": v.Seq,
		"ticket": f.key.Seal(ticket.Ticket{Event: "demo", Run: f.run.ID, Visitor: id, Cohort: v.Cohort, Shard: v.Shard, Seq: v.Seq})}
}

func (f *fakeRoom) admit(_ http.ResponseWriter, r *http.Request) (int, map[string]any) {
	var body struct{ Ticket string }
	json.NewDecoder(r.Body).Decode(&body)
	shown, err := f.key.Open(body.Ticket)
	if err != nil {
		return http.StatusUnauthorized, map[string]any{"type": names.ProblemPrefix + "bad-ticket"}
	}
	if shown.Cohort >= int64(len(f.seals)) {
		return http.StatusAccepted, map[string]any{"admitted": int64(f.admitted), "retry_after": 2}
	}
	position, err := f.seals[shown.Cohort].Position(shown.Shard, shown.Seq)
	if err != nil {
		f.t.Error(err)
	}
	if position > int64(f.admitted) {
		return http.StatusAccepted, map[string]any{"position": position, "admitted": int64(f.admitted), "retry_after": 2}
	}
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{"sub": shown.Visitor, "event": "demo", "iat": now, "exp": now + 60})
	pass := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	return http.StatusOK, map[string]any{"pass": pass, "redirect": "http://127.0.0.1:1/shop?" + names.PassParameter + "=" + pass}
}

// shop takes the pass from the address into a cookie, as the gate does.
func (f *fakeRoom) shop(w http.ResponseWriter, r *http.Request) (int, map[string]any) {
	if pass := r.URL.Query().Get(names.PassParameter); pass != "" {
		http.SetCookie(w, &http.Cookie{Name: "pass", Value: pass})
		w.Header().Set("Location", shop.Path)
		return http.StatusSeeOther, nil
	}
	if _, err := r.Cookie("pass"); err != nil && !f.open {
		w.Header().Set("Location", "/demo")
		return http.StatusSeeOther, nil
	}
	return http.StatusOK, nil
}

func (f *fakeRoom) order(_ http.ResponseWriter, r *http.Request) (int, map[string]any) {
	name := r.Header.Get(shop.VisitorHeader)
	if pass, err := r.Cookie("pass"); err == nil {
		name = pass.Value
	} else if !f.open {
		return http.StatusForbidden, nil
	}
	f.ordered[name] = true
	return http.StatusSeeOther, nil
}

// refuse answers with a problem, as the API does.
func refuse(w http.ResponseWriter, status int, code string, retryAfter int) {
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(status)
	io.WriteString(w, `{"type":"`+names.ProblemPrefix+code+`"}`)
}
