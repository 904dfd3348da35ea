package main

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"waitingroom/shared/room"
)

// inForce is how soon a change has to be in force.
const inForce = 10 * time.Second

// TestPromoterSetsTheRate watches the pointer's speed, which is between half of the rate and twice
// as high.
func TestPromoterSetsTheRate(t *testing.T) {
	t.Parallel()
	r := open(t, time.Now().Add(-time.Second), 60)
	ctx, cancel := context.WithTimeout(t.Context(), inForce)
	defer cancel()
	r.awaitState(ctx, t, "that the line moves", moves(60))

	// From 60 to 600 windows become shorter, from 600 to 500 longer: a lowered rate holds at once.
	for _, rate := range []int{600, 500} {
		set := time.Now()
		r.set(t, "demo", "rate", strconv.Itoa(rate))
		ctx, cancel := context.WithTimeout(t.Context(), inForce)
		defer cancel()
		st := r.awaitState(ctx, t, strconv.Itoa(rate)+" a minute", moves(rate))
		t.Logf("%d a minute held after %s", rate, st.Last.Sub(set).Round(time.Second/10))
	}

	for _, bad := range []string{"fast", "-5"} {
		r.set(t, "demo", "rate", bad)
		ctx, cancel := context.WithTimeout(t.Context(), inForce)
		defer cancel()
		r.log.await(ctx, t, `"alarm"`, `\"rate\" of demo is not used`, `/waiting-room/demo/rate\n`, bad, "the last good value stays in force")
		r.log.await(ctx, t, `"function":"tick"`, "parameter rejected", `"event":"demo"`, `"parameter":"rate"`, bad, "visitors per minute")
	}
	if st, err := r.state(t.Context()); err != nil || !moves(500)(st) {
		t.Errorf("a rate that is none changed the cap to %+v, the speed to %f (%v)", st.Cap, st.Speed, err)
	}
}

func moves(rate int) func(room.State) bool {
	return func(st room.State) bool {
		inForce, _ := st.Cap.At(st.Last)
		return inForce == rate && st.Speed >= float64(rate)/2 && st.Speed <= float64(rate)*2.01
	}
}

// TestPromoterIsToldWhatIsWrong sets up events that cannot be, and mends one.
func TestPromoterIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(time.Hour), 60)
	r.set(t, "v1", "rate", "60")
	r.set(t, "a/b", "rate", "60")
	r.set(t, "other", "onsale", time.Now().Add(time.Hour).Format("2006-01-02T15:04:05"))
	r.set(t, "other", "rate", "-5")
	r.set(t, "other", "target", r.address+"/shop")
	for _, subject := range []string{
		`\"/waiting-room/v1/rate\" is not used`, `\"b/rate\" of a is not used`, `\"onsale\" of other`, `2 parameters of other are not used`,
	} {
		r.log.await(ctx, t, `"alarm"`, subject)
	}
	r.tick(ctx, t)
	for _, parts := range [][]string{
		{"/waiting-room/v1", "is reserved"},
		{`"event":"a"`, `"parameter":"b/rate"`, "there is no such parameter"},
		{`"event":"other"`, `"parameter":"onsale"`, "has no offset from UTC"},
		{`"event":"other"`, `"parameter":"rate"`, "-5", "visitors per minute"},
	} {
		r.log.await(ctx, t, append(parts, "parameter rejected", `"function":"tick"`)...)
	}
	for _, event := range []string{"v1", "a", "a/b", "other"} {
		if code := r.joinCode(ctx, t, event); code != http.StatusNotFound {
			t.Errorf("joining %q is answered with %d", event, code)
		}
	}

	r.set(t, "other", "onsale", time.Now().Add(time.Hour).Format(time.RFC3339))
	r.set(t, "other", "rate", strconv.Itoa(room.MaxRate))
	r.tick(ctx, t)
	for r.joinCode(ctx, t, "other") != http.StatusForbidden {
		if err := pause(ctx, time.Second/4); err != nil {
			t.Fatal("the event is not known once its parameters are right")
		}
	}
}

// joinCode is how a join at event is answered.
func (r *opened) joinCode(ctx context.Context, t *testing.T, event string) int {
	t.Helper()
	a, err := r.send(ctx, http.MethodPost, "/v1/events/"+event+"/join", `{"secret":"`+r.visitor().secret+`"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.status
}
