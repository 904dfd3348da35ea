package passkey_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-jose/go-jose/v4"

	"waitingroom/shared/deployment"
	"waitingroom/shared/deployment/passkey"
	"waitingroom/shared/deployment/rsakey"
	"waitingroom/shared/names"
	"waitingroom/shared/pass"
)

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pass-key-AbCdEf"

var key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, rsakey.Bits)
	if err != nil {
		panic(err)
	}
	return key
})

// account answers as Secrets Manager and KMS do, and has a function's environment point to it.
type account struct {
	testing.TB
	secret string
	asked  []string
}

func newAccount(t testing.TB) *account {
	text, err := rsakey.Encode(key())
	if err != nil {
		t.Fatal(err)
	}
	a := &account{TB: t, secret: text}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL, "AWS_ENDPOINT_URL_KMS": server.URL,
		names.EnvTable: "table", names.EnvPassKey: "", names.EnvPassKeySecret: "", names.EnvPassPublicKey: "",
	} {
		t.Setenv(name, value)
	}
	return a
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := r.Header.Get("X-Amz-Target")
	a.asked = append(a.asked, operation)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch operation {
	case "secretsmanager.GetSecretValue":
		json.NewEncoder(w).Encode(map[string]string{"ARN": secretARN, "SecretString": a.secret})
	case "TrentService.GetPublicKey":
		der, err := x509.MarshalPKIXPublicKey(key().Public())
		if err != nil {
			a.Error(err)
		}
		json.NewEncoder(w).Encode(map[string]any{"PublicKey": base64.StdEncoding.EncodeToString(der),
			"SigningAlgorithms": []string{"RSASSA_PKCS1_V1_5_SHA_256"}})
	default:
		a.Errorf("asked for %q", operation)
	}
}

func load(t testing.TB, variable string) *deployment.Deployment {
	t.Helper()
	d, err := deployment.Load(t.Context(), variable)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func publicText(t testing.TB) string {
	t.Helper()
	text, err := rsakey.EncodePublic(&key().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claims() pass.Claims {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return pass.Claims{Issuer: "https://room.example", Audience: "https://shop.example", Subject: "v", Event: "demo",
		Issued: noon, Expiry: noon.Add(time.Minute), ID: "1"}
}

// What admit signs with the secret's key is checked with what tick publishes from its environment,
// by a library that is not the one which signed.
func TestAPassOfTheSecretsKeyIsCheckedByThePublishedOne(t *testing.T) {
	newAccount(t)
	t.Setenv(names.EnvPassKeySecret, secretARN)
	signing, err := passkey.Signer(t.Context(), load(t, passkey.ForSigner))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := pass.NewRS256(signing)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := signer.Sign(t.Context(), claims()); err != nil || again != token {
		t.Errorf("the same claims are another token: %v", err)
	}

	t.Setenv(names.EnvPassKeySecret, "")
	t.Setenv(names.EnvPassPublicKey, publicText(t))
	public, err := passkey.Public(t.Context(), load(t, passkey.ForPublic))
	if err != nil {
		t.Fatal(err)
	}
	document, err := pass.JWKS(public)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(document, &set); err != nil {
		t.Fatal(err)
	}
	_, err = jwt.Parse(token, func(parsed *jwt.Token) (any, error) {
		return set.Key(parsed.Header["kid"].(string))[0].Key, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return claims().Issued }))
	if err != nil {
		t.Error(err)
	}
}

func TestWhoPublishesDoesNotReadTheSecret(t *testing.T) {
	a := newAccount(t)
	t.Setenv(names.EnvPassPublicKey, publicText(t))
	public, err := passkey.Public(t.Context(), load(t, passkey.ForPublic))
	if err != nil || !key().PublicKey.Equal(public) || a.asked != nil {
		t.Errorf("%v, %v; asked for %q", public, err, a.asked)
	}
}

func TestTheKeyThatKMSHolds(t *testing.T) {
	a := newAccount(t)
	t.Setenv(names.EnvPassKey, "key-1")
	signer, err := passkey.Signer(t.Context(), load(t, passkey.ForSigner))
	if err != nil || !key().PublicKey.Equal(signer.Public()) {
		t.Errorf("%v", err)
	}
	public, err := passkey.Public(t.Context(), load(t, passkey.ForPublic))
	if err != nil || !key().PublicKey.Equal(public) {
		t.Errorf("%v", err)
	}
	if want := "TrentService.GetPublicKey"; len(a.asked) != 2 || a.asked[0] != want || a.asked[1] != want {
		t.Errorf("asked for %q", a.asked)
	}
}

func TestExactlyOneKeyIsNamed(t *testing.T) {
	for _, test := range []struct{ variable, second string }{
		{passkey.ForSigner, names.EnvPassKeySecret},
		{passkey.ForPublic, names.EnvPassPublicKey},
	} {
		t.Run(test.second, func(t *testing.T) {
			newAccount(t)
			_, err := deployment.Load(t.Context(), test.variable, names.EnvIssuer)
			if want := "missing environment: PASS_KEY_ID or " + test.second + ", ISSUER"; err == nil || err.Error() != want {
				t.Errorf("none: %v, want %s", err, want)
			}
			t.Setenv(names.EnvPassKey, "key-1")
			t.Setenv(test.second, "other")
			_, err = deployment.Load(t.Context(), test.variable)
			if want := "environment has more than one: PASS_KEY_ID and " + test.second; err == nil || err.Error() != want {
				t.Errorf("both: %v, want %s", err, want)
			}
		})
	}
}

func TestAValueThatIsNoKeyIsNotTold(t *testing.T) {
	a := newAccount(t)
	a.secret = "correct horse battery staple"
	t.Setenv(names.EnvPassKeySecret, secretARN)
	_, err := passkey.Signer(t.Context(), load(t, passkey.ForSigner))
	if err == nil || strings.Contains(err.Error(), a.secret) || !strings.Contains(err.Error(), secretARN) {
		t.Errorf("%v", err)
	}
	t.Setenv(names.EnvPassPublicKey, "AAAA")
	_, err = passkey.Public(t.Context(), load(t, passkey.ForPublic))
	if err == nil || !strings.Contains(err.Error(), names.EnvPassPublicKey) {
		t.Errorf("%v", err)
	}
}

// What a signature costs in the process, beside a pass that no RSA key signs: the difference is what
// to set against KMS's 1,000 signatures a second.
func BenchmarkSign(b *testing.B) {
	newAccount(b)
	b.Setenv(names.EnvPassKeySecret, secretARN)
	signing, err := passkey.Signer(b.Context(), load(b, passkey.ForSigner))
	if err != nil {
		b.Fatal(err)
	}
	rs256, err := pass.NewRS256(signing)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("waiting room"))
	hs256, err := pass.NewHS256(digest[:])
	if err != nil {
		b.Fatal(err)
	}
	for name, signer := range map[string]*pass.Signer{pass.RS256: rs256, pass.HS256: hs256} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := signer.Sign(b.Context(), claims()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
