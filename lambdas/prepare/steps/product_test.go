package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"

	"waitingroom/shared/hotshow"
)

// takesTime is how long the catalog takes for everything, unless it is quick.
const takesTime = 150 * time.Second

// catalog is Service Catalog: a token that it knows it answers as before, and what is under change it
// does not terminate.
type catalog struct {
	*account
	paths    []types.LaunchPathSummary
	products map[string]*types.ProvisionedProductDetail
	records  map[string]*types.RecordDetail
	tokens   map[string]string    // to records
	due      map[string]time.Time // when records are done
	fails    int                  // how many of the next requests fail
	names    []string             // that were provisioned
	inputs   []*servicecatalog.ProvisionProductInput
	asked    int      // how often a product was asked for
	ended    []string // tokens of terminations
	takes    time.Duration
	hidden   time.Time // until then no product is found: what has been asked for is not seen at once
}

func newCatalog(a *account) *catalog {
	return &catalog{account: a, takes: takesTime, products: map[string]*types.ProvisionedProductDetail{}, records: map[string]*types.RecordDetail{},
		tokens: map[string]string{}, due: map[string]time.Time{}, paths: []types.LaunchPathSummary{{Id: aws.String("lpv3-only"), Name: aws.String("Shop")}}}
}

// settle ends what is due.
func (c *catalog) settle() {
	for id, r := range c.records {
		if r.Status != types.RecordStatusCreated || time.Now().Before(c.due[id]) {
			continue
		}
		p := c.products[*r.ProvisionedProductId]
		r.Status, p.Status = types.RecordStatusSucceeded, types.ProvisionedProductStatusAvailable
		if len(r.RecordErrors) > 0 {
			r.Status, p.Status = types.RecordStatusFailed, types.ProvisionedProductStatusError
		} else if *r.RecordType == "TERMINATE_PROVISIONED_PRODUCT" {
			delete(c.products, *p.Id)
		}
	}
}

func (c *catalog) begin(kind, token string, p *types.ProvisionedProductDetail) *types.RecordDetail {
	id := fmt.Sprintf("rec-%d", len(c.records)+1)
	r := &types.RecordDetail{RecordId: &id, RecordType: &kind, Status: types.RecordStatusCreated, ProvisionedProductId: p.Id}
	if c.fails > 0 {
		c.fails--
		r.RecordErrors = []types.RecordError{{Code: aws.String("InvalidRequest"), Description: aws.String("no such subnet")}}
	}
	c.records[id], c.tokens[token], c.due[id] = r, id, time.Now().Add(c.takes)
	p.Status = types.ProvisionedProductStatusUnderChange
	return r
}

// told is a record as it is now.
func told(r *types.RecordDetail) *types.RecordDetail { as := *r; return &as }

func (c *catalog) missing() error {
	return &types.ResourceNotFoundException{Message: aws.String("not found")}
}

func (c *catalog) ListLaunchPaths(context.Context, *servicecatalog.ListLaunchPathsInput, ...func(*servicecatalog.Options)) (*servicecatalog.ListLaunchPathsOutput, error) {
	return &servicecatalog.ListLaunchPathsOutput{LaunchPathSummaries: c.paths}, c.call(func() error { return nil })
}

func (c *catalog) ProvisionProduct(_ context.Context, in *servicecatalog.ProvisionProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.ProvisionProductOutput, error) {
	out := &servicecatalog.ProvisionProductOutput{}
	err := c.call(func() error {
		c.settle()
		c.asked++
		if id, known := c.tokens[*in.ProvisionToken]; known {
			out.RecordDetail = told(c.records[id])
			return nil
		}
		id := fmt.Sprintf("pp-%d", len(c.names)+1)
		p := &types.ProvisionedProductDetail{Id: &id, Name: in.ProvisionedProductName, IdempotencyToken: in.ProvisionToken}
		c.products[id], c.names, c.inputs = p, append(c.names, *p.Name), append(c.inputs, in)
		r := c.begin("PROVISION_PRODUCT", *in.ProvisionToken, p)
		p.LastProvisioningRecordId = r.RecordId
		out.RecordDetail = told(r)
		return nil
	})
	return out, err
}

