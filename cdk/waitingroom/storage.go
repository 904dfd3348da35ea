package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
)

func (r *Room) addStorage(removal awscdk.RemovalPolicy) {
	r.Table = awsdynamodb.NewTable(r.Construct, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("ttl"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		RemovalPolicy: removal,
	})
	// Two buckets, so that no deployment of the page can ever delete a seal and no function can
	// change the page.
	r.Page = r.privateBucket("Page", removal)
	r.Documents = r.privateBucket("Documents", removal)
}

func (r *Room) privateBucket(id string, removal awscdk.RemovalPolicy) awss3.Bucket {
	return awss3.NewBucket(r.Construct, jsii.String(id), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		RemovalPolicy:     removal,
	})
}

// addKeys makes the secrets at deployment, so that no template and no log ever holds one.
func (r *Room) addKeys(removal awscdk.RemovalPolicy) {
	r.Secret = r.generatedSecret("Secret", "Ticket, draw and HS256 keys are derived from this secret.", removal)
	r.OriginSecret = r.generatedSecret("OriginSecret", "API key that CloudFront sends to the API.", removal)
	r.PassKey = awskms.NewKey(r.Construct, jsii.String("PassKey"), &awskms.KeyProps{
		Description:   jsii.String("Signs the waiting room's passes."),
		KeySpec:       awskms.KeySpec_RSA_2048,
		KeyUsage:      awskms.KeyUsage_SIGN_VERIFY,
		RemovalPolicy: removal,
	})
}

// generatedSecret holds 64 letters and digits, over 380 bits. Punctuation is left out since one of
// the secrets travels in a header.
func (r *Room) generatedSecret(id, description string, removal awscdk.RemovalPolicy) awssecretsmanager.Secret {
	return awssecretsmanager.NewSecret(r.Construct, jsii.String(id), &awssecretsmanager.SecretProps{
		Description: jsii.String(description),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			PasswordLength:     jsii.Number(64),
			ExcludePunctuation: jsii.Bool(true),
		},
		RemovalPolicy: removal,
	})
}
