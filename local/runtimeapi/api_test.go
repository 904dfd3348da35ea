package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics/metricstest"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/ticket"
)

// exchange is an event of the API and what has to come of it.
type exchange struct {
	name     string
	function string
	event    []byte
	status   int
	problem  string // code; empty for an answer that is none
}

// TestAnswersAreThoseOfLocal sends the same events to the programs and to the functions as local puts
// them together. Who answers first changes nothing that the other one is asked for.
func TestAnswersAreThoseOfLocal(t *testing.T) {
	w := newWorld(t)
	sales := map[string]*sale{}
	for event, change := range map[string]func(*room.State){
		"demo":  nil,
		"hs256": func(st *room.State) { st.PassAlg = "HS256" },
		"pool": func(st *room.State) {
			st.Phase, st.Cohort, st.Base, st.Admitted, st.Speed = room.PreQueue, 0, 0, 0, 0
			st.OnSale = st.OnSale.Add(2 * time.Hour)
		},
		"early": func(st *room.State) {
			st.Phase, st.PoolOpen, st.Cohort, st.Base, st.Admitted = room.Scheduled, false, 0, 0, 0
			st.PreQueue, st.OnSale = st.PreQueue.Add(3*time.Hour), st.OnSale.Add(3*time.Hour)
		},
		"hidden":  func(st *room.State) { st.Hidden = true },
		"paused":  func(st *room.State) { st.Phase, st.Speed = room.Paused, 0 },
		"sold":    func(st *room.State) { st.Phase, st.Speed = room.SoldOut, 0 },
		"closed":  func(st *room.State) { st.Phase, st.Final, st.Cohort, st.Speed = room.Closed, true, 2, 0 },
		"expired": func(st *room.State) { st.Expired = 2 },
		"full":    func(st *room.State) { st.Cap.Rate = 6 },
	} {
		sales[event] = w.newSale(t, event, change)
	}
	w.fillCap(t, sales["full"].state)
	w.grantPass(t, sales["sold"], 1, time.Hour)
	w.grantPass(t, sales["demo"], 2, -time.Hour)
	programs := w.startAll(t)
	t.Run("first claims", func(t *testing.T) { w.checkFirstClaims(t, programs[names.FunctionAdmit], sales) })
	exchanges := slices.Concat(joinExchanges(t, w, sales), admitExchanges(t, w, sales), placeExchanges(t, w, sales), formExchanges(t, w, sales))
	for _, x := range exchanges {
		t.Run(x.function+" "+x.name, func(t *testing.T) {
			r := w.same(t, programs[x.function], x.event)
			if r.StatusCode != x.status || problem(r) != x.problem {
				t.Errorf("%d %q, want %d %q", r.StatusCode, problem(r), x.status, x.problem)
			}
			if r.Headers["Cache-Control"] != "no-store" {
				t.Errorf("the headers %v", r.Headers)
			}
		})
	}
	t.Run("over the cap", func(t *testing.T) { w.checkOverCap(t, programs[names.FunctionAdmit], sales["full"]) })
	var counted string
	for _, p := range programs {
		p.kill()
		counted += p.metrics.String()
		if p.log.String() != "" {
			t.Errorf("%s logged what is no fault: %s", p.function, p.log.String())
		}
	}
	got, want := refusals(t, counted), refusals(t, w.counts.String())
	if len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("refusals by code: the programs counted %v, local %v", got, want)
	}
}

