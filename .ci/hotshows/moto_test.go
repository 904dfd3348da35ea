// Package hotshows has the steps of hot shows that make AWS ready call moto, an implementation of AWS that
// knows nothing of ours, through the SDK. .ci/hotshows/check.py starts it. Everything that the steps keep
// is in moto's DynamoDB too, by the room's own schedule.
//
// moto forgets the other half of a table's warm throughput when one is raised alone, and is never busy
// with it, so both are raised here, and the waiting is tested with what is recorded.
package hotshows

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"waitingroom/lambdas/prepare"
	"waitingroom/lambdas/prepare/steps"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/schedule"
)

// endpointVariable names the environment variable with moto's address.
const endpointVariable = "MOTO_ENDPOINT"

func TestMain(m *testing.M) {
	if os.Getenv(endpointVariable) == "" {
		fmt.Println("No " + endpointVariable + ": run .ci/hotshows/check.py, which starts moto.")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ear hears whether an answer was moto's page about what it does not know, instead of AWS's.
type ear struct{ page bool }

func (e *ear) Do(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultClient.Do(r)
	e.page = err == nil && strings.HasPrefix(response.Header.Get("Content-Type"), "text/html")
	return response, err
}

func config(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(os.Getenv(endpointVariable)), HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "example", ""), RetryMaxAttempts: 1,
	}
}

//go:embed unsupported.txt
var unsupported string

// listed are the lines of unsupported.txt.
func listed() []string {
	var list []string
	for line := range strings.Lines(unsupported) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// clients are what the steps call of each service.
var clients = map[string]reflect.Type{
	"ssm":            reflect.TypeFor[steps.ParameterStore](),
	"dynamodb":       reflect.TypeFor[steps.Table](),
	"lambda":         reflect.TypeFor[steps.Provisioner](),
	"servicecatalog": reflect.TypeFor[steps.Catalog](),
}

// calls lists what the steps call, as unsupported.txt does.
func calls() []string {
	var list []string
	for service, client := range clients {
		for method := range client.NumMethod() {
			list = append(list, service+" "+client.Method(method).Name)
		}
	}
	slices.Sort(list)
	return list
}

// Every call that a step can make is made: moto knows it or unsupported.txt lists it.
func TestListOfWhatMotoCannot(t *testing.T) {
	var heard ear
	c := config(&heard)
	parameters, tables, functions, catalog := ssm.NewFromConfig(c), dynamodb.NewFromConfig(c), lambda.NewFromConfig(c), servicecatalog.NewFromConfig(c)
	name, ctx := aws.String("none"), t.Context()
	tries := map[string]func() error{
		"ssm GetParametersByPath": func() error {
			_, err := parameters.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: aws.String("/none")})
			return err
		},
		"ssm PutParameter": func() error {
			_, err := parameters.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/known/a"), Value: name, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)})
			return err
		},
		"dynamodb DescribeTable": func() error {
			_, err := tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
			return err
		},
		"dynamodb UpdateTable": func() error {
			_, err := tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: name})
			return err
		},
		"lambda GetProvisionedConcurrencyConfig": func() error {
			_, err := functions.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: name})
			return err
		},
		"lambda PutProvisionedConcurrencyConfig": func() error {
			_, err := functions.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: name, ProvisionedConcurrentExecutions: aws.Int32(1)})
			return err
		},
		"lambda DeleteProvisionedConcurrencyConfig": func() error {
			_, err := functions.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: name})
			return err
		},
		"servicecatalog ListLaunchPaths": func() error {
			_, err := catalog.ListLaunchPaths(ctx, &servicecatalog.ListLaunchPathsInput{ProductId: name})
			return err
		},
		"servicecatalog ProvisionProduct": func() error {
			_, err := catalog.ProvisionProduct(ctx, &servicecatalog.ProvisionProductInput{ProvisionToken: name, ProvisionedProductName: name})
			return err
		},
		"servicecatalog DescribeRecord": func() error {
			_, err := catalog.DescribeRecord(ctx, &servicecatalog.DescribeRecordInput{Id: name})
			return err
		},
		"servicecatalog DescribeProvisionedProduct": func() error {
			_, err := catalog.DescribeProvisionedProduct(ctx, &servicecatalog.DescribeProvisionedProductInput{Name: name})
			return err
		},
		"servicecatalog TerminateProvisionedProduct": func() error {
			_, err := catalog.TerminateProvisionedProduct(ctx, &servicecatalog.TerminateProvisionedProductInput{TerminateToken: name, ProvisionedProductName: name})
			return err
		},
	}
	if tried := slices.Sorted(maps.Keys(tries)); !slices.Equal(tried, calls()) {
		t.Fatalf("tried\n%s\nand the steps call\n%s", strings.Join(tried, "\n"), strings.Join(calls(), "\n"))
	}
	var cannot []string
	for call, try := range tries {
		if err := try(); heard.page {
			cannot = append(cannot, call)
		} else {
			t.Logf("%s: moto answers, %v", call, err)
		}
	}
	slices.Sort(cannot)
	if !slices.Equal(cannot, listed()) {
		t.Errorf("moto cannot answer\n%s\nand unsupported.txt lists\n%s", strings.Join(cannot, "\n"), strings.Join(listed(), "\n"))
	}
}

