package hotshows

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	// service is what requests to API Gateway are signed for.
	service = "execute-api"
	// skew is how far the clock of whoever signs may be off, either way:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
	skew = 15 * time.Minute

	stampLayout = "20060102T150405Z"
)

// What is wrong with a signature, mostly in the words of API Gateway.
var (
	errUnsigned   = errors.New("Missing Authentication Token")
	errIncomplete = errors.New("Authorization header requires 'Credential', 'Signature' and 'SignedHeaders', which cover at least the host and a date in X-Amz-Date")
	errScope      = errors.New("Credential should be scoped to a valid region and the correct service: 'execute-api'")
	errStamp      = errors.New("Signature expired or not yet current: sign again, and check the clock")
	errMismatch   = errors.New("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details")
)

// keyID is what an access key id may be here: it becomes a user's name in an ARN.
var keyID = regexp.MustCompile(`^[a-zA-Z0-9+=,.@_-]{1,64}$`)

// claim is what an Authorization header says.
type claim struct {
	key       string // access key id
	date      string // day of the scope
	region    string
	signed    []string // names of headers, in lower case
	signature string
}

// parseClaim reads a header as in "AWS4-HMAC-SHA256 Credential=<key>/<day>/<region>/<service>/aws4_request,
// SignedHeaders=<name>;<name>, Signature=<hex>".
func parseClaim(header string) (claim, error) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return claim{}, errUnsigned
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	c := claim{signed: strings.Split(parts["SignedHeaders"], ";"), signature: parts["Signature"]}
	if len(scope) != 5 || c.signature == "" || !slices.Contains(c.signed, "host") || !slices.Contains(c.signed, "x-amz-date") {
		return claim{}, errIncomplete
	}
	c.key, c.date, c.region = scope[0], scope[1], scope[2]
	if scope[3] != service || scope[4] != "aws4_request" || c.region == "" {
		return claim{}, errScope
	}
	if !keyID.MatchString(c.key) {
		return claim{}, errMismatch
	}
	return c, nil
}

// verify returns the access key id that a request was signed by in Signature Version 4. The secret of
// each is the same text as its id: whoever reaches this machine may be anybody. The signature is made
// again by the SDK's own signer from what was signed, and compared.
func verify(ctx context.Context, r *http.Request, body []byte, now time.Time) (key string, err error) {
	c, err := parseClaim(r.Header.Get("Authorization"))
	if err != nil {
		return "", err
	}
	stamp, err := time.Parse(stampLayout, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "", errIncomplete
	}
	if off := now.Sub(stamp); off > skew || off < -skew || c.date != stamp.Format("20060102") {
		return "", errStamp
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != hash {
		return "", errMismatch
	}
	again, err := asSigned(ctx, r, c)
	if err != nil {
		return "", errMismatch
	}
	credentials := aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.key}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, again, hash, service, c.region, stamp); err != nil {
		return "", errMismatch
	}
	made, err := parseClaim(again.Header.Get("Authorization"))
	if err != nil || !slices.Equal(made.signed, c.signed) || !hmac.Equal([]byte(made.signature), []byte(c.signature)) {
		return "", errMismatch
	}
	return c.key, nil
}

// asSigned is the request with those headers only that were signed, since the signer signs nearly all
// that it finds.
func asSigned(ctx context.Context, r *http.Request, c claim) (*http.Request, error) {
	again, err := http.NewRequestWithContext(ctx, r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return nil, err
	}
	for _, name := range c.signed {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	return again, nil
}