func joinExchanges(t *testing.T, w *world, sales map[string]*sale) []exchange {
	const join = names.FunctionJoin
	long := base64.RawURLEncoding.EncodeToString(make([]byte, 33))
	recordedJoin := func(change func(map[string]any)) []byte { return request(t, join, "demo", change) }
	plain := w.joinRequest(t, "demo", sales["demo"].secrets[5])
	encoded := derived(t, plain, func(members map[string]any) {
		members["body"], members["isBase64Encoded"] = base64.StdEncoding.EncodeToString([]byte(members["body"].(string))), true
	})
	return []exchange{
		{"a place held", join, plain, 200, ""},
		{"a place held, in base64", join, encoded, 200, ""},
		{"a place held while paused", join, w.joinRequest(t, "paused", sales["paused"].secrets[8]), 200, ""},
		{"a place held when sold out", join, w.joinRequest(t, "sold", sales["sold"].secrets[8]), 200, ""},
		{"a place held when closed", join, w.joinRequest(t, "closed", sales["closed"].secrets[1]), 200, ""},
		{"before the pre-queue", join, w.joinRequest(t, "early", newSecret()), 403, "not-open-yet"},
		{"before the commitment can be read", join, w.joinRequest(t, "hidden", newSecret()), 403, "not-open-yet"},
		{"sold out", join, w.joinRequest(t, "sold", newSecret()), 410, "sold-out"},
		{"closed", join, w.joinRequest(t, "closed", newSecret()), 410, "over"},
		{"unknown event", join, w.joinRequest(t, "nothing", newSecret()), 404, "unknown-event"},
		{"no event's name", join, w.joinRequest(t, "Status!", newSecret()), 404, "unknown-event"},
		{"reserved name", join, w.joinRequest(t, "v1", newSecret()), 404, "unknown-event"},
		{"no path parameters", join, recordedJoin(func(m map[string]any) { m["pathParameters"] = nil }), 404, "unknown-event"},
		{"no body", join, recordedJoin(func(m map[string]any) { m["body"] = nil }), 400, "bad-request"},
		{"no object", join, recordedJoin(body(`["secret"]`)), 400, "bad-request"},
		{"no JSON", join, recordedJoin(body(`{"secret":`)), 400, "bad-request"},
		{"two objects", join, recordedJoin(body(`{}{}`)), 400, "bad-request"},
		{"no text", join, recordedJoin(body(`{"secret":17}`)), 400, "bad-request"},
		{"no base64url", join, recordedJoin(body(`{"secret":"a+b/c=aaaaaaaaaaaaaaaa"}`)), 400, "bad-request"},
		{"too short", join, recordedJoin(body(`{"secret":"AAECAwQFBgcICQoLDA0O"}`)), 400, "bad-request"},
		{"too long", join, recordedJoin(body(`{"secret":"` + long + `"}`)), 400, "bad-request"},
		{"too large", join, recordedJoin(body(`{"secret":"` + strings.Repeat("A", 600) + `"}`)), 413, "too-large"},
		{"too large in base64", join, recordedJoin(func(m map[string]any) {
			m["body"], m["isBase64Encoded"] = strings.Repeat("QUFB", 300), true
		}), 413, "too-large"},
		{"bad base64", join, recordedJoin(func(m map[string]any) { m["body"], m["isBase64Encoded"] = "%", true }), 400, "bad-request"},
	}
}

