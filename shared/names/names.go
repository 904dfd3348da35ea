// Package names holds the words that the functions, the stack and the local room must agree on:
// environment variables, routes and addresses. It imports nothing of ours.
package names

import (
	"slices"
	"strings"
)

// Environment variables of the functions. Each function reads only those that it needs.
const (
	EnvTable         = "TABLE_NAME"     // DynamoDB table: all
	EnvStatusBucket  = "STATUS_BUCKET"  // S3 bucket of status, seals and well-known documents: tick
	EnvSecret        = "SECRET_ARN"     // Secrets Manager secret that the ticket, draw and HS256 keys are derived from: join, admit, place, tick
	EnvPassKey       = "PASS_KEY_ID"    // KMS key that signs passes: admit signs, tick publishes its public half
	EnvIssuer        = "ISSUER"         // the room's own https address without a trailing slash: admit, place, tick
	EnvParameterPath = "PARAMETER_PATH" // Parameter Store path with both slashes, usually ParameterPath: tick, settings
	EnvRoom          = "ROOM_NAME"      // value of DimensionRoom in the room's metrics: join, admit, place, tick, settings
	EnvShards        = "DEFAULT_SHARDS" // shards of a run whose promoter sets none, 1 to 128: tick, settings
	EnvAlarmTopic    = "ALARM_TOPIC"    // ARN of the SNS topic that hears of bad settings: settings

	// Of the functions of hot shows, which exist only where a deployment asks for them.
	EnvSelfApproval  = "SELF_APPROVAL"   // "true" if people may approve what they asked for, else "false": hotshow, jira
	EnvJiraSecret    = "JIRA_SECRET_ARN" // Secrets Manager secret, see package jira; None without Jira: jira, prepare
	EnvJiraSite      = "JIRA_SITE"       // https address of the Jira site without a trailing slash; None without Jira: jira, prepare
	EnvJiraFields    = "JIRA_FIELDS"     // JSON object from a request's member to the field's id in Jira: jira
	EnvProduct       = "HOTSHOW_PRODUCT" // JSON of the Service Catalog product, see lambdas/prepare/steps; None without one: prepare
	EnvJoinFunction  = "JOIN_FUNCTION"   // name of the function join, whose alias LiveAlias is provisioned: prepare
	EnvAdmitFunction = "ADMIT_FUNCTION"  // name of the function admit, the same: prepare

	// Set in the place of EnvPassKey where the key that signs passes is held as a secret.
	EnvPassKeySecret = "PASS_KEY_SECRET_ARN" // Secrets Manager secret with the RSA key: admit
	EnvPassPublicKey = "PASS_PUBLIC_KEY"     // its public half, PKIX DER in base64: tick
)

// None is the value of a variable whose function has to do without: an empty one counts as forgotten.
const None = "none"

// Variables are all that a function of names.Functions reads, where KMS holds the key that signs
// passes. Where a secret does, EnvPassKey gives way to EnvPassKeySecret for admit and to
// EnvPassPublicKey for tick.
func Variables(function string) []string {
	switch function {
	case FunctionJoin:
		return []string{EnvTable, EnvRoom, EnvSecret}
	case FunctionPlace:
		return []string{EnvTable, EnvRoom, EnvSecret, EnvIssuer}
	case FunctionAdmit:
		return []string{EnvTable, EnvRoom, EnvSecret, EnvIssuer, EnvPassKey}
	case FunctionTick:
		return []string{EnvTable, EnvRoom, EnvSecret, EnvIssuer, EnvPassKey, EnvStatusBucket, EnvParameterPath, EnvShards}
	case FunctionSettings:
		return []string{EnvTable, EnvRoom, EnvParameterPath, EnvShards, EnvAlarmTopic}
	case FunctionHotShow:
		return []string{EnvTable, EnvRoom, EnvIssuer, EnvParameterPath, EnvSelfApproval}
	case FunctionJira:
		return []string{EnvTable, EnvSelfApproval, EnvJiraSecret, EnvJiraSite, EnvJiraFields}
	case FunctionPrepare:
		return []string{EnvTable, EnvRoom, EnvIssuer, EnvParameterPath, EnvJoinFunction, EnvAdmitFunction,
			EnvProduct, EnvJiraSecret, EnvJiraSite}
	}
	panic("names: no function " + function)
}

