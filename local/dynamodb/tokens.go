package dynamodb

import (
	"crypto/sha256"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tokenLife is how long a transaction's token is remembered:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const tokenLife = 10 * time.Minute

// tokens remembers transactions that were written, so that one that is sent again under its token is
// not done again. The SDK gives every transaction a token.
type tokens struct {
	mu    sync.Mutex
	known map[string]written
	order []string // the oldest first
}

type written struct {
	content [sha256.Size]byte
	at      time.Time
}

// digest tells transactions apart. Their values have been checked.
func digest(in *dynamodb.TransactWriteItemsInput) [sha256.Size]byte {
	return sha256.Sum256(appendJSON(nil, reflect.ValueOf(in.TransactItems)))
}

// seen reports whether the transaction has been written already. Another one under its token is an
// error.
func (t *tokens) seen(token *string, content [sha256.Size]byte, now time.Time) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 && now.Sub(t.known[t.order[0]].at) >= tokenLife {
		delete(t.known, t.order[0])
		t.order = t.order[1:]
	}
	earlier, ok := t.known[aws.ToString(token)]
	if ok && earlier.content != content {
		return false, &types.IdempotentParameterMismatchException{Message: aws.String("The token was used for another transaction in the last ten minutes")}
	}
	return ok, nil
}

func (t *tokens) remember(token string, content [sha256.Size]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]written{}
	}
	token = strings.Clone(token) // which may be part of a whole request
	if _, ok := t.known[token]; !ok {
		t.order = append(t.order, token)
	}
	t.known[token] = written{content, now}
}
