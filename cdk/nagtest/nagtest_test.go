package nagtest

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/nag"
)

func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// Each of a stack's faults is told, and what is accepted for a reason is not.
func TestComplaints(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack := awscdk.NewStack(app, jsii.String("Faulty"), nil)
	bucket := func(id string, findings ...nag.Finding) {
		bucket := awss3.NewBucket(stack, &id, &awss3.BucketProps{EnforceSSL: jsii.Bool(true)})
		nag.Accept(bucket, findings...)
	}
	logs := nag.Finding{Rule: "AwsSolutions-S1", Reason: "This bucket is there for a test and holds nothing."}
	bucket("NotAccepted")
	bucket("Accepted", logs)
	bucket("WithoutReason", nag.Finding{Rule: "AwsSolutions-S1", Reason: "wrong rule"})
	bucket("Needless", logs, nag.Finding{Rule: "AwsSolutions-S2", Reason: "This bucket is there for a test and is private."})
	wildcards(stack)

	complaints, err := Complaints(app, stack)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Faulty/NotAccepted/Resource: AwsSolutions-S1: ",
		"Faulty/WithoutReason/Resource: AwsSolutions-S1 is accepted without a sentence that says why",
		"Faulty/Needless/Resource: AwsSolutions-S2 is accepted and not found",
		"Faulty/Role/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::*]: ",
		"Faulty/Role/DefaultPolicy/Resource: AwsSolutions-IAM5 is accepted for Action::s3:Put*, which is not found",
	} {
		found := false
		for i, complaint := range complaints {
			if strings.HasPrefix(complaint, want) {
				complaints, found = append(complaints[:i], complaints[i+1:]...), true
				break
			}
		}
		if !found {
			t.Errorf("nothing begins with %s", want)
		}
	}
	for _, complaint := range complaints {
		t.Errorf("unexpected: %s", complaint)
	}
}

// wildcards has two of them, one accepted.
func wildcards(stack awscdk.Stack) {
	role := awsiam.NewRole(stack, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("s3:Get*"), Resources: jsii.Strings("*"),
	}))
	nag.Accept(role.Node().FindChild(jsii.String("DefaultPolicy")), nag.Finding{
		Rule:   "AwsSolutions-IAM5",
		Reason: "This role is there for a test and nobody assumes it.",
		Of:     []string{"Action::s3:Put*", "/^Action::s3:Get\\*$/"},
	})
}
