package gate_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"waitingroom/shared/gate"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

const shop = "https://shop.example"

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

var (
	key      = sync.OnceValue(newKey) // the room's
	otherKey = sync.OnceValue(newKey) // another room's, or the room's next
)

// room serves a key set and can be told to fail.
type room struct {
	*httptest.Server
	mu      sync.Mutex
	answer  func(http.ResponseWriter, *http.Request)
	fetches int
}

func newRoom(t *testing.T) *room {
	r := &room{}
	r.publish(t, key())
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.fetches++
		answer := r.answer
		r.mu.Unlock()
		if req.URL.Path != names.JWKSPath {
			http.NotFound(w, req)
			return
		}
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *room) set(answer func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *room) publish(t *testing.T, k *rsa.PrivateKey) {
	t.Helper()
	document, err := pass.JWKS(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	r.set(func(w http.ResponseWriter, _ *http.Request) { w.Write(document) })
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetches
}

func broken(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) }

// clock is moved by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// fixture is a gate before a handler that answers with the visitor.
type fixture struct {
	t     *testing.T
	room  *room
	clock *clock
	http.Handler
}

func newFixture(t *testing.T, change ...func(*gate.Options)) *fixture {
	f := &fixture{t: t, room: newRoom(t), clock: newClock()}
	o := gate.Options{Room: f.room.URL, Audience: shop + "/checkout", Event: "demo", Now: f.clock.now,
		Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	g, err := gate.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Handler = g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := gate.FromContext(r.Context())
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%v %s %s %s %s", ok, v.ID, v.PassID, r.URL, body)
	}))
	return f
}

func (f *fixture) claims() pass.Claims {
	return pass.Claims{Issuer: f.room.URL, Audience: shop, Subject: "visitor-1", Event: "demo",
		Issued: f.clock.now(), Expiry: f.clock.now().Add(30 * time.Minute), ID: "pass-1"}
}

func (f *fixture) sign(k *rsa.PrivateKey, change ...func(*pass.Claims)) string {
	f.t.Helper()
	signer, err := pass.NewRS256(k)
	if err != nil {
		f.t.Fatal(err)
	}
	c := f.claims()
	for _, spoil := range change {
		spoil(&c)
	}
	token, err := signer.Sign(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// browse asks as a browser's address bar does.
func (f *fixture) browse(target string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	return f.do("GET", target, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", nil, cookies...)
}

func (f *fixture) do(method, target, accept string, body io.Reader, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Accept", accept)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func withPass(target, token string) string {
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + names.PassParameter + "=" + url.QueryEscape(token)
}

func (f *fixture) cookie(token string) *http.Cookie {
	return &http.Cookie{Name: "__Host-waitingroom_pass_demo", Value: token}
}

func (f *fixture) wantEntry(w *httptest.ResponseRecorder, visitor string) {
	f.t.Helper()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "true "+visitor+" ") {
		f.t.Errorf("answer %d %q, want the shop for %s", w.Code, w.Body, visitor)
	}
	if cache := w.Header().Get("Cache-Control"); cache != "private" {
		f.t.Errorf("the shop's page has Cache-Control %q", cache)
	}
}

func (f *fixture) wantRoom(w *httptest.ResponseRecorder) {
	f.t.Helper()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != f.room.URL+"/demo" {
		f.t.Errorf("answer %d to %q, want 303 to the room", w.Code, w.Header().Get("Location"))
	}
	f.wantNoTrace(w)
	if w.Header().Get("Set-Cookie") != "" {
		f.t.Errorf("a refused visitor gets a cookie: %s", w.Header().Get("Set-Cookie"))
	}
}

func (f *fixture) wantNoTrace(w *httptest.ResponseRecorder) {
	f.t.Helper()
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
		f.t.Errorf("the answer may leave traces: %v", w.Header())
	}
}

func TestArrivalWithAGoodPass(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key())
	w := f.browse(withPass("/checkout?b=2&a=1%2F&b=3&empty=&flag", token) + "&z=%zz")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("answer %d %s, want 303", w.Code, w.Body)
	}
	if got, want := w.Header().Get("Location"), shop+"/checkout?b=2&a=1%2F&b=3&empty=&flag&z=%zz"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
	f.wantNoTrace(w)
	got := w.Result().Cookies()
	want := http.Cookie{Name: "__Host-waitingroom_pass_demo", Value: token, Path: "/", MaxAge: 30*60 + 10,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
	if len(got) != 1 {
		t.Fatalf("cookies are %v", got)
	}
	if got[0].Raw = ""; got[0].String() != want.String() {
		t.Errorf("cookie is %s, want %s", got[0], want.String())
	}
	if strings.Contains(w.Body.String(), token) || strings.Contains(w.Header().Get("Location"), token) {
		t.Error("the pass is still in the answer")
	}
	f.wantEntry(f.browse("/checkout?b=2", f.cookie(token)), "visitor-1")
}

