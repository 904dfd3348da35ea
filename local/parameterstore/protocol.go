package parameterstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// TargetPrefix is how the X-Amz-Target header of every request to Parameter Store begins.
const TargetPrefix = "AmazonSSM."

const (
	contentType = "application/x-amz-json-1.1"

	// The service takes 2 MB; one parameter is at most a few KB, also when every character is escaped.
	mostBody = 256 << 10
)

// failure is an error as the service names it.
type failure struct {
	code    string
	message string
}

func (f failure) Error() string { return f.code + ": " + f.message }

func invalid(format string, args ...any) error {
	return failure{"ValidationException", fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one operation, named by X-Amz-Target. Refusals are 400 with the service's
// own error codes.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.operate(w, r)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	status := http.StatusOK
	if err != nil {
		var refused failure
		if !errors.As(err, &refused) {
			refused = failure{"SerializationException", err.Error()}
		}
		w.Header().Set("X-Amzn-Errortype", refused.code)
		status = http.StatusBadRequest
		answer = map[string]string{"__type": refused.code, "message": refused.message}
	}
	w.WriteHeader(status)
	// The client has gone away if this fails, and what it asked for has been done.
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Store) operate(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method != http.MethodPost {
		return nil, failure{"UnknownOperationException", "Parameter Store is asked by POST, not by " + r.Method + "."}
	}
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), TargetPrefix)
	if !ok {
		return nil, failure{"UnknownOperationException",
			fmt.Sprintf("The header X-Amz-Target is %q. It names an operation, as in %sPutParameter.", r.Header.Get("X-Amz-Target"), TargetPrefix)}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	switch operation {
	case "PutParameter":
		return answer(body, s.putParameter)
	case "GetParameter":
		return answer(body, s.getParameter)
	case "GetParameters":
		return answer(body, s.getParameters)
	case "GetParametersByPath":
		return answer(body, s.getParametersByPath)
	case "DeleteParameter":
		return answer(body, s.deleteParameter)
	case "DeleteParameters":
		return answer(body, s.deleteParameters)
	case "DescribeParameters":
		return answer(body, s.describeParameters)
	}
	return nil, failure{"UnknownOperationException",
		fmt.Sprintf("The local Parameter Store has no operation %s. It puts, gets, deletes and describes parameters.", operation)}
}

// answer decodes a request for the operation that takes it.
func answer[Request, Response any](body []byte, operation func(Request) (Response, error)) (any, error) {
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("the request is not the JSON of this operation: %w", err)
	}
	return operation(request)
}

// document is a parameter as the service shows it.
type document struct {
	ARN              string
	DataType         string
	LastModifiedDate float64 // seconds since 1970
	Name             string
	Type             string
	Value            string
	Version          int64
}

func show(p parameter, decrypt bool) document {
	value := p.value
	if p.kind == typeSecureString && !decrypt {
		// What stands in for the cipher text must only be useless to whoever did not ask to decrypt.
		sum := sha256.Sum256([]byte(p.value))
		value = base64.StdEncoding.EncodeToString(sum[:])
	}
	return document{
		ARN:              arn(p.name),
		DataType:         "text",
		LastModifiedDate: seconds(p.modified),
		Name:             p.name,
		Type:             p.kind,
		Value:            value,
		Version:          p.version,
	}
}

func showAll(list []parameter, decrypt bool) []document {
	documents := make([]document, 0, len(list))
	for _, p := range list {
		documents = append(documents, show(p, decrypt))
	}
	return documents
}

func arn(name string) string {
	return "arn:aws:ssm:local:000000000000:parameter/" + strings.TrimPrefix(name, "/")
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type putResponse struct {
	Tier    string
	Version int64
}

func (s *Store) putParameter(r putRequest) (putResponse, error) {
	p, err := s.put(r)
	if err != nil {
		return putResponse{}, err
	}
	operation := "Update"
	if p.version == 1 {
		operation = "Create"
	}
	s.changed(p.name, operation)
	return putResponse{p.tier, p.version}, nil
}

type getRequest struct {
	Name           string
	WithDecryption bool
}

type getResponse struct{ Parameter document }

func (s *Store) getParameter(r getRequest) (getResponse, error) {
	if err := checkPlainNames([]string{r.Name}); err != nil {
		return getResponse{}, err
	}
	found, _ := s.find([]string{r.Name})
	if len(found) == 0 {
		return getResponse{}, notFound(r.Name)
	}
	return getResponse{show(found[0], r.WithDecryption)}, nil
}

func notFound(name string) error {
	return failure{"ParameterNotFound", "There is no parameter " + name + "."}
}

// checkPlainNames refuses the forms of a name that the store does not resolve, which would
// otherwise look like a parameter that is not there.
func checkPlainNames(names []string) error {
	const most = 10
	if len(names) < 1 || len(names) > most {
		return invalid("There are %d names in the request. There may be 1 to %d.", len(names), most)
	}
	for _, name := range names {
		if name == "" {
			return invalid("The parameter name is empty.")
		}
		if strings.Contains(name, ":") {
			return invalid("The local Parameter Store knows no versions, labels and ARNs. Ask for %q by its plain name.", name)
		}
	}
	return nil
}

type getManyRequest struct {
	Names          []string
	WithDecryption bool
}

type getManyResponse struct {
	Parameters        []document
	InvalidParameters []string
}

func (s *Store) getParameters(r getManyRequest) (getManyResponse, error) {
	if err := checkPlainNames(r.Names); err != nil {
		return getManyResponse{}, err
	}
	found, missing := s.find(r.Names)
	return getManyResponse{showAll(found, r.WithDecryption), list(missing)}, nil
}

// list makes an empty list of none, which JSON would write as null.
func list(names []string) []string { return append([]string{}, names...) }

type byPathRequest struct {
	Path             string
	Recursive        bool
	WithDecryption   bool
	MaxResults       *int
	NextToken        string
	ParameterFilters []filter
}

type byPathResponse struct {
	Parameters []document
	NextToken  string `json:",omitempty"`
}

func (s *Store) getParametersByPath(r byPathRequest) (byPathResponse, error) {
	if len(r.ParameterFilters) > 0 {
		return byPathResponse{}, invalid("The local Parameter Store filters nothing by path. Leave ParameterFilters out.")
	}
	path, err := checkPath(r.Path)
	if err != nil {
		return byPathResponse{}, err
	}
	most, err := pageSize(r.MaxResults, 10)
	if err != nil {
		return byPathResponse{}, err
	}
	from, err := fromToken(r.NextToken)
	if err != nil {
		return byPathResponse{}, err
	}
	page, more := s.after(from, most, func(p parameter) bool {
		rest, below := strings.CutPrefix(p.name, path)
		return below && (r.Recursive || !strings.Contains(rest, "/"))
	})
	return byPathResponse{showAll(page, r.WithDecryption), nextToken(page, more)}, nil
}

// checkPath returns the path with a slash at its end. The path / alone is every hierarchy.
func checkPath(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		return "", invalid("The path %q does not begin with a slash.", path)
	}
	trimmed := strings.TrimSuffix(path, "/")
	if trimmed == "" && path == "/" {
		return path, nil
	}
	if _, err := checkName(trimmed); err != nil {
		return "", invalid("The path %q is not one that a parameter can have.", path)
	}
	return trimmed + "/", nil
}

