package waitingroom

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// withShows are the rooms that have hot shows, by what they are called in messages.
func withShows() map[string]struct {
	*Room
	document
} {
	found := rooms()
	delete(found, "default")
	return found
}

// A room that nobody asks hot shows of has nothing of them, and one that has them is otherwise the same.
func TestHotShowsOnlyAdd(t *testing.T) {
	for id, without := range synthesised.document.Resources {
		with := synthesised.shows.Resources[id]
		if without.Type == "AWS::CloudWatch::Dashboard" {
			without.Properties, with.Properties = nil, nil // it shows them too
		}
		if !reflect.DeepEqual(without, with) {
			t.Errorf("%s is changed by hot shows:\n%+v\n%+v", id, without, with)
		}
	}
	for _, word := range []string{"hotshow", "HotShow", "jira", "Jira", "prepare", "Prepare", names.MetricShowsUnready, names.MetricShowsLeftUp} {
		if strings.Contains(string(synthesised.document.Text), word) {
			t.Errorf("a room without hot shows speaks of %s", word)
		}
	}
	for id, output := range synthesised.document.Outputs {
		if !reflect.DeepEqual(output, synthesised.shows.Outputs[id]) {
			t.Errorf("the output %s is changed by hot shows", id)
		}
	}
}

func TestHotShowFunctions(t *testing.T) {
	timeouts := map[string]float64{names.FunctionHotShow: 10, names.FunctionJira: 20, names.FunctionPrepare: 60}
	for name, room := range withShows() {
		for _, function := range room.props.HotShows.functions() {
			_, deployed := room.function(t, function)
			for property, want := range map[string]any{"Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": timeouts[function]} {
				if got := deployed.Properties[property]; got != want {
					t.Errorf("%s: %s: %s is %v, want %v", name, function, property, got, want)
				}
			}
		}
		room.checkInvocations(t, names.FunctionPrepare, 0, 60)
	}
	if synthesised.showsRoom.Functions[names.FunctionJira] != nil {
		t.Error("a room without Jira has a door for it")
	}
}

func TestHotShowVariablesSayWhatIsConnected(t *testing.T) {
	for name, want := range map[string]map[string]map[string]string{
		"shows": {
			names.FunctionHotShow: {names.EnvSelfApproval: "false"},
			names.FunctionPrepare: {names.EnvJiraSecret: names.None, names.EnvJiraSite: names.None, names.EnvProduct: names.None},
		},
		"named": {
			names.FunctionHotShow: {names.EnvSelfApproval: "true"},
			names.FunctionJira: {names.EnvSelfApproval: "true", names.EnvJiraSite: "https://example.atlassian.net",
				names.EnvJiraFields: encoded(jiraFields())},
			names.FunctionPrepare: {names.EnvJiraSite: "https://example.atlassian.net",
				names.EnvProduct: `{"product":"prod-abcdefghijklm","artifact":"pa-abcdefghijklm","path":"lpv3-abcdefghijklm","parameters":{"Size":"large"}}`},
		},
	} {
		room := rooms()[name]
		for function, variables := range want {
			for variable, value := range variables {
				if got := room.variables(t, function)[variable]; got != value {
					t.Errorf("%s: %s's %s is %v, want %s", name, function, variable, got, value)
				}
			}
		}
		for variable, function := range map[string]string{names.EnvJoinFunction: names.FunctionJoin, names.EnvAdmitFunction: names.FunctionAdmit} {
			id, _ := room.function(t, function)
			if got := room.variables(t, names.FunctionPrepare)[variable]; !slices.Equal(references(got), []string{id}) {
				t.Errorf("%s: %s is %v, want %s", name, variable, got, id)
			}
		}
	}
	secret := synthesised.namedRoom.resolved(t, synthesised.namedRoom.JiraSecret.SecretArn())
	for _, function := range []string{names.FunctionJira, names.FunctionPrepare} {
		if got := text(t, synthesised.named.variables(t, function)[names.EnvJiraSecret]); got != secret {
			t.Errorf("%s reads the secret %s, want %s", function, got, secret)
		}
	}
}

// The key for webhooks is made when the stack is deployed; the rest is the team's to fill in.
func TestJiraSecretIsMade(t *testing.T) {
	generated := synthesised.named.secrets(t)["Jira's"].Properties["GenerateSecretString"].(map[string]any)
	var template map[string]string
	if err := json.Unmarshal([]byte(generated["SecretStringTemplate"].(string)), &template); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"email": "", "api_token": ""}; !maps.Equal(template, want) || generated["GenerateStringKey"] != "webhook_secret" {
		t.Errorf("the secret is made of %v and %v", template, generated["GenerateStringKey"])
	}
	if generated["PasswordLength"] != 64.0 || generated["ExcludePunctuation"] != true {
		t.Errorf("the key is generated as %v", generated)
	}
}

