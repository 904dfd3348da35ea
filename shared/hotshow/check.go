package hotshow

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"waitingroom/shared/names"
	"waitingroom/shared/settings"
)

// Limits of a request.
const (
	MostVisitors  = 20_000_000
	LongestName   = 200 // characters of a show's name
	MostLanguages = 20  // in which a show has a name

	ShortestOver, LongestOver = time.Second, 30 * day // in which the visitors come
	LongestOpen               = 90 * day              // from the on-sale until the event closes

	longestReadyBefore        = 7 * day
	shortestKeep, longestKeep = time.Minute, 7 * day
	longestPreQueue           = 7 * day // before the on-sale: all is up for as long
	furthest                  = 2 * 365 * day

	day = 24 * time.Hour
)

// ProbePrefix begins the names of the events that checks of readiness use: no show has such an event.
const ProbePrefix = names.ProbePrefix

// Invalid is a request that cannot be: nothing is kept of it. Each of Problems is one line for whoever
// asked, and begins with the member that it is about.
type Invalid struct{ Problems []string }

func (i *Invalid) Error() string { return strings.Join(i.Problems, "\n") }

// faults are the problems of a request by its members.
type faults map[string][]string

// add notes a problem. Its text completes a sentence that begins with the member.
func (f faults) add(member, format string, args ...any) {
	f[member] = append(f[member], fmt.Sprintf(format, args...))
}

// invalid is nil if there are no faults.
func (f faults) invalid() error {
	if len(f) == 0 {
		return nil
	}
	var i Invalid
	for _, member := range slices.Sorted(maps.Keys(f)) {
		for _, text := range f[member] {
			i.Problems = append(i.Problems, member+": "+text)
		}
	}
	return &i
}

// Check says what keeps the request from being a show, as an *Invalid, or nil. What it accepts, the
// leader of the event accepts in Parameter Store. A crowd that the account cannot take is accepted:
// the plan's warnings say what to raise.
func (r Request) Check(now time.Time) error { return r.faults(now).invalid() }

func (r Request) faults(now time.Time) faults {
	f := faults{}
	if err := settings.CheckEvent(r.Event); err != nil {
		f.add("event", "%v", err)
	} else if strings.HasPrefix(r.Event, ProbePrefix) {
		f.add("event", "names that begin with %q are kept for checks of readiness: choose another", ProbePrefix)
	}
	r.checkNames(f)
	// The parameters are judged by the same code as those that a promoter sets by hand.
	texts := r.Texts(Needs{Shards: names.DefaultShards})
	for _, rejection := range settings.Parse(texts, nil).Rejected {
		f.add(rejection.Parameter, "%s", why(rejection))
	}
	if len(f["onsale"]) == 0 {
		r.checkTimes(f, now)
	}
	if r.Visitors < 1 || r.Visitors > MostVisitors {
		f.add("visitors", "%d is not a whole number of people between 1 and %d", r.Visitors, MostVisitors)
	}
	within(f, "over", r.Over, ShortestOver, LongestOver)
	within(f, "ready_before", r.ReadyBefore, 0, longestReadyBefore)
	within(f, "keep_after", r.KeepAfter, shortestKeep, longestKeep)
	return f
}

func (r Request) checkTimes(f faults, now time.Time) {
	switch onsale := r.OnSale.Format(time.RFC3339); {
	case !r.OnSale.After(now):
		f.add("onsale", "%q is past: set a time to come", onsale)
	case r.OnSale.After(now.Add(furthest)):
		f.add("onsale", "%q is more than two years away: ask for the show later", onsale)
	}
	if r.OnSale.Sub(r.PreQueue) > longestPreQueue {
		f.add("prequeue", "%q is more than %v before onsale: everything would be kept up for as long",
			r.PreQueue.Format(time.RFC3339), Duration(longestPreQueue))
	}
	if r.Closes.Sub(r.OnSale) > LongestOpen {
		f.add("closes", "%q is more than %d days after onsale", r.Closes.Format(time.RFC3339), LongestOpen/day)
	}
}

// why is a rejection's reason without what is in force instead, which is nothing yet.
func why(rejection settings.Rejection) string {
	reason := rejection.Reason
	if end := strings.LastIndex(reason, "; "); end >= 0 {
		reason = reason[:end]
	}
	return reason
}

func within(f faults, member string, d Duration, least, most time.Duration) {
	if time.Duration(d) < least || time.Duration(d) > most || time.Duration(d)%time.Second != 0 {
		f.add(member, "%v is not a duration of %v to %v in whole seconds", d, Duration(least), Duration(most))
	}
}

var languageTag = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$`)

func (r Request) checkNames(f faults) {
	if n := len(r.Names); n < 1 || n > MostLanguages {
		f.add("names", "has %d names: give 1 to %d, as in {\"en\":\"Winter tour\"}", n, MostLanguages)
		return
	}
	for _, tag := range slices.Sorted(maps.Keys(r.Names)) {
		if !languageTag.MatchString(tag) {
			f.add("names", "%.40q is not a language tag, as in \"en\" or \"pt-BR\"", tag)
			continue
		}
		if fault := checkText(r.Names[tag], LongestName); fault != "" {
			f.add("names", "%q %s", tag, fault)
		}
	}
}

// checkText completes a sentence about a text that is not one line of plain text of 1 to most
// characters; it is empty for one that is.
func checkText(text string, most int) string {
	n := utf8.RuneCountInString(text)
	switch {
	case strings.TrimSpace(text) == "":
		return "is empty"
	case n > most:
		return fmt.Sprintf("has %d characters: use at most %d", n, most)
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.ContainsFunc(text, breaks):
		return "holds a control character or a line break: use one line of plain text"
	}
	return ""
}

// breaks finds what makes a terminal or a log do something else than show a text in its line, or show
// its characters in another order than they stand in (https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings).
func breaks(c rune) bool {
	reorders := '\u202a' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069'
	return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || reorders
}

// LongestWhy is the length of the longest reason that a person gives, in characters.
const LongestWhy = 500

// CheckWhy says what is wrong with the reason that somebody gives for a change, as an *Invalid, or nil.
// No reason is none.
func CheckWhy(text string) error {
	f := faults{}
	if fault := checkText(text, LongestWhy); text != "" && fault != "" {
		f.add("why", "%s", fault)
	}
	return f.invalid()
}