func TestPassesThatOpenNothing(t *testing.T) {
	f := newFixture(t)
	good := f.sign(key())
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty":            "",
		"no token":         "pass",
		"JSON":             `{"payload":"","signatures":[]}`,
		"header tampered":  "A" + good,
		"payload tampered": parts[0] + "." + swap(parts[1], `"sub":"visitor-1"`, `"sub":"visitor-2"`) + "." + parts[2],
		"signature cut":    good[:len(good)-4],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"another room's":   f.sign(otherKey()),
		"issuer":           f.sign(key(), func(c *pass.Claims) { c.Issuer = "https://room.evil.example" }),
		"issuer's slash":   f.sign(key(), func(c *pass.Claims) { c.Issuer += "/" }),
		"another shop's":   f.sign(key(), func(c *pass.Claims) { c.Audience = "https://shop.example.evil.example" }),
		"another event's":  f.sign(key(), func(c *pass.Claims) { c.Event = "demo2" }),
		"expired": f.sign(key(), func(c *pass.Claims) {
			c.Issued, c.Expiry = c.Issued.Add(-time.Hour), c.Issued.Add(-11*time.Second)
		}),
		"of the future":       f.sign(key(), func(c *pass.Claims) { c.Issued = c.Issued.Add(11 * time.Second) }),
		"alg none":            forge(f, `{"alg":"none","typ":"JWT"}`, func([]byte) []byte { return nil }),
		"alg none, with kid":  forge(f, `{"alg":"none","kid":"`+kid(t)+`"}`, func([]byte) []byte { return nil }),
		"HS256 by public PEM": forge(f, `{"alg":"HS256","kid":"`+kid(t)+`"}`, hmacBy(publicPEM())),
		"HS256 by public DER": forge(f, `{"alg":"HS256","kid":"`+kid(t)+`"}`, hmacBy(publicDER())),
		"HS256 by modulus":    forge(f, `{"alg":"HS256","kid":"`+kid(t)+`"}`, hmacBy(key().N.Bytes())),
		"RS256 by HMAC":       forge(f, `{"alg":"RS256","kid":"`+kid(t)+`"}`, hmacBy(publicPEM())),
		"no kid":              forge(f, `{"alg":"RS256"}`, func([]byte) []byte { return make([]byte, 256) }),
		"too long":            f.sign(key(), func(c *pass.Claims) { c.Subject = strings.Repeat("v", 3000) }),
		"without sub":         signRaw(t, f, "sub"),
		"without jti":         signRaw(t, f, "jti"),
		"without iat":         signRaw(t, f, "iat"),
		"without exp":         signRaw(t, f, "exp"),
		"without aud":         signRaw(t, f, "aud"),
		"without iss":         signRaw(t, f, "iss"),
		"without event":       signRaw(t, f, "event"),
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			f.wantRoom(f.browse(withPass("/checkout", token)))
			f.wantRoom(f.browse("/checkout", f.cookie(token)))
			for _, c := range []struct{ method, accept string }{
				{"GET", "application/json"}, {"GET", "*/*"}, {"POST", "text/html"}, {"DELETE", "text/html"},
			} {
				wantProblem(t, f.do(c.method, withPass("/checkout", token), c.accept, nil), http.StatusForbidden, gate.ProblemRefused)
			}
		})
	}
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	var got struct {
		Type, Title, Detail string
		Status              int
	}
	err := json.Unmarshal(w.Body.Bytes(), &got)
	if err != nil || w.Code != status || got.Status != status || got.Type != kind || got.Title == "" ||
		w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer is %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func swap(part, old, new string) string {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		panic("nothing to tamper with")
	}
	return base64.RawURLEncoding.EncodeToString(bytes.Replace(text, []byte(old), []byte(new), 1))
}

