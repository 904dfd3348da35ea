// Package deployment is what a function finds out about the account that it runs in when it
// starts: its environment, the clients of the services it uses, and the deployment's secret.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/shared/deployment/secret"
	"waitingroom/shared/names"
	"waitingroom/shared/store"
)

// startLimit bounds the calls that a function makes before it can answer.
const startLimit = 8 * time.Second

// connections is how many a function has to one service at most, and keeps. The SDK keeps ten and
// opens up to 2,048: tick makes 16 calls at a time for each event, so each second began with TLS
// handshakes, and a hundred events could ask for more than the 1,024 file descriptors of an
// environment (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). Beyond these,
// calls wait for each other, which at 5 ms a call is 50,000 calls a second.
const connections = 256

// or separates variables of which exactly one has to be set.
const or = " or "

// Deployment is what every function of the room has.
type Deployment struct {
	AWS    aws.Config
	Store  *store.DynamoDB
	Secret []byte // the ticket, draw and HS256 keys are derived from it; never log it. Nil if not asked for
	Log    *slog.Logger

	env map[string]string
}

// OneOf names variables to Load of which exactly one has to be set. Lookup tells which.
func OneOf(variables ...string) string { return strings.Join(variables, or) }

// Load reads the environment, of which it needs the table, named or not, and what else is named, and
// fetches the secret if names.EnvSecret is among that. The error names everything that is missing at
// once, and what of OneOf is set besides another.
func Load(ctx context.Context, variables ...string) (*Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if !slices.Contains(variables, names.EnvTable) {
		variables = append([]string{names.EnvTable}, variables...)
	}
	env, err := environment(os.LookupEnv, variables)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(newClient()))
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
		d.Secret, err = secret.Read(ctx, secretsmanager.NewFromConfig(cfg), id)
	}
	return d, err
}

// dialLimit is how long a connection to a service may take to open: within a region that is milliseconds.
const dialLimit = 5 * time.Second

func newClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 0 // no limit but that of each service
		t.MaxIdleConnsPerHost, t.MaxConnsPerHost = connections, connections
	}).WithDialerOptions(func(d *net.Dialer) {
		// A connection that is being opened counts as one, also when nobody waits for it any more.
		d.Timeout = dialLimit
	})
}

// Env is the value of a variable that was named to Load, and not in OneOf.
func (d *Deployment) Env(variable string) string {
	value, ok := d.env[variable]
	if !ok {
		panic("deployment: " + variable + " was not loaded")
	}
	return value
}

// Lookup is the value of a variable that was named to Load in OneOf, if it is the one that is set.
func (d *Deployment) Lookup(variable string) (string, bool) {
	value, ok := d.env[variable]
	return value, ok
}

func environment(lookup func(string) (string, bool), variables []string) (map[string]string, error) {
	env, missing, tooMany := map[string]string{}, []string(nil), []string(nil)
	for _, name := range variables {
		var set []string
		for _, alternative := range strings.Split(name, or) {
			if value, ok := lookup(alternative); ok && value != "" {
				env[alternative] = value
				set = append(set, alternative)
			}
		}
		switch {
		case len(set) == 0:
			missing = append(missing, name)
		case len(set) > 1:
			tooMany = append(tooMany, strings.Join(set, " and "))
		}
	}
	return env, errors.Join(complaint("missing environment", missing), complaint("environment has more than one", tooMany))
}

func complaint(about string, variables []string) error {
	if variables == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", about, strings.Join(variables, ", "))
}
