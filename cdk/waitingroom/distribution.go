package waitingroom

import (
	_ "embed"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53targets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3deployment"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// pageAddress is the CloudFront Function that answers /<event> with the page.
//
//go:embed page_address.js
var pageAddress string

// Prefixes of addresses that only the distribution and the functions' permissions have to know.
const (
	wellKnownPrefix = "/.well-known/" // of names.JWKSPath and names.OIDCPath
	apiPrefix       = "/v1/"          // of every path of names.Routes
)

// uncachedErrors are the statuses that CloudFront would otherwise keep for ten seconds: long enough
// for a whole crowd to be told that a status which tick has just published does not exist.
var uncachedErrors = []float64{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}

func (r *Room) addDistribution() {
	access := r.bucketAccess()
	pageOrigin, documentsOrigin := bucketOrigin(r.Page, access), bucketOrigin(r.Documents, access)
	pageCache := r.cachePolicy("PageCache", ttl{min: 1, standard: 60, max: 86400}, true)
	pageHeaders, documentHeaders := r.headersPolicy("PageHeaders", pageSecurity()), r.headersPolicy("DocumentHeaders", documentSecurity())
	document := func(cache awscloudfront.CachePolicy) *awscloudfront.BehaviorOptions {
		return r.behavior(documentsOrigin, cache, documentHeaders)
	}

	props := &awscloudfront.DistributionProps{
		Comment:           jsii.String("waiting room"),
		DefaultBehavior:   r.pageBehavior(r.behavior(pageOrigin, pageCache, pageHeaders)),
		DefaultRootObject: jsii.String("index.html"),
		HttpVersion:       awscloudfront.HttpVersion_HTTP2_AND_3,
		ErrorResponses:    neverCacheErrors(),
		AdditionalBehaviors: &map[string]*awscloudfront.BehaviorOptions{
			names.AssetsPrefix + "*": r.behavior(pageOrigin, pageCache, pageHeaders),
			// The maximum guards against an object whose header asks for longer: a status that
			// stands still would hold the whole line. Uncompressed, there is one copy to ask for.
			names.StatusPrefix + "*": document(r.cachePolicy("Status", ttl{min: 1, standard: 1, max: 1}, false)),
			names.SealsPrefix + "*":  document(r.cachePolicy("Seals", ttl{min: 1, standard: 86400, max: 31536000}, true)),
			wellKnownPrefix + "*":    document(r.cachePolicy("WellKnown", ttl{min: 1, standard: 60, max: 3600}, false)),
			apiPrefix + "*":          r.apiBehavior(),
		},
	}
	if domain := r.props.Domain; domain != nil {
		// For its own name CloudFront decides by itself what it takes.
		props.MinimumProtocolVersion = awscloudfront.SecurityPolicyProtocol_TLS_V1_2_2021
		props.DomainNames = jsii.Strings(domain.Name)
		props.Certificate = awscertificatemanager.Certificate_FromCertificateArn(r.Construct, jsii.String("Certificate"), &domain.Certificate)
	}
	if r.props.WebACL != "" {
		props.WebAclId = &r.props.WebACL
	}
	r.Distribution = awscloudfront.NewDistribution(r.Construct, jsii.String("Distribution"), props)
	// With another label the new key has to exist before it is sent. That it opens the stage takes
	// a moment more than the distribution's first edge may need; until then the answer is 503.
	r.Distribution.Node().AddDependency(r.originKey)
	awscdk.Annotations_Of(r.Distribution).AcknowledgeWarning(
		jsii.String("@aws-cdk/aws-cloudfront-origins:listBucketSecurityRisk"),
		jsii.String("See bucketOrigin: no request with an empty key reaches a bucket."))
	r.Address = jsii.Sprintf("https://%s", *r.Distribution.DomainName())
	if domain := r.props.Domain; domain != nil {
		r.Address = jsii.Sprintf("https://%s", domain.Name)
	}
}

// addRecords points the domain at the distribution where its zone is known. The full stop says that
// the name is whole, so that the zone's own need not be known.
func (r *Room) addRecords() {
	domain := r.props.Domain
	if domain == nil || domain.Zone == "" {
		return
	}
	zone := awsroute53.HostedZone_FromHostedZoneId(r.Construct, jsii.String("Zone"), &domain.Zone)
	name := jsii.String(domain.Name + ".")
	target := awsroute53.RecordTarget_FromAlias(awsroute53targets.NewCloudFrontTarget(r.Distribution))
	awsroute53.NewARecord(r.Construct, jsii.String("A"), &awsroute53.ARecordProps{Zone: zone, RecordName: name, Target: target})
	awsroute53.NewAaaaRecord(r.Construct, jsii.String("AAAA"), &awsroute53.AaaaRecordProps{Zone: zone, RecordName: name, Target: target})
}

// longestRegion leaves room for the longest names of regions, such as ap-northeast-1.
const longestRegion = 16

// bucketAccess has CloudFront sign what it asks of the buckets. Its name is the account's and has 64
// characters at most, so the same stack in two regions needs two.
func (r *Room) bucketAccess() awscloudfront.S3OriginAccessControl {
	name := awscdk.Names_UniqueResourceName(r.Construct, &awscdk.UniqueResourceNameOptions{
		MaxLength: jsii.Number(64 - len("-") - longestRegion),
	})
	return awscloudfront.NewS3OriginAccessControl(r.Construct, jsii.String("BucketAccess"), &awscloudfront.S3OriginAccessControlProps{
		OriginAccessControlName: jsii.Sprintf("%s-%s", *name, *awscdk.Stack_Of(r.Construct).Region()),
	})
}

// bucketOrigin may list, because S3 answers 403 for a missing key to whoever may not, and a page
// could not tell an unknown event from a refusal. Only a request for the empty key lists a bucket:
// the default root object and the CloudFront Function never let one through.
func bucketOrigin(bucket awss3.Bucket, access awscloudfront.S3OriginAccessControl) awscloudfront.IOrigin {
	return awscloudfrontorigins.S3BucketOrigin_WithOriginAccessControl(bucket, &awscloudfrontorigins.S3BucketOriginWithOACProps{
		OriginAccessControl: access,
		OriginAccessLevels:  &[]awscloudfront.AccessLevel{awscloudfront.AccessLevel_READ, awscloudfront.AccessLevel_LIST},
	})
}

// pageBehavior answers an event's address with the page.
func (r *Room) pageBehavior(behavior *awscloudfront.BehaviorOptions) *awscloudfront.BehaviorOptions {
	function := awscloudfront.NewFunction(r.Construct, jsii.String("PageAddress"), &awscloudfront.FunctionProps{
		Code:    awscloudfront.FunctionCode_FromInline(&pageAddress),
		Runtime: awscloudfront.FunctionRuntime_JS_2_0(),
		Comment: jsii.String("Answers /<event> with the page."),
	})
	behavior.FunctionAssociations = &[]*awscloudfront.FunctionAssociation{{
		EventType: awscloudfront.FunctionEventType_VIEWER_REQUEST,
		Function:  function,
	}}
	return behavior
}

// behavior serves GET and HEAD from an origin's cache.
func (r *Room) behavior(origin awscloudfront.IOrigin, cache awscloudfront.CachePolicy, headers awscloudfront.ResponseHeadersPolicy) *awscloudfront.BehaviorOptions {
	return &awscloudfront.BehaviorOptions{
		Origin:                origin,
		CachePolicy:           cache,
		AllowedMethods:        awscloudfront.AllowedMethods_ALLOW_GET_HEAD(),
		ViewerProtocolPolicy:  awscloudfront.ViewerProtocolPolicy_REDIRECT_TO_HTTPS,
		ResponseHeadersPolicy: headers,
	}
}

// apiBehavior refuses plain http instead of redirecting it: a ticket that was sent in the clear is
// lost already, and the error shows it.
func (r *Room) apiBehavior() *awscloudfront.BehaviorOptions {
	host := jsii.Sprintf("%s.execute-api.%s.%s", *r.API.RestApiId(), *awscdk.Aws_REGION(), *awscdk.Aws_URL_SUFFIX())
	return &awscloudfront.BehaviorOptions{
		Origin: awscloudfrontorigins.NewHttpOrigin(host, &awscloudfrontorigins.HttpOriginProps{
			OriginPath:         jsii.String("/" + stage),
			ProtocolPolicy:     awscloudfront.OriginProtocolPolicy_HTTPS_ONLY,
			OriginSslProtocols: &[]awscloudfront.OriginSslPolicy{awscloudfront.OriginSslPolicy_TLS_V1_2},
			CustomHeaders:      &map[string]*string{"x-api-key": r.OriginSecret.SecretValue().UnsafeUnwrap()},
		}),
		AllowedMethods:        awscloudfront.AllowedMethods_ALLOW_ALL(),
		ViewerProtocolPolicy:  awscloudfront.ViewerProtocolPolicy_HTTPS_ONLY,
		CachePolicy:           awscloudfront.CachePolicy_CACHING_DISABLED(),
		OriginRequestPolicy:   awscloudfront.OriginRequestPolicy_ALL_VIEWER_EXCEPT_HOST_HEADER(),
		ResponseHeadersPolicy: r.headersPolicy("APIHeaders", apiSecurity()),
		Compress:              jsii.Bool(false),
	}
}

// ttl is in seconds. A minimum of at least one makes CloudFront collapse simultaneous requests for
// an object into one, whatever header the object carries.
type ttl struct{ min, standard, max float64 }

// cachePolicy keeps cookies, headers and the query out of the key, so that nothing a visitor adds
// to an address makes a second copy of an object.
func (r *Room) cachePolicy(id string, times ttl, compressed bool) awscloudfront.CachePolicy {
	return awscloudfront.NewCachePolicy(r.Construct, jsii.String(id+"Policy"), &awscloudfront.CachePolicyProps{
		MinTtl:                     awscdk.Duration_Seconds(&times.min),
		DefaultTtl:                 awscdk.Duration_Seconds(&times.standard),
		MaxTtl:                     awscdk.Duration_Seconds(&times.max),
		CookieBehavior:             awscloudfront.CacheCookieBehavior_None(),
		HeaderBehavior:             awscloudfront.CacheHeaderBehavior_None(),
		QueryStringBehavior:        awscloudfront.CacheQueryStringBehavior_None(),
		EnableAcceptEncodingGzip:   &compressed,
		EnableAcceptEncodingBrotli: &compressed,
	})
}

func neverCacheErrors() *[]*awscloudfront.ErrorResponse {
	responses := []*awscloudfront.ErrorResponse{}
	for _, status := range uncachedErrors {
		responses = append(responses, &awscloudfront.ErrorResponse{
			HttpStatus: jsii.Number(status),
			Ttl:        awscdk.Duration_Seconds(jsii.Number(0)),
		})
	}
	return &responses
}

// addPage uploads the page. Nothing is pruned: a page that was opened before a deployment may still
// ask for its old modules. A new document asks for modules that are there already: they are uploaded
// before it. Both uploads run in one function of the CDK's own, with the room's log.
func (r *Room) addPage() {
	logs := r.newLog("upload-log")
	role := r.lambdaRole("upload-role", logs)
	deploy := func(id, cacheControl string, exclude, include []string) awss3deployment.BucketDeployment {
		return awss3deployment.NewBucketDeployment(r.Construct, jsii.String(id), &awss3deployment.BucketDeploymentProps{
			Sources: &[]awss3deployment.ISource{awss3deployment.Source_Asset(&r.props.Page, &awss3assets.AssetOptions{
				Exclude: jsii.Strings("test", "test/**", "package.json", "*.go", "*.md"),
			})},
			DestinationBucket: r.Page,
			CacheControl:      &[]awss3deployment.CacheControl{awss3deployment.CacheControl_FromString(&cacheControl)},
			Exclude:           jsii.Strings(exclude...),
			Include:           jsii.Strings(include...),
			Prune:             jsii.Bool(false),
			LogGroup:          logs,
			Role:              role,
		})
	}
	assets := deploy("PageAssets", names.AssetCacheControl, []string{"index.html"}, nil)
	document := deploy("PageDocument", names.PageCacheControl, []string{"*"}, []string{"index.html"})
	document.Node().AddDependency(assets)
}
