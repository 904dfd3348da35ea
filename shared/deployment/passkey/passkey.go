// Package passkey finds the RSA key that signs passes, which KMS holds or, where its quota does not
// suffice, a secret. It is apart from package deployment so that functions that sign nothing do not
// build the KMS client.
package passkey

import (
	"context"
	"crypto"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/shared/deployment"
	"waitingroom/shared/deployment/rsakey"
	"waitingroom/shared/deployment/secret"
	"waitingroom/shared/names"
	"waitingroom/shared/pass/kmskey"
)

// What to name to deployment.Load before Signer or Public are called. The public half is in the
// environment, so that who publishes it needs no permission to read the private one.
var (
	ForSigner = deployment.OneOf(names.EnvPassKey, names.EnvPassKeySecret)
	ForPublic = deployment.OneOf(names.EnvPassKey, names.EnvPassPublicKey)
)

// Signer returns the key as pass.NewRS256 takes it. One that a secret holds signs in the process
// from then on: a key that is replaced in the secret is used by environments that start later.
func Signer(ctx context.Context, d *deployment.Deployment) (crypto.Signer, error) {
	if arn, ok := d.Lookup(names.EnvPassKeySecret); ok {
		return fromSecret(ctx, secretsmanager.NewFromConfig(d.AWS), arn)
	}
	return kmskey.New(ctx, kms.NewFromConfig(d.AWS), d.Env(names.EnvPassKey))
}

// Public returns the half of the key by which passes are checked, an *rsa.PublicKey.
func Public(ctx context.Context, d *deployment.Deployment) (crypto.PublicKey, error) {
	if text, ok := d.Lookup(names.EnvPassPublicKey); ok {
		key, err := rsakey.ParsePublic(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", names.EnvPassPublicKey, err)
		}
		return key, nil
	}
	key, err := kmskey.New(ctx, kms.NewFromConfig(d.AWS), d.Env(names.EnvPassKey))
	if err != nil {
		return nil, err
	}
	return key.Public(), nil
}

func fromSecret(ctx context.Context, client secret.Reader, arn string) (crypto.Signer, error) {
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return nil, fmt.Errorf("read the pass key in %s: %w", arn, err)
	}
	key, err := rsakey.Parse(aws.ToString(out.SecretString))
	if err != nil {
		return nil, fmt.Errorf("the value of %s is %w", arn, err)
	}
	return key, nil
}
