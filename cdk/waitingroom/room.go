// Package waitingroom is the room's infrastructure as one construct, so that a team can put it into
// a stack of its own. It knows of the functions only their names, their routes and the variables
// that they read.
package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
)

// Props say where the built parts lie and what the room is to be. Only Functions and Page are
// required.
type Props struct {
	// Functions is the folder that holds <name>/bootstrap for each of names.Functions, built for
	// Linux on arm64.
	Functions string
	// Page is the folder of the visitor's page: index.html and what it loads.
	Page string
	// Domain is the room's own name; without one it answers at the distribution's. Free.
	Domain *Domain
	// WebACL is the ARN of a web ACL for CloudFront, which lives in us-east-1. Default none. Its
	// price is its own: see NewWebACL.
	WebACL string
	// WarmThroughput is what the table takes at once from its first minute, paid once when it is
	// raised. Default none: a new table's 4,000 writes and 12,000 reads a second.
	WarmThroughput *WarmThroughput
	// AlarmAddress is the e-mail address that hears of alarms and bad settings, once it has
	// confirmed. Default none: alarms are shown in the console alone. Free for 1,000 mails a month.
	AlarmAddress string
	// LogRetention is how long the functions' logs are kept. Default a month.
	LogRetention awslogs.RetentionDays
	// Removal is what becomes of the table, the buckets, the key and the secrets when the stack is
	// deleted. The default retains them: a sale's places and keys cannot be made again.
	Removal awscdk.RemovalPolicy
	// PassKey is where the key lives that signs passes. Default PassKeyKMS.
	PassKey PassKey
	// Shards is how many shards a run has whose promoter sets none: 1 to 128, default 16. A shard
	// takes 1,000 joins a second. More of them cost tick more reads and writes while a sale is open.
	Shards int
	// OriginKey is a label for the API key that CloudFront sends. Another one makes another key;
	// the old one goes when the new one is in use. Default "1".
	OriginKey string
}

// PassKey is where the RSA key of passes lives.
type PassKey string

const (
	// PassKeyKMS keeps the key in KMS, which nothing leaves: 1 USD a month, and 0.15 USD for 10,000
	// passes. The account's quota of 1,000 signatures a second bounds the rate to some 45,000 a minute.
	PassKeyKMS PassKey = "kms"
	// PassKeySecret keeps it in Secrets Manager, for rates above that: 0.40 USD a month. The key is
	// made when the stack is deployed, and admit signs in its own process.
	PassKeySecret PassKey = "secret"
)

// WarmThroughput is in units per second, of items of up to 1 KB written and 4 KB read.
type WarmThroughput struct {
	Reads  int // 12,000 or more
	Writes int // 4,000 or more
}

// Domain is a name that the team points at the distribution.
type Domain struct {
	Name        string
	Certificate string // ARN of an ACM certificate in us-east-1, where CloudFront looks for it
}

// Room is the deployed waiting room. Its parts are exported so that a team's stack can watch them,
// grant on them and add to them.
type Room struct {
	Construct constructs.Construct // the scope of all parts

	Table        awsdynamodb.Table
	Page         awss3.Bucket // index.html and assets
	Documents    awss3.Bucket // status, seals and well-known documents, written by tick alone
	Secret       awssecretsmanager.Secret
	OriginSecret awssecretsmanager.Secret // the API key that CloudFront sends
	PassKey      awskms.Key
	API          awsapigateway.RestApi
	Distribution awscloudfront.Distribution
	Functions    map[string]awslambda.Function // by names.Functions
	Alarms       awssns.Topic                  // hears of alarms and bad settings; add subscriptions to it

	// Address is the room's own https address without a trailing slash; it is the passes' issuer.
	Address *string
}

// NewWaitingRoom makes a waiting room in scope. The error names every prop that is wrong.
//
// The functions know the room's address, the address is the distribution's, and the distribution
// leads to the API, whose methods call the functions. That is no cycle only because the
// distribution refers to the API's id and never to its deployment, stage or methods.
func NewWaitingRoom(scope constructs.Construct, id string, props Props) (*Room, error) {
	if props.Removal == "" {
		props.Removal = awscdk.RemovalPolicy_RETAIN
	}
	room := &Room{Construct: constructs.NewConstruct(scope, &id)}
	room.addTopic(props.AlarmAddress)
	room.addStorage(props.Removal)
	room.addKeys(props.Removal)
	room.addAPI()
	room.addDistribution(props.Domain)
	room.addPage(props.Page)
	room.addFunctions(props.Functions)
	room.addRoutes()
	room.addSchedule()
	room.addAlarms()
	room.addDashboard()
	return room, nil
}