// ParameterPath is where promoters set an event: ParameterPath + event + "/" + parameter.
const ParameterPath = "/waiting-room/"

// Functions are the names of the Lambda functions; each one's program is built from
// lambdas/<name>/bootstrap.
const (
	FunctionJoin     = "join"
	FunctionAdmit    = "admit"
	FunctionPlace    = "place"
	FunctionTick     = "tick"
	FunctionSettings = "settings"
)

// Functions of hot shows, which exist only where a deployment asks for them.
const (
	FunctionHotShow = "hotshow" // asks for, approves and shows hot shows: the API
	FunctionJira    = "jira"    // hears of requests and approvals in Jira Service Management
	FunctionPrepare = "prepare" // every minute: makes shows ready and takes down what it brought up
)

// HotShowFunctions lists the functions that a room with hot shows runs besides Functions; jira only
// where Jira is connected.
func HotShowFunctions() []string { return []string{FunctionHotShow, FunctionJira, FunctionPrepare} }

// ScheduleActions are what package schedule does to items; whoever lists shows also needs ScheduleList.
// A transaction needs the permissions of what it is made of.
func ScheduleActions() []string {
	return []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
}

// ScheduleList is what lists and histories of shows are read by.
const ScheduleList = "dynamodb:Query"

// JiraMembers are what EnvJiraFields has to name a field for; others may be named besides.
func JiraMembers() []string {
	return []string{"event", "name", "onsale", "visitors", "over", "rate", "target", "approvals"}
}

// JiraOptionalMembers are the members of EnvJiraFields that may be left out and are text, as JiraMembers
// are; and so are those for names in other languages, each JiraNamePrefix and a language's tag.
func JiraOptionalMembers() []string {
	return []string{"prequeue", "closes", "ready_before", "keep_after", "show", "project", "issue_type"}
}

// JiraNamePrefix begins the members for a show's name in other languages than English, as in "name/de".
const JiraNamePrefix = "name/"

// JiraStatusMembers are those that may be left out and are lists of statuses' names.
func JiraStatusMembers() []string { return []string{"approved_statuses", "cancelled_statuses"} }

// Stage is the only stage of each API, the first segment of its address's path.
const Stage = "room"

// LiveAlias is the alias of join and admit that the API calls.
const LiveAlias = "live"

// Functions that CloudFormation calls while it deploys, as custom resources.
const (
	FunctionPassKey = "passkey" // makes the RSA key of passes where a secret holds it
	FunctionEdgeKey = "edgekey" // brings the HS256 key to an edge gate's KeyValueStore
)

// Functions lists the functions that every room runs, in the order in which they are built.
func Functions() []string {
	return []string{FunctionJoin, FunctionAdmit, FunctionPlace, FunctionTick, FunctionSettings}
}

// EventParameter is the path parameter of every route that holds the event's name.
const EventParameter = "event"

// Route is one operation of the API.
type Route struct {
	Method   string // HTTP method
	Path     string // as API Gateway writes it, with {event}
	Function string // the function that answers
}

// Paths of the API, as API Gateway writes them. The forms of the page without JavaScript go to
// addresses below the place's, so that its cookie is sent to nothing else.
const (
	PathJoin       = "/v1/events/{event}/join"
	PathAdmit      = "/v1/events/{event}/admit"
	PathPlace      = "/v1/events/{event}/place"
	PathPlainJoin  = "/v1/events/{event}/place/join"
	PathPlainEnter = "/v1/events/{event}/place/enter"
	PathQR         = "/v1/events/{event}/qr"
)

// PathOf is a path of the API with an event's name in it.
func PathOf(path, event string) string {
	return strings.Replace(path, "{"+EventParameter+"}", event, 1)
}

