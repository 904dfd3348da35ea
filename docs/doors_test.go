package docs

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"waitingroom/lambdas/tick"
	"waitingroom/shared/pass"
)

// The doors of other stacks check passes that the room's own code makes, with the documents that it
// publishes.

const (
	shopOrigin = "https://shop.example"
	shopEvent  = "show"
)

// publisher is a room as far as a door sees it.
type publisher struct {
	*httptest.Server
	mu        sync.Mutex
	documents map[string][]byte // by path; none while the room is out of order
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		document := p.documents[strings.TrimPrefix(r.URL.Path, "/")]
		p.mu.Unlock()
		if document == nil {
			http.Error(w, "<html>out of order</html>", http.StatusBadGateway)
			return
		}
		w.Write(document)
	}))
	t.Cleanup(p.Close)
	return p
}

// publish makes the room publish a key; nil puts it out of order.
func (p *publisher) publish(t *testing.T, key *rsa.PrivateKey) {
	t.Helper()
	var documents map[string][]byte
	if key != nil {
		var err error
		if documents, err = tick.WellKnown(p.URL, key.Public()); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.documents = documents
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// door is a program that checks passes.
type door struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

// open starts a program that checks passes for a room.
func open(t *testing.T, room string, program ...string) *door {
	t.Helper()
	command := exec.Command(program[0], append(program[1:], room, shopOrigin, shopEvent)...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("%q: %v", program, err)
		}
	})
	return &door{t: t, in: in, out: bufio.NewScanner(out)}
}

// check returns what the door says of a pass: its sub, "null" or "unchecked".
func (d *door) check(token string) string {
	d.t.Helper()
	line, err := json.Marshal(token)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		d.t.Fatal(err)
	}
	if !d.out.Scan() {
		d.t.Fatalf("the door has ended: %v", d.out.Err())
	}
	var said any
	if err := json.Unmarshal(d.out.Bytes(), &said); err != nil {
		d.t.Fatal(err)
	}
	switch said := said.(type) {
	case nil:
		return "null"
	case string:
		return said
	default:
		return said.(map[string]any)["sub"].(string)
	}
}

func TestNodeDoor(t *testing.T) {
	if _, err := os.Stat("../node_modules/jose"); err != nil {
		t.Fatalf("jose is not installed: run npm ci in the repository's root (%v)", err)
	}
	testDoor(t, "node", "../cdk/test/doors_check.mjs")
}

// PYTHON names a Python with PyJWT. Without one the test is skipped, unless PYTHON_DOORS=required.
func TestPythonDoor(t *testing.T) {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if said, err := exec.Command(python, "-c", "import jwt, cryptography; assert tuple(map(int, jwt.__version__.split('.')[:2])) >= (2, 14)").CombinedOutput(); err != nil {
		const how = "no Python with PyJWT: run pip install 'PyJWT[crypto]>=2.14', or name a Python that has it in PYTHON"
		if os.Getenv("PYTHON_DOORS") == "required" {
			t.Fatalf("%s (%v) %s", how, err, said)
		}
		t.Skip(how)
	}
	testDoor(t, python, "../cdk/test/doors_check.py")
}

func testDoor(t *testing.T, program ...string) {
	key, other := newKey(t), newKey(t)
	room := newPublisher(t)
	good := pass.Claims{
		Issuer: room.URL, Audience: shopOrigin, Subject: "visitor-1", Event: shopEvent,
		Issued: time.Now(), Expiry: time.Now().Add(30 * time.Minute), ID: "00112233445566778899aabbccddeeff",
	}
	sign := func(t *testing.T, key *rsa.PrivateKey, change func(*pass.Claims)) string {
		t.Helper()
		claims := good
		change(&claims)
		signer, err := pass.NewRS256(key)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.Sign(t.Context(), claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	unchanged := func(*pass.Claims) {}

	t.Run("passes", func(t *testing.T) {
		room.publish(t, key)
		door := open(t, room.URL, program...)
		token := sign(t, key, unchanged)
		parts := strings.Split(token, ".")
		for name, test := range map[string]struct{ token, want string }{
			"good":            {token, "visitor-1"},
			"of another room": {sign(t, key, func(c *pass.Claims) { c.Issuer = "https://other.example" }), "null"},
			"another shop":    {sign(t, key, func(c *pass.Claims) { c.Audience = "https://other.example" }), "null"},
			"another event":   {sign(t, key, func(c *pass.Claims) { c.Event = "other" }), "null"},
			"expired": {sign(t, key, func(c *pass.Claims) {
				c.Issued, c.Expiry = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
			}), "null"},
			"within the leeway": {sign(t, key, func(c *pass.Claims) {
				c.Issued, c.Expiry = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
			}), "visitor-1"},
			"another key":             {sign(t, other, unchanged), "null"},
			"another signature":       {parts[0] + "." + parts[1] + "." + strings.Split(sign(t, other, unchanged), ".")[2], "null"},
			"no algorithm":            {header(t, map[string]string{"alg": "none"}) + "." + parts[1] + ".", "null"},
			"HS256 by the public key": {withHMAC(t, key, token), "null"},
			"nothing":                 {"", "null"},
			"no token":                {"é.\x00", "null"},
			"a header that is not":    {"bm8." + parts[1] + "." + parts[2], "null"},
		} {
			if got := door.check(test.token); got != test.want {
				t.Errorf("a pass with %s: %s, want %s", name, got, test.want)
			}
		}
	})

	t.Run("the room is out of order", func(t *testing.T) {
		room.publish(t, key)
		door := open(t, room.URL, program...)
		if got := door.check(sign(t, key, unchanged)); got != "visitor-1" {
			t.Fatalf("before: %s", got)
		}
		room.publish(t, nil)
		if got := door.check(sign(t, key, func(c *pass.Claims) { c.Subject = "visitor-2" })); got != "visitor-2" {
			t.Errorf("with the key at hand: %s, want visitor-2", got)
		}
		fresh := open(t, room.URL, program...)
		if got := fresh.check(sign(t, key, unchanged)); got != "unchecked" {
			t.Errorf("without any key: %s, want unchecked", got)
		}
		if got := fresh.check("nonsense"); got != "null" {
			t.Errorf("nonsense without any key: %s, want null", got)
		}
		room.publish(t, key)
		if got := fresh.check(sign(t, key, unchanged)); got != "visitor-1" {
			t.Errorf("afterwards: %s, want visitor-1", got)
		}
	})
}

// withHMAC is a pass that anybody can make from a good one: it names the room's key, and is signed
// with the text of its public half.
func withHMAC(t *testing.T, key *rsa.PrivateKey, token string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	text := header(t, map[string]string{"alg": "HS256", "typ": "JWT", "kid": keyID(t, token)}) + "." + strings.Split(token, ".")[1]
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func header(t *testing.T, fields map[string]string) string {
	t.Helper()
	encoded, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

func keyID(t *testing.T, token string) string {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(decoded, &fields); err != nil || fields.KeyID == "" {
		t.Fatalf("header %s: %v", decoded, err)
	}
	return fields.KeyID
}
