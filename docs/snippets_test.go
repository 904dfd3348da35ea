package docs

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/settings"
)

// A code block of connect-a-shop.md stands under a comment that says where it is from, such as
//
//	<!-- cdk/doors/httpapi.go:authorizer -->
//
// and is what that file has between the lines "docs: authorizer" and "docs: end". Commands for a
// shell need none; with "run: name" a test below runs them.

// block is a fenced piece of the document.
type block struct {
	line     int
	marker   string // what the comment above it says
	language string
	text     string
}

var (
	fence   = regexp.MustCompile("^ *```(.*)$")
	comment = regexp.MustCompile(`^ *<!-- (\S.*\S) -->$`)
	begins  = regexp.MustCompile(`^(?://|#) docs: ([a-z-]+)$`)
)

// blocksOf are the fenced pieces of a document, in its order.
func blocksOf(t *testing.T, document string) []block {
	t.Helper()
	var found []block
	var marker string
	var current *block
	for i, line := range strings.Split(document, "\n") {
		delimiter := fence.FindStringSubmatch(line)
		switch {
		case delimiter != nil && current == nil:
			current = &block{line: i + 1, marker: marker, language: delimiter[1]}
		case delimiter != nil:
			found = append(found, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
		marker = ""
		if said := comment.FindStringSubmatch(line); said != nil {
			marker = said[1]
		}
	}
	if current != nil {
		t.Fatalf("the block of line %d has no end", current.line)
	}
	return found
}

// regionsOf are the marked parts of a source, by name.
func regionsOf(source string) (map[string]string, error) {
	found := map[string]string{}
	name := ""
	for line := range strings.Lines(source) {
		mark := begins.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		switch {
		case mark == nil && name != "":
			found[name] += line
		case mark == nil:
		case mark[1] == "end" && name != "":
			found[name] = strings.Trim(found[name], "\n") + "\n"
			name = ""
		case mark[1] == "end" || name != "" || found[mark[1]] != "":
			return nil, fmt.Errorf("the mark %q stands where none may", mark[1])
		default:
			name = mark[1]
		}
	}
	if name != "" {
		return nil, fmt.Errorf("%s has no end", name)
	}
	return found, nil
}

// sources are the marked parts that the document has to show, by "path:name".
func sources(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"../shared/gate/example_test.go"}
	for _, pattern := range []string{"../cdk/doors/*.go", "../cdk/doors/*.mjs", "../cdk/doors/*.py"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, more...)
	}
	found := map[string]string{}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		regions, err := regionsOf(string(source))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, region := range regions {
			found[strings.TrimPrefix(filepath.ToSlash(path), "../")+":"+name] = region
		}
	}
	return found
}

var languages = map[string]string{".go": "go", ".mjs": "js", ".py": "python"}

func TestSnippetsAreTheTestedCode(t *testing.T) {
	tested := sources(t)
	shown := map[string]bool{}
	for _, block := range blocksOf(t, contents(t, "connect-a-shop.md")) {
		if block.language == "sh" && (block.marker == "" || strings.HasPrefix(block.marker, "run: ")) {
			continue
		}
		want, ok := tested[block.marker]
		if !ok {
			t.Errorf("line %d: the %s block under %q is from no marked part of a source", block.line, block.language, block.marker)
			continue
		}
		shown[block.marker] = true
		if language := languages[filepath.Ext(strings.Split(block.marker, ":")[0])]; block.language != language {
			t.Errorf("line %d: marked as %q, is %q", block.line, block.language, language)
		}
		if block.text != want {
			t.Errorf("line %d: not what %s is:\n%s\nwant\n%s", block.line, block.marker, block.text, want)
		}
	}
	for marker := range tested {
		if !shown[marker] {
			t.Errorf("%s is marked and not shown", marker)
		}
	}
}

