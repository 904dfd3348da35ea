package hotshow

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"waitingroom/shared/plan"
)

// Person is who changed a show: an ARN of IAM, JiraPerson's, or Schedule.
type Person string

// Schedule is the scheduled function, which acts by itself.
const Schedule Person = "schedule"

// JiraPerson is somebody known by an account id of Jira.
func JiraPerson(account string) Person { return Person(jiraPrefix + account) }

const jiraPrefix = "jira:"

// Same says whether two are one person as far as their names tell. A role that people assume carries
// them in the session's name, so one who asked under a role, or as a user, and approves under another
// role is the same. A session whose name a program has made up may be anybody's of IAM. Who may choose
// the name of the session can get around this: a role's trust policy can demand the user's own
// (sts:RoleSessionName).
func (p Person) Same(other Person) bool {
	if p == other {
		return true
	}
	kind, name := p.identity()
	otherKind, otherName := other.identity()
	if kind != "" && otherKind != "" && (p.Unnamed() || other.Unnamed()) {
		return true
	}
	// Users of two accounts may have one name and be two people.
	return (kind == session || otherKind == session) && name != "" && strings.EqualFold(name, otherName)
}

// madeUp is what programs call a session where nobody has given it a name: mostly another one for each
// session or machine, and anybody may be behind it who may use that. A Lambda function's session has the
// function's name, which could be a person's, and is not known by it.
var madeUp = regexp.MustCompile(`^(?i:` + strings.Join([]string{
	// AWS's CLI and SDKs add a time to their own names (botocore-session-, aws-go-sdk-, aws-sdk-js-session-),
	// in seconds to nanoseconds, or give it alone. https://github.com/aws/aws-cli/issues/8797 and
	// https://github.com/aws/aws-sdk-go-v2/tree/main/credentials/stscreds
	`(aws|botocore)-[a-z-]+-[0-9]{10,19}`, `[0-9]{19}`,
	// The SDK for Rust adds it to what it does.
	// https://github.com/awslabs/aws-sdk-rust/blob/main/sdk/aws-config/src/sts/util.rs
	`(assume-role|profile|web-identity)-[a-z-]+-[0-9]{13}`,
	// The SDK for Ruby, https://github.com/aws-actions/configure-aws-credentials and SageMaker's notebooks,
	// https://docs.aws.amazon.com/sagemaker/latest/dg/monitor-user-access.html
	`default_session`, `GitHubActions`, `SageMaker`,
	// An EC2 instance has its id, whose older form is the shorter, and a machine of Systems Manager, too.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
	`m?i-[0-9a-f]{8}([0-9a-f]{9})?`,
	// An ECS task has its id, and Step Functions gives as many letters.
	// https://github.com/aws/amazon-ecs-agent/issues/3498
	`[0-9a-z]{32}`,
	// A UUID ends those of EKS's pods and of CodeBuild (AWSCodeBuild-).
	// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumedRoleUser.html
	`(.*-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`,
}, "|") + `)$`)

// Unnamed says whether the person is a session whose name a program has made up.
func (p Person) Unnamed() bool {
	kind, name := p.identity()
	return kind == session && madeUp.MatchString(name)
}

// Name is how people call the person: the last part of an ARN, and never the account.
func (p Person) Name() string {
	if account, ok := strings.CutPrefix(string(p), jiraPrefix); ok {
		return "the Jira user " + account
	}
	if _, name := p.identity(); name != "" {
		return name
	}
	return string(p)[strings.LastIndex(string(p), ":")+1:] // "root" of an account's own user
}

// Kinds of identities of IAM whose names are people's.
const (
	user    = "user"
	session = "session" // of an assumed role, or of a federated user
)

// identity is what IAM's ARN says of a person: nothing for others.
func (p Person) identity() (kind, name string) {
	if !strings.HasPrefix(string(p), "arn:") {
		return "", ""
	}
	resource := string(p)[strings.LastIndex(string(p), ":")+1:]
	kind, path, _ := strings.Cut(resource, "/")
	name = path[strings.LastIndex(path, "/")+1:]
	switch kind {
	case "user":
		return user, name
	case "assumed-role", "federated-user":
		return session, name
	}
	return "", ""
}

