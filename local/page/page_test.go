package page

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"waitingroom/shared/room"
)

// examples is how many inputs each rule is tried with.
const examples = 300

// given is a case for testdata/rules.mjs: the rule's name and what it takes. Times are milliseconds.
type given map[string]any

// checked is a case and what the rule in Go says to it, written as the JavaScript writes it.
type checked struct {
	given given
	want  any
}

// TestRulesAreThePages runs the page's own modules over the same cases.
func TestRulesAreThePages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var cases []checked
	for _, generate := range []func(*rand.Rand) checked{
		pollDelay, joinSpread, backoff, mayJoin, isTurn, isNewer, readStatus, pace, clock, retryAfter, next,
	} {
		for range examples {
			cases = append(cases, generate(random))
		}
	}
	inputs := make([]given, len(cases))
	for i, c := range cases {
		inputs[i] = c.given
	}
	for i, got := range runPage(t, inputs) {
		if want := plain(t, cases[i].want); !same(got, want) {
			text, _ := json.Marshal(cases[i].given)
			t.Errorf("%s\n  the page says %v\n  Go says       %v", text, got, want)
		}
	}
}

func runPage(t *testing.T, inputs []given) []any {
	t.Helper()
	var results []any
	runNode(t, "testdata/rules.mjs", inputs, &results)
	if len(results) != len(inputs) {
		t.Fatalf("%d answers to %d cases", len(results), len(inputs))
	}
	return results
}

// runNode gives input to a script and reads what it writes.
func runNode(t *testing.T, script string, input, output any) {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), "node", script)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(text), &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), output); err != nil {
		t.Fatal(err)
	}
}

