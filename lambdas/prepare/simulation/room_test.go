package simulation

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

const (
	address = "https://room.example"
	target  = "https://shop.example/checkout"
)

// theRoom is the waiting room as its visitors reach it. Its leader sees a parameter as soon as it is
// shown; nothing more of its rules is here than what a show has to do with.
type theRoom struct {
	w    *world
	runs map[string]*sale // by event
}

// sale is one run of an event.
type sale struct {
	number                   int // of the event's, from 1
	onsale, prequeue, closes time.Time
	closed                   bool
	waiting                  bool // somebody is in line
}

// moment is a parameter that is a time, or otherwise.
func (r *theRoom) moment(event, name string, otherwise time.Time) time.Time {
	t, err := time.Parse(time.RFC3339, r.parameter(event, name))
	if err != nil {
		return otherwise
	}
	return t
}

func (r *theRoom) parameter(event, name string) string {
	if p := r.w.parameters[names.ParameterPath+event+"/"+name]; p != nil {
		return p.now()
	}
	return ""
}

// look is what the leader does when a parameter changes or time has passed.
func (r *theRoom) look(event string) *sale {
	now, onsale := time.Now(), r.moment(event, "onsale", time.Time{})
	s := r.runs[event]
	complete := !onsale.IsZero() && r.parameter(event, "rate") != "" && r.parameter(event, "target") != ""
	closed := r.parameter(event, "state") == "closed"
	switch {
	case s == nil && !complete:
		return nil
	case s == nil:
		s = &sale{number: 1}
	case s.closed && complete && !closed && onsale.After(now) && !onsale.Equal(s.onsale):
		s = &sale{number: s.number + 1}
	}
	if !s.closed {
		if complete && (s.onsale.IsZero() || now.Before(s.onsale)) {
			s.onsale = onsale
		}
		s.prequeue = r.moment(event, "prequeue", s.onsale.Add(-30*time.Minute))
		s.closes = r.moment(event, "closes", s.onsale.Add(24*time.Hour))
		s.closed = closed || !now.Before(s.closes)
	}
	r.runs[event] = s
	return s
}

func (s *sale) phase(now time.Time) room.Phase {
	switch {
	case s.closed:
		return room.Closed
	case now.Before(s.prequeue):
		return room.Scheduled
	case now.Before(s.onsale):
		return room.PreQueue
	}
	return room.Open
}

// key signs passes. Making one takes longer than a whole life.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// visitor is a run that behaves like one. The gate that checks its pass asks for keys by a context of its own.
type visitor struct {
	*theRoom
	process *process
}

func (r visitor) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		request.Body.Close()
	}
	ctx := context.WithValue(request.Context(), processKey{}, r.process)
	return call(ctx, "room: "+request.Method+" "+kind(request.URL.Path), func() (*http.Response, error) {
		status, answer := r.answer(request.Method, request.URL.Path)
		text, isText := answer.(string)
		if !isText {
			encoded, err := json.Marshal(answer)
			if err != nil {
				return nil, err
			}
			text = string(encoded)
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(text))),
			ContentLength: int64(len(text)), Request: request, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	})
}

// kind is a path without what tells one event from another.
func kind(path string) string {
	for _, prefix := range []string{names.StatusPrefix, names.AssetsPrefix, "/.well-known/"} {
		if strings.HasPrefix(path, prefix) {
			return prefix
		}
	}
	if i := strings.LastIndex(path, "/"); i > 0 {
		return path[i:]
	}
	return "/"
}

func (r *theRoom) answer(method, path string) (int, any) {
	missing := map[string]string{"type": names.ProblemPrefix + "no-such-event"}
	event, isStatus := strings.CutPrefix(strings.TrimSuffix(path, ".json"), names.StatusPrefix)
	join, isJoin := strings.CutSuffix(strings.TrimPrefix(path, "/v1/events/"), "/join")
	admit, isAdmit := strings.CutSuffix(strings.TrimPrefix(path, "/v1/events/"), "/admit")
	switch {
	case isStatus:
		if s := r.look(event); s != nil {
			return http.StatusOK, r.status(event, s)
		}
		return http.StatusNotFound, missing
	case isJoin && method == http.MethodPost:
		s := r.look(join)
		if s == nil || s.phase(time.Now()) != room.Open {
			return http.StatusForbidden, missing
		}
		return http.StatusCreated, map[string]any{"ticket": "a ticket"}
	case isAdmit && method == http.MethodPost:
		return r.admit(admit)
	case path == names.JWKSPath:
		return http.StatusOK, string(keys())
	case strings.HasPrefix(path, names.AssetsPrefix):
		return http.StatusOK, "nothing"
	case method == http.MethodGet:
		return http.StatusOK, `<link rel="stylesheet" href="/assets/page.css"><script type="module" src="/assets/page.js"></script>`
	}
	return http.StatusNotFound, missing
}

var keys = sync.OnceValue(func() []byte {
	set, err := pass.JWKS(key().Public())
	if err != nil {
		panic(err)
	}
	return set
})

// passes are those that were signed, by their claims: signing takes a good part of what a life does.
var passes sync.Map

func (r *theRoom) admit(event string) (int, any) {
	claims := pass.Claims{
		Issuer: address, Audience: "https://shop.example", Subject: strings.Repeat("0", 32), Event: event,
		Issued: time.Now().Truncate(time.Second), Expiry: time.Now().Add(time.Hour).Truncate(time.Second), ID: strings.Repeat("0", 32),
	}
	signed, some := passes.Load(claims)
	if !some {
		signer, err := pass.NewRS256(key())
		if err == nil {
			signed, err = signer.Sign(r.w.t.Context(), claims)
		}
		if err != nil {
			r.w.t.Errorf("no pass: %v", err)
		}
		passes.Store(claims, signed)
	}
	return http.StatusOK, map[string]any{"pass": signed, "redirect": target + "?" + names.PassParameter + "=" + signed.(string)}
}

func (r *theRoom) status(event string, s *sale) room.Status {
	status := room.Status{
		Event: event, Run: strings.Repeat("0", 32), Phase: s.phase(time.Now()), Time: time.Now().UTC().Format(time.RFC3339),
		PreQueue: s.prequeue.UTC().Format(time.RFC3339), OnSale: s.onsale.UTC().Format(time.RFC3339), Closes: s.closes.UTC().Format(time.RFC3339),
	}
	if s.waiting {
		status.Line = 1
	}
	if s.closed {
		status.DrawKey = "published"
	}
	return status
}
