package jira

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Credentials are what the secret of names.EnvJiraSecret holds. Never log them.
type Credentials struct {
	WebhookSecret  string `json:"webhook_secret"`                    // Jira signs webhooks with it
	PreviousSecret string `json:"webhook_secret_previous,omitempty"` // is accepted too, while one replaces the other
	Email          string `json:"email"`                             // of the user who comments
	APIToken       string `json:"api_token"`                         // of the same
}

// LogValue keeps credentials out of logs that somebody writes by mistake.
func (Credentials) LogValue() slog.Value { return slog.StringValue("credentials of Jira") }

// minSecret is the shortest webhook secret in bytes: shorter ones can be found by trying.
const minSecret = 16

// ParseCredentials reads the secret. Its error repeats nothing of it.
func ParseCredentials(text string) (Credentials, error) {
	var c Credentials
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Credentials{}, errors.New(`the secret of Jira is not a JSON object of texts: fill it as docs/jira.md says`)
	}
	var wrong []string
	if len(c.WebhookSecret) < minSecret {
		wrong = append(wrong, fmt.Sprintf("webhook_secret (at least %d characters)", minSecret))
	}
	if c.PreviousSecret != "" && len(c.PreviousSecret) < minSecret {
		wrong = append(wrong, fmt.Sprintf("webhook_secret_previous (none, or at least %d characters)", minSecret))
	}
	if c.Email == "" || strings.Contains(c.Email, ":") {
		wrong = append(wrong, "email")
	}
	if c.APIToken == "" {
		wrong = append(wrong, "api_token")
	}
	if wrong != nil {
		return Credentials{}, fmt.Errorf("the secret of Jira lacks %s: fill it as docs/jira.md says", strings.Join(wrong, ", "))
	}
	return c, nil
}

// Verify checks a webhook's signature against both webhook secrets.
func (c Credentials) Verify(body []byte, header string) error {
	if Verify([]byte(c.WebhookSecret), body, header) == nil {
		return nil
	}
	return Verify([]byte(c.PreviousSecret), body, header)
}

// Source is where the door and the client get credentials.
type Source interface {
	Credentials(ctx context.Context) (Credentials, error)
}

// SecretReader is what is needed of *secretsmanager.Client.
type SecretReader interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// keptFor is how long credentials are used before the secret is read again, so that a rotated one is
// in force within it.
const keptFor = 2 * time.Minute

// Secret reads credentials from Secrets Manager and keeps them for two minutes.
type Secret struct {
	client SecretReader
	arn    string
	now    func() time.Time

	mu    sync.Mutex
	last  Credentials
	until time.Time
}

// NewSecret returns the credentials in the secret with this ARN.
func NewSecret(client SecretReader, arn string, now func() time.Time) *Secret {
	return &Secret{client: client, arn: arn, now: now}
}

// Credentials returns those that the secret held at most two minutes ago. An error means that it could
// not be read or is not filled in: ask again later, and take no webhook without it.
func (s *Secret) Credentials(ctx context.Context) (Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Before(s.until) {
		return s.last, nil
	}
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.arn)})
	if err != nil {
		return Credentials{}, fmt.Errorf("read the secret of Jira: %w", err)
	}
	c, err := ParseCredentials(aws.ToString(out.SecretString))
	if err != nil {
		return Credentials{}, err
	}
	s.last, s.until = c, now.Add(keptFor)
	return c, nil
}
