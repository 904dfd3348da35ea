package main

import (
	"context"
	crypto "crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	smithytime "github.com/aws/smithy-go/time"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// visitor does over HTTP what the page does in a browser, see static/assets/visit.js, but asks for the
// status more often.
type visitor struct {
	room   *opened
	secret string

	began    time.Time // when the join was sent
	answered time.Time // when its answer was there
	seat     seat
	run      string
	position int64 // computed from the published seal; 0 before

	opening *room.Status // the first status of the open sale that the visitor saw, and when
	opened  time.Time

	pass     string
	redirect string
}

// seat is the answer to a join.
type seat struct {
	Ticket  string
	Visitor string
	Cohort  int64
	Shard   int
	Seq     int64
}

func (r *opened) visitor() *visitor {
	var secret [16]byte
	crypto.Read(secret[:])
	return &visitor{room: r, secret: base64.RawURLEncoding.EncodeToString(secret[:])}
}

// visit is the way from the door to the shop.
func (v *visitor) visit(ctx context.Context) error {
	if err := v.join(ctx); err != nil {
		return err
	}
	return v.proceed(ctx)
}

// proceed is the way to the shop of a visitor who has joined.
func (v *visitor) proceed(ctx context.Context) error {
	if err := v.wait(ctx); err != nil {
		return err
	}
	return v.claim(ctx)
}

func (v *visitor) join(ctx context.Context) error {
	v.began = time.Now()
	for failures := 0; ; failures++ {
		a, err := v.post(ctx, "join", map[string]string{"secret": v.secret})
		switch {
		case err != nil:
			return err
		case a.status == http.StatusOK, a.status == http.StatusCreated:
			v.answered = time.Now()
			return json.Unmarshal(a.body, &v.seat)
		case a.status != http.StatusTooManyRequests && a.status < 500:
			return fmt.Errorf("join: %s", a)
		}
		backoff := min(16*time.Second, 2*time.Second<<min(failures, 3))
		if err := pause(ctx, a.wait()+rand.N(backoff)); err != nil {
			return err
		}
	}
}

// wait polls the status until it is the visitor's turn.
func (v *visitor) wait(ctx context.Context) error {
	for {
		status, err := v.room.status(ctx)
		if err != nil {
			return err
		}
		delay := v.pollDelay(status)
		if v.position == 0 && status.Sealed > v.seat.Cohort {
			if err := v.findPlace(ctx, status.Run); err != nil {
				return err
			}
		}
		if v.position > 0 && v.position <= status.Admitted {
			return nil
		}
		if err := pause(ctx, delay); err != nil {
			return err
		}
	}
}

// pollDelay is a tenth of the estimated wait, 2 to 60 s. With the page's rule, in package page, the pool
// would sleep for most of the minute that the promoter cuts short.
func (v *visitor) pollDelay(status room.Status) time.Duration {
	var wait time.Duration
	switch {
	case status.Phase == room.PreQueue:
		wait = time.Until(moment(status.OnSale))
	case v.position > 0:
		wait = 2 * time.Minute // if the line does not move
		if perMinute := v.speed(status); perMinute > 0 {
			wait = time.Duration(float64(v.position-status.Admitted) / perMinute * float64(time.Minute))
		}
		// Nobody stays away for longer than the line has been watched.
		wait = min(wait, 10*time.Since(v.opened))
	}
	delay := min(time.Minute, max(2500*time.Millisecond, wait/10))
	return delay*4/5 + rand.N(delay/5)
}

// speed is how fast the pointer moved since the visitor first saw it; below five seconds of that,
// the rate that the room has measured.
func (v *visitor) speed(status room.Status) float64 {
	if v.opening == nil {
		v.opening, v.opened = &status, time.Now()
	}
	elapsed := moment(status.Time).Sub(moment(v.opening.Time))
	if elapsed < 5*time.Second {
		return float64(status.Rate)
	}
	return float64(status.Admitted-v.opening.Admitted) / elapsed.Minutes()
}

// findPlace computes the place from the published seal, as anybody could.
func (v *visitor) findPlace(ctx context.Context, run string) error {
	seal, err := v.room.seal(ctx, run, v.seat.Cohort)
	if err != nil {
		return err
	}
	v.run = run
	v.position, err = seal.Position(v.seat.Shard, v.seat.Seq)
	return err
}

// claim asks to be admitted, and asks again for as long as the shop is full.
func (v *visitor) claim(ctx context.Context) error {
	for {
		retry, err := v.admit(ctx)
		if err != nil || retry == 0 {
			return err
		}
		if err := pause(ctx, retry+rand.N(time.Second)); err != nil {
			return err
		}
	}
}

// admit asks once. It returns when to ask again, or 0 once the visitor has the pass.
func (v *visitor) admit(ctx context.Context) (retry time.Duration, err error) {
	a, err := v.post(ctx, "admit", map[string]string{"ticket": v.seat.Ticket})
	switch {
	case err != nil:
		return 0, err
	case a.status == http.StatusOK:
		var admitted struct{ Pass, Redirect string }
		err := json.Unmarshal(a.body, &admitted)
		v.pass, v.redirect = admitted.Pass, admitted.Redirect
		return 0, err
	case a.status == http.StatusAccepted, a.status == http.StatusTooManyRequests, a.status >= 500:
		return max(a.wait(), time.Second), nil
	}
	return 0, fmt.Errorf("admit: %s", a)
}

func (v *visitor) post(ctx context.Context, operation string, body any) (reply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	return v.room.send(ctx, http.MethodPost, v.room.operation(operation), string(text), nil)
}

// place is the room's own word on where the visitor stands.
func (v *visitor) place(ctx context.Context) (position int64, err error) {
	a, err := v.room.send(ctx, http.MethodGet, v.room.operation("place"), "",
		http.Header{"Authorization": {"Bearer " + v.seat.Ticket}})
	if err != nil {
		return 0, err
	}
	if a.status != http.StatusOK {
		return 0, fmt.Errorf("place: %s", a)
	}
	var answer struct{ Position int64 }
	err = json.Unmarshal(a.body, &answer)
	return answer.Position, err
}

// seal reads a published seal.
func (r *opened) seal(ctx context.Context, run string, cohort int64) (room.Seal, error) {
	var d room.SealDocument
	path := names.SealsPrefix + r.options.Event + "/" + run + "/" + strconv.FormatInt(cohort, 10) + ".json"
	if err := r.document(ctx, path, &d); err != nil {
		return room.Seal{}, err
	}
	seed, err := hex.DecodeString(d.Seed)
	if err != nil || len(seed) != 32 {
		return room.Seal{}, fmt.Errorf("the seed of cohort %d is %q", cohort, d.Seed)
	}
	seal := room.Seal{
		Run: room.Run{Event: d.Event, ID: d.Run}, Cohort: d.Cohort, Base: d.Base, Counts: d.Counts, Seed: [32]byte(seed),
	}
	if d.Event != r.options.Event || d.Run != run || d.Cohort != cohort || d.Size != seal.Size() {
		return room.Seal{}, fmt.Errorf("the seal of cohort %d of run %s contradicts itself: %+v", cohort, run, d)
	}
	return seal, nil
}

// moment reads a time of a published document; one that cannot be read is long ago.
func moment(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text)
	return t
}

// pause lets time pass as a page does between two requests.
func pause(ctx context.Context, d time.Duration) error { return smithytime.SleepWithContext(ctx, d) }
