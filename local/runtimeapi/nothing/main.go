// Command nothing is the function whose cold start the others' are measured beside: it reads an
// event and answers at once, with nothing in it of ours or of the AWS SDK.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, json.RawMessage) (json.RawMessage, error) { return json.RawMessage("{}"), nil })
}
