package names

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "waitingroom"
	root   = "../.." // of the repository, from this package
)

// pkg is what a folder's Go files import. Files are parsed, not built, so that the test needs no
// compiled CDK and go test knows which files its cached result depends on.
type pkg struct {
	imports     map[string]bool // by the files that are built
	testImports map[string]bool // by tests
}

// pure packages hold the rules. They import the standard library and one another.
var pure = []string{"shared/room", "shared/shuffle", "shared/ticket"}

// heavy modules take a minute to compile; nothing outside cdk may need them, not even a test.
var heavy = []string{"github.com/aws/aws-cdk-go", "github.com/aws/jsii-runtime-go", "github.com/aws/constructs-go", "github.com/cdklabs/"}

// violations are the imports that the layers forbid, as sentences. Packages are named by their
// folder.
func violations(packages map[string]pkg) []string {
	var found []string
	for _, from := range slices.Sorted(maps.Keys(packages)) {
		for _, imported := range slices.Sorted(maps.Keys(packages[from].imports)) {
			if reason := forbidden(from, imported); reason != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", from, imported, reason))
			}
		}
		for _, imported := range slices.Sorted(maps.Keys(packages[from].testImports)) {
			if layer(from) != "cdk" && isHeavy(imported) {
				found = append(found, fmt.Sprintf("a test of %s imports %s: only cdk may", from, imported))
			}
		}
	}
	return found
}

// forbidden gives the reason why a package may not import another, or nothing.
func forbidden(from, imported string) string {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	if slices.Contains(pure, from) && !isStandard(imported) && !slices.Contains(pure, own) {
		return "the rules import only the standard library and one another"
	}
	if layer(from) != "cdk" && isHeavy(imported) {
		return "only cdk may"
	}
	if !isOwn {
		return ""
	}
	switch layer(from) {
	case "shared":
		if layer(own) != "shared" && (from != "shared/words" || own != "static") {
			return "shared packages import nothing of ours but one another, and words the page's files"
		}
	case "lambdas":
		if layer(own) == "lambdas" && function(own) != function(from) {
			return "functions never import each other"
		}
		if layer(own) != "lambdas" && layer(own) != "shared" {
			return "functions import nothing of ours but shared packages"
		}
	case "cdk":
		if layer(own) != "cdk" && own != "shared/names" {
			return "cdk imports nothing of ours but names"
		}
	default:
		if layer(own) == "cdk" {
			return "nothing needs the infrastructure"
		}
	}
	return ""
}

// layer is a folder's first element, function a Lambda's name.
func layer(folder string) string { return strings.Split(folder, "/")[0] }

func function(folder string) string { return strings.Split(folder+"/", "/")[1] }

// isStandard goes by the rule that only the standard library's paths begin without a dot in their
// first element, apart from this module's own.
func isStandard(imported string) bool {
	first := layer(imported)
	return first != module && !strings.Contains(first, ".")
}

