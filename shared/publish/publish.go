// Package publish writes the documents that visitors and shops read without running any code:
// status, seals and the well-known documents. S3 is for production, Folder for one machine; both
// send the same headers.
//
// A document is put whole or not at all, and putting it again is harmless. Neither implementation
// knows which of two documents is newer: that is for the lease of whoever puts them, and for the
// version inside, which readers never let go backwards.
package publish

import (
	"fmt"
	"io/fs"
	"strings"

	"waitingroom/shared/names"
)

// contentType of everything that is published.
const contentType = "application/json"

// CacheControl returns the Cache-Control header of the document at path, such as
// "status/demo.json", with or without a leading slash.
//
//   - A status lives for the second in which a CDN collapses the polls. It must not be served
//     stale while it is fetched anew: the first poll after a pause would get an old line.
//   - A seal never changes, since its address holds its run and its cohort.
//   - Keys live for five minutes: a new one has to be published that long before it signs.
//   - Anything else is not meant to be read.
func CacheControl(path string) string {
	path = "/" + strings.TrimPrefix(path, "/")
	switch {
	case strings.HasPrefix(path, names.StatusPrefix):
		return "public, max-age=1"
	case strings.HasPrefix(path, names.SealsPrefix):
		return "public, max-age=31536000, immutable"
	case path == names.JWKSPath, path == names.OIDCPath:
		return "public, max-age=300"
	}
	return "no-store"
}

// check refuses paths that would leave the folder or be another object in S3 than the address that
// is asked for: empty ones, absolute ones, and those with "." or ".." or an empty element.
func check(path string) error {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\\x00") {
		return fmt.Errorf("publish: %q is not a path like status/demo.json", path)
	}
	return nil
}
