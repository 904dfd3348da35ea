package waitingroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"waitingroom/shared/names"
)

// HotShows say how hot shows are asked for and what they bring up beside the room.
type HotShows struct {
	// SelfApproval lets people approve what they asked for themselves. Default false.
	SelfApproval bool
	// Product is the shop's own product in Service Catalog, provisioned for each show. Default none.
	Product *Product
	// Jira is where shows are asked for and approved besides the API. Default none.
	Jira *Jira
}

// Product is a product in Service Catalog of the room's region. It needs a launch constraint: the room
// may not make what the product's template makes.
type Product struct {
	ID        string // such as prod-abcdefghijklm
	Artifact  string // id of its version, such as pa-abcdefghijklm
	Path      string // id of the launch path; may be left out where the room has one alone
	Portfolio string // id of the portfolio that the room gets access to; left out, somebody else grants it
	// Parameters are the product's by name. In their values {event}, {name}, {onsale}, {over}, {rate},
	// {target} and {visitors} stand for what a show was asked for with.
	Parameters map[string]string
}

// Jira is a site of Jira Service Management.
type Jira struct {
	Site   string         // https address without a path, such as https://example.atlassian.net
	Fields map[string]any // which field holds what of a request, see docs/jira.md
}

var (
	productID    = regexp.MustCompile(`^prod-[A-Za-z0-9]{1,95}$`)
	artifactID   = regexp.MustCompile(`^pa-[A-Za-z0-9]{1,95}$`)
	pathID       = regexp.MustCompile(`^lp[a-z0-9]*-[A-Za-z0-9]{1,90}$`)
	portfolioID  = regexp.MustCompile(`^port-[A-Za-z0-9]{1,95}$`)
	templateName = regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`) // CloudFormation's rule for parameters
)

// placeholder is what stands for something that a show was asked for with, placeholders those that there
// are. prepare refuses to start with any other.
var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func placeholders() []string {
	return []string{"{event}", "{name}", "{onsale}", "{over}", "{rate}", "{target}", "{visitors}"}
}

// mostSettings is how many bytes of JSON a function's variables have room for: Lambda takes 4 KB of
// them in all. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const mostSettings = 2500

func (h *HotShows) check() error {
	if h == nil {
		return nil
	}
	return errors.Join(h.Product.check(), h.Jira.check())
}

func (p *Product) check() error {
	if p == nil {
		return nil
	}
	errs := []error{
		checkGiven(p.ID, "HotShows.Product.ID", productID.MatchString, "give the product's id, such as prod-abcdefghijklm"),
		checkGiven(p.Artifact, "HotShows.Product.Artifact", artifactID.MatchString, "give the id of the product's version, such as pa-abcdefghijklm"),
		checkText(p.Path, "HotShows.Product.Path", pathID.MatchString, "give the id of a launch path, such as lpv3-abcdefghijklm"),
		checkText(p.Portfolio, "HotShows.Product.Portfolio", portfolioID.MatchString, "give the portfolio's id, such as port-abcdefghijklm"),
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if !templateName.MatchString(name) {
			errs = append(errs, fmt.Errorf("HotShows.Product.Parameters cannot have %q: give names of the product's parameters, of letters and digits", name))
		}
		for _, found := range placeholder.FindAllString(p.Parameters[name], -1) {
			if !slices.Contains(placeholders(), found) {
				errs = append(errs, fmt.Errorf("HotShows.Product.Parameters.%s cannot have %s: give one of %s, or other text", name, found, strings.Join(placeholders(), " ")))
			}
		}
	}
	return errors.Join(append(errs, checkSettings(p.json(), "HotShows.Product.Parameters"))...)
}

func (j *Jira) check() error {
	if j == nil {
		return nil
	}
	errs := []error{checkGiven(j.Site, "HotShows.Jira.Site", isSite, "give the site's https address without a path, such as https://example.atlassian.net, or https://api.atlassian.com/ex/jira/<cloud id>")}
	if len(j.Fields) == 0 {
		errs = append(errs, errors.New("HotShows.Jira.Fields is missing: say which field holds what of a request, as in docs/jira.md"))
	} else if missing := j.missing(); len(missing) > 0 {
		errs = append(errs, fmt.Errorf("HotShows.Jira.Fields lacks %s: say which field holds it, as in docs/jira.md", strings.Join(missing, ", ")))
	}
	for _, member := range slices.Sorted(maps.Keys(j.Fields)) {
		if change := checkMember(member, j.Fields[member]); change != "" {
			errs = append(errs, fmt.Errorf("HotShows.Jira.Fields.%s cannot be %s: %s", member, encoded(j.Fields[member]), change))
		}
	}
	return errors.Join(append(errs, checkSettings(j.json(), "HotShows.Jira.Fields"))...)
}

// checkGiven is checkText for what may not be left out.
func checkGiven(value, prop string, right func(string) bool, change string) error {
	if value == "" {
		return fmt.Errorf("%s is missing: %s", prop, change)
	}
	return checkText(value, prop, right, change)
}

func checkSettings(encoded, prop string) error {
	if len(encoded) <= mostSettings {
		return nil
	}
	return fmt.Errorf("%s cannot be %d bytes as JSON: give %d at most", prop, len(encoded), mostSettings)
}

// scopedSite is where Jira answers to tokens with scopes.
// https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
var scopedSite = regexp.MustCompile(`^https://api\.atlassian\.com/ex/jira/[0-9a-f-]{36}$`)

// isSite takes what a path can be added to.
func isSite(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && isHostName(u.Host) && address == "https://"+u.Host || scopedSite.MatchString(address)
}

// functions are those that a room with hot shows runs besides the others.
func (h *HotShows) functions() []string {
	if h == nil {
		return nil
	}
	return slices.DeleteFunc(names.HotShowFunctions(), func(name string) bool { return name == names.FunctionJira && h.Jira == nil })
}

// json is the product as lambdas/prepare reads it.
func (p *Product) json() string {
	return encoded(struct {
		Product    string            `json:"product"`
		Artifact   string            `json:"artifact"`
		Path       string            `json:"path,omitempty"`
		Parameters map[string]string `json:"parameters,omitempty"`
	}{p.ID, p.Artifact, p.Path, p.Parameters})
}

// missing are the members without which the function jira does not start.
func (j *Jira) missing() []string {
	return slices.DeleteFunc(names.JiraMembers(), func(member string) bool {
		_, given := j.Fields[member]
		return given
	})
}

// checkMember says what to change in a member with which the function jira does not start, if anything.
func checkMember(member string, value any) string {
	var statuses []string
	var field string
	switch {
	case slices.Contains(names.JiraStatusMembers(), member):
		if err := json.Unmarshal([]byte(encoded(value)), &statuses); err != nil || len(statuses) == 0 {
			return `give a list of statuses' names, such as ["Canceled"]`
		}
	case slices.Contains(names.JiraMembers(), member), slices.Contains(names.JiraOptionalMembers(), member),
		strings.HasPrefix(member, names.JiraNamePrefix):
		if err := json.Unmarshal([]byte(encoded(value)), &field); err != nil || field == "" {
			return "give text, such as customfield_10101"
		}
	default:
		return "there is no such member, docs/jira.md has those that there are"
	}
	return ""
}

// json is the map of fields as lambdas/jira reads it.
func (j *Jira) json() string { return encoded(j.Fields) }

// encoded is a value as JSON. Maps come sorted, so that the same props make the same template.
func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // Texts always marshal, and fields are read from JSON.
	}
	return string(text)
}
