package controlplane

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	catalogtypes "github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)} }

// config reaches a stand-in by the SDK, without a socket.
func config(handler http.Handler) aws.Config {
	return aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		BaseEndpoint: aws.String("http://aws.local"), HTTPClient: dynamodb.InProcess(handler),
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// refused checks the name of an error.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var known smithy.APIError
	if !errors.As(err, &known) || known.ErrorCode() != code {
		t.Errorf("the answer is %v, want %s", err, code)
	}
}

func TestConcurrency(t *testing.T) {
	c := newClock()
	stand := NewConcurrency(c.now, quiet(), "join", "admit")
	client := lambda.NewFromConfig(config(stand))
	put := func(function, alias string, units int32) (*lambda.PutProvisionedConcurrencyConfigOutput, error) {
		return client.PutProvisionedConcurrencyConfig(t.Context(), &lambda.PutProvisionedConcurrencyConfigInput{
			FunctionName: &function, Qualifier: &alias, ProvisionedConcurrentExecutions: &units,
		})
	}
	is := func(status lambdatypes.ProvisionedConcurrencyStatusEnum, requested, available int32) {
		t.Helper()
		out, err := client.GetProvisionedConcurrencyConfig(t.Context(), &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("join"), Qualifier: aws.String("live")})
		if err != nil || out.Status != status || *out.RequestedProvisionedConcurrentExecutions != requested || *out.AvailableProvisionedConcurrentExecutions != available {
			t.Fatalf("the alias has %+v (%v), want %s with %d of %d", out, err, status, available, requested)
		}
	}
	remove := func() error {
		_, err := client.DeleteProvisionedConcurrencyConfig(t.Context(), &lambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: aws.String("join"), Qualifier: aws.String("live")})
		return err
	}
	refused(t, remove(), "ProvisionedConcurrencyConfigNotFoundException")
	if out, err := put("join", "live", 500); err != nil || out.Status != lambdatypes.ProvisionedConcurrencyStatusEnumInProgress {
		t.Fatalf("putting answers %+v, %v", out, err)
	}
	is(lambdatypes.ProvisionedConcurrencyStatusEnumInProgress, 500, 0)
	c.at = c.at.Add(time.Minute)
	is(lambdatypes.ProvisionedConcurrencyStatusEnumReady, 500, 500)
	if _, err := put("join", "live", 600); err != nil {
		t.Fatal(err)
	}
	is(lambdatypes.ProvisionedConcurrencyStatusEnumInProgress, 600, 500)
	for _, test := range []struct {
		function, alias string
		units           int32
		code            string
	}{
		{"admit", "live", 301, "InvalidParameterValueException"}, // 900 are the account's to give
		{"admit", "$LATEST", 1, "InvalidParameterValueException"},
		{"admit", "live", 0, "InvalidParameterValueException"},
		{"other", "live", 1, "ResourceNotFoundException"},
	} {
		_, err := put(test.function, test.alias, test.units)
		refused(t, err, test.code)
	}
	if got := stand.Provisioned("admit", "live"); got != 0 {
		t.Errorf("what was refused provisioned %d", got)
	}
	if err := remove(); err != nil || stand.Provisioned("join", "live") != 0 {
		t.Errorf("removing leaves %d: %v", stand.Provisioned("join", "live"), err)
	}
}

