package controlplane

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Limits of an account (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
const (
	// accountConcurrency is the default; new accounts may have less.
	accountConcurrency = 1_000
	// unreserved is what has to be left to functions that nothing is provisioned for.
	unreserved = 100
)

// ConcurrencyPath is how the path of every call for provisioned concurrency begins.
const ConcurrencyPath = "/2019-09-30/functions/"

// provisioning is how long it takes until environments are there.
const provisioning = 5 * time.Second

// Concurrency is Lambda's provisioned concurrency of aliases. It is an http.Handler and safe for
// concurrent use.
type Concurrency struct {
	now       func() time.Time
	functions []string // that exist, each with an alias of any name
	log       *slog.Logger
	mux       *http.ServeMux

	mu      sync.Mutex
	aliases map[alias]provisioned
}

type alias struct{ function, name string }

type provisioned struct {
	units    int
	before   int // that are there until the others are
	modified time.Time
}

// NewConcurrency returns an account with these functions, for which nothing is provisioned.
func NewConcurrency(now func() time.Time, log *slog.Logger, functions ...string) *Concurrency {
	c := &Concurrency{now: now, functions: functions, log: log, mux: http.NewServeMux(), aliases: map[alias]provisioned{}}
	const path = ConcurrencyPath + "{function}/provisioned-concurrency"
	c.mux.HandleFunc("PUT "+path, c.put)
	c.mux.HandleFunc("GET "+path, c.get)
	c.mux.HandleFunc("DELETE "+path, c.remove)
	return c
}

// ServeHTTP answers the calls to put, get and delete a configuration.
func (c *Concurrency) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// Provisioned is how many environments are asked for, of a function's alias.
func (c *Concurrency) Provisioned(function, name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aliases[alias{function, name}].units
}

// alias is the one that a request is about.
func (c *Concurrency) alias(r *http.Request) (alias, *failure) {
	a := alias{r.PathValue("function"), r.URL.Query().Get("Qualifier")}
	switch {
	case !slices.Contains(c.functions, a.function):
		return a, &failure{http.StatusNotFound, "ResourceNotFoundException", "Function not found: " + a.function}
	case a.name == "" || a.name == "$LATEST":
		return a, &failure{http.StatusBadRequest, "InvalidParameterValueException", "Provisioned concurrency is of a version or an alias: name it as the qualifier"}
	}
	return a, nil
}

// configuration is what the service tells of an alias.
type configuration struct {
	RequestedProvisionedConcurrentExecutions int
	AvailableProvisionedConcurrentExecutions int
	AllocatedProvisionedConcurrentExecutions int
	Status                                   string
	LastModified                             string
}

func (c *Concurrency) describe(p provisioned) configuration {
	d := configuration{p.units, p.units, p.units, "READY", p.modified.UTC().Format("2006-01-02T15:04:05-0700")}
	if c.now().Before(p.modified.Add(provisioning)) {
		d.Status = "IN_PROGRESS"
		d.AvailableProvisionedConcurrentExecutions, d.AllocatedProvisionedConcurrentExecutions = p.before, p.before
	}
	return d
}

func (c *Concurrency) put(w http.ResponseWriter, r *http.Request) {
	a, refused := c.alias(r)
	var asked struct{ ProvisionedConcurrentExecutions int }
	if refused == nil && (!read(w, r, &asked) || asked.ProvisionedConcurrentExecutions < 1) {
		refused = &failure{http.StatusBadRequest, "InvalidParameterValueException", "ProvisionedConcurrentExecutions has to be 1 or more"}
	}
	if refused == nil {
		refused = c.set(a, asked.ProvisionedConcurrentExecutions)
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	c.log.Info("provisioned concurrency is set", "function", a.function, "alias", a.name, "environments", asked.ProvisionedConcurrentExecutions)
	c.answer(w, http.StatusAccepted, a)
}

// set refuses what would leave too little to the account's other functions.
func (c *Concurrency) set(a alias, units int) *failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := 0
	for other, p := range c.aliases {
		if other != a {
			others += p.units
		}
	}
	if left := accountConcurrency - others - units; left < unreserved {
		return &failure{http.StatusBadRequest, "InvalidParameterValueException",
			fmt.Sprintf("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", unreserved)}
	}
	before := c.aliases[a]
	c.aliases[a] = provisioned{units: units, before: min(before.units, units), modified: c.now()}
	return nil
}

func (c *Concurrency) get(w http.ResponseWriter, r *http.Request) {
	a, refused := c.alias(r)
	if refused != nil {
		refuse(w, refused)
		return
	}
	c.answer(w, http.StatusOK, a)
}

func (c *Concurrency) answer(w http.ResponseWriter, status int, a alias) {
	c.mu.Lock()
	p, ok := c.aliases[a]
	c.mu.Unlock()
	if !ok {
		refuse(w, noConfiguration)
		return
	}
	reply(w, status, c.describe(p))
}

var noConfiguration = &failure{http.StatusNotFound, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"}

func (c *Concurrency) remove(w http.ResponseWriter, r *http.Request) {
	a, refused := c.alias(r)
	if refused != nil {
		refuse(w, refused)
		return
	}
	c.mu.Lock()
	_, ok := c.aliases[a]
	delete(c.aliases, a)
	c.mu.Unlock()
	if !ok {
		refuse(w, noConfiguration)
		return
	}
	c.log.Info("provisioned concurrency is removed", "function", a.function, "alias", a.name)
	w.WriteHeader(http.StatusNoContent)
}
