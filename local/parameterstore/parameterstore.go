// Package parameterstore is AWS Systems Manager Parameter Store in memory, as far as promoters
// and tick use it. It speaks the service's own JSON protocol, so that the aws command line and
// the SDK work with nothing but another endpoint. It checks no signature and keeps no history:
// it belongs on loopback, for one person.
package parameterstore

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Types and tiers as the service names them.
const (
	typeString       = "String"
	typeStringList   = "StringList"
	typeSecureString = "SecureString"

	tierStandard    = "Standard"
	tierAdvanced    = "Advanced"
	tierIntelligent = "Intelligent-Tiering"
)

// Limits of the service, in characters and levels.
const (
	longestStandardValue = 4096
	longestAdvancedValue = 8192
	longestDescription   = 1024
	longestName          = 1011
	deepestName          = 15
)

// Store holds parameters. It is an http.Handler and safe for concurrent use.
type Store struct {
	now     func() time.Time
	changed func(name, operation string)

	mu         sync.RWMutex
	parameters map[string]parameter
}

type parameter struct {
	name        string
	value       string
	kind        string
	tier        string
	description string
	version     int64
	modified    time.Time
}

// New returns an empty store that dates changes by now.
func New(now func() time.Time) *Store {
	return &Store{now: now, changed: func(string, string) {}, parameters: map[string]parameter{}}
}

// OnChange has f called after each change made over the API, with the name and the operation
// (Create, Update or Delete) that the service tells EventBridge of. Call it before the store serves.
func (s *Store) OnChange(f func(name, operation string)) { s.changed = f }

// Put sets a parameter of type String, over the one that is there. The error says which rule of
// Parameter Store the name or the value breaks.
func (s *Store) Put(name, value string) error {
	if _, err := s.put(putRequest{Name: name, Value: value, Type: typeString, Overwrite: true}); err != nil {
		return fmt.Errorf("put parameter %s: %w", name, err)
	}
	return nil
}

type putRequest struct {
	Name           string
	Value          string
	Type           string
	Tier           string
	Description    *string
	Overwrite      bool
	DataType       string
	AllowedPattern string
	Policies       string
}

