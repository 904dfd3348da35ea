package plain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"waitingroom/static"
)

const (
	wordsFolder = "assets/words"
	// longestLanguages bounds what is read of Accept-Language, in bytes.
	longestLanguages = 1000
	fallback         = "en"
)

// words are the page's own, in one language. Keys that a language lacks are English.
type words struct {
	name    string // the file's, which is also the document's language
	tag     language.Tag
	dir     string
	printer *message.Printer
	texts   map[string]string
	plurals map[string]map[string]string // by key and plural category
}

// rightToLeft are the scripts among the page's languages that run so.
var rightToLeft = map[string]bool{"Arab": true, "Hebr": true}

// forms are x/text's names of the plural categories that Intl.PluralRules has.
var forms = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// known are the page's languages, English first, and what finds the nearest to a wish. Most functions
// never draw a page, so it is made when the first one does.
var known = sync.OnceValue(func() *languages {
	l := &languages{names: []string{fallback}, read: map[string]*words{}}
	files, err := fs.Glob(static.Files, wordsFolder+"/*.json")
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, wordsFolder+"/"), ".json")
		if name != fallback {
			l.names = append(l.names, name)
		}
	}
	tags := make([]language.Tag, len(l.names))
	for i, name := range l.names {
		tags[i] = language.MustParse(name)
	}
	l.matcher = language.NewMatcher(tags)
	return l
})

type languages struct {
	names   []string
	matcher language.Matcher

	mu   sync.Mutex
	read map[string]*words
}

// choose returns the words in the language that an Accept-Language header wants most. A language
// that is only related, as Spanish is to Catalan, is not taken for it.
func choose(header string) (*words, error) {
	return inLanguage(nearest(wishes(header)))
}

// wishes are the languages of an Accept-Language header, the dearest first. One that cannot be read
// does not spoil the others.
func wishes(header string) []language.Tag {
	if len(header) > longestLanguages {
		return nil
	}
	type wish struct {
		tag    language.Tag
		weight float32
	}
	var all []wish
	for part := range strings.SplitSeq(header, ",") {
		tags, weights, err := language.ParseAcceptLanguage(part)
		if err == nil && len(tags) == 1 && weights[0] > 0 {
			all = append(all, wish{tags[0], weights[0]})
		}
	}
	slices.SortStableFunc(all, func(a, b wish) int { return cmp.Compare(b.weight, a.weight) })
	tags := make([]language.Tag, len(all))
	for i, w := range all {
		tags[i] = w.tag
	}
	return tags
}

func nearest(wanted []language.Tag) string {
	l := known()
	for _, tag := range wanted {
		if _, i, sure := l.matcher.Match(tag); sure >= language.High {
			return l.names[i]
		}
	}
	return fallback
}

// inLanguage reads a language's files once.
func inLanguage(name string) (*words, error) {
	l := known()
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.read[name]; w != nil {
		return w, nil
	}
	w, err := readWords(name)
	if err != nil {
		return nil, err
	}
	l.read[name] = w
	return w, nil
}

