// Package static is the visitor's page: index.html and what it loads from assets. README.md in this
// folder says how it is put together.
package static

import "embed"

// Files holds index.html and the folder assets.
//
//go:embed index.html assets
var Files embed.FS
