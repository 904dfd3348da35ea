// Package controlplane stands for what the preparation of a hot show calls besides the room's own
// stores: Lambda's provisioned concurrency, Service Catalog, and Jira's comments. Each speaks its
// service's own protocol, so that the SDK needs nothing but another address, and takes some seconds
// for what takes minutes in production. Signatures are not checked: it belongs on loopback.
//
// Nothing runs in the background: what takes time is done once the clock has come so far.
package controlplane

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// mostBody is the longest request that is read, in bytes.
const mostBody = 1 << 20

// failure is an error as a service names it.
type failure struct {
	status  int
	code    string
	message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

// refuse answers with an error in the way that both protocols of JSON have: its name is in a header, too.
func refuse(w http.ResponseWriter, f *failure) {
	w.Header().Set("X-Amzn-Errortype", f.code)
	reply(w, f.status, map[string]string{"__type": f.code, "message": f.message})
}

func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	w.WriteHeader(status)
	// The client has gone away if this fails, and what it asked for has been done.
	_ = json.NewEncoder(w).Encode(document)
}

// read decodes a request's body.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	return err == nil && json.Unmarshal(body, into) == nil
}

// seconds is a time as the protocol of Service Catalog writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
