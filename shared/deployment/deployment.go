// Package deployment is what a function finds out about the account that it runs in when it
// starts: its environment, the clients of the services it uses, and the deployment's secret.
package deployment

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/shared/names"
	"waitingroom/shared/store"
)

// startLimit bounds the calls that a function makes before it can answer.
const startLimit = 8 * time.Second

// minSecret is the shortest secret in bytes that keys may be derived from.
const minSecret = 32

// Deployment is what every function of the room has.
type Deployment struct {
	AWS    aws.Config
	Store  *store.DynamoDB
	Secret []byte // the ticket, draw and HS256 keys are derived from it; never log it. Nil if not asked for
	Log    *slog.Logger

	env map[string]string
}

// Load reads the environment, of which it needs the table and what else is named, and fetches the
// secret if names.EnvSecret is among that. The error names everything that is missing at once.
func Load(ctx context.Context, variables ...string) (*Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	env, err := environment(os.LookupEnv, append([]string{names.EnvTable}, variables...))
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	d := &Deployment{
		AWS:   cfg,
		Store: store.New(dynamodb.NewFromConfig(cfg), env[names.EnvTable], time.Now),
		Log:   slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		env:   env,
	}
	if id, wanted := env[names.EnvSecret]; wanted {
		d.Secret, err = secretOf(ctx, secretsmanager.NewFromConfig(cfg), id)
	}
	return d, err
}

// Env is the value of a variable that was named to Load.
func (d *Deployment) Env(variable string) string {
	value, ok := d.env[variable]
	if !ok {
		panic("deployment: " + variable + " was not loaded")
	}
	return value
}

func environment(lookup func(string) (string, bool), variables []string) (map[string]string, error) {
	env, missing := map[string]string{}, []string(nil)
	for _, name := range variables {
		if value, ok := lookup(name); ok && value != "" {
			env[name] = value
		} else {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("missing environment: %s", strings.Join(missing, ", "))
	}
	return env, nil
}

// secretReader is what is needed of *secretsmanager.Client.
type secretReader interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

func secretOf(ctx context.Context, client secretReader, id string) ([]byte, error) {
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	if err != nil {
		return nil, fmt.Errorf("read the deployment's secret: %w", err)
	}
	secret := aws.ToString(out.SecretString)
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the deployment's secret has %d bytes and needs at least %d", len(secret), minSecret)
	}
	return []byte(secret), nil
}