func (c *catalog) DescribeRecord(_ context.Context, in *servicecatalog.DescribeRecordInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.DescribeRecordOutput, error) {
	out := &servicecatalog.DescribeRecordOutput{}
	err := c.call(func() error {
		c.settle()
		if c.records[*in.Id] == nil {
			return c.missing()
		}
		out.RecordDetail = told(c.records[*in.Id])
		return nil
	})
	return out, err
}

func (c *catalog) DescribeProvisionedProduct(_ context.Context, in *servicecatalog.DescribeProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.DescribeProvisionedProductOutput, error) {
	out := &servicecatalog.DescribeProvisionedProductOutput{}
	err := c.call(func() error {
		c.settle()
		for _, p := range c.products {
			if time.Now().Before(c.hidden) {
				break
			}
			if in.Id != nil && *in.Id == *p.Id || in.Name != nil && *in.Name == *p.Name {
				as := *p
				out.ProvisionedProductDetail = &as
				return nil
			}
		}
		return c.missing()
	})
	return out, err
}

func (c *catalog) TerminateProvisionedProduct(_ context.Context, in *servicecatalog.TerminateProvisionedProductInput, _ ...func(*servicecatalog.Options)) (*servicecatalog.TerminateProvisionedProductOutput, error) {
	out := &servicecatalog.TerminateProvisionedProductOutput{}
	err := c.call(func() error {
		c.settle()
		p := c.products[*in.ProvisionedProductId]
		if p == nil {
			return c.missing()
		}
		if id, known := c.tokens[*in.TerminateToken]; known {
			out.RecordDetail = told(c.records[id])
			return nil
		}
		if p.Status == types.ProvisionedProductStatusUnderChange {
			c.t.Error("terminated while it is under change")
		}
		c.ended = append(c.ended, *in.TerminateToken)
		p.IdempotencyToken = in.TerminateToken // the documentation leaves open of which request it is
		out.RecordDetail = told(c.begin("TERMINATE_PROVISIONED_PRODUCT", *in.TerminateToken, p))
		return nil
	})
	return out, err
}

func order() *Order {
	return &Order{Product: "prod-shop", Artifact: "pa-1", Parameters: map[string]string{"Servers": "{visitors}", "Tag": "{event}: {name} {unknown"}}
}

// A product is provisioned once, waited for, and terminated once.
func TestProductComesAndGoes(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		c := newCatalog(a)
		s, step := a.subject("show"), NewProduct(c, order())
		s.until(hotshow.Up, step.Up)
		if len(c.products) != 1 || !slices.Equal(c.names, []string{"waiting-room-show-1"}) {
			t.Errorf("provisioned %q, there are %v", c.names, c.products)
		}
		s.until(hotshow.Down, step.Down)
		if len(c.products) != 0 || !slices.Equal(c.ended, []string{"waiting-room-show-1-end-1"}) {
			t.Errorf("there are %v; terminated %q", c.products, c.ended)
		}
		in := c.inputs[0]
		if *in.ProductId != "prod-shop" || *in.ProvisioningArtifactId != "pa-1" || *in.PathId != "lpv3-only" || len(in.ProvisioningParameters) != 2 ||
			*in.ProvisioningParameters[0].Value != "300000" || *in.ProvisioningParameters[1].Value != "tour: Winter tour {unknown" {
			t.Errorf("provisioned with %+v", in)
		}
	})
}

// A show that is cancelled while its product comes up leaves none, wherever its last call was lost.
func TestProductOfACancelledShow(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		c := newCatalog(a)
		s, step := a.subject("show"), NewProduct(c, order())
		s.run(step.Up)
		s.until(hotshow.Down, step.Down)
		if len(c.products) != 0 || len(c.names) > 1 {
			t.Errorf("provisioned %q, there are %v", c.names, c.products)
		}
	})
}

