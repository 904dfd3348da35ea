// Package show is the command for hot shows: it asks for, approves, lists, shows, cancels and watches
// them over their API, with the caller's AWS credentials.
package show

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/shared/names"
)

const (
	// service is what calls of API Gateway are signed for.
	service = "execute-api"
	// timeout is for one call. API Gateway ends its own after 29 s.
	timeout = 30 * time.Second
	// mostAnswer is the largest answer that API Gateway gives, in bytes.
	mostAnswer = 10 << 20
	// anyRegion signs for a room on this machine, which is in none.
	anyRegion = "us-east-1"
)

// Client calls the hot shows' API. Its calls can be repeated: asking for the same show again gives the
// same one.
type Client struct {
	address     *url.URL
	region      string
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	http        *http.Client
	now         func() time.Time
}

// Problem is an error that the API answered with: repeating the call does not help, unless Status is
// 429 or from 500.
type Problem struct {
	Status int
	Title  string
	Detail string
}

// Error is one line.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return oneLine(p.Title)
	}
	return oneLine(p.Title + ": " + p.Detail)
}

// Passing says whether the same call may succeed later.
func (p *Problem) Passing() bool { return p.Status == http.StatusTooManyRequests || p.Status >= 500 }

// oneLine joins lines, and leaves out what would steer a terminal.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' })
	return printable(strings.Join(lines, "; "))
}

// printable replaces control characters: what others wrote must not steer the terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || 0x7f <= c && c < 0xa0 {
			return ' '
		}
		return c
	}, text)
}

