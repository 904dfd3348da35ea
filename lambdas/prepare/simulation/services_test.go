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
		status := dynamodbtypes.TableStatusActive
		if time.Now().Before(t.w.warmAt) {
			status = dynamodbtypes.TableStatusUpdating
		}
		return &dynamodb.DescribeTableOutput{Table: &dynamodbtypes.TableDescription{TableStatus: status,
			WarmThroughput: &dynamodbtypes.TableWarmThroughputDescription{
				Status: status, ReadUnitsPerSecond: aws.Int64(t.w.warmReads), WriteUnitsPerSecond: aws.Int64(t.w.warmWrites),
			}}}, nil
	})
}

func (t table) UpdateTable(ctx context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	return call(ctx, "dynamodb: update table", func() (*dynamodb.UpdateTableOutput, error) {
		if time.Now().Before(t.w.warmAt) {
			return nil, &dynamodbtypes.ResourceInUseException{Message: aws.String("Table is being updated")}
		}
		to := in.WarmThroughput
		reads, writes := cmpInt(to.ReadUnitsPerSecond, t.w.warmReads), cmpInt(to.WriteUnitsPerSecond, t.w.warmWrites)
		if reads < t.w.warmReads || writes < t.w.warmWrites {
			t.w.t.Error("the table's throughput is to be lowered")
		}
		t.w.warmReads, t.w.warmWrites, t.w.warmAt = reads, writes, time.Now().Add(warming)
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
			if strings.HasPrefix(name, *in.Path+"/") {
				out.Parameters = append(out.Parameters, ssmtypes.Parameter{
					Name: aws.String(name), Value: aws.String(s.w.parameters[name]), Type: ssmtypes.ParameterTypeString,
				})
			}
		}
		return out, nil
	})
}

func (s parameterStore) PutParameter(ctx context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	return call(ctx, "ssm: put parameter", func() (*ssm.PutParameterOutput, error) {
		if before, there := s.w.parameters[*in.Name]; !there || before != *in.Value {
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
			delete(s.w.parameters, name)
		}
		return &ssm.DeleteParametersOutput{}, nil
	})
}

func isProbe(name string) bool {
	return strings.HasPrefix(name, names.ParameterPath+hotshow.ProbePrefix)
}

// set sets a parameter. Probes come and go: only what is set of shows' events is an effect.
func (w *world) set(name, value string) {
	w.parameters[name] = value
	if !isProbe(name) {
		w.effect("parameter %s = %s", name, value)
	}
	event, _, _ := strings.Cut(strings.TrimPrefix(name, names.ParameterPath), "/")
	w.room.look(event)
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
		there, some := f.w.environments[*in.FunctionName]
		if !some {
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
		there := f.w.environments[function]
		if time.Now().Before(there.readyAt) {
			return nil, &lambdatypes.ResourceConflictException{Message: aws.String("an update is in progress")}
		}
		if there.units != units {
			f.w.environments[function] = environments{units, time.Now().Add(provisioning)}
			f.w.effect("concurrency of %s: %d", function, units)
			f.w.enough()
		}
		return &lambda.PutProvisionedConcurrencyConfigOutput{}, nil
	})
}