// scene is a show in moto's account.
type scene struct {
	*testing.T
	parameters *ssm.Client
	tables     *dynamodb.Client
	kept       *schedule.Schedule
	show       hotshow.Show
	held       map[string]string
}

func begin(t *testing.T, table string) *scene {
	c := config(http.DefaultClient)
	s := &scene{T: t, parameters: ssm.NewFromConfig(c), tables: dynamodb.NewFromConfig(c), held: map[string]string{}}
	key := func(name string, kind dynamodbtypes.KeyType) dynamodbtypes.KeySchemaElement {
		return dynamodbtypes.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
	}
	text := func(name string) dynamodbtypes.AttributeDefinition {
		return dynamodbtypes.AttributeDefinition{AttributeName: aws.String(name), AttributeType: dynamodbtypes.ScalarAttributeTypeS}
	}
	_, err := s.tables.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String(table), BillingMode: dynamodbtypes.BillingModePayPerRequest,
		KeySchema:            []dynamodbtypes.KeySchemaElement{key("pk", dynamodbtypes.KeyTypeHash), key("sk", dynamodbtypes.KeyTypeRange)},
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{text("pk"), text("sk")}})
	if err != nil {
		t.Fatal(err)
	}
	s.kept = schedule.New(s.tables, table)
	on := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	s.show = hotshow.Show{ID: table, State: hotshow.Preparing, Request: hotshow.Request{Event: table, OnSale: on, PreQueue: on.Add(-time.Hour), Closes: on.Add(24 * time.Hour),
		Rate: 5_000, Target: "https://shop.example/checkout?a=1&b=2"}, Needs: hotshow.Needs{Shards: 64, WarmWrites: 22_000, WarmReads: 15_000}}
	return s
}

// run makes one attempt.
func (s *scene) run(do func(context.Context, *prepare.Task) (hotshow.Progress, error)) (hotshow.Progress, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	task := &prepare.Task{Show: s.show, Run: "run", Now: time.Now(), Held: maps.Clone(s.held)}
	task.Hold = func(_ context.Context, key, value string) error {
		s.held[key], task.Held[key] = value, value
		return nil
	}
	return do(ctx, task)
}

func (s *scene) want(what string, want hotshow.Progress, do func(context.Context, *prepare.Task) (hotshow.Progress, error)) {
	s.Helper()
	if progress, err := s.run(do); progress != want || err != nil {
		s.Fatalf("%s: %q, %v; want %s", what, progress, err, want)
	}
}

