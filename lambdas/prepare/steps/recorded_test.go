package steps

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/schedule"
)

// Answers in the shapes of the services' API references, for what independent implementations of them do
// not know (.ci/hotshows/unsupported.txt), through the real SDK.

// exchange is one call as it goes over the wire.
type exchange struct {
	call    string // method and address, or X-Amz-Target
	request string // JSON that has to be sent
	status  int
	kind    string // X-Amzn-ErrorType of an error in Lambda's form
	answer  string
}

// recording answers calls in their order, and nothing else.
func recording(t *testing.T, exchanges ...exchange) aws.Config {
	next := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Header.Get("X-Amz-Target")
		if call == "" {
			call = r.Method + " " + r.URL.RequestURI()
		}
		body, _ := io.ReadAll(r.Body)
		if next == len(exchanges) || exchanges[next].call != call || !sameJSON(exchanges[next].request, string(body)) {
			t.Errorf("call %d is %s with %s", next+1, call, body)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		e := exchanges[next]
		next++
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if e.kind != "" {
			w.Header().Set("X-Amzn-Errortype", e.kind)
		}
		w.WriteHeader(e.status)
		fmt.Fprint(w, e.answer)
	}))
	t.Cleanup(func() {
		server.Close()
		if next != len(exchanges) {
			t.Errorf("%d of %d calls were made", next, len(exchanges))
		}
	})
	return aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "example", "")}
}

