package runtimeapi

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/local/dynamodb"
	"waitingroom/local/parameterstore"
)

// What the account is called and has.
const (
	region     = "eu-west-1"
	accessKey  = "AKIDLOCAL"
	secretARN  = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:RoomSecret-AbCdEf"
	keyID      = "11111111-2222-4333-8444-555555555555"
	bucketName = "room-documents"
	topicARN   = "arn:aws:sns:eu-west-1:123456789012:RoomAlarms"

	jiraSecretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:RoomJiraSecret-AbCdEf"
)

// account is the services that programs call, all at one loopback address and told apart by the
// service that a request is signed for. They are as small as the programs allow, refuse what they do
// not know, and check no signature.
type account struct {
	server     *httptest.Server
	secretKey  string // of the programs' credentials
	tables     http.Handler
	parameters *parameterstore.Store
	secrets    secrets
	keys       keys
	documents  documents
	topics     topics
	stores     keyValueStores

	mu           sync.Mutex
	calls        map[string]int // by service and operation, as in "kms Sign"
	confidential map[string]string
	refuse       func(call) *failure // nil, or says which calls fail before anything is done
	served       func(call)          // nil, or is told of a call that is done and not answered yet
}

// call is one request.
type call struct {
	service   string // as it is signed for
	operation string
	body      []byte
}

func (c call) String() string { return c.service + " " + c.operation }

// failure is an error as the services that speak JSON name it.
type failure struct {
	status int
	code   string
}

func newAccount(t testing.TB) *account {
	engine := dynamodb.NewEngine()
	a := &account{
		secretKey:    rand.Text(),
		tables:       dynamodb.NewHandler(engine, engine),
		parameters:   parameterstore.New(time.Now),
		calls:        map[string]int{},
		confidential: map[string]string{},
	}
	a.secrets.values, a.secrets.tokens = map[string]string{}, map[string]bool{}
	a.documents.changed = make(chan struct{})
	a.stores.values = map[string]string{}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	a.keepSecret(a.secretKey, "its credentials")
	return a
}

// scope is where a signature says what it is for: the region, which SigV4A leaves out, and the service.
var scope = regexp.MustCompile(`Credential=` + accessKey + `/\d{8}/(?:` + region + `/)?([a-z0-9-]+)/aws4_request`)

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	signed := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if err != nil || signed == nil {
		http.Error(w, "not signed for a service of "+region, http.StatusForbidden)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := call{service: signed[1], operation: operation(r, body), body: body}
	a.mu.Lock()
	a.calls[c.String()]++
	refuse, served := a.refuse, a.served
	a.mu.Unlock()
	answer := httptest.NewRecorder()
	if f := refused(refuse, c); f != nil {
		f.write(answer)
	} else {
		a.serve(answer, r, c)
	}
	// What is done is answered only when whoever watches has let it go.
	if served != nil {
		served(c)
	}
	maps.Copy(w.Header(), answer.Header())
	if c.service == "dynamodb" {
		// The SDK logs a warning without it, and the engine says 0.
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer.Body.Bytes())), 10))
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (a *account) serve(w http.ResponseWriter, r *http.Request, c call) {
	switch c.service {
	case "dynamodb":
		a.tables.ServeHTTP(w, r)
	case "ssm":
		a.parameters.ServeHTTP(w, r)
	case "secretsmanager":
		writeJSON(w, c, a.secrets.serve)
	case "kms":
		writeJSON(w, c, a.keys.serve)
	case "s3":
		a.documents.ServeHTTP(w, r)
	case "sns":
		a.topics.serve(w, c)
	case "cloudfront-keyvaluestore":
		a.stores.serve(w, r, c)
	default:
		http.Error(w, "no service "+c.service, http.StatusNotFound)
	}
}

func refused(refuse func(call) *failure, c call) *failure {
	if refuse == nil {
		return nil
	}
	return refuse(c)
}

// operation is what a request asks for: services in JSON name it in a header, those with forms in the
// body, and the others by method and address.
func operation(r *http.Request, body []byte) string {
	if _, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return name
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		if form, err := url.ParseQuery(string(body)); err == nil {
			return form.Get("Action")
		}
	}
	return r.Method
}

// counted is how often a service was asked for an operation, as in "kms Sign".
func (a *account) counted(call string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[call]
}

// onCall replaces who may refuse calls and who is told of them. Either may be nil.
func (a *account) onCall(refuse func(call) *failure, served func(call)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse, a.served = refuse, served
}

// writeJSON answers with what an operation of a service in JSON returns.
func writeJSON(w http.ResponseWriter, c call, operate func(call) (any, *failure)) {
	answer, f := operate(c)
	if f != nil {
		f.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(answer)
}

func (f *failure) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", f.code)
	w.WriteHeader(f.status)
	json.NewEncoder(w).Encode(map[string]string{"__type": f.code, "message": "refused"})
}

func refusal(code string) *failure { return &failure{http.StatusBadRequest, code} }