func pageSize(asked *int, most int) (int, error) {
	if asked == nil {
		return most, nil
	}
	if *asked < 1 || *asked > most {
		return 0, invalid("MaxResults is %d. It is 1 to %d.", *asked, most)
	}
	return *asked, nil
}

// A token is the name of the last parameter of the page before.
func nextToken(page []parameter, more bool) string {
	if !more {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].name))
}

func fromToken(token string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", failure{"InvalidNextToken", "The token is not one that an earlier answer gave."}
	}
	return string(name), nil
}

type deleteRequest struct{ Name string }

func (s *Store) deleteParameter(r deleteRequest) (struct{}, error) {
	if err := checkPlainNames([]string{r.Name}); err != nil {
		return struct{}{}, err
	}
	if _, missing := s.remove([]string{r.Name}); len(missing) > 0 {
		return struct{}{}, notFound(r.Name)
	}
	s.changed(r.Name, "Delete")
	return struct{}{}, nil
}

type deleteManyRequest struct{ Names []string }

type deleteManyResponse struct {
	DeletedParameters []string
	InvalidParameters []string
}

func (s *Store) deleteParameters(r deleteManyRequest) (deleteManyResponse, error) {
	if err := checkPlainNames(r.Names); err != nil {
		return deleteManyResponse{}, err
	}
	removed, missing := s.remove(r.Names)
	for _, name := range removed {
		s.changed(name, "Delete")
	}
	return deleteManyResponse{list(removed), list(missing)}, nil
}

// filter is the service's ParameterStringFilter.
type filter struct {
	Key    string
	Option string
	Values []string
}

type describeRequest struct {
	MaxResults       *int
	NextToken        string
	ParameterFilters []filter
	Filters          []json.RawMessage
}

type metadata struct {
	ARN              string
	DataType         string
	Description      string `json:",omitempty"`
	LastModifiedDate float64
	Name             string
	Tier             string
	Type             string
	Version          int64
}

type describeResponse struct {
	Parameters []metadata
	NextToken  string `json:",omitempty"`
}

func (s *Store) describeParameters(r describeRequest) (describeResponse, error) {
	if len(r.Filters) > 0 {
		return describeResponse{}, invalid("The local Parameter Store has no Filters. Use ParameterFilters.")
	}
	most, err := pageSize(r.MaxResults, 50)
	if err != nil {
		return describeResponse{}, err
	}
	from, err := fromToken(r.NextToken)
	if err != nil {
		return describeResponse{}, err
	}
	for _, f := range r.ParameterFilters {
		if err := f.check(); err != nil {
			return describeResponse{}, err
		}
	}
	page, more := s.after(from, most, func(p parameter) bool {
		for _, f := range r.ParameterFilters {
			if !f.match(p.name) {
				return false
			}
		}
		return true
	})
	response := describeResponse{Parameters: make([]metadata, 0, len(page)), NextToken: nextToken(page, more)}
	for _, p := range page {
		response.Parameters = append(response.Parameters, metadata{
			ARN:              arn(p.name),
			DataType:         "text",
			Description:      p.description,
			LastModifiedDate: seconds(p.modified),
			Name:             p.name,
			Tier:             p.tier,
			Type:             p.kind,
			Version:          p.version,
		})
	}
	return response, nil
}

func (f filter) check() error {
	if f.Key != "Name" {
		return invalid("The local Parameter Store filters by Name, not by %q.", f.Key)
	}
	switch f.Option {
	case "", "Equals", "BeginsWith", "Contains":
		return nil
	}
	return failure{"InvalidFilterOption", fmt.Sprintf("The option %q is none of Equals, BeginsWith and Contains.", f.Option)}
}

func (f filter) match(name string) bool {
	compare := func(name, value string) bool { return name == value }
	switch f.Option {
	case "BeginsWith":
		compare = strings.HasPrefix
	case "Contains":
		compare = strings.Contains
	}
	for _, value := range f.Values {
		if compare(name, value) {
			return true
		}
	}
	return false
}
