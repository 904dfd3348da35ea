package plan

// Confidence says how far a figure could be confirmed at its source.
type Confidence string

// How far a figure could be confirmed.
const (
	Seen        Confidence = "seen"   // read on that page, or in another text of AWS's
	Quoted      Confidence = "quoted" // the page shows it by script or not at all: others quote it, or AWS's support
	Unconfirmed Confidence = "not confirmed"
)

// Source is where a figure is from.
type Source struct {
	URL  string     `json:"url"`
	Read string     `json:"read"` // month, as in 2026-11
	How  Confidence `json:"how"`
}

// read is the month in which all sources below were looked at.
const read = "2026-11"

func seen(url string) Source   { return Source{URL: url, Read: read, How: Seen} }
func quoted(url string) Source { return Source{URL: url, Read: read, How: Quoted} }

// Limit is a quota of AWS's, as an account has it where nobody asked for more.
type Limit struct {
	Name    string `json:"name"`
	Code    string `json:"code"`    // service and code for Service Quotas, or how else to ask
	Default int    `json:"default"` // some accounts and regions have less, see docs/quotas-and-costs.md
	Source  Source `json:"source"`
}

// The quotas that a sale can meet. Steps of hot shows name the exported ones where AWS refuses what they ask for.
// docs/quotas-and-costs.md has the same, and a test holds it.
var (
	LimitConcurrency = Limit{"Lambda, concurrent executions", "lambda L-B99A9384", 1_000,
		seen("https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html")}
	limitAPI = Limit{"API Gateway, requests a second", "apigateway L-8A5B8E43", 10_000,
		seen("https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html")}
	LimitWrites = Limit{"DynamoDB, writes of one table a second", "dynamodb L-AB614373", 40_000,
		seen("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html")}
	LimitReads = Limit{"DynamoDB, reads of one table a second", "dynamodb L-CF0CBE56", 40_000,
		seen("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html")}
	limitSignatures = Limit{"KMS, RSA signatures a second", "kms L-2AC98190", 1_000,
		seen("https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html")}
	limitCloudFront = Limit{"CloudFront, requests a second per distribution", "support case", 250_000,
		seen("https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html")}
	// The next two are not used up by any sale: tick reads 8 times a second at most, and a hot show writes
	// its parameters one after the other.
	limitParameterReads = Limit{"Parameter Store, calls a second", `Parameter Store's settings, "higher throughput"`, 40,
		quoted("https://docs.aws.amazon.com/general/latest/gr/ssm.html")}
	limitParameterWrites = Limit{"Parameter Store, writes a second", `Parameter Store's settings, "higher throughput"`, 3,
		quoted("https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2944")}
)

// Limits lists the quotas that plans compare with and those that no sale uses up.
func Limits() []Limit {
	return []Limit{LimitConcurrency, limitAPI, LimitWrites, LimitReads, limitSignatures, limitCloudFront,
		limitParameterReads, limitParameterWrites}
}

const (
	// perPartition is how many writes a second one physical partition of a table takes, partitionReads how
	// many reads
	// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html).
	perPartition   = 1_000
	partitionReads = 3_000
	// newWrites and newReads are what a new table takes
	// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html).
	newWrites = 4_000
	newReads  = 12_000
	// perEnvironment is how many requests a second Lambda gives each unit of concurrency
	// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html).
	perEnvironment = 10
	// unreserved is how much of its concurrency an account cannot give to functions
	// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html). Provisioned concurrency
	// has no quota of its own: it counts towards the account's.
	unreserved = 100
	// MostJoins is how many joins a second a room takes at most: each environment reads the state once a
	// second, and the state is one item, which lies on one partition.
	MostJoins = partitionReads * perEnvironment
)
