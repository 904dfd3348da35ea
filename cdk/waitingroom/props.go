package waitingroom

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"waitingroom/shared/names"
)

// What a new on-demand table takes at once; warm throughput can only raise it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
const (
	LeastWarmReads  = 12000
	LeastWarmWrites = 4000
)

var (
	hostLabel      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	topLevel       = regexp.MustCompile(`[a-z]`) // a name of digits alone is an address
	certificateARN = regexp.MustCompile(`^arn:aws[a-z-]*:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9-]+$`)
	webACLARN      = regexp.MustCompile(`^arn:aws[a-z-]*:wafv2:us-east-1:[0-9]{12}:global/webacl/[A-Za-z0-9_-]+/[A-Za-z0-9-]+$`)
	zoneID         = regexp.MustCompile(`^Z[A-Z0-9]{1,31}$`)
	keyLabel       = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)
)

// What to change where more than one prop may be wrong in the same way.
const (
	nameChange = "give a host name in lower case, such as queue.example.com"
	zoneChange = "give the id of a public hosted zone, such as Z0123456789ABCDEFGHIJ"
)

// retentions are the numbers of days that CloudWatch Logs can keep a log.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = map[int]awslogs.RetentionDays{
	1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS,
	7: awslogs.RetentionDays_ONE_WEEK, 14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH,
	60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS, 120: awslogs.RetentionDays_FOUR_MONTHS,
	150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	400: awslogs.RetentionDays_THIRTEEN_MONTHS, 545: awslogs.RetentionDays_EIGHTEEN_MONTHS, 731: awslogs.RetentionDays_TWO_YEARS,
	1096: awslogs.RetentionDays_THREE_YEARS, 1827: awslogs.RetentionDays_FIVE_YEARS, 2192: awslogs.RetentionDays_SIX_YEARS,
	2557: awslogs.RetentionDays_SEVEN_YEARS, 2922: awslogs.RetentionDays_EIGHT_YEARS, 3288: awslogs.RetentionDays_NINE_YEARS,
	3653: awslogs.RetentionDays_TEN_YEARS,
}

// RetentionOf is how logs are kept for a number of days. The error lists the numbers that
// CloudWatch Logs knows.
func RetentionOf(days int) (awslogs.RetentionDays, error) {
	retention, ok := retentions[days]
	if !ok {
		return "", fmt.Errorf("logs cannot be kept for %d days: give one of %s", days, knownRetentions())
	}
	return retention, nil
}

func knownRetentions() string {
	return strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(retentions))), "[]")
}

// withDefaults fills in what was left out.
func (p Props) withDefaults() Props {
	if p.LogRetention == "" {
		p.LogRetention = awslogs.RetentionDays_ONE_MONTH
	}
	if p.Removal == "" {
		p.Removal = awscdk.RemovalPolicy_RETAIN
	}
	if p.PassKey == "" {
		p.PassKey = PassKeyKMS
	}
	if p.Shards == 0 {
		p.Shards = names.DefaultShards
	}
	if p.OriginKey == "" {
		p.OriginKey = "1"
	}
	if p.Runbook == "" {
		p.Runbook = defaultRunbook
	}
	return p
}

// check names every prop that is wrong, in a line each that says what to change. It takes props with
// their defaults filled in. Text that CloudFormation will only know later is taken as it is.
func (p Props) check() error {
	return errors.Join(
		p.checkFolders(),
		p.Domain.check(),
		checkText(p.WebACL, "WebACL", webACLARN.MatchString,
			"give the ARN of a web ACL for CloudFront: arn:aws:wafv2:us-east-1:<account>:global/webacl/<name>/<id>"),
		p.WarmThroughput.check(),
		checkText(p.AlarmAddress, "AlarmAddress", isMailAddress, "give one e-mail address without a name, such as team@example.com"),
		p.checkRetention(),
		p.checkRemoval(),
		p.checkPassKey(),
		p.checkShards(),
		checkText(p.Runbook, "Runbook", isRunbook, "give the https address of docs/runbook.md where the team reads it"),
		checkText(p.OriginKey, "OriginKey", keyLabel.MatchString, "give a label of 1 to 32 letters and digits"),
		p.HotShows.check(),
	)
}

// checkText passes over what was left out.
func checkText(value, prop string, right func(string) bool, change string) error {
	if value == "" || isToken(value) || right(value) {
		return nil
	}
	return fmt.Errorf("%s cannot be %q: %s", prop, value, change)
}

func isToken(value string) bool { return *awscdk.Token_IsUnresolved(value) }

