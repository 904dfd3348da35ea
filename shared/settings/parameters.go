package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// Names of the required parameters below an event, for those who set them or treat one apart.
const (
	OnSale = "onsale"
	Rate   = "rate"
	Target = "target"
)

// shards is the one that is read only when a run begins.
const shards = "shards"

// message is the one without a language; the others are message + "/" + tag.
const message = "message"

// parameter is one thing that a promoter can set. set stores a good text and changes nothing
// when it returns an error; the error completes a sentence.
type parameter struct {
	name     string
	required bool
	set      func(s *room.Settings, text string) error
}

// parameters are in the order in which they are applied: prequeue and closes are checked against
// the onsale in force, so onsale comes first.
var parameters = []parameter{
	{OnSale, true, setOnSale},
	{"prequeue", false, setPreQueue},
	{"closes", false, setCloses},
	{Rate, true, setRate},
	{Target, true, setTarget},
	{"state", false, setState},
	{"stock", false, setStock},
	{"theme", false, setTheme},
	{"claim-window", false, setClaimWindow},
	{"pass-lifetime", false, setPassLifetime},
	{shards, false, setShards},
	{"pass-alg", false, setPassAlg},
}

// secureString stands for an encrypted value. No parameter can be set to it, because Parameter
// Store's values hold no NUL; so it is rejected and the last good value stays in force.
const secureString = "\x00SecureString"

func (p parameter) apply(s *room.Settings, text string) error {
	if text == secureString {
		return errors.New("is a SecureString, which is not decrypted: delete it and set it as type String")
	}
	return p.set(s, text)
}

func known(name string) bool {
	return isMessage(name) || slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name })
}

