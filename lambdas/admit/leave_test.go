package admit

import (
	"html"
	"strings"
	"testing"

	"waitingroom/shared/httpapi"
)

// FuzzLeaving holds that an address changes nothing of the page but itself, which stays in its quotes.
func FuzzLeaving(f *testing.F) {
	for _, address := range []string{
		"https://shop.example/?a=1&waitingroom_pass=a.b-c_d", `https://"`, `https://'><script>`, "http://&amp;quot;", "https://{heading}{address}",
		"https://\x00\n\t\xff\u2028", "javascript:alert(1)", " https://shop.example", "HTTPS://shop.example", "//shop.example", "data:text/html,x", "",
	} {
		f.Add(address)
	}
	ask := httpapi.Request{Headers: map[string]string{"Accept-Language": "en"}}
	const harmless = "https://shop.example/"
	plain, err := leave(ask, "demo", harmless)
	if err != nil {
		f.Fatal(err)
	}
	around := strings.Split(plain.Body, harmless)
	if len(around) != 3 || !strings.HasSuffix(around[0], ` content="0; url=`) || !strings.HasSuffix(around[1], ` href="`) ||
		!strings.HasPrefix(around[1], `">`) || !strings.HasPrefix(around[2], `" rel="noreferrer">`) {
		f.Fatal(plain.Body)
	}
	f.Fuzz(func(t *testing.T, address string) {
		r, err := leave(ask, "demo", address)
		if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			if err == nil {
				t.Errorf("%q is taken for a shop: %s", address, r.Body)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		rest, first := strings.CutPrefix(r.Body, around[0])
		rest, last := strings.CutSuffix(rest, around[2])
		once, twice, middle := strings.Cut(rest, around[1])
		if !first || !last || !middle || once != twice {
			t.Fatalf("%q: %s", address, r.Body)
		}
		if strings.ContainsAny(once, `<>"'`) || html.UnescapeString(once) != address {
			t.Errorf("%q is written %q", address, once)
		}
	})
}

// A name that no event has never comes here, and would be harmless.
func TestLeavingEscapesTheEvent(t *testing.T) {
	r, err := leave(httpapi.Request{}, `"><script>`, "https://shop.example/")
	if err != nil || strings.Contains(r.Body, "<script") {
		t.Errorf("%v %s", err, r.Body)
	}
}