func (f functions) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *lambda.DeleteProvisionedConcurrencyConfigInput, _ ...func(*lambda.Options)) (*lambda.DeleteProvisionedConcurrencyConfigOutput, error) {
	return call(ctx, "lambda: delete concurrency", func() (*lambda.DeleteProvisionedConcurrencyConfigOutput, error) {
		if _, there := f.w.environments[*in.FunctionName]; there {
			delete(f.w.environments, *in.FunctionName)
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
	name, id, token string
	provisioned     *record
	terminated      *record
}

// record is what becomes of a request.
type record struct {
	id      string
	readyAt time.Time
}

func (r *record) status() servicecatalogtypes.RecordStatus {
	if time.Now().Before(r.readyAt) {
		return servicecatalogtypes.RecordStatusInProgress
	}
	return servicecatalogtypes.RecordStatusSucceeded
}

// catalog is Service Catalog.
type catalog struct{ w *world }

func (c catalog) record() *record {
	r := &record{fmt.Sprintf("rec-%d", len(c.w.records)+1), time.Now().Add(launching)}
	c.w.records[r.id] = r
	return r
}

// find returns a product that is there. What is terminated is gone when its record is done.
func (c catalog) find(is func(*product) bool) *product {
	for _, p := range c.w.products {
		if is(p) && (p.terminated == nil || p.terminated.status() == servicecatalogtypes.RecordStatusInProgress) {
			return p
		}
	}
	return nil
}

func (c catalog) ListLaunchPaths(ctx context.Context, _ *servicecatalog.ListLaunchPathsInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.ListLaunchPathsOutput, error) {
	return call(ctx, "catalog: list launch paths", func() (*servicecatalog.ListLaunchPathsOutput, error) {
		return &servicecatalog.ListLaunchPathsOutput{LaunchPathSummaries: []servicecatalogtypes.LaunchPathSummary{{Id: aws.String("lpv3-1")}}}, nil
	})
}

func (c catalog) ProvisionProduct(ctx context.Context, in *servicecatalog.ProvisionProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.ProvisionProductOutput, error) {
	return call(ctx, provisions, func() (*servicecatalog.ProvisionProductOutput, error) {
		p := c.find(func(p *product) bool { return p.token == *in.ProvisionToken })
		if p == nil {
			if c.find(func(p *product) bool { return p.name == *in.ProvisionedProductName }) != nil {
				return nil, &servicecatalogtypes.DuplicateResourceException{}
			}
			p = &product{name: *in.ProvisionedProductName, id: fmt.Sprintf("pp-%d", len(c.w.products)+1), token: *in.ProvisionToken, provisioned: c.record()}
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
		if r == nil {
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		}
		return &servicecatalog.DescribeRecordOutput{RecordDetail: &servicecatalogtypes.RecordDetail{RecordId: in.Id, Status: r.status()}}, nil
	})
}

func (c catalog) DescribeProvisionedProduct(ctx context.Context, in *servicecatalog.DescribeProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.DescribeProvisionedProductOutput, error) {
	return call(ctx, "catalog: describe product", func() (*servicecatalog.DescribeProvisionedProductOutput, error) {
		p := c.find(func(p *product) bool { return p.id == aws.ToString(in.Id) || p.name == aws.ToString(in.Name) })
		if p == nil {
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		}
		status, last := servicecatalogtypes.ProvisionedProductStatusAvailable, p.provisioned
		if p.terminated != nil {
			last = p.terminated
		}
		if last.status() == servicecatalogtypes.RecordStatusInProgress {
			status = servicecatalogtypes.ProvisionedProductStatusUnderChange
		}
		return &servicecatalog.DescribeProvisionedProductOutput{ProvisionedProductDetail: &servicecatalogtypes.ProvisionedProductDetail{
			Id: aws.String(p.id), Name: aws.String(p.name), IdempotencyToken: aws.String(p.token), Status: status,
			LastProvisioningRecordId: aws.String(p.provisioned.id), LastRecordId: aws.String(last.id),
		}}, nil
	})
}

func (c catalog) TerminateProvisionedProduct(ctx context.Context, in *servicecatalog.TerminateProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.TerminateProvisionedProductOutput, error) {
	return call(ctx, "catalog: terminate product", func() (*servicecatalog.TerminateProvisionedProductOutput, error) {
		p := c.find(func(p *product) bool { return p.id == aws.ToString(in.ProvisionedProductId) })
		switch {
		case p == nil:
			return nil, &servicecatalogtypes.ResourceNotFoundException{}
		case p.terminated == nil && p.provisioned.status() == servicecatalogtypes.RecordStatusInProgress:
			return nil, &servicecatalogtypes.InvalidParametersException{Message: aws.String("under change")}
		case p.terminated == nil:
			p.terminated = c.record()
			c.w.effect("product %s terminated", p.name)
		}
		return &servicecatalog.TerminateProvisionedProductOutput{RecordDetail: &servicecatalogtypes.RecordDetail{RecordId: aws.String(p.terminated.id)}}, nil
	})
}