func parameterNames() string {
	list := []string{message, message + "/<language>"}
	for _, p := range parameters {
		list = append(list, p.name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func setOnSale(s *room.Settings, text string) error {
	t, err := ParseTime(text)
	if err != nil {
		return err
	}
	s.OnSale = t.UTC()
	return nil
}

func setPreQueue(s *room.Settings, text string) error {
	t, err := ParseTime(text)
	if err != nil {
		return err
	}
	if !s.OnSale.IsZero() && t.After(s.OnSale) {
		return fmt.Errorf("%s is after onsale, %s: set an earlier time, or delete it for 30 minutes before onsale",
			quote(text), s.OnSale.Format(time.RFC3339))
	}
	s.PreQueue = t.UTC()
	return nil
}

func setCloses(s *room.Settings, text string) error {
	t, err := ParseTime(text)
	if err != nil {
		return err
	}
	if !s.OnSale.IsZero() && !t.After(s.OnSale) {
		return fmt.Errorf("%s is not after onsale, %s: set a later time, or delete it for 24 hours after onsale",
			quote(text), s.OnSale.Format(time.RFC3339))
	}
	s.Closes = t.UTC()
	return nil
}

// ParseTime reads RFC 3339 with an offset, which it keeps. Times are in whole seconds because that is how
// they are published, and in years and offsets that fit every representation they meet. The error
// completes a sentence that begins with the name of what was set.
func ParseTime(text string) (time.Time, error) {
	const firstYear, lastYear = 1970, 2199
	t, err := strictTime(text)
	if err != nil {
		return time.Time{}, notATime(text)
	}
	if t.Nanosecond() != 0 {
		return time.Time{}, fmt.Errorf("%s has a fraction of a second: use whole seconds", quote(text))
	}
	if year := t.UTC().Year(); year < firstYear || year > lastYear {
		return time.Time{}, fmt.Errorf("%s is not in the years %d to %d", quote(text), firstYear, lastYear)
	}
	return t, nil
}

// notATime says what a text that strictTime refuses lacks, and what to write instead.
func notATime(text string) error {
	if _, err := strictTime(text + "Z"); err == nil {
		return fmt.Errorf("%s has no offset from UTC: add one, as in %q or %q", quote(text), text+"+01:00", text+"Z")
	}
	if offset := anyOffset.FindString(text); offset != "" {
		local := strings.TrimSuffix(text, offset)
		if _, err := strictTime(local + "Z"); err == nil {
			return fmt.Errorf("%s has an offset from UTC that does not exist: use hours up to 23 and minutes up to 59, as in %q", quote(text), local+"+01:00")
		}
	}
	return fmt.Errorf("%s is not a time in RFC 3339 with an offset, as in \"2026-11-21T10:00:00+01:00\"", quote(text))
}

// The time package also takes an hour of one digit, a comma before the fraction, and offsets of a day and
// minutes of 60, with which it then refuses to write the time as JSON.
var (
	rfc3339   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	anyOffset = regexp.MustCompile(`[+-]\d\d:\d\d$`)
)

func strictTime(text string) (time.Time, error) {
	if !rfc3339.MatchString(text) {
		return time.Time{}, errors.New("not RFC 3339")
	}
	return time.Parse(time.RFC3339, text)
}

func setRate(s *room.Settings, text string) error {
	n, ok := wholeNumber(text, room.MaxRate)
	if !ok {
		return fmt.Errorf("%s is not a whole number of visitors per minute between 1 and %d", quote(text), room.MaxRate)
	}
	s.Rate = n
	return nil
}

func setShards(s *room.Settings, text string) error {
	n, err := ParseShards(text)
	if err != nil {
		return err
	}
	s.Shards = n
	return nil
}

// ParseShards reads a number of shards, 1 to 128. The error completes a sentence that begins with
// the name of what was set.
func ParseShards(text string) (int, error) {
	n, ok := wholeNumber(text, names.MostShards)
	if !ok {
		return 0, fmt.Errorf("%s is not a whole number of shards between 1 and %d", quote(text), names.MostShards)
	}
	return n, nil
}

// wholeNumber reads digits alone: no sign, no space, no leading zero.
func wholeNumber(text string, most int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || text[0] == '0' || int(n) > most {
		return 0, false
	}
	return int(n), true
}

func setTarget(s *room.Settings, text string) error {
	if _, err := parseTarget(text); err != nil {
		return err
	}
	s.Target = text
	return nil
}

func setState(s *room.Settings, text string) error {
	return choose(&s.Control, text, room.Auto, room.ForcePaused, room.ForceSoldOut, room.ForceClosed)
}

func setStock(s *room.Settings, text string) error {
	return choose(&s.Stock, text, room.Plenty, room.Few, room.None)
}

// themeName is also part of an address, so it holds nothing that an address would have to escape.
var themeName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// setTheme checks the name alone. A theme that is missing from the page's files, or does not hold
// what a theme holds, leaves the page as it is.
func setTheme(s *room.Settings, text string) error {
	if !themeName.MatchString(text) {
		return fmt.Errorf("%s is not the name of a theme: use 1 to 64 of a-z, 0-9 and hyphens, as in \"winter-tour\", or delete it", quote(text))
	}
	s.Theme = text
	return nil
}

func setPassAlg(s *room.Settings, text string) error {
	return choose(&s.PassAlg, text, "RS256", "HS256")
}

func choose[T ~string](field *T, text string, choices ...T) error {
	if !slices.Contains(choices, T(text)) {
		return fmt.Errorf("%s is none of %q", quote(text), choices)
	}
	*field = T(text)
	return nil
}

func setClaimWindow(s *room.Settings, text string) error {
	return setDuration(&s.ClaimWindow, text, time.Minute, time.Hour, "1m to 1h")
}

// A pass is what lets a visitor stay in the shop: a day is longer than any checkout takes.
func setPassLifetime(s *room.Settings, text string) error {
	return setDuration(&s.PassLifetime, text, time.Minute, 24*time.Hour, "1m to 24h")
}

func setDuration(field *time.Duration, text string, least, most time.Duration, limits string) error {
	d, err := time.ParseDuration(text)
	if err != nil || text[0] == '+' || d < least || d > most || d%time.Second != 0 {
		return fmt.Errorf("%s is not a duration of %s in whole seconds, as in \"10m\" or \"90s\"", quote(text), limits)
	}
	*field = d
	return nil
}

// Limits of what visitors are told. All messages are kept in one DynamoDB item and are part of
// the status document that every visitor polls, so there cannot be any number of them.
const (
	MaxMessage   = 500 // characters
	MaxLanguages = 20  // languages in force, besides the message without a language
)

// DefaultMessage is the key in Settings.Messages of the message without a language.
const DefaultMessage = "default"

// A tag of two or three letters can never be DefaultMessage.
var languageTag = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// longestTag is what RFC 5646 asks every implementation to accept.
const longestTag = 35

func isMessage(name string) bool {
	return name == message || strings.HasPrefix(name, message+"/")
}

// setMessage returns the set function of message and of message/<language>.
func setMessage(name string) func(*room.Settings, string) error {
	return func(s *room.Settings, text string) error {
		key := DefaultMessage
		if name != message {
			tag := strings.TrimPrefix(name, message+"/")
			if len(tag) > longestTag || !languageTag.MatchString(tag) {
				return fmt.Errorf("%s is not a language tag: name it as in message/en or message/pt-BR", quote(tag))
			}
			key = strings.ToLower(tag)
		}
		if err := checkMessage(text); err != nil {
			return err
		}
		if _, taken := s.Messages[key]; taken {
			return errors.New("is a second message in the same language: delete one of them")
		}
		if key != DefaultMessage && languages(s.Messages) >= MaxLanguages {
			return fmt.Errorf("is one language more than the %d there may be: delete another first", MaxLanguages)
		}
		s.Messages[key] = text
		return nil
	}
}

func languages(messages map[string]string) int {
	if _, ok := messages[DefaultMessage]; ok {
		return len(messages) - 1
	}
	return len(messages)
}

func checkMessage(text string) error {
	if text == "" {
		return errors.New("is empty: delete it to show no message")
	}
	if !utf8.ValidString(text) {
		return errors.New("is not valid UTF-8: save it as UTF-8 and set it again")
	}
	if n := utf8.RuneCountInString(text); n > MaxMessage {
		return fmt.Errorf("has %d characters: use at most %d", n, MaxMessage)
	}
	if i := strings.IndexFunc(text, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }); i >= 0 {
		c, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("holds the control character %U: use plain text and newlines only", c)
	}
	return nil
}