// A call that arrives after nobody could be asked about it any more is waited for.
func TestProductThatArrivesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, at: 4, fault: lost} // held, looked for, path, provisioned
		c := newCatalog(a)
		s, step := a.subject("show"), NewProduct(c, order())
		if _, err := s.run(step.Up); err == nil || len(c.names) > 0 {
			t.Fatalf("provisioned %q, %v", c.names, err)
		}
		if progress, err := s.run(step.Down); progress != hotshow.Begun || err != nil {
			t.Fatalf("%s, %v at once", progress, err)
		}
		if _, err := c.ProvisionProduct(t.Context(), &servicecatalog.ProvisionProductInput{
			ProvisionToken: aws.String("waiting-room-show-1"), ProvisionedProductName: aws.String("waiting-room-show-1")}); err != nil {
			t.Fatal(err)
		}
		s.until(hotshow.Down, step.Down)
		if len(c.products) != 0 || len(c.ended) != 1 {
			t.Errorf("there are %v; terminated %q", c.products, c.ended)
		}
	})
}

// A product that is not seen yet, though its provisioning was answered, is not taken for one that is gone:
// neither while it is provisioned nor when that is done.
func TestProductThatIsNotSeenYet(t *testing.T) {
	for _, takes := range []time.Duration{takesTime, 10 * time.Second} {
		everyFault(t, func(t *testing.T, a *account) {
			c := newCatalog(a)
			c.takes = takes
			s, step := a.subject("show"), NewProduct(c, order())
			c.hidden = time.Now().Add(70 * time.Second)
			s.run(step.Up)
			time.Sleep(time.Minute)
			s.until(hotshow.Down, step.Down)
			if len(c.products) != 0 || len(c.names) > 1 {
				t.Errorf("provisioned %q, there are %v", c.names, c.products)
			}
		})
	}
}

// One that is not seen for longer is waited for as long as its record says that it comes.
func TestProductThatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCatalog(&account{t: t})
		c.takes, c.hidden = 6*time.Minute, time.Now().Add(5*time.Minute)
		s, step := c.subject("show"), NewProduct(c, order())
		s.run(step.Up)
		s.until(hotshow.Down, step.Down)
		if len(c.products) != 0 || len(c.ended) != 1 {
			t.Errorf("there are %v; terminated %q", c.products, c.ended)
		}
	})
}

// One whose answer was lost is found again also when something else is ordered by then.
func TestProductWhoseAnswerWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t, at: 4, fault: unacknowledged} // held, looked for, path, provisioned
		c := newCatalog(a)
		s := a.subject("show")
		s.run(NewProduct(c, order()).Up)
		s.until(hotshow.Up, NewProduct(c, &Order{Product: "prod-other", Artifact: "pa-2"}).Up)
		if c.asked != 1 || len(c.products) != 1 {
			t.Errorf("asked for %d times, there are %v", c.asked, c.products)
		}
	})
}

// What failed is terminated before the next attempt, under another name, and said.
func TestProductThatFails(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		c := newCatalog(a)
		s, step := a.subject("show"), NewProduct(c, order())
		c.fails = 1
		troubles := s.until(hotshow.Up, step.Up)
		if !strings.Contains(troubles, "waiting-room-show-1 failed, and is terminated before it is tried again: InvalidRequest no such subnet") {
			t.Errorf("troubles: %s", troubles)
		}
		if len(c.products) != 1 || !slices.Equal(c.names, []string{"waiting-room-show-1", "waiting-room-show-2"}) {
			t.Errorf("provisioned %q, there are %v", c.names, c.products)
		}
		c.fails = 1
		troubles = s.until(hotshow.Down, step.Down)
		if !strings.Contains(troubles, "waiting-room-show-2 could not be terminated, and is tried again: InvalidRequest no such subnet") {
			t.Errorf("troubles: %s", troubles)
		}
		if len(c.products) != 0 || c.ended[len(c.ended)-1] != "waiting-room-show-2-end-2" {
			t.Errorf("there are %v; terminated %q", c.products, c.ended)
		}
	})
}

