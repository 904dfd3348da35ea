package passkey

import (
	"context"

	"github.com/aws/aws-lambda-go/cfn"

	"waitingroom/shared/deployment/customresource"
	"waitingroom/shared/deployment/rsakey"
)

// NewHandler answers CloudFormation's events for a Custom::PassKey. Its property is SecretArn, its
// attribute PublicKey: PKIX DER in base64, as the variable names.EnvPassPublicKey takes it.
func NewHandler(m *Maker) cfn.CustomResourceLambdaFunction {
	return customresource.Handler(func(ctx context.Context, e cfn.Event) (string, map[string]any, error) {
		arn, err := customresource.ARN(e, "SecretArn", "secretsmanager")
		if err != nil {
			return "", nil, err
		}
		public, err := m.Public(ctx, arn.String())
		if err != nil {
			return "", nil, err
		}
		text, err := rsakey.EncodePublic(public)
		return arn.String(), map[string]any{"PublicKey": text}, err
	})
}