func sameJSON(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// recordedShow is one whose tokens never change.
func recordedShow(t *testing.T) *subject {
	s := (&account{t: t, shared: map[string]schedule.Holding{}}).subject("show-1")
	s.show.Request.OnSale = time.Date(2026, 11, 28, 10, 0, 0, 0, time.FixedZone("", 3600))
	return s
}

func (s *subject) steps(want string, do ...func() (hotshow.Progress, error)) {
	s.t.Helper()
	var got []string
	for _, step := range do {
		progress, err := step()
		if err != nil {
			progress = hotshow.Progress(err.Error())
		}
		got = append(got, string(progress))
	}
	if all := strings.Join(got, "\n"); !strings.HasPrefix(all, want) {
		s.t.Errorf("got\n%s\nwant\n%s", all, want)
	}
}

func (s *subject) up(step prepare.Step) func() (hotshow.Progress, error) {
	return func() (hotshow.Progress, error) { return s.run(step.Up) }
}

func (s *subject) down(step prepare.Step) func() (hotshow.Progress, error) {
	return func() (hotshow.Progress, error) { return s.run(step.Down) }
}

const (
	joinAddress = " /2019-09-30/functions/room-join/provisioned-concurrency?Qualifier=live"
	nothingSet  = `{"Type":"User","Message":"No Provisioned Concurrency Config found for this function"}`
)

func config(requested, allocated int, status, reason string) string {
	return fmt.Sprintf(`{"RequestedProvisionedConcurrentExecutions":%d,"AvailableProvisionedConcurrentExecutions":%d,"AllocatedProvisionedConcurrentExecutions":%d,"Status":"%s"%s,"LastModified":"2026-11-28T08:31:12+0000"}`,
		requested, allocated, allocated, status, reason)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
func TestRecordedConcurrency(t *testing.T) {
	nothing := exchange{"GET" + joinAddress, "", 404, "ProvisionedConcurrencyConfigNotFoundException", nothingSet}
	put := exchange{"PUT" + joinAddress, `{"ProvisionedConcurrentExecutions":100}`, 202, "", config(100, 0, "IN_PROGRESS", "")}
	found := func(answer string) exchange { return exchange{"GET" + joinAddress, "", 200, "", answer} }
	s := recordedShow(t)
	s.show.Needs.Admit = 0
	step := NewConcurrency(lambda.NewFromConfig(recording(t,
		nothing, nothing, put,
		found(config(100, 40, "IN_PROGRESS", "")),
		found(config(100, 0, "FAILED", `,"StatusReason":"FUNCTION_ERROR_INIT_FAILURE"`)),
		found(config(100, 0, "FAILED", `,"StatusReason":"FUNCTION_ERROR_INIT_FAILURE"`)), put,
		found(config(100, 100, "READY", "")),
		found(config(100, 100, "READY", "")), exchange{"DELETE" + joinAddress, "", 204, "", ""},
	)), s, quiet(), "room-join", "room-admit")
	up, down := s.up(step), s.down(step)
	s.steps("begun\nbegun\nroom-join: 100 environments could not be provisioned: FUNCTION_ERROR_INIT_FAILURE\nup\ndown", up, up, up, up, down)

	s = recordedShow(t)
	s.show.Needs.Admit = 0
	full := exchange{put.call, put.request, 400, "InvalidParameterValueException",
		`{"Type":"User","message":"Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."}`}
	busy := exchange{put.call, put.request, 409, "ResourceConflictException", `{"Type":"User","Message":"The operation cannot be performed at this time."}`}
	step = NewConcurrency(lambda.NewFromConfig(recording(t, nothing, nothing, busy, nothing, nothing, full)), s, quiet(), "room-join", "room-admit")
	s.steps("begun\nroom-join: provision 100 environments (the account's functions share their concurrency, by default 1,000: "+
		"have Service Quotas raise \"Concurrent executions\", lambda L-B99A9384, by 100): ", s.up(step), s.up(step))
}

// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
func TestRecordedThroughput(t *testing.T) {
	const describe, table = "DynamoDB_20120810.DescribeTable", `{"TableName":"room"}`
	warm := func(writes int, tableStatus, status string) exchange {
		return exchange{describe, table, 200, "", fmt.Sprintf(`{"Table":{"TableName":"room","TableStatus":"%s","WarmThroughput":{"ReadUnitsPerSecond":15000,"WriteUnitsPerSecond":%d,"Status":"%s"}}}`, tableStatus, writes, status)}
	}
	raise := exchange{"DynamoDB_20120810.UpdateTable", `{"TableName":"room","WarmThroughput":{"WriteUnitsPerSecond":20000}}`, 200, "", `{"TableDescription":{"TableName":"room","TableStatus":"UPDATING"}}`}
	busy, full := raise, raise
	busy.status, busy.answer = 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceInUseException","message":"Attempt to change a resource which is still in use"}`
	full.status, full.answer = 400, `{"__type":"com.amazonaws.dynamodb.v20120810#LimitExceededException","message":"Subscriber limit exceeded"}`
	s := recordedShow(t)
	step := NewThroughput(dynamodb.NewFromConfig(recording(t,
		warm(4_000, "ACTIVE", "ACTIVE"), full, warm(4_000, "ACTIVE", "ACTIVE"), busy, warm(4_000, "ACTIVE", "ACTIVE"), raise,
		warm(4_000, "UPDATING", "UPDATING"), warm(4_000, "ACTIVE", "UPDATING"), warm(20_000, "ACTIVE", "ACTIVE"),
	), func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true }), "room", s)
	up := s.up(step)
	if _, err := up(); err == nil || !strings.Contains(err.Error(), "raise warm throughput to 20000 writes a second: ") || !strings.Contains(err.Error(), "Subscriber limit exceeded") {
		t.Errorf("%v", err)
	}
	s.steps("begun\nbegun\nbegun\nbegun\nup\ndown", up, up, up, up, up, s.down(step))
}

// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionProduct.html
func TestRecordedProduct(t *testing.T) {
	const (
		service = "AWS242ServiceCatalogService."
		byName  = `{"Name":"waiting-room-show-1-1"}`
		byID    = `{"Id":"pp-qxgdmcbcxqhfu"}`
	)
	missing := `{"__type":"ResourceNotFoundException","Message":"Provisioned product not found"}`
	record := func(id, kind, status, errors string) string {
		return fmt.Sprintf(`{"RecordDetail":{"CreatedTime":1.7957E9,"PathId":"lpv3-zu3lqbmtvnyma","ProductId":"prod-abcdzk7xy33qa","ProvisionedProductId":"pp-qxgdmcbcxqhfu","ProvisionedProductName":"waiting-room-show-1-1","ProvisionedProductType":"CFN_STACK","ProvisioningArtifactId":"pa-4abcdjnxjj6ne","RecordErrors":[%s],"RecordId":"%s","RecordTags":[],"RecordType":"%s","Status":"%s","UpdatedTime":1.7957E9}}`,
			errors, id, kind, status)
	}
	product := func(status string) string {
		return fmt.Sprintf(`{"CloudWatchDashboards":[],"ProvisionedProductDetail":{"Arn":"arn:aws:servicecatalog:eu-west-1:123456789012:stack/waiting-room-show-1-1/pp-qxgdmcbcxqhfu","CreatedTime":1.7957E9,"Id":"pp-qxgdmcbcxqhfu","IdempotencyToken":"waiting-room-show-1-1","LastProvisioningRecordId":"rec-ze7h4xrvqocwu","LastRecordId":"rec-ze7h4xrvqocwu","LastSuccessfulProvisioningRecordId":"rec-ze7h4xrvqocwu","Name":"waiting-room-show-1-1","ProductId":"prod-abcdzk7xy33qa","ProvisioningArtifactId":"pa-4abcdjnxjj6ne","Status":"%s","Type":"CFN_STACK"}}`, status)
	}
	const asked = `{"Id":"rec-ze7h4xrvqocwu"}`
	looked := func(status string) exchange {
		return exchange{service + "DescribeProvisionedProduct", byID, 200, "", product(status)}
	}
	s := recordedShow(t)
	step := NewProduct(servicecatalog.NewFromConfig(recording(t,
		exchange{service + "DescribeProvisionedProduct", byName, 400, "", missing},
		exchange{service + "ListLaunchPaths", `{"ProductId":"prod-abcdzk7xy33qa"}`, 200, "", `{"LaunchPathSummaries":[{"ConstraintSummaries":[],"Id":"lpv3-zu3lqbmtvnyma","Name":"Shop","Tags":[]}]}`},
		exchange{service + "ProvisionProduct", `{"ProvisionToken":"waiting-room-show-1-1","ProvisionedProductName":"waiting-room-show-1-1","ProductId":"prod-abcdzk7xy33qa","ProvisioningArtifactId":"pa-4abcdjnxjj6ne","PathId":"lpv3-zu3lqbmtvnyma","ProvisioningParameters":[{"Key":"From","Value":"2026-11-28T10:00:00+01:00"},{"Key":"Visitors","Value":"300000"}]}`,
			200, "", record("rec-ze7h4xrvqocwu", "PROVISION_PRODUCT", "CREATED", "")},
		exchange{service + "DescribeRecord", asked, 200, "", record("rec-ze7h4xrvqocwu", "PROVISION_PRODUCT", "IN_PROGRESS", "")},
		exchange{service + "DescribeRecord", asked, 200, "", record("rec-ze7h4xrvqocwu", "PROVISION_PRODUCT", "IN_PROGRESS_IN_ERROR", "")},
		exchange{service + "DescribeRecord", asked, 200, "", record("rec-ze7h4xrvqocwu", "PROVISION_PRODUCT", "SUCCEEDED", "")},
		looked("AVAILABLE"),
		exchange{service + "TerminateProvisionedProduct", `{"ProvisionedProductId":"pp-qxgdmcbcxqhfu","TerminateToken":"waiting-room-show-1-1-end-1"}`, 200, "", record("rec-end", "TERMINATE_PROVISIONED_PRODUCT", "CREATED", "")},
		looked("UNDER_CHANGE"),
		exchange{service + "DescribeRecord", `{"Id":"rec-end"}`, 200, "", record("rec-end", "TERMINATE_PROVISIONED_PRODUCT", "IN_PROGRESS", "")},
		exchange{service + "DescribeProvisionedProduct", byID, 400, "", missing},
	)), &Order{Product: "prod-abcdzk7xy33qa", Artifact: "pa-4abcdjnxjj6ne", Parameters: map[string]string{"Visitors": "{visitors}", "From": "{onsale}"}})
	up, down := s.up(step), s.down(step)
	s.steps("begun\nbegun\nbegun\nup\nbegun\nbegun\ndown", up, up, up, up, down, down, down)

	s = recordedShow(t)
	s.held = map[string]string{"attempt": "1", "record 1": "rec-ze7h4xrvqocwu", "product 1": "pp-qxgdmcbcxqhfu"}
	failed := record("rec-ze7h4xrvqocwu", "PROVISION_PRODUCT", "FAILED", `{"Code":"InternalFailure","Description":"The stack waiting-room has failed: ROLLBACK_COMPLETE"}`)
	step = NewProduct(servicecatalog.NewFromConfig(recording(t,
		exchange{service + "DescribeRecord", asked, 200, "", failed}, looked("ERROR"),
		exchange{service + "TerminateProvisionedProduct", `{"ProvisionedProductId":"pp-qxgdmcbcxqhfu","TerminateToken":"waiting-room-show-1-1-end-1"}`, 200, "", record("rec-end", "TERMINATE_PROVISIONED_PRODUCT", "CREATED", "")},
	)), &Order{Product: "prod-abcdzk7xy33qa", Artifact: "pa-4abcdjnxjj6ne"})
	s.steps("waiting-room-show-1-1 failed, and is terminated before it is tried again: InternalFailure The stack waiting-room has failed: ROLLBACK_COMPLETE", s.up(step))
}