// checkFolders says what is missing, where a missing asset would end in a stack trace.
func (p Props) checkFolders() error {
	var missing []error
	for _, name := range p.functions() {
		program := filepath.Join(p.Functions, name, "bootstrap")
		if _, err := os.Stat(program); err != nil {
			missing = append(missing, fmt.Errorf("Functions lacks %s: run make build in the repository's root first", program))
		}
	}
	page := filepath.Join(p.Page, "index.html")
	if _, err := os.Stat(page); err != nil {
		missing = append(missing, fmt.Errorf("Page lacks %s: run cdk in the repository's root", page))
	}
	return errors.Join(missing...)
}

// functions are the names of all functions that the room deploys, custom resources' too.
func (p Props) functions() []string {
	functions := append(names.Functions(), p.HotShows.functions()...)
	if p.PassKey == PassKeySecret {
		functions = append(functions, names.FunctionPassKey)
	}
	return functions
}

func (d *Domain) check() error {
	if d == nil {
		return nil
	}
	certificate := checkText(d.Certificate, "Domain.Certificate", certificateARN.MatchString,
		"give the ARN of a certificate in us-east-1: arn:aws:acm:us-east-1:<account>:certificate/<id>")
	if d.Certificate == "" {
		certificate = errors.New("Domain.Certificate is missing: give the ARN of the domain's ACM certificate in us-east-1")
	}
	return errors.Join(d.checkName(), certificate,
		checkText(d.Zone, "Domain.Zone", zoneID.MatchString, zoneChange))
}

func (d *Domain) checkName() error {
	if d.Name == "" {
		return errors.New("Domain.Name is missing: give a host name, such as queue.example.com")
	}
	return checkText(d.Name, "Domain.Name", isHostName, nameChange)
}

// isHostName takes a name of two labels or more. Upper case is refused because the name becomes
// the passes' issuer, which shops compare letter by letter.
func isHostName(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	return len(name) <= 253 && len(labels) > 1 && topLevel.MatchString(labels[len(labels)-1])
}

// isMailAddress takes what a mail can be sent to over the Internet: no display name, no comment, no
// list, and a host name behind the @.
func isMailAddress(address string) bool {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address {
		return false
	}
	return isHostName(strings.ToLower(address[strings.LastIndex(address, "@")+1:]))
}

// defaultRunbook is for a team that knows where its copy of the repository is.
const defaultRunbook = "docs/runbook.md"

// isRunbook takes an address that is short enough for an alarm's description, and to which an anchor
// can be added.
func isRunbook(address string) bool {
	u, err := url.Parse(address)
	return address == defaultRunbook ||
		err == nil && u.Scheme == "https" && u.Host != "" && len(address) <= 500 && !strings.ContainsAny(address, "#() \n")
}

func (w *WarmThroughput) check() error {
	if w == nil {
		return nil
	}
	return errors.Join(
		checkLeast(w.Reads, LeastWarmReads, "WarmThroughput.Reads"),
		checkLeast(w.Writes, LeastWarmWrites, "WarmThroughput.Writes"),
	)
}

func checkLeast(value, least int, prop string) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("%s cannot be %d: a new table has %d a second anyway; give that or more, or leave WarmThroughput out", prop, value, least)
}

func (p Props) checkRetention() error {
	known := slices.Collect(maps.Values(retentions))
	if p.LogRetention == awslogs.RetentionDays_INFINITE || slices.Contains(known, p.LogRetention) {
		return nil
	}
	return fmt.Errorf("LogRetention cannot be %q: give one of awslogs.RetentionDays", p.LogRetention)
}

func (p Props) checkRemoval() error {
	if p.Removal == awscdk.RemovalPolicy_RETAIN || p.Removal == awscdk.RemovalPolicy_DESTROY {
		return nil
	}
	return fmt.Errorf("Removal cannot be %q: give RETAIN or DESTROY", p.Removal)
}

func (p Props) checkPassKey() error {
	if p.PassKey == PassKeyKMS || p.PassKey == PassKeySecret {
		return nil
	}
	return fmt.Errorf("PassKey cannot be %q: give %s or %s", p.PassKey, PassKeyKMS, PassKeySecret)
}

func (p Props) checkShards() error {
	if 1 <= p.Shards && p.Shards <= names.MostShards {
		return nil
	}
	return fmt.Errorf("Shards cannot be %d: give 1 to %d, or nothing for %d", p.Shards, names.MostShards, names.DefaultShards)
}
