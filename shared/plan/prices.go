package plan

// Price is what a service takes for Per of something, in US dollars.
type Price struct {
	What   string
	USD    float64
	Per    float64
	Source Source
}

// Prices of us-east-1, for visitors in the United States, without free tiers and taxes.
// docs/quotas-and-costs.md has the same, and a test holds it.
var (
	priceRequests    = Price{"CloudFront, HTTPS requests", 0.0100, 10_000, quoted(cloudFrontPrices)}
	priceSent        = Price{"CloudFront, GB sent", 0.085, 1, seen(cloudFrontPrices)}
	priceEdge        = Price{"CloudFront Functions", 0.10, 1_000_000, quoted(cloudFrontPrices)}
	priceAPI         = Price{"API Gateway, REST requests", 3.50, 1_000_000, seen("https://aws.amazon.com/api-gateway/pricing/")}
	priceInvocations = Price{"Lambda, invocations", 0.20, 1_000_000, seen(lambdaPrices)}
	priceCompute     = Price{"Lambda, GB-seconds on arm64", 0.0000133334, 1, quoted(lambdaPrices)}
	priceProvisioned = Price{"provisioned concurrency, GB-seconds", 0.0000033334, 1, quoted(lambdaPrices)}
	priceWrites      = Price{"DynamoDB, writes on demand", 0.625, 1_000_000, quoted(tablePrices)}
	priceReads       = Price{"DynamoDB, reads on demand", 0.125, 1_000_000, quoted(tablePrices)}
	priceStorage     = Price{"DynamoDB, GB-months", 0.25, 1, quoted(tablePrices)}
	priceRecovery    = Price{"point-in-time recovery, GB-months", 0.20, 1, quoted(tablePrices)}
	priceWarm        = Price{"DynamoDB, warm throughput, units above what the table has", 0, 1, Source{tablePrices, read, Unconfirmed}}
	priceSignatures  = Price{"KMS, signatures with RSA 2048", 0.03, 10_000, quoted("https://aws.amazon.com/kms/pricing/")}
	priceKey         = Price{"KMS key", 1.00, 1, seen("https://aws.amazon.com/kms/pricing/")}
	priceSecret      = Price{"secrets", 0.40, 1, quoted("https://aws.amazon.com/secrets-manager/pricing/")}
	pricePublishes   = Price{"S3, writes", 0.005, 1_000, quoted("https://aws.amazon.com/s3/pricing/")}
	priceOrigin      = Price{"S3, reads by CloudFront", 0.004, 10_000, quoted("https://aws.amazon.com/s3/pricing/")}
	priceLogs        = Price{"CloudWatch, GB of logs", 0.50, 1, quoted(watchPrices)}
	priceMetrics     = Price{"CloudWatch, metrics", 0.30, 1, quoted(watchPrices)}
	priceAlarms      = Price{"alarms, by metric", 0.10, 1, quoted(watchPrices)}
	priceDashboard   = Price{"dashboard", 3.00, 1, quoted(watchPrices)}
	priceStarts      = Price{"`tick`, starts by EventBridge Scheduler", 1.00, 1_000_000, quoted("https://aws.amazon.com/eventbridge/pricing/")}
	priceWebACL      = Price{"web ACL with its two rules, a month", 7.00, 1, quoted(firewallPrices)}
	priceWebACLSees  = Price{"web ACL, requests", 0.60, 1_000_000, quoted(firewallPrices)}
	priceEurope      = Price{"visitors in Europe instead", 0.0120, 10_000, quoted(cloudFrontPrices)}
)

// Pages that more than one price is from.
const (
	cloudFrontPrices = "https://aws.amazon.com/cloudfront/pricing/"
	lambdaPrices     = "https://aws.amazon.com/lambda/pricing/"
	tablePrices      = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
	watchPrices      = "https://aws.amazon.com/cloudwatch/pricing/"
	firewallPrices   = "https://aws.amazon.com/waf/pricing/"
)

// Prices lists all of them.
func Prices() []Price {
	return []Price{priceRequests, priceSent, priceEdge, priceAPI, priceInvocations, priceCompute, priceProvisioned,
		priceWrites, priceReads, priceStorage, priceRecovery, priceWarm, priceSignatures, priceKey, priceSecret,
		pricePublishes, priceOrigin, priceLogs, priceMetrics, priceAlarms, priceDashboard, priceStarts,
		priceWebACL, priceWebACLSees, priceEurope}
}

// PriceSource says where the prices are from, in a sentence's end.
const PriceSource = "us-east-1, without free tiers and taxes (sources: docs/quotas-and-costs.md); warm throughput, which is paid once, is not among them"

func (p Price) of(amount float64) Cost {
	return Cost{What: p.What, Amount: amount, USD: amount * p.USD / p.Per, Confirmed: p.Source.How}
}