// What keeps somebody from changing a show.
var (
	// ErrState means that the show's state does not allow the change: nothing has changed. Show the
	// state, and do not repeat it.
	ErrState = errors.New("the show's state does not allow this")
	// ErrOwnRequest means that somebody approves what they asked for or changed: somebody else has to.
	ErrOwnRequest = errors.New("nobody approves their own request, or what they have changed of it: ask somebody else")
	// ErrTooLate means that the on-sale is over before the show is approved: ask for it anew.
	ErrTooLate = errors.New("the on-sale is past: ask for the show anew with a time to come")
)

// Approve has the show prepared when its time comes. allowSelf is the deployment's word on people who
// approve what they asked for or changed. Errors: ErrState, ErrOwnRequest, ErrTooLate.
func (s *Show) Approve(by Person, why string, allowSelf bool, at time.Time) (Change, error) {
	switch {
	case s.State != Requested:
		return Change{}, fmt.Errorf("%w: it is %s, and only a requested one can be approved", ErrState, s.State)
	case s.IsOf(by) && !allowSelf:
		return Change{}, ErrOwnRequest
	case !at.Before(s.Request.OnSale):
		return Change{}, ErrTooLate
	}
	s.Approver = by
	return s.change(Approved, by, reason(why, "approved"), at), nil
}

// IsOf says whether what is asked for is somebody's own.
func (s *Show) IsOf(by Person) bool {
	return by.Same(s.AskedBy) || slices.ContainsFunc(s.ChangedBy, by.Same)
}

// Amend puts another request, of which p is the plan, in the place of one that nobody has approved. The
// event and its times may differ, so what the schedule holds for them follows. Error: ErrState.
func (s *Show) Amend(r Request, p plan.Plan, by Person, why string, at time.Time) (Change, error) {
	if s.State != Requested {
		return Change{}, fmt.Errorf("%w: it is %s, and only a requested one can be changed", ErrState, s.State)
	}
	s.Request, s.Needs, s.Warnings = r, NeedsOf(p), p.Warnings()
	s.partOf(by)
	return s.change(Requested, by, reason(why, "changed"), at), nil
}

// DecideIn has an issue of Jira decide about a show that was asked for over the API and that nobody has
// decided about. The entry about it says what the show is, since the issue may say anything else.
func (s *Show) DecideIn(issue string, by Person, at time.Time) Change {
	s.Jira = &Jira{Issue: issue}
	s.partOf(by)
	r := s.Request
	c := s.change(s.State, by, fmt.Sprintf("%s decides about it; name: %s, event: %s, onsale: %s, visitors: %d, over: %s, rate: %d, target: %s",
		issue, r.Name(), r.Event, r.OnSale.Format(time.RFC3339), r.Visitors, r.Over, r.Rate, r.Target), at)
	c.Issue = issue
	return c
}

// partOf notes who has had a part in what is asked for.
func (s *Show) partOf(by Person) {
	if !s.IsOf(by) {
		s.ChangedBy = append(slices.Clone(s.ChangedBy), by)
	}
}

// Reject ends a request. Error: ErrState.
func (s *Show) Reject(by Person, why string, at time.Time) (Change, error) {
	if s.State != Requested {
		return Change{}, fmt.Errorf("%w: it is %s, and only a requested one can be rejected", ErrState, s.State)
	}
	return s.change(Rejected, by, reason(why, "rejected"), at), nil
}

// Cancel ends a show before its sale. What is up by then is taken down first, and the event's sale is
// closed. Error: ErrState, also for a show that is on sale: its promoter closes the event.
func (s *Show) Cancel(by Person, why string, at time.Time) (Change, error) {
	switch {
	case s.State == Requested || s.State == Approved:
		return s.change(Cancelled, by, reason(why, "cancelled"), at), nil
	case s.State == Live || s.onSale(at): // the event opens without waiting for the scheduled function
		return Change{}, fmt.Errorf("%w: it is on sale; set the event's parameter state to closed instead", ErrState)
	case s.State == Preparing || s.State == Ready:
		s.Outcome = Cancelled
		s.retryNow()
		return s.change(Finishing, by, reason(why, "cancelled"), at), nil
	}
	return Change{}, fmt.Errorf("%w: it is %s", ErrState, s.State)
}

func reason(why, otherwise string) string {
	if why = strings.TrimSpace(why); why == "" {
		return otherwise
	}
	return why
}
