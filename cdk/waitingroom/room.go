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
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
)

// Props say where the built parts lie and what the room is called.
type Props struct {
	// Functions is the folder that holds <name>/bootstrap for each of names.Functions, built for
	// Linux on arm64.
	Functions string
	// Page is the folder of the visitor's page: index.html and what it loads.
	Page string
	// Domain is the room's own name; without one it answers at the distribution's.
	Domain *Domain
	// Removal is what becomes of the table, the buckets, the key and the secrets when the stack is
	// deleted. The default retains them: a sale's places and keys cannot be made again.
	Removal awscdk.RemovalPolicy
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

	// Address is the room's own https address without a trailing slash; it is the passes' issuer.
	Address *string
}

// New makes a waiting room in scope.
//
// The functions know the room's address, the address is the distribution's, and the distribution
// leads to the API, whose methods call the functions. That is no cycle only because the
// distribution refers to the API's id and never to its deployment, stage or methods.
func New(scope constructs.Construct, id string, props Props) *Room {
	if props.Removal == "" {
		props.Removal = awscdk.RemovalPolicy_RETAIN
	}
	room := &Room{Construct: constructs.NewConstruct(scope, &id)}
	room.addStorage(props.Removal)
	room.addKeys(props.Removal)
	room.addAPI()
	room.addDistribution(props.Domain)
	room.addPage(props.Page)
	room.addFunctions(props.Functions)
	room.addRoutes()
	room.addSchedule()
	return room
}
