package runtimeapi

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secrets is Secrets Manager, which answers alike for a secret without a value and for none.
type secrets struct {
	mu     sync.Mutex
	values map[string]string // by ARN
	tokens map[string]bool   // ids of versions that exist
}

func (s *secrets) put(arn, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[arn] = value
}

func (s *secrets) get(arn string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[arn]
}

func (s *secrets) serve(c call) (any, *failure) {
	var r struct{ SecretId, SecretString, ClientRequestToken string }
	if json.Unmarshal(c.body, &r) != nil || r.SecretId == "" {
		return nil, refusal("InvalidParameterException")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.operation {
	case "GetSecretValue":
		value, ok := s.values[r.SecretId]
		if !ok {
			return nil, refusal("ResourceNotFoundException")
		}
		return map[string]string{"ARN": r.SecretId, "SecretString": value}, nil
	case "PutSecretValue":
		// The service goes by the version's id, not by what the value is.
		if s.tokens[r.ClientRequestToken] {
			return nil, refusal("ResourceExistsException")
		}
		s.tokens[r.ClientRequestToken] = true
		s.values[r.SecretId] = r.SecretString
		return map[string]string{"ARN": r.SecretId, "VersionId": r.ClientRequestToken}, nil
	}
	return nil, refusal("UnknownOperationException")
}

// keys is KMS with one key.
type keys struct{ key *rsa.PrivateKey }

const signingAlgorithm = "RSASSA_PKCS1_V1_5_SHA_256"

func (k *keys) serve(c call) (any, *failure) {
	var r struct {
		KeyId, MessageType, SigningAlgorithm string
		Message                              []byte
	}
	if json.Unmarshal(c.body, &r) != nil {
		return nil, refusal("ValidationException")
	}
	if r.KeyId != keyID {
		return nil, refusal("NotFoundException")
	}
	switch c.operation {
	case "GetPublicKey":
		der, err := x509.MarshalPKIXPublicKey(k.key.Public())
		if err != nil {
			return nil, refusal("KMSInternalException")
		}
		return map[string]any{"KeyId": keyID, "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY",
			"PublicKey": der, "SigningAlgorithms": []string{signingAlgorithm}}, nil
	case "Sign":
		if r.MessageType != "DIGEST" || r.SigningAlgorithm != signingAlgorithm {
			return nil, refusal("ValidationException")
		}
		signature, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, r.Message)
		if err != nil {
			return nil, refusal("ValidationException")
		}
		return map[string]any{"KeyId": keyID, "Signature": signature, "SigningAlgorithm": signingAlgorithm}, nil
	}
	return nil, refusal("UnknownOperationException")
}

// documents is S3 with one bucket, which takes objects and shows them to nobody but the test.
type documents struct {
	mu      sync.Mutex
	puts    []document    // in order
	changed chan struct{} // closed with every put, and then another one
}

// document is an object as it was put.
type document struct {
	path, contentType, cacheControl string
	body                            []byte
}

func (d *documents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, ours := strings.CutPrefix(r.URL.Path, "/"+bucketName+"/")
	body, err := io.ReadAll(r.Body)
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	switch {
	case r.Method != http.MethodPut || !ours || key == "" || err != nil:
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		return
	case r.Header.Get("X-Amz-Checksum-Crc32") != base64.StdEncoding.EncodeToString(sum) || r.Header.Get("Content-Encoding") != "":
		http.Error(w, "<Error><Code>BadDigest</Code></Error>", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.puts = append(d.puts, document{key, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), body})
	close(d.changed)
	d.changed = make(chan struct{})
	w.Header().Set("ETag", `"0"`)
}

func (d *documents) all() []document {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.puts)
}

// await returns the first document that is the one, as soon as it is put.
func (d *documents) await(t testing.TB, what string, is func(document) bool) document {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		d.mu.Lock()
		puts, changed := d.puts, d.changed
		d.mu.Unlock()
		if i := slices.IndexFunc(puts, is); i >= 0 {
			return puts[i]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s was not published", what)
		}
	}
}

// topics is SNS with one topic.
type topics struct {
	mu       sync.Mutex
	messages []message
}

type message struct{ subject, text string }

func (n *topics) serve(w http.ResponseWriter, c call) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil || c.operation != "Publish" || form.Get("TopicArn") != topicARN {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>no such topic</Message></Error></ErrorResponse>")
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.messages = append(n.messages, message{form.Get("Subject"), form.Get("Message")})
	xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishResponse"`
		ID      string   `xml:"PublishResult>MessageId"`
	}{ID: rand.Text()})
}

func (n *topics) all() []message {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.messages)
}

// keyValueStores is CloudFront's KeyValueStore with one store.
type keyValueStores struct {
	mu     sync.Mutex
	values map[string]string
	etag   string
}

const storePath = "/key-value-stores/arn:aws:cloudfront::123456789012:key-value-store/6e5d4c3b-2a19-4807-b6a5-94837261504f"

func (s *keyValueStores) serve(w http.ResponseWriter, r *http.Request, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.etag == "" {
		s.etag = rand.Text()
	}
	path, ours := strings.CutPrefix(r.URL.Path, storePath)
	key, single := strings.CutPrefix(path, "/keys/")
	value, there := s.values[key]
	w.Header().Set("ETag", s.etag)
	switch {
	case ours && r.Method == http.MethodGet && path == "":
		json.NewEncoder(w).Encode(map[string]any{"ETag": s.etag, "Status": "READY", "ItemCount": len(s.values)})
	case ours && r.Method == http.MethodGet && single && there:
		json.NewEncoder(w).Encode(map[string]string{"Key": key, "Value": value})
	case ours && r.Method == http.MethodPost && path == "/keys":
		s.update(w, r, c)
	default:
		(&failure{http.StatusNotFound, "ResourceNotFoundException"}).write(w)
	}
}

func (s *keyValueStores) update(w http.ResponseWriter, r *http.Request, c call) {
	var change struct {
		Puts    []struct{ Key, Value string }
		Deletes []struct{ Key string }
	}
	if err := json.Unmarshal(c.body, &change); err != nil || len(change.Deletes) > 0 {
		refusal("ValidationException").write(w)
		return
	}
	if r.Header.Get("If-Match") != s.etag {
		(&failure{http.StatusConflict, "ConflictException"}).write(w)
		return
	}
	for _, put := range change.Puts {
		s.values[put.Key] = put.Value
	}
	s.etag = rand.Text()
	w.Header().Set("ETag", s.etag)
	json.NewEncoder(w).Encode(map[string]any{"ItemCount": len(s.values)})
}
