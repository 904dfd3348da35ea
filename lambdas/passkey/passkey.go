// Package passkey is the function that CloudFormation calls to make the RSA key of passes where a
// secret holds it: the key is in no template, no log and no answer, and nobody has to bring it.
package passkey

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"waitingroom/shared/deployment/rsakey"
)

// A value that was just written may take a moment until it can be read.
const (
	readings = 5
	pause    = time.Second
)

// Secrets is what is needed of *secretsmanager.Client.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
}

// Maker puts a key into a secret that has none. Both fields are required.
type Maker struct {
	Secrets  Secrets
	Generate func() (*rsa.PrivateKey, error) // a new key of rsakey.Bits
}

// errEmpty is Secrets Manager's answer for a secret without a value, and for no such secret.
var errEmpty = errors.New("there is no such secret, or it has no value")

// Public returns the public half of the key in the secret with this ARN, after making one if it has
// no value. A value that is no such key is an error and stays as it is. The answer is always read
// from the secret, so it is the half of the key that signs, whatever became of the write.
func (m *Maker) Public(ctx context.Context, arn string) (*rsa.PublicKey, error) {
	public, err := m.stored(ctx, arn)
	if !errors.Is(err, errEmpty) {
		return public, err
	}
	written := m.write(ctx, arn)
	public, err = m.readBack(ctx, arn)
	if errors.Is(err, errEmpty) && written != nil {
		return nil, written
	}
	return public, err
}

func (m *Maker) stored(ctx context.Context, arn string) (*rsa.PublicKey, error) {
	out, err := m.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if _, empty := errors.AsType[*types.ResourceNotFoundException](err); empty {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read the pass key in %s: %w", arn, err)
	}
	key, err := rsakey.Parse(aws.ToString(out.SecretString))
	if err != nil {
		return nil, fmt.Errorf("the value of %s is %w; it was left as it is: put such a key there, or name a secret without a value", arn, err)
	}
	return &key.PublicKey, nil
}

// write puts a new key into the secret. Its version is named after the secret, so Secrets Manager
// takes one key at most, whoever writes at the same time or again: the others learn that they came
// late, and an answer that got lost does no harm.
func (m *Maker) write(ctx context.Context, arn string) error {
	key, err := m.Generate()
	if err != nil {
		return fmt.Errorf("make a pass key: %w", err)
	}
	text, err := rsakey.Encode(key)
	if err != nil {
		return err
	}
	_, err = m.Secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(arn), ClientRequestToken: aws.String(version(arn)), SecretString: aws.String(text),
	})
	if err != nil {
		return fmt.Errorf("write the pass key to %s: %w", arn, err)
	}
	return nil
}

// version is 64 characters, the most that a version's id may have.
func version(arn string) string {
	sum := sha256.Sum256([]byte("pass key of " + arn))
	return hex.EncodeToString(sum[:])
}

func (m *Maker) readBack(ctx context.Context, arn string) (public *rsa.PublicKey, err error) {
	for range readings {
		public, err = m.stored(ctx, arn)
		if !errors.Is(err, errEmpty) {
			return public, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
	return nil, err
}
