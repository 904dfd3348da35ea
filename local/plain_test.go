package main

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// plainBrowser is a browser without JavaScript: it keeps cookies, follows redirects, sends forms and
// knows how to read a page's meta element. It does nothing by itself.
type plainBrowser struct {
	t       *testing.T
	address string // of the room
	client  *http.Client
	at      string // where the page came from
	status  int
	page    string
}

func (r *opened) plainBrowser(t *testing.T) *plainBrowser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &plainBrowser{t: t, address: r.address, client: &http.Client{Jar: jar, Transport: r.client.Transport}}
}

func (b *plainBrowser) do(ctx context.Context, method, path string, form url.Values) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, b.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	request.Header.Set("Accept-Language", "en")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "null")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.page = response.Request.URL.RequestURI(), response.StatusCode, string(body)
}

func (b *plainBrowser) open(ctx context.Context, path string) {
	b.t.Helper()
	b.do(ctx, http.MethodGet, path, nil)
}

var (
	plainState  = regexp.MustCompile(`<main data-state="([a-z]+)">`)
	plainSecret = regexp.MustCompile(`name="secret" value="([^"]*)"`)
	plainShop   = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)">`)
)

// find returns what the page holds at a pattern's only group.
func (b *plainBrowser) find(pattern *regexp.Regexp) string {
	b.t.Helper()
	found := pattern.FindStringSubmatch(b.page)
	if found == nil {
		b.t.Fatalf("%d at %s, without %s:\n%s", b.status, b.at, pattern, b.page)
	}
	return html.UnescapeString(found[1])
}

func (b *plainBrowser) want(state string) {
	b.t.Helper()
	if got := b.find(plainState); got != state {
		b.t.Fatalf("%d at %s in the state %s, want %s:\n%s", b.status, b.at, got, state, b.page)
	}
}

// join sends the form that the page shows.
func (b *plainBrowser) join(ctx context.Context) {
	b.t.Helper()
	b.do(ctx, http.MethodPost, "/v1/events/demo/place/join", url.Values{"secret": {b.find(plainSecret)}})
}

// enter presses the button.
func (b *plainBrowser) enter(ctx context.Context) {
	b.t.Helper()
	if !strings.Contains(b.page, `action="/v1/events/demo/place/enter"`) {
		b.t.Fatalf("no button: %s", b.page)
	}
	b.do(ctx, http.MethodPost, "/v1/events/demo/place/enter", nil)
}

// reach loads the page again until it is in a state.
func (b *plainBrowser) reach(ctx context.Context, state string) {
	b.t.Helper()
	for {
		b.open(ctx, "/v1/events/demo/place")
		if b.find(plainState) == state {
			return
		}
		if pause(ctx, time.Second/2) != nil {
			b.t.Fatalf("the page does not come to %s:\n%s", state, b.page)
		}
	}
}

func (b *plainBrowser) ticket() string {
	b.t.Helper()
	at, err := url.Parse(b.address + "/v1/events/demo/place")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.client.Jar.Cookies(at) {
		if cookie.Name == names.PlaceCookie {
			return strings.TrimPrefix(cookie.Value, "in.")
		}
	}
	b.t.Fatal("no cookie")
	return ""
}

// TestVisitWithoutJavaScript goes from the countdown to the shop with forms and cookies alone, and
// once more when the pass has expired.
func TestVisitWithoutJavaScript(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(6*time.Second), 600)
	r.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })

	b := r.plainBrowser(t)
	b.open(ctx, "/demo?plain")
	if b.at != "/v1/events/demo/place" {
		t.Errorf("?plain leads to %s", b.at)
	}
	b.want("arriving")
	form := b.page
	b.join(ctx)
	if b.at != "/v1/events/demo/place?joined=1" {
		t.Errorf("joining leads to %s", b.at)
	}
	b.want("pool")
	ticket := b.ticket()
	// The back button, and the same form once more.
	b.page = form
	b.join(ctx)
	if b.ticket() != ticket {
		t.Error("the same form gave another place")
	}

	b.reach(ctx, "turn")
	turn := b.page
	b.enter(ctx)
	shop := b.find(plainShop)
	b.page = turn
	b.enter(ctx)
	if again := b.find(plainShop); again != shop {
		t.Error("pressed twice, two passes")
	}
	// What the shop does with the pass is a browser's, not the room's.
	response, err := b.client.Get(shop)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Request.URL.Path != "/shop" || response.Request.URL.RawQuery != "" {
		t.Errorf("the shop: %d at %s", response.StatusCode, response.Request.URL.Path)
	}
	b.open(ctx, "/v1/events/demo/place")
	b.want("admitted")

	r.expirePasses(ctx, t)
	b.enter(ctx)
	if b.status != http.StatusGone || b.at != "/v1/events/demo/place?refused=pass-expired" {
		t.Errorf("%d at %s with a pass that has expired", b.status, b.at)
	}
	b.want("expired")
	b.join(ctx)
	if b.ticket() == ticket {
		t.Error("joining again gave the old place")
	}
	b.reach(ctx, "turn")
	b.enter(ctx)
	if again := b.find(plainShop); again == shop {
		t.Error("the old pass for a new place")
	}
	for _, line := range r.log.all() {
		if strings.Contains(line, ticket) || strings.Contains(line, names.PassParameter) {
			t.Error("a ticket or a pass is logged")
		}
	}
}

// expirePasses is half an hour for the passes that were issued.
func (r *opened) expirePasses(ctx context.Context, t *testing.T) {
	t.Helper()
	found, err := r.tables.Scan(ctx, &awsdynamodb.ScanInput{TableName: &r.table})
	if err != nil {
		t.Fatal(err)
	}
	expired := 0
	for _, item := range found.Items {
		if item["exp"] == nil {
			continue
		}
		_, err := r.tables.UpdateItem(ctx, &awsdynamodb.UpdateItemInput{
			TableName: &r.table, Key: map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
			UpdateExpression:          aws.String("SET #exp = :exp"),
			ExpressionAttributeNames:  map[string]string{"#exp": "exp"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":exp": &types.AttributeValueMemberN{Value: "1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		expired++
	}
	if expired != 1 {
		t.Fatalf("%d passes", expired)
	}
}

// TestBrowserWithoutCookies is told what the page cannot do without them.
func TestBrowserWithoutCookies(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(10*time.Minute), 600)
	r.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })
	b := r.plainBrowser(t)
	b.client.Jar = nil
	b.open(ctx, "/demo?plain=1")
	b.join(ctx)
	b.want("arriving")
	if !strings.Contains(b.page, "Your place could not be found") {
		t.Error(b.page)
	}
	a, err := r.send(ctx, http.MethodPost, "/v1/events/demo/place/enter", "", http.Header{"Sec-Fetch-Site": {"cross-site"}})
	if err != nil {
		t.Fatal(err)
	}
	checkProblem(t, a, http.StatusForbidden, "cross-site")
}
