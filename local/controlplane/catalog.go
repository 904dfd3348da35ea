package controlplane

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// CatalogTarget is how the X-Amz-Target header of every call to Service Catalog begins.
const CatalogTarget = "AWS242ServiceCatalogService."

// Ids of the one product that there is: the servers of the demo shop.
const (
	ProductID  = "prod-demoshop"
	ArtifactID = "pa-demoshop"
	PathID     = "lpv3-demoshop"
)

// launching is how long the demo shop's servers take to come up, and to go down.
const launching = 8 * time.Second

// Catalog is Service Catalog with the product of the demo shop, which logs when its servers are up or
// down. It is an http.Handler and safe for concurrent use.
type Catalog struct {
	now func() time.Time
	log *slog.Logger

	mu       sync.Mutex
	products map[string]*product // provisioned ones, by id
	records  map[string]*record  // by id
	tokens   map[string]string   // records by the token that asked for them
}

// product is a provisioned one.
type product struct {
	id         string
	name       string
	token      string
	created    time.Time
	parameters []parameter
	launch     *record
	last       *record
}

// record is what became of one request.
type record struct {
	id      string
	kind    string
	product *product
	began   time.Time
	told    bool // the log has been told that it is done
}

type parameter struct{ Key, Value string }

// NewCatalog returns a catalog in which nothing is provisioned.
func NewCatalog(now func() time.Time, log *slog.Logger) *Catalog {
	return &Catalog{now: now, log: log, products: map[string]*product{}, records: map[string]*record{}, tokens: map[string]string{}}
}

// Up lists the names of the provisioned products that are up or are coming up.
func (c *Catalog) Up() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, p := range c.products {
		if p.last.kind == "PROVISION_PRODUCT" {
			names = append(names, p.name)
		}
	}
	return names
}

// catalogRequest has the members of all operations that are answered.
type catalogRequest struct {
	ID                     string `json:"Id"`
	Name                   string
	ProductID              string `json:"ProductId"`
	ProvisioningArtifactID string `json:"ProvisioningArtifactId"`
	PathID                 string `json:"PathId"`
	ProvisionedProductID   string `json:"ProvisionedProductId"`
	ProvisionedProductName string
	ProvisionToken         string
	TerminateToken         string
	ProvisioningParameters []parameter
}

// ServeHTTP answers one operation, named by X-Amz-Target.
func (c *Catalog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request catalogRequest
	if !read(w, r, &request) {
		refuse(w, &failure{http.StatusBadRequest, "SerializationException", "The request is not the JSON of this operation"})
		return
	}
	answer, refused := c.operate(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), CatalogTarget), request)
	if refused != nil {
		refuse(w, refused)
		return
	}
	reply(w, http.StatusOK, answer)
}

func (c *Catalog) operate(operation string, r catalogRequest) (any, *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	switch operation {
	case "ListLaunchPaths":
		if r.ProductID != ProductID {
			return nil, missing("product", r.ProductID)
		}
		return map[string]any{"LaunchPathSummaries": []any{map[string]string{"Id": PathID, "Name": "The demo shop's team"}}}, nil
	case "ProvisionProduct":
		return c.provision(r)
	case "DescribeRecord":
		found, ok := c.records[r.ID]
		if !ok {
			return nil, missing("record", r.ID)
		}
		return map[string]any{"RecordDetail": c.detail(found), "RecordOutputs": []any{}}, nil
	case "TerminateProvisionedProduct":
		return c.terminate(r)
	case "DescribeProvisionedProduct":
		found := c.find(r.ID, r.Name)
		if found == nil {
			return nil, missing("provisioned product", cmp.Or(r.ID, r.Name))
		}
		return map[string]any{"ProvisionedProductDetail": c.describe(found)}, nil
	}
	return nil, &failure{http.StatusBadRequest, "UnknownOperationException", "This Service Catalog does not know the operation " + operation}
}

func missing(what, id string) *failure {
	return &failure{http.StatusBadRequest, "ResourceNotFoundException", fmt.Sprintf("There is no %s %q", what, id)}
}

// settle tells the log of what is done by now, and forgets what is down.
func (c *Catalog) settle() {
	for _, r := range c.records {
		if r.told || !c.done(r) {
			continue
		}
		r.told = true
		what := "the shop's servers are up"
		if r.kind != "PROVISION_PRODUCT" {
			what = "the shop's servers are down"
			delete(c.products, r.product.id)
		}
		args := []any{"product", r.product.name}
		for _, p := range r.product.parameters {
			args = append(args, p.Key, p.Value)
		}
		c.log.Info(what, args...)
	}
}