// forge makes a token of otherwise good claims under any header.
func forge(f *fixture, header string, sign func([]byte) []byte) string {
	payload := strings.Split(f.sign(key()), ".")[1]
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

// signRaw signs with the room's key what the room would not: claims of which one is missing.
func signRaw(t *testing.T, f *fixture, missing string) string {
	t.Helper()
	c := f.claims()
	claims := map[string]any{"iss": c.Issuer, "aud": c.Audience, "sub": c.Subject, "event": c.Event, "jti": c.ID,
		"iat": c.Issued.Unix(), "exp": c.Expiry.Unix()}
	delete(claims, missing)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key(), KeyID: kid(t)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignRawIsGoodWhenNothingIsMissing(t *testing.T) {
	f := newFixture(t)
	f.wantEntry(f.browse("/", f.cookie(signRaw(t, f, "nothing"))), "visitor-1")
}

func hmacBy(secret []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func publicDER() []byte {
	der, err := x509.MarshalPKIXPublicKey(key().Public())
	if err != nil {
		panic(err)
	}
	return der
}

func publicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER()})
}

func kid(t *testing.T) string {
	t.Helper()
	document, err := pass.JWKS(key().Public())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(document, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys[0].Kid
}

// The passes of HS256 are for an edge that holds the secret; here they must not work, even though
// everything in them is right.
func TestAnHS256PassIsRefused(t *testing.T) {
	f := newFixture(t)
	signer, err := pass.NewHS256(pass.HMACKey([]byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(t.Context(), f.claims())
	if err != nil {
		t.Fatal(err)
	}
	f.wantRoom(f.browse(withPass("/", token)))
}

func TestClocksMayDifferByTheLeeway(t *testing.T) {
	f := newFixture(t)
	late := f.sign(key(), func(c *pass.Claims) { c.Issued, c.Expiry = c.Issued.Add(-time.Hour), c.Issued.Add(-9*time.Second) })
	early := f.sign(key(), func(c *pass.Claims) { c.Issued = c.Issued.Add(9 * time.Second) })
	for name, token := range map[string]string{"late": late, "early": early} {
		f.wantEntry(f.browse("/", f.cookie(token)), "visitor-1")
		w := f.browse(withPass("/", token))
		if cookies := w.Result().Cookies(); w.Code != http.StatusSeeOther || len(cookies) != 1 || cookies[0].MaxAge < 1 {
			t.Errorf("%s: %d with cookies %v", name, w.Code, cookies)
		}
	}
}

func TestTheCookieEndsWithThePass(t *testing.T) {
	f := newFixture(t)
	cookie := f.cookie(f.sign(key()))
	f.clock.advance(30*time.Minute + gate.DefaultLeeway)
	f.wantEntry(f.browse("/", cookie), "visitor-1")
	f.clock.advance(time.Second)
	f.wantRoom(f.browse("/", cookie))
}

func TestWithoutAnyPass(t *testing.T) {
	f := newFixture(t)
	f.wantRoom(f.browse("/checkout?a=1"))
	f.wantRoom(f.do("HEAD", "/checkout", "text/html", nil))
	wantProblem(t, f.do("GET", "/api/stock", "application/json", nil), http.StatusForbidden, gate.ProblemRefused)
	wantProblem(t, f.do("POST", "/checkout", "text/html", strings.NewReader("a=1")), http.StatusForbidden, gate.ProblemRefused)
	f.wantRoom(f.browse("/checkout?a=waitingroom_pass&xwaitingroom_pass=" + f.sign(key())))
	if f.room.count() != 0 {
		t.Errorf("the room was asked %d times for keys that nobody needed", f.room.count())
	}
}

func TestAGoodCookieOutranksABadPassInTheAddress(t *testing.T) {
	f := newFixture(t)
	w := f.browse(withPass("/checkout?a=1", "old"), f.cookie(f.sign(key())))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != shop+"/checkout?a=1" || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("answer is %d %v", w.Code, w.Header())
	}
}

func TestAGoodPassInTheAddressReplacesTheCookie(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key(), func(c *pass.Claims) { c.Subject = "visitor-2" })
	for _, held := range []string{"old", f.sign(key())} {
		w := f.browse(withPass("/", token), f.cookie(held))
		if cookies := w.Result().Cookies(); len(cookies) != 1 || cookies[0].Value != token {
			t.Errorf("cookies are %v", cookies)
		}
	}
}

func TestAPassThatEndsSoonerShortensNoVisit(t *testing.T) {
	f := newFixture(t)
	sooner := f.sign(key(), func(c *pass.Claims) { c.Expiry, c.ID = c.Expiry.Add(-time.Minute), "pass-2" })
	w := f.browse(withPass("/checkout", sooner), f.cookie(f.sign(key())))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != shop+"/checkout" || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("answer is %d %v", w.Code, w.Header())
	}
	w = f.browse(withPass("/checkout", f.sign(key())), f.cookie(sooner))
	if w.Header().Get("Set-Cookie") == "" {
		t.Error("a pass that ends later is not kept")
	}
}