// plain is a value as it comes out of JSON.
func plain(t *testing.T, value any) (out any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same compares numbers to a billionth and to a nanosecond, which is what a Duration is rounded to.
func same(a, b any) bool {
	x, isNumber := a.(float64)
	if y, both := b.(float64); isNumber && both {
		return math.Abs(x-y) <= 1e-6+1e-9*math.Abs(x)
	}
	list, isList := a.([]any)
	other, both := b.([]any)
	if !isList || !both {
		return a == b
	}
	if len(list) != len(other) {
		return false
	}
	for i := range list {
		if !same(list[i], other[i]) {
			return false
		}
	}
	return true
}

// ms writes a duration as the page has it.
func ms(d time.Duration) any {
	if d == Forever {
		return nil
	}
	return float64(d) / float64(time.Millisecond)
}

// anyWait is from none to an hour, often near the limits of the rules.
func anyWait(random *rand.Rand) time.Duration {
	switch random.IntN(4) {
	case 0:
		return time.Duration(random.Int64N(int64(time.Hour)))
	case 1:
		return []time.Duration{0, 2 * time.Second, 12 * time.Second, 25 * time.Second, 10 * time.Minute}[random.IntN(5)]
	}
	return time.Duration(random.ExpFloat64() * float64(30*time.Second))
}

func anyPhase(random *rand.Rand) room.Phase {
	return []room.Phase{room.Scheduled, room.PreQueue, room.Open, room.Paused, room.SoldOut, room.Closed}[random.IntN(6)]
}

func pollDelay(random *rand.Rand) checked {
	wait, r := anyWait(random), random.Float64()
	if random.IntN(10) == 0 {
		wait = Forever
	}
	return checked{given{"rule": "pollDelay", "wait": ms(wait), "random": r}, ms(PollDelay(wait, r))}
}

func joinSpread(random *rand.Rand) checked {
	wait, r := anyWait(random)-5*time.Second, random.Float64()
	return checked{given{"rule": "joinSpread", "wait": ms(wait), "random": r}, ms(JoinSpread(wait, r))}
}

func backoff(random *rand.Rand) checked {
	failures, after, r := random.IntN(40), anyWait(random), random.Float64()
	return checked{given{"rule": "backoff", "failures": failures, "retryAfter": ms(after), "random": r}, ms(Backoff(failures, r, after))}
}

func mayJoin(random *rand.Rand) checked {
	phase, now := anyPhase(random), random.Int64N(3)
	return checked{given{"rule": "mayJoin", "phase": phase, "prequeue": 1, "now": now},
		MayJoin(phase, time.UnixMilli(1), time.UnixMilli(now))}
}

func isTurn(random *rand.Rand) checked {
	phase, position, admitted := anyPhase(random), random.Int64N(4), random.Int64N(4)
	return checked{given{"rule": "isTurn", "phase": phase, "position": position, "admitted": admitted}, IsTurn(position, admitted, phase)}
}

func isNewer(random *rand.Rand) checked {
	document := func() *Status {
		return &Status{Status: room.Status{Run: string('a' + rune(random.IntN(2))), Version: random.Int64N(3)}}
	}
	held, next := document(), document()
	write := func(s *Status) given { return given{"run": s.Run, "version": s.Version} }
	if random.IntN(4) == 0 {
		return checked{given{"rule": "isNewer", "held": nil, "next": write(next)}, IsNewer(nil, next)}
	}
	return checked{given{"rule": "isNewer", "held": write(held), "next": write(next)}, IsNewer(held, next)}
}

func readStatus(random *rand.Rand) checked {
	documents := []string{
		`{"event":"demo","run":"ab","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00.25Z","onsale":"2026-11-21T11:00:00+01:00","sealed":1,"admitted":2}`,
		`{"event":"other","run":"ab","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo","run":"","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo","run":"ab","version":1,"phase":"ajar","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo","run":"ab","version":1.5,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo","run":"ab","version":1,"phase":"open","time":"soon","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo","run":"ab","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":"1","admitted":2}`,
		`{"event":"demo","run":"ab","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","admitted":2}`,
		`{"event":"demo","run":"ab","version":1,"phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":null}`,
		`{"event":"demo","run":"ab","phase":"open","time":"2026-11-21T10:00:05Z","prequeue":"2026-11-21T09:30:00Z","onsale":"2026-11-21T10:00:00Z","sealed":1,"admitted":2}`,
		`{"event":"demo"`,
		`[]`,
	}
	document := documents[random.IntN(len(documents))]
	c := checked{given{"rule": "readStatus", "document": document, "event": "demo"}, nil}
	if s, err := ReadStatus([]byte(document), "demo"); err == nil {
		c.want = []int64{s.At.UnixMilli(), s.PreQueueAt.UnixMilli(), s.OnSaleAt.UnixMilli()}
	}
	return c
}

// pace also holds History against Pace: a page that saw every status measures the same with both.
func pace(random *rand.Rand) checked {
	var p Pace
	var h History
	began, since, watching := 0, 0, false
	var statuses []given
	var want []float64
	at, admitted, rate := int64(0), int64(0), random.Int64N(2)*random.Int64N(1000)
	start := random.IntN(5)
	for i := range 40 {
		at += random.Int64N(12_000)
		admitted += random.Int64N(500)
		phase := room.Open
		switch random.IntN(30) {
		case 0:
			phase = anyPhase(random)
		case 1:
			admitted /= 2
		case 2:
			at /= 2
		}
		moment := time.UnixMilli(at)
		number := h.Add(phase, moment, admitted)
		if i < start {
			continue
		}
		if !watching {
			began, watching = number, true
		}
		since = began
		p.Add(phase, moment, admitted)
		statuses = append(statuses, given{"phase": phase, "time": at, "admitted": admitted})
		want = append(want, p.PerMinute(rate))
		if got := h.PerMinute(since, rate); math.Abs(got-p.PerMinute(rate)) > 1e-9 {
			want[len(want)-1] = math.NaN() // which no JSON has: the test fails
		}
	}
	return checked{given{"rule": "pace", "statuses": statuses, "rate": rate}, want}
}

func clock(random *rand.Rand) checked {
	var c ServerClock
	var times [][2]int64
	var want []any
	for range 20 {
		local := random.Int64N(100_000)
		server := local + random.Int64N(20_000)
		c.Learn(time.UnixMilli(server), time.UnixMilli(local))
		times, want = append(times, [2]int64{server, local}), append(want, ms(c.Offset()))
	}
	return checked{given{"rule": "clock", "times": times}, want}
}

func retryAfter(random *rand.Rand) checked {
	header := []string{"", "0", "2", "2.5", " 7 ", "-1", "9999", "later", "Sat, 21 Nov 2026 10:00:00 GMT"}[random.IntN(9)]
	body := []float64{0, 1, 30, 100_000}[random.IntN(4)]
	return checked{given{"rule": "retryAfter", "header": header, "body": body}, ms(RetryAfter(header, body))}
}

// next is a whole page: a status a second, and then the wait until it acts again.
func next(random *rand.Rand) checked {
	began := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return began.Add(d).Format("2006-01-02T15:04:05.999Z07:00") }
	preQueue, onSale := anyWait(random).Round(time.Millisecond), anyWait(random).Round(time.Millisecond)
	settled, r := random.IntN(8) == 0, random.Float64()
	after := []time.Duration{0, time.Second, 30 * time.Second}[random.IntN(3)]
	position, rate := 20+random.Int64N(20_000), random.Int64N(1000)
	step := random.Int64N(200)
	phase := anyPhase(random)

	var p Pace
	opened, admitted := Forever, int64(0)
	last := 1 + random.IntN(12)
	var statuses []given
	for i := range last + 1 {
		now := time.Duration(i) * time.Second
		switch {
		case i == last && random.IntN(3) == 0:
			admitted = position + random.Int64N(3)
		case i > 0:
			admitted = min(position-1, admitted+step)
		}
		if i == last && random.IntN(4) == 0 {
			phase = anyPhase(random)
		}
		p.Add(phase, began.Add(now), admitted)
		switch {
		case phase != room.Open:
			opened = Forever
		case opened == Forever:
			status := &Status{OnSaleAt: began.Add(onSale)}
			opened = Opened(status, i == 0, began.Add(now)).Sub(began)
		}
		statuses = append(statuses, given{"event": "demo", "run": "r", "version": i, "phase": phase, "time": at(now),
			"prequeue": at(preQueue), "onsale": at(onSale), "sealed": 1, "admitted": admitted, "rate": rate})
	}
	now := time.Duration(last) * time.Second
	s := Situation{Phase: phase, UntilPreQueue: preQueue - now, UntilOnSale: onSale - now, Settled: settled,
		Position: position, Admitted: admitted, PerMinute: p.PerMinute(rate), Open: -1}
	if opened != Forever {
		s.Open = now - opened
	}
	delay := PollDelay(PollWait(s), r)
	mine := given{"ticket": "t", "cohort": 0, "shard": 0, "seq": 1}
	if settled {
		mine["outcome"] = "admitted"
	} else if IsTurn(position, admitted, phase) {
		delay = min(delay, ClaimRetry(after, r))
	}
	return checked{given{"rule": "next", "statuses": statuses, "mine": mine, "position": position, "random": r, "retryAfter": ms(after)}, ms(delay)}
}

