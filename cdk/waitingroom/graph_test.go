package waitingroom

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// substitution finds ${Name} and ${Name.Attribute} in the text of Fn::Sub.
var substitution = regexp.MustCompile(`\$\{([A-Za-z0-9]+)[.}]`)

// references are the names that a value of a template refers to.
func references(value any) []string {
	var found []string
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			found = append(found, references(element)...)
		}
	case map[string]any:
		for key, element := range value {
			switch key {
			case "Ref":
				found = append(found, element.(string))
			case "Fn::GetAtt":
				found = append(found, attributeOwner(element))
			case "Fn::Sub":
				found = append(found, substituted(element)...)
			default:
				found = append(found, references(element)...)
			}
		}
	}
	return found
}

// attributeOwner takes both notations of Fn::GetAtt, a list and a dotted text.
func attributeOwner(argument any) string {
	if list, ok := argument.([]any); ok {
		return list[0].(string)
	}
	name, _, _ := strings.Cut(argument.(string), ".")
	return name
}

func substituted(argument any) []string {
	var found []string
	if list, ok := argument.([]any); ok {
		found = references(list[1])
		argument = list[0]
	}
	for _, match := range substitution.FindAllStringSubmatch(argument.(string), -1) {
		found = append(found, match[1])
	}
	return found
}

// cycle is a path of resources from one back to itself, or nothing.
func cycle(resources map[string]resource) []string {
	finished := map[string]bool{}
	var path, found []string
	var visit func(id string)
	visit = func(id string) {
		if start := slices.Index(path, id); start >= 0 {
			found = append(slices.Clone(path[start:]), id)
		}
		if found != nil || finished[id] {
			return
		}
		path = append(path, id)
		used := append(references(resources[id].Properties), resources[id].DependsOn...)
		for _, next := range used {
			if _, ok := resources[next]; ok {
				visit(next)
			}
		}
		path = path[:len(path)-1]
		finished[id] = true
	}
	for id := range resources {
		visit(id)
	}
	return found
}

func TestNoCycle(t *testing.T) {
	for name, room := range rooms() {
		if found := cycle(room.Resources); found != nil {
			t.Errorf("%s: CloudFormation cannot order these: %s", name, strings.Join(found, " needs "))
		}
	}
}

func TestCycleIsFound(t *testing.T) {
	uses := func(value any) resource { return resource{Properties: map[string]any{"p": []any{value}}} }
	end := resource{}
	tests := map[string]struct {
		resources map[string]resource
		want      bool
	}{
		"none":      {map[string]resource{"A": uses(map[string]any{"Ref": "B"}), "B": end}, false},
		"parameter": {map[string]resource{"A": uses(map[string]any{"Ref": "AWS::Region"})}, false},
		"ref": {map[string]resource{
			"A": uses(map[string]any{"Ref": "B"}), "B": uses(map[string]any{"Ref": "A"})}, true},
		"attribute": {map[string]resource{
			"A": uses(map[string]any{"Fn::GetAtt": []any{"B", "Arn"}}), "B": uses(map[string]any{"Fn::GetAtt": "A.Arn"})}, true},
		"substitution": {map[string]resource{
			"A": uses(map[string]any{"Fn::Sub": "x${B}"}), "B": uses(map[string]any{"Fn::Sub": []any{"${A.Arn}", map[string]any{}}})}, true},
		"dependency": {map[string]resource{
			"A": uses(map[string]any{"Ref": "B"}), "B": {DependsOn: []string{"C"}}, "C": uses(map[string]any{"Ref": "A"})}, true},
		"itself": {map[string]resource{"A": uses(map[string]any{"Ref": "A"})}, true},
	}
	for name, test := range tests {
		if got := cycle(test.resources) != nil; got != test.want {
			t.Errorf("%s: cycle found: %v, want %v", name, got, test.want)
		}
	}
}
