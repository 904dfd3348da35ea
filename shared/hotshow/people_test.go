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
	for _, name := range []string{
		"botocore-session-1793869200", "aws-go-sdk-1793869200130000000", "aws-sdk-js-1793869200130", "aws-sdk-java-1793869200130",
		"1793869200130000000",
	} {
		nobody := Person(role + "approve/" + name)
		for _, other := range []Person{alice, user, Person(role + "ask/botocore-session-1793869211"), nobody} {
			if !nobody.Same(other) || !other.Same(nobody) {
				t.Errorf("%s is somebody else than %s", nobody, other)
			}
		}
		if nobody.Same(JiraPerson(name)) || nobody.Same(Schedule) {
			t.Errorf("%s is in Jira", nobody)
		}
	}
	for _, name := range []string{"session-1793869200", "00123456", "bob-1793869200", "aws-bob", "botocore-session-"} {
		if Person(role + "approve/" + name).Same(alice) {
			t.Errorf("%s is nobody's name", name)
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
