// Package words has the words of the page in package static, in the language that a browser wants most,
// for the functions that answer browsers without JavaScript.
package words

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"waitingroom/static"
)

const (
	folder = "assets/words"
	// longestLanguages bounds what is read of Accept-Language, in bytes.
	longestLanguages = 1000
	fallback         = "en"
)

// Words are the page's own, in one language. Keys that a language lacks are English.
type Words struct {
	Name string // the file's, which is also the document's language
	Tag  language.Tag
	Dir  string // the document's direction, "ltr" or "rtl"

	texts   map[string]string
	plurals map[string]map[string]string // by key and plural category
}

// rightToLeft are the scripts among the page's languages that run so.
var rightToLeft = map[string]bool{"Arab": true, "Hebr": true}

// known are the page's languages, English first, and what finds the nearest to a wish. Most functions
// never draw a page, so it is made when the first one does.
var known = sync.OnceValue(func() *languages {
	l := &languages{names: []string{fallback}, read: map[string]*Words{}}
	files, err := fs.Glob(static.Files, folder+"/*.json")
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, folder+"/"), ".json")
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
	read map[string]*Words
}

// Languages are the names of all that there are words in, English first.
func Languages() []string { return slices.Clone(known().names) }

// For returns the words in the language that an Accept-Language header wants most. A language that is
// only related, as Spanish is to Catalan, is not taken for it. It fails only if a file is broken.
func For(header string) (*Words, error) {
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
func inLanguage(name string) (*Words, error) {
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

func readWords(name string) (*Words, error) {
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("the words' language %q: %w", name, err)
	}
	w := &Words{Name: name, Tag: tag, Dir: "ltr", texts: map[string]string{}, plurals: map[string]map[string]string{}}
	if script, _ := tag.Script(); rightToLeft[script.String()] {
		w.Dir = "rtl"
	}
	if name != fallback {
		english, err := readWords(fallback)
		if err != nil {
			return nil, err
		}
		maps.Copy(w.texts, english.texts)
		maps.Copy(w.plurals, english.plurals)
	}
	for _, file := range []string{folder + "/" + name + ".json", folder + "/more/" + name + ".json"} {
		if err := w.add(file); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *Words) add(file string) error {
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

// Say is the text of a key, with its placeholders.
func (w *Words) Say(key string) string { return w.texts[key] }

// Fill says a text with a value in the place of its only placeholder.
func (w *Words) Fill(key, placeholder, value string) string {
	return strings.ReplaceAll(w.Say(key), "{"+placeholder+"}", value)
}

// Plural is a text in the plural category of a number, as Intl.PluralRules names it.
func (w *Words) Plural(key, category string) string {
	if text, ok := w.plurals[key][category]; ok {
		return text
	}
	return w.plurals[key]["other"]
}

// Sentences follow each other with a space, except where the language has none.
func (w *Words) Sentences(first, second string) string {
	switch base, _ := w.Tag.Base(); base.String() {
	case "ja", "zh":
		return first + second
	}
	return first + " " + second
}