// No other product is touched: not one of the same name, nor one of another show.
func TestProductOfSomebodyElse(t *testing.T) {
	everyFault(t, func(t *testing.T, a *account) {
		c := newCatalog(a)
		c.products["pp-theirs"] = &types.ProvisionedProductDetail{Id: aws.String("pp-theirs"), Name: aws.String("waiting-room-show-1"),
			IdempotencyToken: aws.String("theirs"), Status: types.ProvisionedProductStatusAvailable}
		s, other, step := a.subject("show"), a.subject("other"), NewProduct(c, order())
		_, first := s.run(step.Up)
		_, second := s.run(step.Up) // one fault befalls one of them at most
		if err := errors.Join(first, second); err == nil || !strings.Contains(err.Error(), "somebody else has a provisioned product of the name waiting-room-show-1") {
			t.Errorf("%v", err)
		}
		other.until(hotshow.Up, step.Up)
		s.until(hotshow.Down, step.Down)
		if len(c.products) != 2 || len(c.ended) != 0 {
			t.Errorf("there are %v; terminated %q", slices.Collect(maps.Keys(c.products)), c.ended)
		}
	})
}

// Somebody has terminated it by hand, and its record may be gone too.
func TestProductThatIsGone(t *testing.T) {
	for _, record := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t}
			c := newCatalog(a)
			s, step := a.subject("show"), NewProduct(c, order())
			s.until(hotshow.Up, step.Up)
			clear(c.products)
			if !record {
				clear(c.records)
			}
			if troubles := s.until(hotshow.Down, step.Down); troubles != "" || len(c.ended) > 0 {
				t.Errorf("terminated %q; %s", c.ended, troubles)
			}
		})
	}
}

// forgetful is a catalog that still shows a product which it has terminated.
type forgetful struct {
	*catalog
	shows types.ProvisionedProductDetail
}

func (c forgetful) DescribeProvisionedProduct(context.Context, *servicecatalog.DescribeProvisionedProductInput, ...func(*servicecatalog.Options)) (*servicecatalog.DescribeProvisionedProductOutput, error) {
	return &servicecatalog.DescribeProvisionedProductOutput{ProvisionedProductDetail: &c.shows}, nil
}

// One that is still shown, and not there when it is to be terminated, is gone.
func TestProductThatIsStillShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCatalog(&account{t: t})
		s := c.subject("show")
		s.until(hotshow.Up, NewProduct(c, order()).Up)
		shows := *c.products["pp-1"]
		clear(c.products)
		if progress, err := s.run(NewProduct(forgetful{c, shows}, order()).Down); progress != hotshow.Down || err != nil {
			t.Errorf("%s, %v", progress, err)
		}
	})
}

func TestProductIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t}
		c := newCatalog(a)
		s, none := a.subject("show"), NewProduct(c, nil)
		s.until(hotshow.LeftOut, none.Up)
		s.until(hotshow.Down, none.Down)
		if a.calls != 0 {
			t.Errorf("%d calls", a.calls)
		}
		s.run(NewProduct(c, order()).Up)
		if _, err := s.run(none.Up); err == nil {
			t.Error("an order that is gone is no trouble")
		}
		s.until(hotshow.Down, none.Down)
		if len(c.products) != 0 {
			t.Errorf("there are %v", c.products)
		}
	})
}

