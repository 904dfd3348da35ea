package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"waitingroom/shared/words"
)

// texts are words with numbers in them.
type texts struct {
	*words.Words
	printer *message.Printer
}

// forms are x/text's names of the plural categories that Intl.PluralRules has.
var forms = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// textsFor are in the language that an Accept-Language header wants most.
func textsFor(header string) (*texts, error) {
	w, err := words.For(header)
	if err != nil {
		return nil, err
	}
	// Digits as browsers write them today, whatever older tables say.
	digits, err := w.Tag.SetTypeForKey("nu", "latn")
	if err != nil {
		return nil, fmt.Errorf("digits of %q: %w", w.Name, err)
	}
	return &texts{w, message.NewPrinter(digits)}, nil
}

func (w *texts) number(n int64) string {
	return w.printer.Sprint(number.Decimal(n))
}

// people is the title's count, in the plural that the language has for it.
func (w *texts) people(n int64) string {
	category := forms[plural.Cardinal.MatchPlural(w.Tag, int(n%10_000_000), 0, 0, 0, 0)]
	return strings.ReplaceAll(w.Plural("people", category), "{n}", w.number(n))
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

func (w *texts) minutes(n string) string { return write(n, w.unit().minutes) }

func (w *texts) hours(n string) string { return write(n, w.unit().hours) }

func (w *texts) unit() struct{ minutes, hours string } {
	if unit, ok := units[w.Name]; ok {
		return unit
	}
	return units["en"]
}

func write(n, unit string) string { return strings.Replace(unit, "n", n, 1) }

// duration is in minutes, rounded up, or from two hours on in the nearest number of hours. The unit
// of one hour differs from that of more in some languages, so there is none.
func (w *texts) duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return w.Say("wait.short")
	case d < 2*time.Hour:
		return w.minutes(w.number(int64((d + time.Minute - 1) / time.Minute)))
	}
	return w.hours(w.number(int64(d.Round(time.Hour) / time.Hour)))
}

// edges are those of the ranges that the page shows, in minutes: see static/assets/room.js.
var edges = []int{0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480}

// wait is an estimate as a range, which is all that it is good for.
func (w *texts) wait(d time.Duration) string {
	for i, to := range edges[1:] {
		from := edges[i]
		switch {
		case d >= time.Duration(to)*time.Minute:
			continue
		case from == 0:
			return w.Say("wait.short")
		case from < 60:
			return w.minutes(strconv.Itoa(from) + "–" + strconv.Itoa(to))
		}
		return w.hours(strconv.Itoa(from/60) + "–" + strconv.Itoa(to/60))
	}
	return w.Fill("wait.long", "time", w.hours(strconv.Itoa(edges[len(edges)-1]/60)))
}