func TestCatalog(t *testing.T) {
	c := newClock()
	var log bytes.Buffer
	stand := NewCatalog(c.now, slog.New(slog.NewTextHandler(&log, nil)))
	client := servicecatalog.NewFromConfig(config(stand))
	ctx := t.Context()
	paths, err := client.ListLaunchPaths(ctx, &servicecatalog.ListLaunchPathsInput{ProductId: aws.String(ProductID)})
	if err != nil || len(paths.LaunchPathSummaries) != 1 {
		t.Fatalf("launch paths: %+v, %v", paths, err)
	}
	launch := func(name, token string) (*catalogtypes.RecordDetail, error) {
		out, err := client.ProvisionProduct(ctx, &servicecatalog.ProvisionProductInput{
			ProductId: aws.String(ProductID), ProvisioningArtifactId: aws.String(ArtifactID), PathId: paths.LaunchPathSummaries[0].Id,
			ProvisionedProductName: &name, ProvisionToken: &token,
			ProvisioningParameters: []catalogtypes.ProvisioningParameter{{Key: aws.String("Servers"), Value: aws.String("12")}},
		})
		if err != nil {
			return nil, err
		}
		return out.RecordDetail, nil
	}
	recordIs := func(id *string, want catalogtypes.RecordStatus) {
		t.Helper()
		out, err := client.DescribeRecord(ctx, &servicecatalog.DescribeRecordInput{Id: id})
		if err != nil || out.RecordDetail.Status != want {
			t.Fatalf("the record is %+v (%v), want %s", out, err, want)
		}
	}
	first, err := launch("shop-1", "token-1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := launch("shop-1", "token-1"); err != nil || *again.RecordId != *first.RecordId {
		t.Errorf("the same token makes %+v, %v", again, err)
	}
	_, err = launch("shop-1", "token-2")
	refused(t, err, "DuplicateResourceException")
	recordIs(first.RecordId, catalogtypes.RecordStatusInProgress)
	if strings.Contains(log.String(), "up") {
		t.Errorf("the servers are up too soon: %s", log.String())
	}

	terminate := func() (*catalogtypes.RecordDetail, error) {
		out, err := client.TerminateProvisionedProduct(ctx, &servicecatalog.TerminateProvisionedProductInput{
			ProvisionedProductId: first.ProvisionedProductId, TerminateToken: aws.String("token-3"),
		})
		if err != nil {
			return nil, err
		}
		return out.RecordDetail, nil
	}
	_, err = terminate()
	refused(t, err, "InvalidParametersException") // it is still coming up
	c.at = c.at.Add(time.Minute)
	recordIs(first.RecordId, catalogtypes.RecordStatusSucceeded)
	if !strings.Contains(log.String(), "the shop's servers are up") || !strings.Contains(log.String(), "Servers=12") {
		t.Errorf("the log says %s", log.String())
	}
	described, err := client.DescribeProvisionedProduct(ctx, &servicecatalog.DescribeProvisionedProductInput{Name: aws.String("shop-1")})
	if err != nil || described.ProvisionedProductDetail.Status != catalogtypes.ProvisionedProductStatusAvailable {
		t.Errorf("the product is %+v, %v", described, err)
	}
	found, err := client.SearchProvisionedProducts(ctx, &servicecatalog.SearchProvisionedProductsInput{Filters: map[string][]string{"SearchQuery": {"name:shop-1"}}})
	if err != nil || len(found.ProvisionedProducts) != 1 || *found.ProvisionedProducts[0].Id != *first.ProvisionedProductId {
		t.Errorf("found are %+v, %v", found, err)
	}

	down, err := terminate()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := terminate(); err != nil || *again.RecordId != *down.RecordId {
		t.Errorf("terminating again is %+v, %v", again, err)
	}
	if up := stand.Up(); len(up) != 0 {
		t.Errorf("up are %q", up)
	}
	c.at = c.at.Add(time.Minute)
	recordIs(down.RecordId, catalogtypes.RecordStatusSucceeded)
	if !strings.Contains(log.String(), "the shop's servers are down") {
		t.Errorf("the log says %s", log.String())
	}
	_, err = client.DescribeProvisionedProduct(ctx, &servicecatalog.DescribeProvisionedProductInput{Id: first.ProvisionedProductId})
	refused(t, err, "ResourceNotFoundException")
}

func TestJira(t *testing.T) {
	jira := NewJira(newClock().now, quiet(), "room@example.com", "token")
	ask := func(method, target, body, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.Background(), method, JiraPath+target, strings.NewReader(body))
		r.SetBasicAuth("room@example.com", token)
		w := httptest.NewRecorder()
		jira.ServeHTTP(w, r)
		return w
	}
	const path = "/rest/api/3/issue/SHOW-1/comment"
	plain := `{"body":"ready","properties":[{"key":"change","value":{"number":3}}]}`
	nested := `{"body":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"on "},{"type":"text","text":"sale"}]},{"type":"paragraph","content":[{"type":"text","text":"now"}]}]}}`
	for _, test := range []struct {
		body, token string
		status      int
	}{
		{plain, "token", http.StatusCreated}, {nested, "token", http.StatusCreated},
		{plain, "other", http.StatusUnauthorized}, {`{}`, "token", http.StatusBadRequest}, {`{"body":""}`, "token", http.StatusBadRequest},
	} {
		if w := ask(http.MethodPost, path, test.body, test.token); w.Code != test.status {
			t.Errorf("%s is answered with %d %s, want %d", test.body, w.Code, w.Body, test.status)
		}
	}
	if got := jira.Comments("SHOW-1"); !slices.Equal(got, []string{"ready", "on sale\nnow"}) {
		t.Errorf("the comments are %q", got)
	}
	for target, want := range map[string]struct{ has, lacks string }{
		path + "?expand=properties":             {`"number":3`, "nothing"},
		path:                                    {`"ready"`, `"number":3`},
		path + "?maxResults=1":                  {`"ready"`, "sale"},
		path + "?maxResults=1&startAt=1":        {"sale", `"ready"`},
		path + "?maxResults=1&orderBy=-created": {"sale", `"ready"`},
		"/rest/api/3/issue/SHOW-2/comment?expand=properties&startAt=99": {`"total":0`, "ready"},
	} {
		if w := ask(http.MethodGet, target, "", "token"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want.has) || strings.Contains(w.Body.String(), want.lacks) {
			t.Errorf("%s is answered with %d %s", target, w.Code, w.Body)
		}
	}
}
