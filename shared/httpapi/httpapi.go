package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
)

// Request and Response are API Gateway's: the same handlers answer it and the local room.
type (
	Request  = events.APIGatewayProxyRequest
	Response = events.APIGatewayProxyResponse
)

// Handler answers one request. An error becomes a problem document by the table of this package.
type Handler func(context.Context, Request) (Response, error)

// levels says which problems a team should hear of.
var levels = map[*Problem]slog.Level{Internal: slog.LevelError, Busy: slog.LevelWarn}

// Answer wraps h so that every error becomes a problem document, and is counted by its code. Only
// what is ours to mend is logged; neither bodies nor headers are, since they hold tickets and secrets.
func (h Handler) Answer(log *slog.Logger, counts *metrics.Log) func(context.Context, Request) (Response, error) {
	return func(ctx context.Context, r Request) (Response, error) {
		response, err := h(ctx, r)
		if err == nil {
			return response, nil
		}
		p := ProblemOf(err)
		level, logged := levels[p]
		if logged && !errors.Is(err, context.Canceled) { // a visitor who left is no fault
			event, _ := Event(r)
			log.Log(ctx, level, "request failed", "event", event, "route", r.Resource,
				"request", r.RequestContext.RequestID, "error", err)
		}
		counts.Refusal(p.Code)
		var shown *Shown
		if errors.As(err, &shown) {
			return shown.Answer, nil
		}
		return p.Response(), nil
	}
}

// Uncounted is Answer for functions that no visitor calls, with their own table from errors to problems:
// refusals are not counted, since those that are watched are visitors'. What is ours to mend is logged;
// bodies are not.
func (h Handler) Uncounted(log *slog.Logger, problemOf func(error) *Problem) func(context.Context, Request) (Response, error) {
	return func(ctx context.Context, r Request) (Response, error) {
		response, err := h(ctx, r)
		if err == nil {
			return response, nil
		}
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			log.ErrorContext(ctx, "request failed", "route", r.Resource, "request", r.RequestContext.RequestID, "error", err)
		}
		return p.Response(), nil
	}
}

// Event returns the event that the request's path names, or UnknownEvent if none can have that
// name: what anybody can make up never reaches the table.
func Event(r Request) (string, error) {
	name := r.PathParameters[names.EventParameter]
	if !names.ValidEvent(name) {
		return "", UnknownEvent
	}
	return name, nil
}

// OK answers with v as JSON.
func OK(status int, v any) (Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Response{}, err
	}
	return Response{StatusCode: status, Headers: headers("application/json"), Body: string(body)}, nil
}

// Response is the problem as a document.
func (p *Problem) Response() Response {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{names.ProblemPrefix + p.Code, p.Title, p.Status, p.Detail})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	h := headers("application/problem+json")
	if p.RetryAfter > 0 {
		h["Retry-After"] = RetryAfter(p.RetryAfter)
	}
	if p.Challenge != "" {
		h["WWW-Authenticate"] = p.Challenge
	}
	return Response{StatusCode: p.Status, Headers: h, Body: string(body)}
}

// RetryAfter writes d in whole seconds, rounded up.
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(Seconds(d), 10)
}

// Seconds is d in whole seconds, rounded up.
func Seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

func headers(contentType string) map[string]string {
	return map[string]string{
		"Content-Type":           contentType,
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
	}
}

// Decode reads the request's JSON object of at most limit bytes into v. Fields that v does not
// know are passed over, so that pages may be newer than functions.
func Decode(r Request, limit int, v any) error {
	body, err := Body(r, limit)
	if err != nil {
		return err
	}
	body = bytes.Trim(body, " \t\r\n") // what JSON takes for space
	if len(body) == 0 || body[0] != '{' {
		return BadRequest("Send a JSON object.")
	}
	err = json.Unmarshal(body, v)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return BadRequest("The field %q has to be a %s.", wrongType.Field, wrongType.Type)
	case err != nil:
		return BadRequest("Send one valid JSON object and nothing behind it.")
	}
	return nil
}

// Body returns the request's body, byte for byte as it was sent, if it has at most limit bytes. Errors: TooLarge,
// and a bad request.
func Body(r Request, limit int) ([]byte, error) {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		if base64.StdEncoding.DecodedLen(len(r.Body)) > limit+2 {
			return nil, TooLarge
		}
		decoded, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return nil, BadRequest("The body is not readable.")
		}
		body = decoded
	}
	if len(body) > limit {
		return nil, TooLarge
	}
	return body, nil
}

// A secret's length in bytes.
const (
	minSecret = 16
	maxSecret = 32
)

// Secret decodes a visitor's secret: 16 to 32 bytes in base64url without padding, written in the only
// way in which they can be. What is wrong with it is a problem that does not repeat it.
func Secret(text string) ([]byte, error) {
	// The decoder passes over line breaks, even when it is strict.
	secret, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, BadRequest("The secret has to be base64url without padding.")
	}
	if len(secret) < minSecret || len(secret) > maxSecret {
		return nil, BadRequest("The secret has to be %d to %d bytes long, and has %d.", minSecret, maxSecret, len(secret))
	}
	return secret, nil
}

// Header returns the request's header of a name, in whatever case it was sent, or "".
func Header(r Request, name string) string {
	for sent, value := range r.Headers {
		if strings.EqualFold(sent, name) {
			return value
		}
	}
	return ""
}

// Bearer returns the request's bearer token, or BadTicket.
func Bearer(r Request) (string, error) {
	if scheme, token, ok := strings.Cut(Header(r, "Authorization"), " "); ok && strings.EqualFold(scheme, bearer) {
		return strings.TrimSpace(token), nil
	}
	return "", BadTicket
}