func (s *Store) put(r putRequest) (parameter, error) {
	name, err := checkName(r.Name)
	if err != nil {
		return parameter{}, err
	}
	if err := checkOptions(r); err != nil {
		return parameter{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, exists := s.parameters[name]
	if exists && !r.Overwrite {
		return parameter{}, failure{"ParameterAlreadyExists",
			"The parameter already exists. To change it, set the overwrite option."}
	}
	if !exists {
		if r.Type == "" {
			return parameter{}, invalid("A new parameter needs a type: String, StringList or SecureString.")
		}
		p.name = name
	}
	if r.Type != "" {
		p.kind = r.Type
	}
	if r.Description != nil {
		p.description = *r.Description
	}
	if p.tier, err = nextTier(p.tier, r.Tier, r.Value); err != nil {
		return parameter{}, err
	}
	p.value = r.Value
	p.version++
	p.modified = s.now()
	s.parameters[name] = p
	return p, nil
}

// nextTier decides the tier of a parameter that is to hold value and checks that it fits.
func nextTier(current, wanted, value string) (string, error) {
	length := utf8.RuneCountInString(value)
	tier := wanted
	if tier == "" {
		tier = current
	}
	if tier == "" {
		tier = tierStandard
	}
	if tier == tierIntelligent {
		tier = tierStandard
		if length > longestStandardValue || current == tierAdvanced {
			tier = tierAdvanced
		}
	}
	if tier == tierStandard && current == tierAdvanced {
		return "", invalid("An advanced parameter cannot become a standard one. Delete it and create it again.")
	}
	if tier == tierStandard && length > longestStandardValue {
		return "", invalid("The value has %d characters. Standard parameters hold at most %d; use the Advanced tier for more.",
			length, longestStandardValue)
	}
	if length > longestAdvancedValue {
		return "", invalid("The value has %d characters. Advanced parameters hold at most %d.", length, longestAdvancedValue)
	}
	return tier, nil
}

// checkOptions refuses what the store cannot do rather than seem to do it.
func checkOptions(r putRequest) error {
	switch {
	case r.Value == "":
		return invalid("The value is empty. A parameter's value has at least one character.")
	case strings.Contains(r.Value, "{{"):
		return invalid("The value holds {{. Parameters cannot refer to other parameters.")
	case r.Type != "" && r.Type != typeString && r.Type != typeStringList && r.Type != typeSecureString:
		return invalid("The type %q is none of String, StringList and SecureString.", r.Type)
	case r.Tier != "" && r.Tier != tierStandard && r.Tier != tierAdvanced && r.Tier != tierIntelligent:
		return invalid("The tier %q is none of Standard, Advanced and Intelligent-Tiering.", r.Tier)
	case r.Description != nil && utf8.RuneCountInString(*r.Description) > longestDescription:
		return invalid("The description has more than %d characters.", longestDescription)
	case r.DataType != "" && r.DataType != "text":
		return invalid("The local Parameter Store has no data type %q, only text.", r.DataType)
	case r.AllowedPattern != "":
		return invalid("The local Parameter Store has no AllowedPattern. Leave it out.")
	case r.Policies != "":
		return invalid("The local Parameter Store has no Policies. Leave them out.")
	}
	return nil
}

var nameCharacters = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

// checkName returns the name as it is stored: the service drops spaces around it.
func checkName(name string) (string, error) {
	name = strings.Trim(name, " ")
	if name == "" || len(name) > longestName {
		return "", invalid("The parameter name has %d characters. It has 1 to %d.", len(name), longestName)
	}
	if !nameCharacters.MatchString(name) {
		return "", invalid("The parameter name %q holds other characters than a-z, A-Z, 0-9, underscore, dot, hyphen and slash.", name)
	}
	first := strings.ToLower(strings.TrimPrefix(name, "/"))
	if strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return "", invalid("The parameter name %q begins with aws or ssm, which are reserved.", name)
	}
	if !strings.Contains(name, "/") {
		return name, nil
	}
	levels := strings.Split(name, "/")
	if levels[0] != "" {
		return "", invalid("The parameter name %q has levels, so it must begin with a slash.", name)
	}
	if slices.Contains(levels[1:], "") {
		return "", invalid("The parameter name %q has an empty level.", name)
	}
	if len(levels)-1 > deepestName {
		return "", failure{"HierarchyLevelLimitExceededException",
			fmt.Sprintf("The parameter name has %d levels. It has at most %d.", len(levels)-1, deepestName)}
	}
	return name, nil
}

// find returns the parameters of these names in their order, and the names that there are none of.
func (s *Store) find(names []string) (found []parameter, missing []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range names {
		if p, ok := s.parameters[strings.Trim(name, " ")]; ok {
			found = append(found, p)
		} else {
			missing = append(missing, name)
		}
	}
	return found, missing
}

// remove deletes the parameters of these names and tells apart those that there were none of.
func (s *Store) remove(names []string) (removed, missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		key := strings.Trim(name, " ")
		if _, ok := s.parameters[key]; !ok {
			missing = append(missing, name)
			continue
		}
		delete(s.parameters, key)
		removed = append(removed, key)
	}
	return removed, missing
}

// after returns up to most parameters that match, by name, from the first one after the name
// given. A page that begins after a name is right also when parameters come and go in between.
func (s *Store) after(name string, most int, match func(parameter) bool) (page []parameter, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, next := range slices.Sorted(maps.Keys(s.parameters)) {
		p := s.parameters[next]
		if next <= name || !match(p) {
			continue
		}
		if len(page) == most {
			return page, true
		}
		page = append(page, p)
	}
	return page, false
}
