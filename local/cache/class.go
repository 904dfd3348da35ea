package cache

// Class is a kind of address, by what a cache may do with it.
type Class int

// The classes. Page is the page with its assets and the well-known documents; API and Shop are
// never cached.
const (
	Status Class = iota
	Seals
	Page
	API
	Shop
	classes
)

// apiPrefix begins every path of names.Routes.
const apiPrefix = "/v1/"

// labels are the classes as nginx logs them.
var labels = [classes]string{"status", "seals", "page", "api", "shop"}

// Tally is a number of requests and of the bytes in the bodies of their answers.
type Tally struct{ Requests, Bytes int64 }

// Counts are tallies by class.
type Counts [classes]Tally
