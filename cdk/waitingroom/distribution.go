package waitingroom

import (
	_ "embed"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
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

func (r *Room) addDistribution(domain *Domain) {
	page := r.bucketOrigin(r.Page)
	documents := r.bucketOrigin(r.Documents)
	pageCache := r.cachePolicy("PageCache", ttl{min: 1, standard: 60, max: 86400}, true)

	props := &awscloudfront.DistributionProps{
		Comment:           jsii.String("waiting room"),
		DefaultBehavior:   r.pageBehavior(page, pageCache),
		DefaultRootObject: jsii.String("index.html"),
		HttpVersion:       awscloudfront.HttpVersion_HTTP2_AND_3,
		ErrorResponses:    neverCacheErrors(),
		AdditionalBehaviors: &map[string]*awscloudfront.BehaviorOptions{
			names.AssetsPrefix + "*": r.behavior(page, pageCache),
			// The maximum guards against an object whose header asks for longer: a status that
			// stands still would hold the whole line. Uncompressed, there is one copy to ask for.
			names.StatusPrefix + "*": r.behavior(documents, r.cachePolicy("Status", ttl{min: 1, standard: 1, max: 1}, false)),
			names.SealsPrefix + "*":  r.behavior(documents, r.cachePolicy("Seals", ttl{min: 1, standard: 86400, max: 31536000}, true)),
			wellKnownPrefix + "*":    r.behavior(documents, r.cachePolicy("WellKnown", ttl{min: 1, standard: 60, max: 3600}, false)),
			apiPrefix + "*":          r.apiBehavior(),
		},
	}
	if domain != nil {
		props.DomainNames = jsii.Strings(domain.Name)
		props.Certificate = awscertificatemanager.Certificate_FromCertificateArn(r.Construct, jsii.String("Certificate"), &domain.Certificate)
	}
	r.Distribution = awscloudfront.NewDistribution(r.Construct, jsii.String("Distribution"), props)
	awscdk.Annotations_Of(r.Distribution).AcknowledgeWarning(
		jsii.String("@aws-cdk/aws-cloudfront-origins:listBucketSecurityRisk"),
		jsii.String("See bucketOrigin: no request with an empty key reaches a bucket."))
	r.Address = jsii.Sprintf("https://%s", *r.Distribution.DomainName())
	if domain != nil {
		r.Address = jsii.Sprintf("https://%s", domain.Name)
	}
}

// bucketOrigin may list, because S3 answers 403 for a missing key to whoever may not, and a page
// could not tell an unknown event from a refusal. Only a request for the empty key lists a bucket:
// the default root object and the CloudFront Function never let one through.
func (r *Room) bucketOrigin(bucket awss3.Bucket) awscloudfront.IOrigin {
	return awscloudfrontorigins.S3BucketOrigin_WithOriginAccessControl(bucket, &awscloudfrontorigins.S3BucketOriginWithOACProps{
		OriginAccessLevels: &[]awscloudfront.AccessLevel{awscloudfront.AccessLevel_READ, awscloudfront.AccessLevel_LIST},
	})
}

func (r *Room) pageBehavior(origin awscloudfront.IOrigin, cache awscloudfront.CachePolicy) *awscloudfront.BehaviorOptions {
	function := awscloudfront.NewFunction(r.Construct, jsii.String("PageAddress"), &awscloudfront.FunctionProps{
		Code:    awscloudfront.FunctionCode_FromInline(&pageAddress),
		Runtime: awscloudfront.FunctionRuntime_JS_2_0(),
		Comment: jsii.String("Answers /<event> with the page."),
	})
	behavior := r.behavior(origin, cache)
	behavior.FunctionAssociations = &[]*awscloudfront.FunctionAssociation{{
		EventType: awscloudfront.FunctionEventType_VIEWER_REQUEST,
		Function:  function,
	}}
	return behavior
}

// behavior serves GET and HEAD from an origin's cache.
func (r *Room) behavior(origin awscloudfront.IOrigin, cache awscloudfront.CachePolicy) *awscloudfront.BehaviorOptions {
	return &awscloudfront.BehaviorOptions{
		Origin:                origin,
		CachePolicy:           cache,
		AllowedMethods:        awscloudfront.AllowedMethods_ALLOW_GET_HEAD(),
		ViewerProtocolPolicy:  awscloudfront.ViewerProtocolPolicy_REDIRECT_TO_HTTPS,
		ResponseHeadersPolicy: awscloudfront.ResponseHeadersPolicy_SECURITY_HEADERS(),
	}
}

// apiBehavior refuses plain http instead of redirecting it: a ticket that was sent in the clear is
// lost already, and the error shows it.
func (r *Room) apiBehavior() *awscloudfront.BehaviorOptions {
	host := jsii.Sprintf("%s.execute-api.%s.%s", *r.API.RestApiId(), *awscdk.Aws_REGION(), *awscdk.Aws_URL_SUFFIX())
	return &awscloudfront.BehaviorOptions{
		Origin: awscloudfrontorigins.NewHttpOrigin(host, &awscloudfrontorigins.HttpOriginProps{
			OriginPath:     jsii.String("/" + stage),
			ProtocolPolicy: awscloudfront.OriginProtocolPolicy_HTTPS_ONLY,
			CustomHeaders:  &map[string]*string{"x-api-key": r.OriginSecret.SecretValue().UnsafeUnwrap()},
		}),
		AllowedMethods:       awscloudfront.AllowedMethods_ALLOW_ALL(),
		ViewerProtocolPolicy: awscloudfront.ViewerProtocolPolicy_HTTPS_ONLY,
		CachePolicy:          awscloudfront.CachePolicy_CACHING_DISABLED(),
		OriginRequestPolicy:  awscloudfront.OriginRequestPolicy_ALL_VIEWER_EXCEPT_HOST_HEADER(),
		Compress:             jsii.Bool(false),
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
// ask for its old modules.
func (r *Room) addPage(folder string) {
	deploy := func(id, cacheControl string, exclude, include []string) {
		awss3deployment.NewBucketDeployment(r.Construct, jsii.String(id), &awss3deployment.BucketDeploymentProps{
			Sources: &[]awss3deployment.ISource{awss3deployment.Source_Asset(&folder, &awss3assets.AssetOptions{
				Exclude: jsii.Strings("test", "test/**", "package.json", "*.go"),
			})},
			DestinationBucket: r.Page,
			CacheControl:      &[]awss3deployment.CacheControl{awss3deployment.CacheControl_FromString(&cacheControl)},
			Exclude:           jsii.Strings(exclude...),
			Include:           jsii.Strings(include...),
			Prune:             jsii.Bool(false),
		})
	}
	deploy("PageDocument", names.PageCacheControl, []string{"*"}, []string{"index.html"})
	deploy("PageAssets", names.AssetCacheControl, []string{"index.html"}, nil)
}
