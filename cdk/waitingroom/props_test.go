package waitingroom

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// linesOf are an error's lines.
func linesOf(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// checkError expects a line for each of the beginnings, in their order, and no other.
func checkError(t *testing.T, name string, err error, beginnings ...string) {
	t.Helper()
	lines := linesOf(err)
	if !slices.EqualFunc(lines, beginnings, strings.HasPrefix) {
		t.Errorf("%s: %q, want lines that begin with %q", name, lines, beginnings)
	}
	for _, line := range lines {
		// The second half says what to change.
		if _, change, _ := strings.Cut(line, ": "); change == "" {
			t.Errorf("%s: %q says nothing to do", name, line)
		}
	}
}

func TestProps(t *testing.T) {
	right, err := stubs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const certificate = "arn:aws:acm:us-east-1:111122223333:certificate/0f0f-1"
	domain := func(name, certificate, zone string) func(*Props) {
		return func(p *Props) { p.Domain = &Domain{name, certificate, zone} }
	}
	acl := func(arn string) func(*Props) { return func(p *Props) { p.WebACL = arn } }
	runbook := func(address string) func(*Props) { return func(p *Props) { p.Runbook = address } }
	mail := func(address string) func(*Props) { return func(p *Props) { p.AlarmAddress = address } }
	warm := func(reads, writes int) func(*Props) {
		return func(p *Props) { p.WarmThroughput = &WarmThroughput{reads, writes} }
	}
	shards := func(shards int) func(*Props) { return func(p *Props) { p.Shards = shards } }
	key := func(label string) func(*Props) { return func(p *Props) { p.OriginKey = label } }
	unknown := *awscdk.Fn_ImportValue(jsii.String("known when deployed"))
	tests := map[string]struct {
		change func(*Props)
		want   []string
	}{
		"defaults":              {func(*Props) {}, nil},
		"every prop":            {func(p *Props) { *p = everyProp(*p) }, nil},
		"known when deployed":   {func(p *Props) { p.Domain, p.WebACL = &Domain{unknown, unknown, unknown}, unknown }, nil},
		"domain":                {domain("queue.example.com", certificate, ""), nil},
		"partition":             {domain("queue.example.com", strings.Replace(certificate, "aws", "aws-us-gov", 1), ""), nil},
		"no certificate":        {domain("queue.example.com", "", ""), []string{"Domain.Certificate is missing: "}},
		"no name":               {domain("", certificate, ""), []string{"Domain.Name is missing: "}},
		"empty domain":          {domain("", "", ""), []string{"Domain.Name is missing: ", "Domain.Certificate is missing: "}},
		"certificate elsewhere": {domain("queue.example.com", strings.Replace(certificate, "us-east-1", "eu-west-1", 1), ""), []string{"Domain.Certificate "}},
		"server certificate":    {domain("queue.example.com", "arn:aws:iam::111122223333:server-certificate/x", ""), []string{"Domain.Certificate "}},
		"upper case":            {domain("Queue.example.com", certificate, ""), []string{"Domain.Name "}},
		"address as name":       {domain("https://queue.example.com", certificate, ""), []string{"Domain.Name "}},
		"wildcard":              {domain("*.example.com", certificate, ""), []string{"Domain.Name "}},
		"single label":          {domain("queue", certificate, ""), []string{"Domain.Name "}},
		"numbers":               {domain("192.0.2.1", certificate, ""), []string{"Domain.Name "}},
		"hyphen":                {domain("-queue.example.com", certificate, ""), []string{"Domain.Name "}},
		"full stop":             {domain("queue.example.com.", certificate, ""), []string{"Domain.Name "}},
		"longest label":         {domain(strings.Repeat("q", 63)+".example.com", certificate, ""), nil},
		"label too long":        {domain(strings.Repeat("q", 64)+".example.com", certificate, ""), []string{"Domain.Name "}},
		"name too long":         {domain(strings.Repeat("queue.", 42)+"com", certificate, ""), []string{"Domain.Name "}},
		"two lines":             {domain("queue.example.com\n", certificate, ""), []string{"Domain.Name "}},
		"zone":                  {domain("queue.example.com", certificate, "Z0123456789ABCDEFGHIJ"), nil},
		"zone by name":          {domain("queue.example.com", certificate, "example.com"), []string{"Domain.Zone "}},
		"web ACL":               {acl("arn:aws:wafv2:us-east-1:111122223333:global/webacl/room/0f-1"), nil},
		"regional web ACL":      {acl("arn:aws:wafv2:us-east-1:111122223333:regional/webacl/room/0f-1"), []string{"WebACL "}},
		"web ACL elsewhere":     {acl("arn:aws:wafv2:eu-west-1:111122223333:global/webacl/room/0f-1"), []string{"WebACL "}},
		"old web ACL":           {acl("0f0f0f0f-1"), []string{"WebACL "}},
		"least warm":            {warm(12000, 4000), nil},
		"too few reads":         {warm(11999, 4000), []string{"WarmThroughput.Reads cannot be 11999: "}},
		"too few writes":        {warm(12000, 3999), []string{"WarmThroughput.Writes cannot be 3999: "}},
		"empty warm":            {warm(0, 0), []string{"WarmThroughput.Reads cannot be 0: ", "WarmThroughput.Writes cannot be 0: "}},
		"mail":                  {mail("on-call+queue@shop.example.com"), nil},
		"runbook over http":     {runbook("http://example.com/runbook.md"), []string{"Runbook "}},
		"runbook's entry":       {runbook("https://example.com/runbook.md#no-leader"), []string{"Runbook "}},
		"runbook that is none":  {runbook("the wiki"), []string{"Runbook "}},
		"no mail":               {mail("team"), []string{"AlarmAddress "}},
		"display name":          {mail("Team <team@example.com>"), []string{"AlarmAddress "}},
		"angle brackets":        {mail("<team@example.com>"), []string{"AlarmAddress "}},
		"two addresses":         {mail("a@example.com, b@example.com"), []string{"AlarmAddress "}},
		"comment":               {mail("team@example.com (team)"), []string{"AlarmAddress "}},
		"no host":               {mail("team@"), []string{"AlarmAddress "}},
		"local host":            {mail("team@localhost"), []string{"AlarmAddress "}},
		"literal":               {mail("team@[192.0.2.1]"), []string{"AlarmAddress "}},
		"forever":               {func(p *Props) { p.LogRetention = awslogs.RetentionDays_INFINITE }, nil},
		"retention in days":     {func(p *Props) { p.LogRetention = "30" }, []string{`LogRetention cannot be "30": `}},
		"snapshot":              {func(p *Props) { p.Removal = awscdk.RemovalPolicy_SNAPSHOT }, []string{`Removal cannot be "SNAPSHOT": `}},
		"key elsewhere":         {func(p *Props) { p.PassKey = "hsm" }, []string{`PassKey cannot be "hsm": `}},
		"one shard":             {shards(1), nil},
		"most shards":           {shards(128), nil},
		"too many shards":       {shards(129), []string{"Shards cannot be 129: give 1 to 128, or nothing for 16"}},
		"fewer than none":       {shards(-1), []string{"Shards cannot be -1: "}},
		"label":                 {key("Spring2027"), nil},
		"label with a hyphen":   {key("a-b"), []string{`OriginKey cannot be "a-b": `}},
		"longer label":          {key(strings.Repeat("a", 33)), []string{"OriginKey "}},
		"several, in one's order": {
			func(p *Props) { p.Shards, p.PassKey, p.Domain = 129, "hsm", &Domain{Name: "queue.example.com"} },
			[]string{"Domain.Certificate ", "PassKey ", "Shards "},
		},
	}
	for name, test := range tests {
		props := right
		test.change(&props)
		checkError(t, name, props.withDefaults().check(), test.want...)
	}
}

func TestConstructRefusesBadProps(t *testing.T) {
	props, err := stubs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	props.Shards = 129
	_, room, err := NewStack(awscdk.NewApp(nil), "Bad", nil, props)
	if room != nil {
		t.Error("a room was made")
	}
	checkError(t, "too many shards", err, "Shards cannot be 129: ")
}

func TestMissingFoldersAreNamed(t *testing.T) {
	folder := t.TempDir()
	props := Props{Functions: filepath.Join(folder, "dist"), Page: filepath.Join(folder, "static"), PassKey: PassKeySecret}.withDefaults()
	var want []string
	for _, name := range append(names.Functions(), names.FunctionPassKey) {
		want = append(want, "Functions lacks "+filepath.Join(props.Functions, name, "bootstrap")+": ")
	}
	want = append(want, "Page lacks "+filepath.Join(props.Page, "index.html")+": ")
	checkError(t, "nothing there", props.check(), want...)
	if _, err := stubs(folder); err != nil {
		t.Fatal(err)
	}
	checkError(t, "everything there", props.check())
	if err := os.Remove(filepath.Join(props.Functions, names.FunctionPassKey, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	checkError(t, "a secret's function is missing", props.check(), want[len(want)-2])
	props.PassKey = PassKeyKMS
	checkError(t, "a KMS key needs none", props.check())
}

func TestRetentionOf(t *testing.T) {
	for days, want := range map[int]awslogs.RetentionDays{1: awslogs.RetentionDays_ONE_DAY, 365: awslogs.RetentionDays_ONE_YEAR, 3653: awslogs.RetentionDays_TEN_YEARS} {
		if got, err := RetentionOf(days); err != nil || got != want {
			t.Errorf("%d days: %v, %v", days, got, err)
		}
	}
	for _, days := range []int{-1, 0, 2, 31, 3654} {
		_, err := RetentionOf(days)
		checkError(t, "unknown days", err, "logs cannot be kept for ")
	}
}