func TestABadCookieDoesNotHideAGoodOne(t *testing.T) {
	f := newFixture(t)
	bad, good := f.cookie("old"), f.cookie(f.sign(key()))
	f.wantEntry(f.browse("/checkout", bad, good), "visitor-1")
	f.wantEntry(f.browse("/checkout", good, bad), "visitor-1")
	f.wantRoom(f.browse("/checkout", bad, bad, bad, bad, good))
}

func TestAFormKeepsItsBody(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key())
	w := f.do("POST", withPass("/order?a=1", token), "text/html", strings.NewReader("seats=2"))
	f.wantEntry(w, "visitor-1")
	if body := w.Body.String(); !strings.HasSuffix(body, " /order?a=1 seats=2") {
		t.Errorf("the shop saw %q, want the address without the pass and the body", body)
	}
	if cookies := w.Result().Cookies(); len(cookies) != 1 || cookies[0].Value != token {
		t.Errorf("cookies are %v", cookies)
	}
}

func TestAddressesThatNameAnotherHost(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key())
	for _, target := range []string{
		"//evil.example/path", "///evil.example/path", `/\evil.example/path`, "/%2F/evil.example", "/%5Cevil.example",
		"http://evil.example/path", "https://evil.example//evil.example/x", "/@evil.example", "/.evil.example", "/..//evil.example",
		"/javascript:alert(1)", "/a?next=//evil.example",
	} {
		w := f.browse(withPass(target, token), f.cookie(token))
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusSeeOther {
			t.Errorf("%s: answer %d, error %v", target, w.Code, err)
			continue
		}
		if location.Scheme != "https" || location.Host != "shop.example" || location.User != nil {
			t.Errorf("%s leads to %s", target, location)
		}
	}
}

// A request that an adapter made, without a request line and with an odd path.
func TestAMadeRequestStaysInTheShop(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI, r.URL = "", &url.URL{Path: ".evil.example/", RawQuery: names.PassParameter + "=" + f.sign(key())}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if got, want := w.Header().Get("Location"), shop+"/.evil.example/"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
}