func TestMarkers(t *testing.T) {
	blocks := blocksOf(t, "<!-- a:b -->\n```go\nx\n```\n\n```sh\ny\nz\n```\n<!-- c -->\n\n```\n```\n")
	want := []block{{2, "a:b", "go", "x\n"}, {6, "", "sh", "y\nz\n"}, {12, "", "", ""}}
	if !slices.Equal(blocks, want) {
		t.Errorf("blocks %v, want %v", blocks, want)
	}
	regions, err := regionsOf("a\n// docs: one\n\nb\n\nc\n\n// docs: end\nd\n# docs: two\ne\n# docs: end\n")
	if err != nil || !maps.Equal(regions, map[string]string{"one": "b\n\nc\n", "two": "e\n"}) {
		t.Errorf("regions %q, %v", regions, err)
	}
	for _, source := range []string{
		"// docs: one\na\n", "// docs: end\n", "// docs: one\n// docs: two\n// docs: end\n",
		"// docs: one\na\n// docs: end\n// docs: one\na\n// docs: end\n",
	} {
		if _, err := regionsOf(source); err == nil {
			t.Errorf("taken: %q", source)
		}
	}
}

// run gives the commands of the block that is marked with "run: name".
func run(t *testing.T, name string) string {
	t.Helper()
	for _, block := range blocksOf(t, contents(t, "connect-a-shop.md")) {
		if block.marker == "run: "+name {
			return block.text
		}
	}
	t.Fatalf("no commands are marked with run: %s", name)
	return ""
}

// A shop beside a copy of this repository gets the middleware by the commands in the document.
func TestShopGetsTheMiddleware(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	shop := filepath.Join(folder, "shop")
	if err := os.Symlink(root, filepath.Join(folder, "waitingroom")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(shop, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"go.mod":  "module shop.example/shop\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport \"waitingroom/shared/gate\"\n\nfunc main() { println(gate.ProblemRefused) }\n",
	} {
		if err := os.WriteFile(filepath.Join(shop, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("sh", "-e", "-c", run(t, "middleware")+"go build -o ../built . && ../built")
	command.Dir = shop
	said, err := command.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "urn:waiting-room:problem:pass-refused\n") {
		t.Errorf("%v\n%s", err, said)
	}
}

var (
	switched  = regexp.MustCompile("`gate ([a-z-]+) ([^`]+)`")
	parameter = regexp.MustCompile(`--name /waiting-room/[a-z-]+/([a-z-]+) --value (\S+)`)
)

// What the commands set is what the gate and the room read.
func TestCommandsSetWhatIsRead(t *testing.T) {
	keys := []string{names.EdgeEvent, names.EdgePaths, names.EdgeEnforceFrom, names.EdgeOpenUntil}
	found := map[string]bool{}
	for _, match := range switched.FindAllStringSubmatch(contents(t, "connect-a-shop.md"), -1) {
		key, value := match[1], match[2]
		found[key] = true
		if !slices.Contains(keys, key) {
			t.Errorf("the gate reads no %q", key)
		}
		_, err := time.Parse(time.RFC3339, value)
		never := key == names.EdgeEnforceFrom && value == "never"
		if (key == names.EdgeEnforceFrom || key == names.EdgeOpenUntil) && err != nil && !never {
			t.Errorf("the gate reads no time in %s: %v", match[0], err)
		}
	}
	for _, key := range keys {
		if !found[key] {
			t.Errorf("how to set %s is missing", key)
		}
	}
	parameters := parameter.FindAllStringSubmatch(contents(t, "connect-a-shop.md"), -1)
	if len(parameters) == 0 {
		t.Error("no parameter is set")
	}
	for _, match := range parameters {
		texts := map[string]string{"onsale": "2026-11-28T10:00:00Z", "rate": "500", "target": "https://shop.example"}
		texts[match[1]] = match[2]
		if rejected := settings.Parse(texts, nil).Rejected; len(rejected) > 0 {
			t.Errorf("the room does not take %s: %v", match[0], rejected)
		}
	}
}

// The commands that switch a gate call AWS as they should: a stand-in for its command line says with
// what.
func TestGateIsSwitched(t *testing.T) {
	folder := t.TempDir()
	const stand = `#!/bin/sh
case "$2" in
describe-stacks) echo arn:of-the-store ;;
describe-key-value-store) [ "$4" = arn:of-the-store ] && echo ETAG1 ;;
*) printf '%s|' "$@" ;;
esac
`
	if err := os.WriteFile(filepath.Join(folder, "aws"), []byte(stand), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-e", "-c", run(t, "gate")+`gate paths "/checkout /api"`)
	command.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	said, err := command.CombinedOutput()
	want := "cloudfront-keyvaluestore|put-key|--kvs-arn|arn:of-the-store|--key|paths|--value|/checkout /api|--if-match|ETAG1|"
	if err != nil || string(said) != want {
		t.Errorf("%v: %s, want %s", err, said, want)
	}
}
