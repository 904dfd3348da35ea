package publish

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ObjectPutter is what S3 needs of an *s3.Client.
type ObjectPutter interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// S3 publishes to a bucket that a CDN reads, with a document's path as its key.
type S3 struct {
	client ObjectPutter
	bucket string
}

// NewS3 returns a publisher to the bucket.
func NewS3(client ObjectPutter, bucket string) *S3 { return &S3{client: client, bucket: bucket} }

// Put stores the document. After an error it is unknown whether the document was stored: put it,
// or a newer one, again.
func (s *S3) Put(ctx context.Context, path string, body []byte) error {
	if err := check(path); err != nil {
		return err
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:       aws.String(s.bucket),
		Key:          aws.String(path),
		Body:         bytes.NewReader(body),
		ContentType:  aws.String(contentType),
		CacheControl: aws.String(CacheControl(path)),
	})
	if err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	return nil
}