func TestBehindARouterThatCutsAPrefix(t *testing.T) {
	f := newFixture(t)
	f.Handler = http.StripPrefix("/shop", f.Handler)
	w := f.browse(withPass("/shop/a%2Fb?x=1", f.sign(key())))
	if got, want := w.Header().Get("Location"), shop+"/shop/a%2Fb?x=1"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
}

func TestEveryPassIsTakenOutOfTheAddress(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key())
	w := f.browse("/?waitingroom%5Fpass=" + token + "&a=1&waitingroom_pass=x&waitingroom_pass")
	if got, want := w.Header().Get("Location"), shop+"/?a=1"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
	if w := f.browse(withPass("/", token)); w.Header().Get("Location") != shop+"/" {
		t.Errorf("sent to %s, want no question mark", w.Header().Get("Location"))
	}
}

func TestUnprotectedRequestsPass(t *testing.T) {
	f := newFixture(t, func(o *gate.Options) {
		o.Protect = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/checkout") }
	})
	if w := f.browse("/health"); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "false ") {
		t.Errorf("an unprotected address answers %d %s", w.Code, w.Body)
	}
	f.wantRoom(f.browse("/checkout"))
}

// A browser without cookies, the gate, and a room that hands out the same pass again.
func TestACookielessBrowserDoesNotGoRound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*pass.Claims)
		says   string
		leads  func(*fixture) string
	}{
		"cookies refused": {func(*pass.Claims) {}, "allow cookies", func(*fixture) string { return shop + "/checkout?a=1" }},
		"pass refused":    {func(c *pass.Claims) { c.Audience = "https://misconfigured.example" }, "does not accept", func(f *fixture) string { return f.room.URL + "/demo" }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			token := f.sign(key(), c.change)
			address := withPass("/checkout?a=1", token)
			var w *httptest.ResponseRecorder
			rounds := 0
			for w = f.browse(address); w.Code == http.StatusSeeOther && rounds < 20; w = f.browse(address) {
				rounds++
				f.clock.advance(2 * time.Second)
			}
			if rounds != 2 {
				t.Errorf("went round %d times, want 2", rounds)
			}
			link := `<a href="` + c.leads(f) + `">`
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), c.says) || !strings.Contains(w.Body.String(), link) {
				t.Errorf("the last answer is %d %s", w.Code, w.Body)
			}
			f.wantNoTrace(w)
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
				t.Errorf("Content-Security-Policy is %q", csp)
			}
			if f.browse(withPass("/", f.sign(key(), func(c *pass.Claims) { c.ID = "pass-2" }))).Code != http.StatusSeeOther {
				t.Error("another visitor is stopped too")
			}
			f.clock.advance(3 * time.Minute)
			if w := f.browse(address); w.Code != http.StatusSeeOther {
				t.Errorf("minutes later the answer is %d, want 303", w.Code)
			}
		})
	}
}

func TestASlowCircleIsBrokenToo(t *testing.T) {
	f := newFixture(t)
	address := withPass("/", f.sign(key()))
	for range 2 {
		if w := f.browse(address); w.Code != http.StatusSeeOther {
			t.Errorf("answer %d, want 303", w.Code)
		}
		f.clock.advance(45 * time.Second)
	}
	if w := f.browse(address); w.Code != http.StatusForbidden {
		t.Errorf("the third time within two minutes: answer %d, want 403", w.Code)
	}
}

func TestABrowserWithCookiesIsNeverStopped(t *testing.T) {
	f := newFixture(t)
	token := f.sign(key())
	for i := range 10 {
		if w := f.browse(withPass("/", token), f.cookie(token)); w.Code != http.StatusSeeOther {
			t.Fatalf("visit %d: answer %d, want 303", i, w.Code)
		}
	}
}

