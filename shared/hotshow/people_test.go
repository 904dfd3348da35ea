package hotshow

import (
	"errors"
	"testing"

	"waitingroom/shared/plan"
)

// The names that programs give to sessions are another one each time, whoever it is.
func TestSessionsWithoutAName(t *testing.T) {
	const role = "arn:aws:sts::000000000000:assumed-role/"
	alice, user := Person(role+"ask/alice"), Person("arn:aws:iam::000000000000:user/alice")
	tests := []struct{ by, name, another string }{
		{"the CLI", "botocore-session-1793869200", "botocore-session-1793869211"},
		{"SDK for Go", "aws-go-sdk-1793869200130000000", "aws-go-sdk-1793869200130000001"},
		{"SDK for Go, web identity", "1793869200130000000", "1793869200130000001"},
		{"SDK for JavaScript", "aws-sdk-js-session-1793869200130", "aws-sdk-js-1793869200131"},
		{"SDKs for Java and PHP", "aws-sdk-java-1793869200130", "aws-sdk-php-1793869200130"},
		{"SDK for .NET", "aws-dotnet-sdk-session-636238288466144357", "aws-dotnet-sdk-session-636238288466144358"},
		{"SDK for Rust", "assume-role-from-profile-1793869200130", "assume-role-provider-1793869200130"},
		{"SDK for Ruby", "default_session", "default_session"},
		{"GitHub and SageMaker", "GitHubActions", "SageMaker"},
		{"EC2", "i-0123456789abcdef0", "i-0fedcba9876543210"},
		{"EC2, for long", "i-0a1b2c3d", "i-0a1b2c3e"},
		{"Systems Manager", "mi-0123456789abcdef0", "mi-0fedcba9876543210"},
		{"ECS and Step Functions", "0123456789abcdef0123456789abcdef", "pQrStUvWxYzAbCdEfGhIjKlMnOpQrStU"},
		{"CodeBuild", "AWSCodeBuild-01234567-89ab-cdef-0123-456789abcdef", "AWSCodeBuild-11234567-89ab-cdef-0123-456789abcdef"},
		{"EKS", "eks-shop-bastion-7d4b9-01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF"},
	}
	for _, test := range tests {
		nobody := Person(role + "approve/" + test.name)
		for _, other := range []Person{alice, user, Person(role + "approve/" + test.another), Person(role + "ask/" + test.another), nobody} {
			if !nobody.Unnamed() || !nobody.Same(other) || !other.Same(nobody) {
				t.Errorf("%s: %s is somebody else than %s", test.by, nobody, other)
			}
		}
		if !Person(role + "approve/" + test.another).Unnamed() {
			t.Errorf("%s: %s is a name", test.by, test.another)
		}
		if nobody.Same(JiraPerson(test.name)) || nobody.Same(Schedule) {
			t.Errorf("%s is in Jira", nobody)
		}
	}
	for _, name := range []string{
		"session-1793869200", "00123456", "bob-1793869200", "aws-bob", "botocore-session-", "i-am-bob", "i-deadbeef-bob", "bob-i-0123456789abcdef0",
		"bob@0123456789abcdef0123456789abcdef.example", "bob-01234567-89ab", "SageMakerBob", "aws-cdk-bob", "profile-bob",
	} {
		if person := Person(role + "approve/" + name); person.Unnamed() || person.Same(alice) {
			t.Errorf("%s is nobody's name", name)
		}
	}
}

// Names are read by whoever may read an issue in Jira: what AWS knows people by is not in them.
func TestNamesTellNoAccount(t *testing.T) {
	for person, want := range map[Person]string{
		"arn:aws:iam::111122223333:root":                              "root",
		"arn:aws:iam::111122223333:user/people/ann":                   "ann",
		"arn:aws:sts::111122223333:assumed-role/ops/ann@shop.example": "ann@shop.example",
		"arn:aws:sts::111122223333:federated-user/ann":                "ann",
		JiraPerson("557058:f58131cb"):                                 "the Jira user 557058:f58131cb",
		Schedule:                                                      "schedule",
	} {
		if got := person.Name(); got != want {
			t.Errorf("%s is called %q, want %q", person, got, want)
		}
	}
}

// Who has changed what is asked for approves it no more than who has asked for it.
func TestApproveOwnChange(t *testing.T) {
	const alice, bob, carol = Person("jira:alice"), Person("jira:bob"), Person("jira:carol")
	for approver, want := range map[Person]error{alice: ErrOwnRequest, bob: ErrOwnRequest, carol: nil} {
		s, _ := New("a", request(), plan.Plan{}, alice, asked)
		for _, by := range []Person{bob, bob, alice} {
			if _, err := s.Amend(request(), plan.Plan{}, by, "", asked); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.ChangedBy) != 1 {
			t.Errorf("changed by %v", s.ChangedBy)
		}
		if _, err := s.Approve(approver, "", false, asked); !errors.Is(err, want) {
			t.Errorf("approved by %s: %v", approver, err)
		}
	}
	s, _ := New("a", request(), plan.Plan{}, alice, asked)
	if _, err := s.Amend(request(), plan.Plan{}, bob, "", asked); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(bob, "", true, asked); err != nil {
		t.Errorf("where people may approve what is their own: %v", err)
	}
}

// What a service answers ends in terminals and in comments.
func TestTroubleIsPlainText(t *testing.T) {
	s := newShow()
	s.Fail(Product, "no\x1b[2J way\n\u202eback \xff\u009b", asked)
	if got, want := s.Steps[Product].Trouble, "no [2J way\n back \uFFFD "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
