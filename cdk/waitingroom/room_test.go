package waitingroom

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"waitingroom/cdk/templatetest"
	"waitingroom/shared/names"
)

// synthesised are the stacks that all tests look at, as objects of the assertions package and as
// plain JSON. They are put together once.
var synthesised struct {
	template assertions.Template
	document document // of a room with every default
	named    document // of a room with every prop
	shows    document // of a room with every default and hot shows, called as the first one is
	edge     document // of the stack in us-east-1

	room      *Room // whose stack is document
	namedRoom *Room
	showsRoom *Room
	assets    string // the folder of what is uploaded
}

// everyProp is what the named room is made with.
func everyProp(props Props) Props {
	props.Domain = &Domain{
		Name:        "queue.example.com",
		Certificate: "arn:aws:acm:us-east-1:111122223333:certificate/example",
		Zone:        "Z0123456789ABCDEFGHIJ",
	}
	props.WebACL = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/room/example"
	props.WarmThroughput = &WarmThroughput{Reads: 20000, Writes: 40000}
	props.AlarmAddress = "team@example.com"
	props.Runbook = "https://wiki.example.com/runbook.md"
	props.LogRetention = awslogs.RetentionDays_ONE_WEEK
	props.Removal = awscdk.RemovalPolicy_DESTROY
	props.PassKey = PassKeySecret
	props.Shards = 64
	props.OriginKey = "b"
	props.HotShows = &HotShows{
		SelfApproval: true,
		Product: &Product{
			ID: "prod-abcdefghijklm", Artifact: "pa-abcdefghijklm", Path: "lpv3-abcdefghijklm", Portfolio: "port-abcdefghijklm",
			Parameters: map[string]string{"Size": "large"},
		},
		Jira: &Jira{Site: "https://example.atlassian.net", Fields: jiraFields()},
	}
	return props
}

// jiraFields name one field for everything.
func jiraFields() map[string]any {
	fields := map[string]any{}
	for _, member := range names.JiraMembers() {
		fields[member] = "customfield_10050"
	}
	return fields
}

// document is a template with what this package's tests look for in it.
type document struct{ templatetest.Template }

type resource = templatetest.Resource

var text = templatetest.Text

func TestMain(m *testing.M) { templatetest.Main(m, synthesise) }

// synthesise makes the stacks of a folder of stubs.
func synthesise(folder string) error {
	props, err := stubs(folder)
	if err != nil {
		return err
	}
	app := awscdk.NewApp(nil)
	synthesised.assets = *app.Outdir()
	stack, room, err := NewStack(app, "WaitingRoom", nil, props)
	if err != nil {
		return err
	}
	named, namedRoom, err := NewStack(app, "Named", nil, everyProp(props))
	if err != nil {
		return err
	}
	withShows := props
	withShows.HotShows = &HotShows{}
	shows, showsRoom, err := NewStack(awscdk.NewApp(nil), "WaitingRoom", nil, withShows)
	if err != nil {
		return err
	}
	edge, _, err := NewEdgeStack(app, "Edge", nil, EdgeProps{
		Domain: "queue.example.com", Zone: "Z0123456789ABCDEFGHIJ", WebACL: &WebACLProps{},
	})
	if err != nil {
		return err
	}

	synthesised.room, synthesised.namedRoom, synthesised.showsRoom = room, namedRoom, showsRoom
	synthesised.template = assertions.Template_FromStack(stack, nil)
	for _, part := range []struct {
		template assertions.Template
		into     *document
	}{
		{synthesised.template, &synthesised.document},
		{assertions.Template_FromStack(named, nil), &synthesised.named},
		{assertions.Template_FromStack(shows, nil), &synthesised.shows},
		{assertions.Template_FromStack(edge, nil), &synthesised.edge},
	} {
		if part.into.Template, err = templatetest.Read(part.template); err != nil {
			return err
		}
	}
	return nil
}

// uploaded are files like those of the page, and notUploaded like those that lie beside them.
func uploaded() []string {
	return []string{
		"assets/page.js", "assets/themes/winter-tour.json", "assets/themes/winter-tour.svg", "assets/words/en.json",
		"assets/words/more/en.json", "index.html",
	}
}

func notUploaded() []string {
	return []string{"README.md", "assets/themes/README.md", "package.json", "static.go", "test/browser/states.spec.mjs", "test/room.test.mjs"}
}

// stubs are the props of a room that is made of stubs in a folder.
func stubs(folder string) (Props, error) {
	files := []string{}
	for _, file := range append(uploaded(), notUploaded()...) {
		files = append(files, filepath.Join("static", filepath.FromSlash(file)))
	}
	for _, name := range slices.Concat(names.Functions(), names.HotShowFunctions(), []string{names.FunctionPassKey}) {
		files = append(files, filepath.Join("dist", name, "bootstrap"))
	}
	props := Props{Functions: filepath.Join(folder, "dist"), Page: filepath.Join(folder, "static")}
	return props, templatetest.Stub(folder, files...)
}

// check turns the panic of a failed assertion into a failure of this test, so that the others run.
func check(t *testing.T, assertion func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if failure := recover(); failure != nil {
			t.Errorf("%v", failure)
		}
	}()
	assertion()
}

// has expects a resource with at least these properties.
func has(t *testing.T, kind string, properties map[string]any) {
	t.Helper()
	check(t, func() { synthesised.template.HasResourceProperties(&kind, properties) })
}

// every resource of a kind in the room with every default, of which there must be count.
func every(t *testing.T, kind string, count int) map[string]resource {
	t.Helper()
	return synthesised.document.Every(t, kind, count)
}

// one resource of a kind, of which there must be one.
func (d document) one(t *testing.T, kind string) resource {
	t.Helper()
	_, found := d.Only(t, kind)
	return found
}

// resolved is what stands in the template for a value of the room, as compact JSON.
func (r *Room) resolved(t *testing.T, value *string) string {
	t.Helper()
	return text(t, awscdk.Stack_Of(r.Construct).Resolve(value))
}

// rooms are the rooms with their templates, by what they are called in messages.
func rooms() map[string]struct {
	*Room
	document
} {
	return map[string]struct {
		*Room
		document
	}{
		"default": {synthesised.room, synthesised.document},
		"named":   {synthesised.namedRoom, synthesised.named},
		"shows":   {synthesised.showsRoom, synthesised.shows},
	}
}