// hotShowPermissions is what the functions of hot shows may do.
func (r *Room) hotShowPermissions(t *testing.T) map[string]map[string][]string {
	t.Helper()
	shows := r.props.HotShows
	if shows == nil {
		return nil
	}
	table := r.resolved(t, r.Table.TableArn())
	below := r.resolved(t, jsii.String(r.parameterARN("/*")))
	parameters := []string{r.resolved(t, jsii.String(r.parameterARN(""))), below}
	aliases := []string{r.resolved(t, r.Live[names.FunctionJoin].FunctionArn()), r.resolved(t, r.Live[names.FunctionAdmit].FunctionArn())}
	schedule := func(more map[string][]string) map[string][]string {
		for _, action := range names.ScheduleActions() {
			more[action] = []string{table}
		}
		return more
	}
	probes := r.resolved(t, jsii.String(r.parameterARN("/probe-*")))
	wanted := map[string]map[string][]string{
		names.FunctionHotShow: schedule(map[string][]string{
			names.ScheduleList: {table}, "ssm:GetParametersByPath": parameters, "cloudwatch:DescribeAlarms": {r.resolved(t, jsii.String(r.allAlarms()))},
		}),
		names.FunctionPrepare: schedule(map[string][]string{
			"ssm:GetParametersByPath": parameters, "ssm:PutParameter": {below}, "ssm:DeleteParameters": {probes},
			names.ScheduleList: {table}, "dynamodb:DescribeTable": {table}, "dynamodb:UpdateTable": {table},
			"lambda:GetProvisionedConcurrencyConfig":    aliases,
			"lambda:PutProvisionedConcurrencyConfig":    aliases,
			"lambda:DeleteProvisionedConcurrencyConfig": aliases,
		}),
	}
	prepare := wanted[names.FunctionPrepare]
	if shows.Jira != nil {
		secret := []string{r.resolved(t, r.JiraSecret.SecretArn())}
		wanted[names.FunctionJira] = schedule(map[string][]string{"secretsmanager:GetSecretValue": secret})
		prepare["secretsmanager:GetSecretValue"] = secret
	}
	if shows.Product != nil {
		for _, action := range []string{"ListLaunchPaths", "ProvisionProduct"} {
			prepare["servicecatalog:"+action] = []string{r.resolved(t, jsii.String(r.productARN(*shows.Product)))}
		}
		for _, action := range []string{"DescribeProvisionedProduct", "DescribeRecord", "TerminateProvisionedProduct"} {
			prepare["servicecatalog:"+action] = []string{`"*"`}
		}
	}
	return wanted
}

// What these functions may do to items they may do to hot shows alone, and what they may do to anything
// that is provisioned only to what they have provisioned.
func TestConditionsOfHotShows(t *testing.T) {
	const (
		items = `{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["HOTSHOW*"]},"Null":{"dynamodb:LeadingKeys":"false"}}`
		own   = `{"StringEquals":{"servicecatalog:roleLevel":"self"}}`
	)
	onItems := []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"}
	for name, room := range withShows() {
		for _, function := range room.props.HotShows.functions() {
			_, deployed := room.function(t, function)
			for _, policy := range room.All("AWS::IAM::Policy") {
				if !slices.Equal(references(policy.Properties["Roles"]), references(deployed.Properties["Role"])) {
					continue
				}
				for _, statement := range statements(t, policy) {
					want := "null"
					switch actions := listed(statement["Action"]); {
					case slices.Contains(onItems, actions[0]):
						want = items
					case text(t, statement["Resource"]) == `"*"`:
						want = own
					}
					if got := text(t, statement["Condition"]); got != want {
						t.Errorf("%s: %s may %v under %s, want %s", name, function, statement["Action"], got, want)
					}
				}
			}
		}
	}
}

func TestPortfolioLetsPrepareIn(t *testing.T) {
	access := synthesised.named.one(t, "AWS::ServiceCatalog::PortfolioPrincipalAssociation")
	_, prepare := synthesised.named.function(t, names.FunctionPrepare)
	if access.Properties["PortfolioId"] != "port-abcdefghijklm" || access.Properties["PrincipalType"] != "IAM" ||
		text(t, access.Properties["PrincipalARN"]) != text(t, prepare.Properties["Role"]) {
		t.Errorf("access for %v, want %v", access.Properties, prepare.Properties["Role"])
	}
	synthesised.shows.Every(t, "AWS::ServiceCatalog::PortfolioPrincipalAssociation", 0)
}