func admitExchanges(t *testing.T, w *world, sales map[string]*sale) []exchange {
	const admit = names.FunctionAdmit
	turn := func(event string, position int) []byte {
		return w.admitRequest(t, event, sales[event].tickets[position])
	}
	foreign := func(change func(*ticket.Ticket)) []byte {
		other := ticket.Ticket{Event: "demo", Run: sales["demo"].state.ID, Visitor: strings.Repeat("0", 32), Seq: 1}
		change(&other)
		return w.admitRequest(t, "demo", w.ticket.Seal(other))
	}
	return []exchange{
		// The ticket of the recorded event was made by another room.
		{"as recorded", admit, recorded(t, "lambdas/admit/testdata/request.json"), 401, "bad-ticket"},
		{"the turn was claimed", admit, turn("demo", 1), 200, ""},
		{"the turn was claimed, signed with HS256", admit, turn("hs256", 3), 200, ""},
		{"the turn was claimed in a pause", admit, turn("paused", 3), 200, ""},
		{"the pass was issued before all was sold", admit, turn("sold", 1), 200, ""},
		{"before the turn", admit, turn("demo", 8), 202, ""},
		{"before the turn in a pause", admit, turn("paused", 8), 202, ""},
		{"in the pool", admit, turn("pool", 1), 202, ""},
		{"sold out", admit, turn("sold", 2), 410, "sold-out"},
		{"closed", admit, turn("closed", 8), 410, "over"},
		{"turn expired", admit, turn("expired", 2), 410, "turn-expired"},
		{"pass expired", admit, turn("demo", 2), 410, "pass-expired"},
		{"unknown event", admit, w.admitRequest(t, "nothing", sales["demo"].tickets[1]), 404, "unknown-event"},
		{"ticket of another event", admit, w.admitRequest(t, "demo", sales["paused"].tickets[1]), 401, "bad-ticket"},
		{"ticket of another run", admit, foreign(func(t *ticket.Ticket) { t.Run = strings.Repeat("0", 32) }), 401, "other-run"},
		{"ticket of no place", admit, foreign(func(t *ticket.Ticket) { t.Seq = 99 }), 401, "bad-ticket"},
		{"no ticket", admit, request(t, admit, "demo", body(`{}`)), 401, "bad-ticket"},
		{"no text", admit, request(t, admit, "demo", body(`{"ticket":[]}`)), 400, "bad-request"},
		{"too large", admit, request(t, admit, "demo", body(`{"ticket":"`+strings.Repeat("A", 1100)+`"}`)), 413, "too-large"},
	}
}

func placeExchanges(t *testing.T, w *world, sales map[string]*sale) []exchange {
	const place = names.FunctionPlace
	exchanges := []exchange{
		{"as recorded", place, recorded(t, "lambdas/place/testdata/request.json"), 401, "bad-ticket"},
		{"unknown event", place, w.placeRequest(t, "nothing", sales["demo"].tickets[1]), 404, "unknown-event"},
		{"no ticket", place, request(t, place, "demo", func(m map[string]any) { m["headers"] = nil }), 401, "bad-ticket"},
		{"another scheme", place, request(t, place, "demo", func(m map[string]any) {
			m["headers"] = map[string]any{"Authorization": "Basic " + sales["demo"].tickets[1]}
		}), 401, "bad-ticket"},
	}
	for event, s := range sales {
		for _, position := range []int{1, 4, 8} {
			exchanges = append(exchanges, exchange{event + " " + strconv.Itoa(position), place, w.placeRequest(t, event, s.tickets[position]), 200, ""})
		}
	}
	for event, s := range sales {
		exchanges = append(exchanges, exchange{event + " as a page", place, w.cookieRequest(t, "place/testdata/page.json", event, s.tickets[8]), 200, ""})
	}
	return append(exchanges,
		exchange{"the page of an unknown event", place, w.cookieRequest(t, "place/testdata/page.json", "nothing", sales["demo"].tickets[1]), 404, ""},
		exchange{"a code", place, recorded(t, "lambdas/place/testdata/qr.json"), 200, ""},
		exchange{"a code for nothing", place, derived(t, recorded(t, "lambdas/place/testdata/qr.json"), body("{}")), 400, "bad-request"},
	)
}

// formExchanges are of the page without JavaScript.
func formExchanges(t *testing.T, w *world, sales map[string]*sale) []exchange {
	const form = "/testdata/form.json"
	w.keepSecret(sales["demo"].secrets[5], "a visitor's secret")
	held := func(event, secret string) []byte {
		return derived(t, w.cookieRequest(t, names.FunctionJoin+form, event, ""), body("secret="+secret))
	}
	return []exchange{
		{"a form of a place held", names.FunctionJoin, held("demo", sales["demo"].secrets[5]), 303, ""},
		{"a form when sold out", names.FunctionJoin, held("sold", newSecret()), 303, ""},
		{"a form when closed", names.FunctionJoin, held("closed", newSecret()), 303, ""},
		{"a form that is none", names.FunctionJoin, held("demo", "x"), 400, "bad-request"},
		{"a form of the turn that was claimed", names.FunctionAdmit, w.cookieRequest(t, names.FunctionAdmit+form, "demo", sales["demo"].tickets[1]), 200, ""},
		{"a form before the turn", names.FunctionAdmit, w.cookieRequest(t, names.FunctionAdmit+form, "demo", sales["demo"].tickets[8]), 303, ""},
		{"a form of a turn that expired", names.FunctionAdmit, w.cookieRequest(t, names.FunctionAdmit+form, "expired", sales["expired"].tickets[2]), 303, ""},
		{"a form of a pass that expired", names.FunctionAdmit, w.cookieRequest(t, names.FunctionAdmit+form, "demo", "in."+sales["demo"].tickets[2]), 303, ""},
		{"the page of somebody who was refused", names.FunctionPlace, derived(t,
			w.cookieRequest(t, "place/testdata/page.json", "sold", sales["sold"].tickets[8]), func(members map[string]any) {
				members["queryStringParameters"] = map[string]any{"refused": "sold-out"}
				members["headers"].(map[string]any)["Sec-Fetch-Site"] = "same-origin"
			}), 410, ""},
	}
}

