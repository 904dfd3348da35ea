package hotshows

import (
	"crypto/rand"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/functions"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
)

const (
	// account is the one that everybody here belongs to.
	account = "000000000000"
	// maxBody is the largest body that API Gateway takes, in bytes:
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxBody = 10 << 20
)

// NewGateway is what API Gateway is to the hot shows' API in production: it knows the routes, lets in
// those whose signature is right, and hands each request to its function, by its name in package names,
// together with who sent it. The route of Jira's webhooks is open: its function checks them.
func NewGateway(calls map[string]functions.Function, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	for _, route := range names.HotShowRoutes() {
		mux.Handle(route.Method+" "+route.Path, &operation{route, calls[route.Function], now})
	}
	// API Gateway answers where it has no method as it answers whoever is a stranger.
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, errUnsigned) })
	return mux
}

// operation is one route.
type operation struct {
	route names.Route
	call  functions.Function
	now   func() time.Time
}

func (o *operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, httpapi.TooLarge.Response())
		return
	}
	identity := events.APIGatewayRequestIdentity{}
	if o.route.Path != names.PathJira {
		key, err := verify(r.Context(), r, body, o.now())
		if err != nil {
			refuse(w, err)
			return
		}
		identity = events.APIGatewayRequestIdentity{AccountID: account, AccessKey: key, Caller: key, UserArn: arn(key)}
	}
	response, err := o.call(r.Context(), o.request(r, string(body), identity))
	if err != nil {
		// Handlers turn every error into a document, so this is one that cannot be.
		response = httpapi.Internal.Response()
	}
	answer(w, response)
}

// arn is the person that an access key belongs to.
func arn(key string) string { return "arn:aws:iam::" + account + ":user/" + key }

// request is the proxy event of API Gateway.
func (o *operation) request(r *http.Request, body string, identity events.APIGatewayRequestIdentity) httpapi.Request {
	headers := map[string]string{}
	for name := range r.Header {
		headers[name] = r.Header.Get(name)
	}
	query := map[string]string{}
	for name, values := range r.URL.Query() {
		query[name] = values[len(values)-1]
	}
	request := httpapi.Request{
		Resource: o.route.Path, Path: r.URL.Path, HTTPMethod: r.Method, Headers: headers,
		QueryStringParameters: query, Body: body,
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestID: rand.Text(), AccountID: account, HTTPMethod: r.Method, ResourcePath: o.route.Path, Identity: identity,
		},
	}
	if show := r.PathValue(names.ShowParameter); show != "" {
		request.PathParameters = map[string]string{names.ShowParameter: show}
	}
	return request
}

// kinds are the errors as API Gateway names them in a header.
var kinds = map[error]string{
	errUnsigned: "MissingAuthenticationTokenException", errIncomplete: "IncompleteSignatureException",
	errScope: "InvalidSignatureException", errStamp: "InvalidSignatureException", errMismatch: "InvalidSignatureException",
}

// refuse answers as the stack has API Gateway answer whoever is not known, and says why besides.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("X-Amzn-Errortype", kinds[err])
	problem := *api.NotAllowed
	problem.Detail = err.Error() + ". " + problem.Detail
	answer(w, problem.Response())
}

func answer(w http.ResponseWriter, response httpapi.Response) {
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(response.StatusCode)
	io.WriteString(w, response.Body)
}
