package deployment

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestEverythingMissingIsNamedAtOnce(t *testing.T) {
	set := map[string]string{"A": "a", "B": ""}
	lookup := func(name string) (string, bool) { v, ok := set[name]; return v, ok }
	_, err := environment(lookup, []string{"A", "B", "C"})
	if err == nil || err.Error() != "missing environment: B, C" {
		t.Errorf("%v", err)
	}
	env, err := environment(lookup, []string{"A"})
	if err != nil || env["A"] != "a" {
		t.Errorf("%v, %v", env, err)
	}
}

type fixedSecret string

func (f fixedSecret) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(string(f))}, nil
}

func TestShortSecretIsRefusedAndNotTold(t *testing.T) {
	long := strings.Repeat("s", minSecret)
	if got, err := secretOf(t.Context(), fixedSecret(long), "id"); err != nil || string(got) != long {
		t.Errorf("%q, %v", got, err)
	}
	short := long[1:]
	if _, err := secretOf(t.Context(), fixedSecret(short), "id"); err == nil || strings.Contains(err.Error(), short) {
		t.Errorf("%v", err)
	}
}