func TestRotation(t *testing.T) {
	f := newFixture(t)
	before, after := f.cookie(f.sign(key())), f.cookie(f.sign(otherKey()))
	f.wantEntry(f.browse("/", before), "visitor-1")
	f.room.publish(t, otherKey())
	f.wantRoom(f.browse("/", after)) // Looked for just now: once in five seconds is enough.
	if n := f.room.count(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	f.clock.advance(5 * time.Second)
	f.wantEntry(f.browse("/", after), "visitor-1")
	f.wantRoom(f.browse("/", before))
	for range 100 {
		f.browse("/", before)
	}
	if n := f.room.count(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

func TestOldKeysAreFetchedAgainInTheBackground(t *testing.T) {
	f := newFixture(t)
	cookie := f.cookie(f.sign(key()))
	f.wantEntry(f.browse("/", cookie), "visitor-1")
	asked := make(chan struct{})
	document, err := pass.JWKS(otherKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	f.room.set(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(document)
		close(asked)
	})
	f.clock.advance(10 * time.Minute)
	f.wantEntry(f.browse("/", cookie), "visitor-1")
	<-asked
	// The new set is asked for by a visitor with a new pass, who waits for it if need be.
	f.wantEntry(f.browse("/", f.cookie(f.sign(otherKey()))), "visitor-1")
	f.wantRoom(f.browse("/", cookie))
}

func TestTheRoomIsDown(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"error":    broken,
		"nonsense": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[]}`) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			document, _ := pass.JWKS(key().Public(), otherKey().Public())
			w.Write(append(document, bytes.Repeat([]byte(" "), 70<<10)...))
		},
		"moved":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			token := f.sign(key())
			cookie := f.cookie(token)
			f.room.set(answer)

			for range 20 {
				w := f.browse(withPass("/", token))
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" || w.Header().Get("Set-Cookie") != "" {
					t.Fatalf("without keys: answer %d %v", w.Code, w.Header())
				}
				wantProblem(t, f.do("POST", "/", "*/*", nil, cookie), http.StatusServiceUnavailable, gate.ProblemUnchecked)
			}
			if n := f.room.count(); n != 1 {
				t.Errorf("a room that is down was asked %d times, want once", n)
			}

			f.room.publish(t, key())
			f.clock.advance(5 * time.Second)
			f.wantEntry(f.browse("/", cookie), "visitor-1")

			f.room.set(answer)
			f.clock.advance(25 * time.Minute)
			f.wantEntry(f.browse("/", cookie), "visitor-1")
			if w := f.browse("/", f.cookie(f.sign(otherKey()))); w.Code != http.StatusServiceUnavailable {
				t.Errorf("a key that may be new: answer %d, want 503", w.Code)
			}
			f.wantEntry(f.browse("/", cookie), "visitor-1")
		})
	}
}

func TestManyAtOnceFetchTheKeysOnce(t *testing.T) {
	f := newFixture(t)
	document, err := pass.JWKS(key().Public())
	if err != nil {
		t.Fatal(err)
	}
	var atRoom, visitors sync.WaitGroup
	atRoom.Add(1)
	f.room.set(func(w http.ResponseWriter, _ *http.Request) {
		atRoom.Wait()
		w.Write(document)
	})
	cookie := f.cookie(f.sign(key()))
	for range 50 {
		visitors.Go(func() { f.wantEntry(f.browse("/", cookie), "visitor-1") })
	}
	atRoom.Done()
	visitors.Wait()
	if n := f.room.count(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestKeysOfOtherKindsArePassedOver(t *testing.T) {
	f := newFixture(t)
	document, err := pass.JWKS(key().Public())
	if err != nil {
		t.Fatal(err)
	}
	mine := bytes.TrimSuffix(bytes.TrimPrefix(document, []byte(`{"keys":[`)), []byte(`]}`))
	f.room.set(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"new","kid":"a"},7,{"kty":"oct","k":"c2VjcmV0","kid":"b"},%s]}`, mine)
	})
	f.wantEntry(f.browse("/", f.cookie(f.sign(key()))), "visitor-1")
}