// Routes lists the API's operations.
func Routes() []Route {
	return []Route{
		{"POST", PathJoin, FunctionJoin},
		{"POST", PathAdmit, FunctionAdmit},
		{"GET", PathPlace, FunctionPlace},
		{"POST", PathPlainJoin, FunctionJoin},
		{"POST", PathPlainEnter, FunctionAdmit},
		{"POST", PathQR, FunctionPlace},
	}
}

// ShowParameter is the path parameter of a hot show's routes that holds its id.
const ShowParameter = "show"

// Paths of the hot shows' own API, which is called with IAM signatures and not through CloudFront;
// PathJira is signed by Jira instead.
const (
	PathHotShows       = "/v1/hotshows"
	PathHotShow        = "/v1/hotshows/{show}"
	PathHotShowApprove = "/v1/hotshows/{show}/approve"
	PathHotShowReject  = "/v1/hotshows/{show}/reject"
	PathHotShowCancel  = "/v1/hotshows/{show}/cancel"
	PathHotShowSale    = "/v1/hotshows/{show}/sale"
	PathJira           = "/v1/jira"
)

// HotShowRoutes lists the operations of the hot shows' API. All but PathJira's are for callers with
// IAM signatures.
func HotShowRoutes() []Route {
	return []Route{
		{"POST", PathHotShows, FunctionHotShow},
		{"GET", PathHotShows, FunctionHotShow},
		{"GET", PathHotShow, FunctionHotShow},
		{"POST", PathHotShowApprove, FunctionHotShow},
		{"POST", PathHotShowReject, FunctionHotShow},
		{"POST", PathHotShowCancel, FunctionHotShow},
		{"GET", PathHotShowSale, FunctionHotShow},
		{"POST", PathJira, FunctionJira},
	}
}

// PlainQuery is the query parameter, of any value, with which an event's address leads to the page
// that needs no JavaScript.
const PlainQuery = "plain"

// PlaceCookie holds the place of a visitor whose browser runs no JavaScript. It is sent to PathPlace
// and what lies below it.
const PlaceCookie = "waitingroom_place"

// Addresses below the room's own, as the page asks for them and as objects are keyed in S3
// (without the leading slash).
const (
	StatusPrefix = "/status/" // + event + ".json"
	SealsPrefix  = "/seals/"  // + event + "/" + run + "/" + cohort + ".json"
	AssetsPrefix = "/assets/" // the page's style sheet and modules
	JWKSPath     = "/.well-known/jwks.json"
	OIDCPath     = "/.well-known/openid-configuration"
)

// PageHeaders are sent with the page and its assets. The policy allows nothing that the page does
// not use, and no inline script or style.
func PageHeaders() map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "DENY",
		"Referrer-Policy":        "no-referrer",
	}
}

// Cache-Control of the page's document and of its assets.
const (
	PageCacheControl  = "no-cache"
	AssetCacheControl = "public, max-age=60"
)

// PlainHeaders are sent with the page that needs no JavaScript: it loads a style sheet and an icon.
func PlainHeaders() map[string]string {
	headers := PageHeaders()
	headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; img-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return headers
}

// ProblemPrefix is what precedes a problem's code in its `type`, whoever answers.
const ProblemPrefix = "urn:waiting-room:problem:"

// How many shards a run has where neither its promoter nor the deployment says, and at most.
const (
	DefaultShards = 16
	MostShards    = 128
)

// PassParameter is the query parameter that carries a pass to the shop.
const PassParameter = "waitingroom_pass"

// LongestEvent is the length of the longest event name in bytes.
const LongestEvent = 64

// ValidEvent reports whether an event may have this name: 1 to 64 of a-z, 0-9 and hyphens, and
// none of Reserved.
func ValidEvent(name string) bool {
	return 1 <= len(name) && len(name) <= LongestEvent && !slices.Contains(Reserved(), name) &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// ProbePrefix begins the names of the few events that hot shows check readiness with, followed by a number.
const ProbePrefix = "probe-"

// Reserved are names that no event may have: they are first segments of other addresses.
func Reserved() []string { return []string{"v1", "status", "seals", "shop", "assets"} }