func readWords(name string) (*words, error) {
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("the words' language %q: %w", name, err)
	}
	// Digits as browsers write them today, whatever older tables say.
	digits, err := tag.SetTypeForKey("nu", "latn")
	if err != nil {
		return nil, fmt.Errorf("digits of %q: %w", name, err)
	}
	w := &words{name: name, tag: tag, dir: "ltr", printer: message.NewPrinter(digits),
		texts: map[string]string{}, plurals: map[string]map[string]string{}}
	if script, _ := tag.Script(); rightToLeft[script.String()] {
		w.dir = "rtl"
	}
	if name != fallback {
		english, err := readWords(fallback)
		if err != nil {
			return nil, err
		}
		maps.Copy(w.texts, english.texts)
		maps.Copy(w.plurals, english.plurals)
	}
	for _, folder := range []string{wordsFolder, wordsFolder + "/more"} {
		if err := w.add(folder + "/" + name + ".json"); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *words) add(file string) error {
	text, err := fs.ReadFile(static.Files, file)
	if err != nil {
		return err
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for key, entry := range entries {
		var one string
		if json.Unmarshal(entry, &one) == nil {
			w.texts[key] = one
			continue
		}
		var categories map[string]string
		if err := json.Unmarshal(entry, &categories); err != nil {
			return fmt.Errorf("%s: %s: %w", file, key, err)
		}
		w.plurals[key] = categories
	}
	return nil
}

func (w *words) say(key string) string { return w.texts[key] }

// sentences follow each other with a space, except where the language has none.
func (w *words) sentences(first, second string) string {
	switch base, _ := w.tag.Base(); base.String() {
	case "ja", "zh":
		return first + second
	}
	return first + " " + second
}

// fill says a text with a value in the place of its only placeholder.
func (w *words) fill(key, placeholder, value string) string {
	return strings.ReplaceAll(w.say(key), "{"+placeholder+"}", value)
}

func (w *words) number(n int64) string {
	return w.printer.Sprint(number.Decimal(n))
}

// people is the title's count, in the plural that the language has for it.
func (w *words) people(n int64) string {
	categories := w.plurals["people"]
	text, ok := categories[forms[plural.Cardinal.MatchPlural(w.tag, int(n%10_000_000), 0, 0, 0, 0)]]
	if !ok {
		text = categories["other"]
	}
	return strings.ReplaceAll(text, "{n}", w.number(n))
}

// units write a number of minutes or hours, n standing for it: the short forms of the Unicode CLDR
// (https://cldr.unicode.org, version 48) in the plural of many, or the long ones where there is but one
// plural. golang.org/x/text has none.
var units = map[string]struct{ minutes, hours string }{
	"ar": {"n د", "n س"}, "cs": {"n min", "n h"}, "da": {"n min.", "n t."}, "de": {"n Min.", "n Std."},
	"el": {"n λ.", "n ώ."}, "en": {"n min", "n hr"}, "es": {"n min", "n h"}, "fi": {"n min", "n t"},
	"fr": {"n min", "n h"}, "he": {"n דק׳", "n שע׳"}, "hi": {"n मि॰", "n घं॰"}, "hu": {"n perc", "n óra"},
	"id": {"n menit", "n jam"}, "it": {"n min", "n h"}, "ja": {"n 分", "n 時間"}, "ko": {"n분", "n시간"},
	"nb": {"n min", "n t"}, "nl": {"n min", "n uur"}, "pl": {"n min", "n godz."}, "pt": {"n min", "n h"},
	"ro": {"n min.", "n ore"}, "sv": {"n min", "n tim"}, "tr": {"n dakika", "n saat"}, "uk": {"n хв", "n год"},
	"zh": {"n分钟", "n小时"}, "zh-Hant": {"n 分鐘", "n 小時"},
}

func (w *words) minutes(n string) string { return write(n, w.unit().minutes) }

func (w *words) hours(n string) string { return write(n, w.unit().hours) }

func (w *words) unit() struct{ minutes, hours string } {
	if unit, ok := units[w.name]; ok {
		return unit
	}
	return units[fallback]
}

func write(n, unit string) string { return strings.Replace(unit, "n", n, 1) }

// duration is in minutes, rounded up, or from two hours on in the nearest number of hours. The unit
// of one hour differs from that of more in some languages, so there is none.
func (w *words) duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return w.say("wait.short")
	case d < 2*time.Hour:
		return w.minutes(w.number(int64((d + time.Minute - 1) / time.Minute)))
	}
	return w.hours(w.number(int64(d.Round(time.Hour) / time.Hour)))
}

// edges are those of the ranges that the page shows, in minutes: see static/assets/room.js.
var edges = []int{0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480}

// wait is an estimate as a range, which is all that it is good for.
func (w *words) wait(d time.Duration) string {
	for i, to := range edges[1:] {
		from := edges[i]
		switch {
		case d >= time.Duration(to)*time.Minute:
			continue
		case from == 0:
			return w.say("wait.short")
		case from < 60:
			return w.minutes(strconv.Itoa(from) + "–" + strconv.Itoa(to))
		}
		return w.hours(strconv.Itoa(from/60) + "–" + strconv.Itoa(to/60))
	}
	return w.fill("wait.long", "time", w.hours(strconv.Itoa(edges[len(edges)-1]/60)))
}
