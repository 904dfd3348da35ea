package docs

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// documents are the README and all that is in this folder, as paths from it.
func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"../README.md"}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`^#{1,6} (.+)$`)
	code    = regexp.MustCompile("`[^`]*`")
)

// prose is a document without its code, where brackets are no links and # begins no heading.
func prose(document string) []string {
	var lines []string
	inside := false
	for _, line := range strings.Split(document, "\n") {
		if fence.MatchString(line) {
			inside = !inside
		} else if !inside {
			lines = append(lines, line)
		}
	}
	return lines
}

// anchors are the names that GitHub gives to a document's headings: letters, digits, hyphens and
// underscores, in lower case, with hyphens for spaces; what comes again gets a number.
func anchors(document string) []string {
	var found []string
	times := map[string]int{}
	for _, line := range prose(document) {
		title := heading.FindStringSubmatch(line)
		if title == nil {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, link.ReplaceAllString(title[1], ""))
		times[anchor]++
		if n := times[anchor]; n > 1 {
			anchor = fmt.Sprintf("%s-%d", anchor, n-1)
		}
		found = append(found, anchor)
	}
	return found
}

// dead says why a link of the document at path leads nowhere, or nothing if it leads somewhere.
// What is not in this repository is not asked for.
func dead(t *testing.T, path, address string) string {
	t.Helper()
	to, err := url.Parse(address)
	switch {
	case err != nil:
		return err.Error()
	case to.IsAbs():
		return ""
	}
	target := path
	if to.Path != "" {
		target = filepath.Join(filepath.Dir(path), to.Path)
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file or folder"
	}
	if to.Fragment != "" && !slices.Contains(anchors(contents(t, target)), to.Fragment) {
		return "there is no such heading"
	}
	return ""
}

func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	for _, path := range documents(t) {
		for _, line := range prose(contents(t, path)) {
			for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
				links++
				if why := dead(t, path, match[1]); why != "" {
					t.Errorf("%s links to %s: %s", path, match[1], why)
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("found only %d links", links)
	}
}

func TestDeadLinksAreFound(t *testing.T) {
	for address, want := range map[string]bool{
		"runbook.md": true, "runbook.md#no-leader": true, "#2-tools": true, "../cdk/waitingroom": true, "https://example.com/x#y": true,
		"runbook": false, "runbook.md#No-Leader": false, "#no-leader": false, "../docs/none.md": false, "%zz": false,
	} {
		if why := dead(t, "deploy.md", address); (why == "") != want {
			t.Errorf("%s: %q", address, why)
		}
	}
	got := anchors("# A `b`, c's\n```\n# d\n```\n## Ü-1 & 2\n## Ü-1 & 2\n")
	if want := []string{"a-b-cs", "ü-1--2", "ü-1--2-1"}; !slices.Equal(got, want) {
		t.Errorf("anchors %q, want %q", got, want)
	}
}

// Commands are pasted as they stand. zsh, which is what a Mac has, takes a comment that is typed for
// arguments, and the apostrophe in it for the beginning of a text. A name in angle brackets would
// read and write files.
func TestCommandsCanBePasted(t *testing.T) {
	commands := 0
	for _, path := range documents(t) {
		for _, block := range blocksOf(t, contents(t, path)) {
			if block.language != "sh" {
				continue
			}
			commands++
			for _, reason := range unfit(block.text) {
				t.Errorf("%s, line %d: %s", path, block.line, reason)
			}
		}
	}
	if commands < 30 {
		t.Errorf("found only %d blocks of commands", commands)
	}
}

var (
	commented   = regexp.MustCompile(`(?m)(?:^|\s)#.*`)
	placeholder = regexp.MustCompile(`<[a-z][^<>\n]*>`)
)

// unfit says what keeps commands from being pasted.
func unfit(commands string) []string {
	var reasons []string
	if found := commented.FindString(commands); found != "" {
		reasons = append(reasons, "a comment: "+strings.TrimSpace(found))
	}
	if found := placeholder.FindString(commands); found != "" {
		reasons = append(reasons, "something to fill in: "+found)
	}
	parse := exec.Command("bash", "-n")
	parse.Stdin = strings.NewReader(commands)
	if said, err := parse.CombinedOutput(); err != nil {
		reasons = append(reasons, fmt.Sprintf("bash refuses it: %v %s", err, said))
	}
	return reasons
}

func TestUnfitCommandsAreFound(t *testing.T) {
	for commands, want := range map[string]int{
		"make synth\nid=$(f \"$1\")\n": 0, "a \"b${c#*=}\" ${d%%=*}\n": 0, "cat <<'END'\n{}\nEND\n": 0,
		"# x\na\n": 1, "a   # x\n": 1, "a <name>\n": 2, "a <name> b\n": 1, "a 'b\n": 1, "for a in b; do\n": 1,
	} {
		if got := unfit(commands); len(got) != want {
			t.Errorf("%q: %q", commands, got)
		}
	}
}
