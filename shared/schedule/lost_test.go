package schedule_test

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// losing loses the first answer to each transaction, which is written all the same.
type losing struct {
	dynamodb.HTTPClient
	again bool // whether the answer to this one has been lost
	lost  int
}

func (l *losing) Do(r *http.Request) (*http.Response, error) {
	answer, err := l.HTTPClient.Do(r)
	if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "TransactWriteItems") {
		return answer, err
	}
	if l.again = !l.again; !l.again {
		return answer, nil
	}
	l.lost++
	answer.Body.Close()
	return nil, &lostAnswer{errors.New("the connection broke")}
}

// lostAnswer is an error that the SDK takes for one of the connection.
type lostAnswer struct{ error }

func (*lostAnswer) ConnectionError() bool { return true }
