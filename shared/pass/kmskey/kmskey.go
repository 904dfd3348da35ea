// Package kmskey signs with an RSA key that AWS KMS holds. It is apart from package pass so that a
// shop that only checks passes does not build the AWS SDK.
package kmskey

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"waitingroom/shared/pass"
)

// Timeout bounds one signature, retries included. A function has 10 s in all, and KMS answers in
// some 10 ms when it is well.
const Timeout = 2 * time.Second

// API is what this package needs of a *kms.Client.
type API interface {
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
}

// Key is a crypto.Signer whose private half never leaves KMS. It is safe for use by many
// goroutines.
type Key struct {
	api    API
	id     string
	public *rsa.PublicKey
}

// New reads the public half of the key with the given id or ARN. It fails unless the key is an RSA
// key that makes RSASSA_PKCS1_V1_5_SHA_256 signatures.
func New(ctx context.Context, api API, id string) (*Key, error) {
	out, err := api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(id)})
	if err != nil {
		return nil, fmt.Errorf("kmskey: public key of %s: %w", id, err)
	}
	if !slices.Contains(out.SigningAlgorithms, types.SigningAlgorithmSpecRsassaPkcs1V15Sha256) {
		return nil, fmt.Errorf("kmskey: %s cannot sign with %s", id, types.SigningAlgorithmSpecRsassaPkcs1V15Sha256)
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("kmskey: public key of %s: %w", id, err)
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("kmskey: %s is not an RSA key but %T", id, parsed)
	}
	return &Key{api: api, id: id, public: public}, nil
}

// Public returns the key's *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Sign signs a SHA-256 digest; the reader is not used. The error is pass.ErrThrottled when KMS
// refuses for now, fails inside, or does not answer within Timeout: a signature leaves nothing
// behind in KMS, so asking again is harmless.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss || opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, errors.New("kmskey: only PKCS #1 v1.5 signatures of SHA-256 digests are made")
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	out, err := k.api.Sign(ctx, &kms.SignInput{
		KeyId:            aws.String(k.id),
		Message:          digest,
		MessageType:      types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256,
	}, retryOnlyConnections)
	if err != nil && passes(err) {
		return nil, fmt.Errorf("kmskey: sign with %s: %w: %w", k.id, pass.ErrThrottled, err)
	}
	if err != nil {
		return nil, fmt.Errorf("kmskey: sign with %s: %w", k.id, err)
	}
	return out.Signature, nil
}

// retryOnlyConnections keeps the SDK from repeating what KMS refused: under pressure that would
// double the load on a quota which is shared by the whole account. The visitor asks again anyway.
// A connection that died while the function slept is worth a second try.
func retryOnlyConnections(o *kms.Options) {
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = 2
		s.Retryables = []retry.IsErrorRetryable{retry.NoRetryCanceledError{}, retry.RetryableConnectionError{}}
	})
}

// passes tells whether the error goes away by itself, as opposed to a missing key or permission.
func passes(err error) bool {
	var internal *types.KMSInternalException
	var dependency *types.DependencyTimeoutException
	var unavailable *types.KeyUnavailableException
	return errors.Is(err, context.DeadlineExceeded) ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary ||
		errors.As(err, &internal) || errors.As(err, &dependency) || errors.As(err, &unavailable)
}
