package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	catalogtypes "github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"
	"github.com/aws/smithy-go"

	"waitingroom/local/dynamodb"
	"waitingroom/shared/jira"
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

// TestJira goes through the client that the functions have.
func TestJira(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stand := NewJira(time.Now, quiet(), "room@example.com", "token")
		client := jira.NewClient("http://aws.local"+JiraPath, known{Email: "room@example.com", APIToken: "token"}, roundTrip(stand.ServeHTTP))
		for _, comment := range []struct {
			issue  string
			number int
		}{{"SHOW-1", 1}, {"SHOW-1", 2}, {"SHOW-2", 1}, {"SHOW-1", 2}} {
			if err := client.Comment(t.Context(), comment.issue, comment.number, fmt.Sprintf("change %d\nof %s", comment.number, comment.issue)); err != nil {
				t.Fatal(err)
			}
		}
		if got := stand.Comments("SHOW-1"); !slices.Equal(got, []string{"change 1\nof SHOW-1", "change 2\nof SHOW-1"}) {
			t.Errorf("the comments are %q", got)
		}
		if got := stand.Comments("SHOW-2"); len(got) != 1 {
			t.Errorf("the comments of the other issue are %q", got)
		}
		stranger := jira.NewClient("http://aws.local"+JiraPath, known{Email: "room@example.com", APIToken: "other"}, roundTrip(stand.ServeHTTP))
		if err := stranger.Comment(t.Context(), "SHOW-3", 1, "hello"); !errors.Is(err, jira.ErrRefused) {
			t.Errorf("a stranger's comment: %v", err)
		}
	})
}

func TestJiraTakesNoOtherComments(t *testing.T) {
	stand := NewJira(newClock().now, quiet(), "room@example.com", "token")
	for _, body := range []string{"", "{}", `{"body":"text"}`, `{"body":{"type":"doc","version":1,"content":[]}}`} {
		r := httptest.NewRequest(http.MethodPost, JiraPath+"/rest/api/3/issue/SHOW-1/comment", strings.NewReader(body))
		r.SetBasicAuth("room@example.com", "token")
		w := httptest.NewRecorder()
		if stand.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
			t.Errorf("%s is answered with %d", body, w.Code)
		}
	}
	if got := stand.Comments("SHOW-1"); got != nil {
		t.Errorf("the comments are %q", got)
	}
}

type known jira.Credentials

func (k known) Credentials(context.Context) (jira.Credentials, error) {
	return jira.Credentials(k), nil
}

// roundTrip reaches a handler without a socket.
type roundTrip http.HandlerFunc

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return dynamodb.InProcess(http.HandlerFunc(f)).Do(r)
}