// Asking and approving are different permissions, and neither opens anything else.
func TestCallersPolicies(t *testing.T) {
	look := []string{"GET /v1/hotshows", "GET /v1/hotshows/*", "GET /v1/hotshows/*/sale"}
	for name, room := range withShows() {
		policies := room.Every(t, "AWS::IAM::ManagedPolicy", 2)
		for id, posts := range map[string][]string{
			room.resolved(t, room.AskPolicy.ManagedPolicyArn()):     {"POST /v1/hotshows", "POST /v1/hotshows/*/cancel"},
			room.resolved(t, room.ApprovePolicy.ManagedPolicyArn()): {"POST /v1/hotshows/*/approve", "POST /v1/hotshows/*/reject"},
		} {
			var reference struct{ Ref string }
			if err := json.Unmarshal([]byte(id), &reference); err != nil {
				t.Fatal(err)
			}
			want := []string{}
			for _, call := range slices.Concat(look, posts) {
				method, path, _ := strings.Cut(call, " ")
				want = append(want, room.resolved(t, room.HotShowsAPI.ArnForExecuteApi(&method, &path, jsii.String(stage))))
			}
			found := statements(t, policies[reference.Ref])
			got := texts(t, found[0]["Resource"])
			slices.Sort(want)
			slices.Sort(got)
			if len(found) != 1 || found[0]["Effect"] != "Allow" || found[0]["Action"] != "execute-api:Invoke" || !slices.Equal(got, want) {
				t.Errorf("%s: %s allows %v, want %v", name, reference.Ref, found, want)
			}
			if policies[reference.Ref].Properties["Roles"] != nil {
				t.Errorf("%s: %s is attached to somebody", name, reference.Ref)
			}
		}
	}
}

func TestHotShowOutputs(t *testing.T) {
	want := map[string][]string{
		"shows": {"ApprovePolicyArn", "AskPolicyArn", "HotShowsAddress"},
		"named": {"ApprovePolicyArn", "AskPolicyArn", "HotShowsAddress", "JiraSecretArn", "JiraWebhookAddress"},
	}
	for name, room := range withShows() {
		for _, output := range want[name] {
			value := text(t, room.Outputs[output].Value)
			if strings.HasSuffix(output, "Address") && !strings.HasPrefix(value, `{"Fn::Join":["",["https://",`) || value == "null" {
				t.Errorf("%s: %s is %s", name, output, value)
			}
		}
	}
	if _, told := synthesised.shows.Outputs["JiraSecretArn"]; told {
		t.Error("a room without Jira tells of its secret")
	}
}

