package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

// Order is what the shop wants from Service Catalog for each show.
type Order struct {
	Product  string `json:"product"`  // id, as in prod-abcdzk7xy33qa
	Artifact string `json:"artifact"` // id of the version, as in pa-4abcdjnxjj6ne
	Path     string `json:"path"`     // id of the launch path; looked up where there is only one
	// Parameters are the product's, by key. {event}, {name}, {visitors}, {rate}, {onsale}, {over} and
	// {target} stand for what was asked for.
	Parameters map[string]string `json:"parameters"`
}

// placeholder is what may stand for something in a parameter.
var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// ParseProduct reads the order as names.EnvProduct holds it: JSON, or names.None, which is nil.
func ParseProduct(text string) (*Order, error) {
	if text == names.None {
		return nil, nil
	}
	var o Order
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return nil, fmt.Errorf("%s: %w", names.EnvProduct, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the JSON object", names.EnvProduct)
	}
	if o.Product == "" || o.Artifact == "" {
		return nil, fmt.Errorf(`%s: name the product and its version, as in {"product":"prod-…","artifact":"pa-…"}`, names.EnvProduct)
	}
	known := values(hotshow.Request{})
	for _, key := range slices.Sorted(maps.Keys(o.Parameters)) {
		for _, p := range placeholder.FindAllString(o.Parameters[key], -1) {
			if _, ok := known[p]; !ok {
				return nil, fmt.Errorf("%s: parameter %s holds %s, which stands for nothing; there are %s",
					names.EnvProduct, key, p, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
		}
	}
	return &o, nil
}

// values are what placeholders stand for.
func values(r hotshow.Request) map[string]string {
	return map[string]string{
		"{event}": r.Event, "{name}": r.Name(), "{target}": r.Target, "{onsale}": r.OnSale.Format(time.RFC3339),
		"{visitors}": strconv.Itoa(r.Visitors), "{rate}": strconv.Itoa(r.Rate), "{over}": r.Over.String(),
	}
}

// parameters are the order's with a show's values in them. What a value holds is never looked into.
func (o *Order) parameters(r hotshow.Request) []types.ProvisioningParameter {
	known := values(r)
	var list []types.ProvisioningParameter
	for _, key := range slices.Sorted(maps.Keys(o.Parameters)) {
		text := placeholder.ReplaceAllStringFunc(o.Parameters[key], func(p string) string { return known[p] })
		list = append(list, types.ProvisioningParameter{Key: aws.String(key), Value: aws.String(text)})
	}
	return list
}

// Catalog is what Product needs of *servicecatalog.Client.
type Catalog interface {
	ListLaunchPaths(context.Context, *servicecatalog.ListLaunchPathsInput, ...func(*servicecatalog.Options)) (*servicecatalog.ListLaunchPathsOutput, error)
	ProvisionProduct(context.Context, *servicecatalog.ProvisionProductInput, ...func(*servicecatalog.Options)) (*servicecatalog.ProvisionProductOutput, error)
	DescribeRecord(context.Context, *servicecatalog.DescribeRecordInput, ...func(*servicecatalog.Options)) (*servicecatalog.DescribeRecordOutput, error)
	DescribeProvisionedProduct(context.Context, *servicecatalog.DescribeProvisionedProductInput, ...func(*servicecatalog.Options)) (*servicecatalog.DescribeProvisionedProductOutput, error)
	TerminateProvisionedProduct(context.Context, *servicecatalog.TerminateProvisionedProductInput, ...func(*servicecatalog.Options)) (*servicecatalog.TerminateProvisionedProductOutput, error)
}

// Product provisions the shop's own product for each show, and terminates it. Each attempt has a name and
// a token of its own, which are held before the first call, so that a product whose answer was lost is
// found again, and no other is ever touched.
type Product struct {
	catalog Catalog
	order   *Order
}

// NewProduct provisions what is ordered; without an order the step is left out.
func NewProduct(catalog Catalog, order *Order) *Product { return &Product{catalog, order} }

// What the step remembers, with heldMissed. All but the first are of one attempt, and end in its number.
const (
	heldAttempt = "attempt" // the latest, from 1
	heldRecord  = "record"  // id of the provisioning's record
	heldProduct = "product" // id of the provisioned product
	heldEnding  = "ending"  // which termination of it, from 1
	heldEndOf   = "end"     // id of that termination's record
)

// attempt is one provisioning, with what is remembered of it.
type attempt struct {
	*prepare.Task
	number string
}

func attemptOf(t *prepare.Task) attempt { return attempt{t, t.Held[heldAttempt]} }

// name is also the token. A show's id has at most 32 characters, and a token may have 128.
func (a attempt) name() string { return "waiting-room-" + a.Show.ID + "-" + a.number }

func (a attempt) held(key string) string { return a.Held[key+" "+a.number] }

func (a attempt) hold(ctx context.Context, key, value string) error {
	if a.held(key) == value {
		return nil
	}
	return a.Hold(ctx, key+" "+a.number, value)
}

// Up provisions the product and waits for it. What failed is terminated before the next attempt.
func (p *Product) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if p.order == nil && t.Held[heldAttempt] == "" {
		return hotshow.LeftOut, nil
	}
	if p.order == nil {
		return "", errors.New("the deployment orders no product any more, and one was begun for this show")
	}
	if t.Held[heldAttempt] == "" {
		if err := t.Hold(ctx, heldAttempt, "1"); err != nil {
			return "", err
		}
	}
	a := attemptOf(t)
	if a.held(heldRecord) == "" {
		return p.provision(ctx, a)
	}
	record, err := p.record(ctx, a.held(heldRecord))
	if err != nil {
		return "", fmt.Errorf("read the record of %s: %w", a.name(), err)
	}
	switch {
	case record.Status == types.RecordStatusSucceeded:
		return hotshow.Up, nil
	case underChange(record):
		return hotshow.Begun, nil
	case record.Status == types.RecordStatusFailed:
		return p.again(ctx, a, record)
	}
	return "", fmt.Errorf("the record %s of %s has the status %q, which the room does not know", a.held(heldRecord), a.name(), record.Status)
}

// underChange says whether a record is of something that goes on. What is in error is rolling back, and
// fails in the end.
func underChange(record *types.RecordDetail) bool {
	switch record.Status {
	case types.RecordStatusCreated, types.RecordStatusInProgress, types.RecordStatusInProgressInError:
		return true
	}
	return false
}

// again takes down what failed, and begins the next attempt once it is gone.
func (p *Product) again(ctx context.Context, a attempt, record *types.RecordDetail) (hotshow.Progress, error) {
	gone, err := p.terminate(ctx, a)
	switch {
	case err != nil:
		return "", errors.Join(fmt.Errorf("%s failed: %s", a.name(), reasons(record)), err)
	case !gone:
		return "", fmt.Errorf("%s failed, and is terminated before it is tried again: %s", a.name(), reasons(record))
	}
	number, err := strconv.Atoi(a.number)
	if err != nil {
		return "", fmt.Errorf("the step remembers the attempt %q: %w", a.number, err)
	}
	if err := a.Hold(ctx, heldAttempt, strconv.Itoa(number+1)); err != nil {
		return "", err
	}
	return p.provision(ctx, attemptOf(a.Task))
}

func reasons(record *types.RecordDetail) string {
	var all []string
	for _, e := range record.RecordErrors {
		all = append(all, strings.TrimSpace(aws.ToString(e.Code)+" "+aws.ToString(e.Description)))
	}
	if all == nil {
		return "Service Catalog gives no reason"
	}
	return strings.Join(all, "; ")
}

// provision asks for the product and holds its record. Asked again after a crash, it finds what is there
// by its name, or is given the same record for the same token.
func (p *Product) provision(ctx context.Context, a attempt) (hotshow.Progress, error) {
	found, err := p.find(ctx, a)
	if err != nil {
		return "", err
	}
	if found != nil && !a.owns(found) {
		return "", fmt.Errorf("somebody else has a provisioned product of the name %s: rename or terminate it", a.name())
	}
	if found != nil {
		return hotshow.Begun, a.remember(ctx, found.LastProvisioningRecordId, found.Id)
	}
	path, err := p.path(ctx)
	if err != nil {
		return "", err
	}
	made, err := p.catalog.ProvisionProduct(ctx, &servicecatalog.ProvisionProductInput{
		ProvisionToken: aws.String(a.name()), ProvisionedProductName: aws.String(a.name()),
		ProductId: aws.String(p.order.Product), ProvisioningArtifactId: aws.String(p.order.Artifact), PathId: aws.String(path),
		ProvisioningParameters: p.order.parameters(a.Show.Request),
	})
	if err != nil {
		return "", fmt.Errorf("provision %s: %w", a.name(), err)
	}
	return hotshow.Begun, a.remember(ctx, made.RecordDetail.RecordId, made.RecordDetail.ProvisionedProductId)
}

func (a attempt) remember(ctx context.Context, record, product *string) error {
	if id := aws.ToString(product); id != "" {
		if err := a.hold(ctx, heldProduct, id); err != nil {
			return err
		}
	}
	return a.hold(ctx, heldRecord, aws.ToString(record))
}

// owns says whether the attempt provisioned a product: by the id that it was given, or else by its token.
func (a attempt) owns(found *types.ProvisionedProductDetail) bool {
	if id := a.held(heldProduct); id != "" {
		return id == aws.ToString(found.Id)
	}
	return aws.ToString(found.IdempotencyToken) == a.name()
}

// path is the launch path: the one that is ordered, or the only one.
func (p *Product) path(ctx context.Context) (string, error) {
	if p.order.Path != "" {
		return p.order.Path, nil
	}
	listed, err := p.catalog.ListLaunchPaths(ctx, &servicecatalog.ListLaunchPathsInput{ProductId: aws.String(p.order.Product)})
	if err != nil {
		return "", fmt.Errorf("list the launch paths of %s: %w", p.order.Product, err)
	}
	switch paths := listed.LaunchPathSummaries; len(paths) {
	case 1:
		return aws.ToString(paths[0].Id), nil
	case 0:
		return "", fmt.Errorf("the function prepare has no launch path to %s: give its role access to a portfolio with the product", p.order.Product)
	default:
		var all []string
		for _, path := range paths {
			all = append(all, fmt.Sprintf("%s (%s)", aws.ToString(path.Id), aws.ToString(path.Name)))
		}
		return "", fmt.Errorf("there are several launch paths to %s: order one of %s as the product's path", p.order.Product, strings.Join(all, ", "))
	}
}

// record reads a record's status.
func (p *Product) record(ctx context.Context, id string) (*types.RecordDetail, error) {
	found, err := p.catalog.DescribeRecord(ctx, &servicecatalog.DescribeRecordInput{Id: aws.String(id)})
	if err != nil {
		return nil, err
	}
	return found.RecordDetail, nil
}

// find returns the attempt's provisioned product, or nil. Without its id it is looked for by its name.
func (p *Product) find(ctx context.Context, a attempt) (*types.ProvisionedProductDetail, error) {
	input := &servicecatalog.DescribeProvisionedProductInput{Name: aws.String(a.name())}
	if id := a.held(heldProduct); id != "" {
		input = &servicecatalog.DescribeProvisionedProductInput{Id: aws.String(id)}
	}
	found, err := p.catalog.DescribeProvisionedProduct(ctx, input)
	if notFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for %s: %w", a.name(), err)
	}
	return found.ProvisionedProductDetail, nil
}

