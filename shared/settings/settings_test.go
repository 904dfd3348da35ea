package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

// sale is a complete event in which every parameter differs from its default.
func sale() map[string]string {
	return map[string]string{
		"onsale":        "2026-11-21T10:00:00+01:00",
		"prequeue":      "2026-11-21T09:45:00+01:00",
		"closes":        "2026-11-21T20:00:00+01:00",
		"rate":          "500",
		"target":        "https://shop.example/checkout?show=7",
		"state":         "paused",
		"message":       "Two tickets each.",
		"message/da":    "To billetter til hver.",
		"stock":         "few",
		"theme":         "winter-tour",
		"claim-window":  "5m",
		"pass-lifetime": "45m",
		"shards":        "64",
		"pass-alg":      "HS256",
	}
}

func with(texts map[string]string, name, text string) map[string]string {
	texts = maps.Clone(texts)
	texts[name] = text
	return texts
}

func without(texts map[string]string, name string) map[string]string {
	texts = maps.Clone(texts)
	delete(texts, name)
	return texts
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestParseComplete(t *testing.T) {
	r := Parse(sale(), nil)
	want := room.Settings{
		OnSale:       at("2026-11-21T09:00:00Z"),
		PreQueue:     at("2026-11-21T08:45:00Z"),
		Closes:       at("2026-11-21T19:00:00Z"),
		Rate:         500,
		Target:       "https://shop.example/checkout?show=7",
		Control:      room.ForcePaused,
		Messages:     map[string]string{"default": "Two tickets each.", "da": "To billetter til hver."},
		Stock:        room.Few,
		Theme:        "winter-tour",
		ClaimWindow:  5 * time.Minute,
		PassLifetime: 45 * time.Minute,
		Shards:       64,
		PassAlg:      "HS256",
	}
	if !reflect.DeepEqual(r.Settings, want) {
		t.Errorf("settings\n%+v, want\n%+v", r.Settings, want)
	}
	if !r.Complete() || len(r.Rejected) > 0 || !maps.Equal(r.Good, sale()) {
		t.Errorf("complete %v, rejected %v, good %v", r.Complete(), r.Rejected, r.Good)
	}
}

func TestParseDefaults(t *testing.T) {
	r := Parse(map[string]string{"onsale": "2026-11-21T10:00:00Z", "rate": "1", "target": "https://shop.example"}, nil)
	want := room.Settings{
		OnSale:       at("2026-11-21T10:00:00Z"),
		PreQueue:     at("2026-11-21T09:30:00Z"),
		Closes:       at("2026-11-22T10:00:00Z"),
		Rate:         1,
		Target:       "https://shop.example",
		Control:      room.Auto,
		Messages:     map[string]string{},
		Stock:        room.Plenty,
		ClaimWindow:  10 * time.Minute,
		PassLifetime: 30 * time.Minute,
		Shards:       16,
		PassAlg:      "RS256",
	}
	if !reflect.DeepEqual(r.Settings, want) || len(r.Rejected) > 0 {
		t.Errorf("settings\n%+v, want\n%+v; rejected %v", r.Settings, want, r.Rejected)
	}
}

func TestParseGoodValues(t *testing.T) {
	long := strings.Repeat("ø", MaxMessage)
	for _, c := range []struct {
		name, text string
		got        func(room.Settings) any
		want       any
	}{
		{"onsale", "2026-11-21T10:15:00.000Z", func(s room.Settings) any { return s.OnSale }, at("2026-11-21T10:15:00Z")},
		{"onsale", "2026-11-21T10:15:00-05:30", func(s room.Settings) any { return s.OnSale }, at("2026-11-21T15:45:00Z")},
		{"prequeue", "2026-11-21T09:00:00Z", func(s room.Settings) any { return s.PreQueue }, at("2026-11-21T09:00:00Z")},
		{"prequeue", "1970-01-01T00:00:00Z", func(s room.Settings) any { return s.PreQueue }, time.Unix(0, 0).UTC()},
		{"closes", "2026-11-21T09:00:01Z", func(s room.Settings) any { return s.Closes }, at("2026-11-21T09:00:01Z")},
		{"closes", "2199-12-31T23:59:59Z", func(s room.Settings) any { return s.Closes }, at("2199-12-31T23:59:59Z")},
		{"rate", "1", func(s room.Settings) any { return s.Rate }, 1},
		{"rate", "60000", func(s room.Settings) any { return s.Rate }, 60000},
		{"target", "HTTPS://Shop.Example:8443/a%20b?x=%2B", func(s room.Settings) any { return s.Target }, "HTTPS://Shop.Example:8443/a%20b?x=%2B"},
		{"target", "http://localhost:8080/shop", func(s room.Settings) any { return s.Target }, "http://localhost:8080/shop"},
		{"target", "http://127.9.0.1/", func(s room.Settings) any { return s.Target }, "http://127.9.0.1/"},
		{"target", "http://[::1]:1", func(s room.Settings) any { return s.Target }, "http://[::1]:1"},
		{"target", "https://[2001:db8::1]/", func(s room.Settings) any { return s.Target }, "https://[2001:db8::1]/"},
		{"state", "auto", func(s room.Settings) any { return s.Control }, room.Auto},
		{"state", "soldout", func(s room.Settings) any { return s.Control }, room.ForceSoldOut},
		{"state", "closed", func(s room.Settings) any { return s.Control }, room.ForceClosed},
		{"message", "one\ntwo", func(s room.Settings) any { return s.Messages["default"] }, "one\ntwo"},
		{"message", long, func(s room.Settings) any { return s.Messages["default"] }, long},
		{"message/pt-BR", "Olá", func(s room.Settings) any { return s.Messages["pt-br"] }, "Olá"},
		{"message/de-CH-1996", "<b>", func(s room.Settings) any { return s.Messages["de-ch-1996"] }, "<b>"},
		{"stock", "none", func(s room.Settings) any { return s.Stock }, room.None},
		{"theme", "7", func(s room.Settings) any { return s.Theme }, "7"},
		{"theme", strings.Repeat("-", 64), func(s room.Settings) any { return s.Theme }, strings.Repeat("-", 64)},
		{"claim-window", "1m", func(s room.Settings) any { return s.ClaimWindow }, time.Minute},
		{"claim-window", "1h0m0s", func(s room.Settings) any { return s.ClaimWindow }, time.Hour},
		{"pass-lifetime", "60s", func(s room.Settings) any { return s.PassLifetime }, time.Minute},
		{"pass-lifetime", "24h", func(s room.Settings) any { return s.PassLifetime }, 24 * time.Hour},
		{"shards", "1", func(s room.Settings) any { return s.Shards }, 1},
		{"shards", "128", func(s room.Settings) any { return s.Shards }, 128},
		{"pass-alg", "RS256", func(s room.Settings) any { return s.PassAlg }, "RS256"},
	} {
		r := Parse(with(sale(), c.name, c.text), sale())
		if len(r.Rejected) > 0 {
			t.Errorf("%s %q: rejected: %v", c.name, c.text, r.Rejected)
		}
		if got := c.got(r.Settings); got != c.want {
			t.Errorf("%s %q: got %v, want %v", c.name, c.text, got, c.want)
		}
		if r.Good[c.name] != c.text {
			t.Errorf("%s %q: good is %q", c.name, c.text, r.Good[c.name])
		}
	}
}

// badValues gives, by parameter, texts that must be rejected and a part of the reason.
var badValues = map[string]map[string]string{
	"onsale": {
		"":                                    "RFC 3339",
		"tomorrow":                            "RFC 3339",
		"2026-11-21T10:00:00":                 `has no offset from UTC: add one, as in "2026-11-21T10:00:00+01:00"`,
		"2026-11-21 10:00:00+01:00":           "RFC 3339",
		"2026-11-21T9:00:00Z":                 "RFC 3339",
		"2026-11-21T10:00:00,5Z":              "RFC 3339",
		"2026-11-21T10:00Z":                   "RFC 3339",
		"2026-11-21":                          "RFC 3339",
		"2026-02-30T10:00:00Z":                "RFC 3339",
		"2026-11-21T24:00:00Z":                "RFC 3339",
		"2026-11-21T10:00:00+25:00":           "does not exist",
		"2026-11-21T10:00:00+24:00":           `does not exist: use hours up to 23 and minutes up to 59, as in "2026-11-21T10:00:00+01:00"`,
		"2026-11-21T10:00:00-24:00":           "does not exist",
		"2026-11-21T10:00:00+23:60":           "does not exist",
		"2026-11-21T10:00:00+00:60":           "does not exist",
		"2026-11-31T10:00:00+24:00":           "RFC 3339",
		"+24:00":                              "RFC 3339",
		" 2026-11-21T10:00:00Z":               "RFC 3339",
		"2026-11-21T10:00:00Z\n":              "RFC 3339",
		"2026-11-21T10:00:00.5Z":              "whole seconds",
		"1969-12-31T23:59:59Z":                "years 1970 to 2199",
		"2199-12-31T23:59:59-01:00":           "years 1970 to 2199",
		"9999-12-31T23:59:59Z":                "years 1970 to 2199",
		"1795251600":                          "RFC 3339",
		strings.Repeat("2026-11-21T10", 1000): "RFC 3339",
	},
	"prequeue": {
		"2026-11-21T10:00:01+01:00": "is after onsale, 2026-11-21T09:00:00Z",
		"2026-11-21T08:00:00":       "has no offset",
		"30m":                       "RFC 3339",
	},
	"closes": {
		"2026-11-21T10:00:00+01:00": "is not after onsale, 2026-11-21T09:00:00Z",
		"2026-11-21T08:00:00Z":      "is not after onsale",
		"never":                     "RFC 3339",
	},
	"rate": {
		"fast":                 "is not a whole number of visitors per minute between 1 and 60000",
		"":                     "whole number",
		"0":                    "whole number",
		"00":                   "whole number",
		"0600":                 "whole number",
		"-5":                   "whole number",
		"+5":                   "whole number",
		" 5":                   "whole number",
		"5 ":                   "whole number",
		"5\n":                  "whole number",
		"5.0":                  "whole number",
		"5e3":                  "whole number",
		"0x10":                 "whole number",
		"1_000":                "whole number",
		"60001":                "whole number",
		"4294967297":           "whole number",
		"18446744073709551617": "whole number",
		"٥":                    "whole number",
	},
	"target": {
		"":                                                       "https address",
		"shop.example/checkout":                                  "https address",
		"//shop.example":                                         "https address",
		"ftp://shop.example":                                     "https address",
		"javascript:alert(1)":                                    "https address",
		"https:shop.example":                                     "https address",
		"https://":                                               "no valid host",
		"https:///checkout":                                      "no valid host",
		"https://:443/":                                          "no valid host",
		"https://shop..example":                                  "no valid host",
		"https://shop.example./":                                 "no valid host",
		"https://-shop.example/":                                 "no valid host",
		"https://shop%2eexample/":                                "https address",
		"https://shop.example:/":                                 "no valid port",
		"https://shop.example:0/":                                "no valid port",
		"https://shop.example:0443/":                             "no valid port",
		"https://shop.example:65536/":                            "no valid port",
		"https://shop.example:https/":                            "https address",
		"https://[::1/":                                          "https address",
		"https://[fe80::1%25eth0]/":                              "no valid address",
		"https://user:secret@shop.example":                       "user name or password",
		"https://user@shop.example":                              "user name or password",
		"https://@shop.example":                                  "user name or password",
		"https://shop.example#top":                               "fragment",
		"https://shop.example/#":                                 "fragment",
		"https://shop.example/a b":                               "percent-encode",
		" https://shop.example":                                  "percent-encode",
		"https://shop.example\n":                                 "percent-encode",
		"https://shop.example\\@evil":                            "percent-encode",
		"https://bücher.example":                                 "percent-encode",
		"https://shop.example/<script>":                          "percent-encode",
		"https://shop.example/%zz":                               "https address",
		"https://shop.example/?a=%zz":                            "query",
		"https://shop.example/?a=1;b=2":                          "query",
		"https://shop.example/?waitingroom_pass=eyJ":             "waitingroom_pass",
		"https://shop.example/?a=1&waitingroom%5Fpass":           "waitingroom_pass",
		"http://shop.example":                                    "use https",
		"http://localhost.shop.example":                          "use https",
		"http://128.0.0.1":                                       "use https",
		"http://127.0.0.1.example":                               "use https",
		"http://[::2]/":                                          "use https",
		"https://shop.example/" + strings.Repeat("a", MaxTarget): "at most 1000",
	},
	"state": {
		"":       `is none of ["auto" "paused" "soldout" "closed"]`,
		"Paused": "is none of",
		"open":   "is none of",
		"auto ":  "is none of",
	},
	"stock": {
		"":    `is none of ["plenty" "few" "none"]`,
		"FEW": "is none of",
		"12":  "is none of",
	},
	"theme": {
		"":                           "is not the name of a theme: use 1 to 64 of a-z, 0-9 and hyphens",
		"Winter":                     "is not the name of a theme",
		"winter.json":                "is not the name of a theme",
		"../winter":                  "is not the name of a theme",
		"winter\n":                   "is not the name of a theme",
		"https://shop.example/theme": "(an address, not shown)",
		"vinterå":                    "is not the name of a theme",
		strings.Repeat("a", 65):      "is not the name of a theme",
	},
	"claim-window": {
		"":         "1m to 1h",
		"10":       "1m to 1h",
		"59s":      "1m to 1h",
		"1h1s":     "1m to 1h",
		"-10m":     "1m to 1h",
		"+10m":     "1m to 1h",
		" 10m":     "1m to 1h",
		"10 m":     "1m to 1h",
		"90.5s":    "1m to 1h",
		"PT10M":    "1m to 1h",
		"ten":      "1m to 1h",
		"1000000h": "1m to 1h",
	},
	"pass-lifetime": {
		"":      "1m to 24h",
		"0":     "1m to 24h",
		"59s":   "1m to 24h",
		"24h1s": "1m to 24h",
		"1d":    "1m to 24h",
	},
	"shards": {
		"0":   "between 1 and 128",
		"129": "between 1 and 128",
		"-1":  "between 1 and 128",
		"all": "between 1 and 128",
	},
	"pass-alg": {
		"none":  `is none of ["RS256" "HS256"]`,
		"rs256": "is none of",
		"ES256": "is none of",
	},
	"message": {
		"":                                "is empty",
		strings.Repeat("ø", MaxMessage+1): "has 501 characters: use at most 500",
		"bell\a":                          "U+0007",
		"tab\t":                           "U+0009",
		"two\r\nlines":                    "U+000D",
		"\u0085":                          "U+0085",
		"\xff":                            "UTF-8",
	},
	"message/da": {
		"\x00": "U+0000",
	},
	"message/danish": {"Hej": "is not a language tag"},
	"message/d":      {"Hej": "is not a language tag"},
	"message/":       {"Hej": "is not a language tag"},
	"message/da_DK":  {"Hej": "is not a language tag"},
	"message/da-":    {"Hej": "is not a language tag"},
	"message/da/x":   {"Hej": "is not a language tag"},
	"message/da-" + strings.Repeat("aaaaaaaa-", 5) + "aa": {"Hej": "is not a language tag"},
	"Rate":     {"5": "there is no such parameter"},
	"rates":    {"5": "there is no such parameter"},
	"messages": {"Hej": "there is no such parameter; it is ignored; the parameters are claim-window, closes, message, message/<language>, onsale,"},
	"rate/x":   {"5": "there is no such parameter"},
	"":         {"5": "there is no such parameter"},
}

func TestABadValueChangesNothing(t *testing.T) {
	before := Parse(sale(), nil)
	for name, texts := range badValues {
		for text, reason := range texts {
			r := Parse(with(sale(), name, text), before.Good)
			if !reflect.DeepEqual(r.Settings, before.Settings) || !maps.Equal(r.Good, before.Good) || !r.Complete() {
				t.Errorf("%s %q changes the settings to %+v", name, text, r.Settings)
			}
			if len(r.Rejected) != 1 || r.Rejected[0].Parameter != name || !strings.Contains(r.Rejected[0].Reason, reason) {
				t.Errorf("%s %q: rejected %v, want one that says %q", name, text, r.Rejected, reason)
			}
		}
	}
}

func TestABadFirstValue(t *testing.T) {
	required := map[string]bool{"onsale": true, "rate": true, "target": true}
	for name, texts := range badValues {
		for text := range texts {
			r := Parse(with(sale(), name, text), nil)
			without := Parse(without(sale(), name), nil)
			if !reflect.DeepEqual(r.Settings, without.Settings) || !slices.Equal(r.Missing, without.Missing) {
				t.Errorf("%s %q: settings %+v, missing %v", name, text, r.Settings, r.Missing)
			}
			if required[name] != slices.Contains(r.Missing, name) || required[name] == r.Complete() {
				t.Errorf("%s %q: missing %v", name, text, r.Missing)
			}
			if len(r.Rejected) != 1 {
				t.Errorf("%s %q: rejected %v", name, text, r.Rejected)
			}
		}
	}
}

// keeps checks what is true of every time that is accepted: JSON and RFC 3339 keep it with its offset.
func keeps(t *testing.T, text string) {
	t.Helper()
	at, err := ParseTime(text)
	if err != nil {
		return
	}
	stored, err := json.Marshal(at)
	if err != nil {
		t.Fatalf("%q is accepted, and cannot be stored: %v", text, err)
	}
	var read time.Time
	if err := json.Unmarshal(stored, &read); err != nil || !read.Equal(at) {
		t.Fatalf("%q is stored as %s and read as %v, %v", text, stored, read, err)
	}
	if again, err := ParseTime(at.Format(time.RFC3339)); err != nil || !again.Equal(at) {
		t.Fatalf("%q is written as %v and read as %v, %v", text, at.Format(time.RFC3339), again, err)
	}
}

// Every offset of less than a day is taken, and no other.
func TestOffsets(t *testing.T) {
	for hours := range 26 {
		for _, minutes := range []int{0, 1, 30, 45, 59, 60, 99} {
			for _, sign := range []string{"+", "-"} {
				text := fmt.Sprintf("2026-11-21T10:00:00%s%02d:%02d", sign, hours, minutes)
				if _, err := ParseTime(text); (err == nil) != (hours < 24 && minutes < 60) {
					t.Errorf("%s: %v", text, err)
				}
				keeps(t, text)
			}
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for text := range badValues["onsale"] {
		f.Add(text)
	}
	for _, text := range []string{"2026-11-21T10:00:00-00:00", "2199-12-31T00:59:59-23:00", "1970-01-01T23:59:00+23:59"} {
		f.Add(text)
	}
	f.Fuzz(keeps)
}

func TestRemovedParameters(t *testing.T) {
	before := Parse(sale(), nil)
	defaults := Parse(map[string]string{"onsale": sale()["onsale"], "rate": "500", "target": sale()["target"]}, nil)

	r := Parse(nil, before.Good)
	if !reflect.DeepEqual(r.Settings, defaults.Settings) || !r.Complete() {
		t.Errorf("all removed: settings %+v, want %+v", r.Settings, defaults.Settings)
	}
	var reported []string
	for _, rejection := range r.Rejected {
		reported = append(reported, rejection.Parameter)
		if rejection.Reason != "was removed but is required; the last good value stays in force" || rejection.Value != "" {
			t.Errorf("%+v", rejection)
		}
	}
	if !slices.Equal(reported, []string{"onsale", "rate", "target"}) {
		t.Errorf("reported %v", reported)
	}

	if r := Parse(nil, nil); r.Complete() || !slices.Equal(r.Missing, []string{"onsale", "rate", "target"}) || len(r.Rejected) > 0 {
		t.Errorf("never set: missing %v, rejected %v", r.Missing, r.Rejected)
	}
}

func TestOnSaleMovesPastItsNeighbours(t *testing.T) {
	before := Parse(sale(), nil)

	r := Parse(with(sale(), "onsale", "2026-11-22T10:00:00Z"), before.Good)
	if r.Settings.Closes != at("2026-11-23T10:00:00Z") || len(r.Rejected) != 1 || r.Rejected[0].Parameter != "closes" ||
		!strings.HasSuffix(r.Rejected[0].Reason, "the default is in force") {
		t.Errorf("onsale after closes: closes %v, rejected %v", r.Settings.Closes, r.Rejected)
	}
	if r.Settings.PreQueue != before.Settings.PreQueue {
		t.Errorf("prequeue became %v", r.Settings.PreQueue)
	}

	r = Parse(with(sale(), "onsale", "2026-11-20T10:00:00Z"), before.Good)
	if r.Settings.PreQueue != at("2026-11-20T09:30:00Z") || len(r.Rejected) != 1 || r.Rejected[0].Parameter != "prequeue" {
		t.Errorf("onsale before prequeue: prequeue %v, rejected %v", r.Settings.PreQueue, r.Rejected)
	}

	raw := with(sale(), "closes", "2026-11-21T08:00:00Z")
	r = Parse(raw, before.Good)
	if r.Settings.Closes != before.Settings.Closes || !strings.HasSuffix(r.Rejected[0].Reason, "the last good value stays in force") {
		t.Errorf("closes before onsale: closes %v, rejected %v", r.Settings.Closes, r.Rejected)
	}
}

func TestOneLanguageTwice(t *testing.T) {
	raw := with(sale(), "message/DA", "Hej")
	for _, c := range []struct {
		good             map[string]string
		inForce, refused string
	}{
		{sale(), "message/da", "message/DA"},
		{without(raw, "message/da"), "message/DA", "message/da"},
		{nil, "message/DA", "message/da"},
	} {
		r := Parse(raw, c.good)
		if r.Settings.Messages["da"] != raw[c.inForce] || len(r.Rejected) != 1 || r.Rejected[0].Parameter != c.refused ||
			!strings.Contains(r.Rejected[0].Reason, "second message in the same language") {
			t.Errorf("%s: message %q, rejected %v", c.inForce, r.Settings.Messages["da"], r.Rejected)
		}
	}
}

func TestTooManyLanguages(t *testing.T) {
	raw := sale()
	for i := range MaxLanguages - 1 { // and da
		raw[fmt.Sprintf("message/m%c", 'a'+i)] = "text"
	}
	full := Parse(raw, nil)
	if len(full.Rejected) > 0 || len(full.Settings.Messages) != MaxLanguages+1 {
		t.Fatalf("%d messages, rejected %v", len(full.Settings.Messages), full.Rejected)
	}
	r := Parse(with(raw, "message/aa", "first by name"), full.Good)
	if !reflect.DeepEqual(r.Settings, full.Settings) {
		t.Errorf("messages became %v", r.Settings.Messages)
	}
	if len(r.Rejected) != 1 || r.Rejected[0].Parameter != "message/aa" || !strings.Contains(r.Rejected[0].Reason, "the 20 there may be") {
		t.Errorf("rejected %v", r.Rejected)
	}
	r = Parse(without(with(raw, "message/aa", "fits now"), "message/da"), full.Good)
	if len(r.Rejected) > 0 || r.Settings.Messages["aa"] != "fits now" {
		t.Errorf("after one was removed: rejected %v", r.Rejected)
	}
}

func TestRejectionsShowNoCredentialAndStayShort(t *testing.T) {
	for _, text := range []string{"https://user:hunter2@shop.example", "https://shop.example/?waitingroom_pass=hunter2", "hunter2"} {
		r := Parse(with(sale(), "target", text), nil)
		if len(r.Rejected) != 1 || strings.Contains(fmt.Sprintf("%+v", r.Rejected), "hunter2") {
			t.Errorf("rejected %+v", r.Rejected)
		}
	}
	r := Parse(with(sale(), "rate", strings.Repeat("\xff9", 4000)), nil)
	if len(r.Rejected) != 1 || len(r.Rejected[0].Value) > 4*64 || len(r.Rejected[0].Reason) > 1000 {
		t.Errorf("rejected %+v", r.Rejected)
	}
	r = Parse(with(sale(), "rate", "fast"), sale())
	want := `rate: "fast" is not a whole number of visitors per minute between 1 and 60000; the last good value stays in force`
	if got := r.Rejected[0].String(); got != want || r.Rejected[0].Value != "fast" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCheckEvent(t *testing.T) {
	for _, name := range []string{"demo", "a", "-", "7-nights", strings.Repeat("a", 64), "v1x"} {
		if err := CheckEvent(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range append(names.Reserved(), "", "a/b", "Demo", "a_b", "a b", "é", "demo\n", strings.Repeat("a", 65)) {
		if err := CheckEvent(name); err == nil {
			t.Errorf("%q is let through", name)
		}
	}
}

// hasOrigin reports whether passes for the target can name their audience.
func hasOrigin(target string) bool {
	_, err := pass.Origin(target)
	return err == nil
}

// holds checks what is true of every Result.
func holds(t *testing.T, raw, good map[string]string) {
	t.Helper()
	r := Parse(raw, good)
	for _, again := range []Result{Parse(r.Good, nil), Parse(r.Good, r.Good)} {
		if !reflect.DeepEqual(again.Settings, r.Settings) || !maps.Equal(again.Good, r.Good) || !slices.Equal(again.Missing, r.Missing) {
			t.Fatalf("Good gives other settings: %+v, then %+v", r, again)
		}
		if len(again.Rejected) > 0 {
			t.Fatalf("Good is rejected: %v", again.Rejected)
		}
	}
	if again := Parse(raw, r.Good); !reflect.DeepEqual(again.Settings, r.Settings) || !maps.Equal(again.Good, r.Good) {
		t.Fatalf("asked again, the same texts give %+v, not %+v", again, r)
	}
	if !slices.Equal(r.Missing, missingFrom(r.Good)) {
		t.Fatalf("missing %v, good %v", r.Missing, r.Good)
	}
	for name, text := range r.Good {
		if raw[name] != text && good[name] != text {
			t.Fatalf("%s: %q is in force, which nobody set", name, text)
		}
	}
	for _, rejection := range r.Rejected {
		if raw[rejection.Parameter] == r.Good[rejection.Parameter] && raw[rejection.Parameter] != "" {
			t.Fatalf("%v, but it is in force", rejection)
		}
	}
	if r.Complete() {
		inRange(t, r.Settings)
	}
}

func missingFrom(good map[string]string) []string {
	var missing []string
	for _, name := range []string{"onsale", "rate", "target"} {
		if _, ok := good[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

func inRange(t *testing.T, s room.Settings) {
	t.Helper()
	ok := !s.PreQueue.After(s.OnSale) && s.Closes.After(s.OnSale) &&
		s.Rate >= 1 && s.Rate <= 60000 && hasOrigin(s.Target) &&
		s.ClaimWindow >= time.Minute && s.ClaimWindow <= time.Hour && s.PassLifetime >= time.Minute &&
		s.Shards >= 1 && s.Shards <= 128 && len(s.Messages) <= MaxLanguages+1 &&
		(s.Theme == "" || themeName.MatchString(s.Theme))
	if !ok {
		t.Fatalf("out of range: %+v", s)
	}
}

func TestProperties(t *testing.T) {
	pool := map[string][]string{}
	for name, texts := range badValues {
		pool[name] = slices.Collect(maps.Keys(texts))
	}
	for name, text := range sale() {
		pool[name] = append(pool[name], text)
	}
	for a := range pool {
		for _, text := range pool[a] {
			holds(t, with(sale(), a, text), nil)
			holds(t, with(sale(), a, text), sale())
			holds(t, sale(), with(sale(), a, text))
			holds(t, without(sale(), a), map[string]string{a: text})
		}
	}
}

// FuzzParse gives three parameters any text over a good sale and over nothing.
func FuzzParse(f *testing.F) {
	for name, texts := range badValues {
		for text := range texts {
			f.Add(name, text, "2026-11-21T10:00:00Z", "https://shop.example")
		}
	}
	for name, text := range sale() {
		f.Add(name, text, "2026-11-20T10:00:00Z", "http://[::1]:80")
	}
	f.Fuzz(func(t *testing.T, name, text, onsale, target string) {
		raw := with(with(with(sale(), "onsale", onsale), "target", target), name, text)
		holds(t, raw, nil)
		holds(t, raw, sale())
		holds(t, sale(), raw)
		holds(t, map[string]string{name: text}, raw)
		if CheckEvent(name) == nil && strings.ContainsAny(name, "/.\\% \n") {
			t.Fatalf("%q passes as an event", name)
		}
	})
}