func TestHotShowProps(t *testing.T) {
	right, err := stubs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	product := func(change func(*Product)) func(*HotShows) {
		return func(h *HotShows) { change(h.Product) }
	}
	jira := func(change func(*Jira)) func(*HotShows) {
		return func(h *HotShows) { change(h.Jira) }
	}
	site := func(address string) func(*HotShows) { return jira(func(j *Jira) { j.Site = address }) }
	tests := map[string]struct {
		change func(*HotShows)
		want   []string
	}{
		"everything":           {func(*HotShows) {}, nil},
		"no product":           {func(h *HotShows) { h.Product = nil }, nil},
		"no Jira":              {func(h *HotShows) { h.Jira = nil }, nil},
		"path is left out":     {product(func(p *Product) { p.Path, p.Portfolio, p.Parameters = "", "", nil }), nil},
		"empty product":        {func(h *HotShows) { h.Product = &Product{} }, []string{"HotShows.Product.ID is missing: ", "HotShows.Product.Artifact is missing: "}},
		"a product's name":     {product(func(p *Product) { p.ID = "shop" }), []string{`HotShows.Product.ID cannot be "shop": `}},
		"a version's name":     {product(func(p *Product) { p.Artifact = "v1" }), []string{"HotShows.Product.Artifact "}},
		"a path's name":        {product(func(p *Product) { p.Path = "default" }), []string{"HotShows.Product.Path "}},
		"a portfolio's ARN":    {product(func(p *Product) { p.Portfolio = "arn:aws:catalog:eu-west-1:111122223333:portfolio/port-a" }), []string{"HotShows.Product.Portfolio "}},
		"a parameter's hyphen": {product(func(p *Product) { p.Parameters = map[string]string{"a-b": ""} }), []string{`HotShows.Product.Parameters cannot have "a-b": `}},
		"placeholders":         {product(func(p *Product) { p.Parameters = map[string]string{"A": "{event}-{visitors}", "B": "{}{A}"} }), nil},
		"no placeholder":       {product(func(p *Product) { p.Parameters = map[string]string{"A": "{crowd}"} }), []string{"HotShows.Product.Parameters.A cannot have {crowd}: "}},
		"many parameters":      {product(func(p *Product) { p.Parameters = map[string]string{"A": strings.Repeat("a", 2500)} }), []string{"HotShows.Product.Parameters cannot be "}},
		"empty Jira":           {func(h *HotShows) { h.Jira = &Jira{} }, []string{"HotShows.Jira.Site is missing: ", "HotShows.Jira.Fields is missing: "}},
		"a site over http":     {site("http://example.atlassian.net"), []string{"HotShows.Jira.Site "}},
		"a site with a slash":  {site("https://example.atlassian.net/"), []string{"HotShows.Jira.Site "}},
		"a site with a path":   {site("https://example.atlassian.net/jira"), []string{"HotShows.Jira.Site "}},
		"another API's site":   {site("https://api.atlassian.com/ex/confluence/11223344-a1b2-3b33-c444-def123456789"), []string{"HotShows.Jira.Site "}},
		"a site with a user":   {site("https://me@example.atlassian.net"), []string{"HotShows.Jira.Site "}},
		"a site by itself":     {site("example.atlassian.net"), []string{"HotShows.Jira.Site "}},
		"many fields":          {jira(func(j *Jira) { j.Fields["event"] = strings.Repeat("a", 2500) }), []string{"HotShows.Jira.Fields cannot be "}},
		"fields that miss":     {jira(func(j *Jira) { delete(j.Fields, "rate") }), []string{"HotShows.Jira.Fields lacks rate: "}},
		"unknown fields":       {jira(func(j *Jira) { j.Fields["evnt"] = "x" }), []string{`HotShows.Jira.Fields.evnt cannot be "x": there is no such member`}},
		"a field's number":     {jira(func(j *Jira) { j.Fields["event"] = 1 }), []string{`HotShows.Jira.Fields.event cannot be 1: give text`}},
		"a status by itself":   {jira(func(j *Jira) { j.Fields["approved_statuses"] = "Approved" }), []string{`HotShows.Jira.Fields.approved_statuses cannot be "Approved": give a list`}},
		"statuses of a team":   {jira(func(j *Jira) { j.Fields["approved_statuses"] = []string{"Approved"} }), nil},
		"both, in one's order": {func(h *HotShows) { h.Product.ID, h.Jira.Site = "shop", "shop" }, []string{"HotShows.Product.ID ", "HotShows.Jira.Site "}},
	}
	for name, test := range tests {
		props := everyProp(right)
		test.change(props.HotShows)
		checkError(t, name, props.withDefaults().check(), test.want...)
	}
}

// What is let through here is what prepare reads.
func TestPlaceholdersAreThoseOfPrepare(t *testing.T) {
	_, values, _ := strings.Cut(contents(t, "lambdas/prepare/steps/product.go"), "\nfunc values(")
	values, _, _ = strings.Cut(values, "\n}\n")
	if got := placeholder.FindAllString(values, -1); !slices.Equal(slices.Sorted(slices.Values(got)), placeholders()) {
		t.Errorf("prepare knows %q, and the props %q", got, placeholders())
	}
}

// What is let through here is what the function jira reads: its parser has a test on the same table.
func TestFieldsAreThoseOfJira(t *testing.T) {
	var tests []struct {
		Name   string
		Fields map[string]any
		Wrong  []string // members, sorted
	}
	if err := json.Unmarshal([]byte(contents(t, "shared/jira/testdata/fields.json")), &tests); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		jira := Jira{Site: "https://example.atlassian.net", Fields: test.Fields}
		wrong := jira.missing()
		for member, value := range test.Fields {
			if checkMember(member, value) != "" {
				wrong = append(wrong, member)
			}
		}
		slices.Sort(wrong)
		if err := jira.check(); !slices.Equal(wrong, test.Wrong) || (err == nil) != (len(wrong) == 0) {
			t.Errorf("%s: %v, %v, want %v", test.Name, wrong, err, test.Wrong)
		}
	}
}

// Tokens with scopes are for another address than the site's own.
func TestSites(t *testing.T) {
	for _, site := range []string{"https://example.atlassian.net", "https://jira.example.com", "https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789"} {
		if !isSite(site) {
			t.Errorf("%s is no site", site)
		}
	}
}