func notFound(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

// Down terminates what the latest attempt provisioned; earlier ones are gone.
func (p *Product) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if t.Held[heldAttempt] == "" {
		return hotshow.Down, nil
	}
	gone, err := p.terminate(ctx, attemptOf(t))
	switch {
	case err != nil:
		return "", err
	case !gone:
		return hotshow.Begun, nil
	}
	return hotshow.Down, nil
}

// terminate brings the attempt's product to its end, and says whether it is gone. What is under change
// is waited for: Service Catalog terminates nothing that is.
func (p *Product) terminate(ctx context.Context, a attempt) (gone bool, err error) {
	found, err := p.find(ctx, a)
	switch {
	case err != nil:
		return false, err
	case found == nil:
		return p.missed(ctx, a)
	case !a.owns(found):
		return true, nil
	}
	// Held before it is terminated: its token may be the termination's from then on.
	if err := a.hold(ctx, heldProduct, aws.ToString(found.Id)); err != nil {
		return false, err
	}
	if err := p.ended(ctx, a); err != nil {
		return false, err
	}
	switch found.Status {
	case types.ProvisionedProductStatusUnderChange, types.ProvisionedProductStatusPlanInProgress:
		return false, nil
	}
	// Repeated, it is one termination by its token, or there is nothing left to terminate.
	ending := a.ending()
	made, err := p.catalog.TerminateProvisionedProduct(ctx, &servicecatalog.TerminateProvisionedProductInput{
		ProvisionedProductId: found.Id, TerminateToken: aws.String(a.name() + "-end-" + ending)})
	if notFound(err) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("terminate %s: %w", a.name(), err)
	}
	return false, a.hold(ctx, heldEndOf+" "+ending, aws.ToString(made.RecordDetail.RecordId))
}