func TestOptions(t *testing.T) {
	good := gate.Options{Room: "https://room.example", Audience: shop, Event: "demo"}
	for name, c := range map[string]struct {
		change func(*gate.Options)
		ok     bool
	}{
		"good":                {func(*gate.Options) {}, true},
		"room with slash":     {func(o *gate.Options) { o.Room += "/" }, true},
		"on loopback":         {func(o *gate.Options) { o.Room, o.Audience = "http://127.0.0.1:8080", "http://localhost:8080/shop" }, true},
		"room by http":        {func(o *gate.Options) { o.Room = "http://room.example" }, false},
		"shop by http":        {func(o *gate.Options) { o.Audience = "http://shop.example" }, false},
		"room with a query":   {func(o *gate.Options) { o.Room += "?a" }, false},
		"no room":             {func(o *gate.Options) { o.Room = "" }, false},
		"no audience":         {func(o *gate.Options) { o.Audience = "" }, false},
		"no event":            {func(o *gate.Options) { o.Event = "" }, false},
		"event with a slash":  {func(o *gate.Options) { o.Event = "a/b" }, false},
		"negative leeway":     {func(o *gate.Options) { o.Leeway = -1 }, false},
		"room that is no URL": {func(o *gate.Options) { o.Room = "https://%zz" }, false},
	} {
		o := good
		c.change(&o)
		if g, err := gate.New(o); (err == nil) != c.ok || (g != nil) != c.ok {
			t.Errorf("%s: error %v", name, err)
		}
	}
	_, err := gate.New(gate.Options{})
	for _, name := range []string{"Room", "Audience", "Event"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error of empty options does not name %s: %v", name, err)
		}
	}
}

func TestNoPassIsLogged(t *testing.T) {
	var log bytes.Buffer
	f := newFixture(t, func(o *gate.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	token := f.sign(otherKey())
	f.browse(withPass("/", token))
	f.browse("/", f.cookie("nonsense.that.is-kept-out"))
	if log.Len() == 0 {
		t.Error("a refusal is not logged")
	}
	for _, secret := range append(strings.Split(token, "."), "kept-out") {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the pass: %s", log.String())
		}
	}
}

// A real client against real servers over http on loopback, as on one machine.
func TestARealClient(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewUnstartedServer(nil)
	g, err := gate.New(gate.Options{Room: f.room.URL, Audience: "http://" + server.Listener.Addr().String(), Event: "demo",
		Now: f.clock.now, CookieName: "own", HTTPClient: f.room.Client()})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := gate.FromContext(r.Context())
		fmt.Fprint(w, v.ID, " ", r.URL)
	}))
	server.Start()
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	token := f.sign(key(), func(c *pass.Claims) { c.Audience = server.URL })
	for _, address := range []string{withPass(server.URL+"/shop?a=1", token), server.URL + "/shop?a=1"} {
		response, err := (&http.Client{Jar: jar}).Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != "visitor-1 /shop?a=1" {
			t.Errorf("the shop says %q (error %v)", body, err)
		}
	}
}

func FuzzAnyAddressAndCookie(f *testing.F) {
	r := &room{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.answer(w, req) }))
	f.Cleanup(server.Close)
	document, err := pass.JWKS(key().Public())
	if err != nil {
		f.Fatal(err)
	}
	r.answer = func(w http.ResponseWriter, _ *http.Request) { w.Write(document) }
	g, err := gate.New(gate.Options{Room: server.URL, Audience: shop, Event: "demo", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	handler := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("let in without a good pass") }))
	f.Add("/checkout", "waitingroom_pass=a.b.c", "a.b.c")
	f.Add("//evil.example", "a=1&waitingroom_pass=%zz;b", "eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, path, query, cookie string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = path + "?" + query
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Accept", "text/html")
		r.AddCookie(&http.Cookie{Name: "__Host-waitingroom_pass_demo", Value: cookie})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden && w.Header().Get("Location") != server.URL+"/demo" {
			t.Errorf("answer %d to %q", w.Code, w.Header().Get("Location"))
		}
	})
}