func (c *Catalog) done(r *record) bool { return !c.now().Before(r.began.Add(launching)) }

// provision is idempotent by its token: asked again, it answers with the same record.
func (c *Catalog) provision(r catalogRequest) (any, *failure) {
	if id, known := c.tokens[r.ProvisionToken]; known {
		return map[string]any{"RecordDetail": c.detail(c.records[id])}, nil
	}
	switch {
	case r.ProductID != ProductID:
		return nil, missing("product", r.ProductID)
	case r.ProvisioningArtifactID != ArtifactID:
		return nil, missing("provisioning artifact", r.ProvisioningArtifactID)
	case r.PathID != "" && r.PathID != PathID:
		return nil, missing("launch path", r.PathID)
	case r.ProvisionToken == "" || r.ProvisionedProductName == "":
		return nil, &failure{http.StatusBadRequest, "InvalidParametersException", "A provisioned product needs a name and a token"}
	case c.find("", r.ProvisionedProductName) != nil:
		return nil, &failure{http.StatusBadRequest, "DuplicateResourceException", "There is a provisioned product of that name"}
	}
	p := &product{id: "pp-" + id(), name: r.ProvisionedProductName, token: r.ProvisionToken, created: c.now(), parameters: r.ProvisioningParameters}
	c.products[p.id] = p
	p.launch = c.begin("PROVISION_PRODUCT", p, r.ProvisionToken)
	return map[string]any{"RecordDetail": c.detail(p.launch)}, nil
}

// terminate is idempotent by its token for as long as it lasts.
func (c *Catalog) terminate(r catalogRequest) (any, *failure) {
	p := c.find(r.ProvisionedProductID, r.ProvisionedProductName)
	if p == nil {
		return nil, missing("provisioned product", cmp.Or(r.ProvisionedProductID, r.ProvisionedProductName))
	}
	if id, known := c.tokens[r.TerminateToken]; known && c.records[id].product == p {
		return map[string]any{"RecordDetail": c.detail(c.records[id])}, nil
	}
	if !c.done(p.last) {
		return nil, &failure{http.StatusBadRequest, "InvalidParametersException", "The provisioned product is under change"}
	}
	return map[string]any{"RecordDetail": c.detail(c.begin("TERMINATE_PROVISIONED_PRODUCT", p, r.TerminateToken))}, nil
}

func (c *Catalog) begin(kind string, p *product, token string) *record {
	r := &record{id: "rec-" + id(), kind: kind, product: p, began: c.now()}
	c.records[r.id], c.tokens[token], p.last = r, r.id, r
	return r
}

// id is one as the service makes them: 13 letters and digits.
func id() string { return strings.ToLower(rand.Text()[:13]) }

func (c *Catalog) find(id, name string) *product {
	if id != "" {
		return c.products[id]
	}
	for _, p := range c.products {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (c *Catalog) detail(r *record) map[string]any {
	status := "SUCCEEDED"
	if !c.done(r) {
		status = "IN_PROGRESS"
	}
	return map[string]any{
		"RecordId": r.id, "RecordType": r.kind, "Status": status, "CreatedTime": seconds(r.began), "UpdatedTime": seconds(c.now()),
		"ProvisionedProductId": r.product.id, "ProvisionedProductName": r.product.name, "ProvisionedProductType": "CFN_STACK",
		"ProductId": ProductID, "ProvisioningArtifactId": ArtifactID, "PathId": PathID, "RecordErrors": []any{}, "RecordTags": []any{},
	}
}

func (c *Catalog) describe(p *product) map[string]any {
	status := "AVAILABLE"
	if !c.done(p.last) {
		status = "UNDER_CHANGE"
	}
	return map[string]any{
		"Id": p.id, "Name": p.name, "Arn": "arn:aws:servicecatalog:local:000000000000:stack/" + p.name + "/" + p.id, "Type": "CFN_STACK",
		"Status": status, "CreatedTime": seconds(p.created), "IdempotencyToken": p.token, "ProductId": ProductID, "ProvisioningArtifactId": ArtifactID,
		"LastRecordId": p.last.id, "LastProvisioningRecordId": p.launch.id,
	}
}