// ending numbers the termination that is under way, or the first.
func (a attempt) ending() string {
	if n := a.held(heldEnding); n != "" {
		return n
	}
	return "1"
}

// missed decides about a product that is not there. One that is being provisioned may not be seen yet, nor
// one that has just been, and one whose provisioning was never answered may still arrive.
func (p *Product) missed(ctx context.Context, a attempt) (gone bool, err error) {
	if a.held(heldEndOf+" "+a.ending()) != "" {
		return true, nil
	}
	if id := a.held(heldRecord); id != "" {
		record, err := p.record(ctx, id)
		switch {
		case notFound(err):
		case err != nil:
			return false, fmt.Errorf("read the record of %s: %w", a.name(), err)
		case underChange(record):
			return false, nil
		}
	}
	return longSince(ctx, a.Task, heldMissed+" "+a.number, seen)
}

// ended reports a termination that failed. The next one has another token, since the service answers a
// token that it knows as it did before.
func (p *Product) ended(ctx context.Context, a attempt) error {
	ending := a.ending()
	id := a.held(heldEndOf + " " + ending)
	if id == "" {
		return nil
	}
	record, err := p.record(ctx, id)
	if err != nil {
		return fmt.Errorf("read the record of the end of %s: %w", a.name(), err)
	}
	if record.Status != types.RecordStatusFailed {
		return nil
	}
	number, err := strconv.Atoi(ending)
	if err != nil {
		return fmt.Errorf("the step remembers the termination %q: %w", ending, err)
	}
	return errors.Join(fmt.Errorf("%s could not be terminated, and is tried again: %s", a.name(), reasons(record)),
		a.hold(ctx, heldEnding, strconv.Itoa(number+1)))
}