func isHeavy(imported string) bool {
	return slices.ContainsFunc(heavy, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
}

// readPackages parses the imports of every Go file of the repository.
func readPackages(t *testing.T) map[string]pkg {
	t.Helper()
	packages := map[string]pkg{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != root && (strings.HasPrefix(name, ".") || slices.Contains(
				[]string{"node_modules", "testdata", "dist", "cdk.out"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		return addImports(packages, file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func addImports(packages map[string]pkg, file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(root, file)
	if err != nil {
		return err
	}
	folder := path.Dir(filepath.ToSlash(relative))
	if _, ok := packages[folder]; !ok {
		packages[folder] = pkg{imports: map[string]bool{}, testImports: map[string]bool{}}
	}
	imports := packages[folder].imports
	if strings.HasSuffix(file, "_test.go") {
		imports = packages[folder].testImports
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		imports[imported] = true
	}
	return nil
}

func TestLayers(t *testing.T) {
	packages := readPackages(t)
	for _, folder := range append(slices.Clone(pure), "shared/names", "shared/gate", "cdk/waitingroom") {
		if _, ok := packages[folder]; !ok {
			t.Errorf("%s is not there: the rules for it hold nothing", folder)
		}
	}
	for _, violation := range violations(packages) {
		t.Error(violation)
	}
}

func TestForbiddenImportsAreFound(t *testing.T) {
	tests := []struct {
		from, imported string
		allowed        bool
	}{
		{"shared/room", "crypto/sha256", true},
		{"shared/room", "waitingroom/shared/shuffle", true},
		{"shared/room", "waitingroom/shared/names", false},
		{"shared/room", "golang.org/x/sync/errgroup", false},
		{"shared/ticket", "github.com/aws/aws-sdk-go-v2/aws", false},
		{"shared/store", "waitingroom/shared/room", true},
		{"shared/store", "github.com/aws/aws-sdk-go-v2/service/dynamodb", true},
		{"shared/store", "waitingroom/lambdas/tick", false},
		{"shared/store", "waitingroom/static", false},
		{"shared/words", "waitingroom/static", true},
		{"shared/plain", "waitingroom/static", false},
		{"shared/words", "waitingroom/local/page", false},
		{"lambdas/place", "waitingroom/static", false},
		{"shared/store", "waitingroom/cdk/waitingroom", false},
		{"shared/store", "waitingroom/local/dynamodb", false},
		{"lambdas/join", "waitingroom/shared/store", true},
		{"lambdas/join/bootstrap", "waitingroom/lambdas/join", true},
		{"lambdas/join", "waitingroom/lambdas/admit", false},
		{"lambdas/join/bootstrap", "waitingroom/lambdas/joiner", false},
		{"lambdas/join", "waitingroom/local/shop", false},
		{"lambdas/join", "waitingroom/cdk/waitingroom", false},
		{"cdk", "waitingroom/cdk/waitingroom", true},
		{"cdk/waitingroom", "waitingroom/shared/names", true},
		{"cdk/waitingroom", "waitingroom/shared/room", false},
		{"cdk/waitingroom", "waitingroom/lambdas/join", false},
		{"cdk/waitingroom", "github.com/aws/jsii-runtime-go", true},
		{"local", "waitingroom/lambdas/tick", true},
		{"local", "waitingroom/cdk/waitingroom", false},
		{"local", "github.com/aws/jsii-runtime-go", false},
		{"shared/names", "github.com/aws/constructs-go/constructs/v10", false},
		{"lambdas/tick", "github.com/aws/aws-cdk-go/awscdk/v2", false},
	}
	for _, test := range tests {
		packages := map[string]pkg{test.from: {imports: map[string]bool{test.imported: true}}}
		if got := violations(packages); (len(got) == 0) != test.allowed {
			t.Errorf("%s imports %s: found %q, allowed: %v", test.from, test.imported, got, test.allowed)
		}
	}
	heavyTest := map[string]pkg{"shared/room": {testImports: map[string]bool{"github.com/aws/jsii-runtime-go": true}}}
	if got := violations(heavyTest); len(got) != 1 {
		t.Errorf("a test that imports jsii: found %q", got)
	}
}

// A shop puts gate into its own program and must not get the AWS SDK with it, by no detour.
func TestGateIsLight(t *testing.T) {
	found := dependencies(t, module+"/shared/gate")
	if !slices.Contains(found, "net/http") {
		t.Fatalf("gate's dependencies lack net/http: %q", found)
	}
	for _, dependency := range found {
		if strings.HasPrefix(dependency, "github.com/aws/") {
			t.Errorf("gate needs %s", dependency)
		}
	}
	if sdk := dependencies(t, module+"/shared/store"); !slices.Contains(sdk, "github.com/aws/aws-sdk-go-v2/aws") {
		t.Error("the store's dependencies lack the AWS SDK: this test could not have found it in gate's")
	}
}

// Join and admit are started by the thousand when a crowd comes. Templates call methods by name, so the
// linker keeps all of every type's: a program with them is half as large again.
func TestProgramsOfTheCrowdHaveNoTemplates(t *testing.T) {
	templates := []string{"html/template", "text/template"}
	program := func(function string) []string { return dependencies(t, module+"/lambdas/"+function+"/bootstrap") }
	for _, function := range []string{FunctionJoin, FunctionAdmit} {
		for _, dependency := range program(function) {
			if slices.Contains(templates, dependency) {
				t.Errorf("%s needs %s", function, dependency)
			}
		}
	}
	// Join says nothing in the visitor's language.
	if slices.Contains(program(FunctionJoin), module+"/shared/words") {
		t.Error("join needs the page's words")
	}
	for _, dependency := range templates {
		if !slices.Contains(program(FunctionPlace), dependency) {
			t.Errorf("place's dependencies lack %s: this test could not have found it in the others", dependency)
		}
	}
}

// dependencies are all packages that one needs, built as the functions are. go list also follows other
// modules.
func dependencies(t *testing.T, importPath string) []string {
	t.Helper()
	command := exec.Command("go", "list", "-tags", "lambda.norpc", "-deps", importPath)
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", importPath, err)
	}
	return strings.Fields(string(output))
}
