// Package settings reads what promoters set in Parameter Store and checks it strictly. A value
// that does not parse is never used: the last good one stays in force and the rejection says
// what to do about it.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// Result is what one event's parameters amount to.
type Result struct {
	// Settings are in force. They are the zero value unless Complete.
	Settings room.Settings
	// Good is the text in force of every parameter that is not at its default. The caller keeps
	// it, also across a change of leader, and gives it to the next Parse.
	Good map[string]string
	// Rejected lists the values that are not used, by parameter.
	Rejected []Rejection
	// Missing names the required parameters that have no good value, now or before, by name.
	Missing []string
}

// Complete says whether every required parameter has a value, so that Settings may be used.
func (r Result) Complete() bool { return len(r.Missing) == 0 }

// Rejection says why a value is not used, in words for the promoter.
type Rejection struct {
	Parameter string // as in "rate" or "message/da"; a whole name in Parameter Store if it belongs to no event
	Value     string // at most 64 characters of it; empty for a removed one and for what may hold a credential
	Reason    string // what is wrong, what would be right, and what is in force instead
}

// String is the parameter's name and the reason.
func (r Rejection) String() string { return r.Parameter + ": " + r.Reason }

// Parse checks the texts of one event's parameters. Keys are names below the event, as in "rate"
// or "message/da"; good is the Good of the Result before, nil if there is none. For every
// parameter the first of these that stands up is in force: the text in raw, the text in good,
// the default. A parameter that is not in raw has been removed: it falls back to its default,
// a required one keeps its last good value and is reported.
//
// What depends on the event's run is left to Check.
func Parse(raw, good map[string]string) Result { return parse(raw, good, names.DefaultShards) }

func parse(raw, good map[string]string, defaultShards int) Result {
	r := Result{Settings: defaults(defaultShards), Good: map[string]string{}}
	for _, p := range parameters {
		r.take(p, raw, good)
	}
	r.takeMessages(raw, good)
	for name := range raw {
		if !known(name) {
			r.reject(name, raw[name], errors.New("there is no such parameter"),
				"it is ignored; the parameters are "+parameterNames())
		}
	}
	slices.SortFunc(r.Rejected, func(a, b Rejection) int { return strings.Compare(a.Parameter, b.Parameter) })
	slices.Sort(r.Missing)
	if !r.Complete() {
		r.Settings = room.Settings{}
		return r
	}
	if r.Settings.PreQueue.IsZero() {
		r.Settings.PreQueue = r.Settings.OnSale.Add(-defaultPreQueue)
	}
	if r.Settings.Closes.IsZero() {
		r.Settings.Closes = r.Settings.OnSale.Add(defaultCloses)
	}
	return r
}

// take puts one parameter in force and reports why its text, if it has one, is not.
func (r *Result) take(p parameter, raw, good map[string]string) {
	text, isSet := raw[p.name]
	last, hadGood := good[p.name]
	var reason error
	switch {
	case isSet:
		reason = p.apply(&r.Settings, text)
		if reason == nil {
			r.Good[p.name] = text
			return
		}
	case p.required && hadGood:
		reason = errors.New("was removed but is required")
	case p.required:
		r.Missing = append(r.Missing, p.name)
		return
	default:
		return
	}

	// The last good text is checked again: it may contradict a newer onsale.
	switch {
	case hadGood && p.apply(&r.Settings, last) == nil:
		r.Good[p.name] = last
		r.reject(p.name, text, reason, "the last good value stays in force")
	case p.required:
		r.Missing = append(r.Missing, p.name)
		r.reject(p.name, text, reason, "it is required and has no earlier value")
	default:
		r.reject(p.name, text, reason, "the default is in force")
	}
}

// takeMessages goes through the messages in force first, then by name, so that one language too
// many, or a language set twice, never displaces what visitors already see.
func (r *Result) takeMessages(raw, good map[string]string) {
	var inForce, others []string
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !isMessage(name) {
			continue
		}
		if _, ok := good[name]; ok {
			inForce = append(inForce, name)
		} else {
			others = append(others, name)
		}
	}
	for _, name := range append(inForce, others...) {
		r.take(parameter{name: name, set: setMessage(name)}, raw, good)
	}
}

func (r *Result) reject(name, value string, reason error, consequence string) {
	// A rejected target may hold a password or a pass, and an encrypted value is nobody's business.
	if name == Target || value == secureString {
		value = ""
	}
	r.Rejected = append(r.Rejected, Rejection{name, shorten(value), reason.Error() + "; " + consequence})
}

// hiddenAddress is told instead of an address that was set as something else than the target.
const hiddenAddress = "(an address, not shown)"

// shorten keeps a rejected value fit for a log line and a mail: an address may hold a password or
// a pass, whatever the parameter is called.
func shorten(text string) string {
	const most = 64
	if strings.Contains(text, "://") {
		return hiddenAddress
	}
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func quote(text string) string { return fmt.Sprintf("%q", shorten(text)) }

// CheckEvent returns an error that says what is wrong with an event's name, or nil.
func CheckEvent(name string) error {
	switch {
	case names.ValidEvent(name):
		return nil
	case slices.Contains(names.Reserved(), name):
		return fmt.Errorf("event name %s is reserved: choose another", quote(name))
	case len(name) < 1 || len(name) > names.LongestEvent:
		return fmt.Errorf("event name %s has %d characters: use 1 to %d", quote(name), len(name), names.LongestEvent)
	}
	return fmt.Errorf("event name %s holds other characters than a-z, 0-9 and hyphens", quote(name))
}

const (
	defaultPreQueue = 30 * time.Minute // before onsale
	defaultCloses   = 24 * time.Hour   // after onsale
)

// defaults leaves PreQueue and Closes at zero: they follow from onsale.
func defaults(shards int) room.Settings {
	return room.Settings{
		Control:      room.Auto,
		Messages:     map[string]string{},
		Stock:        room.Plenty,
		ClaimWindow:  10 * time.Minute,
		PassLifetime: 30 * time.Minute,
		Shards:       shards,
		PassAlg:      "RS256",
	}
}