// cookieRequest is a recorded event of a browser without JavaScript, with another event and ticket.
func (w *world) cookieRequest(t *testing.T, file, event, ticket string) []byte {
	if ticket != "" {
		w.keepSecret(ticket, "a ticket")
	}
	return derived(t, recorded(t, "lambdas/"+file), func(members map[string]any) {
		members["pathParameters"] = map[string]any{names.EventParameter: event}
		members["path"] = strings.Replace(members["path"].(string), "demo", event, 1)
		members["headers"].(map[string]any)["Cookie"] = names.PlaceCookie + "=" + ticket
	})
}

// checkFirstClaims has the program issue passes. Local, which is asked second, gives the same ones
// and says that it did not issue them.
func (w *world) checkFirstClaims(t *testing.T, p *process, sales map[string]*sale) {
	for event, position := range map[string]int{"demo": 1, "hs256": 3, "paused": 3} {
		claim := w.admitRequest(t, event, sales[event].tickets[position])
		first, _ := w.ask(t, p, claim)
		var second httpapi.Response
		if err := json.Unmarshal(w.askLocal(t, names.FunctionAdmit, claim), &second); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(first.Body, "}") + `,"again":true}`
		if first.StatusCode != 200 || second.StatusCode != 200 || second.Body != want {
			t.Errorf("%s: %d and %d, local's answer is\n%s\nwant\n%s", event, first.StatusCode, second.StatusCode, second.Body, want)
		}
	}
}

// grantPass issues a visitor's pass that expires after a while, or did.
func (w *world) grantPass(t *testing.T, s *sale, position int, left time.Duration) {
	t.Helper()
	expiry := time.Now().UTC().Truncate(time.Second).Add(left)
	pass := room.Pass{ID: strings.Repeat("0", 32), Issued: expiry.Add(-2 * time.Hour), Expiry: expiry}
	if _, err := w.store.Admit(t.Context(), s.state.Run, visitorID(t, s.secrets[position]), pass); err != nil {
		t.Fatal(err)
	}
}

// fillCap takes what the windows of the next minutes hold at 6 a minute: one each.
func (w *world) fillCap(t *testing.T, st room.State) {
	t.Helper()
	now := time.Now()
	window := room.ShapeOf(st.Cap.Rate).WindowAt(now)
	for range 30 {
		if err := w.store.TakeSlot(t.Context(), st.Run, window, 0, 1, now); err != nil {
			t.Fatal(err)
		}
		window = window.Next()
	}
}

// checkOverCap compares what does not depend on the moment: when to ask again does.
func (w *world) checkOverCap(t *testing.T, p *process, s *sale) {
	event := w.admitRequest(t, "full", s.tickets[1])
	got, _ := w.ask(t, p, event)
	var want httpapi.Response
	if err := json.Unmarshal(w.askLocal(t, p.function, event), &want); err != nil {
		t.Fatal(err)
	}
	for _, r := range []httpapi.Response{got, want} {
		seconds, err := strconv.Atoi(r.Headers["Retry-After"])
		if err != nil || seconds < 1 || seconds > 20 || r.StatusCode != http.StatusTooManyRequests || problem(r) != "over-cap" {
			t.Errorf("%d %v %s", r.StatusCode, r.Headers, r.Body)
		}
		r.Headers["Retry-After"] = ""
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the program and local differ:\n%+v\n%+v", got, want)
	}
}

