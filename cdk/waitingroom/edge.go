package waitingroom

import (
	"errors"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// EdgeProps say what has to be made in us-east-1 for a room whose stack may be in any region.
type EdgeProps struct {
	Domain string       // gets a certificate, free of charge; none if empty
	Zone   string       // id of the domain's hosted zone, where the certificate authority finds its proof
	WebACL *WebACLProps // gets a web ACL; none if nil
}

// Edge is what CloudFront looks for in us-east-1. Both stacks have to know their account and region,
// or CloudFormation cannot bring one's values to the other.
type Edge struct {
	Certificate string // ARN, empty without a domain
	WebACL      string // ARN, empty without a web ACL
}

// NewEdgeStack makes a stack for us-east-1. The error names every prop that is wrong.
func NewEdgeStack(scope constructs.Construct, id string, stackProps *awscdk.StackProps, props EdgeProps) (awscdk.Stack, *Edge, error) {
	if err := props.check(); err != nil {
		return nil, nil, err
	}
	stack := awscdk.NewStack(scope, &id, stackProps)
	edge := &Edge{}
	if props.Domain != "" {
		made := certificate(stack, props)
		loosen(made)
		edge.Certificate = *made.CertificateArn()
	}
	if props.WebACL != nil {
		acl, err := NewWebACL(stack, "WebACL", *props.WebACL)
		if err != nil {
			return nil, nil, err
		}
		loosen(acl)
		edge.WebACL = *acl.AttrArn()
	}
	return stack, edge, nil
}

// loosen has another stack read this one's outputs. The usual reference would need two functions
// that copy parameters between regions, and would keep a certificate from ever being replaced.
func loosen(made constructs.IConstruct) {
	awscdk.CrossStackReferences_Of(made).Produce(awscdk.ReferenceStrength_WEAK)
}

func (p EdgeProps) check() error {
	if p.Domain == "" {
		if p.Zone != "" {
			return errors.New("Zone is for a domain: name it in Domain, or leave Zone out")
		}
		return nil
	}
	if p.Zone == "" {
		return errors.New("Zone is missing: give the id of the domain's public hosted zone")
	}
	return errors.Join(
		checkText(p.Domain, "Domain", isHostName, nameChange),
		checkText(p.Zone, "Zone", zoneID.MatchString, zoneChange),
	)
}

func certificate(stack awscdk.Stack, props EdgeProps) awscertificatemanager.Certificate {
	zone := awsroute53.HostedZone_FromHostedZoneId(stack, jsii.String("Zone"), &props.Zone)
	return awscertificatemanager.NewCertificate(stack, jsii.String("Certificate"), &awscertificatemanager.CertificateProps{
		DomainName: &props.Domain,
		Validation: awscertificatemanager.CertificateValidation_FromDns(zone),
	})
}