func TestAnswers(t *testing.T) {
	const web, problem = "https://shop.example/", "turn-expired"
	for _, test := range []struct {
		name      string
		got, want Next
	}{
		{"join: created", AfterJoin(201, true), Done},
		{"join: held already", AfterJoin(200, true), Done},
		{"join: unreadable", AfterJoin(201, false), Again},
		{"join: bad secret", AfterJoin(400, false), Anew},
		{"join: not open", AfterJoin(403, false), Again},
		{"join: busy", AfterJoin(429, false), Again},
		{"join: none", AfterJoin(0, false), Again},
		{"claim: admitted", AfterClaim(200, "", web), Done},
		{"claim: sent nowhere", AfterClaim(200, "", "javascript:alert(1)"), Again},
		{"claim: early", AfterClaim(202, "", ""), Held},
		{"claim: over the cap", AfterClaim(429, "over-cap", ""), Held},
		{"claim: late", AfterClaim(410, problem, ""), Late},
		{"claim: pass late", AfterClaim(410, "pass-expired", ""), Late},
		{"claim: sold out", AfterClaim(410, "sold-out", ""), Again},
		{"claim: bad ticket", AfterClaim(401, "bad-ticket", ""), Anew},
		{"claim: out of order", AfterClaim(503, "internal", ""), Again},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d, want %d", test.name, test.got, test.want)
		}
	}
}