// NewClient makes a client for the API at an address, which is https or on this machine, with the caller's
// credentials. An empty region is that of an address of API Gateway's, or of the caller's configuration.
func NewClient(ctx context.Context, address, region string) (*Client, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	local := loopback(u.Hostname())
	var options []func(*config.LoadOptions) error
	if local {
		// Nothing outside of this machine is asked about a room on it.
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %s", oneLine(err.Error()))
	}
	if region == "" {
		region = regionOf(u.Hostname())
	}
	if region == "" {
		region = loaded.Region
	}
	if region == "" && local {
		region = anyRegion
	}
	if region == "" {
		return nil, errors.New("no region: set -region or AWS_REGION")
	}
	if _, err := loaded.Credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		hint := ""
		if local {
			hint = " (for a room on this machine any word, the same in both)"
		}
		return nil, fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY%s, or AWS_PROFILE", hint)
	}
	return &Client{
		address: u, region: region, credentials: loaded.Credentials, signer: v4.NewSigner(), now: time.Now,
		http: &http.Client{
			Timeout: timeout,
			// A signature is for one address: whoever sends the caller elsewhere is not the API.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usage("-url: %q is not an address such as https://abcdefghij.execute-api.eu-west-1.amazonaws.com/%s", printable(address), names.Stage)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, usage("-url: %s: use https, or an address of this machine", printable(address))
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// regionOf is the region in an address of API Gateway's, or nothing.
func regionOf(host string) string {
	labels := strings.Split(host, ".")
	if len(labels) >= 5 && labels[1] == service && labels[3] == "amazonaws" {
		return labels[2]
	}
	return ""
}

// Ask asks for a show by a request's JSON. The answer is its JSON.
func (c *Client) Ask(ctx context.Context, request []byte) ([]byte, error) {
	return c.call(ctx, http.MethodPost, names.PathHotShows, nil, request)
}

// List lists shows, the open ones by their on-sale and then those that have ended, the latest first: at most
// so many, or all if most is 0; an empty state or event leaves out none. The answer is JSON as the API's,
// however many calls it takes, with next if there are more.
func (c *Client) List(ctx context.Context, state, event string, most int) ([]byte, error) {
	all := listed{Shows: []json.RawMessage{}, ids: map[string]bool{}}
	for {
		query := url.Values{"limit": {strconv.Itoa(api.MostListed)}}
		if most > 0 {
			query.Set("limit", strconv.Itoa(min(most-len(all.Shows), api.MostListed)))
		}
		for name, value := range map[string]string{"state": state, "event": event, "next": all.Next} {
			if value != "" {
				query.Set(name, value)
			}
		}
		answer, err := c.call(ctx, http.MethodGet, names.PathHotShows, query, nil)
		if err != nil {
			return nil, err
		}
		if err := all.add(answer); err != nil {
			return nil, err
		}
		if all.Next == "" || most > 0 && len(all.Shows) >= most {
			return json.Marshal(all)
		}
	}
}

// listed are the shows of some answers, each as it was answered.
type listed struct {
	Shows []json.RawMessage `json:"shows"`
	Next  string            `json:"next,omitempty"`

	ids map[string]bool
}

// add takes the shows of the next answer. A show that ended between two answers is in both, and stays as it
// was when it was first listed.
func (l *listed) add(answer []byte) error {
	var more listed
	if err := json.Unmarshal(answer, &more); err != nil || more.Shows == nil || more.Next != "" && more.Next == l.Next {
		return errUnreadable
	}
	for _, show := range more.Shows {
		var of struct{ ID string }
		if err := json.Unmarshal(show, &of); err != nil || of.ID == "" {
			return errUnreadable
		}
		if !l.ids[of.ID] {
			l.ids[of.ID] = true
			l.Shows = append(l.Shows, show)
		}
	}
	l.Next = more.Next
	return nil
}

// Show is a show's JSON with its history.
func (c *Client) Show(ctx context.Context, id string) ([]byte, error) {
	return c.call(ctx, http.MethodGet, of(names.PathHotShow, id), nil, nil)
}

// Sale is the JSON of how the show's sale stands.
func (c *Client) Sale(ctx context.Context, id string) ([]byte, error) {
	return c.call(ctx, http.MethodGet, of(names.PathHotShowSale, id), nil, nil)
}

// Decide approves, rejects or cancels a show: path is that of the decision. It is refused if the show has
// had another number of changes than the given one, unless that is 0. The answer is its JSON.
func (c *Client) Decide(ctx context.Context, path, id, why string, changes int) ([]byte, error) {
	given := map[string]any{}
	if why != "" {
		given["why"] = why
	}
	if changes != 0 {
		given["changes"] = changes
	}
	if len(given) == 0 {
		return c.call(ctx, http.MethodPost, of(path, id), nil, nil)
	}
	body, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodPost, of(path, id), nil, body)
}

func of(path, id string) string {
	return strings.Replace(path, "{"+names.ShowParameter+"}", id, 1)
}

// call signs and sends a request, and returns the body of an answer that is no error.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	u := c.address.JoinPath(path)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	credentials, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("the AWS credentials cannot be renewed: %s", oneLine(err.Error()))
	}
	hash := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), service, c.region, c.now()); err != nil {
		return nil, fmt.Errorf("the request cannot be signed: %s", oneLine(err.Error()))
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s does not answer: %s", c.address.Host, oneLine(reason(err)))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s broke off its answer: %s", c.address.Host, oneLine(err.Error()))
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, problem(response.StatusCode, answer)
	}
	return answer, nil
}

// reason is why a call failed, without its address again.
func reason(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// problem reads a problem document, or what API Gateway says by itself.
func problem(status int, body []byte) *Problem {
	var document struct{ Title, Detail, Message string }
	if json.Unmarshal(body, &document) == nil && (document.Title != "" || document.Message != "") {
		if document.Title == "" {
			document.Title, document.Detail = refused(status), document.Message
		}
		return &Problem{Status: status, Title: document.Title, Detail: document.Detail}
	}
	return &Problem{Status: status, Title: refused(status), Detail: "the answer is not one of the hot shows' API: check -url"}
}

func refused(status int) string {
	if status == http.StatusForbidden {
		return "Not allowed"
	}
	return fmt.Sprintf("The API answered with %d", status)
}