func TestProductStatuses(t *testing.T) {
	for status, want := range map[types.RecordStatus]hotshow.Progress{
		types.RecordStatusCreated: hotshow.Begun, types.RecordStatusInProgress: hotshow.Begun, types.RecordStatusInProgressInError: hotshow.Begun,
		types.RecordStatusSucceeded: hotshow.Up, types.RecordStatusFailed: "", "FORGOTTEN": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t}
			c := newCatalog(a)
			s, step := a.subject("show"), NewProduct(c, order())
			s.run(step.Up)
			c.records["rec-1"].Status = status
			c.due["rec-1"] = time.Now().Add(time.Hour)
			if progress, err := s.run(step.Up); progress != want || (err != nil) != (want == "") {
				t.Errorf("%s: %q, %v", status, progress, err)
			}
		})
	}
	for status, terminates := range map[types.ProvisionedProductStatus]bool{
		types.ProvisionedProductStatusAvailable: true, types.ProvisionedProductStatusTainted: true, types.ProvisionedProductStatusError: true,
		types.ProvisionedProductStatusUnderChange: false, types.ProvisionedProductStatusPlanInProgress: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t}
			c := newCatalog(a)
			s, step := a.subject("show"), NewProduct(c, order())
			s.until(hotshow.Up, step.Up)
			c.products["pp-1"].Status = status
			if progress, err := s.run(step.Down); progress != hotshow.Begun || err != nil || (len(c.ended) == 1) != terminates {
				t.Errorf("%s: %s, %v; terminated %q", status, progress, err, c.ended)
			}
		})
	}
}

func TestProductsLaunchPath(t *testing.T) {
	several := []types.LaunchPathSummary{{Id: aws.String("lpv3-a"), Name: aws.String("Shop")}, {Id: aws.String("lpv3-b"), Name: aws.String("All")}}
	for want, paths := range map[string][]types.LaunchPathSummary{
		"no launch path to prod-shop: give its role access":                           nil,
		"several launch paths to prod-shop: order one of lpv3-a (Shop), lpv3-b (All)": several,
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &account{t: t}
			c := newCatalog(a)
			c.paths = paths
			if _, err := a.subject("show").run(NewProduct(c, order()).Up); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := &account{t: t}
		c, o := newCatalog(a), order()
		c.paths, o.Path = several, "lpv3-b"
		a.subject("show").run(NewProduct(c, o).Up)
		if *c.inputs[0].PathId != "lpv3-b" {
			t.Errorf("path %s", *c.inputs[0].PathId)
		}
	})
}

func TestParseProduct(t *testing.T) {
	if o, err := ParseProduct("none"); o != nil || err != nil {
		t.Errorf("none: %v, %v", o, err)
	}
	o, err := ParseProduct(`{"product":"prod-a","artifact":"pa-b","path":"lpv3-c","parameters":{"All":"{event}{name}{visitors}{rate}{onsale}{over}{target}","Json":"{\"a\":1}"}}`)
	if err != nil || o.Product != "prod-a" || o.Artifact != "pa-b" || o.Path != "lpv3-c" || len(o.Parameters) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for text, want := range map[string]string{
		"":                     "HOTSHOW_PRODUCT: EOF",
		"null":                 "name the product",
		"[]":                   "cannot unmarshal",
		`{"product":"prod-a"}`: "name the product and its version",
		`{"product":"prod-a","artifact":"pa-b"} {}`:                             "something follows",
		`{"product":"prod-a","artifact":"pa-b","paramters":{}}`:                 `unknown field "paramters"`,
		`{"product":"prod-a","artifact":"pa-b","parameters":{"A":"{visitor}"}}`: "parameter A holds {visitor}, which stands for nothing; there are {event}, {name},",
	} {
		if _, err := ParseProduct(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What a request holds is put in as it is, also where it looks like a placeholder.
func TestProductsParametersAreNotReadTwice(t *testing.T) {
	r := hotshow.Request{Event: "tour", Names: map[string]string{"en": "{target} & {rate}"}, Target: "https://shop.example"}
	got := (&Order{Parameters: map[string]string{"Name": "{name}"}}).parameters(r)
	if *got[0].Value != "{target} & {rate}" {
		t.Errorf("%q", *got[0].Value)
	}
}

func FuzzParseProduct(f *testing.F) {
	f.Add(`{"product":"prod-a","artifact":"pa-b","parameters":{"A":"{event}"}}`)
	f.Add("none")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseProduct(text)
		if err == nil && o != nil && (o.Product == "" || o.Artifact == "") {
			t.Errorf("%q is taken as %+v", text, o)
		}
		if o != nil {
			o.parameters(hotshow.Request{}) // does not panic
		}
	})
}