// texts are what moto has of the event.
func (s *scene) texts() map[string]string {
	s.Helper()
	path := names.ParameterPath + s.show.Request.Event
	found, err := s.parameters.GetParametersByPath(s.Context(), &ssm.GetParametersByPathInput{Path: aws.String(path), Recursive: aws.Bool(true)})
	if err != nil {
		s.Fatal(err)
	}
	texts := map[string]string{}
	for _, p := range found.Parameters {
		if p.Type != ssmtypes.ParameterTypeString {
			s.Errorf("%s is a %s", *p.Name, p.Type)
		}
		texts[strings.TrimPrefix(*p.Name, path+"/")] = *p.Value
	}
	return texts
}

// onSale tells visitors what the event's on-sale is as soon as it is set.
type onSale struct{ *scene }

func (o onSale) Status(_ context.Context, event string) (status room.Status, found bool, err error) {
	text := o.texts()["onsale"]
	return room.Status{Event: event, Phase: room.Scheduled, OnSale: text}, text != "", nil
}

func TestParameters(t *testing.T) {
	s := begin(t, "parameters")
	step, err := steps.NewParameters(s.parameters, names.ParameterPath, s.kept, onSale{s})
	if err != nil {
		t.Fatal(err)
	}
	s.want("up", hotshow.Up, step.Up)
	if got, want := s.texts(), s.show.Request.Texts(s.show.Needs); !maps.Equal(got, want) {
		t.Errorf("moto has %q, want %q", got, want)
	}
	s.want("up again", hotshow.Up, step.Up)
	s.show.Outcome = hotshow.Cancelled
	s.want("down", hotshow.Down, step.Down)
	if got := s.texts()["state"]; got != "closed" {
		t.Errorf("state is %q", got)
	}

	s.show.Request.Event, s.held = "encrypted", map[string]string{}
	_, err = s.parameters.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(names.ParameterPath + "encrypted/rate"), Value: aws.String("500"), Type: ssmtypes.ParameterTypeSecureString})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(step.Up); err == nil || !strings.Contains(err.Error(), "/waiting-room/encrypted/rate is a SecureString") {
		t.Errorf("over a SecureString: %v", err)
	}
}

func TestThroughput(t *testing.T) {
	s := begin(t, "throughput")
	step := steps.NewThroughput(s.tables, "throughput", s.kept)
	warm := func() (writes, reads int64) {
		found, err := s.tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("throughput")})
		if err != nil {
			t.Fatal(err)
		}
		return *found.Table.WarmThroughput.WriteUnitsPerSecond, *found.Table.WarmThroughput.ReadUnitsPerSecond
	}
	if writes, reads := warm(); writes >= 22_000 || reads >= 15_000 {
		t.Fatalf("a new table has %d writes and %d reads", writes, reads)
	}
	s.want("raised", hotshow.Begun, step.Up)
	s.want("warm", hotshow.Up, step.Up)
	if writes, reads := warm(); writes != 22_000 || reads != 15_000 {
		t.Errorf("%d writes and %d reads", writes, reads)
	}
	first := s.show
	s.show.ID = "another"
	s.want("raised for two", hotshow.Begun, step.Up)
	s.want("warm for two", hotshow.Up, step.Up)
	s.want("the second is down", hotshow.Down, step.Down)
	s.show = first
	s.want("the first is down", hotshow.Down, step.Down)
	if writes, reads := warm(); writes != 44_000 || reads != 30_000 {
		t.Errorf("%d writes and %d reads after both", writes, reads)
	}
	for _, resource := range []string{"throughput/writes", "throughput/reads"} {
		if h, err := s.kept.Holding(t.Context(), resource); err != nil || len(h.Units) != 0 {
			t.Errorf("%s: left %+v, %v", resource, h, err)
		}
	}
	missing := steps.NewThroughput(s.tables, "missing", s.kept)
	if _, err := s.run(missing.Up); err == nil || !strings.Contains(err.Error(), "describe table: ") {
		t.Errorf("a table that is not there: %v", err)
	}
}
