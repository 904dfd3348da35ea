// Package secret reads the deployment's secret, from which the ticket, draw and HS256 keys are
// derived. It is apart from package deployment for functions that have no table.
package secret

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// MinLength is the shortest secret in bytes that keys may be derived from.
const MinLength = 32

// Reader is what is needed of *secretsmanager.Client.
type Reader interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Read returns the secret with this ARN. Never log it. The error holds nothing of it.
func Read(ctx context.Context, client Reader, arn string) ([]byte, error) {
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return nil, fmt.Errorf("read the deployment's secret: %w", err)
	}
	secret := aws.ToString(out.SecretString)
	if len(secret) < MinLength {
		return nil, fmt.Errorf("the deployment's secret has %d bytes and needs at least %d", len(secret), MinLength)
	}
	return []byte(secret), nil
}
