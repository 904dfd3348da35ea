package hotshow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"waitingroom/shared/plan"
	"waitingroom/shared/settings"
)

// What a request has that does not say otherwise.
const (
	defaultPreQueue    = 30 * time.Minute // before the on-sale
	defaultCloses      = plan.UsuallyOpen // after it
	defaultReadyBefore = Duration(time.Hour)
	defaultKeepAfter   = Duration(4 * time.Hour)
)

// member is one that a request may have. read stores a good value; its error completes a sentence that
// begins with the member's name.
type member struct {
	name    string
	missing string // what to give, where the member has to be there
	read    func(r *Request, value json.RawMessage) error
}

var members = []member{
	{"event", "the event's name", func(r *Request, v json.RawMessage) error { return readText(&r.Event, v) }},
	{"names", "the show's name by language, as in {\"en\":\"Winter tour\"}", func(r *Request, v json.RawMessage) error { return readNames(r, v) }},
	{"onsale", "the time at which the sale opens, as in \"2026-11-21T10:00:00+01:00\"", func(r *Request, v json.RawMessage) error { return readTime(&r.OnSale, v) }},
	{"prequeue", "", func(r *Request, v json.RawMessage) error { return readTime(&r.PreQueue, v) }},
	{"closes", "", func(r *Request, v json.RawMessage) error { return readTime(&r.Closes, v) }},
	{"visitors", "how many people are expected", func(r *Request, v json.RawMessage) error { return readNumber(&r.Visitors, v) }},
	{"over", "the time in which they come, as in \"60s\"", func(r *Request, v json.RawMessage) error { return readDuration(&r.Over, v) }},
	{"rate", "how many visitors a minute the shop can bear", func(r *Request, v json.RawMessage) error { return readNumber(&r.Rate, v) }},
	{"target", "the https address of the shop's checkout", func(r *Request, v json.RawMessage) error { return readText(&r.Target, v) }},
	{"ready_before", "", func(r *Request, v json.RawMessage) error { return readDuration(&r.ReadyBefore, v) }},
	{"keep_after", "", func(r *Request, v json.RawMessage) error { return readDuration(&r.KeepAfter, v) }},
}

// ParseRequest reads a request as JSON and checks it. Members that are not known are refused, since one
// that was misspelt would be missed on the day. Its error is an *Invalid.
func ParseRequest(body []byte, now time.Time) (Request, error) {
	given, err := object(body)
	if err != nil {
		return Request{}, &Invalid{[]string{"request: " + err.Error()}}
	}
	r := Request{ReadyBefore: defaultReadyBefore, KeepAfter: defaultKeepAfter}
	unread := read(&r, given)
	if r.PreQueue.IsZero() {
		r.PreQueue = r.OnSale.Add(-defaultPreQueue)
	}
	if r.Closes.IsZero() {
		r.Closes = r.OnSale.Add(defaultCloses)
	}
	for member, texts := range r.faults(now) {
		// A member that could not be read says why, and not that its zero is too small; without an
		// on-sale, the times that depend on it cannot be judged.
		dependent := len(unread["onsale"]) > 0 && (member == "prequeue" || member == "closes")
		if len(unread[member]) == 0 && !dependent {
			unread[member] = texts
		}
	}
	if err := unread.invalid(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// read stores what is given in r and returns what could not be.
func read(r *Request, given []field) faults {
	f := faults{}
	seen := map[string]bool{}
	for _, g := range given {
		known := lookUp(g.name)
		switch {
		case known == nil:
			f.add(shown(g.name), "there is no such member; a request has %s", memberNames())
		case seen[g.name]:
			f.add(g.name, "is given twice")
		default:
			seen[g.name] = true
			if err := known.read(r, g.value); err != nil {
				f.add(g.name, "%v", err)
			}
		}
	}
	for _, m := range members {
		if m.missing != "" && !seen[m.name] {
			f.add(m.name, "is missing: give %s", m.missing)
		}
	}
	return f
}

func lookUp(name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

func memberNames() string {
	var all []string
	for _, m := range members {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

// shown is a name or a value of a request as an answer repeats it: quoted, and not all of a long one.
func shown(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return strconv.Quote(text)
}

// field is a member of an object as it was given.
type field struct {
	name  string
	value json.RawMessage
}

// object reads a JSON object. A map would keep one of two members of the same name and say nothing.
func object(text []byte) ([]field, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("has to be a JSON object")
	}
	var fields []field
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		f := field{name: name.(string)} // the decoder takes nothing else before a colon
		if err := decoder.Decode(&f.value); err != nil {
			return nil, notJSON(err)
		}
		fields = append(fields, f)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("has something behind the JSON object")
	}
	return fields, nil
}

func notJSON(err error) error { return fmt.Errorf("is not valid JSON: %w", err) }

func readText(into *string, value json.RawMessage) error {
	if value[0] != '"' {
		return fmt.Errorf("%s is not text in quotes", shown(string(value)))
	}
	return json.Unmarshal(value, into)
}

func readNumber(into *int, value json.RawMessage) error {
	n, err := strconv.ParseInt(string(value), 10, 32)
	switch {
	case value[0] == '"':
		return fmt.Errorf("%s is text: give a number without quotes", shown(string(value)))
	case err != nil:
		return fmt.Errorf("%s is not a whole number in digits alone, or is far too large", shown(string(value)))
	}
	*into = int(n)
	return nil
}

func readDuration(into *Duration, value json.RawMessage) error {
	var text string
	if value[0] != '"' {
		return fmt.Errorf("%s is not text with a unit, as in \"90s\" or \"4h\"", shown(string(value)))
	}
	if err := json.Unmarshal(value, &text); err != nil {
		return err
	}
	return into.UnmarshalText([]byte(text))
}

// readTime takes what the parameter onsale takes, and keeps the offset.
func readTime(into *time.Time, value json.RawMessage) error {
	var text string
	if err := readText(&text, value); err != nil {
		return err
	}
	t, err := settings.ParseTime(text)
	*into = t
	return err
}

func readNames(r *Request, value json.RawMessage) error {
	given, err := object(value)
	if err != nil {
		return errors.New("has to be an object from language tags to names, as in {\"en\":\"Winter tour\"}")
	}
	r.Names = map[string]string{}
	for _, g := range given {
		var name string
		if _, twice := r.Names[g.name]; twice {
			return fmt.Errorf("%s is given twice", shown(g.name))
		}
		if err := readText(&name, g.value); err != nil {
			return fmt.Errorf("%s: %w", shown(g.name), err)
		}
		r.Names[g.name] = name
	}
	return nil
}
