package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	servicecatalogtypes "github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

// How long services take to bring about what they were asked for.
const (
	warming      = 3 * time.Minute
	provisioning = 90 * time.Second
	launching    = 150 * time.Second
)

// shown is something of a service, and what reads show of it: a change only from some time on.
type shown[T any] struct {
	is, was T
	from    time.Time
}

func (s *shown[T]) set(to T, from time.Time) { s.was, s.is, s.from = s.now(), to, from }

// now is what a read shows.
func (s *shown[T]) now() T {
	if time.Now().Before(s.from) {
		return s.was
	}
	return s.is
}

// warmth is the table's warm throughput.
type warmth struct {
	reads, writes int64
	at            time.Time // when it is reached
}

// table is the schedule's table as a run reaches it.
type table struct{ w *world }

func (t table) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return call(ctx, reads, func() (*dynamodb.GetItemOutput, error) { return t.w.engine.GetItem(ctx, in) })
}

func (t table) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return call(ctx, reads, func() (*dynamodb.QueryOutput, error) { return t.w.engine.Query(ctx, in) })
}

func (t table) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return call(ctx, writes, func() (*dynamodb.TransactWriteItemsOutput, error) { return t.w.engine.TransactWriteItems(ctx, in) })
}

func (t table) DescribeTable(ctx context.Context, _ *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return call(ctx, "dynamodb: describe table", func() (*dynamodb.DescribeTableOutput, error) {
		warm, status := t.w.warm.now(), dynamodbtypes.TableStatusActive
		if time.Now().Before(warm.at) {
			status = dynamodbtypes.TableStatusUpdating
		}
		return &dynamodb.DescribeTableOutput{Table: &dynamodbtypes.TableDescription{TableStatus: status,
			WarmThroughput: &dynamodbtypes.TableWarmThroughputDescription{
				Status: status, ReadUnitsPerSecond: aws.Int64(warm.reads), WriteUnitsPerSecond: aws.Int64(warm.writes),
			}}}, nil
	})
}

func (t table) UpdateTable(ctx context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	return call(ctx, "dynamodb: update table", func() (*dynamodb.UpdateTableOutput, error) {
		warm := t.w.warm.is
		if time.Now().Before(warm.at) {
			return nil, &dynamodbtypes.ResourceInUseException{Message: aws.String("Table is being updated")}
		}
		to := in.WarmThroughput
		reads, writes := cmpInt(to.ReadUnitsPerSecond, warm.reads), cmpInt(to.WriteUnitsPerSecond, warm.writes)
		if reads < warm.reads || writes < warm.writes {
			t.w.t.Error("the table's throughput is to be lowered")
		}
		t.w.warm.set(warmth{reads, writes, time.Now().Add(warming)}, t.w.shownFrom())
		t.w.effect("throughput %d reads %d writes", reads, writes)
		return &dynamodb.UpdateTableOutput{}, nil
	})
}

func cmpInt(asked *int64, otherwise int64) int64 {
	if asked == nil {
		return otherwise
	}
	return *asked
}

// parameterStore is Parameter Store.
type parameterStore struct{ w *world }

func (s parameterStore) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput, _ ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	return call(ctx, "ssm: get parameters", func() (*ssm.GetParametersByPathOutput, error) {
		out := &ssm.GetParametersByPathOutput{}
		for _, name := range slices.Sorted(maps.Keys(s.w.parameters)) {
			if text := s.w.parameters[name].now(); text != "" && strings.HasPrefix(name, *in.Path+"/") {
				out.Parameters = append(out.Parameters, ssmtypes.Parameter{
					Name: aws.String(name), Value: aws.String(text), Type: ssmtypes.ParameterTypeString,
				})
			}
		}
		return out, nil
	})
}

func (s parameterStore) PutParameter(ctx context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	return call(ctx, "ssm: put parameter", func() (*ssm.PutParameterOutput, error) {
		if before, there := s.w.parameters[*in.Name]; !there || before.is != *in.Value {
			s.w.set(*in.Name, *in.Value)
		}
		return &ssm.PutParameterOutput{}, nil
	})
}

func (s parameterStore) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput, _ ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error) {
	return call(ctx, "ssm: delete parameters", func() (*ssm.DeleteParametersOutput, error) {
		for _, name := range in.Names {
			if !isProbe(name) {
				s.w.t.Errorf("%s is deleted", name)
			}
			if before, there := s.w.parameters[name]; there && before.is != "" {
				s.w.set(name, "")
			}
		}
		return &ssm.DeleteParametersOutput{}, nil
	})
}

func isProbe(name string) bool {
	return strings.HasPrefix(name, names.ParameterPath+hotshow.ProbePrefix)
}

