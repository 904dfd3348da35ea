package words

import (
	"slices"
	"strings"
	"testing"
)

func TestLanguages(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "en-GB": "en", "de-AT,de;q=0.8,en;q=0.5": "de", "xx, da;q=0.5": "da", "no": "nb", "nn-NO": "nb", "nb": "nb",
		"zh": "zh", "zh-CN": "zh", "zh-SG": "zh", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-Hant": "zh-Hant", "pt-BR": "pt",
		"iw": "he", "in": "id", "tlh": "en", "ca": "en", "fr;q=0.1, de;q=0.9": "de", "*": "en", "en;q=0.2,*;q=0.1": "en",
		";;;,,,": "en", "\x00": "en", strings.Repeat("de,", 400): "en", strings.Repeat("x-", 400) + "de": "en",
	} {
		w, err := For(header)
		if err != nil || w.Name != want {
			t.Errorf("%.40q: %v, %v, want %s", header, w.Name, err, want)
		}
	}
}

func TestEveryLanguage(t *testing.T) {
	all := Languages()
	if all[0] != "en" || len(all) < 20 {
		t.Errorf("the languages are %q", all)
	}
	for _, name := range all {
		w, err := For(name)
		if err != nil || w.Name != name {
			t.Fatalf("%s: %+v, %v", name, w, err)
		}
		if (w.Dir == "rtl") != slices.Contains([]string{"ar", "he"}, name) {
			t.Errorf("%s runs %s", name, w.Dir)
		}
		filled := w.Fill("wait.long", "time", "8")
		if w.Say("turn") == "" || !strings.Contains(filled, "8") || strings.Contains(filled, "{") {
			t.Errorf("%s: %q, %q", name, w.Say("turn"), filled)
		}
		// A category that the language does not have is that of most numbers.
		if other := w.Plural("people", "other"); !strings.Contains(other, "{n}") || w.Plural("people", "none") != other {
			t.Errorf("%s: %q", name, other)
		}
		space := !slices.Contains([]string{"ja", "zh", "zh-Hant"}, name)
		if got := w.Sentences("a", "b"); (got == "a b") != space || (got == "ab") == space {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Whoever has the list may change it.
func TestLanguagesAreACopy(t *testing.T) {
	Languages()[0] = "xx"
	if got := Languages()[0]; got != "en" {
		t.Error(got)
	}
}

func TestWordsThatAreNotThere(t *testing.T) {
	w, err := For("da")
	if err != nil {
		t.Fatal(err)
	}
	if w.Say("nothing") != "" || w.Plural("nothing", "one") != "" {
		t.Error("there are words for nothing")
	}
	if _, err := inLanguage("xx"); err == nil {
		t.Error("a language without files")
	}
}
