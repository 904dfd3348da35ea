package hotshow

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/plan"
	"waitingroom/shared/settings"
)

// given is a request in which nothing is left to defaults.
func given() map[string]string {
	return map[string]string{
		"event": `"winter-tour"`, "names": `{"en":"Winter tour","da":"Vinterturné"}`, "onsale": `"2026-11-28T10:00:00+01:00"`,
		"prequeue": `"2026-11-28T09:45:00+01:00"`, "closes": `"2026-11-28T22:00:00+01:00"`, "visitors": `300000`, "over": `"60s"`,
		"rate": `5000`, "target": `"https://shop.example/checkout"`, "ready_before": `"90m"`, "keep_after": `"6h"`,
	}
}

// body writes members as an object; those with an empty value are left out.
func body(members map[string]string) []byte {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, members[name]))
		}
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func with(name, value string) []byte {
	members := given()
	if name == "onsale" { // the others of that day would be wrong as well
		delete(members, "prequeue")
		delete(members, "closes")
	}
	members[name] = value
	return body(members)
}

func TestParseRequest(t *testing.T) {
	r, err := ParseRequest(body(given()), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := request()
	want.Names = map[string]string{"en": "Winter tour", "da": "Vinterturné"}
	want.PreQueue, want.Closes = want.OnSale.Add(-15*time.Minute), want.OnSale.Add(12*time.Hour)
	want.ReadyBefore, want.KeepAfter = Duration(90*time.Minute), Duration(6*time.Hour)
	if !r.Equal(want) {
		t.Errorf("got %+v, want %+v", r, want)
	}
	if text := r.OnSale.Format(time.RFC3339); text != "2026-11-28T10:00:00+01:00" {
		t.Errorf("the on-sale has lost its offset: %s", text)
	}

	members := given()
	for _, name := range []string{"prequeue", "closes", "ready_before", "keep_after"} {
		delete(members, name)
	}
	members["names"] = `{"en":"Winter tour"}`
	if r, err = ParseRequest(body(members), asked); err != nil || !r.Equal(request()) {
		t.Errorf("by default %+v, %v", r, err)
	}
}

// A request that says nothing is open for as long as an event whose parameters say nothing, and its plan
// supposes so.
func TestUsuallyOpen(t *testing.T) {
	members := given()
	delete(members, "closes")
	r, err := ParseRequest(body(members), asked)
	if err != nil {
		t.Fatal(err)
	}
	texts := r.Texts(Needs{Shards: 64})
	delete(texts, "closes")
	if s := settings.Parse(texts, nil).Settings; !s.Closes.Equal(r.Closes) || r.Expected().Open != plan.UsuallyOpen {
		t.Errorf("the room closes it %v, the show %v, the plan after %v", s.Closes, r.Closes, r.Expected().Open)
	}
}

// A show's warnings are about the time at which it closes.
func TestWarningsUntilItCloses(t *testing.T) {
	for _, test := range []struct{ visitors, rate, closes, want string }{
		{"60000", "100", `"2026-11-28T11:00:00+01:00"`, "The line takes 10 hours, and the event closes 60 minutes after its on-sale"},
		{"60000", "100", `"2026-11-28T20:00:00+01:00"`, ""},
		{"100000", "60", `"2026-12-05T11:00:00+01:00"`, ""},
		{"100000", "60", ``, "The line takes 28 hours, and the event closes 24 hours after its on-sale"},
	} {
		members := given()
		members["visitors"], members["rate"], members["closes"], members["over"] = test.visitors, test.rate, test.closes, `"10m"`
		r, err := ParseRequest(body(members), asked)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := New("a", r, plan.New(r.Expected()), "ann", asked)
		if warned := strings.Join(s.Warnings, "\n"); (warned == "") != (test.want == "") || !strings.Contains(warned, test.want) {
			t.Errorf("%s at %s a minute until %s: %q, want %q", test.visitors, test.rate, test.closes, warned, test.want)
		}
	}
}

// What is written is read again as the same request.
func TestRequestAsJSON(t *testing.T) {
	text, err := json.Marshal(request())
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(text, asked)
	if err != nil || !r.Equal(request()) {
		t.Errorf("%s is read as %+v, %v", text, r, err)
	}
	if !strings.Contains(string(text), `"onsale":"2026-11-28T10:00:00+01:00"`) || !strings.Contains(string(text), `"over":"1m"`) {
		t.Errorf("%s", text)
	}
}

func TestBadRequests(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	manyNames := map[string]string{}
	for n := range MostLanguages + 1 {
		manyNames[fmt.Sprintf("en-x%d", n+10)] = "Winter tour"
	}
	many, _ := json.Marshal(manyNames)
	tests := []struct {
		member, value string
		want          string // what the one line about it holds
	}{
		{"event", ``, "missing"},
		{"event", `""`, "1 to 64"},
		{"event", `"Winter"`, "a-z"},
		{"event", `"v1"`, "reserved"},
		{"event", `"probe-a"`, "checks of readiness"},
		{"event", `7`, "not text"},
		{"event", `null`, "not text"},
		{"names", ``, "missing"},
		{"names", `{}`, "give 1 to 20"},
		{"names", `"Winter tour"`, "an object"},
		{"names", `{"en":7}`, "not text"},
		{"names", `{"en":""}`, "is empty"},
		{"names", `{"en":"  "}`, "is empty"},
		{"names", `{"english":"Winter tour"}`, "language tag"},
		{"names", `{"en":"a","en":"b"}`, "given twice"},
		{"names", `{"en":"a\nb"}`, "line break"},
		{"names", `{"en":"\u001b[2J"}`, "control character"},
		{"names", `{"en":"` + strings.Repeat("ø", 201) + `"}`, "201 characters"},
		{"names", string(many), "21 names"},
		{"onsale", ``, "missing"},
		{"onsale", `"2026-11-28T10:00:00"`, "no offset"},
		{"onsale", `"2026-11-28T10:00:00+24:00"`, "hours up to 23"},
		{"onsale", `"2026-11-28T10:00:00-24:00"`, "hours up to 23"},
		{"onsale", `"2026-11-28T10:00:00+23:60"`, "minutes up to 59"},
		{"onsale", `"2026-11-28"`, "not a time"},
		{"onsale", `"tomorrow"`, "not a time"},
		{"onsale", `"2026-11-28T10:00:00.5+01:00"`, "fraction of a second"},
		{"onsale", `"2026-11-01T10:00:00+01:00"`, "is past"}, // at this moment
		{"onsale", `"2025-11-28T10:00:00+01:00"`, "is past"},
		{"onsale", `"2029-11-28T10:00:00+01:00"`, "two years"},
		{"onsale", `1795856400`, "not text"},
		{"onsale", `"` + long + `"`, "not a time"},
		{"prequeue", `"2026-11-28T10:00:01+01:00"`, "after onsale"},
		{"prequeue", `"2026-11-28T09:00:00"`, "no offset"},
		{"prequeue", `"2026-11-21T09:59:59+01:00"`, "more than 168h before onsale"},
		{"closes", `"2026-11-28T10:00:00+01:00"`, "not after onsale"},
		{"closes", `"2027-11-28T10:00:00+01:00"`, "more than 90 days"},
		{"closes", `"2026-11-29T10:00:00+24:00"`, "hours up to 23"},
		{"visitors", ``, "missing"},
		{"visitors", `0`, "between 1 and"},
		{"visitors", `-1`, "between 1 and"},
		{"visitors", `20000001`, "between 1 and"},
		{"visitors", `1e5`, "whole number"},
		{"visitors", `0.5`, "whole number"},
		{"visitors", `99999999999999999999999999`, "too large"},
		{"visitors", `"300000"`, "without quotes"},
		{"visitors", `null`, "whole number"},
		{"over", ``, "missing"},
		{"over", `60`, "with a unit"},
		{"over", `"60"`, "not a duration"},
		{"over", `"0s"`, "1s to 720h"},
		{"over", `"-1m"`, "not a duration"},
		{"over", `"721h"`, "1s to 720h"},
		{"over", `"1500ms"`, "fraction of a second"},
		{"over", `"` + long + `"`, "not a duration"},
		{"rate", ``, "missing"},
		{"rate", `0`, "between 1 and 60000"},
		{"rate", `60001`, "between 1 and 60000"},
		{"rate", `"5000"`, "without quotes"},
		{"rate", `true`, "whole number"},
		{"rate", `[5000]`, "whole number"},
		{"target", ``, "missing"},
		{"target", `"http://shop.example"`, "use https"},
		{"target", `"https://user:secret@shop.example"`, "password"},
		{"target", `"shop.example"`, "https address"},
		{"ready_before", `"169h"`, "0s to 168h"},
		{"ready_before", `3600`, "with a unit"},
		{"keep_after", `"59s"`, "1m to 168h"},
		{"keep_after", `"169h"`, "1m to 168h"},
		{"Rate", `5000`, "no such member"},
		{"ratee", `5000`, "no such member"},
		{"", `1`, "no such member"},
		{long, `1`, "no such member"},
	}
	for _, test := range tests {
		r, err := ParseRequest(with(test.member, test.value), asked)
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 {
			t.Errorf("%.20s %.40s: %v", test.member, test.value, err)
			continue
		}
		line := invalid.Problems[0]
		if !strings.Contains(line, test.want) || len(line) > 400 || strings.ContainsAny(line, "\n\x1b") || strings.Contains(line, "secret") {
			t.Errorf("%.20s %.40s: %q does not say %q", test.member, test.value, line, test.want)
		}
		if _, known := given()[test.member]; known && !strings.HasPrefix(line, test.member+": ") {
			t.Errorf("%q does not begin with %s", line, test.member)
		}
		if r.Event != "" {
			t.Errorf("%.20s %.40s: a request comes with the error: %+v", test.member, test.value, r)
		}
	}
}

func TestBadBodies(t *testing.T) {
	good := string(body(given()))
	for text, want := range map[string]string{
		"":                              "has to be a JSON object",
		"[]":                            "has to be a JSON object",
		"null":                          "has to be a JSON object",
		`"x"`:                           "has to be a JSON object",
		good[:len(good)-1]:              "not valid JSON",
		good + "{}":                     "behind",
		good + "x":                      "behind",
		`{"rate":5000,}`:                "not valid JSON",
		`{"rate":05000}`:                "not valid JSON",
		"{\"names\":{\"en\":\"\xff\"}}": "UTF-8",
		`{"names":` + strings.Repeat("[", 20_000): "not valid JSON",
	} {
		_, err := ParseRequest([]byte(text), asked)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	// Everything that is wrong is said at once.
	_, err := ParseRequest([]byte(`{"rate":0,"rate":1,"onsale":"soon","closes":"2026-11-28T22:00:00+01:00","visitor":1}`), asked)
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var members []string
	for _, line := range invalid.Problems {
		member, _, _ := strings.Cut(line, ": ")
		members = append(members, member)
	}
	if want := []string{`"visitor"`, "event", "names", "onsale", "over", "rate", "target", "visitors"}; !slices.Equal(members, want) {
		t.Errorf("complaints about %q, want %q:\n%v", members, want, err)
	}
}

// A crowd that nobody can take in is no mistake of who asks.
func TestMillionInASecond(t *testing.T) {
	members := given()
	members["visitors"], members["over"] = "1000000", `"1s"`
	if _, err := ParseRequest(body(members), asked); err != nil {
		t.Error(err)
	}
}

// holdsTrue is what is true of every request that is accepted.
func holdsTrue(t *testing.T, r Request) {
	t.Helper()
	if err := r.Check(asked); err != nil {
		t.Fatalf("accepted, and refused again: %v", err)
	}
	if result := settings.Parse(r.Texts(Needs{Shards: 64}), nil); !result.Complete() || len(result.Rejected) > 0 {
		t.Fatalf("the leader rejects %v of %+v", result.Rejected, r)
	} else if s := result.Settings; !s.OnSale.Equal(r.OnSale) || !s.PreQueue.Equal(r.PreQueue) || !s.Closes.Equal(r.Closes) ||
		s.Rate != r.Rate || s.Target != r.Target || s.Shards != 64 {
		t.Fatalf("the leader takes %+v for %+v", s, r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var stored Request
	if err := json.Unmarshal(text, &stored); err != nil || !stored.Equal(r) {
		t.Fatalf("stored as %s, read as %+v, %v", text, stored, err)
	}
	if from, to := r.Span(); !from.Before(r.OnSale) || !to.After(r.OnSale) || r.ReadyBy().After(r.PreQueue) || r.ReadyBy().After(r.OnSale) {
		t.Fatalf("from %v, ready by %v, to %v", from, r.ReadyBy(), to)
	}
	if r.Name() == "" || strings.ContainsAny(r.Name(), "\n\r\x1b") {
		t.Fatalf("name %q", r.Name())
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(body(given()))
	for _, member := range []string{"event", "rate", "onsale", "names", "over"} {
		for _, value := range []string{``, `null`, `"2026-11-28T10:00:00Z"`, `"2026-11-28T10:00:00+24:00"`, `"2026-11-28T10:00:00-23:59"`, `1e3`, `{"en":"a","en":"b"}`, `"1h"`, `[[]]`, `"\ud800"`} {
			f.Add(with(member, value))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRequest(text, asked)
		if err == nil {
			holdsTrue(t, r)
			return
		}
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
			t.Fatalf("%v", err)
		}
		for _, line := range invalid.Problems {
			if strings.ContainsAny(line, "\n\r\x1b\x00") {
				t.Fatalf("more than one plain line: %q", line)
			}
		}
	})
}

func TestName(t *testing.T) {
	for _, test := range []struct {
		names map[string]string
		want  string
	}{
		{map[string]string{"en": "Winter tour", "da": "Vinterturné"}, "Winter tour"},
		{map[string]string{"sv": "Vinterturné", "da": "Vinterturneen"}, "Vinterturneen"},
		{nil, "winter-tour"},
	} {
		if got := (Request{Event: "winter-tour", Names: test.names}).Name(); got != test.want {
			t.Errorf("%v: %q, want %q", test.names, got, test.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"60s": "1m", "90s": "1m30s", "4h": "4h", "1h30m": "1h30m", "3601s": "1h0m1s", "0s": "0s", "720h": "720h", "10m": "10m", "100m": "1h40m",
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
		var again Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s: written as %v and read as %v, %v", text, d, again, err)
		}
	}
	for _, text := range []string{"", "1", "s", "-1s", "+1s", "1.5s", "100ms", "1h 1m", "9999999999h", "\x00", strings.Repeat("1h", 20)} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, d)
		}
	}
}

func TestIDs(t *testing.T) {
	id := NewID(strings.NewReader("0123456789"))
	if id == NewID(strings.NewReader("0123456798")) || len(id) != 16 || !ValidID(id) || strings.Contains(id, "-") {
		t.Errorf("made %q", id)
	}
	for id, valid := range map[string]bool{
		"a": true, "jira-10042": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "A": false, "a b": false, "a/b": false, "a#b": false, "ä": false,
	} {
		if ValidID(id) != valid {
			t.Errorf("%q: %v", id, !valid)
		}
	}
}

func TestCheckWhy(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "agreed by the board": true, strings.Repeat("ø", 500): true,
		" ": false, strings.Repeat("ø", 501): false, "a\nb": false, "\x1b[2J": false, "\xff": false, "a\u2028b": false,
		"approved \u202eton": false, "\u2066a": false, "שלום, \u200fworld": true,
	} {
		if err := CheckWhy(text); (err == nil) != good {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestSentence(t *testing.T) {
	alice := Person("arn:aws:sts::000000000000:assumed-role/ask/alice@shop.example")
	show := newShow()
	named := show.DecideIn("SHOW-12", JiraPerson("5b10"), asked)
	for want, c := range map[string]Change{
		"The show was asked for, by alice@shop.example.":              {By: alice, To: Requested, Why: "asked for"},
		"The show is rejected now, by ann.":                           {By: "arn:aws:iam::1:user/ann", From: Requested, To: Rejected, Why: "rejected"},
		"The show is approved now, by the Jira user 5b10: agreed.":    {By: JiraPerson("5b10"), From: Requested, To: Approved, Why: "agreed"},
		"The show is cancelled now, by root-account: Really?":         {By: "root-account", From: Ready, To: Cancelled, Why: "Really?"},
		"The show is preparing now: its time has come.":               {By: Schedule, From: Approved, To: Preparing, Why: "its time has come"},
		"The show is preparing still: it should be ready by now.":     {By: Schedule, From: Preparing, To: Preparing, Why: "it should be ready by now"},
		"Step product is up.":                                         {By: Schedule, From: Preparing, To: Preparing, Step: Product, Why: "is up"},
		"The request was changed, by alice@shop.example: a new time.": {By: alice, From: Requested, To: Requested, Why: "a new time"},
		"The show was named in an issue of Jira, by the Jira user 5b10: SHOW-12 decides about it; name: Winter tour, event: winter-tour, " +
			"onsale: 2026-11-28T10:00:00+01:00, visitors: 300000, over: 1m, rate: 5000, target: https://shop.example/checkout.": named,
	} {
		if got := c.Sentence(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