// refusals are by code how many answers were counted as problems.
func refusals(t *testing.T, text string) map[string]float64 {
	counts := map[string]float64{}
	for _, p := range metricstest.Points(t, text) {
		if p.Name == names.MetricRefusals {
			counts[p.Reason] += p.Value
		}
	}
	return counts
}

// A first join can be answered by one of them only: the other one has to know the place.
func TestJoiningGivesAPlaceThatLocalKnows(t *testing.T) {
	w := newWorld(t)
	w.newSale(t, "demo", nil)
	programs := w.startAll(t)
	join, place := programs[names.FunctionJoin], programs[names.FunctionPlace]
	event := recorded(t, "lambdas/join/testdata/request.json")
	first, _ := w.ask(t, join, event)
	var seat struct {
		Ticket, Visitor string
		Cohort          int64
	}
	if err := json.Unmarshal([]byte(first.Body), &seat); err != nil {
		t.Fatal(err)
	}
	if first.StatusCode != http.StatusCreated || seat.Visitor != visitorID(t, "AAECAwQFBgcICQoLDA0ODw") || seat.Cohort != 1 {
		t.Fatalf("%d %+v", first.StatusCode, seat)
	}
	again := w.same(t, join, event)
	if again.StatusCode != http.StatusOK || again.Body != first.Body {
		t.Errorf("asked again: %d, another place: %t", again.StatusCode, again.Body != first.Body)
	}
	if r := w.same(t, place, w.placeRequest(t, "demo", seat.Ticket)); r.StatusCode != http.StatusOK {
		t.Errorf("its place: %d %s", r.StatusCode, r.Body)
	}
	if r := w.same(t, programs[names.FunctionAdmit], w.admitRequest(t, "demo", seat.Ticket)); r.StatusCode != http.StatusAccepted {
		t.Errorf("its turn: %d %s", r.StatusCode, r.Body)
	}
	join.kill()
	joins := 0.0
	for _, p := range metricstest.Points(t, join.metrics.String()) {
		if p.Name == names.MetricJoins && p.Event == "demo" && p.Room == roomName {
			joins += p.Value
		}
	}
	if joins != 1 {
		t.Errorf("%g joins were counted", joins)
	}
}

// What fails in the account reaches visitors as it does in local, and nothing that failed is kept.
func TestFailuresOfTheAccount(t *testing.T) {
	w := newWorld(t)
	w.newSale(t, "pool", func(st *room.State) { st.Cohort, st.Base, st.Admitted, st.Phase = 0, 0, 0, room.PreQueue })
	s := w.newSale(t, "demo", nil)
	programs := w.startAll(t)
	join, admit := programs[names.FunctionJoin], programs[names.FunctionAdmit]
	newcomer, turn := w.joinRequest(t, "pool", newSecret()), w.admitRequest(t, "demo", s.tickets[1])

	w.onCall(func(c call) *failure {
		if c.operation == "UpdateItem" {
			return refusal("ThrottlingException")
		}
		return nil
	}, nil)
	if r := w.same(t, join, newcomer); r.StatusCode != http.StatusTooManyRequests || problem(r) != "busy" {
		t.Errorf("a table without room: %d %s", r.StatusCode, r.Body)
	}
	w.onCall(func(c call) *failure {
		if c.operation == "UpdateItem" {
			return refusal("AccessDeniedException")
		}
		return nil
	}, nil)
	if r := w.same(t, join, newcomer); r.StatusCode != http.StatusServiceUnavailable || problem(r) != "internal" {
		t.Errorf("no permission: %d %s", r.StatusCode, r.Body)
	}
	// Local signs in its own process, so only the program's answer is looked at.
	w.onCall(func(c call) *failure {
		if c.String() == "kms Sign" {
			return refusal("ThrottlingException")
		}
		return nil
	}, nil)
	if r, _ := w.ask(t, admit, turn); r.StatusCode != http.StatusTooManyRequests || problem(r) != "busy" || r.Headers["Retry-After"] == "" {
		t.Errorf("a key without room: %d %v %s", r.StatusCode, r.Headers, r.Body)
	}
	w.onCall(nil, nil)
	if r, _ := w.ask(t, join, newcomer); r.StatusCode != http.StatusCreated {
		t.Errorf("afterwards: %d %s", r.StatusCode, r.Body)
	}
	if r := w.same(t, admit, turn); r.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %s", r.StatusCode, r.Body)
	}
	join.kill()
	if !strings.Contains(join.log.String(), "AccessDeniedException") || !json.Valid([]byte(strings.Split(join.log.String(), "\n")[0])) {
		t.Errorf("the log does not say what is missing: %s", join.log.String())
	}
}