// set sets a parameter, or removes it, and has the room look when it is shown. Probes come and go: only
// what is set of shows' events is an effect.
func (w *world) set(name, value string) {
	if w.parameters[name] == nil {
		w.parameters[name] = &shown[string]{}
	}
	from := w.shownFrom()
	w.parameters[name].set(value, from)
	if !isProbe(name) {
		w.effect("parameter %s = %s", name, value)
	}
	event, _, _ := strings.Cut(strings.TrimPrefix(name, names.ParameterPath), "/")
	w.room.look(event)
	if late := time.Until(from); late > 0 {
		time.AfterFunc(late, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.room.look(event)
		})
	}
}

// environments are Lambda's provisioned concurrency of an alias.
type environments struct {
	units   int
	readyAt time.Time
}

// functions are Lambda's control calls.
type functions struct{ w *world }

func (f functions) GetProvisionedConcurrencyConfig(ctx context.Context, in *lambda.GetProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
	return call(ctx, "lambda: get concurrency", func() (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
		there := f.w.environments[*in.FunctionName].now()
		if there.units == 0 {
			return nil, &lambdatypes.ProvisionedConcurrencyConfigNotFoundException{}
		}
		status := lambdatypes.ProvisionedConcurrencyStatusEnumReady
		if time.Now().Before(there.readyAt) {
			status = lambdatypes.ProvisionedConcurrencyStatusEnumInProgress
		}
		return &lambda.GetProvisionedConcurrencyConfigOutput{RequestedProvisionedConcurrentExecutions: aws.Int32(int32(there.units)), Status: status}, nil
	})
}

func (f functions) PutProvisionedConcurrencyConfig(ctx context.Context, in *lambda.PutProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.PutProvisionedConcurrencyConfigOutput, error) {
	return call(ctx, "lambda: put concurrency", func() (*lambda.PutProvisionedConcurrencyConfigOutput, error) {
		function, units := *in.FunctionName, int(*in.ProvisionedConcurrentExecutions)
		there := f.w.environments[function].is
		if time.Now().Before(there.readyAt) {
			return nil, &lambdatypes.ResourceConflictException{Message: aws.String("an update is in progress")}
		}
		if there.units != units {
			f.w.environments[function].set(environments{units, time.Now().Add(provisioning)}, f.w.shownFrom())
			f.w.effect("concurrency of %s: %d", function, units)
			f.w.enough()
		}
		return &lambda.PutProvisionedConcurrencyConfigOutput{}, nil
	})
}

func (f functions) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *lambda.DeleteProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.DeleteProvisionedConcurrencyConfigOutput, error) {
	return call(ctx, "lambda: delete concurrency", func() (*lambda.DeleteProvisionedConcurrencyConfigOutput, error) {
		if f.w.environments[*in.FunctionName].is.units > 0 {
			f.w.environments[*in.FunctionName].set(environments{}, f.w.shownFrom())
			f.w.effect("concurrency of %s: none", *in.FunctionName)
			f.w.enough()
		}
		return &lambda.DeleteProvisionedConcurrencyConfigOutput{}, nil
	})
}

// issues is Jira.
type issues struct{ w *world }

func (i issues) Comment(ctx context.Context, issue string, number int, text string) error {
	_, err := call(ctx, comments, func() (struct{}, error) {
		key := fmt.Sprintf("%s %d", issue, number)
		if before, there := i.w.told[key]; there && before != text {
			i.w.t.Errorf("comment %s was %q and is to be %q", key, before, text)
		}
		i.w.told[key] = text
		return struct{}{}, nil
	})
	return err
}

// product is one that was provisioned.
type product struct {
	name, id    string
	provisioned *record
	terminated  *record
}

// record is what becomes of a request.
type record struct {
	id, token string
	at        time.Time
	takes     time.Duration
	from      time.Time // when it is shown with what it does to its product
}

func (r *record) status() servicecatalogtypes.RecordStatus {
	if time.Since(r.at) < r.takes {
		return servicecatalogtypes.RecordStatusInProgress
	}
	return servicecatalogtypes.RecordStatusSucceeded
}

// remembered is how long the catalog answers a token of a provisioning as it did before. It is not
// documented; by its name there is never a second one.
const remembered = 90 * time.Second

// catalog is Service Catalog.
type catalog struct{ w *world }

func (c catalog) record(token string) *record {
	r := &record{fmt.Sprintf("rec-%d", len(c.w.records)+1), token, time.Now(), c.w.launching, c.w.shownFrom()}
	c.w.records[r.id] = r
	return r
}

// What a call knows of: requests go by all that was requested, reads by what is shown.
func all(r *record) bool         { return r != nil }
func whatIsShown(r *record) bool { return r != nil && !time.Now().Before(r.from) }

