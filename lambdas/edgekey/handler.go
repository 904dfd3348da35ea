package edgekey

import (
	"context"

	"github.com/aws/aws-lambda-go/cfn"

	"waitingroom/shared/deployment/customresource"
	"waitingroom/shared/deployment/secret"
	"waitingroom/shared/pass"
)

// NewHandler answers CloudFormation's events for a Custom::EdgeGateKey. Its properties are SecretArn,
// the room's secret; KeyValueStoreArn, the gate's store; and Values, what the gate starts with. A
// gate's stack may be in another region than its room: secrets are read in the region of their ARN.
func NewHandler(w *Writer, secretsIn func(region string) secret.Reader) cfn.CustomResourceLambdaFunction {
	return customresource.Handler(func(ctx context.Context, e cfn.Event) (string, map[string]any, error) {
		store, err := customresource.ARN(e, "KeyValueStoreArn", "cloudfront")
		if err != nil {
			return "", nil, err
		}
		from, err := customresource.ARN(e, "SecretArn", "secretsmanager")
		if err != nil {
			return "", nil, err
		}
		values, err := parseValues(e.ResourceProperties["Values"])
		if err != nil {
			return "", nil, err
		}
		read, err := secret.Read(ctx, secretsIn(from.Region), from.String())
		if err != nil {
			return "", nil, err
		}
		return store.String(), nil, w.Write(ctx, store.String(), pass.HMACKey(read), values)
	})
}
