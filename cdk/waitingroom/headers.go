package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// documentPolicy is for JSON: opened by itself it loads nothing, and nobody frames it.
const documentPolicy = "default-src 'none'; frame-ancestors 'none'"

// Every header replaces what the origin says, so that these files alone decide.
var replacing = jsii.Bool(true)

// headersPolicy adds HSTS to the headers given: for a year, for this name alone and without asking
// for a place on the browsers' lists, since the rest of the domain is the team's.
func (r *Room) headersPolicy(id string, security *awscloudfront.ResponseSecurityHeadersBehavior) awscloudfront.ResponseHeadersPolicy {
	security.StrictTransportSecurity = &awscloudfront.ResponseHeadersStrictTransportSecurity{
		AccessControlMaxAge: awscdk.Duration_Days(jsii.Number(365)),
		IncludeSubdomains:   jsii.Bool(false),
		Preload:             jsii.Bool(false),
		Override:            replacing,
	}
	return awscloudfront.NewResponseHeadersPolicy(r.Construct, jsii.String(id), &awscloudfront.ResponseHeadersPolicyProps{
		// Names are the account's, so the same stack in two regions needs two.
		ResponseHeadersPolicyName: jsii.Sprintf("%s-%s-%s", r.Name, id, *awscdk.Aws_REGION()),
		SecurityHeadersBehavior:   security,
	})
}

// pageSecurity is names.PageHeaders in the policy's own words.
func pageSecurity() *awscloudfront.ResponseSecurityHeadersBehavior {
	headers := documentSecurity()
	headers.ContentSecurityPolicy.ContentSecurityPolicy = jsii.String(names.PageHeaders()["Content-Security-Policy"])
	headers.FrameOptions = &awscloudfront.ResponseHeadersFrameOptions{
		FrameOption: awscloudfront.HeadersFrameOption_DENY, Override: replacing,
	}
	headers.ReferrerPolicy = &awscloudfront.ResponseHeadersReferrerPolicy{
		ReferrerPolicy: awscloudfront.HeadersReferrerPolicy_NO_REFERRER, Override: replacing,
	}
	return headers
}

// documentSecurity is for status, seals and well-known documents.
func documentSecurity() *awscloudfront.ResponseSecurityHeadersBehavior {
	return &awscloudfront.ResponseSecurityHeadersBehavior{
		ContentTypeOptions:    &awscloudfront.ResponseHeadersContentTypeOptions{Override: replacing},
		ContentSecurityPolicy: &awscloudfront.ResponseHeadersContentSecurityPolicy{ContentSecurityPolicy: jsii.String(documentPolicy), Override: replacing},
	}
}

// apiSecurity leaves the API's answers as the functions give them.
func apiSecurity() *awscloudfront.ResponseSecurityHeadersBehavior {
	return &awscloudfront.ResponseSecurityHeadersBehavior{}
}
