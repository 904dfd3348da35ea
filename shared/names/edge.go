package names

// Keys of the KeyValueStore that an edge gate reads. Times are RFC 3339.
const (
	EdgeKey         = "key"          // the HS256 key in base64url without padding
	EdgeEvent       = "event"        // the event whose passes open the gate
	EdgePaths       = "paths"        // prefixes of protected paths with spaces between them
	EdgeEnforceFrom = "enforce-from" // passes are asked for from this time on; "never" switches the gate off
	EdgeOpenUntil   = "open-until"   // everybody is let through until this time
)
