package secret_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"waitingroom/shared/deployment/secret"
)

type fixed struct {
	value string
	err   error
}

func (f fixed) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(f.value)}, f.err
}

func TestShortSecretIsRefusedAndNotTold(t *testing.T) {
	long := strings.Repeat("s", secret.MinLength)
	if got, err := secret.Read(t.Context(), fixed{value: long}, "id"); err != nil || string(got) != long {
		t.Errorf("%q, %v", got, err)
	}
	short := long[1:]
	if _, err := secret.Read(t.Context(), fixed{value: short}, "id"); err == nil || strings.Contains(err.Error(), short) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorIsPassedOn(t *testing.T) {
	refused := errors.New("no permission")
	if got, err := secret.Read(t.Context(), fixed{err: refused}, "id"); !errors.Is(err, refused) || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}
