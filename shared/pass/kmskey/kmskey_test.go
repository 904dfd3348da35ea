package kmskey_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"waitingroom/shared/pass"
	"waitingroom/shared/pass/kmskey"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// fake answers as KMS does for one key; sign replaces the answer to Sign.
type fake struct {
	public any
	algs   []types.SigningAlgorithmSpec
	sign   func(context.Context) error
	input  *kms.SignInput
}

func newFake() *fake {
	return &fake{public: rsaKey().Public(), algs: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecRsassaPkcs1V15Sha256}}
}

func (f *fake) GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	der, err := x509.MarshalPKIXPublicKey(f.public)
	return &kms.GetPublicKeyOutput{PublicKey: der, SigningAlgorithms: f.algs}, err
}

func (f *fake) Sign(ctx context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	f.input = in
	if f.sign != nil {
		return nil, f.sign(ctx)
	}
	signature, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, in.Message)
	return &kms.SignOutput{Signature: signature}, err
}

func claims() pass.Claims {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return pass.Claims{Issuer: "https://room.example", Audience: "https://shop.example", Subject: "v", Event: "demo",
		Issued: noon, Expiry: noon.Add(time.Minute), ID: "1"}
}

func sign(t *testing.T, api kmskey.API) (string, error) {
	t.Helper()
	key, err := kmskey.New(t.Context(), api, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := pass.NewRS256(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer.Sign(t.Context(), claims())
}

func TestSignsAsTheKeyInProcessDoes(t *testing.T) {
	f := newFake()
	got, err := sign(t, f)
	if err != nil {
		t.Fatal(err)
	}
	local, err := pass.NewRS256(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	want, err := local.Sign(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("KMS's token is\n%s, the local one\n%s", got, want)
	}
	if aws.ToString(f.input.KeyId) != "key-1" || f.input.MessageType != types.MessageTypeDigest ||
		f.input.SigningAlgorithm != types.SigningAlgorithmSpecRsassaPkcs1V15Sha256 || len(f.input.Message) != 32 {
		t.Errorf("asked KMS for %+v", f.input)
	}
}

func TestErrorsThatKeepTheTurn(t *testing.T) {
	for _, c := range []struct {
		err  error
		keep bool
	}{
		{&types.KMSInternalException{}, true},
		{&types.DependencyTimeoutException{}, true},
		{&types.KeyUnavailableException{}, true},
		{&types.LimitExceededException{}, true},
		{context.DeadlineExceeded, true},
		{&types.DisabledException{}, false},
		{&types.NotFoundException{}, false},
		{&types.KMSInvalidStateException{}, false},
		{errors.New("no permission"), false},
	} {
		f := newFake()
		f.sign = func(context.Context) error { return fmt.Errorf("operation error KMS: %w", c.err) }
		_, err := sign(t, f)
		if errors.Is(err, pass.ErrThrottled) != c.keep || !errors.Is(err, c.err) {
			t.Errorf("%T came back as %v; throttled: want %v", c.err, err, c.keep)
		}
	}
}

func TestASilentKMSIsGivenUp(t *testing.T) {
	rsaKey() // Outside the bubble: another test may be making it.
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sign = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		if _, err := sign(t, f); !errors.Is(err, pass.ErrThrottled) {
			t.Errorf("error is %v, want ErrThrottled", err)
		}
		if took := time.Since(start); took != kmskey.Timeout {
			t.Errorf("gave up after %v, want %v", took, kmskey.Timeout)
		}
	})
}

// The real client, so that the real error's shape and the real retries are what is tested.
func TestAThrottledKMSIsAskedOnce(t *testing.T) {
	var calls atomic.Int32
	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetPublicKey") {
			json.NewEncoder(w).Encode(map[string]any{"PublicKey": base64.StdEncoding.EncodeToString(der),
				"SigningAlgorithms": []string{"RSASSA_PKCS1_V1_5_SHA_256"}})
			return
		}
		calls.Add(1)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)
	}))
	defer server.Close()
	client := kms.New(kms.Options{Region: "eu-central-1", BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		})})
	if _, err := sign(t, client); !errors.Is(err, pass.ErrThrottled) {
		t.Errorf("error is %v, want ErrThrottled", err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("KMS was asked %d times, want once", n)
	}
}

func TestOtherSignaturesAreRefused(t *testing.T) {
	key, err := kmskey.New(t.Context(), newFake(), "key-1")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		digest []byte
		opts   crypto.SignerOpts
	}{
		"PSS":          {make([]byte, 32), &rsa.PSSOptions{Hash: crypto.SHA256}},
		"SHA-512":      {make([]byte, 64), crypto.SHA512},
		"short digest": {make([]byte, 31), crypto.SHA256},
	} {
		if _, err := key.Sign(nil, c.digest, c.opts); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}

func TestUnfitKeysAreRefused(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encryption := newFake()
	encryption.algs = nil
	elliptic := newFake()
	elliptic.public = curve.Public()
	for name, api := range map[string]*fake{"encryption": encryption, "elliptic": elliptic} {
		if _, err := kmskey.New(t.Context(), api, "key-1"); err == nil {
			t.Errorf("an %s key was accepted", name)
		}
	}
}
