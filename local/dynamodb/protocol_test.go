package dynamodb_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
	"waitingroom/local/dynamodb/dynamodbtest"
)

// post sends a body as a program without the SDK would, and returns the status, the error's type and
// the whole answer.
func post(t testing.TB, handler http.Handler, operation, body string) (status int, kind string, answer string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", dynamodb.Target+operation)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	var document struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &document); err != nil {
		t.Fatalf("%s answers %q: %v", operation, recorder.Body, err)
	}
	_, kind, _ = strings.Cut(document.Type, "#")
	return recorder.Code, kind, recorder.Body.String()
}

func TestBadRequests(t *testing.T) {
	engine := newTable(t)
	handler := dynamodb.NewHandler(engine, engine)
	const key = `"Key":{"pk":{"S":"p"},"sk":{"S":"s"}}`
	const keys = `"Keys":[{"pk":{"S":"p"},"sk":{"S":"s"}},{"pk":{"S":"p"},"sk":{"S":"t"}}]`
	tests := []struct{ operation, body, want string }{
		{"GetItem", ``, "SerializationException"},
		{"GetItem", `[]`, "SerializationException"},
		{"GetItem", `{`, "SerializationException"},
		{"GetItem", `{} {}`, "SerializationException"},
		{"GetItem", `{"TableName":7}`, "SerializationException"},
		{"GetItem", `{"TableName":"room","Key":[]}`, "SerializationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":"p","sk":{"S":"s"}}}`, "SerializationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"S":1},"sk":{"S":"s"}}}`, "SerializationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"B":"?"},"sk":{"S":"s"}}}`, "SerializationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"S":"p","N":"1"},"sk":{"S":"s"}}}`, "ValidationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{},"sk":{"S":"s"}}}`, "ValidationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"N":"1"},"sk":{"S":"s"}}}`, "ValidationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"S":"p"}}}`, "ValidationException"},
		{"GetItem", `{"TableName":"room","Key":{"pk":{"S":""},"sk":{"S":"s"}}}`, "ValidationException"},
		{"GetItem", `{"TableName":"room"}`, "ValidationException"},
		{"GetItem", `{}`, "ValidationException"},
		{"GetItem", `{"TableName":"none",` + key + `}`, "ResourceNotFoundException"},
		{"GetItem", `{"TableName":"room",` + key + `,"AttributesToGet":["a"]}`, "ValidationException"},
		{"GetItem", `{"TableName":"room",` + key + `,"ProjectionExpression":"a, a.b"}`, "ValidationException"},
		{"GetItem", `{"TableName":"room",` + key + `,"ProjectionExpression":"a.b, a.c","Unknown":[{"a":1}]}`, ""},
		{"PutItem", `{"TableName":"room"}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"}}}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"n":{"N":"one"}}}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"n":{"N":"1e126"}}}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"n":{"SS":["a","a"]}}}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"n":{"NS":[]}}}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"}},"ReturnValues":"ALL_NEW"}`, "ValidationException"},
		{"PutItem", `{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"a":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":""}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"SET ttl = a"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"SET a = :a"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"SET #a = a"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE a, a"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE a.b, a[0]"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE pk"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE a","ExpressionAttributeNames":{"#a":"a"}}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE a","ExpressionAttributeValues":{":a":{"S":"a"}}}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"UpdateExpression":"REMOVE a","ReturnValues":"SOME"}`, "ValidationException"},
		{"UpdateItem", `{"TableName":"room",` + key + `,"AttributeUpdates":{}}`, "ValidationException"},
		{"DeleteItem", `{"TableName":"room",` + key + `,"ConditionExpression":"attribute_exists(a"}`, "ValidationException"},
		{"DeleteItem", `{"TableName":"room",` + key + `,"ConditionExpression":"attribute_exists(a)"}`, "ConditionalCheckFailedException"},
		{"TransactWriteItems", `{"TransactItems":[]}`, "ValidationException"},
		{"TransactWriteItems", `{"TransactItems":[{}]}`, "ValidationException"},
		{"TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"room",` + key + `}},{"Delete":{"TableName":"room",` + key + `}}]}`, "ValidationException"},
		{"CreateTable", `{"TableName":"room","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}`, "ResourceInUseException"},
		{"CreateTable", `{"TableName":"other"}`, "ValidationException"},
		{"DescribeTable", `{"TableName":"none"}`, "ResourceNotFoundException"},
		{"DeleteTable", `{"TableName":"none"}`, "ResourceNotFoundException"},
		{"ListTables", `{"Limit":0}`, "ValidationException"},
		{"Scan", `{"TableName":"room","Limit":0}`, "ValidationException"},
		{"Scan", `{"TableName":"room","Limit":1e3}`, "SerializationException"},
		{"Scan", `{"TableName":"room","IndexName":"by-name"}`, "ValidationException"},
		{"Query", `{"TableName":"room"}`, "ValidationException"},
		{"Query", `{"TableName":"room","KeyConditionExpression":"sk = :s","ExpressionAttributeValues":{":s":{"S":"s"}}}`, "ValidationException"},
		{"BatchGetItem", `{}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":[]}`, "SerializationException"},
		{"BatchGetItem", `{"RequestItems":{"room":[]}}`, "SerializationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{"Keys":[]}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{"Keys":[{"pk":{"S":"p"}}]}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{"Keys":[null]}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{` + keys + `,"AttributesToGet":["a"]}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{` + keys + `,"ProjectionExpression":"a, a.b"}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"room":{` + keys + `,"ExpressionAttributeNames":{"#a":"a"}}}}`, "ValidationException"},
		{"BatchGetItem", `{"RequestItems":{"none":{` + keys + `}}}`, "ResourceNotFoundException"},
		{"BatchGetItem", `{"RequestItems":{"room":{` + keys + `}},"ReturnConsumedCapacity":"TOTAL"}`, ""},
		{"BatchWriteItem", `{}`, "UnknownOperationException"},
	}
	for _, test := range tests {
		status, kind, answer := post(t, handler, test.operation, test.body)
		want := http.StatusBadRequest
		if test.want == "" {
			want = http.StatusOK
		}
		if kind != test.want || status != want {
			t.Errorf("%s %.200s\nanswers %d %.300s, want %s", test.operation, test.body, status, answer, test.want)
		}
	}
	if status, kind, _ := post(t, handler, "GetItem", strings.Repeat(" ", 9<<20)); kind != "RequestEntityTooLarge" || status != http.StatusBadRequest {
		t.Errorf("9 MB: %d %s", status, kind)
	}
}

// FuzzProtocol holds that no body makes the handler panic or fail by itself.
func FuzzProtocol(f *testing.F) {
	for _, body := range []string{
		`{"TableName":"room","Key":{"pk":{"S":"p"},"sk":{"S":"s"}},"UpdateExpression":"SET #a.b[0] = if_not_exists(c, :v) + :v REMOVE d ADD e :v","ConditionExpression":"NOT (size(a) < :v AND b IN (:v)) OR c BETWEEN :v AND :v","ExpressionAttributeNames":{"#a":"a"},"ExpressionAttributeValues":{":v":{"N":"1.5e3"}},"ReturnValues":"UPDATED_NEW"}`,
		`{"TableName":"room","Item":{"pk":{"S":"\ud83c\udf9f\n"},"sk":{"S":"s"},"a":{"L":[{"M":{"x":{"B":"AA=="}}},{"NULL":true},{"BOOL":false},{"NS":["1"]}]}}}`,
		`{"TransactItems":[{"Put":{"TableName":"room","Item":{"pk":{"S":"p"},"sk":{"S":"s"}}}},{"Delete":{"TableName":"room","Key":{"pk":{"S":"q"},"sk":{"S":"s"}}}}],"ClientRequestToken":"t"}`,
		`{"TableName":"room","KeyConditionExpression":"pk = :p AND begins_with(sk, :s)","ExpressionAttributeValues":{":p":{"S":"p"},":s":{"S":"s"}},"Limit":1}`,
		`{"RequestItems":{"room":{"Keys":[{"pk":{"S":"p"},"sk":{"S":"s"}}],"ConsistentRead":true,"ProjectionExpression":"#n","ExpressionAttributeNames":{"#n":"n"}}},"ReturnConsumedCapacity":"INDEXES"}`,
		`{"TableName":"room","Limit":null,"x":[1,-2.5e+1,true,null,{"y":"\u0000"}]}`,
	} {
		f.Add(body)
	}
	engine := newTable(f)
	handler := dynamodb.NewHandler(engine, engine)
	f.Fuzz(func(t *testing.T, body string) {
		for _, operation := range []string{"GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "Scan", "Query"} {
			status, kind, answer := post(t, handler, operation, body)
			if status != http.StatusOK && status != http.StatusBadRequest {
				t.Errorf("%s answers %d %s", operation, status, answer)
			}
			if !json.Valid([]byte(body)) && kind != "SerializationException" && kind != "ValidationException" {
				t.Errorf("%s takes what is no JSON: %s", operation, answer)
			}
		}
	})
}

// failing answers every update with an error.
type failing struct {
	*dynamodb.Engine
	err error
}

func (f failing) UpdateItem(context.Context, *sdk.UpdateItemInput, ...func(*sdk.Options)) (*sdk.UpdateItemOutput, error) {
	return nil, f.err
}

// TestErrorsArriveAsTheyAre holds that the SDK sees the type, message and fields of any error from
// behind the handler.
func TestErrorsArriveAsTheyAre(t *testing.T) {
	reasons := []types.ThrottlingReason{{Reason: aws.String("TableWriteKeyRangeThroughputExceeded"), Resource: aws.String("arn:aws:dynamodb:local:000000000000:table/room")}}
	tests := []smithy.APIError{
		&types.ProvisionedThroughputExceededException{Message: aws.String("slow \"down\""), ThrottlingReasons: reasons},
		&types.ThrottlingException{Message: aws.String("slow down"), ThrottlingReasons: reasons},
		&types.RequestLimitExceeded{Message: aws.String("slow down"), ThrottlingReasons: reasons},
		&types.InternalServerError{Message: aws.String("broken")},
		&types.ConditionalCheckFailedException{Message: aws.String("no"), Item: attributes{"a": number("1")}},
		&types.TransactionCanceledException{Message: aws.String("no"), CancellationReasons: []types.CancellationReason{
			{Code: aws.String("None")}, {Code: aws.String("ConditionalCheckFailed"), Message: aws.String("no"), Item: attributes{"a": text("b")}},
		}},
		&types.TransactionConflictException{Message: aws.String("no")},
		&smithy.GenericAPIError{Code: "ValidationException", Message: "no", Fault: smithy.FaultUnknown},
	}
	for _, test := range tests {
		items := failing{newTable(t), &dynamodb.Refused{Err: test}}
		client := dynamodbtest.Connect("http://engine", func(o *sdk.Options) {
			o.Retryer = aws.NopRetryer{}
			o.HTTPClient = dynamodb.InProcess(dynamodb.NewHandler(items.Engine, items))
		})
		_, err := client.UpdateItem(t.Context(), count())
		var got smithy.APIError
		if !errors.As(err, &got) || !same(got, test) {
			t.Errorf("%#v arrived as %#v", test, got)
		}
	}
	items := failing{newTable(t), io.ErrClosedPipe}
	if status, kind, _ := post(t, dynamodb.NewHandler(items.Engine, items), "UpdateItem", "{}"); status != http.StatusInternalServerError || kind != "InternalServerError" {
		t.Errorf("another error: %d %s", status, kind)
	}
}