// A program that dies in the middle of an invocation, as one that runs out of memory does.
func TestAPlaceOutlivesTheProcess(t *testing.T) {
	for _, test := range []struct {
		name   string
		item   string // the program dies when this is stored, and before it learns of that
		status int    // of the next join with the same secret
	}{
		{"counted and not kept", "COHORT#", http.StatusCreated},
		{"kept and not answered", "VISITOR#", http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.newSale(t, "demo", nil)
			p := w.start(t, names.FunctionJoin, w.environment(names.FunctionJoin))
			w.onCall(nil, func(c call) {
				if c.operation == "UpdateItem" && strings.Contains(string(c.body), test.item) {
					p.kill()
				}
			})
			secret := newSecret()
			event := w.joinRequest(t, "demo", secret)
			if out, err := p.try(t.Context(), event, answerLimit); err != errExited {
				t.Fatalf("%+v, %v: it was to die", out, err)
			}
			w.onCall(nil, nil)
			kept, err := w.store.Visitor(t.Context(), s.state.Run, visitorID(t, secret))
			if found := err == nil; found != (test.status == http.StatusOK) {
				t.Fatalf("%+v, %v", kept, err)
			}
			p = w.start(t, names.FunctionJoin, w.environment(names.FunctionJoin))
			r, _ := w.ask(t, p, event)
			var seat struct {
				Cohort int64
				Shard  int
				Seq    int64
			}
			if err := json.Unmarshal([]byte(r.Body), &seat); err != nil || r.StatusCode != test.status {
				t.Fatalf("%d %s", r.StatusCode, r.Body)
			}
			if test.status == http.StatusOK && (seat.Cohort != kept.Cohort || seat.Shard != kept.Shard || seat.Seq != kept.Seq) {
				t.Errorf("%+v, and %+v was kept", seat, kept)
			}
			if again := w.same(t, p, event); again.StatusCode != http.StatusOK || again.Body != r.Body {
				t.Errorf("asked again: %d", again.StatusCode)
			}
		})
	}
}

// What was recorded is what API Gateway sends for the routes that the stack and local have.
func TestRecordedEventsAreOfTheRoutes(t *testing.T) {
	files := map[string]string{
		names.PathJoin: "join/testdata/request.json", names.PathPlainJoin: "join/testdata/form.json",
		names.PathAdmit: "admit/testdata/request.json", names.PathPlainEnter: "admit/testdata/form.json",
		names.PathPlace: "place/testdata/request.json", names.PathQR: "place/testdata/qr.json",
	}
	for _, route := range names.Routes() {
		var r httpapi.Request
		if err := json.Unmarshal(recorded(t, "lambdas/"+files[route.Path]), &r); err != nil {
			t.Fatal(err)
		}
		path := strings.ReplaceAll(route.Path, "{"+names.EventParameter+"}", r.PathParameters[names.EventParameter])
		if r.HTTPMethod != route.Method || r.Resource != route.Path || r.Path != path {
			t.Errorf("%s %s %s, the route is %+v", r.HTTPMethod, r.Resource, r.Path, route)
		}
	}
}
