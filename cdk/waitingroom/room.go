// Package waitingroom is the room's infrastructure as one construct, so that a team can put it into
// a stack of its own. It knows of the functions only their names, their routes and the variables
// that they read.
package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Props say where the built parts lie and what the room is to be. Only Functions and Page are
// required. Prices are those of us-east-1 without a free tier.
type Props struct {
	// Functions is the folder that holds <name>/bootstrap for each of names.Functions, and for
	// names.FunctionPassKey and names.HotShowFunctions where PassKey and HotShows ask for them, built
	// for Linux on arm64.
	Functions string
	// Page is the folder of the visitor's page: index.html and what it loads.
	Page string
	// Domain is the room's own name; without one it answers at the distribution's. Free.
	Domain *Domain
	// WebACL is the ARN of a web ACL for CloudFront, which lives in us-east-1. Default none. Its
	// price is its own: see NewWebACL.
	WebACL string
	// WarmThroughput is what the table takes at once from its first minute. Default none: a new
	// table's 4,000 writes and 12,000 reads a second. It is paid once when it is raised and cannot
	// be lowered again: https://aws.amazon.com/dynamodb/pricing/on-demand/
	WarmThroughput *WarmThroughput
	// AlarmAddress is the e-mail address that hears of alarms and bad settings, once it has
	// confirmed. Default none: alarms are shown in the console alone. Free for 1,000 mails a month,
	// then 2 USD for 100,000: https://aws.amazon.com/sns/pricing/
	AlarmAddress string
	// Runbook is the https address of docs/runbook.md where the team reads it, such as its copy of the
	// repository. Alarms and the dashboard lead there. Default the file's path in the repository. Free.
	Runbook string
	// LogRetention is how long logs are kept. Default a month. Kept logs cost 0.03 USD a GB and
	// month; RetentionOf gives it for a number of days. https://aws.amazon.com/cloudwatch/pricing/
	LogRetention awslogs.RetentionDays
	// Removal is what becomes of the table, the buckets, the keys, their secrets and the logs when
	// the stack is deleted: RETAIN or DESTROY. The default retains them: a sale's places and keys
	// cannot be made again. DESTROY empties the buckets too, by a function of the CDK's own.
	Removal awscdk.RemovalPolicy
	// PassKey is where the key lives that signs passes. Default PassKeyKMS. A change makes another
	// key: passes signed with the old one are refused, so it is no change for the middle of a sale.
	PassKey PassKey
	// Shards is how many shards a run has whose promoter sets none: 1 to 128; 0 is the default, 16. A
	// shard takes 1,000 joins a second. More of them cost tick more reads and writes while a sale is
	// open.
	Shards int
	// OriginKey is a label for the API key that CloudFront sends, of up to 32 letters and digits.
	// Another one makes another key and secret; the old ones go when the new ones are in use. Default
	// "1". A secret costs 0.40 USD a month: https://aws.amazon.com/secrets-manager/pricing/
	OriginKey string
	// HotShows has hot shows asked for, approved, made ready and taken down. Default nil: promoters set
	// parameters and teams warm up by hand. Some 1.30 USD a month, without what shows need.
	HotShows *HotShows
}

// PassKey is where the RSA key of passes lives.
type PassKey string

const (
	// PassKeyKMS keeps the key in KMS, which nothing leaves: 1 USD a month, and 0.03 USD for 10,000
	// passes (https://aws.amazon.com/kms/pricing/). The account's quota of 1,000 signatures a second
	// bounds the rate to some 45,000 a minute.
	PassKeyKMS PassKey = "kms"
	// PassKeySecret keeps it in Secrets Manager, for rates above that: 0.40 USD a month. The key is
	// made when the stack is deployed, and admit signs in its own process.
	PassKeySecret PassKey = "secret"
)

// WarmThroughput is in units per second, of items of up to 1 KB written and 4 KB read.
type WarmThroughput struct {
	Reads  int // LeastWarmReads or more
	Writes int // LeastWarmWrites or more
}

// Domain is the room's own name.
type Domain struct {
	Name        string // in lower case, such as queue.example.com
	Certificate string // ARN of an ACM certificate in us-east-1, where CloudFront looks for it
	// Zone is the id of the hosted zone in which the name's A and AAAA records are made. Default
	// none: the team points the name at the distribution. Answering for CloudFront is free.
	Zone string
}

// Room is the deployed waiting room. Its parts are exported so that a team's stack can watch them,
// grant on them and add to them.
type Room struct {
	Construct constructs.Construct // the scope of all parts
	// Name tells the room from others of the account and region. It is known at synthesis: metrics,
	// alarms and the dashboard carry it.
	Name string

	Table         awsdynamodb.Table
	Page          awss3.Bucket // index.html and assets
	Documents     awss3.Bucket // status, seals and well-known documents, written by tick alone
	Secret        awssecretsmanager.Secret
	OriginSecret  awssecretsmanager.Secret  // the API key that CloudFront sends
	PassKey       awskms.Key                // nil with PassKeySecret
	PassKeySecret awssecretsmanager.ISecret // nil with PassKeyKMS
	API           awsapigateway.RestApi
	Distribution  awscloudfront.Distribution
	Functions     map[string]awslambda.Function // by names.Functions, and names.HotShowFunctions
	// Live are the aliases of join and admit that the API calls, by name. Provisioned concurrency
	// belongs there; each deployment moves them to the functions' current version.
	Live   map[string]awslambda.Alias
	Alarms awssns.Topic // hears of alarms and bad settings; add subscriptions to it

	// Of hot shows; nil without them, and JiraSecret without Jira too. Attach AskPolicy to whoever may
	// ask for shows, and ApprovePolicy to whoever may approve them.
	HotShowsAPI   awsapigateway.RestApi
	AskPolicy     awsiam.ManagedPolicy
	ApprovePolicy awsiam.ManagedPolicy
	JiraSecret    awssecretsmanager.Secret

	// Address is the room's own https address without a trailing slash; it is the passes' issuer.
	Address *string

	props         Props // with defaults
	originKey     awsapigateway.CfnApiKey
	passPublicKey *string // PKIX DER in base64, known once deployed; nil with PassKeyKMS
}

// NewWaitingRoom makes a waiting room in scope. The error names every prop that is wrong, one a line.
//
// The functions know the room's address, the address is the distribution's, and the distribution
// leads to the API, whose methods call the functions. That is no cycle only because the
// distribution refers to the API's id and never to its deployment, stage or methods.
func NewWaitingRoom(scope constructs.Construct, id string, props Props) (*Room, error) {
	props = props.withDefaults()
	if err := props.check(); err != nil {
		return nil, err
	}
	room := &Room{Construct: constructs.NewConstruct(scope, &id), props: props}
	room.Name = *awscdk.Names_UniqueResourceName(room.Construct, &awscdk.UniqueResourceNameOptions{
		MaxLength: jsii.Number(64),
		Separator: jsii.String("-"),
	})
	room.addTopic(props.AlarmAddress)
	room.addStorage()
	room.addKeys()
	room.addAPI()
	room.addDistribution()
	room.addRecords()
	room.addPage()
	room.addFunctions()
	room.addRoutes()
	room.addSchedule()
	room.addHotShows()
	room.addAlarms()
	room.addDashboard()
	room.acceptFindings()
	return room, nil
}