// find returns a product that is there and its last record. What is terminated is gone when its record
// is done.
func (c catalog) find(known func(*record) bool, is func(*product) bool) (*product, *record) {
	for _, p := range c.w.products {
		switch {
		case !is(p) || !known(p.provisioned):
		case !known(p.terminated):
			return p, p.provisioned
		case p.terminated.status() == servicecatalogtypes.RecordStatusInProgress:
			return p, p.terminated
		}
	}
	return nil, nil
}

func (c catalog) ListLaunchPaths(ctx context.Context, _ *servicecatalog.ListLaunchPathsInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.ListLaunchPathsOutput, error) {
	return call(ctx, "catalog: list launch paths", func() (*servicecatalog.ListLaunchPathsOutput, error) {
		return &servicecatalog.ListLaunchPathsOutput{LaunchPathSummaries: []servicecatalogtypes.LaunchPathSummary{{Id: aws.String("lpv3-1")}}}, nil
	})
}

func (c catalog) ProvisionProduct(ctx context.Context, in *servicecatalog.ProvisionProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.ProvisionProductOutput, error) {
	return call(ctx, provisions, func() (*servicecatalog.ProvisionProductOutput, error) {
		p, _ := c.find(all, func(p *product) bool {
			return p.provisioned.token == *in.ProvisionToken && time.Since(p.provisioned.at) < remembered
		})
		if p == nil {
			if same, _ := c.find(all, func(p *product) bool { return p.name == *in.ProvisionedProductName }); same != nil {
				return nil, &servicecatalogtypes.DuplicateResourceException{}
			}
			p = &product{name: *in.ProvisionedProductName, id: fmt.Sprintf("pp-%d", len(c.w.products)+1), provisioned: c.record(*in.ProvisionToken)}
			c.w.products = append(c.w.products, p)
			c.w.effect("product %s provisioned", p.name)
		}
		return &servicecatalog.ProvisionProductOutput{RecordDetail: &servicecatalogtypes.RecordDetail{
			RecordId: aws.String(p.provisioned.id), ProvisionedProductId: aws.String(p.id),
		}}, nil
	})
}

const provisions = "catalog: provision product"

func (c catalog) DescribeRecord(ctx context.Context, in *servicecatalog.DescribeRecordInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.DescribeRecordOutput, error) {
	return call(ctx, "catalog: describe record", func() (*servicecatalog.DescribeRecordOutput, error) {
		r := c.w.records[*in.Id]
		if r == nil || !c.w.recordsFirst && !whatIsShown(r) {
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		}
		return &servicecatalog.DescribeRecordOutput{RecordDetail: &servicecatalogtypes.RecordDetail{RecordId: in.Id, Status: r.status()}}, nil
	})
}

func (c catalog) DescribeProvisionedProduct(ctx context.Context, in *servicecatalog.DescribeProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.DescribeProvisionedProductOutput, error) {
	return call(ctx, "catalog: describe product", func() (*servicecatalog.DescribeProvisionedProductOutput, error) {
		p, last := c.find(whatIsShown, func(p *product) bool { return p.id == aws.ToString(in.Id) || p.name == aws.ToString(in.Name) })
		if p == nil {
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		}
		status := servicecatalogtypes.ProvisionedProductStatusAvailable
		if last.status() == servicecatalogtypes.RecordStatusInProgress {
			status = servicecatalogtypes.ProvisionedProductStatusUnderChange
		}
		// Of which request the token is, the documentation leaves open.
		return &servicecatalog.DescribeProvisionedProductOutput{ProvisionedProductDetail: &servicecatalogtypes.ProvisionedProductDetail{
			Id: aws.String(p.id), Name: aws.String(p.name), IdempotencyToken: aws.String(last.token), Status: status,
			LastProvisioningRecordId: aws.String(p.provisioned.id), LastRecordId: aws.String(last.id),
		}}, nil
	})
}

// TerminateProvisionedProduct knows its token while it terminates, and refuses another then
// (https://docs.aws.amazon.com/servicecatalog/latest/dg/API_TerminateProvisionedProduct.html).
func (c catalog) TerminateProvisionedProduct(ctx context.Context, in *servicecatalog.TerminateProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.TerminateProvisionedProductOutput, error) {
	return call(ctx, "catalog: terminate product", func() (*servicecatalog.TerminateProvisionedProductOutput, error) {
		p, last := c.find(all, func(p *product) bool { return p.id == aws.ToString(in.ProvisionedProductId) })
		switch {
		case p == nil:
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		case last == p.terminated && last.token == *in.TerminateToken:
		case last.status() == servicecatalogtypes.RecordStatusInProgress:
			return nil, &servicecatalogtypes.InvalidParametersException{Message: aws.String("under change")}
		default:
			p.terminated = c.record(*in.TerminateToken)
			c.w.effect("product %s terminated", p.name)
		}
		return &servicecatalog.TerminateProvisionedProductOutput{RecordDetail: &servicecatalogtypes.RecordDetail{RecordId: aws.String(p.terminated.id)}}, nil
	})
}
